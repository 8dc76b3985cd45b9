"""Every console example of README.md and docs/ prints what stands below it, and every Python example runs.

`…` alone stands for any lines, and at the end of a line for its rest.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import checkpoint_files
import pytest

from symflops.cli import main

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NOT_RUN = ("pip install", "node", "pdflatex", "agent", "--plot", "export")  # other programs, or a paid service

# From the configs of Qwen/Qwen3-8B and Qwen/Qwen3-32B, the fields that differ from transformers' defaults.
QWEN3_8B = {"hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36, "num_attention_heads": 32}
QWEN3_8B |= {"num_key_value_heads": 8, "max_position_embeddings": 40960, "max_window_layers": 36}
QWEN3_32B = QWEN3_8B | {"hidden_size": 5120, "intermediate_size": 25600, "num_hidden_layers": 64}
QWEN3_32B |= {"num_attention_heads": 64, "max_window_layers": 64}
CONFIGS = {"Qwen3-8B": QWEN3_8B, "Qwen3-32B": QWEN3_32B, "with-bias": QWEN3_8B | {"attention_bias": True}}
# Of Qwen/Qwen3-8B-FP8, as its card has it.
FP8 = {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}
CONFIGS["Qwen3-8B-FP8"] = QWEN3_8B | {"quantization_config": FP8}


@dataclass(frozen=True)
class Example:
    language: str
    text: str
    expected: tuple[str, ...] = ()


def examples(page: Path) -> Iterator[Example]:
    """The examples of a page in their order: console commands, and blocks of Python."""
    for language, block in re.findall(r"^```(console|python)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
        if language == "python":
            yield Example(language, block)
            continue
        for text in re.split(r"^\$ ", block.replace("\\\n", ""), flags=re.MULTILINE)[1:]:
            command, *lines = text.splitlines()
            if command.startswith("symflops ") and not any(word in command for word in NOT_RUN):
                yield Example(language, command, tuple(lines))


def matches(lines: list[str], expected: tuple[str, ...]) -> bool:
    """Whether the lines are those expected; seconds and sizes of files may differ."""
    pattern = ""
    for line in expected:
        if line.strip() == "…":
            pattern += r"(?:.*\n)*?"
        else:
            text = re.escape(line).replace("…", ".*")
            pattern += re.sub(r"[\d\\.]+(\\ (?:s|kB))$", r"[\\d.]+\1", text) + r"\n"
    return re.fullmatch(pattern, "".join(f"{line.rstrip()}\n" for line in lines)) is not None


def test_the_matcher_sees_what_differs() -> None:
    assert matches(["a", "b", "c"], ("a", "…", "c"))
    assert matches(["wrote x: 3 layers, 7.2 s"], ("wrote x: 3 layers, 6.0 s",))
    assert not matches(["a", "b", "c"], ("a", "c"))
    assert not matches(["a 12"], ("a 13",))
    assert not matches(["wrote x: 4 layers, 7.2 s"], ("wrote x: 3 layers, 6.0 s",))


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configs that the examples name."""
    import transformers

    path = tmp_path_factory.mktemp("configs")
    for name, fields in CONFIGS.items():
        config = transformers.Qwen3Config(**{"torch_dtype": "bfloat16", **fields})
        config.architectures = ["Qwen3ForCausalLM"]
        config.save_pretrained(path / name)
    tensors = checkpoint_files.llama(36, 4096, 12288, 151936, 1024)
    for i in range(36):
        tensors |= {f"model.layers.{i}.self_attn.{name}_norm.weight": ("BF16", (128,)) for name in "qk"}
    checkpoint_files.safetensors(path / "Qwen3-8B" / "model.safetensors", tensors)
    return path


@pytest.mark.torch
@pytest.mark.parametrize("page", [p for p in PAGES if list(examples(p))], ids=lambda p: str(p.relative_to(ROOT)))
def test_the_examples_of_a_page_print_what_stands_below_them(
    page: Path, tmp_path: Path, configs: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in CONFIGS:
        (tmp_path / name).symlink_to(configs / name)
    (tmp_path / "own_module.py").symlink_to(ROOT / "examples" / "own_module.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    if page.stem == "atlas":  # which is about what comes with the package, and not about what is derived
        monkeypatch.delenv("SYMFLOPS_ATLAS", raising=False)
    names: dict[str, object] = {}
    for example in examples(page):
        if example.language == "python":
            exec(example.text, names)  # our own documentation
            continue
        words = shlex.split(example.text, comments=True)[1:]
        words, target = (words[: words.index(">")], words[-1]) if ">" in words else (words, "")
        with suppress(SystemExit):  # of verify, 1 says that formulas differ
            main(words)
        out, err = capfd.readouterr()
        if target:
            assert out, example.text
            Path(target).write_text(out)
        elif example.expected:
            assert matches((out + err).splitlines(), example.expected), f"{example.text}\n{out}{err}"
        else:
            assert "error:" not in err, f"{example.text}\n{err}"
