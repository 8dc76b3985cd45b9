"""Solve: the points, ranges or curves at which an equation or inequality between costs holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from symflops import notebook, numeric
from symflops.algebra import free_symbols, substitute
from symflops.analysis import display
from symflops.analysis.curves import curves, reduced
from symflops.analysis.feasible import HOLDS, Feasible, changes, conditions, feasible, is_positive, lowest, told
from symflops.analysis.fractions import sides_of_fractions
from symflops.analysis.parts import architecture, run_values
from symflops.analysis.question import Question, check_symbol, question
from symflops.analysis.ranges import Ranges
from symflops.analysis.roots import Root, roots, stretches
from symflops.analysis.signs import SignPattern, pattern
from symflops.calling import such_as
from symflops.errors import SymflopsError
from symflops.given import Numeric
from symflops.grouping import grouped
from symflops.model import Model
from symflops.numeric import BYTE_SYMBOLS
from symflops.polynomial import Value, negate
from symflops.source import ModelLike, load
from symflops.tree import write

if TYPE_CHECKING:
    import sympy

_RELATIONS = {"==": "=", "<=": r"\le", ">=": r"\ge", "<": "<", ">": ">"}


@dataclass(frozen=True)
class Solution:
    """One solution: a point of an equation, a range of an inequality, or a curve in other symbols.

    `value` is a plain number: the point (an int where it is whole, else a float), of a range the largest whole number
    in it, or the smallest where it has no end; None for a curve. `closed` is the closed form of the point, of the edge
    of the range, or of the curve. `first` and `last` are the whole numbers of a range; with `every`, it is repeated
    after so many without end. `where` are conditions on other symbols under which it is one.
    """

    value: int | float | None
    closed: Value | None
    first: int | None = None
    last: int | None = None
    side: str = "=="  # of a curve, or an edge of bytes per element: which side of it
    every: int | None = None
    where: tuple[str, ...] = ()

    @property
    def formula(self) -> str | None:
        """The closed form as text; None where there is none."""
        return None if self.closed is None else write(grouped(self.closed))

    @property
    def expression(self) -> sympy.Expr:
        """The closed form as a SymPy expression; where there is none, the number."""
        from symflops import expr

        if self.closed is None:
            import sympy

            return sympy.sympify(self.value, strict=True)  # a number: text would be refused
        return expr.to_sympy(self.closed)


@dataclass(frozen=True)
class Answer:
    """The solutions of a question about a model, in order; iterate over it, or read its sentence.

    `status` is `solved`, `always` (it holds at every point) or `never`. `values` are the numbers put in, `crossings`
    pairs of neighbouring whole numbers between which the two sides change places (none for a curve, nor where they
    change places without end), `conditions` those of the model within which it was solved, `where` what has to be so
    for the answer, `notes` what was assumed of the question.
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
    crossings: list[tuple[int, int]] = field(default_factory=list)
    span: tuple[int, int | None] = (1, None)  # the first and the last number that the symbol may be
    conditions: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Solution]:
        return iter(self.solutions)

    def __len__(self) -> int:
        return len(self.solutions)

    def __getitem__(self, index: int) -> Solution:
        return self.solutions[index]

    @property
    def is_curve(self) -> bool:
        """Whether the solutions are closed forms in other symbols."""
        return any(s.value is None for s in self.solutions)

    @property
    def sentence(self) -> str:
        """The answer in words."""
        where = f" where {' and '.join(self.where)}" if self.where else ""
        within = f", within what the model can run: {'; '.join(self.conditions)}" if self.conditions else ""
        return f"{self._words()}{where}{within}"

    def _words(self) -> str:
        first, last = self.span
        span = f"from {first:,} to {last:,}" if last is not None else f"from {first:,} on"
        if self.symbol in BYTE_SYMBOLS:
            span = "above 0"
        if self.status == "always":
            return f"holds for every {self.symbol} {span}"
        if self.status == "never":
            jumps = "".join(f"; the two sides cross between {a:,} and {b:,}" for a, b in self.crossings)
            return f"no solution: it holds for no {self.symbol} {span}{jumps}"
        if self.sign != "==" and all(s.side == "==" for s in self.solutions):
            return f"{self.symbol} {display.listed([display.stretch(s) for s in self.solutions], ' or ')}"
        if all(s.value is None or s.side != "==" for s in self.solutions):
            return " or ".join(f"{self.symbol} {display.edge(s)}" for s in self.solutions)
        count = "" if len(self.solutions) == 1 else f"{len(self.solutions):,} solutions: "
        return count + display.listed([f"{self.symbol} {display.solved_point(s)}" for s in self.solutions], ", ")

    def __repr__(self) -> str:
        return f"Answer({self.question!r}: {self.sentence})"

    def to_pandas(self) -> notebook.DataFrame:
        """The solutions as a pandas DataFrame, a line for each. Needs the extra `symflops[pandas]`.

        >>> solve("llama-2-7b-hf", "flops(self_attn) == flops(mlp)", "seq_len").to_pandas()["formula"].tolist()
        ['2130332/259']
        """
        return notebook.frame(display.answer_columns(self))

    def _repr_html_(self) -> str:
        return display.answer_html(self)

    def _repr_latex_(self) -> str:
        import sympy

        from symflops.expr import symbol

        name = sympy.latex(symbol(self.symbol))
        shown = [
            f"{name} {_RELATIONS[self.sign if s.side == '==' else s.side]} {sympy.latex(s.expression)}"
            for s in self.solutions
        ]
        return f"$\\displaystyle {', '.join(shown) or self.status}$"


@such_as('solve("llama-2-7b-hf", "weights + cache <= 80 GiB", "batch_size", seq_len=4096)')
def solve(
    model: ModelLike,
    text: str,
    symbol: str,
    *,
    symbolic: bool = False,
    free: Iterable[str] = (),
    rename: Mapping[str, str] | None = None,
    **values: Numeric,
) -> Answer:
    """Where an equation or inequality holds: `flops(self_attn) == flops(mlp)`, `weights + cache <= 80 GiB`.

    `metric(path)` is what the layers cost whose place in the tree ends with the path (or pattern, `layers.*.mlp`), in
    one of the metrics, `weights` or `cache`, in FLOP, byte or a count; without a path, the whole model. The
    question is solved for one symbol, over the real numbers for an equation and over whole numbers for an inequality;
    bytes per element are positive fractions. A model's own conditions (`past_len + seq_len <= max_seq_len`) hold in the
    answer, which says so.
    `values` are numbers for other symbols; past_len, causal and the bytes per element have their usual defaults but for
    those in `free`, and architecture symbols the model's own, unless `symbolic`. With symbols left the answer is a
    curve in them. `rename` says what names of the question mean, `{"n": "seq_len"}`, as for `verify`.

    >>> solve("llama-2-7b-hf", "flops(self_attn) == flops(mlp)", "seq_len").sentence
    'seq_len = 2130332/259 = 8,225.220077'
    >>> solve("llama-2-7b-hf", "weights + cache <= 80 GiB", "batch_size", seq_len=4096)[0].value
    33

    Every root is put in and checked exactly. Raises SymflopsError for a question that is none, a layer or a symbol that
    the model does not have, amounts of different dimensions, and what has no solution that this can find.
    """
    named = load(model)
    with named.call("the question"):
        asked = question(named, text, rename)
        check_symbol(named, symbol)
        return answered(named, asked, symbol, _in_values(named, symbol, symbolic, free, values))


def answered(named: Model, asked: Question, symbol: str, run: Mapping[str, Value]) -> Answer:
    """Where a question about a model holds, once values are put in for the other symbols."""
    difference = substitute(asked.difference, run)
    shown = free_symbols(asked.difference)
    used = {name: value for name, value in run.items() if name in shown and name not in named.symbols}
    below = [d for divisor in asked.divisors if free_symbols(d := substitute(divisor, run))]
    value, where = reduced(difference, symbol) if free_symbols(difference) - {symbol} else (difference, ())
    zeros = [d for d in below if free_symbols(d) != {symbol} and not (is_positive(d) or is_positive(negate(d)))]
    where += tuple(f"{write(grouped(d))} != 0" for d in zeros)

    def answer(status: str, solutions: Iterable[Solution], **more: Any) -> Answer:
        return Answer(
            named.name, asked.text, asked.sign, symbol, status, tuple(solutions), difference, used,
            taken=asked.taken, where=where, notes=asked.notes, **more,
        )  # fmt: skip

    others = free_symbols(value) - {symbol}
    if others:
        status, found = curves(value, symbol, asked.sign)
        texts = [told(named, c) for c in conditions(named, run) if c.free_symbols & {symbol, *named.run}]
        return answer(
            status, [Solution(None, c.closed, side=c.side, where=c.conditions) for c in found],
            conditions=tuple(texts), span=(lowest(symbol), None),
        )  # fmt: skip
    if symbol in BYTE_SYMBOLS:
        status, edges = sides_of_fractions(value, symbol, asked.sign)
        return answer(status, [Solution(e.root.number, e.root.closed, side=e.side) for e in edges])
    where_asked = feasible(symbol, (named, run))
    own = [d for d in below if free_symbols(d) == {symbol}]
    signs = pattern(value, symbol, lowest(symbol), where_asked.last, own)
    status, solutions = _solved(value, signs, asked.sign, where_asked)
    return answer(
        status, solutions, crossings=_crossings(signs, where_asked), conditions=where_asked.conditions,
        span=(where_asked.first, where_asked.last),
    )  # fmt: skip


def _in_values(
    model: Model, symbol: str, symbolic: bool, free: Iterable[str], values: Mapping[str, Numeric]
) -> dict[str, Value]:
    """What is put in for the other symbols."""
    kept = {symbol, *free}
    for name in (*free, *values):
        check_symbol(model, name)
        if name == symbol or (name in values and name in free):
            raise SymflopsError(f"{name} is given a value and is also what is solved for or kept free")
    run = run_values(model, {n: v for n, v in values.items() if n not in model.definitions}, kept)
    own = {n: numeric.check(n, v) for n, v in values.items() if n in model.definitions}
    model = model.with_symbols(own) if own else model
    if not symbolic:
        run = {**run, **architecture(model, kept)}
    model.check_assumptions({n: v for n, v in run.items() if isinstance(v, int)})
    return run


def _solved(value: Value, signs: SignPattern, sign: str, asked: Feasible) -> tuple[str, list[Solution]]:
    holding = asked.narrowed(signs.where(HOLDS[sign]))
    if asked.is_all(holding):
        return "always", []
    found = _points(value, signs, holding, asked) if sign == "==" else _ranges(value, signs, holding, asked)
    return ("solved" if found else "never"), found


def _repeated(holding: Ranges) -> list[Solution]:
    return [Solution(first, None, first, last, every=holding.period) for first, last in holding.cycle]


def _points(value: Value, signs: SignPattern, holding: Ranges, asked: Feasible) -> list[Solution]:
    """The roots; where it holds on a stretch of whole numbers, that range."""
    still = stretches(value, asked.name, signs, lowest(asked.name))
    found: list[Solution] = []
    for first, last in holding.ranges:
        if last is None or any(a <= first < last and (b is None or last <= b) for a, b in still):
            found.append(Solution(first if last is None else last, None, first, last))
            continue
        here: int | None = first
        while here is not None and here <= last:
            found.append(Solution(here, here))
            here = asked.numbers.following(here + 1)
    if asked.name != "causal":
        for root in _roots(value, signs, asked):
            if root.low.denominator > 1 or root.low != root.high:  # the whole ones are there
                found.append(Solution(root.number, root.closed))
    return sorted(found, key=lambda s: s.value or 0) + _repeated(holding)


def _roots(value: Value, signs: SignPattern, asked: Feasible) -> list[Root]:
    """The real roots between the first and the last number that may be asked for."""
    last = asked.last
    found = roots(value, asked.name, lowest(asked.name), signs)
    return [root for root in found if asked.first <= root.low and (last is None or root.high <= last)]


def _ranges(value: Value, signs: SignPattern, holding: Ranges, asked: Feasible) -> list[Solution]:
    edges = _roots(value, signs, asked) if holding else []
    found = []
    for first, last in holding.ranges:
        # A root from here to the next number ends or begins the range.
        here = asked.numbers.preceding(first - 1) if last is None else last
        beyond = None if here is None else asked.numbers.following(here + 1)
        near = [r for r in edges if here is not None and beyond is not None and here <= r.low and r.high <= beyond]
        closed = near[0].closed if len(near) == 1 else None
        found.append(Solution(first if last is None else last, closed, first, last))
    return found + _repeated(holding)


def _crossings(signs: SignPattern, asked: Feasible) -> list[tuple[int, int]]:
    if signs.cycle:
        return []
    runs = pairwise(changes(signs, asked))
    return [(a.last, b.first) for a, b in runs if a.sign != b.sign and a.last is not None]
