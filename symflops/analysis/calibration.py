"""Coefficients out of measurements: a sum of terms fitted to times by their relative errors, none below 0.

Least squares of (estimate/measured - 1), with less weight for what is far off, so that a few wrong measurements do not
decide (iteratively reweighted least squares, towards the median of the relative errors). What measurements do not tell
apart stays where it was, if something is known before.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from symflops import files
from symflops.errors import SymflopsError

if TYPE_CHECKING:
    import numpy
    import numpy.typing

    Array = numpy.typing.NDArray[numpy.float64]

Terms = Mapping[str, float]
_ROUNDS = 15
_NEAR = 0.05  # a relative error below which a measurement has its full weight
_FLAT = 1e-12  # a slope or a length that is none
HELD = 1e-6  # the weight of what was known before, against a measurement's 1: it decides where these tell nothing
MAX_FILE = 10_000_000
COLUMNS = ("metric", "value", "batch_or_concurrency", "prompt_len", "new_tokens")
METRICS = ("ttft_ms", "tpot_ms", "output_tok_s", "prefill_tok_s")


def fitted(
    rows: Sequence[tuple[Terms, float]],
    names: Sequence[str],
    weights: Sequence[float] | None = None,
    before: Mapping[str, float] | None = None,
    held: float = HELD,
) -> dict[str, float]:
    """The coefficients of the named terms with which they add up to the times, row by row.

    `weights` say how much each row counts, `before` what is known of the coefficients, and `held` how much that counts.

    >>> rows = [({"weights": 2.0, "layer": 10}, 3.0), ({"weights": 4.0, "layer": 10}, 5.0), ({"weights": 1.0}, 1.0)]
    >>> {name: round(value, 6) for name, value in fitted(rows, ["weights", "layer"]).items()}
    {'weights': 1.0, 'layer': 0.1}
    """
    import numpy as np

    times = np.array([time for _, time in rows])
    terms = np.array([[one.get(name, 0.0) for name in names] for one, _ in rows]) / times[:, None]
    own = np.ones(len(rows)) if weights is None else np.array(weights, float)
    known = np.array([0.0 if before is None else before.get(name, 0.0) for name in names])
    counted, found = own.copy(), known.copy()
    for _ in range(_ROUNDS):
        found = _solved(terms, counted, known, held)
        off = np.abs(np.log(np.maximum(terms @ found, 1e-12)))
        counted = own / np.maximum(off, _NEAR) * _NEAR
    return {name: float(value) for name, value in zip(names, found, strict=True)}


def _solved(terms: Array, weights: Array, known: Array, held: float) -> Array:
    """The least of sum of w*(terms*x - 1)^2, and of held*(x/known - 1)^2, over x of at least 0."""
    import numpy as np

    scale = np.sqrt((terms * terms).sum(axis=0))
    scale[scale == 0] = 1.0
    scaled = terms / scale
    square = scaled.T @ (scaled * weights[:, None])
    right = scaled.T @ weights
    start = known * scale
    pull = np.where(start > 0, held / np.where(start > 0, start, 1.0) ** 2, 0.0)
    square[np.diag_indices(len(start))] += pull
    found: Array = _nonnegative(square, right + pull * start) / scale
    return found


def _nonnegative(square: Array, right: Array) -> Array:
    """The least of x*square*x/2 - right*x over x of at least 0: C. Lawson and R. Hanson, "Solving least squares
    problems", 1974, chapter 23: what would help is let in, one by one, and what would turn negative is put out."""
    import numpy as np

    x = np.zeros(len(right))
    inside = np.zeros(len(right), bool)
    for _ in range(_ROUNDS * len(right)):
        slope = right - square @ x
        helps = np.where(inside, -np.inf, slope)
        if inside.all() or helps.max() <= _FLAT * max(1.0, float(np.abs(right).max())):
            break
        inside[int(helps.argmax())] = True
        while True:
            free = np.flatnonzero(inside)
            best = np.linalg.lstsq(square[np.ix_(free, free)], right[free], rcond=None)[0]
            if (best > 0).all():
                x[:] = 0.0
                x[free] = best
                break
            away = best <= 0
            step = (x[free][away] / (x[free][away] - best[away])).min()
            x[free] += step * (best - x[free])
            inside[free[(x[free] <= _FLAT) & away]] = False
            x[~inside] = 0.0
            if not inside.any():
                break
    return x


@dataclass(frozen=True)
class Measurement:
    """A row of one's own measurements: so many sequences, tokens of each, what was measured, and how many devices."""

    line: int
    metric: str
    value: float
    batch: int
    prompt_len: int
    new_tokens: int
    devices: int | None


def measurements(path: Path) -> list[Measurement]:
    """One's own measurements out of a CSV file with a line of column names: those of `COLUMNS`, and `num_devices`.

    `metric` is one of `METRICS`: milliseconds to the first token and for each further one of a batch that starts
    together, tokens generated per second by the whole batch, tokens of prompts per second.
    Raises SymflopsError naming file, line and column.
    """
    text = files.text_of(files.read_bytes(path, MAX_FILE, "a file of measurements"))
    reader = csv.DictReader(text.splitlines())
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise SymflopsError(f"no column {missing[0]}; its first line names {', '.join(COLUMNS)}", where=str(path))
    found = []
    for row in reader:
        try:
            found.append(_measurement(reader.line_num, row))
        except SymflopsError as error:
            raise error.within(f"{path}, line {reader.line_num}") from None
    if not found:
        raise SymflopsError("no measurements in it", where=str(path))
    return found


def _measurement(line: int, row: Mapping[str, str | None]) -> Measurement:
    metric = (row["metric"] or "").strip()
    if metric not in METRICS:
        raise SymflopsError(f"metric {metric[:60]!r}: expected one of {', '.join(METRICS)}")
    try:
        value = float(row["value"] or "")
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise SymflopsError(f"value {(row['value'] or '')[:60]!r}: expected a number above 0")
    batch, prompt, new = (_whole(row, name) for name in COLUMNS[2:])
    steps = metric in ("tpot_ms", "output_tok_s")
    if steps and new < 2:
        raise SymflopsError(f"new_tokens {new}: {metric} needs at least 2")
    devices = _whole(row, "num_devices") if (row.get("num_devices") or "").strip() else None
    return Measurement(line, metric, value, batch, max(prompt, 1), max(new, 1), devices)


def _whole(row: Mapping[str, str | None], name: str) -> int:
    text = (row[name] or "").strip()
    if not text.isdecimal() or len(text) > 12:
        raise SymflopsError(f"{name} {text[:60]!r}: expected a whole number")
    return int(text)
