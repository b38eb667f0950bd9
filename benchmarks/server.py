"""What serving adds to inference: a chunk over loopback against the same one made here, in turn.

And whether eight clients, each of which asks at the rate of its policy's actions, keep that rate.
Of every shipped bundle.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from policy_server.bundle import load_policy
from policy_server.bundle_format import Manifest
from policy_server.client import RemotePolicy
from policy_server.policy import ChunkRequest
from pushcell.cli.bench import BENCHMARKS
from pushcell.timing import Distribution

CLIENTS, ROUNDS, SECONDS = 8, 200, 10.0


def run() -> dict[str, Any]:
    """Measure."""
    figures = {}
    for path in sorted((BENCHMARKS.parent / "bundles").glob("*/bundle.yaml")):
        with _served(path.parent) as address:
            figures[path.parent.name] = {
                **_round_trips(path.parent, address),
                "clients": _clients(address),
            }
    return {"bundles": figures}


def table(figures: dict[str, Any]) -> Table:
    """A row for each bundle."""
    shown = Table(title=f"serving over loopback, {CLIENTS} clients [ms]")
    shown.add_column("bundle")
    for title in ("here p50", "p95", "served p50", "p95", "added p50", "p95", "rate wanted [Hz]",
                  "slowest client's", "p95 of all"):  # fmt: skip
        shown.add_column(title, justify="right")
    for name, found in figures["bundles"].items():
        times = [
            f"{1e3 * found[what][key]:.2f}"
            for what in ("here", "served", "added")
            for key in ("p50", "p95")
        ]
        clients = found["clients"]
        rates = (f"{clients['rate_hz']:.1f}", f"{min(clients['rates_hz']):.2f}")
        shown.add_row(name, *times, *rates, f"{1e3 * clients['times']['p95']:.1f}")
    return shown


@contextmanager
def _served(bundle: Path) -> Iterator[str]:
    words = [sys.executable, "-m", "pushcell.cli", "serve", str(bundle), "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().removeprefix("serving on ").strip()
        finally:
            server.terminate()


def _round_trips(bundle: Path, address: str) -> dict[str, Any]:
    here, there = load_policy(bundle), RemotePolicy(address, timeout_s=10.0)
    taken: dict[str, list[float]] = {"here": [], "served": []}
    for seed in range(-5, ROUNDS):
        request = _request(here.manifest, abs(seed))
        for name, policy in (("here", here), ("served", there)):
            began = time.perf_counter()
            policy.infer(request)
            if seed >= 0:
                taken[name].append(time.perf_counter() - began)
    there.close()
    taken["added"] = [b - a for a, b in zip(taken["here"], taken["served"], strict=True)]
    return {name: asdict(Distribution.of(times)) for name, times in taken.items()}


def _clients(address: str) -> dict[str, Any]:
    policies = [RemotePolicy(address, timeout_s=10.0) for _ in range(CLIENTS)]
    period_s = 1 / policies[0].manifest.rate_hz
    times: list[list[float]] = [[] for _ in policies]
    began = time.perf_counter()
    until = began + SECONDS

    def ask(number: int) -> None:
        request, due = _request(policies[number].manifest, number), began
        while due < until:
            time.sleep(max(0.0, due - time.perf_counter()))
            asked = time.perf_counter()
            policies[number].infer(request)
            times[number].append(time.perf_counter() - asked)
            due = max(due + period_s, time.perf_counter())  # what is late is not made up for

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    for policy in policies:
        policy.close()
    return {
        "rate_hz": 1 / period_s,
        "rates_hz": [len(mine) / took for mine in times],
        "times": asdict(Distribution.of([t for mine in times for t in mine])),
    }


def _request(manifest: Manifest, seed: int) -> ChunkRequest:
    spec = manifest.observation
    values: dict[str, Any] = {key: np.full(spec.shapes[key][1:], 0.5) for key in spec.keys}
    rng = np.random.default_rng(seed)
    for camera in spec.cameras:
        size = (spec.steps, camera.height_px, camera.width_px, 3)
        values[camera.key] = rng.integers(0, 256, size, dtype=np.uint8)
    return ChunkRequest(values, seed)
