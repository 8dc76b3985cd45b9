"""The layers of a page's models as one tree: where models have a layer of the same name, they share a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from symflops.errors import SymflopsError
from symflops.model import Model, Row

MAX_ROWS = 2000  # of one model: what a browser can lay out within a frame


def rows_of(model: Model, depth: int | None) -> list[Row]:
    """The rows of a model's layer tree, down to a depth. Raises SymflopsError for more than a page can show."""
    rows = model.rows(symbolic=True, groups=True)
    kept = [row for row in rows if depth is None or row.depth < depth]
    if len(kept) > MAX_ROWS:
        levels = [sum(row.depth <= level for row in rows) for level in range(max(row.depth for row in rows) + 1)]
        fitting = [level + 1 for level, count in enumerate(levels) if count <= MAX_ROWS]
        hint = f"; --depth {fitting[-1]} shows {levels[fitting[-1] - 1]:,}" if fitting else ""
        raise SymflopsError(f"{len(kept):,} layers, more than the {MAX_ROWS:,} of a page{hint}", where=model.name)
    return kept


def parents_of(rows: Sequence[Row]) -> list[int]:
    """The place of each row's group, -1 at the top. A name may have dots of its own, so counting them is not enough."""
    parents: list[int] = []
    trail: list[int] = []
    for i, row in enumerate(rows):
        while trail and not row.path.startswith(f"{rows[trail[-1]].path}."):
            trail.pop()
        parents.append(trail[-1] if trail else -1)
        if not row.is_basic:
            trail.append(i)
    return parents


@dataclass
class _Node:
    path: str
    rows: list[int | None]  # the row of each model that has this layer
    parts: list[_Node] = field(default_factory=list)


def merged(models: Sequence[Sequence[Row]]) -> list[dict[str, Any]]:
    """The lines of a table of these models' rows, each group before its parts: in the order of the first model;
    what only a later one has stands behind the line that it follows there, or before the one that follows it."""
    top = _Node("", [])
    for number, rows in enumerate(models):
        nodes: list[_Node] = []
        last: dict[int, int] = {}  # by group: where its latest part stands
        for i, (row, parent) in enumerate(zip(rows, parents_of(rows), strict=True)):
            parts = (top if parent < 0 else nodes[parent]).parts
            at = next((k for k, node in enumerate(parts) if node.path == row.path), None)
            if at is None:
                at = last[parent] + 1 if parent in last else _before_next(parts, rows[i + 1 :])
                parts.insert(at, _Node(row.path, [None] * len(models)))
            last[parent] = at
            nodes.append(parts[at])
            nodes[-1].rows[number] = i
    lines: list[dict[str, Any]] = []
    _write(top, -1, lines)
    return lines


def _before_next(parts: Sequence[_Node], rows: Sequence[Row]) -> int:
    """The place in a group of what comes first there in a later model: before the first of its rows that is known."""
    known = {node.path: place for place, node in enumerate(parts)}
    return next((known[row.path] for row in rows if row.path in known), len(parts))


def _write(group: _Node, place: int, lines: list[dict[str, Any]]) -> None:
    depth = lines[place]["depth"] + 1 if place >= 0 else 0
    for node in group.parts:
        name = node.path[len(group.path) + 1 :] if place >= 0 else node.path
        lines.append({"name": name, "path": node.path, "parent": place, "depth": depth, "rows": node.rows})
        _write(node, len(lines) - 1, lines)
