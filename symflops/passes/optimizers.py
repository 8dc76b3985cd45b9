"""Optimizers: what a step costs, a formula of the library, and the bytes that are kept from step to step."""

from __future__ import annotations

from dataclasses import dataclass

from symflops.errors import SymflopsError, nearest
from symflops.polynomial import Value, multiply

FLOAT32 = 4  # bytes, of moments and of the copy that a step is done on


@dataclass(frozen=True)
class Optimizer:
    """The formula of a step, and how many numbers in float32 it keeps for each weight."""

    formula: str
    moments: int

    def state(self, weights: Value, mixed: bool) -> Value:
        """The bytes that are kept between steps: moments, and with `mixed` precision a copy of the weights.

        >>> named("adamw").state(1000, mixed=True), named("sgd").state(1000, mixed=False)
        (12000, 4000)
        """
        return multiply(FLOAT32 * (self.moments + mixed), weights)


_OPTIMIZERS = {"adamw": Optimizer("adamw", 2), "adam": Optimizer("adam", 2), "sgd": Optimizer("sgd", 1)}
NAMES = tuple(_OPTIMIZERS)


def named(name: str) -> Optimizer:
    """The optimizer of this name, in either case.

    >>> named("adanw")
    Traceback (most recent call last):
    symflops.errors.SymflopsError: no such optimizer 'adanw'; did you mean 'adamw'?
    """
    if str(name).lower() not in _OPTIMIZERS:
        raise SymflopsError(f"no such optimizer {str(name)[:60]!r}{nearest(str(name), NAMES)}")
    return _OPTIMIZERS[name.lower()]
