"""Many configs of one type at once: a config with some of its sizes on axes, as one closed form over arrays.

The first of them is answered as any config is. What the others are is then known, where a size decides nothing but
itself and what its class computes of it: that is computed for each. Where it decides more (how many layers of each kind
there are, a condition between two sizes) each of its values is answered on its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from symflops import arrays
from symflops.assumption import Choice, Fact
from symflops.atlas.answer import answer, config_for
from symflops.atlas.entries import entry
from symflops.atlas.plain import ConfigClass, PlainConfig
from symflops.atlas.rules import evaluate
from symflops.errors import SymflopsError
from symflops.given import Axis
from symflops.grid import Sweep
from symflops.model import Model

if TYPE_CHECKING:
    import numpy as np

Columns = dict[str, "np.ndarray[Any, Any]"]


def designs(stated: Mapping[str, Any], name: str, axes: Mapping[str, Sequence[int]], **run: Axis) -> Sweep:
    """The total of configs that differ in these fields, over the grid of their values and those of run symbols.

    Raises SymflopsError for one that the atlas does not answer, and for a field that is no size of the model.

    >>> designs({"hidden_size": 64}, "mine", {"num_hidden_layers": [1, 2]})
    Traceback (most recent call last):
    symflops.errors.SymflopsError: mine: the config states no model_type
    """
    try:
        kind = _class_of(stated)
    except SymflopsError as error:
        raise error.within(name) from None
    own = {kind.aliases.get(field, field): [*values] for field, values in axes.items()}
    for field, values in own.items():
        if not values or any(type(v) is not int or v < 2 for v in values):
            raise SymflopsError(f"{field}: expected whole numbers from 2 on, as a list", where=name)
    stated = {k: v for k, v in stated.items() if kind.aliases.get(k, k) not in own}
    first = {field: values[0] for field, values in own.items()}
    model = answer({**stated, **first}, name)
    config = config_for({**stated, **first})
    outer = [field for field in own if _decides(field, config, kind, model, stated)]
    grid = arrays.grid({**own, **{n: axis for n, axis in run.items() if not isinstance(axis, int | float)}})
    columns: Columns = {}
    for at in _combinations({field: own[field] for field in outer}):
        _put_in(columns, answer({**stated, **first, **at}, name), model, at, own, grid)
    inner = {field: grid[field] for field in own if field not in outer}
    columns |= {n: c for n, c in _computed(inner, kind, config, stated).items() if n in model.symbols}
    columns |= {field: grid[field] for field in own}
    unread = [field for field in own if field not in model.symbols and not _changes(field, kind, model)]
    if unread:
        raise SymflopsError(f"{unread[0]} is no size of the model", where=name)
    rest = {n: axis for n, axis in run.items() if n not in grid}
    return swept(model, {n: c for n, c in columns.items() if n in model.symbols}, grid, rest)


def swept(model: Model, columns: Columns, grid: Columns, given: Mapping[str, Any]) -> Sweep:
    """The total of a model where some of its symbols are arrays that broadcast against the axes of a grid."""
    from symflops import algebra, polynomial

    total = model.total(symbolic=True)
    every = {**grid, **columns}
    fixed = {n: v for n, v in model.symbols.items() if n not in columns}
    numbers = {n: v for n, v in total.with_defaults(given).items() if n not in every}
    follow = {n: to for n, row in total.run.items() if (to := row.follows) in every and n not in given}
    bindings = {**numbers, **fixed, **{n: polynomial.symbol(to) for n, to in follow.items() if to}}
    values = {m: algebra.substitute(value, bindings) for m, value in total.by_metric.items()}
    return Sweep(values, total.domain.substitute(bindings), every)


def _class_of(stated: Mapping[str, Any]) -> ConfigClass:
    kind = stated.get("model_type")
    if not isinstance(kind, str):
        raise SymflopsError("the config states no model_type")
    return entry(kind).classes[kind]


def _decides(field: str, config: PlainConfig, kind: ConfigClass, model: Model, stated: Mapping[str, Any]) -> bool:
    """Whether a field decides more than its own number: a list of the config is as long, or is computed of it, a
    choice or a condition of some model of the type asks whether it is another size, or a fact names it."""
    changed = {field, *_following({field}, kind, stated)}
    fields = vars(config)
    if any(isinstance(fields.get(n), list) for n in changed) or field not in model.symbols:
        return True
    if any(isinstance(v, list) and len(v) == fields.get(field) for v in fields.values()):
        return True
    if any(isinstance(part, PlainConfig) for part in fields.values()):
        return True  # whose parts may have a field of the same name
    found = entry(str(stated["model_type"]))
    texts = {text for models in found.models.values() for one in models for text in _texts(one)}
    return any(changed & {*re.findall(r"\w+", text)} for text in texts)


def _texts(one: Mapping[str, Any]) -> Iterable[str]:
    """What a model of an entry says that chooses it: facts, choices, and sizes that are compared with each other."""
    less, more = one["lists"].get("assumes", [[], []]) if "lists" in one else (one["assumes"], [])
    chosen = (t for t in (*less, *more) if "lists" in one or Fact.of(t) is not None or Choice.of(t) is not None)
    return [t for t in chosen if Fact.of(t) is None]


def _following(fields: set[str], kind: ConfigClass, stated: Mapping[str, Any]) -> list[str]:
    """The fields that the class computes of these, in order."""
    found: list[str] = []
    for rule in kind.rules:
        is_given = stated.get(rule["field"]) is not None and not rule.get("always")
        if not is_given and _names(rule["rule"]) & {*fields, *found}:
            found.append(rule["field"])
    return found


def _names(rule: Any) -> set[str]:
    if isinstance(rule, str):
        return {rule}
    return set().union(*map(_names, rule)) if isinstance(rule, list) else set()


def _changes(field: str, kind: ConfigClass, model: Model) -> bool:
    return any(n in model.symbols for n in _following({field}, kind, {}))


def _combinations(axes: Mapping[str, Sequence[int]]) -> Iterable[dict[str, int]]:
    return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]


def _put_in(
    columns: Columns,
    other: Model,
    model: Model,
    values: Mapping[str, int],
    own: Mapping[str, Sequence[int]],
    grid: Columns,
) -> None:
    """The numbers of one answer, at its place in arrays over the fields that decide."""
    import numpy as np

    if other.total(symbolic=True).by_metric != model.total(symbolic=True).by_metric or other.domain != model.domain:
        said = ", ".join(f"{field}={value}" for field, value in values.items())
        raise SymflopsError(f"another closed form holds with {said}", where=model.name)
    shape = [len(own[f]) if f in values else 1 for f in own] + [1] * (len(grid) - len(own))
    place = tuple(own[f].index(values[f]) if f in values else 0 for f in own) + (0,) * (len(grid) - len(own))
    for symbol, number in other.symbols.items():
        if values and number is not None:
            columns.setdefault(symbol, np.zeros(shape, dtype=np.int64))[place] = number


def _computed(inner: Columns, kind: ConfigClass, config: PlainConfig, stated: Mapping[str, Any]) -> Columns:
    """What the class computes of fields that are arrays, at each combination of their values."""
    import numpy as np

    found: Columns = dict(inner)
    for name in _following({*inner}, kind, stated):
        rule = next(r["rule"] for r in kind.rules if r["field"] == name)
        read = {n: found[n] for n in _names(rule) & found.keys()}
        fields = {**vars(config), **({name: None} if stated.get(name) is None else {})}
        spread = np.broadcast_arrays(*read.values())
        made = np.empty(spread[0].shape, dtype=np.int64)
        for place in np.ndindex(made.shape):
            value = evaluate(rule, {**fields, **{n: int(a[place]) for n, a in zip(read, spread, strict=True)}})
            if type(value) is not int or value < 2:
                raise SymflopsError(f"{name} is {str(value)[:40]} for some of them")
            made[place] = value
        found[name] = made
    return found
