"""Repeated layers become one layer with `repeat`, under the config's own name for how often."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from symflops.errors import SymflopsError

Data = dict[str, Any]
Namer = Callable[[str, list[int], int, str], "str | int"]
Labels = Callable[[list[list[int]], int], list[str]]


def fold(layers: Data, namer: Namer, labels: Labels, path: str = "") -> Data:
    """The layers with numbered children folded.

    `namer(path, indices, total, label)` returns the repeat expression of one group of equal layers: their indices, out
    of `total`; `labels(kinds, total)` returns what the config calls the kinds of layers at these indices, or [].
    """
    folded: Data = {}
    for name, data in layers.items():
        where = f"{path}.{name}" if path else name
        if "sub_layers" in data:
            below = fold(data["sub_layers"], namer, labels, where)
            numbered = {k: v for k, v in below.items() if k.isdigit()}
            if len(numbered) > 1 or (numbered and list(numbered) == list(below)):
                data = {**data, "sub_layers": below}
                folded[name] = _folded(data, numbered, namer, labels, where)
                continue
            data = {**data, "sub_layers": below}
        folded[name] = data
    return folded


def without_places(layers: Data) -> Data:
    """The layers with the numbers taken out of the paths that `tied` names, so that equal layers are equal."""
    result = {}
    for name, data in layers.items():
        if "sub_layers" in data:
            data = {**data, "sub_layers": without_places(data["sub_layers"])}
        elif "tied" in data:
            *above, last = data["tied"].split(".")  # the last may be a number that is no place of an equal layer
            data = {**data, "tied": ".".join([*(p for p in above if not p.isdigit()), last])}
        result[name] = data
    return result


def with_owners(layers: Data) -> Data:
    """The layers with each `tied` naming a layer that there is: the first one that owns weights along that path."""
    paths: list[list[str]] = []
    leaves: dict[tuple[str, ...], Data] = {}

    def collect(below: Data, path: list[str]) -> None:
        for name, data in below.items():
            if "sub_layers" in data:
                collect(data["sub_layers"], [*path, name])
            elif "tied" not in data:
                paths.append([*path, name])
                leaves[*path, name] = data

    def named(below: Data) -> Data:
        result = {}
        for name, data in below.items():
            if "sub_layers" in data:
                data = {**data, "sub_layers": named(data["sub_layers"])}
            elif "tied" in data:
                wanted = data["tied"].split(".")
                along = [p for p in paths if p == wanted] or [p for p in paths if _along(wanted, p)]
                if wanted[-1].isdigit() and len(wanted) > 1:
                    along = along or [p for p in paths if _along(wanted[:-1], p)]
                if not along:
                    # A kind of layer has the name of its class, and no number. Its owner may be one of the same class,
                    # or a step of a module that computes with a weight of one that it calls.
                    inner = wanted[:-1] if wanted[-1].isdigit() else wanted
                    below_it = {tuple(p): leaves[tuple(p)] for p in paths if _begins_along(inner, p)}
                    same = [list(p) for p, leaf in below_it.items() if leaf.get("class") == data.get("class")]
                    steps = [list(p) for p, leaf in below_it.items() if leaf.get("cost", {}).get("parameters", 0) != 0]
                    along = (same if inner != wanted else []) or steps
                owner = along[0] if along else None
                if owner is None:
                    raise SymflopsError(f"no layer owns the weights that {name} shares with {data['tied']}")
                data = {**data, "tied": ".".join(owner)}
            result[name] = data
        return result

    collect(layers, [])
    return named(layers)


def _begins_along(wanted: list[str], path: list[str]) -> bool:
    rest = iter(path)
    return all(part in rest for part in wanted) and next(rest, None) is not None


def _along(wanted: list[str], path: list[str]) -> bool:
    rest = iter(path)
    return wanted[-1] == path[-1] and all(part in rest for part in wanted)


def _folded(data: Data, numbered: Data, namer: Namer, labels: Labels, where: str) -> Data:
    kinds: dict[str, list[int]] = {}
    for index, layer in numbered.items():
        kinds.setdefault(json.dumps(layer), []).append(int(index))
    others = {k: v for k, v in data["sub_layers"].items() if k not in numbered}
    total = len(numbered)
    if len(kinds) == 1 and not others and "class" not in data:
        ((kind, indices),) = kinds.items()
        return _with_repeat(json.loads(kind), namer(where, indices, total, ""))
    chosen = _labels(kinds, labels, total)
    repeats = [namer(where, i, total, label) for i, label in zip(kinds.values(), chosen, strict=True)]
    if len(kinds) == 2 and chosen[0][0].isdigit() and any(isinstance(times, str) for times in repeats):
        chosen = ["first", "later"] if chosen[0] == "0" else ["earlier", "last"]  # at any depth
    below: Data = {
        label: _with_repeat(json.loads(kind), times) for kind, label, times in zip(kinds, chosen, repeats, strict=True)
    }
    return {**data, "sub_layers": below | others}


def _with_repeat(layer: Data, times: str | int) -> Data:
    if times == 1:
        return layer
    ordered = {key: layer[key] for key in ("class", "formula") if key in layer}
    return ordered | {"repeat": times} | {key: value for key, value in layer.items() if key not in ordered}


def _labels(kinds: dict[str, list[int]], labels: Labels, total: int) -> list[str]:
    """A name for each kind of layer: what the config calls it, else classes in which it differs, else its places."""
    given = labels(list(kinds.values()), total) if len(kinds) > 1 else []
    if given:
        return given
    words = [set(re.findall(r'"class": "[\w.]*?\.(\w+)"', kind)) for kind in kinds]
    shared = set.intersection(*words)
    own = ["_".join(sorted(w - shared, key=lambda c: (len(c), c))[:1]) for w in words]
    base = [f"{n or 'plain'}" for n in own]
    if len(set(base)) == len(base) and all(own[:1]):
        return base
    return [named_after_places(indices) for indices in kinds.values()]


def named_after_places(indices: list[int]) -> str:
    """The places of a kind of layer as a name: "3", "0_to_2", "0_2_4_and_12_more"."""
    if len(indices) == 1:
        return str(indices[0])
    if indices == list(range(indices[0], indices[-1] + 1)):
        return f"{indices[0]}_to_{indices[-1]}"
    shown = "_".join(str(i) for i in indices[:3])
    return shown if len(indices) <= 3 else f"{shown}_and_{len(indices) - 3}_more"
