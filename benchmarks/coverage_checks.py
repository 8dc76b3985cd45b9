"""What a derived model is checked for: counts that are equal, and sizes and lengths that are symbols."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from coverage_counts import CACHED, POINTS, Row

from symflops import numeric
from symflops.algebra import free_symbols
from symflops.errors import SymflopsError
from symflops.model import Model
from symflops.numeric import RUN_SYMBOLS
from symflops.trace.architecture import parts
from symflops.trace.configs import find
from symflops.vocabulary.symbols import ENCODER

ROLES = {
    "width": ("hidden_size", "d_model", "n_embd", "emb_dim"),
    "heads": (
        *("decoder_attention_heads", "num_decoder_attention_heads", "num_attention_heads"),
        *("n_head", "n_heads", "num_heads", "attention_heads"),
    ),
    "vocabulary": ("decoder_vocab_size", "vocab_size"),
    "depth": ("decoder_layers", "num_decoder_layers", "num_hidden_layers", "n_layer", "n_layers", "num_layers"),
}
"""What configs call the four sizes, a decoder's own first."""


def miscounted(model: Model, counts: Row) -> str:
    """Where the closed form and the independent count disagree, or "": parameters, and matmul_flops at all points."""
    if "error" in counts:
        return f"no independent count: {counts['error']}"
    if asked := free_symbols(model.total().value("parameters")):
        return f"parameters depend on {', '.join(sorted(asked))}"
    found = exact(model, "parameters")
    if found != counts["parameters"]:
        return f"{found} parameters, counted {counts['parameters']}"
    for (batch, length), number in zip(POINTS, counts["matmul_flops"], strict=True):
        if problem := _differs(model, number, batch_size=batch, seq_len=length, past_len=0):
            return problem
    return ""


def miscached(model: Model, counts: Row) -> str:
    """Why past_len is no symbol, or where the closed form and the count of a cached call disagree, or ""."""
    if "past_len == 0" in model.assumes or "past_len" not in model.total().free_symbols:
        return "past_len is no symbol"
    if "error" in counts:
        return f"no independent count: {counts['error']}"
    if counts["no_cache"]:
        return ""
    batch, length, past = CACHED
    return _differs(model, counts["cached"], batch_size=batch, seq_len=length, past_len=past)


def _differs(model: Model, number: int, **point: int) -> str:
    """Why a count is not the closed form's at a point, if so; a point that an assumption rules out is not verified."""
    where = ", ".join(f"{name}={value}" for name, value in point.items() if name != "past_len" or value)
    found = exact(model, "matmul_flops", **point)
    if found != number:
        return f"{found} matmul_flops at {where}, counted {number}"
    try:
        model.check_assumptions(point)
    except SymflopsError as error:
        return f"{where} is ruled out: {error.message}"
    return ""


def exact(model: Model, metric: str, **point: int) -> Any:
    """A metric at a point, not rounded: a closed form that is not whole there is not equal to a count."""
    return numeric.evaluate(model.total().value(metric), numeric.with_defaults(alone(model) | point))


def alone(model: Model) -> dict[str, int]:
    """What leaves the images out of a model of images and text, of which the text is counted."""
    return {ENCODER: 0} if ENCODER in model.run else {}


def fixed_lengths(model: Model) -> str:
    """The lengths that the closed form has no symbol for, or ""."""
    missing = {"batch_size", "seq_len"} - model.total().free_symbols
    return f"no symbol for {', '.join(sorted(missing))}" if missing else ""


def fixed_sizes(model: Model, config: Any) -> str:
    """Which of width, heads, vocabulary and depth the config has and the closed form holds as a number, or ""."""
    fixed = []
    for role, names in ROLES.items():
        name, number, symbols = _field(model, config, names)
        if role == "depth" and _layers_counted(model) >= number > 0 and f"{name} == {number}" not in model.assumes:
            continue
        if (name or role == "depth") and not any(_varies(model, s) for s in symbols):
            fixed.append(f"{role} ({name})" if name else role)
    return f"numbers: {', '.join(fixed)}" if fixed else ""


def _field(model: Model, config: Any, names: Sequence[str]) -> tuple[str, int, list[str]]:
    """The config's field of one of these names, its number, and the symbols that may stand for it."""
    own = find(config).config
    text = own.get_text_config()
    inside = parts(own)
    for prefix, part in sorted(inside, key=lambda p: (p[1] is not text, p[0] == "")):
        for name in names:
            number = vars(part).get(name)
            if type(number) is int:
                symbols = (name, f"{name}_per_layer", *((f"{prefix}{name}",) if prefix else ()))
                return name, number, [s for s in symbols if model.symbols.get(s) == number]
    return "", len(getattr(text, "layer_types", None) or ()), []


def _layers_counted(model: Model) -> int:
    """The layers that repeats count kind by kind, as num_full_attention_layers."""
    free = model.total(symbolic=True).free_symbols
    return sum(number for name, number in model.symbols.items() if name in free and re.match(r"num_.+_layers$", name))


def _varies(model: Model, name: str) -> bool:
    """Whether a size is a symbol of the closed form, or is tied to such symbols: hidden_size == heads*head_dim."""
    free = model.total(symbolic=True).free_symbols
    if name in stayed_numbers(model):
        return False
    tied = (text.removeprefix(f"{name} == ") for text in model.assumes if text.startswith(f"{name} == "))
    return name in free or any(set(re.findall(r"[a-zA-Z_]\w*", text)) <= free for text in tied)


def stayed_numbers(model: Model) -> set[str]:
    """The config's integers that the closed form holds as numbers, so that no other value can be bound to them."""
    found = (re.fullmatch(r"(\w+) == (\d+)", text) for text in model.assumes)
    return {match[1] for match in found if match and match[1] not in RUN_SYMBOLS}
