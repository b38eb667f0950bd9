"""Messages as bytes: what is no array, no scalar or too much is refused with one kind of error."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_server.message_codec import ProtocolError, unpack


@given(st.binary(max_size=300))
def test_the_wire_has_one_kind_of_error(data: bytes) -> None:
    try:
        unpack(data)
    except ProtocolError:
        return


@pytest.mark.parametrize(
    ("dtype", "shape", "data"),
    [
        ("|O", [1], b"12345678"),
        ("<f4", [1 << 40, 1 << 40], b""),
        ("<f4", [-1], b"1234"),
        ("<f4", [2], b"1234"),
        ("<M8[s]", [1], b"12345678"),
        ("(2,)f4", [1], b"12345678"),
        (["f4"], [1], b"1234"),
        ("<f4", [1] * 40, b"1234"),
        ("(1,f4", [1], b"1234"),
        ("f4,f4", [1], b"12345678"),
        ("<f16", [1], b"0" * 16),
        ("complex64", [1], b"12345678"),
        ("<f4", [1.0], b"1234"),
        ("<f4", [1], None),
        (None, [1], b"1234"),
    ],
)
def test_arrays_that_are_none_are_refused(dtype, shape, data) -> None:
    given = {b"__ndarray__": True, b"dtype": dtype, b"shape": shape, b"data": data}
    whole = {key: value for key, value in given.items() if value is not None}
    with pytest.raises(ProtocolError):
        unpack(msgpack.packb({"pusher": whole}))


@pytest.mark.parametrize(
    "message",
    [
        {"pusher": {b"__npgeneric__": True}},
        {"pusher": {b"__npgeneric__": True, b"data": [1]}},
        {f"k{number}": 0 for number in range(5000)},
        {"pusher": list(range(5000))},
        {"pusher": {f"k{number}": 0 for number in range(5000)}},
    ],
    ids=range(5),
)
def test_scalars_that_are_none_and_very_many_values_are_refused(message) -> None:
    with pytest.raises(ProtocolError):
        unpack(msgpack.packb(message))
