"""How wrong estimated times are, and the efficiencies that they are made with.

    python benchmarks/times.py DATA_DIR            # every row, and a table
    python benchmarks/times.py DATA_DIR --write    # and efficiency.toml and docs/times.md

DATA_DIR holds published measurements (inference.csv, inference_more.csv; its README says what columns mean). No
estimate is fitted on what it is judged by, in two ways: its whole source is left out, or its series, which are the runs
of one model's architecture with one engine on one machine (what aiconfigurator collected from many runs is one source).
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from times_rows import Measured, measured

from symflops.analysis.calibration import fitted
from symflops.analysis.terms import BESIDE, PROMPT, STEPS, seconds

# What is fitted together: the kinds of rows, and the terms of them.
FITS = {"steps": (("decode", "full"), (*STEPS, *BESIDE)), "prompts": (("prompt", "loaded"), tuple(PROMPT))}
# Coefficients of dense models and of those with experts are pulled towards what both have together, so that what few
# rows do not tell apart stays plausible: how much that counts. Chosen once, by the table of docs/times.md.
HELD = {"steps": 0.05, "prompts": 0.01}
LEAST_ROWS = 2  # on which something is fitted
LEFT_OUT: dict[str, Callable[[Measured], str]] = {"source": lambda row: row.source, "series": lambda row: row.series}
Engine = tuple[str, str]


@dataclass(frozen=True)
class Judged:
    """A row, and its estimate without its source and without its series (None where nothing is left to fit on)."""

    row: Measured
    estimates: dict[str, float | None]

    def error(self, left_out: str) -> float | None:
        """How far off the estimate is, of the measured time; of `bound`, how far the bound is."""
        found = self.row.bound if left_out == "bound" else self.estimates[left_out]
        return None if found is None else abs(found / self.row.seconds - 1)


def weights(rows: Sequence[Measured]) -> list[float]:
    """Sources with many rows count more than those with few, but not as much as rows."""
    count = Counter((row.source, row.kind) for row in rows)
    return [1 / count[row.source, row.kind] ** 0.5 for row in rows]


def fit(rows: Sequence[Measured], what: str, engine: Engine) -> dict[str, float] | None:
    """The coefficients of the terms of a kind of engine; None where next to nothing was measured of its name."""
    kinds, names = FITS[what]
    alike = [row for row in rows if row.kind in kinds and row.engine[0] == engine[0]]
    if len(alike) < LEAST_ROWS:
        return None
    both = fitted([(row.terms, row.seconds) for row in alike], names, weights(alike))
    own = [row for row in alike if row.engine == engine]
    if not own:
        return both
    return fitted([(row.terms, row.seconds) for row in own], names, weights(own), both, HELD[what])


def judge(rows: Sequence[Measured]) -> list[Judged]:
    """Each row with estimates that it has no part in."""
    known: dict[tuple[str, str, str, Engine], dict[str, float] | None] = {}

    def estimate(row: Measured, left_out: str) -> float | None:
        what = next(name for name, (kinds, _) in FITS.items() if row.kind in kinds)
        of = LEFT_OUT[left_out]
        key = (left_out, of(row), what, row.engine)
        if key not in known:
            known[key] = fit([other for other in rows if of(other) != of(row)], what, row.engine)
        found = known[key]
        return None if found is None else max(row.bound, seconds(row.terms, found))

    return [Judged(row, {name: estimate(row, name) for name in LEFT_OUT}) for row in rows]


def summary(judged: Sequence[Judged], left_out: str) -> tuple[int, float, float]:
    """How many have an estimate, and the median and mean of their errors."""
    errors = [error for one in judged if (error := one.error(left_out)) is not None]
    return (
        (len(errors), float(np.median(errors)), float(np.mean(errors))) if errors else (0, float("nan"), float("nan"))
    )


def main(arguments: Sequence[str]) -> None:
    folder = Path(arguments[0])
    rows, left = measured(folder)
    judged = judge(rows)
    for one in judged:
        shown = [f"{row_ms:10.2f}" for row_ms in (one.row.seconds * 1e3, one.row.bound * 1e3)]
        for name in LEFT_OUT:
            found, error = one.estimates[name], one.error(name)
            shown.append("         -      -" if found is None or error is None else f"{found * 1e3:10.2f} {error:6.1%}")
        print(f"{one.row.id:7} {one.row.kind:7} {one.row.source:20} {' '.join(shown)}  {one.row.what}")
    print()
    from times_report import efficiencies, page, table

    print(table(judged))
    if "--write" in arguments:
        root = Path(__file__).parent.parent
        engines = sorted({row.engine for row in rows})
        coefficients = {(engine, what): fit(rows, what, engine) for engine in engines for what in FITS}
        (root / "efficiency.toml").write_text(efficiencies(judged, coefficients), encoding="utf-8")
        (root / "docs" / "times.md").write_text(page(judged, left), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
