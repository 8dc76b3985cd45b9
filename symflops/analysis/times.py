"""How long a machine takes to answer: the time to the first token and for each further one.

A **bound** is the least time: operations at the peak of the matrix units, or bytes of weights and cache at the memory's
bandwidth, whichever takes longer, on devices that share both evenly and communicate in no time. Nothing is faster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from symflops import notebook
from symflops.analysis.generation import NEW
from symflops.analysis.speed import QUANTITIES, Speed, written
from symflops.analysis.stage import Stage, Workload, staged
from symflops.calling import such_as
from symflops.errors import SymflopsError
from symflops.given import Numeric
from symflops.hardware import Hardware, load_hardware
from symflops.polynomial import Number
from symflops.source import ModelLike, load
from symflops.units import seconds


@dataclass(frozen=True, repr=False)
class Times:
    """How fast a machine generates text at a point (`values`), for a batch of prompts that start together.

    `bound` is what nothing can be faster than. `binds` say what it is by, `matmul` or `memory`, for prompt and steps.
    """

    model: str
    hardware: Hardware
    dtype: str
    values: Mapping[str, Number]
    bound: Speed
    binds: tuple[str, str]
    notes: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The result in words."""
        each = "" if self.bound.tpot is None else f", {seconds(self.bound.tpot)} per token"
        where = f"{self.model} on {self.hardware.devices} × {self.hardware.name}"
        return f"{where}: at least {seconds(self.bound.ttft)} to the first token{each}"

    @property
    def speeds(self) -> Mapping[str, Speed]:
        """The bound, and the estimate where there is one."""
        return {"bound": self.bound}

    @property
    def rows(self) -> list[list[str]]:
        """A line for each quantity that is known: its name, and each of the speeds as people read it."""
        numbers = [speed.numbers for speed in self.speeds.values()]
        known = [name for name in QUANTITIES if any(one[name] is not None for one in numbers)]
        return [[QUANTITIES[name], *(written(name, one[name]) for one in numbers)] for name in known]

    def to_pandas(self) -> notebook.DataFrame:
        """One line per quantity as a pandas DataFrame. Needs the extra `symflops[pandas]`.

        >>> frame = times("gpt2", "h100-sxm", prompt_len=8, new_tokens=4).to_pandas()
        >>> frame["quantity"].tolist()[:2]
        ['ttft_seconds', 'tpot_seconds']
        """
        return notebook.frame(
            {"quantity": list(QUANTITIES), **{n: [*s.numbers.values()] for n, s in self.speeds.items()}}
        )

    def _repr_html_(self) -> str:
        rows = [tuple(row) for row in self.rows]
        table = notebook.table(("", *self.speeds), rows, (False, *(True for _ in self.speeds)))
        return notebook.heading(self.sentence) + table + "".join(map(notebook.paragraph, self.notes))

    def __repr__(self) -> str:
        return "\n".join([self.sentence, *self.notes])


@such_as('times("llama-3.1-8b", "h100-sxm", batch_size=8, prompt_len=1000, new_tokens=100)')
def times(
    model: ModelLike,
    hardware: Hardware | str | Path,
    *,
    devices: int | None = None,
    dtype: str | None = None,
    price_per_hour: float | None = None,
    **values: Numeric,
) -> Times:
    """How fast a machine answers `batch_size` prompts of `prompt_len` tokens that start together: `new_tokens` each.

    >>> found = times("llama-3.1-8b", "h100-sxm", batch_size=1, prompt_len=1000, new_tokens=100)
    >>> found.sentence
    'llama-3.1-8b on 1 × h100-sxm: at least 14.68 ms to the first token, 4.522 ms per token'

    Weights and cache are read with `weight_bytes` and `cache_bytes` for each element; matrices are multiplied in the
    type of `dtype_bytes`, or in `dtype`. `price_per_hour` is that of one device. Raises SymflopsError for an unknown
    model, machine, data type or symbol, and for a model that does not generate.
    """
    named, machine = load(model), load_hardware(hardware)
    machine = machine if devices is None else machine.with_devices(devices)
    own = {name: value for name, value in values.items() if name in named.definitions}
    named = named.with_symbols(own) if own else named
    run = {name: value for name, value in values.items() if name not in own}
    with named.call("the times"):
        work = staged(named).at(run)
    chosen = machine.dtype(work.values["dtype_bytes"], dtype)
    rate = None if price_per_hour is None else _price(price_per_hour) * machine.devices
    first, each = (_least(stage, machine, chosen) for stage in (work.prompt, work.steps))
    bound = _speed(work, max(first.values()), max(each.values()), rate, machine)
    binds = tuple(max(times, key=lambda name: times[name]) for times in (first, each))
    return Times(named.name, machine, chosen, work.values, bound, (binds[0], binds[1]))


def _least(stage: Stage, machine: Hardware, dtype: str) -> dict[str, Fraction]:
    """The least seconds of a stage, by what they are by."""
    return {
        "memory": (stage.weights + stage.cache) / (machine.bandwidth * machine.devices),
        "matmul": stage.matmul / (machine.peak[dtype] * machine.devices),
    }


def _speed(
    work: Workload, first: Fraction | float, steps: Fraction | float, rate: float | None, machine: Hardware
) -> Speed:
    count = work.steps.passes
    return Speed(
        float(first),
        float(steps / count) if count else None,
        int(work.values["batch_size"]),
        int(work.values[NEW]),
        rate,
        None if machine.tdp is None else float(machine.tdp) * machine.devices,
    )


def _price(given: float) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float | Fraction) or not 0 <= given < float("inf"):
        raise SymflopsError(f"price_per_hour = {str(given)[:60]!r}: expected money, a number of at least 0")
    return float(given)
