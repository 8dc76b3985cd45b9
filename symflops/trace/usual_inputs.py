"""What a model of transformers is fed where the user does not say it, by the kinds of inputs that its forward takes.

Encoder and decoder have a length each, `source_len` or `num_frames` and `target_len`. Which of the usual forms of a
kind a model takes, neither its signature nor its config says: the first ones with which a call at plain numbers gets to
its end. What that call asks for besides is given, where there is a kind for it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import torch

from symflops.errors import SymflopsError
from symflops.inputs import DECODER_IDS, Input, read_inputs, symbols_of
from symflops.trace import latents
from symflops.trace.architecture import Architecture, sizes_by_name
from symflops.trace.configs import Named
from symflops.trace.constructor import Arguments
from symflops.trace.feeds import run_hints
from symflops.trace.kinds import KINDS, Form, InputKind, forms
from symflops.trace.refusal import missing, refused, words_of
from symflops.trace.run import Run, build, call, takes_images
from symflops.trace.settings import Settings

MAX_INPUTS = 8
MAX_CALLS = 60  # at plain numbers, to find the forms that a model takes
# Each of these is fed where the forward takes it.
_MAIN = ("input_ids", "pixel_values", "input_features", "input_values", "visual_embeds", "visual_feats")
_LENGTHS = {"seq_len": 29, "source_len": 31, "target_len": 23, "num_frames": 380, "num_samples": 16411}  # of a call
_BY_ARGUMENT = {kind.argument: kind for kind in KINDS}


def usual_inputs(named: Named, ids_suffice: bool = True, sides: bool = True) -> tuple[Input, ...]:
    """The inputs that a model takes, of the usual kinds; () where token ids alone are fed or pixels of one size, and
    where none of the usual ones fits. Where ids turned out not to suffice, these and what a call with them asks for.
    Without `sides` those of an image are numbers."""
    accepted = _accepted(named.model_class)
    if isinstance(named.config, Arguments):
        search = _Search(named, accepted, False, latents.KINDS, sides)
        found = search.inputs(latents.first(named.config, accepted))
        if not found:
            why = "" if search.refused is None else f"; of the first, {search.refused.message}"
            raise SymflopsError(f"no usual inputs fit this model of diffusers; its class takes others (--input){why}")
        return found
    is_pair = getattr(named.config, "is_encoder_decoder", None) is True and DECODER_IDS in accepted
    first = _first(named, accepted, is_pair) if ids_suffice else [name for name in _MAIN[:1] if name in accepted]
    if not first or (first == ["input_ids"] and not is_pair and ids_suffice):
        return ()
    search = _Search(named, accepted, is_pair)
    found = search.inputs(first)
    if not found and search.refused is not None and "input_ids" not in accepted:
        why = search.refused.message
        raise SymflopsError(f"no usual inputs fit, and others have to be stated (--input); of the first, {why}")
    return () if _is_known(found, named) else found


def _is_known(found: tuple[Input, ...], named: Named) -> bool:
    """Whether the inputs are what a model of images of one size is fed without being told."""
    names = [one.name for one in found]
    is_stated = {"image_size", "num_channels"} <= vars(named.config).keys()
    is_plain = names == ["pixel_values"] and len(found[0].shape) == 4 and "h" not in symbols_of(found)
    return is_plain and is_stated and takes_images(named.model_class)


def _accepted(model_class: Any) -> dict[str, bool]:
    """The arguments of a model's forward, and whether each has to be given."""
    found = list(inspect.signature(model_class.forward).parameters.values())[1:]
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {p.name: p.default is p.empty for p in found if p.kind not in kinds}


def _first(named: Named, accepted: dict[str, bool], is_pair: bool) -> list[str]:
    """The arguments that are tried at first: what the class calls its main input, what its forward needs, and ids and
    images or sounds where it takes both."""
    main = getattr(named.model_class, "main_input_name", "input_ids")
    needed = [name for name, is_needed in accepted.items() if is_needed]
    chosen = [name for name in _MAIN if name in accepted]
    chosen += [name for name in (str(main), *needed) if name in accepted and name in _BY_ARGUMENT]
    if "pixel_values" not in accepted:
        chosen += [name for name in ("pixel_values_videos",) if name in accepted]
    return list(dict.fromkeys(chosen))


class _Search:
    """Tries forms of inputs, each in a call at the config's own numbers."""

    def __init__(
        self,
        named: Named,
        accepted: dict[str, bool],
        is_pair: bool,
        kinds: Sequence[InputKind] = KINDS,
        sides: bool = True,
    ) -> None:
        self.named, self.accepted, self.is_pair, self.sides = named, accepted, is_pair, sides
        self.kinds = {kind.argument: kind for kind in kinds}
        self.calls = 0
        self.refused: SymflopsError | None = None  # what was said of the first inputs
        self.built = build(named, Architecture(), torch.float32)  # which every kernel takes

    def inputs(self, arguments: list[str]) -> tuple[Input, ...]:
        """The first fitting inputs for these arguments and what they turn out to need; () if there are none."""
        for combined in self._combinations(arguments):
            if found := self._completed(combined):
                return found
        return ()

    def _completed(self, combined: dict[str, str]) -> tuple[Input, ...]:
        """These inputs, or with what a call asks for besides, if a call takes them; () otherwise."""
        if self.calls >= MAX_CALLS or len(combined) > MAX_INPUTS:
            return ()
        inputs = read_inputs(combined)
        run = self._call(inputs)
        if run.error is None:
            return inputs
        self.refused = self.refused or refused(run, run.error)
        for kind in (self.kinds[name] for name in self._wanted(run) if name in self.kinds):
            for form in self._forms(kind):
                if combined.keys().isdisjoint(form) and (found := self._completed({**combined, **form})):
                    return found
        return ()

    def _wanted(self, run: Run) -> list[str]:
        """The arguments that the source names in what it says, or that it had none of where it failed."""
        assert run.error is not None
        named = [name for name in self.accepted if name in words_of(run.error)]
        return list(dict.fromkeys([*missing(run, run.error), *named]))

    def _combinations(self, arguments: list[str]) -> Iterator[dict[str, str]]:
        found = [list(self._forms(self.kinds[name])) for name in arguments]
        found = list(filter(None, found))  # a kind that the config says nothing of may not be needed
        for chosen in product(*found) if found else ():
            yield {name: text for form in chosen for name, text in form.items()} | self._decoder()

    def _forms(self, kind: InputKind) -> Iterator[Form]:
        for form in forms(kind, self.named.config):
            taken = {name.partition(".")[0] for name in form} <= self.accepted.keys()
            if taken and (self.sides or not any("*h" in text for text in form.values())):
                yield {name: self._side(text) for name, text in form.items()} if self.is_pair else form

    def _side(self, text: str) -> str:
        return text.replace("seq_len", "source_len")

    def _decoder(self) -> dict[str, str]:
        return {DECODER_IDS: "int64[batch_size, target_len]"} if self.is_pair else {}

    def _call(self, inputs: tuple[Input, ...]) -> Run:
        self.calls += 1
        self.built.named = self.named._replace(inputs=inputs)
        hints = run_hints(inputs, sizes_by_name(self.named.config))
        self.built.hints = {name: _LENGTHS.get(name, hint) for name, hint in hints.items()}
        return call(self.built, Settings(past="none", allow_unknown=True, lengths=self.built.hints))
