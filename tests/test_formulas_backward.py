"""The library's tables `[backward]` against real backwards of small tensors, at random arguments."""

from __future__ import annotations

import warnings
from random import Random

import pytest
import torch
from backward_calls import CALLS, Args
from backward_counted import flash, measure, number, scanned, selective_scan
from backward_points import point
from counted import Counted
from torch.utils._pytree import tree_map

from symflops.formula import formula_names, load_formula
from symflops.gradients import FROZEN, TABLES
from symflops.numeric import evaluate, with_defaults

pytestmark = pytest.mark.torch
BYTES = ("dtype_bytes", "weight_bytes", "cache_bytes")
# Counted in other tests or by hand in their cases: no call of PyTorch's is theirs alone.
ELSEWHERE = {"causal_lm_loss", "kv_cache_append", "rotary_table"}


BY_HAND = {"sdpa": flash, "selective_scan": scanned}


@pytest.mark.parametrize("name", sorted([*CALLS, *BY_HAND]))
def test_a_backward_costs_and_keeps_what_was_counted(name: str) -> None:
    warnings.simplefilter("ignore")
    formula = load_formula(name)
    for seed in range(4):
        random = Random(f"{name} {seed}")
        args = point(name, random)
        widths = dict(zip(BYTES, random.sample((3, 5, 7, 11, 13, 17, 19, 23), 3), strict=True))
        if name == "sdpa_eager":  # all that is measured has one format
            widths["cache_bytes"] = widths["dtype_bytes"]
        for table in TABLES:
            if table not in formula.backwards:
                continue
            frozen = table == FROZEN
            values = formula.gradients(args, frozen=frozen)
            assert values is not None
            found = {key: evaluate(value, with_defaults(widths)) for key, value in values.items()}
            if name in BY_HAND:
                assert found == BY_HAND[name](args, widths, frozen), (args, widths)
            elif name == "embedding" and frozen:
                assert not any(found.values())  # its ids have no gradient
            else:
                counted = measure(CALLS[name](Args(args)), frozen)
                assert found == {key: number(value, widths) for key, value in counted.items()}, (args, widths)


def test_no_table_is_left_out() -> None:
    said = {name for name in formula_names() if load_formula(name).backwards}
    assert said == {*CALLS, *BY_HAND} | ELSEWHERE


def test_the_scan_that_is_counted_gives_the_gradients_of_autograd() -> None:
    generator = torch.Generator().manual_seed(3)
    length, channels, states = 4, 3, 2
    wide, narrow = (length, channels), (length, states)
    shapes = (wide, wide, (channels, states), narrow, narrow, (channels,), wide)
    *given, gradient = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)
    u, dt, a_log, b, c, d = (tensor.requires_grad_() for tensor in given)
    state, rows = torch.zeros(channels, states, dtype=torch.float64), []
    for t in range(length):
        state = torch.exp(dt[t][:, None] * -torch.exp(a_log)) * state + dt[t][:, None] * b[t] * u[t][:, None]
        rows.append(state @ c[t] + u[t] * d)
    torch.stack(rows).backward(gradient)
    numbers = [tree_map(Counted, tensor.tolist()) for tensor in (*given, gradient)]
    of_inputs, of_weights = selective_scan(*numbers, frozen=False)
    found = tree_map(lambda n: n.value, [*of_inputs, *of_weights])
    for one, tensor in zip(found, (u, dt, b, c, a_log, d), strict=True):
        assert tensor.grad is not None
        torch.testing.assert_close(torch.tensor(one, dtype=torch.float64), tensor.grad)
