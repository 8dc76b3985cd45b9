"""A model of one's own: from a shipped one, with layers that state what they know; classes by their public names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import symflops
from symflops.formula import data_folder, formula_for_class


def _file(folder: Path, cost: dict[str, Any], **fields: Any) -> str:
    """A model whose layer block.mlp runs twice and has that cost, beside a Linear layer of 2*3*5*seq_len FLOPs."""
    layers = {
        "block": {"repeat": 2, "sub_layers": {"mlp": {"cost": cost}}},
        "head": {"class": "torch.nn.Linear", "args": {"N": "seq_len", "in_features": 3, "out_features": 5}},
    }
    path = folder / "my.json"
    path.write_text(json.dumps({"name": "my", "layers": layers, **fields}))
    return str(path)


@pytest.mark.parametrize("name", ["llama-2-7b-hf", "LLaMA-2-7B-HF"])
def test_a_shipped_model_is_handed_out_as_it_is(name: str, say: Any, run: Any, tmp_path: Path) -> None:
    shipped = (data_folder("models") / "llama-2-7b-hf.json").read_text()
    assert say("models", name) == shipped
    mine = tmp_path / "my.json"
    assert run("models", name, "-o", str(mine)) == (0, "", f"wrote {mine}\n")
    assert mine.read_text() == shipped
    assert say("total", str(mine)) == say("total", name)


def test_no_such_model_to_hand_out(refuse: Any) -> None:
    assert refuse("models", "lama-2-7b-hf") == "no such model 'lama-2-7b-hf'; did you mean 'llama-2-7b-hf'?"


def test_metrics_that_are_not_stated_are_0_where_it_says_so(say: Any, tmp_path: Path) -> None:
    mine = _file(tmp_path, {"flops": "7*seq_len", "others": 0})
    head = 2 * 3 * 5
    assert say("total", mine, "--metric", "flops,matmul_flops,parameters", "-S", "10").splitlines()[:3] == [
        f"flops         {10 * (2 * 7 + head)}  FLOP   {10 * (2 * 7 + head)} FLOP",
        f"matmul_flops  {10 * head}  FLOP   {10 * head} FLOP",
        "parameters     15  count        15",
    ]


def test_metrics_that_nobody_knows_are_asked_for(run: Any, tmp_path: Path) -> None:
    mine = _file(tmp_path, {"flops": "7*seq_len", "parameters": 100, "others": "unknown"})
    unknown = [f"unknown_{m}_of_block_mlp" for m in ("matmul_flops", "read_bytes", "write_bytes", "intermediate_bytes")]
    notes = [
        f"note: my: {name[8:-13]} of block.mlp is unknown; --set {name}=NUMBER gives it a value\n" for name in unknown
    ]
    status, out, err = run("total", mine, "-S", "10")
    assert (status, err) == (0, "".join(notes))
    assert out.splitlines()[:2] == ["flops = 440", "matmul_flops = 2*(unknown_matmul_flops_of_block_mlp + 150)"]
    known = run("total", mine, "-S", "10", "--metric", "flops,parameters")
    assert [line.split()[1] for line in known[1].splitlines()[:2]] == ["440", "215"]
    settings = [part for name in unknown for part in ("--set", f"{name}=1k")]
    table = {line.split()[0]: line.split()[1] for line in run("total", mine, "-S", "10", *settings)[1].splitlines()}
    assert table["matmul_flops"] == "2,300"
    assert table["intermediate_bytes"] == "2,000"


def test_one_unknown_metric_and_the_others_stated(tmp_path: Path) -> None:
    stated = dict.fromkeys(symflops.METRICS, 1)
    model = symflops.load(_file(tmp_path, {**stated, "read_bytes": None}))
    assert model.total().free_symbols >= {"unknown_read_bytes_of_block_mlp"}
    with pytest.raises(symflops.SymflopsError, match="unknown_read_bytes_of_block_mlp"):
        model.total().at(seq_len=1)
    again = symflops.load(json.loads(model.dumps()))
    assert again.dumps() == model.dumps()
    assert again.notes == model.notes


def test_two_layers_have_unknowns_of_their_own() -> None:
    cost = {"cost": {"flops": 1, "others": "unknown"}}
    model = symflops.load({"name": "m", "layers": {"a_b": cost, "a": {"sub_layers": {"b": cost}}}})
    assert {n for n in model.total().free_symbols if n.startswith("unknown_parameters")} == {
        "unknown_parameters_of_a_b",
        "unknown_parameters_of_a_b_",
    }


@pytest.mark.parametrize(
    ("cost", "message"),
    [
        ({"flops": 1}, 'matmul_flops is missing; state it, or "others": 0, or "others": "unknown", for what is not'),
        ({"flops": 1, "others": 1}, "layers.block.mlp.cost.others: expected 0 or 'unknown', got '1'"),
        ({"flops": 1, "others": "none"}, "expected 0 or 'unknown', got 'none'"),
        ({"flops": 1, "other": 0}, "unknown key 'other'; did you mean 'others'?"),
    ],
)
def test_what_others_cannot_be(cost: dict[str, Any], message: str, refuse: Any, tmp_path: Path) -> None:
    assert message in refuse("total", _file(tmp_path, cost))


# ------------------------------------------------------------------------------------------------- classes by name


@pytest.mark.parametrize(
    "name", ["torch.nn.modules.conv.Conv2d", "torch.nn.Conv2d", "Conv2d", "torch.nn:Conv2d", "torch.nn.modules.Conv2d"]
)
def test_public_names_of_classes(name: str) -> None:
    assert formula_for_class(name).name == "conv2d"


@pytest.mark.parametrize("name", ["my.Conv2d", "torch.nn.quantized.Conv2d", "torch.nn.functional.conv2d"])
def test_a_class_of_the_same_short_name_is_another(name: str) -> None:
    with pytest.raises(symflops.SymflopsError, match="no formula for class"):
        formula_for_class(name)


def test_a_public_name_in_verify(say: Any) -> None:
    assert say("verify", "torch.nn.Conv2d", "--against", "conv2d").startswith("equal: ")
    layer = "transformers.models.llama.modeling_llama.LlamaMLP"
    assert say("verify", layer, "--against", "llama-2-7b-hf:mlp").startswith("equal: ")


@pytest.mark.torch
@pytest.mark.parametrize("name", ["mine.py:Outer.Inner", "folder/mine.py:Outer.Inner", "mine:Outer.Inner"])
def test_a_class_in_the_current_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from symflops.strangers import modules_in
    from symflops.trace.classes import find_module

    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for folder in (tmp_path, tmp_path / "folder"):
        (folder / "mine.py").write_text(
            "from torch import nn\nclass Outer:\n    class Inner(nn.Module):\n        pass\n"
            "class Net(nn.Module):\n    def forward(self, x):\n        return x\n"
        )
    assert find_module(name).__name__ == "Inner"
    assert modules_in(tmp_path / "mine.py") == ["Net"]
    assert str(tmp_path) not in __import__("sys").path


@pytest.mark.torch
@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        (
            "import no_such_package",
            "Net",
            "importing 'bad.py' fails: ModuleNotFoundError: No module named 'no_such_pac",
        ),
        ("raise ValueError('of its own')", "Net", "importing 'bad.py' fails: ValueError: of its own"),
        ("import sys; sys.exit('gone')", "Net", "importing 'bad.py' fails: SystemExit: gone"),
        ("def (", "Net", "importing 'bad.py' fails: SyntaxError: "),
        ("def net(): pass", "net", "'bad.py:net' is a function, not a class"),
        ("class Nett(__import__('torch').nn.Module): pass", "Net", "bad.py: no class 'Net'; did you mean 'Nett'?"),
        ("Net = 3", "Net", "'bad.py:Net' is a value, not a class"),
        ("class Net: pass", "Net", "'bad.py:Net' is no torch.nn.Module"),
    ],
)
def test_files_without_such_a_class(
    text: str, name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from symflops.trace.classes import find_module

    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(symflops.SymflopsError) as refused:
        find_module(f"bad.py:{name}")
    assert str(refused.value).startswith(message)
