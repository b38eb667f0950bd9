"""Node parameters as one frozen dataclass each: declared, described and typed in one place."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.node import Node

from pushcell.errors import ConfigError

T = TypeVar("T")
# Declared by rclpy itself or through the launch file for every node.
_OF_RCLPY = {"use_sim_time", "start_type_description_service"}


def parameter(default: Any, description: str) -> Any:
    """A dataclass field that is a read-only node parameter."""
    return dataclasses.field(default=default, metadata={"description": description})


@dataclasses.dataclass(frozen=True)
class CellParams:
    """What every node of a cell is told."""

    cell: str = parameter("", "the cell: its name, or the path of its YAML file")


def declare(node: Node, schema: type[T]) -> T:
    """Declare every field of a dataclass as a parameter and return the values given at launch.

    Raises ConfigError for a parameter that the node does not have, or of another type.
    """
    fields = {field.name: field for field in dataclasses.fields(schema)}  # type: ignore[arg-type]
    unknown = set(node._parameter_overrides) - set(fields) - _OF_RCLPY
    unknown = {name for name in unknown if not name.startswith("qos_overrides.")}
    if unknown:
        raise ConfigError(
            f"{node.get_name()} has no parameter {', '.join(sorted(unknown))}; "
            f"it has {', '.join(fields)}"
        )
    values = {name: _declare_one(node, field) for name, field in fields.items()}
    return schema(**values)


def _declare_one(node: Node, field: dataclasses.Field[Any]) -> Any:
    descriptor = ParameterDescriptor(description=field.metadata["description"], read_only=True)
    try:
        return node.declare_parameter(field.name, field.default, descriptor).value
    except InvalidParameterTypeException as error:
        raise ConfigError(f"{node.get_name()}: {error}") from None
