"""The language: text to syntax tree and back, nothing executed.

A tree is a number (`int`, `Fraction`), a name (`str`) or a tuple `(operation, operand, ...)`. Trees are what formula
files, model files and the command line are read into, and what every printer starts from. Meaning (exact numbers,
polynomials, SymPy, arrays) is given elsewhere by folding a tree.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from symflops.errors import SymflopsError, nearest

Tree = Any  # int | Fraction | str | tuple[str, Tree, ...]; recursive aliases cost more than they explain

FUNCTIONS = ("min", "max", "ceil", "floor", "sqrt", "log2")
MAX_LENGTH = 100_000  # characters of one formula
MAX_DEPTH = 100  # of nested operations; a sum or product of many terms is one level
MAX_BITS = 2048  # of an integer that a formula may contain or compute
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}\Z")
_TEMPLATE = re.compile(r"\{(\s*[A-Za-z_][A-Za-z0-9_]*\s*)\}")
_VALID = "valid are integers, decimals, names, + - * / // % **, parentheses and " + " ".join(FUNCTIONS)
_BINARY = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**"}


def read(text: str) -> Tree:
    """Parse the text of a formula.

    >>> read("2*N*{h} - 1")
    ('+', ('*', 2, 'N', 'h'), ('-', 1))

    Raises SymflopsError naming column and culprit for anything outside the language.
    """
    if not isinstance(text, str):
        raise SymflopsError(f"expected the text of a formula, got {type(text).__name__}")
    if len(text) > MAX_LENGTH:
        raise SymflopsError(f"formula of {len(text):,} characters is longer than the {MAX_LENGTH:,} allowed")
    if not text.isascii():
        culprit = next(c for c in text if not c.isascii())
        raise SymflopsError(f"column {text.index(culprit) + 1}: {culprit!r}: {_VALID}")
    source = re.sub(r"[\r\n\t]", " ", _TEMPLATE.sub(r" \1 ", text))
    stripped = source.lstrip()
    if not stripped:
        raise SymflopsError("the formula is empty")
    return _Reader(stripped, len(source) - len(stripped)).read()


class _Reader:
    """One text being read; keeps what error messages need."""

    def __init__(self, source: str, offset: int) -> None:
        self.source = source
        self.offset = offset

    def read(self) -> Tree:
        try:
            body = ast.parse(self.source, mode="eval").body
        except SyntaxError as error:
            column = self.offset + (error.offset or 1)
            at = self.source[max(0, (error.offset or 1) - 1) :][:20]
            raise SymflopsError(f"column {column}: {at!r}: not a formula; {_VALID}") from None
        except (RecursionError, MemoryError, ValueError) as error:
            raise SymflopsError(f"formula is nested too deeply or not readable ({type(error).__name__})") from None
        return self.node(body, 0)

    def fail(self, node: ast.expr, message: str) -> SymflopsError:
        culprit = self.text(node)
        culprit = culprit if len(culprit) <= 60 else culprit[:57] + "..."
        return SymflopsError(f"column {self.offset + node.col_offset + 1}: {culprit!r}: {message}")

    def text(self, node: ast.expr) -> str:
        return self.source[node.col_offset : node.end_col_offset]

    def node(self, node: ast.expr, depth: int) -> Tree:
        if depth > MAX_DEPTH:
            raise self.fail(node, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(node, ast.Constant):
            return self.number(node)
        if isinstance(node, ast.Name):
            if not NAME.match(node.id):
                raise self.fail(node, "a name has at most 100 characters")
            return node.id
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            operand = self.node(node.operand, depth + 1)
            return ("-", operand) if isinstance(node.op, ast.USub) else operand
        if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
            return self.binary(node, depth)
        if isinstance(node, ast.Call):
            return self.call(node, depth)
        kind = "attribute access" if isinstance(node, ast.Attribute) else type(node).__name__
        raise self.fail(node, f"{kind} is not part of the language; {_VALID}")

    def binary(self, node: ast.BinOp, depth: int) -> Tree:
        operation = _BINARY[type(node.op)]
        if operation not in "+-*":
            return (operation, self.node(node.left, depth + 1), self.node(node.right, depth + 1))
        # A chain a + b - c leans left in Python's tree: walk it in a loop, so that long sums stay one level deep.
        family = (ast.Mult,) if operation == "*" else (ast.Add, ast.Sub)
        operands: list[Tree] = []
        left: ast.expr = node
        while isinstance(left, ast.BinOp) and isinstance(left.op, family):
            right = self.node(left.right, depth + 1)
            operands.append(("-", right) if isinstance(left.op, ast.Sub) else right)
            left = left.left
        operands.append(self.node(left, depth + 1))
        return ("*" if operation == "*" else "+", *reversed(operands))

    def call(self, node: ast.Call, depth: int) -> Tree:
        if not isinstance(node.func, ast.Name):
            raise self.fail(node, f"only named functions can be called; {_VALID}")
        name = node.func.id
        if name not in FUNCTIONS:
            raise self.fail(node, f"unknown function {name!r}{nearest(name, FUNCTIONS)}")
        if node.keywords or any(isinstance(a, ast.Starred) for a in node.args):
            raise self.fail(node, f"{name} takes plain arguments")
        many = name in ("min", "max")
        if not node.args or (len(node.args) != 1 and not many):
            raise self.fail(node, f"{name} takes {'one argument or more' if many else 'one argument'}")
        return (name, *(self.node(a, depth + 1) for a in node.args))

    def number(self, node: ast.Constant) -> int | Fraction:
        if type(node.value) is int:
            if node.value.bit_length() > MAX_BITS:
                raise self.fail(node, f"integer of more than {MAX_BITS} bits")
            return node.value
        if type(node.value) is float:
            text = self.text(node).replace("_", "").lower()
            if abs(int(text.partition("e")[2] or 0)) > 300 or len(text) > 600:
                raise self.fail(node, "number is out of range")
            return exact(Fraction(text))  # from the digits, not from the float: 0.1 is one tenth
        raise self.fail(node, f"not a number; {_VALID}")


def exact(value: Fraction) -> int | Fraction:
    """A rational number in its simplest type."""
    return value.numerator if value.denominator == 1 else value


# ------------------------------------------------------------------------------------------------ folding and writing


def fold(tree: Tree, algebra: Mapping[str, Callable[..., Any]], leaf: Callable[[int | Fraction | str], Any]) -> Any:
    """Give a tree its meaning: `algebra` maps each operation to a function of its operands, `leaf` reads the leaves."""
    if isinstance(tree, tuple):
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


def write(tree: Tree) -> str:
    """The text of a tree, with as few parentheses as reading it back allows.

    >>> write(("+", ("*", 2, ("+", "a", "b")), ("-", ("/", "a", 3))))
    '2*(a + b) - a/3'
    """
    return _write(tree)[0]


_SUM, _PRODUCT, _NEGATION, _POWER, _ATOM = range(5)  # how tightly a text binds


def _write(tree: Tree) -> tuple[str, int]:
    if isinstance(tree, str):
        return tree, _ATOM
    if isinstance(tree, int):
        return str(tree), _ATOM if tree >= 0 else _NEGATION
    if isinstance(tree, Fraction):
        return f"{tree.numerator}/{tree.denominator}", _PRODUCT if tree > 0 else _SUM
    operation, *operands = tree
    if operation in FUNCTIONS:
        return f"{operation}({', '.join(write(o) for o in operands)})", _ATOM
    if operation == "-":
        return "-" + _bracket(operands[0], _PRODUCT), _NEGATION if _write(operands[0])[1] > _PRODUCT else _SUM
    if operation == "+":
        text = _bracket(operands[0], _SUM)
        for operand in operands[1:]:
            negative, positive = _sign(operand)
            text += (" - " if negative else " + ") + _bracket(positive, _PRODUCT)
        return text, _SUM
    if operation == "*":
        first, *rest = operands
        text = _bracket(first, _PRODUCT)
        return "*".join([text, *(_bracket(o, _POWER) for o in rest)]), _PRODUCT
    if operation == "**":
        return f"{_bracket(operands[0], _ATOM)}**{_bracket(operands[1], _ATOM)}", _POWER
    left, right = operands
    tight = f" {operation} " if operation in ("//", "%") else operation
    return f"{_bracket(left, _PRODUCT)}{tight}{_bracket(right, _POWER)}", _PRODUCT


def _sign(tree: Tree) -> tuple[bool, Tree]:
    if isinstance(tree, tuple) and tree[0] == "-":
        return True, tree[1]
    if isinstance(tree, int | Fraction) and tree < 0:
        return True, -tree
    return False, tree


def _bracket(tree: Tree, least: int) -> str:
    text, strength = _write(tree)
    return text if strength >= least else f"({text})"
