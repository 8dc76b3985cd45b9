"""Binds another config to a derived model: allowed where the closed form holds for both."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from symflops.algebra import substitute
from symflops.domain import Domain
from symflops.errors import SymflopsError, one_line, reason
from symflops.model import Model
from symflops.storage import cache
from symflops.trace.architecture import architecture, parts, stated
from symflops.trace.configs import find
from symflops.trace.derive import derive
from symflops.trace.facts import literal
from symflops.trace.layer_data import full_name
from symflops.trace.layer_lists import layer_fields
from symflops.trace.limits import made_for
from symflops.trace.naming import RepeatNames, count_name
from symflops.trace.notes import dtype
from symflops.trace.own_formats import in_own_formats, without_formats
from symflops.trace.skeleton import Skeleton
from symflops.vocabulary.fields import means
from symflops.vocabulary.metrics import METRICS, RUNNING

_USUAL = {  # of sizes that a config may leave to its source: a quotient of others, or another one
    "head_dim": ("hidden_size", "num_attention_heads"),
    "num_key_value_heads": ("num_attention_heads", "num_attention_heads"),
}
_ABSENT = "null"  # what a fact says of a field that the config does not have


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
        values = _Values(model, named.config)
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
        values.check_choices(skeleton)
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
        raise _unfit(f"its model has {there:,} parameters, not {counted:,} as the closed form").within(model.name)
    return in_own_formats(result, named.config)


def _derived_alike(model: Model, values: _Values, derived: Callable[[], Model]) -> Model | None:
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


class _Values:
    """What a config says, under the names that a derived model has for it."""

    def __init__(self, model: Model, config: Any) -> None:
        self.model = model
        self.sizes = architecture(config, set()).numbers  # named as in a derivation
        self.depths = RepeatNames(config)
        depths = [n for n in self.depths.fields if n in model.symbols and means(n, "depth")]
        worded = [len(words) for words in self.depths.lists.lists.values() if isinstance(words[0], str)]
        # How many layers there are, or other lists of modules.
        self.totals = [*(self.depths.fields[n] for n in depths), *worded]
        self.fields: dict[str, list[Any]] = {}  # what the config and those inside it have under a name
        for prefix, part in parts(config):
            for key, value in (layer_fields(part) | stated(part)).items():
                for name in dict.fromkeys((key, f"{prefix}{key}")):
                    self.fields.setdefault(name, []).append(value)
        self.in_costs = {name for row in model.rows(symbolic=True) for name in row.cost.free_symbols}

    def of(self, name: str, usually: bool = False) -> int:
        """The config's value for a symbol of the model; with `usually` also one that it does not state, and small ones,
        both of which are to be compared with what the config computes."""
        if name in self.sizes:
            return self.sizes[name]
        numbers = [value for value in self.fields.get(name, ()) if type(value) is int]
        if numbers:
            if not usually and numbers[0] < 2 <= self.model.symbols[name] and name in self.in_costs:
                raise _unfit(f"{name} is {numbers[0]} there, and a size of {numbers[0]} is computed in another way")
            return numbers[0]
        if usually and (number := self._usual(name)):
            return number
        if name in self.fields:
            raise _unfit(f"{name} is {one_line(literal(self.fields[name][0]), 100)} there, not a number")
        return self._layers_counted(name)

    def _usual(self, name: str) -> int:
        """What a source usually takes for a size that the config does not state; 0 where it is not known."""
        for ending, (whole, parts_of_it) in _USUAL.items():
            if name.endswith(ending):
                number, pieces = (self.sizes.get(f"{name.removesuffix(ending)}{n}", 0) for n in (whole, parts_of_it))
                return number // max(pieces, 1) if whole != parts_of_it else number
        return 0

    def _layers_counted(self, name: str) -> int:
        """How many layers of a type there are, by what the config says of each."""
        missing: list[str] = []
        for total in self.totals:
            for _, types in self.depths.lists.labellings(total):
                counts = {kind: count_name(kind) for kind in types}
                if name in counts.values():
                    others = [kind for kind, count in counts.items() if count not in self.model.definitions]
                    if not others:
                        return sum(counts[kind] == name for kind in types)
                    missing += others
        raise _unfit(f"the model has no layers of the type {missing[0]!r}" if missing else f"it does not state {name}")

    def check_choices(self, skeleton: Skeleton) -> None:
        """Raise SymflopsError for the first layer that the config describes as no layer of the derived model was, and
        where layers differ though the config describes them alike: they may have been one kind in the derived model."""
        lists = self.depths.lists
        said: dict[int, list[list[str]]] = {}
        for one in self.model.domain.choices:
            statements, seen = list(one.statements), [json.dumps(value) for value in one.seen]
            totals = [len(lists.lists.get(s.removesuffix("[i]"), ())) for s in statements] + self.totals
            several = [layers for total in totals if (layers := lists.said(statements, total))]
            if not several:
                raise _unfit(f"it has nothing like {', '.join(statements)}")
            layers = [json.dumps(value) for value in several[0]]
            for layer in layers:
                if layer not in seen:
                    raise SymflopsError(f"assumption broken: {one_line(one.text, 200)} (with {one_line(layer, 120)})")
            said.setdefault(len(layers), []).append(layers)
        unread = tuple(f"{r.path}." for r in self.model.rows(symbolic=True) if not any(map(r.cost.value, RUNNING)))
        for path, name, places, first, total in skeleton.lists():
            if f"{path}.".startswith(unread):
                continue  # in a module that never runs: it costs its weights, which are counted
            kinds = [[i for i, f in enumerate(first) if f == one] for one in dict.fromkeys(first)]
            about = [[layers[i] for i in places] for layers in said.get(total, ())]
            told = any(len(set(zip(layers, first, strict=True))) == len(set(layers)) for layers in about)
            if len(kinds) > 1 and not told and not lists.are_leading(kinds):
                raise _unfit(
                    f"its {name} modules are not all alike, and no per-layer list in the config says which differ"
                )

    def check_facts(self) -> None:
        """Raise SymflopsError for a choice that is another one in this config: of several, one that is no list or dict
        of numbers, which seldom decide what is computed."""
        broken: list[tuple[bool, str]] = []
        stated: dict[str, list[str]] = {}
        for one in self.model.domain.facts:
            stated.setdefault(one.name, []).append(json.dumps(one.value, sort_keys=True))
        for name, expected in stated.items():
            found = (
                [literal(value) for value in self.fields[name]]
                if name in self.fields
                else [_ABSENT if _ABSENT in expected else "nothing"]
            )
            for text in found:
                if text not in expected and not self._is_of_layers(name, text):
                    shown = f"{name} == {one_line(expected[0], 120)} (with {name}={one_line(text, 120)})"
                    broken.append((text.startswith(("{", "[")), f"assumption broken: {shown}"))
        if broken:
            raise SymflopsError(min(broken, key=lambda one: one[0])[1])

    def _is_of_layers(self, name: str, text: str) -> bool:
        """Whether this is a list that a choice for each layer is about."""
        statements = [statement for one in self.model.domain.choices for statement in one.statements]
        about = any(name in re.findall(r"\w+", statement) for statement in statements)
        return about and text == literal(self.depths.lists.lists.get(name))


def _unfit(why: str) -> SymflopsError:
    return SymflopsError(f"the config does not fit: {why}; derive from it instead")
