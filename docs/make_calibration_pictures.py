"""Draws docs/calibration_report.png and docs/calibration_bench.png.

python docs/make_calibration_pictures.py REPORT.html BENCH.json, of a calibration and of
``pushcell bench calibration --json BENCH.json``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.browser import open_page

DOCS = Path(__file__).resolve().parent
SETUPS = ("eye-to-hand", "eye-in-hand")


def report(path: Path) -> None:
    """The top of a report as a browser shows it."""
    with open_page(path.resolve().as_uri()) as page:
        page.size(1000, 1250, dark=False)
        page.driver.save_screenshot(str(DOCS / "calibration_report.png"))


def bench(figures: dict[str, Any]) -> None:
    """By how much each solver's error is larger, with its interval."""
    figure = Figure(figsize=(8, 3), layout="constrained")
    for axes, setup in zip(figure.subplots(1, 2, sharey=True), SETUPS, strict=True):
        solvers = figures[setup]["solvers"]
        for row, found in enumerate(solvers.values()):
            low, high = found["mm"]["ratio95"]
            axes.plot([low, high], [row, row], color="#9bb7c9", linewidth=4)
            axes.plot(found["mm"]["ratio"], row, "o", color="#2c7fb8")
            axes.text(high + 0.03, row, f"{found['mm']['rms']:.2f} mm", va="center", fontsize=8)
        axes.axvline(1, color="#c0392b")
        axes.set_yticks(range(len(solvers)), list(solvers))
        axes.set_xlim(0.95, 2.25)
        axes.set_title(f"{setup}: ours {figures[setup]['rms']['mm']:.2f} mm", fontsize=10)
        axes.set_xlabel("error of the position, times ours")
    figure.savefig(DOCS / "calibration_bench.png", dpi=110)


if __name__ == "__main__":
    report(Path(sys.argv[1]))
    bench(json.loads(Path(sys.argv[2]).read_text()))
