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

from symflops.cli import main
from symflops.cli.terminal import broken

COMMANDS = [
    ("total", "llama-2-7b-hf"),
    ("total", "llama-2-7b-hf", "-B", "1", "-S", "2048"),
    ("total", "mixtral-8x7b", "--symbolic", "--short"),
    ("show", "llama-2-7b-hf"),
    ("show", "llama-2-7b-hf", "-B", "1", "-S", "2048"),
    ("sweep", "gpt2", "-S", "1:8"),
    ("solve", "llama-2-7b-hf", "weights + cache <= 80 GiB", "--for", "batch_size"),
    ("regimes", "llama-2-7b-hf", "--at", "10,20"),
    ("generation", "gpt2", "-p", "2", "-n", "2"),
    ("generation", "gpt2"),
    ("compare", "gpt2", "llama-2-7b-hf"),
    ("roofline", "gpt2", "--hardware", "h100-sxm"),
    ("hardware",),
    ("hardware", "h100-sxm"),
    ("verify", "2*N*D", "--against", "gpt2", "--set", "past_len=0"),
    ("formulas",),
    ("formulas", "sdpa"),
    ("models",),
]


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def _printed(stream: Any, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(SystemExit):
        main(arguments)
    return str(stream.getvalue())


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("columns", [60, 100])
def test_an_answer_fits_and_says_the_same(
    command: tuple[str, ...], columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    piped = _printed(io.StringIO(), monkeypatch, *command)
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = _printed(Terminal(), monkeypatch, *command)
    assert max(map(len, shown.splitlines())) <= columns
    if max(map(len, piped.splitlines())) <= columns:
        assert shown == piped
    # Every character is there; where columns go below each other, the first is there again.
    missing = Counter("".join(piped.split())) - Counter("".join(shown.split()))
    assert not missing
    if "\n\n" not in shown:
        assert "".join(piped.split()) == "".join(shown.split()) or len(piped.splitlines()[0].split("  ")) > 1


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
