"""The tiers of the tests: a test that needs what is not there is skipped; `--without-torch` hides PyTorch.

A file that imports PyTorch says `pytestmark = pytest.mark.torch`, and is not imported without it.
"""

from __future__ import annotations

import gc
import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

MARKED = re.compile(r"^pytestmark = .*\bpytest\.mark\.torch\b", re.MULTILINE)
PACKAGE = Path(__file__).parent / "symflops"
NEED_TORCH = {PACKAGE / "trace", PACKAGE / "agent", PACKAGE / "analysis/counting.py"}  # so their doctests do, too
PROGRAMS = {"browser": ("chromium", "chromedriver"), "latex": ("pdflatex",)}
MISSING = pytest.StashKey[dict[str, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--without-torch", action="store_true", help="hide PyTorch and transformers, as if not installed")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--without-torch"):
        sys.modules |= dict.fromkeys(("torch", "transformers"))  # type: ignore[arg-type] # None: an import fails
    missing = config.stash[MISSING] = {}
    if not all(map(importlib.util.find_spec, ("torch", "transformers"))):
        missing["torch"] = "needs PyTorch and transformers"
    if "CI" not in os.environ:  # which has all of them, or fails
        for marker, programs in PROGRAMS.items():
            if not all(map(shutil.which, programs)):
                missing[marker] = f"needs {' and '.join(programs)}"


class NotImported(pytest.File):
    """A file that cannot be imported without PyTorch: one skip."""

    def collect(self) -> Iterator[pytest.Item]:
        pytest.skip(self.config.stash[MISSING]["torch"], allow_module_level=True)


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(
    file_path: Path, parent: pytest.Collector
) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    collectors = yield
    if file_path.parent.name == "tests" and not file_path.name.startswith("test_"):
        return []  # what tests share has no doctests
    if collectors and "torch" in parent.config.stash[MISSING]:
        text = file_path.read_text("utf-8")
        if MARKED.search(text) or not NEED_TORCH.isdisjoint([file_path, *file_path.parents]):
            return [NotImported.from_parent(parent, path=file_path)]
    return collectors


def pytest_runtest_setup(item: pytest.Item) -> None:
    # What earlier tests keep is set aside: a pass of the collector over millions of objects takes a second of processor
    # time, for which a call with a limit would be charged.
    gc.collect()
    gc.freeze()
    for marker, why in item.config.stash[MISSING].items():
        if item.get_closest_marker(marker):
            pytest.skip(why)
