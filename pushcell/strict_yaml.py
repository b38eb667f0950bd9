"""Reading YAML files that people write: a mistake is an error that names the file and the line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from pushcell.errors import ConfigError


def read_yaml(path: Path) -> Any:
    """The plain values of a YAML file; raises ConfigError in one sentence."""
    try:
        return parse_yaml(path.read_bytes(), str(path))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None


def parse_yaml(text: bytes, origin: str) -> Any:
    """The plain values of YAML text; raises ConfigError in one sentence that names ``origin``."""
    try:
        return yaml.load(text.decode(), Loader=_StrictLoader)
    except RecursionError:
        raise ConfigError(f"{origin}: is nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{origin}: is not YAML: {' '.join(str(error).split())}") from None


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice, of which YAML would keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.YAMLError(f"key {key!r} is given twice{node.start_mark}")
        return super().construct_mapping(node, deep)
