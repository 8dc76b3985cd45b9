"""A config becomes a Model: runs of its forward, refined until every condition on the way is what the config says."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from symflops import deadline, progress
from symflops.algebra import free_symbols
from symflops.domain import Domain
from symflops.errors import SymflopsError, expect
from symflops.inputs import read_inputs, symbols_of
from symflops.model import Model, load
from symflops.numeric import RUN_SYMBOLS
from symflops.trace import latents
from symflops.trace.architecture import sizes_by_name, windowed
from symflops.trace.by_depth import with_lengths
from symflops.trace.carried import plain_text_config
from symflops.trace.conditions import conditions
from symflops.trace.config_values import in_costs, made_for
from symflops.trace.configs import Named, find, for_task
from symflops.trace.constructor import Arguments, is_own, own_module
from symflops.trace.experts import unrouted
from symflops.trace.facts import facts, flat_sizes, numbers_kept
from symflops.trace.feeds import in_numbers, run_hints
from symflops.trace.fixed import SizeFixedError
from symflops.trace.fold import fold, with_owners, without_places
from symflops.trace.internals import check_versions
from symflops.trace.layer_data import full_name, readable
from symflops.trace.lengths import Record
from symflops.trace.limits import check_depth
from symflops.trace.naming import RepeatNames
from symflops.trace.notes import (
    decomposed,
    dtype,
    first_call_only,
    is_pair,
    never_run,
    not_masked,
    of_complex_numbers,
)
from symflops.trace.operation import is_complex_product
from symflops.trace.own_formats import in_own_formats
from symflops.trace.pair_inputs import goes_on_with_ids, is_of_tokens
from symflops.trace.pairs import switched
from symflops.trace.past import with_past
from symflops.trace.patches import old_objects_left_alone
from symflops.trace.peak import with_peak
from symflops.trace.record import every_operation
from symflops.trace.refine import Knowledge
from symflops.trace.run import is_encoder
from symflops.trace.settings import Settings
from symflops.trace.step_peak import with_peak_of_step
from symflops.trace.usual_inputs import usual_inputs
from symflops.trace.work import Work

SIDE = 8  # of an image, in what its sides are multiples of, where a source needs a number


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

    With `peak`, which takes four calls more, the file says what the model holds in memory at its fullest; in training
    mode a step's forward, loss and backward, which takes one more.

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
    if task and (is_own(what) or latents.find(what) is not None):
        raise SymflopsError("only a config of transformers has classes for tasks; a module is what it is")
    named = own_module(what, fed, arguments, fixed) if is_own(what) else latents.find(what) or find(what)
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
                named = named if is_own(what) else named._replace(inputs=fed or usual_inputs(named))
                numbers = {*fixed, *(windowed(named.config) if usual else ())}
                try:
                    return _with_inputs(named, numbers, settings, usual, peak)
                except SymflopsError as error:
                    if usual and isinstance(named.config, Arguments):
                        return _with_numbers_for_sides(named, error, numbers, settings, peak)
                    if usual and not named.inputs and len(more := usual_inputs(named, ids_suffice=False)) > 1:
                        return _with_inputs(named._replace(inputs=more), numbers, settings, usual, peak)
                    if not usual or not goes_on_with_ids(named.model_class, named.inputs):
                        raise
                    return _with_text_alone(named, error, numbers, settings, peak)
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


def _with_numbers_for_sides(
    named: Named, error: SymflopsError, fixed: set[str], settings: Settings, peak: bool
) -> Model:
    """The model with the sides of images as its config has them, where it cannot be derived with symbols for them."""
    inputs = usual_inputs(named, sides=False) if "h" in symbols_of(named.inputs) else ()
    if not inputs:
        raise error
    progress.tell(f"with numbers for the sides: {error}")
    said = f"the sides are those of the config; with symbols for them it is not derived: {error.message}"
    return _with_inputs(named._replace(inputs=inputs, notes=(*named.notes, said)), fixed, settings, True, peak)


def _with_text_alone(named: Named, error: SymflopsError, fixed: set[str], settings: Settings, peak: bool) -> Model:
    """The model fed with token ids, where it cannot be derived with the images or sounds that it takes beside them."""
    others = ", ".join(one.name for one in named.inputs if not is_of_tokens(one))
    progress.tell(f"without {others}: {error}")
    said = f"{others} left out, of a text alone every number is: with them it is not derived: {error.message}"
    alone = named._replace(inputs=(), notes=(*named.notes, said))
    try:
        return _with_inputs(alone, fixed, settings, False, peak)
    except SymflopsError:
        raise error from None


def _derived(work: Work, settings: Settings, peak: bool) -> Model:
    of_peak = settings if peak else None
    model = _model(work, with_past(work, settings), of_peak)
    if work.sizes_by_depth:
        progress.tell(f"sizes depend on {', '.join(key for _, key in sorted(work.sizes_by_depth))}")
        work.known.depths |= work.sizes_by_depth
        model = _model(work, with_past(work, settings), of_peak)
    counted = int(model.total().parameters)
    if work.skeleton is not None and counted != (there := work.skeleton.parameters()):
        counts = f"{counted:,} parameters, the model has {there:,}"
        raise SymflopsError(f"the derived closed form is wrong: it has {counts}; please report it")
    return in_own_formats(model, work.named.config, settings.training)


# ----------------------------------------------------------------------------------------------------------- the model


def _model(work: Work, record: Record, of_peak: Settings | None) -> Model:
    named = work.named
    depths = RepeatNames(named.config, work.other_depth)
    folded = with_owners(fold(without_places(record.layers), depths.repeat, depths.labels))
    folded, of_these_lengths = with_lengths(folded, depths)
    layers = readable(switched(folded))
    recorder = record.run.recorder
    assert recorder is not None
    unknown = recorder.unknown
    numbers = record.shape.numbers
    fed = [name for name in symbols_of(named.inputs) if name not in RUN_SYMBOLS]
    stated = sizes_by_name(named.config)
    own = [name for name in fed if name not in stated]
    values = {**numbers, **depths.symbols, **dict.fromkeys((*own, *unknown))}
    trial = load({"name": named.name, "symbols": values, "layers": layers})
    used = trial.total(symbolic=True).free_symbols | in_costs(trial) | _in_states(trial)
    assumes = [*conditions(record.run, record.shape, used, record.shortest, record.free), *record.asked]
    mentioned = {n for n in numbers if any(n in re.findall(r"[A-Za-z_]\w*", a) for a in assumes)}
    symbols = {n: v for n, v in (numbers | depths.symbols).items() if n in used | mentioned | depths.symbols.keys()}
    kept = numbers_kept(record.run, record.shape, symbols, depths)
    stayed = [
        *(depths.stays(name, number) for name, number in kept.items()),
        *facts(record.run, symbols, depths),
    ]
    fixed = (name for name in fed if name in stated and name not in numbers.keys() | kept.keys())
    stayed += [f"{name} == {stated[name]}" for name in fixed]  # an input is as large as a number of the config
    stayed += of_these_lengths
    if is_pair(record.run.build.config, record.run.build.model):
        stayed.append("is_encoder_decoder == true")
        stayed = list(dict.fromkeys(stayed))
    if record.run.build.rhythms:  # another depth may go on with the rhythm or not
        stayed += [f"{name} == {number}" for name, number in depths.symbols.items() if name in depths.fields]
    called = (o.aten for o in every_operation(recorder.root) if o.aten is not None)
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
        "notes": [*first_call_only(record.why), *never_run(trial, recorder.handed_out), *not_masked(recorder.unmasked),
                  *unrouted(recorder, named.config), *flat_sizes(record.run), *named.notes,
                  *decomposed(recorder.ran, recorder.tape is not None),
                  *of_complex_numbers(any(map(is_complex_product, called)))],
        "layers": layers,
    }  # fmt: skip
    if of_peak is None:
        return load(data)
    if of_peak.training:
        return load(data | with_peak_of_step(work, of_peak, depths, data))
    return load(data | with_peak(work, of_peak, not record.without_past, depths, data))


def _layers(config: Any, symbols: Mapping[str, int]) -> list[str]:
    """That there are layers."""
    name = getattr(plain_text_config(config), "attribute_map", {}).get("num_hidden_layers", "num_hidden_layers")
    return [f"{name} >= 1"] if name in symbols else []


def _one_call(record: Record) -> list[str]:
    """That nothing was fed before, of a model that keeps nothing."""
    keeps = record.run.caches or not is_encoder(record.run.build)
    return ["past_len == 0"] if record.without_past or not keeps else []


def _in_states(model: Model) -> set[str]:
    """What is kept may be asked of an argument that no cost depends on, such as a window."""
    kept = [layer.state for layer in model.layers] + [value for layer in model.layers for _, value in layer.args]
    return {name for value in kept for name in free_symbols(value)}
