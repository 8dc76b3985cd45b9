"""Peaks of memory in closed form, against what PyTorch's own tracker sees of the same model in plain numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers")

from peak_memory import tracked
from small_configs import small_config
from torch import nn

from symflops import SymflopsError, derive, load, memory
from symflops.cli import main
from symflops.trace.configs import find
from symflops.trace.programs import program_of
from symflops.trace.settings import Settings
from symflops.trace.work import Work

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("peak")]
BYTES = {"dtype_bytes": 2, "weight_bytes": 2, "cache_bytes": 2}
# Grouped and single heads, windows, an attention that is written out, two kinds of layers, layers of one kind alone;
# heads that partial rotary embeddings have made contiguous; a window's cache.
CASES = [("llama", "fused"), ("gpt2", "eager"), ("cohere2", "fused"), ("gpt_neo", "eager"), ("qwen3", "eager"),
         ("stablelm", "fused"), ("mistral", "fused")]  # fmt: skip


@pytest.mark.parametrize(("kind", "attention"), CASES)
def test_a_peak_is_what_the_tracker_sees(kind: str, attention: str) -> None:
    config = small_config(kind, 1)
    model = derive(config, attention=attention, peak=True)
    for batch, length, past in ((2, 33, 0), (2, 17, 9), (1, 1, 60), (3, 1, 9)):
        found = memory(model, batch_size=batch, seq_len=length, past_len=past, **BYTES)
        assert found.has_peak
        assert found.peak <= found.peak_eager
        # Up to the few bytes of scalars that a source makes and drops.
        assert found.peak_eager == pytest.approx(tracked(config, attention, batch, length, past), rel=2e-4)


def test_a_peak_holds_at_other_depths() -> None:
    config = small_config("llama", 0)
    model = derive(config, peak=True)
    deeper = small_config("llama", 0)
    deeper.num_hidden_layers = 11
    other = model.with_symbols({"num_hidden_layers": 11})
    found = memory(other, batch_size=3, seq_len=5, past_len=40, **BYTES)
    assert found.peak_eager == pytest.approx(tracked(deeper, "fused", 3, 5, 40), rel=2e-4)


def test_a_peak_is_kept_in_the_file_and_read_back() -> None:
    model = derive(small_config("gpt2", 0), peak=True)
    again = load(json.loads(model.dumps()))
    assert again.dumps() == model.dumps()
    point = {"batch_size": 1, "seq_len": 9, **BYTES}
    assert memory(again, **point).peak_eager == memory(model, **point).peak_eager
    closed = memory(again).peak_eager
    values = {**point, "past_len": 0}
    assert (
        closed.subs({symbol: values[str(symbol)] for symbol in closed.free_symbols})
        == memory(model, **point).peak_eager
    )


def test_a_peak_beyond_what_it_was_derived_for_is_a_bound_and_said_so() -> None:
    model = derive(small_config("llama", 0), peak=True)
    wide = model.with_symbols({"num_key_value_heads": 6})  # as many as heads: nothing is repeated then
    found = memory(wide, batch_size=1, seq_len=9, **BYTES)
    assert not found.has_peak
    assert found.notes[1].startswith(
        "peak and peak_eager are bounds from below: assumption broken: num_attention_heads"
    )
    assert found.peak == found.weights + found.state + found.working_set


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ([3], "peak[0]: expected an object"),
        ([{"calls": ["seq_len == 4"], "eager": {"a": ["1"]}, "least": {"a": ["1"]}}],
         "peak[0].calls: 'seq_len == 4': expected seq_len == 1, seq_len >= 2, past_len == 0 or past_len >= 1"),
        ([{"eager": {"a": ["1"]}}], "peak[0].least: expected an object: a list of formulas for each path"),
        ([{"eager": {"a": ["nobody"]}, "least": {"a": ["1"]}}], "peak[0].eager.a: undeclared name 'nobody'"),
        ([{"other": 1}], "peak[0]: unknown key 'other'"),
    ],
)  # fmt: skip
def test_a_peak_that_is_none_is_refused(data: Any, told: str) -> None:
    file = load("gpt2").to_dict() | {"peak": data}
    with pytest.raises(SymflopsError) as refused:
        load(file)
    assert str(refused.value).startswith(told)


class Holding(nn.Module):
    """Its variable holds what it made first until it returns."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)

    def forward(self, x: Any) -> Any:
        first = self.one(x)
        second = self.two(first)
        return second * 2


def test_what_a_variable_holds_is_held() -> None:
    model = derive(Holding, inputs={"x": "float[batch_size, width]"}, width=8, peak=True)
    found = memory(model, batch_size=5, dtype_bytes=2, weight_bytes=2)
    row = 5 * 8 * 2  # bytes of each tensor: x, first, second and the product are there at the end
    assert found.peak_eager - found.weights == 4 * row
    assert found.peak - found.weights == 3 * row  # first is not read again


def test_a_program_is_shown_and_is_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    small_config("llama", 0).save_pretrained(tmp_path)
    with pytest.raises(SystemExit, match="0"):
        main(["show", str(tmp_path), "--program"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:5] == [
        "  model: LlamaForCausalLM",
        "    model: LlamaModel",
        "      model.embed_tokens: Embedding",
        "        %2[B*S*h] = embedding(model.embed_tokens.weight, %1)",
    ]
    assert sum(line.strip().endswith("as model.layers.0") for line in lines) == 2


def test_a_model_file_has_no_program(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="3"):
        main(["show", "llama-2-7b-hf", "--program"])
    why = "is a model file, which has layers and no steps: name a config or a type"
    assert capsys.readouterr().err == f"symflops: error: llama-2-7b-hf {why}\n"


@pytest.mark.parametrize("kind", ["gpt2", "gemma2", "mixtral", "bloom"])
@pytest.mark.parametrize("as_eager", [False, True])
def test_a_recorded_call_is_a_program(kind: str, as_eager: bool) -> None:
    from symflops.program.check import faults

    run, _ = Work(find(small_config(kind, 0))).run(Settings(as_eager=as_eager))
    assert run.recorder is not None
    program = program_of(run.recorder, kind)
    assert faults(program) == []
