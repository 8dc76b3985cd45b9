"""What a long computation is doing, shown on a terminal or in a notebook once it takes more than two seconds.

Computations say what they do (`tell`, `run`, `at`); whoever begins one opens `shown`, the outermost of which counts.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Timer
from time import monotonic
from typing import TYPE_CHECKING

from symflops.errors import one_line

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

_AFTER = 2.0  # seconds in which nothing is shown
_PER_SECOND = 8  # times that the line is drawn
_BAR = 12  # columns


@dataclass
class _Doing:
    """What is being done: the whole, its step, and how far its run is."""

    title: str = ""
    step: str = ""
    runs: int = 0
    place: str = ""  # the layer that is being recorded
    done: int = 0
    total: int = 0
    since: float = field(default_factory=monotonic)

    def begin(self, title: str) -> None:
        self.title, self.step, self.runs, self.place, self.done, self.total = title, "", 0, "", 0, 0

    @property
    def text(self) -> str:
        return one_line(": ".join(part for part in (self.title, self.last) if part))

    @property
    def last(self) -> str:
        """What is done at the moment: the run and the layer of a step, or the step."""
        parts = [f"run {self.runs}" if self.runs else "", self.place]
        run = ": ".join(part for part in parts if part)
        return f"{run} ({self.step})" if run and self.step else run or self.step


_current: ContextVar[_Doing | None] = ContextVar("doing", default=None)


def tell(step: str) -> None:
    """Say what is done from now on."""
    if (doing := _current.get()) is not None:
        doing.step, doing.place, doing.done, doing.total = step, "", 0, 0


def run() -> None:
    """Say that a model is run once more."""
    if (doing := _current.get()) is not None:
        doing.runs += 1
        doing.place, doing.done, doing.total = "", 0, 0


def at(place: str, done: int = 0, total: int = 0) -> None:
    """Say what part of a step or of a run is on, such as a layer, and how many there have been of how many."""
    if (doing := _current.get()) is not None:
        doing.place, doing.done, doing.total = place, done, total


def last() -> str:
    """What was done last inside of `shown`."""
    doing = _current.get()
    return "" if doing is None else doing.last


@contextmanager
def shown(title: str = "", *, wanted: bool = True) -> Iterator[None]:
    """Inside, what is being done is shown on one line that is gone afterwards: on stderr where that is a terminal, and
    in a notebook. Inside of another one, only the title is its own."""
    outer = _current.get()
    if outer is not None:
        before = outer.title
        outer.begin(title or before)
        try:
            yield
        finally:
            outer.begin(before)
        return
    doing = _Doing(title)
    token = _current.set(doing)
    display = _Display(doing) if wanted and (_on_terminal() or _in_kernel()) else None
    try:
        yield
    finally:
        _current.reset(token)
        if display is not None:
            display.end()


def _on_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _in_kernel() -> bool:
    """Whether this is the process behind a notebook."""
    return "ipykernel" in sys.modules


class _Display:
    """The line. A thread begins it after two seconds and another, rich's, draws it: the computation waits for none."""

    def __init__(self, doing: _Doing) -> None:
        self.doing = doing
        self.live: Live | None = None
        self.timer = Timer(_AFTER, self.begin)
        self.timer.daemon = True
        self.timer.start()

    def begin(self) -> None:
        from rich.live import Live

        # Others' streams are left alone: rich would stand between them and whoever writes meanwhile.
        self.live = Live(
            console=_console(), get_renderable=self.line, refresh_per_second=_PER_SECOND, transient=True,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip
        self.live.start()

    def end(self) -> None:
        self.timer.cancel()
        self.timer.join()
        if self.live is not None:
            self.live.stop()

    def line(self) -> RenderableType:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        doing, seconds = self.doing, int(monotonic() - self.doing.since)
        grid = Table.grid(padding=(0, 1), expand=True)
        grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        bar = ProgressBar(doing.total or None, doing.done, width=_BAR, pulse=not doing.total)
        grid.add_row(Text(doing.text), bar, Text(f"{seconds // 60}:{seconds % 60:02}"))
        return grid


def _console() -> Console:
    from importlib.util import find_spec

    from rich.console import Console

    if not _on_terminal() and find_spec("ipywidgets") is None:  # a notebook has nothing but text to show then
        return Console(stderr=True, force_jupyter=False, force_terminal=True)
    return Console(stderr=True)
