"""The file behind -o: checked before the work, written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from symflops import files
from symflops.errors import SymflopsError


def writable(output: str) -> Path:
    """The file behind -o; where nothing can be written, that is said before the work and not after it."""
    try:
        target = Path(output).resolve()  # a link stays a link
        reason = "no file name" if not output else "a directory" if target.is_dir() else ""
        if not reason and not target.parent.is_dir():
            reason = "no such directory"
        if not reason and not os.access(target if target.exists() else target.parent, os.W_OK):
            reason = "cannot write there"
    except OSError as error:
        reason = f"cannot write there: {error.strerror}"
    except (ValueError, RuntimeError) as error:  # a null byte in the name, links in a circle
        reason = f"cannot write there: {error}"
    if reason:
        raise SymflopsError(f"-o {output!r}: {reason}")
    return target


def write(target: Path, text: str) -> None:
    """All of the file or, if something goes wrong, nothing of it."""
    files.write(target, text.encode("utf-8", "backslashreplace"))
