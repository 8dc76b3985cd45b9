"""Real roots of polynomials, isolated: judged by the factors that they were made of, and by SymPy."""

from __future__ import annotations

import itertools
import random
from fractions import Fraction

import pytest
import sympy

import symflops
from symflops.algebra import from_text
from symflops.analysis.isolation import intervals, square_free
from symflops.analysis.roots import polynomial_roots

X = sympy.Symbol("x")


def multiplied(*factors: list[int]) -> list[int]:
    return [int(c) for c in reversed(sympy.prod(sympy.Poly(f[::-1], X) for f in factors).all_coeffs())]


@pytest.mark.parametrize("seed", range(40))
def test_as_many_roots_as_sympy_finds_and_where(seed: int) -> None:
    draw = random.Random(seed)
    factors = [
        [draw.randrange(-(10**4), 10**4) or 1 for _ in range(draw.choice((2, 2, 3, 3, 4, 5)))]
        for _ in range(draw.randrange(1, 4))
    ]
    factors += factors[:1] * (seed % 3 == 0)  # a double factor
    whole = multiplied([0, 1], [-1, 1], *factors)
    found = intervals(square_free(whole), 40)
    wanted = sorted({float(root) for root in map(sympy.N, sympy.real_roots(sympy.Poly(whole[::-1], X)))})
    assert len(found) == len(wanted)
    for (low, high), root in zip(found, wanted, strict=True):
        assert high - low <= Fraction(1, 2**40)
        assert float(low) == pytest.approx(root, rel=1e-9)
        assert low == high or _at(whole, low) * _at(whole, high) != 0


def _at(p: list[int], x: Fraction) -> Fraction:
    return sum((c * x**k for k, c in enumerate(p)), start=Fraction(0))


def test_small_polynomials() -> None:
    """All quadratics with small coefficients times some linear ones: as many roots as the discriminant says, each where
    the sign changes."""
    for a, b, c in itertools.product(range(-3, 4), range(-3, 4), range(-3, 4)):
        for d, e in ((0, 1), (1, 1), (2, -3)):
            whole = [c * e, c * d + b * e, b * d + a * e, a * d]
            while whole and not whole[-1]:
                whole.pop()
            if len(whole) < 2:
                continue
            surd = b * b - 4 * a * c
            own = {Fraction(-e, d)} if d else set()
            quadratic = 1 if a == 0 and b else 0 if a == 0 or surd < 0 else 1 if surd == 0 else 2
            if quadratic and own and a * Fraction(-e, d) ** 2 + b * Fraction(-e, d) + c == 0:
                own = set()
            found = intervals(square_free(whole), 12)
            assert len(found) == quadratic + len(own), whole
            assert all(b < c or b == c for (_, b), (c, _) in itertools.pairwise(found))
            for low, high in found:
                assert high - low <= Fraction(1, 2**12)
                at = [_at(square_free(whole), x) for x in (low, high)]
                assert at == [0, 0] if low == high else at[0] * at[1] < 0, whole


def test_roots_that_are_close_are_told_apart() -> None:
    far = 10**20
    found = intervals(multiplied([-far, 1], [-far - 1, 1], [-7 * far - 1, 7], [1 - far, 1]), 80)
    assert [low for low, high in found if low == high] == [far - 1, far, far + 1]
    ((low, high),) = (pair for pair in found if pair[0] != pair[1])
    assert low < far + Fraction(1, 7) < high


def test_closed_forms_of_rational_and_quadratic_roots() -> None:
    """(3n - 7)(n**2 - 3n + 1)(n**3 - 5)(n**2 + 1): its roots by hand."""
    value = from_text("(3*n - 7)*(n**2 - 3*n + 1)*(n**3 - 5)*(n**2 + 1)")
    found = sorted(polynomial_roots(value, "n"), key=lambda root: root.low)
    assert [None if root.closed is None else str(root.closed) for root in found] == [
        "-sqrt(5)/2 + 3/2", None, "7/3", "sqrt(5)/2 + 3/2",
    ]  # fmt: skip
    assert float(found[1].number) == pytest.approx(5 ** (1 / 3), abs=1e-15)
    answer = symflops.solve("gpt2", "(3*seq_len - 7)*(seq_len**3 - 5)*(seq_len**2 - 3*seq_len + 1) == 0", "seq_len")
    assert [s.formula for s in answer] == [None, "7/3", "(sqrt(5) + 3)/2"]
