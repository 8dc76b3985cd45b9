"""The types of tensors in GGUF files, and which tensors of a kind of file have which: `formats/gguf/*.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from symflops import files
from symflops.errors import SymflopsError, nearest
from symflops.formula import data_folder

PREFIX = "gguf-"  # of the names of kinds of files among the formats
_MAX_FILE = 100_000


@dataclass(frozen=True)
class GgufType:
    """A type: so many elements of a row are kept together in so many bytes. `instead` is the type that llama.cpp takes
    where the rows of a matrix are not whole blocks."""

    name: str
    number: int
    elements: int
    bytes: int
    instead: str = ""


@dataclass(frozen=True)
class Facts:
    """What of a model and a layer of it decides on types: its place among the layers, heads, experts."""

    layer: int
    layers: int
    grouped: int = 1  # heads that share a key
    experts: int = 0
    weighted: bool = False  # whether an importance matrix is used

    def holds(self, condition: str) -> bool:
        """Whether one condition of a rule does.

        >>> Facts(4, 32).holds("more_bits"), Facts(6, 32).holds("more_bits"), Facts(28, 32).holds("more_bits")
        (False, True, True)
        """
        i, n = self.layer, self.layers
        return {
            "": True,
            "first_eighth": i < n // 8,
            "first_sixteenth": i < n // 16,
            "first_2": i < 2,
            "first_4": i < 4,
            "middle": n // 8 <= i < 7 * n // 8,
            "more_bits": i < n // 8 or i >= 7 * n // 8 or (i - n // 8) % 3 == 2,
            "grouped": self.grouped >= 4,
            "80_layers": n == 80 and self.grouped > 1,
            "experts": self.experts >= 4,
            "experts_8": self.experts == 8,
            "few_experts": self.experts != 8,
            "weighted": self.weighted,
            "unweighted": not self.weighted,
        }[condition]


@dataclass(frozen=True)
class Mix:
    """A kind of file: the type of most matrices, and by role of a tensor rules of conditions and types."""

    name: str
    type: str
    rules: Mapping[str, tuple[tuple[str, str], ...]]

    def type_of(self, role: str, facts: Facts) -> str:
        """The type of a matrix in this role."""
        for conditions, kind in self.rules.get(role, ()):
            if all(map(facts.holds, conditions.split())):
                return kind
        return self.type


@cache
def types() -> Mapping[str, GgufType]:
    """The types by name.

    >>> types()["Q4_K"]
    GgufType(name='Q4_K', number=12, elements=256, bytes=144, instead='Q5_0')
    """
    found = _read("types")["types"]
    return {n: GgufType(n, t["id"], t["elements"], t["bytes"], t.get("instead", "")) for n, t in found.items()}


@cache
def by_number() -> Mapping[int, GgufType]:
    """The types by the numbers that they have in files."""
    return {one.number: one for one in types().values()}


@cache
def mixes() -> Mapping[str, Mix]:
    """The kinds of files, by their names in lower case."""
    found = {}
    for name, table in _read("mixes")["mixes"].items():
        rules = {role: tuple((when, kind) for when, kind in rows) for role, rows in table.items() if role != "type"}
        found[name.lower()] = Mix(name, table["type"], rules)
    return found


def mix_named(name: str) -> Mix:
    """A kind of file, of `gguf-q4_k_m` or `q4_k_m`. Raises SymflopsError for a name that is none."""
    wanted = name.lower().removeprefix(PREFIX)
    if wanted not in mixes():
        raise SymflopsError(f"no kind of GGUF file {name[:60]!r}{nearest(wanted, tuple(mixes()))}")
    return mixes()[wanted]


def _read(name: str) -> Mapping[str, Any]:
    return files.read_toml(data_folder("formats") / "gguf" / f"{name}.toml", _MAX_FILE, "a table of GGUF")
