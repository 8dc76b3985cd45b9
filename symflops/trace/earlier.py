"""What an earlier call leaves is the same in all runs of one build: that call is made once, and after that new tensors
of the sizes of those that it left stand in for them.

This holds for states that are whole tensors of numbers in the cache that the call was given. Where a call leaves
anything else, such as parts of a memory, positions, or tensors that modules keep, it is made in each run.
"""

from __future__ import annotations

import copy
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import torch
from torch import nn

from symflops.polynomial import Value
from symflops.trace import cache, carried, repeats
from symflops.trace.internals import FakeTensor, like
from symflops.trace.nested import called
from symflops.trace.record import Storage
from symflops.trace.recorder import Recorder
from symflops.trace.serials import storage_key
from symflops.trace.settings import Settings
from symflops.trace.watching import watching

EARLIER = 7  # tokens of the earlier call that fills recurrent states; few, as the source may loop over them


@dataclass
class Left:
    """What a call left for the next one, as tensors that nobody writes to, and what it showed of the model's limits."""

    inputs: dict[str, Any]
    storages: dict[int, Storage]
    recorder: Recorder  # of the run in which it was made
    gaps: dict[Value, None]
    quotients: dict[tuple[Value, Value], None]
    unknown: list[str]
    unmasked: dict[str, None]

    @classmethod
    def by(cls, recorder: Recorder, inputs: dict[str, Any]) -> Left | None:
        """What the call that was just made left; None where another run has to make that call itself."""
        copied, pairs = _copied(inputs, recorder, recorder)
        if not all(_is_plain(tensor, recorder) for tensor, _ in pairs) or recorder.known.kept:
            return None
        if len({storage_key(tensor) for tensor, _ in pairs}) < len(pairs):
            return None
        limits = recorder.limits
        storages = {storage_key(new): recorder.storages[storage_key(tensor)] for tensor, new in pairs}
        said = dict(limits.gaps), dict(limits.quotients), list(recorder.unknown), dict(recorder.unmasked)
        return cls(copied, {key: _unused(storage) for key, storage in storages.items()}, recorder, *said)

    def again(self, recorder: Recorder) -> dict[str, Any]:
        """The same in another run."""
        copied: dict[str, Any]
        copied, pairs = _copied(self.inputs, self.recorder, recorder)
        for tensor, new in pairs:
            recorder.hold(storage_key(new), _unused(self.storages[storage_key(tensor)]))
        recorder.limits.gaps |= self.gaps
        recorder.limits.quotients |= self.quotients
        recorder.unknown += [name for name in self.unknown if name not in recorder.unknown]
        recorder.unmasked |= self.unmasked
        return copied


def continued(
    recorder: Recorder,
    model: nn.Module,
    inputs: dict[str, Any],
    fed: dict[str, Any],
    symbols: Mapping[str, Any],
    settings: Settings,
    left: dict[Hashable, Left],
) -> tuple[dict[str, Any], dict[Any, torch.Tensor]]:
    """The inputs of a call that comes after an earlier one, which is `fed` other tokens, and the tensors that modules
    keep of that; `left` is what such calls of this model left in other runs."""
    argument = carried.cache_argument(type(model))
    # How many tokens came before is no part of a recurrent state, but of one that grows.
    grows = settings.grows or _keeps_more(inputs.get(argument))
    decides = None if grows else _key(settings)
    if decides in left:
        return inputs | left[decides].again(recorder), {}
    length = symbols["past_len"] if grows else EARLIER
    ids = torch.empty((symbols["batch_size"] * settings.streams, length), dtype=torch.long)
    before = carried.attributes(model)
    with silent(recorder), recorder, watching(recorder), repeats.skipped(recorder):
        new = carried.carried(model, called(model, fed | {"input_ids": ids}))
    own = {place: v for place, v in carried.attributes(model).items() if v is not before.get(place)}
    given = {argument: inputs[argument]} if argument in inputs else {}
    if decides is not None and not own and (found := Left.by(recorder, given | new)) is not None:
        left[decides] = found
    return inputs | new, own


@contextmanager
def silent(recorder: Recorder) -> Iterator[None]:
    """A call inside comes before the one that is recorded."""
    recorder.silent = True
    yield
    recorder.silent = False
    recorder.root.parts.clear()
    recorder.lifetimes.restart()
    recorder.ran.clear()


def _keeps_more(given: Any) -> bool:
    """Whether a cache keeps something that grows beside keys and values."""
    return any(map(cache.keeps_more, getattr(given, "layers", ())))


def _key(settings: Settings) -> Hashable:
    """What decides what an earlier call leaves; None where it is to be made in each run."""
    if settings.as_eager or settings.training or settings.grows or settings.after_encoder:
        return None
    numbers = (
        tuple(sorted((n, v) for n, v in of.items() if n != "seq_len")) for of in (settings.lengths, settings.hints)
    )
    return settings.eager, settings.allow_unknown, settings.past, settings.streams, *numbers


def _copied(thing: Any, old: Recorder, new: Recorder) -> tuple[Any, list[tuple[torch.Tensor, torch.Tensor]]]:
    """A copy that belongs to another recorder, and each tensor in it with its copy."""
    pairs: list[tuple[torch.Tensor, torch.Tensor]] = []

    def tensor_copied(tensor: torch.Tensor, memo: dict[int, Any]) -> torch.Tensor:
        if id(tensor) not in memo:
            memo[id(tensor)] = like(tensor)
            pairs.append((tensor, memo[id(tensor)]))
        found: torch.Tensor = memo[id(tensor)]
        return found

    def itself(size: Any, memo: dict[int, Any]) -> Any:
        return size

    with (
        patch.object(FakeTensor, "__deepcopy__", tensor_copied, create=True),
        patch.object(torch.SymInt, "__deepcopy__", itself, create=True),
    ):
        return copy.deepcopy(thing, {id(old): new}), pairs


def _is_plain(tensor: torch.Tensor, recorder: Recorder) -> bool:
    """Whether a tensor is all of some memory of which nothing is known but how large it is."""
    storage = recorder.storages.get(storage_key(tensor))
    if storage is None or not tensor.is_floating_point() or isinstance(tensor, nn.Parameter):
        return False
    view = recorder.view(tensor)
    whole = view.place[-1] == 0 and view.elements == storage.elements
    return whole and storage.weight is None and not recorder.masks.knows(tensor)


def _unused(storage: Storage) -> Storage:
    return replace(storage, readers=[], writers=[])
