"""Derives and verifies every causal LM model type of transformers, and writes docs/coverage.md: `make coverage`.

A closed form that a program found has to be checked by a program that knows nothing of it. So each type is derived at
two small configs that differ in every size (`small_configs.py`), each closed form is compared with what PyTorch counts
(`independent_count.py`), and the first, bound to the second config, with the second.

Each type has a process of its own, so that a crash or a timeout costs one row. Finished rows are kept in
benchmarks/coverage.jsonl and not made again unless `--again` or `--failed` asks for it.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import platform
import re
import resource
import selectors
import signal
import sys
import time
import traceback
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import independent_count
import torch
import transformers
from small_configs import model_types, small_config

import symflops.trace
from symflops import numeric
from symflops.algebra import free_symbols
from symflops.cost import METRICS
from symflops.errors import SymflopsError
from symflops.model import Model
from symflops.numeric import RUN_SYMBOLS
from symflops.trace.architecture import DEPTH, parts
from symflops.trace.binding import bind
from symflops.trace.configs import find
from symflops.trace.derive import derive

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "coverage.jsonl"
TABLE = ROOT / "docs" / "coverage.md"

POINTS = ((1, 16), (3, 40), (2, 7))
"""(batch, length): below and above the small configs' windows (24 and 28), chunks (8 and 12) and top-k (10 and 12)."""

CACHED = (2, 3, 5)
"""(batch, length, past) of the cached call."""

OPTIONAL = ("timm", "torchvision")
"""Packages that some type's towers need; the table names those that a row was made with."""

MEMORY = 12 * 2**30
"""The address space that one type may take, in bytes; what needs more fails alone."""

CHECKS = ("derived", "verified", "bound", "lengths", "sizes", "cache")

ROLES = {
    "width": ("hidden_size", "d_model", "n_embd", "emb_dim"),
    "heads": (
        *("decoder_attention_heads", "num_decoder_attention_heads", "num_attention_heads"),
        *("n_head", "n_heads", "num_heads", "attention_heads"),
    ),
    "vocabulary": ("decoder_vocab_size", "vocab_size"),
    "depth": ("decoder_layers", "num_decoder_layers", "num_hidden_layers", "n_layer", "n_layers", "num_layers"),
}
"""What configs call the four sizes, a decoder's own first."""

Row = dict[str, Any]
Tell = Callable[[str], None]


# ------------------------------------------------------------------------------------------------------------ one type


def examine(model_type: str, known: Sequence[Row] = (), tell: Callable[[Row, str], None] = lambda *_: None) -> Row:
    """Every check of one type, as a row: a cell for each of `CHECKS`, and a reason for each that is not a plain yes.

    `known` are independent counts of an earlier row, `tell` gets the unfinished row before each step.
    """
    row: Row = {"type": model_type, "class": "", "cells": dict.fromkeys(CHECKS, "no"), "reasons": {}, "numbers": []}
    row |= {"seconds": [], "counts": [], "traces": {}}
    models: list[Model | None] = []
    configs: list[Any] = []
    with _noted(row, "derived", "its small configs cannot be made"):
        configs = [small_config(model_type, variant) for variant in (0, 1)]
    for variant, config in enumerate(configs):
        tell(row, f"counting config {variant}")
        row["counts"].append(counted(config, known))
        tell(row, f"deriving config {variant}")
        models.append(_derived(row, config, variant))
    tell(row, "comparing")
    derived = [(m, c, n) for m, c, n in zip(models, configs, row["counts"], strict=True) if m is not None]
    _cell(row, "cache", "no" if any(takes_cache(counts) for counts in row["counts"]) else "-")
    if len(derived) == 2:
        _judge(row, derived, configs)
    row["packages"] = [f"{name} {metadata.version(name)}" for name in OPTIONAL if name in sys.modules]
    return row


def _judge(row: Row, derived: Sequence[tuple[Model, Any, Row]], configs: Sequence[Any]) -> None:
    """All checks but the first, of a type that was derived at both configs."""
    _cell(row, "derived", "yes")
    checks: dict[str, Callable[[Model, Any, Row], str]] = {
        "verified": lambda model, _, counts: miscounted(model, counts),
        "lengths": lambda model, *_: fixed_lengths(model),
        "sizes": lambda model, config, _: fixed_sizes(model, config),
    }
    if row["cells"]["cache"] != "-":
        checks["cache"] = lambda model, _, counts: miscached(model, counts)
    for column, check in checks.items():
        for i in range(2):
            with _noted(row, column, f"config {i}"):
                if problem := check(*derived[i]):
                    raise SymflopsError(problem)
        _cell(row, column, "no" if column in row["reasons"] else "yes")
    if row["cells"]["lengths"] == "yes" and any(" goes through records at " in m.about for m, *_ in derived):
        _cell(row, "lengths", "yes, interpolated")
    with _noted(row, "bound", ""):
        cell, reason = compared(derived[0][0], configs[1], derived[1][0])
        if cell == "refused":
            cell, reason = compared_with_kept(derived[0][0], *configs) or (cell, reason)
        _cell(row, "bound", cell)
        if reason:
            row["reasons"]["bound"] = reason
    row["numbers"] = sorted({n for model, *_ in derived for n in stayed_numbers(model)})


def _cell(row: Row, column: str, text: str) -> None:
    row["cells"][column] = text


@contextmanager
def _noted(row: Row, column: str, where: str) -> Iterator[None]:
    """Whatever is raised becomes the column's reason: nothing that goes wrong with a type may hide or stop the rest."""
    try:
        yield
    except Exception as error:
        known = isinstance(error, SymflopsError)
        text = error.message if known else f"{type(error).__name__}: {_first_line(error)}"
        before = row["reasons"].get(column, "")
        reason = f"{where}: {text}" if where else text
        same = before.partition(": ")[2] == text
        row["reasons"][column] = f"both configs: {text}" if same else "; ".join(filter(None, (before, reason)))
        if not same and (not known or error.__context__ is not None):
            row["traces"].setdefault(column, []).append(_place(error))


def _derived(row: Row, config: Any, variant: int) -> Model | None:
    start = time.perf_counter()
    model = None
    with _noted(row, "derived", f"config {variant}"):
        model = derive(config)
        row["class"] = model.class_name.rpartition(".")[2]
    row["seconds"].append(round(time.perf_counter() - start, 1))
    return model


# -------------------------------------------------------------------------------------------------- independent counts


def counted(config: Any, known: Sequence[Row] = ()) -> Row:
    """What PyTorch counts for a config, and why it takes no cache if so; or the `error` that no count can be had.

    One of the `known` counts of the same config is used instead, unless it is an error.
    """
    counts: Row = {"config": zlib.crc32(config.to_json_string(use_diff=False).encode())}
    for earlier in known:
        if earlier["config"] == counts["config"] and "error" not in earlier:
            return earlier
    try:
        counts["parameters"] = independent_count.parameters(config)
        counts["matmul_flops"] = [independent_count.count(config, *point) for point in POINTS]
        counts["no_cache"] = independent_count.cache_refusal(config)
        counts["cached"] = None if counts["no_cache"] else independent_count.count(config, *CACHED)
    except Exception as error:  # a package is missing, or the type's own defaults contradict each other
        counts["error"] = f"{type(error).__name__}: {_first_line(error)}"
    return counts


def takes_cache(counts: Row) -> bool:
    """Whether the type takes a cache as far as is known: one that cannot be counted is not excused."""
    return "error" in counts or not counts["no_cache"]


# -------------------------------------------------------------------------------------------------------------- checks


def miscounted(model: Model, counts: Row) -> str:
    """Where the closed form and the independent count disagree, or "": parameters, and matmul_flops at all points."""
    if "error" in counts:
        return f"no independent count: {counts['error']}"
    if asked := free_symbols(model.total().value("parameters")):
        return f"parameters depend on {', '.join(sorted(asked))}"
    found = exact(model, "parameters")
    if found != counts["parameters"]:
        return f"{found} parameters, counted {counts['parameters']}"
    for (batch, length), number in zip(POINTS, counts["matmul_flops"], strict=True):
        if problem := _differs(model, number, batch_size=batch, seq_len=length, past_len=0):
            return problem
    return ""


def miscached(model: Model, counts: Row) -> str:
    """Why past_len is no symbol, or where the closed form and the count of a cached call disagree, or ""."""
    if "past_len == 0" in model.assumes or "past_len" not in model.total().free_symbols:
        return "past_len is no symbol"
    if "error" in counts:
        return f"no independent count: {counts['error']}"
    if counts["no_cache"]:
        return ""
    batch, length, past = CACHED
    return _differs(model, counts["cached"], batch_size=batch, seq_len=length, past_len=past)


def _differs(model: Model, number: int, **point: int) -> str:
    """Why a count is not the closed form's at a point, if so; a point that an assumption rules out is not verified."""
    where = ", ".join(f"{name}={value}" for name, value in point.items() if name != "past_len" or value)
    found = exact(model, "matmul_flops", **point)
    if found != number:
        return f"{found} matmul_flops at {where}, counted {number}"
    try:
        model.check_assumptions(point)
    except SymflopsError as error:
        return f"{where} is ruled out: {error.message}"
    return ""


def exact(model: Model, metric: str, **point: int) -> Any:
    """A metric at a point, not rounded: a closed form that is not whole there is not equal to a count."""
    return numeric.evaluate(model.total().value(metric), numeric.with_defaults(point))


def compared(first: Model, config: Any, second: Model) -> tuple[str, str]:
    """Whether the closed form of one config, bound to another, is the one derived there; the cell and a reason."""
    try:
        model = bind(first, config)
    except SymflopsError as error:
        return "refused", f"binding: {error.message}"
    if not (different := [m for m in METRICS if model.total().value(m) != second.total().value(m)]):
        return "yes", ""
    past = (0, 5) if "past_len" in model.total().free_symbols | second.total().free_symbols else (0,)
    for metric in different:
        for batch, length in (*POINTS, (1, 1), (2, 129)):
            for p in past:
                for causal in (0, 1):
                    sizes = {"batch_size": batch, "seq_len": length, "past_len": p, "causal": causal}
                    point = sizes | {"dtype_bytes": 3, "weight_bytes": 5, "cache_bytes": 7}
                    a, b = (exact(m, metric, **point) for m in (model, second))
                    if a != b:
                        where = ", ".join(f"{n}={v}" for n, v in point.items() if not n.endswith("bytes"))
                        return "no", f"bound {metric} {a}, derived {b} at {where} ({', '.join(different)} differ)"
    return "at points", f"{', '.join(different)} equal at points only"


def compared_with_kept(first: Model, config: Any, other: Any) -> tuple[str, str] | None:
    """The same where the second config has the first one's values in the fields that the closed form does not hold for
    others of, if these are few and independent of the rest; the cell names them."""
    kept: list[str] = []
    other = copy.deepcopy(other)
    while len(kept) < 5:
        try:
            bind(first, other)
        except SymflopsError as error:
            broken = re.match(r"assumption broken: (\w+) == ", error.message)
            # What is broken may follow from a number that stayed: d_model % 6 == 0 from n_heads == 6.
            names = [broken[1]] if broken else sorted(stayed_numbers(first) - {*kept})
            names = [name for name in names if name not in kept and _keep(name, config, other)]
            if not names and "differ in what no list" in error.message and "depth" not in kept:
                _keep_layers(config, other)
                names = ["depth"]
            if not names:
                return None
            kept += names
        else:
            cell, reason = compared(first, other, derive(other))
            return f"{cell}, with the same {', '.join(kept)}", reason
    return None


def _keep(name: str, config: Any, other: Any) -> bool:
    """Give the other config this one's value of a field; False if there is no such field or it speaks of layers."""
    for (prefix, part), (_, changed) in zip(parts(config), parts(other), strict=True):
        for key in vars(part).keys() & {name, name.removeprefix(prefix)}:
            if isinstance(vars(part)[key], list | tuple):
                return False
            vars(changed)[key] = vars(part)[key]
            return True
    return False


def _keep_layers(config: Any, other: Any) -> None:
    """Give the other config as many layers as this one has, and the same kinds of them."""
    for (_, part), (_, changed) in zip(parts(config), parts(other), strict=True):
        depths = {key for key, value in vars(part).items() if type(value) is int and DEPTH.search(key)}
        totals = {vars(part)[key] for key in depths}
        for key, value in vars(part).items():
            if key in depths or (isinstance(value, list | tuple) and len(value) in totals):
                vars(changed)[key] = value


def fixed_lengths(model: Model) -> str:
    """The lengths that the closed form has no symbol for, or ""."""
    missing = {"batch_size", "seq_len"} - model.total().free_symbols
    return f"no symbol for {', '.join(sorted(missing))}" if missing else ""


def fixed_sizes(model: Model, config: Any) -> str:
    """Which of width, heads, vocabulary and depth the config has and the closed form holds as a number, or ""."""
    fixed = []
    for role, names in ROLES.items():
        name, number, symbols = _field(model, config, names)
        if role == "depth" and _layers_counted(model) >= number > 0 and f"{name} == {number}" not in model.assumes:
            continue
        if (name or role == "depth") and not any(_varies(model, s) for s in symbols):
            fixed.append(f"{role} ({name})" if name else role)
    return f"numbers: {', '.join(fixed)}" if fixed else ""


def _field(model: Model, config: Any, names: Sequence[str]) -> tuple[str, int, list[str]]:
    """The config's field of one of these names, its number, and the symbols that may stand for it."""
    own = find(config).config
    text = own.get_text_config()
    inside = parts(own)
    for prefix, part in sorted(inside, key=lambda p: (p[1] is not text, p[0] == "")):
        for name in names:
            number = vars(part).get(name)
            if type(number) is int:
                symbols = (name, f"{name}_per_layer", *((f"{prefix}{name}",) if prefix else ()))
                return name, number, [s for s in symbols if model.symbols.get(s) == number]
    return "", len(getattr(text, "layer_types", None) or ()), []


def _layers_counted(model: Model) -> int:
    """The layers that repeats count kind by kind, as num_full_attention_layers."""
    free = model.total(symbolic=True).free_symbols
    return sum(number for name, number in model.symbols.items() if name in free and re.match(r"num_.+_layers$", name))


def _varies(model: Model, name: str) -> bool:
    """Whether a size is a symbol of the closed form, or is tied to such symbols: hidden_size == heads*head_dim."""
    free = model.total(symbolic=True).free_symbols
    if name in stayed_numbers(model):
        return False
    tied = (text.removeprefix(f"{name} == ") for text in model.assumes if text.startswith(f"{name} == "))
    return name in free or any(set(re.findall(r"[a-zA-Z_]\w*", text)) <= free for text in tied)


def stayed_numbers(model: Model) -> set[str]:
    """The config's integers that the closed form holds as numbers, so that no other value can be bound to them."""
    found = (re.fullmatch(r"(\w+) == (\d+)", text) for text in model.assumes)
    return {match[1] for match in found if match and match[1] not in RUN_SYMBOLS}


# ----------------------------------------------------------------------------------------------------------- processes


@dataclass
class _Child:
    """The process of one type: what it has said so far and when it has to be done."""

    model_type: str
    pid: int
    pipe: int
    started: float = field(default_factory=time.monotonic)
    said: bytes = b""


def run(types: Sequence[str], rows: dict[str, Row], jobs: int, timeout: float, failures_file: str) -> None:
    """Examine the types, `jobs` at a time, and append a row for each to the results."""
    waiting, total, done = list(reversed(types)), len(types), 0
    source = source_checksum()
    selector = selectors.DefaultSelector()
    while waiting or selector.get_map():
        while waiting and len(selector.get_map()) < jobs:
            child = _started(waiting[-1], rows.get(waiting.pop(), {}).get("counts", ()))
            selector.register(child.pipe, selectors.EVENT_READ, child)
        for key, _ in selector.select(timeout=1):
            data = os.read(key.fd, 2**16)
            key.data.said += data
            if not data:
                selector.unregister(key.fd)
                row = _finished(key.data, timeout) | {"source": source}
                rows[row["type"]] = row
                with RESULTS.open("a") as file:
                    file.write(json.dumps(row) + "\n")
                done += 1
                print(f"{done} of {total}: {row['type']} {_summary(row)}", file=sys.stderr, flush=True)
                if failures_file:
                    Path(failures_file).write_text(failures(rows.values()))
        for key in selector.get_map().values():
            if time.monotonic() - key.data.started > timeout:
                os.kill(key.data.pid, signal.SIGKILL)


def _started(model_type: str, known: Sequence[Row]) -> _Child:
    read, write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write)
        return _Child(model_type, pid, read)
    try:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

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
    seconds = time.monotonic() - child.started
    empty = {"type": child.model_type, "class": "", "cells": dict.fromkeys(CHECKS, "no"), "reasons": {}, "counts": []}
    said = child.said.splitlines()
    row: Row = {**empty, "numbers": [], "seconds": [], "traces": {}, "step": "starting"} | (
        json.loads(said[-1]) if said else {}
    )
    if step := row.pop("step"):
        end = f"more than {timeout:.0f} s" if seconds > timeout else f"its process ended with status {status}"
        row["reasons"]["derived"] = "; ".join(filter(None, (row["reasons"].get("derived"), f"{step}: {end}")))
    return row | {"wall": round(seconds, 1), "mib": usage.ru_maxrss // 1024}


def source_checksum() -> int:
    """Of the sources that a row depends on, so that the table can say which rows are of an older version."""
    folder = Path(symflops.trace.__file__).parent
    return zlib.crc32(b"".join(path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()))


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).partition("\n")[0][:300]


def _place(error: BaseException) -> str:
    """The last frames on the way to where it was first raised."""
    while error.__context__ is not None:
        error = error.__context__
    frames = [f for f in traceback.extract_tb(error.__traceback__) if re.search("transformers|symflops", f.filename)]
    text = " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.line}" for f in reversed(frames[-3:]))
    return f"{type(error).__name__}: {_first_line(error)} @ {text}"


# --------------------------------------------------------------------------------------------------------------- table

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

- **derived**: `symflops.derive` gave a closed form at both configs.
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
- **stayed numbers**: integers of the config that were read and are numbers in the closed form of either config.
- **seconds**: to derive at the first and at the second config. **MiB**: peak memory of the type's process, everything
  included (about 300 MiB of it from importing torch and transformers).

gemma3n's vision tower needs timm and torchvision; without them the type cannot be built. Its row was made with
torchvision's compiled operators (nms, roi_align, …) declared and not built, since none fits the CPU build of torch; the
model calls none of them.

## The types
"""


def table(rows: Mapping[str, Row]) -> str:
    """docs/coverage.md, with a row for each type: one that was not examined says so."""
    lines = [_line(rows.get(model_type) or _not_examined(model_type)) for model_type in model_types()]
    old = sum(row["source"] != source_checksum() for row in rows.values())
    head = _HEAD.format(
        python=platform.python_version(),
        torch=torch.__version__.partition("+")[0],
        transformers=transformers.__version__,
        count=len(lines),
        points=", ".join(map(str, POINTS)),
        cached=CACHED,
        totals=totals(lines),
        old=f"\n{old} rows were made by an earlier version of symflops/trace." if old else "",
    )
    return f"{head}\n{_markdown(_COLUMNS, [[line[c] for c in _COLUMNS] for line in lines])}\n"


def totals(lines: Sequence[Mapping[str, str]]) -> str:
    """The table of totals that these lines of the table of types add up to."""

    def those(column: str, *cells: str) -> int:
        return sum(line[column].startswith(cells or "yes") for line in lines)

    everything = len(lines)
    derived = those("derived")
    caching = everything - those("cache", "-")
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
    ]
    body = [
        [what, str(n), str(of), "all" if bar == 1 else f"{bar:.0%}", "yes" if n >= bar * of else "no"]
        for what, n, of, bar in entries
    ]
    notes = [
        f"Bound is equal at points only for {those('bound', 'at')} types, refused for {those('bound', 'refused')}; for",
        f"{kept} types the configs have fields in common, those that stay numbers there.",
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


def _summary(row: Row) -> str:
    cells = ", ".join(f"{column} {cell}" for column, cell in row["cells"].items() if not cell.startswith("yes"))
    return f"{row['wall']} s, {row['mib']} MiB{': ' if cells else ''}{cells}"


def failed(row: Row) -> set[str]:
    """The checks of a row that are neither a yes nor beside the point."""
    return {check for check, cell in row["cells"].items() if not cell.startswith(("yes", "-"))}


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


# ---------------------------------------------------------------------------------------------------------------- main


def read_results() -> dict[str, Row]:
    """The newest row of each type."""
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    return {row["type"]: row for row in map(json.loads, lines)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", type=lambda text: text.split(","), metavar="a,b,c", help="no types but these")
    parser.add_argument("--again", nargs="*", metavar="TYPE", help="make these rows again; without a name, all")
    parser.add_argument("--failed", action="store_true", help="make rows again in which something fails")
    parser.add_argument("--jobs", type=int, default=1, help="types examined at the same time")
    parser.add_argument("--timeout", type=float, default=900, help="seconds for one type")
    parser.add_argument("--failures", default="", metavar="FILE", help="keep a list of what fails in this file")
    parser.add_argument("--write", action="store_true", help="write the table from the rows there are, and no more")
    given = parser.parse_args()
    if unknown := {*(given.only or ()), *(given.again or ())} - {*model_types()}:
        parser.error(f"no such model types: {', '.join(sorted(unknown))}")
    rows = read_results()
    wanted = [t for t in model_types() if given.only is None or t in given.only]
    again = {*wanted} if given.again == [] else {*(given.again or ())}
    again |= {t for t, row in rows.items() if given.failed and failed(row)}
    if not given.write:
        torch.set_num_threads(1)
        transformers.logging.set_verbosity_error()
        run([t for t in wanted if t not in rows or t in again], rows, given.jobs, given.timeout, given.failures)
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(table(rows), "utf-8")


if __name__ == "__main__":
    main()
