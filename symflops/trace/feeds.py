"""The tensors of a model's call, from inputs as users write them, and the hints of the run symbols in them."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy
import torch
from torch import nn

from symflops.algebra import free_symbols, substitute
from symflops.errors import SymflopsError, nearest
from symflops.inputs import Input, quotient, symbols_of
from symflops.polynomial import Polynomial, Value, terms_of
from symflops.trace.architecture import RUN_HINTS
from symflops.trace.contents import is_small, real
from symflops.trace.nested import assembled
from symflops.trace.serials import storage_key

# Primes that no size is equal to by accident; of a dimension that is a multiple of 8 or more, small ones.
_LENGTHS = (211, 223, 227, 229, 233, 239, 241, 251)
_SAMPLES = (16411, 16417, 16421, 16427)  # of a waveform, a row of numbers: what hears it is made for thousands
SAMPLES = "num_samples"  # as what is fed without being told has it, also where it has channels
_FACTORS = (7, 11, 13, 17, 19, 23, 29, 31)


def run_hints(inputs: Sequence[Input], sizes: Collection[str]) -> dict[str, int]:
    """The hint of every run symbol: the standard ones, and those that are in the inputs alone and no `sizes`."""
    own = [name for name in symbols_of(inputs) if name not in RUN_HINTS and name not in sizes]
    factors = [name for name in own if _least_factor(name, inputs) >= 8 or _is_side(name, own, inputs)]
    rows = {n for one in inputs if one.dtype == "float" and len(one.shape) == 2 for n in free_symbols(one.shape[1])}
    samples = [name for name in own if name not in factors and (name in rows or name == SAMPLES)]
    lengths = [name for name in own if name not in (*factors, *samples)]
    found = dict(RUN_HINTS)
    for names, hints in ((factors, _FACTORS), (samples, _SAMPLES), (lengths, _LENGTHS)):
        if len(names) > len(hints):
            raise SymflopsError(f"more than {len(hints)} symbols in the dimensions of inputs: {', '.join(names)}")
        found |= dict(zip(names, hints, strict=False))
    return found


def _least_factor(name: str, inputs: Sequence[Input]) -> int:
    """The smallest number that a symbol is multiplied by in any dimension."""
    found = [
        int(coefficient)
        for one in inputs
        for size in one.shape
        for monomial, coefficient in terms_of(size).items()
        if any(n == name for n, _ in monomial)
    ]
    return min(found, default=1)


def _is_side(name: str, own: Collection[str], inputs: Sequence[Input]) -> bool:
    """Whether a symbol is a side of an area: some dimension has it times another one."""
    monomials = [m for one in inputs for size in one.shape for m in terms_of(size)]
    return any({name} < {n for n, _ in m} & set(own) for m in monomials)


def tensors(inputs: Sequence[Input], model: nn.Module, symbols: Mapping[str, Any]) -> dict[str, Any]:
    """What stands in the arguments of a call, by place: tensors of the dimensions that the symbols give, and values.

    Raises SymflopsError for an argument that the model's forward does not have.
    """
    accepted = inspect.signature(type(model).forward).parameters
    named = list(accepted)[1:]
    takes_more = any(p.kind is p.VAR_KEYWORD for p in accepted.values())
    found: dict[str, Any] = {}
    for one in inputs:
        root = one.name.partition(".")[0]
        if root not in named and not takes_more:
            hint = nearest(root, named) or f"; it has {', '.join(named)}"
            raise SymflopsError(f"forward of {type(model).__qualname__} has no argument {root!r}{hint}")
        shape = [size_of(size, symbols) for size in one.shape]
        found[one.name] = one.plain[0] if one.plain else torch.empty(shape, dtype=_dtype(one))
    return found


def fed(inputs: Sequence[Input], model: nn.Module, symbols: Mapping[str, Any], recorder: Any) -> dict[str, Any]:
    """The same as the arguments of the call that is recorded. What is stated of whole numbers is as good as a size."""
    found = tensors(inputs, model, symbols)
    for one in inputs:
        if not one.plain:
            is_size = one.content is not None and one.dtype != "float"  # a grid, a mask of ones
            recorder.note(found[one.name], "constant" if is_size else "input")
            state(one, found[one.name], symbols, recorder)
    return assembled(found, model)


def state(one: Input, tensor: torch.Tensor, symbols: Mapping[str, Any], recorder: Any) -> None:
    """Tell a recorder what is in an input, if that is stated: all of one value, or elements of known places."""
    if one.content is None:
        return
    row = [size_of(value, symbols) for value in (one.content if isinstance(one.content, tuple) else (one.content,))]
    if len(row) == 1 and not isinstance(one.content, tuple):
        number = row[0]
        kind = float if tensor.dtype.is_floating_point else bool if tensor.dtype == torch.bool else None
        recorder.storages[storage_key(tensor)].value = number if kind is None else kind(number)
    if is_small(tensor):
        content = numpy.empty(tuple(tensor.shape), dtype=object)
        for place in numpy.ndindex(*content.shape):
            content[place] = row[place[-1] if len(row) > 1 else 0]
        plain = all(type(value) is int for value in row)
        recorder.known.contents.state(tensor, real(content, tensor.dtype) if plain else content)


def _dtype(one: Input) -> torch.dtype | None:
    return None if one.dtype == "float" else getattr(torch, one.dtype)


def size_of(value: Value, symbols: Mapping[str, Any]) -> Any:
    """A polynomial with the symbols of a run, built by arithmetic on them."""
    if not isinstance(value, Polynomial):
        return value
    total: Any = 0
    for monomial, coefficient in terms_of(value).items():
        product: Any = coefficient
        for name, exponent in monomial:
            sizes = quotient(name)
            factor = symbols[name] if sizes is None else size_of(sizes[0], symbols) // size_of(sizes[1], symbols)
            for _ in range(exponent):
                product = product * factor
        total = total + product
    return total


def in_numbers(inputs: Sequence[Input], name: str, number: int) -> tuple[Input, ...]:
    """Inputs with a number in place of a symbol."""

    def changed(value: Value) -> Value:
        return substitute(value, {name: number})

    def content(given: Value | tuple[Value, ...] | None) -> Value | tuple[Value, ...] | None:
        return tuple(map(changed, given)) if isinstance(given, tuple) else None if given is None else changed(given)

    return tuple(replace(one, shape=tuple(map(changed, one.shape)), content=content(one.content)) for one in inputs)
