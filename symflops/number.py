"""Powers, roots and logarithms of exact rational numbers, within the limits that keep them computable."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

from symflops import budget
from symflops.errors import NoValueError, SymflopsError
from symflops.tree import MAX_BITS, exact

Number = int | Fraction

_PRIMES = [n for n in range(2, 1000) if all(n % d for d in range(2, isqrt(n) + 1))]
_FACTORING = 30  # steps of a budget


def is_small_power(base: Number, exponent: int) -> bool:
    """Whether a power lies between -1 and 1 and has more digits than are worth writing out: (7/8)**4096."""
    ratio = Fraction(base)
    if ratio == 0 or abs(ratio) == 1 or (abs(ratio) < 1) is not (exponent > 0):
        return False
    return max(abs(ratio.numerator).bit_length(), ratio.denominator.bit_length()) * abs(exponent) > MAX_BITS


def number_power(base: Number, exponent: int) -> Number:
    """The power; one with very many digits between -1 and 1 to 512 significant bits.

    Raises SymflopsError for a division by zero and for a power of too many digits.
    """
    ratio = Fraction(base)
    if exponent < 0 < abs(ratio.numerator) and abs(ratio) > 1:
        ratio, exponent = 1 / ratio, -exponent
    if ratio == 0 and exponent < 0:
        raise NoValueError("division by zero")
    bits = max(abs(ratio.numerator).bit_length(), ratio.denominator.bit_length()) * abs(exponent)
    if abs(ratio) in (0, 1) or bits <= MAX_BITS:
        return exact(ratio**exponent)
    if abs(ratio) > 1 or exponent < 0 or budget.is_open():  # a formula is exact, and its text can be read back
        raise SymflopsError(f"power of more than {MAX_BITS} bits")
    return ratio**exponent if bits <= 16 * MAX_BITS else _small_power(ratio, exponent)


def check_bits(number: Number) -> None:
    """Raise SymflopsError for a number too long for a formula; what is computed of formulas may be longer."""
    bits = max(number.numerator.bit_length(), number.denominator.bit_length())
    if bits > MAX_BITS and (bits > 64 * MAX_BITS or budget.is_open()):
        raise SymflopsError(f"integer of more than {MAX_BITS if budget.is_open() else 64 * MAX_BITS} bits")


def _small_power(base: Fraction, exponent: int) -> Fraction:
    """A proper fraction to a huge power, to 512 significant bits: exact digits would fill the memory for a
    probability such as (1 - 1/256)**10**9, and no count of bytes depends on them."""
    from mpmath import mp, mpf

    with mp.workprec(512):
        mantissa = (mpf(base.numerator) / base.denominator) ** exponent
        sign, significand, shift, _ = mantissa._mpf_
    if shift < -8 * MAX_BITS:
        return Fraction(0)
    return Fraction((-1) ** sign * int(significand)) * Fraction(2) ** int(shift)


def rational_root(a: Number) -> Number | None:
    """The square root of a number that is not negative, where it is rational."""
    top, bottom = isqrt(a.numerator), isqrt(a.denominator)
    is_square = top * top == a.numerator and bottom * bottom == a.denominator
    return exact(Fraction(top, bottom)) if is_square else None


def rational_logarithm2(a: Number) -> int | None:
    """The binary logarithm of a positive number, where it is whole; elsewhere it is not rational."""
    if a.numerator & (a.numerator - 1) or a.denominator & (a.denominator - 1):
        return None
    return a.numerator.bit_length() - a.denominator.bit_length()


def prime_factors(number: int) -> dict[int, int]:
    """The exponents of the primes below 1,000 in a positive integer, and of what is left, which is not a square.

    >>> prime_factors(360), prime_factors(4 * 1009**2)
    ({2: 3, 3: 2, 5: 1}, {2: 2, 1009: 2})
    """
    budget.charge(_FACTORING)
    found: dict[int, int] = {}
    for prime in _PRIMES:
        while number % prime == 0:
            number //= prime
            found[prime] = found.get(prime, 0) + 1
    times = 1
    while number > 1 and isqrt(number) ** 2 == number:
        number, times = isqrt(number), 2 * times
    return found | ({number: times} if number > 1 else {})
