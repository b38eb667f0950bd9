"""A person takes over from a policy on the real page, and what comes of it is a correction."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")
pytest.importorskip("aiohttp", reason="no aiohttp: install pushcell[teleop]")
pytest.importorskip("selenium", reason="no selenium: install pushcell[dev]")

from benchmarks.browser import found_browser, open_page
from benchmarks.collection import Collection
from pushcell.cli.main import main
from pushcell.formats.zarr_format import ZarrSet
from pushcell.recording.control_log import POLICY, TELEOP, takeovers
from pushcell.recording.episode_info import INFO_FILE, EpisodeInfo
from pushcell.recording.store import EpisodeStore

DOMAIN = 95
ROLLOUT = ("launch/rollout.launch.yaml", "policy:=planner", "console:=true", "live_view:=false")

pytestmark = [
    pytest.mark.skipif(
        found_browser() is None, reason="no browser: install chromium, chromedriver"
    ),
]


def test_a_press_takes_over_and_the_episode_tells(tmp_path):
    episodes = tmp_path / "episodes"
    with Collection(DOMAIN, episodes, ROLLOUT) as run, open_page(run.address) as page:
        run.arm(page)
        page.press("start")
        run.until(lambda: "s" in page.text("light-recording").split(), "recording")
        page.press("policy")
        home = run.pusher
        run.until(lambda: np.linalg.norm(run.pusher - home) > 0.02, "the policy's motion")
        assert run.motion["source"] == "policy"
        far = run.pixel_of(np.array([0.5, -0.2]))
        run.drag_until(page, far, lambda: run.motion["source"] == "teleop", "the takeover")
        run.watch(1.0)
        page.mouse("mouseReleased", far)
        run.until(lambda: run.motion["source"] == "hold", "rest after letting go")
        run.watch(1.0)
        assert run.motion["source"] == "hold", "the policy must not go on by itself"
        page.press("success")
        run.until(lambda: "success" in page.text("episodes"), "episode in the list")
        assert "takeover" in page.text("episodes")
    (episode,) = EpisodeStore(episodes).episodes()
    info = EpisodeInfo.load(episode)
    assert [span.source for span in info.driven][:2] == [POLICY, TELEOP]
    (span,) = takeovers(info.driven)

    # How busy this machine was must not decide: the gate would reject what lacks pictures.
    judged_well = info.model_copy(update={"quality": None})
    (episode / INFO_FILE).write_text(judged_well.to_yaml())
    corrections = tmp_path / "corrections.zarr"
    words = ["convert", str(episodes), "--interventions", "--to", "zarr", "--out", str(corrections)]
    assert main(words) == 0
    (correction,) = ZarrSet(corrections)
    lasted_s = (span.end_ns - span.start_ns) * 1e-9
    # With half a second before it, that shows what the person saw.
    assert len(correction.steps) == pytest.approx((lasted_s + 0.5) * info.rate_hz, abs=2)
