"""What a config of a type costs, counted by PyTorch and on real tensors: nothing here knows of symflops."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import independent_count
import masked_pairs
import operation_count
from transformers import PreTrainedConfig, PreTrainedModel

Row = dict[str, Any]

POINTS = ((1, 16), (3, 40), (2, 7))
"""(batch, length): below and above the small configs' windows (24 and 28), chunks (8 and 12) and top-k (10 and 12)."""

CACHED = (2, 3, 5)
"""(batch, length, past) of the cached call."""

WHOLE, FIRST, SECOND = (2, 14, 0), (2, 9, 0), (2, 5, 9)
"""A prompt, and the same in two parts."""

RUNS = ((1, 17, 0), (3, 33, 0), (2, 1, 9), SECOND, (1, 1, 300), FIRST, WHOLE)
"""(batch, length, past) of the calls that are counted operation by operation, with masks and what they leave."""


COUNTER = zlib.crc32(b"".join(Path(module.__file__).read_bytes() for module in (operation_count, masked_pairs)))
"""What tells counts by an earlier version of the second counter."""


def counted(config: PreTrainedConfig, known: Sequence[Row] = ()) -> Row:
    """What is counted for a config, and why it takes no cache if so; or the `error` that no count can be had.

    What one of the `known` counts of the same config has is not counted again, unless it is an error.
    """
    counts: Row = {"config": checksum(config)}
    for earlier in known:
        if earlier["config"] == counts["config"] and "error" not in earlier:
            counts = dict(earlier)
    try:
        if "parameters" not in counts:
            counts["parameters"] = independent_count.parameters(config)
            counts["matmul_flops"] = independent_count.counts(config, POINTS)
            counts["no_cache"] = independent_count.cache_refusal(config)
            counts["cached"] = None if counts["no_cache"] else independent_count.count(config, *CACHED)
    except Exception as error:  # a package is missing, or the type's own defaults contradict each other
        counts["error"] = _text(error)
    if counts.get("counter") != COUNTER or any("error" in run for run in counts["runs"]):
        counts |= {"runs": runs(config), "counter": COUNTER}
    return counts


def checksum(config: PreTrainedConfig) -> int:
    """What tells one config from another."""
    return zlib.crc32(config.to_json_string(use_diff=False).encode())


def runs(config: PreTrainedConfig) -> list[Row]:
    """The counts of each of `RUNS`, as `operation_count.Counts` names them, or the `error` that there are none."""
    found: list[Row] = []
    try:
        model = independent_count.build(config, fake=False)
    except Exception as error:  # as above
        return [{"error": _text(error)} for _ in RUNS]
    for call in RUNS:
        try:
            found.append(operation_count.counted(model, *call)._asdict())
        except Exception as error:  # whatever the type raises at this length
            found.append(_without_cache(model, call) or {"error": _text(error)})
    return found


def _without_cache(model: PreTrainedModel, call: tuple[int, int, int]) -> Row | None:
    """A first call of a type whose own cache fails, which keeps nothing for a next one; None where that fails too."""
    if call[2]:
        return None
    try:
        return operation_count.counted(model, *call, keeps=False)._asdict()
    except Exception:  # the error of the call with a cache is the one that is told
        return None


def keeps_something(counts: Row) -> bool:
    """Whether a first call leaves something for a second one, as far as is known."""
    return any(run.get("state") for run in counts["runs"]) or all("error" in run for run in counts["runs"])


def continues(counts: Row) -> bool:
    """Whether some call after others can be counted: the source of some types fails in each of them."""
    return any("error" not in run for call, run in zip(RUNS, counts["runs"], strict=True) if call[2])


def takes_cache(counts: Row) -> bool:
    """Whether the type takes a cache as far as is known: one that cannot be counted is not excused."""
    return "error" in counts or not counts["no_cache"]


def first_line(error: Exception) -> str:
    """The beginning of what an exception says."""
    return (str(error).strip() or type(error).__name__).partition("\n")[0][:300]


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {first_line(error)}"
