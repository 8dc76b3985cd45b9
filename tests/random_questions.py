"""Random questions and models for `solve`, `regimes`, `compare`, `generation` and `roofline`, and their judgement.

Every formula is made twice: as text, and as a function of Python's own fractions. An answer is judged by asking that
function at small numbers, around every edge that is claimed, and at large ones; nothing here uses the algebra.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import Any

import symflops
from symflops.cost import METRICS, Cost
from symflops.numeric import evaluate

Point = Mapping[str, int | Fraction]
HOLDS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: a == b, "<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b, ">": lambda a, b: a > b,
}  # fmt: skip
WINDOW, EXPERTS = 37, 8


@dataclass(frozen=True)
class Text:
    """A formula, and what it is at a point."""

    text: str
    at: Callable[[Point], Any]
    features: frozenset[str] = frozenset()


def constant(number: int | Fraction) -> Text:
    return Text(f"({number})", lambda p: number)


def name(symbol: str) -> Text:
    return Text(symbol, lambda p: p[symbol])


def joined(operator: str, a: Text, b: Text) -> Text:
    operations: Mapping[str, Callable[[Any, Any], Any]] = {
        "+": lambda x, y: x + y, "-": lambda x, y: x - y, "*": lambda x, y: x * y,
        "/": lambda x, y: Fraction(x) / y, "//": lambda x, y: x // y, "%": lambda x, y: x % y,
    }  # fmt: skip
    operation = operations[operator]
    own = {operator} if operator in ("/", "//", "%") else set()
    return Text(f"({a.text} {operator} {b.text})", lambda p: operation(a.at(p), b.at(p)), a.features | b.features | own)


def called(function: str, *arguments: Text) -> Text:
    apply: Callable[..., Any] = {"min": min, "max": max, "ceil": math.ceil, "floor": math.floor}[function]
    features = frozenset({function}).union(*(a.features for a in arguments))
    return Text(
        f"{function}({', '.join(a.text for a in arguments)})", lambda p: apply(*(a.at(p) for a in arguments)), features
    )


FADED = 10**6  # an exponent above which a power of a number below 1 is no more than 10**-10000


def raised(base: Fraction, exponent: Text) -> Text:
    def at(point: Point) -> Fraction:
        number = int(exponent.at(point))
        return base**number if base > 1 or number <= FADED else Fraction(0)

    return Text(f"({base})**{exponent.text}", at, exponent.features | {"**"})


class Questions:
    """A source of random formulas in one symbol, and in others that have numbers."""

    def __init__(self, draw: random.Random, symbol: str, others: tuple[str, ...] = ()) -> None:
        self.draw = draw
        self.symbol = name(symbol)
        self.others = [name(n) for n in others]

    def number(self) -> Text:
        if self.draw.random() < 0.15:
            return constant(Fraction(self.draw.randint(-40, 40), self.draw.choice((2, 3, 4, 7))))
        return constant(self.draw.choice((0, 1, 2, 3, 5, 8, 12, 30, 64, 100, 300, -1, -2, -7, -40)))

    def factor(self) -> Text:
        return self.draw.choice([self.symbol] * 3 + self.others + [self.number()])

    def line(self) -> Text:
        return joined("+", joined("*", self.number(), self.symbol), self.draw.choice([self.number(), *self.others]))

    def polynomial(self) -> Text:
        """A product or a sum of up to three factors or terms."""
        found = self.line()
        for _ in range(self.draw.randint(0, 2)):
            found = joined(self.draw.choice("**+-"), found, self.draw.choice([self.line(), self.factor()]))
        return found

    def special(self, depth: int) -> Text:
        d, draw = constant(self.draw.choice((2, 3, 4, 6, 8, 16))), self.draw
        inner = self.formula(depth - 1) if depth else self.line()
        kind = draw.randrange(12)
        if kind == 0:
            return joined("//", inner, d)
        if kind == 1:
            return joined("%", inner, d)
        if kind == 2:
            return called(draw.choice(("ceil", "floor")), joined("/", inner, d))
        if kind == 3:
            return called(draw.choice(("min", "max")), inner, self.draw.choice([self.line(), self.number()]))
        if kind == 4:  # a window
            return joined("*", self.symbol, called("min", self.symbol, constant(WINDOW)))
        if kind == 5:  # experts that are read
            share = constant(EXPERTS)
            k = draw.randint(1, EXPERTS - 1)
            idle = raised(Fraction(EXPERTS - k, EXPERTS), self.symbol)
            return joined("*", share, joined("-", constant(1), idle))
        if kind == 6:
            return joined("/", inner, joined("+", self.symbol, constant(draw.choice((0, 1, -3, -10)))))
        if kind == 7:
            return joined(draw.choice(("//", "%")), constant(draw.choice((12, 30, 64))), self.symbol)
        if kind == 8:
            return joined("/", raised(Fraction(draw.choice((2, 3))), self.symbol), constant(draw.choice((1, 7, 1000))))
        if kind == 9:  # beyond what is looked at number by number
            return joined("*", constant(draw.choice((10**4, 10**7, 10**12))), self.line())
        if kind == 10 and depth:
            return joined("*", self.special(depth - 1), self.special(depth - 1))
        return called("max", constant(0), joined("-", self.symbol, constant(draw.randint(0, 90))))

    def formula(self, depth: int = 1) -> Text:
        found = self.special(depth) if self.draw.random() < 0.55 else self.polynomial()
        for _ in range(self.draw.choice((0, 0, 1))):
            found = joined(self.draw.choice("+-*"), found, self.polynomial() if depth else self.factor())
        return found


# --------------------------------------------------------------------------------------------------------------- models


@lru_cache(maxsize=64)
def costs_of(model: str) -> Mapping[str, Cost]:
    """The cost of every layer of a shipped model that has a name of its own."""
    found: dict[str, list[Cost]] = {}
    for row in symflops.load(model).rows(groups=True):
        found.setdefault(row.path.rpartition(".")[2], []).append(row.total)
    return {n: costs[0] for n, costs in found.items() if len(costs) == 1}


def part(model: str, draw: random.Random) -> Text:
    """A cost of a layer, `flops(mlp)`, evaluated as the closed form of the layer alone."""
    layer = draw.choice(sorted(costs_of(model)))
    metric = draw.choice(("flops", "matmul_flops", "read_bytes", "write_bytes", "parameters"))
    value = costs_of(model)[layer].value(metric)
    defaults = {"past_len": 0, "causal": 0, "dtype_bytes": 2, "weight_bytes": 2, "cache_bytes": 2}

    def at(point: Point) -> Any:
        return evaluate(value, {**defaults, **point})

    unit = {"flops": "FLOP", "matmul_flops": "FLOP", "parameters": ""}.get(metric, "B")
    return Text(f"{metric}({layer})", at, frozenset({unit, "cost"}))


def random_model(draw: random.Random, conditions: bool = False) -> tuple[dict[str, Any], Mapping[str, Text]]:
    """A model of two or three layers whose costs are sums of what costs are made of, and these as formulas."""
    batch, seq, past = name("batch_size"), name("seq_len"), name("past_len")
    keys = joined("+", seq, past)
    window, tile = constant(draw.randint(2, 60)), constant(draw.choice((2, 3, 8)))
    tokens = joined("*", batch, seq)
    terms = [
        joined("*", constant(draw.randint(1, 300)), tokens),
        joined("*", constant(draw.randint(1, 9)), joined("*", tokens, keys)),
        joined("*", constant(draw.randint(1, 40)), joined("*", tokens, called("min", keys, window))),
        joined("*", tile, joined("*", batch, called("ceil", joined("/", keys, tile)))),
        joined("*", constant(draw.randint(1, 999)), joined("-", constant(1), raised(Fraction(3, 4), tokens))),
        joined("*", batch, called("max", constant(0), joined("-", keys, window))),
        joined("*", joined("*", constant(2), tokens), joined("//", keys, tile)),
    ]
    layers = {}
    for label in ("attention", "mlp", "head")[: draw.randint(2, 3)]:
        found = draw.choice(terms)
        for _ in range(draw.randint(0, 2)):
            found = joined("+", found, draw.choice(terms))
        layers[label] = found
    zero = dict.fromkeys(METRICS, "0")
    data = {
        "name": "random", "symbols": {},
        "layers": {n: {"cost": {**zero, "flops": t.text, "read_bytes": t.text}} for n, t in layers.items()},
    }  # fmt: skip
    if conditions:
        data["assumes"] = [f"past_len + seq_len <= {draw.randint(20, 90)}"]
    return data, layers


# ------------------------------------------------------------------------------------------------------------ judgement


class WrongAnswerError(AssertionError):
    """An answer that is not so."""


def truth(left: Text, relation: str, right: Text, point: Point) -> bool:
    """Whether it holds; where a side divides by 0 it says nothing."""
    try:
        return HOLDS[relation](left.at(point), right.at(point))
    except ZeroDivisionError:
        return False


def edges(answer: Any) -> set[int]:
    found: set[int] = set()
    for s in answer:
        ends = [s.first, s.last, s.value]
        if s.every:
            ends += [s.first + s.every * k for k in (1, 2, 1000)]
        found |= {int(end) for end in ends if end is not None}
    return found | {end for pair in answer.crossings for end in pair}


def is_claimed(answer: Any, n: int) -> bool:
    """Whether an answer about whole numbers says that it holds at one."""
    if answer.status != "solved":
        return bool(answer.status == "always")
    for s in answer:
        if s.first is None:
            if s.value == n and isinstance(s.value, int):
                return True
            continue
        at = s.first + (n - s.first) % s.every if s.every and n >= s.first else n
        if s.first <= at and (s.last is None or at <= s.last):
            return True
    return False


def judge(
    answer: Any,
    left: Text,
    relation: str,
    right: Text,
    point: Point,
    allowed: Callable[[int], bool],
    draw: random.Random,
) -> None:
    """Raise WrongAnswerError where an answer about whole numbers is not what the formulas say."""
    symbol, start = answer.symbol, 0 if answer.symbol in ("past_len", "causal") else 1
    powers = "**" in left.features | right.features
    numbers = set(range(start, 150)) | {n + d for n in edges(answer) for d in (-2, -1, 0, 1, 2)}
    numbers |= {draw.randint(start, 3000) for _ in range(10)}
    if not powers:
        numbers |= {draw.randint(start, 10**9) for _ in range(5)} | {10**12, 10**18 + 1}
    if symbol == "causal":
        numbers = {0, 1}
    for n in sorted(numbers):
        if n < start or (powers and n > 20_000):
            continue
        holds = allowed(n) and truth(left, relation, right, {**point, symbol: n})
        if (is_claimed(answer, n) and allowed(n)) is not holds:
            raise WrongAnswerError(f"at {symbol} = {n} it {'holds' if holds else 'does not hold'}: {answer.sentence}")
    if relation == "==" and not {"//", "%", "ceil", "floor"} & (left.features | right.features):
        _judge_roots(answer, left, right, point, start, allowed)


def _judge_roots(
    answer: Any, left: Text, right: Text, point: Point, start: int, allowed: Callable[[int], bool]
) -> None:
    """Every fractional root is one, and where the sides change places by being equal in between there is one."""
    if "**" in left.features | right.features:
        return

    def difference(x: Fraction) -> Fraction | None:
        """Exactly; None where a side divides by 0."""
        try:
            return Fraction(left.at({**point, answer.symbol: x}) - right.at({**point, answer.symbol: x}))
        except ZeroDivisionError:
            return None

    roots: list[tuple[Fraction, Fraction]] = []  # between which numbers each claimed one is
    for s in answer:
        if s.first is not None:
            continue
        if isinstance(s.value, int):
            roots.append((Fraction(s.value), Fraction(s.value)))
            continue
        near = Fraction(math.nextafter(s.value, -math.inf)), Fraction(math.nextafter(s.value, math.inf))
        if s.closed is not None:
            exactly = Fraction(evaluate(s.closed, {}))  # of a square root 512 binary places
            value = difference(exactly)
            if value is None or abs(value) > Fraction(1, 10**100) or not near[0] <= exactly <= near[1]:
                raise WrongAnswerError(f"{s.formula} is no root: {answer.sentence}")
            near = exactly, exactly
        elif not any(crossings(difference, _probes(*near))):
            raise WrongAnswerError(f"{s.value} is no root: {answer.sentence}")
        roots.append(near)
    stretches = [(s.first, s.last) for s in answer if s.first is not None]
    steps = [Fraction(start) + Fraction(k, 4) for k in range(240)]
    steps += [steps[-1] * Fraction(5, 4) ** k for k in range(1, 120)]  # to 2*10**13
    poles = [x for x in steps if difference(x) is None]
    steps += [x + Fraction(d, 4**k) for x in poles for k in range(2, 60) for d in (-1, 1)]
    for root in crossings(difference, steps):
        low, high = math.floor(root + Fraction(1, 10**30)), math.ceil(root - Fraction(1, 10**30))
        if not (low >= start and allowed(low) and allowed(high)):
            continue
        wide = Fraction(1, 10**30)
        found = any(a - wide <= root <= b + wide for a, b in roots)
        found = found or any(a - wide <= root and (b is None or root <= b + wide) for a, b in stretches)
        if not found:
            raise WrongAnswerError(f"no root at {float(root)}: {answer.sentence}")


def _probes(low: Fraction, high: Fraction) -> list[Fraction]:
    """Numbers from one to another, and ever closer to each of a few of them: a root may be next to a pole, both of them
    nearer to each other than floats are."""
    middle, gap = (low + high) / 2, high - low
    found = [low + gap * Fraction(k, 64) for k in range(65)]
    return found + [x + d * gap / 4**k for x in (low, middle, high) for k in range(1, 60) for d in (-1, 1)]


def crossings(f: Callable[[Fraction], Fraction | None], points: Iterable[Fraction]) -> Iterator[Fraction]:
    """Where f goes through 0 between neighbouring points, within 2**-200 of their distance, and the points at which it
    is 0 and does not stay so. Halving brings |f| closer to 0 there, and away from it at a pole, where its sign changes,
    too."""
    known = [(x, value) for x in sorted(set(points)) if (value := f(x)) is not None]
    for i, (x, value) in enumerate(known):
        if value == 0 and all(other != 0 for _, other in (*known[max(0, i - 1) : i], *known[i + 1 : i + 2])):
            yield x
    for (low, below), (high, above) in pairwise(known):
        if below * above >= 0:
            continue
        largest = max(abs(below), abs(above))
        a, b = low, high
        for i in range(200):
            middle = a + (b - a) * (Fraction(1, 2) if i % 7 else Fraction(3, 7))  # no pole for long
            value = f(middle)
            if value is None:
                continue
            if value == 0:
                a = b = middle
                break
            a, b, below, above = (middle, b, value, above) if value * below > 0 else (a, middle, below, value)
        if a == b or max(abs(below), abs(above)) < largest:
            yield (a + b) / 2


_LEAST = re.compile(r"that is at least (\d+)\Z")


def condition_holds(text: str, point: Point, closed: Any) -> bool:
    """Whether a condition of a curve is so at a point."""
    if (found := _LEAST.match(text)) is not None:
        return bool(closed >= int(found[1]))
    if text == "that is positive":
        return bool(closed > 0)
    left, relation, right = next(
        (a, r, b) for r in ("<=", ">=", "!=", "<", ">") for a, s, b in [text.partition(f" {r} ")] if s
    )
    values = [evaluate(symflops.cost.to_value(side), point) for side in (left, right)]
    return values[0] != values[1] if relation == "!=" else HOLDS[relation](*values)


def judge_curve(answer: Any, left: Text, relation: str, right: Text, point: Point) -> bool:
    """Raise WrongAnswerError where a curve at a point of the other symbols is not what the formulas say; False where it
    says nothing there."""
    symbol, start = answer.symbol, 0 if answer.symbol == "past_len" else 1
    if not all(condition_holds(c, point, None) for c in answer.where):
        return False
    claims = []
    for s in answer:
        general = [c for c in s.where if not c.startswith("that is")]
        if not all(condition_holds(c, point, None) for c in general):
            continue
        closed = evaluate(s.closed, point)
        claims.append((s, closed, all(condition_holds(c, point, closed) for c in s.where)))
    if answer.status == "solved" and not claims:
        return False
    near = {int(c) + d for _, c, _ in claims for d in (-1, 0, 1, 2)}
    for n in sorted({*range(start, 40), *near, 1000, 10**6, 10**12, 10**18 + 1}):
        if n < start:
            continue
        holds = truth(left, relation, right, {**point, symbol: n})
        if answer.status != "solved":
            claimed = answer.status == "always"
        elif relation == "==":
            claimed = any(c == n and is_one for _, c, is_one in claims)
        else:
            claimed = any(n <= c if s.side == "<=" else n >= c for s, c, _ in claims)
        if claimed is not holds:
            raise WrongAnswerError(f"at {symbol} = {n} and {dict(point)}: {answer.sentence}")
    return True
