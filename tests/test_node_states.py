"""Texts that nodes send each other: read as they were written, or refused in a sentence."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushcell.errors import PushcellError
from pushcell.node_states import TimeLineRequest, TrialsRequest, read_request, read_state


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


@given(st.text() | st.recursive(st.none() | st.text(), st.lists, max_leaves=4).map(json.dumps))
def test_any_text_is_refused_or_an_object(text: str) -> None:
    with suppress(PushcellError):
        assert isinstance(read_state(text), dict)
