"""Weights that have a format of their own: what a layer reads of them, in place of `weight_bytes` for each element."""

from __future__ import annotations

from collections.abc import Mapping

from symflops.algebra import free_symbols, substitute
from symflops.factoring import divided
from symflops.polynomial import Polynomial, Value, add, divide, multiply, negate, symbol
from symflops.vocabulary.symbols import WEIGHT


def in_format(values: Mapping[str, Value], count: Value, stored: Value) -> dict[str, Value]:
    """Costs of a layer with `count` weights that take `stored` bytes together. What reads all weights reads all of
    their bytes, with scales and zero points; what reads a part of them, as an embedding reads rows and routed tokens
    some experts, the same part of their bytes.

    >>> from symflops.algebra import from_text
    >>> found = in_format({"read_bytes": from_text("2*N + weight_bytes*h*i")}, from_text("h*i"), from_text("h*i + 4*h"))
    >>> found["read_bytes"]
    h*i + 2*N + 4*h
    """
    return {name: _in_format(value, count, stored) for name, value in values.items()}


def _in_format(value: Value, count: Value, stored: Value) -> Value:
    if WEIGHT not in free_symbols(value):
        return value
    others = substitute(value, {WEIGHT: 0})
    elements = add(substitute(value, {WEIGHT: 1}), negate(others))
    if count != 0 and value == add(others, multiply(symbol(WEIGHT), elements)):
        return add(others, multiply(_part(elements, count), stored))
    return substitute(value, {WEIGHT: divide(stored, count)})  # such as a maximum of weights and something else


def _part(elements: Value, count: Value) -> Value:
    if isinstance(elements, Polynomial) and isinstance(count, Polynomial):
        quotient, rest = divided(elements, count)
        if rest == 0:
            return quotient
    return 1 if elements == count else divide(elements, count)
