"""What PyTorch's own backward operations compute: FLOPs by the conventions of DESIGN.md, one row for each of them.

Most gradients are made of operations that a forward has, too. Those below are operations of their own; the formulas are
those of `derivatives.yaml` and of the kernels in ATen, an exponential, a quotient, … being one operation each.
"""

from __future__ import annotations

from collections.abc import Callable

from symflops.polynomial import Value, add, multiply
from symflops.trace.aten import Arithmetic, AtenCall
from symflops.trace.operation import work
from symflops.trace.quantity import product

# Per element of the result.
POINTWISE = {
    "sigmoid_backward": 3,  # g*(1 - y)*y
    "tanh_backward": 3,  # g*(1 - y*y)
    "silu_backward": 9,  # g*s*(1 + x*(1 - s)) with s = 1/(1 + exp(-x))
    "mish_backward": 16,  # with t = tanh(log1p(exp(x))) and s as above: g*(t + x*s*(1 - t*t))
    "softplus_backward": 5,  # g*z/(z + 1) with z = exp(x*beta)
    "log_sigmoid_backward": 5,  # g/(1 + exp(x)), as the kernel has it with what the forward kept
    "elu_backward": 3,  # g*exp(x)*scale
    "leaky_relu_backward": 1, "hardsigmoid_backward": 1, "hardswish_backward": 3, "native_dropout_backward": 1,
    "threshold_backward": 0, "hardtanh_backward": 0, "slice_backward": 0, "select_backward": 0, "diagonal_backward": 0,
    "logit_backward": 3, "_prelu_kernel_backward": 2,
}  # fmt: skip
# Added into the result: per element of the gradient.
ACCUMULATIONS = frozenset([
    "embedding_dense_backward", "max_pool2d_with_indices_backward", "unfold_backward", "upsample_nearest1d_backward",
    "upsample_nearest2d_backward", "reflection_pad1d_backward", "reflection_pad2d_backward",
    "replication_pad1d_backward", "replication_pad2d_backward", "max_pool3d_with_indices_backward",
])  # fmt: skip


def derivative(call: AtenCall) -> Arithmetic | None:
    """What an operation of a backward computes; None for one that is in no table."""
    name = call.name
    if call.is_complex and (name in RULES or POINTWISE.get(name)):
        return None  # which are those of real numbers
    if name in RULES:
        return RULES[name](call)
    if name in POINTWISE:
        return Arithmetic(multiply(POINTWISE[name], product(call.outputs[0])))
    if name in ACCUMULATIONS:
        return Arithmetic(product(call.inputs[0]))
    if name.rstrip("_") in ("index_put", "_unsafe_index_put", "_index_put_impl") and _accumulates(call):
        return Arithmetic(product(call.inputs[-1]))
    return work(call)


def _accumulates(call: AtenCall) -> bool:
    return bool(call.args[3] if len(call.args) > 3 else call.kwargs.get("accumulate", False))


def _softmax(call: AtenCall) -> Arithmetic:
    """y*g - y*sum(y*g): two products, a sum and a difference. Of the logarithm: g - exp(y)*sum(g)."""
    return Arithmetic(multiply(4, product(call.outputs[0])))


def _glu(call: AtenCall) -> Arithmetic:
    """Per element of the gradient: a sigmoid s (4), s*g, and (1 - s)*s*g*a."""
    return Arithmetic(multiply(9, product(call.inputs[0])))


def _gelu(call: AtenCall) -> Arithmetic:
    """g*(c + x*p): with an error function c = (1 + erf(x*k))/2 and p = k2*exp(-x*x/2); with tanh the product rule."""
    tanh = call.kwargs.get("approximate", "none") == "tanh"
    return Arithmetic(multiply(18 if tanh else 11, product(call.outputs[0])))


def _rows(call: AtenCall, normalized: int) -> Value:
    shape = call.inputs[0]
    return product(shape[: len(shape) - normalized])


def _layer_norm(call: AtenCall) -> Arithmetic:
    """With u = (x - mean)*rstd and h = g*w: rstd*(h - mean(h) - u*mean(h*u)), two quotients for each row; the weight's
    gradient is the sum of g*u, the bias's that of g."""
    mask = call.args[7]
    each = 2 + (7 + (call.args[5] is not None) if mask[0] else 0) + (2 if mask[1] else 0) + bool(mask[2])
    rows = multiply(2, _rows(call, len(call.args[2]))) if mask[0] else 0
    return Arithmetic(add(multiply(each, product(call.inputs[0])), rows))


def _rms_norm(call: AtenCall) -> Arithmetic:
    """With u = x*rstd and h = g*w: rstd*(h - u*mean(h*u)), a quotient for each row; the weight's gradient as above."""
    mask = call.args[5]
    each = 1 + (5 + (call.args[4] is not None) if mask[0] else 0) + (2 if mask[1] else 0)
    rows = _rows(call, len(call.args[2])) if mask[0] else 0
    return Arithmetic(add(multiply(each, product(call.inputs[0])), rows))


def _group_norm(call: AtenCall) -> Arithmetic:
    """As a layer norm over the channels of each group."""
    batch, groups, mask = call.args[5], call.args[8], call.args[9]
    each = 2 + (7 + (call.args[4] is not None) if mask[0] else 0) + (2 if mask[1] else 0) + bool(mask[2])
    rows = multiply(2, batch, groups) if mask[0] else 0
    return Arithmetic(add(multiply(each, product(call.inputs[0])), rows))


def _batch_norm(call: AtenCall) -> Arithmetic:
    """As a layer norm over the batch and the positions of each channel; with running statistics their sums fall out."""
    training, mask = call.args[7], call.args[9]
    inputs = (7 if training else 1) + (call.args[2] is not None)
    each = 2 + (inputs if mask[0] else 0) + (2 if mask[1] else 0) + bool(mask[2])
    rows = multiply(2, call.inputs[0][1]) if mask[0] and training else 0
    return Arithmetic(add(multiply(each, product(call.inputs[0])), rows))


def _convolution(call: AtenCall) -> Arithmetic:
    """As many operations as the forward's for the gradient of the input, and for that of the weight; the bias's is the
    sum of the gradient."""
    weight, transposed, mask = call.args[2], call.args[7], call.args[10]
    base = product(call.args[1] if transposed else call.args[0])
    matmul = multiply(2, base, int(mask[0]) + int(mask[1]), *weight[1:])
    return Arithmetic(add(matmul, product(call.args[0]) if mask[2] else 0), matmul)


def _pooling(call: AtenCall) -> Arithmetic:
    """The gradient of each mean, divided by the window once, is added to all that the window has."""
    window = product(call.args[2]) if len(call.args[2]) > 1 else multiply(call.args[2][0], call.args[2][0])
    return Arithmetic(multiply(product(call.inputs[0]), add(window, 1)))


def _adaptive_pooling(call: AtenCall) -> Arithmetic:
    return Arithmetic(product(call.inputs[1]))


def _bilinear(call: AtenCall) -> Arithmetic:
    """Each of four neighbours gets a weighted part: a product and a sum."""
    return Arithmetic(multiply(8, product(call.inputs[0])))


def _nll_loss(call: AtenCall) -> Arithmetic:
    """A negation for each row, and a quotient where the loss is a mean."""
    return Arithmetic(multiply(product(call.inputs[2]), 2 if call.args[4] == 1 else 1))


def _weight_norm(call: AtenCall) -> Arithmetic:
    """Of g*v/|v|: the sum of gradient*v for each norm; (gradient - v*sum/|v|^2)*g/|v|."""
    return Arithmetic(add(multiply(5, product(call.inputs[0])), multiply(4, product(call.inputs[2]))))


def _bags(call: AtenCall) -> Arithmetic:
    """The gradient of each sum is added to all rows of its bag, weighted where these were; that of a mean is divided
    first, and of a maximum one row has it."""
    mode, weights = call.args[8], call.args[10] if len(call.args) > 10 else None
    of_results = product(call.inputs[0])
    if mode == 2:
        return Arithmetic(of_results)
    rows = multiply(product(call.inputs[1]), call.inputs[0][-1], 1 + (weights is not None))
    return Arithmetic(add(rows, of_results) if mode == 1 else rows)


def _weights_of_bags(call: AtenCall) -> Arithmetic:
    """A product of the gradient with the row, for each row of a bag."""
    width = call.inputs[0][-1]
    return Arithmetic(multiply(product(call.inputs[2]), add(multiply(2, width), -1)))


RULES: dict[str, Callable[[AtenCall], Arithmetic]] = {
    "_softmax_backward_data": _softmax, "_log_softmax_backward_data": _softmax, "gelu_backward": _gelu,
    "glu_backward": _glu,
    "native_layer_norm_backward": _layer_norm, "_fused_rms_norm_backward": _rms_norm,
    "native_group_norm_backward": _group_norm, "native_batch_norm_backward": _batch_norm,
    "convolution_backward": _convolution, "avg_pool2d_backward": _pooling, "avg_pool3d_backward": _pooling,
    "_adaptive_avg_pool2d_backward": _adaptive_pooling, "upsample_bilinear2d_backward": _bilinear,
    "nll_loss_backward": _nll_loss, "nll_loss2d_backward": _nll_loss,
    "_weight_norm_interface_backward": _weight_norm, "_embedding_bag_backward": _bags,
    "_embedding_bag_per_sample_weights_backward": _weights_of_bags,
}  # fmt: skip
