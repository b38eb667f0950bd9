"""Where the tip is, in the types in which people record it."""

import numpy as np
import pytest

from pushcell.errors import ConfigError, EpisodeError
from pushcell.replay.field_path import number_at, parse_path
from pushcell.replay.poses import POSES
from pushcell.replay.recording import Recording
from pushcell.replay.samples import SampleReader
from pushcell.replay.topic_map import load_mapping
from tests.replay.examples import ForeignBag
from tests.replay.test_foreign_bags import START_NS

G = "geometry_msgs/msg/"
TF, ARRAY = "tf2_msgs/msg/TFMessage", "std_msgs/msg/Float64MultiArray"
COUNT = 30
X, Y, THETA = 0.55 + 0.002 * np.arange(COUNT), 0.12, 0.4
EXPECTED = np.column_stack([X, np.full(COUNT, Y), np.full(COUNT, THETA)])


class Hand:
    """Writes one way of a hand in any type."""

    def __init__(self, path):
        self.bag = ForeignBag(path, "mcap")
        self.types = self.bag.store.types

    def header(self, k, frame="base"):
        return self.bag.header(START_NS + k * 10**8, frame)

    def turn(self):
        return self.types[G + "Quaternion"](0.0, 0.0, np.sin(THETA / 2), np.cos(THETA / 2))

    def pose(self, k):
        return self.types[G + "Pose"](self.types[G + "Point"](X[k], Y, 0.0), self.turn())

    def transform(self, k, parent="base", child="hand", x=0.0):
        shift = self.types[G + "Vector3"](X[k] + x, Y, 0.0)
        transform = self.types[G + "Transform"](shift, self.turn())
        return self.types[G + "TransformStamped"](self.header(k, parent), child, transform)

    def twist(self, k, speed=0.02):
        vector = self.types[G + "Vector3"]
        twist = self.types[G + "Twist"](vector(speed, 0.0, 0.0), vector(0.0, 0.0, 0.0))
        return self.header(k), twist

    def fields(self, kind, k):
        covariance = np.zeros(36)
        if kind == G + "PoseStamped":
            return self.header(k), self.pose(k)
        if kind == G + "PoseWithCovarianceStamped":
            return self.header(k), self.types[G + "PoseWithCovariance"](self.pose(k), covariance)
        if kind == "nav_msgs/msg/Odometry":
            pose = self.types[G + "PoseWithCovariance"](self.pose(k), covariance)
            twist = self.types[G + "TwistWithCovariance"](self.twist(k)[1], covariance)
            return self.header(k), "hand", pose, twist
        if kind == G + "Pose":
            pose = self.pose(k)
            return pose.position, pose.orientation
        if kind == G + "TransformStamped":
            one = self.transform(k)
            return one.header, one.child_frame_id, one.transform
        if kind == TF:
            return ([self.transform(k)],)
        if kind == G + "TwistStamped":
            return self.twist(k)
        layout = self.types["std_msgs/msg/MultiArrayLayout"]([], 0)
        return layout, np.array([X[k], Y, THETA])

    def write(self, kind, fields=None):
        for k in range(COUNT):
            log_ns = START_NS + k * 10**8 + 10**6
            self.bag.add("/hand", kind, log_ns, *(fields or self.fields)(kind, k))
        self.bag.close()


def read(path, cell, tmp_path, mapping):
    file = tmp_path / "mapping.yaml"
    file.write_text(mapping)
    with Recording(path, cell, file) as recording:
        reader = SampleReader(recording)
        samples = list(reader.samples(recording.map.named))
    found = {w: [s.value for s in samples if s.what == w] for w in recording.map.named}
    return {what: np.array(values) for what, values in found.items()}, reader


@pytest.mark.parametrize("kind", POSES)
def test_every_type_gives_the_same_way(cell, tmp_path, kind):
    Hand(tmp_path / "bag").write(kind)
    mapping = "pusher: {topic: /hand}\ntarget: {topic: /hand}\n"
    found, reader = read(tmp_path / "bag", cell, tmp_path, mapping)
    assert not reader.left_out
    np.testing.assert_allclose(found["pusher"], EXPECTED, atol=1e-12)
    np.testing.assert_allclose(found["target"], EXPECTED[:, :2], atol=1e-12)


def test_transforms_are_chosen_by_parent_and_child(cell, tmp_path):
    hand = Hand(tmp_path / "bag")

    def several(kind, k):
        others = [hand.transform(k, "base", "elbow", 5.0), hand.transform(k, "map", "hand", 7.0)]
        return ([*others, hand.transform(k), hand.transform(k, "base", "block", -0.1)],)

    hand.write(TF, several)
    mapping = (
        "pusher: {topic: /hand, parent: base, child: hand}\n"
        "slider: {topic: /hand, parent: base, child: block}\n"
    )
    found, reader = read(tmp_path / "bag", cell, tmp_path, mapping)
    np.testing.assert_allclose(found["pusher"], EXPECTED, atol=1e-12)
    np.testing.assert_allclose(found["slider"], EXPECTED - [0.1, 0, 0], atol=1e-12)
    with pytest.raises(EpisodeError, match="has transforms of block, elbow, hand: name one"):
        read(tmp_path / "bag", cell, tmp_path, "pusher: {topic: /hand}\n")
    _, reader = read(tmp_path / "bag", cell, tmp_path, "pusher: {topic: /hand, child: tool}\n")
    ((why, _),) = reader.left_out.items()
    assert why.startswith("pusher: no transform of tool; /hand has")


def test_velocities_are_integrated_only_where_told(cell, tmp_path):
    Hand(tmp_path / "bag").write(G + "TwistStamped")
    with pytest.raises(EpisodeError, match=r"is geometry_msgs/msg/TwistStamped; to integrate"):
        read(tmp_path / "bag", cell, tmp_path, "pusher: {topic: /hand}\n")
    mapping = f"pusher: {{topic: /hand, integrate_from: [0.55, {Y}, {THETA}]}}\n"
    found, _ = read(tmp_path / "bag", cell, tmp_path, mapping)
    np.testing.assert_allclose(found["pusher"], EXPECTED, atol=1e-9)


def test_fields_may_have_indices(cell, tmp_path):
    Hand(tmp_path / "bag").write(ARRAY)
    with pytest.raises(EpisodeError, match=r"is std_msgs/msg/Float64MultiArray; poses are read"):
        read(tmp_path / "bag", cell, tmp_path, "pusher: {topic: /hand}\n")
    mapping = "pusher: {topic: /hand, fields: ['data[0]', 'data[1]', 'data[%d]']}\n"
    found, _ = read(tmp_path / "bag", cell, tmp_path, mapping % 2)
    np.testing.assert_allclose(found["pusher"], EXPECTED)
    _, reader = read(tmp_path / "bag", cell, tmp_path, mapping % 3)
    ((why, count),) = reader.left_out.items()
    assert "messages without 'data[3]', the mapping's field" in why
    assert count == COUNT
    with pytest.raises(ConfigError, match=r"pusher.fields.2 = 'data\[-1\]': allowed: names"):
        read(tmp_path / "bag", cell, tmp_path, mapping % -1)


def test_chunks_of_another_type_are_refused(cell, tmp_path):
    Hand(tmp_path / "bag").write(G + "TwistStamped")
    with pytest.raises(EpisodeError, match="is read from trajectory_msgs/msg/MultiDOFJoint"):
        read(tmp_path / "bag", cell, tmp_path, "chunk: /hand\n")


def test_a_path_is_names_and_indices():
    assert parse_path("poses[1].spot.at[0][2]") == ["poses", 1, "spot", "at", 0, 2]
    assert number_at("a[1]")(type("M", (), {"a": [1, 7]})) == 7.0
    for wrong in ("", "a..b", "[0]", "a[x]", "a[0"):
        with pytest.raises(ValueError, match="allowed: names and indices"):
            parse_path(wrong)


class WrongHand(Hand):
    """Its quaternions have w first."""

    def turn(self):
        good = super().turn()
        return self.types[G + "Quaternion"](good.w, good.x, good.y, good.z)


def test_a_publisher_that_fills_in_w_first_is_told_and_can_be_read(cell, tmp_path):
    WrongHand(tmp_path / "bag").write(G + "PoseStamped")
    with pytest.raises(EpisodeError, match=r"tilted by 23 deg.*`quaternion: wxyz`"):
        read(tmp_path / "bag", cell, tmp_path, "pusher: {topic: /hand}\n")
    found, _ = read(tmp_path / "bag", cell, tmp_path, "pusher: {topic: /hand, quaternion: wxyz}\n")
    np.testing.assert_allclose(found["pusher"], EXPECTED, atol=1e-9)


def test_poses_in_millimetres_are_told(cell, tmp_path):
    hand = Hand(tmp_path / "bag")

    def in_mm(_, k):
        place = hand.types[G + "Point"](1e3 * X[k], 1e3 * Y, 0.0)
        return hand.header(k), hand.types[G + "Pose"](place, hand.turn())

    hand.write(G + "PoseStamped", in_mm)
    with pytest.raises(EpisodeError, match=r"poses of /hand are of 550 m: lengths are in metres"):
        read(tmp_path / "bag", cell, tmp_path, "pusher: {topic: /hand}\n")


def test_headings_in_degrees_are_told(cell, tmp_path):
    hand = Hand(tmp_path / "bag")
    layout = hand.types["std_msgs/msg/MultiArrayLayout"]([], 0)
    hand.write(ARRAY, lambda _, k: (layout, np.array([X[k], Y, np.degrees(THETA)])))
    mapping = "pusher: {topic: /hand, fields: ['data[0]', 'data[1]', 'data[2]']}\n"
    with pytest.raises(EpisodeError, match=r"fields of /hand are of 22\.92 rad: angles are in rad"):
        read(tmp_path / "bag", cell, tmp_path, mapping)


@pytest.mark.parametrize(
    ("mapping", "problem"),
    [
        ("frames: {world: {xyz_m: [100, 200, 0]}}", "lengths are in metres"),
        ("frames: {world: {rpy_rad: [0, 0, 90]}}", "angles are in radians"),
        ("target: {topic: /servo, integrate_from: [550, 0, 0]}", "lengths are in metres"),
        ("target: {topic: /servo, integrate_from: [0.55, 0, 90]}", "angles are in radians"),
    ],
)
def test_a_mapping_in_other_units_is_told(tmp_path, mapping, problem):
    file = tmp_path / "mapping.yaml"
    file.write_text(mapping)
    with pytest.raises(ConfigError, match=problem):
        load_mapping(file)
