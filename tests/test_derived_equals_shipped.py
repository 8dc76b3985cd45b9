"""The shipped, hand-written models against the ones derived from the same config: the six totals, symbol for symbol.

Two derivations that share nothing but the conventions of DESIGN.md: one by a person who read the source, one by running
it. What they do not agree on is written down here, with the reason.
"""

from __future__ import annotations

from functools import cache

import operation_count
import pytest
from small_configs import small_config
from test_models import CONFIGS, transformers_class

import symflops
from symflops import numeric, storage
from symflops.algebra import from_text, substitute
from symflops.cost import METRICS
from symflops.grouping import grouped
from symflops.polynomial import Value, add, negate, symbol
from symflops.trace.binding import bind
from symflops.trace.derive import derive
from symflops.tree import write

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("derived_equals_shipped")]

# Derived minus shipped. The shipped Mamba counts the scan as one kernel (mamba_ssm), the derived one the loop over time
# that transformers runs without it. Per layer and channel, the loop
#   reads and writes  the negated exponential of A (state_size), the bias of dt and D, each cast to float32 first;
#                     the scan's result in float32 (4*seq_len) before it is cast for out_proj;
#                     but softplus, gate and product in one chain with it, not as layers of their own (3*seq_len less);
#   writes            all that the padded convolution computes, conv_kernel - 1 positions more than are kept;
#   materialises      the states for the product with C (state_size a position) and that product (1 a position).
# It fills a cache, where the shipped one keeps nothing: per sequence, layer and channel it
#   reads             the conv_kernel inputs that the convolution keeps, and the last state in float32 (4*state_size);
#   writes            both into the cache, and the last state once more, as what the scan returns.
DIFFERENCES = {
    "mamba-130m": {
        "read_bytes": """intermediate_size*num_hidden_layers*(4*(state_size + 2) + 4*batch_size*seq_len
                         - 3*dtype_bytes*batch_size*seq_len + batch_size*(dtype_bytes*conv_kernel + 4*state_size))""",
        "write_bytes": """intermediate_size*num_hidden_layers*(4*(state_size + 2) + 4*batch_size*seq_len
                          - 3*dtype_bytes*batch_size*seq_len + dtype_bytes*batch_size*(conv_kernel - 1)
                          + batch_size*(cache_bytes*conv_kernel + 8*state_size))""",
        "intermediate_bytes": """intermediate_size*num_hidden_layers*dtype_bytes*batch_size*seq_len*(state_size + 1)""",
    }
}
# The shipped Mamba is prefill from an empty state, of more positions than the convolution's kernel has.
LONG_PREFILL = {"mamba-130m": {"past_len": 0, "seq_len": add(symbol("conv_kernel"), symbol("longer"), 2)}}


@cache
def derived_like(name: str) -> symflops.Model:
    config = CONFIGS[name](symflops.load(name).symbols)
    config.architectures = [transformers_class(name).__name__]
    return derive(config)


@cache
def totals(name: str) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
    """The symbolic totals, derived and shipped, the shipped ones in the config's own fields."""
    shipped = symflops.load(name)
    defined = {n: from_text(text) for n, text in shipped.definitions.items() if isinstance(text, str)}
    values = {m: substitute(value, defined) for m, value in shipped.total(symbolic=True).by_metric.items()}
    return derived_like(name).total(symbolic=True).by_metric, values


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_the_derived_total_is_the_shipped_one(name: str, metric: str) -> None:
    where = LONG_PREFILL.get(name, {})
    derived, shipped = (substitute(values[metric], where) for values in totals(name))
    difference = substitute(from_text(" ".join(DIFFERENCES.get(name, {}).get(metric, "0").split())), where)
    assert write(grouped(add(derived, negate(shipped)))) == write(grouped(difference))
    assert derived == add(shipped, difference)


def test_nothing_else_is_excused() -> None:
    assert set(DIFFERENCES) == {"mamba-130m"}
    for metric in ("flops", "matmul_flops", "parameters"):
        assert all(metric not in difference for difference in DIFFERENCES.values())


# The convolution of a prompt of two tokens, shorter than its kernel, is filled up to it.
CALLS = [(1, 17, 0), (2, 7, 0), (2, 1, 0), (2, 1, 9), (2, 5, 9), (1, 2, 0)]


@pytest.mark.parametrize(("batch", "length", "past"), CALLS)
def test_the_scan_bound_to_a_small_config_equals_a_count(batch: int, length: int, past: int) -> None:
    """Counted on real tensors, operation by operation (benchmarks/operation_count.py), after a cache too."""
    config = small_config("mamba", 0)
    model = bind(derived_like("mamba-130m"), config)
    point = {"batch_size": batch, "seq_len": length, "past_len": past}
    cost, counted = model.total().at(**point), operation_count.count(config, batch, length, past)
    assert (cost.flops, cost.matmul_flops) == (counted.flops, counted.matmul_flops)
    kept = substitute(storage.cache(model), model.symbols)
    assert numeric.evaluate(kept, numeric.with_defaults(point | {"cache_bytes": 1})) == counted.state
