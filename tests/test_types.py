"""Types of transformers beyond causal language models: each is fed what it takes without being told, and costs what is
counted on real models at other batches and lengths than it was derived at."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from small_types import small
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from types_count import all_flops, built, parameters
from types_coverage import miscounted

import symflops
from symflops.errors import SymflopsError
from symflops.inputs import Input
from symflops.trace.contents import Contents, Following
from symflops.trace.internals import Sizes
from symflops.trace.tasks import class_for

pytestmark = pytest.mark.torch

IDS = "input_ids: int64[batch_size, seq_len]"
IMAGE = "float[batch_size, num_channels, image_size, image_size]"
CASES = [
    # a type, the task, and what it is fed; nothing where it is ids or pixels of one size alone
    ("modernbert", "masked-lm", []),
    ("albert", "sequence-classification", []),
    ("convnext", "image-classification", []),  # drop path rates by linspace().tolist()
    ("resnet", "image-classification", ["pixel_values: float[batch_size, num_channels, 32*h, 32*w]"]),
    ("dinov3_vit", "base", []),
    ("clip", "zero-shot-image-classification", [IDS, f"pixel_values: {IMAGE}"]),
    ("siglip2", "image-classification", ["pixel_values: float[1, 4*h*w, num_channels*patch_size**2]",
     "spatial_shapes: int64[1, 2] = [2*h, 2*w]", "pixel_attention_mask: int64[1, 4*h*w] = 1"]),
    ("wav2vec2", "ctc", ["input_values: float[batch_size, num_samples]"]),
    ("llava", "image-text-to-text", [IDS, f"pixel_values: {IMAGE}"]),
    ("idefics3", "image-text-to-text",
     [IDS, "pixel_values: float[batch_size, 1, num_channels, image_size, image_size] = 1"]),
    ("qwen2_vl", "image-text-to-text", [IDS,
     "pixel_values: float[4*h*w, in_channels*patch_size**2*temporal_patch_size]",
     "image_grid_thw: int64[1, 3] = [1, 2*h, 2*w]", "position_ids: int64[3, batch_size, seq_len]"]),
    ("t5", "seq2seq", ["input_ids: int64[batch_size, source_len]",
     "decoder_input_ids: int64[batch_size, target_len]"]),
    ("switch_transformers", "seq2seq", ["input_ids: int64[batch_size, source_len]",
     "decoder_input_ids: int64[batch_size, target_len]"]),  # experts by names in a dictionary, chosen by argmax
    ("imagegpt", "image-classification", []),
    ("unispeech", "ctc", ["input_values: float[batch_size, num_samples]"]),
    ("glm5_next_vision", "base", ["hidden_states: float[4*h*w, in_channels*patch_size**2*temporal_patch_size]",
     "grid_thw: int64[1, 3] = [1, 2*h, 2*w]"]),
    ("llava_onevision", "image-text-to-text", [IDS, "pixel_values: float[1, 3, num_channels, image_size, image_size]",
     "image_sizes: int64[1, 2] = [image_size, image_size]"]),
    ("aimv2_vision_model", "base", []),  # attention whose query is a weight
    ("wavlm", "ctc", ["input_values: float[batch_size, num_samples]"]),
    ("dpt", "semantic-segmentation", []),  # a layer of its neck is no layer but a place that nothing is done at
    ("lxmert", "base", [IDS, "visual_feats: float[batch_size, num_regions, visual_feat_dim]",
     "visual_pos: float[batch_size, num_regions, visual_pos_dim]"]),
    ("timesfm", "time-series-prediction", ["past_values: float[batch_size, context_length]"]),
]  # fmt: skip


def derived(model_type: str, task: str) -> tuple[Any, Any, symflops.Model]:
    _, config = next(small(model_type, 0))
    model_class = class_for(config, task)
    return config, model_class, symflops.derive(config, task=task)


@pytest.mark.parametrize(("model_type", "task", "inputs"), CASES, ids=lambda value: value if type(value) is str else "")
def test_a_type_costs_what_is_counted(model_type: str, task: str, inputs: list[str]) -> None:
    config, model_class, model = derived(model_type, task)
    assert [f"{one.name}: {one.text()}" for one in model.inputs] == inputs
    real = built(model_class, config)
    assert model.total().parameters == parameters(real)
    assert miscounted(model, real, model_class, config) == ""


def test_positions_that_are_fed_choose_no_keys() -> None:
    """They are handed on to attention and to what makes its mask, and each row of ids is one sequence all the same."""
    sizes = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 48, "num_hidden_layers": 2}
    config = transformers.LlamaConfig(vocab_size=64, **sizes)
    model_class = transformers.LlamaForCausalLM
    model = symflops.derive(config, inputs=["input_ids: int64[b, s]", "position_ids: int64[b, s]"])
    ids = torch.ones(2, 9, dtype=torch.long)
    given = {"input_ids": ids, "position_ids": torch.arange(9).expand(2, 9).clone()}
    flops, matmuls = all_flops(built(model_class, config, fake=False), given, set())
    cost = model.total().at(b=2, s=9)
    assert (cost.flops, cost.matmul_flops) == (flops, matmuls)


def test_a_step_after_an_image_costs_what_pytorch_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a call with an image, of 9 tokens, one of 1 token runs neither the tower nor the projector."""
    config, model_class, model = derived("llava", "image-text-to-text")
    real = built(model_class, config, fake=False)
    ids, pixels = torch.ones(2, 9, dtype=torch.long), torch.zeros(2, 3, 32, 32)
    monkeypatch.setenv("TRANSFORMERS_DISABLE_TORCH_CHECK", "1")  # no token stands for a part of the image
    calls = []
    cache = None
    for given in ({"input_ids": ids, "pixel_values": pixels}, {"input_ids": ids[:, :1]}):
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            cache = real(**given, past_key_values=cache, use_cache=True).past_key_values
        calls.append(counter.get_total_flops())
    cost = model.total()
    assert cost.at(batch_size=2, seq_len=9).matmul_flops == calls[0]
    assert cost.at(batch_size=2, seq_len=1, past_len=9, encoder=0).matmul_flops == calls[1]
    assert symflops.generation(model).at(batch_size=2, prompt_len=9, new_tokens=2).matmul_flops == sum(calls)


def test_an_image_that_is_cut_into_windows_has_a_number_for_its_sides() -> None:
    config, model_class, model = derived("qwen2_5_vl", "image-text-to-text")
    assert "image_grid_thw: int64[1, 3] = [1, 16, 16]" in [f"{one.name}: {one.text()}" for one in model.inputs]
    assert "the source needs a number for h: 8 was taken; --input states another" in model.notes
    assert miscounted(model, built(model_class, config), model_class, config) == ""


class Placed(torch.nn.Module):
    """Rows of an image take the places of the ids 7 among a text's, and a layer looks at these alone."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.project, self.out = torch.nn.Embedding(50, 16), torch.nn.Linear(12, 16), torch.nn.Linear(16, 5)

    def forward(self, ids: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
        found, mask = self.embed(ids), ids == 7
        found = found.masked_scatter(mask.unsqueeze(-1).expand_as(found), self.project(pixels))
        found[mask] = found[mask] * 3 + 1
        return self.out(found[mask])  # type: ignore[no-any-return]  # a module is called


def test_as_many_elements_of_a_mask_are_true_as_rows_were_put_in_their_places() -> None:
    """Of n rows: n*12*16 and n*16*5 multiply-adds with two biases, and a product and a sum for each of n*16."""
    cost = symflops.derive(Placed, inputs=["ids: int64[batch_size, seq_len]", "pixels: float[n, 12]"]).total()
    assert cost.at(batch_size=2, seq_len=9, n=6).matmul_flops == 6 * 2 * (12 * 16 + 16 * 5)
    assert cost.at(batch_size=2, seq_len=9, n=6).flops == 6 * (2 * 12 * 16 + 16 + 2 * 16 + 2 * 16 * 5 + 5)


def test_a_mask_of_which_nothing_is_known_is_refused() -> None:
    class Chosen(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[x > 0] * 2

    with pytest.raises(SymflopsError, match="depends on the values of a tensor"):
        symflops.derive(Chosen(), inputs=["x: float[n, 12]"])


class Pieces(torch.nn.Module):
    """Looks back within pieces of 128, which its source goes through in a loop."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pieces = [x[:, start : start + 128] for start in range(0, x.shape[1], 128)]
        return torch.cat([piece @ piece.transpose(1, 2) @ piece for piece in pieces], dim=1)


@pytest.mark.parametrize("length", [5, 128, 129, 300, 384])
def test_a_loop_over_pieces_holds_where_there_are_several(length: int) -> None:
    """2*n*n*8 for each of two products in each piece of n."""
    cost = symflops.derive(Pieces(), inputs=["x: float[batch_size, s, 8]"]).total()
    whole, left = divmod(length, 128)
    assert cost.at(batch_size=3, s=length).matmul_flops == 3 * 4 * 8 * (whole * 128**2 + left**2)


class Distances(torch.nn.Module):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.cdist(x, y)


@pytest.mark.parametrize("rows", ["40", "n"])
def test_distances_of_rows(rows: str) -> None:
    """Of many rows the product of [-2*x, |x|^2, 1] and [y, 1, |y|^2] of width 8 + 2, and a root of each pair."""
    inputs = [f"x: float[2, {rows}, 8]", f"y: float[2, {rows}, 8]"]
    cost = symflops.derive(Distances(), inputs=inputs).total().at(**({"n": 40} if rows == "n" else {}))
    assert cost.matmul_flops == 2 * 2 * 40 * 40 * 10
    assert cost.flops == cost.matmul_flops + 2 * 40 * 40 + 2 * 40 * (8 + 2 * 8) + 2 * 40 * 2 * 8


def test_distances_of_few_rows() -> None:
    """A difference, a square and a sum for each of 8, and a root of each of 2*3*4 pairs."""
    cost = symflops.derive(Distances(), inputs=["x: float[2, 3, 8]", "y: float[2, 4, 8]"]).total().at()
    assert (cost.flops, cost.matmul_flops) == (2 * 3 * 4 * (3 * 8 + 1), 0)


def test_windows_that_are_put_beside_one_another_are_added() -> None:
    """As `nn.Fold` does: 4 * 3*3 numbers at each of 6*6 places of an image of 8 by 8 are added into it."""
    cost = symflops.derive(torch.nn.Fold(8, 3), inputs=["input: float[n, 36, 36]"]).total()
    assert cost.at(n=5).flops == 5 * 36 * 36


class Framed(torch.nn.Module):
    """Pads to whole frames of 4, with numbers that are in tensors, as EnCodec and Mimi do."""

    def __init__(self) -> None:
        super().__init__()
        self.stride = torch.nn.Buffer(torch.tensor(4, dtype=torch.int64), persistent=False)
        self.conv = torch.nn.Conv1d(1, 8, 6, stride=4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        length = x.shape[-1]
        frames = torch.ceil((length - 6 + 2) / self.stride + 1).to(torch.int64) - 1
        more = frames * self.stride + 6 - 2 - length
        return self.conv(torch.nn.functional.pad(x, (2, more)))  # type: ignore[no-any-return]  # a module is called


@pytest.mark.parametrize("length", [401, 402, 403, 404])
def test_a_quotient_in_a_tensor_that_is_rounded_is_a_size(length: int) -> None:
    """As many frames of 6 numbers as 4 samples go into the length, the last one padded, of 8 channels."""
    cost = symflops.derive(Framed, inputs=["x: float[batch_size, 1, num_samples]"]).total()
    frames = len(range(0, length, 4))
    assert cost.at(batch_size=3, num_samples=length).matmul_flops == 3 * 2 * frames * 6 * 8


class Rows(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.out = torch.nn.Linear(12, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(x.reshape(len(x) * x.shape[1], 12))  # type: ignore[no-any-return]  # a module is called


def test_the_length_of_a_tensor_is_its_first_size() -> None:
    """Which Python makes a number of: n*m rows of 12*5 multiply-adds."""
    cost = symflops.derive(Rows, inputs=["x: float[n, m, 12]"]).total()
    assert cost.at(n=7, m=4).matmul_flops == 7 * 4 * 2 * 12 * 5


def test_small_contents_are_computed_beside_fake_tensors() -> None:
    sizes, contents = Sizes(), Contents()
    side = sizes.symbol("side", 11)
    with sizes.active(), Following(contents):
        steps = torch.linspace(0, 1, 5)
        assert steps.tolist() == [0, 0.25, 0.5, 0.75, 1]
        assert contents.of(torch.empty(3)) is None
        assert contents.of(torch.rand(3)) is None
        assert torch.arange(6)[torch.arange(6) > 3].tolist() == [4, 5]
        root = side**0.5 * torch.tensor(2.0)
        assert contents.item(root) is None  # a root is no size
        assert sizes.number(int(root.ceil().to(torch.int64).item())) == 7  # of 2*sqrt(11), rounded up, it is one
        steps.add_(1)
        assert contents.of(steps) is None  # what is written in place is unknown
        grid = torch.full((1, 2), side)
        lengths = torch.repeat_interleave(grid[:, 0] * grid[:, 1], torch.tensor([3]))
        ends = nn_pad(lengths.cumsum(0))
        assert [sizes.number(end) for end in ends.tolist()] == [0, 121, 242, 363]
        assert sizes.number((ends[1:] - ends[:-1]).max().item()) == 121
        places = torch.repeat_interleave(torch.tensor([4, 5]), torch.stack([grid[0, 0], grid[0, 1]]))
        assert sizes.number(places.shape[0]) == 22


def nn_pad(tensor: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.pad(tensor, (1, 0), value=0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x: int64[1, 3] = [1, 2]", "input x: '[1, 2]': as many as its last dimension has are wanted"),
        ("x: int64[2] = 1, 2", "input x: '1, 2': what is in a tensor is a polynomial with whole numbers, or a list of "
         "those along its last dimension"),
        ("x: int64[2] = h/2", "input x: 'h/2': what is in a tensor is a polynomial with whole numbers, or a list of "
         "those along its last dimension"),
        ("x: int64[2] = h +", "input x: column 1: 'h +': not a formula; valid are integers, decimals, "
         "names, + - * / // % **, parentheses and min max ceil floor sqrt log2"),
    ],
)  # fmt: skip
def test_what_is_no_content_is_told(text: str, message: str) -> None:
    with pytest.raises(SymflopsError) as caught:
        Input.read(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("what", "task", "message"),
    [
        ("vit", "image-clasification", "no task 'image-clasification'; did you mean 'image-classification'?"),
        ("vit", "ctc", "the type 'vit' has no class for the task ctc; it has: "),
        (torch.nn.Linear, "base", "only a config of transformers has classes for tasks; a module is what it is"),
    ],
)
def test_a_task_that_there_is_none_of_is_told(what: Any, task: str, message: str) -> None:
    inputs = ["input: float[n, 8]"] if isinstance(what, type) else ()
    with pytest.raises(SymflopsError) as caught:
        symflops.derive(what, task=task, inputs=inputs)
    assert message in str(caught.value)


def test_a_task_chooses_the_class() -> None:
    config = transformers.BertConfig(hidden_size=32, num_attention_heads=4, num_hidden_layers=2, intermediate_size=48)
    model = symflops.derive(config, task="sequence-classification")
    assert model.class_name.endswith("BertForSequenceClassification")
    assert model.total().parameters == parameters(built(transformers.BertForSequenceClassification, config))


@pytest.mark.parametrize("part", range(4))
def test_every_class_of_torch_nn_is_derived_or_told_of_in_one_line(part: int) -> None:
    names = [n for n in dir(torch.nn) if isinstance(c := getattr(torch.nn, n), type) and issubclass(c, torch.nn.Module)]
    told: dict[str, str] = {}
    for name in names[part::4]:
        try:
            symflops.derive(getattr(torch.nn, name))
        except SymflopsError as error:
            told[name] = str(error)
    assert all("\n" not in text for text in told.values())
    known = ("no closed form: its source needs numbers", "no call with tensors of the usual shapes fits")
    assert [text for text in told.values() if not any(said in text for said in known)] == []
    assert told.keys().isdisjoint({"Linear", "Conv2d", "ConvTranspose3d", "LayerNorm", "Embedding", "BatchNorm2d"})
