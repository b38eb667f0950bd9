"""Plays a cell from a file: two cameras' frames and the arm's state, at a real cell's rates.

Frames are patched with the stamp of the moment and published as they are, so that this process
takes little of the machine. SIGUSR1 takes the last camera away. At its end it writes the stamps of
all that it published.
"""

from __future__ import annotations

import importlib
import json
import signal
import struct
import sys
import time
from pathlib import Path

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import qos_profile_system_default

from benchmarks.synthetic_cell import live
from pushcell.bags.messages import IMAGE, image_cdr
from pushcell.config.cell import CellConfig, load_cell
from pushcell.processes.priority import ProcessPriority
from pushcell.recording.streams import IMAGE_TOPIC, streams_of

TICK_S = 0.005


class SyntheticPlayer(Node):
    """One publisher a stream, and its messages in their turn."""

    def __init__(self, cell: CellConfig, frames: Path) -> None:
        super().__init__("player")
        self.published: dict[str, list[int]] = {}
        self.gone: set[str] = set()
        self._messages: dict[str, list[bytes]] = {}
        self._rates: dict[str, float] = {}
        self._outlets: dict[str, Publisher] = {}
        for message in live(cell, 5.0):
            self._messages.setdefault(message.topic, []).append(message.cdr)
        with np.load(frames) as cameras:
            for name, images in cameras.items():
                made = [image_cdr(0, name, image) for image in images]
                self._messages[IMAGE_TOPIC.format(name)] = made
        for stream in streams_of(cell):
            if stream.rate_hz is not None:
                package, _, name = stream.message_type.split("/")
                kind = getattr(importlib.import_module(f"{package}.msg"), name)
                image = stream.message_type == IMAGE
                qos = qos_profile_system_default if image else 50
                self._outlets[stream.topic] = self.create_publisher(kind, stream.topic, qos)
                self._rates[stream.topic] = stream.rate_hz
                self.published[stream.topic] = []

    def tick(self, elapsed_s: float) -> None:
        """Publish what is due."""
        for topic, publisher in self._outlets.items():
            count = len(self.published[topic])
            if count <= elapsed_s * self._rates[topic] and topic not in self.gone:
                cdr = bytearray(self._messages[topic][count % len(self._messages[topic])])
                stamp_ns = time.time_ns()
                if topic != "/motion/state":  # has no header
                    struct.pack_into("<iI", cdr, 4, *divmod(stamp_ns, 10**9))
                publisher.publish(bytes(cdr))
                self.published[topic].append(stamp_ns)


def main(cell: str, frames: str, log: str) -> None:
    """Play until told to end."""
    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        ended = True

    rclpy.init(signal_handler_options=rclpy.signals.SignalHandlerOptions.NO)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    ProcessPriority.REAL_TIME.apply()
    config = load_cell(cell)
    player = SyntheticPlayer(config, Path(frames))
    last = IMAGE_TOPIC.format(config.cameras[-1].name)
    signal.signal(signal.SIGUSR1, lambda *_: player.gone.add(last))
    print("playing", flush=True)
    began = time.monotonic()
    ticks = 0
    while not ended:
        player.tick(time.monotonic() - began)
        ticks += 1
        time.sleep(max(0.0, began + ticks * TICK_S - time.monotonic()))
    Path(log).write_text(json.dumps(player.published), encoding="utf-8")
    player.destroy_node()
    rclpy.try_shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
