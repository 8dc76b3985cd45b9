"""The user's library: folders of formulas, calculators and diagnostics, each file written whole or not at all.

`formulas/NAME.toml` is what the loader reads, `diagnostics/NAME.json` how it came about, `calculators/NAME.py` code.
One writer at a time holds the lock; a file is written beside its place and moved there, so that a reader, or somebody
who looks after the process was killed, finds the old content or the new one. Nothing is written outside of the folder:
names are made of a few letters, and no link is followed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w
from filelock import FileLock, Timeout

from symflops import files
from symflops.errors import SymflopsError
from symflops.formula import Formula, formula_of, own_library, read_formula, shipped_names

_NAME = re.compile(r"[a-z][a-z0-9_]{0,79}\Z")
_KINDS = {"formulas": "toml", "diagnostics": "json", "calculators": "py"}
_LOCK_SECONDS = 60
_MAX_DIAGNOSTICS = 256 * 2**20


@dataclass(frozen=True)
class Library:
    """A folder, by default the user's own."""

    folder: Path

    @staticmethod
    def at(folder: str | None) -> Library:
        """The library of that folder, or the one that SYMFLOPS_LIBRARY names or the platform has."""
        return Library(Path(folder) if folder else own_library())

    def find(self, class_name: str) -> Formula | None:
        """The formula that this library has for a class, by its full name."""
        return next((f for f in self.formulas() if class_name in f.classes), None)

    def formulas(self) -> list[Formula]:
        return [read_formula(path) for path in sorted((self.folder / "formulas").glob("*.toml"))]

    def path(self, kind: str, name: str) -> Path:
        """Where a file has its place; raises SymflopsError for a name that is none."""
        if not _NAME.match(name):
            raise SymflopsError(f"{name[:100]!r} cannot name a file of the library")
        return self.folder / kind / f"{name}.{_KINDS[kind]}"

    # ------------------------------------------------------------------------------------------------- writing

    def store(self, class_name: str, data: Mapping[str, Any]) -> Formula:
        """Put a formula's data in its file, for a class, and give the formula back.

        A formula of the class that is there already is replaced, but never a verified one by an unproven one. Raises
        SymflopsError for data that is no formula and where the library cannot be written.
        """
        with self.locked():
            before = self.find(class_name)
            if before is not None and data.get("unproven") and not before.unproven:
                raise SymflopsError(
                    f"the library has a verified formula of {class_name}, which an unproven one does not replace"
                )
            name = before.name if before is not None else self._free_name(class_name)
            formula = formula_of(name, data)
            self._write(self.path("formulas", name), tomli_w.dumps(dict(data), multiline_strings=False))
        return formula

    def note(self, name: str, run: Mapping[str, Any]) -> Path:
        """Add a run to the diagnostics of that name; those of earlier runs stay."""
        path = self.path("diagnostics", name)
        with self.locked():
            try:
                text = files.read_text(path, _MAX_DIAGNOSTICS, "diagnostics")
                runs = [*files.json_of(text)["runs"]]
            except files.NoFileError:
                runs = []
            except (SymflopsError, KeyError, TypeError):
                raise SymflopsError("not a diagnostics file; move it away", where=str(path)) from None
            self._write(path, json.dumps({"runs": [*runs, run]}, indent=1, ensure_ascii=False) + "\n")
        return path

    def calculator(self, name: str, code: str) -> Path:
        """Put a calculator module in its file."""
        path = self.path("calculators", name)
        with self.locked():
            self._write(path, code)
        return path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """The only writer of the library, as long as this lasts; a process that dies gives the lock back."""
        try:
            for kind in _KINDS:
                part = self.folder / kind
                part.mkdir(parents=True, exist_ok=True)
                if part.is_symlink():
                    raise SymflopsError("a link, which is not followed", where=str(part))
            with FileLock(self.folder / ".lock", timeout=_LOCK_SECONDS):
                yield
        except Timeout:
            raise SymflopsError(f"locked by another process for {_LOCK_SECONDS} s", where=str(self.folder)) from None
        except OSError as error:
            raise SymflopsError(f"cannot write: {error.strerror or error}", where=str(self.folder)) from None

    def _write(self, path: Path, text: str) -> None:
        """All of a file or nothing of it. What lies there from a writer that was killed is removed: who has the lock
        is the only one that writes."""
        for left in path.parent.glob(".*.part"):
            left.unlink()
        # Half a UTF-16 pair, which JSON can say and UTF-8 cannot, is written as JSON says it.
        files.write(path, text.encode("utf-8", "backslashreplace"), follow=False)

    def _free_name(self, class_name: str) -> str:
        taken = {*shipped_names(), *(path.stem for path in (self.folder / "formulas").glob("*.toml"))}
        name = short = file_name(class_name)
        count = 2
        while name in taken:
            name, count = f"{short}_{count}", count + 1
        return name


def file_name(class_name: str) -> str:
    """The name of a class as that of a file: a few small letters, digits and underscores, whatever the class is called.

    >>> file_name("torch.nn.modules.normalization.GroupNorm"), file_name("../../etc/Pass wd")
    ('group_norm', 'pass_wd')
    """
    short = re.split(r"[./\\]", class_name)[-1]
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", short)
    name = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")[:60].rstrip("_")
    return name if _NAME.match(name) else f"class_{name}".rstrip("_")
