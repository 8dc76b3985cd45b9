"""Short calls of every causal language model type, which are where a source takes another way: one token, two, and few
after few.

    python benchmarks/short_calls.py [TYPES] [--config 0|1] [--seconds 240] [--jobs 2]

A small config of each type is derived once; its FLOPs, matmul FLOPs, those with `causal = 1` and what it keeps are
compared with counts on real tensors (`operation_count.py`) at every call of `CALLS`. Each type has a process of its
own; rows are kept in benchmarks/short_calls.jsonl, and what is there is not done again unless a type is named.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import independent_count
import operation_count
from coverage_checks import alone, exact
from coverage_counts import first_line
from coverage_runs import NOT_SWITCHED
from small_configs import model_types, small_config

from symflops import storage
from symflops.algebra import substitute
from symflops.errors import SymflopsError
from symflops.model import Model
from symflops.numeric import evaluate, with_defaults
from symflops.trace.derive import derive

RESULTS = Path(__file__).with_name("short_calls.jsonl")

CALLS = (
    *((1, 1, 0), (2, 1, 0), (1, 2, 0), (2, 2, 0), (1, 3, 0), (2, 6, 0)),
    *((1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2), (2, 2, 3), (1, 3, 1), (1, 1, 5), (2, 6, 2)),
)
"""(batch, length, past); the small configs' convolutions, windows, chunks and top-k are all longer than some."""

METRICS = ("flops", "matmul_flops")

Row = dict[str, Any]


def compared(model: Model, config: Any) -> Row:
    """How many calls are equal, and what is said of each that is not."""
    real = independent_count.build(config, fake=False)
    row: Row = {"equal": 0, "refused": [], "impossible": 0, "wrong": []}
    for call in CALLS:
        batch, length, past = call
        point = {"batch_size": batch, "seq_len": length, "past_len": past}
        try:
            model.check_assumptions(point | {"causal": 0})
            refused = ""
        except SymflopsError as error:
            refused = error.message
        try:
            counts = counted(real, *call)
        except Exception as error:  # whatever the source raises at this length
            row["impossible"] += 1
            if not refused:
                row["unsaid"] = [*row.get("unsaid", []), f"{call}: {first_line(error)}"]
            continue
        if refused:
            row["refused"].append(f"{call}: {refused}")
        elif said := differences(model, point, counts):
            row["wrong"].append(f"{call}: {said}")
        else:
            row["equal"] += 1
    return row


def counted(real: Any, batch: int, length: int, past: int) -> dict[str, int]:
    """What a call costs; a first call of a type whose own cache fails keeps nothing."""
    try:
        return operation_count.counted(real, batch, length, past)._asdict()
    except Exception:
        if past:
            raise
        return operation_count.counted(real, batch, length, past, keeps=False)._asdict()


def differences(model: Model, point: dict[str, int], counts: dict[str, int]) -> str:
    """Where the model says another number than what was counted."""
    said = []
    for causal in (0, 1):
        if causal and any(note.startswith(NOT_SWITCHED) for note in model.notes):
            continue
        for metric in METRICS:
            name = f"causal_{metric}" if causal else metric
            found = exact(model, metric, **point, causal=causal)
            if found != counts[name]:
                said.append(f"{name} {found}, counted {counts[name]}")
    try:
        kept = evaluate(
            substitute(storage.cache(model), model.symbols), with_defaults(alone(model) | point | {"cache_bytes": 1})
        )
    except SymflopsError:
        return "; ".join(said)
    if kept != counts["state"]:
        said.append(f"keeps {kept}, counted {counts['state']}")
    return "; ".join(said)


def examine(model_type: str, variant: int) -> Row:
    try:
        config = small_config(model_type, variant)
        model = derive(config)
    except SymflopsError as error:
        return {"failed": error.message}
    try:
        return compared(model, config)
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        return {"failed": f"{type(error).__name__}: {first_line(error)} @ {frames[-1].name}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("types", nargs="*")
    parser.add_argument("--config", type=int, default=0, choices=(0, 1))
    parser.add_argument("--seconds", type=int, default=240, help="of wall time for a type")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    options = parser.parse_args()
    rows: dict[tuple[str, int], Row] = {}
    if RESULTS.exists():
        found = map(json.loads, RESULTS.read_text("utf-8").splitlines())
        rows = {(row["type"], row["config"]): row for row in found}
    keys = [(t, options.config) for t in options.types or model_types()]
    todo = [key for key in keys if options.types or key not in rows]
    with ThreadPoolExecutor(options.jobs) as pool:  # each thread waits for a process
        for key, row in zip(todo, pool.map(lambda key: _apart(*key, options.seconds), todo), strict=True):
            rows[key] = {"type": key[0], "config": key[1], **row}
            print(key[0], row.get("failed") or f"{row['equal']} equal, {len(row['refused'])} refused", flush=True)
            for line in [*row.get("wrong", []), *row.get("unsaid", [])][:4]:
                print("   ", line[:300], flush=True)
            RESULTS.write_text("".join(json.dumps(r) + "\n" for _, r in sorted(rows.items())), "utf-8")
    kinds = Counter("failed" if "failed" in r else "wrong" if r["wrong"] else "right" for r in rows.values())
    print(dict(kinds), sum(r.get("equal", 0) for r in rows.values()), "calls equal")


def _apart(model_type: str, variant: int, seconds: int) -> Row:
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        signal.alarm(seconds)  # its default action ends the process, whatever that is doing
        os.write(write, json.dumps(examine(model_type, variant)).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as lines:
        text = lines.read()
    os.waitpid(pid, 0)
    return json.loads(text) if text else {"failed": f"more than {seconds} s"}


if __name__ == "__main__":
    sys.exit(main())
