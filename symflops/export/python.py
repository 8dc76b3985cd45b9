"""Closed forms as Python source without dependencies."""

from __future__ import annotations

import builtins
import json
import keyword
import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from textwrap import wrap

from symflops.cost import Cost
from symflops.domain import Condition
from symflops.export.code import (
    DIVISION,
    Parameter,
    checked,
    description,
    divides,
    following,
    identifier,
    limited,
    parameters,
    switches,
)
from symflops.grouping import grouped
from symflops.tree import Tree, fold

_IMPORTED = {
    "Fraction",
    "ceil",
    "floor",
    "isqrt",
    "index",
    "power",
    "root",
    "log2",
    "np",
    "quotient",
    "result",
    "holds",
    "largest",
}
RESERVED = frozenset({*keyword.kwlist, *keyword.softkwlist, *dir(builtins), *_IMPORTED})

# Exact where numbers are rational; of what is irrational, and of fractions whose digits would fill the memory, far more
# digits than any count of bytes depends on.
HELPERS = {
    "power": '''
def power(base, exponent):
    """base**exponent; of a fraction below 1 to a large power, the first 2000 binary places."""
    if Fraction(exponent).denominator != 1:
        raise ValueError("an exponent is not whole here")
    exponent = int(exponent)
    if not 0 < base < 1 or exponent < 4096:
        return Fraction(base) ** exponent
    square, result = (base.numerator << 2000) // base.denominator, 1 << 2000
    while exponent:
        if exponent % 2:
            result = result * square >> 2000
        square, exponent = square * square >> 2000, exponent // 2
    return Fraction(result, 1 << 2000)
''',
    "root": '''
def root(x):
    """The square root: exact where it is rational, else to 600 binary places."""
    x = Fraction(x)
    return Fraction(isqrt(x.numerator * x.denominator << 1200), x.denominator << 600)
''',
    "log2": '''
def log2(x):
    """The binary logarithm: exact for a power of two, else to 600 binary places."""
    x, places, y = Fraction(x), 0, 0
    if x <= 0:
        raise ValueError("the logarithm of a number that is not positive")
    whole = x.numerator.bit_length() - x.denominator.bit_length()
    whole -= x < Fraction(2) ** whole
    y = floor(x / Fraction(2) ** whole * 2**1200)
    for _ in range(600):
        y = y * y >> 1200
        places = 2 * places + (y >> 1201)
        y >>= y >> 1201
    return whole + Fraction(places, 1 << 600)
''',
}


@limited
def python_function(cost: Cost, metrics: Sequence[str], name: str, values: Mapping[str, int] | None = None) -> str:
    """A Python function of the cost's free symbols that returns a dict of ints, equal to `at` at every point.

    It uses only the standard library. `values` are the config's numbers for sizes that stayed symbols: their defaults.
    """
    cost = cost.only(metrics)
    given = parameters(cost, values or {}, RESERVED)
    names = {p.symbol: p.name for p in given}
    trees = {metric: cost.tree(metric) for metric in metrics}
    body = checks(given)
    for condition in checked(cost):
        sides = (grouped(condition.left), grouped(condition.right))
        left, right = (expression(side, names) for side in sides)
        body += refusal(f"({left} {condition.sign} {right})", condition, any(map(divides, sides)))
    computed = ["result = {"]
    for metric, tree in trees.items():
        computed += wrapped(f'"{metric}": {expression(tree, names)},', "    ")
    computed.append("}")
    body += guarded(computed, any(map(divides, trees.values())))
    body += [
        "result = {metric: floor(value + Fraction(1, 2)) for metric, value in result.items()}",
        "if min(result.values()) < 0:",
        '    raise ValueError("a metric is negative here: its formula does not hold")',
        "return result",
    ]
    head = [
        *imports("\n".join([*helpers("\n".join(body)), *body])),
        "",
        *helpers("\n".join(body)),
        "",
        f"def {identifier(name, RESERVED)}({signature(given)}):",
        '    """' + "\n    ".join(description(cost, metrics, name, given)),
        "",
        "    Returns a dict of exact integers. Raises ValueError for a negative size, and where a formula does not",
        "    hold.",
        '    """',
    ]
    return "\n".join([line.rstrip() for line in "\n".join(head).split("\n")] + [f"    {line}" for line in body])


def refusal(comparison: str, condition: Condition, may_divide: bool) -> list[str]:
    """The lines that refuse what breaks a condition; where a side has no number it is broken."""
    if not may_divide:
        lines = wrapped(f"if not {comparison}:", "")
    else:
        lines = ["try:", *wrapped(f"holds = {comparison}", "    "), "except ZeroDivisionError:", "    holds = False"]
        lines.append("if not holds:")
    return [*lines, f"    raise ValueError({outside(condition)})"]


def guarded(lines: Sequence[str], may_divide: bool, errors: str = "ZeroDivisionError") -> list[str]:
    """Lines that compute metrics, with one clear error for a division by 0."""
    if not may_divide:
        return [*lines]
    inside = [f"    {line}" for line in lines]
    return ["try:", *inside, f"except {errors}:", f'    raise ValueError("{DIVISION}") from None']


def outside(condition: Condition) -> str:
    """The message for numbers that break a condition, as a literal."""
    return json.dumps(f"assumption broken: {condition}")


def signature(given: Sequence[Parameter]) -> str:
    return ", ".join(p.name if p.default is None else f"{p.name}={p.default or None}" for p in given)


def checks(given: Sequence[Parameter]) -> list[str]:
    """The lines that complete and check the parameters."""
    lines = [f"{name} = {to} if {name} is None else {name}" for name, to in following(given).items()]
    lines += [f"{p.name} = index({p.name})" for p in given if not p.is_bytes]
    for p in given:
        if p.is_bytes:
            lines.append(f"{p.name} = {p.name} if isinstance({p.name}, int) else Fraction(str({p.name}))")
    if given:
        lines += [
            f"if min({', '.join(p.name for p in given)}, 0) < 0:",
            '    raise ValueError("sizes, lengths and bytes are not negative")',
        ]
    for name, symbol in switches(given).items():
        lines += [f"if {name} > 1:", f'    raise ValueError("{symbol} is 0 or 1")']
    return lines


def wrapped(text: str, indent: str) -> list[str]:
    """A line inside brackets as lines that are not too long."""
    together = text.replace(" = ", "\u00a0=\u00a0")
    further = f"{indent}    "
    lines = wrap(
        together, 108, initial_indent=indent, subsequent_indent=further, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace("\u00a0", " ") for line in lines]


def imports(body: str) -> list[str]:
    """What some lines use of the standard library."""
    used = [name for name in ("ceil", "floor", "isqrt") if f"{name}(" in body]
    lines = ["from fractions import Fraction", *([f"from math import {', '.join(used)}"] if used else [])]
    return [*lines, "from operator import index"] if "index(" in body else lines


def helpers(body: str) -> list[str]:
    """The helper functions that some lines call."""
    return [line for name, source in HELPERS.items() if re.search(rf"\b{name}\b", body) for line in source.split("\n")]


def expression(tree: Tree, names: Mapping[str, str]) -> str:
    """A tree as a Python expression in integers and fractions."""

    def leaf(value: int | Fraction | str) -> str:
        if isinstance(value, str):
            return names[value]
        return str(value) if isinstance(value, int) else f"Fraction({value.numerator}, {value.denominator})"

    return unbracketed(fold(tree, _PYTHON, leaf))


def unbracketed(text: str) -> str:
    """Without the brackets around the whole of it."""
    depth = 0
    for i, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if not depth and i < len(text) - 1:
            return text
    return text[1:-1] if text.startswith("(") else text


def _call(name: str) -> Callable[..., str]:
    return lambda *operands: f"{name}({', '.join(unbracketed(o) for o in operands)})"


def _raised(base: str, exponent: str) -> str:
    return f"{base}**{exponent}" if exponent.isdigit() else f"power({unbracketed(base)}, {unbracketed(exponent)})"


def added(*operands: str) -> str:
    return "(" + " + ".join(operands).replace("+ -", "- ") + ")"


_PYTHON: Mapping[str, Callable[..., str]] = {
    "+": added, "-": lambda a: f"-{a}", "*": lambda *factors: "*".join(factors), "/": _call("Fraction"), "**": _raised,
    "min": _call("min"), "max": _call("max"), "floor": _call("floor"), "ceil": _call("ceil"), "sqrt": _call("root"),
    "log2": _call("log2"),
}  # fmt: skip
