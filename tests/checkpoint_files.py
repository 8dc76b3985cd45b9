"""Files of weights without weights: headers as their specifications have them, and as many bytes of nothing.

Written apart from the readers: from the description of safetensors (a length, a JSON text, the data) and from
ggml-org/ggml, docs/gguf.md.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

SIZES = {"F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "U8": 1, "I8": 1, "I32": 4, "I64": 8}
GGUF = {  # number, elements of a block, bytes of a block
    "F32": (0, 1, 4), "F16": (1, 1, 2), "Q4_0": (2, 32, 18), "Q8_0": (8, 32, 34), "Q4_K": (12, 256, 144),
    "Q6_K": (14, 256, 210), "MXFP4": (39, 32, 17),
}  # fmt: skip
Shapes = Mapping[str, tuple[str, Sequence[int]]]  # by name: data type, shape


def safetensors(path: Path, tensors: Shapes, metadata: Mapping[str, str] | None = None) -> int:
    """Write a file with such tensors, sparse; gives the bytes of its tensors."""
    header: dict[str, Any] = {} if metadata is None else {"__metadata__": dict(metadata)}
    at = 0
    for name, (dtype, shape) in tensors.items():
        size = prod(shape) * SIZES[dtype]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + at)
    return at


def index(path: Path, files: Mapping[str, Shapes]) -> int:
    """Write files and the index of them; gives the bytes of all tensors."""
    total = sum(safetensors(path.parent / name, tensors) for name, tensors in files.items())
    places = {tensor: name for name, tensors in files.items() for tensor in tensors}
    path.write_text(json.dumps({"metadata": {"total_size": total}, "weight_map": places}))
    return total


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def gguf(path: Path, tensors: Shapes, alignment: int = 32, vocabulary: int = 100) -> int:
    """Write a GGUF file of version 3; shapes begin with the rows' length. Gives the bytes of its tensors."""
    values = [
        _text("general.architecture") + struct.pack("<I", 8) + _text("llama"),
        _text("general.alignment") + struct.pack("<II", 4, alignment),
        _text("some.number") + struct.pack("<Id", 12, 0.5),
        _text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, vocabulary)
        + b"".join(_text(f"token {i}") for i in range(vocabulary)),
        _text("tokenizer.ggml.scores") + struct.pack("<IIQ", 9, 6, vocabulary) + bytes(4 * vocabulary),
    ]  # fmt: skip
    infos, at, total = b"", 0, 0
    for name, (dtype, shape) in tensors.items():
        number, elements, size = GGUF[dtype]
        taken = prod(shape) // elements * size
        infos += _text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
        infos += struct.pack("<IQ", number, at)
        at += -(-taken // alignment) * alignment
        total += taken
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values)) + b"".join(values) + infos
    head += bytes(-len(head) % alignment)
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + at)
    return total


def llama(layers: int, hidden: int, inner: int, vocab: int, kv: int, dtype: str = "BF16") -> dict[str, Any]:
    """The tensors of a Llama, as transformers names them."""
    found: dict[str, tuple[str, tuple[int, ...]]] = {"model.embed_tokens.weight": (dtype, (vocab, hidden))}
    for i in range(layers):
        at = f"model.layers.{i}"
        found |= {f"{at}.{norm}.weight": (dtype, (hidden,)) for norm in ("input_layernorm", "post_attention_layernorm")}
        found |= {f"{at}.self_attn.{p}_proj.weight": (dtype, (hidden, hidden)) for p in "qo"}
        found |= {f"{at}.self_attn.{p}_proj.weight": (dtype, (kv, hidden)) for p in "kv"}
        found |= {f"{at}.mlp.{p}_proj.weight": (dtype, (inner, hidden)) for p in ("gate", "up")}
        found[f"{at}.mlp.down_proj.weight"] = (dtype, (hidden, inner))
    found["model.norm.weight"] = (dtype, (hidden,))
    found["lm_head.weight"] = (dtype, (vocab, hidden))
    return found
