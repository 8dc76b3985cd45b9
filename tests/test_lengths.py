"""Sources that do something else for short sequences than for long ones, against an independent count on both sides.

What is expected is counted on real tensors, operation by operation (benchmarks/operation_count.py).
"""

from __future__ import annotations

from typing import Any

import independent_count
import operation_count
import pytest
from small_configs import small_config
from transformers import MiniMaxM3VLTextConfig

import symflops
from symflops import numeric, storage
from symflops.algebra import substitute
from symflops.errors import SymflopsError
from symflops.grouping import grouped
from symflops.polynomial import add
from symflops.trace.combine import switched
from symflops.trace.configs import find
from symflops.trace.record import every_operation
from symflops.trace.settings import Settings
from symflops.trace.work import Work
from symflops.tree import write

pytestmark = pytest.mark.torch


def differences(model: symflops.Model, config: Any, points: list[tuple[int, int, int]]) -> list[Any]:
    """The points (batch_size, seq_len, past_len) at which FLOPs, or what is kept afterwards, are not as counted."""
    kept = substitute(storage.cache(model), model.symbols)
    real = independent_count.build(config, fake=False)
    found = []
    for batch, length, past in points:
        counted = operation_count.counted(real, batch, length, past)
        point = {"batch_size": batch, "seq_len": length, "past_len": past}
        cost = model.total().at(**point)
        elements = numeric.evaluate(kept, numeric.with_defaults(point | {"cache_bytes": 1}))
        answer = (cost.flops, cost.matmul_flops, elements)
        if answer != counted[:3]:
            found.append((point, answer, counted))
    return found


# An indexer chooses 10 tokens, or 2 blocks of 4, and Doge 22 tokens: below there is nothing to choose.
POINTS = [
    (1, 3, 0),
    (2, 7, 0),
    (3, 33, 0),
    (2, 1, 0),
    (2, 1, 6),
    (2, 1, 9),
    (2, 5, 9),
    (1, 1, 300),
    (1, 2, 7),
    (2, 4, 4),
]


@pytest.mark.parametrize("model_type", ["deepseek_v32", "minimax_m3_vl_text", "doge"])
def test_an_indexer_chooses_among_fewer_tokens_than_it_may(model_type):
    model = symflops.derive(small_config(model_type, 0))
    assert not [text for text in model.to_dict()["assumes"] if "_len" in text]
    assert differences(model, small_config(model_type, 0), POINTS) == []


def test_a_cache_of_compressed_tokens():
    """DeepSeek-V4 attends to one entry for each whole piece of 2 or 4 tokens, and keeps what is left of the last one;
    where there is nothing left of the earlier call, nothing of it is joined."""
    kinds = {"layer_types": ["heavily_compressed_attention", "compressed_sparse_attention"]}
    config = small_config("deepseek_v4", 0)
    given = config.to_dict() | kinds | {"num_hidden_layers": 2, "mlp_layer_types": ["hash_moe", "moe"]}
    config = type(config)(**given)
    model = symflops.derive(config)
    points = [(2, 7, 0), (1, 17, 0), (2, 5, 9), (2, 3, 5), (2, 40, 3), (1, 9, 300), (2, 8, 2), (1, 2, 0), (1, 3, 0)]
    # One token: within a piece of both, closing one of 2, closing one of both; with less than a piece of 4 before it.
    points += [(2, 1, 8), (1, 1, 9), (1, 1, 11), (1, 1, 300), (1, 1, 303), (2, 1, 1), (1, 1, 2)]
    assert differences(model, config, points) == []
    with pytest.raises(SymflopsError, match="seq_len \\+ past_len > 1"):  # what is kept then is less by a piece
        model.total().at(batch_size=1, seq_len=1)


def test_a_piece_that_is_narrower_than_the_table_it_is_cut_from():
    """An indexer takes as many of the head's rotary angles as it is wide, or all of them; above it was wider."""
    given = small_config("minimax_m3_vl_text", 0).to_dict() | {"index_head_dim": 12, "num_hidden_layers": 1}
    lists = {name: given[name][1:2] for name in ("layer_types", "mlp_layer_types")}
    config = MiniMaxM3VLTextConfig(**given | lists)
    (rotary,) = [row for row in symflops.derive(config).rows() if row.path.endswith("indexer.rotary")]
    # of the 12 angles of a head: two products, a sum, and half of them negated; for each head, and the keys
    assert rotary.cost.at(batch_size=1, seq_len=5).flops == 5 * (config.index_n_heads + 1) * (3 * 12 + 6)


def test_a_cache_that_a_model_makes_itself():
    """MiniMax takes no cache but its own, in which lightning attention keeps one matrix for each head."""
    config = small_config("minimax", 0)
    run, _ = Work(find(config)).run(Settings(continued=True, lengths={"seq_len": 1}))
    assert run.recorder is not None
    appended, attended = (
        [o for o in every_operation(run.recorder.root) if o.formula == name] for name in ("kv_cache_append", "sdpa")
    )
    assert [write(grouped(o.args["kv_len"])) for o in attended] == ["past_len + 1"]
    assert [write(grouped(o.args["N"])) for o in appended] == ["batch_size"]
    lightning = config.layer_types.count("linear_attention")
    width = config.hidden_size // config.num_attention_heads
    sizes = {"batch_size": 3, "hidden_size": config.hidden_size, "num_attention_heads": config.num_attention_heads}
    kept = add(0, *run.recorder.kept.values())
    assert numeric.evaluate(kept, sizes) == 3 * lightning * config.num_attention_heads * width**2


def test_what_several_records_say_is_kept_counts_once():
    """An empty cache is filled by the projection itself, a filled one by what joins both: it is the same cache."""
    cost = {"cost": {"flops": "seq_len"}}
    fresh = {"mixer": {"sub_layers": {"proj": cost | {"state": "seq_len"}}}}
    later = {"mixer": {"sub_layers": {"proj": cost}, "state": "seq_len + past_len"}}
    joined = switched(fresh, later)
    assert joined == {"mixer": {"state": "seq_len + past_len", "sub_layers": {"proj": cost}}}
