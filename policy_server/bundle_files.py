"""A bundle on the disk, folder or zip: read whole into memory, hash by hash, and written.

A bundle from anyone is data: only four names are ever opened, never a link or a device, and none
is larger than allowed; nothing is unpacked.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import stat
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from policy_server.bundle_format import FILES, MANIFEST, Manifest
from policy_server.bundle_sections import FileRecord
from pushcell.config.strict_yaml import MOST_BYTES, parse_yaml
from pushcell.errors import BundleError, ConfigError
from pushcell.shipped import POLICIES

MAX_FILE_BYTES = 512 << 20
UNREADABLE_ZIP = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    EOFError,
    ValueError,  # a name that is no UTF-8, too
    OverflowError,
    struct.error,
    zlib.error,
    SyntaxError,  # numpy reads an array's header as Python
    tokenize.TokenError,
    lzma.LZMAError,
)
"""What Python raises for zips that are damaged, encrypted, or packed in unknown ways."""


def read_bundle(path: Path) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest and the contents of its files, whose sizes and hashes have been verified.

    Raises BundleError that names the file and both values.
    """
    manifest = read_manifest(path)
    missing = [name for name in FILES if name not in manifest.files]
    if missing:
        raise BundleError(f"{path}: {MANIFEST} lists no {', '.join(missing)}: export it again")
    return manifest, {name: _verified(path, name, manifest.files[name]) for name in FILES}


def read_manifest(path: Path) -> Manifest:
    """The manifest of a bundle (folder or zip), without reading its graphs.

    Raises BundleError for a file that is missing or invalid.
    """
    return manifest_from_text(_read(path, MANIFEST, MOST_BYTES), f"{path}/{MANIFEST}")


def manifest_from_text(text: bytes, origin: str) -> Manifest:
    """The manifest of ``bundle.yaml``'s text, from wherever that is."""
    try:
        values = parse_yaml(text, origin)
    except ConfigError as error:
        raise BundleError(str(error)) from None
    return Manifest.from_values(values, origin)


def write_bundle(folder: Path, manifest: Manifest, contents: Mapping[str, bytes]) -> Manifest:
    """Write a bundle's folder, the manifest last; returns the manifest with its files' records."""
    if set(contents) != set(FILES):
        raise BundleError(f"a bundle needs {', '.join(FILES)}, not {', '.join(contents)}")
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in contents.items():
        _write(folder / name, data)
    files = {name: _record(data) for name, data in contents.items()}
    return write_manifest(folder, manifest.changed(files=files))


def write_manifest(folder: Path, manifest: Manifest) -> Manifest:
    """Write the manifest alone, as when parity or latency have been measured."""
    _write(folder / MANIFEST, manifest.to_yaml().encode())
    return manifest


def _verified(path: Path, name: str, record: FileRecord) -> bytes:
    data = _read(path, name, min(record.size, MAX_FILE_BYTES))
    if len(data) != record.size:
        raise BundleError(
            f"{path}: {name} has {len(data)} bytes, but {MANIFEST} says {record.size}: "
            "it was cut off or changed"
        )
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != record.sha256:
        raise BundleError(
            f"{path}: {name} has SHA-256 {sha256}, but {MANIFEST} says {record.sha256}: "
            "it was changed"
        )
    return data


def _record(data: bytes) -> FileRecord:
    return FileRecord(sha256=hashlib.sha256(data).hexdigest(), size=len(data))


def _read(path: Path, name: str, most_bytes: int) -> bytes:
    """A file of the folder or zip; at most one byte more than allowed is ever read."""
    try:
        if path.is_dir():
            data = _read_regular(path / name, most_bytes + 1)
        elif path.exists():
            data = _read_member(path, name, most_bytes + 1)
        else:
            raise BundleError(
                f"there is no bundle {path}: name a bundle's folder or zip, or planner"
            )
    except FileNotFoundError:
        raise BundleError(
            f"{path} is no whole bundle, it has no {name}: pushcell export makes one of a "
            f"checkpoint; known by name are {', '.join(sorted(POLICIES.names()))}"
        ) from None
    except OSError as error:
        raise BundleError(f"{path}: {name} cannot be read ({error.strerror or error})") from None
    if len(data) > most_bytes:
        raise BundleError(f"{path}: {name} has more than the {most_bytes} bytes expected")
    return data


def _read_regular(path: Path, most_bytes: int) -> bytes:
    # Not followed and not waited for: a link leads outside, a pipe would hang.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BundleError(f"{path} is not an ordinary file")
        return file.read(most_bytes)


def _read_member(path: Path, name: str, most_bytes: int) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.namelist().count(name) != 1:
                raise BundleError(
                    f"{path}: the zip must hold {name} once, at its top "
                    "(of a checkpoint pushcell export makes a bundle)"
                )
            with archive.open(name) as file:
                return file.read(most_bytes)
    except UNREADABLE_ZIP as error:
        raise BundleError(
            f"{path} is neither a folder nor a zip that can be read ({error})"
        ) from None


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_bytes(data)
    partial.replace(path)
