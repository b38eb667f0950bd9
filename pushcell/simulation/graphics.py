"""Whether this machine can draw off screen, asked before VTK, which crashes where it cannot."""

from __future__ import annotations

import ctypes
import sys

from pushcell.errors import PushcellError

_EGL_PLATFORM_DEVICE = 0x313F
_MAX_DEVICES = 16


class GraphicsError(PushcellError):
    """There is no OpenGL to draw camera images with."""


def require_graphics() -> None:
    """Raise GraphicsError, naming the Debian package that is missing, unless EGL works."""
    if not sys.platform.startswith("linux"):
        return
    try:
        egl = ctypes.CDLL("libEGL.so.1")
    except OSError as error:
        raise _missing("libegl1", str(error)) from None
    devices = _devices(egl)
    if not devices:
        raise _missing("libegl-mesa0", "EGL knows no device to draw with")
    if not any(_starts(egl, device) for device in devices):
        raise _missing("libgl1-mesa-dri", "no graphics driver of EGL starts")


def _devices(egl: ctypes.CDLL) -> list[int]:
    query = _function(egl, b"eglQueryDevicesEXT", ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    devices, count = (ctypes.c_void_p * _MAX_DEVICES)(), ctypes.c_int(0)
    query(_MAX_DEVICES, devices, ctypes.byref(count))
    return [device for device in devices[: count.value] if device]


def _starts(egl: ctypes.CDLL, device: int) -> bool:
    get_display = _function(
        egl, b"eglGetPlatformDisplayEXT", ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p
    )
    display = get_display(_EGL_PLATFORM_DEVICE, device, None)
    return bool(display) and bool(egl.eglInitialize(ctypes.c_void_p(display), None, None))


def _function(egl: ctypes.CDLL, name: bytes, *argument_types: type) -> ctypes._FuncPointer:
    egl.eglGetProcAddress.restype = ctypes.c_void_p
    address = egl.eglGetProcAddress(name)
    if not address:
        raise _missing("libegl1", f"EGL is too old, it has no {name.decode()}")
    return ctypes.CFUNCTYPE(ctypes.c_void_p, *argument_types)(address)


def _missing(package: str, what: str) -> GraphicsError:
    return GraphicsError(
        f"camera images cannot be drawn ({what}): install the Debian package with "
        f"`apt install {package}`"
    )
