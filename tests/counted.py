"""An independent count: numbers that count the operations done on them, and the textbook algorithms written in them.

Conventions (DESIGN.md): an arithmetic or transcendental operation is 1, a comparison 0, and a reduction over n elements
is n. So a sum or a maximum starts from an accumulator, and a mean is n - 1 additions and one division.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any


class Counted:
    """A number; every operation on any of them adds 1 to `Counted.operations`."""

    operations = 0
    __slots__ = ("value",)

    def __init__(self, value: float) -> None:
        self.value = value

    def _do(self, function: Callable[..., float], *others: Any) -> Counted:
        Counted.operations += 1
        return Counted(function(self.value, *(o.value if isinstance(o, Counted) else o for o in others)))

    def __add__(self, other: Any) -> Counted:
        return self._do(lambda a, b: a + b, other)

    def __sub__(self, other: Any) -> Counted:
        return self._do(lambda a, b: a - b, other)

    def __mul__(self, other: Any) -> Counted:
        return self._do(lambda a, b: a * b, other)

    def __truediv__(self, other: Any) -> Counted:
        return self._do(lambda a, b: a / b, other)

    def __pow__(self, other: Any) -> Counted:
        return self._do(lambda a, b: a**b, other)

    def __rsub__(self, other: Any) -> Counted:
        return self._do(lambda a, b: b - a, other)

    def __rtruediv__(self, other: Any) -> Counted:
        return self._do(lambda a, b: b / a, other)

    def __neg__(self) -> Counted:
        return self._do(lambda a: -a)

    __radd__, __rmul__ = __add__, __mul__

    def __lt__(self, other: Any) -> bool:
        return self.value < (other.value if isinstance(other, Counted) else other)

    def __gt__(self, other: Any) -> bool:
        return self.value > (other.value if isinstance(other, Counted) else other)


def _function(function: Callable[[float], float]) -> Callable[[Counted], Counted]:
    return lambda x: x._do(function)


exp, log, tanh, erf, expm1, sqrt, cos, sin = map(
    _function, (math.exp, math.log, math.tanh, math.erf, math.expm1, math.sqrt, math.cos, math.sin)
)
rsqrt = _function(lambda a: 1 / math.sqrt(a))

Row = Sequence[Counted]


def numbers(count: int, seed: int = 1) -> list[Counted]:
    """Some numbers between -2 and 2, the same every time."""
    return [Counted(math.sin(seed * 12.9898 + i * 78.233) * 2) for i in range(count)]


def count(algorithm: Callable[[], Any]) -> tuple[int, Any]:
    """How many operations running it takes, and its result."""
    before = Counted.operations
    result = algorithm()
    return Counted.operations - before, result


def clamp(x: Counted, low: float, high: float) -> Counted:
    return Counted(low) if x < low else Counted(high) if x > high else x


def total(row: Row) -> Counted:
    return reduce(lambda a, b: a + b, row, Counted(0.0))


def largest(row: Row) -> Counted:
    return reduce(lambda a, b: a._do(max, b), row, Counted(-math.inf))


def mean(row: Row) -> Counted:
    return reduce(lambda a, b: a + b, row) / len(row)


def dot(a: Row, b: Row) -> Counted:
    return reduce(lambda s, xy: s + xy[0] * xy[1], zip(a, b, strict=True), Counted(0.0))


# ------------------------------------------------------------------------------------------- one element: activations


def sigmoid(x: Counted) -> Counted:
    return 1.0 / (1.0 + exp(-x))


def softplus(x: Counted) -> Counted:
    return log(1.0 + exp(x))


def relu(x: Counted) -> Counted:
    return clamp(x, 0.0, math.inf)


def gelu_tanh(x: Counted) -> Counted:
    return 0.5 * x * (1.0 + tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


def elu(x: Counted) -> Counted:
    below = 1.0 * (exp(x) - 1.0)  # both branches are computed, then one is selected
    return x if x > 0 else below


def leaky_relu(x: Counted) -> Counted:
    below = 0.01 * x
    return x if x > 0 else below


def prelu(x: Counted) -> Counted:
    below = 0.25 * x
    return x if x > 0 else below


def xielu(x: Counted, alpha_p: float = 0.8, alpha_n: float = 0.8, beta: float = 0.5, eps: float = -1e-6) -> Counted:
    above = alpha_p * x * x + beta * x
    below = (expm1(clamp(x, -math.inf, eps)) - x) * alpha_n + beta * x
    return above if x > 0 else below


ACTIVATIONS: dict[str, Callable[[Counted], Counted]] = {
    "elu": elu,
    "gelu": lambda x: x * 0.5 * (1.0 + erf(x / math.sqrt(2.0))),
    "gelu_fast": lambda x: 0.5 * x * (1.0 + tanh(x * 0.7978845608 * (1.0 + 0.044715 * x * x))),
    "gelu_tanh": gelu_tanh,
    "hardsigmoid": lambda x: clamp(x + 3.0, 0.0, 6.0) / 6.0,
    "hardswish": lambda x: x * clamp(x + 3.0, 0.0, 6.0) / 6.0,
    "identity": lambda x: x,
    "laplace": lambda x: 0.5 * (1.0 + erf((x - 0.707107) / (0.282095 * math.sqrt(2.0)))),
    "leaky_relu": leaky_relu,
    "mish": lambda x: x * tanh(softplus(x)),
    "prelu": prelu,
    "quick_gelu": lambda x: x * sigmoid(1.702 * x),
    "relu": relu,
    "relu2": lambda x: relu(x) ** 2,
    "sigmoid": sigmoid,
    "silu": lambda x: x / (1.0 + exp(-x)),
    "softplus": softplus,
    "sqrtsoftplus": lambda x: sqrt(softplus(x)),
    "tanh": tanh,
    "xielu": xielu,
}


# ------------------------------------------------------------------------------------------------------------ one row


def softmax(row: Row) -> list[Counted]:
    top = largest(row)
    weights = [exp(x - top) for x in row]
    norm = total(weights)
    return [w / norm for w in weights]


def log_softmax(row: Row) -> list[Counted]:
    top = largest(row)
    shifted = [x - top for x in row]
    norm = log(total([exp(x) for x in shifted]))
    return [x - norm for x in shifted]


def cross_entropy(rows: Sequence[Row], targets: Sequence[int]) -> Counted:
    return mean([-log_softmax(row)[target] for row, target in zip(rows, targets, strict=True)])


def rms_norm(row: Row, weight: Row) -> list[Counted]:
    scale = rsqrt(mean([x**2 for x in row]) + 1e-6)
    return [x * scale * w for x, w in zip(row, weight, strict=True)]


def normalise(row: Row) -> list[Counted]:
    middle = mean(row)
    centred = [x - middle for x in row]
    scale = rsqrt(mean([x**2 for x in centred]) + 1e-5)
    return [x * scale for x in centred]


def layer_norm(row: Row, weight: Row | None = None, bias: Row | None = None) -> list[Counted]:
    result = normalise(row)
    if weight is not None:
        result = [x * w for x, w in zip(result, weight, strict=True)]
    if bias is not None:
        result = [x + b for x, b in zip(result, bias, strict=True)]
    return result


def group_norm(sample: Sequence[Row], groups: int, weight: Row | None, bias: Row | None) -> list[list[Counted]]:
    """One sample, channels x size."""
    each, size = len(sample) // groups, len(sample[0])
    result: list[list[Counted]] = []
    for g in range(groups):
        flat = normalise([x for channel in sample[g * each : (g + 1) * each] for x in channel])
        result += [flat[i * size : (i + 1) * size] for i in range(each)]
    if weight is not None and bias is not None:
        result = [[x * w + b for x in row] for row, w, b in zip(result, weight, bias, strict=True)]
    return result


def batch_norm(samples: Sequence[Sequence[Row]], statistics: Sequence[Row]) -> list[list[list[Counted]]]:
    """Samples x channels x size, with running mean and variance and perhaps weight and bias per channel."""
    average, variance, *affine = statistics
    scales = [rsqrt(v + 1e-5) for v in variance]
    result = [
        [[(x - m) * s for x in row] for row, m, s in zip(sample, average, scales, strict=True)] for sample in samples
    ]
    if affine:
        result = [[[x * w + b for x in row] for row, w, b in zip(sample, *affine, strict=True)] for sample in result]
    return result


# ------------------------------------------------------------------------------------------------- attention and others


def attention(queries: Sequence[Row], keys: Sequence[Row], values: Sequence[Row], sees: Callable[[int, int], bool]):
    """One head; query i sees key j when `sees(i, j)`."""
    columns = list(zip(*values, strict=True))
    result = []
    for i, query in enumerate(queries):
        seen = [j for j in range(len(keys)) if sees(i, j)]
        weights = softmax([dot(query, keys[j]) * (1 / math.sqrt(len(query))) for j in seen])
        result.append([dot(weights, [column[j] for j in seen]) for column in columns])
    return result


def rotary_table(positions: int, head_dim: int) -> tuple[list[list[Counted]], list[list[Counted]]]:
    frequencies = [10000 ** (-2 * i / head_dim) for i in range(head_dim // 2)]
    angles = [[Counted(p) * f for f in frequencies] for p in range(positions)]
    doubled = [row + row for row in angles]
    return [[cos(a) for a in row] for row in doubled], [[sin(a) for a in row] for row in doubled]


def rotary(x: Row, cosines: Row, sines: Row) -> list[Counted]:
    half = len(x) // 2
    rotated = [-v for v in x[half:]] + list(x[:half])
    return [a * c + b * s for a, b, c, s in zip(x, rotated, cosines, sines, strict=True)]


def router(logits: Row, top_k: int, normalize: bool = True) -> list[Counted]:
    top = sorted(softmax(logits), key=lambda p: p.value)[::-1][:top_k]
    norm = total(top) if normalize else None
    return [p / norm for p in top] if norm is not None else top


def gated_expert(x: Row, gate: Sequence[Row], up: Sequence[Row], down: Sequence[Row]) -> list[Counted]:
    inner = [ACTIVATIONS["silu"](dot(x, g)) * dot(x, u) for g, u in zip(gate, up, strict=True)]
    return [dot(inner, d) for d in down]


def experts(rows: Sequence[Row], choices: Sequence[Sequence[int]], shares: Sequence[Row], weights: Any):
    result = []
    for x, chosen, share in zip(rows, choices, shares, strict=True):
        out = [Counted(0.0) for _ in x]
        for expert, s in zip(chosen, share, strict=True):
            out = [o + y * s for o, y in zip(out, gated_expert(x, *weights[expert]), strict=True)]
        result.append(out)
    return result


def selective_scan(u, dt, a_log, b, c, d):
    """One sequence: u, dt are length x channels; b, c length x state; a_log channels x state; d channels."""
    a = [[-exp(x) for x in row] for row in a_log]
    state = [[Counted(0.0) for _ in row] for row in a]
    result = []
    for u_t, dt_t, b_t, c_t in zip(u, dt, b, c, strict=True):
        out = []
        for k, row in enumerate(state):
            state[k] = [exp(dt_t[k] * a[k][j]) * h + dt_t[k] * b_t[j] * u_t[k] for j, h in enumerate(row)]
            out.append(dot(state[k], c_t) + u_t[k] * d[k])
        result.append(out)
    return result


def bilinear(a: Counted, b: Counted, c: Counted, d: Counted, across: Row, down: Row) -> Counted:
    """One output pixel from its four neighbours and their weights."""
    return down[0] * (across[0] * a + across[1] * b) + down[1] * (across[0] * c + across[1] * d)
