"""The script that compares short calls with counts: its judgement."""

from __future__ import annotations

import re

import pytest
import short_calls

from symflops.trace.derive import derive

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def made():
    config = short_calls.small_config("gpt2", 0)
    return derive(config), config


def test_calls_that_are_equal(made, monkeypatch):
    monkeypatch.setattr(short_calls, "CALLS", ((1, 1, 0), (2, 3, 1)))
    assert short_calls.compared(*made) == {"equal": 2, "refused": [], "impossible": 0, "wrong": []}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("flops", "^flops \\d+, counted \\d+$"),
        ("matmul_flops", "^matmul_flops \\d+, counted \\d+$"),
        ("causal_flops", "^causal_flops \\d+, counted \\d+$"),
        ("state", "^keeps \\d+, counted \\d+$"),
    ],
)
def test_one_more_is_another_number(made, name, said):
    model, config = made
    counts = short_calls.counted(short_calls.independent_count.build(config, fake=False), 2, 3, 1)
    point = {"batch_size": 2, "seq_len": 3, "past_len": 1}
    assert short_calls.differences(model, point, counts) == ""
    wrong = short_calls.differences(model, point, counts | {name: counts[name] + 1})
    assert re.match(said, wrong)


def test_a_call_that_neither_takes_is_impossible(made, monkeypatch):
    model, config = made
    longest = config.n_positions
    monkeypatch.setattr(short_calls, "CALLS", ((1, longest, 0), (1, longest + 1, 0)))
    row = short_calls.compared(model, config)
    assert (row["equal"], row["impossible"], row["wrong"], row["refused"]) == (1, 1, [], [])
