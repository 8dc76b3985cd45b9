"""The canonical form against Python's own arithmetic, with all that the language has, and what it claims of values."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from itertools import product
from typing import Any

import pytest
from random_texts import BOX, NAMES, NOWHERE, agree, meaning, real, texts

from symflops.algebra import calls_of, free_symbols, from_text, substitute, template
from symflops.errors import SymflopsError
from symflops.numeric import evaluate
from symflops.polynomial import (
    Polynomial,
    Value,
    add,
    factored,
    flat,
    is_integer,
    is_nonnegative,
    multiply,
    power,
    terms_of,
    value_of,
)
from symflops.tree import read, write

_DRAWN = [texts(250, 2, 1), texts(350, 3, 2), texts(120, 4, 3)]
RANDOM = [pair for found, _ in _DRAWN for pair in found]
REFUSED = [pair for _, refused in _DRAWN for pair in refused]


def at(value: Value, point: dict[str, int]) -> Any:
    try:
        return evaluate(value, point)
    except SymflopsError as error:
        return str(error)


def test_the_value_is_what_the_text_means() -> None:
    compared = 0
    for i, (text, value) in enumerate(RANDOM):
        for point in BOX[i % 5 :: 9]:
            wanted = meaning(text, point)
            if wanted is not None and abs(real(wanted)) < 10**60:
                found = at(value, point)
                assert not isinstance(found, str), (text, point, found)
                assert agree(found, wanted), (text, point, found, wanted)
                compared += 1
    assert compared > 5000


def test_what_is_refused_has_no_value_anywhere() -> None:
    assert len(REFUSED) >= 8
    for text, error in REFUSED:
        if error in NOWHERE:
            assert all(meaning(text, point) is None for point in BOX[::7]), text
        else:  # a limit of the language
            assert error.startswith(("exponent ", "power of more than ", "expanding ")), (text, error)


def test_putting_in_values_is_composing() -> None:
    """f with a replaced by g, at a point, is f at the point where a is what g is there."""
    rng = random.Random(4)
    inner = [(text, value) for text, value in RANDOM if is_integer(value) and is_nonnegative(value)][:80]
    assert len(inner) == 80
    compared = 0
    for text, value in RANDOM[::2]:
        chosen, given = rng.choice(inner)
        names = rng.sample(NAMES, rng.randint(1, 2))
        try:
            composed = substitute(value, dict.fromkeys(names, given))
            (applied,) = template([value], set(names))(dict.fromkeys(names, given))
        except SymflopsError:
            continue
        for point in BOX[rng.randrange(9) :: 11]:
            number = meaning(chosen, point)
            wanted = meaning(text, point | dict.fromkeys(names, int(number))) if number is not None else None
            if wanted is not None and abs(real(wanted)) < 10**60:
                assert agree(at(composed, point), wanted), (text, chosen, names, point)
                assert agree(at(applied, point), wanted), (text, chosen, names, point)
                compared += 1
    assert compared > 1500


def test_a_value_is_read_back_from_what_is_written() -> None:
    for _, value in RANDOM:
        assert from_text(write(flat(value))) == value
        assert value_of(dict(terms_of(value))) == value
        assert hash(value_of(dict(reversed(terms_of(value).items())))) == hash(value)


def test_what_is_claimed_of_a_value_holds_everywhere() -> None:
    claims = {"whole": 0, "not negative": 0}
    for text, value in RANDOM:
        whole, positive = is_integer(value), is_nonnegative(value)
        claims["whole"] += whole
        claims["not negative"] += positive
        for point in BOX[::3]:
            number = at(value, point)
            if not isinstance(number, str):
                assert not whole or type(number) is int, (text, point, number)
                assert not positive or number >= 0, (text, point, number)
    assert min(claims.values()) > 100


WHOLE = [  # and at least 0
    "0", "3", "a", "a*b + 2*n", "floor(a/3)", "ceil(a/3)*b", "min(a, b)", "max(a, b + 1)", "max(0, floor(a/2))", "2**n",
    "a**b",
]  # fmt: skip
WHOLE_ONLY = ["0 - 1", "a - 1", "a - b", "min(a - 1, b)", "max(a - 5, b - 5)", "floor(a/2 - 3)", "2*a - b*n", "a % 4"]
POSITIVE_ONLY = [  # and perhaps broken
    "1/2", "a/2", "a/b", "a/(b + 1)", "1/(a + b)", "sqrt(a)", "sqrt(a - 5)", "a*sqrt(b)/3", "min(a/2, b)",
    "max(a/2, b/3)", "max(a/2, b - 1)", "max(a - 5, b/7)", "dtype_bytes", "a*dtype_bytes", "min(a, weight_bytes)",
    "(1/2)**n", "(a/2)**n", "2**(n/2)", "dtype_bytes**n",
]  # fmt: skip
NEITHER = [
    "a - 1/2", "a/2 - b", "log2(a)", "a*log2(b)", "(1 - a/b)**n", "2**(n - 1)*(a - b)", "min(a/2, b - 1)", "a/(b - 1)",
    "a*dtype_bytes - 1", "(a - b)**n/2", "2**(0 - n) - 1",
]  # fmt: skip


@pytest.mark.parametrize("text", [*WHOLE, *WHOLE_ONLY, *POSITIVE_ONLY, *NEITHER])
def test_what_is_known_by_the_form(text: str) -> None:
    value = from_text(text)
    assert is_integer(value) == (text in WHOLE or text in WHOLE_ONLY)
    assert is_nonnegative(value) == (text in WHOLE or text in POSITIVE_ONLY)


@pytest.mark.parametrize("text", ["2**(0 - n)", "2**(n - 1)", "a**(b - n)", "2**(n/2)", "(a/2)**n", "dtype_bytes**n"])
def test_a_power_that_may_be_broken_is_rounded(text: str) -> None:
    value = from_text(f"floor({text})")
    assert write(flat(value)).startswith("floor("), value


# ------------------------------------------------------------------------------------------------------------- rounding


def linear(rng: random.Random) -> str:
    terms = [f"{rng.randint(-9, 9)}*{name}" for name in rng.sample(NAMES, rng.randint(1, 3))]
    return " + ".join([*terms, str(rng.randint(-20, 20))])


def test_a_rounded_quotient_has_one_form() -> None:
    """Rounding that is the same at every whole number is the same value, however it is written; only halves have two
    forms, since ceil(a/2) is a - floor(a/2)."""
    rng = random.Random(5)
    for _ in range(250):
        p, q, d, g = linear(rng), linear(rng), rng.randrange(1, 14, 2), rng.randint(2, 5)
        k = rng.randint(0, g - 1)
        down = from_text(f"floor(({p})/{d})")
        for same in (
            f"({p}) // {d}",
            f"-ceil(-({p})/{d})",
            f"ceil(({p} - {d - 1})/{d})",
            f"floor(({g}*({p}) + {k})/({g * d}))",
            f"({q}) + floor(({p} - {d}*({q}))/{d})",
            f"(({p}) - ({p}) % {d})/{d}",
        ):
            assert from_text(same) == down, (p, q, d, same)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("ceil(a*dtype_bytes)", "ceil(a*dtype_bytes)"),
        ("floor(dtype_bytes + a)", "a + floor(dtype_bytes)"),
        ("floor(-dtype_bytes)", "-ceil(dtype_bytes)"),
        ("ceil(-a/b)", "-floor(a/b)"),
        ("floor(a/b + 2*n + 7/2)", "2*n + 3 + floor(a/b + 1/2)"),
        ("floor(a/2 + 3)", "3 + floor(a/2)"),
        ("ceil(-1/2)", "0"),
        ("floor(-1/2)", "-1"),
        ("ceil(1/2)", "1"),
        ("floor(7/2)", "3"),
        ("min(a, b) // 1", "min(a, b)"),
        ("a % 1", "0"),
        ("(7*a + 3) % 7", "3"),
    ],
)
def test_whole_parts_are_taken_out(text: str, form: str) -> None:
    assert from_text(text) == from_text(form)
    assert str(from_text(text)).count("floor(") == form.count("floor(")
    assert str(from_text(text)).count("ceil(") == form.count("ceil(")


# ---------------------------------------------------------------------------------------------------- roots and factors


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("sqrt(16*a**2*b**4/9)", "4*a*b**2/3"),
        ("sqrt(a**2)", "a"),
        ("sqrt(min(a - 5, b)**2)", "sqrt(min(a - 5, b)**2)"),
        ("sqrt(min(a - 5, b)**4)", "min(a - 5, b)**2"),
        ("sqrt(max(a - 5, b)**2)", "max(a - 5, b)"),
        ("sqrt(min(a - 5, b)**6)", "sqrt(min(a - 5, b)**6)"),
        ("sqrt(2*a**2)", "a*sqrt(2)"),
        ("sqrt(0 - a**2/4)", "sqrt(-a**2/4)"),  # 0 where a is 0
        ("sqrt(a)**3", "a*sqrt(a)"),
        ("sqrt(a)**(-1)", "1/sqrt(a)"),
        ("1/sqrt(a)/sqrt(a)", "1/a"),
        ("1/sqrt(a)**3", "1/(a*sqrt(a))"),
        ("sqrt(a)*sqrt(b)*sqrt(a)", "a*sqrt(b)"),
        ("sqrt(a + b)**2", "a + b"),
        ("sqrt(a)**2*sqrt(b)**2 - a*b", "0"),
        ("a**(1/2)", "sqrt(a)"),
        ("(4*a**2)**(3/2)", "8*a**3"),
        ("sqrt(0)", "0"),
        ("sqrt(4/9)", "2/3"),
        ("sqrt(8)", "sqrt(8)"),
        ("log2(1/8)", "-3"),
        ("log2(6)", "log2(6)"),
        ("1**n", "1"),
        ("a**0", "1"),
        ("0**0", "1"),
        ("1/(2*a + 4*b)", "1/(2*(a + 2*b))"),
        ("1/(a*b + a)**2", "1/(a**2*(b**2 + 2*b + 1))"),
        ("(a + b)/(3*a + 3*b)", "a/(3*(a + b)) + b/(3*(a + b))"),
        ("1/(-a - b)", "-1/(a + b)"),
        ("min(min(a, b), n)", "min(a, b, n)"),
        ("max(a, max(b, a), b + 1)", "max(a, b + 1)"),
        ("min(2*a, a)", "a"),
        ("max(2*a, a)", "2*a"),
        ("min(a, b) + min(b, a)", "2*min(a, b)"),
        ("max(3, 4, n)", "max(4, n)"),
        ("min(max(a, b), n)", "min(max(a, b), n)"),
        ("min(a, a)", "a"),
        ("min(2*min(a, b), n)", "min(2*min(a, b), n)"),
        ("min(min(a, b)**2, n)", "min(min(a, b)**2, n)"),
        ("min(n*min(a, b), 5)", "min(5, min(a, b)*n)"),
        ("max(1/max(a, b), n)", "max(1/max(a, b), n)"),
    ],
)
def test_forms(text: str, form: str) -> None:
    assert write(flat(from_text(text))) == form


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sqrt(0 - 4)", "square root of a negative number"),
        ("sqrt(0 - 1/4)", "square root of a negative number"),
        ("a**(0 - 2000)", "exponent -2000 is larger than the 1000 allowed"),
        ("log2(0)", "log2 of a number that is not positive"),
        ("log2(0 - 2)", "log2 of a number that is not positive"),
        ("a**(1/3)", "exponent 1/3 is not an integer; use sqrt or integer powers"),
        ("a/0", "division by zero"),
        ("0**(-1)", "division by zero"),
    ],
)
def test_what_has_no_value(text: str, message: str) -> None:
    with pytest.raises(SymflopsError) as refused:
        from_text(text)
    assert str(refused.value) == message


def test_a_value_is_its_content_times_its_common_factor_times_the_rest() -> None:
    rng = random.Random(6)
    for _ in range(300):
        terms: dict[Any, Any] = {}
        for _ in range(rng.randint(1, 4)):
            exponents = ((name, rng.randint(-3, 3)) for name in NAMES)
            coefficient = Fraction(rng.choice([-12, -6, -2, 2, 3, 4, 6, 18]), rng.choice([1, 1, 2, 5]))
            terms[tuple((name, e) for name, e in exponents if e)] = coefficient
        value = value_of({m: c.numerator if c.denominator == 1 else c for m, c in terms.items()})
        if not isinstance(value, Polynomial):
            continue
        content, common, rest = factored(value)
        assert multiply(content, value_of({common: 1}), rest) == value
        assert (content < 0) == all(c < 0 for c in terms.values())
        inside = terms_of(rest)
        assert all(type(c) is int for c in inside.values())
        assert math.gcd(*inside.values()) == 1
        for name in NAMES:  # no power of a symbol is left that all terms have
            exponents = [dict(m).get(name, 0) for m in inside]
            assert not all(e > 0 for e in exponents)
            assert not all(e < 0 for e in exponents)


def test_powers_are_repeated_products() -> None:
    for text, value in RANDOM[:200]:
        times = 1
        for exponent in range(4):
            assert power(value, exponent) == times, text
            times = multiply(times, value)


def test_a_formula_applied_to_numbers_of_either_sign() -> None:
    values = [from_text("a*b + 3*n*a - b + 5"), from_text("a*b*dtype_bytes - n**2")]
    applied = template(values, {"a", "b", "n"})
    for a in range(-2, 3):
        for b in range(-2, 3):
            for n in range(-2, 3):
                first, second = applied({"a": a, "b": b, "n": n})
                assert first == a * b + 3 * n * a - b + 5
                assert second == add(multiply(a * b, from_text("dtype_bytes")), -(n**2))


def test_a_whole_call_is_replaced() -> None:
    value = from_text("min(a, n)*floor(n/2) + a")
    calls = {str(call): call for call in calls_of(value, "n")}
    assert calls.keys() == {"min(a, n)", "floor(n/2)"}  # also where another argument does not have the name
    assert list(calls_of(value, "b")) == []
    assert substitute(value, {calls["min(a, n)"]: 5, "n": 6}) == from_text("15 + a")


def test_free_symbols_are_those_that_are_read() -> None:
    assert free_symbols(from_text("min(a, b + c)*2**n/(d + e) - sqrt(floor(f/3))")) == set("abcnedf")
    assert free_symbols(from_text("a - a + 0*b")) == set()
    assert free_symbols(7) == set()


def test_sums_of_many_values() -> None:
    assert add() == 0
    assert add(1, Fraction(1, 2), Fraction(1, 2)) == 2
    assert type(add(Fraction(1, 2), Fraction(1, 2))) is int
    assert multiply() == 1
    assert type(multiply(Fraction(1, 2), 4)) is int
    assert multiply(from_text("1/(a + b)"), from_text("a + b"), 0) == 0
    assert read(write(flat(add(from_text("a/2"), from_text("a/2"))))) == "a"


@pytest.mark.parametrize(
    "text", ["floor(5*n - dtype_bytes/2)", "ceil(5*n - dtype_bytes/2)", "floor(n*m - n*dtype_bytes)"]
)
def test_what_is_whole_moves_out_of_a_rounding_with_its_sign(text: str) -> None:
    """Judged by Python's own floor and ceil at fractions of bytes."""
    value = from_text(text)
    for n, m, b in product(range(4), range(4), (Fraction(1, 2), Fraction(1), Fraction(5, 2), Fraction(4))):
        names = {"n": n, "m": m, "dtype_bytes": b, "floor": math.floor, "ceil": math.ceil}
        assert evaluate(value, {"n": n, "m": m, "dtype_bytes": b}) == eval(text, {}, names)
