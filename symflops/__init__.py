"""Closed-form cost formulas for neural networks.

>>> import symflops
>>> symflops.parse("2*N*h") * 3
6*N*h
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symflops.cost import METRICS, Cost, Sweep
    from symflops.errors import SymflopsError
    from symflops.expr import parse, symbol, unparse
    from symflops.formula import Formula, formula_names, load_formula
    from symflops.layer import Layer
    from symflops.model import Model, Row, model_names
    from symflops.source import derive, load
    from symflops.verification import Verdict, verify

__version__ = "0.1.0"

# Where each public name lives. Imported when first used: a total in the terminal needs neither SymPy nor NumPy.
_HOMES = {
    "SymflopsError": "errors", "symbol": "expr", "parse": "expr", "unparse": "expr", "METRICS": "cost", "Cost": "cost",
    "Sweep": "cost", "Formula": "formula", "load_formula": "formula", "formula_names": "formula", "Layer": "layer",
    "Model": "model", "Row": "model", "model_names": "model", "load": "source", "derive": "source",
    "Verdict": "verification", "verify": "verification",
}  # fmt: skip

__all__ = [
    "METRICS", "Cost", "Formula", "Layer", "Model", "Row", "Sweep", "SymflopsError", "Verdict", "derive",
    "formula_names", "load", "load_formula", "model_names", "parse", "symbol", "unparse", "verify",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'symflops' has no attribute {name!r}")
    value = getattr(import_module(f"symflops.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
