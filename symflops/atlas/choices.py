"""Choices that configs make, each as what it changes in a model file; several are made together where they change
different places.

That a bias is there changes projections, that weights are tied changes the last layer: a config that says both gets
both changes. What a choice changes was seen in a derivation, that several change what each changes alone is checked on
random configs.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import combinations
from typing import Any

from symflops.assumption import Choice, Fact
from symflops.vocabulary.symbols import RUN

Data = dict[str, Any]
_LISTS = ("assumes", "expects", "notes", "needs")  # which are sets: an entry is there or not
_NUMBER = re.compile(r"(\w+) == (\d+)")
_RELATION = re.compile(r"([A-Za-z_]\w*) (==|!=) ([A-Za-z_]\w*|\d+)")
_FREE = ("name", "about", "dtype", "ones", "free", "together", "dtypes")


def difference(base: Mapping[str, Any], other: Mapping[str, Any]) -> Data:
    """What makes one model file of another: places with what stands there, and for lists what is less and more.

    >>> base = {"layers": {"a": {"args": {"n": 1}}, "b": {}}, "assumes": ["x == true"]}
    >>> change = difference(base, {"layers": {"a": {"args": {"n": 2}}}, "assumes": ["x == false"]})
    >>> change["set"], change["gone"], change["lists"]
    ([[['layers', 'a', 'args', 'n'], 2]], [['layers', 'b']], {'assumes': [['x == true'], ['x == false']]})
    >>> combined(base, [change])
    {'layers': {'a': {'args': {'n': 2}}}, 'assumes': ['x == false']}
    """
    put: list[list[Any]] = []
    gone: list[list[str]] = []
    _compare({k: v for k, v in base.items() if k not in (*_LISTS, *_FREE)},
             {k: v for k, v in other.items() if k not in (*_LISTS, *_FREE)}, [], put, gone)  # fmt: skip
    lists = {}
    for key in _LISTS:
        before, after = base.get(key, []), other.get(key, [])
        if list(before) != list(after):
            lists[key] = [[t for t in before if t not in after], [t for t in after if t not in before]]
    return {"set": put, "gone": gone, "lists": lists}


def _compare(
    a: Mapping[str, Any], b: Mapping[str, Any], path: list[str], put: list[list[Any]], gone: list[list[str]]
) -> None:
    for key in [*a, *(k for k in b if k not in a)]:
        here = [*path, key]
        if key not in b:
            gone.append(here)
        elif key not in a:
            put.append([here, b[key]])
        elif isinstance(a[key], dict) and isinstance(b[key], dict):
            _compare(a[key], b[key], here, put, gone)
        elif a[key] != b[key] or type(a[key]) is not type(b[key]):
            put.append([here, b[key]])


def combined(base: Mapping[str, Any], changes: Iterable[Mapping[str, Any]]) -> Data:
    """A model file with some changes."""
    made: Data = copy.deepcopy(dict(base))
    for change in changes:
        for path in change["gone"]:
            _inner(made, path).pop(path[-1], None)
        for path, value in change["set"]:
            _inner(made, path)[path[-1]] = copy.deepcopy(value)
        for key, (less, more) in change["lists"].items():
            made[key] = [*(t for t in made.get(key, []) if t not in less), *more]
    return made


def _inner(data: Data, path: Sequence[str]) -> Data:
    for key in path[:-1]:
        data = data.setdefault(key, {})
    return data


def are_apart(changes: Sequence[Mapping[str, Any]]) -> bool:
    """Whether no place that one change is about is in a place of another.

    >>> one, other = ({"set": [[path, 1]], "gone": [], "lists": {}} for path in (["a", "b"], ["a"]))
    >>> are_apart([one, other]), are_apart([one])
    (False, True)
    """
    every = [[tuple(p) for p in (*c["gone"], *(p for p, _ in c["set"]))] for c in changes]
    for i, some in enumerate(every):
        for others in every[:i]:
            if any(a[: len(b)] == b or b[: len(a)] == a for a in some for b in others):
                return False
    return True


def fitting(base: Mapping[str, Any], changes: Sequence[Mapping[str, Any]], says: Callable[[str], bool]) -> Data | None:
    """The model file of the choices that a config makes, `says` whether it says a fact; None where some of them change
    the same place, or were never made together. Choices that it makes otherwise than any that is known stay as the
    first model has them.

    >>> base = {"layers": {"a": 1, "b": 1}, "assumes": ["x == true", "y == true"], "together": []}
    >>> x, y = ({"set": [[["layers", k], 2]], "gone": [], "lists": {"assumes": [[f"{n} == true"], [f"{n} == false"]]}}
    ...         for k, n in (("a", "x"), ("b", "y")))
    >>> fitting(base, [x, y], lambda text: text in ("x == false", "y == true"))["layers"]
    {'a': 2, 'b': 1}
    >>> fitting(base, [x, y], lambda text: text.endswith("false")) is None
    True
    >>> fitting({**base, "together": [[0, 1]]}, [x, y], lambda text: text.endswith("false"))["layers"]
    {'a': 2, 'b': 2}
    """
    places = chosen(base, changes, says)
    return None if places is None else combined(base, [changes[place] for place in places])


def chosen(
    base: Mapping[str, Any],
    changes: Sequence[Mapping[str, Any]],
    says: Callable[[str], bool],
    lacks: Callable[[str], bool] = lambda text: False,
) -> tuple[int, ...] | None:
    """The places of the choices that a config makes, in the order in which they are made; None where they do not go
    together. `lacks` is whether it has no layers of a kind that a choice has seen: a model without these comes first.

    >>> both, one = 'kinds[i] in ["a", "b"]', 'kinds[i] in ["a"]'
    >>> change = {"set": [], "gone": [["layers", "b"]], "lists": {"assumes": [[both], [one]]}}
    >>> chosen({}, [change], lambda text: True), chosen({}, [change], lambda text: True, lambda text: text == both)
    ((), (0,))
    """
    found: list[int] = []
    needed = {place: _needed(change, base, says, lacks) for place, change in enumerate(changes)}
    # Several facts at once before each alone.
    for place in sorted(needed, key=lambda p: (-needed[p], -len(_more(changes[p])))):
        change = changes[place]
        stated = [t for t in _less(change) if t.endswith(" == null") and _is_symbol(t.partition(" == ")[0], change)]
        if needed[place] and all(map(says, _more(change))) and not any(map(says, stated)):
            settled = {t for p in found for t in _less(changes[p])}
            if not set(_less(change)) & settled:
                found.append(place)
    if not are_apart([changes[place] for place in found]) or not _were_together(base, found):
        return None
    return tuple(reversed(found))


def _needed(
    change: Mapping[str, Any], base: Mapping[str, Any], says: Callable[[str], bool], lacks: Callable[[str], bool]
) -> int:
    """How much of what the first model takes for granted a config breaks, and a change mends."""
    return sum(not says(t) or lacks(t) for t in _less(change)) + sum(_is_of_size(t, base) for t in _more(change))


def _is_symbol(name: str, change: Mapping[str, Any]) -> bool:
    """Whether a field that was nothing is a size of the model after a change."""
    return any(path == ["symbols", name] for path, _ in change["set"])


def _were_together(base: Mapping[str, Any], chosen: Sequence[int]) -> bool:
    """Whether each two of these choices were derived together."""
    known = [{*group} for group in base.get("together", [])]
    return all(any({a, b} <= group for group in known) for a, b in combinations(chosen, 2))


def _is_of_size(text: str, base: Mapping[str, Any]) -> bool:
    """Whether it says of a size of the first model that it is a certain number, or that there is none."""
    name, _, value = text.partition(" == ")
    return _NUMBER.fullmatch(text) is not None or (value == "null" and name in base.get("symbols", {}))


def _less(change: Mapping[str, Any]) -> list[str]:
    return [t for t in change["lists"].get("assumes", [[], []])[0] if is_said(t)]


def _more(change: Mapping[str, Any]) -> list[str]:
    return [t for t in change["lists"].get("assumes", [[], []])[1] if is_said(t)]


@cache
def is_said(text: str) -> bool:
    """Whether an assumption is one that a config says or does not say, whatever its sizes are."""
    return Fact.of(text) is not None or Choice.of(text) is not None or relation(text) is not None


@cache
def relation(text: str) -> tuple[str, str, str] | None:
    """What an assumption says of a size: that it is another one, or a number, or that it is not. Of a call it says
    nothing of a config.

    >>> relation("width != hidden_size"), relation("n_group == 1"), relation("tied == true"), relation("a % b == 0")
    (('width', '!=', 'hidden_size'), ('n_group', '==', '1'), None, None)
    >>> relation("past_len == 0")
    """
    found = _RELATION.fullmatch(text) if Fact.of(text) is None else None
    return (found[1], found[2], found[3]) if found and found[1] not in RUN else None


@cache
def expected(text: str) -> tuple[str, str]:
    """The field that such an assumption is about, and what it is to be, as JSON."""
    fact = Fact.of(text)
    if fact is not None:
        return fact.name, json.dumps(fact.value, sort_keys=True)
    name, _, number = text.partition(" == ")
    return name, number
