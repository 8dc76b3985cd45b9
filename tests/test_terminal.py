"""Answers fit a terminal of 60 columns, say the same there as in a pipe, and are JSON in every encoding."""

from __future__ import annotations

import io
import json
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import symflops
from symflops import progress
from symflops.cli import COMMANDS as NAMES
from symflops.cli import main
from symflops.cli.terminal import broken

BLOCK = Path(__file__).parent.parent / "examples" / "own_module.py"
COMMANDS = [
    ("total", "llama-2-7b-hf"),
    ("total", "llama-2-7b-hf", "-B", "1", "-S", "2048"),
    ("total", "mixtral-8x7b", "--symbolic", "--short"),
    ("total", "llama-2-7b-hf", "--by", "component"),
    ("show", "llama-2-7b-hf"),
    ("show", "llama-2-7b-hf", "-B", "1", "-S", "2048"),
    ("sweep", "gpt2", "-S", "1:8"),
    ("table", "llama-2-7b-hf", "--format", "text"),
    ("table", "llama-2-7b-hf", "gpt2", "-B", "1", "-S", "4", "--format", "text"),
    ("report", "gpt2"),
    ("fit", "llama-3.1-8b", "--hardware", "h100-sxm", "-B", "32", "-S", "8k"),
    ("solve", "llama-2-7b-hf", "weights + cache <= 80 GiB", "--for", "batch_size"),
    ("regimes", "llama-2-7b-hf", "--at", "10,20"),
    ("generation", "gpt2", "-p", "2", "-n", "2"),
    ("generation", "gpt2"),
    ("compare", "gpt2", "llama-2-7b-hf"),
    ("compare", "llama-2-7b-hf", "2*N*D"),
    ("roofline", "gpt2", "--hardware", "h100-sxm"),
    ("roofline", "mixtral-8x7b", "--hardware", "h100-sxm", "-B", "1", "-S", "1", "-P", "100"),
    ("memory", "llama-2-7b-hf"),
    ("memory", "llama-2-7b-hf", "--training", "-B", "1", "-S", "2k"),
    ("hardware",),
    ("hardware", "h100-sxm"),
    ("verify", "2*N*D", "--against", "gpt2", "--set", "past_len=0"),
    ("formulas",),
    ("formulas", "sdpa"),
    ("models",),
    ("cache",),
    ("atlas",),
    ("site", "-o", "/dev/null/folder"),
    *((name, "--help") for name in (*NAMES, "agent")),
    ("agent", "formula", "--help"),
    # Messages.
    ("total", "gpt3"),
    ("total", "gpt2", "-S", "a"),
    ("total", "gpt2", "--metrc", "flops"),
    ("solve", "gpt2", "flops ^ 2 == 1e15", "--for", "seq_len"),
    # What derives, or has PyTorch.
    pytest.param(("inspect", "gpt2"), marks=pytest.mark.torch),
    pytest.param(("inspect", f"{BLOCK}:Block"), marks=pytest.mark.torch),
    pytest.param(("agent", "formula", "torch.nn.Linear"), marks=pytest.mark.torch),
    pytest.param(
        ("derive", f"{BLOCK}:Block", "--input", "x: float[batch_size, seq_len, width]", "--set", "width=64", "--set",
         "heads=4", "--set", "groups=2", "-o", "m.json"), marks=pytest.mark.torch
    ),
]  # fmt: skip


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def _printed(stream: Any, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(SystemExit):
        main(arguments)
    return str(stream.getvalue())


def _both(kind: type[io.StringIO], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[str, str]:
    """What is said on stdout and on stderr."""
    errors = kind()
    monkeypatch.setattr(sys, "stderr", errors)
    return _printed(kind(), monkeypatch, *arguments), errors.getvalue()


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_an_answer_fits_and_says_the_same(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SYMFLOPS_LIBRARY", str(tmp_path))
    monkeypatch.setattr(progress, "_AFTER", 3600.0)  # seconds: the line that a busy machine shows is not looked at
    in_a_pipe = _both(io.StringIO, monkeypatch, *command)
    for columns in (60, 80):
        monkeypatch.setenv("COLUMNS", str(columns))
        _check(command, columns, in_a_pipe, _both(Terminal, monkeypatch, *command))


def _check(command: tuple[str, ...], columns: int, in_a_pipe: tuple[str, str], on_a_terminal: tuple[str, str]) -> None:
    (piped, told), (shown, said) = in_a_pipe, on_a_terminal
    assert max(map(len, shown.splitlines()), default=0) <= columns
    for line in said.splitlines():  # but a path or a name, which somebody may copy, is whole
        assert len(line) <= columns or len(line.split()) == 1
    if not shown and not piped:
        assert said
    if command[0] not in ("report", "derive"):  # a page is for no terminal; a derivation says how long it took
        assert said.split() == told.split()
    if command[0] == "report" or "--help" in command:  # laid out for the width in other ways
        return
    if max(map(len, piped.splitlines()), default=0) <= columns:
        assert shown == piped
    # Every character is there; where columns go below each other, the first is there again.
    missing = Counter("".join(piped.split())) - Counter("".join(shown.split()))
    assert not missing
    if "\n\n" not in shown:
        assert "".join(piped.split()) == "".join(shown.split()) or len(piped.splitlines()[0].split("  ")) > 1


def test_no_command_is_left_out() -> None:
    tried = {getattr(c, "values", [c])[0][0] for c in COMMANDS if "--help" not in getattr(c, "values", [c])[0]}
    assert tried == {*NAMES, "agent"}


@pytest.mark.parametrize("columns", [40, 60, 80])
@pytest.mark.parametrize("model", symflops.model_names())
def test_a_broken_formula_can_be_pasted_back(model: str, columns: int) -> None:
    total = symflops.load(model).total(symbolic=True)
    for metric in symflops.METRICS:
        text = total.text(metric)
        lines = broken(f"{metric} = {text}", columns)
        shown = "\n".join(lines).partition("=")[2]
        assert symflops.parse(shown) == symflops.parse(text)


def test_a_table_on_a_terminal_is_text_and_elsewhere_markdown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    command = ("table", "gpt2", "-B", "1", "-S", "4", "--metric", "flops,parameters")
    header, *rows = _printed(Terminal(), monkeypatch, *command).splitlines()
    assert header.split() == ["path", "count", "flops", "parameters"]
    assert rows[0].split() == ["transformer.wte", "1", "0", "FLOP", "38.60", "M"]  # 50,257 of width 768
    piped = _printed(io.StringIO(), monkeypatch, *command)
    assert piped.startswith("| path |")
    assert _printed(Terminal(), monkeypatch, *command, "--format", "markdown") == piped


def test_what_is_copied_is_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    for command in (("models", "gpt2"), ("total", "gpt2", "--format", "python"), ("total", "gpt2", "--format", "json")):
        piped = _printed(io.StringIO(), monkeypatch, *command)
        assert _printed(Terminal(), monkeypatch, *command) == piped
        assert max(map(len, piped.splitlines())) > 40


def test_lines_are_broken_where_nothing_is_torn() -> None:
    assert broken("fp8 1,978.9, int8 1,978.9", 12) == ["fp8 1,978.9,", "    int8", "    1,978.9"]
    assert broken("  flops = 2*seq_len*(batch_size + 132608)", 26) == [
        "  flops = 2*seq_len*(",
        "      batch_size + 132608)",
    ]
    assert broken("x" * 25, 10) == ["x" * 10, "    xxxxxx", "    xxxxxx", "    xxx"]
    assert broken("", 10) == [""]


def test_nothing_is_lost_when_lines_are_broken() -> None:
    chance = random.Random(7)
    for _ in range(2000):
        line = "".join(chance.choice("ab1 *(/,.-  ") for _ in range(chance.randint(0, 80)))
        width = chance.randint(8, 40)
        lines = broken(line, width)
        assert "".join("".join(lines).split()) == "".join(line.split())
        assert max(map(len, lines)) <= width


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_is_json_in_every_encoding(encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "é中😀×"
    layers = {name: {"formula": "linear", "args": {"N": "seq_len", "in_features": 2, "out_features": 3}}}
    path = tmp_path / "m.json"
    path.write_text(json.dumps({"name": name, "layers": layers}))
    for command in (("total", str(path)), ("show", str(path), "-S", "2")):
        raw = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding, write_through=True))
        with pytest.raises(SystemExit) as stopped:
            main([*command, "--format", "json"])
        assert not stopped.value.code
        data = json.loads(raw.getvalue().decode(encoding))
        assert data["model"] == name
        assert command[0] == "total" or data["layers"][0]["path"] == name


def test_text_in_plain_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    with pytest.raises(SystemExit):
        main(["show", "llama-2-7b-hf", "-B", "1", "-S", "1"])
    assert " x32 " in raw.getvalue().decode("ascii")
