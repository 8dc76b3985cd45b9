"""Pages of the site that are made from what the project says elsewhere, so that no two texts can disagree.

MkDocs calls `on_files` at every build: the commands' `--help`, the public names of the package with their docstrings,
and the Markdown files at the root of the repository become pages. After it, `on_post_build` writes the calculator and
the pages of architectures beside them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PAGES = {"DESIGN.md": "explanation/design.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
FILE_SECTIONS = ("The language", "The data")  # of DESIGN.md

sys.path.insert(0, str(ROOT))


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages to MkDocs' own."""
    from mkdocs.structure.files import File

    pages = {target: (ROOT / source).read_text() for source, target in PAGES.items()}
    pages["reference/commands.md"] = commands()
    pages["reference/python.md"] = python_names()
    pages["reference/files.md"] = file_formats(pages["explanation/design.md"])
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_post_build(config: Any) -> None:
    """Write the calculator and the pages of architectures into the site."""
    from symflops import __version__
    from symflops.site.build import build

    build(Path(config["site_dir"]), f"symflops {__version__}")


def commands() -> str:
    """What `--help` says of each command, as the terminal shows it."""
    return "# Commands\n\n" + "\n".join(f"## {name}\n\n```text\n{help_of(name)}```\n" for name in command_names())


def command_names() -> Iterator[str]:
    import typer.main

    from symflops.cli import application

    group = typer.main.get_command(application())
    for name, command in group.commands.items():  # type: ignore[attr-defined] # a group has commands
        yield from (
            (f"{name} {inner}" for inner in getattr(command, "commands", {}))
            if hasattr(command, "commands")
            else [name]
        )


def help_of(command: str) -> str:
    from symflops.cli import main

    out = StringIO()
    with redirect_stdout(out), suppress(SystemExit):
        main([*command.split(), "--help"])
    return out.getvalue().strip() + "\n"


def python_names() -> str:
    """Every public name with its docstring, in the order of `symflops.__all__`."""
    import symflops

    sections = (f"::: symflops.{symflops._HOMES[name]}.{name}\n" for name in symflops.__all__)
    return "# Python\n\nAll of these are names of the package `symflops`.\n\n" + "\n".join(sections)


def file_formats(design: str) -> str:
    """The sections of DESIGN.md that say what files and formulas look like."""
    found = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n)*)", design + "\n", re.MULTILINE))
    return "# Files\n\n" + "\n".join(f"## {title}\n{found[title]}" for title in FILE_SECTIONS)
