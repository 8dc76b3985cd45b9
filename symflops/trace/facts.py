"""What a derived closed form takes from its config beside sizes: choices, lists, numbers that stayed numbers."""

from __future__ import annotations

from collections.abc import Iterable
from inspect import signature
from typing import Any

from symflops.numeric import RUN_SYMBOLS
from symflops.trace.architecture import LABELS, Architecture, fields_of, is_size, parts, stated
from symflops.trace.config_values import WHOLE, literal
from symflops.trace.layer_lists import computed_lists, layer_fields
from symflops.trace.naming import RepeatNames
from symflops.trace.notes import listed
from symflops.trace.overrides import gives, overrides
from symflops.trace.run import Run
from symflops.tree import NAME
from symflops.vocabulary.fields import means


def facts(run: Run, symbols: Iterable[str], depths: RepeatNames) -> list[str]:
    """The config's choices that the model's source read and that are not symbols: `hidden_act == "silu"`, and of lists
    that speak of single layers what they say of any of them."""
    known = set(symbols)
    found: list[tuple[str, str, str]] = []
    reads = {id(part): _read(run, part) for _, part in parts(run.build.original)}
    of_layers = {key for _, key in run.build.reads} & depths.lists.lists.keys()
    choices, covered = depths.choices(set().union(of_layers, *reads.values()) - known)
    for prefix, part in parts(run.build.original):
        fields = layer_fields(part) | stated(part)
        computed = {key for key in computed_lists(type(part)) if (prefix, key) in run.build.reads}
        for key in (reads[id(part)] | computed | stated(part).keys() - vars(part).keys()) - known:
            value = fields[key]
            if isinstance(value, list | tuple) and any(
                name in covered and list(value) == depths.lists.lists[name] for name in (key, f"{prefix}{key}")
            ):
                continue
            counts = type(value) is int and value >= 0  # a negative number is a place from the end, or a word for none
            if not counts and (value is None or isinstance(value, bool | str | int | float | list | tuple | dict)):
                text = literal(value)
                if text:
                    found.append((prefix, key, text))
    texts = [*_told_apart(found), *(f"{key} == null" for key in _absent(run) - known)]
    return [*choices, *sorted(dict.fromkeys(texts))]


def _told_apart(found: Iterable[tuple[str, str, str]]) -> list[str]:
    """Facts as texts: of a field that parts of the config have otherwise, each with the prefix of its part."""
    said: dict[str, set[str]] = {}
    for _, key, text in found:
        said.setdefault(key, set()).add(text)
    named = ((key if len(said[key]) == 1 else f"{prefix or WHOLE}{key}", text) for prefix, key, text in found)
    return [f"{name} == {text}" for name, text in named]


def numbers_kept(run: Run, shape: Architecture, symbols: Iterable[str], depths: RepeatNames) -> dict[str, int]:
    """The integers that the model's source read and that stayed numbers in the closed form, and how many places of
    layers a list has of which no symbol counts the layers: there may be as many other modules."""
    known = {*symbols, *shape.numbers, *RUN_SYMBOLS}
    found: dict[str, int] = {}
    taken: set[str] = set()
    for prefix, part in parts(run.build.original):
        read = _read(run, part)
        for key, value in fields_of(part).items():
            if type(value) is int and value >= 0 and NAME.match(key):
                name = key if key not in taken else f"{prefix}{key}"  # as in `architecture`
                taken.add(name)
                is_read = key in read or (key == LABELS and (prefix, key) in run.build.reads)
                if is_read and name not in known:
                    found.setdefault(name, value)
        for o in overrides(part):
            name = o.name if o.name not in taken else f"{prefix}{o.name}"
            taken.add(name)
            if name not in known:
                found.setdefault(name, o.number)
    read_lists = {key for _, key in run.build.reads} & depths.lists.lists.keys()
    return found | {n: v for n, v in depths.places_kept(read_lists - known).items() if n not in known}


def _read(run: Run, part: Any) -> set[str]:
    """The fields of a part of the config that the model's source read and that a cost may depend on."""
    aliases = getattr(part, "attribute_map", {})
    # Whether weights are tied is asked outside of the model's own source.
    read = {"tie_word_embeddings", *(aliases.get(key, key) for _, key in run.build.reads)} & vars(part).keys()
    trained = run.recorder is not None and run.recorder.tape is not None
    return {
        key for key in read
        if not key.startswith("_") and (not means(key, "irrelevant") or (trained and means(key, "dropout")))
    }  # fmt: skip


def flat_sizes(run: Run) -> list[str]:
    """Notes on numbers beside the configs of a model's parts that no source read: where a part has another one, and
    sizes that neither a part nor the config's class has."""
    (prefix, whole), *others = parts(run.build.original)
    otherwise, nowhere = [], []
    for key, value in vars(whole).items():
        if type(value) is int and (prefix, key) not in run.build.reads and not means(key, "irrelevant"):
            inside = [vars(part)[key] for _, part in others if key in vars(part)]
            if inside and value not in inside:
                otherwise.append(f"{key} = {value}")
            elif others and not inside and value > 1 and is_size(key) and not _declares(type(whole), key):
                nowhere.append(f"{key} = {value}")
    unread = "nothing reads these fields of the config"
    return [
        *([f"{unread}, whose values differ in the configs of its parts: {listed(otherwise)}"] if otherwise else []),
        *([f"{unread}, which {type(whole).__name__} does not know: {listed(nowhere)}"] if nowhere else []),
    ]


def _declares(kind: type, key: str) -> bool:
    """Whether a class of configs has a field of this name, and so perhaps a source that reads it in another call."""
    own = (key in vars(base) or key in vars(base).get("__annotations__", {}) for base in kind.__mro__)
    return any(own) or key in signature(kind).parameters


def _absent(run: Run) -> set[str]:
    """The fields that the model's source asked for and that no part of the config has, so that the source took its own
    default: a config that has one may take another path."""
    every = [part for _, part in parts(run.build.original)]
    read = {key for _, key in run.build.reads if not means(key, "irrelevant")}
    return {key for key in read if not any(gives(part, key) for part in every)}
