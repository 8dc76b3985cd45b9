"""Leading terms: equal is shown for every way in which the symbols grow, different by one of them."""

from __future__ import annotations

from collections import Counter

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
        # references that are negative, that are 0 on some curve, or of which the candidate is a multiple
        ("3 - k + 1", "3 - k", [], "equal"),
        ("s - 10**9*s + 5", "s - 10**9*s", ["w < s"], "equal"),
        ("10**9*k - s + 2", "10**9*k - s", [], "different"),  # s may be 10**9*k
        ("w*w - 2*s + 3*w", "w*w - 2*s", [], "different"),  # 2*s may be w*w
        ("k - k*dtype_bytes + 1", "k - k*dtype_bytes", [], "different"),  # bytes may be 1
        ("(2*s - max(0, k - w))*(1 + 1/(s + 1))", "2*s - max(0, k - w)", [], "equal"),  # a share of 1/(s + 1)
        ("(2*s - max(0, k - w))*(1 + 1/(8 + 1))", "2*s - max(0, k - w)", [], "different"),
        ("(s - w)*(1 + causal/(s + 1))", "s - w", [], "equal"),
        # remainders and quotients of what grows
        ("2*w*w*(w % s) + 1", "2*w*w*(w % s)", [], "different"),  # w may be s
        ("w*w*(w % 7)*causal + w + 9", "w*w*(w % 7)*causal + 9", [], "different"),  # w % 7 may be 0
        ("k*s + 2 + k % w", "k*s + 2", [], "equal"),  # k % w is at most k
        ("s*w + s % w + w % s", "s*w", [], "equal"),
        ("s*w + k % w", "s*w", [], "equal"),  # and less than w
        ("s*w + k // w", "s*w", [], "different"),
        ("s*w + s*(s // w)", "s*w", [], "different"),  # where s is w*w*w
        ("s*s + s*(s // w)", "s*s", [], "equal"),
        ("w*w*w + s*(s // w) + w*w", "w*w*w + s*(s // w)", [], "equal"),
        ("s*w + 5*(k // w)", "s*w", ["k <= 8"], "equal"),
        # factors that are bounded, and products whose order depends on which symbol is the largest
        ("s*k*min(1, s/k) + w*w*s + w*s", "s*k*min(1, s/k) + w*w*s", [], "equal"),
        ("2*s*s*w + 3*w*max(w, s)", "2*s*s*w", [], "different"),  # where w is s*s*s
        ("s*s*w + 7*max(0, w - s)", "s*s*w", ["s % 2 == 0"], "equal"),
        ("3*w**4 + 2*s**3 + 2*w*s*s", "3*w**4 + 2*s**3", [], "equal"),  # a mean of higher order than w*s*s
        ("w*w + s*s + w*s", "w*w + s*s", [], "different"),
        ("w*min(s, 64) + 1 + s*s", "w*min(s, 64) + 1", ["s <= 100"], "equal"),  # s may be 0, where nothing differs
        ("w*min(s, 64) + 1 + w", "w*min(s, 64) + 1", ["s <= 100"], "different"),
        ("s*s*(s % 2) + s*w + s", "s*w", ["s % 2 == 0"], "equal"),  # what is odd is not there
        ("s*s*(s % 2) + s*w + s", "s*w", ["s % 3 == 0"], "different"),
        # coefficients in a symbol that does not grow, of either sign and nowhere 0
        ("(2*causal - 1)*s*t + s", "(2*causal - 1)*s*t", [], "equal"),  # -1 or 1
        ("(9*s - 8)*w*w + w", "(9*s - 8)*w*w", ["s <= 100"], "equal"),  # -8, then positive
        ("(2*s - 1)*w*w + w", "(2*s - 1)*w*w", ["s <= 8"], "equal"),
        ("(k - 1)*s*s + s", "(k - 1)*s*s", ["k <= 8"], "different"),  # 0 at 1
        ("(2*s - 3)*w*w + w", "(2*s - 3)*w*w", ["s <= 100"], "equal"),  # from 2 on positive
        ("(2*s - 99)*w*w + w", "(2*s - 99)*w*w", ["s <= 1000000"], "equal"),
        ("(s - 1)**3*w*w + 1 + w*(s - 1)", "(s - 1)**3*w*w + 1", ["s <= 100"], "equal"),  # nothing differs at 1
        ("s**3*w*w + 1 + s*w", "s**3*w*w + 1", ["s <= 100"], "equal"),
        ("s**3*w*w + 1 + s*w + w", "s**3*w*w + 1", ["s <= 100"], "different"),
        # a coefficient that is 0 somewhere within a bound: at s = 50 what is left of the candidate is w, of 0
        ("(s - 50)*w*w + w", "(s - 50)*w*w", ["s <= 100"], "different"),
        ("(s - 50)*w*w + w*(s - 50)", "(s - 50)*w*w", ["s <= 100"], "equal"),  # nothing differs there
        ("(s - 50)*w*w + w", "(s - 50)*w*w", ["s <= 100", "s != 50"], "equal"),
        ("(s - 50)*w*w + w", "(s - 50)*w*w", ["s <= 100", "s >= 51"], "equal"),
        ("(s - 77777)**2*w*w + w", "(s - 77777)**2*w*w", ["s <= 10**12"], "different"),
        ("(2*s - 101)*w*w + w", "(2*s - 101)*w*w", ["s <= 100"], "equal"),  # 50.5 is no whole number
        ("(s*k - 35)*w*w + w", "(s*k - 35)*w*w", ["s <= 100", "k <= 100"], "different"),  # 5*7
        ("(s - 50*dtype_bytes)*w*w + w", "(s - 50*dtype_bytes)*w*w", ["s <= 100"], "different"),  # 1/2 and 25
        ("w*w + w*w*max(0, 1 - max(s - 50, 50 - s))", "w*w", ["s <= 100"], "different"),  # twice as much at 50 alone
        ("(s//7 - 3)*w*w + w", "(s//7 - 3)*w*w", ["s <= 100"], "different"),  # from 21 to 27
        ("(s % 7 - 3)*w*w + w", "(s % 7 - 3)*w*w", ["s <= 100"], "different"),  # 3, 10, 17, ...
        ("(s % 7 - 8)*w*w + w", "(s % 7 - 8)*w*w", ["s <= 100"], "equal"),  # at most -2
        # what rounding leaves: w/4 - floor(w/2)/2 is 0 for even w and 1/4 for odd; w/2 - floor(w/2) is 0 and 1/2
        ("s*floor(w/2)/2 - s*w/4 + s/4 + 1", "s*floor(w/2)/2 - s*w/4 + s/4", [], "different"),  # 0 for odd w
        ("(s + 1)*(w/2 - floor(w/2)) + 1", "s*(w/2 - floor(w/2)) + 1", [], "equal"),
        # a share that vanishes slowly
        ("s*log2(s) + s", "s*log2(s)", [], "equal"),
        ("s*log2(log2(s)) + s", "s*log2(log2(s))", [], "unproven"),
        ("s*log2(log2(s)) + s*(s % 2)", "s*log2(log2(s))", [], "unproven"),  # 0 for even s, and small for odd
    ],
)
def test_growing(candidate: str, reference: str, conditions: list[str], status: str) -> None:
    assert symflops.verify(candidate, reference, tolerance="leading", assume=conditions).status == status


def test_the_terms_that_were_dropped() -> None:
    def dropped(a: str, b: str) -> tuple[str, ...]:
        return symflops.verify(a, b, tolerance="leading").dropped

    assert dropped("s*s + 3*s", "s*s + 5*s") == ("2*s",)
    assert dropped("s*s + 3*s", "s*s") == ("only in the candidate: 3*s",)
    assert dropped("s*s", "s*s + 3*s") == ("3*s",)


@pytest.mark.slow
def test_random_pairs_along_random_directions() -> None:
    maker, decided = Maker(3), Counter[str]()
    for _ in range(80):
        pair = maker.leading_pair()
        if reads(pair.a) and reads(pair.b):
            verdict = symflops.verify(pair.a, pair.b, tolerance="leading", assume=pair.conditions)
            assert judged_leading(pair, verdict, maker.random) == "", pair
            decided[verdict.status] += 1
    assert decided["equal"] > 20
    assert decided["different"] > 20
    assert decided["unproven"] <= 1
