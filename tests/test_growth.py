"""What a value comes close to for large numbers, against its own numbers at 10**30."""

from __future__ import annotations

from fractions import Fraction

import pytest

from symflops.algebra import from_text
from symflops.analysis.growth import leading
from symflops.errors import SymflopsError
from symflops.numeric import evaluate

LARGE = 10**30 + 57


@pytest.mark.parametrize(
    ("text", "degree"),
    [
        ("3*n**2 - 10**9*n", 2), ("7*n - n**2/5", 2), ("n/w + w", 1), ("5*w", 0), ("w/n", -1),
        ("2*w/n**2 + 1/n**3", -2),
        ("n*min(n, 4096) + n", 1), ("n*max(n, 4096)", 2), ("min(n**2, 10**6*n)", 1), ("max(n**2, 10**6*n)", 2),
        ("n*min(w, n)", 1), ("max(w - n, 3)*n**2", 2), ("max(0, w - n)*n**4 + n", 1), ("min(0, w - n)*n", 2),
        ("min(n - w, w, 7 - n)", 1), ("n**2*ceil(n/64)", 3), ("n**2*floor(n/64) - n", 3),
        ("ceil(n/64)*floor(n/3)", 2), ("floor(n**2/7) + n", 2), ("8*(1 - (7/8)**n)*n", 1), ("n**3*(1/2)**n + 4", 0),
        ("n - floor(n/2)", 1), ("(n + 1)*(n - 1)", 2), ("n**2*(n % 7) + n**4", 4), ("max(n, 2*n, 100)", 1),
        ("max(w, 12 - w, 5 - n)*n", 1),
        ("min(max(n, 64), 128)*n", 1), ("min(3, ceil(n/8))*n", 1), ("(w - 1)*n**2 + n", 2),
        # a rounding adds a number below 1, however it is multiplied: n/64 + 1 over n, 2*n/64 + 1 beside a square
        ("ceil(n/64)/n", 0), ("w + (n % 7)/n", 0), ("1/ceil(n/4)", -1), ("n*w/ceil(n/4)", 0), ("w**3*ceil(n/64)", 1),
        ("n**3 + w*n/ceil(n/4)**2", 3), ("w*ceil(n/64)**2 - w*(n/64)**2 + n**2", 2), ("floor(ceil(n/3)/5)*w", 1),
    ],
)  # fmt: skip
def test_the_leading_terms_are_what_is_left_at_large_numbers(text: str, degree: int) -> None:
    value = from_text(text)
    first, found = leading(value, "n")
    assert found == degree
    point = {"n": LARGE, "w": 9}
    number, close = (Fraction(evaluate(v, point)) for v in (value, first))
    assert abs(number / close - 1) < Fraction(1, 10**6), (number, close)
    # A power of one degree: 3 times as large a number multiplies it by 3**degree.
    assert Fraction(evaluate(first, {**point, "n": 3 * LARGE})) == close * Fraction(3) ** degree


def test_nothing_has_no_leading_term() -> None:
    assert leading(from_text("n - n"), "n") == (0, 0)


def test_a_power_outgrows_all() -> None:
    first, degree = leading(from_text("3*n**9 + 2**n*n + 5*2**n"), "n")
    assert degree is None
    assert evaluate(first, {"n": 50}) == 2**50 * 50 + 5 * 2**50


def test_a_power_times_a_rounding() -> None:
    first, degree = leading(from_text("2**n*ceil(n/64) + n**9"), "n")
    assert (evaluate(first, {"n": 640}), degree) == (2**640 * 10, None)


def test_a_power_in_another_symbol_is_a_coefficient() -> None:
    first, degree = leading(from_text("2**w*n + 7"), "n")
    assert (evaluate(first, {"n": 10, "w": 3}), degree) == (80, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n % 7", "has no leading term in n: rounding decides"),
        ("n*(n % 7) + n", "rounding decides"),
        ("4*ceil(n/4) - n", "rounding decides"),
        ("1/floor(1/2 + 1/n)", "cannot tell how"),
        # r <= 1 of a rounding is multiplied by n/32 in the first, by n/w**3 in the second, which may be as large as n/2
        ("ceil(n/64)**2 - (n/64)**2 + n/1000", "rounding decides"),
        ("ceil(n/64)*n/w**3 - n**2/(64*w**3) + n/2", "rounding decides"),
        ("2**ceil(n/64)", "rounding decides"),  # between 1 and 2 times 2**(n/64)
        ("2**n*(ceil(n/64) - n/64)", "rounding decides"),
        ("sqrt(n) + 1", r"cannot tell how .* grows with n"),
        ("log2(n)", r"cannot tell how .* grows with n"),
        ("min(a*n, b*n)", r"cannot tell which of .* is taken for large n"),
        ("max(a*n - b*n, 0)", r"cannot tell whether .* grows with n"),
        ("max(1/n, w)", r"cannot tell"),
        ("max(5 + 1/n, w)", r"cannot tell"),
    ],
)
def test_what_cannot_be_told_is_refused(text: str, message: str) -> None:
    with pytest.raises(SymflopsError, match=message):
        leading(from_text(text), "n")
