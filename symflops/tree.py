"""The language: trees, which are what a text is read into, and their text.

A tree is a number (`int`, `Fraction`), a name (`str`) or a tuple `(operation, operand, ...)`. Trees are what formula
files, model files and the command line are read into, and what every printer starts from. Meaning (exact numbers,
polynomials, SymPy, arrays) is given elsewhere by folding a tree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from symflops import deadline
from symflops.syntax import FUNCTIONS as FUNCTIONS
from symflops.syntax import MAX_BITS as MAX_BITS
from symflops.syntax import MAX_DEPTH as MAX_DEPTH
from symflops.syntax import MAX_LENGTH as MAX_LENGTH
from symflops.syntax import NAME as NAME
from symflops.syntax import Tree as Tree
from symflops.syntax import exact as exact
from symflops.syntax import read as read

Known = dict[int, tuple[Tree, str, int]]
"""Texts of trees, by identity: the tree, which so stays alive, its text, and how tightly that binds."""


def fold(tree: Tree, algebra: Mapping[str, Callable[..., Any]], leaf: Callable[[int | Fraction | str], Any]) -> Any:
    """Give a tree its meaning: `algebra` maps each operation to a function of its operands, `leaf` reads the leaves."""
    if isinstance(tree, tuple):
        deadline.check()
        return algebra[tree[0]](*(fold(operand, algebra, leaf) for operand in tree[1:]))
    return leaf(tree)


def names(tree: Tree) -> set[str]:
    """Every name that a tree mentions."""
    found: set[str] = set()
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            found.add(node)
        elif isinstance(node, tuple):
            stack.extend(node[1:])
    return found


def replaced(tree: Tree, trees: Mapping[str, Tree]) -> Tree:
    """A tree with others in the place of names, all at once.

    >>> replaced(("+", "a", "b"), {"a": "b", "b": 2})
    ('+', 'b', 2)
    """
    if isinstance(tree, tuple):
        return (tree[0], *(replaced(operand, trees) for operand in tree[1:]))
    return trees.get(tree, tree) if isinstance(tree, str) else tree


def write(tree: Tree, known: Known | None = None) -> str:
    """The text of a tree, with as few parentheses as reading it back allows, and without spaces if it is very long.

    `known` remembers the texts of parts, for one who writes many trees that share them.

    >>> write(("+", ("*", 2, ("+", "a", "b")), ("-", ("/", "a", 3))))
    '2*(a + b) - a/3'
    """
    text = _write(tree, known)[0]
    return text if len(text) <= MAX_LENGTH else text.replace(" ", "")


def depth(tree: Tree) -> int:
    """How many operations are nested in a tree.

    >>> depth(("+", ("*", 2, "a"), 1))
    2
    """
    if isinstance(tree, tuple):
        return 1 + max(map(depth, tree[1:]))
    return 1 if isinstance(tree, Fraction) else 0


def _digits(number: int) -> str:
    """The digits of an integer of any length; Python itself refuses to write more than 4,300."""
    if number.bit_length() < 14_000:
        return str(number)
    above, below = divmod(abs(number), 10**4000)
    return f"{'-' * (number < 0)}{_digits(above)}{below:04000d}"


_SUM, _PRODUCT, _NEGATION, _POWER, _ATOM = range(5)  # how tightly a text binds


def _write(tree: Tree, known: Known | None = None) -> tuple[str, int]:
    if isinstance(tree, str):
        return tree, _ATOM
    if isinstance(tree, int):
        return _digits(tree), _ATOM if tree >= 0 else _NEGATION
    if isinstance(tree, Fraction):
        return f"{_digits(tree.numerator)}/{_digits(tree.denominator)}", _PRODUCT if tree > 0 else _SUM
    if known is None:
        return _write_operation(tree, None)
    if id(tree) not in known:
        known[id(tree)] = (tree, *_write_operation(tree, known))
    return known[id(tree)][1:]


def _write_operation(tree: tuple[Any, ...], known: Known | None) -> tuple[str, int]:
    deadline.check()
    operation, *operands = tree
    if operation in FUNCTIONS:
        return f"{operation}({', '.join(_write(o, known)[0] for o in operands)})", _ATOM
    if operation == "-":
        text, strength = _write(operands[0], known)
        return f"-{text}" if strength >= _PRODUCT else f"-({text})", _NEGATION if strength > _PRODUCT else _SUM
    if operation == "+":
        text = _bracket(operands[0], _SUM, known)
        for operand in operands[1:]:
            negative, positive = _sign(operand)
            text += (" - " if negative else " + ") + _bracket(positive, _PRODUCT, known)
        return text, _SUM
    if operation == "*":
        first, *rest = operands
        text = _bracket(first, _PRODUCT, known)
        return "*".join([text, *(_bracket(o, _POWER, known) for o in rest)]), _PRODUCT
    if operation == "**":
        return f"{_bracket(operands[0], _ATOM, known)}**{_bracket(operands[1], _ATOM, known)}", _POWER
    left, right = operands
    tight = f" {operation} " if operation in ("//", "%") else operation
    return f"{_bracket(left, _PRODUCT, known)}{tight}{_bracket(right, _POWER, known)}", _PRODUCT


def _sign(tree: Tree) -> tuple[bool, Tree]:
    if isinstance(tree, tuple) and tree[0] == "-":
        return True, tree[1]
    if isinstance(tree, int | Fraction) and tree < 0:
        return True, -tree
    return False, tree


def _bracket(tree: Tree, least: int, known: Known | None) -> str:
    text, strength = _write(tree, known)
    return text if strength >= least else f"({text})"
