"""Bundles on the disk: what was written comes back; what was changed does not."""

import os
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_server.bundle_files import read_bundle, write_bundle
from policy_server.bundle_format import FILES, MANIFEST, Manifest
from pushcell.config.cell import CellConfig
from pushcell.config.strict_yaml import parse_yaml
from pushcell.errors import BundleError
from tests.config.test_strict_yaml import LAUGHS, MANY_KEYS
from tests.policy_server.examples import some_manifest

CONTENTS = {name: name.encode() * 100 for name in FILES}


@pytest.fixture
def folder(cell: CellConfig, tmp_path: Path) -> Path:
    write_bundle(tmp_path / "bundle", some_manifest(cell, ("overhead",)), CONTENTS)
    return tmp_path / "bundle"


def zipped(folder: Path, names: list[str]) -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.write(folder / name, name)
    return path


def test_folder_and_zip_come_back_as_written(cell: CellConfig, folder: Path) -> None:
    manifest, contents = read_bundle(folder)
    assert contents == CONTENTS
    assert manifest.changed(files={}) == some_manifest(cell, ("overhead",))
    assert read_bundle(zipped(folder, [MANIFEST, *FILES])) == (manifest, contents)


def test_the_manifest_is_its_yaml(cell: CellConfig) -> None:
    manifest = some_manifest(cell, ("overhead", "wrist"))
    assert Manifest.from_values(parse_yaml(manifest.to_yaml().encode(), "m"), "m") == manifest


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: (p / FILES[0]).write_bytes(b"x" * 1200), "has SHA-256"),
        (lambda p: (p / FILES[0]).write_bytes(b"x"), "has 1 bytes, but bundle.yaml says 1200"),
        (lambda p: (p / FILES[0]).write_bytes(b"x" * 5000), "more than the 1200 bytes expected"),
        (lambda p: (p / FILES[0]).unlink(), "is no whole bundle, it has no encoder.onnx: "),
        (lambda p: (p / MANIFEST).unlink(), "has no bundle.yaml: pushcell export makes .* target_"),
        (lambda p: (p / MANIFEST).write_bytes(b"\xff"), "is not YAML"),
        (lambda p: (p / MANIFEST).write_bytes(b"[" * 20_000), "nest"),
        (lambda p: (p / MANIFEST).write_bytes(LAUGHS), "more than 20000 values"),
        (lambda p: (p / MANIFEST).write_bytes(MANY_KEYS), "more problems"),
        (lambda p: (p / MANIFEST).write_bytes(b" " * (2 << 20)), "more than the 131072 bytes"),
        (lambda p: (p / MANIFEST).write_bytes(b"version: 1"), "kind: missing key"),
        (lambda p: (p / MANIFEST).write_bytes(b"version: 2"), "version = 2"),
    ],
)
def test_what_was_changed_is_refused(folder: Path, spoil, message: str) -> None:
    spoil(folder)
    with pytest.raises(BundleError, match=message):
        read_bundle(folder)


def test_links_and_pipes_are_not_followed(folder: Path, tmp_path: Path) -> None:
    (folder / FILES[0]).replace(tmp_path / "outside")
    (folder / FILES[0]).symlink_to(tmp_path / "outside")
    with pytest.raises(BundleError, match="cannot be read"):
        read_bundle(folder)
    (folder / FILES[0]).unlink()
    os.mkfifo(folder / FILES[0])
    with pytest.raises(BundleError, match="not an ordinary file"):
        read_bundle(folder)


def test_a_zip_with_a_name_of_broken_utf8_is_refused(folder: Path) -> None:
    path = zipped(folder, [MANIFEST, *FILES])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("ö", "")  # marked as UTF-8
    path.write_bytes(path.read_bytes().replace("ö".encode(), b"\xff\xfe"))
    with pytest.raises(BundleError, match="neither a folder nor a zip that can be read"):
        read_bundle(path)


def test_a_zip_of_very_many_files_is_read_quickly(folder: Path) -> None:
    path = zipped(folder, [MANIFEST, *FILES])
    with zipfile.ZipFile(path, "a") as archive:
        for number in range(20_000):
            archive.writestr(f"k{number}", "")
    began_s = time.process_time()
    read_bundle(path)
    assert time.process_time() - began_s < 5.0


def test_only_its_own_names_are_read_from_a_zip(folder: Path) -> None:
    path = zipped(folder, [MANIFEST, *FILES])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../evil", b"x")
    read_bundle(path)
    assert not (folder.parent / "evil").exists()
    assert not (folder.parent.parent / "evil").exists()
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(FILES[0], b"another")
    with pytest.raises(BundleError, match="once, at its top"):
        read_bundle(path)


@given(data=st.data())
def test_any_damage_is_told_in_one_error(cell: CellConfig, tmp_path_factory, data) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    write_bundle(folder, some_manifest(cell), CONTENTS)
    path = zipped(folder, [MANIFEST, *FILES]) if data.draw(st.booleans()) else folder
    file = path if path.is_file() else folder / data.draw(st.sampled_from([MANIFEST, *FILES]))
    content = bytearray(file.read_bytes())
    for place, value in data.draw(
        st.lists(
            st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), min_size=1, max_size=8
        )
    ):
        content[place] = value
    file.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        read, contents = read_bundle(path)
    except BundleError:
        return
    assert contents == CONTENTS
    assert read.files == write_bundle(folder, some_manifest(cell), CONTENTS).files
