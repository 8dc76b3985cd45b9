"""What `symflops inspect` says of a checkpoint: its bytes by data type and by layer."""

from __future__ import annotations

import json

from symflops.checkpoint import Checkpoint, StoredTensor
from symflops.cli.quantities import aligned
from symflops.errors import one_line
from symflops.units import scaled

_SHOWN = 60  # layers of a table


def by_layer(checkpoint: Checkpoint) -> dict[str, list[StoredTensor]]:
    """The tensors by the modules that they are in, those of the same name in all places of a list together."""
    found: dict[str, list[StoredTensor]] = {}
    for tensor in checkpoint.tensors:
        parts = tensor.name.split(".")[:-1] or [tensor.name]
        found.setdefault(".".join("*" if part.isdecimal() else part for part in parts), []).append(tensor)
    return found


def checkpoint_text(checkpoint: Checkpoint) -> str:
    """In text: the sum, the data types, the layers."""
    size, count = checkpoint.bytes, len(checkpoint.tensors)
    lines = [f"{checkpoint.kind}: {count:,} tensors in {checkpoint.files:,} files, {size:,} byte, {_short(size)}"]
    if checkpoint.stated is not None and checkpoint.stated != size:
        lines.append(f"its index states {checkpoint.stated:,} byte, which is another number")
    rows = [(kind, f"{n:,}", f"{held:,} byte", _short(held)) for kind, (n, held) in checkpoint.by_dtype.items()]
    lines += ["", aligned(rows, (False, True, True, True)), ""]
    layers = by_layer(checkpoint)
    table = [("layer", "tensors", "bytes", "data types")]
    for name, tensors in list(layers.items())[:_SHOWN]:
        kinds = ", ".join(dict.fromkeys(tensor.dtype for tensor in tensors))
        table.append((one_line(name, 80), f"{len(tensors):,}", f"{sum(t.bytes for t in tensors):,}", kinds))
    lines.append(aligned(table, (False, True, True, False)))
    if len(layers) > _SHOWN:
        lines.append(f"and {len(layers) - _SHOWN:,} more layers; --format json has all")
    return "\n".join(lines)


def checkpoint_json(checkpoint: Checkpoint) -> str:
    """The same as JSON, with all layers."""
    return json.dumps(
        {
            "checkpoint": checkpoint.path,
            "kind": checkpoint.kind,
            "files": checkpoint.files,
            "tensors": len(checkpoint.tensors),
            "bytes": checkpoint.bytes,
            "stated": checkpoint.stated,
            "dtypes": {kind: {"tensors": n, "bytes": held} for kind, (n, held) in checkpoint.by_dtype.items()},
            "layers": {name: sum(t.bytes for t in tensors) for name, tensors in by_layer(checkpoint).items()},
        },
        indent=2,
    )


def _short(size: int) -> str:
    return scaled(size, "read_bytes")
