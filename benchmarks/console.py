"""From the pointer in a real browser to the pusher: press and drag on the console's page."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from benchmarks.browser import BrowserPage, found_browser, open_page
from benchmarks.collection import Collection
from pushcell.errors import PushcellError
from pushcell.geometry import Array
from pushcell.timing import Distribution

DOMAIN = 85
TURNS = 24
WAY = np.array([0.0, 0.02])
MOVED_M = {"commanded": 1e-6, "measured": 1e-4}
REST_S, HOLD_S = 0.6, 0.5
_LISTEN = """
window.heard = {};
for (const name of ["pointerdown", "pointermove", "pointerup"])
  window.addEventListener(name, (event) => {
    window.heard[name] = (performance.timeOrigin + event.timeStamp) / 1000;
  }, true);
"""
# What the console measures by itself, p50 and p95 of its last presses.
_INSIDE = """
for (const term of document.querySelectorAll("#rates dt"))
  if (term.textContent === "press to motion") return term.nextSibling.textContent;
"""


def run() -> dict[str, Any]:
    """Drag to and fro; times are of the browser's own event until a message's arrival here."""
    if found_browser() is None:
        raise PushcellError("no browser: apt-get install chromium chromium-driver")
    waits: dict[str, list[float]] = {}
    with (
        tempfile.TemporaryDirectory() as episodes,
        Collection(DOMAIN, Path(episodes)) as cell,
        open_page(cell.address) as page,
    ):
        cell.arm(page)
        page.script(_LISTEN)
        home = cell.pusher
        for _ in range(TURNS):
            _turn(cell, page, home - WAY, home + WAY, waits)
        inside = page.script(_INSIDE)
    return {
        "turns": TURNS,
        "inside_p50_p95": inside,
        "without_motion": {name: TURNS - len(times) for name, times in waits.items()},
        "load_average": os.getloadavg()[0],
        "seconds": {
            name: {"p50": found.p50, "p95": found.p95, "max": found.max}
            for name, found in ((name, Distribution.of(times)) for name, times in waits.items())
        },
    }


def table(figures: dict[str, Any]) -> Table:
    """One row a path."""
    load = f"{os.cpu_count()} cores, load average {figures['load_average']:.0f}"
    shown = Table(title=f"console, {figures['turns']} turns, {load}")
    for title in ("from pointer event to", "p50 [ms]", "p95 [ms]", "max [ms]", "missed"):
        shown.add_column(title, justify="left" if "from" in title else "right")
    shown.caption = (
        f"of a press, between the page's message and motion: {figures['inside_p50_p95']}"
    )
    for name, row in figures["seconds"].items():
        times = (f"{1e3 * row[key]:.0f}" for key in ("p50", "p95", "max"))
        shown.add_row(name, *times, str(figures["without_motion"][name]))
    return shown


def _turn(
    cell: Collection, page: BrowserPage, here: Array, there: Array, waits: dict[str, list[float]]
) -> None:
    """Press at a place, drag to another, let go; each after a rest."""
    for event, place, heard, name in (
        ("mousePressed", here, "pointerdown", "press"),
        ("mouseMoved", there, "pointermove", "drag"),
        ("mouseReleased", there, "pointerup", ""),
    ):
        cell.watch(REST_S)
        rest = {"commanded": cell.commanded[-1][1], "measured": cell.measured[-1][1]}
        page.mouse(event, cell.pixel_of(place))
        cell.watch(HOLD_S)
        began_s = page.script(f"return window.heard.{heard}")
        for kind, log in (("commanded", cell.commanded), ("measured", cell.measured)):
            if name:
                found = waits.setdefault(f"{name}: {kind} motion", [])
                found += _first_move(log, began_s, rest[kind], MOVED_M[kind])


def _first_move(
    log: list[tuple[float, Array]], since_s: float, rest: Array, moved_m: float
) -> list[float]:
    for arrived_s, tip in log:
        if arrived_s > since_s and np.linalg.norm(tip - rest) > moved_m:
            return [arrived_s - since_s]
    return []
