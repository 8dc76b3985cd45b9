"""A config becomes a Model: runs of its forward, refined until every condition on the way is what the config says."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

from symflops import deadline, progress
from symflops.algebra import free_symbols, substitute
from symflops.assumption import comparison
from symflops.domain import Domain
from symflops.errors import SymflopsError, expect
from symflops.inputs import Input, read_inputs, symbols_of
from symflops.model import Model, load
from symflops.numeric import RUN_SYMBOLS
from symflops.trace import combine
from symflops.trace.architecture import sizes_by_name, windowed
from symflops.trace.carried import keeps_more, keeps_states, plain_text_config
from symflops.trace.conditions import conditions
from symflops.trace.config_values import made_for
from symflops.trace.configs import Named, find, for_task
from symflops.trace.constructor import is_own, own_module
from symflops.trace.experts import unrouted
from symflops.trace.facts import facts, flat_sizes, numbers_kept
from symflops.trace.feeds import in_numbers, run_hints
from symflops.trace.fixed import SizeFixedError
from symflops.trace.fold import fold, with_owners, without_places
from symflops.trace.internals import check_versions
from symflops.trace.layer_data import full_name, readable
from symflops.trace.lengths import Record, any_length, one_or_many, records_in_agreement
from symflops.trace.limits import check_depth
from symflops.trace.naming import RepeatNames
from symflops.trace.notes import decomposed, dtype, first_call_only, is_pair, never_run, not_masked
from symflops.trace.own_formats import in_own_formats
from symflops.trace.pair_inputs import goes_on_with_ids, takes_steps
from symflops.trace.pairs import switched, with_steps
from symflops.trace.patches import old_objects_left_alone
from symflops.trace.peak import with_peak
from symflops.trace.refine import Knowledge, decides_by_one
from symflops.trace.run import Run, is_encoder
from symflops.trace.settings import Settings
from symflops.trace.usual_inputs import usual_inputs
from symflops.trace.work import Work

SIDE = 8  # of an image, in what its sides are multiples of, where a source needs a number
CACHED = 0.75  # of the time that there is, for a derivation with a cache; the rest is for one without


def derive(
    what: Any,
    *,
    inputs: Mapping[str, Any] | Iterable[str] = (),
    arguments: Mapping[str, Any] = MappingProxyType({}),
    fixed: Collection[str] = (),
    given: Mapping[str, Any] = MappingProxyType({}),
    attention: str = "fused",
    allow_unknown: bool = False,
    training: bool = False,
    peak: bool = False,
    task: str = "",
    timeout: float = deadline.DERIVATION,
) -> Model:
    """The closed-form model of a transformers config, or of a user's own module, derived from its source.

    `what` is a config object, a config's or a model's class, the path of a config.json or its directory, a model type
    such as "qwen3_moe", or a hub id; or a module, a class of modules or a function that returns one, with `inputs` that
    it is fed (and what else is `given` to its forward) and the `arguments`
    of its constructor, of which the integers become symbols, but for those `fixed`.
    `attention` is "fused" (one kernel, no score matrix) or "eager" (scores and probabilities are materialised).
    With `allow_unknown`, an operation of unknown cost stays in the total as a symbol `unknown_<operation>`;
    otherwise it is an error that names it. With `training` the model is called in training mode, with dropout and
    without a cache, and each layer says what its backward costs and what it keeps for it.

    With `peak`, which takes four calls more, the file says what the model holds in memory at its fullest.

    `timeout` is in seconds of processor time.

    Raises SymflopsError, one line, for everything that stops a derivation: remote code, values that the config refuses,
    control flow that depends on the values of tensors, an unknown operation, the end of its time.

    >>> from transformers import LlamaConfig
    >>> model = derive(LlamaConfig(num_hidden_layers=2))
    >>> model.total(symbolic=True).text("parameters", short=True)
    'h*(L*(2*d*(n + n_kv) + 3*i + 2) + 2*V + 1)'
    """
    check_versions()
    if attention not in ("fused", "eager"):
        raise SymflopsError(f"attention {attention!r}: valid are fused and eager")
    expect(timeout, (int, float), "timeout to be a number of seconds")
    if not timeout > 0:
        raise SymflopsError(f"timeout {timeout!r}: expected a number of seconds above 0")
    fed = read_inputs(inputs)
    if task and is_own(what):
        raise SymflopsError("only a config has classes for tasks; a module is what it is")
    named = own_module(what, fed, arguments, fixed) if is_own(what) else find(what)
    named = for_task(named, task) if task else named
    named = named._replace(given=given)
    past = "none" if named.inputs or training else "symbol"
    settings = Settings(eager=attention == "eager", allow_unknown=allow_unknown, past=past, training=training)
    with progress.shown(f"deriving {named.name}"):
        progress.at("reading the config")
        try:
            check_depth(named.config)
            with old_objects_left_alone(), deadline.limit(timeout):
                usual = not is_own(what) and not fed
                named = named if is_own(what) else with_usual_inputs(named, fed)
                fixed = {*fixed, *(windowed(named.config) if usual else ())}
                return _with_inputs(named, fixed, settings, usual, peak)
        except deadline.OutOfTimeError:
            why = f"not derived within {timeout:g} s of processor time; the last step was: {progress.last()}"
            raise SymflopsError(why, where=named.name) from None
        except SymflopsError as error:
            raise error.within(named.name) from None


def _with_inputs(named: Named, fixed: set[str], settings: Settings, usual: bool, peak: bool) -> Model:
    """The model that is fed so. Where the source needs a number for a side of `usual` inputs, as it cuts an image into
    windows, one is chosen, and said."""
    settings = replace(settings, past="none" if named.inputs or settings.training else "symbol")
    sizes = sizes_by_name(named.config)
    try:
        known = Knowledge(fixed, run_symbols=frozenset(run_hints(named.inputs, sizes)))
        return _derived(Work(named, known), settings, peak)
    except SizeFixedError as error:
        side = error.symbol
        if not usual or side in RUN_SYMBOLS or side in sizes or side not in symbols_of(named.inputs):
            raise
        progress.tell(f"with a number for {side}")
        said = f"the source needs a number for {side}: {SIDE} was taken; --input states another"
        inputs = in_numbers(named.inputs, side, SIDE)
        return _with_inputs(named._replace(inputs=inputs, notes=(*named.notes, said)), fixed, settings, usual, peak)


def with_usual_inputs(named: Named, inputs: tuple[Input, ...]) -> Named:
    return named._replace(inputs=inputs or usual_inputs(named))


def _derived(work: Work, settings: Settings, peak: bool) -> Model:
    of_peak = settings if peak and not settings.training else None
    model = _model(work, _with_past(work, settings), of_peak)
    if work.sizes_by_depth:
        progress.tell(f"sizes depend on {', '.join(key for _, key in sorted(work.sizes_by_depth))}")
        work.known.depths |= work.sizes_by_depth
        model = _model(work, _with_past(work, settings), of_peak)
    counted = int(model.total().parameters)
    if work.skeleton is not None and counted != (there := work.skeleton.parameters()):
        counts = f"{counted:,} parameters, the model has {there:,}"
        raise SymflopsError(f"the derived closed form is wrong: it has {counts}; please report it")
    return in_own_formats(model, work.named.config, settings.training)


def _with_past(work: Work, settings: Settings) -> Record:
    """A record in which past_len is a symbol where the model takes a cache."""
    if not settings.training and takes_steps(work.named.model_class, work.named.inputs):
        try:
            return with_steps(work, replace(settings, past="symbol"))
        except SymflopsError as error:
            progress.tell(f"with a cache: {error}")
    if not settings.training and goes_on_with_ids(work.named.model_class, work.named.inputs):
        try:
            with deadline.limit(CACHED * deadline.left()):
                return with_steps(work, replace(settings, past="symbol"))
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
    return _with_past(work, replace(settings, streams=streams))


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
    fresh, later = records_in_agreement(work, partial(one_or_many if by_one else any_length, work), calls, {})
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
    return result.caches and any(g.by_model and g.condition.free_symbols & past for g in result.guards)


# ----------------------------------------------------------------------------------------------------------- the model


def _model(work: Work, record: Record, of_peak: Settings | None) -> Model:
    named = work.named
    depths = RepeatNames(named.config, work.other_depth)
    layers = readable(switched(with_owners(fold(without_places(record.layers), depths.repeat, depths.labels))))
    recorder = record.run.recorder
    assert recorder is not None
    unknown = recorder.unknown
    numbers = record.shape.numbers
    fed = [name for name in symbols_of(named.inputs) if name not in RUN_SYMBOLS]
    stated = sizes_by_name(named.config)
    own = [name for name in fed if name not in stated]
    values = {**numbers, **depths.symbols, **dict.fromkeys((*own, *unknown))}
    trial = load({"name": named.name, "symbols": values, "layers": layers})
    used = trial.total(symbolic=True).free_symbols | _in_repeats(trial) | _in_states(trial)
    assumes = [*conditions(record.run, record.shape, used, record.shortest, record.free), *record.asked]
    mentioned = {n for n in numbers if any(n in _words(a) for a in assumes)}
    symbols = {n: v for n, v in (numbers | depths.symbols).items() if n in used | mentioned | depths.symbols.keys()}
    kept = numbers_kept(record.run, record.shape, symbols)
    stayed = [
        *(depths.stays(name, number) for name, number in kept.items()),
        *facts(record.run, symbols, depths),
    ]
    if is_pair(record.run.build.config, record.run.build.model):
        stayed.append("is_encoder_decoder == true")
        stayed = list(dict.fromkeys(stayed))
    if record.run.build.rhythms:  # another depth may go on with the rhythm or not
        stayed += [f"{name} == {number}" for name, number in depths.symbols.items() if name in depths.fields]
    mode = ["in training mode"] if recorder.tape is not None else []
    symbols |= kept | {name: stated[name] for name in fed if name not in own}
    data = {
        "name": named.name,
        "about": "; ".join([f"derived by symflops from {full_name(named.model_class)}", *mode, *record.notes]),
        "derived_from": full_name(named.model_class),
        "class": full_name(named.model_class),
        "inputs": {one.name: one.text() for one in named.inputs},
        "symbols": {**symbols, **dict.fromkeys((*own, *unknown))},  # null: nobody knows
        "assumes": [*assumes, *_layers(named.config, symbols), *depths.adding_up(), *_one_call(record), *stayed],
        "dtype": dtype(named.config),
        "expects": made_for(named.config, Domain.of(assumes)),
        "notes": [*first_call_only(record.why), *never_run(trial), *not_masked(recorder.unmasked),
                  *unrouted(recorder, named.config), *flat_sizes(record.run), *named.notes,
                  *decomposed(recorder.ran, recorder.tape is not None)],
        "layers": layers,
    }  # fmt: skip
    return load(data | ({} if of_peak is None else with_peak(work, of_peak, not record.without_past, depths, data)))


def _layers(config: Any, symbols: Mapping[str, int]) -> list[str]:
    """That there are layers."""
    name = getattr(plain_text_config(config), "attribute_map", {}).get("num_hidden_layers", "num_hidden_layers")
    return [f"{name} >= 1"] if name in symbols else []


def _one_call(record: Record) -> list[str]:
    """That nothing was fed before, of a model that keeps nothing."""
    keeps = record.run.caches or not is_encoder(record.run.build)
    return ["past_len == 0"] if record.without_past or not keeps else []


def _in_repeats(model: Model) -> set[str]:
    return {name for row in model.rows(symbolic=True) for name in row.cost.free_symbols}


def _in_states(model: Model) -> set[str]:
    """What is kept may be asked of an argument that no cost depends on, such as a window."""
    kept = [layer.state for layer in model.layers] + [value for layer in model.layers for _, value in layer.args]
    return {name for value in kept for name in free_symbols(value)}


def _words(text: str) -> set[str]:
    return set(re.findall(r"[A-Za-z_]\w*", text))
