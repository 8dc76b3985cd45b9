"""One derivation: what is derived, what its runs have shown, and runs that take the path that the config takes."""

from __future__ import annotations

import copy
import math
import traceback
from dataclasses import dataclass, field, replace
from functools import cached_property

import sympy
import torch

from symflops import deadline, progress
from symflops.errors import SymflopsError
from symflops.trace import as_eager
from symflops.trace.architecture import Architecture
from symflops.trace.configs import Named
from symflops.trace.fixed import SizeFixedError
from symflops.trace.refine import Knowledge, least_needed
from symflops.trace.refusal import OF_VALUES, by_values, place, refused, words
from symflops.trace.repeats import SharedLayerError
from symflops.trace.run import Build, Run, build, call
from symflops.trace.settings import Settings
from symflops.trace.skeleton import Skeleton, with_number

MAX_RUNS = 16


@dataclass
class Work:
    """The state that all runs of one derivation share."""

    named: Named
    known: Knowledge = field(default_factory=Knowledge)
    # A format that no source asks for by name, so that what is in another was meant to be; some kernels want float32.
    dtype: torch.dtype = torch.bfloat16
    built: tuple[tuple[object, ...], Architecture, Build] | None = None
    sizes_by_depth: set[tuple[str, str]] = field(default_factory=set)
    implementation: str = "eager"  # of attention, whose classes the model is built of
    of_no_format: set[tuple[type, str]] = field(default_factory=set)  # errors that are the same in float32

    @cached_property
    def skeleton(self) -> Skeleton | None:
        try:
            return Skeleton(self.named.model_class, self.named.config)
        except Exception:  # what is wrong shows, and is told, when the model is built with symbols
            return None

    @cached_property
    def equal(self) -> dict[type, list[int]]:
        """Which layers are equal, so that they are built once."""
        return {} if self.skeleton is None else self.skeleton.equal_layers(outermost=True)

    def other_depth(self, prefix: str, key: str, number: int) -> Skeleton | None:
        """The model when a field of a part of the config is another number; None where that makes no sense. A depth
        that sizes depend on is noted, such as one that a width is multiplied by."""
        try:
            other = Skeleton(self.named.model_class, with_number(self.named.config, prefix, key, number))
        except Exception:  # nobody asked for such a config
            return None
        if self.skeleton is not None and other.has_other_sizes(self.skeleton):
            self.sizes_by_depth.add((prefix, key))
        return other

    @property
    def state(self) -> tuple[object, ...]:
        """Everything that decides how the model is built: records from different states cannot be combined."""
        return copy.deepcopy(self.known), self.dtype, self.equal, self.implementation

    def run(self, settings: Settings) -> tuple[Run, Architecture]:
        """A run on the path that the config's own numbers take, with as many symbols as possible.

        Raises SymflopsError when no such run gets to its end.
        """
        self.implementation = as_eager.implementation(self.named.model_class, settings)
        result, shape = self._refined(settings)
        if result.error is None:
            return result, shape
        if self._fails_on_numbers(settings, result.error):
            raise refused(result, result.error)
        return self._fewer_symbols(settings, result)

    def _fails_on_numbers(self, settings: Settings, error: Exception) -> bool:
        """Whether the source fails in the same place when all sizes are the config's own numbers, so that no choice of
        symbols helps: an input is missing, or the source has a fault."""
        plain = build(self.named, Architecture(), self.dtype, self.equal, self.implementation)
        lengths = plain.hints | settings.hints | settings.lengths
        again = call(plain, replace(settings, lengths=lengths)).error
        ours = isinstance(again, SymflopsError)  # which is raised outside of the source
        return again is not None and (ours or place(again) != "") and _raised(again) == _raised(error)

    def build(self) -> tuple[Architecture, Build]:
        """The model under what is known now; built again only when that has changed."""
        if self.built is None or self.built[0] != self.state:
            shape = self.known.architecture(self.named.config)
            progress.at(f"building the model with {len(shape.fields)} symbols")
            made = build(self.named, shape, self.dtype, self.equal, self.implementation)
            made.apart = dict(self.known.apart)
            self.built = (self.state, shape, made)
        return self.built[1:]

    def _refined(self, settings: Settings) -> tuple[Run, Architecture]:
        """Run until a run takes the path of the config's numbers; returns the last run, with its error if it failed."""
        for _ in range(MAX_RUNS):
            deadline.check()
            shape, built = self.build()
            result = call(built, settings)
            if result.prepared:  # what a model does once is no part of what a call costs
                result = call(built, settings)
            if isinstance(result.error, SizeFixedError):
                result.error.run = result
                raise result.error
            if isinstance(result.error, SharedLayerError):
                self.equal = {}
                continue
            if self.known.learn(result, shape) or self._is_of_the_format(result.error, settings):
                continue
            if (shorter := _shorter(result, settings)) == settings:
                break
            settings = shorter
        return result, shape

    def _is_of_the_format(self, error: Exception | None, settings: Settings) -> bool:
        """Whether a kernel fails that wants float32: in that format, which is kept then, it does not."""
        if not isinstance(error, RuntimeError) or self.dtype == torch.float32 or _raised(error) in self.of_no_format:
            return False
        before, self.dtype = self.dtype, torch.float32
        again = call(self.build()[1], settings).error
        if again is not None and _raised(again) == _raised(error):
            self.dtype = before
            self.of_no_format.add(_raised(error))
            return False
        return True

    def _fewer_symbols(self, settings: Settings, failed: Run) -> tuple[Run, Architecture]:
        """The model could not be run with all its integers as symbols: keep numbers, the least needed first, then see
        which of them were needed after all."""
        names = {f.name for f in self.known.architecture(self.named.config).fields}
        order: list[str] = []
        while names:
            order.append(least_needed(names))
            names.discard(order[-1])
        before = set(self.known.numeric)
        for share in (3, 1.5, 1):
            kept = order[: math.ceil(len(order) / share)]
            self.known.numeric = before | set(kept)
            result, shape = self._refined(settings)
            if result.error is None:
                break
        else:
            self.known.numeric = before
            raise _explained(failed, failed.error if failed.error is not None else RuntimeError("failed"))
        for name in kept[:-9:-1]:
            good = copy.deepcopy(self.known)
            self.known.numeric.discard(name)
            tried, tried_shape = self._refined(settings)
            if tried.error is None and name not in self.known.numeric:
                result, shape = tried, tried_shape
            else:
                self.known = good
        return result, shape


def _shorter(run: Run, settings: Settings) -> Settings:
    """The same with smaller lengths, where a piece as long as the sequence was cut from a table of fewer rows."""
    for piece, table in run.recorder.limits.short if run.error is None and run.recorder is not None else ():
        asked, there = run.sizes.number(piece), run.sizes.number(table)
        names = {run.sizes.names[s] for s in piece.node.expr.free_symbols} & run.build.hints.keys()
        if there < 5 * asked // max(settings.hints.get(name, run.build.hints[name]) for name in names):
            raise SymflopsError(f"a piece as long as {', '.join(sorted(names))} is cut from a table of {there}")
        fewer = {n: sympy.prevprime(1 + settings.hints.get(n, run.build.hints[n]) * there // asked) for n in names}
        return replace(settings, hints={**settings.hints, **{n: int(hint) for n, hint in fewer.items()}})
    return settings


def _raised(error: Exception) -> tuple[type, str]:
    """What was raised, and where: in the model's source or, outside of it, by which line."""
    last = traceback.extract_tb(error.__traceback__)[-1:]
    return type(error), place(error) or "".join(f"{frame.filename}:{frame.lineno}" for frame in last)


def _explained(run: Run, error: Exception) -> SymflopsError:
    """What the model's source or torch raised, as one line that says where."""
    if isinstance(error, SymflopsError):
        return error
    where = place(error, run.build.named.packages)
    if by_values(error):
        return SymflopsError(f"{OF_VALUES}{where}")
    said = f"{type(error).__name__}: {words(run, error)}"
    return SymflopsError(f"the model's own source fails with these sizes{where}: {said}")
