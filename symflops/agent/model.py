"""`agent model`: the layers of a config's model, from Claude, behind the gate."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from symflops import progress
from symflops.agent import prompt
from symflops.agent.client import Client
from symflops.agent.formula import MOST_ROUNDS
from symflops.agent.gate import Judgement, compared
from symflops.agent.library import Library, file_name
from symflops.agent.rounds import Log, converse
from symflops.cost import METRICS
from symflops.errors import SymflopsError, nearest, one_line
from symflops.formula import formula_names, load_formula
from symflops.model import Model, load
from symflops.source import derive, extra

_ANSWER = ("symbols", "assumes", "layers")


@dataclass(frozen=True)
class Built:
    """A model that was accepted, None if it was not, and why; `diagnostics` is where the conversation is."""

    model: Model | None
    judgement: Judgement
    diagnostics: Path


@dataclass(frozen=True)
class Wanted:
    """What a model is judged by: its name and class, how many weights it has by its modules, and the derivation."""

    name: str
    class_name: str
    parameters: int
    derived: Model | None


def write_model(
    config: str,
    library: Library,
    make_client: Callable[[], Client],
    *,
    accept_unproven: bool = False,
    rounds: int = 3,
) -> Built:
    """The model of a config as layers, written from its module tree.

    Where the config can be derived, it is accepted if all metrics are equal to the derivation's. Otherwise the
    loader and the number of weights check it, and it is accepted only with `accept_unproven`, and marked so.

    Raises SymflopsError for what is no config, a missing key, and whatever ends a conversation.
    """
    if not 1 <= rounds <= MOST_ROUNDS:
        raise SymflopsError(f"rounds = {rounds}: must be from 1 to {MOST_ROUNDS}")
    with extra():
        from symflops.trace import configs, inspection
    root = inspection.inspect(config)
    client = make_client()
    try:
        derived = derive(config)
    except SymflopsError as error:
        progress.tell(f"no derivation: {error}")
        derived = None
    wanted = Wanted(root.name, root.class_name, root.parameters, derived)
    formulas = [formula for formula in map(load_formula, formula_names()) if not formula.unproven]
    symbols = tuple(derived.definitions) if derived is not None else ()
    fields = configs.find(config).config.to_dict()
    question = prompt.model_prompt(root.name, _tree(root), fields, symbols, formulas)
    log = Log(client.model, prompt.MODEL_SYSTEM, question)
    outcome: dict[str, Any] = {}
    try:
        judgement, given = converse(client, log, prompt.model_tool(), lambda answer: judge(answer, wanted), rounds)
        outcome = {"status": judgement.status, "said": judgement.said}
    except SymflopsError as error:
        outcome = {"status": "failed", "said": str(error)}
        raise
    finally:
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        run = {"config": str(config), "time": when, "outcome": outcome, **log.to_dict()}
        noted = library.note(file_name(f"model_{root.name}"), run)
    model, said = None, one_line("; ".join(judgement.said.splitlines()), 2000)
    if judgement.status == "equal":
        model = replace(read_answer(given, wanted), source=f"{client.model}; verified: {said}")
    elif judgement.status == "unproven" and accept_unproven:
        model = replace(read_answer(given, wanted), source=client.model, unproven=said)
    return Built(model, judgement, noted)


def judge(given: Any, wanted: Wanted) -> Judgement:
    """What an answer is worth: loaded, its weights counted, compared with the derivation."""
    try:
        model = read_answer(given, wanted)
        weights = model.total().value("parameters")
    except SymflopsError as error:
        return Judgement("invalid", str(error))
    if weights != wanted.parameters:
        text = model.total().text("parameters")
        return Judgement("different", f"{text} parameters, and the modules have {wanted.parameters:,}")
    if wanted.derived is None:
        return Judgement("unproven", "loaded, with as many weights as the modules have; not compared with a derivation")
    verdicts = [compared(model, wanted.derived, metric) for metric in METRICS]
    data = tuple(verdict.to_dict() for verdict in verdicts)
    for status in ("different", "unproven"):
        failed = [str(verdict) for verdict in verdicts if verdict.status == status]
        if failed:
            return Judgement(status, "\n".join(failed), data)
    return Judgement("equal", f"equal to the derivation of {wanted.class_name}", data)


def read_answer(given: Any, wanted: Wanted) -> Model:
    """The model in an answer, by the loader of model files; raises SymflopsError naming the place that is wrong.

    Symbols and conditions are the derivation's where there is one: those of an answer could make any comparison true.
    """
    if not isinstance(given, dict):
        raise SymflopsError(f"expected an object, got {type(given).__name__}")
    for key in given:
        if key not in _ANSWER:
            raise SymflopsError(f"unknown key {str(key)[:100]!r}{nearest(str(key), _ANSWER)}")
    data: dict[str, Any] = {"name": wanted.name, "class": wanted.class_name, **given}
    if wanted.derived is not None:
        own: Mapping[str, Any] = given.get("symbols", {}) if isinstance(given.get("symbols", {}), dict) else {}
        for name in own:
            if name not in wanted.derived.definitions:
                raise SymflopsError(f"symbols: {name!r} is none of {', '.join(wanted.derived.definitions)}")
        data |= {"symbols": dict(wanted.derived.definitions), "assumes": list(wanted.derived.assumes)}
    return load(data)


def _tree(node: Any) -> dict[str, Any]:
    data: dict[str, Any] = {"name": node.name, "class": node.class_name, "parameters": node.parameters}
    if node.repeat != 1:
        data["repeat"] = node.repeat
    if node.formula:
        data["formula"] = node.formula
    return data | ({"sub_layers": [_tree(part) for part in node.parts]} if node.parts else {})
