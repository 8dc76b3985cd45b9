"""What is put in place of torch's and transformers' own while a model's source is built and run."""

from __future__ import annotations

import dataclasses
import gc
import os
import sys
from collections.abc import Callable, Iterator, Set
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import huggingface_hub.dataclasses
import torch
from torch import nn
from torch.nn.modules import transformer
from transformers import PreTrainedConfig, masking_utils, pytorch_utils

from symflops.trace.architecture import LABELS, parts
from symflops.trace.internals import AnyConvolution, FakeTensor, without_onednn
from symflops.trace.layer_lists import computed_lists
from symflops.trace.origin import fills_arguments, is_model, is_shared, variable
from symflops.vocabulary.fields import means


def no_dropout(
    input: Any,  # noqa: A002 - torch's name
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
) -> Any:
    """Dropout of a model that is not trained, which torch's shape rules make a copy of."""
    return nn.functional.alpha_dropout(input, p, training) if training else input


def real_dropout(
    input: Any,  # noqa: A002 - torch's name
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
) -> Any:
    """Dropout as a GPU does it: one operation, which keeps a mask of one byte for each element."""
    return torch.native_dropout(input, p, True)[0] if training and p > 0 else input


@contextmanager
def nothing_initialised() -> Iterator[None]:
    """Initial values are of no interest, and choosing them takes square roots of sizes, which have to be numbers."""
    kinds = (nn.Linear, nn.Bilinear, AnyConvolution, nn.RNNBase, nn.MultiheadAttention)
    with ExitStack() as stack:
        for kind in kinds:
            name = "_reset_parameters" if kind is nn.MultiheadAttention else "reset_parameters"
            stack.enter_context(patch.object(kind, name, lambda self: None))
        yield


@contextmanager
def no_fast_path() -> Iterator[None]:
    """Transformer and recurrent layers of torch.nn as the operations that they are made of, and windows as views."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with without_onednn(), no_look_at_masks(), patch.object(torch.Tensor, "unfold", windows):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@contextmanager
def no_look_at_masks() -> Iterator[None]:
    """Inside, nn.TransformerEncoder and -Decoder take a mask for what they are told that it is, and do not compare its
    elements with those of a causal one, which a fake tensor lacks: the mask that they hand on is the same."""
    with patch.object(transformer, "_detect_is_causal_mask", lambda mask, is_causal=None, size=None: bool(is_causal)):
        yield


def windows(tensor: torch.Tensor, dimension: int, size: Any, step: Any) -> torch.Tensor:
    """`Tensor.unfold`, which takes numbers alone, for windows of a size that is a symbol: the same view by strides,
    which autograd knows no backward for that adds windows up."""
    if torch.is_grad_enabled() or (type(size) is int and type(step) is int):
        return _unfold(tensor, dimension, size, step)
    at = dimension % tensor.dim()
    shape, stride = list(tensor.shape), list(tensor.stride())
    shape[at], stride[at] = (shape[at] - size) // step + 1, stride[at] * step
    return tensor.as_strided([*shape, size], [*stride, tensor.stride(at)], tensor.storage_offset())


_unfold = torch.Tensor.unfold


@contextmanager
def no_checks_of_values() -> Iterator[None]:
    """What transformers' models check of the values of tensors, such as that there are as many places for images as
    images, is left out: values are not known, and no cost depends on them."""
    with patch.dict(os.environ, {"TRANSFORMERS_DISABLE_TORCH_CHECK": "1"}):
        yield


@contextmanager
def indices_formatted() -> Iterator[None]:
    """A fake index in a text is its number, where that is known, as f"expert_{index}" is a name."""

    def formatted(tensor: Any, form: str) -> str:
        number = tensor.item() if tensor.dim() == 0 and tensor.dtype == torch.long else None
        return format(number, form) if type(number) is int else object.__format__(tensor, form)

    with patch.object(FakeTensor, "__format__", formatted):
        yield


@contextmanager
def slices_of_sizes() -> Iterator[None]:
    """A slice may begin or end where a tensor of one element says: torch would make a number of that, and here it stays
    the size that it is, if it is one."""
    plain = torch.Tensor.__getitem__

    def place(end: Any) -> Any:
        return end.item() if isinstance(end, FakeTensor) and end.dim() == 0 and not end.is_floating_point() else end

    def piece(index: Any) -> Any:
        return slice(*map(place, (index.start, index.stop, index.step))) if isinstance(index, slice) else index

    def taken(tensor: Any, index: Any) -> Any:
        return plain(tensor, tuple(map(piece, index)) if isinstance(index, tuple) else piece(index))

    with patch.object(torch.Tensor, "__getitem__", taken):
        yield


@contextmanager
def weights_converted() -> Iterator[None]:
    """A module whose source converts it on the way, as a router that is to be float32, has new weights from then on:
    torch would swap the memory of two tensors, which it does not where anybody watches one."""

    def converted(module: nn.Module, convert: Callable[[Any], Any], recurse: bool = True) -> nn.Module:
        for child in module.children() if recurse else ():
            converted(child, convert)
        for name, weight in module.named_parameters(recurse=False):
            if (other := convert(weight)) is not weight:
                setattr(module, name, nn.Parameter(other, requires_grad=False))
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, convert(buffer))
        return module

    with patch.object(nn.Module, "_apply", converted):
        yield


@contextmanager
def nothing_cached() -> Iterator[None]:
    """What transformers keeps of a method's results by its arguments is computed anew: sizes cannot be hashed."""
    with patch.object(pytorch_utils, "is_torchdynamo_compiling", lambda: True):
        yield


@contextmanager
def sizes_validated() -> Iterator[None]:
    """A config that a source makes on the way, for a part of the model, takes symbols wherever it takes numbers."""
    validate = huggingface_hub.dataclasses.type_validator
    kinds: dict[type, int | float] = {torch.SymInt: 1, torch.SymFloat: 1.0, torch.SymBool: True}

    def type_validator(name: str, value: Any, expected: Any) -> None:
        validate(name, kinds.get(type(value), value), expected)

    with patch.object(huggingface_hub.dataclasses, "type_validator", type_validator):
        yield


@contextmanager
def nothing_packed() -> Iterator[None]:
    """Each row of ids is one sequence: transformers looks at the values of positions for that, which fake tensors lack,
    and makes a mask of its own where it cannot."""
    with patch.object(masking_utils, "find_packed_sequence_indices", lambda position_ids: None):
        yield


@contextmanager
def number_format(dtype: torch.dtype) -> Iterator[None]:
    """Weights and activations in a format that no source asks for by name: what is in another was meant to be."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def contractions_noted(length: Any, note: Callable[[], None]) -> Iterator[None]:
    """Call `note` where `torch.einsum` is given a dimension that is this length: where it is 1, that is none, and what
    was a product of matrices is done element by element."""
    plain = torch.einsum

    def einsum(equation: Any, *operands: Any) -> Any:
        if isinstance(length, torch.SymInt):
            tensors = operands[0] if isinstance(operands[0], list | tuple) else operands
            shapes = [tensor.shape for tensor in tensors]
            if any(isinstance(s, torch.SymInt) and s.node.expr == length.node.expr for shape in shapes for s in shape):
                note()
        return plain(equation, *operands)

    with patch.object(torch, "einsum", einsum):
        yield


@contextmanager
def reads_noted(
    config: Any, reads: set[tuple[str, str]], rhythms: set[tuple[str, str]] | None = None
) -> Iterator[None]:
    """Note each field of the config that a model's source reads, as (the part's prefix, field); in `rhythms` those by
    which what holds the layers does something every few of them."""
    changed = []
    for prefix, part in parts(config):
        own = type(part)

        computed = computed_lists(own)

        def reading(self: Any, name: str, own: Any = own, prefix: str = prefix, computed: Any = computed) -> Any:
            if not name.startswith("_"):
                frame = sys._getframe(1)
                file = frame.f_code.co_filename
                asks = is_model(file) or is_shared(file) or (fills_arguments(file) and name in vars(self))
                if asks and not _within(frame, computed):
                    reads.add((prefix, name))
                    if name == "to_dict":  # for the config of a part, which is made of all that this one states
                        reads.update((prefix, field) for field in _own_fields(own))
                    if rhythms is not None and means(name, "rhythm") and _holds_layers(variable(frame, "self")):
                        rhythms.add((prefix, name))
            if name == LABELS and name in vars(self):  # a symbol, in the place of what the class computes
                return vars(self)[name]
            return own.__getattribute__(self, name)

        def writing(self: Any, name: str, value: Any, own: Any = own) -> None:
            if isinstance(value, torch.SymInt):  # which the config's class would refuse, since it is no int
                vars(self)[name] = value
            else:
                own.__setattr__(self, name, value)

        changed.append((part, own))
        methods = {"__getattribute__": reading, "__setattr__": writing, "__module__": own.__module__}
        part.__class__ = type(own.__name__, (own,), methods)
    try:
        yield
    finally:
        for part, own in changed:
            part.__class__ = own


def _own_fields(kind: type) -> Iterator[str]:
    """The fields that a class of configs declares beside those of all configs."""
    common = {field.name for field in dataclasses.fields(PreTrainedConfig)}
    return (field.name for field in dataclasses.fields(kind) if field.name not in common)


def _within(frame: Any, computed: Set[str]) -> bool:
    """Whether a field is read to compute a list of layers: it matters through that list."""
    while frame.f_code.co_name.startswith("<"):  # a comprehension
        frame = frame.f_back
    return frame.f_code.co_name in computed


def _holds_layers(owner: Any) -> bool:
    return isinstance(owner, nn.Module) and any(isinstance(child, nn.ModuleList) for child in owner.children())


@contextmanager
def old_objects_left_alone() -> Iterator[None]:
    """Garbage is collected among new objects only: a pass over all of torch takes a third of the time of a run. Where a
    program has frozen objects of its own, nothing is changed."""
    ours = gc.get_freeze_count() == 0
    if ours:
        gc.freeze()
    try:
        yield
    finally:
        if ours:
            gc.unfreeze()
