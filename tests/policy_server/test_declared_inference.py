"""How long a chunk takes in simulated time: declared, and checked."""

import pytest

from policy_server.bundle_sections import LatencyRecord
from policy_server.delay import declared_inference_s
from pushcell.errors import BundleError, ConfigError
from tests.policy_server.examples import some_manifest

RECORD = LatencyRecord(machine="a", threads=1, chunks=9, p50_ms=8.0, p95_ms=14.0, p99_ms=16.0)


def test_a_bundle_declares_its_own_record(cell):
    measured = some_manifest(cell).model_copy(update={"latency": RECORD})
    assert declared_inference_s(measured, "bundle", "it") == pytest.approx(0.014)
    assert declared_inference_s(measured, "0.2", "it") == 0.2
    assert declared_inference_s(measured, "0", "it") == 0.0
    assert declared_inference_s(measured, "measured", "it") is None


def test_one_without_a_record_says_what_to_do(cell):
    never_measured = some_manifest(cell).model_copy(update={"latency": None})
    with pytest.raises(BundleError, match=r"latency record.*inference_s:="):
        declared_inference_s(never_measured, "bundle", "it")


@pytest.mark.parametrize("text", ["-0.1", "99", "nan", "soon", ""])
def test_what_is_no_duration_within_the_horizon_is_refused(cell, text):
    with pytest.raises(ConfigError, match="inference_s is bundle, measured, or seconds"):
        declared_inference_s(some_manifest(cell), text, "it")
