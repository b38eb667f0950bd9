"""Loads a bundle: nothing of it is used before all of it has been verified."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np

from policy_server.bundle_files import UNREADABLE_ZIP, read_bundle
from policy_server.bundle_format import PARITY, Manifest
from policy_server.compatibility import check_fits_cell
from policy_server.onnx_networks import Floats, Networks, RuntimeOptions
from policy_server.policy import BundlePolicy
from pushcell.config.cell import CellConfig
from pushcell.errors import BundleError
from pushcell.shipped import POLICIES

_DEFAULT_TOLERANCE = 1e-4


def load_policy(
    name: str | Path, cell: CellConfig | None = None, options: RuntimeOptions | None = None
) -> BundlePolicy:
    """The policy of a shipped name, or of a bundle's folder or zip.

    Its files, graphs, parity and, where given, its cell have been verified. Raises BundleError
    that names what is wrong and both values.
    """
    path = POLICIES.find(name)
    manifest, files = read_bundle(path)
    if cell is not None:
        check_fits_cell(manifest, cell, str(path))
    networks = Networks(manifest, files, options or RuntimeOptions(), str(path))
    policy = BundlePolicy(manifest, networks)
    _check_parity(policy, _parity_frame(manifest, files[PARITY], path), path)
    return policy


def _check_parity(policy: BundlePolicy, frame: dict[str, Floats], path: Path) -> None:
    """Raise BundleError unless the stored frame gives the stored chunk, here and now."""
    chunk, noise = frame.pop("chunk"), frame.pop("noise", np.empty(0, np.float32))
    error = float(np.abs(policy.chunk(frame, noise) - chunk).max())
    record = policy.manifest.parity
    tolerance = record.tolerance if record else _DEFAULT_TOLERANCE
    if error > tolerance:
        raise BundleError(
            f"{path}: the stored frame's chunk comes out {error:.2e} off, allowed: "
            f"{tolerance:.0e}; these graphs are not what was trained, or this runtime is broken"
        )


def _parity_frame(manifest: Manifest, data: bytes, path: Path) -> dict[str, Floats]:
    shapes = dict(manifest.observation.shapes)
    shapes["chunk"] = (1, manifest.action.horizon, 2)
    if manifest.is_generative:
        shapes["noise"] = shapes["chunk"]
    where = f"{path}/{PARITY}"
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_members(archive, shapes, where)
            return {name: _array(archive, name, shape, where) for name, shape in shapes.items()}
    except UNREADABLE_ZIP as error:
        raise BundleError(f"{where} cannot be read ({error})") from None


def _check_members(
    archive: zipfile.ZipFile, shapes: dict[str, tuple[int, ...]], where: str
) -> None:
    names = sorted(archive.namelist())
    if names != sorted(f"{name}.npy" for name in shapes):
        raise BundleError(f"{where} holds {str(names)[:200]}, needed: {sorted(shapes)}")


def _array(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], where: str) -> Floats:
    header_bytes = 4096
    with archive.open(f"{name}.npy") as file:
        data = file.read(4 * int(np.prod(shape)) + header_bytes)
    array = np.load(io.BytesIO(data), allow_pickle=False)
    if array.shape != shape or array.dtype != np.float32:
        raise BundleError(
            f"{where}: {name} is {array.shape} {array.dtype}, needed: {shape} float32"
        )
    if not np.isfinite(array).all():
        raise BundleError(f"{where}: {name} is not finite")
    return array
