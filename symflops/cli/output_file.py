"""The file behind -o: checked before the work, written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from symflops.errors import SymflopsError


def writable(output: str) -> Path:
    """The file behind -o; where nothing can be written, that is said before the work and not after it."""
    target = Path(output).resolve()  # a link stays a link
    if not output or target.is_dir() or not target.parent.is_dir():
        reason = "no file name" if not output else "a directory" if target.is_dir() else "no such directory"
        raise SymflopsError(f"-o {output!r}: {reason}")
    if not os.access(target if target.exists() else target.parent, os.W_OK):
        raise SymflopsError(f"-o {output!r}: cannot write there")
    return target


def write(target: Path, text: str) -> None:
    """All of the file or, if something goes wrong, nothing of it."""
    regular = target.is_file() or not target.exists()
    beside = target.with_name(f".{target.name}.{os.getpid()}") if regular else target
    try:
        beside.write_text(text, "utf-8")
        if regular:
            beside.replace(target)
    except OSError as error:
        if regular:
            beside.unlink(missing_ok=True)
        raise SymflopsError(f"cannot write: {error.strerror}", where=str(target)) from None
