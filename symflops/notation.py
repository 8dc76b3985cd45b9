r"""Formulas in LaTeX: a tree becomes pieces between which a line may break.

SymPy's printer orders factors its own way and sets `\left( … \right)`, within which TeX cannot break a line. Costs
are long, so this one keeps the order of the grouped form, uses plain parentheses, and knows how wide its pieces are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from symflops import deadline
from symflops.grouping import SHORT, short_names
from symflops.tree import Tree

_SUM, _PRODUCT, _POWER, _ATOM = range(4)  # how tightly something binds
_DIGITS = 24  # of a literal that stay on one line
# How bad a line break is: between terms, before a bracket or an argument, between letters, where none is allowed.
# Inside brackets each is worse.
_TERM, _ARGUMENT, _LETTER, _NEVER = 20, 200, 3000, 10000
_EMPTY = 600  # how bad a line is that has nothing in it
_MAY_BREAK = r"\penalty300 "  # worse than after a sign, with \binoppenalty 0


class Box(NamedTuple):
    """LaTeX that stays on one line, about so many em wide, and how bad a line break before it would be."""

    text: str
    width: float
    penalty: int = _NEVER


def symbols(names: set[str], *, short: bool = True) -> dict[str, str]:
    r"""How each name is written in mathematics; no two alike.

    The usual letter where there is one, else the first letter with the other words' as its index. Without `short`, the
    names themselves.

    >>> print(*symbols({"num_key_value_heads", "linear_value_head_dim"}).values())
    n_{\mathrm{kv}} l_{\mathrm{vhd}}
    """
    if not short:
        return {name: upright(name) for name in names}
    chosen: dict[str, str] = {}
    taken: set[str] = set()
    counts: dict[tuple[str, str], int] = {}
    known = short_names(names)
    for name in sorted(names, key=lambda n: (known[n] == n and n not in SHORT, n)):
        wanted = known[name]
        if wanted == name and len(name) > 6 and any(c.isalpha() for c in name):
            words = [word for word in name.split("_") if word]
            wanted = words[0][0] + "_" + "".join(word[0] for word in words[1:])
        head, _, tail = wanted.partition("_")
        tail = tail.replace("_", "")
        text, count = _symbol(head, tail), counts.get((head, tail), 1)
        while text in taken:
            count += 1
            text = _symbol(head, f"{tail}{count}")
        counts[head, tail] = count
        taken.add(text)
        chosen[name] = text
    return chosen


def _symbol(head: str, tail: str) -> str:
    if not head:  # a name such as _x
        return rf"\mathrm{{\_{tail}}}"
    upright = head if len(head) == 1 and head.isalpha() else rf"\mathrm{{{head}}}"
    return upright + (rf"_{{\mathrm{{{tail}}}}}" if tail else "")


def upright(name: str) -> str:
    r"""A symbol's or a metric's name in mathematics.

    >>> upright("read_bytes")
    '\\mathrm{read\\_bytes}'
    """
    return rf"\mathrm{{{name.replace('_', chr(92) + '_')}}}"


def pieces(tree: Tree, names: Mapping[str, str]) -> list[Box]:
    """A tree as pieces of LaTeX mathematics, in order."""
    return _pieces(tree, names)[0]


def inline(tree: Tree, names: Mapping[str, str], room: float = 1e9) -> str:
    r"""A tree for running text and table cells, that may break where it has to, to fit into so many em.

    TeX breaks a formula after a sign. Before a bracket it may too, and where that is not enough, between letters.

    >>> tree = ("*", 2, "N", ("+", "h", 1))
    >>> print(inline(tree, {"N": "N", "h": "h"}), "or", inline(tree, {"N": "N", "h": "h"}, room=3))
    2\,N\,(h+1) or 2\,N\,\penalty300 (h+1)
    """
    parts = pieces(tree, names)
    if sum(part.width for part in parts) <= room:
        return "".join(part.text for part in parts)
    stretches: list[list[Box]] = []
    for part in parts:
        if stretches and part.penalty >= _LETTER:
            stretches[-1].append(part)
        else:
            stretches.append([part])
    text = ""
    for stretch in stretches:
        if text and stretch[0].text[0] not in "+-":
            text += _MAY_BREAK
        tight = sum(part.width for part in stretch) > room
        text += stretch[0].text
        for part in stretch[1:]:
            text += (_MAY_BREAK if tight and part.penalty < _NEVER else "") + part.text
    return text


def least_width(tree: Tree, names: Mapping[str, str]) -> float:
    """The width of the widest part of a tree that cannot break, in em."""
    runs: list[float] = []
    for part in pieces(tree, names):
        if runs and part.penalty >= _NEVER:
            runs[-1] += part.width
        else:
            runs.append(part.width)
    return max(runs)


def display(
    lines: Sequence[tuple[str, Tree]], names: Mapping[str, str], width: float = 25, environment: str = "aligned"
) -> str:
    r"""Equations one after the other, none wider than about so many em; needs amsmath. What stands left is LaTeX.

    >>> print(display([(upright("flops"), ("*", 2, "N", "h"))], {"N": "N", "h": "h"}))
    \begin{aligned}
    \mathrm{flops} &= 2\,N\,h
    \end{aligned}
    """
    rows = []
    for left, tree in lines:
        for i, line in enumerate(_lines(pieces(tree, names), width)):
            rows.append(f"{left} &= {line}" if i == 0 else rf"&\quad {{}}{line}")
    return "\n".join([rf"\begin{{{environment}}}", " \\\\\n".join(rows), rf"\end{{{environment}}}"])


def _lines(parts: Sequence[Box], width: float) -> list[str]:
    """Pieces as lines that fit, each broken where that is least bad: at an outer sign, and not too early."""
    lines, start = [], 0
    while start < len(parts):
        end, used = start, 0.0
        filled = [0.0]  # how much of the line is filled before each place where it could break
        while end < len(parts) and (end == start or used + parts[end].width <= width):
            used += parts[end].width
            filled.append(used / width)
            end += 1
        if end < len(parts):
            end = min(range(start + 1, end + 1), key=lambda i: parts[i].penalty + _EMPTY * (1 - filled[i - start]))
        lines.append("".join(part.text for part in parts[start:end]))
        start = end
    return lines


# ---------------------------------------------------------------------------------------------------------- the printer


def _pieces(tree: Tree, names: Mapping[str, str]) -> tuple[list[Box], int]:
    deadline.check()
    if isinstance(tree, str):
        return [Box(names[tree], _name_width(names[tree]))], _ATOM
    if isinstance(tree, Fraction):
        return _pieces(("/", tree.numerator, tree.denominator), names)
    if isinstance(tree, int):
        return (_digits(tree), _ATOM) if tree >= 0 else _pieces(("-", -tree), names)
    operation, *operands = tree
    if operation == "+":
        found = _bracket(operands[0], names, _SUM)
        for operand in operands[1:]:
            negative = isinstance(operand, tuple) and operand[0] == "-"
            positive = _bracket(operand[1] if negative else operand, names, _PRODUCT)
            found += _after("-" if negative else "+", 1.6, positive, _TERM)
        return found, _SUM
    if operation == "-":
        return _after("-", 0.8, _bracket(operands[0], names, _PRODUCT), _NEVER), _SUM
    if operation == "*":
        return _product([_bracket(operand, names, _PRODUCT) for operand in operands]), _PRODUCT
    if operation == "/":
        below = _bracket(operands[1], names, _POWER)
        return [*_bracket(operands[0], names, _PRODUCT), *_after("/", 0.5, below, _LETTER)], _PRODUCT
    if operation == "**":
        return _power(operands[0], operands[1], names)
    return _function(operation, operands, names), _ATOM


def _digits(number: int) -> list[Box]:
    groups = f"{number:,}".split(",")
    if len(groups) * 3 <= _DIGITS:
        return [Box("{,}".join(groups), 0.52 * len(str(number)) + 0.3 * len(groups))]
    return [Box(g if i == 0 else "{,}" + g, 2.0, _NEVER if i == 0 else _LETTER) for i, g in enumerate(groups)]


def _product(factors: list[list[Box]]) -> list[Box]:
    found = list(factors[0])
    for before, factor in pairwise(factors):
        number = factor[0].text[:1].isdigit()
        # A number stays with what it multiplies; a line rather breaks before a bracket than between two letters.
        bare = len(before) == 1 and before[0].text.replace("{,}", "").isdigit()
        penalty = _NEVER if bare else _ARGUMENT if factor[0].text.startswith("(") else _LETTER
        found[-1] = found[-1]._replace(
            text=found[-1].text + (r"\cdot " if number else r"\,"), width=found[-1].width + 0.4
        )
        found += [factor[0]._replace(penalty=penalty), *factor[1:]]
    return found


def _power(base: Tree, exponent: Tree, names: Mapping[str, str]) -> tuple[list[Box], int]:
    above = pieces(exponent, names)
    wide = sum(piece.width for piece in above)
    if wide > 12:  # an exponent cannot break
        return _called("pow", [pieces(base, names), above]), _ATOM
    below = _bracket(base, names, _ATOM)
    text = "".join(piece.text for piece in above)
    last = below[-1]
    if last.text.endswith("}") and "_{" in last.text and len(below) == 1:
        last = last._replace(text=f"{{{last.text}}}")
    return [*below[:-1], last._replace(text=rf"{last.text}^{{{text}}}", width=last.width + 0.75 * wide)], _POWER


def _function(operation: str, operands: Sequence[Tree], names: Mapping[str, str]) -> list[Box]:
    if operation == "//":
        return _function("floor", [("/", *operands)], names)
    if operation == "%":
        left, right = (_bracket(operand, names, _POWER) for operand in operands)
        return _enclosed("(", [*left, *_after(r"\bmod ", 2.5, right, _ARGUMENT)], ")")
    return _called(operation, [pieces(operand, names) for operand in operands])


def _called(operation: str, operands: Sequence[list[Box]]) -> list[Box]:
    before, after = _BRACKETS.get(operation, (rf"\operatorname{{{operation}}}(", ")"))
    inside: list[Box] = []
    for first, *rest in operands:
        if inside:
            inside[-1] = inside[-1]._replace(text=inside[-1].text + r",\;", width=inside[-1].width + 0.8)
        inside += [first._replace(penalty=_ARGUMENT), *rest]
    return _enclosed(before, inside, after)


_BRACKETS = {
    "floor": (r"\lfloor ", r"\rfloor "), "ceil": (r"\lceil ", r"\rceil "),
    "min": (r"\min(", ")"), "max": (r"\max(", ")"), "log2": (r"\log_{2}(", ")"),
}  # fmt: skip


def _enclosed(before: str, inside: list[Box], after: str) -> list[Box]:
    extra = 0.5 + 0.5 * len(re.sub(r"\\lfloor|\\lceil|\\operatorname|[\\{}]", "", before))
    inside = [Box(p.text, p.width, min(p.penalty + 60, _NEVER)) for p in inside]  # the outermost break reads best
    found = [
        inside[0]._replace(text=before + inside[0].text, width=inside[0].width + extra, penalty=_NEVER),
        *inside[1:],
    ]
    return [*found[:-1], found[-1]._replace(text=found[-1].text + after, width=found[-1].width + 0.5)]


def _bracket(tree: Tree, names: Mapping[str, str], least: int) -> list[Box]:
    found, strength = _pieces(tree, names)
    return found if strength >= least else _enclosed("(", found, ")")


def _after(operator: str, width: float, found: list[Box], penalty: int) -> list[Box]:
    first = found[0]
    return [Box(operator + first.text, first.width + width, penalty), *found[1:]]


def _name_width(text: str) -> float:
    head, _, tail = text.partition("_{")
    plain = [re.sub(r"\\mathrm|\\text|[\\{}]", "", part) for part in (head, tail)]
    return 0.62 * len(plain[0]) + 0.45 * len(plain[1])
