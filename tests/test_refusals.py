"""What a model's source refuses whatever the sizes is refused at once, in the source's own words; time ends, too."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from transformers import FSMTConfig, LlamaConfig, UdopConfig

from symflops import deadline
from symflops.errors import SymflopsError
from symflops.source import derive
from symflops.trace import recorder, work

pytestmark = pytest.mark.torch

SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4}
SMALL = {**SIZES, "num_hidden_layers": 2}
UDOP = UdopConfig(
    d_model=32, d_kv=8, d_ff=64, num_layers=1, num_decoder_layers=1, num_heads=4, vocab_size=99, image_size=32,
    patch_size=8,
)  # fmt: skip
FSMT = FSMTConfig(
    langs=["en", "de"], src_vocab_size=99, tgt_vocab_size=99, d_model=32, encoder_layers=1, decoder_layers=1,
    encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64,
)  # fmt: skip
LLAMA = LlamaConfig(**SMALL, vocab_size=100)


@pytest.mark.parametrize(
    ("config", "start"),
    [
        # The boxes of words, whose values its source asks for.
        (UDOP, "udop: the model needs inputs that have to be stated (--input): bbox; ValueError: "),
        # Is any of the ids that of padding?
        (FSMT, "fsmt: the control flow depends on the values of tensors (in make_padding_mask, modeling_fsmt.py:"),
    ],
)
def test_what_no_size_changes_is_refused_at_once(config: Any, start: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    real = work.call

    def counted(*args: Any) -> Any:
        calls.append(args)
        return real(*args)

    monkeypatch.setattr(work, "call", counted)
    with pytest.raises(SymflopsError) as refused:
        derive(config)
    assert str(refused.value).startswith(start)
    assert "with these sizes" not in str(refused.value)
    # With a cache and without one: with symbols, in two number formats at most, and once on plain numbers.
    assert len(calls) <= 2 * 3


def test_a_variable_beside_a_fault_is_no_missing_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """Llama's first operation is called in a line that names inputs_embeds, which is None until then."""

    def operation(*args: Any) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(recorder.Recorder, "operation", operation)
    start = "llama: the model's own source fails whatever the sizes, given input_ids, "
    with pytest.raises(SymflopsError, match=f"^{start}.*: RuntimeError: a fault"):
        derive(LLAMA)


def test_a_derivation_ends_when_its_time_is_over() -> None:
    with pytest.raises(SymflopsError) as refused:
        derive(LLAMA, timeout=1e-9)
    text = "llama: not derived within 1e-09 s of processor time; the last step was: reading the config"
    assert str(refused.value) == text


def test_time_is_asked_for_in_the_middle_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def operation(*args: Any) -> None:  # the first one takes for ever
        monkeypatch.setattr(deadline, "now", lambda: float("inf"))
        monkeypatch.setattr(deadline, "monotonic", lambda: float("inf"))

    monkeypatch.setattr(recorder.Recorder, "operation", operation)
    with pytest.raises(SymflopsError) as refused:
        derive(LLAMA)
    text = "llama: not derived within 300 s of processor time; the last step was: run 1: model.embed_tokens"
    assert str(refused.value) == text


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_timeout_is_above_0(timeout: float) -> None:
    with pytest.raises(SymflopsError, match=f"timeout {timeout!r}: expected a number of seconds above 0"):
        derive(LLAMA, timeout=timeout)


def test_a_config_is_no_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.pipe")
    for path in (tmp_path / "config.pipe", Path("/dev/null")):
        with pytest.raises(SymflopsError, match="neither a file nor a directory; save the config as a file first"):
            derive(path)
