"""Rotary embeddings, which configs state in three ways: `rope_parameters`, `rope_scaling`, or `rope_theta` alone.

transformers makes one of them, whatever the type, unless a type's class has a way of its own: an entry of the atlas
says which of the ways were seen to be this one.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from symflops.errors import SymflopsError

_STRETCHED = ("llama3", "yarn", "longrope")  # which ask for the length that the model was trained with
FIELD = "rope_parameters"


def way(stated: dict[str, Any]) -> str:
    """How a config states them: "none", "scaled", or "partial" where only a part of each head is rotated.

    >>> way({"rope_theta": 1e6}), way({"rope_scaling": {"rope_type": "yarn"}}), way({"partial_rotary_factor": 0.5})
    ('none', 'scaled', 'partial')
    """
    if stated.get("rope_scaling") or stated.get(FIELD):
        return "scaled"
    return "partial" if stated.get("partial_rotary_factor") is not None else "none"


def parameters(stated: dict[str, Any], fields: dict[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """What becomes of them; `fields` are those of the config as far as they are known, `known` is what an entry of the
    atlas says of the class: its usual type, what it always states, types that it calls otherwise.

    >>> parameters({"rope_scaling": {"type": "linear", "factor": 2.0}}, {}, {"type": "default"})
    {'type': 'linear', 'factor': 2.0, 'rope_type': 'linear'}
    """
    given = stated.get("rope_scaling") or fields.get(FIELD)
    if not isinstance(given, dict | None):
        raise SymflopsError(f"{FIELD} is no object")
    found: dict[str, Any] = copy.deepcopy(given or {})
    part = stated.get("partial_rotary_factor", fields.get("partial_rotary_factor"))
    labels = fields.get("layer_types")
    nested = [key for key in found if key in labels] if isinstance(labels, list) else []
    for one in [found[key] for key in nested] or [found]:
        if one is None:
            continue
        if not isinstance(one, dict):
            raise SymflopsError(f"{FIELD} is no object")
        one.setdefault("rope_type", one.get("type", "default"))
        if part is not None:
            one.setdefault("partial_rotary_factor", part)
        for name, value in known.get("with", {}).items():
            one.setdefault(name, value)
        if known["type"] != "default" and one["rope_type"] == "default":
            one["rope_type"] = known["type"]
        if one["rope_type"] in _STRETCHED:
            longest = fields.get("max_position_embeddings")
            if not nested and fields.get("original_max_position_embeddings") is not None:
                one["original_max_position_embeddings"] = fields["original_max_position_embeddings"]
            else:
                one.setdefault("original_max_position_embeddings", longest)
        if isinstance(one["rope_type"], str):
            one["rope_type"] = known.get("types", {}).get(one["rope_type"], one["rope_type"])
    return found
