"""Modules of a user's own become closed forms that PyTorch's counter agrees with, at sizes and constructor arguments
other than those that they were derived at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from own_modules import (
    GPT,
    ConvNet,
    Cross,
    Deciding,
    GPTConfig,
    Picking,
    Steps,
    Tagger,
    Translator,
    ViT,
    Windows,
    a_number,
    perceptron,
)
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import symflops
from symflops.errors import SymflopsError
from symflops.inputs import Input, read_inputs
from symflops.numeric import evaluate

pytestmark = pytest.mark.torch
TOKENS = {"idx": "int64[batch_size, seq_len]"}


def gpt(**arguments: Any) -> nn.Module:
    return GPT(GPTConfig(**arguments))


def counted(module: nn.Module, inputs: Mapping[str, str], values: Mapping[str, int]) -> tuple[int, int]:
    """Matmul FLOPs as PyTorch counts them, attention as matrix multiplies; and parameters."""
    feeds = {}
    for name, text in inputs.items():
        one = Input.of(name, text)
        shape = [int(evaluate(size, values)) for size in one.shape]
        dtype = torch.float32 if one.dtype == "float" else getattr(torch, one.dtype)
        feeds[name] = torch.zeros(shape, dtype=dtype)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        torch.backends.mha.set_fastpath_enabled(False)
        module.eval()(**feeds)
        torch.backends.mha.set_fastpath_enabled(True)
    return counter.get_total_flops(), sum(p.numel() for p in module.parameters())


CASES: list[tuple[Any, Any, dict[str, Any], dict[str, str], dict[str, int], dict[str, int]]] = [
    # what is derived, what builds it, arguments, inputs; other arguments and the values of run symbols to count at
    (GPT, gpt, {}, TOKENS, {"n_embd": 40, "n_head": 5, "n_layer": 2, "vocab_size": 77, "block_size": 31},
     {"batch_size": 2, "seq_len": 31}),
    (GPT, gpt, {"fused": False, "bias": False}, TOKENS, {"n_embd": 24, "n_head": 3, "n_layer": 1},
     {"batch_size": 3, "seq_len": 17}),
    (GPT, gpt, {}, {**TOKENS, "targets": "int64[batch_size, seq_len]"}, {"vocab_size": 41},
     {"batch_size": 2, "seq_len": 9}),
    (ConvNet, ConvNet, {}, {"x": "float[batch_size, 3, 4*h, 4*w]"}, {"width": 6, "num_classes": 3},
     {"batch_size": 2, "h": 3, "w": 5}),
    (Translator, Translator, {}, {"source": "float[batch_size, source_len, d_model]",
     "target": "float[batch_size, target_len, d_model]"}, {"num_layers": 3, "dim_feedforward": 20, "d_model": 40},
     {"batch_size": 2, "source_len": 7, "target_len": 5}),
    (Cross, Cross, {}, {"query": "float[batch_size, q_len, embed_dim]",
     "memory": "float[batch_size, k_len, embed_dim]"},
     {"embed_dim": 30, "num_heads": 5}, {"batch_size": 2, "q_len": 4, "k_len": 9}),
    (ViT, ViT, {}, {"x": "float[batch_size, 3, patch*h, patch*w]"}, {"dim": 20, "heads": 2, "depth": 3, "patch": 2},
     {"batch_size": 2, "h": 3, "w": 2}),
    (Windows, Windows, {}, {"x": "float[batch_size, seq_len, width]"}, {"width": 10, "taps": 3},
     {"batch_size": 2, "seq_len": 9}),
    (perceptron, perceptron, {"normed": True}, {"input": "float[rows, width]"}, {"width": 6}, {"rows": 7}),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0].__name__}-{'-'.join(map(str, case[2].values()))}")
def test_a_module_costs_what_pytorch_counts_at_other_sizes(case: Any) -> None:
    what, build, arguments, inputs, others, values = case
    model = symflops.derive(what, inputs=inputs, **arguments)
    for changed in ({}, others):
        chosen = model.with_symbols(changed)
        names = {name: n for name, n in {**chosen.symbols, **values}.items() if n is not None}
        matmuls, parameters = counted(build(**{**arguments, **changed}), inputs, names)
        cost = chosen.total()
        assert cost.at(**values).matmul_flops == matmuls
        assert cost.parameters == parameters


def test_what_a_constructor_prints_of_its_size_is_neither_printed_nor_a_number(
    capfd: pytest.CaptureFixture[str],
) -> None:
    model = symflops.derive(GPT, inputs=TOKENS)
    assert {"n_embd", "n_head", "n_layer", "vocab_size", "block_size"} <= model.total(symbolic=True).free_symbols | {
        name for text in model.assumes for name in model.symbols if name in text
    }
    assert not any(text.startswith(("n_embd ==", "vocab_size ==")) for text in model.assumes)
    assert capfd.readouterr().out == ""


def test_a_sequence_beyond_the_table_of_positions_is_refused() -> None:
    model = symflops.derive(GPT, inputs=TOKENS)
    with pytest.raises(SymflopsError, match=r"assumption broken: seq_len <= block_size \(with block_size=128"):
        model.check_assumptions({"batch_size": 1, "seq_len": 129})


def test_what_a_size_decides_is_assumed_beside_what_the_length_decides() -> None:
    """A width above 100 has a second layer."""
    model = symflops.derive(Deciding, inputs={"x": "float[batch_size, seq_len, width]"})
    assert {"width <= 100", "seq_len > 50"} <= set(model.assumes)
    with pytest.raises(SymflopsError, match="assumption broken: width <= 100"):
        model.with_symbols({"width": 128})


def test_an_lstm_of_two_directions() -> None:
    """Per token: 4 gates of 2*(inputs + hidden)*hidden in two directions, h inputs in the first layer, 2h in the
    second, and the last layer's 2h*5. FlopCounterMode says 0 of an LSTM on the CPU."""
    cost = symflops.derive(Tagger, inputs={"ids": "int64[batch_size, seq_len]"}).total()
    h = 16
    each = 2 * 4 * 2 * (h + h) * h + 2 * 4 * 2 * (2 * h + h) * h + 2 * 2 * h * 5
    assert cost.at(batch_size=3, seq_len=50).matmul_flops == 3 * 50 * each
    assert cost.parameters == sum(p.numel() for p in Tagger().parameters())


def test_a_loop_over_time_is_a_polynomial_of_the_length() -> None:
    """Three gates of 2*(8 + 8)*8 a step."""
    cost = symflops.derive(Steps, inputs={"x": "float[batch_size, seq_len, width]"}).total()
    assert cost.at(batch_size=2, seq_len=40).matmul_flops == 2 * 40 * 3 * 2 * (8 + 8) * 8
    assert cost.parameters == sum(p.numel() for p in Steps().parameters())


def test_a_module_that_is_there_has_numbers_for_its_sizes() -> None:
    module = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3, bias=False)).double()
    module[2].weight = nn.Parameter(module[2].weight.float())  # in a format that is not the model's own
    before = [p.clone() for p in module.parameters()]
    model = symflops.derive(module, inputs={"input": "float[n, 6]"})
    assert model.total().at(n=7).matmul_flops == 2 * 7 * (6 * 5 + 5 * 3)
    assert model.total().parameters == 6 * 5 + 5 + 5 * 3
    assert model.symbols == {}
    assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))


def test_example_tensors_stand_for_inputs() -> None:
    """Dimensions have names as `torch.export.export` takes them, and are numbers otherwise."""
    example = {"query": torch.zeros(2, 5, 24), "memory": torch.zeros(2, 9, 24)}
    named = {"query": {0: torch.export.Dim("batch_size"), 1: "q_len"}, "memory": ("batch_size", None, None)}
    model = symflops.derive(Cross, inputs=example, dynamic_shapes=named, fix=["embed_dim"])
    assert [one.text() for one in model.inputs] == ["float[batch_size, q_len, 24]", "float[batch_size, 9, 24]"]
    matmuls, _ = counted(Cross(), {"query": "float[b, q, 24]", "memory": "float[b, 9, 24]"}, {"b": 3, "q": 4})
    assert model.total().at(batch_size=3, q_len=4).matmul_flops == matmuls


def test_an_integer_that_is_fixed_stays_a_number() -> None:
    model = symflops.derive(perceptron, inputs={"input": "float[rows, width]"}, fix=["width"])
    assert model.total(symbolic=True).free_symbols.isdisjoint({"width"})
    with pytest.raises(SymflopsError, match="assumption broken: width == 16"):
        model.with_symbols({"width": 17})


def test_inputs_are_part_of_the_model_file() -> None:
    model = symflops.derive(
        Cross, inputs=["query: float[batch_size, q, embed_dim]", "memory: float[batch_size, k, 24]"]
    )
    again = symflops.load(model.to_dict())
    assert again.dumps() == model.dumps()
    assert [one.text() for one in again.inputs] == ["float[batch_size, q, embed_dim]", "float[batch_size, k, 24]"]


@pytest.mark.parametrize(
    ("what", "inputs", "more", "message"),
    [
        (GPT, ["ids: int64[batch_size]"], {}, "GPT: forward of GPT has no argument 'ids'; did you mean 'idx'?"),
        (GPT, TOKENS, {"n_lay": 3}, "GPT: its constructor has no argument 'n_lay'; did you mean 'n_layer'?"),
        (GPT, TOKENS, {"fix": ["width"]}, "GPT: its constructor has no argument 'width'; valid: bias, "
         "block_size, dropout, fused, n_embd, n_head, n_layer, vocab_size"),
        (nn.Linear, ["input: float[n, 8]"], {}, "Linear: its constructor needs in_features=…, out_features=…; "
         "give them with --set"),
        (GPT, {}, {}, "own_modules.GPT: no call with tensors of the usual shapes fits this class; derive takes what "
         "it is fed: 'x: float[batch_size, 3, 32*h, 32*w]'"),
        (perceptron, {}, {}, "what is it fed? give its inputs, such as 'x: float[batch_size, 3, 32*h, 32*w]'"),
        (a_number, ["x: float[n]"], {}, "a_number: it gives no torch.nn.Module"),
        (Cross, {"query": torch.zeros(2, 5, 24)}, {"dynamic_shapes": {"q": {0: "n"}}}, "dynamic_shapes names 'q', "
         "which is no input; valid: query"),
        ("llama", {}, {"width": 3}, "only the constructor of a module takes arguments; a config has its own values"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told(what: Any, inputs: Any, more: dict[str, Any], message: str) -> None:
    with pytest.raises(SymflopsError) as caught:
        symflops.derive(what, inputs=inputs, **more)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x float[3]", "input 'x float[3]': expected name: type[dimensions], such as "
         "'x: float[batch_size, 3, 32*h, 32*w]'"),
        ("x: floating[3]", "input x: unknown type 'floating'; did you mean 'float'?"),
        ("x: float(3)", "input 'x': expected type[dimensions], such as float[batch_size, 3, 32*h]"),
        ("x: float[h/2]", "input x: 'h/2': a dimension is a number or a polynomial with whole numbers; write what "
         "divides it as a factor, 32*h, and a quotient of two sizes as dim//heads"),
        ("x: float[h - 1.5]", "input x: 'h - 1.5': a dimension is a number or a polynomial with whole numbers; write "
         "what divides it as a factor, 32*h, and a quotient of two sizes as dim//heads"),
        ("x: float[(h + 1)//k]", "input x: '(h + 1)//k': a dimension is a number or a polynomial with whole numbers; "
         "write what divides it as a factor, 32*h, and a quotient of two sizes as dim//heads"),
        ("x: float[0]", "input x: '0': a dimension is a number or a polynomial with whole numbers; write what divides "
         "it as a factor, 32*h, and a quotient of two sizes as dim//heads"),
    ],
)  # fmt: skip
def test_what_is_no_input_is_told(text: str, message: str) -> None:
    with pytest.raises(SymflopsError) as caught:
        Input.read(text)
    assert str(caught.value) == message


class WithCache(nn.Module):
    """A step of decoding that is given what it kept, in heads of a constructor's numbers."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.enter, self.leave = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        many, length, dim = x.shape
        parts = self.enter(x).chunk(3, -1)
        query, key, value = (t.view(many, length, self.heads, -1).transpose(1, 2) for t in parts)
        key, value = torch.cat([keys, key], 2), torch.cat([values, value], 2)
        found = nn.functional.scaled_dot_product_attention(query, key, value)
        return self.leave(found.transpose(1, 2).reshape(many, length, dim))


def test_a_size_that_is_a_quotient_of_two_arguments() -> None:
    kept = "float[batch_size, heads, past, dim//heads]"
    inputs = {"x": "float[batch_size, seq_len, dim]", "keys": kept, "values": kept}
    model = symflops.derive(WithCache, inputs=inputs, dim=12, heads=3)
    assert Input.read(model.inputs[1].name + ": " + model.inputs[1].text()) == model.inputs[1]
    for dim, heads, past, length in ((12, 3, 11, 2), (40, 5, 7, 1)):
        small = torch.zeros(4, heads, past, dim // heads)
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            WithCache(dim, heads)(torch.zeros(4, length, dim), small, small)
        bound = model.with_symbols({"dim": dim, "heads": heads}).total()
        assert bound.at(batch_size=4, seq_len=length, past=past).matmul_flops == counter.get_total_flops()
    with pytest.raises(SymflopsError, match="assumption broken: dim % heads == 0"):
        model.with_symbols({"dim": 13}).total().at(batch_size=4, seq_len=1, past=2)


def test_an_input_is_given_once() -> None:
    with pytest.raises(SymflopsError, match="input x: it is given twice"):
        read_inputs(["x: float[3]", "x: float[4]"])


def test_a_weight_that_is_normed_at_every_call() -> None:
    """Per row of x: 2*6*5 and 5 biases; once: a norm (2 per element, 1 root), a quotient for each of 5 rows of the
    weight and a product per element."""
    module = nn.utils.parametrizations.weight_norm(nn.Linear(6, 5))
    cost = symflops.derive(module, inputs={"input": "float[n, 6]"}).total()
    assert cost.at(n=7).flops == 7 * (2 * 6 * 5 + 5) + 3 * 6 * 5 + 2 * 5
    assert cost.parameters == 6 * 5 + 5 + 5


class Causal(nn.Module):
    """As tutorials write a language model: a mask made in forward for nn.TransformerEncoder."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.encoder(x, mask=nn.Transformer.generate_square_subsequent_mask(x.shape[1]))
        return found


@pytest.mark.parametrize(
    ("module", "inputs"),
    [
        (Causal(), {"x": "float[b, s, 32]"}),
        (Causal().encoder, {"src": "float[b, s, 32]", "mask": "float[s, s]"}),
        (torch.compile(Causal().encoder), {"src": "float[b, s, 32]"}),
    ],
)
def test_an_encoder_with_a_mask_or_compiled(module: Any, inputs: dict[str, str]) -> None:
    plain = getattr(module, "_orig_mod", module)
    values = {"b": 2, "s": 9}
    assert symflops.derive(module, inputs=inputs).total().at(**values).matmul_flops == counted(plain, inputs, values)[0]


def test_a_mask_made_in_forward_is_causal() -> None:
    """In each of two layers: of 9*9 pairs 9*10/2 are unmasked, and a pair costs 2*2*32 in matrix products."""
    total = symflops.derive(Causal(), inputs={"x": "float[b, s, 32]"}).total()
    dense, causal = (total.at(b=1, s=9, causal=c).matmul_flops for c in (0, 1))
    assert dense - causal == 2 * (81 - 45) * 4 * 32


def test_bilinear_and_bags_of_embeddings() -> None:
    """x*W for each of 7 outputs, then times y; PyTorch's counter says 0. An element is added up for each that is read,
    scaled where rows have weights, and a mean divides its sum."""
    bilinear = symflops.derive(nn.Bilinear(12, 13, 7), inputs=["input1: float[n, 12]", "input2: float[n, 13]"])
    cost = bilinear.total().at(n=2)
    assert cost.matmul_flops == 2 * 2 * 7 * (12 * 13 + 13)
    assert (cost.flops - cost.matmul_flops, cost.parameters) == (2 * 7, 7 * 12 * 13 + 7)
    ids, weights = "input: int64[n, 5]", "per_sample_weights: float[n, 5]"
    usual = [(mode, [ids], flops) for mode, flops in (("sum", 40), ("mean", 48), ("max", 40))]
    for mode, inputs, flops in [*usual, ("sum", [ids, weights], 80)]:
        bags = symflops.derive(nn.EmbeddingBag(10, 8, mode=mode), inputs=inputs).total().at(n=3, weight_bytes=2)
        assert bags.flops == 3 * flops
        read = 3 * 5 * 8 * 2 + 3 * 5 * 8  # the rows that are used, and their ids
        assert bags.read_bytes == read + (3 * 5 * 2 if weights in inputs else 0)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Sequential(nn.LazyLinear(3)), "its layer 0 is a LazyLinear without sizes; call the module on an example"),
        (nn.Linear(6, 4), "Linear: the model's own source fails with these sizes: RuntimeError: a and b must have same "
         "reduction dim, but got [rows, 7] X [6, 4]."),
        (Picking(), "Picking: the control flow depends on the values of tensors (in forward, own_modules.py:"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_told_in_the_users_words(module: nn.Module, message: str) -> None:
    with pytest.raises(SymflopsError) as caught:
        symflops.derive(module, inputs={"input": "float[rows, 7]"})
    assert str(caught.value).startswith(message)
