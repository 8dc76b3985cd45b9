"""What an engine runs, against the source: equal results in exact arithmetic, and multiplications counted in loops.

The weights are random whole numbers, and the softmax is another function of the scores that is exact in fractions: what
is proved is that scores and weighted sums are the same, whatever is done with a score.
"""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import product
from random import Random

import pytest

import symflops
from symflops.errors import SymflopsError

HEADS, NOPE, ROPE, VALUE, RANK, VOCAB = 3, 4, 2, 5, 6, 11
# Latent attention as a stranger writes it: one projection of cached rows makes keys and values of all heads.
TOKENS, ROWS = "batch_size*seq_len", "batch_size*(seq_len + past_len)"
UP, MADE = "rank*heads*(nope + value)", f"{ROWS}*heads*(nope + value)"
LATENT = {
    "cache": {
        "formula": "kv_cache_append",
        "args": {"N": TOKENS, "num_kv_heads": 1, "head_dim": "rank", "value_dim": "rope"},
    },
    "widen": {"cost": {
        "flops": f"2*{ROWS}*{UP}", "matmul_flops": f"2*{ROWS}*{UP}", "parameters": UP, "intermediate_bytes": 0,
        "read_bytes": f"cache_bytes*{ROWS}*rank + weight_bytes*{UP}", "write_bytes": f"dtype_bytes*{MADE}",
    }},
    "join": {"cost": {
        "flops": 0, "matmul_flops": 0, "read_bytes": f"dtype_bytes*{ROWS}*(heads*nope + rope)",
        "write_bytes": f"dtype_bytes*{ROWS}*heads*(nope + rope)", "intermediate_bytes": 0, "parameters": 0,
    }},
    "mix": {"formula": "sdpa", "args": {
        "batch": "batch_size", "q_len": "seq_len", "kv_len": "seq_len + past_len", "num_heads": "heads",
        "num_kv_heads": "heads", "head_dim": "nope + rope", "value_dim": "value",
    }},
}  # fmt: skip
EXPANDED = {
    "formula": "kv_cache_append",
    "args": {"N": TOKENS, "num_kv_heads": "heads", "head_dim": "nope + rope", "value_dim": "value"},
}
SYMBOLS = {"heads": HEADS, "nope": NOPE, "rope": ROPE, "value": VALUE, "rank": RANK, "vocab": VOCAB, "depth": 2}


def latent_model(**changed: object) -> symflops.Model:
    return symflops.load({
        "name": "stranger", "symbols": SYMBOLS,
        "layers": {"block": {"repeat": "depth", "sub_layers": {**LATENT, **changed}}},
    })  # fmt: skip


class Machine:
    """Products of matrices of fractions, of which each multiplication is counted."""

    def __init__(self) -> None:
        self.multiplications = 0

    def dot(self, a: list[Fraction], b: list[Fraction]) -> Fraction:
        self.multiplications += len(a)
        return sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0))

    def apply(self, matrix: list[list[Fraction]], vector: list[Fraction]) -> list[Fraction]:
        return [self.dot(row, vector) for row in matrix]


def weights_of(scores: list[Fraction]) -> list[Fraction]:
    squares = [1 + score * score for score in scores]
    return [square / sum(squares) for square in squares]


def matrix(random: Random, rows: int, columns: int) -> list[list[Fraction]]:
    return [[Fraction(random.randint(-9, 9)) for _ in range(columns)] for _ in range(rows)]


def transposed(rows: list[list[Fraction]]) -> list[list[Fraction]]:
    return [list(column) for column in zip(*rows, strict=True)]


def attend(past: int, length: int, is_absorbed: bool) -> tuple[list[list[Fraction]], int]:
    """The results of causal latent attention of one sequence, every head of every query, and the multiplications."""
    random = Random(f"{past} {length}")
    latents = matrix(random, past + length, RANK)
    turned = matrix(random, past + length, ROPE)  # the keys that all heads share, rotated already
    keys_of = [matrix(random, NOPE, RANK) for _ in range(HEADS)]
    values_of = [matrix(random, VALUE, RANK) for _ in range(HEADS)]
    queries = [[matrix(random, 1, NOPE)[0] for _ in range(HEADS)] for _ in range(length)]
    rotated = [[matrix(random, 1, ROPE)[0] for _ in range(HEADS)] for _ in range(length)]
    machine, results = Machine(), []
    if not is_absorbed:
        keys = [[machine.apply(keys_of[h], c) for c in latents] for h in range(HEADS)]
        values = [[machine.apply(values_of[h], c) for c in latents] for h in range(HEADS)]
    for i, h in product(range(length), range(HEADS)):
        seen = range(past + i + 1)
        if is_absorbed:
            query = machine.apply(transposed(keys_of[h]), queries[i][h]) + rotated[i][h]
            scores = [machine.dot(query, latents[j] + turned[j]) for j in seen]
            chosen = weights_of(scores)
            mixed = [machine.dot(chosen, [latents[j][d] for j in seen]) for d in range(RANK)]
            results.append(machine.apply(values_of[h], mixed))
        else:
            scores = [machine.dot(queries[i][h] + rotated[i][h], keys[h][j] + turned[j]) for j in seen]
            chosen = weights_of(scores)
            results.append([machine.dot(chosen, [values[h][j][d] for j in seen]) for d in range(VALUE)])
    return results, machine.multiplications


@pytest.mark.parametrize(("past", "length"), [(0, 1), (0, 4), (1, 1), (7, 1), (7, 3), (2, 6), (12, 5)])
def test_absorbed_projections_give_what_the_source_gives_and_the_cheaper_way_is_taken(past, length):
    (written, of_written), (absorbed, of_absorbed) = (attend(past, length, way) for way in (False, True))
    assert written == absorbed
    point = {"batch_size": 1, "seq_len": length, "past_len": past}
    model = latent_model()
    assert model.total().at(**point, causal=1).matmul_flops == 2 * SYMBOLS["depth"] * of_written
    served = symflops.served(model).total().at(**point)
    assert served.matmul_flops == 2 * SYMBOLS["depth"] * min(of_written, of_absorbed)
    runs = {row.path.rpartition(".")[2]: row.total.at(**point).matmul_flops for row in symflops.served(model).rows()}
    assert (runs["widen"] == 0) == (of_absorbed < of_written)
    assert (runs["latent_attention"] != 0) == (of_absorbed < of_written)


def test_both_ways_are_taken_at_some_lengths():
    ways = {attend(p, s, True)[1] < attend(p, s, False)[1] for p, s in ((0, 4), (7, 1))}
    assert ways == {True, False}


def test_absorbed_latents_are_read_once_and_weights_are_owned_once():
    model = latent_model()
    served = symflops.served(model)
    assert served.total().parameters == model.total().parameters
    rows = {row.path.rpartition(".")[2]: row for row in served.rows()}
    kernel = rows["latent_attention"].cost.at(batch_size=2, seq_len=1, past_len=9, dtype_bytes=3, cache_bytes=7)
    assert kernel.read_bytes == 3 * 2 * HEADS * (RANK + ROPE) + 7 * 2 * 10 * (RANK + ROPE)
    projections = [
        rows[name].cost.at(batch_size=2, seq_len=1, past_len=9, dtype_bytes=0, weight_bytes=1)
        for name in ("absorb_query", "expand_result")
    ]
    assert sum(one.read_bytes for one in projections) == RANK * HEADS * (NOPE + VALUE)
    assert symflops.kv_cache(served) == symflops.kv_cache(model)


def test_generation_of_absorbed_attention_is_the_sum_of_its_steps():
    served = symflops.served(latent_model())
    total = served.total()
    steps = [(4, 0), *((1, past) for past in range(4, 9))]
    whole = symflops.generation(served).at(batch_size=3, prompt_len=4, new_tokens=6)
    for metric in ("flops", "matmul_flops", "read_bytes", "write_bytes"):
        assert whole.number(metric) == sum(
            total.at(batch_size=3, seq_len=s, past_len=p).number(metric) for s, p in steps
        )  # fmt: skip


def test_the_working_set_is_of_what_runs():
    served, point = symflops.served(latent_model()), {"batch_size": 1, "seq_len": 1, "past_len": 500}
    assert symflops.memory(latent_model(), **point).where == "block.join"
    assert symflops.memory(served, **point).where not in ("block.join", "block.widen", "block.mix")


@pytest.mark.parametrize("changed", [
    {"norm": {"formula": "rms_norm", "args": {"N": f"{ROWS}*heads", "hidden_size": "nope"}}, "mix": LATENT["mix"]},
    {"mix": {"formula": "sdpa", "args": {**LATENT["mix"]["args"], "value_dim": "nope"}}},
    {"cache": EXPANDED},
])  # fmt: skip
def test_what_is_not_latent_attention_stays_as_written(changed):
    layers = {name: changed.get(name, layer) for name, layer in LATENT.items() if name != "mix"}
    model = symflops.load({
        "name": "other", "symbols": SYMBOLS,
        "layers": {**layers, **changed, "mix": changed["mix"] if "mix" in changed else LATENT["mix"]},
    })  # fmt: skip
    point = {"batch_size": 1, "seq_len": 1, "past_len": 40, "causal": 1}
    assert symflops.served(model).total().at(**point) == model.total().at(**point)


def test_last_logits():
    model = symflops.load("gpt2")
    served = symflops.served(model)
    point = {"batch_size": 3, "seq_len": 7, "causal": 0}
    head = 2 * 3 * 6 * 768 * 50257
    assert model.total().at(**point).matmul_flops - served.total().at(**point).matmul_flops == head
    assert served.total().at(**point, logits_len=7).matmul_flops == model.total().at(**point).matmul_flops


def test_an_encoder_has_no_last_token():
    for name in ("bert-base", "vit-base-16"):
        model = symflops.load(name)
        assert symflops.served(model).total().by_metric == model.total().by_metric


def test_a_served_model_is_a_model_file():
    served = symflops.served(latent_model(), block=16)
    again = symflops.load(json.loads(served.dumps()))
    assert again.dumps() == served.dumps()
    point = {"batch_size": 2, "seq_len": 1, "past_len": 30}
    assert again.total().at(**point) == served.total().at(**point)
    assert again.serving == served.serving


def test_refusals():
    with pytest.raises(SymflopsError, match=r"^stranger: it is as served already$"):
        symflops.served(symflops.served(latent_model()))
    with pytest.raises(SymflopsError, match=r"^gpt2 training: a step of training is not served$"):
        symflops.served(symflops.training("gpt2"))
    with pytest.raises(SymflopsError, match=r"^block 0: expected a whole number of at least 1$"):
        symflops.served("gpt2", block=0)
