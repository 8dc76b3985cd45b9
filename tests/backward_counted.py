"""What the backward of an operation costs and what its forward keeps, counted on small real tensors of PyTorch.

Activations and weights are in bfloat16, so that what autograd keeps in float32 is seen. Saved is each memory that
`saved_tensors_hooks` tell of, once and without weights; what a backward reads is that, the weights among it and the
gradient that comes in; it writes the gradients that are memory of their own. Operations as in `trained.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from counted import Counted, Row, dot, exp
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from trained import _Every as Every
from trained import convolution_backward

Rows = Sequence[Row]
UNITS = {torch.bfloat16: "dtype_bytes", torch.float32: "4", torch.int64: "8", torch.bool: "1", torch.uint8: "1"}
# Operations on each element of the largest tensor: derivatives.yaml and the kernels of ATen, by the rules of DESIGN.md.
MORE = {
    "softplus_backward": 5,  # g*z/(z + 1), z = exp(x*beta)
    "mish_backward": 16,  # tanh, log and 1 +, exp; the sigmoid is 4; g*(t + x*s*(1 - t*t))
    "elu_backward": 3,  # g*exp(x)*scale, or g*(y + alpha)
    "hardswish_backward": 3,  # g*(x/3 + 0.5)
    "hardsigmoid_backward": 1, "hardtanh_backward": 0, "fill": 0, "expm1": 1, "minimum": 0, "erf": 1, "expand": 0,
    "scatter_": 0, "log": 1, "new_ones": 0, "topk": 0, "unbind": 0, "mean": 1, "contiguous": 0, "empty": 0,
    "index_add_": 1, "masked_fill_": 0, "logical_and_": 0, "lift_fresh": 0, "scalar_tensor": 0, "index_add": 1,
}  # fmt: skip


@dataclass
class Call:
    """A call to differentiate: its floating inputs, its weights, and by hand how many elements have the gradients
    between two of its operations that a matrix multiply reads or writes."""

    run: Callable[[], Any]
    inputs: list[Tensor]
    weights: list[Tensor]
    between: int = 0
    buffers: Sequence[Tensor] = ()  # of the module, which are there anyway


class _Every(Every):
    def of(self, name: str, args: Any, kwargs: Any, ins: list[Tensor], outs: list[Tensor]) -> int:
        largest = max((t.numel() for t in (*ins, *outs)), default=0)
        if name == "glu_backward":  # s is 4; g*s; (1 - s)*s*g*a
            return 9 * ins[0].numel()
        if name == "_prelu_kernel_backward":  # g*slope, and g*x
            return 2 * ins[0].numel()
        if name == "native_group_norm_backward":
            each = (9 + (args[4] is not None)) * args[9][0] + 2 * args[9][1] + args[9][2]
            return each * ins[0].numel() + 2 * args[9][0] * args[5] * args[8]
        if name == "native_layer_norm_backward":  # without a weight one product less
            each = (9 + (args[5] is not None)) * args[-1][0] + 2 * args[-1][1] + args[-1][2]
            return each * ins[1].numel() + 2 * args[-1][0] * ins[1].numel() // ins[1].shape[-1]
        if name in ("max_pool2d_with_indices_backward", "upsample_nearest2d_backward", "upsample_nearest1d_backward"):
            return ins[0].numel()
        if name == "avg_pool2d_backward":  # a quotient, and an addition to each of the window
            return ins[0].numel() * (1 + args[2][0] * args[2][-1])
        if name == "upsample_bilinear2d_backward":  # four products and additions
            return 8 * ins[0].numel()
        if name == "nll_loss_backward":  # a negation for each row, and a quotient of the mean
            return 2 * args[2].numel()
        if name in ("index_add", "index_add_"):
            return ins[-1].numel()
        if name in MORE:
            return MORE[name] * largest if outs[0].is_floating_point() else 0
        return super().of(name, args, kwargs, ins, outs)


def measure(call: Call, frozen: bool = False) -> dict[str, Any]:
    """FLOPs, and for each kind of bytes the elements by how wide they are, such as {"dtype_bytes": 12, "4": 3}."""
    for tensor in call.inputs:
        tensor.requires_grad_()
    for tensor in call.weights:
        tensor.requires_grad_(not frozen)
    own = {t.untyped_storage().data_ptr() for t in (*call.weights, *call.buffers)}
    kept: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = call.run()
    saved, weights, written = Counter[str](), Counter[str](), Counter[str]()
    for address, tensor in kept.items():
        storage = tensor.untyped_storage().nbytes() // tensor.itemsize
        if address in own:
            weights["weight_bytes"] += storage
        else:
            saved[UNITS[tensor.dtype]] += storage
    every = _Every()
    mapping = {torch.ops.aten.convolution_backward: convolution_backward}
    given = torch.randn_like(result)
    wanted = [*call.inputs, *([] if frozen else call.weights)]
    with FlopCounterMode(display=False, custom_mapping=mapping) as matmul, every:
        found = torch.autograd.grad(result, wanted, given, materialize_grads=False)
    for tensor, gradient in zip(wanted, found, strict=True):
        if gradient.untyped_storage().data_ptr() != given.untyped_storage().data_ptr():
            unit = "weight_bytes" if any(tensor is w for w in call.weights) else UNITS[gradient.dtype]
            written[unit] += tensor.numel()
    read = saved + weights
    read[UNITS[given.dtype]] += given.numel() if written else 0
    return {
        "flops": every.flops, "matmul_flops": matmul.get_total_flops(),
        "read_bytes": read, "write_bytes": written, "saved_bytes": saved,
        "intermediate_bytes": Counter({"dtype_bytes": call.between}),
    }  # fmt: skip


def flash(a: Mapping[str, Any], widths: Mapping[str, int], frozen: bool) -> dict[str, int]:
    """Fused attention's backward by hand, pair by pair: Dao et al. 2022, algorithm 4."""
    d, e = a["head_dim"], a["value_dim"]
    first = a["kv_len"] - a["q_len"]
    earlier = min(first, a["window"] - 1)  # that are kept
    keys = range(first - earlier, a["kv_len"])
    flops = matmul = 0
    for query in range(first, a["kv_len"]):
        flops += 2 * e  # the sum of dO*O
        flops += 0 if frozen else 3 * a["sinks"]  # p of the sink, its product with that sum, and the addition of it
        for key in keys:
            if a["masked"] and not query - a["window"] < key <= query:
                continue
            products = 2 * d + 2 * e + 2 * e + 2 * d + 2 * d  # scores again, dV, dP, dQ, dK
            matmul += products
            flops += products + 2 + 2 + 2 * a["scaled"] + 2 * a["pair_ops"]  # exp(s - l); p*(dP - sum); there and back
    heads, kv_heads, batch = a["num_heads"], a["num_kv_heads"], a["batch"]
    added_up = (heads - kv_heads) * len(keys) * (d + e)  # gradients of keys and values, over the heads of a group
    q, out, sums = (a["q_len"] * heads * n for n in (d, e, 1))
    kv = len(keys) * kv_heads * (d + e)
    wide, wide_kv, sinks = widths["dtype_bytes"], a["kv_bytes"], widths["weight_bytes"] * a["sinks"] * heads
    saved = batch * (wide * (q + out) + wide_kv * kv + 4 * sums)
    return {
        "flops": batch * (heads * flops + added_up), "matmul_flops": batch * heads * matmul,
        "read_bytes": saved + batch * wide * out + sinks,
        "write_bytes": batch * (wide * q + wide_kv * kv) + (0 if frozen else sinks),
        "intermediate_bytes": 0, "saved_bytes": saved,
    }  # fmt: skip


def selective_scan(
    u: Rows, dt: Rows, a_log: Rows, b: Rows, c: Rows, d: Row, given: Rows, frozen: bool
) -> tuple[list[Any], list[Any]]:
    """The gradients of one sequence's u, dt, b and c, and of a_log and d, in numbers that count; arguments as those of
    `counted.selective_scan`. Each sum starts from an accumulator, as the states before the first and after the last
    position are there, too."""
    a = [[-exp(x) for x in row] for row in a_log]
    channels, states = range(len(a)), range(len(b[0]))

    def zeros(rows: int, width: int) -> list[list[Counted]]:
        return [[Counted(0.0)] * width for _ in range(rows)]

    state, before, decays, inputs = zeros(len(a), len(b[0])), [], [], []
    for u_t, dt_t, b_t in zip(u, dt, b, strict=True):  # computed again
        before.append(state)
        decays.append([[exp(dt_t[k] * a[k][j]) for j in states] for k in channels])
        inputs.append([[dt_t[k] * b_t[j] for j in states] for k in channels])
        state = [[decays[-1][k][j] * state[k][j] + inputs[-1][k][j] * u_t[k] for j in states] for k in channels]
    after = [*before[1:], state]
    of_u, of_dt, of_b, of_c = (zeros(len(u), len(row)) for row in (channels, channels, states, states))
    of_a, of_d, later = zeros(len(a), len(b[0])), [Counted(0.0) for _ in channels], zeros(len(a), len(b[0]))
    for t in reversed(range(len(u))):
        for j in states:
            of_c[t][j] = dot([after[t][k][j] for k in channels], given[t])
        for k in channels:
            of_u[t][k] += given[t][k] * d[k]
            if not frozen:
                of_d[k] += given[t][k] * u[t][k]
            for j in states:
                e = dot([given[t][k]], [c[t][j]]) + later[k][j]
                later[k][j] = decays[t][k][j] * e
                exponent = e * before[t][k][j] * decays[t][k][j]
                of_dt[t][k] += exponent * a[k][j]
                if not frozen:
                    of_a[k][j] += exponent * dt[t][k]
                of_u[t][k] += e * inputs[t][k][j]
                product = e * u[t][k]
                of_dt[t][k] += product * b[t][j]
                of_b[t][j] += product * dt[t][k]
    of_a_log = [] if frozen else [[of_a[k][j] * a[k][j] for j in states] for k in channels]
    return [of_u, of_dt, of_b, of_c], [of_a_log, of_d]


def scanned(a: Mapping[str, Any], widths: Mapping[str, int], frozen: bool) -> dict[str, int]:
    """Mamba's scan: operations of the loop above for each sequence, its matrix products two for each state and each of
    the two, and what is there once: the exponentials of A and their derivatives."""
    batch, length, channels, states = (a[name] for name in ("batch", "length", "channels", "state_size"))

    def some(rows: int, width: int) -> list[list[Counted]]:
        return [[Counted(0.5)] * width for _ in range(rows)]

    wide, narrow = some(length, channels), some(length, states)
    Counted.operations = 0
    selective_scan(wide, wide, some(channels, states), narrow, narrow, wide[0], wide, frozen)
    once = channels * states * (2 if frozen else 3)
    given = widths["dtype_bytes"] * batch * length
    own = widths["weight_bytes"] * channels * (states + 1)
    saved = given * 2 * (channels + states)
    return {
        "flops": batch * (Counted.operations - once) + once, "matmul_flops": batch * length * channels * states * 4,
        "read_bytes": saved + given * channels + own, "write_bytes": saved + (0 if frozen else own),
        "intermediate_bytes": 0, "saved_bytes": saved,
    }  # fmt: skip


def number(quantity: Any, widths: Mapping[str, int]) -> int:
    """The bytes of elements at these widths; a number as it is."""
    if isinstance(quantity, int):
        return quantity
    return sum(n * (widths[unit] if unit in widths else int(unit)) for unit, n in quantity.items())
