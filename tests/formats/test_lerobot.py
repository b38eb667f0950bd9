"""LeRobot's sets mean what their layout says: videos, files beside, order, time, older versions."""

import json
import shutil

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pushcell.cli import main as cli
from pushcell.errors import EpisodeError
from pushcell.formats.data_set import Demonstration
from pushcell.formats.lerobot_format import LeRobotSet
from pushcell.formats.lerobot_writer import write_lerobot
from pushcell.recording.steps import Steps

RATE_HZ, LENGTHS, CAMERA = 10.0, (25, 1, 40), "observation.images.overhead"
DATA = "data/chunk-000/file-000.parquet"


def smooth(count, seed):
    """(T, 64, 96, 3): a light spot that moves by a few pixels from image to image."""
    y, x = np.mgrid[:64, :96]
    middles = 20 + 5 * seed + np.arange(count)
    spots = np.exp(-((x - middles[:, None, None]) ** 2 + (y - 30) ** 2) / 200)
    return (40 + 180 * spots[..., None] * [1.0, 0.8, 0.6]).astype(np.uint8)


def demonstrations():
    for seed, count in enumerate(LENGTHS):
        rng = np.random.default_rng(seed)
        way = np.float32(0.5 + 0.001 * np.arange(count * 3).reshape(count, 3) + 0.1 * seed)
        goal = rng.random(3)
        images = {"overhead": smooth(count, seed)}
        way = way.astype(float)
        steps = Steps(RATE_HZ, way, rng.random((count, 3)), way[:, :2], goal, images)
        yield Demonstration(f"episode_{seed:06d}", steps)


@pytest.fixture
def plain(tmp_path):
    write_lerobot(demonstrations(), tmp_path / "plain")
    return tmp_path / "plain"


def assert_as_written(folder, most_off=0.0):
    found = list(LeRobotSet(folder))
    assert len(found) == len(LENGTHS)
    for given, read in zip(demonstrations(), found, strict=True):
        assert read.name == given.name
        for field in ("pusher", "slider", "action", "goal"):
            np.testing.assert_array_equal(getattr(read.steps, field), getattr(given.steps, field))
        seen, expected = read.steps.images["overhead"], given.steps.images["overhead"]
        off = np.abs(seen.astype(int) - expected).reshape(len(expected), -1).mean(axis=1)
        assert off.max() <= most_off
        for row, image in enumerate(seen if most_off else ()):
            distances = np.abs(expected.astype(int) - image).reshape(len(expected), -1).sum(axis=1)
            assert distances.argmin() == row, "it is this frame, and not the next one"


def changed(folder, **columns):
    """The set with columns of its frames made anew from the old ones."""
    table = pq.read_table(folder / DATA)
    for name, change in columns.items():
        key = name.replace("__", ".")
        place = table.schema.get_field_index(key)
        values = pa.array(change(table[key].to_pylist()), table.schema.field(key).type)
        table = table.set_column(place, key, values)
    pq.write_table(table, folder / DATA)
    return folder


@pytest.mark.parametrize("codec", ["av1", "h264"])
def test_videos_come_back_frame_by_frame(tmp_path, codec):
    write_lerobot(demonstrations(), tmp_path / "set", codec)
    assert CAMERA not in pq.read_schema(tmp_path / "set" / DATA).names
    assert_as_written(tmp_path / "set", most_off=2.5)


def older(plain, path):
    """The same set as LeRobot 2.1 has it."""
    info = json.loads((plain / "meta/info.json").read_text())
    data_path = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
    info |= {"codebase_version": "v2.1", "chunks_size": 2, "data_path": data_path}
    table = pq.read_table(plain / DATA)
    lines = []
    for number, length in enumerate(LENGTHS):
        file = path / f"data/chunk-{number // 2:03d}/episode_{number:06d}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        rows = pa.array([k == number for k in table["episode_index"].to_pylist()])
        pq.write_table(table.filter(rows), file)
        lines.append({"episode_index": number, "length": length, "tasks": ["Schiebe das Tää 推"]})
    (path / "meta").mkdir()
    (path / "meta/info.json").write_text(json.dumps(info))
    text = "\n".join(json.dumps(line, ensure_ascii=False) for line in reversed(lines))
    (path / "meta/episodes.jsonl").write_text(text + "\n", encoding="utf-8")
    return path


def test_version_2_1_is_read(plain, tmp_path):
    assert_as_written(older(plain, tmp_path / "older"))


def test_images_in_files_beside_the_parquet(plain, tmp_path):
    def beside(stored):
        for number, image in enumerate(stored):
            file = plain / f"images/{CAMERA}/frame-{number:06d}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(image["bytes"])
        return [
            {"bytes": None, "path": f"/home/elsewhere/set/images/{CAMERA}/frame-{k:06d}.png"}
            for k in range(len(stored))
        ]

    changed(plain, observation__images__overhead=beside)
    assert_as_written(plain)
    assert_as_written(shutil.copytree(plain, tmp_path / "moved"))
    (plain / f"images/{CAMERA}/frame-000028.png").unlink()
    with pytest.raises(EpisodeError, match=r"images.overhead, episode 2, row 2: its file"):
        list(LeRobotSet(plain))


def test_rows_are_taken_by_their_frame_index(plain):
    table = pq.read_table(plain / DATA)
    order = np.random.default_rng(0).permutation(len(table))
    pq.write_table(table.take(pa.array(order)), plain / DATA)
    assert_as_written(plain)


def later(times):
    return [t + 0.5 * (k > 40) for k, t in enumerate(times)]


def skipping(numbers):
    return [number + (k in (29, 30)) for k, number in enumerate(numbers)]


def spoilt(vectors):
    return [[float("nan")] * 2 if k == 30 else v for k, v in enumerate(vectors)]


def torn(images):
    return [{**image, "bytes": b"none"} if k == 27 else image for k, image in enumerate(images)]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"timestamp": later},
            r"row 15: its timestamp is 2.0000 s, at 10 fps it must be 1.5",
        ),
        ({"frame_index": skipping}, r"episode 2, row 3: its frame_index is 4; they must go"),
        ({"action": spoilt}, r"feature action, episode 2, row 4: .* is not finite"),
        ({"observation__images__overhead": torn}, r"episode 2, row 1: its image cannot be decoded"),
    ],
)
def test_what_does_not_hold_is_named_with_its_row(plain, columns, message):
    with pytest.raises(EpisodeError, match=message):
        list(LeRobotSet(changed(plain, **columns)))


def test_a_video_that_lacks_a_frame_is_named(tmp_path):
    write_lerobot(demonstrations(), tmp_path / "set", "h264")
    path = tmp_path / "set/meta/episodes/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    key = f"videos/{CAMERA}/from_timestamp"
    later_by = pa.array([t + 0.5 for t in table[key].to_pylist()])
    pq.write_table(table.set_column(table.schema.get_field_index(key), key, later_by), path)
    with pytest.raises(EpisodeError, match=r"episode 2, row 35: the video has no frame at"):
        list(LeRobotSet(tmp_path / "set"))
    video = tmp_path / f"set/videos/{CAMERA}/chunk-000/file-000.mp4"
    video.write_bytes(video.read_bytes()[:600])
    with pytest.raises(EpisodeError, match="episode 0: the video cannot be read"):
        list(LeRobotSet(tmp_path / "set"))


def test_metadata_that_do_not_hold_are_named(plain):
    path = plain / "meta/info.json"
    info = json.loads(path.read_text())
    for change, message in (
        ({"fps": 0}, "fps is 0, it must be positive"),
        ({"fps": None}, "info.json lacks .*, or is malformed"),
        ({"data_path": "../{chunk_index}/{file_index}"}, "data_path leads out of the data set"),
        ({"data_path": "data/{nothing}"}, "does not tell of its episodes"),
    ):
        path.write_text(json.dumps({**info, **change}))
        with pytest.raises(EpisodeError, match=message):
            list(LeRobotSet(plain))
    info["features"]["observation.state"]["shape"] = [2]
    path.write_text(json.dumps(info))
    with pytest.raises(EpisodeError, match=r"observation.state has shape \[2\], not \[3\]"):
        LeRobotSet(plain)


def with_column(path, name, values):
    table = pq.read_table(path)
    pq.write_table(
        table.set_column(table.schema.get_field_index(name), name, pa.array(values)), path
    )


@pytest.mark.parametrize(("value", "told"), [(float("nan"), "nan"), (None, "missing")])
def test_metadata_with_holes_are_named_and_whole_numbers_may_be_floats(tmp_path, value, told):
    write_lerobot(demonstrations(), tmp_path / "film", "h264")
    path = tmp_path / "film/meta/episodes/chunk-000/file-000.parquet"
    column = f"videos/{CAMERA}/file_index"
    with_column(path, column, [0.0, 0.0, 0.0])
    assert_as_written(tmp_path / "film", most_off=2.5)
    with_column(path, column, [0.0, value, 0.0])
    with pytest.raises(EpisodeError, match=f"episode 1: its {column} is {told}"):
        list(LeRobotSet(tmp_path / "film"))


def test_an_hour_long_episode_is_read_in_spite_of_single_precision(tmp_path):
    count, rate_hz = 3600 * 30, 30.0
    way = np.zeros((count, 3))
    steps = Steps(rate_hz, way, way, way[:, :2], np.zeros(3), {})
    write_lerobot(iter([Demonstration("episode_000000", steps)]), tmp_path / "long")
    (read,) = LeRobotSet(tmp_path / "long")
    assert len(read.steps) == count


def test_a_set_that_was_copied_in_part_is_named(plain):
    (plain / DATA).unlink()
    with pytest.raises(EpisodeError, match="episode 0: the file is not there: the set was copied"):
        list(LeRobotSet(plain))


def test_episodes_without_rows_are_left_out_and_counted(plain, tmp_path, capsys):
    path = plain / "meta/episodes/chunk-000/file-000.parquet"
    rows = pq.read_table(path).to_pylist()
    empty = {**rows[0], "episode_index": 3, "length": 0}
    pq.write_table(pa.Table.from_pylist([*rows, empty]), path)
    out = tmp_path / "out"
    assert cli.main(["convert", str(plain), "--to", "packed", "--out", str(out)]) == 0
    assert "1 episodes left out: without any row" in capsys.readouterr().out
    assert cli.main(["convert", str(plain), "--to", "zarr", "--video", "av1", "--out", "x"]) == 2
    assert "--video is for --to lerobot" in capsys.readouterr().err


def test_videos_by_command(plain, tmp_path):
    words = ["convert", str(plain), "--to", "lerobot", "--video", "h264"]
    assert cli.main([*words, "--out", str(tmp_path / "film")]) == 0
    assert_as_written(tmp_path / "film", most_off=2.5)


def test_lerobot_itself_opens_what_is_written(tmp_path):
    lerobot = pytest.importorskip("lerobot.datasets.lerobot_dataset")
    write_lerobot(demonstrations(), tmp_path / "set", "av1")
    found = lerobot.LeRobotDataset("pushcell/set", root=tmp_path / "set", video_backend="pyav")
    assert len(found) == sum(LENGTHS)
    item = found[LENGTHS[0] + LENGTHS[1] + 7]
    steps = list(demonstrations())[2].steps
    np.testing.assert_allclose(item["action"], steps.action[7])
    image = np.moveaxis(item[CAMERA].numpy(), 0, -1) * 255
    assert np.abs(image - steps.images["overhead"][7]).mean() < 2.5
    assert cv2.imwrite(str(tmp_path / "seen.png"), image.astype(np.uint8))


def scaled(parts):
    return lambda rows: [[parts * value for value in row] for row in rows]


@pytest.mark.parametrize(
    ("column", "parts", "problem"),
    [
        ("observation__state", 1000, "episode 0: the pusher is at .* m: lengths are in metres"),
        ("action", 1000, "episode 0: an action is at .* m: lengths are in metres"),
    ],
)
def test_places_in_millimetres_are_told(plain, column, parts, problem):
    changed(plain, **{column: scaled(parts)})
    with pytest.raises(EpisodeError, match=problem):
        list(LeRobotSet(plain))


def test_headings_in_degrees_are_told(plain):
    degrees = lambda rows: [[x, y, 90.0] for x, y, _ in rows]  # noqa: E731
    changed(plain, slider_state=degrees)
    with pytest.raises(EpisodeError, match="the slider is at 90 rad: angles are in radians"):
        list(LeRobotSet(plain))


@pytest.mark.parametrize(("parts", "unit"), [(1e3, "milliseconds"), (1e9, "nanoseconds")])
def test_timestamps_of_another_unit_are_told(plain, parts, unit):
    changed(plain, timestamp=lambda rows: [parts * value for value in rows])
    with pytest.raises(EpisodeError, match=f"timestamps are in seconds; divide {unit}"):
        list(LeRobotSet(plain))
