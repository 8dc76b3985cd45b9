"""Attention to the keys that an indexer chooses, against loops over the queries."""

from __future__ import annotations

from itertools import product

import pytest
from test_served import HEADS, LATENT, NOPE, RANK, ROPE, VALUE, latent_model

import symflops

MOST = 6
PLAIN = {
    "batch": "batch_size", "q_len": "seq_len", "kv_len": "seq_len + past_len", "num_heads": 4, "num_kv_heads": 2,
    "head_dim": 8, "value_dim": 5,
}  # fmt: skip
CHOSEN = {"chosen": f"min({MOST}, seq_len + past_len)", "pair_ops": 1}
POINTS = [*product((1, 2, 5, 9, 20), (0, 1, 4, 5, 6, 30), (0, 1))]


def model(**args: object) -> symflops.Model:
    return symflops.load({"name": "indexed", "layers": {"attend": {"formula": "sdpa", "args": {**PLAIN, **args}}}})


def pairs(queries: int, past: int, causal: int) -> int:
    """Pairs of a head: a query sees itself and all before it, or all of the call, and no more than it may choose."""
    return sum(min(MOST, past + i + 1 if causal else past + queries) for i in range(queries))


def test_as_written_all_pairs_are_computed():
    for q, p, causal in POINTS:
        point = {"batch_size": 2, "seq_len": q, "past_len": p, "causal": causal}
        written, plain = (model(**more).total().at(**point) for more in (CHOSEN, {"pair_ops": 1}))
        assert written == plain


def test_as_served_the_chosen_pairs_are():
    served = symflops.served(model(**CHOSEN))
    assert "as served: the model attends to the keys that are chosen, as written to all of them" in served.notes
    for q, p, causal in POINTS:
        found = served.total().at(
            batch_size=3, seq_len=q, past_len=p, causal=causal, dtype_bytes=2, cache_bytes=1, weight_bytes=2
        )
        seen = 3 * 4 * pairs(q, p, causal)
        assert found.matmul_flops == 2 * seen * (8 + 5)
        assert found.flops == seen * (2 * (8 + 5) + 6)  # a scale and five of softmax, and no mask
        keys = min(p + q, q * MOST)
        assert found.read_bytes == 2 * (3 * q * 4 * 8) + 3 * keys * 2 * (8 + 5)


def test_fewer_pairs_where_projections_are_absorbed_too():
    mix = {"formula": "sdpa", "args": {**LATENT["mix"]["args"], **CHOSEN}}
    served = symflops.served(latent_model(mix=mix)).total()
    for q, p in product((1, 3, 12), (40, 200, 1000)):
        seen, every = pairs(q, p, 1), p + q
        made = RANK * HEADS * (NOPE + VALUE)
        expanded = every * made + HEADS * seen * (NOPE + ROPE + VALUE)
        absorbed = q * made + HEADS * seen * (2 * RANK + ROPE)
        found = served.at(batch_size=2, seq_len=q, past_len=p).matmul_flops
        assert found == 2 * 2 * 2 * min(expanded, absorbed)  # two layers, two sequences, a multiply and an add


@pytest.mark.parametrize("more", [{"window": 3}, {"pairs": "seq_len"}])
def test_a_choice_beside_a_window_stays_as_written(more):
    asked = model(**CHOSEN, **more)
    point = {"batch_size": 2, "seq_len": 9, "past_len": 20, "causal": 1}
    assert symflops.served(asked).total().at(**point).matmul_flops == asked.total().at(**point).matmul_flops
