"""Signs of values that are rounded to large multiples, too large to look at every remainder, against single numbers."""

from __future__ import annotations

import random

import pytest

from symflops.algebra import from_text
from symflops.analysis.exponential import sign
from symflops.analysis.signs import SignPattern, pattern
from symflops.errors import SymflopsError
from symflops.numeric import evaluate

REPEATED = ["n % 10007 - 5000", "10007 - n % 10007", "n % 5000 - n % 10000", "n % 4097 - 4096"]
GROWING = [
    "floor(n/10000) - 3", "n - 7*floor(n/5000) - 100", "n % 6000 - n//100", "ceil(n/9000)*n - 50000",
    "floor(n/4096)*2 - floor(n/4097) - 3", "n % 4096 - 4095", "n % 4097 + n - 9000", "n - 100*ceil(n/5000)",
]  # fmt: skip
REFUSED = [
    "(n % 9001 - 4)*(n % 9001 - 8000)", "floor((n + 4000)/5000)**2 - 9*floor(n/5000)", "n*(n % 8191) - 10**6",
    "min(n % 10007, 900) - n//50",
]  # fmt: skip


def sign_in(found: SignPattern, n: int) -> int | None:
    for run in found.runs:
        if run.first <= n and (run.last is None or n <= run.last):
            return run.sign
    assert found.cycle, n
    start = found.cycle[0].first
    here = start + (n - start) % found.period
    (sign,) = [run.sign for run in found.cycle if run.last is not None and run.first <= here <= run.last]
    return sign


def numbers(rng: random.Random, first: int, last: int) -> list[int]:
    near = [k * p + d for p in (4096, 4097, 5000, 8191, 9000, 10_007) for k in range(8) for d in range(-2, 3)]
    drawn = [rng.randint(first, last) for _ in range(60)] + [rng.randint(first, first + 400) for _ in range(30)]
    return [n for n in near + drawn if first <= n <= last]


@pytest.mark.parametrize("text", [*REPEATED, *GROWING])
@pytest.mark.parametrize("first", [0, 17])
def test_the_sign_is_right_where_rounding_is_coarse(text: str, first: int) -> None:
    value = from_text(text)
    found = pattern(value, "n", first)
    for n in numbers(random.Random(text), first, 80_000):
        assert sign_in(found, n) == sign(evaluate(value, {"n": n})), n
    for far in (10**7 + 123, 10**9 + 4096):
        assert sign_in(found, far) == sign(evaluate(value, {"n": far})), far


@pytest.mark.parametrize("text", [*REPEATED, *GROWING])
@pytest.mark.parametrize("last", [45_000])
def test_the_sign_is_right_up_to_a_last_number(text: str, last: int) -> None:
    value = from_text(text)
    found = pattern(value, "n", 3, last)
    assert not found.cycle
    assert found.runs[0].first == 3
    assert found.runs[-1].last == last
    for n in numbers(random.Random(text), 3, last):
        assert sign_in(found, n) == sign(evaluate(value, {"n": n})), n


def test_one_sign_that_repeats_is_one_run() -> None:
    found = pattern(from_text("10007 - n % 10007"), "n")
    assert found.cycle == ()
    assert [(run.first, run.last, run.sign) for run in found.runs] == [(1, None, 1)]


def test_a_divisor_that_is_0_leaves_no_sign() -> None:
    value, divisor = from_text("n - 16000"), from_text("floor(n/5000) - 3")
    found = pattern(value, "n", 1, None, [divisor])
    for n in numbers(random.Random(1), 1, 60_000):
        assert sign_in(found, n) == (sign(n - 16_000) if n // 5000 != 3 else None), n


@pytest.mark.parametrize("text", REFUSED)
@pytest.mark.slow
def test_what_would_take_too_long_is_refused(text: str) -> None:
    with pytest.raises(SymflopsError, match=r"too coarse to solve|change too often to be solved|without end"):
        pattern(from_text(text), "n")
