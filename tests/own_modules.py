"""Modules as users write them, for the tests that derive them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass
class GPTConfig:
    block_size: int = 128
    vocab_size: int = 500
    n_layer: int = 3
    n_head: int = 4
    n_embd: int = 64
    dropout: float = 0.1
    bias: bool = True
    fused: bool = True


class CausalSelfAttention(nn.Module):
    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        assert config.n_embd % config.n_head == 0
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.n_head, self.n_embd, self.fused = config.n_head, config.n_embd, config.fused
        size = config.block_size
        self.register_buffer("mask", torch.tril(torch.ones(size, size)).view(1, 1, size, size))

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.size()
        q, k, v = self.c_attn(x).split(self.n_embd, dim=2)
        q, k, v = (t.view(batch, length, self.n_head, width // self.n_head).transpose(1, 2) for t in (q, k, v))
        if self.fused:
            y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            scores = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
            scores = scores.masked_fill(self.mask[:, :, :length, :length] == 0, float("-inf"))  # type: ignore[index]  # a buffer
            y = functional.softmax(scores, dim=-1) @ v
        return self.c_proj(y.transpose(1, 2).contiguous().view(batch, length, width))  # type: ignore[no-any-return]  # a Module has no types


class Block(nn.Module):
    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(config.n_embd), nn.LayerNorm(config.n_embd)
        self.attn = CausalSelfAttention(config)
        self.mlp = nn.Sequential(
            nn.Linear(config.n_embd, 4 * config.n_embd, bias=config.bias),
            nn.GELU(),
            nn.Linear(4 * config.n_embd, config.n_embd, bias=config.bias),
            nn.Dropout(config.dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))  # type: ignore[no-any-return]  # a Module has no types


class GPT(nn.Module):
    """With tied weights, a table of positions, logits of the last token, and a word about its size."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.wte, self.wpe = (nn.Embedding(n, config.n_embd) for n in (config.vocab_size, config.block_size))
        self.h = nn.ModuleList([Block(config) for _ in range(config.n_layer)])
        self.ln_f = nn.LayerNorm(config.n_embd)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.wte.weight = self.lm_head.weight
        print(f"number of parameters: {sum(p.numel() for p in self.parameters()) / 1e6:.2f}M")

    def forward(self, idx: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        length = idx.size(1)
        assert length <= self.config.block_size, f"cannot forward {length} tokens"
        x = self.wte(idx) + self.wpe(torch.arange(length))
        for block in self.h:
            x = block(x)
        x = self.ln_f(x)
        if targets is None:
            return self.lm_head(x[:, [-1], :]), None
        logits = self.lm_head(x)
        return logits, functional.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))


class ConvNet(nn.Module):
    def __init__(self, in_channels: int = 3, width: int = 8, num_classes: int = 10, depth: int = 2) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(in_channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)]
        for _ in range(depth):
            layers += [nn.ReLU(), nn.Conv2d(width, width, 3, stride=2, padding=1), nn.BatchNorm2d(width)]
        self.body = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.flatten(self.pool(self.body(x)), 1))  # type: ignore[no-any-return]  # a Module has no types


class Translator(nn.Module):
    def __init__(self, d_model: int = 32, nhead: int = 4, num_layers: int = 2, dim_feedforward: int = 48) -> None:
        super().__init__()
        sizes = (d_model, nhead, num_layers, num_layers, dim_feedforward)
        self.transformer = nn.Transformer(*sizes, batch_first=True)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        return self.transformer(source, target)  # type: ignore[no-any-return]  # a Module has no types


class Tagger(nn.Module):
    def __init__(self, vocab: int = 100, hidden: int = 16, layers: int = 2) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocab, hidden)
        self.rnn = nn.LSTM(hidden, hidden, layers, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * hidden, 5)

    def forward(self, ids: Tensor) -> Tensor:
        return self.out(self.rnn(self.embed(ids))[0])  # type: ignore[no-any-return]  # a Module has no types


class Steps(nn.Module):
    """A loop over time, written out."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.cell = nn.GRUCell(width, width)

    def forward(self, x: Tensor) -> Tensor:
        state = torch.zeros(x.shape[0], x.shape[2])
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state)
        return state


class Cross(nn.Module):
    def __init__(self, embed_dim: int = 24, num_heads: int = 4) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(embed_dim, num_heads, batch_first=True)

    def forward(self, query: Tensor, memory: Tensor) -> Tensor:
        return self.attention(query, memory, memory, need_weights=False)[0]  # type: ignore[no-any-return]  # a Module has no types


class ViT(nn.Module):
    def __init__(self, patch: int = 4, dim: int = 24, heads: int = 3, depth: int = 2, classes: int = 7) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, dim, patch, stride=patch)
        self.token = nn.Parameter(torch.zeros(1, 1, dim))
        block = nn.TransformerEncoderLayer
        blocks = [block(dim, heads, 4 * dim, batch_first=True, norm_first=True) for _ in range(depth)]
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(dim, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1)
        return self.head(self.blocks(x)[:, 0])  # type: ignore[no-any-return]  # a Module has no types


def perceptron(width: int = 16, normed: bool = False) -> nn.Module:
    """A function that returns a module."""
    norm = [nn.LayerNorm(width)] if normed else []
    return nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width), *norm)


class Deciding(nn.Module):
    """What it is made of depends on its width, and what it computes on the length."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width) if width > 100 else None

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x) if self.second is None else self.second(self.first(x))
        return x + self.first(x) if x.shape[1] > 50 else x


def a_number(width: int = 16) -> int:
    return width


class Windows(nn.Module):
    """Each token weighs those before it."""

    def __init__(self, width: int = 6, taps: int = 4) -> None:
        super().__init__()
        self.taps = taps
        self.weight = nn.Parameter(torch.zeros(taps, width))
        self.mix = nn.Linear(taps, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.pad(x.transpose(1, 2), (self.taps - 1, 0))
        return self.mix(x.unfold(-1, self.taps, 1) * self.weight.T[:, None])


class Picking(nn.Module):
    """Decides by what is in a tensor."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - torch's name
        return input * 2 if input.sum() > 0 else input
