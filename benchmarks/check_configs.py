"""Derives real configs and compares each with what was counted of it: `python benchmarks/check_configs.py FOLDER`.

FOLDER has a folder for each config: its config.json, and expected.json with what an independent program counted of the
model that transformers builds from it: `parameters`, `matmul_flops` of one sequence of `S` tokens, `decode_2_1_700` of
a token of 2 sequences after 700. What could not be counted stands there as a text, or all of it as a `note`.

What no number is stated of is counted here (`types_count.py`), on tensors of the shapes that the derived model says it
is fed: parameters, and matmul FLOPs of two batches and sizes of inputs.

With `--atlas`, nothing is derived: what the atlas answers is compared. With `--bind`, the closed form of each config
that was derived is bound to every other config of its type, and what it gives is compared with what was counted of that
one.

Each config has a process and a time limit of its own. Finished rows are kept in benchmarks/configs.jsonl, which is
read on the next start: what was finished is not done again unless `--again` asks for it. Derived models are kept
beside them, for `--bind`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import symflops
from symflops import source
from symflops.atlas.answer import answer
from symflops.config_file import config_data
from symflops.errors import SymflopsError, one_line
from symflops.model import Model
from symflops.vocabulary.symbols import ENCODER, LENGTH

ROOT = Path(__file__).parent
RESULTS = ROOT / "configs.jsonl"
MODELS = ROOT / "derived"

POINTS: dict[str, Callable[[Model, Mapping[str, Any]], dict[str, int]]] = {
    "matmul_flops": lambda model, expected: {"batch_size": 1, **dict.fromkeys(_lengths(model), expected["S"])},
    "decode_2_1_700": lambda *_: {"batch_size": 2, "seq_len": 1, "past_len": 700},
}
"""What is asked for the number of matmul FLOPs of each key."""

COLUMNS = ("parameters", *POINTS)

MEMORY = 12 * 2**30
"""The address space of one process, in bytes; what needs more fails alone."""

Row = dict[str, Any]


def compare(model: Model, expected: Mapping[str, Any]) -> Row:
    """A cell for each column: `equal`, both numbers, the line by which the model refuses, or that nobody counted it.

    >>> compare(symflops.load("gpt2"), {"parameters": 124439808, "S": 2, "matmul_flops": 5, "decode_2_1_700": "failed"})
    {'parameters': 'equal', 'matmul_flops': '494,346,240, counted 5', 'decode_2_1_700': 'not counted'}
    """
    cells = {"parameters": _cell(int(model.total().parameters), expected.get("parameters"))}
    text = {ENCODER: 0} if ENCODER in model.run and model.length == LENGTH else {}  # no image was counted
    for column, point in POINTS.items():
        counted = expected.get(column)
        try:
            found = model.total().at(**point(model, expected), **text).matmul_flops if "S" in expected else None
        except SymflopsError as error:
            cells[column] = f"refused: {error}" if type(counted) is int else f"not counted; {error}"
            continue
        cells[column] = _cell(found, counted)
    return cells


def _lengths(model: Model) -> set[str]:
    """The lengths of a prompt: of an encoder and a decoder both, as a decoder that is fed nothing takes the encoder's
    tokens."""
    if model.length == LENGTH:
        return {LENGTH}
    return {name for one in model.inputs for name in one.symbols if name != "batch_size"}


def _cell(found: int | None, counted: Any) -> str:
    if type(counted) is not int:
        return "not counted"
    return "equal" if found == counted else f"{found:,}, counted {counted:,}"


# ---------------------------------------------------------------------------------------------------------- one process


def derived(folder: Path, limit: float) -> Row:
    """The row of a config: what was derived from it beside what was counted, or the one line that says why not."""
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    started = time.thread_time()
    try:
        model = symflops.derive(folder, timeout=limit)
    except SymflopsError as error:
        said = str(error).replace(f"{folder.parent}/", "")
        return {"refused": said, "counted": "note" not in expected, "seconds": _since(started)}
    MODELS.mkdir(exist_ok=True)
    (MODELS / f"{folder.name}.json").write_text(model.dumps(), "utf-8")
    found, counted = model.class_name.rpartition(".")[2], expected.get("class", "")
    classes = {"class": f"{found}, counted {counted}"} if counted not in ("", found) else {}
    seconds, cells = _since(started), counted_here(model, folder) if "note" in expected else compare(model, expected)
    return {"seconds": seconds, "notes": list(model.notes), **classes, **cells}


def counted_here(model: Model, folder: Path) -> Row:
    """The cells of a config that no number is stated of, compared with counts of what the derived model is fed."""
    import types_count  # which imports torch
    from types_coverage import miscounted

    from symflops.trace.configs import find

    named = find(folder)
    real = types_count.built(named.model_class, named.config)
    cells = {"parameters": _cell(int(model.total().parameters), types_count.parameters(real))}
    said = miscounted(model, real, named.model_class, named.config)
    uncounted = f"not counted; {said.partition(': ')[2]}"
    other = uncounted if said.startswith("no independent count") else said
    cells["matmul_flops"] = other if "matmul_flops" in said or other == uncounted else "equal"
    return cells | {"decode_2_1_700": "not counted"}


def from_atlas(folder: Path) -> Row:
    """The row of a config that the atlas answers, with nothing derived, or the line by which it does not."""
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    started = time.thread_time()
    try:
        model = answer(*config_data(folder))
    except SymflopsError as error:
        return {"refused": str(error), "counted": "note" not in expected, "seconds": _since(started)}
    return {"seconds": _since(started), "notes": list(model.notes), **compare(model, expected)}


def bound(folder: Path, others: Iterable[Path]) -> Iterator[tuple[str, Row]]:
    """Rows of the closed form of a config, which was derived before, with the values of each of the others."""
    model = symflops.load(MODELS / f"{folder.name}.json")
    for other in others:
        started = time.thread_time()
        try:
            row = compare(source.bind(model, other), json.loads((other / "expected.json").read_text("utf-8")))
        except SymflopsError as error:
            row = {"refused": str(error)}
        yield other.name, {"seconds": _since(started), **row}


def _since(started: float) -> float:
    return round(time.thread_time() - started, 1)


def _apart(work: Callable[[Callable[[Row], None]], None], limit: float, unfinished: Row) -> Iterator[Row]:
    """The rows that `work` hands over in a process of its own, and `unfinished` if it does not get to its end."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            signal.alarm(int(limit))  # its default action ends the process, whatever that is doing
            work(lambda row: _written(write, row))
            os._exit(0)
        except BaseException as error:
            _written(write, unfinished | {"failed": one_line(f"{type(error).__name__}: {error}")})
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as lines:
        yield from map(json.loads, lines)
    _, status, usage = os.wait4(pid, 0)
    if status:
        why = f"more than {limit:.0f} s" if status == signal.SIGALRM else f"its process ended with status {status}"
        yield unfinished | {"failed": why, "mib": usage.ru_maxrss // 1024}


def _written(pipe: int, row: Row) -> None:
    os.write(pipe, json.dumps(row).encode() + b"\n")


# ------------------------------------------------------------------------------------------------------------ the table


def verdict(row: Row) -> str:
    """One word for a row.

    >>> verdict({"parameters": "equal", "matmul_flops": "equal", "decode_2_1_700": "not counted; too long"})
    'equal'
    >>> verdict({"refused": "no such type", "counted": True}), verdict({"parameters": "2, counted 3"})
    ('refused', 'different')
    """
    if "failed" in row:
        return "failed"
    if "refused" in row:
        return "refused" if row.get("counted", True) else "refused, and not counted"
    if "class" in row:
        return "another class"
    cells = [row.get(column, "not counted") for column in COLUMNS]
    if any(", counted " in cell for cell in cells):
        return "different"
    if any(cell.startswith("refused") for cell in cells):
        return "refused at a point"
    return "equal" if "equal" in cells else "not counted"


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown, and how many have which verdict."""
    lines = ["| config | | parameters | prefill | decoding | seconds | |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        name = f"{row['config']} → {row['to']}" if "to" in row else row["config"]
        cells = [row.get(column, "") for column in COLUMNS]
        short = ["not counted" if cell.startswith("not counted") else cell.partition(":")[0] for cell in cells]
        said = row.get("failed") or row.get("refused") or row.get("class") or ""
        said = said or "; ".join(c.partition(": ")[2] for c in cells if c.startswith("refused"))
        line = [name, verdict(row), *short, str(row.get("seconds", "")), said]
        escaped = [cell.replace("|", "\\|") for cell in line]
        lines.append(f"| {' | '.join(escaped)} |")
    found = [verdict(row) for row in rows]
    words = sorted(set(found), key=lambda word: (-found.count(word), word))
    counts = ", ".join(f"{found.count(word)} {word}" for word in words)
    return "\n".join([*lines, "", f"{len(rows)} rows: {counts}."])


# ----------------------------------------------------------------------------------------------------------------- main


def read_results(binding: bool) -> dict[tuple[str, str], Row]:
    """The newest row of each config, or of each pair, where none is complete without its end."""
    lines = RESULTS.read_text("utf-8").splitlines() if RESULTS.exists() else []
    rows = [row for row in map(json.loads, lines) if ("to" in row) == binding]
    return {(row["config"], row.get("to", "")): row for row in rows}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="a folder with a folder for each config")
    parser.add_argument("--only", type=lambda text: text.split(","), metavar="a,b,c", help="no configs but these")
    parser.add_argument("--again", action="store_true", help="make rows again that there are")
    parser.add_argument("--bind", action="store_true", help="bind what was derived to the other configs of its type")
    parser.add_argument("--timeout", type=float, default=300, help="seconds of processor time for one derivation")
    parser.add_argument("--write", action="store_true", help="print the table of the rows there are, and no more")
    parser.add_argument("--atlas", action="store_true", help="ask the atlas alone, and keep nothing")
    given = parser.parse_args()
    folders = sorted(path.parent for path in given.folder.glob("*/expected.json"))
    wanted = [folder for folder in folders if given.only is None or folder.name in given.only]
    if given.atlas:
        print(table([{"config": folder.name, **from_atlas(folder)} for folder in wanted]))
        return
    rows = read_results(given.bind)
    if not given.write:
        import torch  # here once, and not in each process
        import transformers

        for name in ("derive", "binding"):  # as they are now, whatever is edited meanwhile
            import_module(f"symflops.trace.{name}")
        torch.set_num_threads(1)
        transformers.logging.set_verbosity_error()
        work = _pairs(wanted, folders) if given.bind else [(folder, [folder]) for folder in wanted]
        for folder, others in work:
            run(folder, others, rows, given)
    names = {folder.name for folder in wanted}
    print(table([row for (name, _), row in sorted(rows.items()) if name in names]))


def run(folder: Path, others: Sequence[Path], rows: dict[tuple[str, str], Row], given: argparse.Namespace) -> None:
    """Make the rows of a config that there are none of, or of what it is bound to."""
    keys = [(folder.name, other.name if given.bind else "") for other in others]
    others = [other for key, other in zip(keys, others, strict=True) if given.again or key not in rows]
    if not others:
        return

    def work(hand_over: Callable[[Row], None]) -> None:
        if given.bind:
            for name, row in bound(folder, others):
                hand_over({"config": folder.name, "to": name, **row})
        else:
            hand_over({"config": folder.name, **derived(folder, given.timeout)})

    unfinished = {"config": folder.name} | ({"to": others[-1].name} if given.bind else {})
    for row in _apart(work, 4 * given.timeout, unfinished):  # of wall time, on a machine that others use, too
        rows[row["config"], row.get("to", "")] = row
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(f"{row['config']} {row.get('to', '')} {verdict(row)}", file=sys.stderr, flush=True)


def _pairs(wanted: Sequence[Path], folders: Sequence[Path]) -> list[tuple[Path, list[Path]]]:
    """Each config that was derived, and the others of its type."""
    types = {path: json.loads((path / "config.json").read_text("utf-8")).get("model_type") for path in folders}
    kept = [path for path in wanted if (MODELS / f"{path.name}.json").exists()]
    return [(path, [o for o in folders if o != path and types[o] == types[path] is not None]) for path in kept]


if __name__ == "__main__":
    main()
