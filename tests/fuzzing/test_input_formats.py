"""Whatever stands in a file or a message: one sentence or a sound value, in 2 s and 200 MB.

``make test`` tries a hundred inputs of each format; a thorough run tries 10,000 and tells so:

    HYPOTHESIS_PROFILE=thorough python -m pytest tests/fuzzing --timeout 7200
"""

from __future__ import annotations

import copy
import resource
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pushcell.errors import PushcellError
from tests.config.test_strict_yaml import LAUGHS, MANY_KEYS
from tests.fuzzing.input_formats import FORMATS, Format

LONGEST_S, MOST_MB = 2.0, 200.0
TRIED: Counter[str] = Counter()

ODD = st.one_of(
    st.sampled_from(
        [None, True, "", "x" * 2000, "1e9", "\0", "../../passwd", "é\ud800", [], {}, [[]], {"a": 1}]
    ),
    st.sampled_from([0, -1, 1e308, -1e308, 1e-300, 1e30, 2**70, float("nan"), float("inf")]),
    st.integers(-3, 300),
    st.floats(),
    st.lists(st.floats(-9, 9), max_size=8),
)  # fmt: skip


NASTY = [
    b"",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"\0" * 1000,
    b"a: " + b"9" * 5000,
    b"9" * 5000,
    b"[1e999]",
    b"[NaN]",
    LAUGHS,
    MANY_KEYS,
]


@pytest.fixture(scope="module", autouse=True)
def told(request: pytest.FixtureRequest) -> Iterator[None]:
    """Say at the end how many inputs were tried."""
    yield
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    reporter.write_line(f"\ninputs tried: {sum(TRIED.values())} of {len(TRIED)} formats")


def damaged(data: st.DataObject, content: bytes) -> bytes:
    """Cut off, and with some bytes changed."""
    edits = st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255))
    spoilt = bytearray(content)
    for place, value in data.draw(st.lists(edits, max_size=6)):
        spoilt[place] = value
    return bytes(spoilt[: data.draw(st.none() | st.integers(0, len(content)))])


def places(values: Any, way: tuple = ()) -> Iterator[tuple]:
    """The way to each value of a tree."""
    entries = values.items() if isinstance(values, dict) else enumerate(values)
    for key, value in entries:
        yield (*way, key)
        if isinstance(value, dict | list):
            yield from places(value, (*way, key))


def edited(data: st.DataObject, values: Any) -> Any:
    """With up to three other values in it, one of them perhaps gone."""
    for _ in range(data.draw(st.integers(1, 3))):
        ways = list(places(values))
        if not ways:
            return values
        *way, last = data.draw(st.sampled_from(ways))
        holder = values
        for key in way:
            holder = holder[key]
        if data.draw(st.integers(0, 5)) == 0:
            del holder[last]
        else:
            # A copy, since what was drawn may be edited too, and is drawn again.
            holder[last] = copy.deepcopy(data.draw(ODD))
    return values


def spoilt(data: st.DataObject, kind: Format) -> bytes:
    """An input of a format that is not what its readers expect."""
    how = data.draw(st.integers(0, 9))
    if how == 0:
        return data.draw(st.sampled_from(NASTY) | st.binary(max_size=60))
    if how <= 5 and kind.load is not None:
        return kind.dump(edited(data, kind.load(kind.sound)))
    return damaged(data, kind.sound)


@pytest.mark.parametrize("kind", FORMATS, ids=lambda kind: kind.name)
def test_a_sound_input_is_accepted(tmp_path: Path, kind: Format) -> None:
    (tmp_path / kind.file).write_bytes(kind.sound)
    kind.read(tmp_path / kind.file)


@pytest.mark.parametrize("kind", FORMATS, ids=lambda kind: kind.name)
@settings(suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_anything_else_is_refused_in_one_sentence_or_accepted(
    tmp_path: Path, kind: Format, data: st.DataObject
) -> None:
    TRIED[kind.name] += 1
    path = tmp_path / kind.file
    path.write_bytes(spoilt(data, kind))
    before_mb = peak_mb()
    sentence, took_s = reading(kind, path)
    assert 0 < len(sentence) < 5000
    assert peak_mb() - before_mb < MOST_MB
    # A machine may pause in a first reading, not in each of three.
    assert took_s < LONGEST_S or min(reading(kind, path)[1] for _ in range(2)) < LONGEST_S


def reading(kind: Format, path: Path) -> tuple[str, float]:
    """What is said of an input, and the time of the processor that it took [s]."""
    began_s = time.thread_time()
    try:
        kind.read(path)
    except PushcellError as error:
        return str(error), time.thread_time() - began_s
    return "accepted", time.thread_time() - began_s


def peak_mb() -> float:
    """The most memory that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
