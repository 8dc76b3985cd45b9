"""Calls that stand for all: with every two answers that go together, on both sides of what is compared."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import sympy

from symflops.algebra import free_symbols

pytestmark = pytest.mark.torch
pytest.importorskip("torch")

from symflops.trace import combine  # noqa: E402 - needs torch
from symflops.trace.cases import _broken, _chosen  # noqa: E402 - as above
from symflops.trace.conditions import asked_of  # noqa: E402 - as above
from symflops.trace.guards import Guard  # noqa: E402 - as above
from symflops.trace.quantity import Quantities  # noqa: E402 - as above

ONE = "seq_len != 1"
CLOSES = "floor((seq_len + past_len)/4) > floor(past_len/4)"
SOME = "floor((seq_len + past_len)/128) > 0"


def test_calls_with_every_two_answers_that_go_together() -> None:
    def answers(tokens: int, past: int) -> tuple[bool, bool, bool]:
        return tokens != 1, (tokens + past) // 4 > past // 4, (tokens + past) // 128 > 0

    calls = _chosen([ONE, CLOSES, SOME])
    found = {answers(*call) for call in calls} | {(True, True, True)}
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert {(a[i], a[j]) for a in found} == {(x, y) for x in (True, False) for y in (True, False)}
    assert len(calls) < 6
    assert all(past > 0 for _, past in calls)
    first = _chosen([ONE, CLOSES, SOME], first=True)
    assert {past for _, past in first} == {0}
    assert 1 in {tokens for tokens, _ in first}


def test_what_is_assumed_tells_wrong_calls_from_right_ones() -> None:
    assert _broken([ONE, CLOSES, SOME], [], [(1, 1)]) == set()
    assert _broken([ONE, CLOSES, SOME], [(1, 3), (5, 2)], [(1, 200), (2, 129)]) == {SOME}
    # Nothing does: all that they break.
    assert _broken([ONE, CLOSES, SOME], [(1, 1)], [(1, 3), (2, 1), (1, 200), (2, 128)]) == {ONE, CLOSES, SOME}


def test_modules_are_compared_and_not_their_steps() -> None:
    """A step that is left out gives its name to the next one; what the module computes is the sum."""

    def step(flops: str) -> combine.Data:
        return {"cost": {"flops": flops, "matmul_flops": 0}}

    usual = {"indexer": {"sub_layers": {"rotary": step("6*(seq_len//4)"), "rotary_2": step("5*seq_len")}}}
    record = {"indexer": {"sub_layers": {"rotary": step("15")}}}
    assert combine.computes_the_same(usual, record, {"seq_len": 3})
    assert not combine.computes_the_same(usual, record, {"seq_len": 4})


def test_bytes_of_pieces_that_are_not_there_are_none() -> None:
    layers = {"copy": {"cost": {"flops": 0, "read_bytes": "8*(seq_len//4) - 8", "write_bytes": "seq_len"}}}
    mended = combine.at_least_0(layers, [{"seq_len": 3, "past_len": 1}])["copy"]["cost"]
    assert combine.as_value(mended["read_bytes"]) != combine.as_value("8*(seq_len//4) - 8")
    for length, expected in ((3, 0), (4, 0), (9, 8)):
        assert combine.substitute(combine.as_value(mended["read_bytes"]), {"seq_len": length}) == expected
    assert mended["write_bytes"] == "seq_len"
    assert combine.at_least_0(layers, [{"seq_len": 4}]) == layers


def test_what_a_source_compares_is_no_size_of_anything() -> None:
    """A quotient of sizes in a condition would be taken for a size, and the one have to divide the other."""
    length, width, rank = symbols = sympy.symbols("s0 s1 s2", positive=True, integer=True)
    names = dict(zip(symbols, ("seq_len", "hidden_size", "rank"), strict=True))
    quantities = Quantities(names, {})
    asked = [Guard(sympy.Ne(length, 1), True, True, True), Guard(sympy.Gt(width / rank, 4), True, True, True)]
    build = SimpleNamespace(hints={"seq_len": 677})
    run = SimpleNamespace(sizes=SimpleNamespace(names=names), quantities=quantities, asked=asked, build=build)
    assert asked_of(run, {"seq_len", "past_len"}) == ["seq_len != 1"]
    assert not any(free_symbols(value) & {"hidden_size", "rank"} for value in quantities.seen.values())
