"""`symflops site`: the calculator and a page for every architecture, as a folder for any file server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from symflops import __version__, files
from symflops.atlas.entries import folder, types
from symflops.cli import request, streams
from symflops.errors import SymflopsError


def site(
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="FOLDER", help="write it below this folder, which is made")
    ],
    home: Annotated[
        str, typer.Option("--home", metavar="ADDRESS", help="where the pages' link to the documentation leads")
    ] = "../",
) -> None:
    """A site without a server: a calculator that answers configs in the page, as `symflops total` does, and a page for
    every architecture of the atlas. Any file server serves the folder: python -m http.server -d FOLDER."""
    target = Path(output)
    if not output or files.is_file(target):
        raise SymflopsError(f"-o {output!r}: {'a file' if output else 'no name of a folder'}")
    if not types():
        raise SymflopsError(f"{folder()}: the atlas has no types")
    from symflops.site.build import build

    try:
        target.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise SymflopsError(f"-o {output!r}: cannot be made: {error}") from None
    with request.progress("writing the site"):
        count = build(target, f"symflops {__version__}", home)
    streams.tell(f"wrote {output}: {count} files; open calculator/ on a file server, such as python -m http.server")
