"""symflops.count of modules that are there, against PyTorch's counter and hand counts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from own_modules import GPT, GPTConfig
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import symflops
from symflops.errors import SymflopsError

pytestmark = pytest.mark.torch


class Scaled(nn.Module):
    """A forward with arguments that are no tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(6, 10), nn.Linear(10, 6)

    def forward(self, x: torch.Tensor, times: int = 1, mask: torch.Tensor | None = None) -> torch.Tensor:
        for _ in range(times):
            x = self.down(self.up(x).relu())
        return x if mask is None else x * mask


def llama() -> nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    }
    return LlamaForCausalLM(LlamaConfig(**sizes, num_hidden_layers=2, vocab_size=99))


CASES: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
    (lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()), (torch.zeros(2, 3, 9, 7),), {}),
    (Scaled, (torch.zeros(4, 6),), {"times": 3}),
    (Scaled, (torch.zeros(4, 5, 6), 2, torch.zeros(4, 5, 1)), {}),
    (lambda: GPT(GPTConfig(n_embd=24, n_head=3, n_layer=2)), (torch.zeros(2, 9, dtype=torch.long),), {}),
    (llama, (), {"input_ids": torch.zeros(2, 7, dtype=torch.long)}),
    (lambda: nn.MultiheadAttention(16, 4, batch_first=True), (torch.zeros(2, 5, 16), *[torch.zeros(2, 7, 16)] * 2), {}),
    (lambda: nn.Transformer(16, 2, 1, 2, 24, batch_first=True), (torch.zeros(2, 5, 16), torch.zeros(2, 3, 16)), {}),
]


def counted(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        torch.backends.mha.set_fastpath_enabled(False)
        module.eval()(*args, **kwargs)
        torch.backends.mha.set_fastpath_enabled(True)
    return int(counter.get_total_flops())


@pytest.mark.parametrize("case", CASES)
def test_it_is_what_pytorch_counts_at_every_batch(case: Any) -> None:
    make, args, kwargs = case
    module = make()
    found = symflops.count(module, *args, **kwargs)
    assert not found.fixed
    assert found.matmul_flops == counted(module, args, kwargs)
    assert found.parameters == sum(p.numel() for p in module.parameters())
    batch = (args or tuple(kwargs.values()))[0].shape[0]

    def longer(value: Any) -> Any:
        is_fed = isinstance(value, torch.Tensor) and value.shape[0] == batch
        return value.new_zeros(5, *value.shape[1:]) if is_fed else value

    others = tuple(map(longer, args)), {name: longer(value) for name, value in kwargs.items()}
    assert found.formula.at(batch_size=5).matmul_flops == counted(module, *others)


class Looking(nn.Module):
    """Equal layers of which one's part is called once more, after all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Sequential(nn.Linear(6, 10), nn.Linear(10, 6)) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        return self.layers[1][0](x)


def test_a_part_of_one_layer_that_runs_again_is_counted_once_more() -> None:
    found = symflops.count(Looking(), torch.zeros(4, 6))
    assert found.matmul_flops == 4 * (3 * 2 * (6 * 10 + 10 * 6) + 2 * 6 * 10)
    assert found.parameters == 3 * (6 * 10 + 10 + 10 * 6 + 6)


def test_modules_add_up_and_bytes_are_those_of_the_module() -> None:
    """One layer of 6 to 10 and back on 4 rows, float32. Read: 4*(4*6 + 6*10 + 10 + 4*10 + 10*6 + 6), and the 40 of the
    ReLU; written: 4*(4*10 + 4*10 + 4*6)."""
    found = symflops.count(Scaled(), torch.zeros(4, 6))
    assert (found.read_bytes, found.write_bytes) == (4 * (200 + 40), 4 * 104)
    assert found.by_module["up"].matmul_flops == 2 * 4 * 6 * 10
    assert sum(cost.flops for cost in found.by_module.values()) == found.flops
    assert symflops.count(Scaled().half(), torch.zeros(4, 6).half()).read_bytes == found.read_bytes // 2


def test_it_is_a_table_of_modules() -> None:
    found = symflops.count(nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4)), torch.zeros(3, 8))
    assert repr(found).splitlines() == [
        "module  flops  matmul_flops  parameters",
        "0         816           768         144",
        "1           0             0           0",
        "2         396           384          68",
        "total   1,212         1,152         212",
        "fed input: float[batch_size, 8]; matmul_flops = 384*batch_size",
    ]
    page = found._repr_html_()
    assert "<table" in page
    assert "1,152" in page


class OneBatch(nn.Module):
    """A source that wants one batch alone."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[0] != 2:
            raise ValueError("two rows, please")
        return x @ x.T


def test_a_source_that_needs_the_batch_is_counted_at_it_and_says_so() -> None:
    found = symflops.count(OneBatch(), torch.zeros(2, 6))
    assert found.matmul_flops == 2 * 2 * 6 * 2
    assert "two rows, please" in found.fixed
    assert "the batch is a number here" in repr(found)


@pytest.mark.parametrize(
    ("args", "kwargs", "said"),
    [
        ((), {}, "forward of Linear: missing a required argument: 'input'"),
        (
            ([torch.zeros(3)],),
            {},
            "Linear: the model's own source fails with these sizes: TypeError: linear(): argument 'input' (position 1) "
            "must be Tensor, not list",
        ),
        ((torch.zeros(3, 8), 7), {}, "forward of Linear: too many positional arguments"),
    ],
)
def test_what_cannot_be_fed_is_one_line(args: Any, kwargs: Any, said: str) -> None:
    with pytest.raises(SymflopsError) as caught:
        symflops.count(nn.Linear(8, 4), *args, **kwargs)
    assert str(caught.value) == said
