"""What a program asks of a cell: home, the slider's place, who drives, the policy's life cycle."""

from __future__ import annotations

import math
from contextlib import suppress

from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from std_srvs.srv import SetBool, Trigger

from pushcell.errors import PushcellError
from pushcell.geometry import PlanarPose, Pose
from pushcell.node_states import MOTION_UNHEARD
from pushcell_ros.conversions import pose_message, to_motion_state, to_nanoseconds, to_planar
from pushcell_ros.names import live
from pushcell_ros.qos import RELIABLE
from pushcell_ros.stamped_stream import StampedStream
from pushcell_ros.stepping_node import NoAnswerError, SteppingNode

# Of simulated time [s].
_HOMING_TIMEOUT_S = 30.0
_PLACING_TIMEOUT_S = 10.0
_ASK_PERIOD_S = 1.0
_POSE_RATE_HZ = 50.0  # of slider and pusher
_PLACED_M, _PLACED_RAD = 0.002, math.radians(1.0)
_TRANSITIONS = 4  # from any state to any, one lost
_NEXT = {
    State.PRIMARY_STATE_UNCONFIGURED: Transition.TRANSITION_CONFIGURE,
    State.PRIMARY_STATE_INACTIVE: Transition.TRANSITION_ACTIVATE,
    State.PRIMARY_STATE_ACTIVE: Transition.TRANSITION_DEACTIVATE,
}
"""Lifecycle state -> the transition on the way to any other state."""


class CellClient:
    """Of a `SteppingNode`; ``motion`` is what motion_node said last."""

    def __init__(self, node: SteppingNode, slider_topic: str, two_policies: bool = False) -> None:
        self.motion = MOTION_UNHEARD
        self._node = node
        self._pose_ns = round(1e9 / _POSE_RATE_HZ)
        self._sliders = StampedStream(node, PoseStamped, slider_topic, RELIABLE, self._pose_ns)
        self._pushers = StampedStream(node, PoseStamped, "pusher/pose", RELIABLE, self._pose_ns)
        self._start = node.create_publisher(PoseStamped, "trial/start_pose", RELIABLE)
        node.create_subscription(DiagnosticStatus, "motion/state", self._on_motion, RELIABLE)
        self._triggers = {
            name: node.create_client(Trigger, live(name))
            for name in ("/motion/hold", "/motion/home", "/motion/policy", "/safety/release")
        }
        self._get_policy = node.create_client(GetState, "policy_node/get_state")
        self._change_policy = node.create_client(ChangeState, "policy_node/change_state")
        self._use_against = (
            node.create_client(SetBool, "policy/use_against") if two_policies else None
        )

    def is_ready(self) -> bool:
        """Whether every service is there."""
        clients = (*self._triggers.values(), self._get_policy, self._change_policy)
        others = () if self._use_against is None else (self._use_against,)
        return all(client.service_is_ready() for client in (*clients, *others))

    def is_up(self) -> bool:
        """Whether the arm is linked too, and slider and pusher are seen."""
        return (
            self.is_ready()
            and self.slider() is not None
            and self.pusher() is not None
            and self.motion.phase != "no_arm"
        )

    @property
    def follows_policy(self) -> bool:
        """Whether the policy drives."""
        return self.motion.source == "policy"

    def slider(self) -> PlanarPose | None:
        """Its newest pose in the base frame."""
        return self._pose_of(self._sliders)

    def pusher(self) -> PlanarPose | None:
        """The newest pose of its tip in the base frame."""
        return self._pose_of(self._pushers)

    def release_stop(self) -> None:
        """Release the emergency stop; this and the next ones raise PushcellError where refused."""
        self._trigger("/safety/release")

    def hold(self) -> None:
        """End whatever moves."""
        self._trigger("/motion/hold")

    def follow_policy(self) -> None:
        """Let the policy drive."""
        self._trigger("/motion/policy")

    def use_against(self, second: bool) -> None:
        """Which of two policies drives next; policy_node must be inactive."""
        assert self._use_against is not None, "there is one policy"
        request = SetBool.Request(data=second)
        self._node.call(self._use_against, request, "/policy/use_against")

    def go_home(self) -> None:
        """Bring the pusher home."""
        self._trigger("/motion/home")
        # What was said of an earlier homing is not of this one.
        self._node.step()
        self._node.wait(
            lambda: self.motion.reason == "at_home",
            _HOMING_TIMEOUT_S,
            lambda: f"the pusher did not get home: motion_node says {self.motion.message!r}",
        )

    def place_slider(self, start: PlanarPose) -> None:
        """Have a simulated cell put the slider there."""
        asked_s = -math.inf

        def placed() -> bool:
            nonlocal asked_s
            slider = self.slider()
            assert slider is not None
            position, angle = slider.distance_to(start)
            if position < _PLACED_M and angle < _PLACED_RAD:
                return True
            if self._node.now() - asked_s > _ASK_PERIOD_S:
                asked_s = self._node.now()
                self._start.publish(pose_message(Pose.from_planar(start), self._node.stamp()))
            return False

        self._node.wait(
            placed,
            _PLACING_TIMEOUT_S,
            lambda: f"the slider was not placed at its start {start.as_array().round(3)}",
        )

    def bring_policy_to(self, wanted: int) -> None:
        """Bring policy_node into a lifecycle state, from whichever it is in."""
        for _ in range(_TRANSITIONS):
            asked = GetState.Request()
            answer = self._node.call(self._get_policy, asked, "/policy_node/get_state")
            state = answer.current_state.id
            if state == wanted:
                return
            step = _NEXT.get(state, Transition.TRANSITION_DEACTIVATE)
            request = ChangeState.Request(transition=Transition(id=step))
            changed = self._change_policy.call_async(request)
            # Its answer may be lost; the state tells.
            with suppress(NoAnswerError):
                self._node.await_answer(changed, "/policy_node/change_state")
            if changed.done() and not changed.result().success:
                break
        raise PushcellError("policy_node does not change its state: it says why, above")

    def _trigger(self, name: str) -> None:
        self._node.call(self._triggers[name], Trigger.Request(), name)

    def _pose_of(self, stream: StampedStream[PoseStamped]) -> PlanarPose | None:
        now_ns = to_nanoseconds(self._node.stamp())
        message = stream.newest(now_ns // self._pose_ns * self._pose_ns)
        return None if message is None else to_planar(message)

    def _on_motion(self, message: DiagnosticStatus) -> None:
        try:
            self.motion = to_motion_state(message)
        except PushcellError as error:
            log = self._node.get_logger()
            log.warning(f"motion/state: {error}", throttle_duration_sec=5.0)
