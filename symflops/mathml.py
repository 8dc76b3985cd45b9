"""Formulas as native MathML that a browser lays out without any script.

A formula is a row of `<math>` elements, one per term, since browsers break lines only between them: a long formula
wraps like text instead of running off the page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from html import escape

from symflops.tree import Tree, write

_MINUS, _TIMES, _APPLY = "\u2212", "\u2062", "\u2061"  # the last two show nothing and are read aloud
_BREAK = ""  # between two parts of a formula: a line may end here
_LONG = 24  # characters of a numerator that no longer stands above a fraction bar
_SUBSCRIPT = re.compile(r"([A-Za-z])_([A-Za-z0-9]{1,3})\Z")
_FENCES = {"floor": ("⌊", "⌋"), "ceil": ("⌈", "⌉")}


def formula(tree: Tree, names: Mapping[str, str] | None = None) -> str:
    """The `<math>` elements of a tree; `names` gives symbols the short names that are shown.

    >>> formula(("*", 2, "hidden_size", ("+", "S", 1)), {"hidden_size": "h"}).replace(chr(0x2062), "&it;")
    '<math><mn>2</mn><mo>&it;</mo><mi>h</mi><mo>&it;</mo><mo stretchy="false">(</mo><mi>S</mi></math><math><mo \
form="infix">+</mo><mn>1</mn><mo stretchy="false">)</mo></math>'
    """
    parts = _Writer(names or {}, breaks=True).tree(tree)
    chunks: list[str] = [""]
    for part in parts:
        if part == _BREAK:
            chunks.append("")
        else:
            chunks[-1] += part
    return "".join(f"<math>{chunk}</math>" for chunk in chunks if chunk)


def identifier(name: str) -> str:
    """A symbol: `n_kv` is an n with a subscript; a name of several letters stands upright, as a word."""
    indexed = _SUBSCRIPT.match(name)
    if indexed:
        return f'<msub><mi>{indexed[1]}</mi><mi mathvariant="normal">{indexed[2]}</mi></msub>'
    return f"<mi>{escape(name)}</mi>"


class _Writer:
    """Writes trees as lists of elements, with breaks where `breaks` allows them: not below a fraction bar or a root."""

    def __init__(self, names: Mapping[str, str], breaks: bool) -> None:
        self.names = names
        self.breaks = breaks

    def tree(self, tree: Tree) -> list[str]:
        if isinstance(tree, str):
            return [identifier(self.names.get(tree, tree))]
        if isinstance(tree, Fraction):
            return self.tree(("/", tree.numerator, tree.denominator))
        if isinstance(tree, int):
            return [f"<mn>{tree}</mn>"] if tree >= 0 else self.negative(-tree)
        operation, *operands = tree
        if operation == "+":
            return self.sum(operands)
        if operation == "*":
            return self.product(operands)
        if operation == "-":
            return self.negative(operands[0])
        if operation == "/":
            return self.quotient(*operands)
        if operation == "**":
            return self.power(*operands)
        return self.call(operation, operands)

    def sum(self, operands: Sequence[Tree]) -> list[str]:
        parts = self.tree(operands[0])
        for operand in operands[1:]:
            negative = _is(operand, "-") or _is_negative(operand)
            if self.breaks:
                parts.append(_BREAK)
            parts.append(f'<mo form="infix">{_MINUS if negative else "+"}</mo>')
            inner = operand if not negative else operand[1] if isinstance(operand, tuple) else -operand
            parts += self.fenced(inner) if negative and _is(inner, "+", "-") else self.tree(inner)
        return parts

    def product(self, operands: Sequence[Tree]) -> list[str]:
        parts: list[str] = []
        for i, operand in enumerate(operands):
            if i:
                spelled = self.is_word(operands[i - 1]) or self.is_word(operand) or _starts_with_digit(operand)
                parts.append(
                    f"<mo>{'⋅' if spelled else chr(0x2062)}</mo>"
                )  # the latter shows nothing and is read as times
            parts += self.fenced(operand) if _is(operand, "+", "-") or _is_negative(operand) else self.tree(operand)
        return parts

    def negative(self, operand: Tree) -> list[str]:
        return [
            f'<mo form="prefix">{_MINUS}</mo>',
            *(self.fenced(operand) if _is(operand, "+", "-") else self.tree(operand)),
        ]

    def quotient(self, top: Tree, bottom: Tree) -> list[str]:
        if self.breaks and len(write(top)) > _LONG and not _is(top, "-"):
            return self.product([("/", 1, bottom), *(top[1:] if _is(top, "*") else [top])])
        return [f"<mfrac>{self.one(top)}{self.one(bottom)}</mfrac>"]

    def power(self, base: Tree, exponent: Tree) -> list[str]:
        if isinstance(base, str) or (isinstance(base, int) and base >= 0):
            return [f"<msup>{self.one(base)}{self.one(exponent)}</msup>"]
        return [f"<msup><mrow>{''.join(_Writer(self.names, False).fenced(base))}</mrow>{self.one(exponent)}</msup>"]

    def call(self, function: str, operands: Sequence[Tree]) -> list[str]:
        if function == "sqrt":
            return [f"<msqrt>{self.one(operands[0])}</msqrt>"]
        inside = self.tree(operands[0])
        for operand in operands[1:]:
            inside += ["<mo>,</mo>", *self.tree(operand)]
        if function in _FENCES:
            return self.between(*_FENCES[function], inside)
        name = "<msub><mi>log</mi><mn>2</mn></msub>" if function == "log2" else f"<mi>{function}</mi>"
        return [f"{name}<mo>{_APPLY}</mo>", *self.between("(", ")", inside)]

    def fenced(self, tree: Tree) -> list[str]:
        return self.between("(", ")", self.tree(tree))

    def between(self, left: str, right: str, inside: list[str]) -> list[str]:
        # The two fences of a formula that breaks may stand in different lines: both keep the height of a letter.
        size = ' stretchy="false"' if self.breaks else ""
        return [f"<mo{size}>{left}</mo>", *inside, f"<mo{size}>{right}</mo>"]

    def one(self, tree: Tree) -> str:
        """A tree as exactly one element that does not break."""
        parts = _Writer(self.names, breaks=False).tree(tree)
        return parts[0] if len(parts) == 1 else f"<mrow>{''.join(parts)}</mrow>"

    def is_word(self, tree: Tree) -> bool:
        name = self.names.get(tree, tree) if isinstance(tree, str) else ""
        return len(name) > 1 and not _SUBSCRIPT.match(name)


def _is(tree: Tree, *operations: str) -> bool:
    return isinstance(tree, tuple) and tree[0] in operations


def _is_negative(tree: Tree) -> bool:
    return isinstance(tree, int | Fraction) and tree < 0


def _starts_with_digit(tree: Tree) -> bool:
    while isinstance(tree, tuple) and tree[0] in ("*", "**"):
        tree = tree[1]
    return isinstance(tree, int | Fraction)
