"""Every row of a table of published memory sizes beside what symflops computes: `memory_rows.py memory.csv > page.md`.

A row has the columns id, kind, model, format, quantity, value, unit, settings, note. Its model is one of MODELS, whose
configs are those that their makers publish. A row of weights is judged: `=` the printed number, exactly or as far as it
is printed; `≠` another one, with what makes the difference; `-` not judged, and why.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import symflops
from symflops import Model, SymflopsError
from symflops.gguf_types import types


def _llama(hidden: int, inner: int, layers: int, heads: int, kv: int, vocab: int, **more: Any) -> dict[str, Any]:
    return {
        "model_type": "llama", "hidden_size": hidden, "intermediate_size": inner, "num_hidden_layers": layers,
        "num_attention_heads": heads, "num_key_value_heads": kv, "vocab_size": vocab, "max_position_embeddings": 131072,
        "tie_word_embeddings": False, "dtype": "bfloat16", **more,
    }  # fmt: skip


_QWEN2 = {"model_type": "qwen2"}
_QWEN3 = {"model_type": "qwen3", "head_dim": 128}
_LLAMA_70B = _llama(8192, 28672, 80, 64, 8, 128256)
MODELS: dict[str, dict[str, Any]] = {  # by a part of a row's model
    "falcon-180B": {
        "model_type": "falcon", "hidden_size": 14848, "num_hidden_layers": 80, "num_attention_heads": 232,
        "num_kv_heads": 8, "vocab_size": 65024, "new_decoder_architecture": True, "parallel_attn": True, "bias": False,
        "alibi": False, "multi_query": True, "tie_word_embeddings": True, "dtype": "bfloat16",
    },
    "Qwen-72B": _llama(8192, 24576, 80, 64, 64, 152064, **_QWEN2),  # with biases of q, k and v, as Qwen2 has them
    "bloom": {
        "model_type": "bloom", "hidden_size": 14336, "n_layer": 70, "n_head": 112, "vocab_size": 250880,
        "dtype": "bfloat16",
    },
    "Llama-3.1-70B, vocab 128262": _llama(8192, 28672, 80, 64, 8, 128262, dtype="float32"),
    "MiMo-7B": _llama(4096, 11008, 36, 32, 8, 151680, **_QWEN2),
    "gemma-2b": _llama(
        2048, 16384, 18, 8, 1, 256000, model_type="gemma", head_dim=256, tie_word_embeddings=True,
        hidden_activation="gelu_pytorch_tanh",
    ),
    "Mixtral-8x22B": _llama(
        6144, 16384, 56, 48, 8, 32000, model_type="mixtral", num_local_experts=8, num_experts_per_tok=2
    ),
    "Qwen2.5-14B": _llama(5120, 13824, 48, 40, 8, 151665, **_QWEN2),
    "Qwen3-1.7B": _llama(2048, 6144, 28, 16, 8, 151936, **{**_QWEN3, "tie_word_embeddings": True}),
    "granite-3b-code": _llama(
        2560, 10240, 32, 32, 32, 49152, tie_word_embeddings=True, attention_bias=True, mlp_bias=True
    ),
    "granite-3.1-1b-a400m": _llama(
        1024, 512, 24, 16, 8, 49155, model_type="granitemoe", num_local_experts=32, num_experts_per_tok=8,
        tie_word_embeddings=True,
    ),
    "MiniMax-M2": {
        "model_type": "minimax_m2", "hidden_size": 3072, "intermediate_size": 1536, "num_hidden_layers": 62,
        "num_attention_heads": 48, "num_key_value_heads": 8, "head_dim": 128, "num_local_experts": 256,
        "num_experts_per_tok": 8, "vocab_size": 200064, "tie_word_embeddings": False, "dtype": "bfloat16",
        "max_position_embeddings": 196608,
        "quantization_config": {
            "quant_method": "fp8", "weight_block_size": [128, 128],
            "modules_to_not_convert": ["gate", "e_score_correction_bias", "lm_head"],
        },
    },
    "qwen2.5-7b": _llama(3584, 18944, 28, 28, 4, 152064, **_QWEN2),
    "Llama-3.1-8B": _llama(4096, 14336, 32, 32, 8, 128256),
    "Meta-Llama-3-8B": _llama(4096, 14336, 32, 32, 8, 128256, max_position_embeddings=8192),
    "Llama-3-70B": _LLAMA_70B,
    "Llama3.3 7": _LLAMA_70B,
    "Llama 3.1 70B": _LLAMA_70B,
    "Mistral-7B-Instruct-v0.2": _llama(4096, 14336, 32, 32, 8, 32000, model_type="mistral", sliding_window=None),
    "Llama-3.2-3B": _llama(3072, 8192, 28, 24, 8, 128256, tie_word_embeddings=True, head_dim=128),
    "LLaMA-30B": _llama(6656, 17920, 60, 52, 52, 32000),
    "Mistral-Small-24B": _llama(
        5120, 32768, 40, 32, 8, 131072, model_type="mistral", head_dim=128, sliding_window=None
    ),
    "Mistral-Small-3.2-24B": {
        "model_type": "mistral3", "architectures": ["Mistral3ForConditionalGeneration"], "dtype": "bfloat16",
        "spatial_merge_size": 2, "vision_feature_layer": -1,
        "multimodal_projector_bias": False, "tie_word_embeddings": False,
        "text_config": _llama(
            5120, 32768, 40, 32, 8, 131072, model_type="mistral", head_dim=128, sliding_window=None
        ),
        "vision_config": {
            "model_type": "pixtral", "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
            "num_attention_heads": 16, "head_dim": 64, "image_size": 1540, "patch_size": 14,
        },
    },
    "Qwen3-4B": _llama(2560, 9728, 36, 32, 8, 151936, **{**_QWEN3, "tie_word_embeddings": True}),
    "Qwen3-32B": _llama(5120, 25600, 64, 64, 8, 151936, **{**_QWEN3, "max_position_embeddings": 40960}),
    "gpt-oss-120b": {
        "model_type": "gpt_oss", "hidden_size": 2880, "intermediate_size": 2880, "num_hidden_layers": 36,
        "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 64, "num_local_experts": 128,
        "num_experts_per_tok": 4, "vocab_size": 201088, "sliding_window": 128, "dtype": "bfloat16",
        "quantization_config": {
            "quant_method": "mxfp4",
            "modules_to_not_convert": ["model.layers.*.self_attn", "model.layers.*.mlp.router", "lm_head"],
        },
    },
}  # fmt: skip
NOT_JUDGED = {  # by a part of a row's model: why there is nothing to compute
    "Qwen3.5-25B-REAP": "a pruned model whose config is not published with the row",
    "DeepSeek R1 BF16": "a mixture of types of its maker's own (UD-IQ1_S), which only the file's header says",
    "N/A (diffusion)": "no model is named",
    "Bonsai 8B": "its config and the number of tokens are not in the row",
}
_LLAMA_3_HEADER = 7_800_000  # as w0101 has it: a file of 128,256 texts and their merges
UNITS = {"B": 1, "GiB": 2**30, "MiB": 2**20}


@dataclass(frozen=True)
class Judgement:
    """What was computed, whether it is the row's number, and why not."""

    sign: str
    ours: str = ""
    difference: str = ""
    why: str = ""


def judged(row: Mapping[str, str]) -> Judgement:
    """One row of the table."""
    for part, why in NOT_JUDGED.items():
        if part in row["model"]:
            return Judgement("-", why=why)
    if row["kind"] == "runtime":
        return Judgement("-", why="what the engine's allocator, kernels and graphs take is no cost of the model")
    found = next((name for name in MODELS if name.lower() in row["model"].lower()), "")
    if not found:
        return Judgement("-", why="its config is not among those of the script")
    return (_weights if row["kind"] == "weights" else _cache)(row, found)


@cache
def model_of(name: str) -> Model:
    return symflops.load(MODELS[name])


def bytes_of(name: str, format_: str) -> int:
    """The bytes of the weights of a model in a row's format."""
    model = model_of(name)
    gguf = re.match(r"gguf \(?(\w+)\)?", format_)
    if gguf:
        kind = {"fp32": "f32"}.get(gguf[1].lower(), gguf[1].lower())
        return _sum(symflops.formats(model, f"gguf-{kind}{':imatrix' if kind == 'iq3_xxs' else ''}"))
    return _sum(model)


def _sum(model: Model) -> int:
    return int(symflops.memory(model, batch_size=1, seq_len=1).weights)


def _weights(row: Mapping[str, str], name: str) -> Judgement:
    ours, unit = bytes_of(name, row["format"]), UNITS[row["unit"]]
    parts = int(row["tensor_parallel"] or 1) if row["quantity"].endswith("per_gpu") else 1
    shown = Decimal(ours) / parts / unit
    if row["quantity"] in ("file_bytes_sum", "file_bytes"):
        more = int(row["value"]) - ours
        is_header = 0 <= more < max(ours // 2000, 10**7)
        why = "headers of the files (and the vocabulary of a GGUF file), which are no weights"
        return Judgement("=" if is_header else "≠", f"{ours:,}", f"{more:+,}", why if is_header else "")
    if _is_printed(shown, row["value"]):
        return Judgement("=", _as_printed(shown, row["value"]))
    said = f"{Decimal(row['value']) - shown:+,.4f}".rstrip("0").rstrip(".")
    for what, more in _explanations(row, name):
        if _is_printed((Decimal(ours) + more) / parts / unit, row["value"]):
            return Judgement("≠", _as_printed(shown, row["value"]), said, what)
    return Judgement("≠", _as_printed(shown, row["value"]), said, "not explained")


def _explanations(row: Mapping[str, str], name: str) -> list[tuple[str, int]]:
    """What files and engines hold beside the weights of a config, in bytes."""
    config = MODELS[name]
    text = config.get("text_config", config)
    hidden, layers = text["hidden_size"], text.get("num_hidden_layers", 0)
    found = []
    if row["engine"] == "vLLM" and "max_position_embeddings" in text:
        head = text.get("head_dim") or hidden // text["num_attention_heads"]
        table = text["max_position_embeddings"] * head * 2
        found.append((f"vLLM's table of rotations, {table:,} bytes, lies in the memory of the weights", table))
    if name == "MiMo-7B":
        each = _layer(name) + 2 * (hidden * 2 * hidden + 3 * hidden)
        found.append((f"a layer for predicting a further token (MTP), {each:,} bytes, is in the file", each))
    if name == "MiniMax-M2":
        experts = config["num_local_experts"]
        more = layers * (experts * hidden * 2 + experts * 4)
        found.append((f"routers are in float32 there, with a bias for each expert: {more:,} bytes", more))
    if row["format"].startswith("gguf"):
        with_matrix = _sum(symflops.formats(model_of(name), f"gguf-{row['format'].split()[1].lower()}:imatrix"))
        more = with_matrix - bytes_of(name, row["format"])
        header = f"the sizes are those of files, whose vocabulary and header take about {_LLAMA_3_HEADER:,} bytes"
        with_both = f"an importance matrix: {more:+,} bytes; {header}"
        found += [(f"made with an importance matrix: {more:+,} bytes", more)]
        if row["source_id"] == "xiongjiedai-sizes":
            found += [(header, _LLAMA_3_HEADER), (f"made with {with_both}", more + _LLAMA_3_HEADER)]
    if name == "falcon-180B":
        again = 2 * config["vocab_size"] * hidden
        found.append((f"the head is tied to the embedding, and its file has both: {again:,} bytes", again))
    return found


def _layer(name: str) -> int:
    """The bytes of one layer."""
    short, long = (
        _sum(symflops.load({**MODELS[name], "num_hidden_layers": n})) for n in (2, 3)
    )  # fmt: skip
    return long - short


def _cache(row: Mapping[str, str], name: str) -> Judgement:
    per_token = _per_token(name, 2)
    if row["quantity"] in ("kv_self_mib", "kv_mib"):
        tokens = int(found[1]) if (found := re.search(r"n_ctx (\d+)", row["settings"])) else 6656
        elements = per_token // 2
        size = sum(_element(kind) * elements * tokens / 2 for kind in _kinds(row["format"])) / 2**20
        said = "" if found else f"for {tokens:,} tokens, of which the rows of this file speak together"
        same = _is_printed(size, row["value"])
        return Judgement("=" if same else "≠", _as_printed(size, row["value"]), "", said)
    if row["quantity"] == "kv_tokens":
        size = Decimal(int(row["value"]) * per_token) / 2**30
        stated = re.search(r"([\d.]+) GiB /", row["note"])
        same = stated is not None and _is_printed(size, stated[1])
        return Judgement("=" if same else "≠", f"{row['value']} tokens × {per_token:,} bytes = {size:.4f} GiB", "",
                         "" if stated is None else f"the log's {stated[1]} GiB")  # fmt: skip
    return Judgement("-", why="what was left of the machine's memory for the cache, by the engine's own measure")


def pools(rows: list[dict[str, str]]) -> list[tuple[str, Judgement]]:
    """Rows of one log judged together: so many blocks of 16 tokens in so many GiB."""
    found = []
    for row in rows:
        if row["quantity"] == "gpu_blocks":
            pool = next(
                r for r in rows if r["quantity"] == "kv_cache_gib" and r["settings"] == row["settings"]
                and r["source_id"] == row["source_id"]
            )  # fmt: skip
            name = next(name for name in MODELS if name.lower() in row["model"].lower())
            size = Decimal(int(row["value"]) * 16 * _per_token(name, 2)) / 2**30
            same = _is_printed(size, pool["value"])
            text = f"{row['value']} × 16 × {_per_token(name, 2):,} bytes = {size:.4f} GiB"
            found.append((row["id"], Judgement("=" if same else "≠", text, "", f"the log's {pool['value']} GiB")))
        if row["quantity"] == "max_concurrency":
            tokens = next(
                int(r["value"]) * (16 if r["quantity"] == "gpu_blocks" else 1) for r in rows
                if r["quantity"] in ("gpu_blocks", "kv_tokens") and r["model"] == row["model"]
                and r["settings"].split(",")[0] == row["settings"].split(",")[0]
            )  # fmt: skip
            length = int(re.sub(r"\D", "", row["unit"]))
            size = Decimal(tokens) / length
            sign = "=" if _is_printed(size, row["value"]) else "≠"
            found.append((row["id"], Judgement(sign, f"{tokens:,} tokens / {length:,} = {size:.4f}")))
    return found


def _per_token(name: str, element: int) -> int:
    run = {"batch_size": 1, "seq_len": 1, "cache_bytes": element}
    return int(symflops.memory(model_of(name), past_len=1, **run).state - symflops.memory(model_of(name), **run).state)


def _kinds(text: str) -> tuple[str, str]:
    found = re.match(r"K (\w+) / V (\w+)", text)
    return (found[1], found[2]) if found else (text.split()[0], text.split()[0])


def _element(kind: str) -> Decimal:
    """Bytes of an element of the cache."""
    one = types()[kind.upper()]
    return Decimal(one.bytes) / one.elements


def _is_printed(ours: Decimal, printed: str) -> bool:
    """Whether a number is the printed one, as far as that is printed."""
    value = Decimal(printed)
    places = -int(value.as_tuple().exponent) if "." in printed else 0
    return abs(ours - value) <= Decimal(1).scaleb(-places) / 2 if places else ours == value


def _as_printed(ours: Decimal, printed: str) -> str:
    places = len(printed.partition(".")[2])
    return f"{ours:,.{max(places, 0)}f}" if places else f"{int(ours):,}"


def page(rows: list[dict[str, str]], show: Callable[[str], None]) -> None:
    together = dict(pools(rows))
    table, counts = [], {"=": 0, "≠": 0, "-": 0}
    for row in rows:
        try:
            judgement = together.get(row["id"]) or judged(row)
        except SymflopsError as error:
            judgement = Judgement("-", why=str(error))
        counts[judgement.sign] += 1
        theirs = f"{row['value']} {row['unit']}"
        one = (judgement.sign, judgement.ours, judgement.difference, judgement.why)
        cells = (row["id"], row["model"], row["format"], row["quantity"], theirs, *one)
        table.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    show(INTRODUCTION.format(count=len(rows), equal=counts["="], other=counts["≠"], left=counts["-"]))
    show("| row | model | format | quantity | theirs | | ours | theirs − ours | why |\n|" + "---|" * 9)
    for line in table:
        show(line)


INTRODUCTION = """\
# Memory, row by row

Published sizes of checkpoints, of GGUF files and of KV caches, and what engines print at their start, beside what
symflops computes. Made by `benchmarks/memory_rows.py`; the configs are in that file. `=` is the printed number: exactly
where it is in bytes, else as far as it is printed. `≠` is another one, with what makes the difference where it is
known. `-` is not judged.

{count} rows: {equal} equal, {other} different, {left} not judged.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path, help="a CSV file with the columns of the table")
    rows = list(csv.DictReader(parser.parse_args().table.open(encoding="utf-8")))
    page(rows, print)


if __name__ == "__main__":
    main()
