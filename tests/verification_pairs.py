"""Random pairs of formulas with what Python itself makes of them: two that have nothing to do with each other, one and
an equivalent rewriting, one and a slight change. What a verdict says is held against a box of points, in fractions."""

from __future__ import annotations

import ast
import itertools
import math
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from types import CodeType
from typing import Any

import symflops
from symflops.algebra import from_text
from symflops.errors import SymflopsError

BYTES = "dtype_bytes"
WHOLE = ("s", "w", "k")
Point = Mapping[str, Fraction]

_CONDITIONS = (
    "s <= w", "w < s", "s >= 2", "s <= 5", "s != 3", "s % 2 == 0", "w == 2*s", "s + w <= 7", "2*s <= w", "k == 3",
    "w >= 1", "k*s <= w", "s % 2 == 1", "w == s + k", "k <= s", "2*k == 5", "s*w >= 4",
)  # fmt: skip
_BYTE_CONDITIONS = ("dtype_bytes <= 1", "dtype_bytes >= 1/2", "dtype_bytes == 1/2", "dtype_bytes > 0")


_GROWING_CONDITIONS = ("s <= w", "w < s", "s % 2 == 0", "w == 2*s", "k <= 8", "s <= 100", "w == s*k")


def floor(x: Fraction) -> Fraction:
    return Fraction(math.floor(x))


def ceil(x: Fraction) -> Fraction:
    return Fraction(math.ceil(x))


_FUNCTIONS: dict[str, Any] = {"min": min, "max": max, "floor": floor, "ceil": ceil, "F": Fraction}


class _Fractions(ast.NodeTransformer):
    """Every number of a text, and what Python rounds to an int, inside F(): all that is computed is a fraction."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return _fraction(node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        return _fraction(node) if isinstance(node.op, ast.FloorDiv) else node


def _fraction(node: ast.expr) -> ast.expr:
    return ast.Call(ast.Name("F", ast.Load()), [node], [])


@cache
def _code(text: str) -> CodeType:
    return compile(ast.fix_missing_locations(_Fractions().visit(ast.parse(text, mode="eval"))), "formula", "eval")


def brute(text: str, point: Point) -> Fraction | None:
    """What Python makes of the text at a point, every number a fraction; None where it has no rational value."""
    try:
        value = eval(_code(text), {"__builtins__": {}}, {**_FUNCTIONS, **point})
    except (ZeroDivisionError, OverflowError):
        return None
    return Fraction(value) if isinstance(value, int | Fraction) else None  # a broken power is a float


@dataclass(frozen=True)
class Pair:
    """Two formulas, the conditions under which they are compared, and how the second was made."""

    a: str
    b: str
    conditions: tuple[str, ...]
    kind: str
    names: tuple[str, ...]

    def points(self, most: int = 5) -> Iterator[dict[str, Fraction]]:
        """The points of a box that meet the conditions."""
        whole = [Fraction(i) for i in range(most + 1)]
        values = [[Fraction(i, 2) for i in range(5)] + [Fraction(1, 3)] if n == BYTES else whole for n in self.names]
        for numbers in itertools.product(*values):
            point = dict(zip(self.names, numbers, strict=True))
            if self.holds(point):
                yield point

    def holds(self, point: Point) -> bool:
        """Whether the conditions hold, as far as the point has their names."""
        known = [c for c in self.conditions if set(re.findall("[a-z_]+", c)) <= point.keys()]
        try:
            return all(eval(_code(c), {"__builtins__": {}}, {**_FUNCTIONS, **point}) for c in known)
        except ZeroDivisionError:
            return False


class Maker:
    """Formulas and pairs, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def formula(self, names: tuple[str, ...], depth: int) -> str:
        draw = self.random
        if depth == 0 or draw.random() < 0.15:
            return draw.choice(names) if draw.random() < 0.65 else str(draw.randint(0, 5))
        one, two = self.formula(names, depth - 1), self.formula(names, depth - 1)
        match draw.choice("+-*+-*mmMMfcfc/d%pn0"):
            case "+" | "-" | "*" as sign:
                return f"({one} {sign} {two})"
            case "m":
                return f"min({one}, {two})"
            case "M":
                return f"max({one}, {two})"
            case "f":
                return f"floor({one} / {draw.randint(2, 4)})"
            case "c":
                return f"ceil({one} / {draw.randint(2, 4)})"
            case "/":
                return f"({one} / {draw.choice([*names, two, '2', '3'])})"
            case "d":
                return f"({one} // {draw.choice([*names, '2', '3', two])})"
            case "%":
                return f"({one} % {draw.choice([*names, '2', '3', two])})"
            case "p":
                whole = [n for n in names if n != BYTES]
                return f"({draw.choice(['2', '3', '1/2', '0'])}) ** {draw.choice(whole)}" if whole else one
            case "n":
                return f"(({one}) ** (0 - {draw.randint(1, 2)}))"
            case _:
                return f"({one}) ** {draw.randint(2, 3)}"

    def rewritten(self, a: str, names: tuple[str, ...]) -> str:
        """A formula that equals another one wherever both have a value."""
        x, y = self.formula(names, 1), self.formula(names, 1)
        n = self.random.randint(2, 4)
        forms = [
            f"({a}) + ({x}) - ({x})",
            f"min({a}, {x}) + max({a}, {x}) - ({x})",
            f"0 - max(0 - ({a}), 0 - ({a}))",
            f"({n})*(({a}) // ({n})) + ({a}) % ({n})",
            f"(({a})*({x})) / ({x})",
            f"min({a}, max({a}, {x}))",
            f"max(min({a}, {x}), min({a}, max({a}, {x})))",
            f"({a}) + ({x}) // ({n}) + ceil((0 - ({x})) / ({n}))",
            f"({a})*(({x}) + ({y})) - ({y})*({a}) - ({x})*({a}) + ({a})",
            f"max(0, {a}) + min(0, {a})",
            f"({a}) + max(0, ({x}) - ({y})) - max({x}, {y}) + ({y})",
            f"({a}) + floor(({x}) / ({y})) - (({x}) // ({y}))",
            f"({a}) + ({x}) % ({y}) - ({x}) + ({y})*(({x}) // ({y}))",
        ]
        return self.random.choice(forms)

    def mutated(self, a: str) -> str:
        """A formula with one sign, number, name or function changed."""
        swaps = {
            "+": "-", "-": "+", "s": "w", "w": "s", "0": "1", "1": "2", "2": "3", "3": "4", "4": "5", "5": "4",
            "min": "max", "max": "min", "floor": "ceil", "ceil": "floor", "//": "/", "*": "+", "k": "s", BYTES: "2",
        }  # fmt: skip
        found = [m for m in re.finditer(r"[a-z_]+|\d|//|\*\*|[-+*]", a) if m[0] in swaps]
        if not found:
            return f"({a}) + 1"
        m = self.random.choice(found)
        return a[: m.start()] + swaps[m[0]] + a[m.end() :]

    def product(self, names: tuple[str, ...], most: int) -> str:
        """A term: a coefficient times symbols and, now and then, factors that are bounded, vanish or are rounded."""
        draw = self.random
        n, m, c = draw.choice(names), draw.choice(names), draw.choice([2, 7, 64, 4096])
        odd = (
            f"min({n}, {c})", f"min({n}, {m})", f"max({n}, {m})", f"max(0, {n} - {m})", f"({n} % {c})", f"({n} % {m})",
            f"ceil({n}/{c})", f"floor({n}/{m})", f"{n}/{m}", "causal", f"({n} + {c})", f"1/({n} + 1)",
            f"({n} - 1)", f"(1 - 1/({n} + 1))", f"min(1, {n}/{m})", "dtype_bytes",
        )  # fmt: skip
        factors = [str(draw.choice([1, 1, 2, 3, 10**9]))]
        factors += [draw.choice(names) for _ in range(draw.randint(0, most))]
        factors += [draw.choice(odd)] * (draw.random() < 0.4)
        return "*".join(factors)

    def leading_pair(self) -> Pair:
        """A formula and one with more terms, or with a factor more."""
        draw = self.random
        names = draw.choice([("s", "w"), ("s", "w", "k")])
        reference = " + ".join(self.product(names, 3) for _ in range(draw.randint(1, 3)))
        if draw.random() < 0.2:
            reference += f" - {self.product(names, 1)}"
        more = " + ".join(self.product(names, 2) for _ in range(draw.randint(1, 2)))
        candidate = f"{reference} + {more}" if draw.random() < 0.9 else f"({reference})*(1 + 1/({names[0]} + 1))"
        known = [c for c in _GROWING_CONDITIONS if set(re.findall("[a-z_]+", c)) <= set(names)]
        conditions = (draw.choice(known),) if draw.random() < 0.25 else ()
        used = set(re.findall("[a-z_]+", f"{candidate} {' '.join(conditions)}"))
        return Pair(
            candidate, reference, conditions, "leading", tuple(n for n in (*WHOLE, "causal", BYTES) if n in used)
        )

    def pair(self) -> Pair:
        draw = self.random
        names = draw.choice([("s",), ("s", "w"), ("s", "w"), ("s", "w", "k"), ("s", BYTES), (BYTES,)])
        a = self.formula(names, draw.choice([1, 2, 2, 3]))
        kind = draw.choice(["unrelated", "rewritten", "rewritten", "mutated"])
        if kind == "unrelated":
            b = self.formula(names, 2)
        else:
            b = self.rewritten(a, names) if kind == "rewritten" else self.mutated(a)
        conditions: list[str] = []
        if draw.random() < 0.3:
            known = [c for c in _CONDITIONS + _BYTE_CONDITIONS if set(re.findall("[a-z_]+", c)) <= set(names)]
            conditions = draw.sample(known, min(len(known), draw.choice([1, 1, 2, 3])))
        used = set(re.findall("[a-z_]+", " ".join([a, b, *conditions])))
        return Pair(a, b, tuple(conditions), kind, tuple(n for n in (*WHOLE, BYTES) if n in used))


def reads(text: str) -> bool:
    try:
        from_text(text)
    except SymflopsError:
        return False
    return True


def judged(pair: Pair, verdict: symflops.Verdict) -> str:
    """What is wrong with a verdict, as far as a box of points shows; empty where nothing is."""
    if verdict.status == "different":
        return _judged_different(pair, verdict)
    inside = list(pair.points())
    if "exclude every point" in verdict.proof:
        both = [p for p in inside if brute(pair.a, p) is not None and brute(pair.b, p) is not None]
        left = both if "have a value" in verdict.proof else inside
        return f"the conditions hold at {left[0]}" if left else ""
    if verdict.status == "equal":
        for point in inside:
            x, y = brute(pair.a, point), brute(pair.b, point)
            if x is not None and y is not None and x != y:
                return f"differs at {point}: {x} and {y}"
    return ""


def _own_symbols(pair: Pair) -> list[set[str]]:
    """The symbols of the formulas: as they are written, and with what equations of the conditions give for some."""
    written = {n for n in pair.names if n in re.findall("[a-z_]+", f"{pair.a} {pair.b}")}
    given = set(written)
    for condition in pair.conditions:
        for name, text in itertools.permutations(condition.split(" == ")) if condition.count(" == ") == 1 else ():
            if name in given:
                given = given - {name} | {n for n in pair.names if n in re.findall("[a-z_]+", text)}
    return [written, given]


def _smaller(pair: Pair, point: Point, own: set[str]) -> Point | None:
    """Another point of whole numbers at which the formulas differ, where these symbols have a smaller sum."""
    total = sum(point[n] for n in own if n in point)
    for other in pair.points():
        if other.get(BYTES) == 0:  # of an element, which has some
            continue
        if sum(other[n] for n in own if n in point) < total and all(v.denominator == 1 for v in other.values()):
            x, y = brute(pair.a, other), brute(pair.b, other)
            if x is not None and y is not None and x != y:
                return other
    return None


def _judged_different(pair: Pair, verdict: symflops.Verdict) -> str:
    assert verdict.counterexample is not None
    if not any(True for _ in pair.points(8)):  # none of these conditions needs more
        return "the conditions exclude every point"
    point = {n: Fraction(v) for n, v in verdict.counterexample.items()}
    if any(v < 0 or (n != BYTES and v.denominator != 1) for n, v in point.items()) or not pair.holds(point):
        return f"{point} is no point of the domain"
    x, y = brute(pair.a, point), brute(pair.b, point)
    if x is None or y is None or x == y:
        return f"does not differ at {point}: {x} and {y}"
    if (x, y) != (verdict.candidate_value, verdict.reference_value):
        return f"has other values at {point}: {x} and {y}"
    if verdict.smallest:
        smaller = [_smaller(pair, point, own) for own in _own_symbols(pair)]
        if all(smaller):
            return f"is not the smallest: {smaller[0]}"
    return ""


def shares(pair: Pair, draw: random.Random, directions: int) -> list[tuple[Point, Fraction, Fraction]]:
    """The difference as a share of the second formula at two points of each of some random directions of the domain,
    the second one with its symbols much larger. Along every third direction a symbol is moved to where the second
    formula changes its sign."""
    found = []
    for i in range(directions):
        power = {n: 1 if i == 0 else draw.choice([1, 1, 1, 2, 3, 6]) for n in WHOLE}
        start = {n: draw.choice([1, 1, 2, 3]) for n in WHOLE}
        fixed = {
            "causal": Fraction(draw.choice([0, 1])),
            BYTES: draw.choice([Fraction(1, 2), Fraction(1), Fraction(2)]),
        }
        few = draw.choice([0, 1, 7, 8])
        pattern = draw.randrange(6)
        moved = draw.choice(WHOLE) if i % 3 == 2 else ""
        sizes = (2**30 + 43, 2**60 + 21) if i % 2 else (7 * 2**30, 7 * 2**60)
        pairs = []
        for size in sizes:
            ways = [{n: start[n] * size ** power[n] for n in WHOLE}]
            if moved:
                low = _changing(pair, ways[0], moved, size, fixed, few, pattern)
                ways = [{**ways[0], moved: low + d} for d in (0, 1)]
            points = [_placed(pair, way, fixed, few, pattern) for way in ways]
            pairs.append([p for p in points if pair.holds(p)])
        numbers = [max((s for p in points if (s := _share(pair, p)) is not None), default=None) for points in pairs]
        if numbers[0] is not None and numbers[1] is not None:
            found.append((pairs[1][0], numbers[0], numbers[1]))
    return found


def _placed(pair: Pair, free: Mapping[str, int], fixed: Point, few: int, pattern: int) -> dict[str, Fraction]:
    """A point of the domain at which its unbounded symbols have given values, or others that depend on these."""
    point = {n: Fraction(v) for n, v in free.items()} | dict(fixed)
    if "k <= 8" in pair.conditions:
        point["k"] = Fraction(few)
    if "s <= 100" in pair.conditions:
        point["s"] = Fraction(pattern * 20)
    if "s <= w" in pair.conditions:
        point["w"] = point["s"] + (point["w"] if pattern % 2 else pattern // 2)
    if "w < s" in pair.conditions:
        point["s"] = point["w"] + (point["s"] if pattern % 2 else 1 + pattern // 2)
    if "w == 2*s" in pair.conditions:
        point["w"] = 2 * point["s"]
    if "w == s*k" in pair.conditions:
        point["w"] = point["s"] * point["k"]
    return {n: point[n] for n in pair.names}


def _changing(pair: Pair, free: Mapping[str, int], moved: str, size: int, fixed: Point, few: int, pattern: int) -> int:
    """The last value of one symbol before the second formula changes its sign, by bisection; as it is without one."""

    def sign(value: int) -> bool:
        number = brute(pair.b, _placed(pair, {**free, moved: value}, fixed, few, pattern))
        return number is not None and number > 0

    ends = [size**e for e in range(1, 13)]
    signs = [sign(end) for end in ends]
    for low, high, one, other in zip(ends, ends[1:], signs, signs[1:], strict=False):
        if one != other:
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if sign(middle) == one else (low, middle)
            return low
    return free[moved]


def _share(pair: Pair, point: Point) -> Fraction | None:
    x, y = brute(pair.a, point), brute(pair.b, point)
    if x is None or y is None:
        return None
    return abs((x - y) / y) if y else Fraction(x != y) * 10**9


def judged_leading(pair: Pair, verdict: symflops.Verdict, draw: random.Random, directions: int = 60) -> str:
    """What is wrong with a verdict on leading terms, as far as random directions show; empty where nothing is."""
    found = shares(pair, draw, directions)
    if verdict.status == "equal" and verdict.dropped:
        for point, _, after in found:
            if after > Fraction(1, 100):
                return f"the share is {float(after)} at {point}"
    if verdict.status == "different" and found and all(after <= before / 16 for _, before, after in found):
        return "the share vanishes in all directions that were tried"
    return ""
