"""Efficiencies: what the terms of a stage are multiplied by for an engine, read from `efficiency.toml`.

The file is written by `benchmarks/times.py` out of published measurements; how wrong its estimates are was measured on
those that they were not fitted on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from symflops import files
from symflops.analysis.terms import TERMS
from symflops.errors import SymflopsError, nearest
from symflops.formula import data_folder
from symflops.hardware import Hardware

_MAX_FILE = 1_000_000
_MOST = 10**9
ERRORS = {  # what was estimated
    "ttft": "time to first token",
    "loaded": "time to first token beside others",
    "tpot": "time per output token",
}


@dataclass(frozen=True)
class Error:
    """How wrong estimates were: half of the measurements were off by no more than `median`, and 8 of 10 took between
    `low` and `high` times the estimate."""

    median: float
    low: float
    high: float
    rows: int


@dataclass(frozen=True)
class Efficiency:
    """The coefficients of the `TERMS` for engines of a kind, and for dense models or those with routed experts."""

    name: str
    about: str
    coefficients: Mapping[str, float]
    errors: Mapping[str, Error]
    source: str
    from_tflops: float = 0.0  # the least matrix peak of machines that it is taken for unless another is named

    def changed(self, coefficients: Mapping[str, float]) -> Efficiency:
        """The same with coefficients of one's own, of which no error is known."""
        for name, value in coefficients.items():
            if not isinstance(name, str) or name not in TERMS:
                raise SymflopsError(f"no efficiency {str(name)[:60]!r}{nearest(str(name), tuple(TERMS))}")
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST:
                raise SymflopsError(f"efficiency {name} = {str(value)[:60]}: expected a number of at least 0")
        return replace(self, coefficients={**self.coefficients, **coefficients}, errors={}) if coefficients else self


def efficiency_names() -> tuple[str, ...]:
    """The kinds of engines that there are efficiencies of."""
    return tuple(dict.fromkeys(one.name for one in _shipped()))


def efficiency(name: str | None, machine: Hardware, routed: bool) -> Efficiency:
    """Those of the named kind of engine, or, without a name, of the one that such machines run.

    >>> from symflops.hardware import load_hardware
    >>> efficiency(None, load_hardware("h100-sxm"), False).name, efficiency(None, load_hardware("m1-max"), False).name
    ('server', 'llama.cpp')

    Raises SymflopsError for an unknown name.
    """
    names = efficiency_names()
    if name is not None and name not in names:
        raise SymflopsError(f"no efficiencies of {name[:60]!r}; there are those of {', '.join(names)}")
    peak = max(float(machine.peak.get(dtype, 0)) for dtype in ("bf16", "fp16", "fp32")) / 1e12
    fitting = [e for e in _shipped() if e.name == name or (name is None and peak >= e.from_tflops)]
    most = max(e.from_tflops for e in fitting)
    chosen = [one for one in fitting if one.from_tflops == most]
    return chosen[-1] if routed else chosen[0]


@cache
def _shipped() -> tuple[Efficiency, ...]:
    """Of each kind, that of dense models first; where there is one only, it is of both."""
    path = data_folder("efficiency.toml")
    data = files.read_toml(path, _MAX_FILE, "a file of efficiencies")
    return tuple(_one(name, kind, table, data[name], path) for name in data for kind, table in data[name].items()
                 if isinstance(table, dict))  # fmt: skip


def _one(name: str, kind: str, table: Mapping[str, Any], whole: Mapping[str, Any], path: Path) -> Efficiency:
    try:
        errors = {key: Error(**table[key]) for key in ERRORS if key in table}
        coefficients = {key: float(value) for key, value in table["coefficients"].items()}
        return Efficiency(
            name, f"{whole['about']}, {kind}", coefficients, errors, whole["source"], float(whole["from_tflops"])
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SymflopsError(f"{name}.{kind}: {error}", where=str(path)) from None
