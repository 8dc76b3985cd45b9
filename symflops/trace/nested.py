"""Arguments that are dictionaries, lists, tuples or records of tensors: made of what stands in each place of them, and
calls with arguments that have a place and no name."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any

from torch import nn


class Fields(dict[str, Any]):
    """A dictionary whose entries are attributes, too, as those of what a tokenizer gives."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def assembled(found: Mapping[str, Any], model: nn.Module) -> dict[str, Any]:
    """The arguments of a call, of what stands at the places in them, `batch.image` or `features.0`: dictionaries where
    places have names, lists where they have numbers, and what the annotation of an argument says, if it says so."""
    tree: dict[str, Any] = {}
    for place, value in found.items():
        *above, last = place.split(".")
        inside = tree
        for part in above:
            inside = inside.setdefault(part, {})
        inside[last] = value
    kinds = annotations_of(type(model).forward) if any("." in place for place in found) else {}
    return {name: _made(value, kinds.get(name)) for name, value in tree.items()}


def annotations_of(function: Any) -> dict[str, Any]:
    """What the arguments of a function are annotated with; nothing where that cannot be read."""
    try:
        return typing.get_type_hints(function)
    except Exception:  # a name that is imported for type checkers alone, or whatever an annotation of one's own raises
        return {name: kind for name, kind in getattr(function, "__annotations__", {}).items() if type(kind) is not str}


def without_none(kind: Any) -> Any:
    """The one type that an optional argument has when it is given; any other as it is."""
    if typing.get_origin(kind) in (typing.Union, UnionType):
        kinds = [one for one in typing.get_args(kind) if one is not NoneType]
        return kinds[0] if len(kinds) == 1 else kind
    return kind


def _made(value: Any, kind: Any) -> Any:
    if type(value) is not dict:
        return value
    kind = without_none(kind)
    origin, inner = typing.get_origin(kind) or kind, typing.get_args(kind)
    if all(part.isdigit() for part in value):
        each = [_made(value[part], _of_entry(inner, i)) for i, part in enumerate(sorted(value, key=int))]
        return tuple(each) if origin is tuple else each
    fields = {name: _made(one, _of_field(origin, inner, name)) for name, one in value.items()}
    is_record = dataclasses.is_dataclass(origin) or (inspect.isclass(origin) and hasattr(origin, "_fields"))
    return origin(**fields) if is_record else Fields(fields)


def _of_entry(inner: tuple[Any, ...], place: int) -> Any:
    """The annotation of an entry of a list, or of a tuple of any or of a certain length."""
    return None if not inner else inner[place] if place < len(inner) and inner[-1] is not ... else inner[0]


def _of_field(origin: Any, inner: tuple[Any, ...], name: str) -> Any:
    return inner[-1] if inner else annotations_of(origin).get(name) if inspect.isclass(origin) else None


def called(model: nn.Module, given: Mapping[str, Any]) -> Any:
    """The model called with these arguments; by place are those that have no name to give them by, as `*features`."""
    accepted = [*inspect.signature(type(model).forward).parameters.values()][1:]
    several = next((p for p in accepted if p.kind is p.VAR_POSITIONAL and p.name in given), None)
    by_place = [p.name for p in accepted if p.kind is p.POSITIONAL_ONLY and p.name in given]
    if several is not None:
        by_place = [p.name for p in accepted[: accepted.index(several)] if p.name in given]
    more = [] if several is None else given[several.name]
    more = more if isinstance(more, list | tuple) else [more]
    named = {n: value for n, value in given.items() if n not in by_place and (several is None or n != several.name)}
    return model(*(given[name] for name in by_place), *more, **named)
