"""Sums of p(n)*b**n against Python's fractions, number by number."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest

from symflops.algebra import from_text
from symflops.analysis.enclosure import Scaled, sign_of_sum
from symflops.analysis.exponential import (
    Exponential,
    exponential,
    marks,
    sign,
    sign_at,
    sign_at_infinity,
)
from symflops.errors import SymflopsError

BASES = [Fraction(1), Fraction(1), Fraction(1, 2), Fraction(3, 4), Fraction(9, 10), Fraction(2), Fraction(5, 4)]


def plain(function: Exponential, n: int) -> Fraction:
    return sum(
        (Fraction(c) * n**k * base**n for base, p in function.terms.items() for k, c in enumerate(p)), start=Fraction(0)
    )


def drawn(rng: random.Random) -> Exponential:
    """A random sum whose signs change where they can be looked at."""
    found: dict[Fraction, list[int | Fraction]] = {}
    for base in rng.sample(BASES, rng.randint(1, 3)):
        polynomial = [rng.choice([0, 1, -1]) * rng.randint(1, 400) for _ in range(rng.randint(0, 2))]
        found[base] = [*polynomial, rng.choice([-1, 1]) * rng.randint(1, 9)]
    return Exponential(found)


@pytest.mark.parametrize("last", [None, 150, 41, 3])
def test_between_marks_the_sign_does_not_change(last: int | None) -> None:
    rng = random.Random(last or 1)
    changes = 0
    for _ in range(60):
        function, first = drawn(rng), rng.randint(0, 3)
        found = marks(function, first, last)
        assert found == sorted(set(found))
        assert found[0] == first
        assert last is None or found[-1] == last
        for low, high in zip(found, [*found[1:], None], strict=True):
            end = high if high is not None else max(low, 150) + 60 if last is None else low + 1
            signs = {sign_at(function, n) for n in range(low + 1, end)}
            assert len(signs) <= 1, (function, low, high)
            assert high is not None or last is not None or signs == {sign_at_infinity(function)}, function
        changes += len(found) > 2
    assert changes > 20 or last == 3


def test_a_root_touched_at_one_number_is_a_mark() -> None:
    touches = Exponential({Fraction(1): [25, -10, 1]})  # (n - 5)**2
    assert {5} <= set(marks(touches, 0, None))
    assert [sign_at(touches, n) for n in (4, 5, 6)] == [1, 0, 1]
    product = Exponential({Fraction(2): [-7, 1], Fraction(1): [7 * 8, -8]})  # (n - 7)*(2**n - 8)
    assert {3, 7} <= set(marks(product, 0, 20))


def test_values_and_signs() -> None:
    rng = random.Random(3)
    for _ in range(40):
        function = drawn(rng)
        for n in (0, 1, 2, 17, 90):
            assert sign_at(function, n) == sign(plain(function, n))
        assert sign_at_infinity(function) == sign_at(function, 600)
    assert sign_at(Exponential({}), 5) == 0
    assert [sign(n) for n in (-3, 0, Fraction(1, 9))] == [-1, 0, 1]


@pytest.mark.parametrize(
    "text",
    [
        "0", "7", "n", "3*n**2 - n/4 + 1", "2**n", "n*(1/2)**(2*n + 3)", "(2**n)**3*n**2", "5*2**(0 - n)",
        "3**n*2**n - 6**n + n", "(3/4)**(n + 1)*(4/3)**n", "(1/3)**(2 - n)", "2**n*n - n*2**n + 1", "1**n + n",
    ],
)  # fmt: skip
def test_a_value_as_such_a_sum(text: str) -> None:
    function = exponential(from_text(text), "n")
    assert all(base > 0 and polynomial[-1] != 0 for base, polynomial in function.terms.items())
    for n in range(1, 9):
        assert plain(function, n) == eval_plain(text, n)


def eval_plain(text: str, n: int) -> Fraction:
    number = from_text(text.replace("n", f"({n})"))
    assert isinstance(number, int | Fraction)
    return Fraction(number)


def test_powers_of_zero_vanish_from_one_on() -> None:
    assert exponential(from_text("0**n + 3"), "n", first=1).terms == {Fraction(1): [3]}
    with pytest.raises(SymflopsError, match="cannot decide the sign"):
        exponential(from_text("0**n + 3"), "n", first=0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(0 - 2)**n + n", "cannot decide the sign of"),
        ("m*n", "cannot solve with m"),
        ("1/n", "cannot solve with n"),
        ("sqrt(n) - 3", r"cannot solve with sqrt\(n\)"),
        ("n**n", "cannot solve with n"),
        ("2**(n/2)", r"cannot solve with 2\*\*\(n/2\)"),
        ("2**(m*n)", r"cannot solve with 2\*\*\(m\*n\)"),
        ("(n + 1)**24*2**n", "degree too high to solve: more than 24 terms in n"),
    ],
)
def test_what_is_no_such_sum(text: str, message: str) -> None:
    with pytest.raises(SymflopsError, match=message):
        exponential(from_text(text), "n")


def test_the_degree_that_is_still_solved() -> None:
    assert len(exponential(from_text("(n + 1)**23*2**n"), "n").terms[Fraction(2)]) == 24


def test_a_power_that_is_positive_everywhere_leaves_what_it_multiplies() -> None:
    found = exponential(from_text("(n - 50)*(1/2)**(20000*n + 3)"), "n")
    assert [sign_at(found, n) for n in (1, 49, 50, 51, 10**9)] == [-1, -1, 0, 1, 1]
    assert 50 in marks(found, 1, None)
    assert sign_at_infinity(found) == 1
    twice = exponential(from_text("(n - 50)*(n - 70)*(1/2)**(20000*n)"), "n")
    assert {50, 70} <= set(marks(twice, 1, None))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Smaller than anything else can be, so the rest decides where it is not 0.
        ("(1/2)**(20000*n) + n - 3", {1: -1, 2: -1, 3: 1, 4: 1}),
        ("n - 3 - (1/2)**(20000*n)", {2: -1, 3: -1, 4: 1}),
        ("3 - n - (1/2)**(20000*n)*n**2", {2: 1, 3: -1, 4: -1}),
        # It grows: 2**(n - 20000) passes 1 at 20,000.
        ("(1/2)**(20000 - n) - 1", {1: -1, 19_999: -1, 20_000: 0, 20_001: 1}),
        ("2**(n - 20000) - n", {1: -1, 20_000: -1, 20_014: -1, 20_015: 1}),
    ],
)
def test_powers_of_many_digits(text: str, expected: dict[int, int]) -> None:
    found = exponential(from_text(text), "n")
    assert {n: sign_at(found, n) for n in expected} == expected


@pytest.mark.parametrize("text", ["(1/2)**(20000*n - 20000) - 1/2", "(1/2)**(20000*n - 40000) - 3"])
def test_a_power_of_many_digits_that_is_not_small_at_the_first_number(text: str) -> None:
    with pytest.raises(SymflopsError, match=r"power of (too many digits|more than \d+ bits)"):
        exponential(from_text(text), "n")


def test_a_change_of_sign_far_away() -> None:
    far = Exponential({Fraction(1): [-(10**40), 1]})
    assert 10**40 in marks(far, 1, None)
    with pytest.raises(SymflopsError, match="the sign changes beyond 512 bits"):
        marks(Exponential({Fraction(1): [-(2**700), 1]}), 1, None)


@pytest.mark.parametrize("bits", range(70, 310, 30))
@pytest.mark.parametrize("sign", [1, -1])
def test_a_sum_whose_largest_terms_nearly_cancel(bits: int, sign: int) -> None:
    """2**bits*x - (2**bits + 1)*x + y is y - x, and x = 2**-10**6 is more than y = 2**-10**9."""
    half = Fraction(1, 2)
    x, y = ((half, 10**6),), ((half, 10**9),)
    terms = [Scaled(sign * 2**bits, x), Scaled(-sign * (2**bits + 1), x), Scaled(sign, y)]
    assert sign_of_sum(terms) == -sign
    assert sign_of_sum(terms[::-1]) == -sign
    assert sign_of_sum([Scaled(sign * Fraction(-3, 4), x), Scaled(sign * Fraction(1, 2), x)]) == -sign
