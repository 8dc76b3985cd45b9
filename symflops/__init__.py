"""Closed-form cost formulas for neural networks: FLOPs, bytes and parameters as expressions, exact numbers, answers.

A model, by the name of a shipped one, a model file, a config, a model type or a class:

    load, model_names    a Model: `total()` is its Cost, `rows()` are its layers
    derive               the same from a transformers config or a module of your own

What it costs, as six closed forms (`METRICS`), with numbers put in by name:

    Cost                 `cost.flops`; `cost.at(batch_size=1, seq_len=2048).flops`;
                         `cost.sweep(batch_size=1, seq_len=[1, 2])["flops"]`
    by_component         a total as a sum: a Component for each kind of layer

What only algebra can answer:

    solve                where an equation or inequality holds
    regimes              how a cost grows, and which part dominates
    compare              two models, or a model and a rule of thumb
    count                one call of a module that you have, by module, as a Count
    generation, kv_cache a prompt with all decoding steps; what is kept
    training             a step of training, as a model
    formats              the same model with its weights in another format
    served               what an inference engine runs, as a model
    memory               what memory a call or a step of training takes, as a Memory
    fit                  whether it fits on a machine, the largest batch and the longest context, as a Fit
    times                time to the first token and per token, as Times: each a Speed
    roofline             the bounds of a machine (`hardware_names`, `load_hardware`)
    verify               whether a formula is right

    parse, unparse, symbol, load_formula, formula_names    formulas, as texts and SymPy expressions

Whatever is wrong with what you give is a `SymflopsError`, one line that names it.

>>> import symflops
>>> symflops.load("llama-2-7b-hf").total().at(batch_size=1, seq_len=2048).flops
29295586971648
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symflops.analysis.as_served import served
    from symflops.analysis.comparison import Comparison, compare
    from symflops.analysis.counting import Count, count
    from symflops.analysis.fit import Fit, fit
    from symflops.analysis.formatted import formats
    from symflops.analysis.generation import generation, kv_cache
    from symflops.analysis.memory import Memory, memory
    from symflops.analysis.parts import Component, by_component
    from symflops.analysis.regimes import Regimes, regimes
    from symflops.analysis.roofline import Roofline, roofline
    from symflops.analysis.solution import Answer, Solution, solve
    from symflops.analysis.speed import Speed
    from symflops.analysis.times import Times, times
    from symflops.analysis.trained import training
    from symflops.cost import METRICS, Cost, Sweep
    from symflops.errors import SymflopsError
    from symflops.expr import parse, symbol, unparse
    from symflops.formula import Formula, formula_names, load_formula
    from symflops.hardware import Hardware, hardware_names, load_hardware
    from symflops.layer import Layer
    from symflops.model import Model, Row, Rows, model_names
    from symflops.reference import verify
    from symflops.source import derive, load
    from symflops.verification import Verdict

__version__ = "0.1.0"

# Where each public name lives. Imported when first used: a total in the terminal needs neither SymPy nor NumPy. No
# module may have the name of one of them, since importing the module would put it in the function's place.
_NAMES = {
    "errors": "SymflopsError",
    "expr": "symbol parse unparse",
    "cost": "METRICS Cost Sweep",
    "formula": "Formula load_formula formula_names",
    "layer": "Layer",
    "model": "Model Row Rows model_names",
    "verification": "Verdict",
    "reference": "verify",
    "source": "load derive",
    "analysis.solution": "Answer Solution solve",
    "analysis.parts": "Component by_component",
    "analysis.regimes": "Regimes regimes",
    "analysis.counting": "Count count",
    "analysis.generation": "generation kv_cache",
    "analysis.memory": "Memory memory",
    "analysis.fit": "Fit fit",
    "analysis.formatted": "formats",
    "analysis.speed": "Speed",
    "analysis.times": "Times times",
    "analysis.trained": "training",
    "analysis.as_served": "served",
    "analysis.comparison": "Comparison compare",
    "hardware": "Hardware hardware_names load_hardware",
    "analysis.roofline": "Roofline roofline",
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names.split()}

__all__ = [
    "METRICS", "Answer", "Comparison", "Component", "Cost", "Count", "Fit", "Formula", "Hardware", "Layer", "Memory",
    "Model", "Regimes", "Roofline", "Row", "Rows", "Solution", "Speed", "Sweep", "SymflopsError", "Times", "Verdict",
    "by_component", "compare", "count", "derive", "fit", "formats", "formula_names", "generation", "hardware_names",
    "kv_cache", "load", "load_formula", "load_hardware", "memory", "model_names", "parse", "regimes", "roofline",
    "served", "solve", "symbol", "times", "training", "unparse", "verify",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'symflops' has no attribute {name!r}")
    value = getattr(import_module(f"symflops.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
