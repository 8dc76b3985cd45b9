"""What canonical values are made of: terms, atoms, their text, their size and their sign.

A `Value` is an `int`, a `Fraction` or a `Polynomial`. A polynomial maps monomials to coefficients; a monomial is a
sorted tuple of (atom, exponent), exponents may be negative. An atom is a symbol's name or a `Call`: a function
(`min`, `floor`, a power with a symbol in its exponent, ...) of values that are canonical themselves. Every symbol
stands for a nonnegative number, which is whole unless `vocabulary.is_whole` says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cached_property
from typing import Any, Union

from symflops import budget, deadline
from symflops.number import Number as Number
from symflops.number import check_bits
from symflops.tree import MAX_DEPTH, MAX_LENGTH, Tree, write
from symflops.vocabulary.symbols import is_whole

Value = Union[int, Fraction, "Polynomial"]
Monomial = tuple[tuple[str, int], ...]
_CALL_STEPS = 100  # of a budget: an atom is made once, and asked about, ordered and printed often


class Call(str):
    """An opaque factor: a function of values. It is its own canonical text, so atoms sort and hash as strings."""

    function: str
    arguments: tuple[Value, ...]
    depth: int  # of its tree

    @staticmethod
    def of(function: str, *arguments: Value) -> Call:
        sizes = [size(a) for a in arguments]
        length, depth = sum(s[0] for s in sizes), max(s[1] for s in sizes) + (function != "+")
        check_size(length, depth)
        budget.charge(_CALL_STEPS + length * (1 + depth) // 8)
        call = Call(write((function, *(flat(a) for a in arguments))))
        call.function = function
        call.arguments = arguments
        call.depth = depth
        return call

    def __reduce__(self) -> tuple[Any, ...]:
        return (Call.of, (self.function, *self.arguments))

    # Each is found once: an atom that stands in many others would be walked as often as it stands in their texts.

    @cached_property
    def symbols(self) -> frozenset[str]:
        """The names that it depends on."""
        return frozenset().union(*map(free_symbols, self.arguments))

    @cached_property
    def is_sure(self) -> bool:
        """Whether it is at least 0, as far as its form shows."""
        if self.function == "max":
            return any(is_nonnegative(a) for a in self.arguments)
        if self.function == "log2":
            return False
        return self.function == "sqrt" or all(is_nonnegative(a) for a in self.arguments)

    @cached_property
    def is_integer(self) -> bool:
        """Whether its value is a whole number at all numbers that its symbols stand for."""
        if self.function in ("floor", "ceil"):
            return True
        if self.function == "**" and not is_nonnegative(self.arguments[1]):  # 2**(-n) is a fraction
            return False
        return self.function in ("min", "max", "**") and all(is_integer(a) for a in self.arguments)


class Polynomial:
    """An immutable polynomial that is not a constant. Make one with `symbol` and the functions below."""

    __slots__ = ("terms",)

    def __init__(self, terms: dict[Monomial, Number]) -> None:
        self.terms = terms

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Polynomial) and self.terms == other.terms

    def __hash__(self) -> int:
        return hash(frozenset(self.terms.items()))

    def __repr__(self) -> str:
        return write(flat(self))


def symbol(name: str) -> Polynomial:
    """The polynomial of one symbol."""
    return Polynomial({((name, 1),): 1})


def atom(call: Call) -> Polynomial:
    return Polynomial({((call, 1),): 1})


def terms_of(value: Value) -> dict[Monomial, Number]:
    """The terms of any value, constants included."""
    if isinstance(value, Polynomial):
        return value.terms
    return {(): value} if value else {}


def calls_in(value: Value) -> Iterator[Call]:
    """The atoms of a value that are functions, also those inside others, each once."""
    seen: set[Call] = set()
    inside = [value]
    while inside:
        for monomial in terms_of(inside.pop()):
            for name, _ in monomial:
                if isinstance(name, Call) and name not in seen:
                    deadline.check()
                    seen.add(name)
                    yield name
                    inside += name.arguments


def value_of(terms: dict[Monomial, Number]) -> Value:
    """The value with these terms (none of them 0): a constant if that is all there is."""
    if not terms:
        return 0
    if len(terms) == 1 and () in terms:
        return terms[()]
    return Polynomial(terms)


def check_size(length: int, depth: int, longest: int = MAX_LENGTH) -> None:
    """Raise TooLargeError for a text that would be longer, or a tree that would be deeper, than what can be read."""
    if length > longest:
        raise budget.TooLargeError(f"the formula is too large: written out, it has more than {longest:,} characters")
    if depth > MAX_DEPTH:
        raise budget.TooLargeError(
            f"the formula is too large: written out, it is nested deeper than {MAX_DEPTH} levels"
        )


def size(a: Value) -> tuple[int, int]:
    """How many characters the flat text of a value has without spaces, at most, and how deep its tree is."""
    length = deepest = 0
    terms = terms_of(a)
    budget.charge(len(terms) + sum(map(len, terms)) // 2)
    for monomial, c in terms.items():
        check_bits(c)
        digits = [(n.bit_length() * 3 // 10 + 2) * (n != 1) for n in (abs(c.numerator), c.denominator)]
        length += sum(digits) + (3 if c.denominator != 1 or not monomial else 0)
        depths = [0, 0]  # above and below
        for name, exponent in monomial:
            length += len(name) + 1 + (exponent < 0) + (len(str(exponent)) + 2) * (abs(exponent) != 1)
            length += 2 * (isinstance(name, Call) and name.function == "+")
            depth = (name.depth if isinstance(name, Call) else 0) + (abs(exponent) != 1)
            depths[exponent < 0] = max(depths[exponent < 0], depth)
        for below, number in enumerate((abs(c.numerator), c.denominator)):
            factors = sum((e < 0) == bool(below) for _, e in monomial) + (number != 1)
            depths[below] += factors > 1
        is_quotient = c.denominator != 1 or any(e < 0 for _, e in monomial)
        deepest = max(deepest, max(depths) + is_quotient + (c < 0))
    return length, deepest + (len(terms) > 1)


def is_nonnegative(a: Value) -> bool:
    """Whether a value is at least 0 for all nonnegative symbols, as far as its form shows."""
    return all(c > 0 and all(is_sure(n) for n, _ in m) for m, c in terms_of(a).items())


def is_sure(name: str) -> bool:
    """Whether a factor is at least 0, as far as its form shows; a symbol always is."""
    return not isinstance(name, Call) or name.is_sure


def free_symbols(value: Value) -> set[str]:
    """The names that a value depends on."""
    found: set[str] = set()
    for monomial in terms_of(value):
        for name, _ in monomial:
            if isinstance(name, Call):
                found |= name.symbols
            else:
                found.add(name)
    return found


def is_integer(a: Value) -> bool:
    """Whether a value is a whole number at all numbers that its symbols stand for, as far as its form shows."""
    return all(type(c) is int and is_integral(m) for m, c in terms_of(a).items())


def is_integral(monomial: Monomial) -> bool:
    return all(e > 0 and (name.is_integer if isinstance(name, Call) else is_whole(name)) for name, e in monomial)


def flat(value: Value) -> Tree:
    """The expanded tree of a value, in canonical order."""
    if not isinstance(value, Polynomial):
        return value
    trees = [_term(m, c) for m, c in sorted(value.terms.items(), key=lambda t: (-sum(e for _, e in t[0]), t[0]))]
    return trees[0] if len(trees) == 1 else ("+", *trees)


def _term(monomial: Monomial, coefficient: Number) -> Tree:
    size = -coefficient if coefficient < 0 else coefficient
    top: list[Tree] = [_factor(n, e) for n, e in monomial if e > 0]
    bottom: list[Tree] = [_factor(n, -e) for n, e in monomial if e < 0]
    if size.numerator != 1 or not top:
        top.insert(0, size.numerator)
    if size.denominator != 1:
        bottom.insert(0, size.denominator)
    tree: Tree = top[0] if len(top) == 1 else ("*", *top)
    if bottom:
        tree = ("/", tree, bottom[0] if len(bottom) == 1 else ("*", *bottom))
    return ("-", tree) if coefficient < 0 else tree


def _factor(name: str, exponent: int) -> Tree:
    base: Tree = name
    if isinstance(name, Call):
        arguments = tuple(flat(a) for a in name.arguments)
        base = arguments[0] if name.function == "+" else (name.function, *arguments)
    return base if exponent == 1 else ("**", base, exponent)
