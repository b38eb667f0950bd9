"""Who drives when there are several devices: one at a time, until it lets go."""

from __future__ import annotations

from collections.abc import Sequence

from teleop.devices.reading import Device, DeviceReading


class DeviceArbiter:
    """Taken by the first device whose deadman is held, free again when it is released."""

    def __init__(self, devices: Sequence[Device]) -> None:
        self.devices = devices
        self.driver: Device | None = None
        self._pressed: dict[str, frozenset[str]] = {}

    def read(self, now_s: float) -> tuple[DeviceReading | None, list[str]]:
        """The driver's reading, None without a driver; and what was newly pressed on any device."""
        readings = {device.name: device.read(now_s) for device in self.devices}
        asked = [
            action for name, reading in readings.items() for action in self._new(name, reading)
        ]
        if self.driver is None or not readings[self.driver.name].deadman:
            held = (device for device in self.devices if readings[device.name].deadman)
            self.driver = next(held, None)
        return (None if self.driver is None else readings[self.driver.name]), asked

    def _new(self, name: str, reading: DeviceReading) -> list[str]:
        before = self._pressed.get(name, frozenset())
        self._pressed[name] = reading.actions
        return sorted(reading.actions - before)
