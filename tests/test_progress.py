"""What long computations show: nothing at first, then one line, on a terminal or in a notebook, and nothing after."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from importlib import util
from types import ModuleType
from typing import Any

import pytest

from symflops import progress
from symflops.cli import request, streams


class Stream(io.StringIO):
    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


def stderr_of(monkeypatch: pytest.MonkeyPatch, *, terminal: bool = True) -> Stream:
    """Stderr is a terminal of 80 columns, or is none; called in a test, since pytest sets stderr as one begins."""
    stream = Stream(terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    return stream


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line is shown at once and not after two seconds."""
    monkeypatch.setattr(progress, "_AFTER", 0.0)


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "not within 30 seconds"
        time.sleep(0.01)


def test_what_takes_less_than_two_seconds_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = stderr_of(monkeypatch)
    with progress.shown("deriving llama"):
        progress.tell("a step")
        progress.at("model.layers.0", 1, 4)
    assert stderr.getvalue() == ""
    assert progress._AFTER == 2


@pytest.mark.usefixtures("at_once")
def test_one_line_says_what_is_done_and_is_gone_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = stderr_of(monkeypatch)
    with progress.shown("deriving llama"):
        progress.tell("with cached tokens")
        progress.run()
        progress.at("model.layers.0.mlp", 3, 12)
        wait_for(lambda: "deriving llama: run 1: model.layers.0.mlp (with cached" in stderr.getvalue())
        progress.tell("[red]as[/red] \x1b[2J " + "x" * 500)
        wait_for(lambda: "deriving llama: run 1 ([red]as[/red] \\x1b[2J" in stderr.getvalue())
        assert "\n" not in stderr.getvalue()
    assert stderr.getvalue().endswith("\x1b[1A\x1b[2K")  # up to the line, and erased
    before = len(stderr.getvalue())
    time.sleep(0.3)
    assert len(stderr.getvalue()) == before


@pytest.mark.usefixtures("at_once")
def test_no_terminal_and_quiet_show_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = stderr_of(monkeypatch)
    with streams.quiet(), request.progress(), progress.shown("deriving llama"):
        progress.tell("a step")
        time.sleep(0.3)
    stderr.terminal = False
    with request.progress(), progress.shown("deriving llama"):
        progress.tell("a step")
        time.sleep(0.3)
    assert stderr.getvalue() == ""


@pytest.mark.usefixtures("at_once")
def test_a_notebook_without_widgets_shows_text(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = stderr_of(monkeypatch, terminal=False)  # as in a kernel
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    find: Any = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name: None if name == "ipywidgets" else find(name))
    with progress.shown("deriving llama"):
        wait_for(lambda: "deriving llama" in stderr.getvalue())


def test_a_part_has_a_title_of_its_own_and_the_whole_goes_on() -> None:
    with progress.shown("writing a formula"):
        progress.tell("asking")
        with progress.shown("deriving llama"):
            progress.at("reading the config")
            assert progress.last() == "reading the config"
        assert progress.last() == ""
        assert progress._current.get().title == "writing a formula"  # type: ignore[union-attr]  # one is shown
    assert progress.last() == ""
