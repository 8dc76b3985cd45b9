"""What an operation gave once is what torch gives again: sizes, strides, memory, and the conditions that it asks."""

from __future__ import annotations

import pytest
import torch

from symflops.trace import elementwise
from symflops.trace.internals import Sizes, size_key
from symflops.trace.results import Results, key_of
from symflops.trace.serials import storage_key

pytestmark = pytest.mark.torch

aten = torch.ops.aten


def described(result, tensors):
    """Everything that later operations can see of a result, sizes as torch wrote them."""
    memory = {storage_key(tensor): i for i, tensor in enumerate(tensors)}
    return [
        (
            tuple(map(size_key, t.shape)), tuple(map(size_key, t.stride())), size_key(t.storage_offset()), t.dtype,
            t.device, memory.get(storage_key(t)), any(t is other for other in tensors), t.is_contiguous(),
        )
        for t in (result if isinstance(result, list | tuple) else [result])
    ]  # fmt: skip


@pytest.fixture
def sizes():
    made = Sizes()
    with made.active():
        yield made


OPERATIONS = {
    "new": lambda x, n: (aten.add.Tensor, (x, x)),
    "halves": lambda x, n: (aten.neg.default, (x.new_empty((7, n // 2)),)),
    "broadcast": lambda x, n: (aten.mul.Tensor, (x, x.new_empty((1, n)))),
    "product": lambda x, n: (aten.mm.default, (x, x.new_empty((n, 5)))),
    "transposed": lambda x, n: (aten.add.Tensor, (x.new_empty((n, 7)).t(), 1)),
    "piece": lambda x, n: (aten.slice.Tensor, (x, 0, 2, 5)),
    "piece of a piece": lambda x, n: (aten.slice.Tensor, (x[1:, :3], 1, 1, 2)),
    "row": lambda x, n: (aten.select.int, (x, 0, 3)),
    "view": lambda x, n: (aten.view.default, (x, [7 * n])),
    "expanded": lambda x, n: (aten.expand.default, (x.new_empty((7, 1)), [7, n])),
    "several views": lambda x, n: (aten.split.Tensor, (x, 3)),
    "several new": lambda x, n: (aten.topk.default, (x, 2, 0)),
    "in place": lambda x, n: (aten.mul_.Tensor, (x, 2.0)),
    "put in place": lambda x, n: (aten.copy_.default, (x[2], x[0])),
    "of no tensor": lambda x, n: (aten.zeros.default, ([n, 3],)),
    "of another kind": lambda x, n: (aten.view_as_complex.default, (x.new_empty((n, 2)),)),
    "of another format": lambda x, n: (aten._to_copy.default, (x,)),
    "filled up": lambda x, n: (aten.constant_pad_nd.default, (x, [1, 2])),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_second_result_is_what_torch_gives(sizes, name):
    n = sizes.run_symbol("n", 11)
    guards: list = []
    results = Results(sizes, guards)
    with sizes.watching_guards(lambda *asked: guards.append(asked)):
        for _ in range(2):
            function, args = OPERATIONS[name](torch.empty((7, n)), n)
            tensors = [a for a in args if isinstance(a, torch.Tensor)]
            del guards[:]
            result = function(*args)
            asked = set(guards)
            del guards[:]
            found = results.of(function, args, {})
            plain = elementwise.shape_of(function, {}, tensors) is not None  # then nobody asks
            assert plain or asked <= set(guards)  # what torch remembers of a tensor it does not ask again
            del guards[:]
            expected, asked = described(result, tensors), set(guards)
            del guards[:]
            assert described(found, tensors) == expected
            assert set(guards) <= asked  # torch knows as much of it, such as that it is contiguous
    assert results.known


def test_what_was_asked_before_is_not_asked_of_torch_again(sizes):
    n, guards = sizes.run_symbol("n", 11), []
    results = Results(sizes, guards)
    calls = []

    def add(*args):  # which is not known to be elementwise
        calls.append(args)
        return aten.add.Tensor(*args)

    add._schema, add.tags = aten.add.Tensor._schema, ()
    x = torch.empty((7, n))
    first, second = (results.of(add, (x, x), {}) for _ in range(2))
    assert len(calls) == 1
    assert storage_key(first) != storage_key(second)  # a result of its own all the same
    for other in (torch.empty((n, 7)), torch.empty((n, 7)).t(), torch.empty((7, n), dtype=torch.half), x[:, :3]):
        results.of(add, (other, other), {})
    results.of(add, (x, torch.empty((7, n))), {})  # not the same memory twice
    assert len(calls) == 6


def test_a_number_in_a_tensor_is_never_remembered(sizes):
    results = Results(sizes, [])
    for number in (3, 4):
        tensor = torch.tensor(number)
        result = results.of(aten.add.Tensor, (tensor, tensor), {})
        assert result.item() == 2 * number


def test_a_symbol_of_the_same_hint_is_the_same_in_every_call():
    sizes = Sizes()
    again = [sizes.run_symbol("seq_len", hint) for hint in (677, 677, 1361)]
    assert again[0] is again[1]
    assert sizes.names[again[2].node.expr] == "seq_len"
    assert again[2].node.expr != again[0].node.expr


def test_arguments_put_together_otherwise_are_other_arguments(sizes):
    n = sizes.run_symbol("n", 11)
    x, y = torch.empty((7, n)), torch.empty((3, n))
    keys = [
        key_of(aten.cat.default, args, kwargs)
        for args, kwargs in (
            (([x, y],), {}), (([x], y), {}), (([[x], y],), {}), (([x, y], 0), {}), (([x, y], 1), {}),
            (([x, y],), {"dim": 1}), (([x, y],), {"out": 1}), (([x, x],), {}), (([x, x.clone()],), {}),
            (([x, None, y],), {}), (([x, y, None],), {}), (([x, y], True), {}), (([x, y], n), {}),
        )
    ]  # fmt: skip
    assert len(set(keys)) == len(keys)
    assert None not in keys
    assert key_of(aten.cat.default, ([x, object()],), {}) is None
