"""The one interface of every policy: a request with an observation in, a chunk of actions out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from policy_server.batched_sampling import PartialSample, sample_together
from policy_server.bundle_format import Manifest
from policy_server.bundle_sections import DirectSchedule
from policy_server.onnx_networks import Floats, Networks
from policy_server.sampler import InpaintingGuide, Sampler
from pushcell.cameras.image_transform import network_images
from pushcell.errors import BundleError, PushcellError
from pushcell.geometry import Array

T = TypeVar("T")


@dataclass(frozen=True)
class ChunkRequest:
    """What a chunk is asked for with.

    ``values``: as `observation.Observation` has them. ``known`` (M, 2) [m]: what has been planned
    for the chunk's first M actions; the first ``committed`` of them will be executed whatever the
    answer. ``denoising_steps`` calls of the network (None: the manifest's) begin from the noise of
    ``seed``; ``warm_start_fraction``, in [0, 1), is the share of noise levels that ``known``
    replaces.
    """

    values: Mapping[str, NDArray[Any]]
    seed: int
    known: Array = field(default_factory=lambda: np.empty((0, 2)))
    committed: int = 0
    denoising_steps: int | None = None
    warm_start_fraction: float = 0.0


class Policy(Protocol):
    """Anything that answers; `BundlePolicy` here, or a server's client."""

    @property
    def manifest(self) -> Manifest:
        """What it needs and gives."""

    def infer(self, request: ChunkRequest) -> Array:
        """(H, 2) absolute pusher positions [m]; the first is due one period after capture."""

    def infer_many(self, requests: Sequence[ChunkRequest]) -> list[Array | PushcellError]:
        """For each request what `infer` returns or raises."""
        return [_returned_or_raised(self.infer, request) for request in requests]


class BundlePolicy(Policy):
    """A bundle's networks; the same request gives the same chunk."""

    def __init__(self, manifest: Manifest, networks: Networks) -> None:
        self._manifest = manifest
        self._networks = networks
        schedule = manifest.schedule
        self._sampler = None if isinstance(schedule, DirectSchedule) else Sampler(schedule)

    @property
    def manifest(self) -> Manifest:
        """Manifest of the bundle that this policy runs."""
        return self._manifest

    def infer(self, request: ChunkRequest) -> Array:
        """(H, 2) absolute pusher positions [m], within the bundle's bounds."""
        chunk = self.chunk(
            self.prepare(request.values),
            self.noise(request.seed),
            self._inpainting_guide(request),
            request.denoising_steps,
            request.warm_start_fraction,
        )
        return self._positions(request, chunk)

    def infer_many(self, requests: Sequence[ChunkRequest]) -> list[Array | PushcellError]:
        """As `infer` of each; where the network takes several samples they share its calls."""
        if self._sampler is None or not self._networks.batches or len(requests) == 1:
            return super().infer_many(requests)
        samples = [_returned_or_raised(self._partial_sample, request) for request in requests]
        sound = [sample for sample in samples if isinstance(sample, PartialSample)]
        try:
            chunks = iter(sample_together(sound, self._networks.denoise))
        except BundleError:  # asked one by one, they tell whose it is
            return super().infer_many(requests)
        return [
            self._positions(request, next(chunks)) if isinstance(sample, PartialSample) else sample
            for request, sample in zip(requests, samples, strict=True)
        ]

    def prepare(self, values: Mapping[str, NDArray[Any]]) -> dict[str, Floats]:
        """Raw values as the encoder takes them; raises PushcellError for another shape."""
        spec = self._manifest.observation
        prepared: dict[str, Floats] = {}
        for camera in spec.cameras:
            images = _taken(values, camera.key)
            wanted = (spec.steps, camera.height_px, camera.width_px, 3)
            if images.shape != wanted or images.dtype != np.uint8:
                raise PushcellError(
                    f"{camera.key} must be {wanted} uint8, not {images.shape} {images.dtype}"
                )
            prepared[camera.key] = network_images(
                images, camera.crop_px, camera.colour_order, camera.scale
            )[None]
        for key in spec.keys:
            numbers, shape = _taken(values, key), spec.shapes[key][1:]
            scale = self._manifest.normaliser.keys.get(key)
            small = np.full(shape, np.nan, np.float32)
            if numbers.shape == shape:
                with np.errstate(over="ignore"):  # found right below
                    small = scale.normalise(numbers) if scale else numbers.astype(np.float32)
            if not np.isfinite(small).all():
                raise PushcellError(f"{key} must be {shape} finite numbers, not {numbers}")
            prepared[key] = small[None]
        return prepared

    def noise(self, seed: int) -> Floats:
        """(1, H, 2) the noise of a seed."""
        shape = (1, self._manifest.action.horizon, 2)
        return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)

    def chunk(
        self,
        prepared: Mapping[str, Floats],
        noise: Floats,
        guide: InpaintingGuide | None = None,
        denoising_steps: int | None = None,
        warm_start_fraction: float = 0.0,
    ) -> Floats:
        """(1, H, 2) in normalised units, of prepared inputs and noise (1, H, 2)."""
        if self._sampler is None:
            chunk = self._networks.denoise({"embedding": self._networks.encode(prepared)})
            return chunk if guide is None else guide.pulled(chunk)
        inputs = self._conditions(prepared, guide)

        def predict(sample: Floats, timestep: int) -> Floats:
            inputs.update(sample=sample, timestep=np.array([timestep], np.int64))
            return self._networks.denoise(inputs)

        return self._sampler.sample(predict, noise, denoising_steps, guide, warm_start_fraction)

    def _partial_sample(self, request: ChunkRequest) -> PartialSample:
        """A request's chunk, before the first call of the denoiser."""
        assert self._sampler is not None  # its caller has looked
        prepared, guide = self.prepare(request.values), self._inpainting_guide(request)
        noise = self.noise(request.seed)
        sampling_steps = self._sampler.sampling_steps(
            noise, request.denoising_steps, guide, request.warm_start_fraction
        )
        return PartialSample(self._conditions(prepared, guide), sampling_steps)

    def _conditions(
        self, prepared: Mapping[str, Floats], guide: InpaintingGuide | None
    ) -> dict[str, NDArray[Any]]:
        """What the denoiser takes besides the sample."""
        inputs: dict[str, NDArray[Any]] = {"embedding": self._networks.encode(prepared)}
        if self._manifest.max_prefix:
            inputs["prefix"] = np.array([guide.clean if guide else 0], np.int64)
        return inputs

    def _positions(self, request: ChunkRequest, chunk: Floats) -> Array:
        """(H, 2) [m] of a normalised chunk (1, H, 2)."""
        action = self._manifest.action
        positions = self._manifest.normaliser.action.restore(chunk[0])
        return np.clip(positions + self._origin(request.values), action.low, action.high)

    def _origin(self, values: Mapping[str, NDArray[Any]]) -> Array:
        if self._manifest.action.space == "absolute":
            return np.zeros(2)
        return _taken(values, "pusher")[-1, :2]

    def _inpainting_guide(self, request: ChunkRequest) -> InpaintingGuide | None:
        """What is known, continued by its last action, and how much of it counts."""
        count, horizon = len(request.known), self._manifest.action.horizon
        if count == 0:
            return None
        committed = request.committed
        origin = self._origin(request.values)
        known = self._manifest.normaliser.action.normalise(request.known - origin)
        if not committed <= count <= horizon:
            raise PushcellError(
                f"{committed} committed of {count} known actions cannot begin a chunk of {horizon}"
            )
        chunk = np.concatenate([known, np.repeat(known[-1:], horizon - count, axis=0)])
        if committed <= self._manifest.max_prefix:
            return InpaintingGuide(chunk, np.zeros(horizon, np.float32), clean=committed)
        return InpaintingGuide(chunk, overlap_weights(committed, count, horizon))


def overlap_weights(committed: int, known: int, horizon: int) -> Floats:
    """(horizon,) how much each action is held to what is known of it: fully while committed, then
    less and less (after real-time chunking, arXiv 2506.07339, eq. 5), beyond it not at all."""
    ahead = np.clip((known - np.arange(horizon)) / (known - committed + 1), 0, 1)
    soft = ahead * np.expm1(ahead) / np.expm1(1)
    return np.where(np.arange(horizon) < committed, 1, soft).astype(np.float32)


def _returned_or_raised(
    call: Callable[[ChunkRequest], T], request: ChunkRequest
) -> T | PushcellError:
    try:
        return call(request)
    except PushcellError as error:
        return error


def _taken(values: Mapping[str, NDArray[Any]], key: str) -> NDArray[Any]:
    if key not in values:
        raise PushcellError(f"the observation has no {key}; it has {', '.join(values)}")
    return np.asarray(values[key])
