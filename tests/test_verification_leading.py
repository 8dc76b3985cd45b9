"""Leading terms: equal is shown for every way in which the symbols grow, different by one of them."""

from __future__ import annotations

import pytest
from verification_pairs import Maker, judged_leading, reads

import symflops


@pytest.mark.parametrize(
    ("candidate", "reference", "conditions", "status"),
    [
        ("S*min(S, 4096) + 10**9*S", "S*min(S, 4096)", [], "different"),  # both linear from 4096 on
        ("s*(1/2)**t + 1000*s", "s*(1/2)**t", [], "different"),  # the reference vanishes
        ("s*s + 10**9*s", "s*s", [], "equal"),
        ("2*N*h*i + 5*N", "2*N*h*i", [], "equal"),
        ("3*N*h*i", "2*N*h*i", [], "different"),
        ("2*N*h*i + N*k", "2*N*h*i", [], "different"),  # k may grow alone
        ("2*h*s", "2*h*64*ceil(s/64)", [], "equal"),
        ("s + s % 64", "s", [], "equal"),
        ("s*(s + 1)/2", "s*s/2", [], "equal"),
        ("s*min(s, w)", "s*min(s, w) + s", [], "equal"),
        ("s*min(s, w)", "s*w", [], "different"),
        ("s*t", "s*t + causal*s", [], "equal"),
        ("s*t + s", "s*t*causal", [], "different"),  # causal may be 0
        ("s*2**t + s", "s*2**t", [], "equal"),
        ("(s + 1)/(t + 1)", "s/t", [], "equal"),
        ("s/t + 1", "s/t", [], "different"),  # t may grow faster
        ("(L - f)*s + s", "(L - f)*s", [], "different"),  # L - f may be 1
        ("L*s*h - f*s*h + f*s*i + L*s", "L*s*h - f*s*h + f*s*i", ["f <= L"], "equal"),
        ("L*s*h - f*s*h + L*s", "L*s*h - f*s*h", ["f <= L"], "different"),
        ("s*k + s", "s*k", ["k <= 8"], "different"),  # k does not grow
        ("s*s*k + s*k", "s*s*k", ["k <= 8"], "equal"),
        ("s*t + t", "s*t", ["s*t <= 100"], "unproven"),  # not both of them can grow
        ("s + 1", "s", ["s <= 100"], "different"),
        ("dtype_bytes*s*h + 8*s", "dtype_bytes*s*h", [], "equal"),
        ("dtype_bytes*s + 8*s", "dtype_bytes*s", [], "different"),  # bytes do not grow
        ("h*h*s + h*s", "n*d*h*s", ["h == n*d"], "equal"),
        ("2*k*k*k + w*(w % 2)", "2*k*k*k", [], "different"),
        ("1 + 2*s + 5", "1 + 2*s", ["w < s"], "equal"),
    ],
)
def test_growing(candidate: str, reference: str, conditions: list[str], status: str) -> None:
    assert symflops.verify(candidate, reference, tolerance="leading", assume=conditions).status == status


def test_random_pairs_along_random_directions() -> None:
    maker, equal = Maker(3), 0
    for _ in range(80):
        pair = maker.leading_pair()
        if reads(pair.a) and reads(pair.b):
            verdict = symflops.verify(pair.a, pair.b, tolerance="leading", assume=pair.conditions)
            assert judged_leading(pair, verdict, maker.random) == "", pair
            equal += verdict.status == "equal"
    assert equal > 10
