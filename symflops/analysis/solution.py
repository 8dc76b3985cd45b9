"""Solve: the points, ranges or curves at which an equation or inequality between costs holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

from symflops import numeric
from symflops.algebra import free_symbols, substitute
from symflops.analysis.parts import architecture, run_values
from symflops.analysis.question import Question, check_symbol, lowest, question
from symflops.analysis.roots import curves, roots
from symflops.analysis.signs import cleared, ranges, signs
from symflops.analysis.summation import coefficients
from symflops.errors import SymflopsError
from symflops.function import ceil, floor
from symflops.grouping import grouped
from symflops.model import Model
from symflops.polynomial import Polynomial, Value, add, factored, is_nonnegative, multiply, negate, power
from symflops.polynomial import symbol as symbol_value
from symflops.source import load
from symflops.tree import write

_RELATIONS = {"==": "=", "<=": r"\le", ">=": r"\ge", "<": "<", ">": ">"}
_HOLDS = {"==": (0,), "<=": (-1, 0), ">=": (0, 1), "<": (-1,), ">": (1,)}


@dataclass(frozen=True)
class Solution:
    """One solution: a point of an equation, a range of an inequality, or a curve in other symbols.

    `value` is a plain number: the point (an int where it is whole, else a float), of a range the largest whole number
    in it, or the smallest where it has no end; None for a curve. `closed` is the closed form of the point, of the edge
    of the range, or of the curve. `first` and `last` are the whole numbers of a range.
    """

    value: int | float | None
    closed: Value | None
    first: int | None = None
    last: int | None = None
    side: str = "=="  # of a curve that bounds whole numbers, `<=` or `>=`

    @property
    def formula(self) -> str | None:
        """The closed form as text; None where there is none."""
        return None if self.closed is None else write(grouped(self.closed))

    @property
    def expression(self) -> Any:
        """The closed form as a SymPy expression; where there is none, the number."""
        from symflops import expr

        if self.closed is None:
            import sympy

            return sympy.sympify(self.value, strict=True)  # a number: text would be refused
        return expr.to_sympy(self.closed)


@dataclass(frozen=True)
class Answer:
    """The solutions of a question about a model, in order; iterate over it, or read its sentence.

    `status` is `solved`, `always` (it holds at every point) or `never`. `values` are the numbers put in.
    """

    model: str
    question: str
    sign: str
    symbol: str
    status: str
    solutions: tuple[Solution, ...]
    difference: Value  # left minus right, after the values were put in
    values: Mapping[str, Value]
    taken: Mapping[str, str] = field(default_factory=dict)  # what short names were taken for

    def __iter__(self) -> Iterator[Solution]:
        return iter(self.solutions)

    def __len__(self) -> int:
        return len(self.solutions)

    def __getitem__(self, index: int) -> Solution:
        return self.solutions[index]

    @property
    def is_curve(self) -> bool:
        return bool(free_symbols(self.difference) - {self.symbol})

    @cached_property
    def crossings(self) -> list[tuple[int, int]]:
        """Pairs of neighbouring whole numbers between which the two sides change places; none for a curve."""
        if self.is_curve:
            return []
        runs = [r for r in signs(self.difference, self.symbol, lowest(self.symbol)) if r.sign]
        return [(a.last, b.first) for a, b in pairwise(runs) if a.sign != b.sign and a.last is not None]

    @property
    def sentence(self) -> str:
        """The answer in words."""
        start = lowest(self.symbol)
        if self.status == "always":
            return f"holds for every {self.symbol} from {start} on"
        if self.status == "never":
            jumps = "".join(f"; the two sides change places between {a:,} and {b:,}" for a, b in self.crossings)
            return f"no solution: it holds for no {self.symbol} from {start} on{jumps}"
        if self.is_curve:
            return " or ".join(f"{self.symbol} {s.side.replace('==', '=')} {s.formula}" for s in self.solutions)
        if self.sign != "==":
            return f"{self.symbol} {' or '.join(_range(s) for s in self.solutions)}"
        count = "" if len(self.solutions) == 1 else f"{len(self.solutions)} solutions: "
        return count + ", ".join(f"{self.symbol} {_point(s)}" for s in self.solutions)

    def __repr__(self) -> str:
        return f"Answer({self.question!r}: {self.sentence})"

    def _repr_latex_(self) -> str:
        import sympy

        from symflops.expr import symbol

        name = sympy.latex(symbol(self.symbol))
        shown = [
            f"{name} {_RELATIONS[self.sign if s.side == '==' else s.side]} {sympy.latex(s.expression)}"
            for s in self.solutions
        ]
        return f"$\\displaystyle {', '.join(shown) or self.status}$"


def _range(solution: Solution) -> str:
    if solution.last is None:
        return f">= {solution.first:,}"
    return (
        f"= {solution.last:,}" if solution.first == solution.last else f"from {solution.first:,} to {solution.last:,}"
    )


def _point(solution: Solution) -> str:
    if solution.first is not None and solution.first != solution.last:
        return _range(solution)
    if isinstance(solution.value, int):
        return f"= {solution.value:,}"
    exactly = f"= {solution.formula} " if solution.formula is not None else ""
    return f"{exactly}= {solution.value:,.6f}"


def solve(
    model: Any, text: str, symbol: str, *, symbolic: bool = False, free: Iterable[str] = (), **values: Any
) -> Answer:
    """Where an equation or inequality holds: `flops(self_attn) == flops(mlp)`, `weights + cache <= 80 GiB`.

    `metric(path)` is what the layers cost whose place in the tree ends with the path (or pattern, `layers.*.mlp`), in
    one of the six metrics, `weights` or `cache`, in FLOP, byte or a count; without a path, the whole model. The
    question is solved for one symbol, over the real numbers for an equation and over whole numbers for an inequality.
    `values` are numbers for other symbols; past_len, causal and the bytes per element have their usual defaults but for
    those in `free`, and architecture symbols the model's own, unless `symbolic`. With symbols left the answer is a
    curve in them.

    >>> solve("llama-2-7b-hf", "flops(self_attn) == flops(mlp)", "seq_len").sentence
    'seq_len = 2130332/259 = 8,225.220077'
    >>> solve("llama-2-7b-hf", "weights + cache <= 80 GiB", "batch_size", seq_len=4096)[0].value
    33

    Every root is put in and checked exactly. Raises SymflopsError for a question that is none, a layer or a symbol that
    the model does not have, amounts of different dimensions, and what has no solution that this can find.
    """
    named = load(model)
    asked = question(named, text)
    check_symbol(named, symbol)
    difference, used = _in_values(named, asked, symbol, symbolic, free, values)
    difference = _without_common_factors(difference, symbol)
    status, solutions = _solved(difference, symbol, asked.sign)
    return Answer(named.name, asked.text, asked.sign, symbol, status, tuple(solutions), difference, used, asked.taken)


def _in_values(
    model: Model, asked: Question, symbol: str, symbolic: bool, free: Iterable[str], values: Mapping[str, Any]
) -> tuple[Value, dict[str, Value]]:
    """The difference of both sides in the symbols that are left, and what was put in."""
    kept = {symbol, *free}
    for name in (*free, *values):
        check_symbol(model, name)
        if name == symbol or (name in values and name in free):
            raise SymflopsError(f"{name} has a value and is to be found or kept")
    run = run_values({n: v for n, v in values.items() if n not in model.definitions}, kept)
    own = {n: numeric.check(n, v) for n, v in values.items() if n in model.definitions}
    model = model.with_symbols(own) if own else model
    if not symbolic:
        run = {**run, **architecture(model, kept)}
    model.check_assumptions({n: v for n, v in run.items() if isinstance(v, int)})
    difference = substitute(asked.difference, run)
    shown = free_symbols(asked.difference)
    return difference, {name: value for name, value in run.items() if name in shown and name not in model.symbols}


def _without_common_factors(difference: Value, symbol: str) -> Value:
    """The same sign without factors that play no part, such as batch_size: only where no other symbol is left then."""
    if isinstance(difference, Polynomial):
        _, common, rest = factored(difference)
        own = [(n, e) for n, e in common if n == symbol]
        if free_symbols(rest) <= {symbol}:
            return multiply(rest, *(power(symbol_value(n), e) for n, e in own))
    return difference


def _solved(difference: Value, symbol: str, sign: str) -> tuple[str, list[Solution]]:
    others = free_symbols(difference) - {symbol}
    if symbol not in free_symbols(difference):
        if others:
            raise SymflopsError(f"the question does not depend on {symbol}, only on {', '.join(sorted(others))}")
        number = numeric.evaluate(difference, {})
        return ("always" if (number > 0) - (number < 0) in _HOLDS[sign] else "never"), []
    if others:
        return _curve(difference, symbol, sign)
    found = ranges(signs(difference, symbol, lowest(symbol)), _HOLDS[sign])
    if found == [(lowest(symbol), None)]:
        return "always", []
    solutions = _points(difference, symbol) if sign == "==" else _ranges(difference, symbol, found)
    return ("solved" if solutions else "never"), solutions


def _points(difference: Value, symbol: str) -> list[Solution]:
    """The roots; where it holds on a stretch of whole numbers, that range."""
    stretches = [r for r in signs(difference, symbol, lowest(symbol)) if r.sign == 0 and r.first != r.last]
    found = [
        Solution(root.number, root.closed)
        for root in roots(difference, symbol, lowest(symbol))
        if not any(r.first <= root.low and (r.last is None or root.low <= r.last) for r in stretches)
    ]
    found += [Solution(r.first if r.last is None else r.last, None, r.first, r.last) for r in stretches]
    return sorted(found, key=lambda s: s.value or 0)


def _ranges(difference: Value, symbol: str, found: list[tuple[int, int | None]]) -> list[Solution]:
    edges = roots(difference, symbol, lowest(symbol))
    solutions = []
    for first, last in found:
        here = first - 1 if last is None else last  # a root from here to the next number ends or begins the range
        near = [root for root in edges if here <= root.low and root.high <= here + 1]
        closed = near[0].closed if len(near) == 1 else None
        solutions.append(Solution(first if last is None else last, closed, first, last))
    return solutions


_FLIPPED = {"<=": ">=", ">=": "<=", "<": ">", ">": "<"}


def _curve(difference: Value, symbol: str, sign: str) -> tuple[str, list[Solution]]:
    found = curves(difference, symbol)
    if sign == "==":
        return ("solved" if found else "never"), [Solution(None, closed) for closed in found]
    steep = [c for exponent, c in coefficients(cleared(difference, symbol), symbol).items() if exponent]
    if len(found) <= 1 and all(is_nonnegative(negate(c)) for c in steep):
        difference, sign = negate(difference), _FLIPPED[sign]
    elif len(found) > 1 or not all(map(is_nonnegative, steep)):
        raise SymflopsError("cannot tell on which side of the curve it holds; give values for the other symbols")
    if not found:  # rising from a start above zero
        return ("never" if sign in ("<=", "<") else "always"), []
    (edge,) = found
    closed = {"<=": floor(edge), "<": add(ceil(edge), -1), ">=": ceil(edge), ">": add(floor(edge), 1)}[sign]
    return "solved", [Solution(None, closed, side="<=" if sign in ("<=", "<") else ">=")]
