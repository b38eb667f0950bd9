"""The same for viewers: an MCAP that Foxglove opens beside the bag, a recording for Rerun."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pushcell.action_chunk import ActionChunk
from pushcell.bags.bag_writer import BagWriter, Topic
from pushcell.bags.messages import BASE_FRAME, message_class, to_cdr
from pushcell.config.cell import CellConfig
from pushcell.errors import PushcellError
from pushcell.geometry import Array
from pushcell.replay.pictures import fixed_camera
from pushcell.replay.recording import Recording
from pushcell.replay.result import ReplayResult
from pushcell.replay.samples import SampleReader

PATH = "nav_msgs/msg/Path"
_POSE = "geometry_msgs/msg/PoseStamped"
_LOG = "rcl_interfaces/msg/Log"
_WARN = 30
_NS = 10**9


def write_foxglove(path: Path, outcomes: Sequence[ReplayResult], cell: CellConfig) -> None:
    """Ways as nav_msgs/Path and stops as rcl_interfaces/Log, by the recording's own time."""
    topics = [Topic(f"/replay/{_name(k)}/chunk", PATH) for k in range(len(outcomes))]
    topics += [Topic(f"/replay/{_name(k)}/stops", _LOG) for k in range(len(outcomes))]
    topics.append(Topic("/replay/executed", PATH))
    with path.open("wb") as stream:
        bag = BagWriter(stream, topics)
        for stamp_ns, topic, cdr in sorted(_messages(outcomes, cell)):
            bag.add(topic, stamp_ns, cdr)
        bag.close(path.name)


def write_rerun(path: Path, recording: Recording, outcomes: Sequence[ReplayResult]) -> None:
    """Pictures, ways and stops; raises PushcellError where rerun-sdk is not installed."""
    try:
        import rerun
    except ImportError:
        raise PushcellError("--rerun needs rerun-sdk: pip install 'pushcell[rerun]'") from None
    stream = rerun.RecordingStream("pushcell_replay")
    stream.save(str(path))
    camera = fixed_camera(recording)
    for sample in SampleReader(recording).samples({f"camera {camera}"} if camera else ()):
        stream.set_time("recording", timestamp=sample.stamp_s)
        stream.log(f"camera/{camera}", rerun.Image(sample.value).compress(85))
    stream.log("executed", rerun.LineStrips2D([outcomes[0].executed.points]), static=True)
    for k, outcome in enumerate(outcomes):
        for chunk in outcome.chunks:
            stream.set_time("recording", timestamp=chunk.capture_s)
            stream.log(f"{_name(k)}/chunk", rerun.LineStrips2D([chunk.positions]))
        for stop in outcome.stops:
            stream.set_time("recording", timestamp=stop.time_s)
            stream.log(f"{_name(k)}/stops", rerun.TextLog(stop.reason, level="WARN"))
    stream.flush()


def _name(number: int) -> str:
    return f"policy_{number}"


def _messages(
    outcomes: Sequence[ReplayResult], cell: CellConfig
) -> Iterator[tuple[int, str, bytes]]:
    height_m = cell.pusher.tip_height_m
    executed = outcomes[0].executed
    if len(executed.times_s):
        start_s = float(executed.times_s[0])
        yield _ns(start_s), "/replay/executed", _path(start_s, executed.points, height_m)
    for k, outcome in enumerate(outcomes):
        for chunk in outcome.chunks:
            yield _chunk(f"/replay/{_name(k)}/chunk", chunk, height_m)
        for stop in outcome.stops:
            fields = (_stamp(stop.time_s), _WARN, stop.source, stop.reason, "", "", 0)
            yield _ns(stop.time_s), f"/replay/{_name(k)}/stops", _cdr(_LOG, *fields)


def _chunk(topic: str, chunk: ActionChunk, height_m: float) -> tuple[int, str, bytes]:
    return _ns(chunk.capture_s), topic, _path(chunk.capture_s, chunk.positions, height_m)


def _path(time_s: float, points: Array, height_m: float) -> bytes:
    header = message_class("std_msgs/msg/Header")(_stamp(time_s), BASE_FRAME)
    upright = message_class("geometry_msgs/msg/Quaternion")(0.0, 0.0, 0.0, 1.0)
    poses = []
    for x, y in np.asarray(points, dtype=float):
        point = message_class("geometry_msgs/msg/Point")(float(x), float(y), height_m)
        pose = message_class("geometry_msgs/msg/Pose")(point, upright)
        poses.append(message_class(_POSE)(header, pose))
    return _cdr(PATH, header, poses)


def _cdr(kind: str, *fields: Any) -> bytes:
    return to_cdr(message_class(kind)(*fields), kind)


def _stamp(time_s: float) -> Any:
    return message_class("builtin_interfaces/msg/Time")(*divmod(_ns(time_s), _NS))


def _ns(time_s: float) -> int:
    return round(time_s * _NS)
