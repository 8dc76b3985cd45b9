"""Closed forms as NumPy source: functions of arrays, exact at every point.

The whole numbers are computed in int64 when a bound of everything on the way shows that nothing overflows, else in
Python's integers, which NumPy keeps as objects; so are closed forms that divide, in fractions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from symflops.cost import Cost
from symflops.domain import Condition
from symflops.export.code import (
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
from symflops.export.python import (
    RESERVED,
    added,
    expression,
    guarded,
    helpers,
    imports,
    refusal,
    signature,
    unbracketed,
    wrapped,
)
from symflops.grouping import grouped
from symflops.tree import Tree, fold

_LOCAL = {"exact", "fits", "shape", "nearest", "tops", "whole", "order", "array", "metric"}
_START = '''
def exact(array):
    """The same numbers as Python's own: integers and, of decimals, fractions."""
    array = np.atleast_1d(array).astype(object)  # NumPy computes with a single object as with a number of its own
    return np.frompyfunc(lambda x: int(x) if x == int(x) else Fraction(str(x)), 1, 1)(array)


def nearest(array):
    """Whole numbers: what is not is rounded to the nearest integer."""
    array = np.asarray(array)
    if array.dtype != object:
        return array
    return np.frompyfunc(lambda x: floor(x + Fraction(1, 2)), 1, 1)(np.atleast_1d(array))
'''


@limited
def numpy_function(cost: Cost, metrics: Sequence[str], name: str, values: Mapping[str, int] | None = None) -> str:
    """A NumPy function of the cost's free symbols that returns a dict of arrays, equal to `at` at every point."""
    cost = cost.only(metrics)
    given = parameters(cost, values or {}, RESERVED | _LOCAL)
    names = {p.symbol: p.name for p in given}
    trees = {metric: _rounding(cost.tree(metric)) for metric in metrics}
    plain = {metric: tree for metric, tree in trees.items() if _is_whole(tree, at_top=True)}
    body = _checks(given)
    for condition in checked(cost):
        body += _condition(condition, names)
    computed: list[str] = []
    if plain:
        body += _bound(plain, given, names)
        computed += [line for metric, tree in plain.items() for line in _assignment(metric, tree, names)]
    others = {metric: tree for metric, tree in trees.items() if metric not in plain}
    if others:
        if given:
            computed += wrapped(f"({_listed(given)}) = map(exact, ({_listed(given)}))", "")
        for metric, tree in others.items():
            text = unbracketed(fold(tree, _OPERATIONS, lambda leaf: _leaf(leaf, names)))
            computed += wrapped(f"result[{metric!r}] = nearest({text})".replace("'", '"'), "")
    may_divide = any(map(divides, trees.values()))
    if may_divide:  # by 0 NumPy's own integers give 0
        computed = ['with np.errstate(divide="raise"):', *(f"    {line}" for line in computed)]
    body += guarded(computed, may_divide, "(ZeroDivisionError, FloatingPointError)")
    body += [
        *wrapped(f"order = ({', '.join(f'{chr(34)}{metric}{chr(34)}' for metric in metrics)},)", ""),
        "result = {metric: np.broadcast_to(result[metric], shape or (1,)).reshape(shape) for metric in order}",
        "if any(np.any(array < 0) for array in result.values()):",
        '    raise ValueError("a metric is negative here: its formula does not hold")',
        "return result",
    ]
    used = helpers("\n".join(body))
    everything = "\n".join([*used, *body, _START])
    lines = [
        *imports(everything),
        "",
        "import numpy as np",
        "",
        *_START.split("\n"),
        *used,
        "",
        f"def {identifier(name, RESERVED)}({signature(given)}):",
        '    """' + "\n    ".join(description(cost, metrics, name, given)),
        "",
        "    Each parameter is a number or an array; arrays broadcast against each other. Returns a dict of arrays, of",
        "    int64 where a bound shows that nothing overflows, else of Python's exact integers, which takes longer.",
        "    Raises ValueError for a negative size and where a formula does not hold.",
        '    """',
    ]
    return "\n".join(
        [*(line.rstrip() for line in "\n".join(lines).split("\n")), *(f"    {line}".rstrip() for line in body)]
    )


def _checks(given: Sequence[Parameter]) -> list[str]:
    lines = [f"{name} = {to} if {name} is None else {name}" for name, to in following(given).items()]
    if given:
        lines += wrapped(f"({_listed(given)}) = map(np.asarray, ({_listed(given)}))", "")
        whole = _listed([p for p in given if not p.is_bytes])
        if whole:
            lines += wrapped(f'if any(array.dtype.kind not in "biuO" for array in ({whole})):', "")
            lines.append('    raise ValueError("sizes and lengths are whole numbers")')
        lines += wrapped(f"if any(np.any(array < 0) for array in ({_listed(given)})):", "")
        lines.append('    raise ValueError("sizes, lengths and bytes are not negative")')
    for name, symbol in switches(given).items():
        lines += [f"if np.any({name} > 1):", f'    raise ValueError("{symbol} is 0 or 1")']
    shapes = ", ".join(f"{p.name}.shape" for p in given)
    return [*lines, *wrapped(f"shape = np.broadcast_shapes({shapes})", ""), "result = {}"]


def _condition(condition: Condition, names: Mapping[str, str]) -> list[str]:
    """The lines that refuse arrays in which some number breaks a condition. One symbol is compared with a number as it
    is; what has to be computed is computed in Python's integers, whatever the arrays' own format."""

    def leaf(value: int | Fraction | str) -> str:
        return f"exact({names[value]})" if isinstance(value, str) else _leaf(value, names)

    sides = (grouped(condition.left), grouped(condition.right))
    if all(isinstance(side, str | int) for side in sides):
        left, right = (_leaf(side, names) for side in sides)
    else:
        left, right = (unbracketed(fold(side, _OPERATIONS, leaf)) for side in sides)
    return refusal(f"np.all({left} {condition.sign} {right})", condition, any(map(divides, sides)))


def _listed(given: Sequence[Parameter]) -> str:
    return ", ".join(p.name for p in given) + ("," if len(given) == 1 else "")


def _bound(trees: Mapping[str, Tree], given: Sequence[Parameter], names: Mapping[str, str]) -> list[str]:
    """Lines that choose int64 or Python's integers for the formulas of whole numbers."""
    if not given:
        return []  # constants
    arrays = _listed(given)
    lines = [
        "",
        f"def largest({arrays}):",
        "    # No sum or product on the way is larger: every sign is a plus here, and no size is 0.",
        "    return max(",
    ]
    for tree in trees.values():
        lines += wrapped(f"{expression(_magnitude(tree), names)},", "        ")
    lines += [*wrapped(arrays.rstrip(","), "        "), "    )", ""]
    lines += wrapped(f"tops = [max(1, array.max(initial=0)) for array in ({arrays})]", "")
    lines += wrapped(f'whole = all(array.dtype.kind in "biu" for array in ({arrays}))', "")
    lines.append("fits = whole and largest(*map(int, tops)) < 2**63")
    made = "array.astype(np.int64) if fits else exact(array)"
    return [*lines, *wrapped(f"({arrays}) = ({made} for array in ({arrays}))", "")]


def _assignment(metric: str, tree: Tree, names: Mapping[str, str]) -> list[str]:
    sign, below = "", None
    if isinstance(tree, tuple) and tree[0] == "-":
        sign, tree = "-", tree[1]
    if isinstance(tree, tuple) and tree[0] == "/":
        tree, below = tree[1], tree[2]
    text = sign + fold(tree, _OPERATIONS, lambda leaf: _leaf(leaf, names))
    if below is not None:  # to the nearest integer
        text = f"(2*({unbracketed(text)}) + {below}) // {2 * below}"
    return wrapped(f'result["{metric}"] = nearest({unbracketed(text)})', "")


def _rounding(tree: Tree) -> Tree:
    """The tree with floor(a/b) as a//b and ceil(a/b) as -(-a//b), which stay in integers."""
    if not isinstance(tree, tuple):
        return tree
    operation, *operands = tree
    inner = operands[0]
    if operation in ("floor", "ceil") and isinstance(inner, tuple) and inner[0] == "/":
        above, below = (_rounding(operand) for operand in inner[1:])
        return ("//", above, below) if operation == "floor" else ("-", ("//", ("-", above), below))
    return (operation, *(_rounding(operand) for operand in operands))


def _is_whole(tree: Tree, at_top: bool = False) -> bool:
    """Whether integers suffice: nothing is divided but at the top, by a number, and directly below a floor or ceil."""
    if not isinstance(tree, tuple):
        return not isinstance(tree, Fraction)
    operation, *operands = tree
    if operation == "-":
        return _is_whole(operands[0], at_top)
    if operation == "/" and at_top:
        return _is_whole(operands[0]) and isinstance(operands[1], int)
    if operation == "**":
        return _is_whole(operands[0]) and isinstance(operands[1], int)
    return operation in ("+", "*", "//", "min", "max", "floor", "ceil") and all(
        _is_whole(operand) for operand in operands
    )


def _magnitude(tree: Tree) -> Tree:
    """A bound of everything that computing a whole tree makes, for symbols of at least 1."""
    if not isinstance(tree, tuple):
        return abs(tree) if isinstance(tree, int) else tree
    operation, *operands = tree
    if operation == "-":
        return _magnitude(operands[0])
    if operation == "/":  # and what rounding to the nearest takes
        return ("+", ("*", 2, _magnitude(operands[0])), _magnitude(operands[1]))
    if operation in ("//", "floor", "ceil", "min", "max"):
        return ("+", *(_magnitude(operand) for operand in operands), 1)
    return (operation, *(_magnitude(operand) for operand in operands))


def _leaf(value: int | Fraction | str, names: Mapping[str, str]) -> str:
    if isinstance(value, str):
        return names[value]
    return str(value) if isinstance(value, int) else f"Fraction({value.numerator}, {value.denominator})"


def _pairs(function: str) -> Any:
    def text(*operands: str) -> str:
        nested = operands[0]
        for operand in operands[1:]:
            nested = f"np.{function}({unbracketed(nested)}, {unbracketed(operand)})"
        return nested

    return text


def _quotient(a: str, b: str) -> str:
    return f"np.frompyfunc(Fraction, 2, 1)({unbracketed(a)}, {unbracketed(b)})"


def _raised(base: str, exponent: str) -> str:
    if exponent.isdigit():
        return f"({base})**{exponent}" if base.startswith("-") else f"{base}**{exponent}"
    return f"np.frompyfunc(power, 2, 1)({unbracketed(base)}, {unbracketed(exponent)})"


def _rounded(a: str, sign: str = "") -> str:
    return f"({sign}({sign}{a} // 1))"


_OPERATIONS = {
    "+": added, "-": lambda a: f"-{a}", "//": lambda a, b: f"({a} // ({unbracketed(b)}))",
    "*": lambda *factors: "*".join(factors), "/": _quotient, "**": _raised,
    "min": _pairs("minimum"), "max": _pairs("maximum"), "floor": _rounded, "ceil": lambda a: _rounded(a, "-"),
    "sqrt": lambda a: f"np.frompyfunc(root, 1, 1)({unbracketed(a)})",
    "log2": lambda a: f"np.frompyfunc(log2, 1, 1)({unbracketed(a)})",
}  # fmt: skip
