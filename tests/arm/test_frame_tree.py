"""The cell's URDF and its frames, against Drake's kinematics of the same arm."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from pydrake.multibody.parsing import Parser
from pydrake.multibody.plant import MultibodyPlant

from pushcell.arm.description import BASE, GOAL, TIP, describe
from pushcell.arm.frame_tree import FrameTree
from pushcell.arm.kinematics import ArmKinematics
from pushcell.errors import ConfigError
from pushcell.geometry import Pose

ENDS = '<parent link="a"/><child link="b"/>'
OTHER_ARM = """
<robot name="other">
  <link name="world"/><link name="base_link"/><link name="base"/><link name="flange"/>
  <joint name="mount" type="fixed">
    <parent link="world"/><child link="base_link"/><origin xyz="0 0 0.5"/>
  </joint>
  <joint name="turned" type="fixed">
    <parent link="base_link"/><child link="base"/><origin rpy="0 0 3.14159265"/>
  </joint>
  <joint name="shoulder" type="revolute">
    <parent link="base_link"/><child link="flange"/><axis xyz="0 0 2"/>
    <origin xyz="0.1 0 0" rpy="0 0.5 0"/><limit lower="-1" upper="1" velocity="1" effort="1"/>
  </joint>
</robot>
"""


def cameras_of(cell):
    return {
        f"{camera.name}_color_optical_frame": (camera.link, camera.pose_in_link)
        for camera in cell.cameras
    }


def poses(tree, positions):
    """Every frame in the base."""
    frames = {frame.child: frame for frame in [*tree.fixed, *tree.moving(positions)]}
    assert len(frames) == len(tree.fixed) + len(tree.moving(positions)), "each has one parent"

    def pose(name):
        if name not in frames:
            return Pose(np.zeros(3), np.eye(3))
        return pose(frames[name].parent) @ frames[name].pose

    return {name: pose(name) for name in [*frames, BASE]}


def test_frames_are_those_of_the_kinematics(cell):
    tree = FrameTree(describe(cell, cameras_of(cell)))
    kinematics = ArmKinematics(cell)
    rng = np.random.default_rng(0)
    for _ in range(5):
        q = rng.uniform(kinematics.lower_rad, kinematics.upper_rad)
        found = poses(tree, dict(zip(kinematics.joint_names, q, strict=True)))
        np.testing.assert_allclose(found[TIP].matrix(), kinematics.tip_pose(q).matrix(), atol=1e-7)
        for link in ("link_1", "link_4", "link_7"):
            expected = kinematics.link_pose(q, link).matrix()
            np.testing.assert_allclose(found[link].matrix(), expected, atol=1e-7)
        for camera in cell.cameras:
            carrier = kinematics.link_pose(q, camera.link)
            expected = (carrier @ camera.pose_in_link).matrix()
            seen = found[f"{camera.name}_color_optical_frame"].matrix()
            np.testing.assert_allclose(seen, expected, atol=1e-7)
    goal = found[GOAL].planar()
    assert (goal.x, goal.y) == pytest.approx((cell.task.goal_pose.x, cell.task.goal_pose.y))


def test_drake_reads_the_description(cell):
    plant = MultibodyPlant(0.0)
    Parser(plant).AddModelsFromString(describe(cell, cameras_of(cell)), "urdf")
    plant.WeldFrames(plant.world_frame(), plant.GetFrameByName(BASE))
    plant.Finalize()
    assert plant.num_positions() == 7
    assert [plant.HasJointNamed(name) for name in ArmKinematics(cell).joint_names] == [True] * 7


def test_another_arm(cell, tmp_path):
    """Its joints keep their names, its own `base` does not: ours is where its base link is."""
    (tmp_path / "arm.urdf").write_text(OTHER_ARM)
    model = cell.arm.model.model_copy(
        update={"urdf": tmp_path / "arm.urdf", "base_link": "base_link", "tip_link": "flange"}
    )
    changed = cell.model_copy(update={"arm": cell.arm.model_copy(update={"model": model})})
    cameras = {"eye": ("base_link", Pose.from_xyz_rpy([0, 0, 1], [0, 0, 0]))}
    urdf = describe(changed, cameras)
    tree = FrameTree(urdf)
    parents = {frame.child: frame.parent for frame in tree.fixed}
    assert parents[BASE] == "base_link"
    assert parents["base_of_urdf"] == "base_link"
    assert parents["eye"] == BASE
    (flange,) = tree.moving({"shoulder": 0.3})
    expected = Pose.from_xyz_rpy([0.1, 0, 0], [0, 0.5, 0]) @ Pose.from_xyz_rpy(
        [0, 0, 0], [0, 0, 0.3]
    )
    np.testing.assert_allclose(flange.pose.matrix(), expected.matrix(), atol=1e-12)
    names = [link.get("name") for link in ElementTree.fromstring(urdf).findall("link")]
    assert len(names) == len(set(names))


def test_a_sliding_joint():
    urdf = '<robot><joint name="j" type="prismatic"><parent link="a"/><child link="b"/>'
    tree = FrameTree(urdf + '<axis xyz="0 1 0"/></joint></robot>')
    (frame,) = tree.moving({"j": 0.2})
    np.testing.assert_allclose(frame.pose.translation, [0, 0.2, 0])


@pytest.mark.parametrize(
    "joint",
    [
        '<joint name="j" type="fixed"><parent link="a"/></joint>',
        f'<joint name="j" type="fixed">{ENDS}<origin xyz="1 2"/></joint>',
        f'<joint name="j" type="revolute">{ENDS}<axis xyz="up"/></joint>',
        "<joint",
    ],
)
def test_a_joint_that_is_none(joint):
    with pytest.raises(ConfigError, match="a joint of the URDF cannot be read"):
        FrameTree(f"<robot>{joint}</robot>")
