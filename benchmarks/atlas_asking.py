"""How a class of configs of transformers is asked: what it makes of a config, as JSON has it."""

from __future__ import annotations

import copy
import json
from typing import Any

from transformers import PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec

from symflops.atlas.plain import UNKNOWN
from symflops.trace.config_values import literal
from symflops.trace.layer_lists import computed_lists
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


def specs(kind: type[PreTrainedConfig]) -> dict[str, Any]:
    """What a class says of the configs inside its own; those of older classes are named by their classes alone."""
    named = kind.sub_configs if isinstance(kind.sub_configs, dict) else {}
    known = {n: SubConfigSpec(config_class=c) for n, c in named.items() if issubclass(c, PreTrainedConfig)}
    return {**({} if kind.sub_configs_defaults else known), **kind.sub_configs_defaults}


def fields_of(config: PreTrainedConfig) -> Data:
    """The fields of a config, and the lists that it computes of its layers, which are none of them."""
    return {**vars(config), **{name: plain(getattr(config, name)) for name in listed(config)}}


def listed(config: PreTrainedConfig) -> list[str]:
    """The lists that a config computes of its layers; none that it fails to compute."""
    return [name for name in computed_lists(type(config)) if isinstance(_computed(config, name), list)]


def _computed(config: PreTrainedConfig, name: str) -> Any:
    try:
        return getattr(config, name)
    except Exception:  # whatever the class says of sizes that do not go together
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
