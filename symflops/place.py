"""Places: the layers of a program where they stand, found by the last parts of their paths."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

from symflops.errors import SymflopsError, expect, nearest
from symflops.layer import Layer
from symflops.polynomial import Value, multiply


class Place(NamedTuple):
    """A layer in its place in the tree: its path, and how often it runs."""

    path: str
    layer: Layer
    runs: Value


def places(root: Layer) -> Iterator[Place]:
    """Every place below a layer, groups before their parts."""
    stack = [Place(p.name, p.layer, p.repeat) for p in reversed(root.parts)]
    while stack:
        place = stack.pop()
        yield place
        stack.extend(
            Place(f"{place.path}.{part.name}", part.layer, multiply(place.runs, part.repeat))
            for part in reversed(place.layer.parts)
        )


def matching(root: Layer, pattern: str, name: str) -> list[Place]:
    """The places whose last parts are `pattern` (`mlp`, `self_attn.q_proj`, `layers.*.norm`); what lies below one
    of them belongs to it already.

    Raises SymflopsError, with the `name` of the model, when there is none.
    """
    expect(pattern, str, "the name of a part")
    wanted = pattern.split(".")
    found: list[Place] = []
    for place in places(root):
        path = place.path.split(".")
        below = found and place.path.startswith(f"{found[-1].path}.")
        ends = zip(path[-len(wanted) :], wanted, strict=True) if len(path) >= len(wanted) else None
        if not below and ends is not None and all(fnmatchcase(part, want) for part, want in ends):
            found.append(place)
    if not found:
        last = sorted({place.path.rpartition(".")[2] for place in places(root)})
        hint = nearest(wanted[-1], last) or "; symflops show lists them"
        raise SymflopsError(f"{name} has no layer {pattern[:100]!r}{hint}")
    return found
