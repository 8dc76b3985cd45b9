"""Rational numbers: powers, roots and logarithms against Python's own integers, and huge powers against mpmath."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from mpmath import mp, mpf

from symflops.errors import SymflopsError
from symflops.number import is_small_power, number_power, rational_logarithm2, rational_root
from symflops.tree import MAX_BITS

NUMBERS = [Fraction(p, q) for p in range(-12, 13) for q in (1, 2, 3, 4, 9)]


def test_powers_are_repeated_products() -> None:
    for number in NUMBERS:
        for exponent in range(-6, 7):
            if number == 0 and exponent < 0:
                with pytest.raises(SymflopsError, match="division by zero"):
                    number_power(number, exponent)
                continue
            product = math.prod([number] * abs(exponent), start=Fraction(1))
            found = number_power(number, exponent)
            assert found == (product if exponent >= 0 else 1 / product)
            assert (type(found) is int) == (Fraction(found).denominator == 1)


def test_zero_and_one_to_any_power() -> None:
    assert [number_power(n, 10**30) for n in (0, 1, -1)] == [0, 1, 1]
    assert number_power(-1, 10**30 + 1) == -1
    assert number_power(-1, -(10**30) - 1) == -1
    assert number_power(0, 0) == 1


def test_a_power_has_a_size_that_it_may_reach() -> None:
    assert number_power(2, MAX_BITS // 2) == 2 ** (MAX_BITS // 2)  # 2 has two bits
    assert number_power(Fraction(1, 2), -MAX_BITS // 2) == 2 ** (MAX_BITS // 2)
    for base, exponent in ((2, MAX_BITS // 2 + 1), (3, MAX_BITS), (Fraction(1, 3), -MAX_BITS), (-9, MAX_BITS)):
        with pytest.raises(SymflopsError, match=f"power of more than {MAX_BITS} bits"):
            number_power(base, exponent)


@pytest.mark.parametrize("base", [Fraction(255, 256), Fraction(1, 3), Fraction(-3, 4), Fraction(999_999, 10**6)])
@pytest.mark.parametrize("exponent", [300, 5000, 5001, 60_000, 10**6, 10**9 + 1])
def test_huge_powers_of_proper_fractions(base: Fraction, exponent: int) -> None:
    found = number_power(base, exponent)
    with mp.workprec(1100):
        wanted = (mpf(base.numerator) / base.denominator) ** exponent
        difference = abs(mpf(found.numerator) / found.denominator - wanted)
        assert difference <= abs(wanted) * mpf(2) ** -480 or (found == 0 and abs(wanted) < mpf(2) ** -30_000)
    assert (found > 0) == (wanted > 0) or found == 0
    if exponent * base.denominator.bit_length() <= 65_536:  # bits: few enough to be exact
        assert found == base**exponent


@pytest.mark.parametrize(
    ("base", "exponent", "small"),
    [
        (Fraction(1, 2), 9000, True), (Fraction(-1, 2), 9000, True), (2, -9000, True), (Fraction(3, 2), -9000, True),
        (Fraction(2, 3), 9000, True), (-7, -9000, True), (Fraction(1, 2), -9000, False), (2, 9000, False),
        (Fraction(3, 2), 9000, False), (Fraction(1, 2), 100, False), (3, -100, False), (1, 10**9, False),
        (1, -(10**9), False),        (-1, 10**9, False), (0, 10**9, False), (Fraction(2, 3), -9000, False),
    ],
)  # fmt: skip
def test_which_powers_are_small_and_have_very_many_digits(base: int | Fraction, exponent: int, small: bool) -> None:
    assert is_small_power(base, exponent) == small


def test_a_small_power_with_a_negative_exponent() -> None:
    assert number_power(3, -5000) == Fraction(1, 3**5000)
    assert number_power(Fraction(-7, 2), -3001) == Fraction(-2, 7) ** 3001


def test_roots_are_those_whose_square_it_is() -> None:
    roots = {n * n: n for n in NUMBERS if n >= 0}
    for number in {abs(n) for n in NUMBERS} | roots.keys():
        found = rational_root(number)
        assert found == roots.get(number) or (found is not None and found * found == number)
        assert (type(found) is int) == (found is not None and Fraction(found).denominator == 1)
    assert rational_root(10**40) == 10**20
    assert rational_root(10**40 + 1) is None
    assert rational_root(Fraction(4, 3)) is None
    assert rational_root(Fraction(3, 4)) is None


def test_logarithms_of_powers_of_two() -> None:
    for exponent in range(-70, 71):
        assert rational_logarithm2(Fraction(2) ** exponent) == exponent
    for number in (3, 5, 6, 12, 2**60 + 1, 2**60 - 1, Fraction(1, 3), Fraction(2, 3), Fraction(3, 2), Fraction(1, 6)):
        assert rational_logarithm2(number) is None
