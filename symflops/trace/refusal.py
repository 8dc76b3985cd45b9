"""Errors that the model's source raises for the inputs of a call, whatever the symbols are."""

from __future__ import annotations

import inspect
import re
import traceback
from typing import Any

from symflops.errors import SymflopsError, reason
from symflops.trace.origin import is_transformers
from symflops.trace.run import Run


def place(error: Exception) -> str:
    """Where in transformers' sources something was raised, in brackets after a space; "" if it was raised outside."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if is_transformers(f.filename)]
    return f" (in {frames[-1].name}, {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno})" if frames else ""


def refused(run: Run, error: Exception) -> SymflopsError:
    """One line: the inputs that are missing where the source names them, and what it said."""
    if isinstance(error, SymflopsError):
        return error
    if by_values(error):
        return SymflopsError(f"the control flow depends on the values of tensors{place(error)}")
    said = f"{type(error).__name__}: {reason(error)}{place(error)}"
    if needed := missing(run, error):
        return SymflopsError(f"the model needs inputs that have to be stated (--input): {', '.join(needed)}; {said}")
    given = f", given {', '.join(run.given)}" if run.given else ""
    return SymflopsError(f"the model's own source fails whatever the sizes{given}: {said}")


def by_values(error: Exception) -> bool:
    """Whether torch could not decide something by the value of a tensor, which a fake one does not have."""
    return "data-dependent" in str(error) or "DataDependent" in type(error).__name__


def missing(run: Run, error: Exception) -> list[str]:
    """The arguments of the model that were not given and that the error, or the line that raised it, is about. What
    names one that was given is about a part of the model: of that, if the model takes an argument for it."""
    if run.build.model is None:
        return []
    accepted = [n for n in inspect.signature(run.build.model.forward).parameters if n != "kwargs"]
    named = set(re.findall(r"\w+", str(error))) | _nothing_there(error)
    if named & set(run.given):
        named = {f"{part}_{name}" for part in _parts(error) for name in named}
        return [name for name in accepted if name in named and name not in run.given]
    return [name for name in accepted if name in named]


def _parts(error: Exception) -> set[str]:
    """The names of the parts of the model that were called on the way to where something was raised."""
    inside = [f for f in traceback.extract_tb(error.__traceback__) if is_transformers(f.filename)]
    return {name for f in inside for name in re.findall(r"self\.(?:\w+\.)*(\w+)\(", f.line or "")}


def _nothing_there(error: Exception) -> set[str]:
    """The variables that are None and stand in the line of transformers' sources that failed, if it failed itself or
    what it called says that it was given None."""
    steps: list[tuple[Any, int]] = list(traceback.walk_tb(error.__traceback__))
    inside = [frame for frame, _ in steps if is_transformers(frame.f_code.co_filename)]
    if not inside or (inside[-1] is not steps[-1][0] and "None" not in str(error)):
        return set()
    lines = [s.line or "" for s in traceback.extract_tb(error.__traceback__) if is_transformers(s.filename)]
    return {name for name in re.findall(r"\w+", lines[-1]) if inside[-1].f_locals.get(name, "") is None}
