"""What masks of attention hide and cost: causal only where they are, a bias counted, one made from sizes free."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import torch
from torch import nn
from transformers import BloomConfig, GPTJConfig, OPTConfig, PreTrainedConfig, PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

import symflops

pytestmark = pytest.mark.torch

HEADS, WIDTH, VOCAB = 2, 8, 64
S, B = 11, 3
Attend = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class AttendingConfig(PreTrainedConfig):
    model_type = "attending"

    def __init__(self, vocab_size: int = VOCAB, hidden_size: int = HEADS * WIDTH, **others: Any) -> None:
        self.vocab_size, self.hidden_size = vocab_size, hidden_size
        super().__init__(**others)


class Attending(PreTrainedModel):
    """Attention of the embeddings to themselves, without projections."""

    config_class = AttendingConfig
    attend: ClassVar[Attend]

    def __init__(self, config: AttendingConfig) -> None:
        super().__init__(config)
        self.emb = nn.Embedding(config.vocab_size, config.hidden_size)
        self.post_init()

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        x = self.emb(input_ids)
        heads = x.view(*input_ids.shape, HEADS, -1).transpose(1, 2)
        return type(self).attend(heads, input_ids)


def derived(attend: Attend) -> symflops.Model:
    kind = type("Attending", (Attending,), {"attend": staticmethod(attend)})
    return symflops.derive(kind)


def fused(mask: Callable[[torch.Tensor, torch.Tensor], Any], **options: Any) -> Attend:
    return lambda x, ids: nn.functional.scaled_dot_product_attention(x, x, x, attn_mask=mask(x, ids), **options)


def triangle(x: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    return torch.ones((x.shape[2], x.shape[2]), dtype=torch.bool).tril()


def low_triangle(x: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    return torch.full((x.shape[2], x.shape[2]), -math.inf, dtype=x.dtype).triu(diagonal=1)[None, None]


def compared(x: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    places = torch.arange(x.shape[2])
    return places[:, None] >= places[None, :]


def padding(_: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    return (ids != 0)[:, None, None, :]


def bias(x: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    return x[..., 0][:, :, None, :].expand(-1, -1, x.shape[2], -1)


def itself(x: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    return torch.eye(x.shape[2], dtype=torch.bool)


# What a mask is: whether causal = 1 halves the pairs, operations per pair besides 2 + 2 for each element of a head's
# width, and what a note says. A softmax is 5, a scale 1.
UNKNOWN = ("causal = 1 changes nothing for the attention of Attending",)
CASES: dict[str, tuple[Attend, bool, int, tuple[str, ...]]] = {
    "nothing": (fused(lambda *_: None), False, 6, ()),
    "is_causal": (fused(lambda *_: None, is_causal=True), True, 6, ()),
    "scale of 1": (fused(lambda *_: None, scale=1.0), False, 5, ()),
    "scale of 2": (fused(lambda *_: None, scale=2.0), False, 6, ()),
    "a triangle": (fused(triangle), True, 6, ()),
    "a triangle of -inf": (fused(low_triangle), True, 6, ()),
    "positions compared": (fused(compared), True, 6, ()),
    "a triangle and padding": (fused(lambda x, ids: triangle(x, ids) & padding(x, ids)), True, 6, ()),
    "padding": (fused(padding), False, 6, ()),
    "a bias": (fused(bias), False, 7, ()),
    "a bias and a triangle": (
        fused(lambda x, ids: bias(x, ids).masked_fill(~triangle(x, ids), -math.inf)),
        True,
        7,
        (),
    ),
    "nothing known": (fused(itself), False, 6, UNKNOWN),
}


@pytest.mark.parametrize("kind", CASES)
def test_a_mask_is_causal_only_if_it_is(kind: str) -> None:
    attend, is_causal, per_pair, notes = CASES[kind]
    model = derived(attend)
    cost = sum((row.total for row in model.rows() if row.formula == "sdpa"), symflops.Cost.of())
    for causal, pairs in ((0, S * S), (1, S * (S + 1) // 2 if is_causal else S * S)):
        numbers = cost.at(batch_size=B, seq_len=S, causal=causal)
        assert numbers.matmul_flops == B * HEADS * pairs * 4 * WIDTH
        assert numbers.flops - numbers.matmul_flops == B * HEADS * pairs * per_pair
    assert model.notes == notes


def written(mask: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Attend:
    return lambda x, ids: (x @ x.transpose(2, 3) / math.sqrt(WIDTH) + mask(x, ids)).softmax(-1) @ x


@pytest.mark.parametrize(
    ("mask", "per_pair", "is_causal"),
    [
        (low_triangle, 6, True),
        (lambda x, ids: (1.0 - triangle(x, ids).to(x.dtype)) * torch.finfo(x.dtype).min, 6, True),
        (lambda x, ids: torch.where(triangle(x, ids), 0.0, -math.inf), 6, True),
        (lambda x, ids: x.new_zeros(x.shape[2], x.shape[2]).masked_fill(~triangle(x, ids), -math.inf), 6, True),
        (lambda x, ids: torch.full_like(x[0, 0, :, 0].expand(x.shape[2], -1), -math.inf).triu(1), 6, True),
        (lambda x, ids: bias(x, ids), 7, False),  # made of the embeddings: adding it is an operation per pair
        (lambda x, ids: torch.arange(x.shape[2], dtype=x.dtype), 7, False),  # positions are no mask
    ],
)
def test_adding_a_mask_made_from_sizes_alone_costs_nothing(mask: Any, per_pair: int, is_causal: bool) -> None:
    model = derived(written(mask))
    for causal, pairs in ((0, S * S), (1, S * (S + 1) // 2 if is_causal else S * S)):
        numbers = model.total().at(batch_size=B, seq_len=S, causal=causal)
        assert numbers.matmul_flops == B * HEADS * pairs * 4 * WIDTH
        assert numbers.flops - numbers.matmul_flops == B * HEADS * pairs * per_pair
    assert model.notes == (() if is_causal else UNKNOWN)


SIZES: dict[str, Any] = {"vocab_size": 97, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


def test_transformers_own_masks_cost_nothing_where_attention_is_written_out() -> None:
    """Counted per pair: softmax 5, scale 1, and of BLOOM the bias that it takes from the positions."""
    bloom = BloomConfig(hidden_size=16, n_layer=1, n_head=2, **SIZES)
    gptj = GPTJConfig(n_embd=16, n_layer=1, n_head=2, n_positions=32, rotary_dim=4, **SIZES)
    for config, per_pair in ((bloom, 7), (gptj, 6)):
        total = symflops.derive(config).total()
        # The second difference of what is no matrix product is twice its cost per pair of a head.
        other = [n.flops - n.matmul_flops for n in (total.at(batch_size=1, seq_len=s) for s in (20, 21, 22))]
        assert other[0] - 2 * other[1] + other[2] == 2 * 2 * per_pair


def test_a_scale_that_queries_have_already_is_no_scale() -> None:
    config = OPTConfig(
        hidden_size=16, ffn_dim=24, num_hidden_layers=1, num_attention_heads=2, max_position_embeddings=32,
        word_embed_proj_dim=16, **SIZES,
    )  # fmt: skip
    total = symflops.derive(config).total()
    other = [n.flops - n.matmul_flops for n in (total.at(batch_size=1, seq_len=s) for s in (20, 21, 22))]
    assert other[0] - 2 * other[1] + other[2] == 2 * 2 * 5


class WithSinks(Attending):
    """Attention through transformers' interface, with a computed logit of each query and head in its softmax."""

    _supports_attention_backend = True

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        heads = self.emb(input_ids).view(*input_ids.shape, HEADS, -1).transpose(1, 2)
        attention = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, None)
        return attention(self, heads, heads, heads, None, scaling=1.0, sinks=heads[..., :1])[0]


def test_a_computed_sink_is_one_more_column_of_the_softmax() -> None:
    numbers = symflops.derive(WithSinks).total().at(batch_size=B, seq_len=S)
    assert numbers.flops - numbers.matmul_flops == B * HEADS * S * 5 * (S + 1)
    assert numbers.parameters == VOCAB * HEADS * WIDTH
