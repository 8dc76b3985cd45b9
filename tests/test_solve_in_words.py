"""Answers as they are said, for small models whose answers are found by hand."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

import symflops
from symflops import METRICS, Answer, solve
from symflops.analysis.question import question

ALL = "holds for every"


def asked(flops: str, text: str, symbol: str = "seq_len", **options: Any) -> Answer:
    """A question about a model of one layer; `x` stands for its FLOPs, or for its bytes where these are asked for."""
    metric = "read_bytes" if "read_bytes" in text else "flops"
    return solve(asked_model(flops, metric), text, symbol, **options)


def asked_model(cost: str, metric: str = "flops") -> symflops.Model:
    layer = {"cost": {**dict.fromkeys(METRICS, "0"), metric: cost}}
    return symflops.load({"name": "made", "symbols": {"h": 4}, "layers": {"x": layer}})


def test_a_question_says_what_its_names_mean() -> None:
    answer = asked("seq_len**2", "flops >= 2*q*T", rename={"q": "h", "T": "tokens"}, batch_size=1)
    assert answer.sentence == "seq_len >= 8"  # seq_len**2 >= 2*4*seq_len
    assert dict(answer.taken) == {"q": "h", "T": "tokens"}
    sides = question(asked_model("1"), "q*seq_len <= 2*T", {"q": "h", "T": "tokens"})
    assert (sides.left.taken, sides.right.taken) == ({"q": "h"}, {"T": "tokens"})  # each the names that it has
    with pytest.raises(symflops.SymflopsError) as refused:
        asked("seq_len**2", "flops >= 2*h", rename={"r": "h"})
    assert str(refused.value) == "rename: the text has no name 'r'; valid: flops, h"


@pytest.mark.parametrize(
    ("flops", "text", "sentence"),
    [
        ("seq_len**2", "flops >= 50", "seq_len >= 8"),  # 49, 64
        ("seq_len**2", "flops > 49", "seq_len >= 8"),
        ("seq_len**2", "flops >= 49", "seq_len >= 7"),
        ("seq_len**2", "flops < 49", "seq_len from 1 to 6"),
        ("seq_len**2", "flops <= 49", "seq_len from 1 to 7"),
        ("seq_len**2", "flops <= 1", "seq_len = 1"),
        ("seq_len**2", "flops >= 1", "holds for every seq_len from 1 on"),
        ("seq_len**2", "flops < 1", "no solution: it holds for no seq_len from 1 on"),
        ("seq_len**2", "flops == 49", "seq_len = 7"),
        ("seq_len**2", "flops == 50", "seq_len = 5*sqrt(2) = 7.071068"),
        ("(seq_len - 3)**2*(seq_len - 9)**2", "flops <= 0", "seq_len = 3 or = 9"),
        ("(seq_len - 3)**2*(2*seq_len - 9)**2", "flops == 0", "2 solutions: seq_len = 3, seq_len = 9/2 = 4.500000"),
        ("(seq_len - 2000)*(seq_len - 3000)", "flops < 0", "seq_len from 2,001 to 2,999"),
        ("(seq_len - 5)*(seq_len - 8)", "flops > 0", "seq_len from 1 to 4 or >= 9"),
        ("seq_len % 10", "flops == 3", "seq_len = 3 and so on every 10"),
        ("seq_len % 10", "flops >= 8", "seq_len from 8 to 9 and so on every 10"),
        ("seq_len//64", "flops > 0", "seq_len >= 64"),
        ("seq_len//64", "flops == 2", "seq_len from 128 to 191"),
        ("seq_len//1000", "flops == 2", "seq_len from 2,000 to 2,999"),
        ("h*seq_len", "flops == 12", "seq_len = 3"),
        ("seq_len**2", "flops/(seq_len + 1) <= 10", "seq_len from 1 to 10"),  # 100/11 = 9.09, 121/12 = 10.08
        ("seq_len**2", "flops/(seq_len - 3) <= 10", "seq_len from 1 to 2"),  # 4/-1; 16/1, and at least 12 from there
        (
            "100*seq_len//7*7",
            "flops == 102",
            "no solution: it holds for no seq_len from 1 on; the two sides cross between 1 and 2",
        ),
    ],
)
def test_numbers(flops: str, text: str, sentence: str) -> None:
    answer = asked(flops, text)
    assert answer.sentence == sentence
    assert not answer.is_curve
    assert answer.where == ()
    assert (answer.status == "always") == sentence.startswith(ALL)
    assert (answer.status == "never") == sentence.startswith("no solution")
    assert len(answer) == len(list(answer)) > 0 or answer.status in ("always", "never")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("read_bytes <= 180", "dtype_bytes <= 3/2 = 1.500000"),  # 100*x + 30
        ("read_bytes > 180", "dtype_bytes > 3/2 = 1.500000"),
        ("read_bytes == 180", "dtype_bytes = 3/2 = 1.500000"),
        ("read_bytes >= 230", "dtype_bytes >= 2"),
        ("read_bytes > 30", "holds for every dtype_bytes above 0"),
        ("read_bytes < 30", "no solution: it holds for no dtype_bytes above 0"),
    ],
)
def test_bytes_are_fractions(text: str, sentence: str) -> None:
    assert asked("100*dtype_bytes + 30", text, "dtype_bytes").sentence == sentence


@pytest.mark.parametrize(
    ("flops", "text", "formula", "where"),
    [
        ("h*seq_len", "flops == batch_size", "batch_size/4", ()),
        ("seq_len", "flops/(batch_size + 1) <= 10", "floor(10*(batch_size + 1))", ()),  # positive everywhere
        ("seq_len", "flops/(batch_size - 1) == 10", "10*(batch_size - 1)", ("batch_size - 1 != 0",)),
    ],
)
def test_curves(flops: str, text: str, formula: str, where: tuple[str, ...]) -> None:
    answer = asked(flops, text, free=["batch_size"])
    assert answer.is_curve
    assert [s.formula for s in answer] == [formula]
    assert answer.where == where
    assert answer.sentence.startswith(f"seq_len {'<=' if '<' in text else '='} {formula}")
    assert answer.sentence.endswith("".join(f" where {w}" for w in where))
    assert answer.crossings == []


def test_what_a_range_is_made_of() -> None:
    (both,) = asked("(seq_len - 20)*(seq_len - 30)", "flops <= 0")
    assert (both.value, both.first, both.last, both.every) == (30, 20, 30, None)
    (open_end,) = asked("seq_len**2", "flops >= 50")
    assert (open_end.value, open_end.first, open_end.last, open_end.formula) == (8, 8, None, "5*sqrt(2)")
    (repeated,) = asked("seq_len % 10", "flops >= 8")
    assert (repeated.first, repeated.last, repeated.every) == (8, 9, 10)
    assert asked("seq_len**2", "flops >= 50").crossings == [(7, 8)]
    assert asked("(seq_len - 20)*(seq_len - 30)", "flops > 0").crossings == [
        (19, 21),
        (29, 31),
    ]  # equal at 20 and at 30


def test_an_equation_whose_leading_coefficient_may_have_any_sign() -> None:
    """(p - s)*n**2 + n - 6: judged by putting whole numbers in."""
    zero = dict.fromkeys(symflops.METRICS, "seq_len")
    model = {"name": "m", "symbols": {}, "layers": {"a": {"cost": zero}}}
    question = "(past_len - seq_len)*batch_size**2 + batch_size == 6"
    answer = symflops.solve(model, question, "batch_size", free=["past_len"])
    assert len(answer) == 2
    assert all(s.where[0] == "past_len - seq_len != 0" for s in answer)
    symbols = {n: symflops.symbol(n) for n in ("past_len", "seq_len")}
    for past, seq in product(range(6), range(1, 8)):
        if past == seq:
            continue
        put_in = {symbols["past_len"]: past, symbols["seq_len"]: seq}
        claimed = {s.expression.subs(put_in) for s in answer}
        expected = {n for n in range(1, 50) if (past - seq) * n * n + n == 6}
        assert {n for n in claimed if n.is_Integer and n >= 1} == expected, (past, seq)


def test_names_that_are_made_inside_are_not_taken() -> None:
    with pytest.raises(symflops.SymflopsError, match="names may not begin with _ and a digit here: '_0'"):
        symflops.solve("gpt2", "_0 > 3", "seq_len")
