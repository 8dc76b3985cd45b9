"""Random texts of the whole language, and what they mean by Python's own syntax tree and fractions."""

from __future__ import annotations

import ast
import itertools
import math
import random
from fractions import Fraction
from typing import Any

from mpmath import mp, mpf

from symflops.algebra import from_text
from symflops.errors import SymflopsError
from symflops.polynomial import Value

NAMES = ("a", "b", "n")
BOX = [dict(zip(NAMES, values, strict=True)) for values in itertools.product((0, 1, 2, 3, 7), repeat=3)]


def meaning(text: str, numbers: dict[str, int]) -> Fraction | mpf | None:
    """The value of a text by Python's syntax tree: exact where it is rational, else to 300 digits; None without one."""
    with mp.workdps(300):
        try:
            return _meaning(ast.parse(text, mode="eval").body, numbers)
        except (ZeroDivisionError, ValueError):
            return None


def _meaning(node: ast.expr, numbers: dict[str, int]) -> Any:
    match node:
        case ast.Constant():
            return Fraction(str(node.value))
        case ast.Name():
            return Fraction(numbers[node.id])
        case ast.UnaryOp():
            return -_meaning(node.operand, numbers)
        case ast.BinOp():
            x, y = _meaning(node.left, numbers), _meaning(node.right, numbers)
            return _arithmetic(node.op, x, y)
        case ast.Call():
            return _call(node.func.id, [_meaning(a, numbers) for a in node.args])
    raise AssertionError(ast.dump(node))


def real(x: Any) -> Any:
    return mpf(x.numerator) / x.denominator if isinstance(x, Fraction) else x


def _arithmetic(operation: ast.operator, x: Any, y: Any) -> Any:
    if isinstance(x, mpf) != isinstance(y, mpf):
        x, y = real(x), real(y)
    match operation:
        case ast.Add():
            return x + y
        case ast.Sub():
            return x - y
        case ast.Mult():
            return x * y
        case ast.Div():
            return x / y
        case ast.FloorDiv():
            return _call("floor", [x / y])
        case ast.Mod():
            return x - y * _call("floor", [x / y])
        case ast.Pow():
            if isinstance(y, Fraction) and y.denominator == 1:
                return x ** int(y)
            if x < 0:
                raise ValueError
            if x == 0 and y < 0:
                raise ZeroDivisionError
            return real(x) ** real(y)
    raise AssertionError(operation)


def _call(function: str, values: list[Any]) -> Any:
    x = values[0]
    if function in ("min", "max"):
        return (min if function == "min" else max)(values, key=real)
    if function in ("floor", "ceil"):
        if isinstance(x, mpf) and abs(x - mp.nint(x)) < mpf(10) ** -200:
            return Fraction(int(mp.nint(x)))
        return Fraction(int(mp.floor(x) if function == "floor" else mp.ceil(x))) if isinstance(x, mpf) else (
            Fraction(math.floor(x) if function == "floor" else math.ceil(x))
        )  # fmt: skip
    if x < 0 or (function == "log2" and x == 0):
        raise ValueError
    if function == "sqrt":
        if isinstance(x, Fraction):
            top, bottom = math.isqrt(x.numerator), math.isqrt(x.denominator)
            if (top**2, bottom**2) == (x.numerator, x.denominator):
                return Fraction(top, bottom)
        return mp.sqrt(real(x))
    found = mp.log(real(x), 2)
    return Fraction(int(mp.nint(found))) if abs(found - mp.nint(found)) < mpf(10) ** -200 else found


def agree(found: Any, wanted: Any) -> bool:
    """Equal, or as far as an irrational number was computed."""
    if isinstance(wanted, Fraction) and isinstance(found, int | Fraction) and found == wanted:
        return True
    with mp.workdps(300):
        x, y = real(Fraction(found)), real(wanted)
        return bool(abs(x - y) <= mpf(10) ** -100 * (1 + abs(y)))


def written(rng: random.Random, depth: int) -> str:
    """A random text of the language."""
    if depth == 0 or rng.random() < 0.12:
        return rng.choice([*NAMES, *NAMES, str(rng.randint(0, 6)), "1/2", "0.75", "5/3"])
    a, b = (written(rng, rng.randint(0, depth - 1)) for _ in range(2))
    kind = rng.randrange(14)
    if kind < 5:
        return f"({a} {rng.choice('+-*')} {b})"
    if kind == 5:
        return f"({a} / {rng.choice([b, str(rng.randint(1, 6)), '(a + 1)', 'b'])})"
    if kind == 6:
        return f"({a} {rng.choice(['//', '%'])} {rng.choice([b, str(rng.randint(1, 6)), '(n + 2)'])})"
    if kind == 7:
        return f"({a})**{rng.choice(['2', '3', '0', '(-1)', '(-2)', 'n', '(0 - n)', '(b - 1)'])}"
    if kind == 8:
        return f"({rng.choice(['2', '1/2', '0', '3'])})**({a})" if depth < 3 else f"2**{rng.choice(NAMES)}"
    if kind == 9:
        return f"{rng.choice(['sqrt', 'log2'])}({a})"
    if kind < 12:
        return f"{rng.choice(['floor', 'ceil'])}({a} / {rng.randint(1, 6)})"
    return f"{rng.choice(['min', 'max'])}({', '.join([a, b, written(rng, 0)][: rng.randint(2, 3)])})"


NOWHERE = ("division by zero", "square root of a negative number", "log2 of a number that is not positive")


def texts(count: int, depth: int, seed: int) -> tuple[list[tuple[str, Value]], list[tuple[str, str]]]:
    """Random texts with their canonical values, and those that are refused."""
    rng = random.Random(seed)
    found: list[tuple[str, Value]] = []
    refused: list[tuple[str, str]] = []
    while len(found) < count:
        text = written(rng, depth)
        try:
            found.append((text, from_text(text)))
        except SymflopsError as error:
            refused.append((text, str(error)))
    return found, refused
