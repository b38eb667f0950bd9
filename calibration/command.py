"""``pushcell calibrate``: intrinsics, hand-eye, table, latency and drift; from files."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from pushcell.errors import CalibrationError

KINDS = {
    "intrinsics": "a camera's matrix and distortion, from images of a board",
    "hand-eye": "a camera's pose on the base or the hand, from arm poses with a board in view",
    "table": "the table's plane and the map from pixels to the table, from touched points",
    "latency": "the delay of a camera's stamps, from an episode, or of an effect, from two signals",
    "drift": "whether a camera has moved, from a board that stays in view",
}

_HELP = """usage: pushcell calibrate KIND ... (details: pushcell calibrate KIND --help)

{kinds}

example: pushcell calibrate intrinsics images/ --board charuco:7x5:0.030:0.021:DICT_4X4_50 --out out
"""


def main(words: Sequence[str]) -> int:
    """0: saved. 1: over its limits. 2: could not be done."""
    if not words or words[0] in ("-h", "--help"):
        width = max(map(len, KINDS))
        print(_HELP.format(kinds="\n".join(f"  {k:<{width}}  {v}" for k, v in KINDS.items())))
        return 0 if words else 2
    if words[0] not in KINDS:
        raise CalibrationError(
            f"unknown calibration {words[0]!r}; choose one of: {', '.join(KINDS)}"
        )
    module = importlib.import_module(f"calibration.{words[0].replace('-', '_')}_command")
    return module.main(words[1:])
