"""Sources that loop over a size of the config or over the sequences of a batch, and what is done once."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, MambaConfig
from transformers.models.llama import modeling_llama

import symflops
from symflops.deadline import OutOfTimeError
from symflops.errors import SymflopsError
from symflops.polynomial import symbol
from symflops.trace.configs import find
from symflops.trace.fixed import SizeFixedError
from symflops.trace.refine import length_limit
from symflops.trace.run import environment
from symflops.trace.settings import Settings
from symflops.trace.work import Work

pytestmark = pytest.mark.torch

STEPS: list[int] = []
"""The steps that were made, in order."""


class Repeated(nn.Module):
    """Applies one layer `steps` times."""

    def __init__(self, width: int, steps: int) -> None:
        super().__init__()
        self.steps, self.layer = steps, nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        for step in range(self.steps):
            STEPS.append(step)
            x = self.layer(x)
        return x


class Scaled(nn.Module):
    """Scales its weights before the first call, and never again."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer, self.is_scaled = nn.Linear(width, width, bias=False), False

    def forward(self, x: Tensor) -> Tensor:
        if not self.is_scaled:
            self.layer.weight.mul_(0.5)
            self.is_scaled = True
        return self.layer(x)


class OneByOne(nn.Module):
    """Compares each sequence with all of them, one after the other."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, self.width)
        return torch.stack([(x[i] @ rows.transpose(0, 1)).sum() for i in range(x.size(0))])


class Scores(nn.Module):
    """Scores of all pairs of tokens."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("bid,bjd->bij", x * self.scale, x)


class Added(nn.Module):
    """Adds a state that is empty, and one that is not."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.zeros(self.width) + torch.ones(self.width)


class Steps(nn.Module):
    """Steps through a sequence, and does more with one that is longer than its limit."""

    def __init__(self, width: int, limit: int) -> None:
        super().__init__()
        self.limit, self.layer = limit, nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = 2 * x if x.size(1) > self.limit else x
        return torch.stack([self.layer(x[:, i]) for i in range(x.size(1))], dim=1)


def test_a_length_that_decides_beside_a_loop_over_it_is_assumed() -> None:
    model = symflops.derive(Steps, inputs=["x: float[batch_size, seq_len, width]"], width=24, limit=300)
    assert model.total().at(batch_size=2, seq_len=300).flops == 2 * 2 * 300 * 24 * 24
    with pytest.raises(SymflopsError, match="limit >= seq_len"):
        model.total().at(batch_size=2, seq_len=301)


class Joined(nn.Module):
    """Adds its input to what every layer but the first is given."""

    def __init__(self, width: int, num_hidden_layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(num_hidden_layers))

    def forward(self, x: Tensor) -> Tensor:
        h = self.layers[0](x)
        for layer in self.layers[1:]:
            h = layer(h + x)
        return h


def test_what_is_done_between_layers_is_done_once_less_than_there_are() -> None:
    inputs = ["x: float[batch_size, seq_len, width]"]
    model = symflops.derive(Joined, inputs=inputs, width=24, num_hidden_layers=3)
    for depth in (3, 5):
        cost = model.with_symbols({"num_hidden_layers": depth}).total().at(batch_size=2, seq_len=5)
        assert cost.flops == depth * 2 * 2 * 5 * 24 * 24 + (depth - 1) * 2 * 5 * 24


def test_a_loop_over_a_size_is_not_run_as_often_as_its_hint_says() -> None:
    STEPS.clear()
    model = symflops.derive(Repeated, inputs=["x: float[batch_size, seq_len, width]"], width=24, steps=3)
    assert model.total().at(batch_size=2, seq_len=5).matmul_flops == 3 * 2 * 2 * 5 * 24 * 24
    assert set(STEPS) == {0, 1, 2}


def test_what_a_model_does_once_is_no_part_of_a_call() -> None:
    model = symflops.derive(Scaled, inputs=["x: float[batch_size, seq_len, width]"], width=24)
    assert model.total().at(batch_size=2, seq_len=5).flops == 2 * 2 * 5 * 24 * 24


def test_a_loop_over_the_sequences_of_a_batch() -> None:
    model = symflops.derive(OneByOne, inputs=["x: float[batch_size, seq_len, width]"], width=24)
    for batch, length in ((1, 1), (2, 5), (7, 3)):  # scores of every sequence with all of them, and the sum of those
        cost = model.total().at(batch_size=batch, seq_len=length)
        assert cost.matmul_flops == sum(2 * length * batch * length * 24 for _ in range(batch))
        assert cost.flops == cost.matmul_flops + batch * length * batch * length


def test_einsum_of_one_token_is_no_product_of_matrices() -> None:
    model = symflops.derive(Scores, inputs=["x: float[batch_size, seq_len, width]"], width=24)
    for length in (1, 2, 5):
        counted = FlopCounterMode(display=False)
        with counted, torch.no_grad():
            Scores(24)(torch.randn(3, length, 24))
        assert model.total().at(batch_size=3, seq_len=length).matmul_flops == counted.get_total_flops()


def test_adding_an_empty_state_costs_nothing() -> None:
    model = symflops.derive(Added, inputs=["x: float[batch_size, seq_len, width]"], width=24)
    assert model.total().at(batch_size=2, seq_len=5).flops == 2 * 5 * 24  # of the ones


def test_a_format_is_what_python_calls_it() -> None:
    """`int` is lent to sources as a class that takes symbols; torch knows Python's own alone."""
    run, _ = Work(find("llama")).run(Settings())
    with environment(run.build, []):
        lent = vars(modeling_llama)["int"]
        made = torch.tensor([0], dtype=lent)
    assert lent is not int
    assert made.dtype == torch.int64


def test_how_often_a_loop_runs_is_no_limit_of_the_length() -> None:
    """Mamba's convolution is filled up to its kernel, and its scan runs as often as there are tokens."""
    config = MambaConfig(hidden_size=24, state_size=5, num_hidden_layers=2, vocab_size=97, conv_kernel=4)
    with pytest.raises(SizeFixedError) as fixed:
        Work(find(config)).run(Settings(past="empty"))
    assert length_limit(fixed.value.run) == symbol("conv_kernel")


def test_a_derivation_after_other_tokens_that_takes_too_long_leaves_that_of_a_first_call(monkeypatch) -> None:
    def too_long(*_: object) -> None:
        raise OutOfTimeError

    monkeypatch.setattr("symflops.trace.past._cached", too_long)
    model = symflops.derive(LlamaConfig(num_hidden_layers=2))
    assert "past_len == 0" in model.assumes
    assert model.notes[0].startswith("these are the costs of a first call; after other tokens: not derived in the time")
