"""Published memory of training beside what symflops computes: `training_memory_rows.py training_memory.csv > page.md`.

A row has the columns of ../shared/data/validation/training_memory.csv. Rows that a paper computes (`analytic_in_paper`)
are for one of several devices among which layers are divided; they are divided here by hand, and have to be equal.
Measured rows of one device, or of devices that share weights, gradients and optimizer states, are compared with the
peak of a step in eager PyTorch; beside each stands what that leaves out. Others are not judged, and it is said why.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from memory_rows import MODELS, UNITS

import symflops
from symflops import Model
from symflops.numeric import evaluate
from symflops.polynomial import add, multiply

SIZES = {**UNITS, "GB": 10**9}
PAGE = """# Memory of training, row by row

Memory of training steps, as papers compute it and as people measured it, beside what symflops computes. Made by
`benchmarks/training_memory_rows.py`; the configs are in `benchmarks/memory_rows.py`, and what was done by hand in the
script.

"""


@dataclass(frozen=True)
class Judgement:
    """What was computed in the row's unit, what stands beside it, and whether the row is one of those judged."""

    ours: Fraction | None
    why: str
    is_measured: bool = False


# ------------------------------------------------------------------------------------------------- what papers compute


@cache
def gpt2(hidden: int, heads: int) -> Model:
    config = {"model_type": "gpt2", "n_embd": hidden, "n_head": heads, "n_layer": 2, "activation_function": "gelu"}
    return symflops.derive(config, attention="eager", training=True)


def _layers(model: Model) -> list[Any]:
    return [p for p in model.places() if p.layer.is_basic and p.path.startswith("transformer.h.")]


def _of_layer(model: Model, sequences: int, length: int) -> int:
    """The bytes that a layer keeps."""
    kept = [multiply(place.runs, place.layer.gradients()["saved_bytes"]) for place in _layers(model)]
    at = {**model.symbols, "batch_size": sequences, "seq_len": length, "dtype_bytes": 2, "weight_bytes": 2}
    two = evaluate(add(0, *kept), {**at, "past_len": 0, "causal": 0, "cache_bytes": 2})
    assert two % 2 == 0
    return int(two) // 2


def analytic(row: Mapping[str, str]) -> Judgement:
    """A row of Korthikanti et al. 2022: a layer's activations are 34*s*b*h + 5*a*s*s*b bytes, of which tensor
    parallelism divides 24*s*b*h and the scores, and sequence parallelism the rest; 18 bytes a weight, with gradients in
    float32; of a pipeline in pieces, the first stage."""
    words = row["note"].replace(",", " ").replace(";", " ").split()
    hidden, layers, heads = (int(words[words.index(name) + 1]) for name in ("hidden", "layers", "heads"))
    devices, stages = int(row["tensor_parallel"]), int(row["pipeline_parallel"])
    length, sequences = int(row["seq_len"]), int(row["micro_batch"])
    pieces = int(row["virtual_pipeline"] or 1)
    model = gpt2(hidden, heads)
    if row["metric"] == "params_optimizer_gib":
        total = symflops.memory(symflops.training(model), batch_size=1, seq_len=1, dtype_bytes=2, weight_bytes=2)
        per_weight = Fraction(total.weights + 2 * total.gradients + total.optimizer, total.weights // 2)
        # Of a layer's weights the paper has the matrices, and no tables, biases or norms.
        own = [multiply(p.runs, p.layer.cost.value("parameters")) for p in _layers(model)]
        matrices = int(evaluate(add(0, *own), model.symbols)) // 2 - 13 * hidden
        ours = per_weight * matrices * layers / stages / devices
        why = "by hand: gradients in float32; matrices of layers alone, divided by devices and stages"
        return Judgement(ours / UNITS["GiB"], why)
    whole = _of_layer(model, sequences, length)
    unit = sequences * length * hidden
    statistics_ = 8 * sequences * length  # of two layer norms, which the paper leaves out
    scores = whole - statistics_ - 34 * unit
    assert scores == 5 * heads * length**2 * sequences
    is_shared = "sequence parallel" in row["recompute"]

    def kept(recompute: str, shared: bool) -> Fraction:
        if recompute.startswith("full"):
            return Fraction(2 * unit)
        of_scores = 0 if recompute.startswith("selective") else scores
        return Fraction(10 * unit, devices if shared else 1) + Fraction(24 * unit + of_scores, devices)

    why = "by hand: divided by devices as the paper has it, without the norms' statistics"
    ours = kept(row["recompute"], is_shared)
    if row["metric"] == "activations_pct_of_tp_baseline":
        return Judgement(100 * ours / kept("none", False), why)
    in_flight = 1 + Fraction(stages - 1, stages * pieces) if stages > 1 else Fraction(1)
    return Judgement(ours * layers * in_flight / UNITS["GiB"], why)


# -------------------------------------------------------------------------------------------------- what was measured


@cache
def derived(name: str) -> Model:
    return symflops.load(MODELS[name], training=True, peak=True)


def _memory(name: str, sequences: int, length: int, weight_bytes: int = 2, **plan: Any) -> symflops.Memory:
    step = symflops.training(derived(name), mixed=False, **plan)
    return symflops.memory(
        step, batch_size=sequences, seq_len=length, dtype_bytes=2, weight_bytes=weight_bytes, cache_bytes=2
    )


def _in_pieces(name: str, sequences: int, length: int, pieces: int, **plan: Any) -> symflops.Memory:
    """The same where the loss is computed in pieces: as if there were so many times fewer words."""
    model = derived(name)
    small = model.with_symbols({"vocab_size": model.symbols["vocab_size"] // pieces})
    step = symflops.training(small, mixed=False, **plan)
    return symflops.memory(step, batch_size=sequences, seq_len=length, dtype_bytes=2, weight_bytes=2, cache_bytes=2)


def _held(found: symflops.Memory) -> int:
    """What is held at the fullest moment besides weights and moments."""
    return int(found.peak_eager - found.weights - found.optimizer)


_LADDER = ("m0072", "m0073", "m0074", "m0075", "m0076", "m0077", "m0078", "m0079", "m0080", "m0081")
_COMPILED = "kernels that torch.compile fuses, which keep less"
_CHUNKS = 8  # of torchtune's chunked cross entropy


def ladder(row: Mapping[str, str]) -> Judgement:
    """torchtune's ladder of Llama 3.2 3B on one device: weights, gradients and moments in bfloat16."""
    name, at = "Llama-3.2-3B", (2, 4096)
    step = _LADDER.index(row["id"])
    if step == 0:
        return Judgement(None, "texts are not packed, and how long they are is not in the row")
    whole = _memory(name, *at)
    if step == 1:
        return Judgement(Fraction(whole.peak_eager), "what the allocator rounds up", True)
    if step == 2:
        return Judgement(Fraction(whole.peak_eager), _COMPILED, True)
    if step == 3:
        ours = whole.weights + whole.optimizer + _held(_in_pieces(name, *at, _CHUNKS))
        return Judgement(Fraction(ours), _COMPILED, True)
    if step >= 8:
        lora = {"recompute": "layers", "lora": 8, "lora_on": "*q_proj,*v_proj"}
        of_lora = _memory(name, *at, **lora)
        small = _in_pieces(name, *at, _CHUNKS, **lora)
        weights = of_lora.weights
        beside = "activations on the host"
        if step == 9:
            plain = symflops.formats(derived(name), "bnb-4bit-double")
            weights = symflops.memory(symflops.training(plain, mixed=False, **lora), batch_size=1, seq_len=1).weights
            beside += "; matrices that are made in bfloat16 for each product"
        return Judgement(
            Fraction(weights + of_lora.gradients + of_lora.optimizer + small.saved + small.working_set), beside, True
        )
    optimizer = "adamw_8bit" if step == 7 else "adamw"
    found = _memory(name, *at, recompute="layers", optimizer=optimizer)
    small = _in_pieces(name, *at, _CHUNKS, recompute="layers")
    ours = found.weights + found.optimizer + small.saved + small.working_set + (found.gradients if step == 4 else 0)
    beside = [
        "all gradients are counted beside all that is kept",
        "gradients of the weights at hand",
        "activations on the host",
        "activations on the host",
    ][step - 4]
    return Judgement(Fraction(ours), "; ".join(filter(None, [_COMPILED, beside])), True)


def sharded(row: Mapping[str, str]) -> Judgement:
    """torchtitan's Llama 3.1 8B: weights, gradients and moments in float32, divided by the devices that share them; two
    layers and the head gathered in bfloat16 at a time."""
    name = "Llama-3.1-8B"
    copies = int(row["data_parallel"]) * int(row["context_parallel"] or 1)
    tokens = int(row["micro_batch"]) * int(row["seq_len"]) // int(row["context_parallel"] or 1)
    model = derived(name)
    found = _memory(name, 1, tokens, weight_bytes=4)
    again = _memory(name, 1, tokens, weight_bytes=4, recompute="layers")
    sizes = model.symbols
    hidden, layers, inner = (sizes[n] for n in ("hidden_size", "num_hidden_layers", "intermediate_size"))
    keys = sizes["num_key_value_heads"] * sizes["head_dim"]
    of_layer = 2 * hidden * (2 * hidden + 2 * keys + 3 * inner)
    gathered = 2 * of_layer + 2 * hidden * sizes["vocab_size"]
    kept = 0
    if "full" not in row["recompute"]:
        # Per operation every second product is kept, and attention's result: q, v, the gate's, the last one's.
        kept = layers * 2 * tokens * (hidden + keys + inner + hidden + hidden)
    ours = Fraction(found.weights + found.gradients + found.optimizer, copies)
    ours += _held(found) - found.saved + again.saved + kept + gathered  # the fullest moment is in the head's backward
    beside = ["by hand: what each operation keeps, gathered weights"]
    if "torch.compile" in row["note"] and "no torch.compile" not in row["note"]:
        beside += [_COMPILED]
    beside += ["copies of weights and inputs in 8 bits"] if "8" in row["precision"].replace("bf16", "") else []
    beside += ["the metric is memory that the allocator reserves"] if "reserved" in row["metric"] else []
    return Judgement(ours, "; ".join(beside), True)


def others(row: Mapping[str, str]) -> Judgement:
    """Rows that stand by themselves."""
    if row["id"] == "m0086":
        found = _memory("Llama-3.2-3B", 1, 1, lora=8, lora_on="*q_proj,*v_proj")
        return Judgement(Fraction(found.weights), "what was allocated before the first step: weights alone", True)
    if row["kind"] == "rule_of_thumb":
        return Judgement(None, "a rule of thumb for no model in particular")
    if "offload" in row["note"]:
        return Judgement(None, "weights and states are on the host")
    for column, what in (("pipeline_parallel", "stages of a pipeline"), ("expert_parallel", "experts by devices"),
                         ("tensor_parallel", "matrices by devices")):  # fmt: skip
        if int(row[column] or 1) > 1:
            return Judgement(None, f"layers are divided otherwise: {what}")
    return Judgement(None, "its framework's own settings (lengths, adapters, what is recomputed) are not in the row")


def judged(row: Mapping[str, str]) -> Judgement:
    """One row, in its own unit."""
    if row["kind"] == "analytic_in_paper":
        return analytic(row)
    rule: Callable[[Mapping[str, str]], Judgement] = others
    if row["id"] in _LADDER:
        rule = ladder
    elif row["framework"] == "torchtitan" and "8B" in row["model"]:
        rule = sharded
    found = rule(row)
    return found if found.ours is None else Judgement(found.ours / SIZES[row["unit"]], found.why, found.is_measured)


def page(rows: Sequence[Mapping[str, str]]) -> str:
    """The page of the documentation."""
    found = [(row, judged(row)) for row in rows]
    papers = [(row, one) for row, one in found if row["kind"] == "analytic_in_paper"]
    equal = sum(_is_equal(row["value"], one) for row, one in papers)
    errors = [abs(float(one.ours) / float(row["value"]) - 1) for row, one in found if one.is_measured and one.ours]
    middle, most = statistics.median(errors), max(errors)
    alone = [abs(float(one.ours) / float(row["value"]) - 1) for row, one in found
             if one.is_measured and one.ours and row["num_devices"] == "1"]  # fmt: skip
    lines = [
        f"- computed in papers: {equal} of {len(papers)} equal, as far as they are printed",
        f"- measured: {len(errors)} compared, median error {middle:.1%}, the largest {most:.1%}; of those on one "
        f"device {len(alone)}, median error {statistics.median(alone):.1%}",
        "",
        "| row | model | setting | theirs | ours | error | by hand, or not modelled |",
        "|---|---|---|---|---:|---:|---|",
    ]
    for row, one in found:
        setting = ", ".join(filter(None, (row["task"], row["framework"], row["recompute"], row["optimizer"])))
        note = row["note"].split(";")[0][:60] if row["kind"] == "measured" else ""
        ours = "" if one.ours is None else f"{float(one.ours):.4f}".rstrip("0").rstrip(".")
        error = f"{float(one.ours) / float(row['value']) - 1:+.1%}" if one.is_measured and one.ours is not None else ""
        error = "=" if row["kind"] == "analytic_in_paper" and _is_equal(row["value"], one) else error
        said = "; ".join(filter(None, (setting, note)))
        cells = [row["id"], row["model"], said, f"{row['value']} {row['unit']}", ours]
        lines.append(f"| {' | '.join([*cells, error, one.why])} |")
    return PAGE + "\n".join(lines) + "\n"


def _is_equal(printed: str, found: Judgement) -> bool:
    """Whether a number is the printed one, as far as that is printed."""
    digits = len(printed.partition(".")[2])
    return found.ours is not None and abs(found.ours - Fraction(printed)) <= Fraction(1, 2 * 10**digits)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    with parser.parse_args().table.open(encoding="utf-8", newline="") as file:
        print(page(list(csv.DictReader(file))), end="")


if __name__ == "__main__":
    main()
