"""Names for what comes with pushcell: cells, trainings, studies, policies, launch files.

The same names hold in a checkout, with an installed wheel and in a sourced ROS 2 workspace. What
a sourced workspace holds comes before what the library brings. A path stands for itself.
"""

from __future__ import annotations

import importlib.resources
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pushcell import old_names
from pushcell.ament_index import prefixes_with
from pushcell.errors import BundleError, ConfigError, LaunchError, PushcellError

ROS_PACKAGE = "pushcell_ros"


@dataclass(frozen=True)
class Shipped:
    """One kind of thing that comes with pushcell.

    ``pattern`` is where its files are in a share folder; what stands in the place of ``*`` is the
    name. ``marker`` is the file that makes a folder one of these things; empty where the thing is
    itself a file.
    """

    title: str
    pattern: str
    error: type[PushcellError]
    marker: str = ""

    def find(self, value: str | Path) -> Path:
        """The path of a shipped thing by its name, or a path as it is.

        A file or folder of the kind that exists comes before a name. Raises ``error``, which
        lists the names, where there is neither.
        """
        path = Path(value)
        if (path / self.marker).is_file() or path.is_file():
            return path
        names = self.names()
        name = self._name_in(str(value))
        if name in names:
            return names[name]
        if str(value) and path.exists():
            return path  # whoever reads it says what is wrong with it
        old = old_names.SHIPPED.get(self.title, {})
        if self._name_in(path.name) in old:
            return names[old_names.renamed(self._name_in(path.name), old, self.title)]
        raise self.error(
            f"there is no {self.title} {str(value)!r}; known by name are "
            f"{', '.join(sorted(names)) or 'none'}; of any other give the path"
        )

    def names(self) -> dict[str, Path]:
        """Every name, and what it stands for.

        colcon's --symlink-install makes folders of links. A bundle is read without following
        links, so that it stands for the folder in which its files are.
        """
        start, end = map(len, self._affixes)
        found: dict[str, Path] = {}
        for share in _shares():
            for path in sorted(share.glob(self.pattern)):
                name = path.name[start : len(path.name) - end]
                if not self.marker:
                    found.setdefault(name, path)
                elif (path / self.marker).is_file():
                    found.setdefault(name, (path / self.marker).resolve().parent)
        return found

    def _name_in(self, text: str) -> str:
        """The name of the thing, from its file's name."""
        return text.removeprefix(self._affixes[0]).removesuffix(self._affixes[1])

    @property
    def _affixes(self) -> tuple[str, str]:
        """What a file's name has before and behind the name of the thing."""
        before, _, behind = Path(self.pattern).name.partition("*")
        return before, behind


CELLS = Shipped("cell", "config/cell.*.yaml", ConfigError)
TRAININGS = Shipped("training", "config/train/*.yaml", ConfigError)
STUDIES = Shipped("study", "config/study/*.yaml", ConfigError)
LAUNCH_FILES = Shipped("launch file", "launch/*.launch.yaml", LaunchError)
POLICIES = Shipped("policy", "bundles/*", BundleError, marker="bundle.yaml")


def library_share() -> Path:
    """The folder of launch/, config/ and bundles/: in the wheel, or the checkout's own."""
    library = Path(str(importlib.resources.files("pushcell")))
    packed = library / "share"
    return packed if packed.is_dir() else library.parent


def _shares() -> Iterator[Path]:
    for prefix in prefixes_with(ROS_PACKAGE, os.environ):
        yield prefix / "share" / ROS_PACKAGE
    yield library_share()
