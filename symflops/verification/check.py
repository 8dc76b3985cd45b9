"""`verify`: names are matched, the decision is made, and what is wrong is said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from sys import float_info
from typing import Any

from symflops import deadline
from symflops.algebra import free_symbols
from symflops.budget import TooLargeError
from symflops.errors import NoValueError, SymflopsError, expect
from symflops.given import Formulaic
from symflops.polynomial import add, negate
from symflops.verification.decision import Decision, decide
from symflops.verification.diagnosis import diagnose
from symflops.verification.exact import Enclosure, number_at
from symflops.verification.leading import leading
from symflops.verification.matching import Asked, Matched, match
from symflops.verification.ratios import ratios
from symflops.verification.subject import Comparable, Subject, subject
from symflops.verification.verdict import Finding, Verdict

LENGTHS = (128, 1024, 8192, 65536)
_TOLERANCES = ("exact", "leading")
_TRAINING = (0, 3, 4)
_DIAGNOSIS = 0.1  # of the budget, that is kept for saying what is wrong where nothing could be decided


@deadline.collection_paused()  # one pass over all of torch may take longer than the budget
def verify(
    candidate: Comparable,
    reference: Comparable,
    metric: str = "flops",
    *,
    rename: Mapping[str, str] | None = None,
    set: Mapping[str, Formulaic] | None = None,  # noqa: A002 - named as on the command line
    assume: Iterable[str] = (),
    numbers: bool = False,
    tolerance: str = "exact",
    budget: float = 1.0,
    lengths: Iterable[int] = LENGTHS,
    per_token: bool = False,
    training: int = 0,
    closest: bool = False,
) -> Verdict:
    """Whether a candidate formula equals a reference, for all numbers that its symbols stand for: nonnegative
    integers, and rational numbers for bytes of an element.

    Each is a text, a SymPy expression, a Formula, a Cost or a Model (its total with architecture symbols), or the name
    of one: a shipped model, MODEL:LAYER, a formula of the library, a class, a file. `metric` says which one is
    compared, or `weights` and `cache`, the bytes of a model's weights and of its KV cache; a text is taken for it.
    `rename` says what names of the candidate mean in the reference, `{"n": "seq_len"}`; a value may be a formula, and
    `parameters`, `active_parameters` and `tokens` stand for the reference's. `set` puts numbers or formulas in for
    names, `{"past_len": 0}`, and `assume` are further conditions, `"n*d == h"`, beside those of the models; with
    `numbers`, a model's symbols have the model's own values. With `per_token` the candidate is the cost of one token,
    with `training=3` (4: with full recomputation) that of a training step. With `tolerance="leading"` lower-order terms
    may differ: those that vanish beside the reference, however its symbols grow. The ratio of both is computed at
    `lengths`. The decision and the diagnosis end after `budget` seconds of computing; the total of a large model is not
    part of it. A name that may mean several things is an error, unless `closest` takes the reading that comes closest.

    "equal" is proved and "different" comes with a counterexample that was computed exactly; points at which one side
    has no value, such as a division by zero, are outside of the domain.

    >>> verify("B*S*h*V", "2*batch_size*seq_len*hidden_size*vocab_size").diagnosis
    'multiply-accumulates counted, not FLOPs: a factor of 2'
    >>> verify("ceil(s/128)", "(s + 127) // 128").status
    'equal'

    Raises SymflopsError for what cannot be read, an unknown metric, name or tolerance, a budget that is not positive.
    """
    _check_options(tolerance, budget, training)
    expect(lengths, Iterable, "lengths to be a list")
    sizes = tuple(lengths)
    if not sizes or not all(isinstance(size, int) and size > 0 for size in sizes):
        raise SymflopsError(f"lengths = {str(sizes)[:60]}: must be positive integers")
    asked = Asked(dict(rename or {}), dict(set or {}), tuple(assume), numbers, per_token, closest)
    start = deadline.now()
    try:
        given = _read(candidate, "candidate", metric, budget)
        wanted = _read(reference, "reference", metric, budget)
    except deadline.OutOfTimeError:
        how = f"reading the formulas took more than {budget:g} s"
        return Verdict("unproven", metric, "the candidate", "the reference", how)
    except TooLargeError as error:
        return Verdict("unproven", metric, "the candidate", "the reference", error.message)
    start = start if isinstance(candidate, str) and isinstance(reference, str) else deadline.now()
    wanted = wanted.scaled(training) if training else wanted
    try:
        with deadline.limit(budget * 0.8):
            matched = match(given, wanted, asked)
    except deadline.OutOfTimeError:
        return Verdict("unproven", metric, given.label, wanted.label, f"matching the names took more than {budget:g} s")
    end = start + budget
    where = replace(matched.where, hint={**wanted.numbers, **given.numbers})
    decision = decide(*matched.trees, where, max(0.01, (end - deadline.now()) * (1 - _DIAGNOSIS) * 0.95))
    verdict = _verdict(decision, matched, given, wanted, metric)
    if decision.status == "different" and tolerance == "leading":
        leads = leading(matched.a, matched.b, matched.trees, matched.where, max(0.01, (end - deadline.now()) * 0.8))
        if leads.status == "equal":
            how = "leading terms are the same"
            verdict = Verdict("equal", metric, given.label, wanted.label, how, dropped=leads.dropped)
        elif leads.status == "unproven":
            how = "different, perhaps in terms of lower order alone"
            verdict = Verdict("unproven", metric, given.label, wanted.label, how)
    if verdict.status != "equal" and not decision.is_of_no_point:
        left = max(_DIAGNOSIS * budget * 0.5, end - deadline.now())
        findings = _findings(matched, wanted, metric, left)
        found, at, why = ratios(matched, {**wanted.numbers, **given.numbers}, sizes)
        verdict = replace(verdict, findings=findings, ratios=found, ratios_at=at, no_ratios=why)
    return replace(
        verdict,
        seconds=deadline.now() - start,
        renamed=matched.renamed,
        unknown=matched.unknown,
        assumed=matched.assumed,
        conventions=_conventions(per_token, training),
    )


def _check_options(tolerance: str, budget: float, training: int) -> None:
    if tolerance not in _TOLERANCES:
        raise SymflopsError(f"unknown tolerance {tolerance!r}; valid: {', '.join(_TOLERANCES)}")
    expect(budget, (int, float), "budget to be a number of seconds")
    if not 0 < budget <= float_info.max:
        raise SymflopsError(f"budget = {budget}: must be a positive number of seconds")
    if training not in _TRAINING:
        raise SymflopsError(f"training = {training}: 3 (forward and backward) or 4 (with full recomputation)")


def _conventions(per_token: bool, training: int) -> tuple[str, ...]:
    """What was asked to be compared, in words."""
    said = ["the candidate is the cost of one token: multiplied by all of them"] if per_token else []
    if training:
        said.append(f"the candidate is a training step: the reference is {training} times the forward pass")
    return tuple(said)


def _read(thing: Any, side: str, metric: str, budget: float) -> Subject:
    """One side. Only texts are read against the clock: the total of a large model is not the verifier's time."""
    if not isinstance(thing, str):
        return subject(thing, metric)
    with deadline.limit(budget * 0.8):
        try:
            return subject(thing, metric)
        except NoValueError as error:
            raise error.within(f"the {side} {thing[:80]}") from None


def _verdict(decision: Decision, matched: Matched, given: Subject, wanted: Subject, metric: str) -> Verdict:
    verdict = Verdict(decision.status, metric, given.label, wanted.label, decision.how)
    if decision.point is None:
        return verdict
    numbers = [number_at(tree, decision.point) for tree in matched.trees]
    x, y = (n.middle if isinstance(n, Enclosure) else n for n in numbers)
    point = dict(sorted(decision.point.items()))
    return replace(verdict, counterexample=point, candidate_value=x, reference_value=y, smallest=decision.smallest)


def _findings(matched: Matched, wanted: Subject, metric: str, seconds: float) -> tuple[Finding, ...]:
    """What is wrong, in symbols where the candidate has them: with a model's numbers terms meet by chance. An edit that
    changes nothing where the comparison is made is left out; one that is not what the difference is, too."""
    where = matched.in_symbols
    by_number = bool(matched.where.fixed.keys() - where.fixed.keys())
    if by_number and not free_symbols(matched.a) & (matched.where.fixed.keys() - where.fixed.keys()):
        where = matched.where
    found = diagnose(matched.a, matched.b, wanted, metric, where, seconds, by_number and where is matched.where)
    full = matched.where
    kept = tuple(replace(f, added=full.reduced(f.added)) for f in found if full.reduced(f.added) != 0)
    whole = add(full.reduced(matched.a), negate(full.reduced(matched.b)))
    return kept if add(0, *(f.added for f in kept)) == whole else ()
