"""A policy without a network: it brings the pusher home, and is served like any other.

python docs/examples/homing_policy.py 8000
pushcell launch launch/rollout.launch.yaml policy:=ws://127.0.0.1:8000
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import numpy as np

from policy_server.bundle_format import Manifest
from policy_server.bundle_sections import ActionSpec, CellTask, ObservationSpec
from policy_server.policy import ChunkRequest, Policy
from policy_server.server import PolicyServer, ServerOptions
from pushcell.config.cell import CellConfig, load_cell
from pushcell.geometry import Array

SPEED_M_S, RATE_HZ, HORIZON = 0.05, 10.0, 16
CELL = Path(__file__).resolve().parents[2] / "config" / "cell.sim.yaml"


class HomingPolicy(Policy):
    """Asked for one chunk at a time; `infer_many` may be given too, where that is quicker."""

    def __init__(self, cell: CellConfig) -> None:
        self._home = np.array(cell.task.pusher_home_m)
        corners = np.array(cell.workspace.corners_m)
        low, high = tuple(corners.min(axis=0)), tuple(corners.max(axis=0))
        self._manifest = Manifest.programmed(
            RATE_HZ,
            ObservationSpec(steps=1, keys=("pusher",)),
            ActionSpec(horizon=HORIZON, execute=8, space="absolute", low=low, high=high),
            CellTask.of(cell),
        )

    @property
    def manifest(self) -> Manifest:
        """What it needs and gives."""
        return self._manifest

    def infer(self, request: ChunkRequest) -> Array:
        """(H, 2) absolute pusher positions [m] in the base frame, one period apart."""
        here = request.values["pusher"][-1, :2]
        way = self._home - here
        distance_m = max(float(np.linalg.norm(way)), 1e-9)
        travelled_m = SPEED_M_S / RATE_HZ * np.arange(1, HORIZON + 1)
        return here + np.minimum(travelled_m / distance_m, 1.0)[:, None] * way


async def main(port: int) -> None:
    """Serve it until the process is ended."""
    policy = HomingPolicy(load_cell(CELL))
    async with await PolicyServer(policy, ServerOptions(port=port)).start() as server:
        print(f"serving on port {next(iter(server.sockets)).getsockname()[1]}", flush=True)
        await asyncio.Future()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
