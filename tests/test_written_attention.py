"""Attention that a source writes out: found in whatever dress, fused into one step, counted for the pairs of its mask.

What a mask leaves is counted where it shows: the real module runs, and of the scores that its softmax gets those are
hidden that are hugely negative.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModelForCausalLM

import symflops

pytestmark = pytest.mark.torch

HEADS, KV_HEADS, WIDTH, VALUE_WIDTH, LONGEST = 4, 2, 6, 5, 2048
B, S = 2, 7
Scores = Callable[[nn.Module, Tensor], Tensor]


class Hidden(TorchDispatchMode):
    """Counts pairs whose score is so low that a softmax makes 0 of it."""

    def __init__(self) -> None:
        super().__init__()
        self.pairs = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function._schema.name == "aten::_softmax":
            self.pairs += int((args[0] < -9e3).sum())
        return function(*args, **(kwargs or {}))


class Attention(nn.Module):
    """Causal or not, as `weights` writes it: queries, keys and values in, probabilities times values out."""

    def __init__(self, weights: Callable[..., Tensor], groups: int = HEADS) -> None:
        super().__init__()
        self.weights = weights
        self.groups = groups
        self.q, self.k = nn.Linear(8, HEADS * WIDTH), nn.Linear(8, groups * WIDTH)
        self.v = nn.Linear(8, groups * VALUE_WIDTH)
        self.register_buffer("lower", torch.ones(LONGEST, LONGEST).tril().view(1, 1, LONGEST, LONGEST))
        window = torch.ones(LONGEST, LONGEST, dtype=torch.bool).tril()
        self.register_buffer("window", torch.bitwise_xor(window, window.tril(-3)))

    def forward(self, x: Tensor) -> Tensor:
        batch, length, _ = x.shape
        q, k, v = (f(x).view(batch, length, n, -1).transpose(1, 2) for f, n in (
            (self.q, HEADS), (self.k, self.groups), (self.v, self.groups)))  # fmt: skip
        return self.weights(self, q, k, v, x)


def length_of(q: Tensor) -> int:
    return q.shape[-2]


def upper(q: Tensor, fill: float = -math.inf) -> Tensor:
    return torch.full((length_of(q), length_of(q)), fill, dtype=q.dtype).triu(1)


def nano(m: Any, q: Tensor, k: Tensor, v: Tensor, _: Tensor) -> Tensor:
    scores = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(WIDTH))
    scores = scores.masked_fill(m.lower[:, :, : length_of(q), : length_of(q)] == 0, -math.inf)
    return scores.softmax(-1) @ v


def einsum(_m: Any, q: Tensor, k: Tensor, v: Tensor, _: Tensor) -> Tensor:
    scores = torch.einsum("bhid,bhjd->bhij", q, k) / math.sqrt(WIDTH) + upper(q)
    return torch.einsum("bhij,bhjd->bhid", nn.functional.softmax(scores, dim=-1), v)


def baddbmm(_m: Any, q: Tensor, k: Tensor, v: Tensor, _: Tensor) -> Tensor:
    q, k, v = (t.reshape(-1, t.shape[-2], t.shape[-1]) for t in (q, k, v))
    return torch.baddbmm(upper(q), q, k.transpose(1, 2), alpha=0.5).softmax(2).bmm(v)


def scaled_before(_m: Any, q: Tensor, k: Tensor, v: Tensor, _: Tensor) -> Tensor:
    mask = torch.ones(length_of(q), length_of(q), dtype=torch.bool).tril()
    scores = torch.where(mask, (q * WIDTH**-0.5) @ k.mT, torch.finfo(q.dtype).min)
    return scores.float().softmax(-1).to(v.dtype) @ v


def capped(_m: Any, q: Tensor, k: Tensor, v: Tensor, _: Tensor) -> Tensor:
    places = torch.arange(length_of(q))
    scores = 50.0 * torch.tanh(q @ k.mT / 50.0)
    return scores.masked_fill(places[None, :] > places[:, None], -math.inf).softmax(-1) @ v


def biased(_m: Any, q: Tensor, k: Tensor, v: Tensor, x: Tensor) -> Tensor:
    bias = x.sum(-1)[:, None, None, :]
    return (q @ k.mT + bias + upper(q, -1e9)).softmax(-1) @ v


def repeated(_m: Any, q: Tensor, k: Tensor, v: Tensor, _: Tensor) -> Tensor:
    k, v = (t.repeat_interleave(HEADS // KV_HEADS, dim=1) for t in (k, v))
    return ((q @ k.mT) * 0.3 + upper(q)).softmax(-1) @ v


def expanded(_m: Any, q: Tensor, k: Tensor, v: Tensor, _: Tensor) -> Tensor:
    k, v = (t[:, :, None].expand(-1, -1, HEADS // KV_HEADS, -1, -1).flatten(1, 2) for t in (k, v))
    return ((q @ k.mT) * 0.3 + upper(q)).softmax(-1) @ v


def windowed(m: Any, q: Tensor, k: Tensor, v: Tensor, _: Tensor) -> Tensor:
    mask = m.window[: length_of(q), : length_of(q)]
    return torch.where(mask, q @ k.mT, -math.inf).softmax(-1) @ v


def unmasked(_m: Any, q: Tensor, k: Tensor, v: Tensor, _: Tensor) -> Tensor:
    return ((q @ k.mT) * 0.3).softmax(-1) @ v


def prefix(_m: Any, q: Tensor, k: Tensor, v: Tensor, _: Tensor) -> Tensor:
    """The first three tokens are seen by all."""
    seen = torch.ones(length_of(q), length_of(q), dtype=torch.bool).tril() | (torch.arange(length_of(q)) < 3)
    return (q @ k.mT).masked_fill(~seen, -math.inf).softmax(-1) @ v


def prefix_hidden(_m: Any, q: Tensor, k: Tensor, v: Tensor, _: Tensor) -> Tensor:
    places = torch.arange(length_of(q))
    hidden = (places[None, :] > places[:, None]) & (places >= 3)
    return (q @ k.mT).masked_fill(hidden, -math.inf).softmax(-1) @ v


def prefix_filled(_m: Any, q: Tensor, k: Tensor, v: Tensor, _: Tensor) -> Tensor:
    seen = torch.ones(length_of(q), length_of(q), dtype=torch.bool).tril()
    seen[:, :3] = True
    return (q @ k.mT).masked_fill(~seen, -math.inf).softmax(-1) @ v


def strict(_m: Any, q: Tensor, k: Tensor, v: Tensor, _: Tensor) -> Tensor:
    """A triangle without the diagonal hides something else than a causal mask does."""
    mask = torch.ones(length_of(q), length_of(q), dtype=torch.bool).tril(-2)
    return (q @ k.mT).masked_fill(mask, -math.inf).softmax(-1) @ v


# How attention is written, heads of keys, and operations per pair: 5 of a softmax, 1 of a scale, a bias or a tanh, 0 of
# a mask made from sizes.
DRESSES: dict[str, tuple[Callable[..., Tensor], int, int]] = {
    "a buffer's triangle": (nano, HEADS, 6),
    "einsum": (einsum, HEADS, 6),
    "baddbmm": (baddbmm, HEADS, 6),
    "scaled before, in float32": (scaled_before, HEADS, 5),
    "a soft cap": (capped, HEADS, 8),
    "a bias": (biased, HEADS, 6),
    "keys repeated": (repeated, KV_HEADS, 6),
    "keys expanded": (expanded, KV_HEADS, 6),
    "a window": (windowed, HEADS, 5),
    "no mask": (unmasked, HEADS, 6),
}


def derived(weights: Callable[..., Tensor], groups: int, **options: Any) -> symflops.Model:
    def attention(width: int = 8) -> nn.Module:
        return Attention(weights, groups)

    return symflops.derive(attention, inputs={"x": "float[batch_size, seq_len, 8]"}, **options)


def counted(module: nn.Module, *inputs: Tensor) -> tuple[int, int]:
    """Matmul FLOPs of a real call by PyTorch's own counter, and the pairs that are hidden in it."""
    with torch.no_grad(), Hidden() as hidden, FlopCounterMode(display=False) as counter:
        module(*inputs)
    return counter.get_total_flops(), hidden.pairs


@pytest.mark.parametrize("eager", [False, True], ids=["fused", "eager"])
@pytest.mark.parametrize("dress", DRESSES)
def test_the_pairs_of_written_attention(dress: str, eager: bool) -> None:
    weights, groups, per_pair = DRESSES[dress]
    model = derived(weights, groups, attention="eager" if eager else "fused")
    matmul, hidden = counted(Attention(weights, groups), torch.randn(B, S, 8))
    every, causal = (model.total().at(batch_size=B, seq_len=S, causal=c) for c in (0, 1))
    assert every.matmul_flops == matmul
    assert (hidden > 0) == (dress != "no mask")
    assert every.matmul_flops - causal.matmul_flops == hidden * 2 * (WIDTH + VALUE_WIDTH)
    assert every.flops - causal.flops == hidden * (2 * (WIDTH + VALUE_WIDTH) + per_pair)


@pytest.mark.parametrize("dress", sorted(DRESSES.keys() - {"einsum"}))
def test_it_becomes_one_fused_step(dress: str) -> None:
    """What a kernel reads and writes: queries, keys and values of each head that has its own, and the result. Of one
    token `einsum` makes no product of matrices, so attention in it is of two cases."""
    weights, groups, per_pair = DRESSES[dress]
    (row,) = [row for row in derived(weights, groups).rows() if row.formula == "sdpa"]
    cost = row.total.at(batch_size=B, seq_len=S, dtype_bytes=2)
    assert cost.flops == B * HEADS * S * S * (2 * (WIDTH + VALUE_WIDTH) + per_pair)
    assert cost.read_bytes == 2 * B * S * (HEADS * WIDTH + groups * (WIDTH + VALUE_WIDTH))
    assert cost.write_bytes == 2 * B * S * HEADS * VALUE_WIDTH
    assert cost.intermediate_bytes == 0


def test_as_written_it_keeps_scores_and_probabilities() -> None:
    model = derived(nano, HEADS, attention="eager")
    total = model.total().at(batch_size=B, seq_len=S, dtype_bytes=2)
    fused = derived(nano, HEADS).total().at(batch_size=B, seq_len=S, dtype_bytes=2)
    moved = total.read_bytes + total.write_bytes + total.intermediate_bytes
    assert total.flops == fused.flops
    assert moved - (fused.read_bytes + fused.write_bytes) >= 2 * 2 * B * HEADS * S * S


@pytest.mark.parametrize(
    ("weights", "is_told"),
    [(strict, True), (prefix, True), (prefix_hidden, True), (prefix_filled, True), (unmasked, True), (nano, False)],
    ids=["other", "prefix", "prefix hidden", "prefix filled", "none", "causal"],
)
def test_a_mask_that_is_not_causal_is_said(weights: Callable[..., Tensor], is_told: bool) -> None:
    model = derived(weights, HEADS)
    every, causal = (model.total().at(batch_size=B, seq_len=S, causal=c).flops for c in (0, 1))
    assert (every == causal) == is_told
    assert (model.notes == ("causal = 1 changes nothing for the attention of Attention",)) == is_told


def test_a_module_that_is_built_has_the_masks_that_it_holds() -> None:
    module = Attention(nano)
    model = symflops.derive(module, inputs={"x": "float[batch_size, 8*s, 8]"})
    every, causal = (model.total().at(batch_size=B, s=2, causal=c).matmul_flops for c in (0, 1))
    assert every - causal == B * HEADS * (16 * 15 // 2) * 2 * (WIDTH + VALUE_WIDTH)


def test_probabilities_that_somebody_reads_stay() -> None:
    """They are there, so the attention is not one step; its operations are of the pairs that the mask leaves."""

    def shown(m: Any, q: Tensor, k: Tensor, v: Tensor, x: Tensor) -> Tensor:
        probabilities = (q @ k.mT + upper(q)).softmax(-1)
        return (probabilities @ v) + probabilities.sum()

    model = derived(shown, HEADS)
    assert "sdpa" not in {row.formula for row in model.rows()}
    assert model.notes == ()
    matmul, hidden = counted(Attention(shown), torch.randn(B, S, 8))
    every, causal = (model.total().at(batch_size=B, seq_len=S, causal=c) for c in (0, 1))
    assert every.matmul_flops == matmul
    assert every.flops - causal.flops == hidden * (2 * (WIDTH + VALUE_WIDTH) + 5)


SIZES: dict[str, Any] = {"vocab_size": 61, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
TYPES: dict[str, dict[str, Any]] = {
    "bloom": {"hidden_size": 24, "n_layer": 2, "n_head": 3},
    "falcon": {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "alibi": True},
    "gptj": {"n_embd": 24, "n_layer": 2, "n_head": 3, "rotary_dim": 4},
    "codegen": {"n_embd": 48, "n_layer": 2, "n_head": 4, "rotary_dim": 4, "n_ctx": 64},
    "gpt_neo": {
        "hidden_size": 24, "num_layers": 2, "num_heads": 3, "window_size": 3,
        "attention_types": [[["global", "local"], 1]],
    },
    "mpt": {"d_model": 24, "n_layers": 2, "n_heads": 3},
    "openai-gpt": {"n_embd": 24, "n_layer": 2, "n_head": 3},
    "gpt_neox_japanese": {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3},
    "xglm": {"d_model": 24, "num_layers": 2, "attention_heads": 3, "ffn_dim": 40},
    "trocr": {"d_model": 24, "decoder_layers": 2, "decoder_attention_heads": 3, "decoder_ffn_dim": 40},
    "rembert": {
        "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40,
        "is_decoder": True, "input_embedding_size": 16, "output_embedding_size": 16,
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", TYPES)
def test_types_of_transformers_that_write_their_attention_out(kind: str) -> None:
    config = AutoConfig.for_model(kind, **SIZES, **TYPES[kind])
    model = symflops.derive(config)
    torch.manual_seed(0)
    source = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    for length, past in ((7, 0), (3, 5)):
        ids = torch.randint(3, 61, (B, past + length))
        kept = {}
        if past:
            if kind == "openai-gpt":
                continue  # it keeps nothing
            with torch.no_grad():
                kept["past_key_values"] = source(ids[:, :past], use_cache=True).past_key_values
        with torch.no_grad(), Hidden() as hidden, FlopCounterMode(display=False) as counter:
            source(ids[:, past:], **kept)
        at = {"batch_size": B, "seq_len": length, "past_len": past}
        every, causal = (model.total().at(**at, causal=c).matmul_flops for c in (0, 1))
        width = 2 * (12 if kind == "codegen" else 8)
        if kind != "gpt_neo":  # of a window the earlier tokens that it does not reach are counted in no case
            assert every == counter.get_total_flops()
            assert every - causal == hidden.pairs * 2 * width, kind
        else:
            assert causal == counter.get_total_flops() - hidden.pairs * 2 * width
    assert not [note for note in model.notes if "causal" in note]
