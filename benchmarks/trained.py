"""What a real training step does, counted on small real tensors without the code under test.

Matrix multiplies by PyTorch's own counter, whose count of a grouped convolution's weight gradient is corrected; all
operations of the backward one by one, by the number of operations on an element that is written beside each name; and
what autograd keeps, by its own hooks, each memory once and without weights.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple
from unittest.mock import patch
from weakref import WeakSet

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten
from torch.utils.flop_counter import FlopCounterMode

# Operations on each element of the largest tensor that takes part.
EACH = {
    "add": 1, "add_": 1, "sub": 1, "rsub": 1, "mul": 1, "div": 1, "neg": 1, "pow": 1, "sum": 1, "exp": 1, "sqrt": 1,
    "rsqrt": 1, "reciprocal": 1, "cos": 1, "sin": 1, "index_put": 1, "index_put_": 1, "scatter_add": 1, "cumsum": 1,
    "tanh": 1, "tanh_backward": 3, "sigmoid_backward": 3,  # a square or a product, a difference, two products
    "silu_backward": 9,  # the sigmoid is 4; 1 - s, times x, plus 1, times s, times g
    "_softmax_backward_data": 4, "_log_softmax_backward_data": 4,  # two products (an exponential), a sum, a difference
    "native_dropout_backward": 1, "leaky_relu_backward": 1, "elu_backward": 3, "softplus_backward": 5, "log": 1,
    "log_sigmoid_backward": 5, "sub_": 1, "mul_": 1, "neg_": 1, "square": 1,
}  # fmt: skip
# Of complex numbers: real operations on each of the largest tensor, with a complex number and with a real one.
COMPLEX = {"mul": (6, 2), "add": (2, 1), "sub": (2, 1), "neg": (2, 2), "sum": (2, 2)}
NORMS: dict[str, Callable[[torch.Tensor, Any], int]] = {  # how many means there are
    "native_layer_norm_backward": lambda x, _: x.numel() // x.shape[-1],
    "native_batch_norm_backward": lambda x, _: x.shape[1],
    "native_group_norm_backward": lambda x, args: x.shape[0] * args[-2],
}
NOTHING = {
    "ones_like", "clone", "_to_copy", "new_zeros", "zeros", "slice_backward", "select_backward", "threshold_backward",
    "cat", "copy_", "zero_", "where", "masked_fill", "scatter", "index_select", "full", "zeros_like", "empty_like",
    "stack", "native_dropout", "sgn", "gt", "lt", "ge", "le", "logical_and", "arange", "fill_", "flip", "eq", "index",
    "scalar_tensor", "masked_fill_", "bitwise_not", "logical_not", "roll", "sort", "unsqueeze", "empty", "new_full",
    "view", "gather", "new_empty_strided", "_unsafe_view", "full_like", "constant_pad_nd", "detach",
}  # fmt: skip


class Count(NamedTuple):
    forward_matmul: int
    matmul: int  # of the backward
    flops: int
    saved: int


class _Packed:
    """What autograd keeps in place of a tensor, for as long as its graph is there: what a source computes for a choice
    alone, such as which experts take a token, is packed and dropped before the backward begins."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor.detach()  # a result would hold the graph that holds it


def count(run: Callable[[], torch.Tensor], weights: Any) -> Count:
    """What the call `run` keeps, and the backward of the sum of what it gives."""
    own = {t.untyped_storage().data_ptr() for t in weights}
    for weight in weights:
        weight.grad = None  # what is there would be added to
    packed: WeakSet[_Packed] = WeakSet()

    def pack(tensor: torch.Tensor) -> _Packed:
        packed.add(one := _Packed(tensor))
        return one

    with (
        patch.object(nn.functional, "dropout", dropout),
        torch.autograd.graph.saved_tensors_hooks(pack, lambda one: one.tensor),
        FlopCounterMode(display=False) as forward,
    ):
        result = run()
    gc.collect()  # what a cycle of objects holds of a graph that is gone is kept by nobody
    kept = {(storage := one.tensor.untyped_storage()).data_ptr(): storage.nbytes() for one in packed}
    saved = sum(size for address, size in kept.items() if address not in own)
    every = _Every()
    mapping = {torch.ops.aten.convolution_backward: convolution_backward}
    with FlopCounterMode(display=False, custom_mapping=mapping) as backward, every:
        result.backward(torch.ones_like(result))
    return Count(forward.get_total_flops(), backward.get_total_flops(), every.flops, saved)


def dropout(input: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> torch.Tensor:  # noqa: A002 - torch's name
    """As a GPU does it, with a mask of one byte an element; on the CPU torch keeps one as large as the tensor."""
    return torch.native_dropout(input, p, True)[0] if training and p > 0 else input


def convolution_backward(grad: Any, x: Any, weight: Any, *others: Any, out_val: Any = None, **_: Any) -> int:
    """Of shapes: twice what the forward takes, 2 for each element of the result and each weight that it is made with.
    Transposed the result and the input change places."""
    transposed, mask = others[4], others[7]
    return 2 * prod(x if transposed else grad) * prod(weight[1:]) * (mask[0] + mask[1])


class _Every(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        ins, outs = (
            [t for t in tree_flatten(tree)[0] if isinstance(t, torch.Tensor)] for tree in ((args, kwargs), result)
        )
        memory = {t.untyped_storage().data_ptr() for t in ins}
        if function._schema.is_mutable or any(t.untyped_storage().data_ptr() not in memory for t in outs):
            self.flops += self.of(function._schema.name.partition("::")[2], args, kwargs or {}, ins, outs)
        return result

    def of(self, name: str, args: Any, kwargs: Any, ins: list[torch.Tensor], outs: list[torch.Tensor]) -> int:
        largest = max((t.numel() for t in (*ins, *outs)), default=0)
        if name in ("mm", "bmm"):
            return 2 * outs[0].numel() * ins[0].shape[-1]
        if name == "convolution_backward":
            shapes = (t.shape for t in args[:3])
            return convolution_backward(*shapes, *args[3:]) + (args[0].numel() if args[-1][2] else 0)
        if name in ("embedding_dense_backward", "max_pool2d_with_indices_backward"):
            return ins[0].numel()
        if name in NORMS:  # normalised 2, of the input 8 and two quotients for each mean, weight 2, bias 1
            of_input, of_weight, of_bias = args[-1]
            each = 2 * (of_input or of_weight) + 8 * of_input + 2 * of_weight + of_bias
            return each * ins[1].numel() + 2 * NORMS[name](ins[1], args) * of_input
        if name == "_scaled_dot_product_flash_attention_for_cpu_backward":
            batch, heads, queries, width = ins[1].shape
            pairs = batch * heads * queries * ins[2].shape[2]
            # Five products; of a pair exp(s - l), p*(d - delta), scaled on the way there and back unless by 1; delta is
            # the sum of a product.
            each = 4 if kwargs.get("scale") == 1 else 6
            return 10 * pairs * width + each * pairs + 2 * ins[1].numel()
        if name == "gelu_backward":
            return (18 if kwargs.get("approximate") == "tanh" else 11) * largest
        if name in ("index_put", "index_put_", "scatter_add"):
            return ins[-1].numel()
        if name in NOTHING or not (outs[0].is_floating_point() or outs[0].is_complex()):
            return 0
        if outs[0].is_complex():
            real = len(ins) < 2 or not all(t.is_complex() for t in ins)
            return COMPLEX[name][real] * largest
        plain = [a for a in args[1:2] if type(a) in (int, float)]
        return 0 if name in ("mul", "div", "pow") and plain == [1] else EACH[name] * largest
