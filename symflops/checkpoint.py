"""Checkpoints: which tensors files of weights have, by their headers. No tensor is read.

Headers may come from anybody: what they say is checked against the size of the file before it is used, and what is read
is bounded.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from symflops import files, gguf
from symflops.errors import SymflopsError, one_line

MAX_HEADER = 100_000_000  # bytes of a safetensors header, as its own reader has it
MAX_INDEX = 64 * 2**20
MAX_FILES = 10_000
INDEX = "model.safetensors.index.json"
_INDICES = re.compile(r".*\.safetensors\.index\.json\Z")
_SHARD = re.compile(r"(.*)-(\d{5})-of-(\d{5})(\.gguf)\Z")
_MAX_RANK = 32
BITS = {  # of an element, by the names that safetensors has for data types
    "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "C64": 64, "F64": 64, "I64": 64, "U64": 64,
}  # fmt: skip


@dataclass(frozen=True)
class StoredTensor:
    """A tensor of a checkpoint: its name, its data type or type of GGUF, its shape, its bytes."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int


@dataclass(frozen=True, repr=False)
class Checkpoint:
    """The tensors of one checkpoint, of all its files. `stated` is the size that its index states, if it has one."""

    path: str
    kind: str  # safetensors or gguf
    tensors: tuple[StoredTensor, ...]
    stated: int | None = None
    files: int = 1

    @property
    def bytes(self) -> int:
        """The bytes of all tensors."""
        return sum(tensor.bytes for tensor in self.tensors)

    @property
    def by_dtype(self) -> dict[str, tuple[int, int]]:
        """How many tensors of each data type, and their bytes, the most bytes first."""
        found: dict[str, tuple[int, int]] = {}
        for tensor in self.tensors:
            count, size = found.get(tensor.dtype, (0, 0))
            found[tensor.dtype] = (count + 1, size + tensor.bytes)
        return dict(sorted(found.items(), key=lambda item: (-item[1][1], item[0])))

    def __repr__(self) -> str:
        return one_line(f"Checkpoint({self.path}: {len(self.tensors):,} tensors, {self.bytes:,} bytes)")


def is_checkpoint(path: Path) -> bool:
    """Whether a path is that of a file of weights, or of an index of some, by its name."""
    return path.suffix.lower() in (".safetensors", ".gguf") or bool(_INDICES.match(path.name))


def read_checkpoint(path: str | Path) -> Checkpoint:
    """The tensors of a safetensors or GGUF file, of all files of an index, or of a folder with either.

    Raises SymflopsError naming the file and what is wrong with it.
    """
    if re.match(r"[a-z][a-z0-9+.-]+://", str(path)):
        raise SymflopsError(f"{str(path)[:100]}: a checkpoint is read from files here; nothing is asked of a network")
    try:
        return _read(Path(path))
    except SymflopsError as error:
        raise error.within(str(path)) from None


def _read(path: Path) -> Checkpoint:
    if files.is_directory(path):
        return _folder(path)
    if _INDICES.match(path.name):
        return _index(path)
    if path.suffix.lower() == ".gguf":
        shards = _shards(path)
        tensors = [tensor for shard in shards for tensor in _gguf(shard)]
        return Checkpoint(str(path), "gguf", _distinct(tensors), None, len(shards))
    if path.suffix.lower() == ".safetensors":
        return Checkpoint(str(path), "safetensors", _distinct(_safetensors(path)))
    raise SymflopsError("no checkpoint: expected a .safetensors or .gguf file, an index of some, or their folder")


def _folder(path: Path) -> Checkpoint:
    if files.is_file(path / INDEX):
        return _index(path / INDEX)
    found = sorted(path.glob("*.safetensors"))[: MAX_FILES + 1]
    if found:
        if len(found) > MAX_FILES:
            raise SymflopsError(f"more than {MAX_FILES:,} files")
        tensors = [tensor for one in found for tensor in _within(one)]
        return Checkpoint(str(path), "safetensors", _distinct(tensors), None, len(found))
    models = sorted(path.glob("*.gguf"))
    first = [one for one in models if not (m := _SHARD.match(one.name)) or m[2] == "00001"]
    if len(first) != 1:
        what = f"{len(first)} GGUF models; name one" if first else "neither safetensors nor GGUF files"
        raise SymflopsError(f"a folder with {what}")
    return _read(first[0])


def _index(path: Path) -> Checkpoint:
    """The files that an index names. Their headers have the sizes; without them only the sum is known."""
    data = files.json_of(files.read_text(path, MAX_INDEX, "an index of a checkpoint"))
    places, metadata = data.get("weight_map"), data.get("metadata")
    if not isinstance(places, Mapping) or not all(isinstance(name, str) for name in places.values()):
        raise SymflopsError("its weight_map is no table of file names")
    stated = metadata.get("total_size") if isinstance(metadata, Mapping) else None
    stated = int(stated) if isinstance(stated, float) and stated.is_integer() else stated
    if stated is not None and (type(stated) is not int or not 0 <= stated < 2**63):
        raise SymflopsError(f"its total_size is {str(stated)[:40]}")
    names = sorted(set(places.values()))
    if len(names) > MAX_FILES:
        raise SymflopsError(f"more than {MAX_FILES:,} files")
    for name in names:
        if not name or Path(name).name != name or name in (".", ".."):
            raise SymflopsError(f"the file name {name[:60]!r} leads elsewhere")
    if not any(files.is_file(path.parent / name) for name in names):
        raise SymflopsError(
            f"none of its {len(names)} files is there, so only their sum is known"
            + ("" if stated is None else f": total_size {stated:,} bytes")
        )
    tensors = [tensor for name in names for tensor in _within(path.parent / name)]
    missing = places.keys() - {tensor.name for tensor in tensors}
    if missing:
        raise SymflopsError(f"{len(missing)} of its tensors are in no file, such as {min(missing)[:100]!r}")
    return Checkpoint(str(path), "safetensors", _distinct(tensors), stated, len(names))


def _within(path: Path) -> list[StoredTensor]:
    try:
        return _safetensors(path)
    except SymflopsError as error:
        raise error.within(path.name) from None


def _distinct(tensors: Iterable[StoredTensor]) -> tuple[StoredTensor, ...]:
    found: dict[str, StoredTensor] = {}
    for tensor in tensors:
        if tensor.name in found:
            raise SymflopsError(f"the tensor {tensor.name[:100]!r} occurs twice")
        found[tensor.name] = tensor
    return tuple(found.values())


# ---------------------------------------------------------------------------------------------------------- safetensors


def _safetensors(path: Path) -> list[StoredTensor]:
    """The tensors of one file: eight bytes with the length of a JSON text, the text, and the data without a gap."""
    with files.opened(path) as file:
        if file.size < 8:
            raise SymflopsError("no safetensors file: it has not even a length")
        (length,) = struct.unpack("<Q", file.at(0, 8))
        if length > MAX_HEADER:
            raise SymflopsError(f"no safetensors file: a header of {length:,} bytes, more than {MAX_HEADER:,}")
        if length > file.size - 8:
            raise SymflopsError(f"a header of {length:,} bytes in a file of {file.size:,}")
        header = files.json_of(files.text_of(file.at(8, length)))
        size = file.size - 8 - length
    spans = []
    tensors = []
    for name, said in header.items():
        if name == "__metadata__":
            continue
        try:
            tensor, begin, end = _tensor(name, said)
        except SymflopsError as error:
            raise error.within(one_line(name, 100)) from None
        tensors.append(tensor)
        spans.append((begin, end))
    at = 0
    for begin, end in sorted(spans):
        if begin != at:
            raise SymflopsError(f"its tensors leave a gap or overlap at byte {min(at, begin):,} of the data")
        at = end
    if at != size:
        raise SymflopsError(f"its tensors have {at:,} bytes, the file {size:,} of data")
    return tensors


def _tensor(name: str, said: Any) -> tuple[StoredTensor, int, int]:
    if not isinstance(said, Mapping):
        raise SymflopsError("no description of a tensor")
    dtype, shape, offsets = said.get("dtype"), said.get("shape"), said.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in BITS:
        raise SymflopsError(f"the data type {str(dtype)[:40]!r} is not known")
    if not isinstance(shape, list) or not _are_sizes(shape) or len(shape) > _MAX_RANK:
        raise SymflopsError(f"the shape {str(shape)[:60]} is none")
    if not isinstance(offsets, list) or not _are_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise SymflopsError(f"the offsets {str(offsets)[:60]} are none")
    bits = prod(shape) * BITS[dtype]
    begin, end = offsets
    if bits % 8 or bits // 8 != end - begin:
        raise SymflopsError(f"{end - begin:,} bytes for a shape of {bits / 8 if bits < 2**60 else bits // 8:,} bytes")
    return StoredTensor(name, dtype, tuple(shape), end - begin), begin, end


def _are_sizes(data: list[Any]) -> bool:
    return all(type(size) is int and 0 <= size < 2**63 for size in data)


# ----------------------------------------------------------------------------------------------------------------- GGUF


def _gguf(path: Path) -> list[StoredTensor]:
    return [StoredTensor(one.name, one.kind, one.shape, one.bytes) for one in gguf.read_tensors(path)]


def _shards(path: Path) -> list[Path]:
    """All files of a model that is split into several, as `gguf-split` names them."""
    match = _SHARD.match(path.name)
    if not match:
        return [path]
    count = int(match[3])
    if not 1 <= count <= MAX_FILES:
        raise SymflopsError(f"it is one of {count:,} files")
    return [path.with_name(f"{match[1]}-{i:05}-of-{match[3]}{match[4]}") for i in range(1, count + 1)]
