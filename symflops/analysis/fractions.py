"""Solving for bytes per element, which are positive fractions: every real root, and the side of it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from symflops.algebra import free_symbols
from symflops.analysis.feasible import HOLDS
from symflops.analysis.roots import Root, polynomial_roots
from symflops.analysis.runs import cleared
from symflops.errors import SymflopsError
from symflops.numeric import evaluate
from symflops.polynomial import Value, symbol
from symflops.summation import calls_of
from symflops.tree import exact


@dataclass(frozen=True)
class Edge:
    """A root, and on which side of it (`==`: at it) a relation holds."""

    root: Root
    side: str


def sides_of_fractions(value: Value, name: str, relation: str) -> tuple[str, list[Edge]]:
    """Where a value of one symbol, a positive fraction, is related to 0: `always`, `never`, or `solved` with the edges.

    >>> from symflops.algebra import from_text
    >>> status, (edge,) = sides_of_fractions(from_text("33*b - 64"), "b", "<=")
    >>> status, edge.side, str(edge.root.closed)
    ('solved', '<=', '64/33')

    Raises SymflopsError for functions of the symbol, and where it holds between two roots.
    """
    top, divisors = cleared(value, name)
    unknown = next((str(call) for v in (top, *(d for d, _ in divisors)) for call in calls_of(v, name)), None)
    unknown = unknown or next((str(d) for d, _ in divisors if d != symbol(name)), None)
    if unknown is not None:
        raise SymflopsError(f"cannot solve for {name}, which may be a fraction, in {unknown[:100]}")
    found = sorted(polynomial_roots(top, name), key=lambda r: r.low) if free_symbols(top) else []
    positive = [root for root in found if root.low > 0]
    wanted = HOLDS[relation]
    points = [positive[0].low / 2] if positive else [Fraction(1)]
    points += [(a.high + b.low) / 2 for a, b in pairwise(positive)]
    points += [positive[-1].high + 1] if positive else []
    between = [_sign(evaluate(top, {name: exact(p)})) in wanted for p in points]
    at_roots = [0 in wanted] * len(positive)
    if all(between) and all(at_roots):
        return "always", []
    if not any(between):
        return ("solved" if any(at_roots) else "never"), [Edge(r, "==") for r in positive if 0 in wanted]
    changes = [i for i, root in enumerate(positive) if not between[i] == at_roots[i] == between[i + 1]]
    if len(changes) != 1 or between[changes[0]] == between[changes[0] + 1]:
        edges = ", ".join(f"{float(positive[i].low):,.6g}" for i in changes)
        raise SymflopsError(f"it holds between fractions: the two sides are equal at {name} = {edges}")
    (edge,) = changes
    low, at = between[edge], at_roots[edge]
    return "solved", [Edge(positive[edge], ("<" if low else ">") + ("=" if at else ""))]


def _sign(number: Fraction | int) -> int:
    return (number > 0) - (number < 0)
