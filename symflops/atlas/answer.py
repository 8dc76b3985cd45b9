"""A config is answered from the atlas, or it is said which condition it breaks."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Mapping
from dataclasses import replace
from typing import Any

from symflops.assumption import Choice
from symflops.atlas import rope
from symflops.atlas.choices import chosen, combined, expected, relation
from symflops.atlas.entries import Entry, FittingModel, entry, types
from symflops.atlas.plain import UNKNOWN, PlainConfig, config_of, stand_in
from symflops.domain import Domain
from symflops.errors import SymflopsError, one_line
from symflops.model import Model
from symflops.originals import converted, release_of
from symflops.trace.architecture import is_size, parts
from symflops.trace.config_values import WHOLE, ConfigValues, literal, made_for, said_of_layers, unfit, unseen
from symflops.trace.layer_lists import LayerLists
from symflops.trace.naming import count_name, places_name
from symflops.trace.notes import dtype, listed
from symflops.trace.own_formats import in_own_formats
from symflops.vocabulary.fields import means, without

_SIZES = {"hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"}  # of a text model


def answer(stated: Mapping[str, Any], name: str) -> Model:
    """The model of a config, from the atlas, under this name.

    Raises SymflopsError, one line, for a type that the atlas has not, and for a config that breaks a condition of each
    of its models: the one that breaks least is named.

    >>> answer({"model_type": "of_nobody"}, "mine")
    Traceback (most recent call last):
    symflops.errors.SymflopsError: mine: the atlas has no type 'of_nobody'
    """
    if release_of(stated) is not None:
        config, said = converted(stated)
        of_release = answer(config, name)
        return replace(of_release, notes=(*of_release.notes, said))
    try:
        kind = stated.get("model_type")
        if not isinstance(kind, str) or kind not in types():
            raise SymflopsError(f"the atlas has no type {str(kind)[:60]!r}")
        found = entry(kind)
    except SymflopsError as error:
        raise error.within(name) from None
    return answer_from(found, stated, name)


def answer_from(found: Entry, stated: Mapping[str, Any], name: str) -> Model:
    """The same from one entry."""
    try:
        config, named = _made(found, stated)
    except SymflopsError as error:
        raise error.within(name) from None
    base, *changes = found.models[named]
    stand_in(config, base.get("free", ()))
    if "dtypes" in base and (stated_dtype := vars(config).get("dtype")) not in base["dtypes"]:
        usual, given = literal(base["dtypes"][-1]), one_line(literal(stated_dtype), 100)
        raise SymflopsError(f"assumption broken: dtype == {usual} (with dtype={given})", where=name)
    lists = LayerLists(config)
    said = _said(config) | {places_name(key): {str(len(values))} for key, values in lists.lists.items()}
    depths = {depth for some in lists.depths.values() for depth in some}

    def says(text: str) -> bool:
        choice = Choice.of(text)
        if choice is not None:
            layers = said_of_layers(lists, choice, depths)
            return layers is not None and unseen(choice, layers) is None
        field, value = expected(text)
        if (compared := relation(text)) is not None:
            one, sign, other = compared
            here, there = said.get(one, {"null"}), {other} if other.isdigit() else said.get(other, {"null"})
            return here == there if sign == "==" else here.isdisjoint(there)
        return said.get(field, {"null"}) <= {value}

    def lacks(text: str) -> bool:
        choice = Choice.of(text)
        layers = None if choice is None else said_of_layers(lists, choice, depths)
        return choice is not None and layers is not None and not {*map(json.dumps, choice.seen)} <= {*layers}

    places = chosen(base, changes, says, lacks)
    if places is None:
        why = "the choices that the config makes change the same places of the model, or were not derived together"
        raise SymflopsError(why, where=name)
    fit = found.fit(named, places, lambda: combined(base, [changes[p] for p in places]))
    return _bound(fit, config, name, found)


def config_for(stated: Mapping[str, Any]) -> PlainConfig:
    """What the class of a config's type makes of it."""
    found = entry(str(stated.get("model_type")))
    return config_of(stated, found.model_type, found.classes)


def _made(found: Entry, stated: Mapping[str, Any]) -> tuple[PlainConfig, str]:
    """What a type's class makes of the config, and the name of the models that it is for."""
    named = _class_named(found, stated)
    config = config_of(stated, found.model_type, found.classes)
    for _, part in parts(config):
        given = vars(part).get(rope.FIELD)
        if isinstance(given, dict) and "rope_type" in given:
            given.pop("type", None)  # its older name, which nothing reads where there is the other
    _drop_unknown(config, found.asked)
    if (of_parts := _with_parts(named, config, found)) not in found.models:
        raise SymflopsError(f"the atlas has no {of_parts[:160].replace(' ', ' with ', 1)}")
    of_dtype = f"{of_parts} dtype={vars(config).get('dtype')}"
    return config, of_dtype if of_dtype in found.models else of_parts


def _with_parts(named: str, config: PlainConfig, found: Entry) -> str:
    """A class of models with the types of a config's parts, where these are none of the usual ones, as
    `LlavaForConditionalGeneration vision_config=pixtral`."""
    others = []
    for _, one in parts(config):
        for name, about in one.of_class.parts.items():
            part = vars(one).get(name)
            usual = found.classes[about["class"]]
            if isinstance(part, PlainConfig) and about.get("by_type") and part.of_class is not usual:
                others.append(f"{name}={part.of_class.model_type}")
    return " ".join([named, *sorted(others)])


def _drop_unknown(config: PlainConfig, asked: Container[str]) -> None:
    """Take a size out of a config inside another one that its own class does not know, and that one of the others has
    otherwise, as LLaVA's vocabulary of images: a symbol is the others'. Raises SymflopsError for one that a model's
    source `asked` for where it was not stated."""
    _, *inside = parts(config)
    for prefix, part in inside:
        kind = part.of_class
        known = {*kind.defaults, *kind.beside, *(rule["field"] for rule in kind.rules)}
        for name, value in [*vars(part).items()]:
            if type(value) is not int or name in known or not is_size(name):
                continue
            others = [vars(o).get(name) for _, o in parts(config) if o is not part and name in o.of_class.defaults]
            if any(other != value for other in others):
                if name in asked or f"{prefix}{name}" in asked:
                    raise SymflopsError(f"{prefix}config states {name} = {value}, which its class does not know")
                del vars(part)[name]


def _class_named(found: Entry, stated: Mapping[str, Any]) -> str:
    """The class of models that a config is for."""
    named = stated.get("architectures") or [found.default]
    named = [named] if isinstance(named, str) else named
    if not isinstance(named, list) or not all(isinstance(n, str) for n in named):
        raise SymflopsError("architectures: expected a list of names of classes")
    alike = [name for name in found.data.get("other_letters", ()) if name.lower() == named[0].lower()]
    if alike and not (_SIZES & stated.keys() and found.classes[found.model_type].parts):
        return str(alike[0])
    if named[0] not in {name.partition(" ")[0] for name in found.models}:  # transformers may have it: it is the one
        raise SymflopsError(f"the atlas has no {named[0][:80]} of the type {found.model_type}")
    return str(named[0])


def _said(config: PlainConfig) -> dict[str, set[str]]:
    """What a config and those inside it say under each name, as JSON."""
    fields: dict[str, set[str]] = {}
    for prefix, part in parts(config):
        for key, value in vars(part).items():
            for name in {key, f"{prefix or WHOLE}{key}"}:
                fields.setdefault(name, set()).add(literal(value))
    return fields


def _bound(fit: FittingModel, config: PlainConfig, name: str, found: Entry) -> Model:
    for prefix, key, needed in fit.needs:
        value = vars(dict(parts(config)).get(prefix, config)).get(key, UNKNOWN)
        if value is UNKNOWN or value != needed:
            said = "unknown" if value is UNKNOWN else one_line(literal(value), 100)
            raise SymflopsError(f"assumption broken: {key} == {literal(needed)} (with {key}={said})", where=name)
    model = fit.model
    try:
        values = ConfigValues(model, config)
        bound = {
            symbol: number if _is_settled(symbol, values) else values.of(symbol, small=symbol in fit.ones)
            for symbol, number in model.symbols.items()
        }
        values.check_facts()
        values.check_choices()
        _check_first(values, bound)
        _check_stages(values)
    except SymflopsError as error:
        raise error.within(name) from None
    result = replace(
        model,
        name=name,
        dtype=dtype(config),
        usual=Domain.of(made_for(config, model.domain)),
        notes=(*model.notes, *_unread(config), *_in_other_letters(config, found), found.said),
    )
    total = result._within_domain(model.total(symbolic=True))  # which is the same whatever the numbers are
    vars(result).update({"layers": model.layers, "_symbolic_total": total})
    return in_own_formats(result.with_symbols(bound), config)


def _in_other_letters(config: PlainConfig, found: Entry) -> list[str]:
    """A note on a class that transformers has in other letters alone, as a derivation says it."""
    given = vars(config).get("architectures") or []
    named = given if isinstance(given, str) else given[0] if given else ""
    used = [name for name in found.models if name.lower() == named.lower() and name != named]
    return [f"architectures names {named}, which transformers does not have: {name} is used for it" for name in used]


def _check_first(values: ConfigValues, bound: Mapping[str, int]) -> None:
    """Raise SymflopsError where a model was derived with one layer of the kind of its first one, and the config has
    more: whether the first is another one for its place or for its kind, nobody saw."""
    for choice in values.model.domain.choices:
        first, *others = choice.seen or [None]
        name = count_name(first) if isinstance(first, str) else ""
        if others and values.model.definitions.get(name) == 1 and bound.get(name, 0) > 1:
            raise unfit(f"of its {bound[name]} layers of the type {first!r} the first alone was derived")


def _check_stages(values: ConfigValues) -> None:
    """Raise SymflopsError where a config has other stages than were derived, of a model in which no other number of
    modules is a symbol: that each was seen, as wide and as deep, does not say that there are as many of each."""
    counts = {name for name in values.model.definitions if _is_count(name)}
    if counts - _counts_of_stages(values.model):
        return
    for choice in values.model.domain.choices:
        seen = [*map(json.dumps, choice.seen)]
        layers = said_of_layers(values.depths.lists, choice, values.totals)
        if any(map(_is_of_sizes, choice.seen)) and layers != seen:
            raise unfit(f"its {', '.join(choice.statements)} are not {one_line(', '.join(seen), 100)}, in this order")


def _counts_of_stages(model: Model) -> set[str]:
    """The symbols for how many stages of a size there are."""
    found = set()
    for choice in model.domain.choices:
        for place, statement in enumerate(choice.statements):
            stem = without(statement.removesuffix("[i]"), "layer_places_ending")
            sizes = [said[place] if isinstance(said, list) else said for said in choice.seen]
            found |= {count_name(f"{stem}_{json.dumps(size)}") for size in sizes if _is_of_sizes(size)}
    return found


def _is_count(symbol: str) -> bool:
    """Whether a symbol says how many layers of a kind there are, and not how many in all, as `num_layers` does."""
    return re.fullmatch("num_.*_layers", symbol) is not None


def _is_of_sizes(said: Any) -> bool:
    """Whether something that is said of a layer is a size, and no kind, place or switch."""
    return any(type(value) is int and value > 1 for value in (said if isinstance(said, list) else [said]))


def _is_settled(symbol: str, values: ConfigValues) -> bool:
    """Whether a symbol is a number of modules that no config states, of a model in which no number of layers is a
    symbol: then all that the number depends on is held against the config as facts, such as `depths`, or as stages."""
    if symbol in _counts_of_stages(values.model) and symbol not in values.fields:
        return not {name for name in values.model.definitions if _is_count(name)} - _counts_of_stages(values.model)
    is_count = _is_count(symbol)
    depths = (name for name in values.model.symbols if name in values.fields and means(name, "depth"))
    are_facts = values.depths.lists.lists.keys() <= {fact.name for fact in values.model.domain.facts}
    return is_count and symbol not in values.fields and are_facts and not any(depths)


def _unread(config: PlainConfig) -> list[str]:
    """A note on sizes beside the configs of a model's parts that no class of them knows, as a derivation says it."""
    (_, whole), *others = parts(config)
    known = {*whole.of_class.defaults, *(rule["field"] for rule in whole.of_class.rules)}
    own = {n: v for n, v in vars(whole).items() if type(v) is int and v > 1 and is_size(n) and n not in known}
    nowhere = [f"{n} = {v}" for n, v in own.items() if not any(n in vars(part) for _, part in others)]
    if not others or not nowhere:
        return []
    kind = whole.of_class.model_type
    return [f"nothing reads these fields of the config, which the type {kind} does not know: {listed(nowhere)}"]
