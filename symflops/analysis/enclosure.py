"""The sign of a sum of products p * c**e whose powers have too many digits to be written out.

Logarithms are enclosed, to more and more places, until the sum is told from 0; what is closer to 0 is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from symflops import deadline
from symflops.errors import SymflopsError
from symflops.polynomial import Number

_PLACES = 8192  # binary ones, beyond those that the logarithms themselves need


@dataclass(frozen=True)
class Scaled:
    """A number that is not 0 times powers of positive numbers."""

    number: Number
    powers: tuple[tuple[Fraction, int], ...]


def sign_of_sum(terms: list[Scaled]) -> int:
    """The sign of a sum; 0 of none.

    >>> sign_of_sum([Scaled(-7, ((Fraction(1, 2), 10**6),)), Scaled(6, ((Fraction(1, 2), 10**6 - 1),))])
    1

    Raises SymflopsError where the sum is 0, or so close that no enclosure tells.
    """
    signs = {(t.number > 0) - (t.number < 0) for t in terms}
    if len(signs) <= 1:
        return signs.pop() if signs else 0
    with deadline.untimed():
        from mpmath import mp

    size = max(1, *(e.bit_length() for t in terms for _, e in t.powers))
    places = 64
    while places <= _PLACES:
        deadline.check()
        # An error of a logarithm is multiplied by its exponent: `size` places are for that, 32 for everything else.
        with mp.workprec(places + size + 32 + max(_bits(t) for t in terms).bit_length()):
            logarithms = [_logarithm(t) for t in terms]
            largest = max(logarithms)
            near = [(t, x - largest) for t, x in zip(terms, logarithms, strict=True) if x - largest > -places]
            total = sum((mp.exp(x) if t.number > 0 else -mp.exp(x) for t, x in near), start=mp.mpf(0))
            if abs(total) > len(terms) * mp.mpf(2) ** (8 - places):
                return 1 if total > 0 else -1
        places *= 2
    raise SymflopsError("cannot tell powers of so many digits apart")


def _bits(term: Scaled) -> int:
    """A bound of the size of a term's logarithm."""
    own = Fraction(term.number)
    total = own.numerator.bit_length() + own.denominator.bit_length()
    for c, e in term.powers:
        total += abs(e) * (c.numerator.bit_length() + c.denominator.bit_length())
    return total


def _logarithm(term: Scaled) -> Any:
    from mpmath import log, mpf

    own = abs(Fraction(term.number))
    total = log(mpf(own.numerator)) - log(mpf(own.denominator))
    for c, e in term.powers:
        total += e * (log(mpf(c.numerator)) - log(mpf(c.denominator)))
    return total
