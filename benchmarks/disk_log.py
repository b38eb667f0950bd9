"""What a disk holds after a power cut, made from the log of what was done on it (disk_log.c).

Only what was synced is certain: the bytes of a file after a sync of the file, the names in a folder
after a sync of the folder. Of what was done later a disk keeps what it likes: pages of files in any
order, and the changes of a folder up to some moment.
"""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from pushcell.errors import PushcellError

_SOURCE = Path(__file__).with_suffix(".c")
_PAGE = 4096


@dataclass(frozen=True)
class Operation:
    """One line of the log: open, write, sync, truncate, rename, unlink or make a folder."""

    code: str
    time_ns: int
    offset: int
    path: str
    other: str
    data: bytes


def build(folder: Path) -> Path:
    """The library to preload; raises PushcellError without a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise PushcellError("no C compiler: install gcc")
    library = folder / "disk_log.so"
    words = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCE), "-ldl"]
    subprocess.run(words, check=True)
    return library


def read_log(path: Path) -> Iterator[Operation]:
    """The operations in their order."""
    with path.open("rb") as file:
        while head := file.readline():
            code, time_ns, offset, length, rest = head.decode().split(" ", 4)
            name, _, other = rest.rstrip("\n").partition("\t")
            data = file.read(int(length))
            yield Operation(code, int(time_ns), int(offset), name, other, data)


class File:
    """Bytes that are certain, and what was written since."""

    def __init__(self) -> None:
        self._certain = bytearray()
        self._later: list[tuple[int, bytes | None]] = []  # at an offset; None: cut off there

    def write(self, offset: int, data: bytes) -> None:
        """Write, or add to, what is there."""
        self._later.append((offset, data))

    def truncate(self, length: int) -> None:
        """Cut off, or fill up with zeros."""
        self._later.append((length, None))

    def sync(self) -> None:
        """Make all of it certain."""
        self._certain = self._with_pages(lambda: True)
        self._later.clear()

    def left(self, rng: random.Random) -> bytes:
        """After a cut: with none, some or all of the pages that were not synced."""
        share = rng.choice((0.0, 0.5, 1.0))
        return bytes(self._with_pages(lambda: rng.random() < share))

    def _with_pages(self, is_kept: Callable[[], bool]) -> bytearray:
        found = bytearray(self._certain)
        for offset, data in self._later:
            if data is None:
                found = found[:offset].ljust(offset, b"\0")
                continue
            for start in range(0, len(data), _PAGE):
                if is_kept():
                    page, begin = data[start : start + _PAGE], offset + start
                    found = found.ljust(begin, b"\0")
                    found[begin : begin + len(page)] = page
        return found


Node: TypeAlias = "File | Folder"


class Folder:
    """Names that are certain, and how they have changed since."""

    def __init__(self) -> None:
        self.names: dict[str, Node] = {}
        """As the process sees them."""
        self._certain: dict[str, Node] = {}
        self._later: list[dict[str, Node | None]] = []

    def change(self, **names: Node | None) -> None:
        """Give names to files, or take them away (None), in one step."""
        self._later.append(names)
        _apply(self.names, names)

    def sync(self) -> None:
        """Make all names of this folder certain, not what is in its files."""
        self._certain = dict(self.names)
        self._later.clear()

    def restore(self, path: Path, rng: random.Random) -> None:
        """Write to ``path`` what may be left after a cut."""
        names = dict(self._certain)
        for change in self._later[: rng.randint(0, len(self._later))]:
            _apply(names, change)
        path.mkdir()
        for name, node in names.items():
            if isinstance(node, Folder):
                node.restore(path / name, rng)
            else:
                (path / name).write_bytes(node.left(rng))


def folder_after(operations: Iterable[Operation], root: Path) -> Folder:
    """The folder ``root``, empty before, after these operations."""
    top = Folder()
    for operation in operations:
        _do(top, operation, root)
    return top


def _do(top: Folder, operation: Operation, root: Path) -> None:
    code, path = operation.code, Path(operation.path)
    if path == root:
        if code == "s":
            top.sync()
        return
    folder, name = _parent(top, path.relative_to(root)), path.name
    node = folder.names.get(name)
    if code in "oO" and node is None:
        folder.change(**{name: File()})
    elif code == "d":
        folder.change(**{name: Folder()})
    elif code == "u":
        folder.change(**{name: None})
    elif code == "r" and node is not None:
        target = Path(operation.other)
        _rename(folder, name, node, _parent(top, target.relative_to(root)), target.name)
    elif code == "s" and node is not None:
        node.sync()
    elif isinstance(node, File):
        if code == "w":
            node.write(operation.offset, operation.data)
        elif code in "Ot":
            node.truncate(operation.offset)


def _rename(source: Folder, name: str, node: Node, target: Folder, new_name: str) -> None:
    if source is target:
        source.change(**{name: None, new_name: node})
    else:
        target.change(**{new_name: node})
        source.change(**{name: None})


def _parent(top: Folder, path: Path) -> Folder:
    folder = top
    for part in path.parent.parts:
        inner = folder.names[part]
        assert isinstance(inner, Folder)
        folder = inner
    return folder


def _apply(names: dict[str, Node], change: Mapping[str, Node | None]) -> None:
    for name, node in change.items():
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node
