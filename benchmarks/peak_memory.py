"""Compares derived peaks of memory with PyTorch's own tracker: `python benchmarks/peak_memory.py [--write] [TYPE…]`.

`torch.distributed._tools.mem_tracker.MemTracker` watches the storages of a forward of the same model over fake tensors
on the CPU, built anew with plain numbers; with `--training` those of a whole step with AdamW on real ones, after one
that made its states. It shares nothing with the derivation but PyTorch itself. `--write` makes docs/peak.md of it, or
with `--training` docs/peak-training.md; of a step finished rows are kept in benchmarks/peak_training.jsonl, a line
each, and are not made again.
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from small_configs import small_config
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker
from trained import dropout

from symflops import derive, memory, training
from symflops.errors import SymflopsError
from symflops.trace.configs import find

ROOT = Path(__file__).parent.parent
PAGE, TRAINING_PAGE = ROOT / "docs" / "peak.md", ROOT / "docs" / "peak-training.md"
STEPS = ROOT / "benchmarks" / "peak_training.jsonl"
TYPES = (
    "llama", "gpt2", "mistral", "qwen2", "qwen3", "phi3", "opt", "olmo2", "starcoder2", "stablelm", "cohere2", "gemma2",
    "gemma3_text", "gpt_neo", "gptj", "gpt_neox", "bloom", "falcon", "mpt", "codegen", "phi", "mixtral",
    "smollm3", "glm4",
)  # fmt: skip
POINTS = ((2, 33, 0), (1, 1, 0), (2, 17, 9), (1, 1, 300), (3, 1, 9))  # sequences, tokens of each, tokens cached before
STEP_POINTS = ((2, 33), (1, 1))  # the fullest moment is in the backward, or in the optimizer's step
ATTENTION = ("fused", "eager")


def built(config: Any, attention: str) -> Any:
    """The model of a config in bfloat16."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        chosen = None if attention == "fused" else "eager"  # with None transformers takes the fused kernel if it can
        model = find(config).model_class._from_config(copy.deepcopy(config), attn_implementation=chosen)
    finally:
        torch.set_default_dtype(before)
    model.tie_weights()
    return model


def tracked(config: Any, attention: str, batch: int, length: int, past: int) -> int:
    """The most bytes that the tracker sees in one forward, weights and inputs included."""
    with FakeTensorMode(), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = built(config, attention).eval()
        ids = torch.zeros(batch, length, dtype=torch.long)
        kwargs: dict[str, Any] = {}
        external: list[Any] = [model, ids]
        if past:
            kwargs["past_key_values"] = model(
                torch.zeros(batch, past, dtype=torch.long), use_cache=True
            ).past_key_values
            for layer in kwargs["past_key_values"].layers:  # a window keeps all of the memory that it is a part of
                layer.keys, layer.values = layer.keys.clone(), layer.values.clone()
                external += [layer.keys, layer.values]
        tracker = MemTracker()
        tracker.track_external(*external)
        external.clear()  # the list would keep what the cache lets go
        with tracker:
            model(ids, use_cache=True, **kwargs)
        return _total(tracker)


def _total(tracker: MemTracker) -> int:
    ((_, categories),) = tracker.get_tracker_snapshot("peak").items()
    return int(next(size for name, size in categories.items() if "total" in str(name).lower()))


def tracked_step(config: Any, attention: str, batch: int, length: int, foreach: bool) -> int:
    """The most bytes that the tracker sees in the second step of training, with everything that is there before. The
    tensors are real: with fake ones transformers takes rows of ids for several sequences, and makes a mask of them."""
    with patch.object(torch.nn.functional, "dropout", dropout), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = built(config, attention).train()
        ids, labels = (torch.zeros(batch, length, dtype=torch.long) for _ in range(2))
        optimizer = torch.optim.AdamW(model.parameters(), foreach=foreach)

        def step() -> None:
            model(ids, labels=labels, use_cache=False).loss.backward()
            optimizer.step()
            optimizer.zero_grad()

        step()
        tracker = MemTracker()
        tracker.track_external(model, optimizer, ids, labels)
        with tracker:
            step()
        return _total(tracker)


def without_fused_dropout(config: Any, attention: str) -> Any:
    """On the CPU PyTorch's fused attention has no dropout; with it, it is written out."""
    for name in ("attention_dropout", "attn_pdrop", "attention_probs_dropout_prob", "attn_dropout"):
        if attention == "fused" and hasattr(config, name):
            setattr(config, name, 0.0)
    return config


def steps(name: str, variant: int, attention: str) -> list[dict[str, Any]]:
    """The rows of one config, or one that says why there are none."""
    config = without_fused_dropout(small_config(name, variant), attention)
    row: dict[str, Any] = {"type": name, "config": variant, "attention": attention}
    try:
        model = derive(config, attention=attention, training=True, peak=True)
    except SymflopsError as error:
        return [{**row, "why": error.message[:160]}]
    found = []
    for foreach in (True, False):
        step = training(model, mixed=False, foreach=foreach)
        for batch, length in STEP_POINTS:
            at = {"batch_size": batch, "seq_len": length, "dtype_bytes": 2, "weight_bytes": 2, "cache_bytes": 2}
            ours = memory(step, **at)
            if not ours.has_peak:
                return [{**row, "why": "; ".join([*model.notes, *ours.notes])[:300]}]
            theirs = tracked_step(config, attention, batch, length, foreach)
            found.append({**row, "foreach": foreach, "point": [batch, length], "ours": ours.peak_eager,
                          "theirs": theirs, "where": ours.where})  # fmt: skip
    return found


def all_steps(types: tuple[str, ...]) -> list[dict[str, Any]]:
    """The rows of all types, those that are not there yet made now."""
    lines = STEPS.read_text("utf-8").splitlines() if STEPS.exists() else []
    found = [json.loads(line) for line in lines]
    there = {(row["type"], row["config"], row["attention"]) for row in found}
    for attention in ATTENTION:
        for variant in (0, 1):
            for name in types:
                if (name, variant, attention) in there:
                    continue
                new = steps(name, variant, attention)
                found += new
                with STEPS.open("a", encoding="utf-8") as file:
                    file.writelines(json.dumps(row) + "\n" for row in new)
                print(*new, sep="\n", flush=True)
    return found


def step_page(found: list[dict[str, Any]]) -> str:
    """The page on steps of training."""
    head = f"""# Peaks of a step of training, against PyTorch's tracker

`peak_eager` of `symflops memory --training --one-precision`, derived in closed form, against the peak that
`MemTracker` of torch {torch.__version__} sees in a step of the same model: forward, loss, backward and
`torch.optim.AdamW`'s step, with and without `foreach`, weights, gradients and moments in bfloat16, on small real
tensors on the CPU. It is the second step, so that the optimizer's states are there. Each config is one of
two small ones; a point is sequences and tokens of each. Dropout is done as a GPU does it, in one
operation with a mask of a byte an element, on both sides; fused attention is compared without dropout, since PyTorch's
kernel for the CPU has none. Not counted: the optimizer's counters of steps, 4 bytes for each tensor of weights. Made by
`benchmarks/peak_memory.py --training --write`.

"""
    rows_ = [row for row in found if "ours" in row]
    said = []
    for attention in ATTENTION:
        errors = [abs(row["ours"] / row["theirs"] - 1) for row in rows_ if row["attention"] == attention]
        types = {row["type"] for row in rows_ if row["attention"] == attention}
        within = sum(error <= 0.01 for error in errors)
        said.append(
            f"- {attention}: {len(types)} types, {len(errors)} points, {sum(e <= 0.001 for e in errors)} within 0.1 %, "
            f"{within} within 1 %, the largest error {max(errors, default=0):.2%}"
        )
    lines = ["", "| type | config | attention | foreach | point | ours | tracked | error | the peak stands in |",
             "|---|---:|---|---|---:|---:|---:|---:|---|"]  # fmt: skip
    for row in found:
        cells = [row["type"], row["config"], row["attention"]]
        if "ours" in row:
            point = ", ".join(map(str, row["point"]))
            error = f"{row['ours'] / row['theirs'] - 1:+.3%}"
            cells += ["on" if row["foreach"] else "off", point, f"{row['ours']:,}", f"{row['theirs']:,}", error]
            cells += [row["where"]]
        else:
            cells += ["", "", "", "", "", row["why"].replace("|", "\\|")]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return head + "\n".join([*said, *lines]) + "\n"


def rows(types: tuple[str, ...], attention: str) -> Iterator[tuple[str, int, tuple[int, int, int], int | str, int]]:
    """Each type, config and point with our peak, or why there is none, and the tracker's."""
    for name in types:
        for variant in (0, 1):
            config = small_config(name, variant)
            try:
                model = derive(config, attention=attention, peak=True)
            except SymflopsError as error:
                yield name, variant, POINTS[0], error.message, 0
                continue
            for batch, length, past in POINTS:
                found = memory(
                    model, batch_size=batch, seq_len=length, past_len=past, dtype_bytes=2, weight_bytes=2, cache_bytes=2
                )
                try:
                    theirs = tracked(config, attention, batch, length, past)
                except (ValueError, RuntimeError) as error:  # what the source does not take with this attention
                    yield name, variant, (batch, length, past), f"the source: {str(error)[:80]}", 0
                    break
                ours = found.peak_eager if found.has_peak else "; ".join(found.notes[1:])
                yield name, variant, (batch, length, past), ours, theirs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("types", nargs="*", default=TYPES)
    parser.add_argument("--write", action="store_true", help="write the page of the documentation")
    parser.add_argument("--training", action="store_true", help="steps of training in place of forwards")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    if options.training:
        found = all_steps(tuple(options.types))
        if options.write:
            TRAINING_PAGE.write_text(step_page(found), "utf-8")
        return
    lines, errors = [], {"fused": [], "eager": []}
    for attention in ATTENTION:
        for name, variant, point, ours, theirs in rows(tuple(options.types), attention):
            shown = ours if isinstance(ours, str) else f"{ours:,}"
            error = "" if isinstance(ours, str) or not theirs else f"{ours / theirs - 1:+.3%}"
            if error:
                errors[attention].append(abs(ours / theirs - 1))
            lines.append(
                f"| {name} | {variant} | {attention} | {', '.join(map(str, point))} | {shown} | {theirs:,} | {error} |"
            )
            print(lines[-1], flush=True)
    said = [
        f"{attention}: {len(found)} points, {sum(e == 0 for e in found)} equal to the byte, "
        f"{sum(e <= 0.01 for e in found)} within 1 %, the largest error {max(found, default=0):.2%}"
        for attention, found in errors.items()
    ]
    print("\n".join(said))
    if options.write:
        PAGE.write_text(_page(lines, said), "utf-8")


def _page(lines: list[str], said: list[str]) -> str:
    head = f"""# Peaks of memory, against PyTorch's tracker

`peak_eager` of `symflops memory`, derived in closed form, against the peak that `MemTracker` of torch
{torch.__version__} sees in a forward of the same model: bfloat16, fake tensors on the CPU, weights, inputs and cache
included. Each config is one of two small ones; a point is sequences, tokens of each, and tokens cached before. Keys
that heads share by broadcasting (Falcon) are copied for each head where there are two sequences and more, which is
counted; of one sequence they are not. Made by `benchmarks/peak_memory.py --write`.

"""
    table = [
        "| type | config | attention | point | ours | tracked | error |",
        "|---|---:|---|---|---:|---:|---:|",
        *lines,
    ]
    return head + "\n".join([*(f"- {one}" for one in said), "", *table]) + "\n"


if __name__ == "__main__":
    main()
