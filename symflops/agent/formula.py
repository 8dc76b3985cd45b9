"""`agent formula`: a class's cost formula, from the library or, behind the gate, from Claude."""

from __future__ import annotations

import keyword
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from symflops.agent import prompt
from symflops.agent.client import Client
from symflops.agent.gate import Judgement, judge, reference_of
from symflops.agent.library import Library, file_name
from symflops.agent.rounds import Log, converse
from symflops.cost import METRICS, Cost
from symflops.errors import SymflopsError, one_line
from symflops.export.python import python_function
from symflops.formula import Formula, shipped_for_class
from symflops.source import extra

MOST_ROUNDS = 20


@dataclass(frozen=True)
class Written:
    """What came of asking: the formula, None if it was not put in the library, and why; `diagnostics` is where
    the whole conversation is written down, None if there was none."""

    formula: Formula | None
    judgement: Judgement
    diagnostics: Path | None = None


def write_formula(
    class_name: str,
    library: Library,
    make_client: Callable[[], Client],
    *,
    force: bool = False,
    accept_unproven: bool = False,
    rounds: int = 3,
) -> Written:
    """The cost formula of a class, by its full name or its name in torch.nn.

    One that is in the library and verified is returned without a call, unless `force`. An answer that is equal to the
    reference is put into the library; one that cannot be proved only with `accept_unproven`, and then it is marked so;
    one that was shown to be different never.

    Raises SymflopsError for a class that is not there, a missing key, and whatever ends a conversation.
    """
    if not 1 <= rounds <= MOST_ROUNDS:
        raise SymflopsError(f"rounds = {rounds}: must be from 1 to {MOST_ROUNDS}")
    known = None if force else _known(class_name, library)
    if known is not None:  # by its full name, it takes no PyTorch to find it
        return Written(known, Judgement("equal", "in the library"))
    name, source = _named(class_name)
    known = None if force else _known(name, library)
    if known is not None:
        return Written(known, Judgement("equal", "in the library"))
    client = make_client()
    reference = reference_of(name)
    log = Log(client.model, prompt.SYSTEM, prompt.formula_prompt(name, source, reference))
    outcome: dict[str, Any] = {}
    try:
        judgement, given = converse(
            client, log, prompt.formula_tool(), lambda answer: judge(answer, reference, name), rounds
        )
        outcome = {"status": judgement.status, "said": judgement.said}
        stored = None
        if judgement.status == "equal" or (judgement.status == "unproven" and accept_unproven):
            stored = library.store(name, _file(name, given, judgement, client.model))
            outcome["formula"] = stored.name
    except SymflopsError as error:
        outcome = {"status": "failed", "said": str(error)}
        raise
    finally:
        noted = library.note(file_name(name), _run(name, reference.what, log, outcome))
    return Written(stored, judgement, noted)


def _known(class_name: str, library: Library) -> Formula | None:
    """The verified formula of a class, by its full name: one that comes with symflops, or the library's."""
    found = (shipped_for_class(class_name) or library.find(class_name)) if "." in class_name else None
    return found if found is not None and not found.unproven else None


def _named(class_name: str) -> tuple[str, str]:
    """The full name of a class and its source."""
    with extra():
        from symflops.trace import alone, classes
        from symflops.trace.layer_data import full_name
    cls = classes.find_module(class_name)
    return full_name(cls), alone.source_of(cls)


def _file(class_name: str, given: Mapping[str, Any], judgement: Judgement, model: str) -> dict[str, Any]:
    """The data of a formula's file: what the answer may say, and what it may not."""
    how = _plain("; ".join(judgement.said.splitlines()))
    data: dict[str, Any] = {"about": _plain(given["about"])}
    if judgement.status == "equal":
        data["source"] = f"{model}; verified: {how}"
    else:
        data |= {"source": model, "unproven": how}
    texts = {key: {n: _plain(t) for n, t in given.get(key, {}).items()} for key in ("args", "defaults", "cost")}
    cases = [{k: _plain(v) if isinstance(v, str) else v for k, v in case.items()} for case in given["cases"]]
    return data | {"classes": [class_name], **texts, "cases": cases}


def _plain(text: str) -> str:
    """A text without line breaks and what else a terminal would obey."""
    return one_line(" ".join(text.split()), 10**6)


def _run(class_name: str, reference: str, log: Log, outcome: Mapping[str, Any]) -> dict[str, Any]:
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {"class": class_name, "time": when, "reference": reference, "outcome": dict(outcome), **log.to_dict()}


def calculator(formula: Formula, class_name: str) -> str:
    """A Python module of the standard library alone that computes a formula: one function, exact."""
    name = f"{formula.name}_" if keyword.iskeyword(formula.name) else formula.name
    code = python_function(Cost(formula.canonical), METRICS, name)
    meanings = [f"{name}: {one_line(meaning, 200)}" for name, meaning in formula.args.items()]
    defaults = [f"{name} is {text} where a layer does not say it" for name, text in formula.defaults.items()]
    proof = f"UNPROVEN: {formula.unproven}" if formula.unproven else f"from {formula.source}"
    said = [f"{class_name}: {formula.about}", "", *meanings, *defaults, "", proof, "written by symflops; do not edit"]
    return "".join(f"# {one_line(line, 300)}".rstrip() + "\n" for line in said) + "\n" + code + "\n"
