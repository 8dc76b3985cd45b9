"""`verify`: names are matched, the decision is made, and what is wrong is said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from symflops import deadline
from symflops.algebra import free_symbols, from_text, substitute
from symflops.budget import TooLargeError
from symflops.errors import SymflopsError, nearest
from symflops.layer import collection_paused
from symflops.polynomial import Value, add, flat, negate
from symflops.tree import Tree, names
from symflops.tree import read as read_text
from symflops.verification.decision import Decision, decide
from symflops.verification.diagnosis import diagnose, distance
from symflops.verification.domain import Domain, domain
from symflops.verification.exact import Enclosure, UndefinedError, number_at
from symflops.verification.faults import text_of
from symflops.verification.leading import lower_order
from symflops.verification.names import quantity, readings, with_quantity
from symflops.verification.normal import Form
from symflops.verification.subject import Subject, subject
from symflops.verification.verdict import Verdict

_LENGTHS = (128, 1024, 8192, 65536)
# Where a ratio is taken when nothing else says: a model of seven billion parameters, one sequence.
_USUAL = {
    "batch": 1, "past": 0, "causal": 0, "bytes": 2, "weight bytes": 2, "cache bytes": 2, "hidden": 4096, "layers": 32,
    "inner": 11008, "vocabulary": 32000, "heads": 32, "kv heads": 8, "head width": 128, "experts": 8,
    "experts of a token": 2, "expert inner": 14336, "window": 4096,
}  # fmt: skip
_TOLERANCES = ("exact", "leading")


@collection_paused()  # one pass over all of torch may take longer than the budget
def verify(
    candidate: Any,
    reference: Any,
    metric: str = "flops",
    *,
    rename: Mapping[str, str] | None = None,
    assume: Iterable[str] = (),
    numbers: bool = False,
    tolerance: str = "exact",
    budget: float = 1.0,
) -> Verdict:
    """Whether a candidate formula equals a reference, for all numbers that its symbols stand for: nonnegative
    integers, and rational numbers for bytes of an element.

    Each is a text, a SymPy expression, a Formula, a Cost or a Model (its total with architecture symbols). `metric`
    says which of the six is compared; a text is taken for it. `rename` says what names of the candidate mean in the
    reference, `{"n": "seq_len"}`; a value may be a formula. `assume` are further conditions, `"past_len == 0"`, beside
    those of the models; with `numbers`, a model's symbols have the model's own values. With `tolerance="leading"`
    lower-order terms may differ: those that divide another term of the reference. The decision and the diagnosis end
    after `budget` seconds of computing; the total of a large model is not part of it.

    "equal" is proved and "different" comes with a counterexample that was computed exactly; points at which one side
    has no value, such as a division by zero, are outside of the domain.

    >>> verify("B*S*h*V", "2*batch_size*seq_len*hidden_size*vocab_size").diagnosis
    'multiply-accumulates counted, not FLOPs: a factor of 2'
    >>> verify("ceil(s/128)", "(s + 127) // 128").status
    'equal'

    Raises SymflopsError for what cannot be read, an unknown metric, name or tolerance, a budget that is not positive.
    """
    if tolerance not in _TOLERANCES:
        raise SymflopsError(f"unknown tolerance {tolerance!r}; valid: {', '.join(_TOLERANCES)}")
    if not 0 < budget < float("inf"):
        raise SymflopsError(f"budget = {budget}: must be a positive number of seconds")
    start = deadline.now()
    try:
        given, wanted = (_read(thing, metric, budget) for thing in (candidate, reference))
    except deadline.OutOfTimeError:
        how = f"reading the formulas took more than {budget:g} s"
        return Verdict("unproven", metric, "the candidate", "the reference", how)
    except TooLargeError as error:
        return Verdict("unproven", metric, "the candidate", "the reference", error.message)
    start = start if isinstance(candidate, str) and isinstance(reference, str) else deadline.now()
    try:
        with deadline.limit(budget * 0.8):
            values = {**given.numbers, **wanted.numbers} if numbers else {}
            conditions = (*(f"{name} == {value}" for name, value in values.items()), *assume)
            matched = _match(given, wanted, rename or {}, conditions)
    except deadline.OutOfTimeError:
        return Verdict("unproven", metric, given.label, wanted.label, f"matching the names took more than {budget:g} s")
    end = start + budget
    decision = decide(*matched.trees, matched.where, max(0.01, (end - deadline.now()) * 0.85))
    verdict = _verdict(decision, matched, given, wanted, metric)
    if decision.status == "different" and tolerance == "leading":
        dropped = lower_order(matched.a, matched.b, matched.where)
        if dropped:
            verdict = Verdict("equal", metric, given.label, wanted.label, "leading terms are the same", dropped=dropped)
    if verdict.status == "different":
        a, b = (matched.where.reduced(v) for v in (matched.a, matched.b))
        findings = diagnose(a, b, wanted, metric, matched.where, max(0.02, end - deadline.now()))
        ratios, at = _ratios(matched, given, wanted)
        verdict = replace(verdict, findings=findings, ratios=ratios, ratios_at=at)
    elapsed = deadline.now() - start
    return replace(verdict, renamed=matched.renamed, assumed=matched.assumed, seconds=elapsed)


def _read(thing: Any, metric: str, budget: float) -> Subject:
    """One side. Only texts are read against the clock: the total of a large model is not the verifier's time."""
    if not isinstance(thing, str):
        return subject(thing, metric)
    with deadline.limit(budget * 0.8):
        return subject(thing, metric)


@dataclass(frozen=True)
class _Matched:
    """Both values in the reference's names, where they are compared, and what that relies on."""

    a: Value
    b: Value
    trees: tuple[Tree, Tree]
    where: Domain
    renamed: Mapping[str, str]
    assumed: tuple[str, ...]


def _match(given: Subject, wanted: Subject, rename: Mapping[str, str], assume: tuple[str, ...]) -> _Matched:
    new = {name: from_text(text) for name, text in rename.items()}
    a = substitute(given.value, new) if _check_names(rename, given) else given.value
    a, taken_a = _with_defaults(a, given, wanted.names | set(wanted.defaults))
    full = free_symbols(wanted.value) | set(wanted.defaults)
    likely = set(next(readings(free_symbols(a), full)).values())
    b, taken_b = _with_defaults(wanted.value, wanted, free_symbols(a) | likely)
    equations = {**given.equations, **wanted.equations}
    texts = (*given.conditions, *wanted.conditions, *assume)
    best: tuple[int, Value, dict[str, str], Domain] | None = None
    for reading in readings(free_symbols(a), free_symbols(b)):
        read = substitute(a, {name: from_text(text) for name, text in reading.items()}) if reading else a
        where = domain(texts, equations, free_symbols(read) | free_symbols(b))
        x, y = where.reduced(read), where.reduced(b)
        apart = 0 if x == y or Form().of(add(x, negate(y))) == 0 else 1 + distance(x, y)
        if best is None or apart < best[0]:
            best = apart, read, reading, where
        if not apart or not reading:
            break
    assert best is not None
    _, read, reading, where = best
    conditions = tuple(c.text for c in where.conditions if c.text.split(" == ")[0] not in equations)
    renamed = {**rename, **reading}
    left = _put(_put(given.tree, rename), reading) if not taken_a else flat(read)
    trees = left, wanted.tree if not taken_b else flat(b)
    return _Matched(read, b, trees, where, renamed, (*conditions, *taken_a, *taken_b))


def _put(tree: Tree, texts: Mapping[str, str]) -> Tree:
    """A tree with formulas in the place of names, all at once."""
    if isinstance(tree, tuple):
        return (tree[0], *(_put(operand, texts) for operand in tree[1:]))
    return read_text(texts[tree]) if isinstance(tree, str) and tree in texts else tree


def _check_names(rename: Mapping[str, str], given: Subject) -> bool:
    known = names(("", given.tree)) | given.names
    for name in rename:
        if name not in known:
            raise SymflopsError(f"rename: the candidate has no name {name[:100]!r}{nearest(name, sorted(known))}")
    return bool(rename)


def _with_defaults(value: Value, side: Subject, kept: set[str]) -> tuple[Value, tuple[str, ...]]:
    """A formula's value with the defaults of those arguments that the other side does not mention."""
    taken: list[str] = []
    while missing := sorted((free_symbols(value) & side.defaults.keys()) - kept - set(taken)):
        value = substitute(value, {n: side.defaults[n] for n in missing})
        taken += missing
    return value, tuple(f"{n} = {text_of(side.defaults[n])} (default)" for n in taken)


def _verdict(decision: Decision, matched: _Matched, given: Subject, wanted: Subject, metric: str) -> Verdict:
    verdict = Verdict(decision.status, metric, given.label, wanted.label, decision.how)
    if decision.point is None:
        return verdict
    numbers = [number_at(tree, decision.point) for tree in matched.trees]
    x, y = (n.middle if isinstance(n, Enclosure) else n for n in numbers)
    point = dict(sorted(decision.point.items()))
    return replace(verdict, counterexample=point, candidate_value=x, reference_value=y, smallest=decision.smallest)


def _ratios(matched: _Matched, given: Subject, wanted: Subject) -> tuple[dict[int, float], dict[str, int]]:
    """How many times the reference the candidate is, along seq_len, at a model's own numbers where there is one."""
    names = free_symbols(matched.a) | free_symbols(matched.b)
    length = with_quantity(names, "length")
    if not length:
        return {}, {}
    own: dict[str, int] = {}
    for side in (given, wanted):
        own |= side.numbers
    at = {n: own.get(n, _USUAL.get(quantity(n), 128)) for n in sorted(names - {length})}
    found: dict[int, float] = {}
    for size in _LENGTHS:
        try:
            x, y = (number_at(flat(v), at | {length: size}) for v in (matched.a, matched.b))
        except UndefinedError:
            continue
        top, bottom = (Fraction(n.low if isinstance(n, Enclosure) else n) for n in (x, y))
        if bottom and abs(top / bottom) < 2**1000:  # what a float holds
            found[size] = float(top / bottom)
    return found, at
