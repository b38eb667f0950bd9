"""What one button does in several steps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from pushcell.geometry import PlanarPose
from pushcell.timing import steady_seconds
from teleop.console.cell_view import CellView
from teleop.console.start_poses import StartPoses

_POLL_S = 0.05
_HOMING_TIMEOUT_S = 30.0
# The slider is placed by a topic: once might be lost, and it does no harm again.
_PLACINGS = 3

Call = Callable[[str], Awaitable[str]]
"""Calls a service by its name; why it refused, else nothing."""


class Procedures:
    """Each returns why it could not be done, else nothing; ``by_service`` are those offered."""

    needed_services = frozenset({"/arm/reset", "/safety/release", "/motion/home", "/motion/policy"})

    def __init__(
        self,
        view: CellView,
        start_poses: StartPoses,
        call: Call,
        place: Callable[[PlanarPose], None] | None,
        activate_policy: Callable[[], Awaitable[str]],
    ) -> None:
        self._view = view
        self._start_poses = start_poses
        self._call = call
        self._place = place  # only of a simulated slider; a real one is placed by hand
        self._activate_policy = activate_policy
        self._preparing = asyncio.Lock()
        self._placed = False
        self.by_service = {
            "/console/arm": self.arm,
            "/console/prepare": self.prepare,
            "/console/policy": self.policy,
        }

    async def arm(self) -> str:
        """Release the stop; an arm whose link was given up is taken up again first."""
        motion = self._view.motion.value
        if motion is not None and motion.phase == "no_arm":
            problem = await self._call("/arm/reset")
            if problem:
                return problem
        problem = await self._call("/safety/release")
        if not (problem or self._placed):
            await self._place_slider()
        return problem

    async def prepare(self) -> str:
        """The next start: pusher home, and a simulated slider there."""
        if self._preparing.locked():
            return "the next start is being prepared"
        async with self._preparing:
            self._start_poses.next()
            problem = await self._call("/motion/home") or await self._wait_for_home()
            if not problem:
                await self._place_slider()
            return problem

    async def after_episode(self) -> str:
        """Show the next start; without an operator's deadman the cell also goes there."""
        if self._view.trials_run:
            return ""
        motion = self._view.motion.value
        if self._place is not None and motion is not None and not motion.require_deadman:
            return await self.prepare()
        self._start_poses.next()
        return ""

    async def policy(self) -> str:
        """Let the policy drive."""
        return await self._activate_policy() or await self._call("/motion/policy")

    async def _wait_for_home(self) -> str:
        await asyncio.sleep(_POLL_S)
        until_s = steady_seconds() + _HOMING_TIMEOUT_S
        # motion_node says what it does 20 times a second: what is heard at once may be old.
        while steady_seconds() < until_s:
            await asyncio.sleep(_POLL_S)
            motion = self._view.motion.value
            if motion is None:
                return "the pusher did not get home: motion_node is silent"
            if motion.reason == "at_home":
                return ""
            if motion.source != "home":
                return f"the pusher did not get home: {motion.reason or motion.message}"
        return "the pusher did not get home in time"

    async def _place_slider(self) -> None:
        if self._place is None:
            return
        self._placed = True
        for _ in range(_PLACINGS):
            self._place(self._start_poses.wanted)
            await asyncio.sleep(_POLL_S)
