"""Configs of original releases, which are not transformers' own but say as much: the params.json of Mistral's and of
Meta's models, and GPT-2's hparams.json. Each becomes the config that transformers' own conversion makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from symflops.errors import SymflopsError


@dataclass(frozen=True)
class Release:
    """How a release states its models: the type that they are of in transformers, fields that are there in each file,
    and the fields under transformers' names. What decides nothing of sizes is passed over."""

    kind: str
    told_by: tuple[str, ...]
    fields: Mapping[str, str]
    passed_over: tuple[str, ...] = ()


_COMMON = {
    "dim": "hidden_size", "n_layers": "num_hidden_layers", "n_heads": "num_attention_heads",
    "n_kv_heads": "num_key_value_heads", "vocab_size": "vocab_size", "norm_eps": "rms_norm_eps",
    "rope_theta": "rope_theta",
}  # fmt: skip
_OWN_TYPE = "transformer"  # what Mistral's files call it, which is no type of transformers
_RUN = ("max_batch_size", "max_seq_len", "model_type", "model_parallel_size")
RELEASES = (
    Release(
        "mistral", ("dim", "n_layers", "hidden_dim"),
        _COMMON | {"hidden_dim": "intermediate_size", "head_dim": "head_dim", "sliding_window": "sliding_window",
                   "tied_embeddings": "tie_word_embeddings", "max_position_embeddings": "max_position_embeddings"},
        _RUN,
    ),
    Release("llama", ("dim", "n_layers"), _COMMON, (*_RUN, "multiple_of", "ffn_dim_multiplier", "use_scaled_rope")),
    Release(
        "gpt2", ("n_vocab", "n_ctx", "n_embd", "n_head", "n_layer"),
        {"n_vocab": "vocab_size", "n_ctx": "n_positions", "n_embd": "n_embd", "n_head": "n_head", "n_layer": "n_layer"},
    ),
)  # fmt: skip
"""The first whose fields are there; Meta's code computes the width of its MLP, Mistral's states it."""


def release_of(data: Mapping[str, Any]) -> Release | None:
    """The release whose config this is; None for what says what it is, and for what nobody knows.

    >>> release_of({"dim": 4096, "n_layers": 32, "hidden_dim": 14336}).kind, release_of({"model_type": "llama"})
    ('mistral', None)
    """
    if data.get("model_type", _OWN_TYPE) != _OWN_TYPE or "layers" in data or "architectures" in data:
        return None  # DistilBERT's config has all fields of Mistral's
    return next((one for one in RELEASES if all(key in data for key in one.told_by)), None)


def converted(data: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The config of transformers that a release's says, and what is to be said of it.

    >>> config, said = converted({"dim": 64, "n_layers": 2, "n_heads": 4, "hidden_dim": 96, "vocab_size": 99})
    >>> config["model_type"], config["intermediate_size"], said
    ('mistral', 96, 'the config of an original release, read as one of the type mistral')

    Raises SymflopsError for a field that it is not known what to make of, and for one that is missing.
    """
    release = release_of(data)
    assert release is not None
    about = f"the config of an original release, of a model like {release.kind}"
    config = {name: data[key] for key, name in release.fields.items() if key in data}
    left = {key: value for key, value in data.items() if key not in (*release.fields, *release.passed_over)}
    kind = release.kind
    experts = left.pop("moe", None)
    if kind == "mistral" and isinstance(experts, Mapping) and experts.keys() == {"num_experts", "num_experts_per_tok"}:
        config |= {"num_local_experts": experts["num_experts"], "num_experts_per_tok": experts["num_experts_per_tok"]}
        kind = "mixtral"
    elif experts is not None:
        left["moe"] = experts
    if left := {key: value for key, value in left.items() if value not in (None, False)}:
        why = f"{', '.join(map(str, left))} says more than that"
        raise SymflopsError(f"{about}; {why[:200]}: give the config.json that is made for transformers")
    wanted = [key for key in ("vocab_size", "n_heads") if key in release.fields and key not in data]
    if wanted or data.get("vocab_size") == -1:
        missing = f"it has no {', '.join(wanted)}" if wanted else "its vocab_size, -1, stands for the tokenizer's"
        raise SymflopsError(f"{about}; {missing}: state that, or give the config.json that is made for transformers")
    said = f"the config of an original release, read as one of the type {kind}"
    if kind == "llama":
        config["intermediate_size"] = _width_of_mlp(data, about)
        said += "; its file does not say whether embeddings are tied: they are not here"
    if kind != "gpt2":
        config.setdefault("num_key_value_heads", data["n_heads"])
    if kind in ("mistral", "mixtral"):
        config.setdefault("sliding_window", None)  # which transformers would set
    return {"model_type": kind, **config}, said


def _width_of_mlp(data: Mapping[str, Any], about: str) -> int:
    """As Meta's code computes it: two thirds of four widths, times a factor, up to the next multiple."""
    width, multiple, factor = data["dim"], data.get("multiple_of", 256), data.get("ffn_dim_multiplier")
    numbers = [width, multiple, 1 if factor is None else factor]
    if not all(type(n) in (int, float) and 0 < n < 2**40 for n in numbers) or type(width) is not int:
        raise SymflopsError(f"{about}: dim, multiple_of and ffn_dim_multiplier have to be numbers above 0")
    inner = int(2 * 4 * width / 3)
    inner = inner if factor is None else int(factor * inner)
    return -(-inner // int(multiple)) * int(multiple)
