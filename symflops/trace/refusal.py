"""Errors that the model's source raises for the inputs of a call, whatever the symbols are."""

from __future__ import annotations

import inspect
import re
import traceback
from collections.abc import Collection
from typing import Any

from symflops.errors import SymflopsError, reason
from symflops.trace.origin import is_transformers
from symflops.trace.run import Run

OF_VALUES = "the control flow depends on the values of tensors"


def place(error: Exception, packages: Collection[str] = ()) -> str:
    """Where something was raised in transformers' sources, or in those of a user's own module, which are in `packages`:
    in brackets after a space; "" if it was raised outside."""
    own = [_is_of_model(frame, packages) for frame, _ in traceback.walk_tb(error.__traceback__)]
    frames = [f for f, inside in zip(traceback.extract_tb(error.__traceback__), own, strict=True) if inside]
    return f" (in {frames[-1].name}, {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno})" if frames else ""


def words(run: Run, error: Exception) -> str:
    """What was raised, in its own first words, with the names of sizes as the user knows them in place of torch's."""
    names = {str(own): name for own, name in run.sizes.names.items()}
    return re.sub(r"\bs\d+\b", lambda found: names.get(found[0], found[0]), reason(error))


def refused(run: Run, error: Exception) -> SymflopsError:
    """One line: the inputs that are missing where the source names them, and what it said."""
    if isinstance(error, SymflopsError):
        return error
    where = place(error, run.build.named.packages)
    if by_values(error):
        return SymflopsError(f"{OF_VALUES}{where}")
    said = f"{type(error).__name__}: {words(run, error)}{where}"
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
    named = words_of(error) | _nothing_there(error, run.build.named.packages)
    if named & set(run.given):
        named = {f"{part}_{name}" for part in _parts(error) for name in named}
        return [name for name in accepted if name in named and name not in run.given]
    return [name for name in accepted if name in named]


def words_of(error: Exception) -> set[str]:
    """The words of an error, in which a name may begin a sentence: "Bbox is required"."""
    found = re.findall(r"\w+", str(error))
    return {*found, *(word[:1].lower() + word[1:] for word in found)}


def _parts(error: Exception) -> set[str]:
    """The names of the parts of the model that were called on the way to where something was raised."""
    inside = [f for f in traceback.extract_tb(error.__traceback__) if is_transformers(f.filename)]
    return {name for f in inside for name in re.findall(r"self\.(?:\w+\.)*(\w+)\(", f.line or "")}


def _is_of_model(frame: Any, packages: Collection[str]) -> bool:
    """Whether a frame is of transformers' sources, or of those of a model's own packages."""
    package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    return is_transformers(frame.f_code.co_filename) or package in packages


def _nothing_there(error: Exception, packages: Collection[str]) -> set[str]:
    """The variables that are None and stand in the line of the model's sources that failed, if it failed itself or
    what it called says that it was given None."""
    steps: list[tuple[Any, int]] = list(traceback.walk_tb(error.__traceback__))
    of_model = [_is_of_model(frame, packages) for frame, _ in steps]
    inside = [frame for (frame, _), own in zip(steps, of_model, strict=True) if own]
    if not inside or (inside[-1] is not steps[-1][0] and "None" not in str(error)):
        return set()
    frames = zip(traceback.extract_tb(error.__traceback__), of_model, strict=True)
    lines = [summary.line or "" for summary, own in frames if own]
    return {name for name in re.findall(r"\w+", lines[-1]) if inside[-1].f_locals.get(name, "") is None}
