"""Numbers and enclosures of formulas at a point, against Python's own tree, fractions and mpmath's 300 digits."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest
from mpmath import mp, mpf
from random_texts import meaning, real

import symflops
from symflops.tree import read
from symflops.verification.exact import Enclosure, UncomputedError, UndefinedError, number_at


def written(rng: random.Random, depth: int) -> str:
    """A random text of roots, logarithms and half powers, inside one another."""
    if depth == 0:
        return rng.choice(["a", "b", "7", "1/3", "2", "0"])
    one, two = written(rng, depth - 1), written(rng, depth - 1)
    kind = rng.randrange(9)
    if kind < 3:
        return f"({one})**({rng.choice(['1/2', '-1/2', '3/2', '-3/2', '2', '0.5'])})"
    if kind < 5:
        return f"{rng.choice(['sqrt', 'log2'])}({one})"
    if kind < 6:
        return f"{rng.choice(['min', 'max'])}({one}, {two})"
    return f"({one} {rng.choice('+-*/')} {two})"


def test_a_number_lies_in_its_enclosure() -> None:
    rng, enclosed = random.Random(5), 0
    for _ in range(1500):
        text = written(rng, rng.randint(1, 4))
        point = {"a": rng.randint(0, 5), "b": rng.randint(0, 5)}
        try:
            found = number_at(read(text), point)
        except UncomputedError:
            continue  # not decided by the precision: nothing is said
        except UndefinedError:
            assert meaning(text, point) is None, (text, point)
            continue
        low, high = (found.low, found.high) if isinstance(found, Enclosure) else (found, found)
        wanted = meaning(text, point)
        assert wanted is not None, (text, point)
        with mp.workdps(300):
            margin = mpf(10) ** -250 * (1 + abs(real(wanted)))
            assert real(Fraction(low)) - margin <= real(wanted) <= real(Fraction(high)) + margin, (text, point)
            assert high - low < Fraction(1, 10**30), (text, point)
        enclosed += low != high
    assert enclosed > 200


@pytest.mark.parametrize(
    ("text", "other", "candidate", "reference"),
    [
        # math.sqrt(math.log2(7)), math.log2(3)**-1.5 and 5**0.25 of Python; a model's width is at least 1
        ("max(dtype_bytes, 0.5, hidden_size)", "(log2(7))**(1/2)", 1.0, 1.6755163150675687),
        ("log2(3)**(-3/2)", "sqrt(5)**(1/2)", 0.5011543596, 1.4953487812),
    ],
)
def test_half_powers_of_irrational_numbers_are_told_apart(
    text: str, other: str, candidate: float, reference: float
) -> None:
    verdict = symflops.verify(text, other)
    assert verdict.status == "different"
    values = (verdict.candidate_value, verdict.reference_value)
    assert [float(v) for v in values] == pytest.approx([candidate, reference], rel=1e-9)


def test_a_half_power_of_an_irrational_number_equals_its_root() -> None:
    assert symflops.verify("log2(7)**(1/2)*s", "sqrt(log2(7))*s").status == "equal"
