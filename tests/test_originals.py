"""Configs of original releases: the parameters are those of the checkpoints, as their indexes have them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from symflops import load
from symflops.errors import SymflopsError
from symflops.originals import release_of

MISTRAL = {
    "dim": 4096, "n_layers": 32, "head_dim": 128, "hidden_dim": 14336, "n_heads": 32, "n_kv_heads": 8,
    "norm_eps": 1e-05, "vocab_size": 32000,
}  # fmt: skip
LLAMA = {"dim": 4096, "multiple_of": 256, "n_heads": 32, "n_layers": 32, "norm_eps": 1e-05, "vocab_size": 32000}
FACTOR = {"n_kv_heads": 8, "vocab_size": 128256, "multiple_of": 1024, "ffn_dim_multiplier": 1.3, "rope_theta": 500000.0}
RELEASES: list[tuple[dict[str, Any], int, str]] = [
    (MISTRAL | {"sliding_window": 4096}, 7_241_732_096, "mistral"),
    (MISTRAL | {"moe": {"num_experts_per_tok": 2, "num_experts": 8}}, 46_702_792_704, "mixtral"),
    (LLAMA, 6_738_415_616, "llama"),
    (LLAMA | FACTOR, 8_030_261_248, "llama"),
    ({"n_vocab": 50257, "n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 12}, 124_439_808, "gpt2"),
]


@pytest.mark.usefixtures("atlas")
@pytest.mark.parametrize(("data", "parameters", "kind"), RELEASES)
def test_a_release_is_read_as_what_it_is(data: dict[str, Any], parameters: int, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "params.json"
    path.write_text(json.dumps(data))
    for model in (load(path), load(data)):
        assert model.total().parameters == parameters
        assert any(f"an original release, read as one of the type {kind}" in note for note in model.notes)


def test_a_type_of_transformers_with_the_same_fields_is_that_type() -> None:
    """DistilBERT's config has all that Mistral's has, and may say no architectures; Mistral's may say a type, too."""
    distilbert = {"dim": 768, "hidden_dim": 3072, "n_layers": 6, "n_heads": 12, "vocab_size": 30522}
    assert release_of({"model_type": "distilbert", **distilbert}) is None
    assert release_of(MISTRAL | {"model_type": "transformer"}) is not None


@pytest.mark.torch
def test_a_release_is_derived_like_its_config(tmp_path: Path) -> None:
    from symflops import derive

    small = {"dim": 64, "n_layers": 2, "n_heads": 4, "n_kv_heads": 2, "vocab_size": 99, "hidden_dim": 96}
    model = derive(small)  # a layer: q and o 64*64, k and v 64*32, three of 64*96, two norms
    assert model.total().parameters == 2 * (2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 96 + 2 * 64) + 64 + 2 * 99 * 64
    assert model.notes[0] == "the config of an original release, read as one of the type mistral"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (MISTRAL | {"vision_encoder": {"hidden_size": 1024}}, "of a model like mistral; vision_encoder says more than "
         "that: give the config.json that is made for transformers"),
        (MISTRAL | {"moe": {"num_experts": 8, "shared": 1}}, "of a model like mistral; moe says more than that"),
        (LLAMA | {"vocab_size": -1}, "like llama; its vocab_size, -1, stands for the tokenizer's: state that"),
        ({"dim": 8, "n_layers": 2}, "of a model like llama; it has no vocab_size, n_heads: state that, or give"),
        (LLAMA | {"multiple_of": 0}, "like llama: dim, multiple_of and ffn_dim_multiplier have to be numbers"),
    ],
)  # fmt: skip
def test_what_a_release_leaves_open_is_asked_for(
    data: dict[str, Any], message: str, refuse: Callable[..., str], tmp_path: Path
) -> None:
    path = tmp_path / "params.json"
    path.write_text(json.dumps(data))
    assert message in refuse("total", str(path))
    with pytest.raises(SymflopsError, match="an original release"):
        load(data)
