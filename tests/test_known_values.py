"""What a model makes of constants alone has values that a derivation knows: masks of ones, the index of a language.

Expected are the FLOPs that torch counts when the same model runs on real tensors, and the bytes of a run by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import independent_count
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import BloomConfig, LlamaConfig, PreTrainedConfig, PreTrainedModel, XLNetConfig, XmodConfig
from transformers.models.xmod.modeling_xmod import XmodForCausalLM

import symflops

pytestmark = pytest.mark.torch

Mask = Callable[[torch.Tensor], torch.Tensor]


class MaskedConfig(PreTrainedConfig):
    model_type = "masked"

    def __init__(self, vocab_size: int = 64, hidden_size: int = 32, **others: Any) -> None:
        self.vocab_size, self.hidden_size = vocab_size, hidden_size
        super().__init__(**others)


class Masked(PreTrainedModel):
    """A Linear over the sequences that a mask leaves, and another one where the mask says so."""

    config_class = MaskedConfig
    mask: ClassVar[Mask]

    def __init__(self, config: MaskedConfig) -> None:
        super().__init__(config)
        self.emb = nn.Embedding(config.vocab_size, config.hidden_size)
        self.proj = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.rest = nn.Linear(config.hidden_size, 5 * config.hidden_size)
        self.post_init()

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        x = self.emb(input_ids)
        mask = type(self).mask(input_ids)
        left = self.proj(x[mask])
        return self.rest(left[..., :32]) if mask.all() else left


def with_mask(made: Mask) -> type[Masked]:
    return type("Masked", (Masked,), {"mask": staticmethod(made)})


def counted(model: PreTrainedModel, batch: int, length: int) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.eval()(torch.ones((batch, length), dtype=torch.long))
    return counter.get_total_flops()


STEPS: dict[str, Callable[[torch.Tensor, float], torch.Tensor]] = {
    "plus": lambda t, n: t + n,
    "minus": lambda t, n: t - n,
    "from": lambda t, n: n - t,
    "times": lambda t, n: t * n,
    "above": lambda t, n: (t > n).long(),
    "not": lambda t, _: (~(t != 0)).long(),
    "filled": lambda t, n: t.clone().fill_(n),
    "doubled in place": lambda t, _: t.clone().mul_(2),
    "of itself": lambda t, _: t * t.clone(),
    "squared": lambda t, _: t**2,
    "of zeros": lambda t, n: torch.zeros_like(t) + n,
}


@settings(max_examples=25, deadline=None)
@given(
    start=st.integers(-2, 2),
    steps=st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.sampled_from([-1, 0, 1, 2, 0.5])), max_size=4),
    last=st.sampled_from([torch.eq, torch.ne, torch.lt, torch.le, torch.gt, torch.ge]),
    against=st.integers(-1, 2),
)
def test_a_mask_of_constants_is_what_it_is_on_real_tensors(
    start: int, steps: list[tuple[str, float]], last: Callable[..., torch.Tensor], against: int
) -> None:
    def mask(ids: torch.Tensor) -> torch.Tensor:
        found = torch.full((ids.shape[0],), start)
        for step, number in steps:
            found = STEPS[step](found, number)
        return last(found, against)

    model = with_mask(mask)
    total = symflops.derive(model).total()
    assert total.at(batch_size=3, seq_len=5).matmul_flops == counted(model(MaskedConfig()), 3, 5)
    assert total.parameters == sum(p.numel() for p in model(MaskedConfig()).parameters())


class PutAside(Masked):
    """Nothing is put into a copy, which is computed with all the same."""

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        x = self.emb(input_ids)
        none = torch.zeros(input_ids.shape[0], dtype=torch.bool)
        return self.proj(torch.index_put(x, (none,), x[none]) * 2)


def test_a_copy_into_which_nothing_is_put_is_no_constant() -> None:
    """3*5 rows: a matrix of 32 by 96 with its bias, after 32 products each."""
    total = symflops.derive(PutAside).total().at(batch_size=3, seq_len=5)
    assert total.matmul_flops == 15 * 2 * 32 * 96
    assert total.flops == 15 * (2 * 32 * 96 + 96 + 32)


def first_changed(ids: torch.Tensor) -> torch.Tensor:
    mask = torch.ones((ids.shape[0],), dtype=torch.bool)
    mask[:1] = False
    return mask


def of_the_input(ids: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(ids[:, 0]) * ids[:, 0] > 0


def by_place(ids: torch.Tensor) -> torch.Tensor:
    return torch.arange(ids.shape[0]) > 0


@pytest.mark.parametrize("mask", [first_changed, of_the_input, by_place])
def test_a_mask_that_is_not_everywhere_the_same_is_not_known(mask: Mask) -> None:
    with pytest.raises(symflops.SymflopsError, match="depends on the values of"):
        symflops.derive(with_mask(mask))


def test_xmod_runs_the_adapter_of_its_language_and_owns_all() -> None:
    config = XmodConfig(
        vocab_size=90, hidden_size=24, num_hidden_layers=2, num_attention_heads=4, intermediate_size=40,
        adapter_reduction_factor=3, languages=("de_DE", "en_XX", "fr_XX"), default_language="en_XX", is_decoder=True,
    )  # fmt: skip
    model = symflops.derive(config)
    built = XmodForCausalLM._from_config(config, attn_implementation="eager")  # torch counts no other on a CPU
    assert model.total().at(batch_size=2, seq_len=7, causal=0).matmul_flops == counted(built, 2, 7)
    assert model.total().parameters == sum(p.numel() for p in built.parameters())
    adapters = [row for row in model.rows() if "adapter_modules" in row.path]
    read = {name: sum(r.cost.at(batch_size=1, seq_len=1).read_bytes for r in adapters if name in r.path)
            for name in ("de_DE", "en_XX", "fr_XX")}  # fmt: skip
    assert read["de_DE"] == read["fr_XX"] == 0
    # Two Linears from 24 to 8 and back, each of one row: their weights and biases and what goes in, at 2 bytes.
    assert read["en_XX"] >= 2 * (24 * 8 + 8 + 24 + 8 * 24 + 24 + 8)
    assert any("default_language" in text for text in model.assumes)


class LimitedConfig(MaskedConfig):
    model_type = "limited"

    def __init__(self, max_len: int = 17, **others: Any) -> None:
        self.max_len = max_len
        super().__init__(**others)


def limited(made: Mask) -> type[Masked]:
    """A model that computes one thing more where the largest position that it made is beyond a limit of its config."""

    def forward(self: Any, input_ids: torch.Tensor) -> torch.Tensor:
        left = self.proj(self.emb(input_ids))
        return self.rest(left[..., :32]) if torch.max(made(input_ids)) + 1 > self.config.max_len else left

    return type("Limited", (Masked,), {"config_class": LimitedConfig, "forward": forward})


def starting_at(start: int) -> Mask:
    return lambda ids: torch.arange(start, ids.shape[1] + start)


def written_into(ids: torch.Tensor) -> torch.Tensor:
    positions = torch.arange(ids.shape[1])
    positions[0] = 50
    return positions


KNOWN: dict[str, Mask] = {
    "arange": lambda ids: torch.arange(ids.shape[1]),
    "of each sequence": lambda ids: torch.arange(ids.shape[1])[None].expand(ids.shape[0], -1),
    "written out": lambda ids: torch.arange(ids.shape[1]).repeat(ids.shape[0], 1),
    "from 4": starting_at(4),
    "4 more": lambda ids: torch.arange(ids.shape[1]) + 4,
    "3 less": lambda ids: torch.arange(ids.shape[1]) - 3,
    "as many more": lambda ids: torch.arange(ids.shape[1]).clone() + ids.shape[1],
}
UNKNOWN: dict[str, Mask] = {
    "every other": lambda ids: torch.arange(0, ids.shape[1], 2),
    "but the last": lambda ids: torch.arange(ids.shape[1])[:-1],
    "doubled": lambda ids: torch.arange(ids.shape[1]) * 2,
    "doubled in place": lambda ids: torch.arange(ids.shape[1]).mul_(2),
    "twice as many more": lambda ids: torch.add(torch.arange(ids.shape[1]), ids.shape[1], alpha=2),
    "subtracted": lambda ids: ids.shape[1] - torch.arange(ids.shape[1]),
    "written into": written_into,
    "of the input": lambda ids: ids * torch.arange(ids.shape[1]),
}


def holds(model: symflops.Model, length: int) -> bool:
    try:
        model.check_assumptions({"batch_size": 3, "seq_len": length, "past_len": 0})
    except symflops.SymflopsError:
        return False
    return True


@pytest.mark.parametrize("name", [*KNOWN, *UNKNOWN])
def test_what_a_source_decides_by_the_largest_position_is_what_it_decides_on_real_tensors(name: str) -> None:
    """At every length the FLOPs that torch counts, or a refusal; never those of the other way."""
    model = limited({**KNOWN, **UNKNOWN}[name])
    if name in UNKNOWN:
        with pytest.raises(symflops.SymflopsError, match="depends on the values of"):
            symflops.derive(model)
        return
    derived = symflops.derive(model)
    lengths = [n for n in (*range(2, 40), 400) if holds(derived, n)]
    for length in lengths:
        at = derived.total().at(batch_size=3, seq_len=length)
        assert at.matmul_flops == counted(model(LimitedConfig()), 3, length), length
    assert lengths


@pytest.mark.parametrize("rope", ["dynamic", "longrope"])
def test_rotary_frequencies_that_depend_on_the_largest_position(rope: str) -> None:
    """Scaling moves angles and multiplies no matrix: the products are those that torch counts for the same model."""
    scaling: dict[str, Any] = {"rope_type": rope, "rope_theta": 1e4, "factor": 4.0}
    if rope == "longrope":
        scaling |= {"original_max_position_embeddings": 16, "long_factor": [1.0] * 4, "short_factor": [1.0] * 4}
    config = LlamaConfig(
        vocab_size=90, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40,
        max_position_embeddings=64, rope_parameters=scaling,
    )  # fmt: skip
    total = symflops.derive(config).total()
    for batch, length, past in ((1, 17, 0), (3, 5, 9), (2, 1, 40)):
        at = total.at(batch_size=batch, seq_len=length, past_len=past)
        assert at.matmul_flops == independent_count.count(config, batch, length, past)


def test_one_token_is_not_refused_for_the_strides_of_a_fused_projection() -> None:
    """torch asks whether strides are equal, as they are for one token; that is no condition of the model."""
    config = BloomConfig(vocab_size=90, hidden_size=48, n_layer=2, n_head=6)
    total = symflops.derive(config).total()
    for batch, length, past in ((2, 1, 0), (2, 1, 9), (3, 5, 9)):
        at = total.at(batch_size=batch, seq_len=length, past_len=past)
        assert at.matmul_flops == independent_count.count(config, batch, length, past)


def test_a_memory_that_grows_is_read_by_later_calls() -> None:
    """XLNet's memory grows with what was fed, in an argument of its own: its cost after others is not that without."""
    config = XLNetConfig(vocab_size=90, d_model=24, n_layer=2, n_head=3, d_inner=40)
    total = symflops.derive(config).total()
    assert total.at(batch_size=2, seq_len=5).matmul_flops == independent_count.count(config, 2, 5)
    assert total.at(batch_size=2, seq_len=5, past_len=9).matmul_flops > total.at(batch_size=2, seq_len=5).matmul_flops


def longer(decide: Callable[[int, int], bool]) -> type[Masked]:
    """A model whose source computes one thing more where the batch and the length say so."""

    def forward(self: Any, input_ids: torch.Tensor) -> torch.Tensor:
        left = self.proj(self.emb(input_ids))
        return self.rest(left[..., :32]) if decide(*input_ids.shape) else left

    return type("Longer", (Masked,), {"forward": forward})


@pytest.mark.parametrize(
    "decide",
    [
        lambda _, length: length > 10,
        lambda _, length: length <= 10,
        lambda _, length: length == 1,
        lambda _, length: length > 1,
        lambda _, length: length != 12,
        lambda _, length: length % 8 != 0,
        lambda _, length: 2 * length >= 15,
        lambda batch, _: batch > 2,
        lambda batch, length: batch * length > 12,
        lambda batch, length: batch < length,
    ],
)
def test_what_a_source_decides_by_the_batch_or_the_length_alone(decide: Callable[[int, int], bool]) -> None:
    """At every point the FLOPs that torch counts, or a refusal; never those of the other way."""
    model = longer(decide)
    total = symflops.derive(model).total()
    answered = 0
    for batch, length in [
        (1, 1),
        (1, 2),
        (2, 1),
        (3, 1),
        (1, 12),
        (3, 7),
        (3, 8),
        (4, 16),
        (20, 10),
        (2, 11),
        (5, 400),
    ]:
        try:
            at = total.at(batch_size=batch, seq_len=length)
        except symflops.SymflopsError as error:
            assert "assumption broken" in str(error)  # noqa: PT017 - some points are answered
            continue
        answered += 1
        assert at.matmul_flops == counted(model(MaskedConfig()), batch, length), (batch, length)
    assert answered
