"""Number format: how many bytes a matrix of weights takes, with scales and zero points, read from `formats/*.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from symflops import algebra, files
from symflops.calling import checked
from symflops.errors import SymflopsError, nearest, one_line
from symflops.formula import data_folder, in_order
from symflops.polynomial import Value
from symflops.tree import NAME, names, read

SIZES = {"rows": "outputs of the matrix", "columns": "inputs of the matrix"}
KINDS = ("linear", "experts")  # the layers whose matrices are kept in a format: linear ones, experts of a mixture
_KEYS = ("about", "source", "bytes", "skips", "args", "defaults", "cases")
_MAX_FILE = 100_000


@dataclass(frozen=True, eq=False, repr=False)
class NumberFormat:
    """How one matrix of weights is kept: `text` is the formula of its bytes in `rows`, `columns` and the arguments.

    `args` maps each argument to its meaning, `defaults` each to the text of an expression. `skips` are the modules that
    are usually left out, which keep `weight_bytes`.

    >>> load_format("fp8-block128").bytes(rows=7168, columns=576)
    4129888
    """

    name: str
    about: str
    source: str
    text: str
    skips: tuple[str, ...] = ("lm_head",)
    args: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    cases: tuple[Mapping[str, object], ...] = ()

    def __repr__(self) -> str:
        return one_line(f"NumberFormat({self.name}: {self.about})")

    @checked
    def bytes(self, *, rows: Value, columns: Value, args: Mapping[str, Value] | None = None) -> Value:
        """The bytes of a matrix of so many rows (outputs) and columns (inputs), as a canonical value.

        Raises SymflopsError for an argument that the format does not have.
        """
        given: dict[str, Value] = dict(args or {})
        for name in given:
            if name not in self.args:
                raise SymflopsError(
                    f"format {self.name} has no argument {name[:60]!r}{nearest(name, tuple(self.args))}"
                )
        needs = {name: names(read(text)) & self.args.keys() for name, text in self.defaults.items()}
        for name in in_order(tuple(self.defaults), needs, "defaults"):
            if name not in given:
                given[name] = algebra.substitute(algebra.from_text(self.defaults[name]), given)
        return algebra.substitute(algebra.substitute(self._canonical, given), {"rows": rows, "columns": columns})

    @cached_property
    def _canonical(self) -> Value:
        return algebra.from_text(self.text)


@cache
def format_names() -> tuple[str, ...]:
    """The names of the formats that come with symflops."""
    return tuple(sorted(path.stem for path in data_folder("formats").glob("*.toml")))


@cache
def load_format(name: str) -> NumberFormat:
    """A format by its name.

    Raises SymflopsError for a name that is none.
    """
    if name not in format_names():
        raise SymflopsError(f"no format {name[:60]!r}{nearest(name, format_names())}")
    return read_format(data_folder("formats") / f"{name}.toml")


def read_format(path: Path) -> NumberFormat:
    """A format from its file. Raises SymflopsError naming the file and what is wrong with it."""
    try:
        return _format(path.stem, files.read_toml(path, _MAX_FILE, "a format"))
    except SymflopsError as error:
        raise error.within(str(path)) from None


def _format(name: str, data: Mapping[str, Any]) -> NumberFormat:
    for key in data:
        if key not in _KEYS:
            raise SymflopsError(f"unknown key {key[:60]!r}{nearest(key, _KEYS)}")
    for key in ("about", "source", "bytes"):
        if not isinstance(data.get(key), str):
            raise SymflopsError(f"{key}: expected a text")
    args, defaults = (files.table_of_texts(data, key) for key in ("args", "defaults"))
    if args.keys() != defaults.keys():
        raise SymflopsError("args and defaults: each argument has a meaning and a default")
    for argument in args:
        if not NAME.match(argument) or argument in SIZES:
            raise SymflopsError(f"args: {argument[:60]!r} cannot name an argument")
    for unknown in names(read(data["bytes"])) - args.keys() - SIZES.keys():
        raise SymflopsError(f"bytes: unknown name {unknown[:60]!r}{nearest(unknown, (*args, *SIZES))}")
    skips = data.get("skips", ["lm_head"])
    if not isinstance(skips, list) or not all(isinstance(text, str) for text in skips):
        raise SymflopsError("skips: expected a list of texts")
    return NumberFormat(
        name, data["about"], data["source"], data["bytes"], tuple(skips), args, defaults, tuple(data.get("cases", ()))
    )
