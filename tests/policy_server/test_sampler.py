"""The sampler: the same as diffusers', true to what is known, exact where the answer is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_server.bundle_sections import DiffusionSchedule, FlowSchedule
from policy_server.policy import overlap_weights
from policy_server.sampler import InpaintingGuide, Sampler

HORIZON = 16
NOISE = np.random.default_rng(0).standard_normal((1, HORIZON, 2)).astype(np.float32)
DATA = np.random.default_rng(1).uniform(-0.9, 0.9, (1, HORIZON, 2)).astype(np.float32)
PREDICTIONS = ("epsilon", "v_prediction", "sample")


def schedule(**values) -> DiffusionSchedule:
    return DiffusionSchedule(
        **{"train_steps": 100, "prediction": "epsilon", "inference_steps": 10, **values}
    )


def network(x: np.ndarray, timestep: int) -> np.ndarray:
    """Some function of both that is neither small nor linear."""
    return np.tanh(1.3 * x[:, ::-1] + np.sin(timestep / 7.0)).astype(np.float32)


@pytest.mark.parametrize("spacing", ["leading", "trailing"])
@pytest.mark.parametrize("betas", ["squaredcos_cap_v2", "linear"])
@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("denoising_steps", [1, 4, 10, 100])
def test_the_same_as_diffusers(prediction, clip, betas, spacing, denoising_steps) -> None:
    torch = pytest.importorskip("torch")
    diffusers = pytest.importorskip("diffusers")
    reference = diffusers.DDIMScheduler(
        num_train_timesteps=100,
        beta_schedule=betas,
        clip_sample=clip,
        prediction_type=prediction,
        timestep_spacing=spacing,
    )
    reference.set_timesteps(denoising_steps)
    x = torch.from_numpy(NOISE)
    for t in reference.timesteps:
        x = reference.step(torch.from_numpy(network(x.numpy(), int(t))), t, x).prev_sample
    ours = Sampler(
        schedule(
            prediction=prediction, clip_sample=clip, beta_schedule=betas, timestep_spacing=spacing
        )
    )
    found = ours.sample(network, NOISE, denoising_steps)
    assert [
        level.timestep for level in ours.levels(denoising_steps)
    ] == reference.timesteps.tolist()
    np.testing.assert_allclose(found, x.numpy(), rtol=2e-4, atol=2e-5)


def knows_the_data(sampler: Sampler, kind: str, data: np.ndarray = DATA):
    """The perfect network: it tells data from noise in any sample, seen at any number of steps."""
    levels = {level.timestep: level for n in range(1, 101) for level in sampler.levels(n)}

    def predict(x: np.ndarray, timestep: int) -> np.ndarray:
        a, b = levels[timestep].signal, levels[timestep].noise
        e = (x - a * data) / b
        return {
            "epsilon": e,
            "sample": data,
            "v_prediction": a * e - b * data,
            "flow": e - data,
        }[kind].astype(np.float32)

    return predict


@pytest.mark.parametrize("kind", [*PREDICTIONS, "flow"])
@pytest.mark.parametrize("denoising_steps", [1, 5, 10])
def test_a_perfect_network_gives_its_data(kind: str, denoising_steps: int) -> None:
    flow = FlowSchedule(train_steps=100, inference_steps=denoising_steps)
    sampler = Sampler(flow if kind == "flow" else schedule(prediction=kind))
    found = sampler.sample(knows_the_data(sampler, kind), NOISE, denoising_steps)
    np.testing.assert_allclose(found, DATA, atol=1e-3)


def test_flow_is_eulers_method() -> None:
    def velocity(x: np.ndarray, timestep: int) -> np.ndarray:
        return x * np.float32(0.5) + np.float32(timestep / 1000)

    x, denoising_steps = NOISE.astype(float), 8
    for k in range(denoising_steps):
        x = x - velocity(x, round(1000 * (1 - k / denoising_steps))) / denoising_steps
    found = Sampler(FlowSchedule(inference_steps=denoising_steps)).sample(velocity, NOISE)
    np.testing.assert_allclose(found, x, atol=1e-5)


@pytest.mark.parametrize("kind", [*PREDICTIONS, "flow"])
def test_inpainting_goes_the_way_of_the_noised_known(kind: str) -> None:
    sampler = Sampler(
        FlowSchedule(inference_steps=10) if kind == "flow" else schedule(prediction=kind)
    )
    weights = overlap_weights(4, 8, HORIZON)
    seen = []

    def watching(x: np.ndarray, timestep: int) -> np.ndarray:
        seen.append(x)
        return network(x, timestep)

    known = np.ascontiguousarray(DATA[0])
    found = sampler.sample(watching, NOISE, 10, InpaintingGuide(known, weights))
    np.testing.assert_allclose(found[0, :4], known[:4], atol=1e-5)
    for x, level in zip(seen, sampler.levels(10), strict=True):
        e = (x[0, :4] - level.signal * known[:4]) / level.noise
        np.testing.assert_allclose(e[:4], seen_noise(seen, sampler, known), atol=2e-3)
    free = sampler.sample(network, NOISE, 10)
    held, loose = np.abs(found - known)[0], np.abs(free - known)[0]
    assert held[4:8].mean() < loose[4:8].mean()


def seen_noise(seen: list, sampler: Sampler, known: np.ndarray) -> np.ndarray:
    """The noise part of the committed actions at the first level, which must stay the same."""
    first = sampler.levels(10)[0]
    return (seen[0][0, :4] - first.signal * known[:4]) / first.noise


def test_clean_actions_reach_the_network_as_they_are() -> None:
    seen = []

    def watching(x: np.ndarray, timestep: int) -> np.ndarray:
        seen.append(x)
        return network(x, timestep)

    known = np.ascontiguousarray(DATA[0])
    guide = InpaintingGuide(known, np.zeros(HORIZON, np.float32), clean=5)
    found = Sampler(schedule()).sample(watching, NOISE, 10, guide)
    for x in [*seen, found]:
        np.testing.assert_array_equal(x[0, :5], known[:5])
    assert (seen[0][0, 5:] == NOISE[0, 5:]).all()


def test_a_warm_start_stays_nearer_to_the_last_chunk() -> None:
    sampler = Sampler(schedule())
    known = np.ascontiguousarray(DATA[0])
    guide = InpaintingGuide(known, np.zeros(HORIZON, np.float32))
    calls = []

    def watching(x: np.ndarray, timestep: int) -> np.ndarray:
        calls.append(timestep)
        return network(x, timestep)

    cold = sampler.sample(watching, NOISE, 4, guide)
    assert calls == [75, 50, 25, 0]
    calls.clear()
    warm_start_fraction = sampler.sample(watching, NOISE, 4, guide, warm_start_fraction=0.6)
    assert calls == [30, 20, 10, 0]
    assert np.abs(warm_start_fraction - known).mean() < np.abs(cold - known).mean()


@given(horizon=st.integers(1, 64), data=st.data())
def test_overlap_weights_fall_from_one_to_nothing(horizon: int, data) -> None:
    known = data.draw(st.integers(0, horizon))
    committed = data.draw(st.integers(0, known))
    weights = overlap_weights(committed, known, horizon)
    assert (weights[:committed] == 1).all()
    assert (weights[known:] == 0).all()
    assert ((weights >= 0) & (weights <= 1)).all()
    assert (np.diff(weights) <= 0).all()
    assert (weights[committed:] < 1).all()
