"""Equal layers that read weights which are not theirs, such as a table that all are handed or a module that stands
elsewhere: these are there once, and every layer reads them.

PyTorch's counter and the number of elements of `parameters()` say what is expected; bytes are added up by hand.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import DebertaConfig, DebertaForMaskedLM, DebertaV2Config, DebertaV2ForMaskedLM

import symflops
from symflops.passes.training import training

pytestmark = pytest.mark.torch

WIDTH, ROWS = 8, 6
X = {"x": "float[batch_size, seq_len, width]"}


class Reader(nn.Module):
    """Multiplies by a table that it is handed."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Linear(width, width)

    def forward(self, x: Tensor, table: Tensor) -> Tensor:
        return self.inner(x) + x @ table.t() @ table


class HandedOn(nn.Module):
    def __init__(self, width: int, rows: int, depth: int) -> None:
        super().__init__()
        self.table = nn.Embedding(rows, width)
        self.layers = nn.ModuleList([Reader(width) for _ in range(depth)])

    def forward(self, x: Tensor) -> Tensor:
        x = x.tanh()  # the first layer is given what is computed, as the others are
        for layer in self.layers:
            x = layer(x, self.table.weight)
        return x


class OwnTable(HandedOn):
    """Its table is its own, and no module's."""

    def __init__(self, width: int, rows: int, depth: int) -> None:
        super().__init__(width, rows, depth)
        self.table = nn.Parameter(torch.zeros(rows, width))  # type: ignore[assignment]  # no module any more

    def forward(self, x: Tensor) -> Tensor:
        x = x.tanh()  # the first layer is given what is computed, as the others are
        for layer in self.layers:
            x = layer(x, self.table)
        return x


class ReadAfterwards(HandedOn):
    """What all layers read is read by the model itself, too."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) @ self.table.weight.t()


class OneEach(HandedOn):
    """Each layer is handed a table of its own, which stands elsewhere."""

    def __init__(self, width: int, rows: int, depth: int) -> None:
        super().__init__(width, rows, depth)
        self.table = nn.ParameterList([torch.zeros(rows, width) for _ in range(depth)])  # type: ignore[assignment]  # likewise

    def forward(self, x: Tensor) -> Tensor:
        x = x.tanh()  # the first layer is given what is computed, as the others are
        for layer, table in zip(self.layers, self.table, strict=True):  # type: ignore[call-overload]  # of a list
            x = layer(x, table)
        return x


class Caller(nn.Module):
    """Calls a module that it does not own."""

    def __init__(self, width: int, of_another: nn.Module) -> None:
        super().__init__()
        self.inner = nn.Linear(width, width)
        self.calls = [of_another]

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) + self.calls[0](x)  # type: ignore[no-any-return]  # a Module has no types


class Called(nn.Module):
    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width))
        self.layers = nn.ModuleList([Caller(width, self.inner) for _ in range(depth)])

    def forward(self, x: Tensor) -> Tensor:
        x = x.tanh()  # the first layer is given what is computed, as the others are
        for layer in self.layers:
            x = layer(x)
        return x


def counted(module: nn.Module, *given: Any, **named: Any) -> int:
    module.requires_grad_(False)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        module(*given, **named)
    return int(counter.get_total_flops())


@pytest.mark.parametrize("kind", [HandedOn, OwnTable, ReadAfterwards, OneEach, Called])
def test_weights_that_all_layers_read_are_there_once(kind: Any) -> None:
    rows = {} if kind is Called else {"rows": ROWS}
    model = symflops.derive(kind, inputs=X, width=WIDTH, depth=4, **rows)
    assert "depth" in model.symbols
    for depth in (4, 7):
        real = kind(width=WIDTH, depth=depth, **rows)
        found = model.with_symbols({"depth": depth}).total().at(batch_size=2, seq_len=5)
        assert found.parameters == sum(p.numel() for p in real.parameters())
        assert found.matmul_flops == counted(real, torch.zeros(2, 5, WIDTH))


def test_every_layer_reads_the_table() -> None:
    """Of depth 3: each layer reads 8*8 + 8 weights of its own, and the table's 6*8 for each of two products."""
    model = symflops.derive(HandedOn, inputs=X, width=WIDTH, rows=ROWS, depth=3)
    point = {"batch_size": 2, "seq_len": 5, "dtype_bytes": 2}
    read = [model.total().at(**point, weight_bytes=w).read_bytes for w in (1, 2)]
    assert read[1] - read[0] == 3 * (8 * 8 + 8 + 2 * 6 * 8)  # two products read it
    assert [row.path for row in model.rows() if row.cost.at(**point).parameters == 6 * 8] == ["table"]


def test_a_gradient_of_a_table_is_added_up_once_less_than_it_is_read() -> None:
    """By hand, of n layers and t tokens, width 8 and 6 rows. Each layer: the gradients of the inner weight (2*64*t), of
    its bias (8*t) and of the two products with the table, three of whose four gradients every layer has (2*48*t each);
    all but the first have those of their input, too: 2*64*t, 2*48*t, and adding them, 8*t. The table is read 2*n
    times, and its 48 elements are added once less."""
    tokens = 2 * 3
    for depth in (2, 3, 4):
        model = symflops.derive(HandedOn, inputs=X, width=WIDTH, rows=ROWS, depth=depth, training=True)
        assert model.total().parameters == 48 + 72 * depth
        rows = [row for row in training(model).rows() if row.path.startswith("backward.") and row.is_basic]
        found = sum(row.total.at(batch_size=2, seq_len=3).flops for row in rows)
        assert found == tokens * (424 * depth + 232 * (depth - 1)) + 48 * (2 * depth - 1)


DEBERTA = {
    "hidden_size": 36, "num_attention_heads": 3, "num_hidden_layers": 4, "intermediate_size": 56, "vocab_size": 97,
    "max_position_embeddings": 64, "relative_attention": True, "position_biased_input": False, "type_vocab_size": 0,
}  # fmt: skip
BUCKETS = {"position_buckets": 16, "share_att_key": True, "norm_rel_ebd": "layer_norm"}
FORMS = [
    (DebertaConfig, {"pos_att_type": ["c2p", "p2c"]}),
    (DebertaConfig, {"pos_att_type": ["c2p"], "max_relative_positions": 24}),
    (DebertaV2Config, {"pos_att_type": ["p2c", "c2p"], **BUCKETS}),
    (DebertaV2Config, {"pos_att_type": ["c2p", "p2c"]}),
]


@pytest.mark.parametrize(("config_class", "form"), FORMS)
def test_deberta_with_relative_attention_costs_what_pytorch_counts(config_class: Any, form: Any) -> None:
    config = config_class(**DEBERTA, **form)
    model = symflops.derive(config, task="masked-lm")
    assert not any("did not run these parts" in note for note in model.notes)
    real = (DebertaForMaskedLM if config_class is DebertaConfig else DebertaV2ForMaskedLM)(config).eval()
    assert model.total().parameters == sum(p.numel() for p in real.parameters())
    assert {"batch_size", "seq_len", "num_hidden_layers"} <= model.total(symbolic=True).free_symbols
    for batch, length in ((2, 21), (3, 40), (1, 7)):
        theirs = counted(real, input_ids=torch.ones(batch, length, dtype=torch.long))
        assert model.total().at(batch_size=batch, seq_len=length).matmul_flops == theirs
