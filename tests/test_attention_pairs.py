"""Exact pair counts of masked attention, against loops over every query and key."""

from __future__ import annotations

import pytest

from symflops.cost import Cost
from symflops.formula import load_formula
from symflops.numeric import compiled, with_defaults

SIZES = [(q, kv, window) for kv in range(1, 13) for q in range(1, kv + 1) for window in range(1, 13)]


def visible(q_len: int, kv_len: int, window: int) -> list[set[int]]:
    """The keys that each query sees: not later ones, and at most `window` of them."""
    first = kv_len - q_len
    return [{j for j in range(kv_len) if 0 <= first + i - j < window} for i in range(q_len)]


@pytest.fixture(scope="module", params=["sdpa", "sdpa_eager"])
def attention(request: pytest.FixtureRequest) -> Cost:
    return load_formula(request.param).cost(
        batch=1, q_len="q", kv_len="kv", num_heads=1, num_kv_heads=1, head_dim=1, window="w"
    )


def pairs(cost: Cost, **values: int) -> int:
    """A head of width 1 does 2*(1 + 1) matmul FLOPs and 6 others per pair."""
    numbers = cost.at(**values)
    assert numbers.flops == numbers.matmul_flops // 4 * 10
    assert numbers.matmul_flops % 4 == 0
    return numbers.matmul_flops // 4


def test_windowed_pairs(attention: Cost) -> None:
    for q, kv, w in SIZES:
        assert pairs(attention, q=q, kv=kv, w=w, causal=1) == sum(map(len, visible(q, kv, w))), (q, kv, w)


def kept(q_len: int, kv_len: int, window: int) -> list[int]:
    """The keys that a call has: its own, and of the earlier ones those that stay when all but the last window - 1
    are dropped after each token."""
    cache: list[int] = []
    for key in range(kv_len - q_len):
        cache = [*cache, key][1 - window :] if window > 1 else []
    return [*cache, *range(kv_len - q_len, kv_len)]


def test_without_a_mask_every_pair_of_the_call_counts(attention: Cost) -> None:
    for q, kv, w in SIZES:
        assert pairs(attention, q=q, kv=kv, w=w) == q * len(kept(q, kv, w)), (q, kv, w)


def test_what_a_window_keeps_holds_every_pair_that_its_mask_leaves() -> None:
    for q, kv, w in SIZES:
        assert set().union(*visible(q, kv, w)) == set(kept(q, kv, w)), (q, kv, w)


@pytest.mark.parametrize("name", ["sdpa", "sdpa_eager"])
def test_causal_pairs_without_a_window(name: str) -> None:
    cost = load_formula(name).cost(batch=1, q_len="q", kv_len="kv", num_heads=1, num_kv_heads=1, head_dim=1)
    for q, kv in {(q, kv) for q, kv, _ in SIZES}:
        assert pairs(cost, q=q, kv=kv, causal=1) == sum(map(len, visible(q, kv, kv)))
        assert pairs(cost, q=q, kv=kv, causal=0) == q * kv


def test_without_a_window_pairs_are_a_polynomial() -> None:
    cost = load_formula("sdpa").cost(batch=1, q_len="q", kv_len="kv", num_heads=1, num_kv_heads=1, head_dim=1)
    expected = Cost.of(matmul_flops="4*(q*kv - causal*q*(q - 1)/2)")
    assert cost.value("matmul_flops") == expected.value("matmul_flops")
    assert "min" not in cost.text("read_bytes")


@pytest.mark.parametrize("causal", [0, 1])
def test_keys_read_in_a_window(causal: int) -> None:
    """Either kernel reads the keys that the call has, whether or not the mask counts."""
    shape = {"batch": 1, "q_len": "q", "kv_len": "kv", "num_heads": 1, "num_kv_heads": 1, "head_dim": 1, "window": "w"}
    run = compiled(
        [load_formula(name).cost(**shape, kv_bytes=1).value("read_bytes") for name in ("sdpa", "sdpa_eager")]
    )
    for q, kv, w in SIZES:
        fused, eager = run(with_defaults({"q": q, "kv": kv, "w": w, "causal": causal, "dtype_bytes": 0}))
        assert fused == eager == 2 * len(kept(q, kv, w)), (q, kv, w)


def test_masked_can_be_fixed() -> None:
    """A model that never masks, such as BERT, does not follow the symbol causal."""
    cost = load_formula("sdpa").cost(
        batch=1, q_len="q", kv_len="q", num_heads=1, num_kv_heads=1, head_dim=1, masked=0, kv_bytes="dtype_bytes"
    )
    assert cost.free_symbols == {"q", "dtype_bytes"}


def test_only_eager_attention_materialises_the_scores() -> None:
    shape = {"batch": 2, "q_len": 5, "kv_len": 7, "num_heads": 4, "num_kv_heads": 2, "head_dim": 8}
    fused, eager = (load_formula(name).cost(**shape).at() for name in ("sdpa", "sdpa_eager"))
    assert fused.intermediate_bytes == 0
    assert eager.intermediate_bytes == 2 * (2 * 2 * 4 * 5 * 7)  # scores and probabilities of 2 bytes
    assert (fused.flops, fused.matmul_flops) == (eager.flops, eager.matmul_flops)
