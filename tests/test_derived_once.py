"""Derivations that tests share: of the same content alone, and never where a test looks at the derivation itself."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import derived_once
import pytest
import torch
from derived_once import key_of
from transformers import BertConfig, LlamaConfig

import symflops
from symflops.trace import derive as trace

pytestmark = pytest.mark.torch

OPTIONS: dict[str, Any] = {"attention": "eager", "training": True, "peak": True, "task": "base", "fixed": {"a"},
                           "inputs": ["input_ids: int64[1, seq_len]"], "allow_unknown": True}  # fmt: skip
TINY = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 31}


def test_the_same_content_is_derived_once(tmp_path: Path) -> None:
    """Whatever it is named by; the model is called as it would be."""

    @dataclass(frozen=True)
    class Made:
        name: str
        number: int

    numbers = itertools.count()
    derive = derived_once.once(lambda what, **options: Made("first", next(numbers)))
    tiny = TINY | {"hidden_size": 20}  # of no other test
    plain = derive(LlamaConfig(**tiny))
    assert plain == Made("llama", 0)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "config.json").write_text(json.dumps({"model_type": "llama", **tiny}))
        for what in (tmp_path / folder, str(tmp_path / folder / "config.json")):
            assert derive(what) == Made(folder, 0)
    assert derive({"model_type": "llama", **tiny}, timeout=300.0) == plain
    others: list[tuple[Any, dict[str, Any]]] = [
        (LlamaConfig(**tiny | {"vocab_size": 32}), {}), (BertConfig(**tiny), {}), ("llama", {}),
        *((LlamaConfig(**tiny), {name: value}) for name, value in OPTIONS.items()),
    ]  # fmt: skip
    eager = LlamaConfig(**tiny)
    eager._attn_implementation = "eager"
    for number, (what, options) in enumerate([*others, (eager, {})], 1):
        assert [derive(what, **options).number for _ in range(2)] == [number] * 2
    (tmp_path / "b" / "config.json").write_text(json.dumps({"model_type": "llama", **TINY | {"vocab_size": 33}}))
    assert derive(tmp_path / "b") == Made("b", len(others) + 2)


@pytest.mark.parametrize(
    ("what", "options"),
    [
        (torch.nn.Linear, {}),
        (torch.nn.Linear(2, 3), {"inputs": ["x: float[n, 2]"]}),
        ("model.py:GPT", {}),
        (LlamaConfig(**TINY), {"timeout": 1e-9}),
        (LlamaConfig(**TINY), {"arguments": {"scale": torch.ones(1)}}),
    ],
    ids=str,
)
def test_what_is_derived_anew(what: Any, options: dict[str, Any]) -> None:
    assert key_of(what, options) is None


def test_a_shared_derivation_is_that_of_the_product() -> None:
    plain = LlamaConfig(**TINY)
    assert symflops.derive(plain) is symflops.derive(LlamaConfig(**TINY))
    assert symflops.derive(plain).dumps() == trace.derive.__closure__[0].cell_contents(plain).dumps()


@pytest.mark.derives
def test_one_that_looks_at_derivations_makes_them() -> None:
    assert symflops.derive(LlamaConfig(**TINY)) is not symflops.derive(LlamaConfig(**TINY))


def test_one_that_changes_something_makes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert symflops.derive(LlamaConfig(**TINY)) is not symflops.derive(LlamaConfig(**TINY))
