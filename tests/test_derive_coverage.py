"""CI's sample of `make coverage`: types as different as possible, and the table of all of them."""

from __future__ import annotations

import coverage_counts
import coverage_table
import derive_coverage
import independent_count
import masked_pairs
import operation_count
import pytest
import torch
from coverage_row import CHECKS, examine
from small_configs import model_types, small_config
from transformers import MistralConfig

pytestmark = pytest.mark.torch

SAMPLE = (
    "llama", "gpt2", "opt", "gemma3_text", "mixtral", "deepseek_v3",
    "gpt_oss", "lfm2", "falcon", "bloom", "bert", "ernie4_5_moe", "jetmoe", "blt",
)  # fmt: skip
"""Rotary, learned and ALiBi positions, two layer types, experts, latent attention, a hybrid, an encoder, a last layer
that a field names, rows in the order of their experts, four models in one, heads in groups. What takes longest to
derive is counted where it is derived anyway: scans in test_recurrent.py and test_derived_equals_shipped.py, compressed
attention in test_lengths.py."""

LIMITS: dict[str, dict[str, str]] = {
    "bloom": {"sizes": "numbers: heads (n_head)", "bound": "48*ceil(hidden_size/48) == hidden_size"},
    "jetmoe": {"sizes": "numbers: heads (num_attention_heads)"},  # key-value heads times experts, both symbols
}
"""What is known not to hold of a type, and a part of the reason; an entry that has become wrong fails its test too."""


COUNTED_ANEW = ("gpt2", "bert")
"""The others are compared with the counts that are kept with the table, while the counters and the configs are the
same: counting takes several times as long as deriving."""


@pytest.mark.parametrize("model_type", SAMPLE)
def test_derived_closed_form_equals_independent_counts(model_type):
    kept = derive_coverage.read_results()[model_type]["counts"]
    row = examine(model_type, () if model_type in COUNTED_ANEW else kept)
    expected = LIMITS.get(model_type, {})
    said = "\n".join(f"{check}: {why}" for check, why in row["reasons"].items())
    assert coverage_table.failed(row) == expected.keys(), said
    for check, why in expected.items():
        assert why in row["reasons"][check]


def test_a_wrong_count_is_a_failure(monkeypatch):
    right, other = independent_count._count, operation_count.counted
    monkeypatch.setattr(independent_count, "_count", lambda *where: right(*where) + 1)
    monkeypatch.setattr(operation_count, "counted", lambda *call: other(*call)._replace(causal_flops=1, state=2))
    row = examine("gpt2")
    wrong = {"verified", "cache", "causal", "state"}
    assert {check for check, cell in row["cells"].items() if cell != "yes"} == wrong
    assert "matmul_flops at batch_size=1, seq_len=16, counted" in row["reasons"]["verified"]
    assert "flops at (1, 17), causal = 1, counted 1 (7 of 7 calls)" in row["reasons"]["causal"]
    assert "elements kept after (1, 17), counted 2 (7 of 7 calls)" in row["reasons"]["state"]


def test_counts_are_made_once(monkeypatch):
    config = small_config("gpt2", 0)
    first = coverage_counts.counted(config)
    monkeypatch.setattr(operation_count, "counted", None)
    monkeypatch.setattr(independent_count, "_count", None)
    assert coverage_counts.counted(config, [first]) == first
    assert first["config"] != coverage_counts.checksum(small_config("gpt2", 1))


def test_masked_pairs_are_counted_from_masks():
    """3 queries after 2 tokens and a window of 2: each sees itself and the one before, 6 of 3*5 pairs."""
    mask = torch.full((1, 1, 3, 5), torch.finfo(torch.float32).min)
    for query in range(3):
        mask[..., query, query + 1 : query + 3] = 0
    query, key = torch.ones(2, 4, 3, 8), torch.ones(2, 1, 5, 8)
    found = masked_pairs.pairs(query, key, masked_pairs.forbidden(mask))
    assert (found.every, found.masked) == (2 * 4 * 15, 2 * 4 * 9)
    scores = torch.ones(2, 4, 3, 5)
    assert found.share(5 * scores.numel(), [scores]) == 5 * 2 * 4 * 9
    assert found.share(100, [query]) == 0
    assert masked_pairs.pairs(query, key, masked_pairs.forbidden(mask == 0)) == found


@pytest.mark.parametrize(
    "chosen",
    [
        lambda values, mask: mask.masked_fill(values > 0, -1e30),  # scores of keys that values do not choose
        lambda values, mask: (values > 0) & (mask == 0),
        lambda values, mask: torch.zeros(2, 5).masked_fill(~((values > 0) & (mask == 0)), -1e30),
        lambda values, mask: values.masked_fill(mask != 0, -1e30),
    ],
)
def test_pairs_that_sizes_forbid_are_known_beside_those_that_values_forbid(chosen):
    """2 queries after 3 tokens: the later of the two is hidden from the first, 1 of 2*5 pairs in each of 4 heads."""
    values = torch.linspace(-1, 1, 10).reshape(1, 1, 2, 5)
    with operation_count.Counter([values]) as counter:
        mask = torch.full((1, 1, 2, 5), -1e30).triu(4)
        known = counter.forbidden.of(chosen(values, mask))
        assert counter.forbidden.of(values > 0) is None
    assert masked_pairs.pairs(torch.ones(1, 4, 2, 8), torch.ones(1, 1, 5, 8), known).masked == 4


def test_a_sink_is_one_more_column_of_the_softmax():
    """2 sequences, 4 heads, 3 queries, 5 keys: a softmax of 6 columns, and nothing else that the source writes out."""
    sink = masked_pairs.Pairs(3, 5, 2 * 4 * 15, 2 * 4 * 9, has_sink=True)
    scores, per_query = torch.ones(2, 4, 3, 5), torch.ones(2, 4, 3)
    assert sink.of("_softmax", 0, 0, [scores]) == (5 * 2 * 4 * 3 * 6, 5 * 2 * 4 * 9)
    assert sink.of("mul", 120, 0, [scores]) == (120, 72)
    assert sink.of("logsumexp", 480, 0, [per_query, scores]) == (0, 0)
    plain = masked_pairs.Pairs(3, 5, 2 * 4 * 15, 2 * 4 * 9)
    maximum = scores.amax(-1, keepdim=True)
    assert plain.of("sub", 120, 0, [scores, scores, maximum]) == plain.of("max", 120, 0, [maximum, scores]) == (0, 0)
    assert plain.of("_softmax", 600, 0, [scores, scores]) == (600, 360)
    assert sink.of("sub", 144, 0, [torch.ones(2, 4, 3, 6)]) == (0, 0)


def test_a_sliding_cache_shorter_than_what_it_was_given_is_one():
    config = MistralConfig(
        vocab_size=90, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, num_key_value_heads=1,
        intermediate_size=40, sliding_window=4, head_dim=8,
    )  # fmt: skip
    assert independent_count.cache_refusal(config) is None
    projections = 2 * 2 * 24 * (24 + 2 * 8 + 24 + 3 * 40)  # of a token: 2 layers; q, k and v, o, the gated MLP
    pairs = 2 * 2 * 3 * 8 * 2 * (3 + 1)  # 2 layers, 3 heads of 8, scores and what they weigh; 3 kept keys and its own
    assert independent_count.count(config, 1, 1, 9) == projections + pairs + 2 * 24 * 90


@pytest.fixture(scope="module")
def text():
    return derive_coverage.TABLE.read_text("utf-8")


def test_every_type_has_a_row(text):
    assert [line["type"] for line in coverage_table.read_table(text)] == list(model_types())


def test_totals_are_those_of_the_rows(text):
    assert coverage_table.totals(coverage_table.read_table(text)) in text


def test_what_fails_has_a_reason(text):
    for line in coverage_table.read_table(text):
        for check in CHECKS:
            assert line[check].startswith(coverage_table.FINE) or line["what is not so, and why"], line["type"]
