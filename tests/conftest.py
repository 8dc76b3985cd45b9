"""What tests of the command line and of the agent share."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import derived_once
import pytest
from browsed import browser, opened  # noqa: F401 - (fixtures of the tests of the page)
from messages_api import Played, served
from served_site import atlas, served_site  # noqa: F401 - (fixtures of the tests of the site)

from symflops.cli import main

os.environ["SYMFLOPS_CACHE"] = os.devnull  # and derived models: what is tested is derived, unless a test says otherwise
os.environ["SYMFLOPS_ATLAS"] = os.devnull  # the same: tests of the atlas ask it
os.environ["SYMFLOPS_LIBRARY"] = os.devnull  # whoever runs the tests may have formulas of their own


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """What is derived of a config is derived once, in the fixtures of a test too."""
    with pytest.MonkeyPatch.context() as patch:
        derived_once.shared(item, patch)
        return (yield)


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command that must succeed and say nothing on stderr; gives what it printed."""

    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        captured = capsys.readouterr()
        assert (stopped.value.code, captured.err) == (0, "")
        return captured.out

    return run


@pytest.fixture
def refuse(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command that must fail; gives the one line on stderr."""

    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        captured = capsys.readouterr()
        assert (stopped.value.code, captured.out) == (3, "")
        assert captured.err.startswith("symflops: error: ")
        assert captured.err.count("\n") == 1
        return captured.err.removeprefix("symflops: error: ").removesuffix("\n")

    return run


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Played]:
    """A server that plays the Messages API, the SDK pointed at it, and an empty library."""
    with served() as played:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "key-of-a-test")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", played.url)
        monkeypatch.setenv("SYMFLOPS_LIBRARY", str(tmp_path / "library"))
        yield played


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run `symflops …`; gives exit status, stdout and stderr."""

    def command(*arguments: str) -> tuple[Any, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        captured = capsys.readouterr()
        return (stopped.value.code, captured.out, captured.err)

    return command
