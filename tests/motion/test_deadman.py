"""When the deadman counts as held."""

from __future__ import annotations

import pytest

from pushcell.motion.deadman import Deadman


@pytest.fixture
def deadman() -> Deadman:
    return Deadman(age_s=0.2)


def test_it_is_held_while_that_is_said(deadman: Deadman) -> None:
    assert not deadman.is_held(1.0)
    deadman.hear(1.0, True)
    assert deadman.is_held(1.2)
    assert not deadman.is_held(1.21)
    deadman.forget()
    assert not deadman.is_held(1.0)


@pytest.mark.parametrize("later_s", [0.0, 0.003])
def test_a_release_is_seen_by_the_next_tick_whatever_is_said_after_it(
    deadman: Deadman, later_s: float
) -> None:
    deadman.hear(1.0, False)
    deadman.hear(1.0 + later_s, True)
    deadman.ticked()
    assert not deadman.is_held(1.01)
    deadman.hear(1.02, True)
    assert deadman.is_held(1.02)
