"""Every console example of README.md prints what stands below it. `…` stands for any lines, or for the rest of one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from symflops.cli import main

README = Path(__file__).parent.parent / "README.md"
NOT_RUN = ("pip install", "node", "pdflatex", "agent", "--plot", "export")  # other programs, or a paid service


@dataclass(frozen=True)
class Example:
    command: str
    expected: tuple[str, ...]

    def __str__(self) -> str:
        return self.command[:60]


def examples() -> Iterator[Example]:
    """Each command of each console block, with the lines below it."""
    for block in re.findall(r"^```console\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL):
        for text in re.split(r"^\$ ", block.replace("\\\n", ""), flags=re.MULTILINE)[1:]:
            command, *lines = text.splitlines()
            yield Example(command, tuple(lines))


EXAMPLES = list(examples())
RUN = [e for e in EXAMPLES if e.command.startswith("symflops ") and not any(word in e.command for word in NOT_RUN)]

# From https://huggingface.co/Qwen/Qwen3-8B and Qwen3-32B, the fields that differ from transformers' defaults.
QWEN3_8B = {"hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36, "num_attention_heads": 32}
QWEN3_8B |= {"num_key_value_heads": 8, "max_position_embeddings": 40960, "max_window_layers": 36}
QWEN3_32B = QWEN3_8B | {"hidden_size": 5120, "intermediate_size": 25600, "num_hidden_layers": 64}
QWEN3_32B |= {"num_attention_heads": 64, "max_window_layers": 64}
CONFIGS = {"Qwen3-8B": QWEN3_8B, "Qwen3-32B": QWEN3_32B, "with-bias": QWEN3_8B | {"attention_bias": True}}


def matches(lines: list[str], expected: tuple[str, ...]) -> bool:
    """Whether the lines are those expected, of which `…` alone is any number, and at a line's end its rest."""
    pattern = ""
    for line in expected:
        if line.strip() == "…":
            pattern += r"(?:.*\n)*?"
        else:
            text = re.escape(line).replace("…", ".*")
            pattern += re.sub(r"[\d\\.]+(\\ (?:s|kB))$", r"[\\d.]+\1", text) + r"\n"  # seconds and sizes differ
    return re.fullmatch(pattern, "".join(f"{line.rstrip()}\n" for line in lines)) is not None


def test_the_matcher_sees_what_differs() -> None:
    assert matches(["a", "b", "c"], ("a", "…", "c"))
    assert matches(["wrote x: 3 layers, 7.2 s"], ("wrote x: 3 layers, 6.0 s",))
    assert not matches(["a", "b", "c"], ("a", "c"))
    assert not matches(["a 12"], ("a 13",))
    assert not matches(["wrote x: 4 layers, 7.2 s"], ("wrote x: 3 layers, 6.0 s",))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the examples run, one after the other: with the configs that they name."""
    import transformers

    path = tmp_path_factory.mktemp("readme")
    for name, fields in CONFIGS.items():
        config = transformers.Qwen3Config(**{"torch_dtype": "bfloat16", **fields})
        config.architectures = ["Qwen3ForCausalLM"]
        config.save_pretrained(path / name)
    return path


@pytest.mark.parametrize("example", RUN, ids=str)
def test_an_example_prints_what_is_below_it(
    example: Example, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "120")
    words = shlex.split(example.command, comments=True)[1:]
    target: str | None = None
    if ">" in words:
        target, words = words[words.index(">") + 1], words[: words.index(">")]
    with suppress(SystemExit):  # of verify, 1 says that formulas differ
        main(words)
    out, err = capfd.readouterr()
    if target:
        Path(target).write_text(out)
    elif example.expected:
        assert matches((out + err).splitlines(), example.expected), f"{out}{err}"
