"""The domain of a closed form: the same conditions at one point, over a grid, bound, added up and exported.

What is expected is computed by Python's own comparisons beside each test.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

import symflops
from symflops.assumption import comparison
from symflops.cost import METRICS, Cost
from symflops.domain import Condition, Domain
from symflops.errors import SymflopsError

ZERO = dict.fromkeys(METRICS, "0")


def model(*assumes: str, flops: str = "h*seq_len*batch_size", **symbols: int) -> symflops.Model:
    layers = {"a": {"cost": ZERO | {"flops": flops}}}
    return symflops.load({"name": "m", "symbols": {"h": 4} | symbols, "assumes": list(assumes), "layers": layers})


# ---------------------------------------------------------------------------------------------------------- conditions

CONDITIONS = {
    "seq_len % 64 == 0": lambda s, p: s % 64 == 0,
    "seq_len + past_len <= 100": lambda s, p: s + p <= 100,
    "seq_len/3 < past_len": lambda s, p: 3 * p > s,
    "seq_len*past_len != 12": lambda s, p: s * p != 12,
    "ceil(seq_len/8)*8 == seq_len": lambda s, p: s % 8 == 0,
    "10**18*seq_len > 10**18*past_len + 1": lambda s, p: s > p,  # beyond int64, and beyond a double's digits
    "seq_len // (past_len - 3) >= 0": lambda s, p: p > 3 or (p < 3 and s // (p - 3) >= 0),  # at 3 it has no value
    "max(seq_len, past_len) > 5": lambda s, p: max(s, p) > 5,
}


@pytest.mark.parametrize("text", CONDITIONS)
def test_a_condition_holds_where_python_says_so(text: str) -> None:
    condition = Condition.of(comparison(text))
    for s, p in product([1, 2, 3, 4, 6, 8, 12, 50, 64, 100, 128], range(8)):
        assert condition.holds({"seq_len": s, "past_len": p}) is CONDITIONS[text](s, p), (s, p)


def test_a_condition_without_symbols_holds_or_does_not() -> None:
    assert Domain.of(["2 == 2", "n >= 2"]).substitute({}) == Domain.of(["n >= 2"])
    with pytest.raises(SymflopsError, match=r"^assumption broken: 2 == 3$"):
        Domain.of(["2 == 3"]).substitute({"n": 1})


def test_numbers_that_may_be_break_no_condition() -> None:
    """As far as the conditions show: n is open."""
    domain = Domain.of(["past_len == 0", "seq_len <= 5", "seq_len <= n", "n >= 3", 'hidden_act == "silu"'])
    for s, p in product(range(1, 9), range(3)):
        assert domain.allows(seq_len=s, past_len=p) is (p == 0 and s <= 5)
        assert domain.allows(seq_len=s, past_len=p, n=4) is (p == 0 and s <= 4)
    assert not domain.allows(n=2)
    assert Domain().allows(n=2)


@pytest.mark.parametrize("text", CONDITIONS)
def test_one_point_a_grid_and_a_bound_cost_refuse_the_same(text: str) -> None:
    cost = model(text).total()
    lengths, pasts = [1, 2, 3, 4, 6, 8, 12, 50, 64, 100, 128], range(8)

    def refused(compute: Callable[..., Any], **point: Any) -> bool:
        try:
            compute(**point)
        except SymflopsError as error:
            return str(error).startswith(f"assumption broken: {text} (with ")
        return False

    for s, p in product(lengths, pasts):
        wrong = not CONDITIONS[text](s, p)
        assert refused(cost.at, batch_size=1, seq_len=s, past_len=p) is wrong, (s, p)
        assert refused(cost.sweep, batch_size=[1, 2], seq_len=[s], past_len=[p]) is wrong
        assert refused(cost.sweep, batch_size=1, seq_len=s, past_len=[p]) is wrong
        assert refused(cost.bind, seq_len=s, past_len=p) is wrong
    whole = any(not CONDITIONS[text](s, p) for s, p in product(lengths, pasts))
    assert refused(cost.sweep, batch_size=1, seq_len=lengths, past_len=pasts) is whole


def test_the_point_that_breaks_a_condition_is_named() -> None:
    cost = model("seq_len + past_len <= n", n=70).total()
    with pytest.raises(SymflopsError) as caught:
        cost.sweep(batch_size=[1, 2], seq_len=[10, 60, 64], past_len=[0, 7])
    assert str(caught.value) == "assumption broken: seq_len + past_len <= n (with n=70, past_len=7, seq_len=64)"
    assert cost.sweep(batch_size=[1, 2], seq_len=[10, 60, 63], past_len=[0, 7])["flops"].sum() == 4 * 3 * 133 * 2


def test_a_condition_that_cannot_hold_any_more_is_seen_before_all_numbers_are_there() -> None:
    cost = model("seq_len + past_len <= 100").total()
    with pytest.raises(SymflopsError, match=r"^assumption broken: seq_len \+ past_len <= 100 \(with seq_len=101\)$"):
        cost.bind(seq_len=101)
    assert str(cost.bind(seq_len=99).domain) == "past_len + 99 <= 100"
    with pytest.raises(SymflopsError, match=r"\(with past_len=100\)$"):  # a call has a token
        cost.bind(past_len=100)


def test_sums_and_products_carry_the_domain_on() -> None:
    one, other = model("seq_len % 4 == 0").total(), model("past_len <= 9", "seq_len % 4 == 0").total()
    together = one + 3 * other
    assert str(together.domain) == "seq_len % 4 == 0, past_len <= 9"
    assert together.at(batch_size=1, seq_len=8).flops == 4 * 4 * 8
    for point in ({"seq_len": 9}, {"seq_len": 8, "past_len": 10}):
        with pytest.raises(SymflopsError, match="assumption broken"):
            together.at(batch_size=1, **point)


def test_the_parts_of_a_model_have_its_domain() -> None:
    rows = model("seq_len + past_len <= n", n=100).rows(groups=True)
    assert [str(cost.domain) for row in rows for cost in (row.cost, row.total)] == ["seq_len + past_len <= 100"] * 2
    with pytest.raises(SymflopsError, match="assumption broken"):
        rows[0].total.at(batch_size=1, seq_len=101)
    symbolic = model("seq_len + past_len <= n", n=100).rows(symbolic=True)[0].total
    with pytest.raises(SymflopsError, match="assumption broken"):
        symbolic.at(batch_size=1, seq_len=101, h=4, n=100)


def test_no_model_runs_without_sequences_or_tokens() -> None:
    cost = symflops.load("llama-2-7b-hf").total()
    for name in ("batch_size", "seq_len"):
        point = {"batch_size": 1, "seq_len": 1} | {name: 0}
        message = rf"^assumption broken: {name} >= 1 \(with {name}=0\)$"
        for compute in (cost.at, cost.bind, lambda **p: cost.sweep(**{n: [v] for n, v in p.items()})):
            with pytest.raises(SymflopsError, match=message):
                compute(**point)
    assert Cost.of(flops="seq_len + 1").at(seq_len=0).flops == 1  # of no model


def test_a_condition_on_nothing_but_sizes_is_decided_once() -> None:
    with pytest.raises(SymflopsError, match=r"^m: assumption broken: h % 3 == 0 \(with h=4\)$"):
        model("h % 3 == 0")
    with pytest.raises(SymflopsError, match=r"^m: assumption broken: h % g == 0 \(with g=0, h=4\)$"):
        model("h % g == 0", g=2).with_symbols({"g": 0})
    assert model("h % 2 == 0").total().domain.said == ()


def test_random_grids_are_refused_exactly_where_some_point_is() -> None:
    rng = random.Random(1)
    operands = ["seq_len", "past_len", "batch_size", "7", "12", "seq_len*past_len", "seq_len//3", "past_len % 5"]
    refusals = 0
    for _ in range(300):
        text = f"{rng.choice(operands)} + {rng.choice(operands)} {rng.choice(['==', '!=', '<=', '>', '<', '>='])} "
        text += f"{rng.choice(operands)}*{rng.choice(operands)}"
        axes = {n: rng.sample(range(1, 12), rng.randint(1, 3)) for n in ("batch_size", "seq_len", "past_len")}
        left, right = (side for side in text.replace("//", "§").split(next(s for s in _SIGNS if s in text)))
        sign = next(s for s in _SIGNS if s in text)
        points = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
        allowed = all(eval(f"{left} {sign} {right}".replace("§", "//"), {}, point) for point in points)
        cost = replace(Cost.of(flops=1), domain=Domain.of([text]))
        try:
            size = cost.sweep(**axes)["flops"].size
        except SymflopsError:
            size = 0
        assert size == (len(points) if allowed else 0), text
        refusals += not allowed
    assert 50 < refusals < 300


_SIGNS = ("==", "!=", "<=", ">=", "<", ">")

# ------------------------------------------------------------------------------------------------------ negative costs


def test_a_sweep_refuses_a_negative_cost_as_one_point_does() -> None:
    cost = Cost.of(flops="seq_len - 5", read_bytes="seq_len")
    message = r"^flops is negative at this point: the formula or a repeat does not hold here$"
    with pytest.raises(SymflopsError, match=message):
        cost.at(seq_len=4)
    with pytest.raises(SymflopsError, match=message):
        cost.sweep(seq_len=[1, 4, 7])
    assert cost.sweep(seq_len=[5, 8])["flops"].tolist() == [0, 3]


# ---------------------------------------------------------------------------------------------------------------- bytes


def test_a_sweep_over_fractions_of_bytes() -> None:
    cost = Cost.of(read_bytes="dtype_bytes*seq_len*10 + weight_bytes*4")
    found = cost.sweep(seq_len=[1, 2], dtype_bytes=[0.5, 1, 2])
    assert found["dtype_bytes"].tolist() == [0.5, 1, 2] * 2
    assert found["read_bytes"].tolist() == [10 * s * d + 4 * d for s in (1, 2) for d in (0.5, 1, 2)]
    assert found.dtypes["read_bytes"] == "float64"
    assert cost.sweep(seq_len=1, dtype_bytes=2, weight_bytes=[0.25])["read_bytes"].tolist() == [21.0]


def test_weights_follow_the_bytes_that_are_bound() -> None:
    cost = symflops.load("llama-2-7b-hf").total()
    point = {"batch_size": 1, "seq_len": 8}
    assert cost.bind(dtype_bytes=1).at(**point) == cost.at(dtype_bytes=1, **point)
    assert cost.bind(dtype_bytes=1).sweep(**point)["read_bytes"].tolist() == [
        cost.at(dtype_bytes=1, **point).read_bytes
    ]
    with pytest.raises(SymflopsError, match=r"^different defaults of dtype_bytes, 1 and 2: bind all bytes"):
        _ = cost.bind(dtype_bytes=1) + cost
    every = {"dtype_bytes": 1, "weight_bytes": 1, "cache_bytes": 1}
    assert (cost.bind(**every) + cost).at(**point).flops == 2 * cost.at(**point).flops


# ------------------------------------------------------------------------------------------------------------ commands


def test_all_commands_keep_to_the_domain(refuse: Any, tmp_path: Any) -> None:
    path = tmp_path / "m.json"
    path.write_text(json.dumps(model("seq_len % 64 == 0").to_dict()))
    given = ["-B", "1", "-S", "80"]
    message = "assumption broken: seq_len % 64 == 0 (with seq_len=80)"
    for command in ("total", "show", "table", "report"):
        assert refuse(command, str(path), *given).endswith(message)
        assert refuse(command, str(path), "-S", "80").endswith(message)
    assert refuse("sweep", str(path), "-S", "64:128:+16").endswith(message)
    assert refuse("roofline", str(path), "--hardware", "h100-sxm", *given).endswith(message)
    assert refuse("total", str(path), "-B", "0", "-S", "64").endswith("batch_size >= 1 (with batch_size=0)")


def test_total_takes_no_metric() -> None:
    with pytest.raises(SymflopsError, match=r"total\('flops'\): total takes no positional arguments; write total\(\)"):
        symflops.load("gpt2").total("flops")  # type: ignore[misc]  # what it is about


def test_numbers_that_no_model_runs_are_refused_in_every_answer() -> None:
    """GPT-2 has 1024 positions."""
    broken = (
        "gpt2: assumption broken: seq_len + past_len <= n_positions (with n_positions=1024, past_len=0, seq_len=2000)"
    )
    for asked in (
        lambda: symflops.regimes("gpt2", "batch_size", seq_len=2000),
        lambda: symflops.compare("gpt2", "llama-2-7b-hf", by="batch_size", seq_len=2000),
        lambda: symflops.compare("llama-2-7b-hf", "gpt2", by="batch_size", seq_len=2000),
        lambda: symflops.solve("gpt2", "flops <= 1 TFLOP", "batch_size", seq_len=2000),
        lambda: symflops.roofline("gpt2", "h100-sxm", seq_len=2000),
    ):
        with pytest.raises(SymflopsError) as refused:
            asked()
        assert str(refused.value) == broken
    with pytest.raises(SymflopsError, match="assumption broken: batch_size >= 1"):
        symflops.regimes("gpt2", batch_size=0)
    with pytest.raises(SymflopsError, match=r"assumption broken: seq_len \+ past_len <= n_positions"):
        symflops.compare("gpt2", "llama-2-7b-hf").at(batch_size=1, seq_len=2000)
    with pytest.raises(SymflopsError, match="batch_size has a value already"):
        symflops.compare("gpt2", "llama-2-7b-hf", batch_size=2).at(batch_size=1, seq_len=20)


PUT_IN = symflops.Cost.of(flops="a*b*seq_len", read_bytes="dtype_bytes*a")


@pytest.mark.parametrize(
    ("cost", "given", "message"),
    [
        (PUT_IN.bind(seq_len=5), {"seq_len": 9}, "seq_len = 9: seq_len has a value already, 5"),
        (PUT_IN.bind(a=5), {"a": 9}, "a = 9: a has a value already, 5"),
        (PUT_IN.bind(seq_len=5).bind(a=2), {"seq_len": 9}, "seq_len = 9: seq_len has a value already, 5"),
        (PUT_IN.bind(seq_len=5) * 3, {"seq_len": 9}, "seq_len = 9: seq_len has a value already, 5"),
        (PUT_IN.bind(a=5) + PUT_IN.bind(a=7), {"a": 5}, "a = 5: a has a value already, 5 and 7"),
        (PUT_IN.bind(dtype_bytes=0.5), {"dtype_bytes": 2}, "dtype_bytes = 2: dtype_bytes has a value already, 1/2"),
        (
            symflops.generation("gpt2"),
            {"past_len": 3},
            "past_len = 3: past_len has a value already, 0",
        ),
        (
            symflops.generation("gpt2"),
            {"seq_len": 3},
            "seq_len = 3: seq_len has a value already, prompt_len and 1",
        ),
    ],
)
def test_a_second_value_for_a_symbol_is_refused(cost: symflops.Cost, given: dict[str, int], message: str) -> None:
    others = dict.fromkeys(cost.free_symbols - given.keys(), 1)
    ((name, number),) = given.items()
    for compute in (cost.bind, cost.at, cost.sweep):
        with pytest.raises(SymflopsError) as refused:
            compute(**given, **others)
        assert str(refused.value) == message
    with pytest.raises(SymflopsError) as refused:
        cost.sweep(**{name: [number, number + 1]}, **others)
    assert f"{name} = [{number}, {number + 1}]: {name} has a value already" in str(refused.value)


def test_the_same_value_again_and_what_is_still_open_are_no_contradiction() -> None:
    bound = PUT_IN.bind(seq_len=5)
    assert bound.at(a=2, b=3, seq_len=5).flops == 2 * 3 * 5
    assert bound.bind(seq_len=5, a=2).at(b=3).flops == 2 * 3 * 5
    assert (bound + PUT_IN).at(a=2, b=3, seq_len=7).flops == 2 * 3 * (5 + 7)  # the second one's length is open
    assert PUT_IN.bind(causal=1).at(a=2, b=3, seq_len=5).flops == 30
    assert bound == PUT_IN.bind(seq_len=5)
    assert hash(bound) == hash(PUT_IN.bind(seq_len=5))


def test_without_its_encoder_nothing_is_asked_of_what_that_is_fed() -> None:
    """An image of h*w pixels is seen at 5 FLOPs each, and text costs 3 a token."""
    layers = {
        "tower": {"repeat": "encoder", "cost": {"flops": "5*batch_size*h*w", "others": 0}},
        "text": {"cost": {"flops": "3*batch_size*seq_len", "others": 0}},
    }
    cost = symflops.load({"name": "seeing", "symbols": {"h": None, "w": None}, "layers": layers}).total()
    assert cost.at(batch_size=2, seq_len=7, encoder=0).flops == 3 * 2 * 7
    assert cost.is_complete({"batch_size": 2, "seq_len": 7, "encoder": 0})
    assert cost.at(batch_size=2, seq_len=7, h=4, w=6).flops == 5 * 2 * 4 * 6 + 3 * 2 * 7
    with pytest.raises(SymflopsError, match="no value for h"):
        cost.at(batch_size=2, seq_len=7)
