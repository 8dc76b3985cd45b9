"""Binds another config to a derived model: allowed where the closed form holds for both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from symflops.algebra import substitute
from symflops.domain import Domain
from symflops.errors import SymflopsError, reason
from symflops.model import Model
from symflops.storage import cache
from symflops.trace.config_values import ConfigValues, made_for, unfit
from symflops.trace.configs import find
from symflops.trace.derive import derive
from symflops.trace.layer_data import full_name
from symflops.trace.notes import dtype
from symflops.trace.own_formats import in_own_formats, without_formats
from symflops.trace.skeleton import Skeleton
from symflops.vocabulary.metrics import METRICS, RUNNING


def bind(model: Model, config: Any, derived: Callable[[Any], Model] = derive) -> Model:
    """The model with the values of a config, as `find` understands it, for its architecture symbols.

    A config that says something else than the model's, of what may decide what is computed, is `derived`: where every
    layer costs the same all the same, that is the answer.

    Raises SymflopsError for a config of another class, for one that lacks a value, and for one that breaks an
    assumption: it takes another path through the source, and its cost is another closed form.

    >>> from transformers import LlamaConfig
    >>> model = derive(LlamaConfig(num_hidden_layers=2))
    >>> bind(model, LlamaConfig()).total().at(batch_size=1, seq_len=2048).matmul_flops
    29261612187648
    >>> bind(model, LlamaConfig(hidden_act="gelu"))
    Traceback (most recent call last):
    symflops.errors.SymflopsError: llama: assumption broken: hidden_act == "silu" (with hidden_act="gelu")
    """
    named, model = find(config), without_formats(model)
    try:
        if not model.derived_from:
            raise SymflopsError("it was not derived from a config, so nothing says which configs its formulas hold for")
        class_name = full_name(named.model_class)
        if model.class_name != class_name:
            raise SymflopsError(f"the config is of {class_name}, the model was derived from {model.class_name}")
        values = ConfigValues(model, named.config)
        try:
            bound = {name: values.of(name) for name in model.symbols}
            values.check_facts()
        except SymflopsError:
            same = _derived_alike(model, values, partial(derived, config))
            if same is None:
                raise
            return same
        try:
            skeleton = Skeleton(named.model_class, named.config)
        except Exception as error:  # whatever the model's own source raises
            raise SymflopsError(f"the config's model cannot be built: {reason(error)}") from None
        said = values.check_choices()
        _check_unlisted(model, values, skeleton, said)
    except SymflopsError as error:
        raise error.within(model.name) from None
    result = replace(
        model.with_symbols(bound),
        dtype=dtype(named.config),
        usual=Domain.of(made_for(named.config, model.domain)),
    )
    # Whatever else the two models differ in: weights that the closed form does not have are seen here.
    counted, there = int(result.total().parameters), skeleton.parameters()
    if counted != there:
        raise unfit(f"its model has {there:,} parameters, not {counted:,} as the closed form").within(model.name)
    return in_own_formats(result, named.config)


def _derived_alike(model: Model, values: ConfigValues, derived: Callable[[], Model]) -> Model | None:
    """What is derived from a config, if each of its layers costs what the model's does with the config's values; what
    either lacks, because the source took its own default, with the value that it usually has."""
    try:
        bound = model.with_symbols({name: values.of(name, usually=True) for name in model.symbols})
        other = derived()
    except SymflopsError:
        return None
    return replace(other, name=model.name) if _costs(bound) == _costs(without_formats(other)) else None


def _costs(model: Model) -> list[Any]:
    """What each layer of a model costs with its numbers, and keeps for the next call."""
    try:
        kept = substitute(cache(model), model.symbols)
    except SymflopsError:  # nothing is kept
        kept = 0
    return [kept, *((row.path, *map(row.total.value, METRICS)) for row in model.rows())]


def _check_unlisted(model: Model, values: ConfigValues, skeleton: Skeleton, said: dict[int, list[list[str]]]) -> None:
    """Raise SymflopsError where layers differ though the config describes them alike: they may have been one kind in
    the derived model."""
    lists = values.depths.lists
    unread = tuple(f"{r.path}." for r in model.rows(symbolic=True) if not any(map(r.cost.value, RUNNING)))
    for path, name, places, first, total in skeleton.lists():
        if f"{path}.".startswith(unread):
            continue  # in a module that never runs: it costs its weights, which are counted
        kinds = [[i for i, f in enumerate(first) if f == one] for one in dict.fromkeys(first)]
        about = [[layers[i] for i in places] for layers in said.get(total, ())]
        told = any(len(set(zip(layers, first, strict=True))) == len(set(layers)) for layers in about)
        if len(kinds) > 1 and not told and not lists.are_leading(kinds):
            raise unfit(f"its {name} modules are not all alike, and no per-layer list in the config says which differ")
