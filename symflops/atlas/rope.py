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
SHARE = "partial_rotary_factor"
STATED = "stated"  # in an entry: for which types of layers that is which the config states


def ways(stated: Mapping[str, Any]) -> tuple[str, ...]:
    """How a config states them: "none", "scaled" with the name of a type, "legacy" with an older name for it, "flat" in
    one object, "nested" in one for each type of layers; and "partial" where only a part of each head is rotated.

    >>> ways({"rope_theta": 1e6}), ways({"rope_scaling": {"type": "yarn"}})
    (('none',), ('legacy',))
    >>> ways({"rope_scaling": {"rope_type": "yarn"}, "partial_rotary_factor": 0.5})
    ('scaled', 'partial')
    >>> ways({"rope_parameters": {"full_attention": {}}}), ways({"rope_parameters": {"rope_type": "default"}})
    (('nested',), ('flat',))
    """
    given = stated.get("rope_scaling") or stated.get(FIELD)
    part = () if stated.get("partial_rotary_factor") is None else ("partial",)
    if not isinstance(given, dict):
        return ("none", *part)
    if any(isinstance(value, dict) for value in given.values()):
        return ("nested", *part)
    if not stated.get("rope_scaling"):
        return ("flat", *part)
    return ("scaled" if "rope_type" in given else "legacy", *part)


def parameters(stated: dict[str, Any], fields: dict[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """What becomes of them; `fields` are those of the config as far as they are known, `known` is what an entry of the
    atlas says of the class: its usual type, what it always states, types that it calls otherwise.

    >>> parameters({"rope_scaling": {"type": "linear", "factor": 2.0}}, {}, {"type": "default"})
    {'type': 'linear', 'factor': 2.0, 'rope_type': 'linear'}
    >>> own = {"type": "default", "nested": {"full": "stated", "sliding": {"rope_type": "default"}}}
    >>> parameters({"rope_scaling": {"rope_type": "linear"}}, {}, own)
    {'full': {'rope_type': 'linear'}, 'sliding': {'rope_type': 'default'}}
    """
    given = stated.get("rope_scaling") or fields.get(FIELD) or known.get("usual")
    if not isinstance(given, dict | None):
        raise SymflopsError(f"{FIELD} is no object")
    found: dict[str, Any] = copy.deepcopy(given or {})
    part = stated.get("partial_rotary_factor", fields.get("partial_rotary_factor"))
    labels = known.get("nested", fields.get("layer_types"))
    nested = [key for key in found if key in labels] if isinstance(labels, list | dict) else []
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
    if "nested" in known and not nested:  # of a type of layers each, of which some have what is stated
        return {kind: copy.deepcopy(found if one == STATED else one) for kind, one in known["nested"].items()}
    return found
