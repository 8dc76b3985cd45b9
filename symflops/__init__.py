"""Closed-form cost formulas for neural networks.

>>> import symflops
>>> symflops.parse("2*N*h") * 3
6*N*h
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symflops.analysis import Answer, Solution, solve
    from symflops.comparison import Comparison, compare
    from symflops.cost import METRICS, Cost, Sweep
    from symflops.decoding import generation, kv_cache
    from symflops.errors import SymflopsError
    from symflops.expr import parse, symbol, unparse
    from symflops.formula import Formula, formula_names, load_formula
    from symflops.growth import Regimes, regimes
    from symflops.hardware import Hardware, hardware_names, load_hardware
    from symflops.layer import Layer
    from symflops.model import Model, Row, Rows, model_names
    from symflops.performance import Roofline, roofline
    from symflops.source import derive, load
    from symflops.verification import Verdict, verify

__version__ = "0.1.0"

# Where each public name lives. Imported when first used: a total in the terminal needs neither SymPy nor NumPy. No
# module may have the name of one of them, since importing the module would put it in the function's place.
_HOMES = {
    "SymflopsError": "errors", "symbol": "expr", "parse": "expr", "unparse": "expr", "METRICS": "cost", "Cost": "cost",
    "Sweep": "cost", "Formula": "formula", "load_formula": "formula", "formula_names": "formula", "Layer": "layer",
    "Model": "model", "Row": "model", "Rows": "model", "model_names": "model", "load": "source", "derive": "source",
    "Answer": "analysis", "Solution": "analysis", "solve": "analysis", "Regimes": "growth", "regimes": "growth",
    "generation": "decoding", "kv_cache": "decoding", "Comparison": "comparison", "compare": "comparison",
    "Hardware": "hardware", "hardware_names": "hardware", "load_hardware": "hardware", "Roofline": "performance",
    "roofline": "performance", "Verdict": "verification", "verify": "verification",
}  # fmt: skip

__all__ = [
    "METRICS", "Answer", "Comparison", "Cost", "Formula", "Hardware", "Layer", "Model", "Regimes", "Roofline", "Row",
    "Rows", "Solution", "Sweep", "SymflopsError", "Verdict", "compare", "derive", "formula_names",
    "generation", "hardware_names",
    "kv_cache", "load", "load_formula", "load_hardware", "model_names", "parse", "regimes", "roofline", "solve",
    "symbol", "unparse", "verify",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'symflops' has no attribute {name!r}")
    value = getattr(import_module(f"symflops.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
