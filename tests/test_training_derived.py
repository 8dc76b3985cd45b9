"""A model derived in training mode against real training steps on small tensors (`benchmarks/trained.py`)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from small_configs import small_config
from torch import nn
from trained import Count, count
from transformers import BartConfig, DebertaV2Config, GPT2Config, T5Config

import symflops
from symflops.algebra import from_text, substitute
from symflops.errors import SymflopsError
from symflops.model import Model
from symflops.numeric import evaluate
from symflops.polynomial import Value, add, multiply
from symflops.trace.configs import find

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("training_derived")]
BYTES = {"dtype_bytes": 2, "weight_bytes": 2, "cache_bytes": 2, "past_len": 0, "causal": 0}


def sums(model: Model, frozen: bool = False, wanted: Callable[[str], bool] = lambda _: True) -> dict[str, Value]:
    """What the backward of all layers costs together."""
    found: dict[str, Value] = {}
    for place in model.places():
        if place.layer.is_basic and wanted(place.path):
            for key, value in place.layer.gradients(frozen=frozen).items():
                found[key] = add(found.get(key, 0), multiply(place.runs, value))
    return found


def numbers(model: Model, values: dict[str, Value], **at: int) -> dict[str, Any]:
    return {key: evaluate(value, {**model.symbols, **BYTES, **at}) for key, value in values.items()}


def made(config: Any) -> Any:
    """The config's model, with random weights, in the format that the derivation takes."""
    model_class = find(copy.deepcopy(config)).model_class
    config = copy.deepcopy(config)
    config._attn_implementation = config._experts_implementation = "eager"
    return model_class(config).to(torch.bfloat16).train()


def first(out: Any) -> Any:
    return out.logits if hasattr(out, "logits") else out[0]


def real(model: Any, batch: int, length: int) -> Count:
    ids = torch.randint(0, 50, (batch, length))
    weights = [*model.parameters(), *model.buffers()]
    return count(lambda: first(model(input_ids=ids, use_cache=False)), weights)


# Dropout; norms written out, two norms around; biases; parallel branches; rotation of a part; functions with a backward
# of their own; positions without weights.
TYPES = ["gpt2", "llama", "gemma2", "opt", "falcon", "gptj", "bloom", "mpt", "bert", "stablelm"]


@pytest.mark.parametrize("name", TYPES)
def test_a_backward_costs_and_keeps_what_a_real_one_does(name: str) -> None:
    config = small_config(name, 0)
    model = symflops.derive(copy.deepcopy(config), attention="eager", training=True)
    network = made(config)
    costs = sums(model)
    for batch, length in ((2, 17), (3, 5)):
        got, there = numbers(model, costs, batch_size=batch, seq_len=length), real(network, batch, length)
        assert (got["matmul_flops"], got["flops"], got["saved_bytes"]) == there[1:]
        assert model.total().at(batch_size=batch, seq_len=length, causal=0).matmul_flops == there.forward_matmul


@pytest.mark.parametrize(("name", "class_name"), [("albert", "AlbertForMaskedLM"), ("gpt2", "GPT2Model")])
def test_layers_that_share_weights_and_a_model_without_a_head(name: str, class_name: str) -> None:
    """What the last layer of the second gives is kept by nobody, unlike that of the others."""
    config = small_config(name, 0)
    config.architectures = [class_name]
    model = symflops.derive(copy.deepcopy(config), attention="eager", training=True)
    got, there = numbers(model, sums(model), batch_size=2, seq_len=17), real(made(config), 2, 17)
    assert (got["matmul_flops"], got["flops"], got["saved_bytes"]) == there[1:]


def test_experts_of_a_token_are_trained() -> None:
    """Each of N*k rows goes through three matrices; what a source keeps to sort them, and adds up, is not ours."""
    config = small_config("mixtral", 0)
    model = symflops.derive(copy.deepcopy(config), attention="eager", training=True)
    got = numbers(model, sums(model), batch_size=2, seq_len=17)
    assert got["matmul_flops"] == real(made(config), 2, 17).matmul


def test_with_frozen_weights_the_gradients_of_activations_are_left() -> None:
    """A network of which only what it is fed has a gradient."""
    config = small_config("llama", 0)
    model = symflops.derive(copy.deepcopy(config), attention="eager", training=True)
    network = made(config).requires_grad_(False)
    fed = torch.randn(2, 17, config.hidden_size, dtype=torch.bfloat16, requires_grad=True)
    weights = [*network.parameters(), *network.buffers()]
    there = count(lambda: network(inputs_embeds=fed, use_cache=False).logits, weights)
    costs = sums(model, frozen=True, wanted=lambda path: "embed_tokens" not in path)
    got = numbers(model, costs, batch_size=2, seq_len=17)
    assert (got["matmul_flops"], got["flops"]) == (there.matmul, there.flops)
    # The norms of the first layer do not need what only the gradient of their weights reads.
    assert got["saved_bytes"] == there.saved


@pytest.mark.parametrize("name", ["llama", "opt", "qwen3"])
def test_fused_attention_keeps_what_the_kernel_does(name: str) -> None:
    """PyTorch's flash attention keeps queries, keys, values, its result, and a number in float32 for each query and
    head. Its backward multiplies five times, attention that is written out four times: scores are made again."""
    config = small_config(name, 0)
    config.attention_dropout = 0.0  # with which the CPU has no such kernel
    if hasattr(config, "num_key_value_heads"):
        config.num_key_value_heads = config.num_attention_heads
    fused, written = (
        symflops.derive(copy.deepcopy(config), attention=attention, training=True) for attention in ("fused", "eager")
    )
    network = made(config)
    network.set_attn_implementation("sdpa")
    got, there = numbers(fused, sums(fused), batch_size=2, seq_len=17), real(network, 2, 17)
    assert (got["saved_bytes"], got["flops"]) == (there.saved, there.flops)
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    scores = 2 * 2 * 17 * 17 * config.num_attention_heads * width * config.num_hidden_layers
    other = numbers(written, sums(written), batch_size=2, seq_len=17)
    assert got["matmul_flops"] == other["matmul_flops"] + scores


def test_gpt2_keeps_what_the_published_formula_says() -> None:
    """Korthikanti et al. 2022, equation 1: s*b*h*(34 + 5*a*s/h) bytes in each layer with 16 bits, and two numbers for
    each of two norms. Of these 34, the exact GELU keeps its input."""
    model = symflops.derive(GPT2Config(activation_function="gelu"), attention="eager", training=True)
    layer = sums(model, wanted=lambda path: path.startswith("transformer.h."))
    kept = substitute(layer["saved_bytes"], {"dtype_bytes": 2, "num_hidden_layers": 1, "n_layer": 1})
    assert kept == from_text("batch_size*seq_len*(34*n_embd + 5*seq_len*n_head + 8)")


# ------------------------------------------------------------------------------------------------- modules of one's own


class Written(nn.Module):
    """Slices that are written into, one tensor for many readers, a sum in place, rows that are expanded."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.inner = nn.Linear(width, width)
        self.outer = nn.Linear(width, 2 * width, bias=False)
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.inner(x)
        both = h.new_empty(*h.shape[:-1], 2 * h.shape[-1])
        both[..., : h.shape[-1]] = h * self.scale
        both[..., h.shape[-1] :] = h
        pieces = self.outer(torch.tanh(h)).chunk(2, dim=-1)
        h = pieces[0] * torch.sigmoid(pieces[1])
        h += x[:, :1].expand_as(h)
        with torch.no_grad():
            largest = h.detach().abs().amax()
        return both.sum(-1, keepdim=True) * h / largest


class Convolved(nn.Module):
    def __init__(self, channels: int = 12) -> None:
        super().__init__()
        self.first = nn.Conv1d(channels, 2 * channels, 3, padding=1)
        self.grouped = nn.Conv1d(2 * channels, 2 * channels, 5, padding=2, groups=channels)
        self.norm = nn.LayerNorm(2 * channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(nn.functional.relu(self.grouped(self.first(x))).transpose(1, 2))


class Normed(nn.Module):
    """Statistics of the batch, of which running averages are kept; a maximum; a transposed convolution."""

    def __init__(self, channels: int = 12) -> None:
        super().__init__()
        self.first = nn.Conv1d(channels, channels, 3, padding=1, bias=False)
        self.batch = nn.BatchNorm1d(channels)
        self.groups = nn.GroupNorm(3, channels)
        self.wider = nn.ConvTranspose1d(channels, 6, 4, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.silu(self.wider(self.groups(torch.relu(self.batch(self.first(x))))))


@pytest.mark.parametrize(
    ("module", "fed", "shape"),
    [
        (Normed(), "x: float[batch_size, 12, seq_len]", lambda b, s: (b, 12, s)),
        (Written(), "x: float[batch_size, seq_len, 24]", lambda b, s: (b, s, 24)),
        (Convolved(), "x: float[batch_size, 12, seq_len]", lambda b, s: (b, 12, s)),
    ],
)
def test_a_module_of_one_s_own_is_trained(module: nn.Module, fed: str, shape: Callable[[int, int], Any]) -> None:
    model = symflops.derive(module, inputs=[fed], training=True)
    network = copy.deepcopy(module).to(torch.bfloat16).train()
    for batch, length in ((2, 7), (3, 11)):
        x = torch.randn(*shape(batch, length), dtype=torch.bfloat16)
        there = count(lambda x=x: network(x), [*network.parameters(), *network.buffers()])
        got = numbers(model, sums(model), batch_size=batch, seq_len=length)
        assert (got["matmul_flops"], got["flops"], got["saved_bytes"]) == there[1:]


@pytest.mark.parametrize(
    ("config", "fed"),
    [
        (
            T5Config(d_model=48, d_kv=8, num_heads=6, num_layers=3, num_decoder_layers=3, d_ff=80, vocab_size=101),
            {"input_ids": ("source_len", 13), "decoder_input_ids": ("target_len", 7)},
        ),
        (
            BartConfig(
                d_model=48, encoder_layers=2, decoder_layers=3, encoder_attention_heads=4, decoder_attention_heads=6,
                encoder_ffn_dim=80, decoder_ffn_dim=72, vocab_size=101, max_position_embeddings=64,
            ),
            {"input_ids": ("source_len", 13), "decoder_input_ids": ("target_len", 7)},
        ),
    ],
)  # fmt: skip
def test_an_encoder_s_result_is_read_by_every_layer_of_the_decoder(config: Any, fed: dict[str, Any]) -> None:
    """Its gradient is added up over all of them: once less than there are projections that read it."""
    config.architectures = [type(config).__name__.removesuffix("Config") + "ForConditionalGeneration"]
    model = symflops.derive(copy.deepcopy(config), attention="eager", training=True)
    network = made(config)
    given = {name: torch.randint(3, 99, (2, length)) for name, (_, length) in fed.items()}
    weights = [*network.parameters(), *network.buffers()]
    there = count(lambda: network(**given, use_cache=False).logits, weights)
    got = numbers(model, sums(model), batch_size=2, **dict(fed.values()))
    assert (got["matmul_flops"], got["flops"], got["saved_bytes"]) == there[1:]


def test_a_weight_that_equal_layers_are_given_is_read_by_all_of_them() -> None:
    """DeBERTa hands its table of relative positions to each layer: its gradient comes from all of them."""
    config = DebertaV2Config(
        hidden_size=36, num_attention_heads=3, num_hidden_layers=4, intermediate_size=50, vocab_size=77,
        relative_attention=True, pos_att_type=["p2c", "c2p"], max_position_embeddings=40,
    )  # fmt: skip
    config.architectures = ["DebertaV2ForSequenceClassification"]
    model = symflops.derive(copy.deepcopy(config), attention="eager", training=True)
    got, there = numbers(model, sums(model), batch_size=2, seq_len=11), real(made(config), 2, 11)
    assert (got["matmul_flops"], got["flops"], got["saved_bytes"]) == there[1:]


def test_a_constant_that_each_layer_makes_is_kept_by_each() -> None:
    """Ministral 3 scales its queries by a number for each position, which every layer computes for itself."""
    config = small_config("ministral3", 0)
    model = symflops.derive(copy.deepcopy(config), attention="eager", training=True)
    assert numbers(model, sums(model), batch_size=2, seq_len=17)["saved_bytes"] == real(made(config), 2, 17).saved


def test_of_recurrent_layers_it_is_said_that_they_are_decomposed() -> None:
    model = symflops.derive(nn.GRU(12, 16), inputs=["input: float[seq_len, batch_size, 12]"], training=True)
    why = "is counted as PyTorch decomposes it, of which a kernel computes and keeps some percent less"
    assert model.notes == (f"the backward of GRU {why}",)


def test_an_operation_without_a_rule_for_its_backward_is_named() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(8, 8))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cdist(x, self.weight)

    with pytest.raises(SymflopsError, match=r"no cost is known for the operation '_cdist\w*'"):
        symflops.derive(Odd(), inputs=["x: float[batch_size, 8]"], training=True)


class Turned(nn.Module):
    """A linear layer of what is no matrix in memory, without and with a bias."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.one = nn.Linear(width, 2 * width, bias=False)
        self.two = nn.Linear(2 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = nn.functional.silu(self.one(x.transpose(1, 2)))
        return nn.functional.silu(self.two(y.transpose(0, 1)))


def test_rows_that_are_not_contiguous_are_copied_where_a_weight_is_trained() -> None:
    model = symflops.derive(Turned, inputs={"x": "float[batch, width, rows]"}, width=6, training=True)
    costs = sums(model)
    network = Turned(6).to(torch.bfloat16)
    for batch, rows in ((2, 5), (3, 4)):
        x = torch.randn(batch, 6, rows, dtype=torch.bfloat16)
        there = count(lambda x=x: network(x), [*network.parameters()])
        got = numbers(model, costs, batch=batch, rows=rows)
        assert (got["matmul_flops"], got["flops"], got["saved_bytes"]) == there[1:]
