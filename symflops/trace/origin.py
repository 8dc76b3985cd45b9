"""Whose source a file is: told by where the packages lie, and never by what the folders above them are called."""

from __future__ import annotations

import ast
import inspect
import linecache
import os
import re
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
import transformers

import symflops

_TORCH, _TRANSFORMERS, _OURS = (os.path.dirname(str(p.__file__)) + os.sep for p in (torch, transformers, symflops))
_MODELS = f"{_TRANSFORMERS}models{os.sep}"
_SHARED = tuple(f"{_TRANSFORMERS}{name}.py" for name in ("masking_utils", "modeling_rope_utils", "modeling_layers"))
_FILLING = f"{_TRANSFORMERS}utils{os.sep}generic.py"
_STANDARD = os.path.dirname(os.__file__) + os.sep
# What lies between a question about sizes and the source that asks it.
_BETWEEN = re.compile(
    r"symbolic_shapes|sym_node|recording|^__init__\.py|functools|contextlib|mock|^_compile\.py|eval_frame"
)
_TOOLS = re.compile(r"functools\.py|contextlib\.py|unittest.mock\.py")


def is_torch(file: str) -> bool:
    return file.startswith(_TORCH)


def is_transformers(file: str) -> bool:
    return file.startswith(_TRANSFORMERS)


def is_model(file: str) -> bool:
    """Whether a file is the source of one of transformers' models."""
    return file.startswith(_MODELS)


def is_source(file: str) -> bool:
    """Whether a file is the source of a model: one of transformers', or a user's own."""
    return is_model(file) or not (is_torch(file) or is_transformers(file) or is_between(file))


_TELLING = {"print", "debug", "info", "warning", "warn", "warning_once", "info_once", "error", "log"}


def is_asserted(frame: Any) -> bool:
    """Whether the source of a model asserts what is asked in a frame: it says what may be, and decides nothing."""
    return "assert" in _statement(frame)


def is_told(frame: Any) -> bool:
    """Whether the source of a model prints, logs or warns of what is asked in a frame, such as how many parameters it
    has."""
    return not _TELLING.isdisjoint(_statement(frame))


def _statement(frame: Any) -> frozenset[str]:
    while frame is not None and not is_source(frame.f_code.co_filename):
        frame = frame.f_back
    return frozenset() if frame is None else _statements(frame.f_code.co_filename).get(frame.f_lineno, frozenset())


@cache
def _statements(file: str) -> Mapping[int, frozenset[str]]:
    """The lines of a source file on which it asserts, or calls a function for nothing but what that does, and which."""
    found: dict[int, frozenset[str]] = {}
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):  # a notebook's cell with magic, or no text at all
        return found
    for node in ast.walk(tree):
        call = node.value.func if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) else None
        name = call.id if isinstance(call, ast.Name) else call.attr if isinstance(call, ast.Attribute) else ""
        name = "assert" if isinstance(node, ast.Assert) else name
        if name and isinstance(node, ast.stmt):
            for line in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                found[line] = found.get(line, frozenset()) | {name}
    return found


def is_shared(file: str) -> bool:
    """Whether a file is what the models' sources share that asks a config what is computed: masks and positions."""
    return file in _SHARED


def fills_arguments(file: str) -> bool:
    """Whether a file hands fields of a config to forwards as arguments, also such as most configs do not have."""
    return file == _FILLING


def is_between(file: str) -> bool:
    """Whether a file is neither a model's source nor torch's rules for shapes, but on the way between the two."""
    if is_torch(file):
        return bool(_BETWEEN.search(file.removeprefix(_TORCH)))
    return is_ours(file) or bool(_TOOLS.fullmatch(file.removeprefix(_STANDARD)))


def is_ours(file: str) -> bool:
    """Whether a file is this package's own."""
    return file.startswith(_OURS)


def source_function(module: torch.nn.Module) -> tuple[str, Any]:
    """The function that a module's forward called to compute this, and the frame of the call; ("forward", None) for
    itself."""
    frame: Any = sys._getframe(2)
    function, call = "forward", None
    while frame is not None:
        code = frame.f_code
        file = code.co_filename
        if not (is_torch(file) or is_between(file)):
            if code.co_name == "forward" and variable(frame, "self") is module:
                return function, call
            function, call = code.co_name, frame
        frame = frame.f_back
    return "forward", None


def variable(frame: Any, name: str) -> Any:
    """A local variable of a function that runs. Python keeps a copy of them all where it is asked for one, which would
    hold memory after the variables have let it go."""
    copied = frame.f_locals
    found = copied.get(name)
    if type(copied) is dict and frame.f_code.co_flags & inspect.CO_OPTIMIZED:  # a copy, of a function's
        copied.clear()
    return found
