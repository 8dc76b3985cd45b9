"""For each formula of the library a call of PyTorch, or of transformers as it writes it, whose backward is its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from backward_counted import Call
from torch import Tensor, nn
from torch.nn import functional
from transformers.activations import ACT2FN, XIELUActivation


class Args(dict[str, Any]):
    def __getattr__(self, name: str) -> int:
        value: int = self[name]
        return value


def on(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.bfloat16)


def of_module(module: nn.Module, *inputs: Tensor) -> Call:
    module = module.to(torch.bfloat16)
    floating = [t for t in inputs if t.is_floating_point()]
    return Call(lambda: module(*inputs), floating, list(module.parameters()), buffers=list(module.buffers()))


def of_function(function: Callable[..., Tensor], *inputs: Tensor) -> Call:
    return Call(lambda: function(*inputs), list(inputs), [])


def activation(function: Callable[[Tensor], Tensor]) -> Callable[[Args], Call]:
    return lambda a: of_function(function, on(a.n))


def linear(a: Args) -> Call:
    return of_module(nn.Linear(a.in_features, a.out_features, bias=bool(a.bias)), on(a.N, a.in_features))


def embedding(a: Args) -> Call:
    ids = torch.randint(0, a.num_embeddings, (a.ids,)).expand(a.N // a.ids, -1)  # sequences share them
    return of_module(nn.Embedding(a.num_embeddings, a.embedding_dim), ids)


def layer_norm(a: Args) -> Call:
    module = nn.LayerNorm(a.hidden_size, elementwise_affine=bool(a.affine), bias=bool(a.bias))
    return of_module(module, on(a.N, a.hidden_size))


def rms_norm(a: Args) -> Call:
    from transformers.models.llama.modeling_llama import LlamaRMSNorm

    return of_module(LlamaRMSNorm(a.hidden_size), on(a.N, a.hidden_size))


def group_norm(a: Args) -> Call:
    return of_module(nn.GroupNorm(a.num_groups, a.channels, affine=bool(a.affine)), on(a.N, a.channels, a.size))


def add(a: Args) -> Call:
    return of_function(lambda x, y: x + y, on(a.n // a.other, a.other), on(a.other) if a.other < a.n else on(1, a.n))


def matmul(a: Args) -> Call:
    return of_function(torch.bmm, on(a.batch, a.m, a.k), on(a.batch, a.k, a.n))


def glu(a: Args) -> Call:
    return of_function(functional.glu, on(2 * a.n))


def rotary(a: Args) -> Call:
    from transformers.models.llama.modeling_llama import rotate_half

    cos, sin = on(a.table_rows, 1, a.head_dim), on(a.table_rows, 1, a.head_dim)

    def run(x: Tensor) -> Tensor:
        return x * cos + rotate_half(x) * sin

    return of_function(run, on(a.N // a.table_rows, a.table_rows, a.heads, a.head_dim))


def rows(function: Callable[[Tensor], Tensor]) -> Callable[[Args], Call]:
    return lambda a: of_function(function, on(a.N, a.width))


def cross_entropy(a: Args) -> Call:
    targets = torch.randint(0, a.num_classes, (a.N,))
    return of_function(lambda x: functional.cross_entropy(x, targets), on(a.N, a.num_classes))


def router(a: Args) -> Call:
    def run(logits: Tensor) -> Tensor:
        chosen = torch.topk(logits.softmax(-1, dtype=torch.float32), a.top_k, dim=-1).values
        return chosen / chosen.sum(-1, keepdim=True) if a.normalize else chosen

    return of_function(run, on(a.N, a.num_experts))


def convolution(dims: int, transposed: bool) -> Callable[[Args], Call]:
    kind = getattr(nn, f"Conv{'Transpose' if transposed else ''}{dims}d")
    sizes = {1: [""], 2: ["_height", "_width"], 3: ["_depth", "_height", "_width"]}[dims]
    lengths = ["length"] if dims == 1 else [name[1:] for name in sizes]
    kernels = ["kernel_size"] if dims == 1 else [f"kernel{name}" for name in sizes]

    def make(a: Args) -> Call:
        options = {
            key: tuple(a[f"{key}{name}"] for name in sizes)
            for key in ("stride", "padding", "dilation", *(["output_padding"] if transposed else []))
        }
        kernel = tuple(a[name] for name in kernels)
        module = kind(a.in_channels, a.out_channels, kernel, groups=a.groups, bias=bool(a.bias), **options)
        return of_module(module, on(a.N, a.in_channels, *(a[name] for name in lengths)))

    return make


def causal_conv1d(a: Args) -> Call:
    options = {"groups": a.channels, "padding": a.kernel_size - 1, "bias": bool(a.bias)}
    module = nn.Conv1d(a.channels, a.channels, a.kernel_size, **options)
    module = module.to(torch.bfloat16)
    x = on(a.batch, a.channels, a.length)
    return Call(lambda: module(x)[..., : a.length], [x], list(module.parameters()))


def pool(kind: Any, dims: int) -> Callable[[Args], Call]:
    sizes = [""] if dims == 1 else ["_height", "_width"]

    def make(a: Args) -> Call:
        kernel = tuple(a["kernel_size" if dims == 1 else f"kernel{name}"] for name in sizes)
        module = kind(kernel, tuple(a[f"stride{n}"] for n in sizes), tuple(a[f"padding{n}"] for n in sizes))
        return of_module(module, on(a.N, a.channels, *([a.length] if dims == 1 else [a.height, a.width])))

    return make


def enlarged(mode: str) -> Callable[[Args], Call]:
    def make(a: Args) -> Call:
        nearest = mode == "nearest"
        size = a.out_size if nearest else (a.out_height, a.out_width)
        x = on(a.N, a.channels, a.in_size) if nearest else on(a.N, a.channels, a.height, a.width)
        return of_function(lambda t: functional.interpolate(t, size=size, mode=mode), x)

    return make


def experts(a: Args) -> Call:
    """Rows in the order of their experts, as many for each, one product for all of an expert: tokens in a circle."""
    n, k, e, h, i = a.N, a.top_k, a.num_experts, a.hidden_size, a.intermediate_size
    x, shares = on(n, h), on(n * k, 1).float()
    gate_up, down = on(e, h, 2 * i), on(e, i, h)
    token = torch.arange(n * k) // k
    order = ((token + torch.arange(n * k)) % e).argsort(stable=True)
    token = token[order]

    def run() -> Tensor:
        gate, up = (x[token].reshape(e, -1, h) @ gate_up).chunk(2, -1)
        rows = (functional.silu(gate) * up) @ down
        return torch.zeros(n, h, dtype=x.dtype).index_add(0, token, (rows.reshape(-1, h) * shares).to(x.dtype))

    between = n * k * (h + i + 2 * i + h)  # of outputs, of what down multiplies, of gate and up, of the gathered rows
    return Call(run, [x, shares], [gate_up, down], between)


def eager_attention(a: Args) -> Call:
    """Scores and probabilities by themselves; the queries of a group of heads are rows of one product."""
    keys = a.q_len + min(a.kv_len - a.q_len, a.window - 1)
    queries = a.num_heads // a.num_kv_heads * a.q_len
    q = on(a.batch, a.num_heads, a.q_len, a.head_dim)
    k, v = (on(a.batch, a.num_kv_heads, keys, width) for width in (a.head_dim, a.value_dim))
    sinks = [on(a.num_heads)] if a.sinks else []
    mask = on(a.q_len, keys)

    def run() -> Tensor:
        scores = q.view(a.batch, a.num_kv_heads, queries, a.head_dim) @ k.transpose(-1, -2)
        scores = scores * 0.5 if a.scaled else scores
        scores = torch.tanh(scores / 30) * 30 if a.pair_ops >= 3 else scores
        scores = scores.view(a.batch, a.num_heads, a.q_len, keys)
        scores = scores + mask if a.pair_ops % 3 else scores
        if sinks:
            column = sinks[0].view(1, -1, 1, 1).expand(a.batch, -1, a.q_len, 1)
            scores = torch.cat([scores, column], dim=-1)
        p = scores.softmax(-1)[..., :keys].view(a.batch, a.num_kv_heads, queries, keys)
        return p @ v

    between = 2 * a.batch * a.num_heads * a.q_len * keys  # of probabilities and of scores
    return Call(run, [q, k, v], sinks, between)


CALLS: Mapping[str, Callable[[Args], Call]] = {
    "linear": linear, "embedding": embedding, "layer_norm": layer_norm, "rms_norm": rms_norm,
    "group_norm": group_norm, "matmul": matmul, "glu": glu, "rotary": rotary, "add": add,
    "mul": lambda a: of_function(lambda x, y: x * y, on(a.n), on(a.n)),
    "softmax": rows(lambda x: x.softmax(-1)), "log_softmax": rows(lambda x: x.log_softmax(-1)),
    "sdpa_eager": eager_attention, "cross_entropy": cross_entropy, "router": router, "causal_conv1d": causal_conv1d,
    **{f"conv{d}d": convolution(d, False) for d in (1, 2, 3)},
    **{f"conv_transpose{d}d": convolution(d, True) for d in (1, 2, 3)},
    "avg_pool1d": pool(nn.AvgPool1d, 1), "max_pool1d": pool(nn.MaxPool1d, 1),
    "avg_pool2d": pool(nn.AvgPool2d, 2), "max_pool2d": pool(nn.MaxPool2d, 2),
    "interpolate_bilinear": enlarged("bilinear"), "interpolate_nearest": enlarged("nearest"),
    "sort": rows(lambda x: x.sort(-1).values),
    "topk": lambda a: of_function(lambda x: x.topk(a.k, -1).values, on(a.N, a.width)),
    "identity": activation(nn.Identity()), "copy": activation(lambda x: x.clone()),
    "concatenate": lambda a: of_function(lambda x, y: torch.cat([x, y]), on(a.n - 1), on(1)),
    "gelu": lambda a: of_function(nn.GELU(approximate="tanh" if a.tanh else "none"), on(a.n)),
    "xielu": lambda a: of_module(XIELUActivation(), on(a.n)),
    "elu": activation(nn.ELU()), "leaky_relu": activation(nn.LeakyReLU()), "relu": activation(nn.ReLU()),
    "sigmoid": activation(nn.Sigmoid()), "silu": activation(nn.SiLU()), "tanh": activation(nn.Tanh()),
    "softplus": activation(nn.Softplus()), "mish": activation(nn.Mish()), "hardswish": activation(nn.Hardswish()),
    "hardsigmoid": activation(nn.Hardsigmoid()),
    "gelu_tanh": activation(ACT2FN["gelu_pytorch_tanh"]), "quick_gelu": activation(ACT2FN["quick_gelu"]),
    "moe_experts": experts, "gelu_fast": activation(ACT2FN["gelu_fast"]), "relu2": activation(ACT2FN["relu2"]),
    "laplace": activation(ACT2FN["laplace"]), "sqrtsoftplus": activation(ACT2FN["sqrtsoftplus"]),
    "prelu": lambda a: of_module(nn.PReLU(a.num_parameters), on(1, a.num_parameters, a.n // a.num_parameters)),
}  # fmt: skip
