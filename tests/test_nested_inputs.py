"""Arguments that are dictionaries, lists, tuples and records of tensors, examples of them, and annotated ones: what is
derived of a call with them is what PyTorch counts of a real one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.export import Dim
from torch.utils.flop_counter import FlopCounterMode

import symflops
from symflops.errors import SymflopsError
from symflops.inputs import Input

pytestmark = pytest.mark.torch


class Fused(nn.Module):
    """Image and text in a dictionary, more images in another one that may be missing."""

    def __init__(self) -> None:
        super().__init__()
        self.image, self.text = nn.Linear(8, 4), nn.Linear(6, 4)

    def forward(self, batch: dict[str, Tensor], more: dict[str, Any] | None = None) -> dict[str, Tensor]:
        found = self.image(batch["image"]) + self.text(batch["text"]).mean(1)
        if more is not None:
            found = sum(map(self.image, more["images"]), found)
        return {"fused": found}


class Pyramid(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wide, self.small = nn.Linear(8, 4), nn.Linear(6, 4)

    def forward(self, features: list[Tensor], scale: float = 1.0, mode: str = "both") -> list[Tensor]:
        found = [self.wide(features[0]) * scale]
        return [*found, self.small(features[1])] if mode == "both" else found


class Several(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Linear(8, 4)

    def forward(self, first: Tensor, /, *others: Tensor) -> Tensor:
        return sum(map(self.wide, others), self.wide(first))


@dataclass
class Batch:
    image: Tensor
    mask: Tensor | None = None


class Pair(NamedTuple):
    image: Tensor
    text: Tensor


class OfRecords(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Linear(8, 4)

    def forward(self, batch: Batch, pair: Pair) -> Batch:
        image, text = pair  # no dictionary could be taken apart so
        return Batch(self.wide(batch.image) + self.wide(image) + self.wide(text))


class OfState(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.over_time = nn.LSTM(8, 16, batch_first=True)

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor] | None = None) -> Tensor:
        assert isinstance(state, tuple)
        found: Tensor = self.over_time(x, state)[0]
        return found


def counted(module: nn.Module, *args: Any, **kwargs: Any) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(*args, **kwargs)
    return int(counter.get_total_flops())


def image(rows: int) -> Tensor:
    return torch.zeros(rows, 8)


CASES: list[tuple[Callable[[], nn.Module], Any, dict[str, int], list[Any], dict[str, Any]]] = [
    # a module, what it is fed as texts, the values of run symbols, and a real call at these
    (Fused, {"batch": {"image": "float[b, 8]", "text": "float[b, s, 6]"}}, {"b": 3, "s": 5},
     [{"image": image(3), "text": torch.zeros(3, 5, 6)}], {}),
    (Fused, ['batch["image"]: float[b, 8]', "batch.text: float[b, s, 6]", "more.images[0]: float[b, 8]",
             "more['images'][1]: float[b, 8]"], {"b": 2, "s": 4},
     [{"image": image(2), "text": torch.zeros(2, 4, 6)}, {"images": [image(2), image(2)]}], {}),
    (Pyramid, {"features": ("float[b, 8]", "float[2*c, 6]"), "scale": 2.0}, {"b": 3, "c": 2},
     [[image(3), torch.zeros(4, 6)]], {"scale": 2.0}),
    (Pyramid, ["features.0: float[b, 8]", 'mode: "wide"'], {"b": 3}, [[image(3)]], {"mode": "wide"}),
    (Several, ["first: float[b, 8]", "others.0: float[b, 8]", "others.1: float[b, 8]"], {"b": 4},
     [image(4), image(4), image(4)], {}),
    (OfRecords, {"batch": {"image": "float[b, 8]"}, "pair": {"image": "float[b, 8]", "text": "float[b, 8]"}},
     {"b": 5}, [Batch(image(5)), Pair(image(5), image(5))], {}),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_nested_costs_what_pytorch_counts(case: Any) -> None:
    make, inputs, values, args, kwargs = case
    model = symflops.derive(make(), inputs=inputs)
    assert model.total().at(**values).matmul_flops == counted(make(), *args, **kwargs)
    assert symflops.load(model.to_dict()).dumps() == model.dumps()


@pytest.mark.parametrize("case", CASES)
def test_a_call_is_counted_with_nested_arguments(case: Any) -> None:
    make, _, _, args, kwargs = case
    found = symflops.count(make(), *args, **kwargs)
    assert found.matmul_flops == counted(make(), *args, **kwargs)


def test_examples_are_named_as_export_takes_them() -> None:
    """In the order of the arguments, in lists, with multiples of a dimension and dimensions without names."""
    model = symflops.derive(
        Pyramid(), inputs=([image(3), torch.zeros(4, 6)],), dynamic_shapes=([(Dim("p"), None), {0: 2 * Dim("q")}],)
    )
    assert [(one.name, one.text()) for one in model.inputs] == [
        ("features.0", "float[p, 8]"), ("features.1", "float[2*q, 6]"),
    ]  # fmt: skip
    assert model.total().at(p=3, q=2).matmul_flops == counted(Pyramid(), [image(3), torch.zeros(4, 6)])
    keys = torch.zeros(2, 7, 16)
    named = symflops.derive(
        nn.MultiheadAttention(16, 2, batch_first=True), inputs=(torch.zeros(2, 5, 16), keys, keys),
        dynamic_shapes=((Dim.AUTO, Dim.DYNAMIC, Dim.STATIC),) * 3,
    )  # fmt: skip
    assert [one.text() for one in named.inputs] == [
        "float[batch_size, query_1, 16]", "float[batch_size, key_1, 16]", "float[batch_size, key_1, 16]",
    ]  # fmt: skip
    assert [one.text() for one in symflops.derive(nn.Linear(8, 4), inputs=image(3)).inputs] == ["float[3, 8]"]


class FloatOf:
    """An annotation as jaxtyping makes it of `Float[Tensor, "batch seq dim"]`."""

    dtypes = ("float16", "bfloat16", "float32", "float64")

    def __init__(self, dim_str: str) -> None:
        self.dim_str = dim_str

    def __call__(self) -> None:
        """What typing takes for a type can be called."""


class Annotated(nn.Module):
    def __init__(self, dim: int = 16, out: int = 8) -> None:
        super().__init__()
        self.dim = dim
        self.linear = nn.Linear(dim, out)

    def forward(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        found: Tensor = self.linear(x)
        return found


Annotated.forward.__annotations__ = {"x": FloatOf("batch seq dim"), "scale": FloatOf("#batch"), "return": Tensor}


def test_annotations_say_what_a_module_is_fed() -> None:
    """Of a class, a name that its constructor has is that argument; of a module that is built it is its number."""
    of_class = symflops.derive(Annotated)
    assert [one.text() for one in of_class.inputs] == ["float[batch_size, seq_len, dim]"]
    assert of_class.total(symbolic=True).text("matmul_flops") == "2*batch_size*seq_len*dim*out"
    built = symflops.derive(Annotated(32, 4))
    assert [one.text() for one in built.inputs] == ["float[batch_size, seq_len, 32]"]
    assert built.total().at(batch_size=2, seq_len=3).matmul_flops == 2 * 6 * 32 * 4


def test_a_loop_over_a_length_of_any_name() -> None:
    """Each step of an LSTM multiplies its input and its state by 4*16 columns; PyTorch's counter says 0 on a CPU."""
    model = symflops.derive(
        OfState(), inputs={"x": "float[b, frames, 8]", "state": ("float[1, b, 16]", "float[1, b, 16]")}
    )
    assert model.total().at(b=3, frames=37).matmul_flops == 3 * 37 * 2 * (4 * 16) * (8 + 16)


@pytest.mark.parametrize(
    ("make", "inputs", "shapes", "message"),
    [
        (Fused, {"batch": {"image": "float[b, 8]"}, "extra": ["float[1]"]}, {},
         "Fused: forward of Fused has no argument 'extra'; valid: batch, more"),
        (Fused, {}, {}, "what is it fed? its forward takes batch; give its inputs, such as "
         "'x: float[batch_size, 3, 32*h, 32*w]'"),
        (Pyramid, {"features": [image(2)]}, {"features": {0: "b"}},
         "expected dynamic_shapes['features'] to be a list, as the input is, got dict"),
        (Pyramid, (image(2),) * 4, {}, "inputs: 4 for a forward that takes features, scale, mode; give them by name"),
        (Pyramid, {"features": [image(2)]}, {"features": [{2: "b"}]},
         "dynamic_shapes['features.0']: no dimension '2'; it has 2"),
        (Pyramid, ["features: float[2]", "a b: float[2]"], {},
         "input 'a b': expected an argument's name, such as x, batch.image or xs[0]"),
        (Pyramid, {"features": object()}, {}, "input 'features': expected type[dimensions], such as "
         "float[batch_size, 3, 32*h]"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told(make: Any, inputs: Any, shapes: Any, message: str) -> None:
    with pytest.raises(SymflopsError) as caught:
        symflops.derive(make(), inputs=inputs, dynamic_shapes=shapes)
    assert str(caught.value) == message


def test_what_contains_itself_is_refused() -> None:
    inputs: dict[str, Any] = {}
    inputs["x"] = inputs
    with pytest.raises(SymflopsError, match="more than 12 dictionaries and lists inside one another"):
        symflops.derive(Pyramid(), inputs=inputs)


@pytest.mark.parametrize(
    ("text", "name", "again"),
    [
        ('batch["image"]: float[b, 8]', "batch.image", "float[b, 8]"),
        ("features[0].x: int64[n]", "features.0.x", "int64[n]"),
        ("return_dict: false", "return_dict", "false"),
        ("steps: 5", "steps", "5"),
        ('mode: "train"', "mode", '"train"'),
        ("mask: null", "mask", "null"),
    ],
)
def test_a_place_and_a_value_as_texts(text: str, name: str, again: str) -> None:
    one = Input.read(text)
    assert (one.name, one.text()) == (name, again)
    assert Input.of(name, again) == one
