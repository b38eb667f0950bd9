"""Table and slider in a Drake plant: how they look, how they touch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydrake.geometry import (
    AddCompliantHydroelasticProperties,
    AddContactMaterial,
    AddRigidHydroelasticProperties,
    Box,
    ProximityProperties,
)
from pydrake.math import RigidTransform
from pydrake.multibody.plant import CoulombFriction, MultibodyPlant
from pydrake.multibody.tree import CalcSpatialInertia, RigidBody, SpatialInertia

from pushcell.config.cell import Colour, FrictionConfig, PhysicsConfig, TableConfig
from pushcell.simulation.extrusion import slider_mesh
from pushcell.task import SliderShape

_TABLE_THICKNESS_M = 0.05

# Contact is far stiffer than anything that a push of some newtons could dent.
_MODULUS_PA = 1e7
_DISSIPATION_S_M = 5.0
# Facets of the pusher of this length leave its radius exact to 0.2 mm.
_PUSHER_FACET_M = 0.005
# Friction acts at the middle of each triangle of the slider's bottom; with edges up to this
# the moment that resists turning in place comes out 4 % low for the T, at most 9 % for others;
# halving both edge and error costs half of the speed.
_BOTTOM_EDGE_M = 0.1
# Walls that reached the bottom would add slivers of contact with the table, which only cost.
_WALL_GAP_M = 0.001


@dataclass(frozen=True)
class ContactMaterials:
    """Hydroelastic properties of what touches: slider rigid, table and pusher compliant."""

    table: ProximityProperties
    slider: ProximityProperties
    pusher: ProximityProperties

    @classmethod
    def of(cls, friction: FrictionConfig) -> ContactMaterials:
        """Materials of which each pair has the friction that was asked for.

        Drake combines the coefficients of two bodies as 2ab / (a + b). With the larger of the
        pairs' coefficients on the slider there is always a value for each partner.
        """
        slider = max(friction.slider_table, friction.slider_pusher)
        return cls(
            _compliant(_partner_friction(slider, friction.slider_table), facet_m=1.0),
            _rigid(slider),
            _compliant(_partner_friction(slider, friction.slider_pusher), _PUSHER_FACET_M),
        )


def add_table(
    plant: MultibodyPlant,
    table: TableConfig,
    colour: Colour | None = None,
    contact: ProximityProperties | None = None,
) -> None:
    """The table, part of the world, its top at z = 0; seen if coloured, felt with ``contact``."""
    box = Box(*table.size_m, _TABLE_THICKNESS_M)
    pose = RigidTransform([*table.centre_m, -_TABLE_THICKNESS_M / 2])
    if colour is not None:
        plant.RegisterVisualGeometry(plant.world_body(), pose, box, "table", [*colour, 1.0])
    if contact is not None:
        plant.RegisterCollisionGeometry(plant.world_body(), pose, box, "table_contact", contact)


def add_slider(
    plant: MultibodyPlant,
    shape: SliderShape,
    physics: PhysicsConfig,
    colour: Colour | None = None,
    contact: ProximityProperties | None = None,
) -> RigidBody:
    """The slider, a free body around its centre of mass, half of its height above its bottom."""
    mesh = slider_mesh(shape, physics.slider_height_m)
    unit = CalcSpatialInertia(mesh, density=1.0).get_unit_inertia()
    inertia = SpatialInertia(physics.slider_mass_kg, np.zeros(3), unit)
    slider = plant.AddRigidBody("slider", plant.AddModelInstance("slider"), inertia)
    if colour is not None:
        plant.RegisterVisualGeometry(slider, RigidTransform(), mesh, "slider", [*colour, 1.0])
    if contact is not None:
        touching = slider_mesh(shape, physics.slider_height_m, _BOTTOM_EDGE_M, _WALL_GAP_M)
        plant.RegisterCollisionGeometry(
            slider, RigidTransform(), touching, "slider_contact", contact
        )
    return slider


def _partner_friction(slider: float, pair: float) -> float:
    """b of 2ab / (a + b) = pair, for the slider's a >= pair."""
    return pair * slider / (2 * slider - pair) if pair > 0 else 0.0


def _compliant(friction: float, facet_m: float) -> ProximityProperties:
    properties = ProximityProperties()
    AddCompliantHydroelasticProperties(facet_m, _MODULUS_PA, properties)
    return _with_material(properties, friction)


def _rigid(friction: float) -> ProximityProperties:
    properties = ProximityProperties()
    AddRigidHydroelasticProperties(properties=properties)
    return _with_material(properties, friction)


def _with_material(properties: ProximityProperties, friction: float) -> ProximityProperties:
    AddContactMaterial(
        dissipation=_DISSIPATION_S_M,
        friction=CoulombFriction(friction, friction),
        properties=properties,
    )
    return properties
