"""Every public function, and every method of what they give, called with one argument of any type: by introspection, so
that what is added is tried, too.

Right arguments are known by the names of parameters; one without a right argument here fails the test, and so does a
class that is public and of which there is no instance here. The constructors of results (`Answer`, `Layer`, ...) are
left out: the library calls those.
"""

from __future__ import annotations

import inspect
import random
import traceback
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import symflops
from symflops import SymflopsError

PACKAGE = str(Path(symflops.__file__).parent)


class Loud:
    """Nothing is to be asked of it."""

    def __bool__(self) -> bool:
        raise RuntimeError("asked whether it is true")


ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    3,
    10**400,
    0.5,
    -1.5,
    1e308,
    float("nan"),
    float("inf"),
    1j,
    Fraction(1, 3),
    Decimal("NaN"),
    Decimal("1e999999"),
    Decimal("1e-999999999"),
    "1e999999999",
    "",
    " ",
    "a",
    "a + b",
    "\0",
    "\ud800",
    "é",
    "x" * 5000,
    "flops",
    "gpt2",
    "seq_len",
    b"",
    b"seq_len",
    bytearray(b"x"),
    (),
    (1,),
    ("a",),
    [],
    [1],
    [[1]],
    [None],
    ["a", []],
    [[], [[]]],
    {},
    {1: 2},
    {"a": []},
    {"a": None},
    {"a": {"b": 1}},
    {"a": "b"},
    {"": ""},
    {"seq_len": 4},
    {"seq_len": [], "N": [], "in_features": 1, "out_features": 1},
    {"seq_len": float("nan")},
    {"batch_size": "1"},
    {None: None},
    {"seq_len"},
    frozenset({1}),
    range(3),
    object(),
    int,
    len,
    ...,
    Path("x"),
    iter("ab"),
    lambda: 1,
    slice(1),
    NotImplemented,
    SymflopsError("x"),
    Loud(),
)

# What Python's own protocols ask for: the name of the method, and what it may raise.
PROTOCOL = {
    "__getitem__": (KeyError, IndexError, TypeError),
    "__getattr__": (AttributeError,),
    "__add__": (TypeError,),
    "__contains__": (TypeError,),
    "get": (TypeError,),
}
OPERATORS = ("__mul__", "__rmul__", "__add__", "__getitem__", "__contains__")


@cache
def instances() -> dict[str, Any]:
    """Something of each class that public functions give, by the name of the class."""
    model = symflops.load("gpt2")
    answer = symflops.solve("gpt2", "flops <= 1e11", "seq_len", batch_size=1)
    comparison = symflops.compare("gpt2", "bert-base", batch_size=1)
    made = [
        model,
        model.total(symbolic=True),
        model.root,
        model.rows(),
        model.rows()[0],
        symflops.by_component(model)[0],
        symflops.load_formula("linear"),
        symflops.load_hardware("h100-sxm"),
        answer,
        answer[0],
        comparison,
        comparison.total,
        symflops.memory(model),
        symflops.fit("gpt2", "h100-sxm"),
        symflops.regimes("gpt2", batch_size=1),
        symflops.roofline("gpt2", "h100-sxm", batch_size=1, seq_len=128),
        symflops.generation("gpt2"),
        symflops.times("gpt2", "h100-sxm", prompt_len=8, new_tokens=3),
        symflops.times("gpt2", "h100-sxm", prompt_len=8, new_tokens=3).bound,
        model.total().sweep(batch_size=1, seq_len=[1, 2, 3]),
        symflops.verify("a + b", "b + 2*a"),
    ]
    return {type(one).__name__: one for one in made}


def _numbers() -> symflops.Cost:
    return instances()["Model"].total().at(batch_size=1, seq_len=8)


# The right arguments, by the name of the parameter or of the callable and the parameter.
RIGHT: dict[str, Callable[[], Any]] = {
    "model": lambda: "gpt2",
    "a": lambda: "gpt2",
    "b": lambda: "bert-base",
    "metric": lambda: "flops",
    "by": lambda: "seq_len",
    "rename": dict,
    "compare.rename": lambda: None,
    "symbolic": lambda: False,
    "groups": lambda: False,
    "short": lambda: False,
    "unfused": lambda: False,
    "numbers": lambda: False,
    "per_token": lambda: False,
    "closest": lambda: False,
    "mixed": lambda: True,
    "frozen": lambda: False,
    "load.training": lambda: False,
    "load.peak": lambda: False,
    "times.as_written": lambda: False,
    "formats.name": lambda: "awq",
    "formats.checkpoint": lambda: "",
    "verify.training": lambda: 0,
    "timeout": lambda: 100.0,
    "text": lambda: "a + b",
    "solve.text": lambda: "flops <= 1e15",
    "symbol": lambda: "seq_len",
    "free": tuple,
    "expression": lambda: 3,
    "candidate": lambda: "a",
    "reference": lambda: "b",
    "set": dict,
    "assume": tuple,
    "tolerance": lambda: "exact",
    "budget": lambda: 0.2,
    "lengths": lambda: (8,),
    "optimizer": lambda: "adamw",
    "recompute": lambda: "none",
    "trainable": lambda: "*",
    "accumulate": lambda: 2,
    "foreach": lambda: False,
    "block": lambda: 16,
    "cached_prefix": lambda: 4,
    "past_lengths": lambda: (5,),
    "chunk": lambda: 8,
    "draft": lambda: 2,
    "lora": lambda: 4,
    "lora_on": lambda: "*.c_attn",
    "reserve": lambda: 10**9,
    "hardware": lambda: "h100-sxm",
    "dtype": lambda: "fp16",
    "devices": lambda: None,
    "measured": lambda: None,
    "engine": lambda: "server",
    "efficiency": lambda: {"weights": 1.2},
    "calibrate": lambda: None,
    "price_per_hour": lambda: 2.5,
    "load_formula.name": lambda: "linear",
    "load_hardware.name": lambda: "h100-sxm",
    "symbol.name": lambda: "n",
    "Regimes.form.name": lambda: "cost",
    "Sweep.__getitem__.name": lambda: "flops",
    "key": lambda: "flops",
    "default": lambda: None,
    "index": lambda: 0,
    "repeat": lambda: 3,
    "other": lambda: instances()["Cost"],
    "part": _numbers,
    "Cost.share.self": _numbers,
    "Cost.number.self": _numbers,
    "metrics": lambda: ("flops",),
    "values": dict,
    "run": lambda: {"batch_size": 1, "seq_len": 8},
    "pattern": lambda: "h.*",
    "what": lambda: "the sum",
    "percent": lambda: 5,
    "kind": lambda: "weights",
    "element_bytes": lambda: 2,
    "wanted": lambda: None,
    "count": lambda: 2,
    "Regimes.at.number": lambda: 8,
    "args": dict,
    "given": lambda: {"N", "in_features", "out_features"},
}
# What keyword arguments by the names of symbols are: one of them is odd, the others are right.
NAMED: dict[str, Callable[[], dict[str, Any]]] = {
    "Cost.of": lambda: {"flops": "a + b", "parameters": 3},
    "Cost.at": lambda: dict.fromkeys(instances()["Cost"].free_symbols, 4),
    "Formula.cost": lambda: {"N": 3, "in_features": 4, "out_features": "h"},
    "regimes": lambda: {"batch_size": 1, "past_len": 2},
    "compare": lambda: {"batch_size": 1, "dtype_bytes": 2},
    "solve": lambda: {"batch_size": 1, "dtype_bytes": 2},
    "Regimes.at": dict,
    "Comparison.at": lambda: {"seq_len": 8},
    "Comparison.to_pandas": lambda: {"seq_len": 8},
    "times": lambda: {"batch_size": 1, "prompt_len": 8, "new_tokens": 3},
    "Generation.at": lambda: {"batch_size": 1, "prompt_len": 8, "new_tokens": 3},
    "": lambda: {"batch_size": 1, "seq_len": 8},
}
# Counting and deriving need torch, and are tried by hand; a SymflopsError is made by the library, as are all results.
LEFT_OUT = {"derive", "count", "Count", "SymflopsError"}


def callables() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Public functions and methods by their full names; the methods of an instance are not bound to it."""
    for name in symflops.__all__:
        one = getattr(symflops, name)
        if inspect.isfunction(one) and name not in LEFT_OUT:
            yield name, one
    public = {name for name in symflops.__all__ if inspect.isclass(getattr(symflops, name))}
    assert public <= {*instances(), *LEFT_OUT}, public
    for kind, instance in instances().items():
        for name, member in inspect.getmembers_static(type(instance)):
            function = member.__func__ if isinstance(member, staticmethod | classmethod) else member
            if (name.startswith("_") and name not in OPERATORS) or not inspect.isfunction(function):
                continue
            if PACKAGE in inspect.getsourcefile(inspect.unwrap(function)):
                yield f"{kind}.{name}", function


def properties() -> Iterator[tuple[str, Callable[[], Any]]]:
    """What is asked of an instance without arguments."""
    for kind, instance in instances().items():
        for name, member in inspect.getmembers_static(type(instance)):
            shown = name in ("_repr_html_", "_repr_latex_", "__repr__")
            if (isinstance(member, property | cached_property) and not name.startswith("_")) or shown:
                yield f"{kind}.{name}", lambda i=instance, n=name, s=shown: getattr(i, n)() if s else getattr(i, n)


def right(name: str, function: Callable[..., Any]) -> dict[str, Any]:
    """The right arguments of a callable; those by the names of symbols as a dict under their own parameter."""
    found: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        kind, _, _ = name.partition(".")
        own = f"{name}.{parameter.name}"
        if parameter.kind is parameter.VAR_KEYWORD:
            found[parameter.name] = NAMED.get(name, NAMED[""])()
        elif own in RIGHT:
            found[parameter.name] = RIGHT[own]()
        elif parameter.name == "self":
            found["self"] = instances()[kind]
        else:
            assert parameter.name in RIGHT, f"{own}: add a right argument"
            found[parameter.name] = RIGHT[parameter.name]()
    return found


def places(name: str, function: Callable[..., Any]) -> list[tuple[str, str]]:
    """Where an odd value may stand: a parameter, and a name among the keywords by the names of symbols."""
    found = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            found += [(parameter.name, key) for key in (*NAMED.get(name, NAMED[""])(), "dtype_bytes", "nothing")]
        elif parameter.name != "self":
            found.append((parameter.name, ""))
    return found


def called(name: str, function: Callable[..., Any], odd: list[tuple[tuple[str, str], Any]]) -> str:
    """What is wrong with a call that has these odd values in these places, nothing where it is answered or refused."""
    arguments = right(name, function)
    for (parameter, key), value in odd:
        if key:
            arguments[parameter] = {**arguments[parameter], key: value}
        else:
            arguments[parameter] = value
    parameters = inspect.signature(function).parameters.values()
    named = {}
    for parameter in parameters:
        if parameter.kind is parameter.VAR_KEYWORD:
            named = arguments.pop(parameter.name)
    positional = [arguments.pop(p.name) for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    return outcome(lambda: function(*positional, **arguments, **named), PROTOCOL.get(name.rpartition(".")[2], ()))


def outcome(use: Callable[[], Any], allowed: tuple[type[Exception], ...] = ()) -> str:
    try:
        repr(use())
    except SymflopsError as error:
        return "a message of several lines" if "\n" in str(error) or not str(error) else ""
    except allowed:
        return ""
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {str(error)[:160]} ({Path(last.filename).name}:{last.lineno})"
    return ""


def pairs(name: str, function: Callable[..., Any], r: random.Random, how_many: int) -> Iterator[list[Any]]:
    """Two odd values at once."""
    there = places(name, function)
    if len(there) > 1:
        for _ in range(how_many):
            yield [(place, r.choice(ODD)) for place in r.sample(there, 2)]
