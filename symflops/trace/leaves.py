"""The arguments and results of operations, as flat lists: tensors, sizes and plain values in lists, tuples and dicts.

Torch's own `pytree` tells any structure that somebody registers. Operations are given and give no others than these,
and there are so many of them that telling took a tenth of a derivation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


def flat(tree: Any) -> list[Any]:
    """What is in nested lists, tuples and values of dicts, in order.

    >>> flat((1, [2, (3,)], {"alpha": 4}, None))
    [1, 2, 3, 4, None]
    """
    found: list[Any] = []
    _add(tree, found)
    return found


def _add(tree: Any, found: list[Any]) -> None:
    if isinstance(tree, list | tuple):
        for part in tree:
            _add(part, found)
    elif type(tree) is dict:
        for part in tree.values():
            _add(part, found)
    else:
        found.append(tree)


def tensors(*trees: Any) -> list[torch.Tensor]:
    """The tensors among the arguments or results of an operation, in order."""
    return [leaf for leaf in flat(trees) if isinstance(leaf, torch.Tensor)]


def mapped(kind: type | tuple[type, ...], change: Callable[[Any], Any], tree: Any) -> Any:
    """The same nested lists, tuples and dicts with `change(leaf)` for every leaf of a kind.

    >>> mapped(int, str, (1, [2, None], {"alpha": 0.5, "beta": 3}))
    ('1', ['2', None], {'alpha': 0.5, 'beta': '3'})
    """
    if isinstance(tree, kind):
        return change(tree)
    if isinstance(tree, list):
        return [mapped(kind, change, part) for part in tree]
    if isinstance(tree, tuple):
        return tuple(mapped(kind, change, part) for part in tree)
    if type(tree) is dict:
        return {key: mapped(kind, change, part) for key, part in tree.items()}
    return tree
