"""What a model holds, asked of `symflops total` as a metric."""

from __future__ import annotations

import json
from typing import Any

import pytest

# Mixtral 8x7B by hand: projections of q and o, of k and v (8 of 32 heads), a router, and two norms in each of 32
# layers; an embedding and a head of 32,000 words, and the last norm.
OTHERS = 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 4096 * 8 + 2 * 4096) + 2 * 32_000 * 4096 + 4096
EXPERT = 32 * 3 * 4096 * 14_336


def test_of_a_mixture_one_token_uses_two_experts_of_eight(say: Any) -> None:
    found = json.loads(say("total", "mixtral-8x7b", "--metric", "active_parameters", "--format", "json"))
    assert (int(found["metrics"]["active_parameters"]), found["units"]) == (
        OTHERS + 2 * EXPERT,
        {"active_parameters": "count"},
    )


def test_bytes_of_weights_and_of_the_cache(say: Any) -> None:
    given = ("-B", "3", "-S", "10", "-P", "90", "--weight-bytes", "0.5", "--cache-bytes", "1")
    lines = say("total", "mixtral-8x7b", "--metric", "weights,cache", *given).splitlines()
    weights, cache = (int(line.split()[1].replace(",", "")) for line in lines[:2])
    assert weights == (OTHERS + 8 * EXPERT) // 2
    assert cache == 3 * 100 * 32 * 2 * 1024  # keys and values of 8 heads of 128
    assert lines[2].startswith("with batch_size = 3, seq_len = 10, past_len = 90, dtype_bytes = 2, weight_bytes = 0.5")


def test_as_formulas(say: Any) -> None:
    assert say("total", "gpt2", "--metric", "cache,weights") == (
        "cache = 18432*cache_bytes*batch_size*(seq_len + past_len)\nweights = 124439808*weight_bytes\n"
        "where seq_len + past_len <= 1024\n"
    )  # 2 * 12 layers * 768


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["mixtral-8x7b", "--metric", "flops,cache"],
            "--metric: ask for cache alone: what a model holds is no cost of a call",
        ),
        (["mixtral-8x7b", "--metric", "cache", "--format", "latex"], "--metric cache is for --format text and json"),
        (["mixtral-8x7b", "--metric", "cache", "--by", "component"], "--metric cache is for --format text and json"),
        (["bert-base", "--metric", "cache"], "no layer states what it keeps"),
        (
            ["gpt2", "--metric", "cache", "-S", "2000", "-B", "1"],
            "assumption broken: seq_len + past_len <= n_positions",
        ),
    ],
)
def test_mistakes(refuse: Any, arguments: list[str], message: str) -> None:
    assert message in refuse("total", *arguments)
