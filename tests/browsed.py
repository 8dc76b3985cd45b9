"""What tests of the page share: a page in Chromium, and its scripts in Node."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import symflops
from symflops.cost import METRICS
from symflops.export.html import page
from symflops.model import Model

CHROMIUM, DRIVER, NODE = (shutil.which(name) for name in ("chromium", "chromedriver", "node"))
IS_CI = "CI" in os.environ
in_a_browser = pytest.mark.browser


def text_of(*models: Model, hardware: Any = None, depth: int | None = None, **point: Any) -> str:
    return page(models, point, depth, hardware=hardware)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or "chromium"
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER or "chromedriver"))
    yield driver
    driver.quit()


class Page:
    """A page that is open, and what a user does with it."""

    def __init__(self, driver: Any, path: Path) -> None:
        self.driver = driver
        self.path = path

    def open(self, address: str = "") -> Page:
        self.driver.get("about:blank")
        self.driver.get(f"{self.path.as_uri()}{address}")
        return self

    def find(self, css: str) -> Any:
        return self.driver.find_element("css selector", css)

    def all(self, css: str) -> list[Any]:
        return list(self.driver.find_elements("css selector", css))

    def type(self, symbol: str, value: Any) -> None:
        from selenium.webdriver.common.keys import Keys

        if symbol == "causal":
            if self.find("#field-causal").is_selected() != bool(value):
                self.find("#field-causal").click()
            return
        self.find(f"#field-{symbol}").send_keys(Keys.CONTROL, "a", Keys.NULL, str(value) or Keys.DELETE)

    def paste(self, symbol: str, value: str) -> None:
        script = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))"
        self.run(script, self.find(f"#field-{symbol}"), value)

    def press(self, css: str, *keys: str) -> None:
        self.find(css).send_keys(*keys)

    def choose(self, select: str, value: str) -> None:
        script = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('change'))"
        self.run(script, self.find(f"#{select}"), value)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def texts(self, css: str) -> list[str]:
        return list(self.run("return [...document.querySelectorAll(arguments[0])].map((x) => x.textContent)", css))

    def totals(self, model: int = 0) -> list[int]:
        """The exact numbers of the totals."""
        return [int(self.find(f"#exact-{model}-{metric}").text.replace(",", "")) for metric in METRICS]

    def rows(self) -> list[tuple[str, list[int]]]:
        """Path and exact numbers of every layer, in the order shown: by metric, or by model where there are several."""
        script = """return [...document.querySelectorAll(".layers tbody tr:not(.explanation)")].map((row) =>
            [row.querySelector(".name").title.split("\\n")[0],
             [...row.querySelectorAll("td:is(.metric, .chosen)[title]")].map((cell) => cell.title).filter(Boolean)])"""
        found = self.run(script)
        return [(path, [int(title.split()[0].replace(",", "")) for title in titles]) for path, titles in found]

    def emulate(self, width: int = 1280, **media: str) -> None:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": media.get("scheme", "light")}]
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"media": media.get("media", ""), "features": features}
        )

    def wait(self, condition: str) -> None:
        from selenium.webdriver.support.wait import WebDriverWait

        WebDriverWait(self.driver, 5).until(lambda driver: driver.execute_script(f"return {condition}"))


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """A function that writes a page of models and opens it. At the end, the browser's console must be empty."""

    def show(*models: str | dict[str, Any], address: str = "", **point: Any) -> Page:
        path = tmp_path / "report.html"
        path.write_text(text_of(*(symflops.load(model) for model in models), **point), "utf-8")
        shown = Page(browser, path)
        shown.emulate()
        return shown.open(address)

    browser.get_log("browser")
    yield show
    assert browser.get_log("browser") == []


PAGE = Path(page.__code__.co_filename).parent / "page"


def node(program: str, tmp_path: Path) -> Any:
    scripts = "\n".join(
        (PAGE / name).read_text("utf-8") for name in ("exact.js", "program.js", "numbers.js", "machine.js")
    )
    (tmp_path / "main.js").write_text(f"{scripts}\n{program}", "utf-8")
    done = subprocess.run([NODE or "node", tmp_path / "main.js"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)
