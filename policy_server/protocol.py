"""What a policy server says and understands, without any network."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policy_server.bundle_files import manifest_from_text
from policy_server.bundle_format import Manifest
from policy_server.bundle_sections import CellTask, DirectSchedule, Schedule
from policy_server.message_codec import ProtocolError
from policy_server.policy import ChunkRequest
from policy_server.request_images import LARGEST_PX, described, resized
from pushcell.errors import BundleError
from pushcell.geometry import Array
from pushcell.units import angle_problem, length_problem

_SETTINGS_KEY = (
    "pushcell"  # the key under which our own clients send what a chunk is asked for with
)
_MANIFEST = "manifest"
_RESIZE = "resize"  # true: the server brings the images to the size that the policy sees


def metadata(manifest: Manifest) -> dict[str, Any]:
    """The first message of a connection."""
    spec = manifest.observation
    observation: dict[str, Any] = {
        key: {"shape": list(spec.shapes[key][1:]), "dtype": "float32"} for key in spec.keys
    }
    for camera in spec.cameras:
        shape = [spec.steps, camera.height_px, camera.width_px, 3]
        observation[camera.key] = {"shape": shape, "dtype": "uint8"}
    return {
        "observation": observation,
        "action_horizon": manifest.action.horizon,
        "rate_hz": manifest.rate_hz,
        _MANIFEST: manifest.to_yaml(),
    }


def largest_request_bytes(manifest: Manifest) -> int:
    """No honest request is larger: images may be floats, and as large as cameras make them."""
    spec = manifest.observation
    largest = LARGEST_PX[0] * LARGEST_PX[1]
    pixels = sum(spec.steps * max(c.width_px * c.height_px, largest) for c in spec.cameras)
    return 3 * 4 * pixels + (1 << 16)


def manifest_of(message: Any, origin: str) -> Manifest:
    """The manifest of a server that is ours; raises BundleError for another's."""
    text = message.get(_MANIFEST) if isinstance(message, dict) else None
    if not isinstance(text, str):
        raise BundleError(f"{origin} serves no pushcell bundle: its metadata has no manifest")
    return manifest_from_text(text.encode(), origin)


def request_message(request: ChunkRequest) -> dict[str, Any]:
    """A request as the protocol has it."""
    settings = {
        "seed": request.seed,
        "known": request.known,
        "committed": request.committed,
        "steps": request.denoising_steps,
        "warm": request.warm_start_fraction,
    }
    return {**request.values, _SETTINGS_KEY: settings}


def to_request(message: Any, manifest: Manifest, seed: int) -> ChunkRequest:
    """A client's message; the goal may be left out, and everything that only our clients send.

    ``seed`` is taken where the client gives none. Raises ProtocolError.
    """
    if not isinstance(message, dict) or not all(isinstance(key, str) for key in message):
        raise ProtocolError("a request must be a map of observation keys to arrays")
    settings = message.get(_SETTINGS_KEY, {})
    cameras = {c.key: c for c in manifest.observation.cameras}
    wanted = [*manifest.observation.keys, *cameras]
    values = {key: message[key] for key in wanted if key in message}
    if "goal" in wanted and "goal" not in values and isinstance(manifest.task, CellTask):
        values["goal"] = np.array(manifest.task.goal)
    if message.get(_RESIZE, False) is True:
        steps = manifest.observation.steps
        values |= {k: resized(values[k], c, steps) for k, c in cameras.items() if k in values}
    for key in wanted:
        if key not in values:
            raise ProtocolError(f"the request lacks {key}; it has {_some(message)}")
        if not isinstance(values[key], np.ndarray):
            raise ProtocolError(_not_an_array(key, values[key], manifest))
    if isinstance(manifest.task, CellTask):
        for key in manifest.observation.keys:
            _require_units(key, values[key])
    return ChunkRequest(values, **_settings(settings, manifest, seed))


def _not_an_array(key: str, value: Any, manifest: Manifest) -> str:
    wanted = metadata(manifest)["observation"].get(key, {"shape": [3], "dtype": "float32"})
    said = f"{key} must be an array {tuple(wanted['shape'])} {wanted['dtype']}, not "
    if wanted["dtype"] != "uint8":
        return said + described(value)
    return f"{said}{described(value)}; with {_RESIZE} = true JPEG, PNG and lists are taken too"


def _require_units(key: str, poses: NDArray[Any]) -> None:
    """Raise ProtocolError for poses (..., 3) that are not in metres and radians."""
    if poses.dtype.kind not in "fiu" or poses.shape[-1:] != (3,) or not np.isfinite(poses).all():
        return  # the policy tells what it must be
    for problem in (length_problem(poses[..., :2]), angle_problem(poses[..., 2])):
        if problem:
            raise ProtocolError(f"{key} is at {problem}")


def to_actions(message: Any, manifest: Manifest) -> Array:
    """(H, 2) of an answer; raises ProtocolError."""
    actions = message.get("actions") if isinstance(message, Mapping) else None
    shape = (manifest.action.horizon, 2)
    if not isinstance(actions, np.ndarray) or actions.shape != shape:
        raise ProtocolError(f"the answer has no actions of shape {shape}")
    if not np.isfinite(actions).all():
        raise ProtocolError("the answer's actions are not finite")
    return actions.astype(float)


def _some(keys: Iterable[str]) -> str:
    return ", ".join(key[:40] for key in itertools.islice(keys, 10))


def _settings(settings: Any, manifest: Manifest, seed: int) -> dict[str, Any]:
    if not isinstance(settings, dict):
        raise ProtocolError(f"{_SETTINGS_KEY} must be a map")
    known = settings.get("known", np.empty((0, 2)))
    found = {
        "seed": settings.get("seed", seed),
        "committed": settings.get("committed", 0),
        "denoising_steps": settings.get("steps"),
        "warm_start_fraction": settings.get("warm", 0.0),
    }
    horizon = manifest.action.horizon
    sound = (
        isinstance(known, np.ndarray)
        and known.ndim == 2
        and known.shape[1] == 2
        and len(known) <= horizon
        and known.dtype.kind == "f"
        and bool(np.isfinite(known).all())
        and _whole(found["seed"], 0, 2**63)
        and _whole(found["committed"], 0, len(known))
        and isinstance(found["warm_start_fraction"], float)
        and _few_enough(found["denoising_steps"], found["warm_start_fraction"], manifest.schedule)
    )
    if not sound:
        raise ProtocolError(
            f"{_SETTINGS_KEY} = {str(settings)[:200]} is not what a chunk can be asked for with"
        )
    return {**found, "known": known.astype(float)}


def _few_enough(denoising_steps: Any, warm_start_fraction: float, schedule: Schedule) -> bool:
    """Whether nobody has to wait longer than for the manifest's own number of calls."""
    if isinstance(schedule, DirectSchedule):
        return denoising_steps is None and warm_start_fraction == 0
    usual = schedule.inference_steps
    denoising_steps = usual if denoising_steps is None else denoising_steps
    return (
        _whole(denoising_steps, 1, usual)
        and warm_start_fraction >= 0
        and denoising_steps <= (1 - warm_start_fraction) * schedule.train_steps
    )


def _whole(value: Any, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high
