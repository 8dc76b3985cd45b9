"""A negative number of a config is a place from the end, or a word for none: a choice, and no size."""

from __future__ import annotations

import json

import pytest

import symflops
from symflops import source
from symflops.errors import SymflopsError

pytestmark = pytest.mark.torch

DEBERTA = {
    "model_type": "deberta-v2", "architectures": ["DebertaV2Model"], "hidden_size": 48, "intermediate_size": 104,
    "num_hidden_layers": 3, "num_attention_heads": 6, "vocab_size": 300, "max_position_embeddings": 100,
    "relative_attention": True, "pos_att_type": "p2c|c2p", "norm_rel_ebd": "layer_norm", "max_relative_positions": -1,
}  # fmt: skip


@pytest.fixture
def config(tmp_path):
    def written(**changes):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.json"
        path.write_text(json.dumps(DEBERTA | changes), "utf-8")
        return path

    return written


def test_what_it_stands_for_is_a_fact(config):
    model, other = symflops.derive(config()), symflops.derive(config(max_relative_positions=37))
    assert "max_relative_positions == -1" in model.assumes
    # -1 stands for as many as there are positions; the table has a row for each distance on either side.
    assert int(model.total().parameters) - int(other.total().parameters) == 2 * (100 - 37) * 48
    with pytest.raises(SymflopsError, match=r"assumption broken: max_relative_positions == -1 \(with max_rel"):
        source.bind(model, config(max_relative_positions=37))


def test_without_deriving_it_is_refused(config):
    from symflops.trace.config_values import ConfigValues
    from symflops.trace.configs import find

    model = symflops.derive(config())
    ConfigValues(model, find(config(vocab_size=301)).config).check_facts()
    with pytest.raises(SymflopsError) as refused:
        ConfigValues(model, find(config(max_relative_positions=37)).config).check_facts()
    assert str(refused.value) == "assumption broken: max_relative_positions == -1 (with max_relative_positions=37)"
