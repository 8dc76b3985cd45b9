"""Derives and verifies every causal LM model type of transformers, and writes docs/coverage.md: `make coverage`.

A closed form that a program found has to be checked by a program that knows nothing of it. So each type is derived at
two small configs that differ in every size (`small_configs.py`), each closed form is compared with what PyTorch counts
(`independent_count.py`) and what is counted operation by operation on real tensors (`operation_count.py`), and the
first, bound to the second config, with the second.

Each type has a process of its own, so that a crash or a timeout costs one row. Finished rows are kept in
benchmarks/coverage.jsonl, a line for each type, which is part of the repository: a run goes on where the last one
ended. They are not made again unless `--again`, `--failed` or `--old` asks for it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import selectors
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers
from coverage_counts import Row
from coverage_row import CHECKS, examine
from coverage_table import failed, failures, read_table, source_checksum, summary, table
from small_configs import model_types

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "coverage.jsonl"
TABLE = ROOT / "docs" / "coverage.md"

MEMORY = 12 * 2**30
"""The address space that one type may take, in bytes; what needs more fails alone."""


@dataclass
class _Child:
    """The process of one type, and what it has said so far."""

    model_type: str
    pid: int
    pipe: int
    said: bytes = b""


def run(types: Sequence[str], rows: dict[str, Row], jobs: int, timeout: float, failures_file: str) -> None:
    """Examine the types, `jobs` at a time, and keep a row for each, with the checksum of the sources behind it."""
    waiting, total, done = list(reversed(types)), len(types), 0
    source = source_checksum()
    selector = selectors.DefaultSelector()
    while waiting or selector.get_map():
        while waiting and len(selector.get_map()) < jobs:
            child = _started(waiting[-1], rows.get(waiting.pop(), {}).get("counts", ()), timeout)
            selector.register(child.pipe, selectors.EVENT_READ, child)
        for key, _ in selector.select(timeout=1):
            data = os.read(key.fd, 2**16)
            key.data.said += data
            if not data:
                selector.unregister(key.fd)
                row = _finished(key.data, timeout) | {"source": source}
                rows[row["type"]] = row
                write_results(rows)
                done += 1
                print(f"{done} of {total}: {row['type']} {summary(row)}", file=sys.stderr, flush=True)
                if failures_file:
                    Path(failures_file).write_text(failures(rows.values()))


def _started(model_type: str, known: Sequence[Row], timeout: float) -> _Child:
    read, write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write)
        return _Child(model_type, pid, read)
    try:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (round(timeout), round(timeout) + 5))

        def tell(row: Row, step: str) -> None:
            os.write(write, json.dumps(row | {"step": step}).encode() + b"\n")

        tell(examine(model_type, known, tell), "")
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def _finished(child: _Child, timeout: float) -> Row:
    """The row of a process that has ended, whether or not it got to its end."""
    _, status, usage = os.wait4(child.pid, 0)
    os.close(child.pipe)
    seconds = usage.ru_utime + usage.ru_stime
    empty = {"type": child.model_type, "class": "", "cells": dict.fromkeys(CHECKS, "no"), "reasons": {}, "counts": []}
    said = child.said.splitlines()
    row: Row = {**empty, "numbers": [], "seconds": [], "traces": {}, "step": "starting"} | (
        json.loads(said[-1]) if said else {}
    )
    if step := row.pop("step"):
        end = f"more than {timeout:.0f} s" if seconds > timeout - 1 else f"its process ended with status {status}"
        row["reasons"]["derived"] = "; ".join(filter(None, (row["reasons"].get("derived"), f"{step}: {end}")))
    return row | {"spent": round(seconds, 1), "mib": usage.ru_maxrss // 1024}


def read_results() -> dict[str, Row]:
    """The row of each type that was examined."""
    lines = RESULTS.read_text("utf-8").splitlines() if RESULTS.exists() else []
    return {row["type"]: row for row in map(json.loads, lines)}


def write_results(rows: Mapping[str, Row]) -> None:
    """Keep the rows, one compact line each in the order of their types: a new row is a change of one line."""
    lines = [json.dumps(rows[name], separators=(",", ":"), ensure_ascii=False) for name in sorted(rows)]
    new = RESULTS.with_suffix(".new")
    new.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    new.replace(RESULTS)


def quickest_first(types: Sequence[str]) -> list[str]:
    """The types in the order of the seconds that the page says they take, those that it has no number for last."""
    page = read_table(TABLE.read_text("utf-8")) if TABLE.exists() else []
    seconds = {line["type"]: sum(map(float, line["seconds"].split(" + "))) for line in page if line["seconds"]}
    return sorted(types, key=lambda name: seconds.get(name, float("inf")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", type=lambda text: text.split(","), metavar="a,b,c", help="no types but these")
    parser.add_argument("--again", nargs="*", metavar="TYPE", help="make these rows again; without a name, all")
    parser.add_argument("--failed", action="store_true", help="make rows again in which something fails")
    parser.add_argument("--old", action="store_true", help="make rows again that are of an earlier symflops/trace")
    parser.add_argument("--jobs", type=int, default=1, help="types examined at the same time")
    parser.add_argument("--timeout", type=float, default=900, help="seconds of processor time for one type")
    parser.add_argument("--failures", default="", metavar="FILE", help="keep a list of what fails in this file")
    parser.add_argument("--write", action="store_true", help="write the table from the rows there are, and no more")
    given = parser.parse_args()
    if unknown := {*(given.only or ()), *(given.again or ())} - {*model_types()}:
        parser.error(f"no such model types: {', '.join(sorted(unknown))}")
    rows = read_results()
    wanted = [t for t in quickest_first(model_types()) if given.only is None or t in given.only]
    again = {*wanted} if given.again == [] else {*(given.again or ())}
    again |= {t for t, row in rows.items() if given.failed and failed(row)}
    again |= {t for t, row in rows.items() if given.old and row["source"] != source_checksum()}
    if not given.write:
        torch.set_num_threads(1)
        transformers.logging.set_verbosity_error()
        run([t for t in wanted if t not in rows or t in again], rows, given.jobs, given.timeout, given.failures)
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(table(rows), "utf-8")


if __name__ == "__main__":
    main()
