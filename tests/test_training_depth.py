"""What equal layers give gradients of together is added up once less than there are layers, at every depth."""

from __future__ import annotations

import pytest
from transformers import DebertaConfig, PreTrainedConfig, UMT5Config

import symflops
from symflops.passes.training import training

pytestmark = pytest.mark.torch

SIZES = {"d_model": 24, "d_kv": 8, "d_ff": 40, "num_heads": 3, "vocab_size": 61}
CALL = {"batch_size": 2, "source_len": 5, "target_len": 3}


def pair(depth: int) -> UMT5Config:
    return UMT5Config(**SIZES, num_layers=depth, num_decoder_layers=depth)


def test_a_decoder_of_another_depth_is_what_is_derived_of_it() -> None:
    """Every decoder layer reads the encoder's result; one of three layers was bound to another depth as it stood."""
    model = symflops.derive(pair(3), training=True)
    shared = next(p.layer.backward for p in model.places() if p.path == "shared")
    assert "num_decoder_layers" in str(shared["flops"])
    for depth in (2, 4, 7):
        bound = training(model.with_symbols({"num_layers": depth, "num_decoder_layers": depth})).total()
        derived = training(symflops.derive(pair(depth), training=True)).total()
        assert bound.at(**CALL) == derived.at(**CALL)


def deberta(depth: int) -> PreTrainedConfig:
    return DebertaConfig(
        hidden_size=36, num_attention_heads=3, num_hidden_layers=depth, intermediate_size=56, vocab_size=97,
        max_position_embeddings=64, relative_attention=True, pos_att_type=["c2p", "p2c"], type_vocab_size=0,
    )  # fmt: skip


def test_where_the_layers_have_different_parts_in_it_the_depth_is_assumed() -> None:
    assert "num_hidden_layers == 4" in symflops.derive(deberta(4), training=True).assumes
    assert "num_hidden_layers == 4" not in symflops.derive(deberta(4)).assumes
