"""Comparisons by hand: the parts add up, crossings and ranges are where the numbers say."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest

import symflops
from symflops.analysis.display import comparison_columns

LLAMA = "llama-2-7b-hf"
PARAMETERS = 6_738_415_616


def test_two_models_component_by_component() -> None:
    found = symflops.compare(LLAMA, "llama-3.1-8b")
    parts = {part.name: part for part in found.components}
    assert str(parts["mlp"].ratio) == "43/56"  # 11008/14336
    assert str(parts["lm_head"].ratio) == "125/501"  # 32000/128256
    # 24 of 32 heads of keys and values are gone, in two projections and in rotary.
    gone = 32 * (2 * 2 * 4096 * 24 * 128 + 24 * 128 * 7 // 2)
    assert str(parts["self_attn"].difference) == f"{gone}*batch_size*seq_len"
    point = {"batch_size": 3, "seq_len": 100}
    assert sum(symflops.Cost.of(flops=p.difference).bind(**point).value("flops") for p in parts.values()) == (
        symflops.load(LLAMA).total().at(**point).flops - symflops.load("llama-3.1-8b").total().at(**point).flops
    )
    assert found.crossings == []
    assert found.sentence == "llama-3.1-8b has more flops than llama-2-7b-hf: 1.136 times at seq_len = 1"


@pytest.mark.parametrize(("a", "b"), [("gpt2", LLAMA), (LLAMA, "gpt2")])
def test_components_that_only_one_model_has(a: str, b: str) -> None:
    found = symflops.compare(a, b)
    parts = {part.name: part for part in found.components}
    assert {"mlp", "attn", "self_attn"} <= parts.keys()  # gpt2's attention is attn, llama's self_attn
    point = {"batch_size": 2, "seq_len": 100}
    one, other = (symflops.load(name).total().at(**point).flops for name in (a, b))
    for side, total in (("a", one), ("b", other)):
        assert sum(symflops.Cost.of(flops=getattr(p, side)).at(**point).flops for p in parts.values()) == total


def test_where_two_models_cross() -> None:
    found = symflops.compare(LLAMA, "llama-3.1-8b", "read_bytes", by="past_len", seq_len=1)
    # Every cached token is 393,216 bytes more (24 heads less of 16,384); what stands against it fits at 13,696/3.
    ((below, above),) = found.crossings
    costs = [symflops.load(name).total() for name in (LLAMA, "llama-3.1-8b")]
    for past, sign in ((below, -1), (above, 1)):
        a, b = (cost.at(batch_size=1, seq_len=1, past_len=past).read_bytes for cost in costs)
        assert (a > b) - (a < b) == sign
    assert found.sentence.startswith("more read_bytes by past_len: llama-3.1-8b up to 4,564, then llama-2-7b-hf")


def test_a_rule_of_thumb_and_its_error() -> None:
    found = symflops.compare(LLAMA, "2*N*D")
    cost = symflops.load(LLAMA).total()
    true = cost.at(batch_size=2, seq_len=512).flops
    error = Fraction(2 * PARAMETERS * 2 * 512 - true, true)
    assert found.at(batch_size=2, seq_len=512)["error"] == pytest.approx(float(error), rel=1e-15)
    numbers = {symflops.symbol("batch_size"): 2, symflops.symbol("seq_len"): 512}
    assert found.error is not None
    assert found.error.subs(numbers) == symflops.parse(f"{error.numerator}/{error.denominator}")


def test_the_range_in_which_a_rule_is_good_enough() -> None:
    # 2*N/0.95 = 2*(265,216*S + 6,609,080,545) at S = 1824.89; at one token the rule is 1.95 % too large.
    assert symflops.compare(LLAMA, "2*N per token").within("5%") == [(1, 1824)]
    assert symflops.compare(LLAMA, "2*N*D").within(1) == [(237, 744)]  # 2*N/1.01 at 236.1, 2*N/0.99 at 744.3
    cost = symflops.load(LLAMA).total()
    good = [n for n in range(1, 1000) if abs(1 - 2 * PARAMETERS * n / cost.at(batch_size=1, seq_len=n).flops) <= 0.01]
    assert (good[0], good[-1]) == (237, 744)
    assert symflops.compare(LLAMA, "N*D").within("5%") == []  # half of the smallest true cost
    # N counts all experts of a mixture, of which a token uses two: far too much.
    assert symflops.compare("mixtral-8x7b", "2*N*D").at(batch_size=1, seq_len=1)["error"] > 2.6


def test_short_names_are_those_of_all_commands_and_said(say: Any) -> None:
    """46.7e9 parameters, of which a token uses 12,879,925,248: attention, two of eight experts, router, norms, tables:
    32*(4096*(2*32 + 2*8)*128 + 2*3*4096*14336 + 8*4096 + 2*4096) + 2*32000*4096 + 4096, as the config has it."""
    active = 32 * (4096 * (2 * 32 + 2 * 8) * 128 + 2 * 3 * 4096 * 14336 + 8 * 4096 + 2 * 4096) + 2 * 32000 * 4096 + 4096
    found = symflops.compare("mixtral-8x7b", "2*N_act*D")
    assert found.at(batch_size=3, seq_len=7)["b"] == 2 * active * 21
    assert found.taken == {"D": "tokens", "N_act": "active_parameters"}
    written_out = symflops.compare("mixtral-8x7b", "2*active_parameters*batch_size*seq_len")
    assert (written_out.total.b, written_out.taken) == (found.total.b, {})
    assert symflops.compare(LLAMA, "2*B*S*h*V").total.b == symflops.compare(LLAMA, f"2*B*S*4096*{32000}").total.b
    said = say("compare", LLAMA, "2*N per token")
    assert said.splitlines()[-1] == "names taken: N = parameters"
    assert json.loads(say("compare", LLAMA, "6*N*D", "--format", "json"))["names"] == {"D": "tokens", "N": "parameters"}


def test_a_papers_formula_in_the_models_symbols() -> None:
    # L*S*(4nd^2 + 2n^2 d + 2ndm) of multiply-accumulates, published with a paper: 0.39 of what it costs.
    text = "num_hidden_layers*(4*D*hidden_size**2 + 2*D*seq_len*hidden_size + 2*D*hidden_size*intermediate_size)"
    found = symflops.compare(LLAMA, text, batch_size=1)
    ratio = found.at(seq_len=2048)
    assert ratio["b"] / ratio["a"] == pytest.approx(0.39, abs=0.005)


@pytest.mark.parametrize(
    ("a", "b", "options", "message"),
    [
        (LLAMA, "2*weights", {}, "'2*weights' is in byte, flops in FLOP"),
        (LLAMA, "2*n_parms", {}, "2*n_parms: llama-2-7b-hf has no symbol 'n_parms'"),
        (
            LLAMA,
            "2*N*T",
            {},
            "2*N*T: 'T' may mean num_hidden_layers, seq_len or tokens: write out the one that is meant",
        ),
        (LLAMA, "lama", {}, "lama: no such model or file"),
        (LLAMA, "2*N*D", {"metric": "flop"}, "unknown metric 'flop'; did you mean 'flops'?"),
        (LLAMA, "2*N*D", {"by": "seq_le"}, "cannot compare along 'seq_le'; did you mean 'seq_len'?"),
        (LLAMA, "2*N*D", {"seq_len": 3}, "seq_len is given a value and is also the symbol that varies"),
    ],
)
def test_bad_comparisons_get_one_line(a: str, b: str, options: Any, message: str) -> None:
    with pytest.raises(symflops.SymflopsError) as refused:
        symflops.compare(a, b, **options)
    assert message in str(refused.value)


def test_percentages_are_read_carefully() -> None:
    rule = symflops.compare(LLAMA, "2*N*D")
    for text in ("x", "-5%", "1/0", "1,5%", "5%%"):
        with pytest.raises(symflops.SymflopsError, match="percentage"):
            rule.within(text)
    assert rule.within("0.5e1 %") == rule.within("5") == [(1, 1824)]
    assert rule.within("1_0%") == rule.within(10)


def test_a_rule_says_what_its_names_mean() -> None:
    named = symflops.compare(LLAMA, "6*x*D", rename={"x": "parameters"})
    assert named.total.b == symflops.compare(LLAMA, "6*N*D").total.b
    assert dict(named.taken) == {"x": "parameters", "D": "tokens"}
    active = symflops.compare("mixtral-8x7b", "2*N per token", rename={"N": "active parameters"})
    assert active.total.b == symflops.compare("mixtral-8x7b", "2*N_act per token").total.b
    product = symflops.compare(LLAMA, "2*w*D", rename={"w": "num_attention_heads*head_dim"})
    assert product.total.b == symflops.compare(LLAMA, "2*hidden_size*D").total.b  # 32*128 == 4096
    for b, rename, message in (
        ("6*N*D", {"M": "parameters"}, "rename: the text has no name 'M'"),
        ("6*N*D", {"N": "parametres"}, "llama-2-7b-hf has no symbol 'parametres'; did you mean 'parameters'?"),
        ("gpt2", {"N": "parameters"}, "rename: gpt2 is a model; only the names of a rule have meanings"),
    ):
        with pytest.raises(symflops.SymflopsError) as refused:
            symflops.compare(LLAMA, b, rename=rename)
        assert message in str(refused.value)


def test_the_command_line(say: Any, refuse: Any) -> None:
    assert "6*N*D is within 10% of llama-2-7b-hf for seq_len from 44,373 to 59,771" in say(
        "compare", LLAMA, "6*N*D", "--within", "10%"
    )
    data = json.loads(say("compare", LLAMA, "llama-3.1-8b", "--format", "json"))
    assert data["components"]["mlp"]["ratio"] == "43/56"
    assert data["crossings"] == []
    assert r"\text{error} &= \frac{" in say("compare", LLAMA, "2*N per token", "--format", "latex")
    assert "43/56" in say("compare", LLAMA, "llama-3.1-8b")
    assert "the same flops at every seq_len" in say("compare", LLAMA, LLAMA)
    assert refuse("compare", LLAMA, "2*nothing").startswith("2*nothing: llama-2-7b-hf has no symbol 'nothing'")


def test_along_what_is_the_name_of_a_symbol() -> None:
    with pytest.raises(symflops.SymflopsError, match=r"^expected by to be a text, got list$"):
        symflops.compare("gpt2", "bert-base", by=[])  # type: ignore[arg-type]  # what a user may give
    with pytest.raises(symflops.SymflopsError, match=r"^expected rename\['a'\] to be a text, got list$"):
        symflops.verify("a", "a", rename={"a": []})  # type: ignore[dict-item]  # as above


def test_html_and_columns_have_a_line_for_each_component() -> None:
    found = symflops.compare("gpt2", "llama-2-7b-hf", by="seq_len", batch_size=1)
    table = found._repr_html_().partition("<table")[2]
    names = [c.name for c in found.components if c.a != 0 or c.b != 0]
    assert len(names) > 5
    for name in (*names, "total"):
        assert table.count(f">{name}<") == 1, name
    columns = comparison_columns(found, {"seq_len": 5})
    assert columns["component"] == names
    for a, b, difference, ratio in zip(*(columns[n] for n in ("a", "b", "difference", "ratio")), strict=True):
        assert difference == a - b
        assert ratio == (a / b if b else None)
