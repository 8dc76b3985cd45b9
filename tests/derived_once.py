"""Derivations shared by the tests of a run: the same config with the same options is derived once.

A test that changes something (`monkeypatch`), sets a time limit or says that it looks at the derivation itself
(`pytest.mark.derives`) derives anew, and what it gets is not kept for others.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from symflops.deadline import DERIVATION
from symflops.errors import SymflopsError

MADE = "symflops.trace.derive"  # with PyTorch and transformers: whoever needs it has imported it
KEPT: dict[Any, Any] = {}


def shared(item: pytest.Item, patch: pytest.MonkeyPatch) -> None:
    """During this test, what is derived is derived once."""
    looks_at_it = item.get_closest_marker("derives") or "monkeypatch" in getattr(item, "fixturenames", ())
    module = sys.modules.get(MADE)
    if module is not None and not looks_at_it:
        patch.setattr(module, "derive", once(module.derive))


def once(derive: Callable[..., Any]) -> Callable[..., Any]:
    def derived(what: Any, **options: Any) -> Any:
        found = key_of(what, options)
        if found is None:
            return derive(what, **options)
        key, name = found
        if key not in KEPT:
            KEPT[key] = derive(what, **options)
        model = KEPT[key]
        return model if model.name == name else replace(model, name=name)

    return derived


def key_of(what: Any, options: Mapping[str, Any]) -> tuple[tuple[Any, ...], str] | None:
    """What a derivation depends on, and what its model is called, which depends on where the config lies; None where
    the content is not known: of modules, and of classes that a test makes."""
    from transformers import CONFIG_MAPPING, PreTrainedConfig

    from symflops.trace.configs import find

    options = dict(options)
    if options.pop("timeout", None) not in (None, DERIVATION) or options.pop("given", None):
        return None
    is_file = isinstance(what, str | Path) and Path(what).exists()
    is_type = isinstance(what, str) and what.lower() in CONFIG_MAPPING
    if not (is_file or is_type or isinstance(what, dict | PreTrainedConfig)):
        return None
    try:
        asked = json.dumps(options, sort_keys=True, default=list)
        named = find(what)
    except (TypeError, ValueError, SymflopsError):
        return None  # tensors, arguments of a constructor; or what is refused
    config = named.config
    private = sorted((name, repr(value)) for name, value in vars(config).items() if name.startswith("_"))
    content = (type(config), named.model_class, config.to_json_string(use_diff=False), *private, named.notes, asked)
    return content, named.name
