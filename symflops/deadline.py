"""A time limit that long computations ask about: whoever sets it gets an exception, in any thread, on any system.

Seconds are those in which the thread computes, so that the same input ends in the same way on a busy machine. Full
passes of the garbage collector are no part of them: how long one takes depends on what else the program holds.

>>> with limit(0):
...     check()
Traceback (most recent call last):
symflops.deadline.OutOfTimeError: out of time
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from time import monotonic, thread_time
from typing import Any

from symflops.errors import SymflopsError

__all__ = [
    "CALL", "DERIVATION", "PER_LAYER", "OutOfTimeError", "TooLongError", "call", "check", "collection_paused", "left",
    "limit", "now", "untimed",
]  # fmt: skip

CALL = 0.7  # seconds that a call about formulas may compute; with its beginning and end it takes less than one
PER_LAYER = 0.001  # more, for each layer of a model that it is about
DERIVATION = 300.0  # seconds that a derivation may take, unless somebody says otherwise
_FOREVER = 1e12  # larger integers need not be a float


class _End:
    """The end of a limit in seconds of the thread; before the hour `wall`, it cannot have come. Asking what hour it is
    takes 0.05 µs, asking what a thread has computed 2 to 8."""

    __slots__ = ("seconds", "wall")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.wall = inf if seconds == inf else 0.0


_NEVER = _End(inf)
_end: ContextVar[_End] = ContextVar("end", default=_NEVER)
_untimed: ContextVar[float] = ContextVar("untimed", default=0.0)


class OutOfTimeError(Exception):
    """The time that a computation was given is over. Whoever set the limit catches it; users never see it."""


class TooLongError(SymflopsError):
    """What was asked for takes more time than a call has."""


def now() -> float:
    """The seconds that this thread has computed."""
    return thread_time() - _untimed.get()


def left() -> float:
    """The seconds until the time is over; infinitely many where there is no limit."""
    return _end.get().seconds - now()


@contextmanager
def limit(seconds: float) -> Iterator[None]:
    """Inside, `check` raises after so many seconds, or earlier where a limit around this one ends earlier."""
    token = _end.set(_End(min(_end.get().seconds, now() + min(seconds, _FOREVER))))
    try:
        yield
    finally:
        _end.reset(token)


@contextmanager
def collection_paused() -> Iterator[None]:
    """No cyclic garbage collection while many objects are made that all stay: each pass would walk them all again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def call(what: str, seconds: float = CALL) -> Iterator[None]:
    """The limit of all that a user's call computes, who is told in one line. Inside of another limit that ends earlier
    it is for whoever set that to say. As a decorator, the limit of each call of the function.

    >>> with call("the sum", 0):
    ...     check()
    Traceback (most recent call last):
    symflops.deadline.TooLongError: the sum takes more than 0 s of processor time
    """
    around = _end.get().seconds
    end = now() + min(seconds, _FOREVER)
    try:
        with collection_paused(), limit(seconds):  # a pass over what a program holds may take a fifth of it
            yield
    except OutOfTimeError:
        if around <= end:
            raise
        raise TooLongError(f"{what} takes more than {seconds:.3g} s of processor time") from None


@contextmanager
def untimed() -> Iterator[None]:
    """What is done inside counts for no limit: importing a library, which takes seconds the first time."""
    begun = now()
    try:
        yield
    finally:
        _untimed.set(_untimed.get() + now() - begun)


def check() -> None:
    """Raise OutOfTimeError when the time is over; loops that may take long call this once per round."""
    end = _end.get()
    if (hour := monotonic()) >= end.wall:
        left = end.seconds - now()
        if left <= 0:
            raise OutOfTimeError("out of time")
        end.wall = hour + left  # a thread computes no more than a second in a second


def _leave_out_full_pass(phase: str, info: dict[str, Any]) -> None:
    """Python calls this, in the thread that collects, before and after each pass of its collector."""
    global _pass_begun
    if info["generation"] < _ALL:
        return
    if phase == "start":
        _pass_begun = thread_time()
    else:
        _untimed.set(_untimed.get() + thread_time() - _pass_begun)


_ALL = 2  # the generation whose collection looks at every object
_pass_begun = 0.0
gc.callbacks.append(_leave_out_full_pass)
