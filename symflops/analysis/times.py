"""How long a machine takes to answer: the time to the first token and for each further one.

A **bound** is the least time: operations at the peak of the matrix units, or bytes of weights and cache at the
memory's bandwidth, whichever takes longer, on devices that share both evenly and communicate in no time. An
**estimate** is a sum of terms with an engine's coefficients (`terms`, `efficiency`); docs/times.md says how wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from symflops import notebook
from symflops.analysis.calibration import measurements
from symflops.analysis.efficiency import ERRORS, Efficiency
from symflops.analysis.efficiency import efficiency as engine_efficiency
from symflops.analysis.engine import Engine, calibrated
from symflops.analysis.speed import QUANTITIES, Speed, written
from symflops.analysis.stage import staged
from symflops.calling import such_as
from symflops.errors import SymflopsError
from symflops.given import Numeric
from symflops.hardware import Hardware, load_hardware
from symflops.model import Model
from symflops.numeric import plain
from symflops.passes.served import served
from symflops.polynomial import Number
from symflops.source import ModelLike, load
from symflops.storage import has_formats
from symflops.units import seconds

_MOST_MONEY = 10**15


@dataclass(frozen=True, repr=False)
class Times:
    """How fast a machine generates text at a point (`values`), for a batch of prompts that start together.

    `bound` is what nothing can be faster than; `binds` say what it is by, `matmul` or `memory`, for prompt and steps.
    `estimate` is how fast engines of the kind of `efficiency` are; `steady` is the same where each request is replaced
    by another when it ends, so that steps have others' prompts in them.
    """

    model: str
    hardware: Hardware
    dtype: str
    values: Mapping[str, Number]
    bound: Speed
    binds: tuple[str, str]
    estimate: Speed
    steady: Speed
    efficiency: Efficiency
    notes: tuple[str, ...] = ()
    has_formats: bool = False  # of weights, in which they are read

    @property
    def sentence(self) -> str:
        """The result in words."""
        least, likely = (_in_words(speed) for speed in (self.bound, self.estimate))
        return f"{self.model} on {self.hardware.devices} × {self.hardware.name}: at least {least}; estimated {likely}"

    @property
    def error(self) -> str:
        """How wrong the estimate is, in words."""
        said = []
        for name, what in ERRORS.items():
            error = self.efficiency.errors.get(name)
            if error is not None:
                said.append(
                    f"{what}: half of {error.rows} measurements within {error.median:.0%} of it, 8 of 10 from "
                    f"{error.low:.2g} to {error.high:.2g} times it"
                )
        return "; ".join(said) or "how wrong it is, is not known"

    @property
    def said(self) -> tuple[str, ...]:
        """What the numbers are for, line by line."""
        bytes_ = ", ".join(f"{name} = {plain(self.values[name])}" for name in ("weight_bytes", "cache_bytes"))
        rest = " where weights have no format of their own" if self.has_formats else ""
        return (
            f"computed in {self.dtype}, {bytes_}{rest}; causal kernels, logits of the last token of each prompt",
            f"bound by {self.binds[0]} (prompt) and {self.binds[1]} (steps), without speculative decoding",
            f"estimate: a batch that starts together, by {self.efficiency.about}",
            *self.error.split("; "),
            "steady: each request is replaced by another when it ends, whose prompt is run beside the steps",
            *self.notes,
        )

    @property
    def speeds(self) -> Mapping[str, Speed]:
        """The bound and the estimates, by name."""
        return {"bound": self.bound, "estimate": self.estimate, "steady": self.steady}

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
        return notebook.heading(self.sentence) + table + "".join(map(notebook.paragraph, self.said))

    def __repr__(self) -> str:
        return "\n".join([self.sentence, *self.said])


@such_as('times("llama-3.1-8b", "h100-sxm", batch_size=8, prompt_len=1000, new_tokens=100)')
def times(
    model: ModelLike,
    hardware: Hardware | str | Path,
    *,
    devices: int | None = None,
    dtype: str | None = None,
    engine: str | None = None,
    efficiency: Mapping[str, float] | None = None,
    calibrate: str | Path | None = None,
    price_per_hour: float | None = None,
    as_written: bool = False,
    **values: Numeric,
) -> Times:
    """How fast a machine answers `batch_size` prompts of `prompt_len` tokens that start together: `new_tokens` each.

    >>> found = times("llama-3.1-8b", "h100-sxm", batch_size=1, prompt_len=1000, new_tokens=100)
    >>> found.bound.ttft < found.estimate.ttft, round(found.bound.tpot * 1e3, 3)
    (True, 4.522)

    Weights and cache are read with `weight_bytes` and `cache_bytes` for each element; matrices are multiplied in the
    type of `dtype_bytes`, or in `dtype`. Several devices share each matrix (tensor parallel). The estimate is that of
    the `engine` kind of `efficiency.toml`; `calibrate` is a CSV file of one's own measurements of this model on this
    machine to which it is fitted, `efficiency` has coefficients of one's own. `price_per_hour` is that of one device.
    All is about what an engine runs of the model (`served`), unless it is wanted `as_written`.

    Raises SymflopsError for an unknown model, machine, data type, engine or symbol, for a model that does not generate,
    and for a file that cannot be read, naming line and column.
    """
    for name, value in (("efficiency", efficiency), ("calibrate", calibrate), ("engine", engine)):
        if value is not None and not isinstance(value, _KINDS[name]):
            raise SymflopsError(f"expected {name} to be {_MEANT[name]}, got {type(value).__name__}")
    named, machine = load(model), load_hardware(hardware)
    machine = machine if devices is None else machine.with_devices(devices)
    own = {name: value for name, value in values.items() if name in named.definitions}
    named = named.with_symbols(own) if own else named
    if not as_written and named.serving is None and named.plan is None:
        named = served(named)
    run = {name: value for name, value in values.items() if name not in own}
    rate = None if price_per_hour is None else _price(price_per_hour) * machine.devices
    try:
        with named.call("the times"):
            return _times(named, machine, run, dtype, engine, efficiency or {}, calibrate, rate)
    except OverflowError:
        raise SymflopsError("its times at this point are larger than is computed with", where=named.name) from None


_KINDS: Mapping[str, type | tuple[type, ...]] = {"efficiency": Mapping, "calibrate": (str, Path), "engine": str}
_MEANT = {"efficiency": "numbers by the names of terms", "calibrate": "the path of a file", "engine": "a text"}


def _times(
    named: Model,
    machine: Hardware,
    run: Mapping[str, Numeric],
    dtype: str | None,
    engine: str | None,
    mine: Mapping[str, float],
    calibrate: str | Path | None,
    rate: float | None,
) -> Times:
    stages = staged(named)
    work, notes = stages.at(run), list(stages.notes)
    chosen = machine.dtype(work.values["dtype_bytes"], dtype)
    of_engine = engine_efficiency(engine, machine, work.prompt.expert_weights > 0)
    if stages.notes:  # what no engine runs was never measured
        of_engine = replace(of_engine, errors={})
    here = Engine(machine, chosen, float(work.values["dtype_bytes"]), of_engine, rate)
    if calibrate is not None:
        measured = measurements(Path(calibrate))
        here = replace(here, efficiency=calibrated(stages, run, here, measured))
        notes.append(f"coefficients fitted to {len(measured)} measurements of your own")
    here = replace(here, efficiency=here.efficiency.changed(mine))
    if mine:
        notes.append(f"coefficients of your own: {', '.join(mine)}")
    if machine.link is None and machine.devices > 1:
        notes.append(f"nobody states a link of {machine.name}: sending is taken for as fast as its memory")
    if machine.tdp is None:
        notes.append(f"energy is not known: nobody states the power that {machine.name} draws")
    one = stages.at({**run, "batch_size": 1})
    return Times(
        named.name, machine, chosen, work.values, here.bound(work), here.binds(work), here.estimate(work),
        here.steady(work, one), here.efficiency, tuple(notes), has_formats(named),
    )  # fmt: skip


def _in_words(speed: Speed) -> str:
    each = "" if speed.tpot is None else f", {seconds(speed.tpot)} per token"
    return f"{seconds(speed.ttft)} to the first token{each}"


def _price(given: float) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float | Fraction) or not 0 <= given <= _MOST_MONEY:
        raise SymflopsError(f"price_per_hour = {str(given)[:60]}: expected money, a number of at least 0")
    return float(given)
