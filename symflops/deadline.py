"""A time limit that long computations ask about: whoever sets it gets an exception, in any thread, on any system.

Seconds are those in which the thread computes, so that the same input ends in the same way on a busy machine.

>>> with limit(0):
...     check()
Traceback (most recent call last):
symflops.deadline.OutOfTimeError: out of time
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from time import thread_time as now

__all__ = ["DERIVATION", "OutOfTimeError", "check", "limit", "now"]

DERIVATION = 300.0  # seconds that a derivation may take, unless somebody says otherwise

_end: ContextVar[float] = ContextVar("end", default=inf)


class OutOfTimeError(Exception):
    """The time that a computation was given is over. Whoever set the limit catches it; users never see it."""


@contextmanager
def limit(seconds: float) -> Iterator[None]:
    """Inside, `check` raises after so many seconds, or earlier where a limit around this one ends earlier."""
    token = _end.set(min(_end.get(), now() + seconds))
    try:
        yield
    finally:
        _end.reset(token)


def check() -> None:
    """Raise OutOfTimeError when the time is over; loops that may take long call this once per round."""
    if now() >= _end.get():
        raise OutOfTimeError("out of time")
