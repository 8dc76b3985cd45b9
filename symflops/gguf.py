"""The header of a GGUF file: its tensors, and where each stands. No tensor is read, and values are skipped.

GGUF specification: ggml-org/ggml, docs/gguf.md, versions 2 and 3, little endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path

from symflops import files
from symflops.errors import SymflopsError, one_line
from symflops.gguf_types import by_number

MAX_HEADER = 2**30  # bytes that are looked through
MAX_TENSORS = 1_000_000
MAX_VALUES = 1_000_000  # keys of the metadata
MAX_STRINGS = 20_000_000  # of arrays, such as a vocabulary
_MAX_NAME = 65_535
_MAX_RANK = 8
_WINDOW = 2**20
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # of values, by the numbers of types
_STRING, _ARRAY = 8, 9
_ALIGNMENT = "general.alignment"


@dataclass(frozen=True)
class GgufTensor:
    """A tensor of a file: its name, type, shape (the rows' length first) and bytes."""

    name: str
    kind: str
    shape: tuple[int, ...]
    bytes: int


class _Cursor:
    """Reads on from a place in a file, in windows."""

    def __init__(self, file: files.OpenFile) -> None:
        self.file, self.place = file, 0
        self._window, self._from = b"", 0
        self.strings = 0

    def take(self, count: int) -> bytes:
        self._check(count)
        start = self.place - self._from
        if not 0 <= start <= start + count <= len(self._window):
            self._window, self._from = self.file.at(self.place, max(count, self._ahead())), self.place
            start = 0
        self.place += count
        return self._window[start : start + count]

    def skip(self, count: int) -> None:
        self._check(count)
        self.place += count

    def number(self, letter: str) -> int:
        (found,) = struct.unpack(f"<{letter}", self.take(struct.calcsize(letter)))
        return int(found)

    def text(self, most: int) -> str:
        length = self.number("Q")
        if length > most:
            raise SymflopsError(f"a name of {length:,} bytes")
        try:
            return self.take(length).decode("utf-8")
        except UnicodeDecodeError:
            raise SymflopsError(f"a name that is not UTF-8, at byte {self.place - length:,}") from None

    def _ahead(self) -> int:
        return min(_WINDOW, self.file.size - self.place)

    def _check(self, count: int) -> None:
        if self.place + count > min(self.file.size, MAX_HEADER):
            what = f"its header goes on beyond {MAX_HEADER:,} bytes"
            raise SymflopsError(what if self.file.size > MAX_HEADER else f"it ends after {self.file.size:,} bytes")


def read_tensors(path: Path) -> list[GgufTensor]:
    """The tensors of a GGUF file, in its order.

    Raises SymflopsError, without the path, for what is no such file, for a type that is not known, and where tensors
    overlap or go beyond the end of the file.
    """
    with files.opened(path) as file:
        cursor = _Cursor(file)
        if file.size < 24 or cursor.take(4) != b"GGUF":
            raise SymflopsError("no GGUF file: it does not begin with GGUF")
        version = cursor.number("I")
        if version not in (2, 3):
            what = "big endian" if version in (2 << 24, 3 << 24) else f"of version {version}"
            raise SymflopsError(f"a GGUF file {what}; 2 and 3, little endian, are read")
        count, values = cursor.number("Q"), cursor.number("Q")
        if count > min(MAX_TENSORS, file.size // 24) or values > min(MAX_VALUES, file.size // 13):
            raise SymflopsError(f"{count:,} tensors and {values:,} values in a file of {file.size:,} bytes")
        alignment = _metadata(cursor, values)
        found = [_info(cursor) for _ in range(count)]
        start = -(-cursor.place // alignment) * alignment
        _check_places(found, alignment, file.size - start)
    return [tensor for tensor, _ in found]


def _metadata(cursor: _Cursor, count: int) -> int:
    """Skip the values; gives what tensors are aligned to."""
    alignment = 32
    for _ in range(count):
        key = cursor.text(_MAX_NAME)
        kind = cursor.number("I")
        if key == _ALIGNMENT and kind == 4:
            alignment = cursor.number("I")
            if alignment == 0 or alignment % 8 or alignment > 2**20:
                raise SymflopsError(f"tensors are aligned to {alignment:,} bytes")
        else:
            _skip(cursor, kind, 1, 0)
    return alignment


def _skip(cursor: _Cursor, kind: int, count: int, depth: int) -> None:
    """Skip so many values of a type."""
    if kind in _SIZES:
        cursor.skip(_SIZES[kind] * count)
        return
    if kind not in (_STRING, _ARRAY) or depth > 4:
        raise SymflopsError(f"a value of type {kind}" if depth <= 4 else "arrays are nested too deeply")
    for _ in range(count):
        cursor.strings += 1
        if cursor.strings > MAX_STRINGS:
            raise SymflopsError(f"more than {MAX_STRINGS:,} texts")
        if kind == _STRING:
            cursor.skip(cursor.number("Q"))
        else:
            inner = cursor.number("I")
            _skip(cursor, inner, cursor.number("Q"), depth + 1)


def _info(cursor: _Cursor) -> tuple[GgufTensor, int]:
    """One tensor and its offset in the data."""
    name = cursor.text(_MAX_NAME)
    rank = cursor.number("I")
    if rank > _MAX_RANK:
        raise SymflopsError(f"{one_line(name, 60)}: {rank:,} dimensions")
    shape = tuple(cursor.number("Q") for _ in range(rank))
    number, offset = cursor.number("I"), cursor.number("Q")
    kind = by_number().get(number)
    if kind is None:
        raise SymflopsError(f"{one_line(name, 60)}: the type {number} is not known")
    if prod(shape) >= 2**63 or (shape and shape[0] % kind.elements):
        raise SymflopsError(f"{one_line(name, 60)}: a shape of {str(list(shape))[:80]} in blocks of {kind.elements}")
    return GgufTensor(name, kind.name, shape, prod(shape) // kind.elements * kind.bytes), offset


def _check_places(found: list[tuple[GgufTensor, int]], alignment: int, size: int) -> None:
    at = 0
    for tensor, offset in sorted(found, key=lambda one: one[1]):
        if offset % alignment or offset < at:
            raise SymflopsError(f"{one_line(tensor.name, 60)}: it begins at {offset:,}, in another tensor or unaligned")
        at = offset + tensor.bytes
        if at > size:
            raise SymflopsError(f"{one_line(tensor.name, 60)}: it ends at {at:,} of {max(size, 0):,} bytes of data")
