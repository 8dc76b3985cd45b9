"""What each ATen operation computes: FLOPs by the conventions of DESIGN.md, by the operation's name.

The tables list every operation that is known. An operation that is in none of them is an error where it is recorded:
nothing is counted as 0 because it was forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from symflops.algebra import substitute
from symflops.formula import load_formula
from symflops.polynomial import Value, add, multiply, negate, symbol
from symflops.trace.aten import Arithmetic, AtenCall
from symflops.trace.on_grids import ON_GRIDS
from symflops.trace.quantity import product


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Copies, casts, gathers, comparisons, selections, integers and random numbers: no floating-point arithmetic.
MOVES = _names("""
    _assert_async _assert_scalar _reshape_alias _reshape_copy _to_copy _unsafe_index _unsafe_masked_index
    _unsafe_view alias any all
    arange argmax argmin argsort as_strided bernoulli bincount bitwise_and bitwise_left_shift bitwise_not bitwise_or
    bitwise_right_shift bitwise_xor bucketize cat ceil clamp clamp_max clamp_min clone complex constant_pad_nd
    contiguous copy detach diag_embed diagonal diagonal_copy dropout embedding empty empty_like empty_permuted
    empty_strided eq expand expand_copy eye
    im2col fill flip floor full full_like gather ge gt hardtanh heaviside histc index index_copy index_fill index_put
    index_select is_nonzero isfinite isin isinf isnan isneginf isposinf kthvalue le lift lift_fresh lift_fresh_copy
    linspace logical_and logical_not logical_or logical_xor lt masked_fill masked_scatter masked_select maximum
    minimum multinomial narrow ne new_empty new_empty_strided new_full new_ones new_zeros normal
    one_hot ones ones_like permute pixel_shuffle pixel_unshuffle rand rand_like randint randn randn_like randperm
    reflection_pad1d reflection_pad2d reflection_pad3d relu relu6 repeat repeat_interleave replication_pad1d
    replication_pad2d replication_pad3d reshape resize roll round scalar_tensor scatter searchsorted select
    select_copy select_scatter set sgn sign
    slice slice_copy slice_scatter sort split split_copy split_with_sizes split_with_sizes_copy squeeze squeeze_copy
    stack t t_copy threshold tile topk transpose transpose_copy tril
    tril_indices triu triu_indices trunc unbind unfold uniform unsafe_chunk unsafe_split unsqueeze unsqueeze_copy
    upsample_nearest1d
    upsample_nearest2d upsample_nearest3d view view_as_complex view_as_real view_copy where zero zeros zeros_like
""")
# Made from no values of what they are given; `lift_fresh` gives that memory itself, which only fake tensors have twice.
SIZED = _names("full_like lift_fresh new_full new_ones new_zeros ones_like zeros_like")
# One operation per element of the result.
POINTWISE = _names("""
    abs acos acosh add asin asinh atan atan2 atanh cos cosh cumprod div erf erfc erfinv exp exp2 expm1 float_power
    floor_divide fmod hypot log log10 log1p log2 mul native_dropout neg pow reciprocal remainder rsqrt rsub sin sinh
    sqrt square sub tan xlogy
""")
# Per element of the result, more than one.
WEIGHTED = {"addcmul": 2, "addcdiv": 2, "lerp": 3, "logit": 3, "log_sigmoid_forward": 5, "polar": 4, "angle": 1}
# One operation per element that is read.
REDUCTIONS = _names("amax amin aminmax cumsum max mean min norm_sum prod sum nansum median logcumsumexp cummax")
# Per element that is read, and per element of the result.
REDUCTIONS_WITH_EPILOGUE = {
    "var": (4, 0), "std": (4, 1), "var_mean": (4, 0), "linalg_vector_norm": (2, 1), "norm": (2, 1), "logsumexp": (4, 2),
}  # fmt: skip
# Added into the result: one operation per element that is added.
ACCUMULATIONS = {"index_add": 3, "scatter_add": 3, "scatter_reduce": 3, "index_reduce": 3}  # the added tensor's place
# The formulas of the library that say what one element costs.
BY_FORMULA = {
    "silu": "silu", "sigmoid": "sigmoid", "tanh": "tanh", "elu": "elu", "leaky_relu": "leaky_relu", "mish": "mish",
    "hardswish": "hardswish", "hardsigmoid": "hardsigmoid", "softplus": "softplus", "prelu": "prelu",
    "_prelu_kernel": "prelu",
}  # fmt: skip


def work(call: AtenCall) -> Arithmetic | None:
    """What a call computes; None for an operation that is in no table."""
    name = call.name.removesuffix("_") if not call.name.startswith("_") else call.name
    if name in MOVES or name.startswith("sym_"):
        return Arithmetic(0)
    if name in RULES:
        return _of_complex_products(RULES[name](call)) if is_complex_product(call) else RULES[name](call)
    if name not in KNOWN:
        return None
    if not call.is_float or _changes_nothing(name, call):
        return Arithmetic(0)
    if any(call.complex_inputs) or (call.is_complex and name in POINTWISE):
        return _of_complex(name, call)
    out = product(call.outputs[0])
    if name in POINTWISE:
        scaled = call.kwargs.get("alpha", 1) != 1
        return Arithmetic(multiply(out, 2) if scaled else out)
    if name in WEIGHTED:
        return Arithmetic(multiply(out, WEIGHTED[name]))
    if name in BY_FORMULA:
        return Arithmetic(substitute(_per_element(BY_FORMULA[name]), {"n": out}))
    if name in ACCUMULATIONS:
        return Arithmetic(product(call.inputs[-1]))
    read = product(call.inputs[0])
    if name in REDUCTIONS:
        elementwise = len(call.inputs) > 1 and name in ("max", "min")  # max(a, b) is a selection
        return Arithmetic(0 if elementwise else read)
    per_read, per_result = REDUCTIONS_WITH_EPILOGUE[name]
    return Arithmetic(add(multiply(read, per_read), multiply(out, per_result)))


def _of_complex(name: str, call: AtenCall) -> Arithmetic | None:
    """Real operations on complex numbers: a product is four products, a difference and a sum, an exponential one real
    exponential, a sine, a cosine and two products; with a real number each part is multiplied, and a real number is
    added to one part. What divides is multiplied by its conjugate (6) and divided by the square of its size (3 + 2)."""
    read, out = product(call.inputs[0]), product(call.outputs[0])
    if name in ("sum", "mean"):
        return Arithmetic(add(multiply(2, read), multiply(2, out) if name == "mean" else 0))
    scalars = sum(isinstance(arg, complex) for arg in call.args[1:2])
    both = sum(call.complex_inputs) + scalars == 2
    first = call.complex_inputs[0]
    each = {
        "neg": 2, "exp": 5, "reciprocal": 5, "angle": 1, "abs": 4,  # two squares, their sum and its root
        "mul": 6 if both else 2, "add": 2 if both else 1, "sub": 2 if both else 1,
        "div": 11 if both else 2 if first else 7,
    }  # fmt: skip
    return Arithmetic(multiply(each[name], out)) if name in each else None


def is_complex_product(call: AtenCall) -> bool:
    """Whether a call is a matrix product or a convolution of complex numbers."""
    return call.is_complex and call.name in PRODUCTS


def _of_complex_products(real: Arithmetic) -> Arithmetic:
    """Four real products for each, and twice as many other sums."""
    others = add(real.flops, negate(real.matmul_flops))
    return Arithmetic(add(multiply(4, real.matmul_flops), multiply(2, others)), multiply(4, real.matmul_flops))


def _changes_nothing(name: str, call: AtenCall) -> bool:
    """x*1, x/1, x + 0, x**1: written for configurations in which the constant is another."""
    neutral = {"mul": 1, "div": 1, "add": 0, "sub": 0, "pow": 1}
    return (
        name in neutral
        and len(call.args) > 1
        and type(call.args[1]) in (int, float)
        and (call.args[1] == neutral[name])
    )


@cache
def _per_element(formula: str) -> Value:
    return load_formula(formula).by_metric({"n": symbol("n")})["flops"]


# ------------------------------------------------------------------------------------------------ matrix multiplies


def _matmul(call: AtenCall) -> Arithmetic:
    """(…, m, k) x (…, k, n): 2*k for each element of the result."""
    flops = multiply(2, product(call.outputs[0]), call.inputs[0][-1])
    return Arithmetic(flops, flops)


def _vectors(call: AtenCall) -> Arithmetic:
    flops = multiply(2, product(call.inputs[0]))
    return Arithmetic(flops, flops)


def _added_matmul(call: AtenCall) -> Arithmetic:
    """beta*c + alpha*(a b): the product, the addition and what scaling there is."""
    out = product(call.outputs[0])
    flops = multiply(2, out, call.inputs[1][-1])
    alpha, beta = (call.kwargs.get(key, 1) for key in ("alpha", "beta"))
    extra = 0 if beta == 0 else (1 if beta == 1 else 2)
    return Arithmetic(add(flops, multiply(out, extra + (alpha != 1))), flops)


def _convolution(call: AtenCall) -> Arithmetic:
    """2 * (channels of a group * kernel) for each element of the result, transposed: of the input."""
    weight, bias, transposed = call.args[1], call.args[2], call.args[6]
    out = product(call.outputs[0])
    base = product(call.inputs[0]) if transposed else out
    flops = multiply(2, base, *weight[1:])
    return Arithmetic(add(flops, out) if bias is not None else flops, flops)


# ---------------------------------------------------------------------------------------------- softmax, norms, others


def _softmax(call: AtenCall) -> Arithmetic:
    return Arithmetic(multiply(5, product(call.outputs[0])) if call.is_float else 0)


def _log_softmax(call: AtenCall) -> Arithmetic:
    shape = call.outputs[0]
    dim = call.args[1]
    rows = product(s for i, s in enumerate(shape) if i != dim % len(shape))
    return Arithmetic(add(multiply(5, product(shape)), rows))


def _nll_loss(call: AtenCall) -> Arithmetic:
    """A negation per row; a mean or a sum is a reduction over the rows. Class weights: a product and a sum more."""
    rows, reduction = product(call.inputs[1]), call.args[3]
    weighted = 0 if call.args[2] is None else 1 + (reduction == 1)
    return Arithmetic(multiply(rows, (1 if reduction == 0 else 2) + weighted))


def _gelu(call: AtenCall) -> Arithmetic:
    tanh = call.kwargs.get("approximate", "none") == "tanh"
    return Arithmetic(substitute(_per_element("gelu_tanh" if tanh else "gelu"), {"n": product(call.outputs[0])}))


def _glu(call: AtenCall) -> Arithmetic:
    return Arithmetic(substitute(_per_element("glu"), {"n": product(call.outputs[0])}))


def _layer_norm(call: AtenCall) -> Arithmetic:
    """Mean, subtract, square, mean, scale per element; eps and rsqrt per row; weight and bias."""
    shape, normalized = call.outputs[0], call.args[1]
    affine = sum(a is not None for a in call.args[2:4])
    rows = product(shape[: len(shape) - len(normalized)])
    return Arithmetic(add(multiply(5 + affine, product(shape)), multiply(2, rows)))


def _rms_norm(call: AtenCall) -> Arithmetic:
    shape, normalized = call.outputs[0], call.args[1]
    affine = int(call.args[2] is not None)
    rows = product(shape[: len(shape) - len(normalized)])
    return Arithmetic(add(multiply(3 + affine, product(shape)), multiply(2, rows)))


def _weight_norm(call: AtenCall) -> Arithmetic:
    """g*v/|v|: a norm and a product per element; a root and a quotient for each norm."""
    return Arithmetic(add(multiply(3, product(call.inputs[0])), multiply(2, product(call.inputs[1]))))


def _group_norm(call: AtenCall) -> Arithmetic:
    batch, groups = call.args[3], call.args[6]
    affine = sum(a is not None for a in call.args[1:3])
    return Arithmetic(add(multiply(5 + affine, product(call.outputs[0])), multiply(2, batch, groups)))


def _batch_norm(call: AtenCall) -> Arithmetic:
    """With running statistics: subtract and scale per element, eps and rsqrt per channel; weight and bias. In training
    the mean and the variance of each channel before that, as of a layer norm, and a running average of either, 3 each,
    of a variance that is scaled once more."""
    affine = sum(a is not None for a in call.args[1:3])
    by_batch = "no_training" not in call.name and call.args[-3] is True
    tracked = by_batch and len(call.args) == 8 and call.args[3] is not None
    each, channel = (5, 2 + 7 * tracked) if by_batch else (2, 2)
    return Arithmetic(add(multiply(each + affine, product(call.outputs[0])), multiply(channel, call.outputs[0][1])))


def _distances(call: AtenCall) -> Arithmetic:
    """Euclidean distances of pairs of rows of width d, as PyTorch computes those of many: one product of rows that are
    two wider for the norms, whose squares and sums are before it, and a root for each pair."""
    pairs, (left, right) = product(call.outputs[0]), call.inputs[:2]
    matmul = multiply(2, pairs, add(left[-1], 2))
    return Arithmetic(add(matmul, pairs, multiply(3, product(left)), multiply(2, product(right))), matmul)


def _few_distances(call: AtenCall) -> Arithmetic:
    """Those of few rows, pair by pair: a difference, its power, where that is not 1 or 2 of its absolute value, and a
    sum for each of d, and a root."""
    each, root = {1.0: (3, 0), 2.0: (3, 1)}.get(float(call.args[2]), (4, 1))
    width = call.inputs[0][-1]
    return Arithmetic(multiply(product(call.outputs[0]), add(multiply(each, width), root)))


def _triangular(call: AtenCall) -> Arithmetic:
    """Substitution: m^2 multiply-adds for each right-hand side."""
    a = call.inputs[0]
    return Arithmetic(multiply(product(call.outputs[0]), a[-1]))


def _transform(call: AtenCall) -> Arithmetic:
    """A fast Fourier transform of n points: 5*n*log2(n) for the complex one, by custom."""
    return Arithmetic(multiply(5, product(call.outputs[0]), _log2(call)))


def _trilinear(call: AtenCall) -> Arithmetic:
    """Three tensors of the same dimensions, multiplied, and summed over some, as nn.Bilinear's x*W*y: the product of
    the first two, summed over what the third does not have, and the product of that with the third."""
    shapes = [list(shape) for shape in call.inputs[:3]]
    expands = [sorted(given) for given in call.args[3:6]]
    for shape, expanded in zip(shapes, expands, strict=True):
        for place in expanded:
            shape.insert(place, 1)
    both = [b if a == 1 else a for a, b in zip(*shapes[:2], strict=True)]
    first, second = ({d for d in call.args[6] if (d in expands[2]) is inner} for inner in (True, False))
    left = [1 if place in first else size for place, size in enumerate(both)]
    whole = [b if a == 1 else a for a, b in zip(left, shapes[2], strict=True)]
    products = [(multiply(1 + bool(d), product(sizes)), d) for d, sizes in ((first, both), (second, whole))]
    return Arithmetic(add(*(n for n, _ in products)), add(*(n for n, summed in products if summed)))


def _bags(call: AtenCall) -> Arithmetic:
    """Rows of a table, added up in bags: an operation for each element that is read, and one more where rows have
    weights; a mean divides each sum."""
    mode, weights = call.args[4] if len(call.args) > 4 else 0, call.args[6] if len(call.args) > 6 else None
    read = multiply(product(call.inputs[1]), call.inputs[0][-1])
    flops = multiply(read, 1 + (weights is not None))
    return Arithmetic(add(flops, product(call.outputs[0])) if mode == 1 else flops)


def _log2(call: AtenCall) -> Value:
    from symflops.function import logarithm2

    return logarithm2(product(call.inputs[0][d] for d in call.args[1]))


SOLVED = _names("linalg_solve_triangular triangular_solve")
PRODUCTS = _names("mm bmm mv dot vdot addmm baddbmm addmv convolution")
RULES: dict[str, Callable[[AtenCall], Arithmetic]] = {
    "mm": _matmul, "bmm": _matmul, "mv": _vectors, "dot": _vectors, "vdot": _vectors,
    "addmm": _added_matmul, "baddbmm": _added_matmul, "addmv": _added_matmul, "convolution": _convolution,
    "_softmax": _softmax, "_safe_softmax": _softmax, "_log_softmax": _log_softmax, "gelu": _gelu, "glu": _glu,
    "_euclidean_dist": _distances, "_cdist_forward": _few_distances,
    "nll_loss_forward": _nll_loss, "nll_loss2d_forward": _nll_loss,
    "native_layer_norm": _layer_norm, "_fused_rms_norm": _rms_norm, "native_group_norm": _group_norm,
    "_weight_norm_interface": _weight_norm,
    "_native_batch_norm_legit_no_training": _batch_norm, "native_batch_norm": _batch_norm,
    "_native_batch_norm_legit": _batch_norm,
    **ON_GRIDS, "_trilinear": _trilinear, **dict.fromkeys(SOLVED, _triangular),
    "_embedding_bag": _bags, "_embedding_bag_forward_only": _bags,
    "_fft_c2c": _transform, "_fft_r2c": _transform, "_fft_c2r": _transform,
}  # fmt: skip
KNOWN = POINTWISE | REDUCTIONS | set(WEIGHTED) | set(REDUCTIONS_WITH_EPILOGUE) | set(ACCUMULATIONS) | set(BY_FORMULA)
# Matrix multiplies and convolutions read and write memory; chains of anything else run as one kernel.
BARRIERS = _names("mm bmm mv dot vdot addmm baddbmm addmv convolution _trilinear _euclidean_dist") | SOLVED
