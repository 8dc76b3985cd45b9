"""Every check of one model type, as a row of the table."""

from __future__ import annotations

import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import coverage_runs
from coverage_binding import compared, compared_with_kept
from coverage_checks import fixed_lengths, fixed_sizes, miscached, miscounted, stayed_numbers
from coverage_counts import Row, counted, first_line, keeps_something, takes_cache
from small_configs import small_config

from symflops.errors import SymflopsError
from symflops.model import Model
from symflops.trace.derive import derive

OPTIONAL = ("timm", "torchvision")
"""Packages that some type's towers need; the table names those that a row was made with."""

RUN_CHECKS: dict[str, Callable[[Model, Row], tuple[str, str]]] = {
    "matmul": coverage_runs.matmul,
    "all": coverage_runs.everything,
    "causal": coverage_runs.causal,
    "state": coverage_runs.state,
    "split": coverage_runs.split,
}
CHECKS = ("derived", "verified", "bound", "lengths", "sizes", "cache", *RUN_CHECKS)


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
    if not any(keeps_something(counts) for counts in row["counts"]):
        row["cells"] |= {"state": "-", "split": "-"}
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
    for column, judge in RUN_CHECKS.items():
        with _noted(row, column, ""):
            _judge_runs(row, column, [judge(model, counts) for model, _, counts in derived])
    row["numbers"] = sorted({n for model, *_ in derived for n in stayed_numbers(model)})


def _judge_runs(row: Row, column: str, found: Sequence[tuple[str, str]]) -> None:
    """A cell for both configs: the least that is true of them, and what is said of each."""
    cells = [cell for cell, _ in found]
    order = ("no", *coverage_runs.HALF, "yes", "-")
    _cell(row, column, min(cells, key=order.index))
    reasons = [reason for _, reason in found]
    if reasons[0] == reasons[1] != "":
        row["reasons"][column] = f"both configs: {reasons[0]}"
    elif said := [f"config {i}: {reason}" for i, reason in enumerate(reasons) if reason]:
        row["reasons"][column] = "; ".join(said)


def _cell(row: Row, column: str, text: str) -> None:
    row["cells"][column] = text


@contextmanager
def _noted(row: Row, column: str, where: str) -> Iterator[None]:
    """Whatever is raised becomes the column's reason: nothing that goes wrong with a type may hide or stop the rest."""
    try:
        yield
    except Exception as error:
        known = isinstance(error, SymflopsError)
        text = error.message if known else f"{type(error).__name__}: {first_line(error)}"
        before = row["reasons"].get(column, "")
        reason = f"{where}: {text}" if where else text
        same = before.partition(": ")[2] == text
        row["reasons"][column] = f"both configs: {text}" if same else "; ".join(filter(None, (before, reason)))
        if not same and (not known or error.__context__ is not None):
            row["traces"].setdefault(column, []).append(_place(error))


def _derived(row: Row, config: Any, variant: int) -> Model | None:
    start = time.process_time()
    model = None
    with _noted(row, "derived", f"config {variant}"):
        model = derive(config)
        row["class"] = model.class_name.rpartition(".")[2]
    row["seconds"].append(round(time.process_time() - start, 1))
    return model


def _place(error: BaseException) -> str:
    """The last frames on the way to where it was first raised."""
    while error.__context__ is not None:
        error = error.__context__
    frames = [f for f in traceback.extract_tb(error.__traceback__) if re.search("transformers|symflops", f.filename)]
    text = " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.line}" for f in reversed(frames[-3:]))
    return f"{type(error).__name__}: {first_line(error)} @ {text}"
