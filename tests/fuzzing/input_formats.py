"""The formats of what is read from anywhere: a sound input of each, and who reads it."""

from __future__ import annotations

import atexit
import io
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from drake import lcmt_iiwa_status

from benchmarks.synthetic_cell import START_NS, live, recording_cell
from calibration.drift import DriftReference
from calibration.files import read_fiducials, read_pairs, read_signal, read_touched
from policy_server import bundle
from policy_server.bundle_files import read_manifest
from policy_server.bundle_format import MANIFEST, PARITY
from policy_server.message_codec import pack, unpack
from pushcell.bags.bag_reader import BagReader
from pushcell.bags.bag_writer import BagWriter
from pushcell.bags.mcap_repair import repair
from pushcell.cameras.calibration_files import read_hand_eye, read_latency
from pushcell.cameras.camera_info import read_camera_info
from pushcell.config.cell import load_cell
from pushcell.config.validation import read_schema
from pushcell.drivers.iiwa import read_status
from pushcell.errors import PushcellError
from pushcell.formats.data_set import Demonstration
from pushcell.formats.lerobot_format import LeRobotSet
from pushcell.formats.lerobot_writer import write_lerobot
from pushcell.formats.packed_format import PackedSet, write_packed
from pushcell.formats.zarr_format import ZarrSet, write_zarr
from pushcell.labelling.appearance import SliderAppearance
from pushcell.labelling.colours import COLOURS, ColourModel
from pushcell.launcher.tags import load_tags
from pushcell.recording.episode_info import INFO_FILE, EpisodeInfo
from pushcell.recording.quality import QualityGate
from pushcell.recording.slider_labels import LABELS_FILE, SliderLabels
from pushcell.recording.store import Journal
from pushcell.recording.streams import streams_of
from pushcell.replay.topic_map import load_mapping
from pushcell.studies.schema import Study
from pushcell.training.config import load_train_config
from teleop.console.messages import parse
from teleop.devices.pad_map import load_map
from tests.conftest import ROOT, SIM_CELL
from tests.policy_server.examples import some_manifest
from tests.recording.examples import some_info, some_steps

CELL = load_cell(SIM_CELL)
BUNDLE = some_manifest(CELL, ("overhead",)).to_yaml()
EPISODE = some_info(some_steps(3), CELL).to_yaml()
LAUNCH = ROOT / "launch" / "rollout.launch.yaml"
PAD = ROOT / "teleop" / "devices" / "maps" / "gamepad.yaml"
HAND_EYE = {"setup": "eye-to-hand", "transform": np.eye(4).tolist()}
LATENCY = {"camera": "overhead", "latency_s": 0.03}
MESSAGE = pack({"a": np.zeros(3), "b": {"c": [1, 2.0, "d"]}})
TRAINING = ROOT / "config" / "train" / "demonstrations.yaml"
STUDY = ROOT / "config" / "study" / "mixing.yaml"


@dataclass(frozen=True)
class Format:
    """Where a sound input of a format comes from, and who reads it."""

    name: str
    sound: bytes
    read: Callable[[Path], object]
    file: str = "input"
    load: Callable[[bytes], Any] | None = None
    """The tree of values of the text, where it is one; with `dump` it is edited as one too."""
    dump: Callable[[Any], bytes] = lambda values: json.dumps(values).encode()


def of_yaml(name: str, sound: str, read: Callable[[Path], object], file: str = "a.yaml") -> Format:
    def dump(values: Any) -> bytes:
        return yaml.safe_dump(values, allow_unicode=True).encode(errors="replace")

    return Format(name, sound.encode(), read, file, yaml.safe_load, dump)


def of_json(name: str, sound: Any, read: Callable[[Path], object], file: str = "a.json") -> Format:
    return Format(name, json.dumps(sound).encode(), read, file, json.loads)


def bag() -> bytes:
    stream = io.BytesIO()
    writer = BagWriter(stream, [s.stored() for s in streams_of(recording_cell(CELL))], 3000)
    for message in live(CELL, 0.3):
        writer.add(message.topic, message.log_ns, message.cdr)
    writer.close("a.mcap")
    return stream.getvalue()


def read_bag(path: Path) -> None:
    with BagReader(path) as found:
        for message in found.messages():
            if message.topic.endswith("image_raw"):
                found.pixels(message)
        found.verify()


def repair_and_read(path: Path) -> None:
    repair(path)
    if path.stat().st_size > 1000:
        read_bag(path)


def message_of(topic: str) -> bytes:
    return next(m.cdr for m in live(CELL, 1.0) if m.topic == topic)


def judge(topic: str) -> Callable[[Path], object]:
    streams = streams_of(recording_cell(CELL))

    def read(path: Path) -> object:
        gate = QualityGate(CELL, streams, START_NS)
        for number in range(3):
            gate.on_message(topic, START_NS + number * 10**8, path.read_bytes())
        return gate.final_report(START_NS + 10**9).model_dump_json()

    return read


def status() -> bytes:
    message = lcmt_iiwa_status()
    message.num_joints = 7
    for name in dir(message):
        if name.startswith("joint_"):
            setattr(message, name, [0.1] * 7)
    return message.encode()


def parity_frame() -> bytes:
    stream, manifest = io.BytesIO(), some_manifest(CELL)
    shapes = {**manifest.observation.shapes, "chunk": (1, manifest.action.horizon, 2)}
    shapes["noise"] = shapes["chunk"]
    np.savez(stream, **{name: np.zeros(shape, np.float32) for name, shape in shapes.items()})
    return stream.getvalue()


def read_parity_frame(path: Path) -> object:
    return bundle._parity_frame(some_manifest(CELL), path.read_bytes(), path.parent)


def appearance() -> bytes:
    colours = ColourModel(np.full(COLOURS, 0.5, np.float32))
    with tempfile.TemporaryDirectory() as folder:
        SliderAppearance("t", 0.03, {"overhead": colours}).save(Path(folder) / "a.npz")
        return (Path(folder) / "a.npz").read_bytes()


def labels() -> Any:
    """The values of a file of three labels."""
    with tempfile.TemporaryDirectory() as folder:
        stamps, poses = np.arange(3) * 10**8, np.zeros((3, 3))
        SliderLabels("overhead", stamps, poses, poses + 1e-3, 4, {"hidden": 1}).save(Path(folder))
        return json.loads((Path(folder) / LABELS_FILE).read_text())


def packed() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write_packed([Demonstration("a", some_steps(3))], Path(folder) / "a.parquet")
        return (Path(folder) / "a.parquet").read_bytes()


def read_packed(path: Path) -> list[Demonstration]:
    return list(PackedSet(path))


def read_notes(path: Path) -> list[Demonstration]:
    """A packed set with other notes on its cameras and rate."""
    table = pq.read_table(pa.BufferReader(PACKED))
    stored = table.replace_schema_metadata({b"pushcell": path.read_bytes()})
    pq.write_table(stored, path.with_name("noted.parquet"))
    return read_packed(path.with_name("noted.parquet"))


@cache
def written(write: Callable[[list[Demonstration], Path], None]) -> Path:
    """A sound data set, in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="pushcell-fuzz-"))
    atexit.register(shutil.rmtree, folder)
    write([Demonstration("a", some_steps(3))], folder / "set")
    return folder / "set"


def in_set(sound: Path, file: str, kind: type) -> Callable[[Path], object]:
    """Reads the set with another file in that file's place."""

    def read(path: Path) -> object:
        with tempfile.TemporaryDirectory() as folder:
            copied = shutil.copytree(sound, Path(folder) / "set")
            shutil.copyfile(path, copied / file)
            return list(kind(copied))

    return read


def of_set(name: str, sound: Path, file: str, kind: type) -> Format:
    return of_json(name, json.loads((sound / file).read_text()), in_set(sound, file, kind))


def console_message(path: Path) -> object:
    """What is none ends the page's connection."""
    try:
        return parse(path.read_bytes().decode(errors="replace"))
    except ValueError as error:
        raise PushcellError(str(error)[:1000]) from None


LEROBOT, ZARR = written(write_lerobot), written(write_zarr)
PACKED = packed()
NOTES = json.loads(pq.read_schema(pa.BufferReader(PACKED)).metadata[b"pushcell"])
HANDS = {
    "t": "input",
    "drag": [1.0, 2.0],
    "run": True,
    "keys": ["Space"],
    "pad": {"axes": [0.0, 1.0], "buttons": [0, 1]},
    "said_ms": 5.0,
}
JOURNAL = b'{"event": "begun", "episode": "a"}\n{"event": "complete", "episode": "a"}\n'
CORNERS = {"ids": [1, 2], "pixels": [[1.0, 2.0], [3.0, 4.0]], "size": [64, 48], "board": "b"}
FIDUCIALS = {
    "dictionary": "DICT_APRILTAG_36h11",
    "side_m": 0.03,
    "height_m": 0.03,
    "markers": {"0": [0, 0, 0.5]},
}
LABELS = labels()
SIGNAL = b"time_s,value\n" + b"".join(b"%d,%d\n" % (n, n % 7) for n in range(30))
CAMERA_INFO = (
    "image_width: 64\nimage_height: 48\ncamera_name: a\ndistortion_model: plumb_bob\n"
    "camera_matrix: {rows: 3, cols: 3, data: [60, 0, 32, 0, 60, 24, 0, 0, 1]}\n"
    "distortion_coefficients: {rows: 1, cols: 5, data: [0, 0, 0, 0, 0]}\n"
)
RECORDED = [
    "/joint_states", "/pusher/pose", "/motion/target", "/motion/state",
    "/camera/wrist/color/image_raw", "/camera/wrist/color/camera_info",
]  # fmt: skip

FORMATS = [
    of_yaml("cell's file", SIM_CELL.read_text(), load_cell),
    of_yaml("training's file", TRAINING.read_text(), load_train_config),
    of_yaml("study's file", STUDY.read_text(), lambda path: read_schema(Study, path)),
    of_yaml("bundle's manifest", BUNDLE, lambda p: read_manifest(p.parent), MANIFEST),
    of_yaml("launch file", LAUNCH.read_text(), load_tags),
    of_yaml("topic mapping", "pusher: {topic: /tip, fields: [a.x, a.y, a.t]}\n", load_mapping),
    of_yaml("device's map", PAD.read_text(), lambda p: load_map(str(p))),
    of_yaml("episode.yaml", EPISODE, lambda p: EpisodeInfo.load(p.parent), INFO_FILE),
    of_yaml("camera_info", CAMERA_INFO, read_camera_info),
    of_json("hand-eye pairs", np.tile(np.eye(4), (3, 2, 1, 1)).tolist(), read_pairs),
    of_json("hand-eye result", HAND_EYE, read_hand_eye),
    of_json("latency", LATENCY, lambda p: read_latency(p, "overhead")),
    of_json("touched points", [{"xyz_m": [0.5, 0, 0], "pixel": [3, 4]}] * 3, read_touched),
    of_json("drift reference", CORNERS, DriftReference.read),
    of_json("fiducials", FIDUCIALS, read_fiducials),
    of_json("slider labels", LABELS, lambda p: SliderLabels.load(p.parent), LABELS_FILE),
    Format("slider's appearance", appearance(), SliderAppearance.load, "a.npz"),
    Format("bundle's parity frame", parity_frame(), read_parity_frame, PARITY),
    Format("signal", SIGNAL, read_signal),
    Format("journal", JOURNAL, lambda p: list(Journal(p).entries())),
    Format("MCAP, whole", bag(), read_bag),
    Format("MCAP, cut off", bag(), repair_and_read),
    Format("LCM status", status(), lambda p: read_status(p.read_bytes())),
    Format("policy message", MESSAGE, lambda p: unpack(p.read_bytes())),
    Format("packed set", PACKED, read_packed),
    of_json("packed set's notes", NOTES, read_notes),
    of_set("LeRobot's info.json", LEROBOT, "meta/info.json", LeRobotSet),
    of_set("zarr's attributes", ZARR, ".zattrs", ZarrSet),
    of_set("zarr's poses", ZARR, "data/state/.zarray", ZarrSet),
    of_set("zarr's images", ZARR, "data/wrist_camera/.zarray", ZarrSet),
    of_json("console message", HANDS, console_message),
    *(Format(f"ROS {topic}", message_of(topic), judge(topic)) for topic in RECORDED),
]  # fmt: skip
