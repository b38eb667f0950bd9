"""Stamps that are missing, early, late or of another clock are named, and never mixed."""

import pytest

from pushcell.cli import main as cli
from pushcell.errors import EpisodeError
from pushcell.replay.recording import Recording
from pushcell.replay.samples import SampleReader
from tests.replay.examples import ForeignBag, steady_bundle
from tests.replay.test_foreign_bags import START_NS, raw

MAPPING = "pusher: {topic: /hand%s}\ncameras: {overhead: {topic: /eye%s}}\n"
MS = 10**6


def write(path, hand=lambda k, t: t, camera=lambda k, t: t, count=60):
    """A hand and a camera whose stamps are made from number and time of capture [ns]."""
    bag = ForeignBag(path, "mcap")
    types = bag.store.types
    data, step = raw("rgb8")
    for k in range(count):
        captured_ns = START_NS + k * 50 * MS
        point = types["geometry_msgs/msg/Point"](0.55, 0.1, 0.0)
        turn = types["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0)
        pose = types["geometry_msgs/msg/Pose"](point, turn)
        log_ns = captured_ns + 5 * MS
        header = bag.header(hand(k, captured_ns), "base")
        bag.add("/hand", "geometry_msgs/msg/PoseStamped", log_ns, header, pose)
        header = bag.header(camera(k, captured_ns), "lens")
        bag.add("/eye", "sensor_msgs/msg/Image", log_ns, header, 24, 32, "rgb8", 0, step, data)
    bag.close()
    return path


def read(path, cell, tmp_path, hand="", camera=""):
    file = tmp_path / "mapping.yaml"
    file.write_text(MAPPING % (hand, camera))
    with Recording(path, cell, file) as recording:
        reader = SampleReader(recording)
        samples = list(reader.samples(recording.map.named))
        return samples, reader.left_out, reader.clock_notes(recording.map.named)


def never(k, t):
    return 0


def test_one_clock_has_nothing_to_say(cell, tmp_path):
    samples, left_out, notes = read(write(tmp_path / "bag"), cell, tmp_path)
    assert len(samples) == 120
    assert not left_out
    assert not notes


def test_a_stamp_of_0_among_others_is_left_out(cell, tmp_path):
    path = write(tmp_path / "bag", camera=lambda k, t: 0 if k in (0, 7) else t)
    samples, left_out, notes = read(path, cell, tmp_path)
    assert left_out == {"camera overhead: messages without a stamp, where others have one": 2}
    assert min(s.stamp_ns for s in samples) == START_NS
    assert not notes


def test_where_there_are_no_stamps_the_time_of_recording_stands_for_them(cell, tmp_path):
    samples, left_out, notes = read(write(tmp_path / "bag", never, never), cell, tmp_path)
    assert len(samples) == 120
    assert samples[0].stamp_ns == START_NS + 5 * MS
    assert not left_out
    assert notes[0] == "/hand has no stamps: the time of recording is taken instead"


@pytest.mark.parametrize(
    ("camera", "where"),
    [
        (lambda k, t: t - START_NS + 10**11, "50.7 years before their recording"),
        (lambda k, t: t + 37 * 10**9, "36.995 s after their recording"),
        (lambda k, t: t + 500 * MS, "0.495 s after their recording"),
        (lambda k, t: t - 5 * 10**9, "5.005 s before their recording"),
    ],
)
def test_stamps_of_another_clock_are_refused_with_what_mends_them(cell, tmp_path, camera, where):
    path = write(tmp_path / "bag", camera=camera)
    with pytest.raises(EpisodeError) as refusal:
        read(path, cell, tmp_path)
    said = str(refusal.value)
    assert f"the stamps of /eye lie {where}, those of /hand 0.005 s before" in said
    offset = said.partition("`offset_s: ")[2].partition("`")[0]
    samples, left_out, _ = read(path, cell, tmp_path, camera=f", offset_s: {offset}")
    assert len(samples) == 120
    assert not left_out
    samples, *_ = read(path, cell, tmp_path, camera=", clock: log")
    assert len(samples) == 120


def test_a_clock_that_all_share_may_be_any(cell, tmp_path):
    def since_boot(k, t):
        return t - START_NS + 10**10

    samples, left_out, notes = read(write(tmp_path / "bag", since_boot, since_boot), cell, tmp_path)
    assert len(samples) == 120
    assert not left_out
    (note,) = notes
    assert note.startswith("all stamps lie 50.7 years before their recording")


def test_a_jump_within_a_topic_is_left_out(cell, tmp_path):
    path = write(tmp_path / "bag", camera=lambda k, t: t + (k == 40) * 10**12)
    samples, left_out, _ = read(path, cell, tmp_path)
    assert len(samples) == 119
    assert left_out == {
        "camera overhead: stamps that jump by more than 10 s against the time of recording": 1
    }


def replay(path, cell, tmp_path):
    file = tmp_path / "mapping.yaml"
    file.write_text(MAPPING % ("", ""))
    bundle = steady_bundle(tmp_path / "bundle", cell, ("overhead",))
    return cli.main(["replay", str(path), "--mapping", str(file), "--policy", str(bundle)])


def test_streams_that_never_meet_are_no_success(cell, tmp_path, capsys):
    path = write(tmp_path / "bag", camera=lambda k, t: t - 400 * MS)
    assert replay(path, cell, tmp_path) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "the policy never inferred: overhead is" in said
    assert "/eye and /hand do not meet: the stamps of /eye lie 0.400 s further before" in said


def test_an_empty_year_is_not_walked_through(cell, tmp_path, capsys):
    def late(k, t):
        return t + (k >= 55) * 365 * 86400 * 10**9

    bag = ForeignBag(tmp_path / "bag", "mcap")
    types = bag.store.types
    for k in range(60):
        stamp_ns = late(k, START_NS + k * 50 * MS)
        point = types["geometry_msgs/msg/Point"](0.55, 0.1, 0.0)
        turn = types["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0)
        pose = types["geometry_msgs/msg/Pose"](point, turn)
        header = bag.header(stamp_ns, "base")
        bag.add("/hand", "geometry_msgs/msg/PoseStamped", stamp_ns, header, pose)
    bag.close()
    file = tmp_path / "mapping.yaml"
    file.write_text("pusher: {topic: /hand}\n")
    assert cli.main(["replay", str(tmp_path / "bag"), "--mapping", str(file)]) == 0
    assert "in which nothing was recorded are skipped" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(("offset", "unit"), [("120", "milliseconds"), ("1.2e8", "nanoseconds")])
def test_an_offset_of_another_unit_is_told(cell, tmp_path, offset, unit):
    path = write(tmp_path / "bag", camera=lambda k, t: t - 120 * MS)
    with pytest.raises(EpisodeError, match=f"offset_s of .* is in seconds: divide {unit} by"):
        read(path, cell, tmp_path, camera=f", offset_s: {offset}")
    assert read(path, cell, tmp_path, camera=", offset_s: 0.12")[0]


def test_the_offset_that_is_advised_mends_it_whatever_was_given(cell, tmp_path):
    path = write(tmp_path / "bag", camera=lambda k, t: t - 3000 * MS)
    with pytest.raises(EpisodeError, match=r"`offset_s: 3\.000`, in the mapping$"):
        read(path, cell, tmp_path, camera=", offset_s: 10.0")
    assert read(path, cell, tmp_path, camera=", offset_s: 3.0")[0]
