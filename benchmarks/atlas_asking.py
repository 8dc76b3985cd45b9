"""How a class of configs of transformers is asked: what it makes of a config, as JSON has it."""

from __future__ import annotations

import copy
import json
from typing import Any

from transformers import PreTrainedConfig

from symflops.atlas.plain import UNKNOWN
from symflops.trace.config_values import literal
from symflops.vocabulary.fields import means

BOOKKEEPING = ("rope_parameters", "ignore_keys_at_rope_validation")  # the first is compared in a way of its own

Stated = dict[str, Any]
Data = dict[str, Any]


def plain(value: Any) -> Any:
    """A value of a config as JSON has it; UNKNOWN for what has no such form."""
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        return UNKNOWN


def observed(kind: type[PreTrainedConfig], stated: Stated) -> PreTrainedConfig | None:
    """What the class makes of a config; None where it refuses it."""
    try:
        return kind.from_dict(copy.deepcopy(stated))
    except Exception:  # a class validates in its own way
        return None


def is_asked(name: str) -> bool:
    """Whether a field may matter."""
    return not name.startswith("_") and not means(name, "irrelevant") and name not in BOOKKEEPING


def shown(config: PreTrainedConfig) -> dict[str, str]:
    """What of a config may matter, by field, as text; rotary embeddings among it."""
    found = {}
    for name, value in vars(config).items():
        if isinstance(value, PreTrainedConfig):
            found |= {f"{name}.{key}": text for key, text in shown(value).items()}
        elif is_asked(name) or name == "rope_parameters":
            found[name] = literal(plain(value))
    return found
