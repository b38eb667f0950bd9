"""A person with a browser: the real page in a real Chromium, driving the simulated cell."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")
pytest.importorskip("aiohttp", reason="no aiohttp: install pushcell[teleop]")
pytest.importorskip("selenium", reason="no selenium: install pushcell[dev]")

from benchmarks.browser import found_browser, open_page
from benchmarks.collection import Collection
from pushcell.recording.episode_info import EpisodeInfo
from pushcell.recording.store import EpisodeStore

DOMAIN = 92
# Which of the watchdogs is first depends on how the last messages fell.
LET_GO = ("deadman_released", "teleop_released", "observation_old")

pytestmark = [
    pytest.mark.skipif(
        found_browser() is None, reason="no browser: install chromium, chromedriver"
    ),
]


@pytest.fixture
def run(tmp_path):
    with Collection(DOMAIN, tmp_path / "episodes") as running:
        yield running


def test_a_person_arms_drives_records_and_closes_the_page(run):
    with open_page(run.address) as page:
        run.arm(page)
        assert "require_deadman" in page.text("banner"), "the page says that the cell is simulated"
        drag_to_a_place_and_let_go(run, page)
        page.press("stop")
        run.until(lambda: run.motion["emergency_stop"] != "released", "stop")
        run.arm(page)
        record_an_episode(run, page)

        run.watch(0.5)
        far, begin = np.array([0.5, -0.25]), run.pusher
        run.drag_until(
            page,
            run.pixel_of(far),
            lambda: np.linalg.norm(run.pusher - begin) > 0.02,
            "motion to a far place",
        )
    run.until(lambda: run.motion["phase"] == "holding", "rest after the page was closed")
    assert run.motion["reason"] in LET_GO
    run.watch(0.5)
    rest = run.pusher
    run.watch(1.0)
    assert np.linalg.norm(run.pusher - rest) < 0.001
    assert np.linalg.norm(run.pusher - far) > 0.05, "it stopped on the way"


def drag_to_a_place_and_let_go(run, page):
    goal = run.pusher + np.array([0.04, -0.06])
    at_goal = run.pixel_of(goal)
    page.mouse("mousePressed", run.pixel_of(run.pusher))
    page.mouse("mouseMoved", at_goal)
    run.drag_until(
        page, at_goal, lambda: np.linalg.norm(run.pusher - goal) < 0.003, "pusher at the finger"
    )
    page.mouse("mouseReleased", at_goal)
    run.until(lambda: run.motion["source"] == "hold", "rest after letting go")
    assert run.motion["reason"] in LET_GO


def record_an_episode(run, page):
    page.press("start")
    run.until(lambda: page.text("light-recording").split()[-2:-1] == ["s"], "recording")
    drag_to_a_place_and_let_go(run, page)
    page.press("success")
    run.until(lambda: "success" in page.text("episodes"), "episode in the list")
    (episode,) = EpisodeStore(run.episodes).episodes()
    info = EpisodeInfo.load(episode)
    assert info.verdict == "success"
    assert "teleop" in {span.source for span in info.driven}
    assert episode.name in page.text("episodes")
    thumbnail = "return document.querySelector('#episodes img').naturalWidth"
    run.until(lambda: page.script(thumbnail) > 0, "thumbnail")
    # Without an operator's deadman the simulated cell goes to its next start by itself.
    run.until(lambda: run.motion["reason"] == "at_home", "the next start")
