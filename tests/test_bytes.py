"""Bytes of an element are rational numbers: no surface drops a rounding over them. Expected numbers are computed here,
in Python's fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

import symflops
from symflops import Cost
from symflops.algebra import from_text
from symflops.arrays import column
from symflops.expr import from_sympy

S, D = 3, Fraction(1, 2)
# Each with its number at s = 3 and dtype_bytes = 1/2, where s*dtype_bytes is 3/2.
ROUNDED = [
    ("1000*ceil(s*dtype_bytes)", 2000),
    ("1000*floor(s*dtype_bytes)", 1000),
    ("1000*(s*dtype_bytes // 1)", 1000),
    ("1000*(dtype_bytes % 1)", 500),
    ("1000*ceil(s + dtype_bytes)", 4000),
    ("1000*ceil(s - dtype_bytes)", 3000),
    ("1000*floor(2*s/3 + dtype_bytes/3)", 2000),
    ("1000*floor(min(s, dtype_bytes))", 0),
    ("1000*ceil(max(1, s*dtype_bytes))", 2000),
    ("1000*floor((s + dtype_bytes)*(s + dtype_bytes))", 12000),
    ("1000*ceil(dtype_bytes**s)", 1000),
    ("1000*floor(floor(s*dtype_bytes)/2 + dtype_bytes)", 1000),
]


@pytest.mark.parametrize(("text", "number"), ROUNDED)
def test_a_rounding_over_bytes_is_kept(text: str, number: int) -> None:
    names = {"s": Fraction(S), "dtype_bytes": D}
    functions = {"floor": math.floor, "ceil": math.ceil, "min": min, "max": max}
    assert (
        eval(text.replace("2*s/3", "Fraction(2)*s/3"), {"__builtins__": {}, "Fraction": Fraction}, names | functions)
        == number
    )
    cost = Cost.of(read_bytes=text)
    at = {"s": S} if "s" in cost.free_symbols else {}
    assert cost.at(**at, dtype_bytes=0.5).read_bytes == number
    assert cost.bind(dtype_bytes=0.5).at(**at).read_bytes == number


@pytest.mark.parametrize(("text", "number"), ROUNDED)
def test_sympy_keeps_it_too(text: str, number: int) -> None:
    expression = symflops.parse(text)
    assert expression.subs({symflops.symbol("s"): S, symflops.symbol("dtype_bytes"): D}) == number
    assert from_sympy(expression) == from_text(text)
    again = from_text(symflops.unparse(from_text(text)))
    assert again == from_text(text)


@pytest.mark.parametrize(("text", "number"), ROUNDED)
def test_columns_over_fractions_of_bytes(text: str, number: int) -> None:
    axes = {"s": np.array([S]), "dtype_bytes": np.array([D], dtype=object)}
    assert column(from_text(text), axes).tolist() == [number]


def test_whole_symbols_still_need_no_rounding() -> None:
    assert from_text("ceil(seq_len*batch_size)") == from_text("seq_len*batch_size")
    assert from_text("floor(seq_len + dtype_bytes)") == from_text("seq_len + floor(dtype_bytes)")
