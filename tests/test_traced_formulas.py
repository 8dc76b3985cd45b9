"""Every formula of the library that names classes costs exactly what a module of the class is seen to do.

A module of each class is built with symbols for sizes and run on fake tensors. What is recorded, operation by
operation, is added up by the rules of DESIGN.md (`Assembly.costs`) and compared with the formula in all six metrics;
and the layer that the derivation makes of it must be a call of the formula, with arguments that are written down here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import counted
import pytest
import torch
from torch import nn
from transformers import LlamaConfig, PreTrainedConfig

from symflops.algebra import from_text
from symflops.formula import formula_for_class, formula_names, load_formula
from symflops.polynomial import Value, multiply, symbol
from symflops.trace import experts, operation, run
from symflops.trace.assembly import Assembly, every_operation
from symflops.trace.configs import Named
from symflops.trace.guards import Guard
from symflops.trace.internals import Sizes
from symflops.trace.quantity import Quantities
from symflops.trace.recorder import Recorder
from symflops.trace.watching import watching

pytestmark = pytest.mark.torch

ELEMENTWISE = [
    "elu", "gelu", "gelu_fast", "gelu_tanh", "hardsigmoid", "hardswish", "laplace", "leaky_relu", "mish", "quick_gelu",
    "relu", "relu2", "sigmoid", "silu", "softplus", "sqrtsoftplus", "tanh", "xielu",
]  # fmt: skip
HINTS = {"B": 3, "S": 677, "h": 211, "i": 307, "d": 61, "e": 11, "k": 2}
Built = tuple[nn.Module, list[Any]]
LONG = torch.long


@dataclass(frozen=True)
class Case:
    """A class, a module of it with its inputs, and the arguments of its formula."""

    name: str
    build: Callable[[Any, Any], Built]
    args: dict[str, Any] = field(default_factory=dict)


class One(nn.Module):
    def __init__(self, leaf: nn.Module) -> None:
        super().__init__()
        self.leaf = leaf

    def forward(self, *inputs: Any) -> Any:
        return self.leaf(*inputs)


def trace(build: Callable[[Any], Built]) -> Recorder:
    """The record of a module, run by itself; `build` gets the sizes as attributes."""
    sizes, config = Sizes(), PreTrainedConfig()
    symbols = {name: sizes.symbol(name, hint) for name, hint in HINTS.items()}
    quantities = Quantities(sizes.names, {name: symbol(name) for name in HINTS})
    built = run.Build(Named(config, None, ""), config, sizes, quantities, symbols, torch.bfloat16)
    guards: list[Guard] = []
    with run.environment(built, guards):
        with run.no_init_weights(), run.nothing_initialised():
            leaf, inputs = build(SimpleNamespace(**symbols))
        model = One(leaf).eval()
        recorder = Recorder(sizes, quantities, model)
        for tensor in inputs:
            recorder.note(tensor, "input")
        with experts.caught(recorder), recorder, watching(recorder):
            model(*inputs)
    assert not [guard for guard in guards if guard.fixes]  # no size had to be a number
    return recorder


def traced_costs(recorder: Recorder) -> dict[str, Value]:
    """The metrics of what was recorded; no formula of the module's class is looked at."""
    (leaf,) = recorder.root.parts
    return Assembly(recorder).costs(leaf, list(every_operation(leaf)))


def class_of(name: str) -> Any:
    module, _, short = name.rpartition(".")
    return getattr(importlib.import_module(module), short)


# ---------------------------------------------------------------------------------------------------------- the modules


def torch_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def case(cls: type, build: Callable[[Any, Any], Built], **args: Any) -> Case:
    return Case(torch_name(cls), build, args)


def all_of(formula: str, build: Callable[[Any, Any], Built], **args: Any) -> Iterator[Case]:
    """The same for each class of a formula that is not named by itself below."""
    return (Case(name, build, args) for name in load_formula(formula).classes)


def on_rows(*given: Any, **options: Any) -> Callable[[Any, Any], Built]:
    return lambda cls, s: (cls(*given, **options), [torch.empty(s.B, s.S, s.h)])


def activations() -> Iterator[Case]:
    special: dict[str, tuple[Any, ...]] = {"ClippedGELUActivation": (-10, 10), "Threshold": (0.1, 20)}
    for formula in ELEMENTWISE:
        for name in load_formula(formula).classes:
            yield Case(name, on_rows(*special.get(name.rpartition(".")[2], ())), {"n": "B*S*h"})
    yield case(nn.GELU, on_rows(approximate="tanh"), n="B*S*h", tanh=1)
    yield case(nn.GLU, lambda cls, s: (cls(), [torch.empty(s.B, s.S, 2 * s.h)]), n="B*S*h")
    yield case(nn.PReLU, on_rows(), n="B*S*h")
    yield case(nn.PReLU, lambda cls, s: (cls(s.h), [torch.empty(s.B, s.h, s.S)]), n="B*S*h", num_parameters="h")
    for cls in (nn.Softmax, nn.LogSoftmax):
        yield case(cls, on_rows(dim=-1), N="B*S", width="h")
        yield case(cls, on_rows(dim=1), N="B*h", width="S")
    yield case(nn.Softmax2d, lambda cls, s: (cls(), [torch.empty(s.B, s.h, s.S, 7)]), N="7*B*S", width="h")
    yield case(
        nn.CrossEntropyLoss,
        lambda cls, s: (cls(), [torch.empty(s.S, s.h), torch.empty(s.S, dtype=LONG)]),
        N="S",
        num_classes="h",
    )
    yield case(
        nn.CrossEntropyLoss,
        lambda cls, s: (cls(), [torch.empty(s.B, s.h, s.S), torch.empty(s.B, s.S, dtype=LONG)]),
        N="B*S",
        num_classes="h",
    )


def linear_and_embedding() -> Iterator[Case]:
    from transformers.pytorch_utils import Conv1D

    args = {"N": "B*S", "in_features": "h", "out_features": "i"}
    for cls in (nn.Linear, nn.modules.linear.NonDynamicallyQuantizableLinear):
        yield case(cls, lambda cls, s: (cls(s.h, s.i), [torch.empty(s.B, s.S, s.h)]), **args, bias=1)
        yield case(cls, lambda cls, s: (cls(s.h, s.i, bias=False), [torch.empty(s.B, s.S, s.h)]), **args)
    yield case(Conv1D, lambda cls, s: (cls(s.i, s.h), [torch.empty(s.B, s.S, s.h)]), **args, bias=1)
    args = {"N": "B*S", "num_embeddings": "i", "embedding_dim": "h"}
    yield case(nn.Embedding, lambda cls, s: (cls(s.i, s.h), [torch.empty(s.B, s.S, dtype=LONG)]), **args)
    yield case(
        nn.Embedding,
        lambda cls, s: (cls(s.i, s.h), [torch.empty(1, s.S, dtype=LONG).expand(s.B, s.S)]),
        **args,
        ids="S",
    )


def size(s: Any, dims: int) -> list[Any]:
    return [s.S, s.d, 23][:dims]


def norms() -> Iterator[Case]:
    rows = {"N": "B*S", "hidden_size": "h"}
    yield from all_of("rms_norm", lambda cls, s: (cls(s.h), [torch.empty(s.B, s.S, s.h)]), **rows)
    yield from all_of("layer_norm", lambda cls, s: (cls(s.h), [torch.empty(s.B, s.S, s.h)]), **rows)
    for options in ({"bias": False}, {"elementwise_affine": False}):
        changed = {"bias": 0} if "bias" in options else {"affine": 0}
        yield case(
            nn.LayerNorm, lambda cls, s, o=options: (cls(s.h, **o), [torch.empty(s.B, s.S, s.h)]), **rows, **changed
        )
    convnext = "transformers.models.convnext.modeling_convnext.ConvNextLayerNorm"
    yield Case(
        convnext,
        lambda cls, s: (cls(s.h, data_format="channels_first"), [torch.empty(s.B, s.h, s.S, s.d)]),
        {"N": "B*S*d", "hidden_size": "h"},
    )
    for cls, dims in ((nn.BatchNorm1d, 1), (nn.BatchNorm2d, 2), (nn.BatchNorm3d, 3), (nn.SyncBatchNorm, 1)):
        args = {"N": "B", "channels": "h", "size": {1: "S", 2: "S*d", 3: "23*S*d"}[dims]}
        yield case(cls, lambda cls, s, n=dims: (cls(s.h), [torch.empty(s.B, s.h, *size(s, n))]), **args)
        yield case(
            cls, lambda cls, s, n=dims: (cls(s.h, affine=False), [torch.empty(s.B, s.h, *size(s, n))]), **args, affine=0
        )
    args = {"N": "B", "channels": "6*h", "size": "S*d", "num_groups": 6}  # torch fixes the number of groups
    yield case(nn.GroupNorm, lambda cls, s: (cls(6, 6 * s.h), [torch.empty(s.B, 6 * s.h, s.S, s.d)]), **args)
    yield case(
        nn.GroupNorm,
        lambda cls, s: (cls(6, 6 * s.h, affine=False), [torch.empty(s.B, 6 * s.h, s.S, s.d)]),
        **args,
        affine=0,
    )


LENGTHS = {1: ["length"], 2: ["height", "width"], 3: ["depth", "height", "width"]}


def windows(dims: int, out: dict[str, str], **options: Any) -> dict[str, Any]:
    """The arguments of a convolution or a pooling with the same options for each dimension; `out` of "S", "d", "23"."""
    args: dict[str, Any] = {}
    for name, length in zip(LENGTHS[dims], ("S", "d", 23), strict=False):
        suffix = "" if dims == 1 else f"_{name}"
        args |= {f"{key}{suffix}": value for key, value in options.items() if key != "kernel"}
        args |= {name: length, f"kernel{suffix or '_size'}": options["kernel"], f"out_{name}": out[str(length)]}
    return args


def convolutions() -> Iterator[Case]:
    kinds = [(getattr(nn, f"Conv{t}{n}d"), n, t) for n in (1, 2, 3) for t in ("", "Transpose")]
    for cls, n, transposed in kinds:
        out: dict[str, Any] = {"S": "S + 2", "d": "d + 2", "23": 25} if transposed else {
            "S": "S - 2", "d": "d - 2", "23": 21,
        }  # fmt: skip
        channels = {"N": "B", "in_channels": "h", "out_channels": "i"}
        yield case(
            cls,
            lambda cls, s, n=n: (cls(s.h, s.i, 3), [torch.empty(s.B, s.h, *size(s, n))]),
            **channels,
            **windows(n, out, kernel=3),
            bias=1,
        )

        def grouped(cls: Any, s: Any, n: int = n) -> Built:
            made = cls(5 * s.h, 5 * s.i, 4, stride=2, padding=1, dilation=2, groups=5, bias=False)
            return made, [torch.empty(s.B, 5 * s.h, *size(s, n))]

        # By torch's rules: (S + 2 - 2*3 - 1)//2 + 1, and transposed (S - 1)*2 - 2 + 2*3 + 1.
        out = {"S": "2*S + 3", "d": "2*d + 3", "23": 49} if transposed else {
            "S": "floor((S - 3)/2)", "d": "floor((d - 3)/2)", "23": 10,
        }  # fmt: skip
        options = {"kernel": 4, "stride": 2, "padding": 1, "dilation": 2}
        channels = {"N": "B", "in_channels": "5*h", "out_channels": "5*i"}
        yield case(cls, grouped, **channels, **windows(n, out, **options), groups=5)
    yield case(
        nn.Conv2d, lambda cls, s: (cls(s.h, s.i, s.d, stride=s.d), [torch.empty(s.B, s.h, 9 * s.d, s.S)]),
        N="B", in_channels="h", out_channels="i", height="9*d", width="S", kernel_height="d", kernel_width="d",
        stride_height="d", stride_width="d", out_height=9, out_width="floor(S/d)", bias=1,
    )  # fmt: skip
    yield case(
        nn.Conv1d,
        lambda cls, s: (cls(s.h, s.i, 3, padding="same"), [torch.empty(s.B, s.h, s.S)]),
        N="B",
        in_channels="h",
        out_channels="i",
        length="S",
        kernel_size=3,
        out_length="S",
        bias=1,
    )


def pooling() -> Iterator[Case]:
    for cls, n in ((nn.AvgPool1d, 1), (nn.AvgPool2d, 2), (nn.MaxPool2d, 2)):
        out: dict[str, Any] = {"S": "floor(S/3)", "d": "floor(d/3)"}
        yield case(
            cls,
            lambda cls, s, n=n: (cls(3), [torch.empty(s.B, s.h, *size(s, n))]),
            N="B",
            channels="h",
            **windows(n, out, kernel=3),
        )
        out = {"S": "floor((S + 1)/3)", "d": "floor((d + 1)/3)"}
        yield case(
            cls,
            lambda cls, s, n=n: (cls(4, stride=3, padding=1), [torch.empty(s.h, *size(s, n))]),
            N=1,
            channels="h",
            **windows(n, out, kernel=4, stride=3, padding=1),
        )
    args = {"length": 20, "kernel_size": 4, "stride": 3, "padding": 1, "out_length": 7}  # torch fixes its length
    yield case(
        nn.MaxPool1d,
        lambda cls, s: (cls(4, stride=3, padding=1), [torch.empty(s.B, s.h, 20)]),
        N="B",
        channels="h",
        **args,
    )


def moved() -> Iterator[Case]:
    for name in load_formula("pad").classes:
        dims = int(name[-2])
        value = (2, 0.5) if "Constant" in name else (2,)
        inside = {1: "S", 2: "S*d", 3: "23*S*d"}[dims]
        outside = {1: "(S + 4)", 2: "(S + 4)*(d + 4)", 3: "(S + 4)*(d + 4)*27"}[dims]
        yield Case(
            name,
            lambda cls, s, n=dims, v=value: (cls(*v), [torch.empty(s.B, s.h, *size(s, n))]),
            {"n": f"B*h*{inside}", "padding": f"B*h*({outside} - {inside})"},
        )
    for cls in (nn.PixelShuffle, nn.PixelUnshuffle):
        yield case(cls, lambda cls, s: (cls(2), [torch.empty(s.B, 4 * s.h, 2 * s.S, 2 * s.d)]), n="16*B*S*d*h")
    yield case(
        nn.UpsamplingNearest2d,
        lambda cls, s: (cls(scale_factor=2), [torch.empty(s.B, s.h, s.S, s.d)]),
        N="B",
        channels="h",
        in_size="S*d",
        out_size="4*S*d",
    )
    args = {"height": "S", "width": "d", "out_height": "2*S", "out_width": "2*d"}
    yield case(
        nn.UpsamplingBilinear2d,
        lambda cls, s: (cls(scale_factor=2), [torch.empty(s.B, s.h, s.S, s.d)]),
        N="B",
        channels="h",
        **args,
    )


def rotary_tables() -> Iterator[Case]:
    """The classes read a width of their own config, under one of these names; Llama's config has the rest."""

    def build(cls: Any, s: Any, batch: int = 0, **rope: Any) -> Built:
        config = LlamaConfig(rope_parameters={"rope_type": "default", "rope_theta": 1e4} | rope)
        names = ("head_dim", "dim", "qk_rope_head_dim", "rotary_dim")
        vars(config).update(dict.fromkeys(names, 2 * s.d), partial_rotary_factor=1.0)
        return cls(config), [torch.empty(s.B, s.S, s.h), torch.empty(batch or s.B, s.S, dtype=LONG)]

    args = {"positions": "S", "head_dim": "2*d"}
    yield from all_of("rotary_table", build, batch="B", **args)
    llama = "transformers.models.llama.modeling_llama.LlamaRotaryEmbedding"
    yield Case(llama, lambda cls, s: build(cls, s, batch=1), {"batch": 1, **args})


def mixtures() -> Iterator[Case]:
    """The classes read a number of experts and a width under one of these names."""

    def build(cls: Any, s: Any, activation: str = "silu", dtype: torch.dtype = torch.float32) -> Built:
        config = PreTrainedConfig()
        counts = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
        widths = ("intermediate_size", "moe_intermediate_size", "expert_intermediate_size")
        vars(config).update(dict.fromkeys(counts, s.e), hidden_size=s.h, num_experts_per_tok=s.k)
        vars(config).update(dict.fromkeys(widths, s.i), _experts_implementation_internal=experts.NAME)
        vars(config).update(dict.fromkeys(("hidden_act", "hidden_activation"), activation))
        made = cls(config)
        tokens = s.B * s.S
        chosen = [torch.empty(tokens, s.k, dtype=LONG), torch.empty(tokens, s.k, dtype=dtype)]
        return made, [torch.empty(tokens, s.h), *chosen]

    args = {"N": "B*S", "hidden_size": "h", "intermediate_size": "i", "num_experts": "e", "top_k": "k"}
    yield from all_of("moe_experts", build, **args, routing_bytes=4)
    mixtral = "transformers.models.mixtral.modeling_mixtral.MixtralExperts"
    yield Case(mixtral, lambda cls, s: build(cls, s, "gelu_pytorch_tanh", torch.bfloat16), args | {"act_ops": 8})


NOTHING = [
    *(Case(name, on_rows()) for name in load_formula("identity").classes if "Unflatten" not in name),
    Case(torch_name(nn.Unflatten), lambda cls, s: (cls(1, (3, 2)), [torch.empty(s.B, 6, s.S)])),
]
CASES = [
    *activations(), *linear_and_embedding(), *norms(), *convolutions(), *pooling(), *moved(), *rotary_tables(),
    *mixtures(),
]  # fmt: skip


def parameters(cases: list[Case]) -> list[Any]:
    found = []
    for case in cases:
        found.append(pytest.param(case, id=case.name.rpartition(".")[2]))
    return found


# ------------------------------------------------------------------------------------------------------------ the tests


@pytest.fixture(autouse=True)
def per_element_from_the_textbook(monkeypatch: pytest.MonkeyPatch) -> None:
    """For operations such as aten.silu the trace asks the library what one element costs. Here it asks the algorithms
    of counted.py, so that no formula is compared with itself."""
    textbook = counted.ACTIVATIONS | {"glu": lambda x: x * counted.sigmoid(x)}

    def per_element(name: str) -> Value:
        operations, _ = counted.count(lambda: textbook[name](counted.Counted(0.5)))
        return multiply(operations, symbol("n"))

    monkeypatch.setattr(operation, "_per_element", per_element)


def test_every_class_of_every_formula_is_here() -> None:
    named = {name for formula in formula_names() for name in load_formula(formula).classes}
    assert {case.name for case in [*CASES, *NOTHING]} == named


@pytest.mark.parametrize("case", parameters(CASES))
def test_the_traced_cost_is_that_of_the_formula(case: Case) -> None:
    cls = class_of(case.name)
    recorder = trace(lambda s: case.build(cls, s))
    formula = formula_for_class(case.name)
    expected = {name: from_text(value) if isinstance(value, str) else value for name, value in case.args.items()}
    assert traced_costs(recorder) == formula.by_metric(expected)
    assembly = Assembly(recorder)
    layer = assembly.layers()["leaf"]
    assert assembly.mismatches == {}
    assert layer.keys() == {"class", "args"}
    assert layer["class"] == case.name
    given = {n: from_text(value) if isinstance(value, str) else value for n, value in layer["args"].items()}
    assert given == expected


@pytest.mark.parametrize("case", parameters(NOTHING))
def test_a_module_that_does_nothing_is_no_layer(case: Case) -> None:
    cls = class_of(case.name)
    recorder = trace(lambda s: case.build(cls, s))
    (leaf,) = recorder.root.parts
    assert leaf.parts == []
    assert set(formula_for_class(case.name).by_metric({"n": symbol("n")}).values()) == {0}


def test_a_scaled_rotary_table_costs_what_the_formula_says() -> None:
    cls = class_of("transformers.models.llama.modeling_llama.LlamaRotaryEmbedding")

    def build(s: Any) -> Built:
        rope = {"rope_type": "default", "rope_theta": 1e4}
        made = cls(LlamaConfig(head_dim=16, rope_parameters=rope))
        made.attention_scaling = 1.3
        return made, [torch.empty(1, s.S, s.h), torch.empty(1, s.S, dtype=LONG)]

    recorder = trace(build)
    args = {"batch": 1, "positions": symbol("S"), "head_dim": 16, "scaled": 1}
    assert traced_costs(recorder) == load_formula("rotary_table").by_metric(args)
    assert Assembly(recorder).layers()["leaf"]["args"] == {
        "batch": 1, "positions": "S", "head_dim": 16, "scaled": 1,
    }  # fmt: skip


def test_a_module_that_does_something_else_than_its_formula_is_counted_as_it_runs() -> None:
    """Circular padding is a copy before the convolution, which the formula of Conv1d does not have."""

    def build(s: Any) -> Built:
        return nn.Conv1d(s.h, s.i, 3, padding=1, padding_mode="circular"), [torch.empty(s.B, s.h, s.S)]

    recorder = trace(build)
    assembly = Assembly(recorder)
    layer = assembly.layers()["leaf"]
    assert "intermediate_bytes" in assembly.mismatches["torch.nn.modules.conv.Conv1d"]
    assert from_text(layer["cost"]["intermediate_bytes"]) == from_text("dtype_bytes*B*h*(S + 2)")
    assert from_text(layer["cost"]["matmul_flops"]) == from_text("6*B*S*h*i")
