"""docs/coverage.md: what the rows say, as a page."""

from __future__ import annotations

import platform
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
import transformers
from coverage_counts import CACHED, POINTS, RUNS, Row
from coverage_row import CHECKS
from coverage_runs import SPLITS
from small_configs import model_types

import symflops.trace

FINE = ("yes", "-", "said", "as counted")
"""How the cells begin that are a yes, beside the point, or so in the source and said."""

_COLUMNS = ("type", "class", *CHECKS, "stayed numbers", "seconds", "MiB", "what is not so, and why")

_HEAD = """\
# Coverage: every causal language model type of transformers

Written by `make coverage` (benchmarks/derive_coverage.py); do not edit. Measured on 2 shared x86-64 cores with Python
{python}, torch {torch} and transformers {transformers}. The types are the {count} of transformers'
`MODEL_FOR_CAUSAL_LM_MAPPING_NAMES`.{old}

{totals}

## How a type is verified

Two small configs of each type (benchmarks/small_configs.py) differ in every size that the type leaves free, so that a
formula cannot be right by accident. Three choices make "bound" easier than two arbitrary configs would: the chunk
length of a recurrence is the same in both, since it stays a number; the number of shared experts is above 1 in both (a
closed form derived where it is 1 refuses to bind where it is not); and every kind of layer that one of them has the
other has, too, and the share of a head that is rotated is the same in both. An independent count
(benchmarks/independent_count.py: PyTorch's `FlopCounterMode` over fake tensors, eager attention, batched experts; it
shares no code with the derivation) is made of both, at
(batch_size, seq_len) = {points}, and of a cached call. Equal means equal as integers.

A second count (benchmarks/operation_count.py) is of every operation of a real forward of the same configs, with small
random weights and the model's own cache, and of what that cache holds afterwards. It shares no code with the derivation
either, and runs at (batch_size, seq_len) = {first}, and after cached tokens {after}. Where a type
keeps nothing for a next call, the first ones alone are made; where its own source fails in a call and the closed form
rules it out, there is nothing to compare, and the row says so.

- **derived**: `symflops.derive` gave a closed form at both configs. Of models that see images the text
  alone is compared (`encoder` = 0).
- **verified**: at both configs `parameters`, and at the three points `matmul_flops`, equal the independent count, and
  no point is ruled out by the closed form's own assumptions.
- **bound**: the closed form of the first config with the second's values in place of its symbols is the closed form
  derived at the second: all six metrics are the same polynomial in batch_size, seq_len, past_len, causal and the byte
  symbols. `at points`: not the same polynomial, but the same number at every point tried. `refused`: the second config
  breaks an assumption of the first's closed form, so that no number is given; that is no wrong result, but a limit.
  `with the same …`: refused as they are, so the second config was given the first one's values of the fields named,
  which the closed form holds as numbers or choices, and derived anew; `depth` stands for as many layers of the same
  kinds.
- **lengths**: batch_size and seq_len are symbols at both configs. `interpolated`: the type's source loops over time;
  the closed form goes through records at several lengths and was checked at further ones.
- **sizes**: hidden width, attention heads (if the type has any), vocabulary and depth are all symbols at both configs:
  free in the closed form, or tied by an assumption to symbols that are. Depth is one if layers are in a repeat of the
  config's number of layers, or of counts by kind that add up to it.
- **cache**: `-` where the independent count finds that the type takes no KV cache; else whether past_len is a symbol
  and the closed form equals the count of a call of (batch_size, seq_len, past_len) = {cached} at both configs.
- **matmul**: at all these calls `matmul_flops` equals the second count and PyTorch's, and none is ruled out by the
  closed form's own assumptions; `refused`: some are, and the rest is equal.
- **all**: the same of `flops`, all operations by the conventions of DESIGN.md.
- **causal**: the same of both with causal = 1, counted over the pairs that no mask forbids. `-`: its
  masks forbid nothing. `said`: a note of the model, which every command repeats, says whose attention causal = 1
  does not switch, since its mask is none that is known to be causal.
- **state**: the elements that `symflops.kv_cache` gives are those in the cache object after each of these calls. `-`:
  the type keeps nothing.
- **split**: with causal = 1 a prompt of a + b tokens costs what a tokens and then b tokens after them cost, `flops` and
  `matmul_flops`, at (batch_size, a, b) = {splits}. `as counted`: it does not, and at 9 + 5 tokens by
  exactly as much as the second count says (a recurrence in chunks, attention that is not causal, what every call does
  once).
- **stayed numbers**: integers of the config that were read and are numbers in the closed form of either config.
- **seconds**: of processor time, to derive at the first and at the second config. **MiB**: peak memory of the type's
  process, everything included (about 300 MiB of it from importing torch and transformers).

gemma3n's vision tower needs timm and torchvision; without them the type cannot be built. Its row was made with
torchvision's compiled operators (nms, roi_align, …) declared and not built, since none fits the CPU build of torch; the
model calls none of them.

## The types
"""


def table(rows: Mapping[str, Row]) -> str:
    """docs/coverage.md, with a row for each type: one that was not examined says so."""
    lines = [_line(rows.get(model_type) or _not_examined(model_type)) for model_type in model_types()]
    old = sum(row["source"] != source_checksum() for row in rows.values())
    lost = sum(row["source"] == 0 for row in rows.values())
    lost_too = f", {lost} of them by one of which the checksum is lost (they have no counts)" if lost else ""
    head = _HEAD.format(
        python=platform.python_version(),
        torch=torch.__version__.partition("+")[0],
        transformers=transformers.__version__,
        count=len(lines),
        points=", ".join(map(str, POINTS)),
        cached=CACHED,
        first=", ".join(str(run[:2]) for run in RUNS if not run[2]),
        after=", ".join(f"({run[0]}, {run[1]} after {run[2]})" for run in RUNS if run[2]),
        splits=", ".join(map(str, SPLITS)),
        totals=totals(lines),
        old=f"\n{old} rows were made by an earlier version of symflops/trace{lost_too}." if old else "",
    )
    return f"{head}\n{_markdown(_COLUMNS, [[line[c] for c in _COLUMNS] for line in lines])}\n"


def totals(lines: Sequence[Mapping[str, str]]) -> str:
    """The table of totals that these lines of the table of types add up to."""

    def those(column: str, *cells: str) -> int:
        return sum(line[column].startswith(cells or "yes") for line in lines)

    everything = len(lines)
    derived = those("derived")
    caching = everything - those("cache", "-")
    switched = everything - those("causal", "-", "said")
    keeping = everything - those("state", "-")
    bound = ("yes", "at points")
    verified = sum(line["verified"] == "yes" and line["bound"].startswith(bound) for line in lines)
    kept = those("bound", *(f"{cell}, with" for cell in bound))
    entries = [
        ("derived", derived, everything, 1.0),
        ("verified: counts equal at both configs", those("verified"), everything, 1.0),
        ("bound: the same closed form at both configs", those("bound", *bound), everything, 1.0),
        ("verified and bound", verified, everything, 1.0),
        ("batch_size and seq_len symbolic, of those derived", those("lengths"), derived, 1.0),
        ("width, heads, vocabulary and depth all symbolic", those("sizes"), everything, 0.9),
        ("past_len symbolic and a cached call equal, of those that take a cache", those("cache"), caching, 0.9),
        ("matmul: matrix products equal at all calls", those("matmul"), everything, 1.0),
        ("all: every operation equal at all calls", those("all"), everything, 180 / 189),
        ("causal: equal over unmasked pairs, of those with masks that are switched", those("causal"), switched, 1.0),
        ("state: equal to what the cache holds, of those that keep something", those("state"), keeping, 1.0),
        ("split: two calls cost as one, or differ as counted", those("split", "yes", "as counted"), keeping, 1.0),
    ]
    body = [
        [what, str(n), str(of), "all" if bar == 1 else f"{bar:.0%}", "yes" if n >= bar * of else "no"]
        for what, n, of, bar in entries
    ]
    missing = sum(line["what is not so, and why"] == "derived: not examined" for line in lines)
    notes = [
        *([f"{missing} types were not examined in this run, and are a no in every column."] if missing else []),
        f"Bound is equal at points only for {those('bound', 'at')} types, refused for {those('bound', 'refused')}; for",
        f"{kept} types the configs have fields in common, those that stay numbers there.",
        f"causal = 1 does not switch some attention of {those('causal', 'said')} types, and says so.",
        f"seq_len came by interpolation for {those('lengths', 'yes, interpolated')}.",
    ]
    return "\n".join([_markdown(("what", "types", "of", "bar", "met"), body), "", *notes])


def read_table(text: str) -> list[dict[str, str]]:
    """The lines of the table of types in docs/coverage.md, as column: cell."""
    body = [line for line in text.partition("## The types")[2].splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in body]
    return [dict(zip(cells[0], line, strict=True)) for line in cells[2:]]


def _line(row: Row) -> dict[str, str]:
    said = [f"{column}: {row['reasons'][column]}" for column in CHECKS if column in row["reasons"]]
    said += [f"with {', '.join(row['packages'])}"] if row.get("packages") else []
    seconds = " + ".join(f"{s:.1f}" for s in row["seconds"])
    beyond = (row["class"], ", ".join(row["numbers"]), seconds, str(row.get("mib", "")), "; ".join(said))
    named = dict(zip(("class", *_COLUMNS[-4:]), beyond, strict=True))
    return {"type": row["type"]} | row["cells"] | {name: _escaped(text) for name, text in named.items()}


def _not_examined(model_type: str) -> Row:
    cells, reasons = dict.fromkeys(CHECKS, "no"), {"derived": "not examined"}
    return {"type": model_type, "class": "", "cells": cells, "reasons": reasons, "numbers": [], "seconds": []}


def _escaped(text: str) -> str:
    return re.sub(r"([|*_<>\[\]`])", r"\\\1", " ".join(text.split()))


def _markdown(columns: Iterable[str], lines: Iterable[Sequence[str]]) -> str:
    names = list(columns)
    return "\n".join(f"| {' | '.join(line)} |" for line in (names, ["---"] * len(names), *lines))


def summary(row: Row) -> str:
    cells = ", ".join(f"{column} {cell}" for column, cell in row["cells"].items() if not cell.startswith("yes"))
    return f"{row['spent']} s, {row['mib']} MiB{': ' if cells else ''}{cells}"


def failed(row: Row) -> set[str]:
    """The checks of a row that are neither a yes nor beside the point."""
    return {check for check, cell in row["cells"].items() if not cell.startswith(FINE)}


def failures(rows: Iterable[Row]) -> str:
    """What fails, reasons that differ in numbers only together, the most frequent first."""
    found: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        for column, reason in row["reasons"].items():
            cause = re.sub(r"config \d: |both configs: |\d+|\(in .*?\)", "", reason)[:70]
            text = "\n      ".join([reason, *row["traces"].get(column, ())])
            found.setdefault(f"{column}: {cause}", []).append((row["type"], text))
    ordered = sorted(found.items(), key=lambda item: -len(item[1]))
    return "\n".join(
        f"== {len(types)} × {cause}\n" + "\n".join(f"  {name}: {text}" for name, text in types)
        for cause, types in ordered
    )


def source_checksum() -> int:
    """Of the sources that a row depends on, so that the table can say which rows are of an older version."""
    folder = Path(symflops.trace.__file__).parent
    return zlib.crc32(b"".join(path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()))
