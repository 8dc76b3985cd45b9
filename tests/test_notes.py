"""What the numbers leave out is said beside them: below every total, in JSON, in the model file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import BartConfig, Llama4TextConfig, LlavaConfig

import symflops
from symflops.cli import main

pytestmark = pytest.mark.torch

ATTENTION = {
    "batch": "batch_size", "q_len": "seq_len", "kv_len": "seq_len + past_len", "num_heads": 1, "num_kv_heads": 1,
    "head_dim": 1,
}  # fmt: skip
APPEND = {"N": "batch_size*seq_len", "num_kv_heads": 1, "head_dim": 1}
NOTED: dict[str, Any] = {
    "name": "noted",
    "symbols": {},
    "notes": ["first", "second\nline"],
    "layers": {
        "kv_cache": {"formula": "kv_cache_append", "args": APPEND},
        "attention": {"formula": "sdpa", "args": ATTENTION},
    },
}
SAID = ["noted: first", "noted: second\\nline"]
POINT = ("-B", "1", "-S", "8")
COMMANDS = {
    "total": POINT,
    "show": POINT,
    "table": POINT,
    "sweep": ("-S", "8,16"),
    "generation": ("-B", "1", "-p", "3", "-n", "2"),
    "roofline": (*POINT, "--hardware", "h100-sxm"),
    "regimes": ("-B", "1"),
    "solve": ("cache <= 1 GiB", "--for", "seq_len", "-B", "1"),
    "compare": ("llama-2-7b-hf", "-B", "1"),
}


@pytest.fixture
def noted(tmp_path: Path) -> str:
    path = tmp_path / "noted.json"
    path.write_text(json.dumps(NOTED))
    return str(path)


def test_notes_are_data_of_the_file() -> None:
    model = symflops.load(NOTED)
    assert model.notes == ("first", "second\nline")
    assert model.with_symbols({}).notes == model.notes
    assert symflops.load(json.loads(model.dumps())).notes == model.notes
    assert "notes" not in symflops.load("gpt2").to_dict()
    with pytest.raises(symflops.SymflopsError, match=r"notes\[1\]: expected a text, got int"):
        symflops.load(NOTED | {"notes": ["first", 2]})


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_them(command: str, noted: str, capsys: pytest.CaptureFixture[str]) -> None:
    for as_json in (False, True):
        with pytest.raises(SystemExit) as stopped:
            main((command, noted, *COMMANDS[command], *(("--format", "json") if as_json else ())))
        captured = capsys.readouterr()
        assert stopped.value.code == 0
        assert captured.err.splitlines() == [f"note: {text}" for text in SAID]
        if as_json:
            assert json.loads(captured.out)["notes"] == SAID


def test_both_models_of_a_comparison_are_noted(noted: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(("compare", "llama-2-7b-hf", noted, "-B", "1"))
    assert capsys.readouterr().err.splitlines() == [f"note: {text}" for text in SAID]


SIZES = {"hidden_size": 32, "intermediate_size": 88, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 97}
IDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
LLAVA = LlavaConfig(
    text_config={"model_type": "llama", "max_position_embeddings": 64, **SIZES, **IDS}, image_token_index=90,
    vision_config={
        "model_type": "clip_vision_model", "hidden_size": 24, "image_size": 28, "intermediate_size": 40,
        "num_attention_heads": 2, "num_hidden_layers": 3, "patch_size": 14,
    },
)  # fmt: skip


def test_parts_that_never_ran_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """LLaVA's vision tower sees no image, where tokens alone are fed."""
    folder, target = tmp_path / "small-llava", tmp_path / "model.json"
    LLAVA.architectures = ["LlavaForConditionalGeneration"]
    LLAVA.save_pretrained(folder)
    said = "the call did not run these parts, of which only the weights are counted: " + (
        "model.vision_tower, model.multi_modal_projector"
    )
    with pytest.raises(SystemExit):
        main(("derive", str(folder), "--input", "input_ids: int64[batch_size, seq_len]", "-o", str(target)))
    assert f"note: {said}\n" in capsys.readouterr().err
    assert json.loads(target.read_text())["notes"] == [said]
    with pytest.raises(SystemExit):
        main(("total", str(target), *POINT))
    assert capsys.readouterr().err == f"note: small-llava: {said}\n"
    rows = {row.path: row.cost for row in symflops.load(str(target)).rows()}
    assert all(cost.value("flops") == 0 for path, cost in rows.items() if path.startswith("model.vision_tower"))


def test_parts_of_layers_that_never_ran_are_named() -> None:
    """A decoder alone does not attend to an encoder, in any of its layers."""
    config = BartConfig(
        d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4,
        encoder_ffn_dim=40, decoder_ffn_dim=40, vocab_size=97, max_position_embeddings=64, **IDS,
    )  # fmt: skip
    config.architectures = ["BartForCausalLM"]
    assert symflops.derive(config).notes == (
        "the call did not run these parts, of which only the weights are counted: "
        "model.decoder.layers.encoder_attn, model.decoder.layers.encoder_attn_layer_norm",
    )


def test_a_mixture_of_experts_leaves_nothing_out() -> None:
    from transformers import MixtralConfig

    config = MixtralConfig(**SIZES, **IDS, num_key_value_heads=2, num_local_experts=4, num_experts_per_tok=2)
    assert symflops.derive(config).notes == ()


def small_llama4(layers: int, step: int = 1) -> Llama4TextConfig:
    return Llama4TextConfig(
        **SIZES | {"num_hidden_layers": layers}, **IDS, intermediate_size_mlp=80, num_key_value_heads=2, head_dim=8,
        num_local_experts=3, num_experts_per_tok=1, interleave_moe_layer_step=step, attention_chunk_size=16,
    )  # fmt: skip


def test_experts_that_compute_every_token_are_named() -> None:
    """Llama 4's source repeats the tokens for each expert: 3 experts of 3*32*88 weights at 5 tokens."""
    model = symflops.derive(small_llama4(2))
    assert model.notes == (
        "Llama4TextExperts computes every expert on every token: its source is written to do so, whatever "
        "num_experts_per_tok says",
    )
    experts = [row.total.at(batch_size=1, seq_len=5) for row in model.rows() if ".experts" in row.path]
    assert sum(cost.matmul_flops for cost in experts) == 2 * 5 * 2 * 3 * (3 * 32 * 88)
    without = small_llama4(2)
    without.num_local_experts = 1  # of one expert nothing is chosen
    assert symflops.derive(without).notes == ()
