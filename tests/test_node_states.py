"""Texts that nodes send each other: read as they were written, or refused in a sentence."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushcell.errors import PushcellError
from pushcell.node_states import (
    MOTION_UNHEARD,
    DevicesState,
    DeviceState,
    GateVerdict,
    LastEpisode,
    MotionNodeState,
    NodeState,
    ProcedureState,
    RecorderState,
    ReplayState,
    TimeLineRequest,
    TrialsRequest,
    TrialsState,
    read_motion_state,
    read_request,
    read_state,
)

RECORDER = RecorderState(
    state="recording",
    episode="2026-11-20_14-03-11",
    seconds=1.5,
    messages={"/joint_states": 300},
    quality=GateVerdict(verdict="warn", reasons=("the arm stood still",)),
    directory="/data/episodes",
    free_bytes=10**11,
    last=LastEpisode(episode="", verdict="", reasons=(), operator=""),
    problem="",
)
MOTION = MotionNodeState(
    source="policy",
    phase="moving",
    reason="none",
    interventions=2,
    emergency_stop="released",
    require_deadman=False,
    allow_unsafe="",
    message="following",
)


@pytest.mark.parametrize(
    "request_", [TrialsRequest(trials=3, seed=7), TimeLineRequest(do="seek", value=1.5)]
)
def test_a_request_is_read_as_it_was_written(request_: TrialsRequest | TimeLineRequest) -> None:
    assert read_request(type(request_), request_.model_dump_json()) == request_


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        (TrialsRequest, "three please", "Invalid JSON"),
        (TrialsRequest, "[]", "object"),
        (TrialsRequest, '{"trials": 3}', "seed: Field required"),
        (TrialsRequest, '{"trials": 0, "seed": 0}', "trials: Input should be greater"),
        (TrialsRequest, '{"trials": 1, "seed": 0, "speed": 2}', "speed: Extra inputs"),
        (TimeLineRequest, '{"do": "fly"}', "do: Input should be 'play'"),
        (TimeLineRequest, '{"do": "seek", "value": NaN}', "finite number"),
    ],
)
def test_what_is_none_is_refused_in_a_sentence(kind: type, text: str, why: str) -> None:
    with pytest.raises(PushcellError, match=kind.__name__) as refused:
        read_request(kind, text)
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("state", "written"),
    [
        (
            RECORDER,
            {
                "state": "recording",
                "episode": "2026-11-20_14-03-11",
                "seconds": 1.5,
                "messages": {"/joint_states": 300},
                "quality": {"verdict": "warn", "reasons": ["the arm stood still"]},
                "directory": "/data/episodes",
                "free_bytes": 10**11,
                "last": {"episode": "", "verdict": "", "reasons": [], "operator": ""},
                "problem": "",
            },
        ),
        (
            TrialsState(state="idle", progress="waiting", trials=3, successes=2, chunks=""),
            {"state": "idle", "progress": "waiting", "trials": 3, "successes": 2, "chunks": ""},
        ),
        (
            DevicesState(
                driver=None,
                devices=(
                    DeviceState(
                        name="pad",
                        title="Pad",
                        connected=True,
                        problem="",
                        buttons=(("a", "stop"),),
                    ),
                ),
            ),
            {
                "driver": None,
                "devices": [
                    {
                        "name": "pad",
                        "title": "Pad",
                        "connected": True,
                        "problem": "",
                        "buttons": [["a", "stop"]],
                    }
                ],
            },
        ),
        (
            ReplayState(position_s=0.0, duration_s=9.5, playing=True, rate=2.0, loop=False),
            {"position_s": 0.0, "duration_s": 9.5, "playing": True, "rate": 2.0, "loop": False},
        ),
        (
            ProcedureState(progress="touch mark 3", touch=True),
            {"progress": "touch mark 3", "touch": True},
        ),
        (
            ProcedureState(
                progress="view 1", camera="wrist", views=1, without_board=0, counts=((0, 1), (0, 0))
            ),
            {
                "progress": "view 1",
                "camera": "wrist",
                "views": 1,
                "without_board": 0,
                "counts": [[0, 1], [0, 0]],
            },
        ),
    ],
    ids=lambda case: type(case).__name__,
)
def test_a_state_is_read_as_it_was_written(state: NodeState, written: dict) -> None:
    assert json.loads(state.text()) == state.values() == written
    assert list(state.values()) == list(written)
    assert read_state(type(state), state.text()) == state
    assert read_state(type(state), json.dumps(written)) == state


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        (RecorderState, "{}", "state: Field required"),
        (RecorderState, json.dumps({**RECORDER.values(), "seconds": "1"}), "seconds: Input"),
        (RecorderState, json.dumps({**RECORDER.values(), "seconds": float("nan")}), "finite"),
        (RecorderState, json.dumps({**RECORDER.values(), "state": "asleep"}), "state: Input"),
        (RecorderState, json.dumps({**RECORDER.values(), "last": None}), "last: Input"),
        (RecorderState, json.dumps({**RECORDER.values(), "more": 1}), "more: Extra inputs"),
        (DevicesState, '{"driver": null, "devices": [{}]}', "devices.0.name: Field required"),
        (ProcedureState, '{"progress": "view 1", "touch": "True"}', "touch: Input"),
        (TrialsState, "idle", "Invalid JSON"),
        (ReplayState, "[" * 9999, "recursion limit"),
    ],
)
def test_what_is_no_state_is_refused_in_a_sentence(kind: type, text: str, why: str) -> None:
    with pytest.raises(PushcellError, match=f"is no {kind.__name__}") as refused:
        read_state(kind, text)
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


@given(st.text() | st.recursive(st.none() | st.text(), st.lists, max_leaves=4).map(json.dumps))
def test_any_text_is_refused_or_a_state(text: str) -> None:
    with suppress(PushcellError):
        assert isinstance(read_state(TrialsState, text), TrialsState)


def test_a_name_that_is_no_text_is_written_all_the_same() -> None:
    state = ProcedureState(progress="episodes/\udcff is gone")
    assert read_state(ProcedureState, state.text()).progress == "episodes/? is gone"


@pytest.mark.parametrize("state", [MOTION, MOTION_UNHEARD])
def test_a_motion_state_is_read_as_it_was_written(state: MotionNodeState) -> None:
    assert read_motion_state(state.texts(), state.message) == state


def test_a_motion_state_is_texts_by_key_in_their_order() -> None:
    assert list(MOTION.texts().items()) == [
        ("source", "policy"),
        ("phase", "moving"),
        ("reason", "none"),
        ("interventions", "2"),
        ("emergency_stop", "released"),
        ("require_deadman", "False"),
        ("allow_unsafe", ""),
    ]
    assert "reason" not in MOTION_UNHEARD.texts()


@pytest.mark.parametrize(("text", "value"), [("False", False), ("True", True)])
def test_a_truth_that_is_written_as_text_is_read_as_one(text: str, value: bool) -> None:
    assert read_motion_state({**MOTION.texts(), "require_deadman": text}).require_deadman is value


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"require_deadman": "perhaps"}, "require_deadman: Input should be a valid boolean"),
        ({"require_deadman": ""}, "require_deadman: Input should be a valid boolean"),
        ({"interventions": "nan"}, "interventions: Input should be a valid integer"),
    ],
)
def test_a_motion_state_of_other_types_is_refused(change: dict[str, str], why: str) -> None:
    with pytest.raises(PushcellError, match=f"is no MotionNodeState: {why}") as refused:
        read_motion_state({**MOTION.texts(), **change})
    assert "\n" not in str(refused.value)


def test_a_motion_state_without_a_key_is_refused_and_unknown_ones_are_left_out() -> None:
    assert read_motion_state({**MOTION.texts(), "more": "1"}, MOTION.message) == MOTION
    with pytest.raises(PushcellError, match="emergency_stop: Field required"):
        read_motion_state({"source": "hold", "phase": "holding"})
