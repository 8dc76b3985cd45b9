"""A class by itself: its source, and what one of its modules costs when it is built and called alone.

The integers that its constructor needs become symbols under their own names, and it is called on tensors of the usual
shapes, (N, length, width), (N, channels, length) and so on, until one fits. So nothing but the class decides what is
traced: where no call fits, or the source needs numbers, that is said and no closed form is made up.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import sympy
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedConfig
from transformers.initialization import no_init_weights

from symflops.cost import METRICS, Cost
from symflops.errors import SymflopsError
from symflops.inputs import EXAMPLE
from symflops.model import Model, load
from symflops.numeric import RUN_SYMBOLS
from symflops.polynomial import Value, divide, symbol
from symflops.trace import experts
from symflops.trace.assembly import Assembly
from symflops.trace.calls import ModuleCall, calls, switches_of
from symflops.trace.configs import Named
from symflops.trace.guards import Guard
from symflops.trace.internals import Sizes, check_versions
from symflops.trace.layer_data import full_name, readable
from symflops.trace.patches import nothing_initialised
from symflops.trace.quantity import Quantities
from symflops.trace.recorder import Recorder
from symflops.trace.run import Build, environment
from symflops.trace.watching import watching

MAX_SOURCE = 60_000  # characters; more is no leaf module
# Sets of hints, small and large, inputs larger than what the constructor is given. A closed form that depends on which
# numbers stand for the symbols is none.
_HINTS = (
    (5, 7, 11, 13, 17, 19, 23, 29, 31, 37),
    (53, 59, 61, 67, 71, 73, 79, 83, 89, 97),
    (100003, 110017, 120011, 300007, 400009, 500009, 600011, 700001, 800011, 900001),
)
_COUNTED_AT = ((2, 4, 6, 8, 10, 12), (3, 6, 10, 14, 16, 18), (4, 10, 12, 20, 22, 26), (6, 14, 18, 22, 30, 34))
_MAX_CALLS = 150
NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class LayerRecord:
    """What one call costs: as a model of one layer, traced, or as a number, counted; and in which metrics.

    `switches` are the constructor's options, 0 or 1, `numbers` the symbols that had to be numbers, and `conditions`
    what the source asked about the others: the cost is that of the path on which these hold.
    """

    cost: Model | Cost
    switches: Mapping[str, int] = field(default_factory=dict)
    numbers: Mapping[str, int] = field(default_factory=dict)
    metrics: tuple[str, ...] = METRICS
    conditions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Alone:
    """All that was recorded of a class: `call` as text, `symbols` that its cost may depend on, `switches` with their
    defaults, and one record for each choice of switches and numbers."""

    call: str
    symbols: tuple[str, ...]
    switches: Mapping[str, int]
    records: tuple[LayerRecord, ...]


class _SizeNeededError(Exception):
    def __init__(self, names: set[str]) -> None:
        super().__init__(f"the source needs numbers for {', '.join(sorted(names))}")
        self.names = names


class _One(nn.Module):
    def __init__(self, leaf: nn.Module) -> None:
        super().__init__()
        self.leaf = leaf

    def forward(self, *inputs: Any) -> Any:
        return self.leaf(*inputs)


# -------------------------------------------------------------------------------------------------------- the class


def source_of(cls: type[nn.Module]) -> str:
    """The source of a class and of those that it inherits from, below torch.nn.Module.

    Raises SymflopsError where there is none to read, or too much.
    """
    parts = []
    for base in cls.__mro__[: cls.__mro__.index(nn.Module)]:
        try:
            parts.append(inspect.getsource(base))
        except (OSError, TypeError):
            if base is cls:
                raise SymflopsError(f"the source of {full_name(cls)} cannot be read") from None
    text = "\n\n".join(parts)
    if len(text) > MAX_SOURCE:
        raise SymflopsError(f"the source of {full_name(cls)} has {len(text):,} characters: more than {MAX_SOURCE:,}")
    return text


# ------------------------------------------------------------------------------------------------------ the records


def alone(cls: type[nn.Module]) -> Alone | None:
    """What modules of a class cost, traced or counted; None where no call fits.

    >>> found = alone(nn.RMSNorm)
    >>> found.call, found.switches
    ('RMSNorm(normalized_shape) on numbers of shape (N, length, normalized_shape)', {'elementwise_affine': 1})

    Raises SymflopsError when torch is not of the tested version.
    """
    check_versions()
    for call in itertools.islice(calls(cls), _MAX_CALLS):
        try:
            found = _traced(cls, call)
        except SymflopsError:  # the call fits, but an operation is in no table
            counted = [_counted(cls, call, at) for at in _points(call, set(call.names))]
            records = tuple(record for record in counted if record is not None)
            return Alone(call.text(cls), call.names, {}, records) if records else None
        if found:
            return _with_switches(cls, call, found)
    return None


def model(cls: type[nn.Module]) -> Model:
    """A class by itself as a model, at its constructor's own defaults: one call of one module, in symbols that have no
    values.

    >>> model(nn.RMSNorm).total().flops
    2*N*length*(2*normalized_shape + 1)

    Raises SymflopsError where no call fits, and where no one closed form holds for all sizes.
    """
    name = full_name(cls)
    if not issubclass(cls, nn.Module):
        raise SymflopsError("no torch.nn.Module", where=name)
    found = alone(cls)
    if found is None:
        why = "no call with tensors of the usual shapes fits this class"
        raise SymflopsError(f"{why}; derive takes what it is fed: {EXAMPLE}", where=name)
    (record, *others) = [record for record in found.records if dict(record.switches) == dict(found.switches)]
    numbers = sorted({n for one in (record, *others) for n in one.numbers})
    if numbers or not isinstance(record.cost, Model):
        why = (
            f"its source needs numbers for {', '.join(numbers)}" if numbers else "it uses an operation of unknown cost"
        )
        raise SymflopsError(f"no closed form: {why}", where=name)
    if record.conditions:
        raise SymflopsError(f"no single closed form: the source branches on {', '.join(record.conditions)}", where=name)
    switches = "".join(f", {switch} = {value}" for switch, value in found.switches.items())
    return replace(
        record.cost, about=f"traced by symflops from {found.call}", notes=(f"one call: {found.call}{switches}",)
    )


def _traced(cls: type[nn.Module], call: ModuleCall, switches: Mapping[str, int] = NOTHING) -> tuple[LayerRecord, ...]:
    """Records of a call, as many as it takes: one for all sizes, or several where symbols have to be numbers."""
    numbered: set[str] = set()
    while True:
        try:
            if not numbered:
                records = [_record(cls, call, {}, switches, hints) for hints in _HINTS]
                if len({_values(record) for record in records}) == 1:
                    return (records[0],)
                numbered = set(call.names)  # which path the source takes depends on the sizes
            points = _points(call, numbered)
            return tuple(_record(cls, call, at, switches, _HINTS[0]) for at in points)
        except _SizeNeededError as error:
            if error.names <= numbered:
                return ()
            numbered |= error.names | {call.multiples[n] for n in error.names if n in call.multiples}
        except SymflopsError:
            raise
        except Exception:  # whatever a source raises that was not written for this call: another may fit
            return ()


def _values(record: LayerRecord) -> tuple[Value, ...]:
    cost = record.cost.total(symbolic=True) if isinstance(record.cost, Model) else record.cost
    return tuple(cost.by_metric.values())


def _points(call: ModuleCall, numbered: set[str]) -> list[dict[str, int]]:
    points: list[dict[str, int]] = []
    for numbers in _COUNTED_AT:
        at: dict[str, int] = {}
        for i, name in enumerate(n for n in call.names if n in numbered):
            at[name] = numbers[i % len(numbers)] * at.get(call.multiples.get(name, ""), 1)
        points.append(at)
    return points


def _with_switches(cls: type[nn.Module], call: ModuleCall, records: tuple[LayerRecord, ...]) -> Alone:
    """The records for every choice of those of the constructor's switches that change the cost."""
    costs = [_values(record) for record in records]
    switches: dict[str, int] = {}
    for name, default in switches_of(cls).items():
        if len(switches) < (3 if len(records) == 1 else 2):
            flipped = _chosen(cls, call, {name: 1 - default})
            if flipped and [_values(record) for record in flipped] != costs:
                switches[name] = default
    found: list[LayerRecord] = []
    for chosen in itertools.product((1, 0), repeat=len(switches)):
        choice = dict(zip(switches, chosen, strict=True))
        records_of_choice = _chosen(cls, call, choice)
        if not records_of_choice:  # some cannot be chosen together
            switches = {}
            break
        found += [replace(record, switches=choice) for record in records_of_choice]
    return Alone(call.text(cls), call.names, switches, tuple(found) if switches else records)


def _chosen(cls: type[nn.Module], call: ModuleCall, switches: Mapping[str, int]) -> tuple[LayerRecord, ...]:
    try:
        return _traced(cls, call, switches)
    except SymflopsError:  # with these it does something that no table knows: no part of what is recorded
        return ()


def _record(
    cls: type[nn.Module],
    call: ModuleCall,
    numbers: Mapping[str, int],
    switches: Mapping[str, int],
    hints: tuple[int, ...],
) -> LayerRecord:
    """One module, built and called; raises whatever its source raises."""
    sizes, config = Sizes(), PreTrainedConfig()
    given: dict[str, Any] = dict(numbers)
    values: dict[str, Value] = {}
    for name, hint in zip(call.names, itertools.cycle(hints), strict=False):
        of = call.multiples.get(name)
        if name in numbers:
            continue
        values[name] = symbol(name)
        if of is None:
            given[name] = sizes.symbol(name, hint)
        else:  # written as a product, so that it divides
            given[name] = given[of] * sizes.symbol(f"{name}__rest", hint)
            values[f"{name}__rest"] = divide(symbol(name), numbers.get(of, symbol(of)))
    quantities = Quantities(sizes.names, values)
    built = Build(Named(config, cls, ""), config, sizes, quantities, given, torch.bfloat16)
    guards: list[Guard] = []
    with environment(built, guards):
        with no_init_weights(), nothing_initialised():
            leaf, inputs = _made(cls, call, given, switches)
        model = _One(leaf).eval()
        recorder = Recorder(sizes, quantities, model, guards=guards)
        for tensor in inputs:
            recorder.note(tensor, "input")
        with experts.caught(recorder), recorder, watching(recorder):
            model(*inputs)
    asked = [(_condition(g, sizes), g.outcome) for g in guards if g.by_model and not g.fixes]
    fixed = {sizes.names[s].removesuffix("__rest") for g in guards if g.fixes for s in g.condition.free_symbols}
    if fixed:
        raise _SizeNeededError(fixed)
    symbols = {name: None for name in call.names if name not in numbers and name not in RUN_SYMBOLS}
    layers = readable(Assembly(recorder).layers())
    layer = load({"name": cls.__name__, "class": full_name(cls), "symbols": symbols, "layers": layers})
    conditions = tuple(dict.fromkeys(text if holds else f"not {text}" for text, holds in asked))
    return LayerRecord(layer, dict(switches), dict(numbers), conditions=conditions)


def _condition(guard: Guard, sizes: Sizes) -> str:
    return str(guard.condition.xreplace({s: sympy.Symbol(name) for s, name in sizes.names.items()}))


def _counted(cls: type[nn.Module], call: ModuleCall, numbers: dict[str, int]) -> LayerRecord | None:
    """What PyTorch itself counts at these sizes, where an operation is not in our tables."""
    try:
        with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
            leaf, inputs = _made(cls, call, numbers, {})
            leaf.eval()(*inputs)
    except Exception:  # as above
        return None
    cost = Cost.of(matmul_flops=counter.get_total_flops(), parameters=sum(p.numel() for p in leaf.parameters()))
    # The counter says 0 for what it does not know, too.
    return LayerRecord(
        cost, {}, numbers, ("matmul_flops", "parameters") if cost.value("matmul_flops") else ("parameters",)
    )


def _made(
    cls: type[nn.Module], call: ModuleCall, given: Mapping[str, Any], switches: Mapping[str, int]
) -> tuple[nn.Module, list[torch.Tensor]]:
    options = {name: bool(value) for name, value in switches.items()}
    leaf = cls(**{name: given[name] for name in call.sizes}, **options)
    dtype = torch.long if call.ids else None
    return leaf, [torch.empty(tuple(given[name] for name in shape), dtype=dtype) for shape in call.inputs]
