"""Files that people name where a model or a config is wanted, and what to say of each."""

from __future__ import annotations

import ast
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from symflops import files
from symflops.errors import SymflopsError, one_line

_MAX_PYTHON = 16 * 2**20
_COMPRESSED = (".gz", ".zip", ".tar", ".tgz", ".xz", ".bz2", ".zst", ".7z")
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".onnx", ".h5", ".msgpack", ".pkl")
_BESIDE = "the config.json beside it describes the model"
# What is in the file, and what it is then; the first that has all of its keys.
_KINDS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("weight_map",), f"the index of a checkpoint's weights; {_BESIDE}"),
    (("added_tokens", "model"), f"a tokenizer; {_BESIDE}"),
    (("tokenizer_class",), f"a tokenizer's config; {_BESIDE}"),
    (("added_tokens_decoder",), f"a tokenizer's config; {_BESIDE}"),
    (("image_processor_type",), f"a processor's config; {_BESIDE}"),
    (("feature_extractor_type",), f"a processor's config; {_BESIDE}"),
    (("processor_class",), f"a processor's config; {_BESIDE}"),
    (("_from_model_config",), f"a generation config; {_BESIDE}"),
    (("do_sample",), f"a generation config; {_BESIDE}"),
    (("architecture", "pretrained_cfg"), "a timm config; name what makes its model, as timm.models:resnet50"),
    (("vision_cfg", "text_cfg"), "an open_clip config; give that of the same model in transformers, of a CLIPModel"),
    (("cells", "nbformat"), "a notebook; put the class into a Python file and name it, model.py:GPT"),
)  # fmt: skip


def check_data(data: Mapping[str, Any]) -> None:
    """Raise SymflopsError for the data of a file that is neither a model nor a config, in words for what it is."""
    if "_class_name" in data or "_diffusers_version" in data:
        of = f" of {one_line(str(data['_class_name']), 80)}" if "_class_name" in data else ""
        raise SymflopsError(f"a diffusers config{of}; deriving it needs diffusers: pip install 'symflops[vision]'")
    if "peft_type" in data or "base_model_name_or_path" in data:
        base = data.get("base_model_name_or_path")
        named = f", {one_line(base, 100)}" if isinstance(base, str) and base else ""
        raise SymflopsError(f"the config of an adapter (PEFT), not of a model; name its base model{named}")
    for keys, said in _KINDS:
        if all(key in data for key in keys):
            raise SymflopsError(said)


def check_path(path: Path) -> None:
    """Raise SymflopsError for a file that its name or its first bytes show to be neither a model nor a config."""
    ending = path.suffix.lower()
    if not os.path.isfile(path):
        return
    if ending == ".py":
        classes = modules_in(path)
        example = f"{path}:{classes[-1] if classes else 'GPT'}"
        more = f" ({', '.join(classes[:10])})" if len(classes) > 1 else ""
        raise SymflopsError(f"a Python file: name its class, {example}{more}")
    with path.open("rb") as file:
        begins = file.read(4)
    if ending in _COMPRESSED or begins[:2] == b"\x1f\x8b" or (begins == b"PK\x03\x04" and ending not in _WEIGHTS):
        raise SymflopsError("compressed; unpack it first")
    if ending in _WEIGHTS:
        raise SymflopsError(f"weights of a checkpoint; {_BESIDE}")


def modules_in(path: Path) -> list[str]:
    """The names of the classes in a Python file that have a `forward`, without running it.

    Raises SymflopsError for what cannot be read, and for what is no Python.
    """
    try:
        tree = ast.parse(files.read_text(path, _MAX_PYTHON, "a Python file"))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise SymflopsError(f"not Python: {one_line(str(error), 120)}") from None
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return [c.name for c in classes if any(isinstance(f, ast.FunctionDef) and f.name == "forward" for f in c.body)]
