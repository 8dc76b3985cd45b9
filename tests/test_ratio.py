"""Quotients that stay quotients, against Python's fractions."""

from __future__ import annotations

import itertools
import random
from fractions import Fraction

import pytest

from symflops.algebra import from_text
from symflops.analysis.ratio import Ratio
from symflops.errors import SymflopsError

TERMS = [
    "0",
    "1",
    "6",
    "3/4",
    "a",
    "b",
    "a*b",
    "2*a + 2",
    "a**2 + a",
    "a*b*b",
    "1/a",
    "b/a",
    "a - b",
    "4*a - 4*b",
    "min(a, b)",
]


@pytest.mark.parametrize(
    ("top", "bottom", "text"),
    [
        ("1", "n", "1/n"), ("0", "n", "0"), ("6", "4*n", "3/(2*n)"), ("b", "a*b*b", "1/(a*b)"), ("b", "1/a", "a*b"),
        ("n", "n", "1"), ("2*n + 4", "n + 2", "2"), ("n", "1", "n"), ("-n", "n", "-1"),
        ("(a + b)*c", "(a + b)*d", "c/d"),
    ],
)  # fmt: skip
def test_in_lowest_terms(top: str, bottom: str, text: str) -> None:
    found = Ratio.of(from_text(top), from_text(bottom))
    assert (found.text, repr(found)) == (text, text)
    assert found == Ratio.of(from_text(f"7*({top})"), from_text(f"7*({bottom})"))
    assert found == Ratio.of(from_text(f"({top})*a*z"), from_text(f"a*({bottom})*z"))


def test_a_quotient_is_what_its_parts_are_divided() -> None:
    names = {"min": min, "F": Fraction}
    for top, bottom in itertools.product(TERMS, TERMS):
        if bottom == "0":
            with pytest.raises(SymflopsError, match="division by zero"):
                Ratio.of(from_text(top), from_text(bottom))
            continue
        found = Ratio.of(from_text(top), from_text(bottom))
        draw = random.Random(f"{top} {bottom}")
        for _ in range(4):
            point = {n: draw.randint(1, 9) for n in "ab"}
            a, b = ("".join(f"F({t})" if t.isdigit() else t for t in _words(text)) for text in (top, bottom))
            fractions = {n: Fraction(v) for n, v in point.items()}
            x, y = (Fraction(eval(t, {"__builtins__": {}}, {**names, **fractions})) for t in (a, b))
            if y:
                assert found.at(point) == x / y, (top, bottom, point)
                one = found.substituted({"a": point["a"]})
                assert one.free_symbols <= {"b"}
                assert one.at(point) == x / y
    with pytest.raises(SymflopsError, match="division by zero"):
        Ratio.of(from_text("a"), from_text("a - b")).at({"a": 3, "b": 3})


def _words(text: str) -> list[str]:
    """The numbers of a text, and what stands between them."""
    return ["".join(part) for _, part in itertools.groupby(text, str.isdigit)]
