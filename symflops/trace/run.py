"""A model is built on fake tensors with symbols for sizes, then called and recorded."""

from __future__ import annotations

import inspect
import re
from collections.abc import Hashable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

import torch
from torch import nn
from transformers import GenerationConfig, PreTrainedModel
from transformers.initialization import no_init_weights

from symflops import progress
from symflops.deadline import OutOfTimeError
from symflops.errors import SymflopsError
from symflops.polynomial import Value, add, symbol
from symflops.trace import (
    arithmetic,
    as_eager,
    attention,
    cache,
    carried,
    earlier,
    experts,
    feeds,
    pair_inputs,
    repeats,
)
from symflops.trace.architecture import RUN_HINTS, Architecture, copied, sizes_by_name
from symflops.trace.configs import Named
from symflops.trace.constructor import Arguments
from symflops.trace.contents import Contents, Following
from symflops.trace.guards import Guard, asked_by, note
from symflops.trace.internals import Sizes, cheap_parameters, quiet, trained_matrices_folded
from symflops.trace.masks import MasksMade
from symflops.trace.nested import called
from symflops.trace.overrides import assign
from symflops.trace.patches import (
    contractions_noted,
    indices_formatted,
    no_checks_of_values,
    no_dropout,
    no_fast_path,
    nothing_cached,
    nothing_initialised,
    nothing_packed,
    number_format,
    reads_noted,
    real_dropout,
    sizes_validated,
    slices_of_sizes,
    weights_converted,
)
from symflops.trace.quantity import Quantities, product
from symflops.trace.recorder import Recorder
from symflops.trace.run_step import run_step
from symflops.trace.same_padding import same_padding
from symflops.trace.serials import ends_told
from symflops.trace.settings import Settings
from symflops.trace.skeleton import built_once
from symflops.trace.watching import watching


@dataclass
class Build:
    """A model built with symbols for sizes; `error` when its own source could not build it. It can be called again."""

    named: Named
    config: Any
    sizes: Sizes
    quantities: Quantities
    symbols: dict[str, Any]
    dtype: torch.dtype  # of weights and activations: the one whose bytes are a symbol
    guards: list[Guard] = field(default_factory=list)
    reads: set[tuple[str, str]] = field(default_factory=set)
    rhythms: set[tuple[str, str]] = field(default_factory=set)  # of what is done between layers, every few of them
    hints: dict[str, int] = field(default_factory=lambda: dict(RUN_HINTS))  # of the run symbols
    model: Any = None
    masks: MasksMade | None = None  # those that the model keeps
    contents: Contents = field(default_factory=Contents)  # of small tensors that it keeps
    left: dict[Any, earlier.Left] = field(default_factory=dict)  # by earlier calls, by what decides that
    apart: Mapping[tuple[str, int], Hashable] = field(default_factory=dict)  # by path and call; see repeats.py
    error: Exception | None = None

    @property
    def original(self) -> Any:
        return self.named.config


@dataclass
class Run:
    """What one call gave; `error` when it did not get to its end."""

    build: Build
    guards: list[Guard]
    recorder: Recorder | None = None
    error: Exception | None = None
    caches: bool = False
    given: tuple[str, ...] = ()  # the arguments of the call
    states: Value = 0  # elements that the call leaves for the next one, but for keys and values
    contracts: bool = False  # `einsum` was given a dimension as long as the sequence, which is none where that is 1
    prepared: bool = False  # the model noted that it did something, such as scaling its weights, that it does once

    @property
    def sizes(self) -> Sizes:
        return self.build.sizes

    @property
    def quantities(self) -> Quantities:
        return self.build.quantities

    @property
    def asked(self) -> list[Guard]:
        """The conditions, each once, in the order in which they were first decided."""
        return list(dict.fromkeys({id(guard): guard for guard in self.guards}.values()))  # most are the same objects


def build(
    named: Named,
    architecture: Architecture,
    dtype: torch.dtype = torch.bfloat16,
    equal: Mapping[type, list[int]] = MappingProxyType({}),
    implementation: str = "eager",
) -> Build:
    """The model of a config with the architecture's symbols in place of numbers, on fake tensors of this format, with
    the classes of attention that its source has for an implementation."""
    sizes = Sizes()
    original = named.config
    run_hints = feeds.run_hints(named.inputs, sizes_by_name(original))
    values: dict[str, Value] = architecture.free_factors() | {name: symbol(name) for name in run_hints}
    depths = {f.rest for f in architecture.fields if f.is_depth}
    own = architecture.own_numbers()
    symbols = {n: sizes.symbol(n, hint, n in depths, own.get(n)) for n, hint in architecture.hints().items()}
    sizes.fields = frozenset(architecture.numbers)
    config, twins = copied(original)
    for f in architecture.fields:
        size = feeds.size_of(architecture.factors(f), symbols)
        holder = twins[id(f.holder)]
        if f.kind:
            assign(holder, f.key, f.kind, size)
        else:
            vars(holder)[f.key] = [size] * f.entries if f.entries else size
    experts.set_implementation(config, implementation, "eager")
    vars(config)["return_dict"] = True
    result = Build(named, config, sizes, Quantities(sizes.names, values), symbols, dtype, hints=run_hints)
    if isinstance(config, Arguments):
        result.reads |= {("", name) for name in vars(original)}  # a constructor takes them all
    with environment(result, result.guards):
        try:
            result.masks = MasksMade(result.quantities)
            follow = Following(result.contents)
            with no_init_weights(), nothing_initialised(), cheap_parameters(), built_once(equal), result.masks, follow:
                model = named.model_class(config)
            if isinstance(model, PreTrainedModel):
                model.tie_weights()
            result.model = model.eval()
        except OutOfTimeError:
            raise
        except Exception as error:  # whatever the model's source raises; the caller says what it means
            result.error = error
        else:
            for owner in {id(c): c for m in model.modules() if (c := getattr(m, "config", None)) is not None}.values():
                experts.set_implementation(owner, attention.NAME, experts.NAME)
    return result


def call(built: Build, settings: Settings) -> Run:
    """Call a built model once and record what it does."""
    sizes = built.sizes
    hints = built.hints | settings.hints
    symbols = {n: settings.lengths.get(n) or sizes.run_symbol(n, hint) for n, hint in hints.items()}
    sizes.lengths = {s for s, name in sizes.names.items() if name in hints and name != "batch_size"}
    sizes.run_symbols = hints.keys() - settings.lengths.keys()
    result = Run(built, list(built.guards), error=built.error)
    if built.error is not None:
        return result
    progress.run()
    kind = built.dtype, settings.allow_unknown, result.guards, settings.training, settings.whole_step
    result.recorder = recorder = Recorder(sizes, built.quantities, built.model, *kind)
    recorder.parts_once = not settings.as_eager
    recorder.masks.begin_with(built.masks)
    recorder.known.contents = Contents(built.contents)
    makes_cache = settings.past != "none" and cache.own_class(type(built.model))
    past = symbols["past_len"] if settings.past == "symbol" else 0
    with (
        environment(built, result.guards, built.rhythms, settings.training),
        as_eager.own_attention(recorder, as_eager.implementation(type(built.model), settings))
        if settings.as_eager
        else attention.caught(recorder, settings.eager),
        experts.caught(recorder),
        cache.made_by_model(recorder, past, kind_of_cache(settings)) if makes_cache else nullcontext(),
        ends_told(recorder.lifetimes.end),
        contractions_noted(symbols.get("seq_len"), lambda: setattr(result, "contracts", True)),
        trained_matrices_folded(recorder.tape.has_gradient) if recorder.tape is not None else nullcontext(),
    ):
        try:
            built.model.train(settings.training)
            if settings.training:  # autograd itself has nothing to do otherwise; who asks for the mode sees it on
                built.model.requires_grad_(settings.whole_step)
            noted = carried.notes(built.model)
            _call(result, recorder, symbols, settings)
            result.prepared = carried.notes(built.model) != noted
        except OutOfTimeError:
            raise
        except Exception as error:  # as above
            result.error = error
    return result


@contextmanager
def environment(
    built: Build, guards: list[Guard], rhythms: set[tuple[str, str]] | None = None, training: bool = False
) -> Iterator[None]:
    """What holds while a model's source runs: fake tensors, symbols that compute, notes of what it asks and reads."""
    sizes = built.sizes
    with ExitStack() as stack:
        stack.enter_context(sizes.active())
        stack.enter_context(sizes.watching_guards(lambda c, o, f: note(sizes, guards, Guard(c, o, *asked_by(), f))))
        stack.enter_context(reads_noted(built.config, built.reads, rhythms))
        stack.enter_context(number_format(built.dtype))
        stack.enter_context(torch.enable_grad() if training else torch.no_grad())
        stack.enter_context(arithmetic.lent(sizes.lengths, built.named.packages))
        values = no_checks_of_values(), indices_formatted(), slices_of_sizes(), weights_converted(), sizes_validated()
        for one in (no_fast_path(), nothing_cached(), *values, nothing_packed(), same_padding(), quiet()):
            stack.enter_context(one)
        stack.enter_context(patch.object(nn.functional, "dropout", real_dropout if training else no_dropout))
        stack.enter_context(patch.object(GenerationConfig, "from_model_config", lambda _: GenerationConfig()))
        yield


def _call(result: Run, recorder: Recorder, symbols: dict[str, Any], settings: Settings) -> None:
    model = result.build.model
    with recorder.pause():
        inputs = _inputs(result.build, symbols, settings, recorder)
    result.given = tuple(inputs)
    result.caches = recorder.has_cache or carried.cache_argument(type(model)) in inputs
    own: dict[Any, torch.Tensor] = {}
    recorder.memory_grows = settings.grows
    if settings.continued:
        asked = len(result.guards)
        before = pair_inputs.ids_alone(result.build.named.inputs, inputs)
        inputs, own = earlier.continued(recorder, model, inputs, before, symbols, settings, result.build.left)
        del result.guards[asked:]
    if settings.after_encoder and not pair_inputs.goes_on_with_ids(type(model), result.build.named.inputs):
        asked = len(result.guards)
        with pair_inputs.result_kept(model) as results, earlier.silent(recorder), recorder, watching(recorder):  # noqa: SIM117 - too long for one
            with repeats.skipped(recorder):
                called(model, inputs)
        del result.guards[asked:]
        inputs = pair_inputs.of_a_step(model, inputs, results)
    if recorder.step is not None:
        run_step(recorder, inputs)
        return
    with recorder, watching(recorder), repeats.skipped(recorder, result.build.apart):
        returned = called(model, inputs)
    held = [inputs[argument] for argument in [carried.cache_argument(type(model))] if argument in inputs]
    left = carried.states([held, carried.carried(model, returned)])
    after = carried.attributes(model)
    left += [after[place] for place, tensor in own.items() if place in after and recorder.was_read(tensor)]
    recorder.known.refuse_selected()
    with recorder.pause():
        result.states = add(0, *(product(result.quantities.shape(t.shape)) for t in left))
        if settings.continued or settings.past == "empty":
            recorder.keep(left)


def _inputs(built: Build, symbols: dict[str, Any], settings: Settings, recorder: Recorder) -> dict[str, Any]:
    model, config = built.model, built.config
    if built.named.inputs:
        sizes = {n: v for n, v in sizes_by_name(built.original, config).items() if isinstance(v, int | torch.SymInt)}
        fed = feeds.fed(built.named.inputs, model, {**sizes, **symbols}, recorder)
        fed |= built.named.given
        if settings.past != "none" and pair_inputs.goes_on_with_ids(type(model), built.named.inputs):
            fed = pair_inputs.tokens_alone(built.named.inputs, fed) if settings.after_encoder else fed
            return fed | pair_inputs.cache_of_text(built.original, config, recorder, symbols["past_len"])
        if settings.past != "none":
            return fed | pair_inputs.cache_of(model, recorder, symbols["past_len"])
        keeps_nothing = {"use_cache": False} if "use_cache" in inspect.signature(model.forward).parameters else {}
        return keeps_nothing | fed
    accepted = inspect.signature(model.forward).parameters
    if takes_images(model):
        size = getattr(config, "image_size", None)
        if size is None:
            why = "the config does not say how large an image is: it has no image_size"
            raise SymflopsError(f"{why}; --input 'pixel_values: float[batch_size, 3, 32*h, 32*w]' does")
        built.reads |= {("", "image_size"), ("", "num_channels")}  # as the source would, were it to make the image
        height, width = size if isinstance(size, list | tuple) else (size, size)
        image = torch.empty((symbols["batch_size"], config.num_channels, height, width))
        return {"pixel_values": recorder.note(image, "input")}
    ids = torch.empty((symbols["batch_size"] * settings.streams, symbols["seq_len"]), dtype=torch.long)
    inputs: dict[str, Any] = {"input_ids": recorder.note(ids, "input")}
    argument = carried.cache_argument(type(model))
    keeps = settings.past != "none" and not is_encoder(built)
    if keeps and argument:
        recorder.has_cache = True
        past = symbols["past_len"] if settings.past == "symbol" else 0
        if not cache.own_class(type(model)):
            original = carried.plain_text_config(built.original)
            inputs[argument] = cache.recorded(
                original, carried.plain_text_config(config), recorder, past, kind_of_cache(settings)
            )
    if "use_cache" in accepted:
        inputs["use_cache"] = keeps
    return inputs


def kind_of_cache(settings: Settings) -> type[cache.Recorded]:
    return as_eager.Concatenated if settings.as_eager else cache.Recorded


def is_encoder(built: Build) -> bool:
    """Whether a model keeps nothing for a next call. One that asks whether it is a decoder accepts a cache that it
    never uses; of others, what their forward accepts tells."""
    asks = any(key == "is_decoder" for _, key in built.reads)
    if asks and vars(built.model.config).get("is_decoder") is False:
        return True
    kept = re.compile(r"past|cache|state$|mems" if takes_images(built.model) else r"past|cache|state$|mems|kwargs")
    accepted = inspect.signature(built.model.forward).parameters
    return not any(kept.search(name) for name in accepted if name != "use_cache")


def takes_images(model: Any) -> bool:
    """Whether pixels are what a model is fed."""
    return getattr(model, "main_input_name", "input_ids") == "pixel_values"
