"""FLOPs of operations on signals, images and volumes: pooling, interpolation, windows that are put together."""

from __future__ import annotations

from collections.abc import Callable

from symflops.polynomial import add, multiply
from symflops.trace.aten import Arithmetic, AtenCall
from symflops.trace.quantity import product


def _pooling(call: AtenCall) -> Arithmetic:
    """A reduction over the window for each element of the result."""
    window = product(call.args[1]) if len(call.args[1]) > 1 or len(call.outputs[0]) < 4 else multiply(*call.args[1] * 2)
    return Arithmetic(multiply(product(call.outputs[0]), window))


def _adaptive_pooling(call: AtenCall) -> Arithmetic:
    return Arithmetic(product(call.inputs[0]))


def _bilinear(call: AtenCall) -> Arithmetic:
    return Arithmetic(multiply(9, product(call.outputs[0])))


def _cubic(call: AtenCall) -> Arithmetic:
    """Of 4 x 4 neighbours: five interpolations of four products and three sums."""
    return Arithmetic(multiply(35, product(call.outputs[0])))


def _linear(call: AtenCall) -> Arithmetic:
    """Two products and a sum in one dimension, and in each further one of twice as many."""
    dims = len(call.outputs[0]) - 2
    return Arithmetic(multiply(3 * (2**dims - 1), product(call.outputs[0])))


def _sampled(call: AtenCall) -> Arithmetic:
    """Interpolation at given points: as a larger image, and where each of two coordinates lies, 3 or 4 operations."""
    each = {0: 9, 1: 0, 2: 35}[call.args[2]]
    corners = 3 if call.args[4] else 4
    return Arithmetic(add(multiply(each, product(call.outputs[0])), multiply(corners, product(call.inputs[1]))))


def _folded(call: AtenCall) -> Arithmetic:
    """Windows that are put beside one another: one addition for each of their elements."""
    return Arithmetic(product(call.inputs[0]))


ON_GRIDS: dict[str, Callable[[AtenCall], Arithmetic]] = {
    "avg_pool1d": _pooling, "avg_pool2d": _pooling, "avg_pool3d": _pooling, "max_pool1d": _pooling,
    "max_pool2d_with_indices": _pooling, "max_pool3d_with_indices": _pooling,
    "_adaptive_avg_pool2d": _adaptive_pooling, "_adaptive_avg_pool3d": _adaptive_pooling,
    "adaptive_max_pool2d": _adaptive_pooling, "upsample_bilinear2d": _bilinear,
    "_upsample_bilinear2d_aa": _bilinear, "_upsample_bicubic2d_aa": _cubic,  # as without antialiasing
    "upsample_bicubic2d": _cubic, "upsample_linear1d": _linear, "upsample_trilinear3d": _linear,
    "grid_sampler_2d": _sampled, "col2im": _folded,
}  # fmt: skip
