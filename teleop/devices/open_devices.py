"""Devices by name."""

from __future__ import annotations

from pushcell.config.cell import CellConfig
from pushcell.errors import ConfigError
from teleop.devices.pad import PadDevice
from teleop.devices.pad_map import load_map, related_maps
from teleop.devices.pointer import PointerDevice
from teleop.devices.reading import Device
from teleop.devices.shaping import StickSpeed
from teleop.devices.spacemouse import SpaceMouseDevice


def open_devices(names: str, cell: CellConfig) -> list[Device]:
    """The devices of names or map files, apart by spaces; raises ConfigError for unknown ones."""
    devices = [_open(name, cell) for name in names.split()]
    if not devices:
        raise ConfigError("devices is empty: name at least one, such as browser")
    return devices


def _open(name: str, cell: CellConfig) -> Device:
    silence_s = cell.motion.deadman_s
    if name == PointerDevice.name:
        return PointerDevice(silence_s)
    pad_map = load_map(name)
    pad = PadDevice(name, pad_map, StickSpeed.of(cell), silence_s, related_maps(name))
    if pad_map.source == "spacemouse":
        return SpaceMouseDevice(pad)
    if pad_map.topic is None:
        raise ConfigError(f"device {name}: topic: missing key, a joy needs one, such as /joy")
    return pad
