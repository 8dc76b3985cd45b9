"""Whether a change of the code changes what the code says: `python benchmarks/compare_models.py FOLDER`.

The first run writes into FOLDER what is derived of a sample of model types, and every export of every shipped model;
later runs compare with it byte for byte, say which files differ and keep the new text beside the old one as `NAME.new`.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from small_configs import small_config

from symflops import derive, model_names
from symflops.cli import main as command
from symflops.cli.total import Format
from symflops.errors import SymflopsError

# Quick to derive, and different: attention with and without a cache, in windows and written out, experts, states.
TYPES = [
    "bert",
    "bloom",
    "cohere2",
    "ctrl",
    "deepseek_v2",
    "falcon",
    "gemma2",
    "gpt2",
    "gpt_oss",
    "lfm2",
    "llama",
    "mamba",
    "mamba2",
    "mixtral",
    "mpt",
    "musicgen",
    "openai-gpt",
    "opt",
    "phi3",
    "qwen2_moe",
    "recurrent_gemma",
    "reformer",
    "stablelm",
    "trocr",
    "xlnet",
]
POINT = ("-B", "3", "-S", "77", "-P", "0")


def derived(types: list[str]) -> Iterator[tuple[str, str]]:
    for name in types:
        for variant in (0, 1):
            try:
                text = derive(small_config(name, variant)).dumps()
            except SymflopsError as error:
                text = f"refused: {error}\n"
            yield f"{name}-{variant}.json", text


def exported() -> Iterator[tuple[str, str]]:
    for name in model_names():
        for form in Format:
            for more in ((), ("--symbolic",), ("--short",), POINT):
                label = "".join(word.strip("-") for word in more)
                yield f"{name}-{form}{label}.txt", said("total", name, "--format", form, *more)
        yield f"{name}.html", said("report", name)
        for more in ((), POINT):
            label = "".join(word.strip("-") for word in more)
            for form in ("markdown", "latex", "csv", "json"):
                yield f"{name}-table-{form}{label}.txt", said("table", name, "--format", form, *more)
            yield f"{name}-show{label}.txt", said("show", name, *more)
        yield f"{name}-sweep.txt", said("sweep", name, "-S", "16,32", "--format", "csv")
        yield f"{name}-roofline.txt", said("roofline", name, "--hardware", "h100-sxm", "-B", "2", "-S", "64")


def said(*arguments: str) -> str:
    """What a command prints."""
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        try:
            command(arguments)
        except SystemExit as end:
            print(f"exit {end.code}")
    return out.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--types", nargs="*", default=TYPES, help="derive these alone")
    parser.add_argument("--exports-only", action="store_true", help="derive nothing")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    count, different = 0, []
    for texts in (exported(), derived([] if given.exports_only else list(given.types))):
        for name, text in texts:
            path = given.folder / name
            count += 1
            if not path.exists():
                path.write_text(text)
            elif path.read_text() != text:
                path.with_name(f"{name}.new").write_text(text)
                different.append(name)
    print(f"{count} texts, {len(different)} different{''.join(f'{chr(10)}{name}' for name in different)}")
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
