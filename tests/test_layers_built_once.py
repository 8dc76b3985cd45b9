"""Equal layers of a list are found without constructing each of them; what is expected is said beside each layer."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn
from transformers import MiniMaxConfig, MiniMaxForCausalLM, PreTrainedConfig

import symflops
from symflops.polynomial import symbol
from symflops.trace.assembly import Assembly
from symflops.trace.configs import Named
from symflops.trace.internals import Sizes
from symflops.trace.layer_data import readable
from symflops.trace.places import OpaquePlace, noted
from symflops.trace.quantity import Quantities
from symflops.trace.recorder import Recorder
from symflops.trace.repeats import skipped
from symflops.trace.run import Build, environment
from symflops.trace.skeleton import Skeleton
from symflops.trace.watching import watching

pytestmark = pytest.mark.torch

KERNELS = [1, 1, 1, 1, 3, 3]
DEPTH = 6


class Config:
    def __init__(self, **fields: Any) -> None:
        vars(self).update(fields)


class Plain(nn.Module):
    """Hands its place on and keeps it: all six are equal."""

    expected = (0, 0, 0, 0, 0, 0)

    def __init__(self, config: Config, layer_idx: int, width: int = 4) -> None:
        super().__init__()
        self.layer_idx = layer_idx
        self.inner = nn.Linear(width, width)


class Keyword(Plain):
    def __init__(self, layer_idx: int, config: Config) -> None:
        super().__init__(config, layer_idx=layer_idx)


class OddOnes(Plain):
    expected = (0, 1, 0, 1, 0, 1)

    def __init__(self, config: Config, layer_idx: int) -> None:
        super().__init__(config, layer_idx, width=4 + layer_idx % 2)


class FromAList(Plain):
    expected = (0, 0, 0, 0, 4, 4)

    def __init__(self, config: Config, layer_idx: int) -> None:
        super().__init__(config, layer_idx, width=KERNELS[layer_idx])


class LastOne(Plain):
    expected = (0, 0, 0, 0, 0, 5)

    def __init__(self, config: Config, layer_idx: int) -> None:
        super().__init__(config, layer_idx)
        self.bias = nn.Parameter(torch.empty(4)) if layer_idx == DEPTH - 1 else None


class Cautious(Plain):
    """What looking raises is caught by the layer itself."""

    expected = (0, 1, 2, 3, 4, 5)

    def __init__(self, config: Config, layer_idx: int) -> None:
        try:
            width = layer_idx + 1
        except Exception:
            width = 1
        super().__init__(config, layer_idx, width)


class KeptAsAnotherThing(Plain):
    """`shift` is no name of a place: it is part of what the layer computes."""

    expected = (0, 1, 2, 3, 4, 5)

    def __init__(self, config: Config, layer_idx: int) -> None:
        super().__init__(config, layer_idx)
        self.shift = [layer_idx]


def model_of(layer: Any, places: Any = range(DEPTH)) -> Any:
    class Model(nn.Module):
        def __init__(self, config: Config) -> None:
            super().__init__()
            made = [layer(layer_idx=i, config=config) if layer is Keyword else layer(config, i) for i in places]
            self.layers = nn.ModuleList(made)

    return Model


@pytest.mark.parametrize("layer", [Plain, Keyword, OddOnes, FromAList, LastOne, Cautious, KeptAsAnotherThing])
def test_equal_layers_are_found_by_what_they_are(layer: Any) -> None:
    assert Skeleton(model_of(layer), Config()).equal_layers()[layer] == list(layer.expected)


def test_a_layer_that_never_looks_at_its_place_is_constructed_three_times() -> None:
    ran: list[int] = []

    class Counted(Plain):
        def __init__(self, config: Config, layer_idx: int) -> None:
            ran.append(1)
            super().__init__(config, layer_idx)

    with noted({}):
        model = model_of(Counted, range(50))(Config())
    assert len(ran) == 3
    assert len(model.layers) == 50
    assert len(list(model.layers[49].children())) == 1


def test_other_arguments_than_the_place_are_told_apart() -> None:
    """Widths 4, 4, 4, 8, 8, 4: the place is one of two integers, and the layers of width 8 are others."""

    class Model(nn.Module):
        def __init__(self, config: Config) -> None:
            super().__init__()
            self.layers = nn.ModuleList([Plain(config, i, w) for i, w in enumerate((4, 4, 4, 8, 8, 4))])

    assert Skeleton(Model, Config()).equal_layers()[Plain] == [0, 0, 0, 3, 3, 0]


def test_layers_inside_layers_are_left_to_those_that_hold_them() -> None:
    """Of six layers, three and three equal, two are constructed: their nine experts come in another order than all."""

    class Layer(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.experts = nn.ModuleList([Plain(Config(), i, width) for i in range(3)])

    class Model(nn.Module):
        def __init__(self, config: Config) -> None:
            super().__init__()
            self.layers = nn.ModuleList([Layer(w) for w in (4, 4, 4, 8, 8, 8)])

    skeleton = Skeleton(Model, Config())
    assert skeleton.equal_layers(outermost=True) == {Layer: [0, 0, 0, 3, 3, 3]}
    assert skeleton.equal_layers().keys() == {Layer, Plain}


def test_the_constructors_are_their_own_again_afterwards() -> None:
    before = Plain.__init__, nn.Module.__init__
    Skeleton(model_of(Plain), Config())
    assert (Plain.__init__, nn.Module.__init__) == before


@pytest.mark.parametrize(
    "look",
    [
        lambda p: p == 1, lambda p: p > 1, lambda p: p + 1, lambda p: 2 * p, lambda p: p % 2, lambda p: -p, bool, str,
        lambda p: f"{p:02d}", lambda p: [1, 2][p], lambda p: range(p), lambda p: p in (3, 4), lambda p: {p: 1}, repr,
        lambda p: divmod(7, p), lambda p: p & 1, int, float, copy.copy, copy.deepcopy, round,
        lambda p: torch.empty(p), lambda p: nn.Linear(p, 2), lambda p: 2**p,
    ],
)  # fmt: skip
def test_nobody_can_look_at_a_place(look: Any) -> None:
    place = OpaquePlace()
    with pytest.raises(Exception) as refused:  # noqa: PT011  # torch makes a TypeError of it
        look(place)
    assert place.used or isinstance(refused.value, TypeError)


class Adapter(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Linear(8, 4, bias=False), nn.Linear(4, 8, bias=False))


class SharedBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.adapters = nn.ModuleList(Adapter() for _ in range(3))

    def forward(self, x: torch.Tensor, turn: int) -> torch.Tensor:
        return self.adapters[turn](x)


class Turns(nn.Module):
    """Three blocks of the same weights, each of which uses another adapter of them, as in Zamba 2."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(SharedBlock() for _ in range(3))
        for block in self.layers[1:]:
            for mine, first in zip(block.modules(), self.layers[0].modules(), strict=True):
                if isinstance(mine, nn.Linear) and isinstance(first, nn.Linear):
                    mine.weight = first.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for turn, layer in enumerate(self.layers):
            x = layer(x, turn)
        return x


def test_weights_that_a_repeated_layer_alone_reads_are_counted_once() -> None:
    """3 adapters of 8*4 + 4*8 weights."""
    sizes, config = Sizes(), PreTrainedConfig()
    batch = sizes.symbol("batch_size", 3)
    quantities = Quantities(sizes.names, {"batch_size": symbol("batch_size")})
    with environment(Build(Named(config, None, ""), config, sizes, quantities, {}, torch.bfloat16), []):
        model = Turns()
        recorder = Recorder(sizes, quantities, model)
        x = recorder.note(torch.empty(batch, 8), "input")
        with recorder, watching(recorder), skipped(recorder):
            model(x)
    layers = readable(Assembly(recorder).layers())
    total = symflops.load({"name": "turns", "layers": layers}).total()
    assert total.parameters == 3 * (8 * 4 + 4 * 8)
    assert total.at(batch_size=5).matmul_flops == 3 * 2 * 5 * (8 * 4 + 4 * 8)


def test_parts_of_layers_of_which_an_example_was_thrown_away_are_counted_each():
    """A layer is tried as an example for all and looks at its place; its attention, the example of others, does not."""
    config = MiniMaxConfig(
        vocab_size=97,
        hidden_size=24,
        intermediate_size=20,
        num_attention_heads=4,
        num_key_value_heads=2,
        num_hidden_layers=5,
        num_local_experts=3,
        layer_types=["full_attention", "linear_attention", *["full_attention"] * 3],
    )
    with torch.device("meta"):
        model = MiniMaxForCausalLM(config)
    assert Skeleton(MiniMaxForCausalLM, config).parameters() == sum(p.numel() for p in model.parameters())
