"""Node parameters as one frozen dataclass each: declared, described and typed in one place."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node

from pushcell.errors import ConfigError

T = TypeVar("T")
# Declared by rclpy itself or through the launch file for every node.
_OF_RCLPY = {"use_sim_time", "start_type_description_service"}
# A descriptor's range has two ends. These stand for none.
_LEAST_INT, _MOST_INT = -(2**63), 2**63 - 1
_LEAST_FLOAT, _MOST_FLOAT = -1e9, 1e9


def parameter(
    default: Any, description: str, least: float | None = None, most: float | None = None
) -> Any:
    """A dataclass field that is a read-only node parameter; ``least`` and ``most`` bound a number.

    All are read-only: a node builds what it is made of once, from the values given at launch.
    """
    metadata = {"description": description, "least": least, "most": most}
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class CellParams:
    """What every node of a cell is told."""

    cell: str = parameter("", "the cell: a shipped name, or the path of a cell file")


def declare(node: Node, schema: type[T]) -> T:
    """Declare every field of a dataclass as a parameter and return the values given at launch.

    Raises ConfigError for a parameter that the node does not have, of another type, or out of
    range.
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


def allowed(field: dataclasses.Field[Any]) -> str:
    """The bounds of a parameter in words; empty where it has none."""
    least, most = field.metadata["least"], field.metadata["most"]
    if most is None:
        return "" if least is None else f"{least:g} or more"
    return f"up to {most:g}" if least is None else f"{least:g} to {most:g}"


def _declare_one(node: Node, field: dataclasses.Field[Any]) -> Any:
    try:
        return node.declare_parameter(field.name, field.default, _descriptor(field)).value
    except InvalidParameterTypeException as error:
        raise ConfigError(f"{node.get_name()}: {error}") from None
    except InvalidParameterValueException:
        given = node._parameter_overrides[field.name].value
        raise ConfigError(
            f"{node.get_name()}: {field.name} = {given}, allowed: {allowed(field)}"
        ) from None


def _descriptor(field: dataclasses.Field[Any]) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=field.metadata["description"], read_only=True)
    least, most = field.metadata["least"], field.metadata["most"]
    if least is None and most is None:
        return descriptor
    if isinstance(field.default, int):
        bounds = _LEAST_INT if least is None else least, _MOST_INT if most is None else most
        descriptor.integer_range = [IntegerRange(from_value=bounds[0], to_value=bounds[1])]
    else:
        ends = _LEAST_FLOAT if least is None else least, _MOST_FLOAT if most is None else most
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(ends[0]), to_value=float(ends[1]))
        ]
    return descriptor
