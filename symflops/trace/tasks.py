"""Tasks: which class of a type `--task` names, by transformers' own tables of them."""

from __future__ import annotations

from typing import Any

from transformers.models.auto import modeling_auto

from symflops.errors import SymflopsError, nearest, reason

BASE = "base"
_SHORT = {"seq2seq": "seq-to-seq-causal-lm", "speech-seq2seq": "speech-seq-2-seq"}  # what people call these
_TABLE = "_MAPPING"
_PREFIX = "MODEL_FOR_"


def tasks() -> dict[str, str]:
    """The tasks and the names of transformers' tables for them: `sequence-classification`, `causal-lm`, `base`, …"""
    found = {BASE: "MODEL_MAPPING"}
    for name in dir(modeling_auto):
        if name.startswith(_PREFIX) and name.endswith(_TABLE):
            found[name.removeprefix(_PREFIX).removesuffix(_TABLE).lower().replace("_", "-")] = name
    return found


def tasks_of(config: Any) -> list[str]:
    """The tasks that the type of a config has a class for."""
    return [task for task, table in tasks().items() if type(config) in getattr(modeling_auto, table)]


def class_for(config: Any, task: str) -> Any:
    """The class of a config's type for a task.

    Raises SymflopsError for a task that there is none of, and for one that the type has no class for.
    """
    known = tasks()
    name = task.lower().replace("_", "-")
    name = _SHORT.get(name, name)
    if name not in known:
        raise SymflopsError(f"no task {task[:60]!r}{nearest(name, list(known))}")
    mapping = getattr(modeling_auto, known[name])
    if type(config) not in mapping:
        own = ", ".join(tasks_of(config)) or "none"
        raise SymflopsError(f"the type {config.model_type!r} has no class for the task {name}; it has: {own}")
    try:
        found = mapping[type(config)]
    except Exception as error:  # a class whose own module cannot be imported, or that transformers has lost
        raise SymflopsError(f"transformers cannot load the model of {config.model_type!r}: {reason(error)}") from None
    return found[0] if isinstance(found, tuple | list) else found
