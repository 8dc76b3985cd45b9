"""Calls of which the source does something else at some lengths, such as one token that fills a piece of a compressed
cache or does not: calls of each kind are recorded, and the closed form has to give what they compute.

What a run asked of the lengths alone divides all calls. Calls are chosen with every two answers that go together, on
both sides of all numbers that the source divides by or compares with. Where all of them agree with the closed form,
nothing is assumed; where some do not, or cannot be recorded, what they break is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations

from symflops import progress
from symflops.algebra import substitute
from symflops.assumption import Relation, comparison
from symflops.errors import SymflopsError
from symflops.polynomial import Value
from symflops.trace import combine
from symflops.trace.conditions import asked_of
from symflops.trace.lengths import Record, any_length, record_of, records_in_agreement
from symflops.trace.settings import Settings
from symflops.trace.work import Work

Point = tuple[int, int]
"""How many tokens are fed, after how many."""

_LENGTHS = {"seq_len", "past_len"}


def any_call(work: Work, settings: Settings) -> Record:
    """A record for every call with a cache that keeps more than keys and values."""
    made: dict[str, Record] = {}
    while True:
        usual = any_length(work, settings)
        texts = asked_of(usual.run, _LENGTHS)
        wrong: list[Point] = []
        chosen = _chosen(texts)
        for point in chosen:
            tokens, past = point
            call = replace(settings, lengths={"seq_len": tokens, "past_len": past})
            name = f"as for any call: {tokens} tokens after {past}"
            try:
                (record,) = records_in_agreement(work, partial(_tried, work), {name: call}, made)
            except SymflopsError as error:  # the source refuses such a call
                progress.tell(error.message)
                wrong.append(point)
                continue
            if not _are_alike(usual, record, tokens, past):
                wrong.append(point)
        if usual.state == work.state:
            free = set(texts) - _broken(texts, wrong, [point for point in chosen if point not in wrong])
            layers = combine.at_least_0(usual.layers, [{"seq_len": s, "past_len": p} for s, p in chosen])
            return replace(usual, layers=layers, free=usual.free | free)


def _tried(work: Work, settings: Settings) -> Record:
    """A record of one call. The sizes that it has are no part of what the closed form assumes of sizes."""
    quantities = work.build()[1].quantities
    before = dict(quantities.seen), dict(quantities.dimensions)
    try:
        return record_of(work, settings)
    finally:
        quantities.seen, quantities.dimensions = before


def first_calls(work: Work, settings: Settings, fresh: Record, later: Record) -> tuple[str, ...]:
    """What is assumed of calls with nothing before them, where some are not what the records of an empty and of a
    filled cache say."""
    texts = asked_of(later.run, _LENGTHS)
    known = [comparison(text) for text in texts if text not in later.free]
    wrong = []
    for tokens, _ in _chosen(texts, first=True):
        if not all(_holds(condition, (tokens, 0)) for condition in known):
            continue
        call = replace(settings, past="empty", lengths={"seq_len": tokens})
        try:
            (record,) = records_in_agreement(work, partial(_tried, work), {f"as first calls: {tokens}": call}, {})
        except SymflopsError as error:
            progress.tell(error.message)
            wrong.append(tokens)
            continue
        computed = combine.computes_the_same(fresh.layers, record.layers, {"seq_len": tokens})
        kept = substitute(later.run.states, {"seq_len": tokens, "past_len": 0}) == record.run.states
        wrong += [] if computed and kept else [tokens]
    return (f"seq_len + past_len > {max(wrong)}",) if wrong else ()


def _are_alike(usual: Record, record: Record, tokens: int, past: int) -> bool:
    """Whether a record for any call says of this one what was recorded of it: what is computed, and what is kept."""
    lengths: dict[str, Value] = {"seq_len": tokens, "past_len": past}
    kept = substitute(usual.run.states, lengths) == record.run.states
    return kept and combine.computes_the_same(usual.layers, record.layers, lengths)


def _broken(texts: Sequence[str], wrong: Sequence[Point], right: Sequence[Point]) -> set[str]:
    """The conditions that have to hold: one that tells the calls that are wrong from all others, or whatever those
    break."""
    if not wrong:
        return set()
    for text in sorted(texts, key=len):
        condition = comparison(text)
        if not any(_holds(condition, p) for p in wrong) and all(_holds(condition, p) for p in right):
            return {text}
    return {text for text in texts if not all(_holds(comparison(text), point) for point in wrong)}


def _holds(condition: Relation, point: Point) -> bool:
    try:
        return condition.is_true({"seq_len": point[0], "past_len": point[1]})
    except SymflopsError:  # it divides by a number of pieces, of which there are none
        return False


def _chosen(texts: Sequence[str], first: bool = False) -> list[Point]:
    """Calls with every two answers to these conditions that go together, as few as are easily found; of `first` ones
    nothing came before."""
    compared = [comparison(text) for text in texts]
    found: dict[tuple[bool, ...], list[Point]] = {}
    for point in _points(texts, first):
        found.setdefault(tuple(_holds(condition, point) for condition in compared), []).append(point)
    pairs = {answers: set(combinations(enumerate(answers), min(2, len(texts)))) for answers in found}
    known = pairs.pop((True,) * len(texts), set())
    chosen: list[Point] = []
    while pairs:
        best = max(pairs, key=lambda answers: (len(pairs[answers] - known), max(found[answers])))
        if not (new := pairs.pop(best) - known):
            break
        known |= new
        # After as many tokens as another one, where that can be: the earlier call of both is the same.
        after = {past for _, past in chosen}
        chosen.append(max([p for p in found[best] if p[1] in after] or found[best]))
    return chosen


def _points(texts: Sequence[str], first: bool) -> list[Point]:
    """Calls on both sides of all that some conditions divide by or compare with."""
    numbers = sorted({n for text in texts for n in map(int, re.findall(r"\d+", text)) if n > 1})
    tokens = {*range(1, 10), *(n * k + d for n in numbers for k in (1, 2) for d in (-1, 0, 1))}
    past = {*range(1, 10), *(n * k + d for n in numbers for k in (1, 2, 5) for d in (-2, -1, 0, 1, 2))}
    return [(s, p) for s in sorted(tokens) for p in ([0] if first else sorted(past)) if s > 0 and p >= (not first)]
