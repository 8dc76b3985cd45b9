"""The library's tables `[backward]` against real backwards of small tensors, at random arguments."""

from __future__ import annotations

import warnings
from random import Random

import pytest
from backward_calls import CALLS, Args
from backward_counted import flash, measure, number
from backward_points import point

from symflops.formula import formula_names, load_formula
from symflops.gradients import FROZEN, TABLES
from symflops.numeric import evaluate, with_defaults

pytestmark = pytest.mark.torch
BYTES = ("dtype_bytes", "weight_bytes", "cache_bytes")
# Counted in other tests or by hand in their cases: no call of PyTorch's is theirs alone.
ELSEWHERE = {"causal_lm_loss", "kv_cache_append", "rotary_table"}


@pytest.mark.parametrize("name", sorted([*CALLS, "sdpa"]))
def test_a_backward_costs_and_keeps_what_was_counted(name: str) -> None:
    warnings.simplefilter("ignore")
    formula = load_formula(name)
    for seed in range(4):
        random = Random(f"{name} {seed}")
        args = point(name, random)
        widths = dict(zip(BYTES, random.sample((3, 5, 7, 11, 13, 17, 19, 23), 3), strict=True))
        for table in TABLES:
            if table not in formula.backwards:
                continue
            frozen = table == FROZEN
            values = formula.gradients(args, frozen=frozen)
            assert values is not None
            found = {key: evaluate(value, with_defaults(widths)) for key, value in values.items()}
            if name == "sdpa":
                assert found == flash(args, widths, frozen), (args, widths)
            elif name == "embedding" and frozen:
                assert not any(found.values())  # its ids have no gradient
            else:
                counted = measure(CALLS[name](Args(args)), frozen)
                assert found == {key: number(value, widths) for key, value in counted.items()}, (args, widths)


def test_no_table_is_left_out() -> None:
    said = {name for name in formula_names() if load_formula(name).backwards}
    assert said == {*CALLS, "sdpa"} | ELSEWHERE
