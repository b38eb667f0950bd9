"""Encoder and denoiser in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from policy_server.bundle_format import DENOISER, ENCODER, Manifest
from policy_server.onnx_graph import Signature, check_graph
from pushcell.errors import BundleError, ConfigError

Provider = Literal["cpu", "cuda", "tensorrt"]
Floats = NDArray[np.float32]

_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}


@dataclass(frozen=True)
class RuntimeOptions:
    """Where the networks run; ``threads`` of one operator."""

    provider: Provider = "cpu"
    threads: int = 1

    def __post_init__(self) -> None:
        if self.provider not in _PROVIDERS:
            raise ConfigError(
                f"there is no provider {self.provider!r}; known are: {', '.join(_PROVIDERS)}"
            )
        if self.threads < 1:
            raise ConfigError(f"threads must be at least 1, not {self.threads}")

    def session(self, graph: bytes, where: str) -> ort.InferenceSession:
        """A session for a graph that has been looked over; raises BundleError if ORT refuses it."""
        available = ort.get_available_providers()
        if _PROVIDERS[self.provider] not in available:
            raise ConfigError(
                f"this ONNX Runtime has no {_PROVIDERS[self.provider]}; it has "
                f"{', '.join(available)}: install onnxruntime-gpu, or take provider cpu"
            )
        options = ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.use_deterministic_compute = True
        options.log_severity_level = 3
        # A thread that spins while it waits takes the core from the control loop.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers = [_PROVIDERS[self.provider]]
        if self.provider != "cpu":
            providers.append(_PROVIDERS["cpu"])
        try:
            session = ort.InferenceSession(graph, options, providers)
        except Exception as error:  # noqa: BLE001 - ORT's errors share no base
            raise BundleError(f"{where}: ONNX Runtime refuses it: {error}") from None
        # It goes on without a provider whose libraries are missing, and does not say so.
        if (first := session.get_providers()[0]) != providers[0]:
            raise ConfigError(
                f"provider {self.provider} does not start here, ONNX Runtime took {first}: install "
                "the driver and libraries that it names above, or take provider cpu"
            )
        return session


class Networks:
    """The two graphs of a bundle; what comes out is finite, or BundleError is raised."""

    def __init__(
        self, manifest: Manifest, files: Mapping[str, bytes], options: RuntimeOptions, where: str
    ) -> None:
        inputs: Signature = {k: ("float", s) for k, s in manifest.observation.shapes.items()}
        check_graph(
            files[ENCODER], f"{where}/{ENCODER}", inputs, {"embedding": ("float", (1, None))}
        )
        self._chunk = (manifest.action.horizon, 2)
        chunk = ("float", (1, *self._chunk))
        known = {
            "sample": chunk,
            "timestep": ("int64", (1,)),
            "embedding": ("float", (1, None)),
            "prefix": ("int64", (1,)),
        }
        inputs = {name: known[name] for name in manifest.denoiser_inputs}
        check_graph(files[DENOISER], f"{where}/{DENOISER}", inputs, {"prediction": chunk})
        self._encoder = options.session(files[ENCODER], f"{where}/{ENCODER}")
        self._denoiser = options.session(files[DENOISER], f"{where}/{DENOISER}")
        self.batches = not isinstance(self._denoiser.get_inputs()[0].shape[0], int)
        """Whether the denoiser takes more than one sample at a time."""
        self._where = where

    def encode(self, inputs: Mapping[str, Floats]) -> Floats:
        """(1, D) embedding of prepared inputs."""
        return self._run(self._encoder, "embedding", inputs)

    def denoise(self, inputs: Mapping[str, NDArray]) -> Floats:
        """(B, H, 2) prediction of the inputs that the manifest lists; B is 1 unless `batches`."""
        prediction = self._run(self._denoiser, "prediction", inputs)
        shape = (len(inputs["embedding"]), *self._chunk)
        if prediction.shape != shape:
            raise BundleError(
                f"{self._where}: the prediction has shape {prediction.shape}, needed: {shape}"
            )
        return prediction

    def _run(
        self, session: ort.InferenceSession, output: str, inputs: Mapping[str, NDArray]
    ) -> Floats:
        try:
            (value,) = session.run([output], dict(inputs))
        except Exception as error:  # noqa: BLE001 - ORT's errors share no base
            raise BundleError(f"{self._where}: ONNX Runtime failed: {error}") from None
        if not np.isfinite(value).all():
            raise BundleError(f"{self._where}: the network gave an {output} that is not finite")
        return value
