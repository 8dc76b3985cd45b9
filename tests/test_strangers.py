"""What people hand over that is no model and no config is named in their words."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import pytest

import symflops
from symflops.model import load

BESIDE = "the config.json beside it describes the model"
JSONS: dict[str, tuple[dict[str, Any], str]] = {
    "config.json": (
        {"_class_name": "UNet2DConditionModel", "_diffusers_version": "0.30.0", "block_out_channels": [320]},
        "a diffusers config of UNet2DConditionModel; deriving it needs diffusers: pip install 'symflops[vision]'",
    ),
    "adapter_config.json": (
        {"peft_type": "LORA", "base_model_name_or_path": "meta-llama/Llama-2-7b-hf", "r": 8},
        "the config of an adapter (PEFT), not of a model; name its base model, meta-llama/Llama-2-7b-hf",
    ),
    "other_adapter.json": (
        {"peft_type": "LORA"},
        "the config of an adapter (PEFT), not of a model; name its base model",
    ),
    "model.safetensors.index.json": (
        {"metadata": {"total_size": 1}, "weight_map": {"a": "b"}},
        f"the index of a checkpoint's weights; {BESIDE}",
    ),
    "tokenizer_config.json": ({"tokenizer_class": "LlamaTokenizer"}, f"a tokenizer's config; {BESIDE}"),
    "generation_config.json": ({"_from_model_config": True, "eos_token_id": 2}, f"a generation config; {BESIDE}"),
    "preprocessor_config.json": ({"image_processor_type": "X"}, f"a processor's config; {BESIDE}"),
    "timm.json": (
        {"architecture": "resnet50", "num_classes": 1000, "pretrained_cfg": {}},
        "a timm config; name what makes its model, as timm.models:resnet50",
    ),
    "open_clip_config.json": (
        {"embed_dim": 512, "vision_cfg": {"width": 768}, "text_cfg": {"width": 512}},
        "an open_clip config; give that of the same model in transformers, of a CLIPModel",
    ),
    "neither.json": (
        {"hidden_size": 64},
        "neither a model file (which has layers) nor a config (which has model_type or architectures)",
    ),
}


INDEX = "model.safetensors.index.json"  # `inspect` looks for its files


@pytest.mark.parametrize("name", JSONS)
def test_other_json(name: str, refuse: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)  # as where it is not installed
    data, message = JSONS[name]
    path = tmp_path / name
    path.write_text(json.dumps(data))
    assert refuse("total", str(path)).removeprefix(f"{path}: ") == message
    with pytest.raises(symflops.SymflopsError, match=message[:20]):
        load(data)


@pytest.mark.torch
@pytest.mark.parametrize("name", [name for name in JSONS if name not in ("neither.json", INDEX)])
def test_other_json_as_a_config(name: str, refuse: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    data, message = JSONS[name]
    path = tmp_path / name
    path.write_text(json.dumps(data))
    assert refuse("inspect", str(path)) == f"{path}: {message}"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json.gz", gzip.compress(b"{}", mtime=0), "compressed; unpack it first"),
        ("config.json", gzip.compress(b"{}", mtime=0), "compressed; unpack it first"),
        ("model.safetensors", b"\x08\0\0\0\0\0\0\0{}", f"weights of a checkpoint; {BESIDE}"),
        ("model.pt", b"PK\x03\x04", f"weights of a checkpoint; {BESIDE}"),
        ("model.gguf", b"GGUF", f"weights of a checkpoint; {BESIDE}"),
        ("empty.py", b"", "a Python file: name its class, {path}:GPT"),
        ("one.py", b"class Net:\n    def forward(self): pass\n", "a Python file: name its class, {path}:Net"),
        (
            "two.py",
            b"class A:\n    def forward(self): pass\nclass No: pass\nclass B:\n    def forward(self, x): pass\n",
            "a Python file: name its class, {path}:B (A, B)",
        ),
        ("wrong.py", b"def (", "not Python: invalid syntax (<unknown>, line 1)"),
    ],
)
def test_other_files(name: str, content: bytes, message: str, refuse: Any, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert refuse("total", str(path)) == f"{path}: {message.format(path=path)}"


def test_a_python_file_is_not_run(refuse: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text(f"open({str(tmp_path / 'was here')!r}, 'w')\n")
    refuse("total", str(path))
    assert not (tmp_path / "was here").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2*N^2", "column 4: '^': write ** for powers"),
        ("2 * (N ^ 3) + 1", "column 8: '^': write ** for powers"),
        ("^2", "column 1: '^2': not a formula"),
        ("2×N", "column 2: '×': write *"),
        ("N²", "column 2: '²': write **2"),
        ("2N", "column 1: '2N': write 2*N"),
        ("3 + 12h_kv*2", "column 5: '12h_kv': write 12*h_kv"),
    ],
)
def test_signs_of_other_languages(text: str, message: str) -> None:
    with pytest.raises(symflops.SymflopsError) as refused:
        symflops.parse(text)
    assert str(refused.value).startswith(message)


@pytest.mark.torch
def test_a_config_without_a_type_is_of_that_of_its_architecture(run: Any, tmp_path: Path) -> None:
    """The parameters of a Llama by hand: two embeddings, and per layer q, k, v, o, three of the MLP and two norms."""
    path = tmp_path / "small" / "config.json"
    path.parent.mkdir()
    path.write_text(json.dumps({
        "architectures": ["LlamaForCausalLM"], "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 100,
    }))  # fmt: skip
    layer = 64 * 64 * 2 + 64 * 32 * 2 + 3 * 64 * 96 + 2 * 64
    status, out, err = run("total", str(path), "--metric", "parameters")
    assert (status, out) == (0, f"parameters = {2 * 100 * 64 + 2 * layer + 64}\n")
    assert err == (
        "note: small: the config has no model_type: LlamaForCausalLM, which architectures names, is of the type llama\n"
    )


@pytest.mark.torch
@pytest.mark.parametrize("stated", [{}, {"model_type": None}, {"model_type": ""}])
@pytest.mark.parametrize("name", ["LlamaForCausalLM", "LLaMAForCausalLM", "FlaxLlamaForCausalLM", "TFLlamaForCausalLM"])
def test_a_class_stands_for_the_type_that_is_not_said(stated: dict[str, Any], name: str) -> None:
    """In any case of its letters, and with the prefix of another framework: the model is that of the class in PyTorch.
    A layer has four of 64*64, three of 64*96 and two norms."""
    sizes = {"hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 96, "num_hidden_layers": 2}
    model = symflops.derive({**stated, "architectures": [name], "vocab_size": 99, **sizes})
    assert model.total().parameters == 2 * (4 * 64 * 64 + 3 * 64 * 96 + 2 * 64) + 64 + 2 * 99 * 64
    assert "LlamaForCausalLM, which architectures names, is of the type llama" in model.notes[0]
