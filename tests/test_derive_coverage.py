"""CI's sample of `make coverage`: types as different as possible, and the table of all of them."""

from __future__ import annotations

import derive_coverage
import pytest
from small_configs import model_types

SAMPLE = (
    "llama", "gpt2", "opt", "gemma3_text", "mixtral", "deepseek_v3",
    "gpt_oss", "lfm2", "mamba", "falcon", "bloom", "bert", "ernie4_5_moe", "jetmoe", "blt", "deepseek_v4",
)  # fmt: skip
"""Rotary, learned and ALiBi positions, two layer types, experts, latent attention, a hybrid, a scan, an encoder, a last
layer that a field names, rows in the order of their experts, four models in one, heads in groups."""

LIMITS: dict[str, dict[str, str]] = {
    "bloom": {"sizes": "numbers: heads (n_head)"},
    # Its compressed keys and values have a cache of their own, and where they are fewer than its indexer chooses, as
    # in 16 tokens, the closed form is refused.
    "deepseek_v4": {"cache": "past_len is no symbol", "verified": "assumption broken: floor(seq_len/2) >= 10"},
    "jetmoe": {"sizes": "numbers: heads (num_attention_heads)"},  # key-value heads times experts, both symbols
}
"""What is known not to hold of a type, and a part of the reason; an entry that has become wrong fails its test too."""


@pytest.mark.parametrize("model_type", SAMPLE)
def test_derived_closed_form_equals_independent_counts(model_type):
    row = derive_coverage.examine(model_type)
    expected = LIMITS.get(model_type, {})
    said = "\n".join(f"{check}: {why}" for check, why in row["reasons"].items())
    assert derive_coverage.failed(row) == expected.keys(), said
    for check, why in expected.items():
        assert why in row["reasons"][check]


def test_a_wrong_count_is_a_failure(monkeypatch):
    right = derive_coverage.independent_count.count
    monkeypatch.setattr(derive_coverage.independent_count, "count", lambda *where: right(*where) + 1)
    row = derive_coverage.examine("gpt2")
    assert (row["cells"]["derived"], row["cells"]["verified"], row["cells"]["cache"]) == ("yes", "no", "no")
    assert "matmul_flops at batch_size=1, seq_len=16, counted" in row["reasons"]["verified"]


@pytest.fixture(scope="module")
def text():
    return derive_coverage.TABLE.read_text("utf-8")


def test_every_type_has_a_row(text):
    assert [line["type"] for line in derive_coverage.read_table(text)] == list(model_types())


def test_totals_are_those_of_the_rows(text):
    assert derive_coverage.totals(derive_coverage.read_table(text)) in text


def test_what_fails_has_a_reason(text):
    for line in derive_coverage.read_table(text):
        for check in derive_coverage.CHECKS:
            assert line[check].startswith(("yes", "-")) or line["what is not so, and why"], line["type"]
