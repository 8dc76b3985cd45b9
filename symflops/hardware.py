"""Hardware: what a machine can do at most, read from `hardware.toml` or a user's own file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from symflops import files
from symflops.errors import SymflopsError, expect, nearest, one_line
from symflops.formula import data_folder
from symflops.polynomial import Number

# Data types by the bytes of an element, the usual one first. A machine without one computes in the next wider one.
DTYPES: Mapping[str, Fraction] = {
    "fp4": Fraction(1, 2), "fp6": Fraction(3, 4), "fp8": Fraction(1), "int8": Fraction(1), "bf16": Fraction(2),
    "fp16": Fraction(2), "tf32": Fraction(4), "fp32": Fraction(4),
}  # fmt: skip
_NUMBERS = ("memory_gb", "bandwidth_gb_s", "link_gb_s")
_REQUIRED = ("about", "peak_tflops", "memory_gb", "bandwidth_gb_s", "source")
_KEYS = (*_REQUIRED, "vector_tflops", "link_gb_s", "tdp_w", "devices", "sources")
_MAX_FILE = 1_000_000
_SHORTEST = 3  # letters of a part of a name


@dataclass(frozen=True, repr=False)
class Hardware:
    """A machine of one or more equal devices. Numbers are those of one device, in SI units: FLOP/s, bytes, bytes/s.

    `peak` is the dense matrix peak by data type, `vector` the peak of the ordinary units (empty where nobody states
    it), `link` the bandwidth to other devices, both directions together (None where there is none), `tdp` the watts
    that it draws at most (None where nobody states it). `source` says where the numbers are from, `sources` has others
    by key.

    >>> h100 = load_hardware("h100-sxm")
    >>> float(h100.peak["bf16"]), float(h100.bandwidth), h100.source_of("memory_gb")[:26]
    (989400000000000.0, 3350000000000.0, 'NVIDIA H100 Tensor Core GP')
    """

    name: str
    about: str
    peak: Mapping[str, Fraction]
    vector: Mapping[str, Fraction]
    memory: Fraction
    bandwidth: Fraction
    link: Fraction | None
    devices: int
    source: str
    sources: Mapping[str, str]
    tdp: Fraction | None = None

    def __repr__(self) -> str:
        peaks = ", ".join(f"{dtype} {float(peak):.4g}" for dtype, peak in self.peak.items())
        return one_line(
            f"Hardware({self.name}: {self.devices} × {self.about}; FLOP/s {peaks}; "
            f"{float(self.memory):.4g} bytes, {float(self.bandwidth):.4g} bytes/s)"
        )

    def source_of(self, key: str) -> str:
        """Where the number with this key in the file is from."""
        expect(key, str, "a key of the file")
        return self.sources.get(key, self.source)

    def with_devices(self, count: int) -> Hardware:
        """The same machine with so many devices."""
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= 10**9:
            raise SymflopsError(f"devices = {str(count)[:60]!r}: expected a positive integer")
        return replace(self, devices=count)

    def dtype(self, element_bytes: Number, wanted: str | None = None) -> str:
        """The data type that matrices are multiplied in: the wanted one, or by the bytes of an element the narrowest
        that the machine has and that holds it. Raises SymflopsError for one that it does not have."""
        if wanted is not None:
            expect(wanted, str, "the name of a data type")
            if wanted.lower() not in self.peak:
                raise SymflopsError(f"{self.name} states no {wanted[:60]!r} peak; valid: {', '.join(self.peak)}")
            return wanted.lower()
        expect(element_bytes, (int, float, Fraction), "the bytes of an element")
        wide_enough = [name for name, size in DTYPES.items() if size >= element_bytes and name in self.peak]
        if not wide_enough:
            raise SymflopsError(f"{self.name} has no data type of {element_bytes} bytes; valid: {', '.join(self.peak)}")
        return wide_enough[0]

    def vector_peak(self, dtype: str) -> Fraction | None:
        """The peak of the ordinary units: in this type where it is stated, else in float32 or whatever is stated."""
        expect(dtype, str, "the name of a data type")
        return self.vector.get(dtype) or self.vector.get("fp32") or next(iter(self.vector.values()), None)


def hardware_names() -> tuple[str, ...]:
    """The names of the machines that come with symflops."""
    return tuple(_shipped())


def load_hardware(name: str | Path | Hardware) -> Hardware:
    """A machine: by the name of a shipped one, or a part of it that no other has, or from a TOML file of the same form,
    `file.toml` or `file.toml:name`.

    Raises SymflopsError naming file, machine and key.
    """
    if isinstance(name, Hardware):
        return name
    if not isinstance(name, str | Path) or not str(name):
        raise SymflopsError(f"expected a machine's name or file, got {type(name).__name__}")
    path, _, inside = str(name).partition(".toml")
    if str(name) == path:
        found = find_hardware(path)
        if len(found) > 1:
            raise SymflopsError(f"{path!r} is {len(found)} machines; name one: {', '.join(m.name for m in found)}")
        return found[0]
    own = _read(Path(f"{path}.toml"))
    wanted = inside.removeprefix(":")
    if not wanted and len(own) == 1:
        return next(iter(own.values()))
    if wanted not in own:
        raise SymflopsError(f"name one of its machines, as in {path}.toml:NAME{nearest(wanted, tuple(own))}")
    return own[wanted]


def find_hardware(name: str) -> tuple[Hardware, ...]:
    """The shipped machines that a name or a part of one may mean, in either case and with any separators.

    >>> [machine.name for machine in find_hardware("H100")]
    ['h100-sxm', 'h100-pcie', 'h100-nvl', 'dgx-h100']
    >>> [machine.name for machine in find_hardware("RTX 4090")]
    ['rtx-4090']

    Raises SymflopsError where there is none.
    """
    shipped = _shipped()
    if name.lower() in shipped:
        return (shipped[name.lower()],)
    wanted = "".join(_words(name))
    found = tuple(shipped[known] for known in shipped if len(wanted) >= _SHORTEST and _has_words(known, wanted))
    if not found:
        hint = nearest(name.lower(), tuple(shipped)) or "; symflops hardware lists them"
        raise SymflopsError(f"unknown machine {name[:100]!r}{hint}")
    return found


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", name.lower())


def _has_words(name: str, wanted: str) -> bool:
    """Whether a name, from the start of one of its words on, begins so: b200 is no part of gb200, nor h10 of h100."""
    words = _words(name)
    return any(re.match(rf"{wanted}(?<!\d)|{wanted}(?!\d)", "".join(words[i:])) for i in range(len(words)))


@cache
def _shipped() -> Mapping[str, Hardware]:
    return _read(data_folder("hardware.toml"))


def _read(path: Path) -> Mapping[str, Hardware]:
    try:
        data = files.read_toml(path, _MAX_FILE, "a file of machines", Decimal)
        return {name: _machine(name, table) for name, table in data.items()}
    except SymflopsError as error:
        raise error.within(str(path)) from None


def _machine(name: str, table: Any) -> Hardware:
    try:
        if not isinstance(table, dict):
            raise SymflopsError("expected a table")
        for key in table:
            if key not in _KEYS:
                raise SymflopsError(f"unknown key {key!r}{nearest(key, _KEYS)}")
        for key in _REQUIRED:
            if key not in table:
                raise SymflopsError(f"{key} is missing")
        texts = {"about": table["about"], "source": table["source"], **_table(table, "sources")}
        for key, text in texts.items():
            if not isinstance(text, str) or not text.strip():
                raise SymflopsError(f"{key}: expected a text")
        numbers = {key: _positive(table[key], key) * 10**9 for key in _NUMBERS if key in table}
        peaks = {key: _peaks(_table(table, key), key) for key in ("peak_tflops", "vector_tflops")}
        machine = Hardware(
            name, table["about"], peaks["peak_tflops"], peaks["vector_tflops"], numbers["memory_gb"],
            numbers["bandwidth_gb_s"], numbers.get("link_gb_s"), 1, table["source"], _table(table, "sources"),
            _positive(table["tdp_w"], "tdp_w") if "tdp_w" in table else None,
        )  # fmt: skip
        return machine.with_devices(table.get("devices", 1))
    except SymflopsError as error:
        raise error.within(name) from None


def _table(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    table = data.get(key, {})
    if not isinstance(table, dict):
        raise SymflopsError(f"{key}: expected a table")
    return table


def _peaks(table: Mapping[str, Any], key: str) -> dict[str, Fraction]:
    for dtype in table:
        if dtype not in DTYPES:
            raise SymflopsError(f"{key}: unknown data type {dtype!r}{nearest(dtype, tuple(DTYPES))}")
    return {dtype: _positive(number, f"{key}.{dtype}") * 10**12 for dtype, number in table.items()}


def _positive(number: Any, key: str) -> Fraction:
    if isinstance(number, bool) or not isinstance(number, int | Decimal) or not Decimal(number).is_finite():
        raise SymflopsError(f"{key}: expected a number")
    if not Decimal("1e-15") <= number <= 10**15:
        raise SymflopsError(f"{key}: expected a positive number")
    return Fraction(number)
