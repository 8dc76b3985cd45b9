"""Many configs of one type at once are what each of them is answered and counted to on its own."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from counted_llama import LLAMA, matmul_flops_of_a_llama, parameters_of_a_llama

from symflops.atlas import entries
from symflops.atlas.answer import answer
from symflops.atlas.designs import designs
from symflops.errors import SymflopsError


@pytest.fixture(autouse=True)
def shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The entries that come with the package, which other tests do without."""
    monkeypatch.delenv(entries.ATLAS, raising=False)


def test_designs_are_what_each_config_is_counted_to() -> None:
    unstated = {k: v for k, v in LLAMA.items() if k != "num_key_value_heads"}
    axes = {"num_hidden_layers": [2, 5], "num_attention_heads": [2, 4], "hidden_size": [64, 128, 256]}
    swept = designs(unstated, "mine", axes, batch_size=1, seq_len=[3, 7])
    rows = list(product(*axes.values(), [3, 7]))
    assert len(swept["flops"]) == len(rows)
    for place, (depth, heads, width, tokens) in enumerate(rows):
        one = {**LLAMA, "num_hidden_layers": depth, "num_attention_heads": heads, "hidden_size": width}
        one |= {"num_key_value_heads": heads}  # what the class takes where nothing is stated
        assert swept["parameters"][place] == parameters_of_a_llama(one)
        assert swept["matmul_flops"][place] == matmul_flops_of_a_llama(one, tokens)


def test_designs_of_kinds_of_layers_are_what_each_is_answered() -> None:
    stated = {"model_type": "gemma2", "vocab_size": 500, "hidden_size": 64, "num_attention_heads": 4, "head_dim": 16,
              "num_key_value_heads": 2, "intermediate_size": 100}  # fmt: skip
    depths = [2, 3, 8]
    swept = designs(
        stated, "mine", {"num_hidden_layers": depths, "intermediate_size": [100, 200]}, seq_len=9000, batch_size=1
    )
    for place, (depth, wide) in enumerate(product(depths, [100, 200])):
        one = answer({**stated, "num_hidden_layers": depth, "intermediate_size": wide}, "x").total()
        assert swept["flops"][place] == one.at(batch_size=1, seq_len=9000).flops


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ({"num_key_value_heads": [1, 2]}, "expected whole numbers from 2 on"),
        ({"num_key_value_heads": [3]}, "assumption broken: num_attention_heads % num_key_value_heads == 0"),
        ({"num_key_value_heads": [2, 3]}, "assumption broken: num_attention_heads % num_key_value_heads == 0"),
        ({"eos_token_id": [2, 3]}, "eos_token_id is no size of the model"),
        ({"hidden_size": []}, "expected whole numbers from 2 on"),
    ],
)
def test_designs_that_are_refused(axes: dict[str, Any], said: str) -> None:
    with pytest.raises(SymflopsError, match=said):
        designs(LLAMA, "mine", axes, batch_size=1, seq_len=4)


def test_sizes_are_axes_on_the_command_line(run: Any, refuse: Any, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    words = ("--set", "num_hidden_layers=2:6:2", "-B", "1", "-S", "7", "--format", "json")
    for model in (str(tmp_path), "llama-2-7b-hf"):
        status, out, _ = run("sweep", model, *words)
        columns = json.loads(out)["columns"]
        assert (status, columns["num_hidden_layers"]) == (0, [2, 4, 6])
        steps = {b - a for a, b in zip(columns["parameters"], columns["parameters"][1:], strict=False)}
        assert len(steps) == 1
    deep = {**LLAMA, "num_hidden_layers": 2}
    assert json.loads(run("sweep", str(tmp_path), *words)[1])["columns"]["parameters"][0] == parameters_of_a_llama(deep)
    assert "is no size of the model" in refuse("sweep", "llama-2-7b-hf", "--set", "nothing=1:3", "-S", "7")
    assert "as it is written" in refuse(
        "sweep", "llama-2-7b-hf", "--set", "hidden_size=64,128", "--training", "-S", "7"
    )
