"""Matmul FLOPs, bytes and parameters against PyTorch: FlopCounterMode and the tensors of small modules, run here."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from symflops.cost import Cost
from symflops.formula import load_formula

pytestmark = pytest.mark.torch


def counted(run: Callable[[], Tensor]) -> tuple[int, Tensor]:
    """What FlopCounterMode counts, and the result."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        result = run()
    return counter.get_total_flops(), result


def check(cost: Cost, module: nn.Module, x: Tensor) -> None:
    """The formula at 2 bytes per element against the module's own tensors."""
    matmul_flops, y = counted(lambda: module(x))
    weights = sum(p.numel() for p in module.parameters())
    numbers = cost.at()
    assert numbers.matmul_flops == matmul_flops
    assert numbers.flops == matmul_flops + (y.numel() if getattr(module, "bias", None) is not None else 0)
    assert numbers.parameters == weights
    assert numbers.read_bytes == 2 * (x.numel() + weights)
    assert numbers.write_bytes == 2 * y.numel()


@pytest.mark.parametrize("bias", [0, 1])
@pytest.mark.parametrize(("n", "i", "o"), [(1, 1, 1), (7, 5, 3), (2, 13, 11)])
def test_linear(n: int, i: int, o: int, bias: int) -> None:
    cost = load_formula("linear").cost(N=n, in_features=i, out_features=o, bias=bias)
    check(cost, nn.Linear(i, o, bias=bool(bias)), torch.randn(n, i))


def test_linear_as_in_gpt2() -> None:
    from transformers.pytorch_utils import Conv1D

    check(load_formula("linear").cost(N=7, in_features=5, out_features=3, bias=1), Conv1D(3, 5), torch.randn(7, 5))


@pytest.mark.parametrize(("batch", "m", "k", "n"), [(1, 1, 1, 1), (3, 2, 5, 7), (2, 1, 9, 4)])
def test_matmul(batch: int, m: int, k: int, n: int) -> None:
    a, b = torch.randn(batch, m, k), torch.randn(batch, k, n)
    matmul_flops, y = counted(lambda: a @ b)
    numbers = load_formula("matmul").cost(batch=batch, m=m, k=k, n=n).at()
    assert numbers.matmul_flops == numbers.flops == matmul_flops
    assert numbers.read_bytes == 2 * (a.numel() + b.numel())
    assert numbers.write_bytes == 2 * y.numel()


SHAPES = [  # batch, q_len, kv_len, heads, kv heads, head_dim, value_dim
    (1, 1, 1, 1, 1, 1, 1),
    (2, 5, 5, 4, 4, 8, 8),
    (1, 3, 11, 6, 2, 5, 5),
    (3, 1, 7, 2, 1, 6, 3),
    (1, 7, 4, 3, 3, 2, 9),
]


@pytest.mark.parametrize("name", ["sdpa", "sdpa_eager"])
@pytest.mark.parametrize("shape", SHAPES)
def test_attention(name: str, shape: tuple[int, ...]) -> None:
    batch, q_len, kv_len, heads, kv_heads, head_dim, value_dim = shape
    q = torch.randn(batch, heads, q_len, head_dim)
    k, v = torch.randn(batch, kv_heads, kv_len, head_dim), torch.randn(batch, kv_heads, kv_len, value_dim)

    def eager() -> Tensor:
        keys, values = (t.repeat_interleave(heads // kv_heads, dim=1) for t in (k, v))
        return (q @ keys.transpose(2, 3) * head_dim**-0.5).softmax(-1) @ values

    matmul_flops, y = counted(eager)
    cost = load_formula(name).cost(
        batch=batch, q_len=q_len, kv_len=kv_len, num_heads=heads, num_kv_heads=kv_heads, head_dim=head_dim,
        value_dim=value_dim,
    )  # fmt: skip
    numbers = cost.at(dtype_bytes=2, cache_bytes=1)
    assert numbers.matmul_flops == matmul_flops
    assert numbers.read_bytes == 2 * q.numel() + k.numel() + v.numel()
    assert numbers.write_bytes == 2 * y.numel()


NAMES = {1: [("length", "")], 2: [("height", "_height"), ("width", "_width")]}
NAMES[3] = [("depth", "_depth"), *NAMES[2]]
SIZES = {1: (11,), 2: (9, 10), 3: (6, 7, 8)}


def convolution_args(dims: int, options: dict[str, Any], kernel: tuple[int, ...]) -> dict[str, int]:
    """The arguments that the formula calls length, or height and width, stride_height and so on."""
    args = {name: size for (name, _), size in zip(NAMES[dims], SIZES[dims], strict=True)}
    for key, values in {"kernel": kernel, **options}.items():
        if isinstance(values, int):
            args[key] = values
        else:
            for (_, suffix), value in zip(NAMES[dims], values, strict=True):
                args["kernel_size" if key == "kernel" and dims == 1 else key + suffix] = value
    return args


def options(dims: int, **choices: list[tuple[int, ...]]) -> list[dict[str, Any]]:
    combinations = itertools.product(*choices.values())
    return [dict(zip(choices, (value[:dims] for value in chosen), strict=True)) for chosen in combinations]


GRID = {"stride": [(1, 1, 1), (2, 1, 3)], "padding": [(0, 0, 0), (1, 2, 1)], "dilation": [(1, 1, 1), (2, 1, 2)]}
CHANNELS = [(3, 5, 1, True), (4, 6, 2, False), (4, 4, 4, True)]  # in, out, groups, bias


@pytest.mark.parametrize("kernel", [(3, 2, 1), (1, 3, 2)])
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_convolution(dims: int, channels: tuple[int, int, int, bool], kernel: tuple[int, ...]) -> None:
    i, o, groups, bias = channels
    formula, cls = load_formula(f"conv{dims}d"), {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[dims]
    for chosen in options(dims, **GRID):
        args = convolution_args(dims, chosen, kernel[:dims])
        cost = formula.cost(N=2, in_channels=i, out_channels=o, groups=groups, bias=int(bias), **args)
        check(cost, cls(i, o, kernel[:dims], groups=groups, bias=bias, **chosen), torch.randn(2, i, *SIZES[dims]))


@pytest.mark.parametrize("kernel", [(3, 4, 3), (2, 3, 5)])
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_transposed_convolution(dims: int, channels: tuple[int, int, int, bool], kernel: tuple[int, ...]) -> None:
    i, o, groups, bias = channels
    formula = load_formula(f"conv_transpose{dims}d")
    cls: Any = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}[dims]
    for chosen in options(dims, **GRID, output_padding=[(0, 0, 0), (1, 0, 1)]):
        pairs = zip(chosen["output_padding"], chosen["stride"], chosen["dilation"], strict=True)
        if any(extra >= max(stride, dilation) for extra, stride, dilation in pairs):
            continue  # PyTorch refuses it
        args = convolution_args(dims, chosen, kernel[:dims])
        cost = formula.cost(N=2, in_channels=i, out_channels=o, groups=groups, bias=int(bias), **args)
        check(cost, cls(i, o, kernel[:dims], groups=groups, bias=bias, **chosen), torch.randn(2, i, *SIZES[dims]))


@pytest.mark.parametrize("kind", ["avg", "max"])
@pytest.mark.parametrize("dims", [1, 2])
def test_pooling(kind: str, dims: int) -> None:
    cls = getattr(nn, f"{kind.capitalize()}Pool{dims}d")
    window = (3, 2)[:dims]
    for chosen in options(dims, stride=[(1, 1), (3, 2), (2, 3)], padding=[(0, 0), (1, 1)]):
        x = torch.randn(2, 3, *SIZES[dims])
        y = cls(window, **chosen)(x)
        args = convolution_args(dims, chosen, window)
        numbers = load_formula(f"{kind}_pool{dims}d").cost(N=2, channels=3, **args).at()
        assert numbers.flops == y.numel() * torch.Size(window).numel()
        assert (numbers.read_bytes, numbers.write_bytes) == (2 * x.numel(), 2 * y.numel())


@pytest.mark.parametrize(("length", "channels", "kernel"), [(1, 1, 1), (7, 3, 4), (5, 8, 3)])
@pytest.mark.parametrize("bias", [0, 1])
def test_causal_convolution(length: int, channels: int, kernel: int, bias: int) -> None:
    module = nn.Conv1d(channels, channels, kernel, groups=channels, padding=kernel - 1, bias=bool(bias))
    x = torch.randn(2, channels, length)
    matmul_flops, y = counted(lambda: module(x))
    numbers = load_formula("causal_conv1d").cost(
        batch=2, length=length, channels=channels, kernel_size=kernel, bias=bias
    ).at()  # fmt: skip
    assert numbers.matmul_flops == matmul_flops
    assert numbers.flops == matmul_flops + bias * y.numel()
    assert numbers.parameters == sum(p.numel() for p in module.parameters())
    assert numbers.write_bytes == 2 * y[..., :length].numel()


@pytest.mark.parametrize(("batch", "length", "channels", "state"), [(1, 1, 1, 1), (2, 5, 3, 4), (1, 4, 7, 2)])
def test_selective_scan(batch: int, length: int, channels: int, state: int) -> None:
    """The sum over states is a matrix product in transformers' plain implementation."""
    from transformers.models.mamba import modeling_mamba

    u, dt = torch.randn(2, batch, channels, length)
    b, c = torch.randn(2, batch, state, length)
    scan = modeling_mamba.mamba_selective_scan
    matmul_flops, y = counted(lambda: scan(u, dt, -torch.rand(channels, state), b, c, torch.randn(channels)))
    numbers = load_formula("selective_scan").cost(
        batch=batch, length=length, channels=channels, state_size=state
    ).at()  # fmt: skip
    assert numbers.matmul_flops == matmul_flops
    assert numbers.write_bytes == 2 * y.numel()


def test_mixture_of_experts() -> None:
    from transformers.models.mixtral.modeling_mixtral import MixtralConfig, MixtralExperts

    config = MixtralConfig(hidden_size=6, intermediate_size=5, num_local_experts=4, num_experts_per_tok=2)
    config._experts_implementation = "eager"
    module, x = MixtralExperts(config), torch.randn(3, 6)
    chosen = torch.tensor([[0, 1], [0, 2], [3, 1]])
    matmul_flops, y = counted(lambda: module(x, chosen, torch.rand(3, 2)))
    numbers = load_formula("moe_experts").cost(
        N=3, hidden_size=6, intermediate_size=5, num_experts=4, top_k=2, expected=0
    ).at()  # fmt: skip
    weights = sum(p.numel() for p in module.parameters())
    assert numbers.matmul_flops == matmul_flops
    assert numbers.parameters == weights
    assert numbers.read_bytes == 2 * (x.numel() + 6 + weights) + 8 * 6
    assert numbers.write_bytes == 2 * y.numel()


NORMS: list[tuple[str, dict[str, int], nn.Module, tuple[int, ...]]] = [
    ("rms_norm", {"N": 7, "hidden_size": 5}, nn.RMSNorm(5), (7, 5)),
    ("layer_norm", {"N": 7, "hidden_size": 5}, nn.LayerNorm(5), (7, 5)),
    ("layer_norm", {"N": 7, "hidden_size": 5, "bias": 0}, nn.LayerNorm(5, bias=False), (7, 5)),
    ("layer_norm", {"N": 7, "hidden_size": 5, "affine": 0}, nn.LayerNorm(5, elementwise_affine=False), (7, 5)),
    ("group_norm", {"N": 2, "channels": 6, "num_groups": 3, "size": 4}, nn.GroupNorm(3, 6), (2, 6, 4)),
    ("batch_norm", {"N": 2, "channels": 6, "size": 4}, nn.BatchNorm1d(6).eval(), (2, 6, 4)),
]


@pytest.mark.parametrize(("name", "args", "module", "shape"), NORMS)
def test_bytes_and_parameters_of_norms(
    name: str, args: dict[str, int], module: nn.Module, shape: tuple[int, ...]
) -> None:
    x = torch.randn(shape)
    matmul_flops, y = counted(lambda: module(x))
    numbers = load_formula(name).cost(**args).at()
    weights = sum(p.numel() for p in module.parameters())
    statistics = sum(b.numel() for b in module.buffers() if b.dim())
    assert numbers.matmul_flops == matmul_flops == 0
    assert numbers.parameters == weights
    assert numbers.read_bytes == 2 * (x.numel() + weights + statistics)
    assert numbers.write_bytes == 2 * y.numel()
