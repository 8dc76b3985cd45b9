"""What `symflops sweep` puts on axes: each point is the one that `symflops total` gives."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from symflops.cost import METRICS


def test_symbols_of_the_call_are_axes_by_set_as_well(say: Any) -> None:
    axes = {"seq_len": [1, 3], "past_len": [4, 5], "causal": [0, 1], "dtype_bytes": [1, 2]}
    settings = [f"--set={name}={','.join(map(str, points))}" for name, points in axes.items()]
    columns = json.loads(say("sweep", "gpt2", *settings, "--format", "json"))["columns"]
    assert len(columns["flops"]) == 16
    for row, point in enumerate(itertools.product(*axes.values())):
        assert [columns[name][row] for name in axes] == [float(n) for n in point]
        given = [f"--set={name}={n}" for name, n in zip(axes, point, strict=True)]
        one = json.loads(say("total", "gpt2", "-B", "1", *given, "--format", "json"))["metrics"]
        assert {name: columns[name][row] for name in one} == one


def test_symbols_of_a_model_s_own_inputs_are_axes(say: Any, tmp_path: Path) -> None:
    layers = {"a": {"cost": dict.fromkeys(METRICS, "0") | {"flops": "n*(k + width)"}}}
    symbols = {"width": 8, "n": None, "k": None}
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"name": "own", "symbols": symbols, "inputs": {"x": "float[n, k]"}, "layers": layers}))
    lines = say("sweep", str(path), "--set", "n=2,5", "--set", "k=1:2", "--metric", "flops").splitlines()
    # no batch and no length, on which nothing depends
    assert [line.split() for line in lines[:-1]] == [["n", "k", "flops"], *(
        [str(n), str(k), str(n * (k + 8))] for n in (2, 5) for k in (1, 2)
    )]  # fmt: skip
    assert lines[-1] == "dtype: int64"


def test_one_value_by_set_is_a_point(say: Any) -> None:
    asked = ("sweep", "gpt2", "--metric", "flops")
    assert say(*asked, "--set", "seq_len=5", "--set", "past_len=2") == say(*asked, "-S", "5", "-P", "2")


def test_whole_bytes_of_half_a_byte_are_printed_in_full(say: Any) -> None:
    # 124,439,808 parameters, of which 768 * 1,024 are positions: 8 rows of these are read, and 8 of the embeddings,
    # which the head reads whole
    two, half = (
        int(line.split()[-1].replace(",", ""))
        for line in say(
            "sweep", "gpt2", "--set", "weight_bytes=2,0.5", "-S", "8", "--metric", "read_bytes"
        ).splitlines()[1:3]
    )
    assert two - half == 3 * (124_439_808 - 768 * 1_024 + 2 * 8 * 768) // 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-P", "3", "--set", "past_len=5"], "--set past_len, and -P: past_len is given twice"),
        (["-S", "3", "--set", "seq_len=5,6"], "--set seq_len, and -S: seq_len is given twice"),
        (["--set", "seq_len=2:3", "--set", "seq_len=5"], "--set seq_len=2:3: seq_len is given twice"),
        (["--set", "past_len=5,6", "--set", "past_len=7,8"], "--set 'past_len=7,8': past_len is given twice"),
        (["--causal", "--set", "causal=0,1"], "--set causal=0,1: causal is given twice"),
        (["-S", "3", "--set", "causal=0,3"], "causal = 3: must be 0 or 1"),
        (["--set", "dtype_bytes=1,2", "--plot", "a.png"], "--plot draws against -S: give each --set one value"),
        (["--set", "batch=1,2"], "batch is no size of the model"),
    ],
)
def test_mistakes(refuse: Any, arguments: list[str], message: str) -> None:
    assert message in refuse("sweep", "gpt2", *arguments)
