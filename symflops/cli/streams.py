"""What is printed reaches the terminal whatever its encoding, and the file behind it or an error says why not."""

from __future__ import annotations

import codecs
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from io import TextIOWrapper
from textwrap import wrap
from types import FrameType
from typing import TextIO

from symflops.errors import SymflopsError

# What is printed beyond ASCII, for terminals that have no more.
_PLAIN = {
    "×": "x", "·": "*", "…": "...", "⋮": ":", "\u2013": "-", "—": "-", "\u2212": "-", "≤": "<=", "≥": ">=", "≠": "!=",
    "≈": "~", "→": "->", "²": "^2", "³": "^3", "°": " deg", "±": "+-", "∞": "inf", "\u2019": "'", "“": '"', "”": '"',
    "µ": "u", "─": "-", "│": "|", "├": "|", "└": "`", "█": "#", "∑": "sum", "√": "sqrt",
}  # fmt: skip


_QUIET = ContextVar("quiet", default=False)


@contextmanager
def quiet(wanted: bool = True) -> Iterator[None]:
    """Inside, nothing is printed beside answers and errors."""
    token = _QUIET.set(wanted or _QUIET.get())
    try:
        yield
    finally:
        _QUIET.reset(token)


def is_quiet() -> bool:
    return _QUIET.get()


def tell(text: str) -> None:
    """A line beside the answer, on stderr and below what was printed before; nothing where quiet was asked for."""
    if not _QUIET.get():
        sys.stdout.flush()
        print(_fitted(text), file=sys.stderr)


def _in_plain_letters(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in text), error.end


codecs.register_error("symflops", _in_plain_letters)


@contextmanager
def printing() -> Iterator[None]:
    """Inside, what the terminal cannot show is printed in plain letters, and being told to end is an exception, so that
    unfinished files are removed. At the end everything has been printed.

    Raises SymflopsError where it cannot be, such as on a full disk; BrokenPipeError where nobody reads it.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="symflops")
    before = _on_termination(_terminate)
    try:
        yield
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        abandon(sys.stdout)
        raise
    except OSError as error:
        abandon(sys.stdout)
        raise SymflopsError(f"cannot write the output: {error.strerror or error}") from None
    finally:
        _on_termination(before)


def open_closed() -> None:
    """What was closed before the program began takes what is written and keeps nothing; Python would print to stdout
    what is meant for a stderr that is not there."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  # until the program ends


def complain(line: str) -> None:
    """One line on stderr, whether or not somebody reads it."""
    try:
        print(_fitted(line), file=sys.stderr, flush=True)
    except OSError:
        abandon(sys.stderr)


def _fitted(line: str) -> str:
    """On a terminal a line goes on below itself, between words: names and paths stay whole, to be copied."""
    if not sys.stderr.isatty():
        return line
    columns = shutil.get_terminal_size().columns
    return "\n".join(wrap(line, columns, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False))


def abandon(stream: TextIO | None) -> None:
    """What is still to be printed goes nowhere: Python would try once more at its end, and complain."""
    try:
        if stream is not None:
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())
    except (OSError, ValueError):  # no file behind it
        return


def _terminate(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _on_termination(handler: signal.Handlers | object) -> object:
    try:
        return signal.signal(signal.SIGTERM, handler)  # type: ignore[arg-type]  # what `signal` gave before
    except (ValueError, TypeError):  # not in the main thread, which alone is told
        return handler
