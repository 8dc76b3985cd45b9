"""What a run shows about its own hints: conditions that came out otherwise than the config implies, and what to change.

A condition such as `qk_head_dim == qk_nope_head_dim + qk_rope_head_dim` is decided by hints while the model is traced.
Where the config's own numbers decide it the other way, the trace took a path that the model does not take; the relation
is then built into the hints, or a field is kept a number, and the model is traced again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import sympy
from sympy.core.relational import Relational

from symflops.algebra import free_symbols
from symflops.errors import SymflopsError
from symflops.polynomial import Value, symbol
from symflops.trace.architecture import RUN_HINTS, Architecture, architecture, in_order
from symflops.trace.arithmetic import RoundedError
from symflops.trace.fixed import FieldFixedError
from symflops.trace.guards import Guard
from symflops.trace.internals import decide, expression
from symflops.trace.run import Run

# Hints that are tried where a larger one is needed; a vocabulary has to be larger than the id of its padding token.
_LARGER = (1009, 20_011, 300_007, 4_000_037)


@dataclass
class Knowledge:
    """What earlier runs have shown: fields that stay numbers, equalities, divisors and larger hints."""

    numeric: set[str] = field(default_factory=set)
    equal: list[tuple[Value, Value]] = field(default_factory=list)
    divisors: dict[str, str] = field(default_factory=dict)
    multiples: dict[str, int] = field(default_factory=dict)
    raised: dict[str, int] = field(default_factory=dict)
    depths: set[tuple[str, str]] = field(default_factory=set)  # that sizes depend on: part of the config, field
    run_symbols: frozenset[str] = frozenset(RUN_HINTS)
    apart: dict[tuple[str, int], Hashable] = field(default_factory=dict)  # gradients of a layer, by path and call

    def architecture(self, config: Any) -> Architecture:
        """The symbols of a config, given what is known."""
        found = architecture(config, self.numeric, self.depths)
        for name, divisor in self.divisors.items():
            f = found.field(name)
            if f is not None and found.field(divisor) is not None:
                f.divisors = (*f.divisors, divisor)
                f.power = math.gcd(f.power, f.number // math.lcm(*(found.numbers[d] for d in f.divisors)))
        for name, number in self.multiples.items():
            f = found.field(name)
            if f is not None:
                f.power = math.lcm(f.power, number)
        found.raised = dict(self.raised)
        found.fields = in_order(found.fields)
        for left, right in self.equal:
            if {*free_symbols(left), *free_symbols(right)} <= {*found.numbers, *self.run_symbols}:
                found.solve(left, right)
        return found

    def learn(self, run: Run, shape: Architecture) -> bool:
        """Add what a run shows; True when the model must be traced again."""
        if self._collapsed(run, shape) or self._cuts_short(run):
            return True
        wrong = first_wrong(run, shape)
        if wrong is None:
            return False
        condition = wrong.condition
        names = self._names(run, condition) & shape.numbers.keys()
        differs = wrong.outcome is isinstance(condition, sympy.Ne)
        if isinstance(condition, sympy.Eq | sympy.Ne | sympy.Or) and differs and self._divides(run, condition, shape):
            return True
        if isinstance(condition, sympy.Eq | sympy.Ne) and differs:
            try:
                left, right = (run.quantities.compared(side) for side in condition.args)
            except SymflopsError:
                left = right = 0
            if left != right and (left, right) not in self.equal:
                before = self.architecture(run.build.original)
                self.equal.append((left, right))
                if _solved(self.architecture(run.build.original)) > _solved(before):
                    return True
        if self._raises(run, wrong):
            return True
        if not names:
            return False
        self.numeric.add(least_needed(names))
        return True

    def tells_apart(self, unequal: Mapping[tuple[str, int], Hashable]) -> bool:
        """Take in what tells layers from those that they were taken to equal; True when the model must be traced again.

        Raises SymflopsError where that was known, and has told nothing apart.
        """
        known = [path for path, told in unequal.items() if self.apart.get(path) == told]
        if known:
            raise SymflopsError(f"{known[0][0]} has other gradients than the layer that it equals; please report it")
        self.apart |= unequal
        return bool(unequal)

    def _collapsed(self, run: Run, shape: Architecture) -> bool:
        """Fields of which the source or torch needed the number, as in a loop over experts."""
        if isinstance(run.error, RoundedError):
            names = {run.sizes.names[s].removesuffix("__rest") for s in run.error.sizes} & shape.numbers.keys()
            self.numeric |= names
            return bool(names)
        if isinstance(run.error, FieldFixedError):
            self.numeric.add(least_needed(run.error.fields))
            return True
        for guard in run.asked:
            names = self._names(run, guard.condition) & shape.numbers.keys() if guard.fixes else set()
            if names:
                self.numeric.add(least_needed(names))
                return True
        return False

    def _cuts_short(self, run: Run) -> bool:
        """Where a piece as long as the sequence is cut from a table, the table's hint has to be that large."""
        for piece, table in run.recorder.limits.short if run.recorder is not None else ():
            there = expression(table)
            for size in sorted(there.free_symbols, key=str) if isinstance(there, sympy.Expr) else ():
                rest = run.sizes.names.get(size, "")
                for least in _LARGER if rest in run.build.symbols else ():
                    larger = least + 2 * len(self.raised)
                    rows = decide(there, run.sizes.hints | {size: sympy.Integer(larger)})
                    if self.raised.get(rest, 0) < least and rows is not None and rows >= run.sizes.number(piece):
                        self.raised[rest] = larger
                        return True
        return False

    def _names(self, run: Run, condition: Any) -> set[str]:
        return {run.sizes.names[s].removesuffix("__rest") for s in condition.free_symbols if s in run.sizes.names}

    def _raises(self, run: Run, wrong: Guard) -> bool:
        """Where the config's numbers decide an inequality the other way, give one of its fields a larger hint."""
        for least in _LARGER:
            larger = least + 2 * len(self.raised)
            for size in sorted(wrong.condition.free_symbols, key=str):
                rest = run.sizes.names.get(size, "")
                if rest in run.build.symbols and self.raised.get(rest, 0) < least:
                    decided = decide(wrong.condition, run.sizes.hints | {size: sympy.Integer(larger)})
                    if decided in (True, False) and bool(decided) is not wrong.outcome:
                        self.raised[rest] = larger
                        return True
        return False

    def _divides(self, run: Run, condition: Any, shape: Architecture) -> bool:
        """A quotient of a field that has to be exact: write the field as a multiple of what divides it."""
        for e in sympy.preorder_traversal(condition):
            if type(e).__name__ not in ("FloorDiv", "Mod", "PythonMod"):
                continue
            quotient = sympy.cancel(e.args[0] / e.args[1])
            if self._is_multiple(run, quotient, shape):
                return True
            whole, by = (shape.field(str(run.quantities.read(part))) for part in e.args)
            above, below = sympy.fraction(quotient)
            by = by or shape.field(str(run.quantities.read(below)))
            if by is None or quotient.is_Add:
                continue
            names = {whole.name} if whole else self._names(run, above)  # of a product, one that it divides
            fields = sorted((f for f in shape.fields if f.name in names), key=lambda f: (len(f.divisors), f.number))
            for f in fields:
                if f.solved is None and f.number % by.number == 0 and by.name not in f.divisors and by is not f:
                    self.divisors[f.name] = by.name
                    return True
        return False

    def _is_multiple(self, run: Run, quotient: sympy.Expr, shape: Architecture) -> bool:
        """A product of fields over a number: a field of it that is a multiple of that number, one that divides others
        before those that it divides."""
        below = sympy.denom(quotient)
        names = self._names(run, quotient) & shape.numbers.keys()
        if below.is_Integer and below > 1 and not quotient.is_Add:
            for f in sorted((f for f in shape.fields if f.name in names), key=lambda f: len(f.divisors)):
                multiple = f.power * int(below)
                if f.solved is None and f.number % (multiple * math.prod(shape.numbers[d] for d in f.divisors)) == 0:
                    self.multiples[f.name] = multiple
                    return True
        return False


def first_wrong(run: Run, shape: Architecture) -> Guard | None:
    """The first condition that the config's own numbers decide otherwise; torch's only where the run failed on one, or
    where it asks whether there is one element, which it repeats."""
    numbers = real_numbers(run, shape)
    run_numbers = {s: hint for s, hint in run.sizes.hints.items() if run.sizes.names.get(s) in run.build.hints}
    asked = [g for g in run.asked if g.by_model or _asks_for_one(g.condition)]
    if run.error is not None:
        asked = run.guards[:-5:-1] + asked
    seen: set[tuple[Any, bool]] = set()  # torch asks the same again and again
    for guard in asked:
        if (guard.condition, guard.outcome) in seen:
            continue
        seen.add((guard.condition, guard.outcome))
        known = numbers | (run_numbers if isinstance(guard.condition, sympy.Eq | sympy.Ne | sympy.Or) else {})
        if guard.condition.free_symbols <= known.keys() and guard.condition.free_symbols & numbers.keys():
            truth = decide(guard.condition, known)
            if truth in (True, False) and bool(truth) is not guard.outcome:
                return guard
    return None


def _asks_for_one(condition: sympy.Basic) -> bool:
    """Whether a condition is about a size being 0 or 1, or being less than 2."""
    if not isinstance(condition, Relational) or condition.has(sympy.Mod):
        return False
    return any(
        side.is_number and side <= (1 if isinstance(condition, sympy.Eq | sympy.Ne) else 2) for side in condition.args
    )


def length_limit(run: Run) -> Value:
    """The length below which the model's source does something else, such as a convolution that wants as many positions
    as its kernel has: what it compared seq_len with, of which one token is on the other side; 0 if there is none. That
    a loop runs as often as the run's own hint says is no such comparison."""
    found: set[Value] = set()
    for guard in _other_for_one(run):
        if guard.fixes:
            continue
        left, right = (run.quantities.compared(side) for side in guard.condition.args)
        limit = right if left == symbol("seq_len") else left if right == symbol("seq_len") else 1
        if len(free_symbols(limit)) < 2 and not free_symbols(limit) & run.build.hints.keys():
            found.add(limit)
    found -= {1, 2}
    return found.pop() if len(found) == 1 else 0


def decides_by_one(run: Run) -> bool:
    """Whether the model's source is written to do something else for one token, as by `if seq_len == 1`, or uses
    `einsum`, which does."""
    return run.contracts or any(guard.is_written for guard in _other_for_one(run))


def _other_for_one(run: Run) -> Iterator[Guard]:
    """The comparisons of the model's source that one token is on the other side of."""
    lengths = {s for s, name in run.sizes.names.items() if name == "seq_len"}
    one = run.sizes.hints | dict.fromkeys(lengths, sympy.Integer(1))
    for guard in run.asked:
        if guard.by_model and isinstance(guard.condition, Relational) and guard.condition.free_symbols & lengths:
            decided = decide(guard.condition, one)
            if decided in (True, False) and decided != guard.outcome:
                yield guard


def real_numbers(run: Run, shape: Architecture) -> dict[sympy.Symbol, sympy.Rational]:
    """What the config's own numbers give for torch's symbols."""
    numbers = shape.numbers
    by_rest = {
        f.rest: sympy.Rational(f.number, f.power * math.prod(numbers[d] for d in f.divisors))
        for f in shape.fields if f.solved is None
    }  # fmt: skip
    return {s: by_rest[n] for s, n in run.sizes.names.items() if n in by_rest}


def least_needed(names: set[str]) -> str:
    """The field that a formula loses least by keeping a number."""
    return max(names, key=lambda n: (next((i for i, w in enumerate(_MATTERS) if re.search(w, n)), len(_MATTERS)), n))


_MATTERS = (
    r"^vocab_size$", r"^(hidden_size|d_model|n_embd)$", r"^(num_attention_heads|n_heads?)$",
    r"kv_heads|key_value_heads", r"intermediate|ffn", r"^head_dim$", r"heads|head_dim", r"experts$",
    r"per_tok|topk|top_k", r"size|dim",
)  # fmt: skip


def _solved(shape: Architecture) -> int:
    return sum(f.solved is not None for f in shape.fields)
