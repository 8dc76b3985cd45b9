"""What is mistyped in the first hour: each mistake is one line that says what to write, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from symflops import source
from symflops.cli import main

LLAMA = "llama-2-7b-hf"
Refuse = Callable[..., str]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("total lama-2-7b", "lama-2-7b: no such model or file; did you mean 'llama-2-7b-hf'?"),
        ("total ./nothing/config.json", "./nothing/config.json: no such file"),
        ("models mixtral", "no such model 'mixtral'; did you mean 'mixtral-8x7b'?"),
        (f"total {LLAMA} --metric flop", "unknown metric 'flop'; did you mean 'flops'?"),
        (f"total {LLAMA} --metric bytes", "unknown metric 'bytes'; did you mean 'read_bytes'?"),
        (f"total {LLAMA} -b 1", "No such option: -b; did you mean -B?"),
        (f"total {LLAMA} -Q", "No such option: -Q; did you mean -q?"),
        (f"total {LLAMA} -z", "No such option: -z"),
        (
            f"roofline {LLAMA} --hardware h100",
            "'h100' is 4 machines; name one: h100-sxm, h100-pcie, h100-nvl, dgx-h100",
        ),
        (f"total {LLAMA} -S 2,048", "seq_len: '2,048': a comma separates numbers; if it is one, write 2048"),
        ("hepl total", "no such command 'hepl'; did you mean 'help'?"),
    ],
)
def test_a_mistake_is_answered_with_what_to_write(command: str, said: str, refuse: Refuse) -> None:
    assert refuse(*command.split()) == said


@pytest.mark.parametrize(
    ("command", "ending", "valid"),
    [
        (f"total {LLAMA}", ".pdf", ".txt, .json, .tex, .py, .c, .js"),
        (f"total {LLAMA}", ".HTML", ".txt, .json, .tex, .py, .c, .js"),
        (f"table {LLAMA}", ".xlsx", ".txt, .json, .tex, .csv"),
        ("hardware", ".toml", ".txt, .json"),
    ],
)
def test_a_text_is_not_written_under_a_name_that_says_something_else(
    command: str, ending: str, valid: str, refuse: Refuse, tmp_path: Path
) -> None:
    path = tmp_path / f"answer{ending}"
    said = refuse(*command.split(), "-o", str(path))
    assert said == f"-o {str(path)!r}: nothing here is written as {ending.lower()}; the endings that say how: {valid}"
    assert not path.exists()
    with pytest.raises(SystemExit) as stopped:  # but what is said outright is done
        main([*command.split(), "--format", "json", "-o", str(path)])
    assert not stopped.value.code
    assert path.read_text().startswith(("{", "["))


def test_without_transformers_its_types_are_explained(refuse: Refuse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "_known_types", frozenset)
    hint = "; a model type of transformers needs pip install 'symflops[hf]'"
    near = "; did you mean 'llama-2-7b-hf' or 'llama-3.1-8b'?"
    assert refuse("total", "llama") == f"llama: no such model or file{near}{hint}"
    assert refuse("total", "qwen2_moe").endswith(hint)
    assert not refuse("total", "my.json").endswith(hint)


@pytest.mark.parametrize("command", ["help", "help total", "help agent formula"])
def test_help_is_a_word_as_well(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(command.split())
    assert not stopped.value.code
    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage: symflops {command[5:]}".rstrip())
    assert "Examples:" in shown
