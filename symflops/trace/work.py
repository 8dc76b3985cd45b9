"""One derivation: what is derived, what earlier runs have shown, and the model that was built last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import torch

from symflops.trace.architecture import Architecture
from symflops.trace.configs import Named
from symflops.trace.refine import Knowledge
from symflops.trace.run import Build, build
from symflops.trace.skeleton import Skeleton, with_number

Progress = Callable[[str], None]


@dataclass
class Work:
    """What the runs of one derivation share."""

    named: Named
    progress: Progress
    known: Knowledge = field(default_factory=Knowledge)
    # A format that no source asks for by name, so that what is in another was meant to be; some kernels want float32.
    dtype: torch.dtype = torch.bfloat16
    built: tuple[str, Architecture, Build] | None = None
    sizes_by_depth: set[tuple[str, str]] = field(default_factory=set)

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

    def build(self) -> tuple[Architecture, Build]:
        """The model under what is known now; built again only when that has changed."""
        state = repr(
            (sorted(self.known.numeric), self.known.equal, self.known.divisors, self.known.multiples, self.known.raised,
             sorted(self.known.depths))
        )  # fmt: skip
        if self.built is None or self.built[0] != state:
            shape = self.known.architecture(self.named.config)
            self.progress(f"building the model with {len(shape.fields)} symbols")
            self.built = (state, shape, build(self.named.model_class, self.named.config, shape, self.dtype, self.equal))
        return self.built[1:]
