"""Serial numbers of memory: what two views have in common, and when nobody holds it any more."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch


def storage_key(tensor: torch.Tensor) -> int:
    """What two views of the same memory have in common: a serial number, which no other memory is ever given."""
    storage = tensor.untyped_storage()
    place = id(storage)  # the object is the same for as long as the memory is there
    known = _memories.get(place)
    if known is None:
        serial = next(_serials)

        def ended(_: Any) -> None:
            del _memories[place]
            for tell in tuple(_told_of_ends):
                tell(serial)

        known = _memories[place] = (weakref.ref(storage, ended), serial)
    return known[1]


@contextmanager
def ends_told(tell: Callable[[int], None]) -> Iterator[None]:
    """Inside, `tell` is called with the number of each memory that nobody holds any more, at the moment it is freed."""
    _told_of_ends.append(tell)
    try:
        yield
    finally:
        _told_of_ends.remove(tell)


_memories: dict[int, tuple[weakref.ref[Any], int]] = {}
_serials = itertools.count(1)
_told_of_ends: list[Callable[[int], None]] = []
