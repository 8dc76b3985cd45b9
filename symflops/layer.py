"""Layer: a call of a formula, or a group of layers; what `repeat` multiplies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from symflops.calling import checked
from symflops.cost import Cost
from symflops.errors import SymflopsError, one_line
from symflops.formula import Formula
from symflops.gradients import BACKWARD, FROZEN, table_of, with_frozen
from symflops.polynomial import Value, multiply, symbol
from symflops.serving import Serving
from symflops.stored import in_format
from symflops.vocabulary.metrics import OWNED, none_owned
from symflops.vocabulary.symbols import WEIGHT


@dataclass(frozen=True, eq=False, repr=False)
class Layer:
    """One distinct definition. Equal definitions are one object (see `Interned`), so identity is equality.

    A basic layer calls `formula` with `args` or has its cost `inline`; a composite one has `parts` and costs exactly
    these. `repeat` says how often each part is run in its place; `tied` names the owner of a weight used again here.
    `state` is what a call leaves for the next one beside what a formula says, in bytes: recurrent states. `backward`
    and `backward_frozen` say what its backward costs and its forward saves for it, in place of what the formula says.
    """

    class_name: str = ""
    formula: Formula | None = None
    args: tuple[tuple[str, Value], ...] = ()
    inline: Mapping[str, Value] | None = None
    tied: str = ""
    parts: tuple[Part, ...] = ()
    state: Value = 0
    backward: Mapping[str, Value] | None = None
    backward_frozen: Mapping[str, Value] | None = None
    output_bytes: Value | None = None  # of a group: the bytes of its results that have a gradient, where it is said
    switch: str = ""  # the run symbol that has to be 1 for it to run; its weights are there all the same
    stored: Value | None = None  # the bytes of its weights in a format of their own; else weight_bytes for each
    serving: Serving | None = None  # how its calls are fed, where not all tokens are fed at once
    when: Value = 1  # 1 where it runs and 0 where another one does in its place; its weights are there all the same

    def __repr__(self) -> str:
        own = self.formula.name if self.formula is not None else "a cost of its own" if self.inline is not None else ""
        return f"Layer({one_line(self.class_name) or '?'}: {own or f'{len(self.parts)} parts'})"

    @property
    def is_basic(self) -> bool:
        """Whether it has a cost of its own rather than parts."""
        return self.formula is not None or self.inline is not None

    @cached_property
    def places(self) -> int:
        """How many layers there are below it, each in every place that it has."""
        return sum(1 + part.layer.places for part in self.parts)

    @property
    def cost(self) -> Cost:
        """The cost of one execution of a basic layer, in symbols. Computed when asked for: a large model's costs are
        added up one after the other and need not all be kept."""
        values = self.at_once
        if self.serving is not None:
            values = self.serving.cost(values)
        return Cost(none_owned(values, 0) if self.tied else values)

    @property
    def largest_piece(self) -> Mapping[str, Value]:
        """What it costs, by metric, to run the largest piece in which a call is fed."""
        return self.at_once if self.serving is None else self.serving.largest(self.at_once)

    @property
    def at_once(self) -> Mapping[str, Value]:
        """What it costs where all tokens of a call are fed at once."""
        values: Mapping[str, Value]
        if self.inline is not None:
            values = self.inline
        elif self.formula is not None:
            values = self.formula.by_metric(dict(self.args))
        else:
            raise SymflopsError("a group of layers has no cost of its own")
        if self.switch or self.when != 1:
            on = multiply(self.when, symbol(self.switch) if self.switch else 1)
            values = {m: v if m in OWNED or v == 0 else multiply(v, on) for m, v in values.items()}
        if self.stored is not None:
            values = in_format(values, values["parameters"], self.stored)
        return values

    @property
    def weight_bytes(self) -> Value:
        """The bytes of the weights that a basic layer owns, in their format: of a tied one none."""
        if self.stored is not None:
            return 0 if self.tied else self.stored
        return multiply(self.cost.value("parameters"), symbol(WEIGHT))

    @checked
    def gradients(self, *, frozen: bool = False) -> Mapping[str, Value]:
        """What the backward of one execution costs, in symbols: FLOPs and bytes by metric, and `saved_bytes`, the bytes
        that the forward keeps for it. The gradients are those of all floating inputs and of the weights, a tied one
        among them; with `frozen` weights those of the inputs only.

        Raises SymflopsError where neither the layer nor its formula says it: that is never 0.

        >>> from symflops.formula import load_formula
        >>> args = (("N", 21), ("in_features", 5), ("out_features", 3))
        >>> Layer(formula=load_formula("linear"), args=args).gradients()["flops"]
        1260
        """
        found = self._gradients(frozen)
        if self.stored is not None:
            if not frozen:
                raise SymflopsError(
                    "its weights are kept in a format of their own, in which nothing is trained; train adapters beside "
                    "them (lora), leave it out of what is trained, or give weight_bytes"
                )
            found = in_format(found, self._weights, self.stored)
        return {key: multiply(v, symbol(self.switch)) for key, v in found.items()} if self.switch else found

    def _gradients(self, frozen: bool) -> Mapping[str, Value]:
        said = {BACKWARD: self.backward, FROZEN: self.backward_frozen}
        own = {key: table for key, table in said.items() if table is not None}
        table = table_of(frozen)
        if own and table in (tables := with_frozen(own, self._weights)):
            return tables[table]
        if not self.is_basic:
            raise SymflopsError("a group of layers has no backward of its own")
        stated = self.formula.gradients(dict(self.args), frozen=frozen) if self.formula is not None else None
        if stated is None:
            name = self.class_name or (self.formula.name if self.formula is not None else "a layer with a cost")
            weights = " with frozen weights" if frozen else ""
            where = "" if self.formula is None else f", or its formula {self.formula.name} a table [{table}]"
            raise SymflopsError(
                f'the cost of the backward of {name}{weights} is not stated; give the layer "{table}"{where}'
            )
        return stated

    @property
    def _weights(self) -> Value:
        """The weights that it computes with, also those of the layer that it is tied to."""
        if self.inline is not None:
            return self.inline["parameters"]
        return 0 if self.formula is None else self.formula.by_metric(dict(self.args))["parameters"]


@dataclass(frozen=True)
class Part:
    """A layer in its place inside another: under a name, run `repeat` times."""

    name: str
    layer: Layer
    repeat: Value = 1


class Interned(dict[Any, Layer]):
    """Layers by content: asking twice for the same definition gives the same object."""

    def layer(self, key: Any, make: Callable[[], Layer]) -> Layer:
        """The layer with this content, made when it is new."""
        found = self.get(key)
        if found is None:
            found = self[key] = make()
        return found
