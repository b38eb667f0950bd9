"""Who of several pages has the say; when an episode is over; what maps and hosts are refused."""

import asyncio
import json

import pytest

pytest.importorskip("aiohttp", reason="no aiohttp: install pushcell[teleop]")

from pushcell.errors import ConfigError, PushcellError
from pushcell.node_states import MotionNodeState
from teleop.console.cell_view import CellView
from teleop.console.driver_arbitration import PageArbiter
from teleop.console.messages import OperatorInput
from teleop.devices.pad_map import load_map
from tests.teleop.test_console_server import ServedConsole
from tests.test_node_states import RECORDER


def test_a_page_that_has_fallen_silent_does_not_speak_for_the_others():
    """A release must be heard before a press counts, and hidden pages say nothing."""
    pages = PageArbiter(0.2)
    assert pages.heard("hidden", OperatorInput(), 0.0) is not None
    assert pages.heard("second", OperatorInput(), 0.1) is None, "the first speaks"
    assert pages.heard("second", OperatorInput(), 0.3) is not None
    assert pages.heard("second", OperatorInput(run=True), 0.33).run


@pytest.mark.parametrize(
    ("words", "over"),
    [
        (["idle", "recording", "verifying", "idle"], [False, False, False, True]),
        (["recording", "failed"], [False, True]),
        (["verifying", "idle"], [False, False]),  # what a run before has left
    ],
)
def test_an_episode_is_over_when_it_was_recorded(words, over):
    view = CellView(["overhead"])
    assert [
        view.put_recorder(RECORDER.model_copy(update={"state": word})) for word in words
    ] == over


def test_a_page_gets_the_states_as_their_nodes_write_them():
    view = CellView(["overhead"])
    assert view.state()["motion"] is None
    view.put_recorder(RECORDER)
    motion = MotionNodeState(
        source="hold", phase="holding", emergency_stop="released", require_deadman=False
    )
    view.motion.put(motion)
    shown = view.state()
    assert shown["recorder"] == json.loads(RECORDER.text())
    assert shown["motion"] == {**motion.texts(), "message": ""}
    assert shown["motion"]["require_deadman"] == "False"
    assert shown["trials"] is None


def test_a_trigger_that_goes_nowhere_is_refused(tmp_path, cell):
    path = tmp_path / "pad.yaml"
    path.write_text(
        "title: Pad\nsource: joy\ntopic: /joy\ndead_zone: 0.1\nexpo: 0.3\n"
        "right: {label: x, axis: 0}\nup: {label: y, axis: 1, reversed: true}\n"
        "deadman: {label: trigger, axis: 2, released: 1.0, held: 1.0}\n"
        "slow: {label: a, button: 0}\nfast: {label: b, button: 1}\n"
    )
    with pytest.raises(ConfigError, match=r"released and held are both 1.0"):
        load_map(str(path))
    path.write_text(path.read_text().replace("held: 1.0", "held: -1.0"))
    pad = load_map(str(path))
    assert (pad.right.value([1.5, 0.0], []), pad.up.value([0.0, 7.0], [])) == (1.0, -1.0)


def test_a_host_that_is_unknown_is_told(cell):
    async def play():
        async with ServedConsole(cell) as console:
            with pytest.raises(PushcellError, match=r"be at nowhere.invalid .* another host"):
                await console.server.start("nowhere.invalid", 0)

    asyncio.run(play())
