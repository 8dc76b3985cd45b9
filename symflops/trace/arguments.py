"""Which formula of the library a module is, and with which arguments: read off the module and its shapes.

A formula stands for a traced module only if it costs exactly what was traced, in every metric; that is checked at
every use. So an entry here can be incomplete, but it cannot make a number wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from symflops.formula import Formula, formula_for_class, load_formula
from symflops.polynomial import Value, add, divide, negate, symbol
from symflops.trace.quantity import product
from symflops.trace.record import Execution
from symflops.trace.recorder import Recorder

Arguments = dict[str, Value]


class Traced:
    """A module that was run: its attributes as values, the shapes that went in and came out."""

    def __init__(self, execution: Execution, recorder: Recorder) -> None:
        self.module: Any = execution.module
        self.inputs, self.outputs = execution.input_shapes, execution.output_shapes
        self.views = execution.inputs
        self.recorder, self.quantities = recorder, recorder.quantities

    def of(self, *names: str) -> list[Value]:
        return [self.quantities.value(getattr(self.module, name)) for name in names]

    def sizes(self, name: str, dims: int) -> list[Value]:
        """An attribute that is one size for all dimensions or one for each."""
        given = getattr(self.module, name)
        return [self.quantities.value(v) for v in (given if isinstance(given, list | tuple) else [given] * dims)]

    def unit(self, index: int) -> Value:
        """Bytes per element of an input."""
        return self.recorder.storages[self.views[index].storage].unit

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
    args: Arguments = {"N": t.elements, "num_embeddings": rows, "embedding_dim": width}
    return args | _one("ids", t.views[0].elements, t.elements)


def _elements(t: Traced) -> Arguments:
    return {"n": t.elements}


def _gelu(t: Traced) -> Arguments:
    return _elements(t) | _one("tanh", int(getattr(t.module, "approximate", "none") == "tanh"))


def _glu(t: Traced) -> Arguments:
    return {"n": product(t.outputs[0])}


def _prelu(t: Traced) -> Arguments:
    return _elements(t) | _one("num_parameters", t.of("num_parameters")[0], 1)


def _row(t: Traced) -> Arguments:
    width = t.inputs[0][getattr(t.module, "dim", -3)]  # Softmax2d has no dim: it is over the channels
    return {"N": divide(t.elements, width), "width": width}


def _cross_entropy(t: Traced) -> Arguments:
    logits, target = t.inputs[:2]
    return {"N": product(target), "num_classes": logits[min(1, len(logits) - 1)]}


def _rms_norm(t: Traced) -> Arguments:
    return {"N": t.rows, "hidden_size": t.inputs[0][-1]}


def _layer_norm(t: Traced) -> Arguments:
    width = product(t.quantities.shape(t.module.normalized_shape))
    args: Arguments = {"N": divide(t.elements, width), "hidden_size": width}
    affine = int(t.module.weight is not None)
    return args | _one("bias", t.bias, affine) | _one("affine", affine, 1)


def _rotary_table(t: Traced) -> Arguments:
    batch, positions = t.inputs[-1][-2:]
    scaled = int(getattr(t.module, "attention_scaling", 1.0) != 1.0)
    return {"batch": batch, "positions": positions, "head_dim": t.outputs[0][-1]} | _one("scaled", scaled)


def _moe_experts(t: Traced) -> Arguments:
    experts = t.quantities.shape(t.module.down_proj.shape)
    inner = experts[1] if t.module.is_transposed else experts[2]
    args: Arguments = {
        "N": t.inputs[0][0], "hidden_size": t.inputs[0][-1], "intermediate_size": inner, "num_experts": experts[0],
        "top_k": t.inputs[1][-1],
    }  # fmt: skip
    args |= _one("act_ops", _activation(t.module.act_fn).by_metric({"n": 1})["flops"], 4)
    return args | _one("routing_bytes", t.unit(2), symbol("dtype_bytes"))


def _activation(of: Any) -> Formula:
    """The formula of an activation, a module or a function of torch.nn.functional."""
    kind = type(of)
    is_module = isinstance(of, torch.nn.Module)
    return formula_for_class(f"{kind.__module__}.{kind.__qualname__}") if is_module else load_formula(of.__name__)


def _dims(count: int) -> tuple[str, ...]:
    """What the formulas call the last dimensions of a tensor."""
    return ("length",) if count == 1 else ("depth", "height", "width")[-count:]


def _samples(t: Traced, count: int) -> Value:
    return t.inputs[0][0] if len(t.inputs[0]) == count + 2 else 1


def _windows(t: Traced, dims: tuple[str, ...], usual: dict[str, Value | None]) -> Arguments:
    """Sizes of the input, the window and the result for each dimension; None: what the window's size is."""
    args: Arguments = {}
    for i, dim in enumerate(dims):
        suffix = "" if dim == "length" else f"_{dim}"
        window = t.sizes("kernel_size", len(dims))[i]
        args[dim] = t.inputs[0][i - len(dims)]
        args[f"kernel{suffix or '_size'}"] = window
        for name, value in usual.items():
            if not isinstance(getattr(t.module, name), str):  # padding="same": the size of the result says it
                args |= _one(f"{name}{suffix}", t.sizes(name, len(dims))[i], window if value is None else value)
        args[f"out_{dim}"] = t.outputs[0][i - len(dims)]
    return args


def _convolution(t: Traced) -> Arguments:
    dims = _dims(len(t.module.kernel_size))
    channels = -len(dims) - 1
    args: Arguments = {
        "N": _samples(t, len(dims)), "in_channels": t.inputs[0][channels], "out_channels": t.outputs[0][channels],
    }  # fmt: skip
    args |= _windows(t, dims, {"stride": 1, "padding": 0, "dilation": 1})
    return args | _one("groups", t.of("groups")[0], 1) | _one("bias", t.bias)


def _pooling(dims: int) -> Callable[[Traced], Arguments]:
    def read(t: Traced) -> Arguments:
        args: Arguments = {"N": _samples(t, dims), "channels": t.inputs[0][-dims - 1]}
        return args | _windows(t, _dims(dims), {"stride": None, "padding": 0})

    return read


def _interpolate_nearest(t: Traced) -> Arguments:
    batch, channels, *size = t.inputs[0]
    return {"N": batch, "channels": channels, "in_size": product(size), "out_size": product(t.outputs[0][2:])}


def _interpolate_bilinear(t: Traced) -> Arguments:
    batch, channels, height, width = t.inputs[0]
    out = t.outputs[0]
    return {
        "N": batch, "channels": channels, "height": height, "width": width, "out_height": out[2], "out_width": out[3],
    }  # fmt: skip


def _pad(t: Traced) -> Arguments:
    return _elements(t) | {"padding": add(product(t.outputs[0]), negate(t.elements))}


def _batch_norm(t: Traced) -> Arguments:
    batch, channels, *size = t.inputs[0]
    args: Arguments = {"N": batch, "channels": channels, "size": product(size)}
    return args | _one("affine", int(t.module.affine), 1)


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
    "group_norm": _group_norm, "gelu": _gelu, "glu": _glu, "prelu": _prelu, "cross_entropy": _cross_entropy,
    "avg_pool1d": _pooling(1), "avg_pool2d": _pooling(2), "max_pool1d": _pooling(1), "max_pool2d": _pooling(2),
    "interpolate_nearest": _interpolate_nearest, "interpolate_bilinear": _interpolate_bilinear, "pad": _pad,
}  # fmt: skip
_ELEMENTWISE = [
    "copy", "elu", "gelu_fast", "gelu_tanh", "hardsigmoid", "hardswish", "identity", "laplace", "leaky_relu", "mish",
    "quick_gelu", "relu", "relu2", "sigmoid", "silu", "softplus", "sqrtsoftplus", "tanh", "xielu",
]  # fmt: skip
READERS |= dict.fromkeys(_ELEMENTWISE, _elements)
