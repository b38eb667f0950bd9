"""A node that is a program: it acts while simulated time stands still, and lets it go in steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from rclpy.client import Client
from rclpy.executors import Executor
from rclpy.task import Future

from pushcell.errors import PushcellError
from pushcell_ros.base_node import CellNode, wait_until

# How often a service is asked, and how long each answer is waited for, in real time [s].
_ASKED, _ANSWER_S = 20, 1.0
_STANDS_STILL_S = 600.0  # of real time: who hangs is left behind long before


class NoAnswerError(PushcellError):
    """A service did not answer in time: its node has ended or hangs."""


class SteppingNode(CellNode):
    """What such a node does between two steps happens at one moment of simulated time, however
    long it takes; nobody waits for it before `begin_stepping`."""

    phase_ns: ClassVar[int] = 7_500_000

    def begin_stepping(self, executor: Executor, rate_hz: float) -> None:
        """From now on simulated time waits for `step`."""
        self._executor = executor
        self._stepped = False
        self.every(rate_hz, self._on_step)
        self._await_step()

    def ticked(self) -> None:
        """Time goes on when the program says so."""

    def step(self) -> None:
        """Let simulated time go on to the next step."""
        self._stepped = False
        self.let_time_go()
        self._await_step()

    def wait(
        self, condition: Callable[[], bool], timeout_s: float, problem: Callable[[], str]
    ) -> None:
        """Step until a condition holds; PushcellError after a timeout of simulated time."""
        deadline_s = self.now() + timeout_s
        while not condition():
            if self.now() > deadline_s:
                raise PushcellError(problem())
            self.step()

    def call(self, client: Client, request: Any, name: str) -> Any:
        """A service's answer, at this moment; raises NoAnswerError, PushcellError where it refuses.

        It is asked again now and then: an answer is lost where a server has not yet discovered
        who asked. Requests must come to the same when they are heard twice.
        """
        asked = [client.call_async(request)]
        while not any(future.done() for future in asked):
            try:
                self.await_answer(asked[-1], name)
            except NoAnswerError:
                if len(asked) == _ASKED:
                    raise
                asked.append(client.call_async(request))
        response = next(future.result() for future in asked if future.done())
        if not getattr(response, "success", True):
            why = getattr(response, "message", "its node says why, above")
            raise PushcellError(f"{name} refused: {why}")
        return response

    def await_answer(self, future: Future, name: str) -> None:
        """Until a service has answered; raises NoAnswerError."""
        problem = f"{name} did not answer within {_ASKED * _ANSWER_S:.0f} s"
        try:
            wait_until(self._executor, future.done, _ANSWER_S, problem)
        except PushcellError as error:
            raise NoAnswerError(str(error)) from None

    def _on_step(self) -> None:
        self._stepped = True

    def _await_step(self) -> None:
        problem = "simulated time stands still: see cell_node's output above"
        wait_until(self._executor, lambda: self._stepped, _STANDS_STILL_S, problem)
