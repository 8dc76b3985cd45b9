"""A budget of steps for one text: what a user writes is computed within about a second and a few hundred megabytes.

Steps are counted, not timed, so the same text has the same answer on every machine. A step is about what multiplying
two terms takes. Whoever reads a text opens a budget; whatever computes charges it before it begins. Where no budget is
open, as when the costs of a model's layers are added up, nothing is counted.

>>> with budget(10):
...     charge(11)
Traceback (most recent call last):
symflops.budget.TooLargeError: the formula is too large: computing it takes more than 10 steps
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from symflops import deadline
from symflops.errors import SymflopsError

STEPS = 200_000  # for one text


class TooLargeError(SymflopsError):
    """A formula that takes more steps than its budget has, or whose text would be longer than can be read."""


class _Account:
    __slots__ = ("left", "steps")

    def __init__(self, steps: int) -> None:
        self.steps = self.left = steps


_open: ContextVar[_Account | None] = ContextVar("budget", default=None)


@contextmanager
def budget(steps: int | None = None) -> Iterator[None]:
    """A budget of its own for what is computed inside. What is used of it counts for a budget around it, too."""
    around = _open.get()
    account = _Account(STEPS if steps is None else steps)
    token = _open.set(account)
    try:
        yield
    finally:
        _open.reset(token)
    if around is not None:
        charge(account.steps - account.left)


def is_open() -> bool:
    """Whether what is computed now comes from a text with a budget."""
    return _open.get() is not None


def charge(steps: int, reason: str = "") -> None:
    """Take steps from the budget that is open. Raises TooLargeError, for this reason, where it has not as many left,
    and OutOfTimeError where the time is over."""
    deadline.check()
    account = _open.get()
    if account is not None:
        account.left -= steps
        if account.left < 0:
            reason = reason or f"computing it takes more than {account.steps:,} steps"
            raise TooLargeError(f"the formula is too large: {reason}")
