"""What every command has: help in the user's words, examples that run, -q, -o, lists of metrics, completion."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from symflops.cli import main
from symflops.cli.examples import EXAMPLES

LLAMA = "llama-2-7b-hf"
ALL = [name for name in EXAMPLES if name not in ("", "agent")]
TINY = {
    "model_type": "llama", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 100,
}  # fmt: skip


# ----------------------------------------------------------------------------------------------------------------- help


def test_the_commands_are_those_that_have_examples() -> None:
    from symflops.cli import COMMANDS

    assert {*ALL} == {*COMMANDS, "agent formula", "agent model"}


@pytest.mark.parametrize("columns", [60, 100])
@pytest.mark.parametrize("name", EXAMPLES)
def test_help_has_no_types_and_fits(name: str, columns: int, say: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = say(*name.split(), "-h")
    assert text == say(*name.split(), "--help")
    assert not re.search(r"<\w+|list\[|\bVALUE\b(?<!=VALUE)|\{|[^]]\.\.\.$", text, re.M)
    assert "\nExamples:\n" in text
    assert max(map(len, text.splitlines())) <= columns


def test_what_must_be_given_is_said(say: Any) -> None:
    assert re.search(r"--for SYMBOL +the symbol to solve for\s+\(required\)", say("solve", "-h"))
    assert re.search(r"--tolerance exact\|leading.*\(default:\s+exact\)", say("verify", "-h"), re.S)


def test_the_main_page_has_whole_sentences_and_no_command_as_well(say: Any) -> None:
    assert say() == say("-h")
    assert "numbers once every symbol has a value\n" in say("-h")


def _runs(name: str) -> list[str]:
    return [example for example in EXAMPLES[name] if not example.startswith("symflops agent")]


def _marks(name: str) -> list[pytest.MarkDecorator]:
    derives = re.compile(r" derive | inspect |config\.json")
    return [pytest.mark.torch] if any(map(derives.search, _runs(name))) else []


@pytest.mark.parametrize("name", [pytest.param(n, marks=_marks(n)) for n in EXAMPLES if _runs(n)])
def test_examples_run(name: str, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if name in ("atlas", "site"):
        monkeypatch.delenv("SYMFLOPS_ATLAS")  # which tests have none of otherwise
    (tmp_path / "Qwen3-8B").mkdir()
    (tmp_path / "Qwen3-8B" / "config.json").write_text(json.dumps(TINY))
    for example in _runs(name):
        status, out, err = run(*shlex.split(example)[1:])
        assert status in (0, 1), err
        file = re.search(r"-o (\S+)", example)
        assert (tmp_path / file[1]).stat().st_size if file else out


# ------------------------------------------------------------------------------------------------------------ -o and -q


@pytest.mark.parametrize(
    ("command", "ending", "formats"),
    [
        ("total", ".json", "json"), ("total", ".TEX", "latex"), ("total", ".py", "python"), ("total", ".c", "c"),
        ("total", ".js", "javascript"), ("total", ".txt", "text"), ("total", "", "text"), ("show", ".json", "json"),
        ("sweep", ".csv", "csv"), ("sweep", ".json", "json"), ("sweep", ".txt", "table"), ("table", ".md", "markdown"),
        ("table", ".tex", "latex"), ("table", ".csv", "csv"), ("regimes", ".tex", "latex"),
    ],
)  # fmt: skip
def test_a_file_s_ending_says_its_format(
    command: str, ending: str, formats: str, say: Any, run: Any, tmp_path: Path
) -> None:
    file = tmp_path / f"out{ending}"
    status, out, err = run(command, LLAMA, "-o", str(file))
    assert (status, out, err) == (0, "", f"wrote {file}\n")
    assert file.read_text() == say(command, LLAMA, "--format", formats)


def test_a_given_format_goes_first(say: Any, run: Any, tmp_path: Path) -> None:
    file = tmp_path / "f.py"
    assert run("total", LLAMA, "--format", "numpy", "-o", str(file))[0] == 0
    assert file.read_text() == say("total", LLAMA, "--format", "numpy")


def test_a_picture_by_its_ending(run: Any, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / "sweep.svg"
    assert run("sweep", LLAMA, "-S", "128:512:*2", "-o", str(file)) == (0, "", f"wrote {file}\n")
    assert file.read_text().startswith("<?xml")


def test_a_verdict_in_a_file_keeps_its_status(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "verdict.json"
    assert run("verify", "2*seq_len", "--against", "3*seq_len", "-o", str(file), "-q") == (1, "", "")
    assert json.loads(file.read_text())["status"] == "different"


def test_nothing_is_written_for_a_mistake(refuse: Any, tmp_path: Path) -> None:
    file = tmp_path / "out.txt"
    assert "no such model" in refuse("total", "nothing-of-the-kind", "-o", str(file))
    assert refuse("solve", LLAMA, "flops == 1", "--for", "seq_len", "-o", str(tmp_path / "x.csv")) == (
        f"-o '{tmp_path}/x.csv': csv is none of the formats: text, json, latex"
    )
    assert "no such directory" in refuse("hardware", "-o", str(tmp_path / "none" / "x.json"))
    assert not list(tmp_path.iterdir())


def test_quiet(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "m.json"
    layers = {"a": {"formula": "linear", "args": {"N": "seq_len", "in_features": 2, "out_features": 3}}}
    file.write_text(json.dumps({"name": "m", "notes": ["something is left out"], "layers": layers}))
    loud = run("total", str(file))
    assert loud[2] == "note: m: something is left out\n"
    for quiet in (("total", str(file), "-q"), ("-q", "total", str(file)), ("total", "--quiet", str(file))):
        assert run(*quiet) == (0, loud[1], "")
    assert run("total", str(file))[2] == loud[2]  # and no longer


# ------------------------------------------------------------------------------------------------------- one or several


@pytest.mark.parametrize("command", ["total", "show", "sweep", "table", "generation"])
def test_metrics_by_commas_or_repeated_in_either_case(command: str, say: Any) -> None:
    point = {"show": ("-B", "1", "-S", "2"), "table": ("-B", "1", "-S", "2")}.get(command, ())
    one = say(command, LLAMA, *point, "--metric", "flops", "--metric", "parameters")
    assert one == say(command, LLAMA, *point, "--metric", "flops,parameters")
    assert one == say(command, LLAMA, *point, "--metric", "FLOPs, Parameters,flops")


def test_an_answer_for_each_metric(say: Any) -> None:
    for command in (("regimes", LLAMA), ("compare", LLAMA, "llama-3.1-8b")):
        each = [say(*command, "--metric", metric) for metric in ("matmul_flops", "parameters")]
        assert say(*command, "--metric", "matmul_flops,parameters") == "\n".join(each)
        data = json.loads(say(*command, "--metric", "matmul_flops,parameters", "--format", "JSON"))
        assert [one["metric"] for one in data] == ["matmul_flops", "parameters"]


def test_an_empty_metric(refuse: Any) -> None:
    assert refuse("total", LLAMA, "--metric", "flops,") == "--metric 'flops,': a name is empty"


def test_commands_in_capitals(say: Any) -> None:
    assert say("Total", LLAMA, "--format", "JSON") == say("total", LLAMA, "--format", "json")


# ----------------------------------------------------------------------------------------------------------- the shell


def _process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "symflops", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


def test_as_a_module() -> None:
    done = _process("--version")
    assert (done.returncode, done.stdout.split()[0], done.stderr) == (0, "symflops", "")


@pytest.mark.parametrize(
    ("typed", "offered", "not_offered"),
    [
        ("symflops to", ["total"], ["table"]),
        ("symflops total mix", ["mixtral-8x7b"], ["gpt2"]),
        ("symflops roofline gpt2 --hardware h2", ["h200-sxm"], ["h100-sxm"]),
        ("symflops total gpt2 --format j", ["json", "javascript"], ["text"]),
        ("symflops formulas sd", ["sdpa"], ["linear"]),
        ("symflops total gpt2 --metric flops,para", ["flops,parameters"], ["parameters"]),
    ],
)
def test_completion(typed: str, offered: list[str], not_offered: list[str]) -> None:
    words = len(typed.split()) - 1
    done = _process(_SYMFLOPS_COMPLETE="complete_bash", COMP_WORDS=typed, COMP_CWORD=str(words))
    found = done.stdout.split()
    assert {*offered} <= {*found}
    assert not {*not_offered} & {*found}


def test_a_script_for_the_shell() -> None:
    done = _process(_SYMFLOPS_COMPLETE="source_zsh")
    assert "compdef _symflops_completion symflops" in done.stdout


def test_a_page_is_not_for_a_terminal(refuse: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdout", Terminal())
    with pytest.raises(SystemExit) as stopped:
        main(["report", LLAMA])
    assert stopped.value.code == 3
    assert sys.stdout.getvalue() == ""
