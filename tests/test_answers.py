"""What a symbol may be holds in every answer: a model's conditions, fractions of bytes, signs and zeros of factors."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

import symflops

LLAMA = "llama-2-7b-hf"


def model(*assumes: str, **symbols: int) -> symflops.Model:
    """One layer: 10 operations per token and 1 per pair; a byte of weights each for 100 numbers."""
    cost = dict.fromkeys(symflops.METRICS, "0") | {
        "flops": "batch_size*(10*seq_len + seq_len*(seq_len + past_len))", "parameters": "100",
    }  # fmt: skip
    other = dict.fromkeys(symflops.METRICS, "0") | {"flops": "40*batch_size*seq_len"}
    layers = {"pairs": {"cost": cost}, "line": {"cost": other}}
    return symflops.load({"name": "small", "symbols": symbols, "assumes": list(assumes), "layers": layers})


@pytest.mark.parametrize(
    ("text", "symbol", "point", "sentence"),
    [
        ("flops(q_proj) <= flops(mlp)", "seq_len", {}, "holds for every seq_len from 1 on"),
        ("flops(q_proj) >= flops(mlp)", "seq_len", {}, "no solution: it holds for no seq_len from 1 on"),
        ("3*seq_len <= 7*seq_len", "seq_len", {}, "holds for every seq_len from 1 on"),
        ("3*seq_len*batch_size > 7*seq_len*batch_size", "seq_len", {},
         "no solution: it holds for no seq_len from 1 on"),
        ("flops(q_proj) <= flops(mlp)", "batch_size", {"seq_len": 2048}, "holds for every batch_size from 1 on"),
        ("seq_len//64 > 0", "seq_len", {}, "seq_len >= 64"),
        ("max(0, seq_len-100) > 0", "seq_len", {}, "seq_len >= 101"),
        ("max(0, seq_len-100)*batch_size <= 0", "seq_len", {}, "seq_len from 1 to 100"),
        ("seq_len**2 + 6 == 5*seq_len", "seq_len", {}, "2 solutions: seq_len = 2, seq_len = 3"),
        ("past_len*seq_len <= 2*past_len", "past_len", {"seq_len": 3}, "past_len = 0"),
        ("past_len*seq_len >= 100*seq_len", "past_len", {}, "past_len >= 100"),
        ("past_len*(seq_len - 5) >= 0", "seq_len", {"free": ["past_len"]}, "seq_len >= 5 where past_len > 0"),
        ("seq_len % 64 == 0", "seq_len", {}, "seq_len = 64 and so on every 64"),
        ("seq_len % 64 <= 3", "seq_len", {}, "seq_len from 1 to 3 or from 64 to 67 and so on every 64"),
        ("12 % seq_len == 0", "seq_len", {}, "3 solutions: seq_len from 1 to 4, seq_len = 6, seq_len = 12"),
        ("1/(seq_len - 5) > 0", "seq_len", {}, "seq_len >= 6"),
        ("(seq_len - 5)/(seq_len - 5) == 1", "seq_len", {}, "2 solutions: seq_len from 1 to 4, seq_len >= 6"),
        ("past_len/past_len == 1", "past_len", {}, "past_len >= 1"),  # at 0 the text says nothing
        ("flops/past_len > 0", "past_len", {"batch_size": 1, "seq_len": 1}, "past_len >= 1"),
    ],
)  # fmt: skip
def test_signs_and_zeros_of_factors_count(text: str, symbol: str, point: dict[str, Any], sentence: str) -> None:
    assert symflops.solve(LLAMA, text, symbol, **point).sentence == sentence


def test_a_model_is_asked_only_about_what_it_can_run() -> None:
    # 10*n + n**2 against 40*n: less up to 29, equal at 30, more from 31 on.
    short = model("past_len + seq_len <= max_seq_len", max_seq_len=20)
    within = ", within what the model can run: past_len + seq_len <= max_seq_len (max_seq_len = 20)"
    text = "flops(pairs) <= flops(line)"
    assert symflops.solve(short, text, "seq_len").sentence == f"holds for every seq_len from 1 to 20{within}"
    assert symflops.solve(short, "flops(pairs) == flops(line)", "seq_len").status == "never"
    assert symflops.solve(short, "seq_len >= 7", "seq_len").sentence == f"seq_len from 7 to 20{within}"
    assert symflops.solve(short, "seq_len >= 7", "seq_len", past_len=5).sentence == f"seq_len from 7 to 15{within}"
    found = symflops.regimes(short)
    assert found.sentence == f"line costs most at every seq_len{within}"
    with pytest.raises(symflops.SymflopsError, match="seq_len = 21 is not within what the model can run"):
        found.at(21)
    compared = symflops.compare(short, model())
    assert compared.sentence == f"small and small (2) have the same flops at every seq_len{within}"
    rule = symflops.compare(short, "(20*batch_size*seq_len)*3")  # 50*n + n**2 against 60*n: equal at 10
    assert rule.crossings == [(9, 11)]
    assert rule.within("100%") == [(1, 20)]


def test_only_multiples_are_asked_where_a_model_runs_only_these() -> None:
    tiled = model("seq_len % 8 == 0")
    within = ", within what the model can run: seq_len % 8 == 0"
    assert symflops.solve(tiled, "flops(pairs) <= flops(line)", "seq_len").sentence == f"seq_len from 8 to 24{within}"
    assert symflops.solve(tiled, "seq_len % 4 == 0", "seq_len").sentence == f"holds for every seq_len from 8 on{within}"
    assert symflops.solve(tiled, "seq_len % 16 == 0", "seq_len").sentence == (
        f"seq_len = 16 and so on every 16{within}"
    )
    answer = symflops.solve(tiled, "flops(pairs) == flops(line)", "seq_len")  # equal at 30, which is no multiple
    assert (answer.status, answer.crossings) == ("never", [(24, 32)])
    with pytest.raises(symflops.SymflopsError, match="no seq_len is within what the model can run"):
        symflops.solve(model("seq_len % 8 == 0", "seq_len < 8"), "seq_len > 3", "seq_len")


def test_bytes_per_element_are_fractions() -> None:
    # 200 bytes of 100 parameters and 64 of a cache that there is not: weights alone.
    assert symflops.solve(model(), "weights <= 80", "weight_bytes").sentence == "weight_bytes <= 4/5 = 0.800000"
    assert symflops.solve(model(), "weights > 80", "weight_bytes").sentence == "weight_bytes > 4/5 = 0.800000"
    (point,) = symflops.solve(model(), "weights == 250", "dtype_bytes")
    assert (point.value, point.formula) == (2.5, "5/2")
    assert symflops.solve(model(), "weights > 0", "weight_bytes").sentence == "holds for every weight_bytes above 0"
    curve = symflops.solve(LLAMA, "weights + cache <= 80 GB", "dtype_bytes", batch_size=3)
    edge = Fraction(80 * 10**9, 6_738_415_616 + 3 * 1000 * 262_144)  # bytes over parameters and cached numbers
    assert curve[0].expression.subs(symflops.symbol("seq_len"), 1000) == symflops.parse(str(edge))


def test_a_number_without_a_unit_is_told_what_it_was_taken_for() -> None:
    answer = symflops.solve(LLAMA, "weights + cache <= 80", "batch_size", seq_len=4096)
    assert answer.notes == ("80 is taken as 80 byte; write 80 GB or 80 GiB for more",)
    assert symflops.solve(LLAMA, "flops <= 1e15", "seq_len", batch_size=1).notes == ("1e15 is taken as 1e15 FLOP",)
    assert symflops.solve(LLAMA, "parameters <= 70e9", "num_hidden_layers").notes == ()


def test_what_a_curve_takes_for_granted_is_said() -> None:
    either = symflops.solve(LLAMA, "past_len*seq_len >= 100*past_len", "past_len")
    assert either.sentence == "past_len >= 0 where seq_len - 100 > 0 or past_len <= 0 where seq_len - 100 < 0"
    found = symflops.solve(LLAMA, "batch_size*seq_len == 30", "batch_size")
    assert found.sentence == "batch_size = 30/seq_len where that is at least 1"
    with pytest.raises(symflops.SymflopsError, match="may cross twice"):
        symflops.solve(LLAMA, "seq_len**2 + batch_size <= 5*seq_len*batch_size", "seq_len")


@pytest.mark.parametrize("batch", [2100, 4096, 10**7])
def test_a_batch_that_reads_all_experts(batch: int) -> None:
    cost = symflops.load("mixtral-8x7b").total()
    point = {"batch_size": batch, "seq_len": 1, "past_len": 100}
    assert cost.bind(**point).at() == cost.at(**point)
    assert f"(3/4)**{batch}" in str(cost.bind(**point).read_bytes)
    bound = symflops.roofline("mixtral-8x7b", "h100-sxm", **point)
    assert bound.total.cost.read_bytes == cost.at(**point).read_bytes
    steps = symflops.generation("mixtral-8x7b")
    lengths = {"prompt_len": 7, "new_tokens": 3}
    assert steps.bind(batch_size=batch).at(**lengths) == steps.at(batch_size=batch, **lengths)


def test_an_expectation_never_reaches_all_experts() -> None:
    # 8*(1 - (3/4)**n) of 8 experts are read, fewer than 8 however large n; without the routers' own weights and the
    # activations, which are the rest of what the experts read.
    data = {"name": "experts", "symbols": {}, "layers": {"experts": {"cost": dict.fromkeys(symflops.METRICS, "0") | {
        "read_bytes": "8*(1 - (3/4)**(batch_size*seq_len))"}}}}  # fmt: skip
    for symbol, point in (("batch_size", {"seq_len": 2048}), ("seq_len", {"batch_size": 10**6})):
        assert symflops.solve(data, "read_bytes >= 8 B", symbol, **point).status == "never"
        assert symflops.solve(data, "read_bytes < 8 B", symbol, **point).status == "always"
        assert symflops.solve(data, "read_bytes == 8 B", symbol, **point).status == "never"


def test_a_step_that_does_not_exist_has_no_cost() -> None:
    steps = symflops.generation("gpt2")
    for values in ({"new_tokens": 0}, {"new_tokens": 0, "batch_size": 1, "prompt_len": 10}):
        with pytest.raises(symflops.SymflopsError, match=r"^new_tokens = 0: at least 1, the token that the"):
            steps.bind(**values)
        with pytest.raises(symflops.SymflopsError, match=r"^new_tokens = 0: at least 1"):
            steps.at(**values)
    with pytest.raises(symflops.SymflopsError, match=r"^prompt_len = 0: at least 1"):
        steps.at(batch_size=1, prompt_len=0, new_tokens=3)
    with pytest.raises(symflops.SymflopsError, match=r"^new_tokens = 0: at least 1"):
        steps.sweep(batch_size=1, prompt_len=10, new_tokens=range(3))
    short = symflops.generation(model("past_len + seq_len <= max_seq_len", max_seq_len=20))
    short.at(batch_size=1, prompt_len=10, new_tokens=11)
    with pytest.raises(symflops.SymflopsError, match=r"past_len \+ seq_len <= max_seq_len"):
        short.at(batch_size=1, prompt_len=10, new_tokens=12)


def test_bytes_per_element_are_those_of_the_config_s_data_type() -> None:
    wide = symflops.load({**model().to_dict(), "dtype": "float32"})
    assert symflops.solve(wide, "weights <= 401", "weight_bytes").sentence == "weight_bytes <= 401/100 = 4.010000"
    assert symflops.solve(wide, "weights == 400", "batch_size").status == "always"  # 4 bytes of 100 parameters
    with pytest.raises(symflops.SymflopsError, match="dtype_bytes is small 4 and small 2 by default; give dtype_bytes"):
        symflops.compare(wide, model(), "read_bytes")
    assert symflops.compare(wide, model(), "read_bytes", dtype_bytes=2).total.difference == 0


def test_what_a_first_call_leaves_is_not_said_to_be_nothing() -> None:
    """XLNet hands a memory on, of which a closed form of its first call says nothing."""
    said = r"it was derived for a first call alone \(past_len == 0\), and no layer states what it keeps"
    with pytest.raises(symflops.SymflopsError, match=said):
        symflops.kv_cache(model("past_len == 0"))
    with pytest.raises(symflops.SymflopsError, match="no layer keeps a KV cache or a state"):
        symflops.kv_cache(model())
