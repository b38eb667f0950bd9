"""Numbers that cannot be of the unit they are taken for are asked about."""

import json

import numpy as np
import pytest

from calibration.files import read_signal, read_touched
from pushcell.errors import CalibrationError


@pytest.mark.parametrize(
    ("parts", "unit"), [(1, ""), (1e3, "milliseconds by 1000"), (1e9, "nanoseconds by 1e9")]
)
def test_times_of_signals_are_in_seconds(tmp_path, parts, unit):
    path = tmp_path / "signal.csv"
    times = np.arange(50) * 0.01 * parts
    rows = "\n".join(
        f"{time:.0f},{k % 7}" if unit else f"{time},{k}" for k, time in enumerate(times)
    )
    path.write_text(f"time_s,value\n{rows}\n")
    if not unit:
        assert read_signal(path).times_s[-1] == pytest.approx(0.49)
        return
    with pytest.raises(CalibrationError, match=f"times are in seconds; divide {unit}"):
        read_signal(path)


def test_touched_points_are_in_metres(tmp_path):
    path = tmp_path / "touched.json"
    path.write_text(json.dumps([{"xyz_m": [550.0, 20.0, 1.0]}] * 4))
    with pytest.raises(CalibrationError, match="a point is at 550 m: lengths are in metres"):
        read_touched(path)
