"""Messages between policy server and client: msgpack with numpy arrays, as openpi's clients send.

An array is a map of its bytes, dtype and shape. Nothing that is unpacked can be anything but plain
values and arrays of numbers: no objects, no pickles.
"""

from __future__ import annotations

import math
import re
from typing import Any

import msgpack
import numpy as np

from pushcell.errors import PushcellError

_KINDS = "biuf"
_DTYPE = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248])|bool|u?int(8|16|32|64)|float(16|32|64)")
_ARRAY, _SCALAR = b"__ndarray__", b"__npgeneric__"
_MOST_DIMENSIONS = 8
_MOST_ENTRIES = 256
"""No honest map or list has more; a small message could hold very many."""


class ProtocolError(PushcellError):
    """A message that is not what was agreed on."""


def pack(values: Any) -> bytes:
    """Plain values and arrays as bytes."""
    return msgpack.packb(values, default=_packed)


def unpack(data: bytes) -> Any:
    """The values again; raises ProtocolError for anything malformed."""
    try:
        return msgpack.unpackb(
            data,
            object_hook=_unpacked,
            max_map_len=_MOST_ENTRIES,
            max_array_len=_MOST_ENTRIES,
        )
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise ProtocolError(f"the message cannot be read: {type(error).__name__} {error}") from None


def _packed(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind in _KINDS:
        data = np.ascontiguousarray(value).tobytes()
        return {_ARRAY: True, b"data": data, b"dtype": value.dtype.str, b"shape": value.shape}
    if isinstance(value, np.generic) and value.dtype.kind in _KINDS:
        return {_SCALAR: True, b"data": value.item(), b"dtype": value.dtype.str}
    raise TypeError(f"{type(value).__name__} cannot be sent")


def _unpacked(values: dict[Any, Any]) -> Any:
    if _SCALAR in values:
        number = values.get(b"data")
        if not isinstance(number, bool | int | float):
            raise ValueError("a scalar needs data, which is a number")
        return number
    if _ARRAY not in values:
        return values
    data, name, shape = (values.get(key) for key in (b"data", b"dtype", b"shape"))
    if not isinstance(name, str) or not isinstance(shape, list) or not isinstance(data, bytes):
        raise ValueError("an array needs data, dtype and shape")
    if not _DTYPE.fullmatch(name):
        raise ValueError(f"an array of {name[:20]} is not allowed, only of numbers")
    dtype = np.dtype(name)
    sizes = [size for size in shape if isinstance(size, int) and size >= 0]
    if len(sizes) < len(shape) or len(shape) > _MOST_DIMENSIONS:
        raise ValueError(f"an array cannot have shape {shape}")
    if math.prod(sizes) * dtype.itemsize != len(data):
        raise ValueError(f"{len(data)} bytes are no array of shape {shape} and dtype {name}")
    return np.frombuffer(data, dtype).reshape(shape)
