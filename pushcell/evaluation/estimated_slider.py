"""Where a policy from images takes the slider to be: read from inside its encoder."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from policy_server.bundle import load_policy
from policy_server.bundle_files import read_bundle
from policy_server.bundle_format import ENCODER
from policy_server.onnx_networks import RuntimeOptions
from policy_server.policy import BundlePolicy
from pushcell.geometry import PlanarPose
from pushcell.shipped import POLICIES

_SLIDER = "slider"  # what `pushcell export --pose-estimator` calls the pose between the two


class EstimatedSlider:
    """The pose that a bundle's pose estimator hands on."""

    def __init__(self, policy: BundlePolicy, encoder: onnx.ModelProto, where: str) -> None:
        encoder.graph.output.append(onnx.ValueInfoProto(name=_SLIDER))
        self._policy = policy
        self._session = RuntimeOptions().session(encoder.SerializeToString(), where)

    @classmethod
    @functools.lru_cache(maxsize=1)
    def of(cls, name: str) -> EstimatedSlider | None:
        """For a bundle (folder, zip or shipped name); None where its graph has no such pose."""
        path = POLICIES.find(name)
        encoder = onnx.load_model_from_string(read_bundle(path)[1][ENCODER])
        made = {output for node in encoder.graph.node for output in node.output}
        return cls(load_policy(path), encoder, str(path)) if _SLIDER in made else None

    def pose(self, values: Mapping[str, NDArray[Any]]) -> PlanarPose:
        """In the base frame, from an observation's values of one moment."""
        steps = self._policy.manifest.observation.steps
        repeated = {key: np.repeat(value[None], steps, axis=0) for key, value in values.items()}
        repeated["goal"] = values["goal"]
        (slider,) = self._session.run([_SLIDER], self._policy.prepare(repeated))
        return PlanarPose.from_array(slider.reshape(-1, 3)[-1].astype(float))
