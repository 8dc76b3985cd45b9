"""`symflops cache`: where derived models are kept."""

from __future__ import annotations

from typing import Annotated

import typer

from symflops import derived_cache
from symflops.cli import answers
from symflops.cli.listing import Format, Output


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="remove what is kept")] = False,
    output: Output = Format.text,
) -> None:
    """Where derived models are kept, and how many there are.

    A config, a model type or a class is derived once. What was derived is found again by the content of the config or
    of the source file, the options, and the versions of symflops, PyTorch and transformers. The environment variable
    SYMFLOPS_CACHE names another folder.
    """
    found = derived_cache.clear() if clear else derived_cache.contents()
    if output is Format.json:
        print(
            answers.dump({"folder": str(found.folder), "models": found.models, "bytes": found.size, "cleared": clear})
        )
        return
    models = f"{found.models} derived model{'s' * (found.models != 1)}, {found.size:,} bytes"
    print(f"{'removed from' if clear else ''} {found.folder}: {models}".lstrip())
