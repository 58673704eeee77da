"""Chromium without a window, for pages that people read."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.outside_programs import REQUIRED, find_or_skip


class Browser:
    """Opens pages of this machine and knows what went wrong on them."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, page: Path) -> None:
        self.driver.get_log("browser")  # forgets what earlier pages said
        self.driver.get(page.absolute().as_uri())

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def press(self, *keys: str) -> None:
        from selenium.webdriver.common.action_chains import ActionChains

        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def errors(self) -> list[str]:
        """Everything that the console says since the page was opened."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def show(self, scheme: str = "light", medium: str = "") -> None:
        """Sets what the page is shown as: light or dark, on a screen or printed."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        arguments = {"media": medium, "features": [feature]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", arguments)

    def screenshot(self, path: Path) -> None:
        """Saves the whole page, as far down as it goes."""
        size = self.run(
            "const e = document.documentElement; return [e.scrollWidth, e.scrollHeight]"
        )
        clip = {"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1}
        shot = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True}
        )
        path.write_bytes(base64.b64decode(shot["data"]))

    def broken_images(self) -> list[str]:
        """Alternative texts of the images that are not shown."""
        script = """return [...document.images].filter(
            i => !(i.complete && i.naturalWidth > 0)).map(i => i.alt)"""
        return self.run(script)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium, chromedriver = find_or_skip("chromium"), find_or_skip("chromedriver")
    try:
        from selenium import webdriver
    except ImportError:
        (pytest.fail if os.environ.get(REQUIRED) else pytest.skip)("needs selenium")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1280,900",
        "--force-color-profile=srgb",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(chromedriver)
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield Browser(driver)
    finally:
        driver.quit()
