"""Numbers as people write and read them, against Python's own fractions and decimals."""

from __future__ import annotations

import random
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction

import pytest

from symflops import units
from symflops.errors import SymflopsError

POWERS = {
    "": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18, "Ki": 2**10,
    "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60,
}  # fmt: skip


@pytest.mark.parametrize("prefix", POWERS)
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2048", 2048), ("2_048", 2048), ("0", 0), ("-3", -3), ("1.5", Fraction(3, 2)), ("0.5", Fraction(1, 2)),
        (".25", Fraction(1, 4)), ("7.", 7), ("1e3", 1000), ("1E+3", 1000), ("25e-1", Fraction(5, 2)), ("1.5e2", 150),
        ("0.001", Fraction(1, 1000)), ("-1.25e1", Fraction(-25, 2)), ("1_0.5", Fraction(21, 2)),
    ],
)  # fmt: skip
def test_a_number_is_what_it_says(text: str, value: int | Fraction, prefix: str) -> None:
    found = units.number(text + prefix, "x")
    assert found == value * POWERS[prefix]
    assert type(found) is (int if Fraction(found).denominator == 1 else Fraction)


@pytest.mark.parametrize(
    "text",
    ["", " ", "k", "-", ".", "1 k", "1kk", "1m", "1mi", "1ki", "1KI", "0x10", "1__0", "_1", "1_", "1e", "e3", "1e1.5",
     "+1", "--1", "1.2.3", "nan", "inf", "1%", "1/2", "٣", "²", "1Zi"],
)  # fmt: skip
def test_what_is_no_number_is_named(text: str) -> None:
    with pytest.raises(SymflopsError, match=r"^batch_size: .* is not a number; such as 2048, 2_048, 2k, 2Ki or 1e6$"):
        units.number(text, "batch_size")


def test_numbers_beyond_all_that_are_computed_with() -> None:
    assert units.number("1e400", "x") == 10**400
    assert units.number("1e-400", "x") == Fraction(1, 10**400)
    assert units.number("9" * 400, "x") == 10**400 - 1
    for text in ("1e401", "1e-401", "9" * 401):
        with pytest.raises(SymflopsError, match=r"^x: '.{1,30}'… is beyond all numbers that are computed with$"):
            units.number(text, "x")


def test_a_comma_makes_a_list() -> None:
    assert units.numbers("1,8, 2k", "x") == [1, 8, 2000]
    assert units.numbers("0,1", "x") == [0, 1]
    assert units.numbers("2,0", "x") == [2, 0]
    assert units.numbers("1, 0.5", "x") == [1, Fraction(1, 2)]
    assert units.items("a, b", "x") == ["a", "b"]
    with pytest.raises(SymflopsError, match=r"^x: '1,8' is a list of 2 numbers; one is wanted here$"):
        units.number("1,8", "x")
    for text, joined in (("2,048", "2048"), ("1, 00", "100"), ("1,000,000", "1000000")):
        with pytest.raises(SymflopsError, match=f"a comma separates numbers; if it is one, write {joined}$"):
            units.number(text, "x")
    with pytest.raises(SymflopsError, match="'' is not a number"):
        units.numbers("1,,2", "x")


def test_a_time_has_the_largest_unit_that_it_has_one_of() -> None:
    wanted = {
        Fraction(1): "1 s", Fraction(90): "90 s", Fraction(999, 1000): "999 ms", Fraction(1, 1000): "1 ms",
        Fraction(1, 10**6): "1 us", Fraction(999, 10**6): "999 us", Fraction(1, 10**9): "1 ns",
        Fraction(999, 10**9): "999 ns", Fraction(1, 10**10): "0.1 ns", Fraction(0): "0 ns",
        Fraction(123456, 10**5): "1.235 s",
    }  # fmt: skip
    assert {time: units.seconds(time) for time in wanted} == wanted
    assert units.seconds(None) == ""


def rounded(number: int, digits: int) -> Decimal:
    with localcontext() as context:
        context.prec, context.rounding = digits, ROUND_HALF_EVEN
        return +Decimal(number)


PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z", "Y", "R", "Q")
NOUNS = {"flops": "FLOP", "read_bytes": "B", "parameters": ""}


@pytest.mark.parametrize("metric", NOUNS)
@pytest.mark.parametrize("digits", [1, 3, 4, 7])
def test_engineering_is_the_number_rounded_and_read_back(metric: str, digits: int) -> None:
    draw = random.Random(digits)
    exact = [0, 1, 999, 1000, 1001, 999_499, 999_500, 999_949, 999_950, 999_960, 10**6, 2**40, 10**33 - 1, 999 * 10**30]
    for number in (*exact, *(draw.randint(1, 10 ** draw.randint(1, 32)) for _ in range(300))):
        for sign in (1, -1):
            text = units.engineering(sign * number, metric, digits)
            if number < 1000:
                assert text == f"{sign * number} {NOUNS[metric]}".rstrip()
                continue
            mantissa, _, unit = text.partition(" ")
            prefix = unit.removesuffix(NOUNS[metric]) if NOUNS[metric] else unit
            size = Fraction(mantissa) * 1000 ** PREFIXES.index(prefix)
            assert size == sign * Fraction(rounded(number, digits)), (number, text)
            assert 1 <= abs(Fraction(mantissa)) < 1000 or "e" in mantissa
            assert "." not in mantissa or mantissa[-1] != "0"
    assert units.engineering(1500, "flops", 4, zeros=True) == "1.500 kFLOP"
    assert units.engineering(10**36, "flops") == "1.000e+36 FLOP"
    assert units.engineering(10**33, "flops") == "1.000e+33 FLOP"
    assert units.engineering(-(10**36), "parameters", 2) == "-1.0e+36"


@pytest.mark.parametrize("scale", ["k", "M", "G", "T", "Q", "Ki", "Mi", "Gi", "Yi"])
@pytest.mark.parametrize("metric", NOUNS)
def test_a_fixed_scale_keeps_the_whole_part_and_rounds_behind_it(scale: str, metric: str) -> None:
    prefix = scale if metric == "read_bytes" or scale[-1] != "i" else {"K": "k"}.get(scale[0], scale[0])
    base, letter = (1024, prefix[0].lower()) if prefix.endswith("i") else (1000, prefix.lower())
    factor = base ** [p.lower() for p in PREFIXES].index(letter)
    assert units.unit(metric, scale) == prefix + NOUNS[metric]
    draw = random.Random(scale)
    for digits in (1, 4, 6):
        for number in [0, 1, factor, factor - 1, 10 * factor + 1, *(draw.randint(1, 1000 * factor) for _ in range(40))]:
            text = units.scaled(number, metric, scale, digits)
            assert units.scaled(-number, metric, scale, digits) == (f"-{text}" if number else text)
            ratio = Fraction(number, factor)
            places = len(text.partition(".")[2])
            assert abs(Fraction(text.replace(",", "")) - ratio) <= Fraction(1, 2 * 10**places), (number, text)
            if ratio >= 1:
                assert places == max(0, digits - len(str(int(ratio)))), (number, text)
            elif number and places < units.MAX_DIGITS:  # so many digits from the first that is not 0
                shown = text.replace(".", "").lstrip("0")
                assert len(shown) in (digits, digits + 1), (number, text)


def test_every_digit() -> None:
    assert units.scaled(1234567, "flops", "exact") == units.exact_number(1234567) == "1,234,567"
    assert units.scaled(29_261_612_187_648, "flops") == "29.26 TFLOP"
    assert (units.unit("flops", "exact"), units.unit("parameters", "exact")) == ("FLOP", "")
    assert units.printable(10**4000) == 10**4000
    with pytest.raises(SymflopsError, match="a number of 16,610 bits is too long to print"):
        units.printable(10**5000)
