"""Regimes by hand, by differences, and by looking at every length."""

from __future__ import annotations

import json
from typing import Any

import pytest

import symflops

COST = dict.fromkeys(symflops.METRICS, "0")


def model(**flops: str) -> symflops.Model:
    layers = {name: {"cost": COST | {"flops": text}} for name, text in flops.items()}
    return symflops.load({"name": "made", "symbols": {}, "layers": layers})


def test_a_quadratic_by_hand() -> None:
    found = symflops.regimes(model(linear="100*batch_size*seq_len", square="3*batch_size*seq_len**2"))
    assert (str(found.leading), found.degree, found.limit) == ("3*seq_len**2", 2, None)
    assert str(found.marginal) == "6*seq_len + 103"  # 3*(2n + 1) + 100
    assert found.elasticity.subs(symflops.symbol("seq_len"), 10) == symflops.parse("(2*300 + 1000)/1300")
    assert found.at(10) == {"cost": 1300, "marginal": 163, "per_unit": 130, "elasticity": pytest.approx(16 / 13)}
    assert found.sentence == "linear up to 33, then square"  # they are equal at 100/3


def test_a_line_by_hand() -> None:
    found = symflops.regimes(model(weights="7*batch_size", tokens="5*batch_size*seq_len"), batch_size=4)
    assert (str(found.leading), found.degree, found.limit) == ("20*seq_len", 1, 20)
    assert found.elasticity.subs(symflops.symbol("seq_len"), 7) == symflops.parse("140/168")
    assert found.sentence == "weights up to 1, then tokens"  # 28 and 20 at one token, 28 and 40 at two


def test_steps_windows_and_experts() -> None:
    steps = symflops.regimes(model(chunks="64*ceil(seq_len/64)"))
    assert (str(steps.leading), steps.at(64)["marginal"]) == ("seq_len", 64)
    with pytest.raises(symflops.SymflopsError, match="rises in steps"):
        _ = steps.elasticity
    window = symflops.regimes("mistral-7b", causal=1)
    # In the window each further token sees 4096 keys in 32 layers of 32 heads, at 4*128 + 6 each; of 1 itself.
    itself = symflops.regimes("mistral-7b", causal=1, sliding_window=1).limit
    assert window.limit - itself == 32 * 32 * 4095 * (4 * 128 + 6)
    experts = symflops.regimes("mixtral-8x7b", "batch_size", "read_bytes", seq_len=1, past_len=0)
    assert experts.degree == 1  # the expected experts are bounded: what grows is linear


def test_dominance_is_what_looking_at_every_length_finds() -> None:
    found = symflops.regimes("llama-3.1-8b", metric="read_bytes", by="past_len", seq_len=1, batch_size=3)
    rows = symflops.load("llama-3.1-8b").rows(groups=True)
    parts = {r.path.rpartition(".")[2]: r.total for r in rows if r.path.count(".") == 2 or r.path == "lm_head"}
    assert [s.component for s in found.dominant] == ["mlp", "self_attn"]
    change = found.dominant[0].last
    assert change is not None
    for past, name in ((0, "mlp"), (change, "mlp"), (change + 1, "self_attn"), (10**6, "self_attn")):
        costs = {n: c.at(batch_size=3, seq_len=1, past_len=past).read_bytes for n, c in parts.items()}
        assert max(costs, key=lambda n: costs[n]) == name


def test_marginal_cost_is_the_next_minus_this() -> None:
    for name in ("mistral-7b", "mixtral-8x7b", "mamba-130m"):
        cost = symflops.load(name).total()
        here, following = (cost.at(batch_size=1, seq_len=n, causal=1).flops for n in (5000, 5001))
        assert symflops.regimes(name, causal=1).at(5000)["marginal"] == following - here


def test_the_command_line(say: Any, refuse: Any) -> None:
    assert "mlp up to 8,225, then self_attn" in say("regimes", "llama-2-7b-hf", "--at", "2048")
    data = json.loads(say("regimes", "llama-2-7b-hf", "--format", "json", "--at", "2048"))
    assert data["dominant"] == [
        {"from": 1, "to": 8225, "component": "mlp"},
        {"from": 8226, "to": None, "component": "self_attn"},
    ]
    assert data["at"][0]["cost"] == 29295586971648  # see README.md
    assert data["leading"] == "530432*seq_len**2"  # 32 layers of 32 heads at 4*128 + 6
    assert r"C &\sim 530432 \mathrm{seq\_len}^{2}" in say("regimes", "llama-2-7b-hf", "--format", "latex")
    assert "num_hidden_layers" in say("regimes", "llama-2-7b-hf", "--symbolic")
    assert refuse("regimes", "llama-2-7b-hf", "--by", "length").startswith("llama-2-7b-hf has no symbol 'length'")
    assert refuse("regimes", "llama-2-7b-hf", "-S", "4").startswith(
        "seq_len is given a value and is also the symbol that varies"
    )
    assert refuse("regimes", "llama-2-7b-hf", "--metric", "flop").startswith("unknown metric 'flop'")


def test_numbers_at_a_length_that_the_model_cannot_run_are_refused() -> None:
    found = symflops.regimes("gpt2")  # 1024 positions
    assert found.at(1024)["cost"] == symflops.load("gpt2").total().at(batch_size=1, seq_len=1024).flops
    for length in (0, 1025):
        with pytest.raises(symflops.SymflopsError, match=f"^seq_len = {length} is not within what the model can run: "):
            found.at(length)


def test_a_truth_value_is_a_number_as_everywhere() -> None:
    regimes = symflops.regimes("gpt2")
    assert regimes.at(True) == regimes.at(1)
