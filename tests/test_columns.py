"""Columns over a grid against the exact number at each point, for random texts of the whole language."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from random_texts import NAMES, texts

import symflops
from symflops.algebra import from_text
from symflops.arrays import column, grid
from symflops.errors import SymflopsError
from symflops.numeric import check, evaluate, plain, whole
from symflops.polynomial import Value

POINTS = {"a": [0, 1, 2, 7], "b": [1, 3], "n": [0, 2, 5]}
FOUND = [*texts(200, 2, 11)[0], *texts(300, 3, 12)[0]]
EXACT = [  # what integers suffice for
    "a/2", "a*b/6 + n/3", "floor((a + 2*b)/3) - n/2", "a/2 - b/3 + 1/7", "0 - a/2", "min(a, b)/3", "ceil(a/b)",
    "a // b + n", "max(floor(a/2), n)*3", "-(a // b)", "floor(-(a + 1)/(2*b))", "min(a - 9, b)**2",
    "ceil((a - 5*n)/(3*b))", "floor(floor(a/2)/b)", "-3/2", "1/2", "7/4", "0 - 1/4", "5", "min(floor(a/b), ceil(n/b))",
]  # fmt: skip
FLOATS = [
    "1/b", "a/b", "sqrt(a)", "2**n", "min(a/2, b)", "log2(b)", "(a + 1)/(b + 2)", "min(a, 1/b)", "floor(a/b)/b",
    "floor(a/(b + 2))", "floor(a/b + n/3)", "floor(a/b + floor(n/3)/2)", "ceil(a**2/b - n/b**2)", "floor(min(a/b, n))",
]  # fmt: skip


def rows(value: Value) -> list[int | Fraction | None]:
    """The exact numbers on the grid, None where there is none."""
    found: list[int | Fraction | None] = []
    for point in itertools.product(*POINTS.values()):
        try:
            found.append(evaluate(value, dict(zip(NAMES, point, strict=True))))
        except SymflopsError:
            found.append(None)
    return found


def spread(value: Value) -> np.ndarray:
    axes = grid(POINTS)
    return np.broadcast_to(column(value, axes), np.broadcast_shapes(*(a.shape for a in axes.values()))).ravel()


def test_a_column_is_what_each_point_gives() -> None:
    kinds = {"int64": 0, "float64": 0}
    for text, value in FOUND:
        exact = rows(value)
        if None in exact or any(abs(n) > 10**15 for n in exact if n is not None):
            continue
        try:
            found = spread(value)
        except SymflopsError as error:  # floats of a root of something that is 0 at one point
            pytest.fail(f"{text}: {error}")
        kinds[str(found.dtype)] += 1
        if found.dtype == np.int64:
            assert found.tolist() == [math.floor(n + Fraction(1, 2)) for n in exact if n is not None], text
        elif "floor" not in str(value) and "ceil" not in str(value):  # floats round where it is close
            assert found.tolist() == pytest.approx([float(n) for n in exact if n is not None], rel=1e-9, abs=1e-9), text
    assert min(kinds.values()) > 80


@pytest.mark.parametrize("text", EXACT)
def test_integers_suffice(text: str) -> None:
    found = spread(from_text(text))
    assert found.dtype == np.int64
    assert found.tolist() == [math.floor(n + Fraction(1, 2)) for n in rows(from_text(text)) if n is not None]


@pytest.mark.parametrize("text", FLOATS)
def test_integers_do_not_suffice(text: str) -> None:
    found = spread(from_text(text))
    assert found.dtype == np.float64
    assert found.tolist() == pytest.approx([float(n) for n in rows(from_text(text)) if n is not None], rel=1e-12)


def test_the_largest_number_that_is_exact() -> None:
    """Four times a bound of all that is computed has to fit: then rounding a half up cannot overflow either."""
    for text, low, high in (
        ("a*b", 2**30, 2**31),
        ("0 - a*b", 2**30, 2**31),
        ("5*a - 2*a*b", 2**29, 2**31),
        ("a*b/2", 2**29, 2**31),
        ("min(a, b)*a", 2**29, 2**31),
        ("a*floor(b/3)*3", 2**28, 2**31),
        ("max(a - 3*b, 0 - a*b)", 2**29, 2**31),
        ("floor(a*b/7)", 2**29, 2**31),
    ):
        value = from_text(text)
        for size, exact in ((low, True), (high, False)):
            axes = grid({"a": [size, 3], "b": [size]})
            found = column(value, axes)
            assert (found.dtype == np.int64) == exact, (text, size)
            wanted = [whole(evaluate(value, {"a": a, "b": size})) for a in (size, 3)]
            assert found.ravel().tolist() == (wanted if exact else pytest.approx([float(n) for n in wanted], rel=1e-15))


def test_numbers_that_only_unsigned_integers_hold() -> None:
    for size in (2**63, 2**64 - 1):
        found = column(from_text("a + 1"), grid({"a": np.array([3, size], dtype=np.uint64)}))
        assert found.dtype == np.float64
        assert found.tolist() == [4.0, float(size + 1)]


def test_division_by_zero_is_said() -> None:
    for text in ("a/(b - 1)", "floor(a/n)", "n/b + 1/n"):
        with pytest.raises(SymflopsError, match="division by zero"):
            spread(from_text(text))


def test_a_missing_symbol_is_named() -> None:
    with pytest.raises(SymflopsError, match="no value for m; give m="):
        column(from_text("a*m"), grid({"a": [1]}))


def test_rounding_is_to_the_nearest_halves_up() -> None:
    for number in (Fraction(p, q) for p in range(-30, 31) for q in range(1, 9)):
        assert whole(number) == math.floor(number + Fraction(1, 2))
        assert plain(number) == float(number)
        assert type(plain(number)) is (int if number.denominator == 1 else float)


@pytest.mark.parametrize(
    ("name", "value", "number"),
    [
        ("seq_len", 0, 0), ("seq_len", True, 1), ("causal", 1, 1), ("causal", False, 0), ("h", np.int64(7), 7),
        ("dtype_bytes", 0.5, Fraction(1, 2)), ("cache_bytes", Fraction(3, 4), Fraction(3, 4)), ("weight_bytes", 2.0, 2),
        ("h", 2.0, 2), ("h", 2**1024 - 1, 2**1024 - 1),
    ],
)  # fmt: skip
def test_a_number_for_a_symbol(name: str, value: object, number: int | Fraction) -> None:
    assert check(name, value) == number
    assert type(check(name, value)) is (int if Fraction(number).denominator == 1 else Fraction)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("h", -1, "h = -1: must be a nonnegative integer"),
        ("h", 0.5, "h = 0.5: must be a nonnegative integer"),
        ("dtype_bytes", -0.5, "dtype_bytes = -0.5: must be a nonnegative number"),
        ("causal", 2, "causal = 2: must be 0 or 1"),
        ("causal", -1, "causal = -1: must be a nonnegative integer"),
        ("h", 2**1024, "h: integer of more than 1024 bits"),
        ("h", "3", "h = '3': must be a nonnegative integer"),
        ("dtype_bytes", float("inf"), "dtype_bytes = 'inf': must be a nonnegative"),
    ],
)
def test_what_is_no_number_for_a_symbol(name: str, value: object, message: str) -> None:
    with pytest.raises(SymflopsError) as refused:
        check(name, value)
    assert message in str(refused.value)


def test_a_column_that_no_float_holds_is_refused() -> None:
    cost = symflops.Cost.of(flops="seq_len**200*2**500/3")
    with pytest.raises(
        SymflopsError, match=r"^too large for a float at one of the points; at\(\) computes it exactly$"
    ):
        _ = cost.sweep(seq_len=[1, 1000])["flops"]
    assert cost.at(seq_len=1000).flops == round(Fraction(1000**200 * 2**500, 3))
