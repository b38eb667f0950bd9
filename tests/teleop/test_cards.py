"""What the page's cards tell, on the real page in a real Chromium."""

import asyncio
from collections.abc import Callable

import pytest

pytest.importorskip("aiohttp", reason="no aiohttp: install pushcell[teleop]")
pytest.importorskip("selenium", reason="no selenium: install pushcell[dev]")

from selenium.webdriver.support.wait import WebDriverWait

from benchmarks.browser import BrowserPage, found_browser, open_page
from pushcell.config.cell import CellConfig
from pushcell.geometry import PlanarPose, Pose
from pushcell.node_states import ProcedureState
from teleop.console.cell_view import CellView
from tests.teleop.test_console_server import ServedConsole

pytestmark = pytest.mark.skipif(
    found_browser() is None, reason="no browser: install chromium, chromedriver"
)

PATIENCE_S = 60.0
GUIDANCE = ProcedureState(
    progress="overhead: view 3 of 30",
    counts=((0, 24, 0, 0), (3, 0, 0, 0), (0, 0, 0, 0)),
    missing=("show the board at the top far left of the image",),
)


def look_at_page(
    cell: CellConfig, put: Callable[[CellView], None], look: Callable[[BrowserPage], None]
) -> None:
    """Open the page while something is said ten times a second."""

    async def play() -> None:
        async with ServedConsole(cell) as console:

            async def go_on() -> None:
                while True:
                    put(console.backend.view)
                    await asyncio.sleep(0.1)

            going_on = asyncio.create_task(go_on())
            await asyncio.to_thread(look_there, console.url)
            going_on.cancel()

    def look_there(url: str) -> None:
        with open_page(url) as page:
            look(page)

    asyncio.run(play())


def test_the_page_shows_which_parts_of_the_picture_are_missing(cell):
    def look(page):
        parts = "return [...document.querySelectorAll('#coverage li')].map(l => l.className)"
        WebDriverWait(page.driver, PATIENCE_S).until(lambda _: len(page.script(parts)) == 12)
        assert page.text("calibration-progress") == GUIDANCE.progress
        assert [i for i, name in enumerate(page.script(parts)) if name] == [1, 4]
        assert page.text("missing") == GUIDANCE.missing[0]

    look_at_page(cell, lambda view: view.calibration.put(GUIDANCE), look)


def test_the_page_shows_where_a_chunks_time_goes(cell):
    values = {"inference [ms]": "2.0 3.0 4.0", "degradation": "none"}

    def look(page):
        wanted = "inference (p50 p95 p99)\n2.0 3.0 4.0 ms"
        WebDriverWait(page.driver, PATIENCE_S).until(lambda _: wanted in page.text("rates"))
        assert "degradation" not in page.text("rates")

    look_at_page(cell, lambda view: view.put_node("policy_node", 0, "pushing", values), look)


def test_the_page_shows_how_far_the_slider_is_from_its_goal(cell):
    goal = cell.task.goal_pose
    beside = PlanarPose(goal.x + 0.03, goal.y, goal.theta)
    home = Pose.from_planar(PlanarPose(*cell.task.pusher_home_m, 0.0))
    seen = [beside]

    def put(view):
        view.slider.put(seen[-1])
        view.pusher.put(home)

    def look(page):
        wait = WebDriverWait(page.driver, PATIENCE_S)
        wait.until(lambda _: "30.0 mm and 0.0 deg from its goal" in page.text("judgement"))
        assert "position off by 30.0 mm > 15.0 mm" in page.text("judgement")
        seen.append(goal)
        wait.until(lambda _: page.text("judgement").endswith("its goal: a success"))

    look_at_page(cell, put, look)


def test_a_slider_that_is_not_seen_is_not_judged(cell):
    backend = ServedConsole(cell).backend
    assert backend.state()["judgement"] is None
    backend.view.slider.put(cell.task.goal_pose)
    assert backend.state()["judgement"] is None, "the pusher is not known"
