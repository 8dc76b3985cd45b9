"""The closed form of a module of one's own: what it is fed is said, the integers of its constructor are symbols."""

import torch
from torch import nn

import symflops


class Block(nn.Module):
    """A pre-norm layer with grouped queries, as one might write it."""

    def __init__(self, width: int, heads: int, groups: int) -> None:
        super().__init__()
        self.heads, self.groups, self.size = heads, groups, width // heads
        self.norm = nn.RMSNorm(width)
        self.q, self.o = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        self.kv = nn.Linear(width, 2 * groups * self.size, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        y = self.norm(x)
        q = self.q(y).view(batch, length, self.heads, self.size).transpose(1, 2)
        k, v = self.kv(y).view(batch, length, 2, self.groups, self.size).permute(2, 0, 3, 1, 4)
        y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return x + self.o(y.transpose(1, 2).reshape(batch, length, width))  # type: ignore[no-any-return]  # a Module has no types


if __name__ == "__main__":
    sizes = {"width": 4096, "heads": 32, "groups": 8}
    model = symflops.derive(Block, inputs={"x": "float[batch_size, seq_len, width]"}, **sizes)
    print(model.total(symbolic=True).text("matmul_flops"))
    print(model.total().at(batch_size=1, seq_len=2048).matmul_flops)
    print(model.with_symbols({"groups": 32}).total().at(batch_size=1, seq_len=2048).matmul_flops)

# Prints:
# 2*batch_size*seq_len*width*(2*width*(groups/heads + 1) + seq_len*(2 - causal) + causal)
# 240518168576
# 343597383680
