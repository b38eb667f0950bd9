"""The target world's physics: rest, pushes, friction, repeatability."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydrake.multibody.math import SpatialVelocity

from pushcell.arm.kinematics import ArmKinematics
from pushcell.config.cell import CellConfig, FrictionConfig
from pushcell.errors import PushcellError
from pushcell.geometry import Array, PlanarPose, signed_distance_to_outline
from pushcell.simulation.arm_cell import ArmCell
from pushcell.simulation.contact_physics import ContactPhysics
from pushcell.simulation.scene import ContactMaterials
from pushcell.simulation.target_world import TargetWorld
from pushcell.task import SLIDERS

GRAVITY_M_S2 = 9.81
COARSE_S = 0.005
CENTRE = PlanarPose(0.58, 0.0, 0.0)


def with_slider(cell: CellConfig, name: str) -> CellConfig:
    task = cell.task.model_copy(update={"slider": name})
    return cell.model_copy(update={"task": task})


def push(world: TargetWorld, start: Array, end: Array, speed_m_s: float = 0.1) -> None:
    """From a slider at CENTRE, move the pusher from start to end and let things settle."""
    world.reset(CENTRE, start)
    duration = COARSE_S * math.ceil(np.linalg.norm(end - start) / speed_m_s / COARSE_S)
    world.advance(end, duration)
    world.advance(end, 0.2)


def test_slider_lies_still(cell: CellConfig) -> None:
    world = TargetWorld(cell)
    world.reset(CENTRE, [0.587, 0.15])
    world.advance([0.587, 0.15], 0.5)
    position, angle = world.slider_pose.distance_to(CENTRE)
    assert position < 1e-6
    assert angle < 1e-6
    assert world.slider_tilt_rad < 1e-3


def test_push_through_the_centre_translates(cell: CellConfig) -> None:
    world = TargetWorld(with_slider(cell, "box"), COARSE_S)
    reach = 0.045 + cell.pusher.radius_m
    push(world, np.array([0.58, 0.1]), np.array([0.58, 0.03]))
    moved = CENTRE.inverse() @ world.slider_pose
    assert moved.y == pytest.approx(0.03 - reach, abs=1e-3)
    assert abs(moved.x) < 1e-3
    assert abs(moved.theta) < math.radians(1)


@pytest.mark.parametrize("side", [-1, 1])
def test_push_off_the_centre_turns_that_way(cell: CellConfig, side: int) -> None:
    world = TargetWorld(with_slider(cell, "box"), COARSE_S)
    x = 0.58 + side * 0.04
    push(world, np.array([x, 0.1]), np.array([x, 0.04]))
    turn = (CENTRE.inverse() @ world.slider_pose).theta
    # The pusher moves along -y: the arm (x, .) of the force makes a moment of the other sign.
    assert -side * turn > math.radians(5)


@pytest.mark.parametrize("name", sorted(SLIDERS))
def test_every_shape_is_pushed_flat_and_unpierced(cell: CellConfig, name: str) -> None:
    world = TargetWorld(with_slider(cell, name), COARSE_S)
    end = np.array([0.59, 0.03])
    push(world, np.array([0.61, 0.12]), end)
    assert world.slider_pose.distance_to(CENTRE)[0] > 0.01
    assert world.slider_tilt_rad < 2e-3
    gap = signed_distance_to_outline(
        world.slider_pose.inverse().transform(world.pusher_position), SLIDERS[name].outline
    )
    assert gap > cell.pusher.radius_m - 1e-3
    np.testing.assert_allclose(world.pusher_position, end, atol=1e-3)


def test_coarse_time_steps_push_alike(cell: CellConfig) -> None:
    poses = []
    for time_step_s in (0.001, 0.005):
        world = TargetWorld(cell, time_step_s)
        push(world, np.array([0.62, 0.1]), np.array([0.62, 0.0]))
        poses.append(world.slider_pose)
    position, angle = poses[0].distance_to(poses[1])
    assert position < 1e-3
    assert angle < math.radians(1)
    assert poses[0].distance_to(CENTRE)[1] > math.radians(20)


@given(a=st.floats(0.0, 2.0), b=st.floats(0.0, 2.0))
def test_pairs_of_materials_have_the_configured_friction(a: float, b: float) -> None:
    materials = ContactMaterials.of(FrictionConfig(slider_table=a, slider_pusher=b))
    slider, table, pusher = (
        m.GetProperty("material", "coulomb_friction").static_friction()
        for m in (materials.slider, materials.table, materials.pusher)
    )
    for partner, wanted in ((table, a), (pusher, b)):
        combined = 2 * slider * partner / (slider + partner) if slider * partner > 0 else 0.0
        assert combined == pytest.approx(wanted, abs=1e-9)


def set_slider_velocity(world: TargetWorld, velocity: SpatialVelocity) -> None:
    physics: ContactPhysics = world._physics
    physics.plant.SetFreeBodySpatialVelocity(physics._context, physics._slider, velocity)


def test_sliding_brakes_with_the_tables_friction(cell: CellConfig) -> None:
    world = TargetWorld(cell)
    world.reset(CENTRE, [0.45, 0.2])
    world.advance([0.45, 0.2], 0.05)
    speed = 0.3
    set_slider_velocity(world, SpatialVelocity(np.zeros(3), np.array([0, -speed, 0])))
    world.advance([0.45, 0.2], 0.2)
    friction = cell.simulated.physics.friction.slider_table
    travelled = -(CENTRE.inverse() @ world.slider_pose).y
    assert travelled == pytest.approx(speed**2 / (2 * friction * GRAVITY_M_S2), rel=0.02)


def test_spinning_brakes_as_evenly_spread_weight_does(cell: CellConfig) -> None:
    """The moment of friction is mu g times the mean distance of the footprint from its centre."""
    axis = np.linspace(-0.15, 0.15, 601)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    inside = points[signed_distance_to_outline(points, SLIDERS["t"].outline) < 0]
    radii = np.linalg.norm(inside, axis=1)
    friction = cell.simulated.physics.friction.slider_table
    braking = friction * GRAVITY_M_S2 * radii.mean() / (radii**2).mean()
    spin = 4.0
    world = TargetWorld(cell)
    world.reset(CENTRE, [0.45, 0.2])
    world.advance([0.45, 0.2], 0.05)
    set_slider_velocity(world, SpatialVelocity(np.array([0, 0, spin]), np.zeros(3)))
    world.advance([0.45, 0.2], 0.3)
    turned = (CENTRE.inverse() @ world.slider_pose).theta
    assert turned == pytest.approx(spin**2 / (2 * braking), rel=0.07)


def run_planar(cell: CellConfig) -> Callable[[], list[Array]]:
    world = TargetWorld(cell, COARSE_S)

    def run() -> list[Array]:
        world.reset(CENTRE, [0.6, 0.1])
        poses = []
        for y in np.linspace(0.1, 0.0, 11):
            world.advance([0.6, y], 0.1)
            poses.append(world.slider_pose.as_array())
        return poses

    return run


def run_arm(cell: CellConfig) -> Callable[[], list[Array]]:
    world, kinematics = ArmCell(cell, COARSE_S), ArmKinematics(cell)
    path = [kinematics.home_joints((0.6, y)) for y in np.linspace(0.1, 0.0, 51)]

    def run() -> list[Array]:
        world.reset(CENTRE, path[0])
        poses = []
        for q in path:
            world.command_joints(q)
            world.advance(0.02)
            poses.append(world.slider_pose.as_array())
        return poses

    return run


@pytest.mark.parametrize("make", [run_planar, run_arm])
def test_same_inputs_give_the_same_bits(
    cell: CellConfig, make: Callable[[CellConfig], Callable[[], list[Array]]]
) -> None:
    run = make(cell)
    first, again, fresh = run(), run(), make(cell)()
    assert np.linalg.norm(first[-1] - first[0]) > 0.01
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, fresh)


def test_arm_pushes_like_the_planar_pusher(cell: CellConfig) -> None:
    planar = run_planar(cell)()[-1]
    arm = run_arm(cell)()[-1]
    np.testing.assert_allclose(arm[:2], planar[:2], atol=2e-3)
    assert arm[2] == pytest.approx(planar[2], abs=math.radians(2))


def test_arm_feels_the_force_of_a_push(cell: CellConfig) -> None:
    """Contact torques are those of a force mu m g against the push."""
    box = with_slider(cell, "box")
    world, kinematics = ArmCell(box), ArmKinematics(box)
    world.reset(CENTRE, kinematics.home_joints((0.58, 0.07)))
    forces = []
    for y in np.linspace(0.07, 0.03, 41):
        world.command_joints(
            kinematics.solve(kinematics.pusher_posture((0.58, y)), world.joint_positions)
        )
        world.advance(0.01)
        jacobian = kinematics.tip_jacobian(world.joint_positions)
        forces.append(np.linalg.lstsq(jacobian.T, world.contact_torques, rcond=None)[0][3:])
    physics = cell.simulated.physics
    weight = physics.slider_mass_kg * GRAVITY_M_S2
    steady = np.mean(forces[-10:], axis=0)
    np.testing.assert_allclose(steady[:2], [0, physics.friction.slider_table * weight], atol=0.03)
    assert world.tip_pose.translation[2] == pytest.approx(cell.pusher.tip_height_m, abs=1e-4)


def test_time_passes_in_whole_steps(cell: CellConfig) -> None:
    world = TargetWorld(cell, COARSE_S)
    world.reset(CENTRE, [0.6, 0.15])
    for _ in range(7):
        world.advance([0.6, 0.15], 0.1)
    assert world.time_s == pytest.approx(0.7, abs=1e-12)
    for wrong in (0.0, -0.1, 0.0123, 0.001):
        with pytest.raises(ValueError, match="multiple of the time step"):
            world.advance([0.6, 0.15], wrong)
    with pytest.raises(ValueError, match="finite"):
        world.advance([math.nan, 0.15], 0.1)


def test_overlap_at_the_start_is_refused(cell: CellConfig) -> None:
    with pytest.raises(PushcellError, match="overlap by"):
        TargetWorld(cell).reset(CENTRE, CENTRE.position)
    arm = ArmCell(cell)
    with pytest.raises(PushcellError, match="overlap by"):
        arm.place_slider(PlanarPose(*arm.tip_pose.translation[:2], 0.0))
