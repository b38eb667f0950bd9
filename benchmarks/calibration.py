"""Hand-eye calibration over many draws of noise: against the truth, the bound, and OpenCV.

Each draw is the same 20 poses of a board with new noise on the arm (0.05 deg, 0.5 mm a axis) and
on the corners (0.1 px); OpenCV's solvers get the same views. Draws with two spoilt poses of 25
tell whether these are named.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from rich.table import Table
from scipy.stats import binomtest, chi2

from calibration.boards import Board, parse_board
from calibration.hand_eye import calibrate_hand_eye
from calibration.hand_eye_data import CornerSighting, HandEyeData, Setup
from calibration.hand_eye_start import SOLVERS
from pushcell import se3
from pushcell.geometry import Array
from tests.calibration import rig

DRAWS = 200
SETUPS: tuple[Setup, ...] = ("eye-to-hand", "eye-in-hand")
LEVELS = (0.5, 0.9, 0.95)
BOARD = "charuco:7x5:0.030:0.021:DICT_4X4_50"
_POSES, _SPOILT_OF = 20, 25
_BOOTSTRAPS = 2000


@dataclass(frozen=True)
class Draw:
    """Twists (6,) of the camera off the truth: ours, and each solver's; the squared length of
    ours by our own covariance."""

    off: Array
    by_own_covariance: float
    solvers: dict[str, Array]


def looks() -> Array:
    """(20, 4, 4) the poses of the board that every draw has."""
    return rig.looks(parse_board(BOARD), np.random.default_rng(11), _POSES)


def draw(setup: Setup, seed: int) -> Draw:
    """One calibration from noisy views."""
    board, poses, rng = parse_board(BOARD), looks(), np.random.default_rng(seed)
    views = rig.seen(board, poses, rng)
    sightings = tuple(CornerSighting.of(view, board.corners_m, rig.LENS) for view in views)
    hands = rig.shaken(rig.hands(setup, poses), rng)
    result = calibrate_hand_eye(HandEyeData(setup, rig.names(len(poses)), hands, sightings))
    to_truth = se3.inverse(rig.CAMERA[setup])
    off = se3.difference(to_truth @ result.camera)
    solvers = {name: se3.difference(to_truth @ X) for name, (X, _) in result.solvers.items()}
    return Draw(off, float(off @ np.linalg.solve(result.covariance, off)), solvers)


def names_outliers(setup: Setup, seed: int) -> tuple[bool, bool]:
    """Of 25 poses one is 6 mm and one 1 deg off: whether both are named; whether only they are."""
    rng = np.random.default_rng(seed)
    data = rig.corner_data(setup, parse_board(BOARD), rng, _SPOILT_OF)
    spoilt = rng.choice(_SPOILT_OF, 2, replace=False)
    hands = data.hand_in_base.copy()
    for index, twist in zip(spoilt, _wrong(rng), strict=True):
        hands[index] = hands[index] @ se3.change(twist)
    named = {o.name for o in calibrate_hand_eye(data.with_hands(hands)).outliers}
    planted = {f"view {index}" for index in spoilt}
    return planted <= named, planted == named


def _wrong(rng: np.random.Generator) -> Array:
    """(2, 6) a shift of 6 mm and a turn of 1 deg, each some way."""
    ways = rng.normal(size=(2, 3))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    shift, turn = np.zeros(6), np.zeros(6)
    shift[3:], turn[:3] = 0.006 * ways[0], np.radians(1.0) * ways[1]
    return np.array([shift, turn])


def cramer_rao(setup: Setup, board: Board, poses: Array) -> Array:
    """(6, 6) bound of the camera's covariance, by finite differences of what is seen.

    Unknown are the camera, the board on its carrier and every pose of the hand, of which the arm
    tells each with noise.
    """
    true_hands = rig.hands(setup, poses)

    def seen(camera: Array, target: Array, hand_twists: Array) -> Array:
        hands = true_hands @ se3.change(hand_twists)
        carrier = hands if setup == "eye-in-hand" else se3.inverse(hands)
        targets = se3.inverse(carrier @ camera) @ target
        return np.array(
            [rig.LENS.project(board.corners_m @ T[:3, :3].T + T[:3, 3]) for T in targets]
        )

    step = 1e-6
    still, twists = np.zeros((len(poses), 6)), step * np.eye(6)

    def slopes(change: Any) -> Array:
        return np.stack([(change(t) - change(-t)) / (2 * step) for t in twists], axis=-1)

    camera, target = rig.CAMERA[setup], rig.TARGET[setup]
    by_camera = slopes(lambda t: seen(camera @ se3.change(t), target, still))
    by_target = slopes(lambda t: seen(camera, target @ se3.change(t), still))
    by_hand = slopes(lambda t: seen(camera, target, still + t))
    information = np.zeros((12, 12))
    noise = np.repeat([rig.HAND_RAD, rig.HAND_M], 3) ** 2
    for A, B, H in zip(by_camera, by_target, by_hand, strict=True):
        J, H = np.concatenate([A, B], axis=-1).reshape(-1, 12), H.reshape(-1, 6)
        covariance = rig.PIXEL**2 * np.eye(len(J)) + (H * noise) @ H.T
        information += J.T @ np.linalg.solve(covariance, J)
    return np.asarray(np.linalg.inv(information)[:6, :6], dtype=float)


def over_bound(setup: Setup, draws: list[Draw]) -> float:
    """RMS error over the draws, in units of the bound: 1 is the best there is."""
    bound = cramer_rao(setup, parse_board(BOARD), looks())
    return float(np.sqrt(np.mean([d.off @ np.linalg.solve(bound, d.off) for d in draws]) / 6))


def covered(draws: list[Draw], level: float) -> int:
    """In how many draws the truth is where the stated covariance puts that share of it."""
    return int(np.sum([d.by_own_covariance < chi2.ppf(level, 6) for d in draws]))


def run() -> dict[str, Any]:
    """All draws of both setups, on every core."""
    figures: dict[str, Any] = {"draws": DRAWS, "poses": _POSES}
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for setup in SETUPS:
            draws = list(pool.map(partial(draw, setup), range(DRAWS), chunksize=5))
            named = list(pool.map(partial(names_outliers, setup), range(DRAWS), chunksize=5))
            figures[setup] = {
                "over_bound": over_bound(setup, draws),
                "covered": {
                    f"{level:g}": {
                        "share": covered(draws, level) / DRAWS,
                        "p": binomtest(covered(draws, level), DRAWS, level).pvalue,
                    }
                    for level in LEVELS
                },
                "outliers_both_named": float(np.mean([both for both, _ in named])),
                "outliers_only_they": float(np.mean([only for _, only in named])),
                **_against_solvers(draws),
            }
    return figures


def _against_solvers(draws: list[Draw]) -> dict[str, Any]:
    """RMS errors, and by how much theirs are larger: of the same draws, with a 95 % interval."""
    parts = {"mm": (slice(3, 6), 1e3), "deg": (slice(0, 3), float(np.degrees(1)))}
    ours = {unit: _squares([d.off for d in draws], part, k) for unit, (part, k) in parts.items()}
    solvers: dict[str, Any] = {}
    for name in SOLVERS:
        solved = [i for i, d in enumerate(draws) if name in d.solvers]
        picks = np.random.default_rng(0).integers(len(solved), size=(_BOOTSTRAPS, len(solved)))
        solvers[name] = {"solved": len(solved) / len(draws)}
        for unit, (part, k) in parts.items():
            theirs = _squares([draws[i].solvers[name] for i in solved], part, k)
            mine = ours[unit][solved]
            ratios = np.sqrt(theirs[picks].mean(axis=1) / mine[picks].mean(axis=1))
            solvers[name][unit] = {
                "rms": float(np.sqrt(theirs.mean())),
                "ratio": float(np.sqrt(theirs.mean() / mine.mean())),
                "ratio95": np.quantile(ratios, [0.025, 0.975]).tolist(),
                "ours_nearer": float(np.mean(mine < theirs)),
            }
    return {
        "rms": {unit: float(np.sqrt(squares.mean())) for unit, squares in ours.items()},
        "solvers": solvers,
    }


def _squares(twists: list[Array], part: slice, unit: float) -> Array:
    """(n,) squared lengths of a part of twists."""
    return np.sum((unit * np.array(twists)[:, part]) ** 2, axis=1)


def table(figures: dict[str, Any]) -> Table:
    """For each setup ours and each solver, then the statistics."""
    shown = Table(title=f"hand-eye, {figures['draws']} draws of {figures['poses']} poses, RMS")
    for column in ("", "mm", "x ours (95 %)", "ours nearer", "deg", "x ours"):
        shown.add_column(column, justify="right" if column else "left")
    for setup in SETUPS:
        found = figures[setup]
        shown.add_section()
        ours = found["rms"]
        shown.add_row(f"{setup}: ours", f"{ours['mm']:.3f}", "", "", f"{ours['deg']:.4f}")
        for name, theirs in found["solvers"].items():
            mm, deg = theirs["mm"], theirs["deg"]
            low, high = mm["ratio95"]
            shown.add_row(
                name,
                f"{mm['rms']:.3f}",
                f"{mm['ratio']:.2f} ({low:.2f}-{high:.2f})",
                f"{mm['ours_nearer']:.0%}",
                f"{deg['rms']:.4f}",
                f"{deg['ratio']:.2f}",
            )
        for level, cover in found["covered"].items():
            shown.add_row(f"truth inside {float(level):.0%}", f"{cover['share']:.1%}")
        shown.add_row("error / bound", f"{found['over_bound']:.3f}")
        shown.add_row("both outliers named", f"{found['outliers_both_named']:.1%}")
        shown.add_row("and nothing else", f"{found['outliers_only_they']:.1%}")
    return shown


def good(figures: dict[str, Any]) -> bool:
    """Near the bound, covered as often as claimed, better than every solver, outliers named."""
    return all(
        figures[setup]["over_bound"] <= 1.2
        and all(cover["p"] > 0.001 for cover in figures[setup]["covered"].values())
        and all(solver["mm"]["ratio"] > 1 for solver in figures[setup]["solvers"].values())
        and figures[setup]["outliers_both_named"] >= 0.99
        for setup in SETUPS
    )
