"""Plain values as YAML, quickly: it is written for every episode of thousands."""

from __future__ import annotations

from typing import Any

import yaml

_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def yaml_text(values: Any) -> str:
    """The text, keys in the order that they have."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
