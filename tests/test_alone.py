"""Classes traced by themselves: the calls that are found, and what they cost, counted by hand."""

from __future__ import annotations

from typing import Any

import agent_layers
import pytest
import torch
from torch import nn

from symflops.agent.gate import reference_of
from symflops.algebra import from_text
from symflops.errors import SymflopsError
from symflops.formula import load_formula
from symflops.model import Model
from symflops.trace.alone import LayerRecord, alone, source_of
from symflops.trace.classes import find_module

pytestmark = pytest.mark.torch


def values(record: LayerRecord) -> dict[str, Any]:
    cost = record.cost.total(symbolic=True) if isinstance(record.cost, Model) else record.cost
    return dict(cost.by_metric)


def test_switches_are_traced_both_ways() -> None:
    found = alone(agent_layers.Gain)
    assert found is not None
    assert found.call == "Gain(width) on numbers of shape (N, length, width)"
    assert found.switches == {"shifted": 0}
    by_switch = {record.switches["shifted"]: values(record)["flops"] for record in found.records}
    assert by_switch == {0: from_text("N*length*width"), 1: from_text("2*N*length*width")}
    assert all(record.numbers == {} for record in found.records)


def test_a_size_that_has_to_be_a_number_is_one_of_several() -> None:
    found = alone(agent_layers.Powers)
    assert found is not None
    assert len(found.records) == 4
    for record in found.records:
        assert record.numbers.keys() == {"steps"}
        assert values(record)["flops"] == from_text(f"2*{record.numbers['steps']}*N*channels*length")
    assert len({record.numbers["steps"] for record in found.records}) == 4


class Long(nn.Module):
    """Something else for a long input: no closed form for all lengths."""

    def forward(self, x: Any) -> Any:
        return x * 2 if x.shape[-1] > 5000 else x * 2 + 1


def test_a_cost_that_depends_on_which_sizes_are_given_is_no_closed_form() -> None:
    found = alone(Long)
    assert found is not None
    assert all(record.numbers for record in found.records)


class VeryLong(nn.Module):
    """As above, so far out that no size that is tried gets there."""

    def forward(self, x: Any) -> Any:
        return x * 2 if x.shape[-1] > 10**12 else x * 2 + 1


def test_what_the_source_asks_about_sizes_is_a_condition() -> None:
    found = alone(VeryLong)
    assert found is not None
    assert {record.conditions for record in found.records} == {("not length > 1000000000000",)}
    assert not reference_of("test_alone.VeryLong").is_proof
    assert reference_of("agent_layers.Gain").is_proof


def test_sizes_that_must_divide_are_products() -> None:
    found = alone(nn.GroupNorm)
    assert found is not None
    assert found.call.endswith("(N, num_channels, length), num_channels a multiple of num_groups")
    formula = load_formula("group_norm")  # written by hand, checked against independent counts
    for record in found.records:
        args = {"N": "N", "channels": "num_channels", "size": "length", "num_groups": record.numbers["num_groups"]}
        if record.switches["affine"] == record.switches["bias"]:
            cost = formula.cost(**args, affine=record.switches["affine"])
            assert values(record) == cost.by_metric


@pytest.mark.parametrize(
    ("cls", "call"),
    [
        (nn.Linear, "Linear(in_features, out_features) on numbers of shape (N, length, in_features)"),
        (nn.Conv2d, "(N, in_channels, height, width)"),
        (nn.BatchNorm1d, "(N, num_features, length)"),
        (nn.Embedding, "Embedding(num_embeddings, embedding_dim) on integers of shape (N, length)"),
        (nn.MaxPool1d, "(N, channels, length)"),
        (nn.CosineSimilarity, "on numbers of shape (N, channels, length) and numbers of shape (N, channels, length)"),
    ],
)
def test_the_call_is_found(cls: type[nn.Module], call: str) -> None:
    found = alone(cls)
    assert found is not None
    assert found.call.endswith(call)


class Airy(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.special.airy_ai(nn.functional.linear(x, self.weight))


def test_an_operation_that_no_table_knows_is_counted_by_torch() -> None:
    found = alone(Airy)  # of which torch counts the product alone
    assert found is not None
    for record in found.records:
        weights = record.numbers["width"] ** 2
        assert record.metrics == ("matmul_flops", "parameters")
        assert values(record)["parameters"] == weights
        rows, left = divmod(values(record)["matmul_flops"], 2 * weights)
        assert rows >= 1
        assert left == 0


@pytest.mark.parametrize("cls", [agent_layers.Configured, nn.LSTM, nn.Module])
def test_where_no_call_fits_nothing_is_made_up(cls: type[nn.Module]) -> None:
    assert alone(cls) is None


def test_the_source_has_what_is_inherited() -> None:
    text = source_of(nn.BatchNorm2d)
    assert "class BatchNorm2d(" in text
    assert "def forward(self, input: Tensor)" in text  # of a class above it
    assert "class Module" not in text


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("NoSuch", "no class 'NoSuch' in torch.nn or transformers; give its full name, such as"),
        ("no.such.Class", "no class 'no.such.Class': there is no module 'no', here or installed"),
        ("os.path.join", "'os.path.join' is a function, not a class"),
        ("", "no class ''"),
    ],
)
def test_a_class_that_is_none(name: str, said: str) -> None:
    with pytest.raises(SymflopsError) as error:
        find_module(name)
    assert said in str(error.value)
