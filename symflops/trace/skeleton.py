"""Equal layers are built once, too: a deep model costs no more to build than a shallow one.

The model is first built with the config's own numbers on the meta device, where a tensor is only a shape and a layer
takes a millisecond. That shows which layers of a list are equal (`repeats.state`); when the model is then built with
symbols, the constructor of a layer that equals an earlier one is not run: it takes over that layer's parts.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import Any
from unittest.mock import patch

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.initialization import no_init_weights

from symflops.trace.architecture import parts
from symflops.trace.layer_lists import names_last
from symflops.trace.overrides import resize
from symflops.trace.places import Made, noted
from symflops.trace.repeats import shared_parameters, state, take_over, taken_from
from symflops.vocabulary.fields import means

_LISTED = re.compile(r"\.(\d+)$")


class Skeleton:
    """A model on the meta device. Raises whatever its own source does when it cannot be built there."""

    def __init__(self, model_class: type, config: Any) -> None:
        self.made: Made = {}
        with torch.device("meta"), no_init_weights(), noted(self.made):
            self.model = model_class(copy.deepcopy(config))
        if isinstance(self.model, PreTrainedModel):
            self.model.tie_weights()

    def equal_layers(self, outermost: bool = False) -> dict[type, list[int]]:
        """For each class of the layers that stand in lists: of each in the order of construction, the first that
        equals it. With `outermost`, none of those inside another layer, which are constructed as often as that is."""
        result: dict[type, list[int]] = {}
        shared = shared_parameters(self.model)  # layers that share some are several all the same
        for kind, modules in self.made.items():
            listed = len(modules) > 2 and all(m in self.places for m in modules)
            alone = not any(id(p) in shared for m in modules for p in m.parameters())
            if listed and alone and any(True for _ in modules[0].children()):
                result[kind] = _first_equal(modules, [self.places[m] for m in modules])
        if not outermost or len(result) < 2:
            return result
        inside = {id(m) for kind in result for layer in self.made[kind] for m in layer.modules() if m is not layer}
        return {kind: first for kind, first in result.items() if all(id(m) not in inside for m in self.made[kind])}

    def parameters(self) -> int:
        """How many parameters the model has, those that are shared once."""
        counted: dict[int, int] = {}  # by layer
        seen: set[int] = set()

        def count(module: nn.Module) -> int:
            if (origin := taken_from(module)) is not None and id(origin) in counted:
                return counted[id(origin)]
            own = [p for p in module._parameters.values() if p is not None and id(p) not in seen]
            seen.update(map(id, own))
            below = sum(count(child) for child in module._modules.values() if child is not None)
            counted[id(module)] = sum(p.numel() for p in own) + below
            if origin is not None:  # an example that is no part of the model
                counted[id(origin)] = counted[id(module)]
            return counted[id(module)]

        return count(self.model)

    @cached_property
    def places(self) -> dict[nn.Module, int]:
        """Where in their lists the modules stand that stand in one."""
        named = self.model.named_modules()
        return {m: int(found.group(1)) for path, m in named if (found := _LISTED.search(path))}

    def lists(self) -> Iterator[tuple[str, str, list[int], list[int], int]]:
        """For each class of the layers in each list: the list's path, the class's name, their places, of each the first
        that equals it, and how many modules the list has."""
        for path, listed in self.model.named_modules():
            if isinstance(listed, nn.ModuleList | nn.Sequential):
                for kind in dict.fromkeys(map(type, listed)):
                    places = [i for i, m in enumerate(listed) if type(m) is kind]
                    if len(places) > 1 and any(True for _ in listed[places[0]].children()):
                        first = _first_equal([listed[i] for i in places], places)
                        yield path, kind.__name__, places, first, len(listed)

    def lengths(self) -> dict[str, int]:
        """How many modules stand in each list, by its path."""
        return {path: len(m) for path, m in self.model.named_modules() if isinstance(m, nn.ModuleList)}

    def has_other_sizes(self, other: Skeleton) -> bool:
        """Whether weights have sizes that the same weights of the other one, of any layer, do not have."""
        theirs = other.sizes()
        return any(not found <= theirs.get(path, found) for path, found in self.sizes().items())

    def sizes(self) -> dict[str, set[tuple[int, ...]]]:
        """The sizes of each weight, of all layers together."""
        found: dict[str, set[tuple[int, ...]]] = {}
        for path, weight in self.model.named_parameters():
            found.setdefault(re.sub(r"\.\d+(?=\.)", "", path), set()).add(tuple(weight.shape))
        return found


def _first_equal(modules: Sequence[nn.Module], places: Sequence[int]) -> list[int]:
    """Of each module the first that equals it, apart from their places in a list."""
    seen: dict[Any, Any] = {}
    states = [state(module, place, seen) for module, place in zip(modules, places, strict=True)]
    return [states.index(one) for one in states]


def with_number(config: Any, prefix: str, key: str, number: int) -> Any:
    """A copy of a config in which a field of a part of it is another number; lists with an entry for each layer become
    as long, and what names the last layer names the new one."""
    other = copy.deepcopy(config)
    part = dict(parts(other))[prefix]
    before = vars(part)[key]
    for name, value in vars(part).items():
        if isinstance(value, list | tuple) and len(value) == before:
            vars(part)[name] = type(value)([*value, *([value[-1]] * (number - before))][:number])
        elif names_last(name, value, before):
            vars(part)[name] = number - 1
    vars(part)[key] = number
    if key == "num_hidden_layers":
        resize(part, before, number)
    return other


@contextmanager
def built_once(equal: Mapping[type, list[int]]) -> Iterator[None]:
    """Inside, the constructors of layers that equal an earlier one take over its parts."""
    with ExitStack() as stack:
        for kind, first in equal.items():
            constructor: Any = kind.__init__  # type: ignore[misc]  # of the class, not of an instance
            stack.enter_context(patch.object(kind, "__init__", _sharing(constructor, kind, first)))
        yield


def _sharing(construct: Any, kind: type, first: list[int]) -> Any:
    made: list[nn.Module] = []

    def constructor(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        if type(self) is not kind or len(made) >= len(first) or first[len(made)] == len(made):
            construct(self, *args, **kwargs)
        else:
            origin = made[first[len(made)]]
            take_over(self, origin)
            numbers = [a for a in (*args, *kwargs.values()) if type(a) is int]
            if numbers:
                places = [k for k, v in vars(origin).items() if type(v) is int and means(k, "layer_index", "own_mark")]
                vars(self).update(dict.fromkeys(places, numbers[-1]))
        if type(self) is kind:
            made.append(self)

    return constructor
