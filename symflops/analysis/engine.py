"""An engine on a machine: the least times of a workload, and those that its efficiencies lead one to expect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from symflops.analysis.calibration import Measurement, Terms, fitted
from symflops.analysis.efficiency import Efficiency
from symflops.analysis.generation import NEW, PROMPT
from symflops.analysis.speed import Speed
from symflops.analysis.stage import Stage, Stages, Workload
from symflops.analysis.terms import TERMS, Layout, Machine, beside, of_prompt, of_steps, seconds, weighted
from symflops.errors import SymflopsError
from symflops.given import Numeric
from symflops.hardware import Hardware


@dataclass(frozen=True)
class Engine:
    """What runs a model: devices that share each matrix, the type they compute in, the bytes of an element between
    layers, coefficients, and what all devices cost in an hour."""

    hardware: Hardware
    dtype: str
    element_bytes: float
    efficiency: Efficiency
    price_per_hour: float | None = None

    @property
    def layout(self) -> Layout:
        return Layout(tensor=self.hardware.devices)

    @property
    def device(self) -> Machine:
        return Machine.of(self.hardware, self.dtype, self.element_bytes)

    def least(self, stage: Stage) -> dict[str, Fraction]:
        """The least seconds of a stage, by what they are by."""
        return {
            "memory": (stage.weights + stage.cache) / (self.hardware.bandwidth * self.hardware.devices),
            "matmul": stage.matmul / (self.hardware.peak[self.dtype] * self.hardware.devices),
        }

    def binds(self, work: Workload) -> tuple[str, str]:
        """What the least times of prompt and steps are by."""
        first, each = (self.least(stage) for stage in (work.prompt, work.steps))
        return max(first, key=lambda name: first[name]), max(each, key=lambda name: each[name])

    def bound(self, work: Workload) -> Speed:
        """What nothing is faster than."""
        first, each = (float(max(self.least(stage).values())) for stage in (work.prompt, work.steps))
        return self._speed(work, first, each)

    def estimate(self, work: Workload) -> Speed:
        """A batch that starts together, on an idle machine; never less than the bound."""
        least = self.bound(work)
        first, each = seconds(self.prompt_terms(work), self._known), seconds(self.steps_terms(work), self._known)
        floor = (least.tpot or 0.0) * work.steps.passes
        return self._speed(work, max(first, least.ttft), max(each, floor))

    def steady(self, work: Workload, one: Workload) -> Speed:
        """As many requests at any time, each of which is replaced when it ends: a step has its part of the others'
        prompts in it, and a prompt waits for half a step. `one` is a batch of one request."""
        alone, together = self.estimate(one), self.estimate(work)
        if together.tpot is None:
            return together
        others = beside(one.prompt, one.shape, self.device, self.layout)
        batch, new = int(work.values["batch_size"]), int(work.values[NEW])
        each = together.tpot + seconds(others, self._known) * (batch - 1) / new
        first = alone.ttft + (together.tpot / 2 + self._known.get("request", 0.0) if batch > 1 else 0.0)
        return self._speed(work, first, each * work.steps.passes)

    def prompt_terms(self, work: Workload) -> Terms:
        return of_prompt(work.prompt, work.shape, self.device, self.layout)

    def steps_terms(self, work: Workload) -> Terms:
        return of_steps(work.steps, work.shape, self.device, self.layout)

    @property
    def _known(self) -> Mapping[str, float]:
        return self.efficiency.coefficients

    def _speed(self, work: Workload, first: float, steps: float) -> Speed:
        count, tdp = work.steps.passes, self.hardware.tdp
        watts = None if tdp is None else float(tdp) * self.hardware.devices
        each = steps / count if count else None
        return Speed(first, each, int(work.values["batch_size"]), int(work.values[NEW]), self.price_per_hour, watts)


def calibrated(stages: Stages, run: Mapping[str, Numeric], engine: Engine, rows: Sequence[Measurement]) -> Efficiency:
    """The efficiencies of an engine fitted to one's own measurements; what they do not tell apart stays.

    `run` has the bytes per element. Raises SymflopsError naming the line whose lengths the model cannot run.
    """
    fixed = {name: value for name, value in run.items() if name not in ("batch_size", PROMPT, NEW)}
    found: list[tuple[Terms, float]] = []
    for row in rows:
        here = engine if row.devices is None else replace(engine, hardware=engine.hardware.with_devices(row.devices))
        try:
            work = stages.at({**fixed, "batch_size": row.batch, PROMPT: row.prompt_len, NEW: row.new_tokens})
        except SymflopsError as error:
            raise error.within(f"line {row.line} of the measurements") from None
        prompt, steps = here.prompt_terms(work), here.steps_terms(work)
        if row.metric == "tpot_ms":
            found.append((weighted((1 / work.steps.passes, steps)), row.value / 1000))
        elif row.metric == "output_tok_s":
            found.append((weighted((1, prompt), (1, steps)), row.batch * row.new_tokens / row.value))
        else:
            tokens = row.batch * row.prompt_len
            found.append((prompt, row.value / 1000 if row.metric == "ttft_ms" else tokens / row.value))
    used = [name for name in TERMS if any(terms.get(name) for terms, _ in found)]
    before = engine.efficiency.coefficients
    fits = fitted(found, used, before={name: before.get(name, 0.0) for name in used})
    return replace(engine.efficiency, coefficients={**before, **fits}, errors={})
