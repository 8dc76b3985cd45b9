"""The formats in which a config keeps its weights (`quantization_config`), put into the model derived from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from symflops.errors import SymflopsError, one_line
from symflops.model import Model
from symflops.passes.formats import formats, plain
from symflops.quantization_config import quantization
from symflops.trace.architecture import parts

_NOT_COUNTED = "the config keeps weights in another format"


def in_own_formats(model: Model, config: Any, training: bool = False) -> Model:
    """The model with weights in the formats that its config says; where these are not known, and in training, where
    weights are not kept so, with a note."""
    found = [vars(part).get("quantization_config") for _, part in parts(config)]
    stated = next((one for one in found if one), None)
    if not stated:
        return model
    try:
        data = stated if isinstance(stated, Mapping) else stated.to_dict()
        if training:
            raise SymflopsError("weights are trained in weight_bytes")
        return formats(model, quantization(data))
    except SymflopsError as error:
        words = ", ".join(dict.fromkeys(_words(data))) or "quantization_config"
        why = f"{error.message}; here each counts weight_bytes, by default dtype_bytes"
        return replace(model, notes=(f"{_NOT_COUNTED} ({words}), which is not counted: {why}", *model.notes))


def without_formats(model: Model) -> Model:
    """The model with `weight_bytes` for each weight, and no note on formats."""
    model = plain(model)
    return replace(model, notes=tuple(note for note in model.notes if not note.startswith(_NOT_COUNTED)))


def _words(data: Mapping[str, Any]) -> Iterator[str]:
    """The words of a quantization_config that say which format: its method, bits, and the format of the numbers."""
    for key in ("quant_method", "quant_algo", "fmt", "format"):
        if isinstance(data.get(key), str):
            yield one_line(data[key], 40)
    groups = data.get("config_groups")
    weights = [g.get("weights") for g in groups.values()] if isinstance(groups, Mapping) else []
    for one in (data, *weights):
        for key in ("bits", "w_bit", "num_bits"):
            if isinstance(one, Mapping) and type(one.get(key)) is int:
                yield f"{one[key]} bit"
    yield from (f"{n} bit" for n in (4, 8) if data.get(f"load_in_{n}bit") is True)
