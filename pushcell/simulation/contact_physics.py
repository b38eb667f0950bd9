"""Drake's simulation of table and slider, and of a pusher on position-controlled joints."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from pydrake.geometry import ProximityProperties
from pydrake.multibody.math import SpatialVelocity
from pydrake.multibody.plant import (
    AddMultibodyPlantSceneGraph,
    ContactModel,
    DiscreteContactApproximation,
    MultibodyPlant,
)
from pydrake.multibody.tree import ModelInstanceIndex, PdControllerGains
from pydrake.systems.analysis import Simulator
from pydrake.systems.framework import DiagramBuilder
from pydrake.systems.primitives import TrajectorySource
from pydrake.trajectories import PiecewisePolynomial

from pushcell.arm.drake_pose import from_drake, to_drake
from pushcell.config.cell import CellConfig
from pushcell.errors import PhysicsError
from pushcell.geometry import Array, PlanarPose, Pose
from pushcell.simulation.scene import ContactMaterials, add_slider, add_table
from pushcell.task import slider_of

# The servos follow as a critically damped oscillator of this frequency would with unit inertia;
# they are integrated implicitly, so that stiffness costs nothing.
_SERVO_RAD_S = 200.0

AddPusher = Callable[[MultibodyPlant, ProximityProperties], ModelInstanceIndex]


class ContactPhysics:
    """The slider on the table and ``n`` servo joints that carry the pusher.

    ``add_pusher`` adds the joints with their actuators and the pusher, and returns their model
    instance. Positions and torques are (n,), in the joints' own units.
    """

    def __init__(self, cell: CellConfig, add_pusher: AddPusher, time_step_s: float | None) -> None:
        self.time_step_s = time_step_s or cell.simulated.physics.time_step_s
        self._height_m = cell.simulated.physics.slider_height_m
        builder = DiagramBuilder()
        self.plant, _ = AddMultibodyPlantSceneGraph(builder, self.time_step_s)
        # Drake's other approximations couple sliding with lifting off: a spinning slider then
        # brakes a third too fast, at coarse steps a sliding one even more.
        self.plant.set_discrete_contact_approximation(DiscreteContactApproximation.kLagged)
        self.plant.set_contact_model(ContactModel.kHydroelastic)
        materials = ContactMaterials.of(cell.simulated.physics.friction)
        add_table(self.plant, cell.table, contact=materials.table)
        self._slider = add_slider(
            self.plant,
            slider_of(cell.task),
            cell.simulated.physics,
            contact=materials.slider,
        )
        self._joints = add_pusher(self.plant, materials.pusher)
        self._stiffen_servos()
        self.plant.Finalize()
        count = self.plant.num_actuated_dofs(self._joints)
        self._target = builder.AddSystem(
            TrajectorySource(_resting(np.zeros(count), 0.0), 1, zero_derivatives_beyond_limits=True)
        )
        builder.Connect(
            self._target.get_output_port(), self.plant.get_desired_state_input_port(self._joints)
        )
        self._simulator = Simulator(builder.Build())
        self._initial = self._simulator.get_context().Clone()
        self._context = self.plant.GetMyMutableContextFromRoot(
            self._simulator.get_mutable_context()
        )
        self._steps = 0
        self._goal_position: Array = np.zeros(count)

    @property
    def time_s(self) -> float:
        """Simulated seconds since the last reset."""
        return self._steps * self.time_step_s

    @property
    def slider_pose_in_space(self) -> Pose:
        """The slider's true pose."""
        return from_drake(self.plant.EvalBodyPoseInWorld(self._context, self._slider))

    @property
    def slider_tilt_rad(self) -> float:
        """Angle between the slider's axis and the vertical; 0 while it lies flat."""
        return math.acos(min(1.0, float(self.slider_pose_in_space.rotation[2, 2])))

    @property
    def target(self) -> Array:
        """(n,) the positions that the servos were last told to reach."""
        return self._goal_position

    @property
    def positions(self) -> Array:
        """(n,) positions of the joints."""
        return self.plant.GetPositions(self._context, self._joints)

    @property
    def velocities(self) -> Array:
        """(n,) velocities of the joints."""
        return self.plant.GetVelocities(self._context, self._joints)

    @property
    def position_limits(self) -> tuple[Array, Array]:
        """Lower and upper ends (n,) of the joints."""
        plant, joints = self.plant, self._joints
        lower, upper = plant.GetPositionLowerLimits(), plant.GetPositionUpperLimits()
        return (
            plant.GetPositionsFromArray(joints, lower),
            plant.GetPositionsFromArray(joints, upper),
        )

    @property
    def velocity_limits(self) -> Array:
        """(n,) the highest speed of each joint."""
        return self.plant.GetVelocitiesFromArray(self._joints, self.plant.GetVelocityUpperLimits())

    @property
    def servo_torques(self) -> Array:
        """(n,) what the servos exerted in the last step."""
        return self.plant.get_net_actuation_output_port(self._joints).Eval(self._context)

    @property
    def contact_torques(self) -> Array:
        """(n,) what contact exerted on the joints in the last step."""
        port = self.plant.get_generalized_contact_forces_output_port(self._joints)
        return port.Eval(self._context)

    def reset(self, slider: PlanarPose, positions: ArrayLike) -> None:
        """Slider and joints at rest at these poses, at time 0."""
        root = self._simulator.get_mutable_context()
        root.SetTimeStateAndParametersFrom(self._initial)
        self._steps = 0
        self._goal_position = np.array(positions, dtype=float)
        self.plant.SetPositions(self._context, self._joints, self._goal_position)
        self._target.UpdateTrajectory(_resting(self._goal_position, 0.0))
        self.place_slider(slider)
        self._simulator.Initialize()

    def place_slider(self, pose: PlanarPose) -> None:
        """Put the slider flat and at rest on the table."""
        in_space = to_drake(Pose.from_planar(pose, self._height_m / 2))
        self.plant.SetFreeBodyPose(self._context, self._slider, in_space)
        self.plant.SetFreeBodySpatialVelocity(self._context, self._slider, SpatialVelocity.Zero())

    def advance(self, target: ArrayLike, duration_s: float) -> None:
        """Move the servos' target evenly from the last one to (n,) positions over a duration.

        Raises ValueError unless the duration is a whole number of time steps, PhysicsError when
        the solver finds no way on.
        """
        steps = round(duration_s / self.time_step_s)
        if steps < 1 or not math.isclose(steps * self.time_step_s, duration_s, rel_tol=1e-6):
            raise ValueError(
                f"a duration must be a multiple of the time step {self.time_step_s} s, "
                f"not {duration_s} s"
            )
        goal = np.array(target, dtype=float)
        if goal.shape != self._goal_position.shape or not np.isfinite(goal).all():
            raise ValueError(f"a target must be {self._goal_position.size} finite numbers: {goal}")
        begin, end = self.time_s, (self._steps + steps) * self.time_step_s
        ramp = np.column_stack([self._goal_position, goal])
        self._target.UpdateTrajectory(PiecewisePolynomial.FirstOrderHold([begin, end], ramp))
        try:
            self._simulator.AdvanceTo(end)
            if not np.isfinite(self.plant.GetPositions(self._context)).all():
                raise RuntimeError("positions are not finite")
        except RuntimeError as error:  # Drake has no class of its own for it
            why = str(error).partition(" at simulation time")[0]
            raise PhysicsError(
                f"the physics failed at {begin:.2f} s ({why}): a shorter time step may help"
            ) from None
        self._steps += steps
        self._goal_position = goal

    def _stiffen_servos(self) -> None:
        gains = PdControllerGains(p=_SERVO_RAD_S**2, d=2 * _SERVO_RAD_S)
        for index in self.plant.GetJointActuatorIndices():
            self.plant.get_joint_actuator(index).set_controller_gains(gains)


def _resting(position: Array, time_s: float) -> PiecewisePolynomial:
    return PiecewisePolynomial.FirstOrderHold(
        [time_s, time_s + 1.0], np.column_stack([position, position])
    )
