"""A real Chromium for tests, benchmarks and screenshots."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.wait import WebDriverWait

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_OFFERED_S = 20.0
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def found_browser() -> tuple[str, str] | None:
    """The paths of a Chromium and of its driver, where both are installed."""
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


class BrowserPage:
    """The console in a browser, with a mouse that acts on the picture's pixels."""

    def __init__(self, driver: webdriver.Chrome, address: str) -> None:
        self.driver = driver
        self.size(1440, 900)
        driver.get(address)

    def size(self, width: int, height: int, phone: bool = False, dark: bool = True) -> None:
        """Of the window's inside; and the colours that the person prefers."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", features=[scheme])

    def command(self, name: str, **arguments: Any) -> Any:
        """A command of Chromium's DevTools protocol."""
        return self.driver.execute_cdp_cmd(name, arguments)

    def script(self, text: str) -> Any:
        """What a script returns."""
        return self.driver.execute_script(text)

    def text(self, element: str) -> str:
        """What an element, named by its id, says."""
        return self.script(f"return document.getElementById({element!r}).innerText")

    def press(self, action: str) -> None:
        """Click the button of an action once the page offers it."""
        button = self.driver.find_element("css selector", f"[data-action={action}]")
        offered = WebDriverWait(self.driver, _OFFERED_S)
        offered.until(
            lambda _: button.is_displayed() and button.is_enabled(), f"{action} is not offered"
        )
        button.click()

    def mouse(self, event: str, pixel: tuple[float, float]) -> None:
        """mousePressed, mouseMoved or mouseReleased at a pixel of the picture that drives."""
        left, top, width, height, columns, rows = self.script(
            "const b = document.querySelector('#driven img').getBoundingClientRect();"
            "const s = document.querySelector('#driven svg').viewBox.baseVal;"
            "return [b.left, b.top, b.width, b.height, s.width, s.height]"
        )
        x, y = left + (pixel[0] + 0.5) / columns * width, top + (pixel[1] + 0.5) / rows * height
        self.command(
            "Input.dispatchMouseEvent", type=event, x=x, y=y, button="left", buttons=1, clickCount=1
        )


@contextmanager
def open_page(address: str) -> Iterator[BrowserPage]:
    """A browser with a profile of its own; both are gone at the end."""
    found = found_browser()
    assert found is not None, "there is no chromium with chromedriver"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = found[0]
        for flag in (*_FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options=options, service=Service(found[1]))
        try:
            yield BrowserPage(driver, address)
        finally:
            driver.quit()
