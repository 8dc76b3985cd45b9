"""What an answer is judged by, fixed before anything is asked: no word of an answer changes it.

The reference is the traced cost of the class; where sizes have to be numbers, what was counted at several of them; and
where nothing can be run, only the structure of the formula. Equal is what `verify` proves against the trace of all
sizes; counts and structure can show that a formula is wrong and never that it is right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from symflops import progress
from symflops.agent.structure import misshapen
from symflops.cost import METRICS, Cost
from symflops.errors import SymflopsError, nearest
from symflops.formula import Formula, formula_of, shipped_for_class
from symflops.numeric import RUN_SYMBOLS
from symflops.reference import layer_of_class
from symflops.source import extra
from symflops.tree import FUNCTIONS
from symflops.verification import Verdict, verify

_ANSWER = ("about", "args", "defaults", "cost", "cases")
_CASE = ("args", "from", *METRICS)
MOST = 60  # arguments, and cases, of a formula
_SHOWN = 3  # differences that are told at a time


@dataclass(frozen=True)
class Side:
    """One thing to be equal to: a cost, the symbols that are numbers in it, and the metrics that it has."""

    cost: Any
    at: Mapping[str, int] = field(default_factory=dict)
    metrics: tuple[str, ...] = METRICS


@dataclass(frozen=True)
class Reference:
    """What a class costs. `names` are the arguments that a formula of it may have, and `defaults` the texts of the
    defaults that they have; without `sides` nothing of the class could be run."""

    what: str
    names: tuple[str, ...] = ()
    defaults: Mapping[str, str] = field(default_factory=dict)
    sides: tuple[Side, ...] = ()
    conditions: tuple[str, ...] = ()  # on sizes, under which alone the sides hold

    @property
    def is_proof(self) -> bool:
        """Whether equality with all sides is equality for all sizes."""
        all_sizes = not self.conditions and not any(n not in self.defaults for side in self.sides for n in side.at)
        return bool(self.sides) and all_sizes and all(side.metrics == METRICS for side in self.sides)


@dataclass(frozen=True)
class Judgement:
    """ "equal", "unproven", "different" or "invalid" (no formula at all), and why, for the model and for the user."""

    status: str
    said: str
    verdicts: tuple[Mapping[str, Any], ...] = ()


# ---------------------------------------------------------------------------------------------------- the reference


def reference_of(class_name: str) -> Reference:
    """The best that there is for a class, by its full name.

    Raises SymflopsError without PyTorch and transformers, and where there is no such class.
    """
    shipped = shipped_for_class(class_name)
    if shipped is not None:
        names = tuple(shipped.args)
        side = Side(Cost(shipped.canonical))
        return Reference(f"the formula {shipped.name} of symflops", names, shipped.defaults, (side,))
    with extra():
        from symflops.trace import alone, classes
    cls = classes.find_module(class_name)
    progress.tell(f"tracing {cls.__name__}")
    found = alone.alone(cls)
    traced = Reference("the structure that every formula has")
    if found is not None:
        sides = tuple(Side(r.cost, {**r.switches, **r.numbers}, r.metrics) for r in found.records)
        names = tuple(n for n in (*found.symbols, *found.switches) if n not in RUN_SYMBOLS)
        numbers = sorted({n for r in found.records for n in r.numbers})
        what = f"counts of {found.call} at {len(sides)} sizes of {', '.join(numbers)}"
        defaults = {name: str(default) for name, default in found.switches.items()}
        conditions = tuple(dict.fromkeys(c for r in found.records for c in r.conditions))
        what = what if numbers else f"the trace of {found.call}"
        what += f", where {', '.join(conditions)}" if conditions else ""
        traced = Reference(what, names, defaults, sides, conditions)
    if traced.is_proof or not class_name.startswith("transformers.models."):
        return traced
    try:
        layer = layer_of_class(class_name)
    except SymflopsError as error:
        progress.tell(f"no derivation: {error}")
        return traced
    if layer is None:
        return traced
    names = tuple(sorted(layer.total(symbolic=True).free_symbols - set(RUN_SYMBOLS)))
    facts = f", where {', '.join(layer.assumes)}" if layer.assumes else ""
    return Reference(f"the layer {layer.name}{facts}", names, {}, (Side(layer),))


# ----------------------------------------------------------------------------------------------------- the judgement


def judge(given: Any, reference: Reference, class_name: str) -> Judgement:
    """What an answer is worth: read, checked against its own cases, its structure and the reference."""
    try:
        formula = read_answer(given, class_name)
        _check_names(formula, reference)
        _check_cases(formula)
    except SymflopsError as error:
        return Judgement("invalid", str(error))
    if not reference.sides or not reference.is_proof:
        wrong = misshapen(formula)
        if wrong:
            return Judgement("different", "; ".join(wrong))
    sides = [side for side in reference.sides if _is_meant(side, formula, reference)]
    verdicts = [verdict for side in sides for verdict in _compared(formula, side)]
    data = tuple(verdict.to_dict() for verdict in verdicts)
    for status in ("different", "unproven"):
        failed = [verdict for verdict in verdicts if verdict.status == status]
        if failed:
            return Judgement(status, "\n".join(str(verdict) for verdict in failed[:_SHOWN]), data)
    if not reference.is_proof:
        how = f"not different from {reference.what}" if reference.sides else f"only checked for {reference.what}"
        return Judgement("unproven", how, data)
    return Judgement("equal", f"equal to {reference.what}", data)


def read_answer(given: Any, class_name: str) -> Formula:
    """The formula in an answer; nothing in it is executed. Raises SymflopsError naming the key that is wrong."""
    if not isinstance(given, dict):
        raise SymflopsError(f"expected an object, got {type(given).__name__}")
    for key in given:
        if key not in _ANSWER:
            raise SymflopsError(f"unknown key {str(key)[:100]!r}{nearest(str(key), _ANSWER)}")
    if not isinstance(given.get("about"), str) or not 0 < len(given["about"]) <= 500:
        raise SymflopsError("about: expected a text of at most 500 characters")
    for key in ("args", "cases"):
        if isinstance(given.get(key), dict | list) and len(given[key]) > MOST:
            raise SymflopsError(f"{key}: more than {MOST}")
    for name in given["args"] if isinstance(given.get("args"), dict) else ():
        if name in FUNCTIONS:
            raise SymflopsError(f"args: {name!r} is a function and cannot name an argument")
    return formula_of("the answer", {**given, "classes": [class_name]})


def _check_names(formula: Formula, reference: Reference) -> None:
    """A name that the reference does not have, and a default of its own, would be judged by nothing."""
    if not reference.sides:
        return
    for name in formula.args:
        if name not in reference.names:
            raise SymflopsError(f"args: {name!r} is none of the arguments {', '.join(reference.names)}")
        given, wanted = formula.defaults.get(name, ""), reference.defaults.get(name, "")
        if given.strip() != wanted.strip():
            raise SymflopsError(f"defaults: {name} = {wanted!r} is the default" if wanted else f"{name} has no default")


def _check_cases(formula: Formula) -> None:
    if not formula.cases:
        raise SymflopsError("cases: at least one is needed")
    for i, case in enumerate(formula.cases):
        for key in case:
            if key not in _CASE:
                raise SymflopsError(f"cases[{i}]: unknown key {str(key)[:100]!r}{nearest(str(key), _CASE)}")
        given = case.get("args", {})
        if not isinstance(given, dict) or not isinstance(case.get("from", ""), str):
            raise SymflopsError(f"cases[{i}]: expected args as an object and from as a text")
        expected = {metric: case[metric] for metric in METRICS if metric in case}
        if not expected or any(type(n) is not int for n in (*expected.values(), *given.values())):
            raise SymflopsError(f"cases[{i}]: expected whole numbers, of args and of at least one metric")
        try:
            found = at(formula, given)
        except SymflopsError as error:
            raise error.within(f"cases[{i}]") from None
        for metric, number in expected.items():
            if found.number(metric) != number:
                said = f"{metric} is {number:,} by the case and {found.number(metric):,} by the formula"
                raise SymflopsError(f"cases[{i}]: {said}")


def at(formula: Formula, numbers: Mapping[str, Any]) -> Cost:
    """The numbers of a formula; what is no argument of it is a run symbol."""
    args = {name: value for name, value in numbers.items() if name in formula.args}
    return formula.cost(**args).at(**{name: value for name, value in numbers.items() if name not in formula.args})


def _is_meant(side: Side, formula: Formula, reference: Reference) -> bool:
    """Whether a formula is about this side: switches that are no argument of it are as the constructor has them."""
    left = reference.defaults.keys() - formula.args.keys()
    return all(str(side.at.get(name, reference.defaults[name])) == reference.defaults[name] for name in left)


def _compared(formula: Formula, side: Side) -> Iterator[Verdict]:
    candidate = formula.cost(**{name: side.at.get(name, name) for name in formula.args})
    return (compared(candidate, side.cost, metric) for metric in side.metrics)


def compared(candidate: Any, reference: Any, metric: str) -> Verdict:
    """The verdict on one metric, with names as they stand: one taken for another is a likely reading of a formula, and
    no proof of what an argument means."""
    verdict = verify(candidate, reference, metric, closest=True)
    if verdict.status != "equal" or not verdict.renamed:
        return verdict
    taken = ", ".join(f"{a} = {b}" for a, b in verdict.renamed.items())
    return replace(verdict, status="different", proof=f"equal only with other names: {taken}")
