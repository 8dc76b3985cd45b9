"""Layers that are equal are run once: what deriving costs does not depend on depth.

Two modules of a list are equal when class, attributes, weights' shapes and inputs' shapes agree, all but the layer's
own index; what the config says about that index (its entry of `layer_types`, …) must agree as well.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from inspect import signature
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

import torch

from symflops.errors import SymflopsError
from symflops.trace.internals import like, tree_flatten, tree_map
from symflops.trace.layer_lists import entry, layer_fields
from symflops.trace.lifetimes import Enter, Leave
from symflops.trace.own_place import by_place
from symflops.trace.record import Execution, every_operation, tensors_of
from symflops.trace.recorder import Recorder
from symflops.trace.serials import storage_key
from symflops.trace.whole_step import Pattern
from symflops.vocabulary.fields import means

_NONE: Mapping[tuple[str, int], Hashable] = MappingProxyType({})
_AS_THEY_ARE = (bool, int, str, torch.dtype)
_NUMBERED = re.compile(r"\.(\d+)(\.\w+)?$")


class SharedLayerError(SymflopsError):
    """A layer that took over another one's parts has to run after all: the model must be built without sharing."""


@contextmanager
def skipped(recorder: Recorder, apart: Mapping[tuple[str, int], Hashable] = _NONE) -> Iterator[None]:
    """Inside, the second of two equal layers is not run: its outputs are made from those of the first. Layers that an
    earlier run has told `apart`, by path and by which of its calls it is, equal those of which the same was told."""
    first: dict[Any, tuple[Execution, Any]] = {}
    execute = recorder.execute
    seen: dict[Any, Any] = {}  # layers that were built once share their parts
    shared = shared_parameters(recorder.root.module)
    used: set[int] = set()  # of these: who uses them first counts them
    calls: Counter[str] = Counter()

    def execute_or_skip(call: Any, module: torch.nn.Module, args: Any, kwargs: Any) -> Any:
        path = recorder.paths.get(module, "")
        place = _NUMBERED.search(path)
        if (
            recorder.paused
            or not place
            or ((is_part := place.group(2) is not None) and not _may_be_equal(module, recorder))
        ):
            return execute(call, module, args, kwargs)
        calls[path] += 1
        with recorder.pause():
            index = int(place.group(1))
            of_others = [id(p) for p in module.parameters() if id(p) in shared] if shared else []
            # In what it shares, a layer may choose by its place.
            told = (args, kwargs) if of_others else _without_place(module, index, args, kwargs)
            key = (
                state(module, index, seen),
                _call_state(recorder, *told),
                tuple((p, p in used) for p in of_others),
                by_place(module, index),
                apart.get((path, calls[path])),
                _gradients(recorder, args, kwargs),
                _caches(index, args, kwargs) if is_part else (),
            )
            used.update(of_others)
        if key in first:
            with recorder.pause():
                found = _again(recorder, *first[key], module, path, args, kwargs)
                again = recorder.stack[-1].parts[-1]
                assert isinstance(again, Execution)
                again.ordinal = calls[path]
                if is_part:
                    _read_as_before(again, first[key][0])
                return found
        if taken_from(module) is not None:
            raise SharedLayerError("two layers that are built alike are given different inputs")
        before = len(recorder.stack[-1].parts)
        result = execute(call, module, args, kwargs)
        execution = recorder.stack[-1].parts[before]
        assert isinstance(execution, Execution)
        if recorder.step is not None:
            recorder.step.bound(execution, (args, kwargs), result)
        is_new = all(v.storage != w.storage for v in execution.outputs for w in execution.inputs)
        if is_new and not (is_part and any(_is_known(t, recorder) for t in tensors_of(result))):
            first[key] = (execution, tree_map(lambda v: _pattern(v, recorder), result))
        return result

    with patch.object(recorder, "execute", execute_or_skip):
        yield


def _gradients(recorder: Recorder, args: Any, kwargs: Any) -> tuple[bool, ...]:
    """Whether gradients are on, and what a layer is given has some, as far as it is known before any backward."""
    if recorder.tape is None:
        return ()
    return (torch.is_grad_enabled(), *map(recorder.tape.has_gradient, tensors_of((args, kwargs))))


def _may_be_equal(module: torch.nn.Module, recorder: Recorder) -> bool:
    """Whether a part of a layer is looked for among those of other layers: one that is made of modules itself, as it is
    for attention that dense layers and those with experts share. Steps of a backward and programs want all of them."""
    return recorder.parts_once and recorder.tape is None and recorder.step is None and bool(module._modules)


def _caches(index: int, args: Any, kwargs: Any) -> tuple[Any, ...]:
    """How the caches among a part's arguments keep what its layer leaves there."""
    layers = [v.layers[index] for v in tree_flatten((args, kwargs))[0] if index < len(getattr(v, "layers", ()))]
    return tuple((type(layer), getattr(layer, "is_sliding", None), str(getattr(layer, "kept", ""))) for layer in layers)


def _is_known(tensor: torch.Tensor, recorder: Recorder) -> bool:
    """Whether more is known of a result than how large it is."""
    storage = recorder.storages.get(storage_key(tensor))
    plain = storage is not None and storage.role == "temporary" and storage.value is None and storage.classes == 0
    return not plain or not tensor.is_floating_point() or recorder.masks.knows(tensor)


def _read_as_before(again: Any, first: Execution) -> None:
    """Of what a part was given, the memory that the first one did read."""
    read = {view.storage for o in every_operation(first) for view in o.reads}
    read |= {view.storage for view in inner_inputs(first)}
    again.inputs = [v for v, before in zip(again.inputs, first.inputs, strict=True) if before.storage in read]


def inner_inputs(execution: Execution) -> Iterator[Any]:
    """What repeated executions inside another one were given."""
    for part in execution.parts:
        if isinstance(part, Execution):
            yield from part.inputs if part.repeated else inner_inputs(part)


def _pattern(value: Any, recorder: Recorder) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    with recorder.pause():
        return Pattern(like(value), recorder.storages[storage_key(value)].role, value.requires_grad)


def _again(recorder: Recorder, done: Execution, result: Any, module: Any, path: str, args: Any, kwargs: Any) -> Any:
    execution = Execution(module, path, repeated=done, is_rerun=module in recorder.ran)
    # Its parent may call what is inside of it once more, which then owns nothing.
    inside = {name for name, one in done.module.named_modules() if one in recorder.ran}
    recorder.ran.update(one for name, one in module.named_modules() if name in inside)
    tensors = [t for t in tree_flatten((args, kwargs))[0] if isinstance(t, torch.Tensor)]
    execution.inputs = [recorder.view(t) for t in tensors]
    recorder.stack[-1].parts.append(execution)
    recorder.lifetimes.events.append(Enter(execution))
    if recorder.step is not None:
        made = recorder.step.again(execution, tensors, result)
    else:
        made = tree_map(lambda v: recorder.note(like(v.tensor), v.role) if isinstance(v, Pattern) else v, result)
    recorder.lifetimes.events.append(Leave(execution))
    results = [t for t in tree_flatten(made)[0] if isinstance(t, torch.Tensor)]
    execution.outputs = [recorder.view(t) for t in results]
    if recorder.tape is not None:
        step = recorder.tape.step(path, None, args, kwargs, made)
        step.repeated, execution.input_tensors, execution.output_tensors = execution, step.reads, step.writes
        execution.steps_before_end = len(recorder.tape.steps)
        recorder.tape.has_as(step.writes, done.output_tensors)
    return _seen_by_hooks(module, args, kwargs, made)


def _seen_by_hooks(module: torch.nn.Module, args: Any, kwargs: Any, result: Any) -> Any:
    """A result as the module's forward hooks leave it, such as those that collect hidden states."""
    for key, hook in module._forward_hooks.items():
        with_keywords = key in module._forward_hooks_with_kwargs
        changed = hook(module, args, kwargs, result) if with_keywords else hook(module, args, result)
        result = result if changed is None else changed
    return result


def state(module: torch.nn.Module, index: int, seen: dict[Any, Any] | None = None) -> Any:
    """What a module is, apart from its place in a list; `seen` remembers it for those that are asked for again."""
    if seen is not None and (origin := taken_from(module)) is not None:
        if ("configs", id(origin)) not in seen:
            seen["configs", id(origin)] = _configs(origin)
        place = (id(origin), tuple(_plain(config, index) for config in seen["configs", id(origin)]))
        if place not in seen:
            seen[place] = state(origin, index)
        return seen[place]
    key = id(module)
    if seen is not None and key in seen:
        return seen[key]
    attributes = []
    for name, value in vars(module).items():
        if is_part_of_state(name):
            attributes.append((name, _plain(value, index)))
    held = (*module._parameters.items(), *module._buffers.items())
    weights = [(n, str(tuple(p.shape)), p.dtype) for n, p in held if p is not None]
    children = [(n, state(c, index, seen)) for n, c in module._modules.items() if c is not None]
    found = (type(module), tuple(attributes), tuple(weights), tuple(children))
    if seen is not None:
        seen[key] = found
    return found


def take_over(module: torch.nn.Module, origin: torch.nn.Module) -> None:
    """Make a module, instead of constructing it, of the parts of another one that it equals but for its place."""
    vars(module).update({k: v.copy() if isinstance(v, dict) else v for k, v in vars(origin).items()})
    vars(module)[_ORIGIN] = origin

    def forward(*args: Any, **kwargs: Any) -> Any:
        if sys._getframe(1).f_code.co_filename != torch.nn.modules.module.__file__:
            raise SharedLayerError("a layer's forward is called by its name, so that nothing tells which layer it is")
        return type(module).forward(module, *args, **kwargs)

    vars(module)["forward"] = forward


def shared_parameters(model: torch.nn.Module) -> set[int]:
    """The parameters, by identity, that stand in more than one place of the model's source, apart from layers that took
    over another one's parts."""
    once: set[int] = set()
    more: set[int] = set()

    def collect(module: torch.nn.Module) -> None:
        for parameter in filter(lambda p: p is not None, module._parameters.values()):
            (more if id(parameter) in once else once).add(id(parameter))
        for child in module._modules.values():
            if child is not None and taken_from(child) is None:
                collect(child)

    collect(model)
    return more


def taken_from(module: torch.nn.Module) -> torch.nn.Module | None:
    """The module that this one took its parts over from; None if it was constructed."""
    origin: torch.nn.Module | None = vars(module).get(_ORIGIN)
    return origin


_ORIGIN = "_symflops_origin"


def _configs(module: torch.nn.Module) -> list[Any]:
    """The configs that a module and what it is made of keep."""
    kept = [v for m in module.modules() for v in vars(m).values() if hasattr(v, "to_diff_dict")]
    return list({id(config): config for config in kept}.values())


@cache
def is_part_of_state(attribute: str) -> bool:
    """Whether an attribute says what a module is, and not where it stands or what torch keeps in it."""
    return not (attribute.startswith("_") or attribute == "training" or means(attribute, "layer_index", "own_mark"))


def _plain(value: Any, index: int) -> Any:
    if value is None or isinstance(value, _AS_THEY_ARE):
        return value
    if isinstance(value, torch.SymInt):
        return str(value.node.expr)
    if isinstance(value, float):
        return value if value in (0.0, 1.0) else float
    if isinstance(value, torch.SymFloat):
        return torch.SymFloat
    if isinstance(value, list | tuple):
        return tuple(_plain(v, index) for v in value)
    if hasattr(value, "to_diff_dict"):  # of a config, what its lists say of this layer: those with an entry for each
        name = value.attribute_map.get("num_hidden_layers", "num_hidden_layers")
        depth = vars(value)[name] if name in vars(value) else getattr(value, name, 0)
        enough = max(index + 1, depth if isinstance(depth, int) else 0)
        return tuple(
            (n, _plain(entry(n, v, index), index))
            for n, v in layer_fields(value).items()
            if isinstance(v, list | tuple) and len(v) >= enough
        )
    return getattr(value, "__qualname__", type(value).__qualname__)


def _tensor(tensor: torch.Tensor, recorder: Recorder) -> Any:
    return recorder.quantities.shape(tensor.shape), tensor.dtype, tensor.requires_grad  # where autograd itself is run


def _without_place(module: torch.nn.Module, index: int, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """The arguments of a call without the layer's own place, which some models tell each of their layers."""

    def plain(name: str, value: Any) -> Any:
        is_place = type(value) is int and value == index and means(name, "layer_index", "own_mark")
        return "its place" if is_place else value

    names = list(signature(type(module).forward).parameters)[1:]
    named = (*names, *[""] * (len(args) - len(names)))  # what is left goes into *args
    return tuple(map(plain, named, args)), {name: plain(name, value) for name, value in kwargs.items()}


def _call_state(recorder: Recorder, args: Any, kwargs: Any) -> Any:
    leaves, structure = tree_flatten((args, kwargs))
    return str(structure), tuple(
        (_tensor(v, recorder), _role(v, recorder), str(getattr(v, "symflops_mask", "")))
        if isinstance(v, torch.Tensor) else _plain(v, 0) for v in leaves
    )  # fmt: skip


def _role(tensor: torch.Tensor, recorder: Recorder) -> str:
    key = storage_key(tensor)
    # A weight that nobody has read yet is one all the same.
    return recorder.storages[key].role if key in recorder.storages else "weight" if key in recorder.weights else ""


def every_parameter(module: torch.nn.Module, shared: bool = False) -> Iterator[tuple[torch.nn.Parameter, bool]]:
    """The parameters below a module, those of layers that share their parts once for each of them."""
    shared = shared or taken_from(module) is not None
    yield from ((p, shared) for p in module._parameters.values() if p is not None)
    for child in module._modules.values():
        if child is not None:
            yield from every_parameter(child, shared)
