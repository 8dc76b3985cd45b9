"""What a config says under the names that a derived model has for it, and whether it breaks what the model assumes.

A config here is an object with fields, of transformers or not: nothing of this needs PyTorch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cached_property
from typing import Any

from symflops.algebra import free_symbols
from symflops.assumption import Choice
from symflops.domain import Domain
from symflops.errors import SymflopsError, one_line
from symflops.model import Model
from symflops.trace.architecture import architecture, parts, stated
from symflops.trace.layer_lists import LayerLists, layer_fields
from symflops.trace.naming import RepeatNames, count_name, places_name
from symflops.vocabulary.fields import means

_USUAL = {  # of sizes that a config may leave to its source: a quotient of others, or another one
    "head_dim": ("hidden_size", "num_attention_heads"),
    "num_key_value_heads": ("num_attention_heads", "num_attention_heads"),
}
WHOLE = "whole_"  # before a field of the config itself, where a part of it has another value
_ABSENT = "null"  # what a fact says of a field that the config does not have


class ConfigValues:
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
                for name in (key, f"{prefix or WHOLE}{key}"):
                    self.fields.setdefault(name, []).append(value)

    @cached_property
    def in_costs(self) -> set[str]:
        return in_costs(self.model)

    def of(self, name: str, usually: bool = False, small: bool = False) -> int:
        """The config's value for a symbol of the model; with `usually` also one that it does not state, and small ones,
        both of which are to be compared with what the config computes; with `small` a 1, which is known to be computed
        as other numbers are."""
        if name in self.sizes:
            return self.sizes[name]
        numbers = [value for value in self.fields.get(name, ()) if type(value) is int]
        if numbers:
            is_known = usually or (small and numbers[0] == 1)
            if not is_known and numbers[0] < 2 <= self.model.symbols[name] and name in self.in_costs:
                raise unfit(f"{name} is {numbers[0]} there, and a size of {numbers[0]} is computed in another way")
            return numbers[0]
        if usually and (number := self._usual(name)):
            return number
        if name in self.fields:
            said = one_line(literal(self.fields[name][0]), 100) or "unknown"
            raise unfit(f"{name} is {said} there, not a number")
        listed = {places_name(key): len(values) for key, values in self.depths.lists.lists.items()}
        return listed[name] if name in listed else self._layers_counted(name)

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
        raise unfit(f"the model has no layers of the type {missing[0]!r}" if missing else f"it does not state {name}")

    def check_choices(self) -> dict[int, list[list[str]]]:
        """What the config says of each layer, by how many there are. Raise SymflopsError for the first layer that it
        describes as no layer of the derived model was."""
        lists = self.depths.lists
        said: dict[int, list[list[str]]] = {}
        for one in self.model.domain.choices:
            layers = said_of_layers(lists, one, self.totals)
            if layers is None:
                raise unfit(f"it has nothing like {', '.join(one.statements)}")
            if (layer := unseen(one, layers)) is not None:
                raise SymflopsError(f"assumption broken: {one_line(one.text, 200)} (with {one_line(layer, 120)})")
            said.setdefault(len(layers), []).append(layers)
        return said

    def check_facts(self) -> None:
        """Raise SymflopsError for a choice that is another one in this config: of several, one that is no list or dict
        of numbers, which seldom decide what is computed."""
        broken: list[tuple[bool, str]] = []
        stated: dict[str, list[str]] = {}
        for one in self.model.domain.facts:
            stated.setdefault(one.name, []).append(json.dumps(one.value, sort_keys=True))
        for name, expected in stated.items():
            values = self.fields.get(name, [])
            found = [literal(value) for value in values] or [_ABSENT if _ABSENT in expected else "nothing"]
            for text in found:
                if text not in expected and not self._is_of_layers(name, text):
                    said = one_line(text, 120) or "unknown"
                    field = name.removeprefix(WHOLE)
                    shown = f"{field} == {one_line(expected[0], 120)} (with {field}={said})"
                    broken.append((text.startswith(("{", "[")), f"assumption broken: {shown}"))
        if broken:
            raise SymflopsError(min(broken, key=lambda one: one[0])[1])

    def _is_of_layers(self, name: str, text: str) -> bool:
        """Whether this is a list that a choice for each layer is about."""
        statements = [statement for one in self.model.domain.choices for statement in one.statements]
        about = any(name in re.findall(r"\w+", statement) for statement in statements)
        return about and text == literal(self.depths.lists.lists.get(name))


def said_of_layers(lists: LayerLists, one: Choice, totals: Iterable[int]) -> list[str] | None:
    """What a config's lists say of each layer of what a choice is about, as JSON; None where they say nothing of it."""
    statements = list(one.statements)
    lengths = [len(lists.lists.get(s.removesuffix("[i]"), ())) for s in statements]
    several = [layers for total in (*lengths, *totals) if (layers := lists.said(statements, total))]
    return [json.dumps(value) for value in several[0]] if several else None


def unseen(one: Choice, layers: Iterable[str]) -> str | None:
    """The first layer of which something is said that a choice has not seen."""
    seen = {json.dumps(value) for value in one.seen}
    return next((layer for layer in layers if layer not in seen), None)


def literal(value: Any) -> str:
    """A config's choice as a fact states it: JSON, of dicts without what no cost depends on; "" if it is no JSON."""
    try:
        return json.dumps(_relevant(value), sort_keys=True, allow_nan=False)
    except (TypeError, ValueError):
        return ""


def _relevant(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _relevant(v) for k, v in value.items() if not means(str(k), "irrelevant")}
    return [_relevant(v) for v in value] if isinstance(value, list | tuple) else value


def made_for(config: Any, domain: Domain) -> list[str]:
    """The longest sequence that a config names, where no table ends there: what the model was made for, no limit."""
    longest = getattr(config.get_text_config(decoder=True), "max_position_embeddings", None)
    ends = any("seq_len" in free_symbols({"<=": c.left, ">=": c.right}.get(c.sign, 0)) for c in domain.conditions)
    return [] if type(longest) is not int or longest < 1 or ends else [f"seq_len + past_len <= {longest}"]


def in_costs(model: Model) -> set[str]:
    """The symbols that some layer's cost, or how often it runs, depends on."""
    return {name for row in model.rows(symbolic=True) for name in row.cost.free_symbols}


def unfit(why: str) -> SymflopsError:
    return SymflopsError(f"the config does not fit: {why}; derive from it instead")
