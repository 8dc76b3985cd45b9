"""Roofline: how fast a machine can run a model at most, per layer and in total, and where its limit changes.

The function is `symflops.roofline`; a module of that name would hide it. Bounds follow S. Williams, A. Waterman and
D. Patterson, "Roofline: an insightful visual performance model", CACM 52(4), 2009: time is at least operations/peak
and at least bytes/bandwidth. Bytes are the algorithmic ones of DESIGN.md. Several devices share work and bytes evenly,
and communication between them costs nothing here: the bound stays a bound.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from symflops import notebook
from symflops.algebra import substitute
from symflops.analysis import display
from symflops.analysis.balance import Turning, balance, turning, turning_for_large_batches
from symflops.analysis.feasible import feasible
from symflops.analysis.memory import beside_weights
from symflops.analysis.parts import attends_without_cache, fed_at_once, feeds_tokens, run_values
from symflops.analysis.question import check_symbol
from symflops.analysis.ratio import Ratio
from symflops.analysis.traffic import traffic_of
from symflops.calling import such_as
from symflops.cost import METRICS, Cost
from symflops.errors import SymflopsError
from symflops.given import Numeric
from symflops.hardware import Hardware, load_hardware
from symflops.model import Model
from symflops.numeric import evaluate, whole
from symflops.plan import Plan
from symflops.polynomial import Number, Value, add
from symflops.source import ModelLike, load
from symflops.storage import kept_for_next_call, weights
from symflops.units import number, separated

if TYPE_CHECKING:
    import sympy

_PER_SECOND = re.compile(r"(?:tok|tokens?)\s*/\s*s(?:ec)?\s*\Z")


@dataclass(frozen=True)
class Bound:
    """The least time of a layer, or of the whole model, on a machine: exact seconds as fractions.

    `vector` is None where nobody states the peak of the machine's vector units; then it bounds nothing.
    """

    path: str
    repeat: Value
    cost: Cost  # in numbers, all repeats together
    matmul: Fraction
    vector: Fraction | None
    memory: Fraction  # everything in one kernel per layer: read + write
    memory_unfused: Fraction  # intermediates written and read back, too
    unfused: bool = False

    @property
    def traffic(self) -> Fraction:
        """The memory time that counts here."""
        return self.memory_unfused if self.unfused else self.memory

    @property
    def seconds(self) -> Fraction:
        """The least time: the largest of the three, since they may overlap."""
        return max(self.matmul, self.vector or Fraction(0), self.traffic)

    @property
    def binds(self) -> str:
        """Which of the three it is: `matmul`, `vector` or `memory`."""
        if self.traffic == self.seconds:
            return "memory"
        return "matmul" if self.matmul == self.seconds else "vector"

    @property
    def intensity(self) -> float | None:
        """FLOPs per byte read or written; None without bytes."""
        moved = self.cost.number("read_bytes") + self.cost.number("write_bytes")
        return self.cost.number("flops") / moved if moved else None


@dataclass(frozen=True)
class Roofline:
    """The bounds of a model on a machine at one point; `layers` are its basic layers, `total` all of them at once.

    `dtype` is the data type of matrix products, `values` the point, `unit` what throughput is counted in (sequences,
    such as images, for a model without seq_len). `ratio` is FLOPs per byte (None without bytes), `moved` the bytes read
    and written of weights, cache and activations, `kept` those kept for the next call (None where a recurrent layer
    does not say how many; of a step of training all that it holds beside weights), as canonical values; `intensity` and
    `bytes` make SymPy expressions of them.
    `turnings` say where decoding is compute-bound, by batch size and by cache length; none for a model that does not
    generate.
    """

    model: str
    hardware: Hardware
    dtype: str
    values: Mapping[str, Number]
    unit: str
    layers: tuple[Bound, ...]
    total: Bound
    ratio: Ratio | None
    moved: Mapping[str, Value]
    kept: Value | None
    weight_bytes: int
    turnings: tuple[Turning, ...]
    measured: Fraction | None
    plan: Plan | None = None  # of a step of training
    fed: Number = 1  # tokens of a batch of one, or 1 sequence

    @cached_property
    def layer_by_layer(self) -> Fraction:
        """The least time when no layer overlaps with another, in seconds: the sum of the layers' bounds."""
        return sum((layer.seconds for layer in self.layers), Fraction(0))

    @property
    def intensity(self) -> sympy.Expr | None:
        """FLOPs per byte as a SymPy expression in batch_size, seq_len and past_len; None without bytes."""
        return None if self.ratio is None else self.ratio.expression

    @property
    def bytes(self) -> dict[str, sympy.Expr]:
        """Bytes read and written of weights, cache and activations, as SymPy expressions."""
        from symflops.expr import to_sympy

        return {kind: to_sympy(value) for kind, value in self.moved.items()}

    @property
    def tokens(self) -> Number:
        """Tokens (or sequences) fed in this call."""
        batches = self.values["batch_size"] * (1 if self.plan is None else self.plan.accumulate)
        return batches * self.fed

    @property
    def tokens_per_second(self) -> float | None:
        """An upper bound; None where the total takes no time."""
        return float(self.tokens / self.total.seconds) if self.total.seconds else None

    @property
    def mfu(self) -> float | None:
        """Model FLOPs utilisation at the measured throughput: matmul FLOPs per second, as a part of the peak."""
        if self.measured is None or not self.tokens:
            return None
        per_token = Fraction(self.total.cost.number("matmul_flops")) / self.tokens
        return float(self.measured * per_token / (self.hardware.peak[self.dtype] * self.hardware.devices))

    @property
    def of_bound(self) -> float | None:
        """The measured throughput as a part of the upper bound."""
        bound = self.tokens_per_second
        return None if self.measured is None or not bound else float(self.measured) / bound

    @property
    def ridge(self) -> float:
        """FLOPs per byte at which matrix products and memory take the same time."""
        return float(self.hardware.peak[self.dtype] / self.hardware.bandwidth)

    @property
    def fits(self) -> bool | None:
        """Whether weights and what is kept fit into the memory of all devices; None where that is not known."""
        if self.kept is None:
            return None
        return self.weight_bytes + evaluate(self.kept, self.values) <= self.hardware.memory * self.hardware.devices

    @property
    def sentence(self) -> str:
        """The result in words."""
        speed = self.tokens_per_second
        rate = f", at most {separated(speed, 6)} {self.unit}/s" if speed else ""
        return f"{self.model} on {self.hardware.name}: {self.total.binds}-bound{rate}"

    def to_pandas(self) -> notebook.DataFrame:
        """The bounds of the layers as a pandas DataFrame, a line for each, times in seconds. `total` has those of the
        whole, which may be lower than their sum. Needs the extra `symflops[pandas]`."""
        return notebook.frame(display.roofline_columns(self))

    def _repr_html_(self) -> str:
        return display.roofline_html(self)

    def __repr__(self) -> str:
        return f"Roofline({self.sentence})"


@such_as('roofline("llama-2-7b-hf", "h100-sxm", batch_size=8, seq_len=1, past_len=2048)')
def roofline(
    model: ModelLike,
    hardware: Hardware | str | Path,
    *,
    dtype: str | None = None,
    devices: int | None = None,
    unfused: bool = False,
    measured: Numeric | str | None = None,
    **values: Numeric,
) -> Roofline:
    """The bounds of a model on a machine: a shipped one (`symflops.hardware_names()`), a TOML file, or a Hardware.

    `values` are numbers for run and architecture symbols; without them batch size 1 and 2048 tokens, or the largest
    power of two below that the model can run. The data type of matrix products follows dtype_bytes unless `dtype` names
    it. `unfused` counts intermediates as written and read back. `measured` is tokens per second, `3120` or "3120tok/s".

    >>> found = roofline("llama-2-7b-hf", "h100-sxm", batch_size=1, seq_len=1, past_len=2048)
    >>> found.sentence
    'llama-2-7b-hf on h100-sxm: memory-bound, at most 234.219 tokens/s'
    >>> found.turnings[0].sentence
    'at past_len = 2048, decoding is memory-bound for every batch_size'
    >>> roofline("llama-2-7b-hf", "h100-sxm", seq_len=1, past_len=16).turnings[0].first
    601

    Raises SymflopsError for an unknown model, machine, data type or symbol.
    """
    named, machine = load(model), load_hardware(hardware)
    with named.call("the bounds"):
        return _roofline(named, machine, dtype, devices, unfused, measured, values)


def _roofline(
    named: Model,
    machine: Hardware,
    dtype: str | None,
    devices: int | None,
    unfused: bool,
    measured: Numeric | str | None,
    values: Mapping[str, Numeric],
) -> Roofline:
    if devices is not None:
        machine = machine.with_devices(devices)
    for name in values:
        check_symbol(named, name)
    own = {n: v for n, v in values.items() if n in named.definitions}
    named = named.with_symbols(own) if own else named
    run = {"batch_size": 1, **{n: v for n, v in values.items() if n not in own}}
    length = {"seq_len": named.usual_length(run)} if "seq_len" in named.run else {}
    point = _numbers(run_values(named, {**length, **run}))
    named.check_assumptions(point)
    chosen = machine.dtype(point["dtype_bytes"], dtype)
    speed = None if measured is None else throughput(measured)
    kept = kept_for_next_call(named) if named.plan is None else beside_weights(named)

    layers = tuple(_bound(row.path, row.repeat, row.total, machine, chosen, point, unfused) for row in named.rows())
    cost = named.total()
    fixed = {n: v for n, v in point.items() if n not in ("batch_size", "seq_len", "past_len")}
    moved = add(cost.value("read_bytes"), cost.value("write_bytes"))
    bytes_here = substitute(moved, fixed)
    intensity = None if bytes_here == 0 else Ratio.of(substitute(cost.value("flops"), fixed), bytes_here)
    return Roofline(
        named.name, machine, chosen, point,
        "tokens" if feeds_tokens(named) else "sequences",
        layers,
        _bound("total", 1, cost, machine, chosen, point, unfused),
        intensity,
        {name: substitute(value, {**named.symbols, **fixed}) for name, value in traffic_of(named, moved).items()},
        kept if kept is None else substitute(kept, {**fixed, **named.symbols}),
        whole(evaluate(substitute(weights(named), named.symbols), point)),
        _turnings(named, balance(cost, machine, chosen, unfused), fixed, point),
        speed,
        named.plan,
        fed_at_once(named, point),
    )  # fmt: skip


def _numbers(values: Mapping[str, Value]) -> dict[str, Number]:
    return {name: evaluate(value, {}) for name, value in values.items()}


def _bound(
    path: str, repeat: Value, cost: Cost, machine: Hardware, dtype: str, point: Mapping[str, Number], unfused: bool
) -> Bound:
    exact = {metric: Fraction(evaluate(cost.value(metric), point)) for metric in METRICS}
    vector_peak = machine.vector_peak(dtype)
    moved = exact["read_bytes"] + exact["write_bytes"]
    others = exact["flops"] - exact["matmul_flops"]
    return Bound(
        path,
        repeat,
        Cost({metric: round(v) for metric, v in exact.items()}, evaluated=True),
        exact["matmul_flops"] / (machine.peak[dtype] * machine.devices),
        None if vector_peak is None else others / (vector_peak * machine.devices),
        moved / (machine.bandwidth * machine.devices),
        (moved + 2 * exact["intermediate_bytes"]) / (machine.bandwidth * machine.devices),
        unfused,
    )


def _turnings(
    model: Model, balances: tuple[Value, Value], fixed: Mapping[str, Value], point: Mapping[str, Number]
) -> tuple[Turning, ...]:
    """Where decoding is compute-bound: by batch size after as many tokens as the point has, or the most after which
    there is a step, by cache length at the point's batch size, and by cache length for large batches."""
    if "seq_len" not in model.total().free_symbols or attends_without_cache(model):
        return ()
    if model.serving is not None and model.serving.is_ragged:
        return ()  # a cache length for each sequence
    step = {**fixed, "seq_len": 1}
    if any(c.substitute({**model.symbols, **step}).decided is False for c in model.domain.conditions):
        return ()  # such as one that runs whole chunks alone
    by_cache = {**step, "batch_size": point["batch_size"]}
    caches = feasible("past_len", (model, {**model.symbols, **by_cache}))
    past = int(point["past_len"] + (0 if point["seq_len"] == 1 else point["seq_len"]))
    most = caches.numbers.preceding(past)
    by_batch = {**step, "past_len": caches.first if most is None else most}
    batches = feasible("batch_size", (model, {**model.symbols, **by_batch}))
    return (
        turning(balances, batches, by_batch, "past_len"),
        turning(balances, caches, by_cache, "batch_size"),
        turning_for_large_batches(balances, caches, step),
    )


def throughput(measured: Numeric | str) -> Fraction:
    """Tokens per second of a number or a text such as `3120tok/s`.

    >>> throughput("3120 tokens/s"), throughput("3.12k tok/s")
    (Fraction(3120, 1), Fraction(3120, 1))
    """
    text = _PER_SECOND.sub("", str(measured)).strip()
    if isinstance(measured, bool) or not re.match(r"[\d.]", text):
        raise SymflopsError(f"measured = {str(measured)[:60]!r}: expected tokens per second, such as 3120tok/s")
    return Fraction(number(text, "measured"))
