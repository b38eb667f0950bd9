"""``pushcell calibrate hand-eye``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from tyro.conf import arg

from calibration.boards import Board, parse_board
from calibration.files import read_hand_poses, read_joints, read_pairs
from calibration.hand_eye import HandEye, calibrate_hand_eye
from calibration.hand_eye_data import CornerSighting, HandEyeData, Indices, PoseSighting, Setup
from calibration.hand_eye_fit import Joints
from calibration.hand_eye_noise import explained_errors
from calibration.plots import hand_eye_pictures
from calibration.result_files import CalibrationOutcome, finish
from calibration.stray_corners import without_stray_corners
from calibration.views import image_files, read_views
from pushcell.cameras.camera_info import camera_info_text, read_camera_info
from pushcell.cameras.camera_model import Lens
from pushcell.config.cell import load_cell
from pushcell.errors import CalibrationError
from pushcell.geometry import Array, Pose


@dataclass(frozen=True)
class HandEyeLimits:
    """Limits of a result, and the accuracy of the arm's poses, which some of them follow from.

    ``arm_mm`` and ``arm_deg`` are standard deviations per axis. The limits of the leave-one-out
    error are by default three times what the noise of corners and arm explains.
    """

    arm_mm: float = 1.0
    arm_deg: float = 0.1
    max_left_out_mm: float | None = None
    max_left_out_deg: float | None = None
    max_deviation_mm: float = 2.0
    max_deviation_deg: float = 0.2


_LIMITS = HandEyeLimits()


@dataclass(frozen=True)
class CalibrateHandEye:
    r"""Calibrate a camera's pose in the base (eye-to-hand) or in the hand (eye-in-hand).

    Give pairs of poses, or images of a board with the arm's poses. It saves the numbers as JSON and
    a report as HTML, with the date in the file names. A result that exceeds its limits is not
    saved; the exit code is then 1.

    examples:
      pushcell calibrate hand-eye --setup eye-to-hand --pairs pairs.json --out out
      pushcell calibrate hand-eye --setup eye-in-hand --images images/ --robot-poses poses.json \
        --intrinsics camera.yaml --board charuco:7x5:0.030:0.021:DICT_4X4_50 --out out
    """

    setup: Setup
    """eye-to-hand: camera on the base, board on the hand; eye-in-hand: the other way round."""
    out: Path
    """Folder for the result."""
    pairs: Path | None = None
    """JSON array (N, 2, 4, 4), or (N, 2, 7) of x y z and quaternions x y z w: poses of the hand in
    the base and of the target (the board) in the camera (m)."""
    images: tuple[Path, ...] = ()
    """Image files, or folders of image files."""
    robot_poses: Path | None = None
    """JSON: poses of the hand in the base (m), as (N, 4, 4) or (N, 7) (x y z, quaternion x y z w)
    in the order of the images, or as {image name: pose}."""
    intrinsics: Path | None = None
    """The camera's camera_info YAML file."""
    board: str | None = None
    """The board, as for intrinsics; with --pairs it only resolves half turns."""
    joints: Path | None = None
    """JSON (N, joints) of joint positions (rad): also estimate the joint offsets of --cell's
    arm."""
    cell: Path = Path("sim")
    """The cell to whose arm --joints belong."""
    refine_lens: bool = False
    """Also refine the lens of --intrinsics, from --images and the arm's poses; saves another
    camera_info YAML file, which is valid only together with this pose."""
    camera: str = "camera"
    """Name of the camera in the cell file."""
    arm_mm: float = _LIMITS.arm_mm
    """Accuracy of the arm's positions: standard deviation per axis. Together with the measured
    noise of the corners it sets the default of --max-left-out-mm and --max-left-out-deg."""
    arm_deg: float = _LIMITS.arm_deg
    """Accuracy of the arm's orientations: standard deviation per axis."""
    max_left_out_mm: float | None = _LIMITS.max_left_out_mm
    """Limit: RMS distance of each target from its position predicted by the others; by default
    three times what the noise of corners and arm explains."""
    max_left_out_deg: float | None = _LIMITS.max_left_out_deg
    """Limit: the same for angles."""
    max_deviation_mm: float = _LIMITS.max_deviation_mm
    """Limit: standard deviation of the camera's position."""
    max_deviation_deg: float = _LIMITS.max_deviation_deg
    """Limit: standard deviation of the camera's orientation."""
    force: bool = False
    """Save the result even if it exceeds its limits."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the numbers as JSON to this file; - for standard output."""

    @property
    def limits(self) -> HandEyeLimits:
        """The limits that were given."""
        return HandEyeLimits(*(getattr(self, field.name) for field in fields(HandEyeLimits)))


def main(words: Sequence[str]) -> int:
    """Run the command; raises CalibrationError."""
    options = tyro.cli(CalibrateHandEye, prog="pushcell calibrate hand-eye", args=list(words))
    data, places = _from_pairs(options) if options.pairs else _from_images(options)
    joints = None if options.joints is None else _joints(options, places)
    result = calibrate_hand_eye(data, joints, options.refine_lens)
    found = outcome(
        result, options.setup, options.camera, options.limits, by_index=options.pairs is not None
    )
    return finish(found, options.out, options.force, options.json)


def _from_pairs(options: CalibrateHandEye) -> tuple[HandEyeData, Indices]:
    """The data, and the place of each of its views among all that were given."""
    assert options.pairs is not None
    if options.images or options.robot_poses or options.intrinsics:
        raise CalibrationError(
            "give either --pairs or --images with what belongs to them, not both"
        )
    pairs = read_pairs(options.pairs)
    board = None if options.board is None else parse_board(options.board)
    names = tuple(str(index) for index in range(len(pairs)))
    sightings = tuple(PoseSighting(target) for target in pairs[:, 1])
    half_turn = None if board is None else board.half_turn
    data = HandEyeData(options.setup, names, pairs[:, 0], sightings, half_turn)
    return data, np.arange(len(pairs))


def _from_images(options: CalibrateHandEye) -> tuple[HandEyeData, Indices]:
    if not (options.images and options.robot_poses and options.intrinsics and options.board):
        raise CalibrationError(
            "give --pairs, or all of --images, --robot-poses, --intrinsics and --board"
        )
    board, lens = parse_board(options.board), read_camera_info(options.intrinsics)
    files = tuple(path.name for path in image_files(options.images))
    hands = read_hand_poses(options.robot_poses, files)
    views = read_views(options.images, board)
    if views.size != lens.size:
        raise CalibrationError(
            f"the images are {views.size[0]}x{views.size[1]}, {options.intrinsics} is for "
            f"{lens.size[0]}x{lens.size[1]}: give the intrinsics of these images"
        )
    seen = without_stray_corners(views.found, board.corners_m, lens)
    places = np.array([files.index(view.name) for view in seen])
    sightings = tuple(CornerSighting.of(view, board.corners_m, lens) for view in seen)
    _require_fit(sightings, board, lens)
    names = tuple(view.name for view in seen)
    data = HandEyeData(options.setup, names, hands[places], sightings, board.half_turn)
    return data, places


def _require_fit(sightings: Sequence[CornerSighting], board: Board, lens: Lens) -> None:
    """Raise CalibrationError where most boards do not look as through this lens."""
    typical = float(np.median([np.sqrt(s.base_variance) for s in sightings]))
    if typical > 0.01 * lens.size[0]:
        raise CalibrationError(
            f"the board's corners are {typical:.0f} px from where the intrinsics let them be: "
            "is it this camera's file, and the board's description right?"
        )


def _joints(options: CalibrateHandEye, places: Indices) -> Joints:
    assert options.joints is not None
    from pushcell.arm.kinematics import ArmKinematics

    cell = load_cell(options.cell)
    kinematics = ArmKinematics(cell)
    count = len(read_pairs(options.pairs)) if options.pairs else len(image_files(options.images))
    positions = read_joints(options.joints, count, len(kinematics.joint_names))[places]
    link = cell.arm.model.tip_link
    return Joints(positions, lambda q: kinematics.link_pose(q, link).matrix())


def outcome(
    result: HandEye,
    setup: Setup,
    camera: str,
    limits: HandEyeLimits = _LIMITS,
    by_index: bool = False,
) -> CalibrationOutcome:
    """The numbers and report of a result, and what of it exceeds the limits.

    ``by_index``: poses are named by their number, not by the name of an image.
    """
    deviations = np.sqrt(np.diag(result.covariance))
    deviation_deg = float(np.degrees(deviations[:3].max()))
    deviation_mm = float(1e3 * deviations[3:].max())
    left_out_mm, left_out_deg = _rms_mm(result.left_out_m), _rms_deg(result.left_out_rad)
    residual_mm, residual_deg = _rms_mm(result.residual_m), _rms_deg(result.residual_rad)
    explained_mm, explained_deg = _explained(limits, result)
    most_mm = _or_default(limits.max_left_out_mm, _MOST_TIMES * explained_mm)
    most_deg = _or_default(limits.max_left_out_deg, _MOST_TIMES * explained_deg)
    problems = [
        f"{what} is {value:.2f} {unit}, allowed {limit:.3g} {unit}: {advice}"
        for what, value, limit, unit, advice in (
            ("leave-one-out error", left_out_mm, most_mm, "mm", _ADVICE_NOISE),
            ("leave-one-out error", left_out_deg, most_deg, "deg", _ADVICE_NOISE),
            ("standard deviation", deviation_mm, limits.max_deviation_mm, "mm", _ADVICE_MORE),
            ("standard deviation", deviation_deg, limits.max_deviation_deg, "deg", _ADVICE_MORE),
        )
        if value > limit
    ]
    scale = result.scale
    problems += [scale.problem] if scale is not None and scale.problem else []
    pose, noise, solution = Pose.from_matrix(result.camera), result.fit.noise, result.fit.solution
    joints = len(solution.offsets_rad)
    figures: dict[str, Any] = {
        "setup": setup,
        "camera": camera,
        "transform": result.camera.tolist(),
        "xyz_m": pose.translation.tolist(),
        "rpy_rad": pose.rpy.tolist(),
        "target": solution.Y.tolist(),
        "residual_mm": residual_mm,
        "residual_deg": residual_deg,
        "leave_one_out_mm": left_out_mm,
        "leave_one_out_deg": left_out_deg,
        "explained_mm": explained_mm,
        "explained_deg": explained_deg,
        "covariance": result.covariance.tolist(),
        "deviation_mm": (1e3 * deviations[3:]).tolist(),
        "deviation_deg": np.degrees(deviations[:3]).tolist(),
        "poses_used": len(result.residual_m),
        "board_scale": None if scale is None else [scale.value, scale.deviation],
        "outliers": [int(o.name) if by_index else o.name for o in result.outliers],
        "outliers_off": [
            {"name": o.name, "mm": 1e3 * o.off_m, "deg": float(np.degrees(o.off_rad))}
            for o in result.outliers
        ],
        "second_turn_deg": float(np.degrees(result.second_turn_rad)),
        "hand_noise": {"mm": 1e3 * noise.hand_m, "deg": float(np.degrees(noise.hand_rad))},
        "pixel_noise_px": noise.pixel,
        "joint_offsets_rad": solution.offsets_rad.tolist(),
        "joint_offset_deviations_rad": _deviations(result)[12 : 12 + joints].tolist(),
        "solvers": {
            name: {"transform": X.tolist(), "residual_mm": _solver_mm(result, X, Y)}
            for name, (X, Y) in result.solvers.items()
        },
    }
    shown = {
        f"camera in {'base' if setup == 'eye-to-hand' else 'hand'}": (
            f"xyz {_list(pose.translation, 4)} m, rpy {_list(pose.rpy, 4)} rad"
        ),
        "standard deviation": (
            f"{_list(1e3 * deviations[3:], 2)} mm, {_list(np.degrees(deviations[:3]), 3)} deg"
        ),
        "residual": f"{residual_mm:.2f} mm, {residual_deg:.3f} deg",
        "leave one out": f"{left_out_mm:.2f} mm, {left_out_deg:.3f} deg",
        "of which noise explains": f"{explained_mm:.2f} mm, {explained_deg:.3f} deg",
        "board's scale": "-" if scale is None else f"{scale.value:.4f} ± {scale.deviation:.4f}",
        "poses": f"{len(result.residual_m)} used",
    }
    files = {}
    if result.lens is not None:
        lens = result.lens
        deviations = _deviations(result)[-len(lens.names) :]
        names = zip(lens.names, lens.parameters, deviations, strict=True)
        figures["lens"] = {name: [value, deviation] for name, value, deviation in names}
        shown |= {
            name: f"{value:.3f} ± {deviation:.3f}"
            for name, (value, deviation) in figures["lens"].items()
        }
        files[".yaml"] = camera_info_text(result.lens, camera)
    left_out = tuple(
        f"pose {o.name} is left out: {1e3 * o.off_m:.1f} mm and {np.degrees(o.off_rad):.2f} deg off"
        for o in result.outliers
    )
    return CalibrationOutcome(
        kind="hand_eye",
        figures=figures,
        shown=shown,
        pictures=hand_eye_pictures(result),
        problems=problems,
        warnings=(*left_out, *result.warnings),
        files=files,
    )


_MOST_TIMES = 3.0
_ADVICE_NOISE = "hold the arm still when the image is taken, and check board and intrinsics"
_ADVICE_MORE = "add poses, turned by 20 to 40 deg to all sides"


def _explained(limits: HandEyeLimits, result: HandEye) -> tuple[float, float]:
    """RMS [mm], [deg] that the noise of corners and arm lets a target be off."""
    hand = np.repeat([np.radians(limits.arm_deg), 1e-3 * limits.arm_mm], 3) ** 2
    solution = result.fit.solution
    m, rad = explained_errors(result.fit.data, solution.X, solution.Y, hand)
    return 1e3 * m, float(np.degrees(rad))


def _or_default(value: float | None, default: float) -> float:
    return default if value is None else value


def _solver_mm(result: HandEye, X: Array, Y: Array) -> float:
    return _rms_mm(np.linalg.norm(result.fit.data.pose_residuals(X, Y)[:, 3:], axis=1))


def _deviations(result: HandEye) -> Array:
    return np.sqrt(np.diag(result.fit.covariance))


def _rms_mm(distances_m: Array) -> float:
    return float(1e3 * np.sqrt(np.mean(distances_m**2)))


def _rms_deg(angles_rad: Array) -> float:
    return float(np.degrees(np.sqrt(np.mean(angles_rad**2))))


def _list(values: Array, digits: int) -> str:
    return " ".join(f"{value:.{digits}f}" for value in values)
