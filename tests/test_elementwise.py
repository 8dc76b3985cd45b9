"""Elementwise results that torch was not asked for have the sizes, the order in memory and the type that it gives."""

from __future__ import annotations

import random

import pytest
import torch

from symflops.trace import elementwise
from symflops.trace.internals import Sizes, size_key
from symflops.trace.leaves import tensors
from symflops.trace.results import Results

pytestmark = pytest.mark.torch

aten = torch.ops.aten
UNARY = (aten.sin.default, aten.exp.default, aten.silu.default, aten.clone.default, aten.logical_not.default)
BINARY = (aten.add.Tensor, aten.mul.Tensor, aten.pow.Tensor_Tensor, aten.lt.Tensor, aten.maximum.default)
TYPES = (torch.float32, torch.bfloat16, torch.int64, torch.bool)


@pytest.fixture
def sizes():
    made = Sizes()
    with made.active():
        yield made


def drawn(draw: random.Random, shape: list, whole: list) -> torch.Tensor:
    """A tensor of a shape: a new one, a part of a larger one, one with its dimensions in another order, or expanded."""
    dtype = draw.choice(TYPES)
    kind = draw.choice(("new", "new", "part", "order", "expanded", "every other", "last to first"))
    if kind == "part":
        tensor = torch.empty([size + 3 for size in shape], dtype=dtype)
        for place, size in enumerate(shape):
            tensor = tensor.narrow(place, draw.choice((0, 2)), size)
        return tensor
    if kind == "order" and len(shape) > 1:
        order = draw.sample(range(len(shape)), len(shape))
        return torch.empty([shape[i] for i in order], dtype=dtype).permute([order.index(i) for i in range(len(shape))])
    if kind == "expanded":
        return torch.empty([draw.choice((size, 1)) for size in shape], dtype=dtype).expand(shape)
    if kind == "every other" and shape:
        return torch.empty([*shape[:-1], shape[-1] * 2], dtype=dtype)[..., ::2]
    if kind == "last to first" and len(shape) > 1:
        return torch.empty([shape[-1], *shape[:-1]], dtype=dtype).movedim(0, -1)
    return torch.empty(shape, dtype=dtype)


def seen(sizes: Sizes, tensor: torch.Tensor) -> tuple:
    """What later operations see of a tensor, every symbol taken for its hint."""
    numbers = tuple(map(sizes.number, (*tensor.shape, *tensor.stride(), tensor.storage_offset())))
    return numbers, tensor.dtype, tensor.device


@pytest.mark.parametrize("seed", range(12))
def test_random_operations_give_what_torch_gives(sizes, seed):
    """4,800 operations in all; a rule that takes any order in memory for one row by row fails here."""
    draw, found = random.Random(seed), 0
    symbols = [sizes.run_symbol("batch", 7), sizes.run_symbol("length", 11)]
    for _ in range(400):
        shape = [draw.choice([1, 2, 3, 5, *symbols, symbols[1] - 1]) for _ in range(draw.randrange(5))]
        function = draw.choice(UNARY + BINARY)
        first = drawn(draw, shape, symbols)
        args: tuple = (first,)
        if function in BINARY:
            other = [draw.choice((size, size, 1)) for size in shape][draw.choice((0, 0, 1)) :]
            args = (first, draw.choice((drawn(draw, other, symbols), drawn(draw, other, symbols), first)))
        kwargs = {}
        if function is aten.clone.default:
            kwargs = draw.choice(({}, {"memory_format": torch.contiguous_format}))
        shape_found = elementwise.shape_of(function, kwargs, tensors(args))
        if shape_found is None:
            continue
        found += 1
        made = Results(sizes, []).of(function, args, kwargs)
        assert seen(sizes, made) == seen(sizes, function(*args, **kwargs)), (function, args, [a.stride() for a in args])
    assert found > 100


@pytest.mark.parametrize("seed", range(4))
def test_random_operations_in_place_leave_their_first_tensor_as_it_is(sizes, seed):
    draw, found = random.Random(seed), 0
    batch = sizes.run_symbol("batch", 7)
    for _ in range(100):
        shape = [draw.choice([1, 2, 3, batch]) for _ in range(draw.randrange(1, 4))]
        first, other = drawn(draw, shape, []), drawn(draw, [draw.choice((size, 1)) for size in shape], [])
        before = seen(sizes, first)
        if elementwise.shape_of(aten.copy_.default, {}, [first, other]) is not None:
            found += 1
            made = Results(sizes, []).of(aten.copy_.default, (first, other), {})
            assert made is first
            assert seen(sizes, made) == before
    assert found > 50


def test_a_result_that_is_put_elsewhere_is_there(sizes):
    """`torch.add(x, y, out=z)` gives z, and so does the same again."""
    batch = sizes.run_symbol("batch", 7)
    x, y, z = (torch.empty((batch, 3)) for _ in range(3))
    results = Results(sizes, [])
    for _ in range(2):
        assert results.of(aten.add.out, (x, y), {"out": z}) is z


def test_what_does_not_fit_is_left_to_torch_which_refuses_it(sizes):
    batch = sizes.run_symbol("batch", 7)
    narrow, wide = torch.empty((1, 3)), torch.empty((batch, 3))
    assert elementwise.shape_of(aten.copy_.default, {}, [narrow, wide]) is None
    assert elementwise.shape_of(aten.add.Tensor, {}, [torch.empty((batch, 4)), wide]) is None
    with pytest.raises(RuntimeError):
        Results(sizes, []).of(aten.add.Tensor, (torch.empty((5, 4)), torch.empty((5, 3))), {})


def test_a_size_that_may_be_1_is_not_taken_for_1(sizes):
    """`length - 1` is 1 for two tokens; against 1 the result has `length - 1` all the same, without asking."""
    length = sizes.run_symbol("length", 2) - 1
    asked: list = []
    with sizes.watching_guards(lambda *told: asked.append(told)):
        made = Results(sizes, asked).of(aten.mul.Tensor, (torch.empty((3, length)), torch.empty((3, 1))), {})
    assert size_key(made.shape[1]) == size_key(length)
    assert not asked


def test_a_tensor_moved_to_where_it_is_has_the_type_that_is_asked_for(sizes):
    batch, cpu = sizes.run_symbol("batch", 7), torch.device("cpu")
    asked = {"dtype": torch.bfloat16, "device": cpu}
    assert elementwise.shape_of(aten._to_copy.default, asked, [torch.empty((batch, 3))]) is not None
    made = Results(sizes, []).of(aten._to_copy.default, (torch.empty((batch, 3)),), asked)
    assert (made.dtype, made.device) == (torch.bfloat16, cpu)
    asked["device"] = torch.device("meta")
    assert elementwise.shape_of(aten._to_copy.default, asked, [torch.empty((batch, 3))]) is None


def test_operations_that_are_not_elementwise_are_left_to_torch():
    for function in (aten.mm.default, aten.cumsum.default, aten.sum.dim_IntList, aten.topk.default, aten.view.default):
        assert not elementwise.is_elementwise(function)
