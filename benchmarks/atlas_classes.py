"""What a class of configs of transformers does, found by asking it: defaults, aliases, rules of what it computes.

A field that is not stated is observed on random configs; the fields that change it are found by changing one at a time;
then the shortest expression over these (symflops/atlas/rules.py) that gives what was observed is taken. On further
random configs the data is compared with the class itself, field by field: a field that differs anywhere is written down
as unknown, so that whatever depends on it is refused.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import random
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import product
from types import MappingProxyType
from typing import Any

from atlas_asking import Data, Stated, fields_of, is_asked, listed, observed, plain, specs
from atlas_beside import Beside, flat, is_filled, is_over
from small_configs import _RULES, DEPTH, HEADS, HIDDEN, KV_HEADS
from transformers import CONFIG_MAPPING, AutoConfig, GenerationConfig, PreTrainedConfig
from transformers.configuration_utils import _LEGACY_LAYER_TYPE_REMAP

from symflops.atlas import rope
from symflops.atlas.plain import UNKNOWN, ConfigClass, PlainConfig, config_of
from symflops.atlas.rules import evaluate, holds_for
from symflops.errors import SymflopsError
from symflops.trace.config_values import literal
from symflops.vocabulary.fields import means

PROBES, COMPARED = 16, 200
ROUNDS = 12
ROPE_TYPES = ("linear", "dynamic", "yarn", "llama3", "longrope", "su", "mrope", "proportional")
CONSTANTS = (1, 2, 3, 4, 8, 16, 64)
WORDS = ("silu", "gelu", "relu", "gelu_new", "gelu_pytorch_tanh")


def key_of(kind: type[PreTrainedConfig], taken: Mapping[str, type]) -> str:
    """Under which name a class stands in an entry."""
    name = kind.model_type or kind.__name__
    return name if taken.get(name, kind) is kind else kind.__name__


def shared() -> Data:
    """What all classes have in common: words that are renamed, and what of generation is dropped."""
    dropped = sorted(set(GenerationConfig._get_default_generation_params()) | {"torch_dtype", "transformers_version"})
    return {"renamed": dict(_LEGACY_LAYER_TYPE_REMAP), "dropped": dropped}


def classes(kind: type[PreTrainedConfig], others: Iterable[str] = (), seed: int = 0) -> tuple[dict[str, Data], int]:
    """The data of a class, of those of the configs inside its own and of the `others`, which are types that its parts
    may be of, and how many random configs were compared."""
    found: dict[str, type] = {}
    _collect(kind, found)
    for other in others:
        if CONFIG_MAPPING[other] not in found.values():
            _collect(CONFIG_MAPPING[other], found)
    data: dict[str, Data] = {}
    compared = 0
    for key, one in reversed(found.items()):
        asked = Class(one, found, seed)
        data[key] = asked.data()
        compared = Comparison(asked, key, data, seed).run()
    return data, compared


def _collect(kind: type[PreTrainedConfig], found: dict[str, type]) -> None:
    found[key_of(kind, found)] = kind
    for spec in specs(kind).values():
        inner = _class_of(spec)
        if inner is not None and inner not in found.values():
            _collect(inner, found)


def _class_of(spec: Any) -> type[PreTrainedConfig] | None:
    if issubclass(spec.config_class, PreTrainedConfig):
        return spec.config_class  # type: ignore[no-any-return]  # transformers has no types here
    try:
        return spec.get_config_class(spec.model_type)  # type: ignore[no-any-return]  # as above
    except ValueError:
        return None


class Class:
    """One class, asked."""

    def __init__(self, kind: type[PreTrainedConfig], found: Mapping[str, type], seed: int) -> None:
        self.kind, self.found, self.random = kind, found, random.Random(seed)
        fields = [f for f in dataclasses.fields(kind) if f.init]
        inner = set(specs(kind))
        own = kind.attribute_map
        self.seen: dict[str, tuple[list[tuple[Stated, Any]], list[str]]] = {}  # of each field, what rules are made of
        self.defaults = {own.get(f.name, f.name): None if f.name in inner else plain(_default(f)) for f in fields}
        self.annotations = {own.get(f.name, f.name): str(f.type) for f in fields}
        samples = (random_stated(kind, self.defaults, random.Random(seed + i)) for i in range(40))
        self.beside = Beside(kind, [{}, *samples], shared()["dropped"])

    def data(self) -> Data:
        names = [n for n in self.defaults if is_asked(n) and n not in specs(self.kind)]
        configs = [c for s in self.samples(PROBES, "") if (c := observed(self.kind, s)) is not None]
        lists = {n for c in configs for n in listed(c)}
        extra = {n for c in configs for n in vars(c) if n not in self.defaults and is_asked(n)} | lists
        usual = vars(observed(self.kind, {}) or self.kind)
        extra -= {n for n in self.beside.data if n not in usual}  # which is kept as it is stated
        rules = []
        for name in (*names, *sorted(extra)):
            rule = self.rule(name)
            if rule is not None:
                rules.append(rule | ({"of_layers": True} if name in lists else {}))
        needed = ("dtype", "rope_parameters", "id2label")
        kept = {n: v for n, v in self.defaults.items() if is_asked(n) or n in needed}
        unknown = [n for n, v in kept.items() if v is UNKNOWN]
        kept = {n: None if v is UNKNOWN else v for n, v in kept.items()}
        rules += [{"field": n, "rule": "?", "always": True} for n in unknown]
        result: Data = {"model_type": self.kind.model_type, "defaults": kept}
        if self.kind.attribute_map:
            result["aliases"] = dict(self.kind.attribute_map)
        parts = {name: self.part(name, spec) for name, spec in specs(self.kind).items()}
        if parts:
            result["parts"] = {n: p for n, p in parts.items() if p is not None}
        if rules:
            result["rules"] = in_order(rules)
        if any(hasattr(c, "rope_parameters") for c in configs):
            result["rope"] = self.rope()
            result["rope"] |= {"share": self.beside.share} if self.beside.share else {}
        if self.beside.data:
            result["beside"] = self.beside.data
        return result

    def rope(self) -> Data:
        """What the class does with rotary embeddings beside what all do."""
        usual = getattr(self.kind, "default_rope_type", "default")
        found: Data = {"type": usual, "unsure": []}
        config = observed(self.kind, {"partial_rotary_factor": 0.5, "rope_theta": 1e4})
        kept = [n for n in ("partial_rotary_factor", "rope_theta") if config is not None and n in vars(config)]
        found |= {"kept": kept} if kept else {}
        config = observed(self.kind, {})
        made = getattr(config, "rope_parameters", None)
        if isinstance(made, dict) and made and all(isinstance(v, dict) for v in made.values()):
            return found | {"nested": self.nested(made), "unsure": ["flat"]}
        if isinstance(made, dict):
            stated = self.defaults.get("rope_parameters") or {}  # what the class itself states
            more = {k: plain(v) for k, v in made.items() if k not in ("rope_type", "type", *stated) and is_asked(k)}
            own = getattr(config, "partial_rotary_factor", None)
            more = {k: v for k, v in more.items() if k != "partial_rotary_factor" or v != own}
            other = observed(self.kind, {"rope_scaling": {"rope_type": "linear", "factor": 2.0}})
            is_always = all(k in (getattr(other, "rope_parameters", None) or ()) for k in more) or other is None
            if not is_always:  # it is what the class takes where nothing is stated
                found["usual"] = {k: v for k, v in plain(made).items() if k == "rope_type" or is_asked(k)}
            elif more:
                found["with"] = more
        types = {}
        for word in ROPE_TYPES:
            config = observed(self.kind, {"rope_scaling": {"rope_type": word, "factor": 2.0}})
            made = getattr(config, "rope_parameters", None)
            if isinstance(made, dict) and made.get("rope_type") not in (word, None) and word != "default":
                types[word] = made["rope_type"]
        return found | ({"types": types} if types else {})

    def nested(self, usual: Mapping[str, Any]) -> Data:
        """What each type of layers gets where a config states one thing: that, or what it gets otherwise."""
        tried = {"rope_type": "linear", "factor": 2.0}
        made = getattr(observed(self.kind, {"rope_scaling": tried}), "rope_parameters", None) or usual
        plain_usual = {k: {n: v for n, v in one.items() if is_asked(n)} for k, one in usual.items()}
        return {k: rope.STATED if made.get(k, {}).get("factor") == 2.0 else plain_usual[k] for k in usual}

    def part(self, name: str, spec: Any) -> Data | None:
        inner = _class_of(spec)
        if inner is None:
            return None
        key = next(k for k, c in self.found.items() if c is inner)
        by_type = spec.config_class is AutoConfig
        return (
            {"class": key, "values": plain(spec.init_kwargs)}
            | ({"by_type": True} if by_type else {})
            | ({"optional": True} if spec.optional else {})
            | ({"flat": found} if (found := flat(self.kind, name, inner)) else {})
            | ({"over": True} if is_over(self.kind, name, inner) else {})
            | ({"filled": True} if is_filled(self.kind, name, inner, plain(spec.init_kwargs) or {}) else {})
        )

    def samples(self, number: int, without: str) -> Iterator[Stated]:
        for _ in range(number):
            stated = self.some_stated(self.random)
            yield {k: v for k, v in stated.items() if self.kind.attribute_map.get(k, k) != without}

    def some_stated(self, rng: random.Random) -> Stated:
        """A random config, some with names that are no fields, and with configs inside it."""
        stated = random_stated(self.kind, self.defaults, rng, ones=True) | self.beside.random(rng)
        for name, spec in specs(self.kind).items():
            inner = _class_of(spec)
            if inner is not None and rng.random() < 0.5:
                fields = [f for f in dataclasses.fields(inner) if f.init]
                part = random_stated(inner, {f.name: plain(_default(f)) for f in fields}, rng)
                stated[name] = {**part, "model_type": inner.model_type}
        return stated

    def rule(self, name: str) -> Data | None:
        """How the class computes a field; None where it is what is stated, or the default."""
        unstated = self.outcomes(name, lambda s: s)
        nulled = self.outcomes(name, lambda s: {**s, name: None}) if name in self.defaults else []
        lists = [out for _, out in unstated if isinstance(out, list) and out]
        given = self.outcomes(name, self.stating(name, bool(lists))) if name in self.defaults else []
        given = [o for o in given if o[0][name] is not None]
        default = self.defaults.get(name, UNKNOWN)
        keeps = bool(given) and all(out == before[name] for before, out in given)
        if name in self.defaults and keeps:
            missing = nulled if default is not None else unstated + nulled
            plain_default = all(out == default for _, out in unstated) or default is None
            if not plain_default:  # an older name says it, which none of those that state the field happened to state
                found = self.search(name, [*unstated, *nulled, *given])
                return {"field": name, "rule": "?" if found is None else found, "always": True}
            if all(out is None for _, out in missing):
                return None
            found = self.search(name, missing, {} if default is None else {name: None})
            return {"field": name, "rule": "?" if found is None else found}
        if name in self.defaults and not given:  # nothing else was accepted: what is stated may be computed with
            if all(out == default for _, out in unstated):
                return None
            found = self.search(name, unstated)
            return {"field": name, "rule": "?" if found is None else found, "always": found is None}
        found = self.search(name, [*unstated, *nulled, *given])
        return {"field": name, "rule": "?" if found is None else found, "always": True}

    def stating(self, name: str, is_list: bool) -> Any:
        """What states a field: some value, or the list that the class computes in another order."""

        def changed_list(stated: Stated) -> Stated:
            config = observed(self.kind, stated)
            found = [] if config is None else plain(vars(config).get(name)) or []
            return {**stated, name: [*found[1:], *found[:1]]}

        return changed_list if is_list else lambda stated: {**stated, name: self.some(name)}

    def some(self, name: str) -> Any:
        """Some value of a field that is stated."""
        default, kind = self.defaults[name], self.annotations.get(name, "")
        if isinstance(default, bool) or (default is None and "bool" in kind):
            return self.random.random() < 0.5
        if type(default) is int or (default is None and "int" in kind and "list" not in kind):
            return self.random.choice([2, 4, 6, 8, 12])
        if _is_word_or_number(default, kind):
            return self.random.choice([5, 7, 12])
        if isinstance(default, str):
            return self.random.choice(_words(name)) if default in WORDS else default
        if isinstance(default, float) or (default is None and "float" in kind):
            return self.random.choice([0.25, 1.5, 3.0])
        return default

    def outcomes(self, name: str, change: Any) -> list[tuple[Stated, Any]]:
        found = []
        for stated in self.samples(10 * PROBES, name):
            if len(found) == PROBES:
                break
            stated = change(stated)
            config = observed(self.kind, stated)
            if config is not None:
                found.append(self.outcome(name, stated, config))
        return found

    def outcome(self, name: str, stated: Stated, config: PreTrainedConfig) -> tuple[Stated, Any]:
        """What a rule for a field is made of, and what the field is."""
        after = {k: plain(v) for k, v in fields_of(config).items() if is_asked(k)}
        parts = {n: part for n, part in vars(config).items() if isinstance(part, PreTrainedConfig)}
        inside = {f"{n}.{name}": plain(vars(part)[name]) for n, part in parts.items() if name in vars(part)}
        own = {self.kind.attribute_map.get(k, k): v for k, v in stated.items()}
        others = {alias: stated.get(alias) for alias in self.kind.attribute_map if alias not in vars(config)}
        before = {**others, **after, **inside, **self.beside.of(stated), name: own.get(name, self.defaults.get(name))}
        return before, after.get(name, UNKNOWN)

    def search(
        self, name: str, outcomes: list[tuple[Stated, Any]], given: Mapping[str, Any] = MappingProxyType({})
    ) -> Any:
        """The shortest expression that gives all of these; None if there is none."""
        if not outcomes:
            return None
        names = self.influences(name, given)
        self.seen[name] = (outcomes, names)
        return self.again(name, [])

    def again(self, name: str, more: list[tuple[Stated, Any]]) -> Any:
        """The same with more outcomes."""
        if name not in self.seen:  # it seemed to be what is stated, or a default
            self.seen[name] = (self.outcomes(name, lambda stated: stated), self.influences(name, {}))
        outcomes, names = self.seen[name]
        outcomes = [*more, *outcomes]
        self.seen[name] = (outcomes, names)
        found = expression(outcomes, names, 2) or beginning(outcomes) or in_part(outcomes, names)
        others = [n for n in names if n in self.beside.data]
        if found is not None or not others:
            return self.complete(name, found)
        outcomes = [one for one in outcomes if all(one[0][n] is None for n in others)]
        names = [n for n in names if n not in others]
        found = (expression(outcomes, names, 2) or beginning(outcomes)) if outcomes else None
        if found is not None:  # of these nobody knows what becomes: a config that states one is refused
            self.seen[name] = (outcomes, names)
            self.beside.forget(others)
        return found

    def complete(self, name: str, rule: Any) -> Any:
        """A rule of what words stand for, with all words that are known."""
        if not isinstance(rule, list) or rule[0] != "words":
            return rule
        asked = {word: observed(self.kind, {rule[1]: word}) for word in _words(rule[1]) if word not in rule[2]}
        more = {w: plain(vars(c)[name]) for w, c in asked.items() if c is not None and name in vars(c)}
        return [*rule[:2], {**rule[2], **more}]

    @cached_property
    def usual_changes(self) -> dict[str, dict[str, int]]:
        """The same for all fields at once."""
        return self.changes("", {})

    def changes(self, without: str, given: Mapping[str, Any]) -> dict[str, dict[str, int]]:
        """By what is computed how often each field changed it, in random configs that do not state one field."""
        found: dict[str, dict[str, int]] = {}
        accepted = 0
        for stated in self.samples(10 * PROBES, without):
            stated = {**stated, **given}
            base = observed(self.kind, stated)
            if base is None:
                continue
            before = fields_of(base)
            for other in (*self.defaults, *self.beside.values):
                if other == without or not is_asked(other) or other in specs(self.kind):
                    continue
                value = before.get(other)
                for tried in self.beside.values.get(other) or changed(value, self.annotations.get(other, ""), other):
                    after = observed(self.kind, {**stated, other: tried})
                    for key, now in fields_of(after).items() if after is not None else ():
                        if not isinstance(now, PreTrainedConfig) and now != before.get(key):
                            row = found.setdefault(key, {})
                            row[other] = row.get(other, 0) + 1
            accepted += 1
            if accepted == PROBES:
                break
        return found

    def influences(self, name: str, given: Mapping[str, Any]) -> list[str]:
        """The fields that change what is computed, and the field itself."""
        is_stated = self.defaults.get(name) is not None  # in most of the random configs
        found = self.changes(name, given).get(name, {}) if is_stated else self.usual_changes.get(name, {})
        found = {other: number for other, number in found.items() if other != name}
        listed = [
            n for n, kind in self.annotations.items() if means(n, "layer_places") and "list" in kind and n != name
        ]
        inside = [f"{part}.{name}" for part in specs(self.kind)]
        others = sorted(found, key=lambda n: -found[n])[:6]
        aliases = [alias for alias, one in self.kind.attribute_map.items() if one in others and alias not in others]
        return [name, *listed, *others, *inside, *self.beside.letters, *aliases]


def changed(value: Any, kind: str, name: str) -> list[Any]:
    """Other values of a field than this one."""
    if isinstance(value, str) and (words := _words(name)) != WORDS:
        return [word for word in words if word != value][-3:]
    if isinstance(value, bool):
        return [not value]
    if type(value) is int:
        return [value * 2, value + 1, value + 2, max(value // 2, 1), 2, *([None] if "None" in kind else [])]
    if isinstance(value, float):
        return [value * 2, value / 2]
    if value is None and "int" in kind:
        return [4, 8]
    if value is None and "bool" in kind:
        return [True, False]
    return []


def _words(name: str) -> tuple[str, ...]:
    """The activations that a field may name: of one that is named after a projection gated ones, too."""
    return (*WORDS, *(f"gated-{word}" for word in WORDS)) if name.endswith("_proj") else WORDS


def _is_word_or_number(default: Any, kind: str) -> bool:
    """Whether a field is a word such as "auto" where no number is stated."""
    return isinstance(default, str) and default not in WORDS and "int" in kind


def _default(f: dataclasses.Field[Any]) -> Any:
    if f.default is not dataclasses.MISSING:
        return f.default
    return f.default_factory() if f.default_factory is not dataclasses.MISSING else None


# ------------------------------------------------------------------------------------------------------- expressions


def expression(outcomes: list[tuple[Stated, Any]], names: list[str], guards: int) -> Any:
    """The shortest rule over these fields that gives every outcome; None if there is none."""
    for rule in _simple(outcomes, names):
        if _fits(rule, outcomes):
            return rule
    for condition in _conditions(outcomes, names) if guards else ():
        holds = [one for one in outcomes if holds_for(condition, one[0])]
        others = [one for one in outcomes if not holds_for(condition, one[0])]
        if holds and others:
            yes = expression(holds, names, guards - 1)
            no = expression(others, names, guards - 1) if yes is not None else None
            if yes is not None and no is not None:
                return ["if", condition, yes, no]
    return None


def in_part(outcomes: list[tuple[Stated, Any]], names: list[str]) -> Any:
    """A rule for what one condition leaves, where there is none for all: "?" is what nobody knows."""
    for condition in _conditions(outcomes, names):
        for is_held in (True, False):
            some = [one for one in outcomes if holds_for(condition, one[0]) is is_held]
            if 3 * len(some) > len(outcomes) > len(some) > 4:
                found = expression(some, names, 1)
                if found is not None and found != names[0]:
                    return ["if", condition, *((found, "?") if is_held else ("?", found))]
    return None


def _conditions(outcomes: list[tuple[Stated, Any]], names: list[str]) -> Iterator[Any]:
    for name in names:
        yield ["given", name]
        yield ["true", name]
        for word in sorted({b[name] for b, _ in outcomes if isinstance(b.get(name), str)})[:2]:
            yield ["equals", [name, word]]


def _fits(rule: Any, outcomes: Iterable[tuple[Stated, Any]]) -> bool:
    try:
        return all(same(evaluate(rule, before), out) for before, out in outcomes)
    except (SymflopsError, TypeError, ZeroDivisionError, OverflowError):
        return False


def same(a: Any, b: Any) -> bool:
    """Equal, and a number of the same type."""
    return type(a) is type(b) and a == b


def _simple(outcomes: list[tuple[Stated, Any]], names: list[str]) -> Iterator[Any]:
    first = outcomes[0][1]
    if first is UNKNOWN:
        return
    if not isinstance(first, list) or len(outcomes) > 3:  # a list of one length says nothing of others
        yield {"is": first}
    yield from names
    if isinstance(first, str | bool):
        yield from (["words", n, words] for n in names if (words := _meanings(outcomes, n)))
    if type(first) is int:
        numbers = [n for n in names if all(type(b.get(n)) in (int, float) for b, _ in outcomes)]
        leaves: list[Any] = [*numbers, *({"is": c} for c in CONSTANTS)]
        pairs = [[sign, a, b] for sign, a, b in product(("//", "*", "+", "-"), leaves, leaves) if isinstance(a, str)]
        yield from pairs
        yield from (["ceil", a, b] for a, b in product(numbers, leaves))
        yield from (["int", ["*", a, b]] for a, b in product(numbers, leaves))
        yield from ([sign, a, b] for sign, a, b in product(("//", "*", "+", "-"), pairs, leaves))
        yield from (["int", ["*", a, b]] for a, b in product([p for p in pairs if p[0] == "//"], numbers))
        yield from ([sign, a, b] for sign, a, b in product(("//", "*"), leaves, pairs))
    if isinstance(first, list) and first:
        yield from (["spelled", n, letters] for n in names if (letters := _letters(outcomes, n)))
        yield from _ranges(outcomes, names)
        yield from _of_layers(outcomes, names)
        yield from (["each", n, table] for n in outcomes[0][0] if n != names[0] and (table := _entries(outcomes, n)))
        if all(isinstance(o, list) and o and o[-1] == first[-1] for _, o in outcomes):
            wholes = [*names, *_of_layers(outcomes, names)]
            yield from (["last", whole, {"is": first[-1]}] for whole in wholes)


def _entries(outcomes: list[tuple[Stated, Any]], name: str) -> dict[str, Any]:
    """What each entry of a list stands for, where that is one thing, and others than itself; none of few entries."""
    if not all(isinstance(b.get(name), list) and isinstance(o, list) and len(b[name]) == len(o) for b, o in outcomes):
        return {}
    pairs = [(json.dumps(v), w) for b, o in outcomes for v, w in zip(b[name], o, strict=True)]
    table = dict(pairs)
    is_one = all(same(table[key], word) for key, word in pairs) and 1 < len(table) <= 8
    return table if is_one and any(json.dumps(word) != key for key, word in pairs) else {}


def _ranges(outcomes: list[tuple[Stated, Any]], names: list[str]) -> Iterator[Any]:
    """The places from one on, at equal distances."""
    if not all(isinstance(o, list) and all(type(v) is int for v in o) for _, o in outcomes):
        return
    ends = [n for n in outcomes[0][0] if all(type(b.get(n)) is int and max(o, default=0) < b[n] for b, o in outcomes)]
    steps: list[Any] = [*names, *({"is": c} for c in (1, 2, 3, 4))]
    for step in steps:
        for first in ({"is": 0}, {"is": 1}, step, ["-", step, {"is": 1}]):
            yield from (["range", first, end, step] for end in ends)


def _meanings(outcomes: list[tuple[Stated, Any]], name: str) -> dict[str, Any]:
    """What each word of a text field stands for, where that is one thing; none of few outcomes."""
    if not all(isinstance(b.get(name), str) for b, _ in outcomes):
        return {}
    words = {b[name] for b, _ in outcomes}
    if len(outcomes) < 2 * len(words) or len(words) < 2:
        return {}
    return {b[name]: out for b, out in outcomes}


def _letters(outcomes: list[tuple[Stated, Any]], name: str) -> dict[str, Any]:
    """Which words the letters of a text stand for; none where it is no text of all of these."""
    if not all(isinstance(b.get(name), str) and isinstance(o, list) for b, o in outcomes):
        return {}
    return {letter: word for b, o in outcomes for letter, word in zip(b[name], o, strict=False)}


def _of_layers(outcomes: list[tuple[Stated, Any]], names: list[str]) -> Iterator[Any]:
    words = [json.loads(w) for w in dict.fromkeys(json.dumps(w) for _, o in outcomes for w in o or ())]
    depths = [n for n in outcomes[0][0] if all(isinstance(o, list) and b.get(n) == len(o) for b, o in outcomes)]
    depths = [n for n in depths if type(outcomes[0][0][n]) is int]
    for depth in depths[:2]:
        for word in words[:3]:
            yield ["all", depth, {"is": word}]
        for a, b in ((a, b) for a in words[:3] for b in words[:3] if a != b):
            for places in (
                n for n in names if all(isinstance(x.get(n), list) and _are_ints(x[n]) for x, _ in outcomes)
            ):
                yield ["among", depth, places, {"is": a}, {"is": b}]
            numbers: list[Any] = [n for n in names if any(type(x.get(n)) is int for x, _ in outcomes)]
            for limit in (*numbers, *({"is": c} for c in (0, 1, 2, 3, 4))):
                yield ["from", depth, limit, {"is": a}, {"is": b}]
            for period in (*numbers, *({"is": c} for c in range(2, 13))):
                for start in (*range(13), *numbers):
                    yield ["every", depth, period, start, {"is": a}, {"is": b}]


def _are_ints(values: Any) -> bool:
    return isinstance(values, list) and bool(values) and all(type(value) is int for value in values)


def beginning(outcomes: list[tuple[Stated, Any]]) -> Any:
    """The beginning of one list of layers, of which all are."""
    if not all(isinstance(o, list) for _, o in outcomes):
        return None
    whole = max((o for _, o in outcomes), key=len)
    rules = (["head", name, {"is": whole}] for name in outcomes[0][0] if type(outcomes[0][0][name]) is int)
    return next((rule for rule in rules if _fits(rule, outcomes)), None)


def in_order(rules: list[Data]) -> list[Data]:
    """The rules, each after those whose fields it reads."""
    names = {r["field"] for r in rules}
    ordered: list[Data] = []
    waiting = list(rules)
    while waiting:
        done = {r["field"] for r in ordered}
        ready = [r for r in waiting if (_reads(r["rule"]) & names) - {r["field"]} <= done]
        ready = ready or waiting[:1]
        ordered += ready
        waiting = [r for r in waiting if r not in ready]
    return ordered


def _reads(rule: Any) -> set[str]:
    if isinstance(rule, str):
        return {rule}
    if isinstance(rule, list):
        return set().union(*(_reads(r) for r in rule[1:])) if rule else set()
    return set()


# ---------------------------------------------------------------------------------------------------- random configs


def random_stated(
    kind: type[PreTrainedConfig], defaults: Mapping[str, Any], rng: random.Random, ones: bool = False
) -> Stated:
    """A random config.json of a class: sizes that may go together, switches, and some fields left out or null; with
    `ones` also other numbers for those that are usually 1."""
    heads = rng.choice([2, 4, 6, 8, 12])
    kv = rng.choice([n for n in (1, 2, 3, 4, 6, 8, 12) if heads % n == 0])
    hidden, depth = heads * 2 * rng.randint(2, 10), rng.randint(2, 7)
    typed = ((f.name, str(f.type)) for f in dataclasses.fields(kind))
    said = dict(typed)
    placed = {n for n, one in said.items() if "list[int]" in one and means(n, "layer_places")}
    found: Stated = {}
    for name, default in defaults.items():
        if not is_asked(name) or name in specs(kind):
            continue
        rule = _RULES.get(name)
        if type(default) is int and default > 0:
            if rule in (HEADS,):
                value = heads
            elif rule == KV_HEADS:
                value = kv
            elif rule == HIDDEN:
                value = hidden
            elif rule == DEPTH:
                value = depth
            elif rule is not None:
                value = rng.choice([rule[0], rule[1], 2 * rule[0], 2 * rule[1]])
            elif default > 1 and rng.random() < 0.5:
                value = rng.choice([default, default * 2, max(default // 2, 1), default + 2, 2, 3, 4])
            elif default == 1 and ones and rng.random() < 0.25:
                value = rng.choice([2, 3])
            else:
                continue
            if rng.random() < 0.85:
                found[name] = value
        elif isinstance(default, bool):
            if rng.random() < 0.4:
                found[name] = rng.random() < 0.5
        elif isinstance(default, str) and default in WORDS and rng.random() < 0.3:
            found[name] = rng.choice(_words(name))
        elif _is_word_or_number(default, said.get(name, "")) and rng.random() < 0.4:
            found[name] = rng.choice([3, 5, 7])
        elif default is None and name in placed and rng.random() < 0.5:
            found[name] = sorted(rng.sample(range(4), rng.randint(1, 3)))
        may_be_null = type(default) is int and "None" in said.get(name, "")
        if rng.random() < (0.12 if may_be_null else 0.04):
            found[name] = None
    is_list = "layer_types" in defaults and defaults["layer_types"] is None and "list" in said.get("layer_types", "")
    if is_list and any(name in found and _RULES.get(name) == DEPTH for name in defaults) and rng.random() < 0.2:
        found["layer_types"] = [rng.choice(("full_attention", "sliding_attention")) for _ in range(depth)]
    for alias, name in kind.attribute_map.items():
        if name in found and alias not in defaults and rng.random() < 0.1:
            found[alias] = found.pop(name)
    return found


class Comparison:
    """The data of a class against the class itself, on random configs: what differs is written down as unknown."""

    def __init__(self, asked: Class, key: str, data: dict[str, Data], seed: int) -> None:
        self.asked, self.kind, self.key, self.data = asked, asked.kind, key, data
        self.random = random.Random(seed + 1)
        self.defaults = data[key]["defaults"]
        self.failed: dict[str, int] = {}

    def run(self) -> int:
        """How many configs were equal in the end."""
        for _ in range(ROUNDS):
            known = {k: ConfigClass.of({**shared(), **one}) for k, one in self.data.items()}
            wrong: dict[str, list[tuple[Stated, Any]]] = {}
            equal = tried = 0
            while equal < COMPARED and tried < 5 * COMPARED:
                tried += 1
                stated = {**self.asked.some_stated(self.random), **self.rope(tried)}
                config = observed(self.kind, stated)
                if config is None:
                    continue
                differ = self.differing(config, stated, known)
                for name in differ:
                    wrong.setdefault(name, []).append(self.asked.outcome(name, stated, config))
                equal += not differ
            if not wrong:
                return equal
            for name, outcomes in wrong.items():
                self.mend(name, outcomes[:20])
            if "rules" in self.data[self.key]:
                self.data[self.key]["rules"] = in_order(self.data[self.key]["rules"])
        return 0

    def mend(self, name: str, outcomes: list[tuple[Stated, Any]]) -> None:
        """Another rule that gives these, too; where there is none, the field is unknown."""
        own = self.data[self.key]
        if name.startswith("rope "):
            way = name.removeprefix("rope ")
            if way == own["rope"].get("share", {}).get("by"):
                own["beside"][way]["of"] = []
            else:
                own["rope"]["unsure"].append(way)
            return
        before = next((r for r in own.get("rules", []) if r["field"] == name), {})
        self.failed[name] = self.failed.get(name, 0) + 1
        rule = self.asked.again(name, outcomes) if self.failed[name] < ROUNDS // 2 else None
        own["rules"] = [r for r in own.get("rules", []) if r["field"] != name]
        is_stated = any(b.get(name) is not None for b, _ in outcomes)
        always = before.get("always", not before) or (rule is None and is_stated)
        mended = {"field": name, "rule": "?" if rule is None else rule}
        kept = {key: True for key in ("of_layers",) if before.get(key)}
        own["rules"].append(mended | kept | ({"always": True} if always else {}))

    def rope(self, number: int) -> Stated:
        if "rope" not in self.data[self.key]:
            return {}
        ways: list[Stated] = [
            {}, {"rope_theta": 5e5}, {"rope_scaling": None}, {"rope_scaling": {"type": "linear", "factor": 2.0}},
            {"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                              "original_max_position_embeddings": 8192}},
            {"rope_scaling": {"type": "yarn", "factor": 4.0}}, {"partial_rotary_factor": 0.5},
            {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4}},
            {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0,
                                 "original_max_position_embeddings": 128}},
        ]  # fmt: skip
        kinds = self.data[self.key]["rope"].get("nested")
        if kinds:
            ways.append({"rope_parameters": {k: {"rope_type": "default", "rope_theta": 1e4} for k in kinds}})
            ways.append({"rope_parameters": {k: {"rope_type": "linear", "factor": 8.0} for k in kinds}})
        return copy.deepcopy(ways[number % len(ways)])

    def way(self, stated: Stated) -> str:
        """How a config states its rotary embeddings, or the name that says which share of a head is rotated."""
        name = str(self.data[self.key]["rope"].get("share", {}).get("by"))
        return name if stated.get(name) is not None else rope.ways(stated)[-1]

    def differing(self, config: PreTrainedConfig, stated: Stated, known: Mapping[str, ConfigClass]) -> set[str]:
        try:
            made = config_of(stated, self.key, known)
        except SymflopsError:
            return set()
        found = different(config, made)
        if "rope_parameters" in found:
            found = (found - {"rope_parameters"}) | {f"rope {self.way(stated)}"}
        return found


def different(config: PreTrainedConfig, made: PlainConfig) -> set[str]:
    """The fields of the data that are not those of the config itself; those inside it by their own name."""
    found = set()
    lists = {n: getattr(made, n, UNKNOWN) for n in listed(config)}
    found |= {n for n, here in lists.items() if here is not UNKNOWN and literal(here) != literal(getattr(config, n))}
    for name, value in vars(config).items():
        if name == "model_type":  # which an object has where it is stated
            continue
        if isinstance(value, PreTrainedConfig):
            inner = vars(made).get(name)
            if not isinstance(inner, PlainConfig) or different(value, inner):
                found.add(name)
        elif is_asked(name) or name == "rope_parameters":
            here = vars(made).get(name, "nothing")
            if here is not UNKNOWN and literal(here) != literal(plain_dtype(value)):
                found.add(name)
    more = {n for n, v in vars(made).items() if v is not UNKNOWN and n not in vars(config) and is_asked(n)}
    found |= more - {"num_labels"}
    return found


def plain_dtype(value: Any) -> Any:
    """A value as JSON has it."""
    return plain(value)
