"""A pass that says what each layer's weights take: a walk over a model with the names that layers have in a checkpoint.

Equal layers stand once in a model and many times in a checkpoint. Where not all of them are kept alike, a layer has the
mean of what they take, so that all of its runs together take exactly their sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

from symflops.algebra import substitute
from symflops.errors import SymflopsError
from symflops.layer import Interned, Layer, Part
from symflops.model import Model
from symflops.module_names import in_list, with_indices
from symflops.polynomial import Value

MOST_NAMES = 200_000  # of modules that are looked up


@dataclass(frozen=True)
class Site:
    """A basic layer where it stands: the names that it has in a checkpoint, one for each of its runs, and whether these
    are known; else it is some of them."""

    path: str
    layer: Layer
    names: list[str]
    is_sure: bool
    runs: int


Assign = Callable[[Site], Value | None]  # the bytes of a layer's weights; None for weight_bytes each


@dataclass
class Walk:
    """The layers of a model, in their order, with what `assign` says that their weights take."""

    model: Model
    assign: Assign
    interned: Interned = field(default_factory=Interned)
    looked_up: int = 0

    def root(self) -> Layer:
        """The root of the model with that."""
        return replace(
            self.model.root, parts=tuple(self._parts(self.model.root.parts, Site("", self.model.root, [""], True, 1)))
        )

    def _parts(self, parts: tuple[Part, ...], above: Site) -> Iterator[Part]:
        kinds = bool(above.path) and are_kinds(parts)
        total = sum(self._number(part.repeat) for part in parts) if kinds else 0
        for part in parts:
            path = f"{above.path}.{part.name}" if above.path else part.name
            times = self._number(part.repeat)
            names, is_sure = [f"{name}.{part.name}".lstrip(".") for name in above.names], above.is_sure
            if kinds:
                places = in_list(part.name, total)
                names = list(with_indices(above.names, range(total) if places is None else places))
                is_sure = is_sure and places is not None
            elif part.repeat != 1:
                names = list(with_indices(names, range(times)))
            self.looked_up += len(names)
            if self.looked_up > MOST_NAMES:
                raise SymflopsError(f"more than {MOST_NAMES:,} modules to look up formats for", where=self.model.name)
            yield replace(part, layer=self._layer(Site(path, part.layer, names, is_sure, above.runs * times)))

    def _number(self, repeat: Value) -> int:
        value = substitute(repeat, self.model.symbols)
        return min(value, MOST_NAMES) if isinstance(value, int) else 1

    def _layer(self, site: Site) -> Layer:
        layer = site.layer
        if layer.is_basic:
            stored = self.assign(site)
            if stored is None:
                return layer
            return self.interned.layer((id(layer), stored), partial(replace, layer, stored=stored))
        parts = tuple(self._parts(layer.parts, site))
        content = (id(layer), *((part.name, id(part.layer)) for part in parts))
        return self.interned.layer(content, partial(replace, layer, parts=parts))


def are_kinds(parts: tuple[Part, ...]) -> bool:
    """Whether these are the kinds of layers of one list: several groups of one class."""
    classes = {part.layer.class_name for part in parts}
    return len(parts) > 1 and len(classes) == 1 and "" not in classes and not any(p.layer.is_basic for p in parts)
