"""Sums of p(n)*b**n with polynomials p and numbers b > 0, at whole n: their signs, and where these change.

With g(n) = f(n + 1) - b*f(n), which is one term simpler for a well-chosen b, f(n)/b**n rises where g is positive and
falls where it is negative; so between two changes of sign of g one bisection finds that of f. Numbers are exact.
Powers of very many digits are not written out: `enclosure` finds the sign of their sum, and those that are smaller
than every other value of the sum, such as (7/8)**100000, decide only where the rest is 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import comb, lcm, log2

from symflops import deadline
from symflops.analysis.enclosure import Scaled, sign_of_sum
from symflops.errors import SymflopsError
from symflops.number import number_power
from symflops.polynomial import Call, Number, Polynomial, Value, terms_of
from symflops.summation import linear

MAX_BITS = 512  # of the numbers searched
MAX_NUMBER_BITS = 1024  # of a number that may stand for a symbol
MAX_TERMS = 24  # of a sum: each one more is one more round of bisections
_LONG = 8192  # bits: a base with more is slow to compute with
MAX_EXACT = 65_536  # bits of a value that is computed exactly

Terms = dict[Fraction, list[Number]]  # base b to the coefficients of p(n), lowest first
Powers = tuple[tuple[Fraction, int, int], ...]  # each the power c**(slope*n + offset), as (c, slope, offset)


@dataclass(frozen=True)
class Exponential:
    """A sum of p(n)*b**n (`terms`), and powers whose sum is smaller than any value of these but 0 (`faint`)."""

    terms: Terms
    faint: dict[Powers, list[Number]] = field(default_factory=dict)


def exponential(value: Value, name: str, first: int = 1) -> Exponential:
    """A value as a sum of p(n)*b**n with b > 0, for n from `first` on. Raises SymflopsError for one that is not."""
    written: dict[Fraction, dict[int, Number]] = {}
    long: dict[Powers, dict[int, Number]] = {}
    for monomial, coefficient in terms_of(value).items():
        degree, powers = 0, []
        for factor, exponent in monomial:
            if factor == name and exponent > 0:
                degree = exponent
            else:
                powers.append(_power_of(factor, exponent, name))
        key = tuple(sorted(powers))
        if any(bits_of(p) > _LONG for p in key):
            long.setdefault(key, {})[degree] = coefficient
        else:
            _write_out(written, key, degree, coefficient, first, value)
    faint = {key: _dense(p) for key, p in long.items()}
    if (
        len(faint) == 1 and not written and all(c > 0 for c, _, _ in next(iter(faint)))
    ):  # the power is positive: only what it is multiplied with decides
        return Exponential({Fraction(1): next(iter(faint.values()))})
    if faint and not _is_faint(faint, {b: _dense(p) for b, p in written.items()}, first):
        for key, p in long.items():
            for degree, coefficient in p.items():
                _write_out(written, key, degree, coefficient, first, value)
        faint = {}
    terms = {b: c for b, p in written.items() if (c := _dense(p))}
    if sum(map(len, terms.values())) > MAX_TERMS:
        raise SymflopsError(f"degree too high to solve: more than {MAX_TERMS} terms in {name}")
    return Exponential(terms, faint)


def _write_out(
    written: dict[Fraction, dict[int, Number]],
    powers: Powers,
    degree: int,
    coefficient: Number,
    first: int,
    value: Value,
) -> None:
    """Add a term, its powers computed: c**(slope*n + offset) is c**offset * (c**slope)**n."""
    base = Fraction(1)
    for power in powers:
        if bits_of(power) > MAX_EXACT:
            raise SymflopsError(f"cannot decide the sign of {str(value)[:100]}: a power of too many digits")
        c, slope, offset = power
        if c == 0 and slope * first + offset <= 0:
            raise SymflopsError(f"cannot decide the sign of {str(value)[:100]}: a power of 0")
        if c == 0:
            return  # 0 to a positive power
        base, coefficient = base * Fraction(number_power(c, slope)), coefficient * number_power(c, offset)
    if base < 0:
        raise SymflopsError(f"cannot decide the sign of {str(value)[:100]}: a power of a negative number")
    terms = written.setdefault(base, {})
    terms[degree] = terms.get(degree, 0) + coefficient


def _power_of(factor: str, exponent: int, name: str) -> tuple[Fraction, int, int]:
    """(c, slope, offset) with factor**exponent = c**(slope*n + offset)."""
    if isinstance(factor, Call) and factor.function == "**" and not isinstance(factor.arguments[0], Polynomial):
        slope, offset = linear(factor.arguments[1], name)
        if isinstance(slope, int) and isinstance(offset, int):
            return Fraction(factor.arguments[0]), slope * exponent, offset * exponent
    raise SymflopsError(f"cannot solve with {str(factor)[:100]}: only sums, products, powers, min, max, floor and ceil")


def bits_of(power: tuple[Fraction, int, int]) -> int:
    """How many bits the constant parts of a power c**(slope*n + offset) have."""
    c, slope, offset = power
    size = max(c.numerator.bit_length(), c.denominator.bit_length()) if abs(c) not in (0, 1) else 0
    return size * max(abs(slope), abs(offset))


def _is_faint(faint: dict[Powers, list[Number]], rest: Terms, first: int) -> bool:
    """Whether the sum of these terms is, at every number that a symbol may stand for, smaller than every value of the
    rest that is not 0: a polynomial is a multiple of 1/(its common denominator)."""
    if set(rest) - {Fraction(1)}:
        return False
    least = -log2(lcm(*(Fraction(c).denominator for p in rest.values() for c in p))) - 2
    for powers, polynomial in faint.items():
        size = 0.0
        for c, slope, offset in powers:
            if not 0 < c < 1 or slope < 0 or slope * first + offset <= 0:
                return False
            # No farther down than this: an exponent beyond is as good.
            size += log2(c) * min(slope * first + offset, 10**12)
        coefficient = max(abs(Fraction(c)) for c in polynomial)
        size += float(coefficient.numerator.bit_length() - coefficient.denominator.bit_length() + 1)
        size += MAX_NUMBER_BITS * (len(polynomial) - 1) + log2(len(polynomial))
        if size + log2(len(faint)) > least:
            return False
    return True


def _dense(polynomial: dict[int, Number]) -> list[Number]:
    return _trimmed([polynomial.get(k, 0) for k in range(max(polynomial) + 1)])


def _trimmed(polynomial: list[Number]) -> list[Number]:
    while polynomial and polynomial[-1] == 0:
        polynomial = polynomial[:-1]
    return polynomial


# ---------------------------------------------------------------------------------------------------------------- signs


def sign(number: Number) -> int:
    return (number > 0) - (number < 0)


def sign_at(function: Exponential, n: int) -> int:
    """The exact sign at a whole number. Raises SymflopsError where no enclosure tells it from 0."""
    deadline.check()
    values = [(base, p) for base, polynomial in function.terms.items() if (p := _at(polynomial, n))]
    found = {sign(p) for _, p in values}
    if len(found) == 1:
        return found.pop()
    if found:
        bits = n * max(max(b.numerator.bit_length(), b.denominator.bit_length()) for b, _ in values if b != 1)
        if bits <= MAX_EXACT:
            result = sign(sum((p * b**n for b, p in values), start=Fraction(0)))
        else:
            result = sign_of_sum([Scaled(p, ((b, n),)) for b, p in values])
        if result:
            return result
    faint = [
        Scaled(p, tuple((c, slope * n + offset) for c, slope, offset in powers))
        for powers, polynomial in function.faint.items()
        if (p := _at(polynomial, n))
    ]
    return sign_of_sum(faint)


def _at(polynomial: list[Number], n: int) -> Number:
    p: Number = 0
    for c in reversed(polynomial):
        p = p * n + c
    return p


def sign_at_infinity(function: Exponential) -> int:
    """The sign at all numbers that are large enough; of the faint terms alone, that of their largest."""
    if function.terms:
        return sign(function.terms[max(function.terms)][-1])
    return sign_at(function, 1 << MAX_BITS)


def marks(function: Exponential, first: int, last: int | None) -> list[int]:
    """Whole numbers, the ends among them, between which (exclusively) the sign of a function does not change."""
    if not function.terms and function.faint:
        raise SymflopsError("cannot compare powers of so many digits")
    ends = [first] if last is None or last == first else [first, last]
    if sum(map(len, function.terms.values())) <= 1:
        return ends
    base = min(function.terms, key=lambda b: (b != 1, len(function.terms[b])))
    inner = marks(_simpler(function, base), first, last)
    found = set(ends)
    for here, following in zip(inner, [*inner[1:], None], strict=True):
        # function(n)/base**n is monotonic on here + 1, …, following
        found.add(here)
        start = here + 1
        if following is not None:
            found.update((following, min(start, following)))
            _bisect(function, start, following, found)
        elif last is None:
            found.add(start)
            final, end = sign_at_infinity(function), start
            while sign_at(function, end) != final:
                end = here + 2 * (end - here)
                if end.bit_length() > MAX_BITS:
                    raise SymflopsError(f"the sign changes beyond {MAX_BITS} bits")
            _bisect(function, start, end, found)
    return sorted(found)


def _simpler(function: Exponential, base: Fraction) -> Exponential:
    """f(n + 1) - base*f(n)."""
    result: Terms = {}
    for b, p in function.terms.items():
        shifted = [sum((comb(j, k) * p[j] for j in range(k, len(p))), start=0) for k in range(len(p))]
        terms = _trimmed([b * s - base * c for s, c in zip(shifted, p, strict=True)])
        if terms:
            result[b] = terms
    return Exponential(result)


def _bisect(function: Exponential, start: int, end: int, found: set[int]) -> None:
    """Add the numbers around each change of sign on start, …, end, where the signs come in order."""
    final = sign_at(function, end)
    while (here := sign_at(function, start)) != final:
        low, high = start, end
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if sign_at(function, middle) == here else (low, middle)
        found.update((low, high))
        start = high
    found.add(end)
