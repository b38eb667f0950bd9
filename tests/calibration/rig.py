"""A made-up camera, arm and board of which everything is known."""

import numpy as np

from calibration.boards import Corners
from calibration.hand_eye_data import CornerSighting, HandEyeData, PoseSighting
from calibration.views import View
from pushcell import se3
from pushcell.cameras.camera_model import Lens

LENS = Lens(
    np.array([[616.7, 0, 318.1], [0, 616.8, 244.1], [0, 0, 1]]),
    np.array([0.08, -0.2, 0.001, -0.0005, 0.05]),
    (640, 480),
)
HAND_RAD, HAND_M, PIXEL = np.radians(0.05), 0.0005, 0.1
CAMERA = {
    "eye-to-hand": se3.from_rvec([2.1, 0.3, -0.4], [0.9, -0.1, 0.5]),
    "eye-in-hand": se3.from_rvec([0.2, 0.1, 1.5], [-0.08, -0.02, 0.06]),
}
TARGET = {
    "eye-to-hand": se3.from_rvec([0.1, 0.2, 0.3], [0.02, 0.03, 0.1]),
    "eye-in-hand": se3.from_rvec([0.05, -0.02, 0.7], [0.55, 0.05, 0.01]),
}


def looks(board, rng, count, tilt_rad=0.6):
    """(n, 4, 4) poses of a board in the camera, all over the image and tilted to all sides."""
    width, height = board.size_m
    middle = np.array([width / 2, height / 2, 0])
    poses = []
    for _ in range(count):
        R = se3.from_rvec(rng.uniform(-tilt_rad, tilt_rad, 3), np.zeros(3))[:3, :3]
        depth = rng.uniform(0.3, 0.5)
        at = depth * np.array([*rng.uniform([-0.3, -0.25], [0.3, 0.25]), 1.0])
        poses.append(se3.transform(R, at - R @ middle))
    return np.array(poses)


def hands(setup, target_in_camera):
    """(n, 4, 4) the hand in the base, for which the target is there in the camera."""
    carrier = TARGET[setup] @ se3.inverse(CAMERA[setup] @ target_in_camera)
    return carrier if setup == "eye-in-hand" else se3.inverse(carrier)


def shaken(poses, rng, rad=HAND_RAD, m=HAND_M):
    """Poses (n, 4, 4) with noise of a standard deviation a axis, in their own axes."""
    noise = rng.normal(size=(len(poses), 6)) * np.repeat([rad, m], 3)
    return poses @ se3.change(noise)


def seen(board, target_in_camera, rng, pixel=PIXEL, lens=LENS):
    """Views with noisy corners."""
    views = []
    for index, pose in enumerate(target_in_camera):
        points = board.corners_m @ pose[:3, :3].T + pose[:3, 3]
        pixels = lens.project(points) + pixel * rng.normal(size=(len(points), 2))
        views.append(View(f"view {index}", Corners(np.arange(len(points)), pixels)))
    return tuple(views)


def names(count):
    return tuple(f"view {index}" for index in range(count))


def corner_data(setup, board, rng, count=20):
    """Noisy corners, noisy hands."""
    poses = looks(board, rng, count)
    sightings = tuple(
        CornerSighting.of(view, board.corners_m, LENS) for view in seen(board, poses, rng)
    )
    return HandEyeData(setup, names(count), shaken(hands(setup, poses), rng), sightings)


def pose_data(setup, board, rng, count=20, target_rad=0.0, target_m=0.0):
    """Noisy hands, and poses of the target with noise of their own."""
    poses = looks(board, rng, count)
    with_noise = shaken(poses, rng, target_rad, target_m)
    sightings = tuple(PoseSighting(pose) for pose in with_noise)
    return HandEyeData(setup, names(count), shaken(hands(setup, poses), rng), sightings)
