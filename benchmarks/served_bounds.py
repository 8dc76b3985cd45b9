"""Published measurements that beat what symflops says is the most that a machine can do, of models as served.

    python benchmarks/served_bounds.py inference.csv \
        --model meta-llama/Llama-3.1-8B=llama-3.1-8b \
        --model meta-llama/Llama-3.1-70B=llama-3.1-8b,hidden_size=8192,num_hidden_layers=80 \
        --machine H100-SXM-80GB=h100-sxm

A bound counts weights and caches once for each pass and the matrix multiplies at dense peaks, with all devices sharing
all of it; activations, which fused kernels keep to themselves, and communication are no part of it. Rows of one fixed
batch (kinds `static` and `single_stream`) are compared as they are; of the others, times of a request with those of one
request alone, and rates with those of the largest batch whose prompts fit. What is left out is counted, with the
reason.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import symflops
from symflops.algebra import substitute
from symflops.analysis.traffic import traffic
from symflops.cost import Cost
from symflops.hardware import Hardware, load_hardware
from symflops.numeric import evaluate
from symflops.polynomial import add

BYTES = {
    "fp32": 4,
    "fp16": 2,
    "bf16": 2,
    "f16": 2,
    "fp8": 1,
    "int8": 1,
    "q8_0": 1,
    "fp4": 0.5,
    "nvfp4": 0.5,
    "mxfp4": 0.5,
}
KINDS = ("static", "single_stream")


def seconds(cost: Cost, machine: Hardware, point: Mapping[str, float]) -> float:
    """The least time of a pass, or of several that are added up."""
    numbers = cost.with_defaults(point)
    # Products of narrow weights may be done in the narrowest format that the machine has.
    peak = machine.peak[machine.dtype(2, None)] if numbers["weight_bytes"] >= 2 else max(machine.peak.values())
    moved = traffic(add(cost.value("read_bytes"), cost.value("write_bytes")))
    stored = sum(float(evaluate(substitute(moved[kind], numbers), {})) for kind in ("weights", "cache"))
    products = float(evaluate(substitute(cost.value("matmul_flops"), numbers), {}))
    return max(stored / float(machine.bandwidth), products / float(peak)) / machine.devices


def width(precision: str) -> float | None:
    """Bytes of an element of a format, scales left out; None for one that is not known."""
    text = precision.lower().removeprefix("gguf ")
    found = next((size for name, size in BYTES.items() if text.startswith(name)), None)
    return 0.5 if found is None and re.match(r"int4|w4|awq|gptq|q4", text) else found


def least(row: Mapping[str, str], model: symflops.Model, machine: Hardware) -> tuple[str, float] | str:
    """What a row's metric is at best, `most` of a rate or `least` of a time; or why nothing can be said."""
    weights = width(row["weights_precision"])
    if weights is None:
        return f"weights in {row['weights_precision'] or 'a format that is not stated'}"
    if not all(row[name].isdigit() for name in ("prompt_len", "new_tokens", "num_devices") if row[name]):
        return "lengths or devices that are no numbers"
    cache = width(row["kv_precision"]) or min(2, max(1, weights))
    metric, prompt, new = row["metric"], int(row["prompt_len"] or 1), int(row["new_tokens"] or 1)
    sizes = {"weight_bytes": weights, "cache_bytes": cache}
    batch = int(row["batch_or_concurrency"]) if row["batch_or_concurrency"].isdigit() else 1
    if row["kind"] not in KINDS:  # of how many are run at once only this is known
        alone = metric in ("ttft_ms", "tpot_ms")
        fits = 1 if alone else symflops.fit(model, machine, seq_len=prompt, **sizes).largest_batch
        if not fits:
            return "weights that do not fit with what the row says of their format"
        batch = fits
    point = {"batch_size": batch, **sizes, "dtype_bytes": max(1, weights)}
    prefill = seconds(model.total(), machine, {**point, "seq_len": prompt})
    if metric in ("ttft_ms", "prefill_tok_s"):
        return ("least", 1e3 * prefill) if metric == "ttft_ms" else ("most", point["batch_size"] * prompt / prefill)
    every = seconds(symflops.generation(model), machine, {**point, "prompt_len": prompt, "new_tokens": new + 1})
    if metric == "tpot_ms":
        return "least", 1e3 * (every - prefill) / new
    rate = point["batch_size"] * new / (every - prefill if row["kind"] == "single_stream" else every)
    if metric == "output_tok_s":
        return "most", rate
    return ("most", rate / machine.devices) if metric == "tok_s_per_gpu" else f"the metric {metric}"


def named(texts: list[str]) -> dict[str, str]:
    return dict(text.split("=", 1) for text in texts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", action="append", default=[], metavar="NAME=SOURCE[,SYMBOL=NUMBER…]")
    parser.add_argument("--machine", action="append", default=[], metavar="NAME=HARDWARE")
    given = parser.parse_args()
    machines, models, left, beaten, compared = named(given.machine), {}, Counter[str](), [], 0
    for name, text in named(given.model).items():
        source, *sizes = text.split(",")
        symbols = {key: int(value) for key, value in (size.split("=") for size in sizes)}
        models[name] = symflops.served(symflops.load(source).with_symbols(symbols))
    for row in csv.DictReader(given.data.open(encoding="utf-8")):
        if row["model"] not in models or row["hardware"] not in machines:
            left["a model or machine that is not given"] += 1
        else:
            machine = load_hardware(machines[row["hardware"]]).with_devices(
                int(row["num_devices"]) if row["num_devices"].isdigit() else 1
            )
            bound = least(row, models[row["model"]], machine)
            if isinstance(bound, str):
                left[bound] += 1
                continue
            compared += 1
            measured, (side, best) = float(row["value"]), bound
            if measured > best if side == "most" else measured < best:
                beaten.append(
                    f"{row['id']} {row['model']} on {row['hardware']}, {row['metric']}: {measured:g}, {side} {best:g}"
                )
    print(f"{compared} rows compared, {len(beaten)} beyond the bound", *beaten, sep="\n")
    for why, count in left.most_common():
        print(f"left out: {count} of {why}")


if __name__ == "__main__":
    main()
