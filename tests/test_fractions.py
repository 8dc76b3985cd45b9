"""Where a value of bytes per element, which may be fractions, is related to 0: against a grid of fractions."""

from __future__ import annotations

import operator
from fractions import Fraction
from itertools import pairwise

import pytest

from symflops.algebra import from_text
from symflops.analysis.fractions import sides_of_fractions
from symflops.errors import SymflopsError
from symflops.numeric import evaluate
from symflops.tree import exact

HOLDS = {
    "==": operator.eq, "!=": operator.ne, "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
GRID = [Fraction(i, 12) for i in range(1, 12 * 12)]
TEXTS = [
    "2*b - 5", "5 - 2*b", "b + 1", "-b", "7", "b*(b + 3)", "b - 12*b", "(b - 1)*(b - 3)", "(1 - b)*(b - 3)",
    "(b - 1)**2",
    "-(b - 1)**2", "(b - 1)**2*(b - 3)", "(b - 1)*(b - 3)**2", "(b - 1)*(b - 2)*(b - 3)", "(b - 1)**2*(b - 3)**2",
    "(b - 1/2)**3", "b**2 + 1", "3/b - 2", "1/b + b - 5/2", "(b - 3)/b**2", "(b - 3/4)/b", "(b + 2)*(b - 4)",
    "(b - 1)*b**2",
]  # fmt: skip


@pytest.mark.parametrize("relation", HOLDS)
@pytest.mark.parametrize("text", TEXTS)
def test_a_side_of_a_root(text: str, relation: str) -> None:
    value = from_text(text)
    holds = [HOLDS[relation](evaluate(value, {"b": exact(b)}), 0) for b in GRID]
    turns = [i for i, (a, b) in enumerate(pairwise(holds)) if a != b]
    is_points = relation == "==" and any(holds)
    if (
        len(turns) > 1 and not is_points and sum(holds) > len(turns) // 2
    ):  # neither a side of a fraction nor single ones
        with pytest.raises(SymflopsError, match="it holds between fractions: the two sides are equal at b = "):
            sides_of_fractions(value, "b", relation)
        return
    status, edges = sides_of_fractions(value, "b", relation)
    assert status == ("always" if all(holds) else "solved" if any(holds) else "never")
    if status == "solved":
        said = [any(HOLDS[edge.side](b, edge.root.low) for edge in edges) for b in GRID]
        assert said == holds
    else:
        assert not edges


@pytest.mark.parametrize("text", ["ceil(b)", "b*min(b, 2)", "1/(b + 1)", "sqrt(b) - 1", "1/(b - 3)"])
def test_what_is_no_polynomial_is_refused(text: str) -> None:
    value = from_text(text.replace("b", "dtype_bytes"))
    with pytest.raises(SymflopsError, match="cannot solve for dtype_bytes, which may be a fraction, in "):
        sides_of_fractions(value, "dtype_bytes", "<=")
