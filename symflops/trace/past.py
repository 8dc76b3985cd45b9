"""Which calls of a model are recorded for its costs: with tokens in a cache or with states, where it takes them."""

from __future__ import annotations

from dataclasses import replace

from symflops import deadline, progress
from symflops.algebra import substitute
from symflops.assumption import comparison
from symflops.errors import SymflopsError
from symflops.trace import combine
from symflops.trace.carried import keeps_more, keeps_states
from symflops.trace.cases import any_call, first_calls
from symflops.trace.conditions import conditions
from symflops.trace.lengths import Record, any_length, one_or_many, records_in_agreement
from symflops.trace.pair_inputs import goes_on_with_ids, takes_steps
from symflops.trace.pairs import with_states, with_steps
from symflops.trace.refine import decides_by_one
from symflops.trace.run import Run
from symflops.trace.settings import Settings
from symflops.trace.work import Work

CACHED = 0.75  # of the time that there is, for a derivation with a cache; the rest is for one without


def with_past(work: Work, settings: Settings) -> Record:
    """A record in which past_len is a symbol where the model takes a cache."""
    if not settings.training and takes_steps(work.named.model_class, work.named.inputs):
        try:
            return with_steps(work, replace(settings, past="symbol"))
        except SymflopsError as error:
            progress.tell(f"with a cache: {error}")
    if not settings.training and goes_on_with_ids(work.named.model_class, work.named.inputs):
        try:
            states = keeps_states(work.named.model_class, work.named.config)
            with deadline.limit(CACHED * deadline.left()):
                return (with_states if states else with_steps)(work, replace(settings, past="symbol"))
        except SymflopsError as error:
            why = error.message
        except deadline.OutOfTimeError:
            deadline.check()
            why = "not derived in the time for that; a longer --timeout may do"
        progress.tell(f"with a cache: {why}")
        return replace(_of_inputs(work, settings), why=why)
    if work.named.inputs or settings.training:
        return _of_inputs(work, settings)
    streams = getattr(work.named.config, "num_codebooks", 1) if settings.streams == 1 else 1
    streams = streams if type(streams) is int else 1
    try:
        with deadline.limit(CACHED * deadline.left()):
            record = _cached(work, settings)
        return record if streams == 1 or not _asks_for_batch(record) else _with_streams(work, settings, streams)
    except SymflopsError as error:
        why = error.message
    except deadline.OutOfTimeError:
        deadline.check()  # there is some left of the whole
        why = "not derived in the time for that; a longer --timeout may do"
    progress.tell(f"with a cache: {why}")
    try:
        record = any_length(work, replace(settings, past="none"))
        if decides_by_one(record.run):
            record = one_or_many(work, replace(settings, past="none"))
        return replace(record, without_past=True, why=why)
    except SymflopsError:
        if streams < 2:
            raise
    return _with_streams(work, settings, streams)


def _asks_for_batch(record: Record) -> bool:
    """Whether the source takes several rows of ids for one sequence, so that their number is a multiple."""
    return any("batch_size" in comparison(text).names for text in conditions(record.run, record.shape, ()))


def _with_streams(work: Work, settings: Settings, streams: int) -> Record:
    progress.tell(f"with {streams} rows of ids for each sequence")
    work.known.numeric.add("num_codebooks")  # as many rows of ids are made
    return with_past(work, replace(settings, streams=streams))


def _of_inputs(work: Work, settings: Settings) -> Record:
    """A record of a model that is fed what is stated, without a cache."""
    record = any_length(work, settings)
    record = one_or_many(work, settings) if decides_by_one(record.run) else record
    return replace(record, without_past=True)


def _cached(work: Work, settings: Settings) -> Record:
    """The same of a model that takes a cache, or states of its own; it may raise whatever its source does not take."""
    recurrent = by_one = keeps_states(work.named.model_class, work.named.config)
    more, memory = keeps_more(work.named.model_class, work.named.config), False
    if not (recurrent or more):
        record = any_length(work, settings)
        recurrent = _leaves_states(work, record, settings)
        memory = not recurrent and record.run.states != 0
        by_one = recurrent or decides_by_one(record.run)
        if by_one and not (recurrent or memory):
            record = one_or_many(work, settings)
        if not (recurrent or memory) and not _asks_for_past(record.run):
            return record if record.run.caches else replace(record, without_past=True)
    cached = "with the states of an earlier call" if recurrent else "with cached tokens"
    continued = replace(settings, continued=recurrent or more or memory, grows=memory)
    calls = {"with an empty cache": replace(settings, past="empty"), cached: continued}

    def make(call: Settings) -> Record:
        if by_one:
            return one_or_many(work, call)
        return any_call(work, call) if call.continued and more else any_length(work, call, is_tried=not more)

    fresh, later = records_in_agreement(work, make, calls, {})
    if more and not by_one:
        later = replace(later, asked=(*later.asked, *first_calls(work, settings, fresh, later)))
    return replace(later, layers=combine.switched(fresh.layers, later.layers))


def _leaves_states(work: Work, record: Record, settings: Settings) -> bool:
    """Whether a call leaves states that are as large after one token as after many: a memory that grows is none."""
    if record.run.states == 0:
        return False
    few = {"batch_size": 3}  # a number, as a source may loop over it where there is one token
    one, _ = work.run(replace(settings, lengths={"seq_len": 1, **few}))
    return one.states == substitute(record.run.states, few)


def _asks_for_past(result: Run) -> bool:
    """Whether the model's source decided something by the number of cached tokens."""
    past = {s for s, n in result.sizes.names.items() if n == "past_len"}
    return result.caches and any(g.by_model and g.condition.free_symbols & past for g in result.asked)
