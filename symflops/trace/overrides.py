"""Per-layer overrides of a config: transformers' `per_layer_config`, {index of the layer: {field: value}}.

Where all layers of one of the config's `layer_types` have the same value, it is one value of that type: the head_dim of
full_attention layers is the symbol full_attention_head_dim.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from symflops.tree import NAME


@dataclass(frozen=True)
class Override:
    """A field that has this integer in all layers of a type."""

    kind: str
    key: str
    number: int

    @property
    def name(self) -> str:
        return f"{self.kind}_{self.key}"


def overrides(part: Any) -> list[Override]:
    """The integers that a part of a config overrides for all layers of a type."""
    by_kind = _by_kind(part) or {}
    found = [(kind, key, value) for kind, fields in by_kind.items() for key, value in fields.items()]
    return [Override(*one) for one in found if _is_size(*one)]


def statement(part: Any) -> dict[str, Any]:
    """The overrides in a part of a config, as a fact: by the layers' types, with the names of symbols, or else as they
    are written; {} if there are none."""
    by_kind = _by_kind(part)
    if by_kind is None:
        return {str(place): dict(fields) for place, fields in _stated(part).items()}
    return {
        kind: {key: f"{kind}_{key}" if _is_size(kind, key, value) else value for key, value in fields.items()}
        for kind, fields in by_kind.items()
    }


def gives(part: Any, key: str) -> bool:
    """Whether a part of a config has a field, for all of its layers or for some."""
    return any(key in fields for fields in _stated(part).values()) or hasattr(part, key)


def assign(part: Any, key: str, kind: str, value: Any) -> None:
    """Let all layers of a type have a field with this value."""
    for place, fields in _stated(part).items():
        if part.layer_types[place] == kind:
            fields[key] = value


def resize(part: Any, before: int, number: int) -> None:
    """Let there be another number of layers, of which those that are new are like the last one before."""
    stated = _stated(part)
    last = stated.get(before - 1)
    stated.update({place: dict(last) for place in range(before, number) if last is not None})
    for place in [place for place in stated if place >= number]:
        del stated[place]


def is_heterogeneous(part: Any) -> bool:
    """Whether a part of a config says anything of single layers in this way."""
    return bool(getattr(part, "is_heterogeneous", False))


def _stated(part: Any) -> dict[int, dict[str, Any]]:
    return part._heterogeneity_spec.per_layer_overrides if is_heterogeneous(part) else {}


def _by_kind(part: Any) -> dict[str, dict[str, Any]] | None:
    """The same by type of layer; None where layers of one type differ, or the config knows no types."""
    stated, types = _stated(part), vars(part).get("layer_types")
    if not isinstance(types, list | tuple) or any(place >= len(types) for place in stated):
        return None
    found: dict[str, dict[str, Any]] = {}
    for place, kind in enumerate(types):
        fields = stated.get(place, {})
        if found.setdefault(kind, fields) != fields:
            return None
    return {kind: fields for kind, fields in found.items() if fields}


def _is_size(kind: str, key: str, value: Any) -> bool:
    return type(value) is int and value > 1 and NAME.match(f"{kind}_{key}") is not None
