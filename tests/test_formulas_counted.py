"""FLOPs against the textbook algorithms of counted.py, which count what they do and must give PyTorch's numbers."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import counted
import pytest
import torch
from counted import ACTIVATIONS, Counted, Row, count, numbers
from torch import Tensor, nn
from transformers.activations import ACT2CLS, ACT2FN

from symflops.formula import formula_for_class, load_formula

pytestmark = pytest.mark.torch


def flops(name: str, **args: int) -> int:
    return int(load_formula(name).cost(**args).at().flops)


def rows(count: int, width: int, seed: int = 1) -> list[list[Counted]]:
    return [numbers(width, seed + i) for i in range(count)]


def tensor(value: Any) -> Tensor:
    """The values of numbers or of nested lists of them."""
    if isinstance(value, Counted):
        return torch.tensor(value.value, dtype=torch.float64)
    return torch.stack([tensor(v) for v in value])


def close(result: Any, expected: Tensor) -> None:
    torch.testing.assert_close(tensor(result), expected.to(torch.float64), rtol=1e-5, atol=1e-5)


# ---------------------------------------------------------------------------------------------------------- activations


@pytest.mark.parametrize("name", sorted(ACTIVATIONS.keys() - {"xielu"}))
def test_activation(name: str) -> None:
    operations, _ = count(lambda: [ACTIVATIONS[name](x) for x in numbers(11)])
    assert flops(name, n=11) == operations


def test_xielu() -> None:
    """Besides the elements, its two learned scalars: softplus of each, and one addition."""
    operations, _ = count(lambda: [ACTIVATIONS["xielu"](x) for x in numbers(11)])
    scalars, _ = count(lambda: (counted.softplus(Counted(1.0)), Counted(0.5) + counted.softplus(Counted(1.0))))
    assert flops("xielu", n=11) == operations + scalars


@pytest.mark.parametrize("name", sorted(ACT2CLS))
def test_the_counted_activation_is_that_of_transformers(name: str) -> None:
    function = ACT2FN[name]
    formula = formula_for_class(f"{type(function).__module__}.{type(function).__qualname__}")
    algorithm = (lambda v: counted.clamp(v, 0.0, 6.0)) if name == "relu6" else ACTIVATIONS[formula.name]
    x = [Counted(4 * v.value) for v in numbers(25)]  # beyond the bounds of every clamp
    result = [algorithm(v) for v in x]
    tolerance = {"rtol": 2e-2, "atol": 2e-2} if name == "xielu" else {"rtol": 1e-5, "atol": 1e-5}  # bfloat16 scalars
    expected = function(tensor(x).float()).detach().double()
    torch.testing.assert_close(tensor(result), expected, **tolerance)


@pytest.mark.parametrize(
    ("name", "module"), [("elu", nn.ELU()), ("softplus", nn.Softplus()), ("hardsigmoid", nn.Hardsigmoid())]
)
def test_the_other_activations_are_those_of_torch(name: str, module: nn.Module) -> None:
    x = numbers(25)
    close([ACTIVATIONS[name](v) for v in x], module(tensor(x)))


# ---------------------------------------------------------------------------------------------------- rows and channels

SHAPES = [(1, 1), (3, 8), (2, 13)]


@pytest.mark.parametrize(("n", "width"), SHAPES)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax(name: str, n: int, width: int) -> None:
    x = rows(n, width)
    operations, result = count(lambda: [getattr(counted, name)(row) for row in x])
    assert flops(name, N=n, width=width) == operations
    close(result, getattr(tensor(x), name)(-1))


@pytest.mark.parametrize(("n", "width"), SHAPES)
def test_cross_entropy(n: int, width: int) -> None:
    x, targets = rows(n, width), [(3 * i) % width for i in range(n)]
    operations, result = count(lambda: counted.cross_entropy(x, targets))
    assert flops("cross_entropy", N=n, num_classes=width) == operations
    close(result, nn.functional.cross_entropy(tensor(x), torch.tensor(targets)))


@pytest.mark.parametrize(("n", "width"), SHAPES)
def test_rms_norm(n: int, width: int) -> None:
    x, weight = rows(n, width), numbers(width, 9)
    operations, result = count(lambda: [counted.rms_norm(row, weight) for row in x])
    assert flops("rms_norm", N=n, hidden_size=width) == operations == 4 * n * width + 2 * n
    close(result, nn.functional.rms_norm(tensor(x), (width,), tensor(weight), 1e-6))


@pytest.mark.parametrize(("n", "width"), SHAPES)
@pytest.mark.parametrize(("affine", "bias"), [(1, 1), (1, 0), (0, 0)])
def test_layer_norm(n: int, width: int, affine: int, bias: int) -> None:
    x = rows(n, width)
    weight, shift = (numbers(width, 9) if affine else None), (numbers(width, 10) if bias else None)
    operations, result = count(lambda: [counted.layer_norm(row, weight, shift) for row in x])
    assert flops("layer_norm", N=n, hidden_size=width, affine=affine, bias=bias) == operations
    given = [None if t is None else tensor(t) for t in (weight, shift)]
    close(result, nn.functional.layer_norm(tensor(x), (width,), *given))


@pytest.mark.parametrize(("channels", "groups", "size"), [(6, 3, 4), (4, 1, 5), (4, 4, 3)])
@pytest.mark.parametrize("affine", [0, 1])
def test_group_norm(channels: int, groups: int, size: int, affine: int) -> None:
    x = [rows(channels, size, seed) for seed in (1, 20)]
    weight, shift = (numbers(channels, seed) if affine else None for seed in (9, 10))
    operations, result = count(lambda: [counted.group_norm(sample, groups, weight, shift) for sample in x])
    assert flops("group_norm", N=2, channels=channels, num_groups=groups, size=size, affine=affine) == operations
    given = [None if t is None else tensor(t) for t in (weight, shift)]
    close(result, nn.functional.group_norm(tensor(x), groups, *given))


@pytest.mark.parametrize("affine", [0, 1])
def test_batch_norm(affine: int) -> None:
    x = [rows(3, 4, seed) for seed in (1, 20)]
    statistics: list[Row] = [numbers(3, 9), [Counted(0.5), Counted(1.0), Counted(2.0)]]
    statistics += [numbers(3, 10), numbers(3, 11)] if affine else []
    operations, result = count(lambda: counted.batch_norm(x, statistics))
    assert flops("batch_norm", N=2, channels=3, size=4, affine=affine) == operations
    close(result, nn.functional.batch_norm(tensor(x), *map(tensor, statistics)))


def test_reduction_and_gate() -> None:
    x = rows(3, 7)
    for reduce in (counted.total, counted.mean, counted.largest):
        assert flops("reduction", N=3, width=7) == count(lambda r=reduce: [r(row) for row in x])[0]
    operations, result = count(lambda: [a * counted.sigmoid(b) for a, b in zip(x[0], x[1], strict=True)])
    assert flops("glu", n=7) == operations
    close(result, nn.functional.glu(tensor(x[0] + x[1])))


def test_bilinear() -> None:
    """Doubling a 2 x 2 image: the element at row 1, column 2 is 3/4 of the upper and 1/4 of the lower neighbours."""
    image = rows(2, 2)
    near, far = [Counted(0.25), Counted(0.75)], [Counted(0.75), Counted(0.25)]
    operations, result = count(lambda: counted.bilinear(*image[0], *image[1], near, far))
    size = {"height": 2, "width": 2, "out_height": 4, "out_width": 4}
    assert flops("interpolate_bilinear", N=1, channels=1, **size) == 16 * operations
    enlarged = nn.functional.interpolate(tensor(image)[None, None], scale_factor=2, mode="bilinear")
    close(result, enlarged[0, 0, 1, 2])


# --------------------------------------------------------------------------------------------- attention, experts, scan


@pytest.mark.parametrize("name", ["sdpa", "sdpa_eager"])
@pytest.mark.parametrize("causal", [0, 1])
@pytest.mark.parametrize(("q_len", "kv_len", "head_dim", "value_dim"), [(1, 1, 1, 1), (4, 4, 3, 3), (2, 7, 4, 5)])
def test_attention(name: str, causal: int, q_len: int, kv_len: int, head_dim: int, value_dim: int) -> None:
    q, k, v = rows(q_len, head_dim), rows(kv_len, head_dim, 30), rows(kv_len, value_dim, 60)
    mask = torch.ones(q_len, kv_len).tril(kv_len - q_len) if causal else torch.ones(q_len, kv_len)
    operations, result = count(lambda: counted.attention(q, k, v, lambda i, j: bool(mask[i, j])))
    cost = load_formula(name).cost(
        batch=2, q_len=q_len, kv_len=kv_len, num_heads=3, num_kv_heads=3, head_dim=head_dim, value_dim=value_dim
    )
    assert cost.at(causal=causal).flops == 6 * operations
    expected = nn.functional.scaled_dot_product_attention(*(tensor(t)[None] for t in (q, k, v)), attn_mask=mask.bool())
    close(result, expected[0])


def test_rotary() -> None:
    from transformers.models.llama.modeling_llama import LlamaConfig, LlamaRotaryEmbedding, apply_rotary_pos_emb

    operations, (cosines, sines) = count(lambda: counted.rotary_table(5, 8))
    assert flops("rotary_table", batch=3, positions=5, head_dim=8) == 3 * operations
    table = LlamaRotaryEmbedding(LlamaConfig(hidden_size=16, num_attention_heads=2))
    expected = table(torch.zeros(1, dtype=torch.float64), torch.arange(5)[None])
    close(cosines, expected[0][0])
    close(sines, expected[1][0])

    x = rows(5, 8)
    operations, result = count(
        lambda: [counted.rotary(r, c, s) for r, c, s in zip(x, cosines, sines, strict=True)]
    )  # fmt: skip
    assert flops("rotary", N=5, heads=6, head_dim=8) == 6 * operations
    query = tensor(x)[None, None]
    close(result, apply_rotary_pos_emb(query, query, *expected)[0][0, 0])


@pytest.mark.parametrize("normalize", [0, 1])
@pytest.mark.parametrize(("n", "experts", "top_k"), [(1, 2, 1), (3, 8, 2), (2, 5, 5)])
def test_router(n: int, experts: int, top_k: int, normalize: int) -> None:
    x = rows(n, experts)
    operations, result = count(lambda: [counted.router(row, top_k, bool(normalize)) for row in x])
    assert flops("router", N=n, num_experts=experts, top_k=top_k, normalize=normalize) == operations
    top = tensor(x).softmax(-1).topk(top_k).values
    close(result, top / top.sum(-1, keepdim=True) if normalize else top)


def test_experts() -> None:
    from transformers.models.mixtral.modeling_mixtral import MixtralConfig, MixtralExperts

    shapes = [(5, 6), (5, 6), (6, 5)]  # gate, up, down
    weights = [[rows(o, i, 10 * e + s) for s, (o, i) in enumerate(shapes)] for e in range(4)]
    x, shares, chosen = rows(3, 6), rows(3, 2, 40), [[0, 1], [0, 2], [3, 1]]
    operations, result = count(lambda: counted.experts(x, chosen, shares, weights))
    args = {"N": 3, "hidden_size": 6, "intermediate_size": 5, "num_experts": 4, "top_k": 2}
    assert flops("moe_experts", **args) == operations

    config = MixtralConfig(hidden_size=6, intermediate_size=5, num_local_experts=4, num_experts_per_tok=2)
    config._experts_implementation = "eager"
    module = MixtralExperts(config).double()
    with torch.no_grad():
        module.gate_up_proj.copy_(torch.stack([tensor(gate + up) for gate, up, _ in weights]))
        module.down_proj.copy_(torch.stack([tensor(down) for *_, down in weights]))
        close(result, module(tensor(x), torch.tensor(chosen), tensor(shares)))


@pytest.mark.parametrize(
    ("experts", "top_k", "tokens"), [(2, 1, 4), (4, 1, 3), (4, 2, 3), (5, 3, 2), (3, 3, 2), (4, 2, 0)]
)
def test_expected_distinct_experts(experts: int, top_k: int, tokens: int) -> None:
    """The weights read, against the mean over all ways to route the tokens."""
    choices = list(itertools.combinations(range(experts), top_k))
    routings = list(itertools.product(choices, repeat=tokens))
    expected = Fraction(sum(len({e for chosen in routing for e in chosen}) for routing in routings), len(routings))
    cost = load_formula("moe_experts").cost(
        N="N", hidden_size=1, intermediate_size=1, num_experts=experts, top_k=top_k, expected="expected"
    )
    unit = 3 * expected.denominator  # weight bytes for which the number is whole
    rest = {"N": tokens, "dtype_bytes": 0, "weight_bytes": expected.denominator}
    assert cost.at(expected=1, **rest).read_bytes - 8 * tokens * top_k == unit * expected
    assert cost.at(expected=0, **rest).read_bytes - 8 * tokens * top_k == unit * experts


@pytest.mark.parametrize(("length", "channels", "state"), [(1, 1, 1), (5, 3, 4), (4, 7, 2)])
def test_selective_scan(length: int, channels: int, state: int) -> None:
    from transformers.models.mamba.modeling_mamba import mamba_selective_scan

    u, dt, a_log = rows(length, channels), rows(length, channels, 20), rows(channels, state, 40)
    b, c, d = rows(length, state, 60), rows(length, state, 80), numbers(channels, 5)
    operations, result = count(lambda: counted.selective_scan(u, dt, a_log, b, c, d))
    assert flops("selective_scan", batch=1, length=length, channels=channels, state_size=state) == operations
    inputs = [tensor(t).T[None].float() for t in (u, dt, b, c)]
    expected = mamba_selective_scan(
        inputs[0], inputs[1], -tensor(a_log).float().exp(), inputs[2], inputs[3], tensor(d).float()
    )
    torch.testing.assert_close(tensor(result).float(), expected[0].T, rtol=1e-4, atol=1e-4)
