"""Which formula of the library a module is, and with which arguments: read off the module and its shapes.

A formula stands for a traced module only if it costs exactly what was traced, in all six metrics; that is checked at
every use. So an entry here can be incomplete, but it cannot make a number wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symflops.polynomial import Value
from symflops.trace.operation import Shape
from symflops.trace.quantity import Quantities, product

Arguments = dict[str, Value]


class Traced:
    """A module that was run: its attributes as values, the shapes that went in and came out."""

    def __init__(self, module: Any, inputs: list[Shape], outputs: list[Shape], quantities: Quantities) -> None:
        self.module, self.inputs, self.outputs, self.quantities = module, inputs, outputs, quantities

    def of(self, *names: str) -> list[Value]:
        return [self.quantities.value(getattr(self.module, name)) for name in names]

    @property
    def bias(self) -> int:
        return int(getattr(self.module, "bias", None) is not None)

    @property
    def rows(self) -> Value:
        return product(self.inputs[0][:-1])

    @property
    def elements(self) -> Value:
        return product(self.inputs[0])


def _linear(t: Traced) -> Arguments:
    return {"N": t.rows, "in_features": t.inputs[0][-1], "out_features": t.outputs[0][-1]} | _one("bias", t.bias)


def _embedding(t: Traced) -> Arguments:
    rows, width = t.quantities.shape(t.module.weight.shape)
    return {"N": t.elements, "num_embeddings": rows, "embedding_dim": width}


def _elements(t: Traced) -> Arguments:
    return {"n": t.elements}


def _row(t: Traced) -> Arguments:
    return {"N": t.rows, "width": t.inputs[0][-1]}


def _rms_norm(t: Traced) -> Arguments:
    return {"N": t.rows, "hidden_size": t.inputs[0][-1]}


def _layer_norm(t: Traced) -> Arguments:
    affine = int(t.module.weight is not None)
    return _rms_norm(t) | ({} if t.bias else {"bias": 0}) | ({} if affine else {"affine": 0})


def _rotary_table(t: Traced) -> Arguments:
    batch, positions = t.inputs[-1][-2:]
    scaled = int(getattr(t.module, "attention_scaling", 1.0) != 1.0)
    return {"batch": batch, "positions": positions, "head_dim": t.outputs[0][-1]} | _one("scaled", scaled)


def _moe_experts(t: Traced) -> Arguments:
    experts = t.quantities.shape(t.module.down_proj.shape)
    inner = experts[1] if t.module.is_transposed else experts[2]
    return {
        "N": t.inputs[0][0], "hidden_size": t.inputs[0][-1], "intermediate_size": inner, "num_experts": experts[0],
        "top_k": t.inputs[1][-1],
    }  # fmt: skip


def _convolution(t: Traced) -> Arguments:
    dims = ("length",) if len(t.module.kernel_size) == 1 else ("depth", "height", "width")[-len(t.module.kernel_size) :]
    of = t.quantities.value
    batch = t.inputs[0][0] if len(t.inputs[0]) == len(dims) + 2 else 1
    args: Arguments = {
        "N": batch,
        "in_channels": t.inputs[0][-len(dims) - 1],
        "out_channels": t.outputs[0][-len(dims) - 1],
    }
    for i, dim in enumerate(dims):
        suffix = "" if dim == "length" else f"_{dim}"
        args[dim] = t.inputs[0][i - len(dims)]
        args[f"kernel{suffix or '_size'}"] = of(t.module.kernel_size[i])
        for name, usual in (("stride", 1), ("padding", 0), ("dilation", 1)):
            given = getattr(t.module, name)
            if not isinstance(given, str) and of(given[i]) != usual:
                args[f"{name}{suffix}"] = of(given[i])
        args[f"out_{dim}"] = t.outputs[0][i - len(dims)]
    groups = of(t.module.groups)
    return args | _one("groups", groups, 1) | ({} if t.bias else {"bias": 0})


def _batch_norm(t: Traced) -> Arguments:
    batch, channels, *size = t.inputs[0]
    return {"N": batch, "channels": channels, "size": product(size)} | ({} if t.module.affine else {"affine": 0})


def _group_norm(t: Traced) -> Arguments:
    (groups,) = t.of("num_groups")
    return _batch_norm(t) | {"num_groups": groups}


def _one(name: str, value: Value, usual: Value = 0) -> Arguments:
    return {} if value == usual else {name: value}


READERS: dict[str, Callable[[Traced], Arguments]] = {
    "linear": _linear, "embedding": _embedding, "rms_norm": _rms_norm, "layer_norm": _layer_norm,
    "rotary_table": _rotary_table, "moe_experts": _moe_experts, "softmax": _row, "log_softmax": _row,
    "conv1d": _convolution, "conv2d": _convolution, "conv3d": _convolution, "conv_transpose1d": _convolution,
    "conv_transpose2d": _convolution, "conv_transpose3d": _convolution, "batch_norm": _batch_norm,
    "group_norm": _group_norm,
}  # fmt: skip
for _name in [
    "elu",
    "gelu",
    "gelu_fast",
    "gelu_tanh",
    "hardsigmoid",
    "hardswish",
    "identity",
    "laplace",
    "leaky_relu",
    "mish",
    "quick_gelu",
    "relu",
    "relu2",
    "sigmoid",
    "silu",
    "softplus",
    "sqrtsoftplus",
    "tanh",
    "xielu",
]:
    READERS[_name] = _elements
