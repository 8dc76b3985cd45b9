"""Does it fit: what a model takes of a machine's memory, what is left, and how far batch and context may grow.

Generating text, a batch of sequences holds weights and what is kept of so many tokens of each, and works on one token
of each at a time; a prompt is fed in pieces. A step of training holds what `memory` calls `peak_eager`. Devices share
all of it evenly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from symflops import notebook, units
from symflops.algebra import free_symbols, substitute
from symflops.analysis import display
from symflops.analysis.memory import memory
from symflops.analysis.parts import run_values
from symflops.analysis.question import Quantity, Question
from symflops.analysis.solution import Answer, answered
from symflops.calling import such_as
from symflops.errors import SymflopsError
from symflops.given import Numeric
from symflops.grouping import grouped
from symflops.hardware import Hardware, hardware_names, load_hardware
from symflops.model import Model
from symflops.numeric import evaluate, whole
from symflops.passes.served import check_equal
from symflops.polynomial import Number, Value, add, symbol
from symflops.source import ModelLike, load
from symflops.tree import write

KINDS = ("weights", "gradients", "optimizer", "saved", "state", "working_set")
_BYTES = (Fraction(0), Fraction(1))  # the dimension of an amount of bytes


@dataclass(frozen=True, repr=False)
class Fit:
    """What a model takes of the memory of some devices together, in bytes, at a point.

    `kinds` are what it takes by kind, with what is held in `reserved`; `used` is their sum, `left` what remains,
    negative where it does not fit. `largest_batch` and `longest_context` are the largest numbers with which it fits,
    the other symbols as they are; 0 where no number does, None where nothing of it depends on that or no number is too
    large. `answers` says how these were found, for closed forms and words. `smallest` is the machine with the least
    memory on which it fits, with as many devices, which have links if there are several; empty where there is none.
    """

    model: str
    hardware: Hardware
    devices: int
    values: Mapping[str, Number]
    kinds: Mapping[str, int]
    reserved: int
    answers: Mapping[str, Answer]
    smallest: str
    notes: tuple[str, ...] = ()

    @property
    def used(self) -> int:
        return sum(self.kinds.values()) + self.reserved

    @property
    def left(self) -> int:
        return whole(self.hardware.memory * self.devices) - self.used

    @property
    def fits(self) -> bool:
        return self.left >= 0

    @property
    def largest_batch(self) -> int | None:
        return _largest(self.answers.get("batch_size"))

    @property
    def longest_context(self) -> int | None:
        return _largest(self.answers.get("seq_len"))

    @property
    def sentence(self) -> str:
        """The answer in words."""
        size = units.scaled(abs(self.left), "read_bytes")
        what = f"fits, with {size} left" if self.fits else f"does not fit: {size} too much"
        return f"{self.model} on {self.devices} × {self.hardware.name}: {what}"

    def to_pandas(self) -> notebook.DataFrame:
        """One line per kind as a pandas DataFrame: its bytes, with what is in reserve, used and left. Needs the extra
        `symflops[pandas]`.

        >>> frame = fit("gpt2", "h100-sxm", batch_size=1, seq_len=8).to_pandas()
        >>> int(frame.set_index("kind")["bytes"]["state"])
        294912
        """
        return notebook.frame(display.fit_columns(self))

    def _repr_html_(self) -> str:
        return display.fit_html(self)

    def __repr__(self) -> str:
        shown = [f"{kind} = {units.scaled(size, 'read_bytes')}" for kind, size in self.kinds.items() if size]
        return "\n".join([self.sentence, *shown, *(a.sentence for a in self.answers.values()), *self.notes])


@such_as('fit("llama-3.1-8b", "h100-sxm", batch_size=32, seq_len=8192)')
def fit(
    model: ModelLike,
    hardware: Hardware | str | Path,
    *,
    devices: int | None = None,
    reserve: int = 0,
    **values: Numeric,
) -> Fit:
    """Whether a model fits on a machine, what is left, and the largest batch and longest context with which it does.

    `seq_len` is the context: the tokens of each sequence that are kept, those of the prompt and those that were made.
    `reserve` are bytes of each device for what is not counted. `values` are numbers for run and architecture symbols;
    without them one sequence, and 2,048 tokens or the largest power of two below that the model can run.

    >>> found = fit("llama-3.1-8b", "h100-sxm", batch_size=32, seq_len=8192)
    >>> found.sentence, found.largest_batch, found.smallest
    ('llama-3.1-8b on 1 × h100-sxm: fits, with 29.57 GB left', 59, 'm1-max')

    Raises SymflopsError for a name that is none, what breaks an assumption of the model, and where a layer does not say
    what it keeps.
    """
    machine = load_hardware(hardware)
    machine = machine if devices is None else machine.with_devices(devices)
    if isinstance(reserve, bool) or not isinstance(reserve, int) or reserve < 0:
        raise SymflopsError(f"reserve = {str(reserve)[:60]!r}: expected bytes, a whole number of at least 0")
    named = load(model)
    own = {name: value for name, value in values.items() if name in named.definitions}
    named = named.with_symbols(own) if own else named
    check_equal(named, "the largest batch and the longest context")
    given = {"batch_size": 1, **{name: value for name, value in values.items() if name not in own}}
    if named.plan is None and "past_len" in given:
        raise SymflopsError("past_len has no part in it: seq_len is the whole context", where=named.name)
    given.setdefault("seq_len", named.usual_length(given))
    try:
        with named.call("whether it fits"):
            return _fit(named, machine, reserve * machine.devices, given)
    except SymflopsError as error:
        raise error.within(named.name) from None


def _fit(named: Model, machine: Hardware, reserved: int, given: Mapping[str, Numeric]) -> Fit:
    total = named.total()
    total.at(**given)  # refuses names and values as any answer does
    run = run_values(named, given)
    found = memory(named)
    held = {kind: _held(named, found.kinds[kind]) for kind in KINDS if found.kinds[kind] != 0}
    point = {name: evaluate(value, {}) for name, value in run.items()}
    kinds = {kind: whole(evaluate(value, point)) for kind, value in held.items()}
    room = whole(machine.memory * machine.devices) - reserved
    answers: dict[str, Answer] = {}
    for name in ("batch_size", "seq_len"):
        left = {n: v for n, v in {**named.symbols, **run}.items() if n != name}
        taken = substitute(add(0, *held.values()), left)
        if name in free_symbols(taken):
            text = f"{write(grouped(taken))} <= {room} byte"
            asked = Question(text, Quantity(taken, _BYTES, text), "<=", Quantity(room, _BYTES, f"{room} byte"))
            answers[name] = answered(named, asked, name, left)
    used = sum(kinds.values()) + reserved
    notes = [] if named.plan is not None else [_IN_PIECES]
    return Fit(
        named.name, machine, machine.devices, point, kinds, reserved, answers, _smallest(used, machine.devices),
        (*notes, *found.notes),
    )  # fmt: skip


_IN_PIECES = "one token of each sequence is worked on at a time; a prompt that is fed at once needs more: see memory"


def _held(named: Model, value: Value) -> Value:
    """What is held of a context of seq_len tokens: all but the last of them were fed before, where anything is kept."""
    if named.plan is not None or "past_len" not in named.total().free_symbols:
        return value
    before: Value = add(symbol("seq_len"), -1)
    return substitute(substitute(value, {"seq_len": 1}), {"past_len": before})


def _largest(answer: Answer | None) -> int | None:
    """The largest number for which it holds."""
    if answer is None or answer.status == "always":
        return None if answer is None else answer.span[1]
    ends = [solution.last for solution in answer.solutions]
    return None if None in ends else max((end for end in ends if end is not None), default=0)


def _smallest(used: int, devices: int) -> str:
    """The machine of the catalogue with the least memory that holds so much on as many devices, which have links to one
    another."""
    machines = [load_hardware(name) for name in hardware_names()]
    holding = [one for one in machines if one.memory * devices >= used and (devices == 1 or one.link is not None)]
    return min(holding, key=lambda one: (one.memory, one.name)).name if holding else ""
