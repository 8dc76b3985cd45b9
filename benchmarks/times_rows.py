"""Published measurements of text generation as rows of terms: what was measured, and what symflops counts there.

A row of the data (its README says what columns mean) becomes a `Measured`: the seconds that were measured, its terms
(symflops/analysis/terms.py) and its bound; or it is left out, with the reason. Nothing here is fitted.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from served_models import architecture, sizes_of
from times_settings import LeftOutError, Setting

from symflops.analysis.stage import Workload
from symflops.analysis.terms import Layout, beside, of_prompt, of_steps, weighted

FILES = ("inference.csv", "inference_more.csv")
KINDS = {
    "decode": "time per output token",
    "full": "time per output token of an engine that is filled with requests",
    "prompt": "time to the first token, or of a prompt, alone",
    "loaded": "time to the first token beside up to three other requests",
}
MEMORY_FOR_KEYS = 0.9  # of what is left beside weights, when an engine fills its memory
MOST_SEQUENCES = 2048  # of a group, TensorRT-LLM's own limit
FEW = 4  # requests at a time, with which a prompt hardly waits for others
SLOW = 8  # requests a second, at which most find an idle machine
_LITTLE = 6  # rounds until the number of requests at a time stays
Terms = dict[str, float]


@dataclass(frozen=True)
class Measured:
    """A measurement: one of the `KINDS`, by which `source` (what aiconfigurator collected is one), and in which
    `series` of it, the runs of one model with one engine on one machine. `seconds` are for each token of a sequence
    where tokens are generated, `kind_of_engine` is the table of efficiencies."""

    id: str
    source: str
    series: str
    kind: str
    engine: tuple[str, str]
    what: str
    seconds: float
    terms: Mapping[str, float]
    bound: float


def measured(folder: Path) -> tuple[list[Measured], list[tuple[str, str, str]]]:
    """The rows of the data, and those left out with their source and reason; the same measurement twice is one."""
    found: dict[tuple[str, ...], Measured] = {}
    left: list[tuple[str, str, str]] = []
    for row in _read(folder):
        try:
            one = _measured(row)
        except LeftOutError as reason:
            left.append((row["id"], _source(row), str(reason)))
            continue
        # The same value to four digits for the same lengths, batch and machine, whatever the model is called.
        shape = (row[n] for n in ("hardware", "prompt_len", "new_tokens", "batch_or_concurrency", "metric"))
        key = (*shape, row["weights_precision"], one.engine[1], f"{float(row['value']):.4g}")
        if key in found:
            left.append((row["id"], _source(row), "the same measurement again"))
        else:
            found[key] = one
    return list(found.values()), left


def _read(folder: Path) -> Iterator[dict[str, str]]:
    for name in FILES:
        if (path := folder / name).exists():
            with path.open(newline="") as lines:
                yield from csv.DictReader(lines)


def _source(row: Mapping[str, str]) -> str:
    """Samples and references of aiconfigurator are of one collection, in part the same runs."""
    return "aiconfigurator" if row["source_id"].startswith("aic-") else row["source_id"]


def _number(row: Mapping[str, str], name: str) -> int:
    if not re.fullmatch(r"\d+(\.0)?", row[name].strip()):
        raise LeftOutError(f"{name} is not stated ({row[name] or 'blank'})")
    return int(float(row[name]))


def _measured(row: Mapping[str, str]) -> Measured:
    if "SUSPECT" in row["note"]:
        raise LeftOutError("degrees of parallelism that the data's README calls wrong")
    value, kind = float(row["value"]), row["kind"]
    by_kind = {"single_stream": _single, "static": _static, "online_concurrency": _online, "offline_max_load": _full}
    if row["source_id"] == "trtllm-0.14-online":
        return _arrivals(row, value)
    if kind not in by_kind:
        raise LeftOutError("a server under load whose batch is not stated")
    return by_kind[kind](row, value)


def _row(
    row: Mapping[str, str], kind: str, setting: Setting, seconds: float, found: Terms, bound: float, what: str
) -> Measured:
    routed = "routed" if setting.is_routed else "dense"
    engine = ("llama.cpp", "any") if row["kind"] == "single_stream" else ("server", routed)
    model = row["model"].split("/")[-1]
    # DeepSeek-V3 and R1 are one architecture: runs of one would tell what the other's are.
    alike = str(architecture(row["model"])).split("/")[-1]
    series = "/".join((_source(row), alike, setting.hardware.name, row["engine"].split(" ")[0].lower()))
    return Measured(row["id"], _source(row), series, kind, engine, f"{model}, {what}", seconds, found, bound)


def _prompt(setting: Setting, work: Workload) -> Terms:
    return of_prompt(work.prompt, work.shape, setting.device, setting.layout)


def _steps(setting: Setting, work: Workload) -> Terms:
    """The terms of a step, on average."""
    return weighted((1 / work.steps.passes, of_steps(work.steps, work.shape, setting.device, setting.layout)))


def _replaced(setting: Setting, batch: int, prompt: int, new: int, *, apart: bool = False) -> tuple[Terms, float]:
    """The terms and the bound of a step of so many sequences, each of which is replaced by another one when it ends: a
    step has its part of their prompts in it, unless other devices run these."""
    work, one = setting.work(batch, prompt, new), setting.work(1, prompt, 1)
    others = 0.0 if apart else (batch - 1) / new
    found = beside(one.prompt, one.shape, setting.device, setting.layout)
    # Prompts share the pass of a step, which reads the weights once: they add products alone.
    passes = work.steps.passes
    flops = float(work.steps.matmul) / passes + others * float(one.prompt.matmul)
    bound = max(setting.bound(work.steps) / passes, flops / setting.device.flops / setting.layout.devices)
    return weighted((1, _steps(setting, work)), (others, found)), bound


def _single(row: Mapping[str, str], value: float) -> Measured:
    """One sequence on one device. Texts whose length is not stated are taken for 100 tokens and 400 more."""
    setting = Setting.of(row, Layout())
    if row["metric"] == "prefill_tok_s":
        return _alone(row, setting, 1, _number(row, "prompt_len"), lambda tokens: tokens / value)
    prompt, new = (
        int(row[n]) if row[n].isdigit() else usual for n, usual in (("prompt_len", 100), ("new_tokens", 400))
    )
    work = setting.work(1, max(1, prompt), new)
    seconds = value / 1000 if row["metric"] == "tpot_ms" else 1 / value
    bound = setting.bound(work.steps) / work.steps.passes
    return _row(row, "decode", setting, seconds, _steps(setting, work), bound, f"{prompt} + {new}")


def _alone(row: Mapping[str, str], setting: Setting, batch: int, length: int, seconds: object) -> Measured:
    """A batch of prompts on an idle machine; seconds, or what makes them of the number of tokens."""
    work = setting.work(batch, length, 1)
    time = seconds(batch * length) if callable(seconds) else float(str(seconds))
    what = f"{batch} prompts of {length}" if batch > 1 else f"prompt of {length}"
    return _row(row, "prompt", setting, time, _prompt(setting, work), setting.bound(work.prompt), what)


def _static(row: Mapping[str, str], value: float) -> Measured:
    """A batch that starts together: the whole run's seconds for each token of a sequence."""
    if row["hardware"].startswith("Inf2"):
        raise LeftOutError("tensor parallel over 24 cores of 12 devices, of which there are no terms")
    if not row["tensor_parallel"]:
        raise LeftOutError("how devices share the model is not stated")
    tensor, devices = _number(row, "tensor_parallel"), _number(row, "num_devices")
    setting = Setting.of(row, Layout(tensor, max(1, devices // tensor)))
    prompt, metric = _number(row, "prompt_len"), row["metric"]
    if metric == "prefill_tok_s":
        tokens = re.match(r"(\d+) tokens", row["batch_or_concurrency"])
        if tokens is None:
            raise LeftOutError("the batch of prompts is not stated")
        return _alone(row, setting, int(tokens[1]) // prompt, prompt, lambda count: count / (value * devices))
    each = re.match(r"(\d+) per GPU", row["batch_or_concurrency"])  # InferSim, which states steps alone
    batch = int(each[1]) * devices if each else _number(row, "batch_or_concurrency")
    if metric == "ttft_ms":
        return _alone(row, setting, batch, prompt, value / 1000)
    new = _number(row, "new_tokens")
    work = setting.work(batch, prompt, new)
    seconds = batch / (value * (devices if metric == "tok_s_per_gpu" else 1))
    what = f"{batch} x {prompt} + {new}"
    steps, bound = _steps(setting, work), setting.bound(work.steps) / work.steps.passes
    if each:
        return _row(row, "decode", setting, seconds, steps, bound, what)
    part = (new - 1) / new
    whole = weighted((part, steps), (1 / new, beside(work.prompt, work.shape, setting.device, setting.layout)))
    return _row(row, "decode", setting, seconds, whole, part * bound + setting.bound(work.prompt) / new, what)


def _online(row: Mapping[str, str], value: float) -> Measured:
    """So many requests at any time, on one of several equal workers."""
    layout, workers, apart = _workers(row)
    setting, sizes = Setting.of(row, layout), sizes_of(row["model"])
    if sizes is not None and sizes.heads % layout.tensor:
        raise LeftOutError(f"tensor parallel by a number that does not divide {sizes.heads} heads: not as it ran")
    concurrency, prompt, new = (_number(row, n) for n in ("batch_or_concurrency", "prompt_len", "new_tokens"))
    batch = max(1, round(concurrency / workers))
    if row["metric"] == "ttft_ms":
        if batch > FEW:
            raise LeftOutError("time to first token under load: queueing")
        if apart:
            raise LeftOutError("time to first token with keys sent between workers, of which there are no terms")
        work = setting.work(1, prompt, 1)
        found, bound = {**_prompt(setting, work), "request": 1.0}, setting.bound(work.prompt)
        return _row(row, "loaded", setting, value / 1000, found, bound, f"prompt of {prompt} beside {batch - 1}")
    # Others wait where the memory does not hold all, on average half through their new tokens.
    batch = max(1, min(batch, _most(setting, prompt + new // 2)))
    found, bound = _replaced(setting, batch, prompt, new, apart=apart)
    what = f"{batch} x {prompt} + {new}" + (", prompts elsewhere" if apart else "")
    return _row(row, "decode", setting, value / 1000, found, bound, what)


def _workers(row: Mapping[str, str]) -> tuple[Layout, int, bool]:
    """How the devices of one worker that generates share the model, how many such workers there are, and whether others
    run the prompts."""
    tensor, data, experts = (int(float(row[n] or 1)) for n in ("tensor_parallel", "attention_dp", "expert_parallel"))
    layout = Layout(tensor, data)
    if experts > layout.devices:
        raise LeftOutError("more expert parallel than a worker has devices")
    said = re.search(r"prefill workers \d* x tp\d+ dp\d+ bs\d*, decode workers (\d*)", row["note"])
    if said is None:
        return layout, max(1, _number(row, "num_devices") // layout.devices), False
    if not said[1]:
        raise LeftOutError("how many workers share the requests is not stated")
    return layout, int(said[1]), True


def _most(setting: Setting, tokens: int) -> int:
    """How many sequences of so many tokens the memory holds beside the weights."""
    room = (float(setting.hardware.memory) * setting.layout.devices - setting.held()) * MEMORY_FOR_KEYS
    return int(room / setting.kept(tokens))


def _full(row: Mapping[str, str], value: float) -> Measured:
    """All requests queued: as many sequences as the memory holds, each with its last token."""
    if row["pipeline_parallel"] not in ("", "1"):
        raise LeftOutError("pipeline parallel, of which there are no terms")
    if not row["tensor_parallel"]:
        raise LeftOutError("how devices share the model is not stated")
    tensor, devices = _number(row, "tensor_parallel"), _number(row, "num_devices")
    layout = Layout(tensor, max(int(float(row["attention_dp"] or 1)), devices // tensor))
    setting = Setting.of(row, layout)
    prompt, new = _number(row, "prompt_len"), _number(row, "new_tokens")
    batch = min(_most(setting, prompt + new), MOST_SEQUENCES * layout.data)
    if batch < 1:
        raise LeftOutError("weights and a sequence do not fit")
    seconds = batch / (value * (devices if row["metric"] == "tok_s_per_gpu" else 1))
    found, bound = _replaced(setting, batch, prompt, new)
    return _row(row, "full", setting, seconds, found, bound, f"{batch} x {prompt} + {new}")


def _arrivals(row: Mapping[str, str], value: float) -> Measured:
    """Requests that arrive at a rate: by Little's law, as many at a time as rate times how long each takes."""
    served_at = re.search(r"served (\d+) req/s", row["note"])
    if row["metric"] == "output_tok_s":
        raise LeftOutError("throughput below the limit is the rate of arrivals")
    if "INF" in row["batch_or_concurrency"] or served_at is None:
        raise LeftOutError("all requests at once: queueing")
    setting, rate = Setting.of(row, Layout()), float(served_at[1])
    prompt, new = _number(row, "prompt_len"), _number(row, "new_tokens")
    if row["metric"] == "ttft_ms":
        if rate > SLOW:
            raise LeftOutError("time to first token under load: queueing")
        return _alone(row, setting, 1, prompt, value / 1000)
    batch = 1
    for _ in range(_LITTLE):  # not by what was measured: a step is taken for twice its bound
        batch = max(1, round(rate * new * 2 * _replaced(setting, batch, prompt, new)[1]))
    found, bound = _replaced(setting, batch, prompt, new)
    return _row(row, "decode", setting, value / 1000, found, bound, f"{batch} x {prompt} + {new}")
