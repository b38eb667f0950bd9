"""Reading YAML files that people write: a mistake is an error that names the file and the line.

What would take long to read is refused: a file from anyone may be made for that.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from pushcell.errors import ConfigError

MOST_BYTES = 1 << 17
"""No file that is meant has more."""
_MOST_VALUES = 20_000  # aliases count as often as they are used
_DEEPEST = 50
_LONGEST_NUMBER = 100
# The one in C, where there is one, is six times as fast.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: Path) -> Any:
    """The plain values of a YAML file; raises ConfigError in one sentence."""
    try:
        with path.open("rb") as file:
            return parse_yaml(file.read(MOST_BYTES + 1), str(path))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None


def parse_yaml(text: bytes, origin: str) -> Any:
    """The plain values of YAML text; raises ConfigError in one sentence that names ``origin``."""
    if len(text) > MOST_BYTES:
        raise ConfigError(f"{origin}: is too large: it has more than {MOST_BYTES} bytes")
    try:
        return yaml.load(text.decode(), Loader=_StrictLoader)
    except RecursionError:
        raise ConfigError(f"{origin}: is nested too deeply") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise ConfigError(f"{origin}: is not YAML: {' '.join(str(error).split())}") from None


class _StrictLoader(_Loader):
    """A safe loader that refuses what is too large, and a key given twice: YAML keeps the last."""

    def construct_document(self, node: yaml.Node) -> Any:
        _Sizes().check(node)
        return super().construct_document(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        given = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.YAMLError(f"a key is no plain word{key.start_mark}")
            if (key.tag, key.value) in given:
                raise yaml.YAMLError(
                    f"key {key.value[:_LONGEST_NUMBER]!r} is given twice{key.start_mark}"
                )
            given.add((key.tag, key.value))
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


class _Sizes:
    """Counts values as if every alias were written out, without doing so."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, int]] = {}

    def check(self, node: yaml.Node) -> tuple[int, int]:
        """How many values a node has and how deep it goes; raises YAMLError beyond the limits."""
        if id(node) in self._known:
            return self._known[id(node)]
        # Whoever meets it below itself: deeper than anything.
        self._known[id(node)] = 1, _DEEPEST
        inside = [self.check(child) for child in _children(node)]
        values = 1 + sum(count for count, _ in inside)
        depth = 1 + max((depth for _, depth in inside), default=0)
        if values > _MOST_VALUES:
            raise yaml.YAMLError(f"more than {_MOST_VALUES} values{node.start_mark}")
        if depth > _DEEPEST:
            raise yaml.YAMLError(f"nested more than {_DEEPEST} deep{node.start_mark}")
        self._known[id(node)] = values, depth
        return values, depth


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _number(loader: Any, node: yaml.ScalarNode) -> int | float:
    if len(node.value) > _LONGEST_NUMBER:
        raise yaml.YAMLError(f"a number of {len(node.value)} characters{node.start_mark}")
    whole = node.tag == "tag:yaml.org,2002:int"
    number: int | float = (loader.construct_yaml_int if whole else loader.construct_yaml_float)(
        node
    )
    return number


for _tag in ("int", "float"):
    _StrictLoader.add_constructor(f"tag:yaml.org,2002:{_tag}", _number)
