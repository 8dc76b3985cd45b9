"""Compares derived peaks of memory with PyTorch's own tracker: `python benchmarks/peak_memory.py [--write] [TYPE…]`.

`torch.distributed._tools.mem_tracker.MemTracker` watches the storages of a forward of the same model over fake tensors
on the CPU, built anew with plain numbers. It shares nothing with the derivation but PyTorch itself. `--write` makes
docs/peak.md of it.
"""

from __future__ import annotations

import argparse
import copy
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from small_configs import small_config
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker

from symflops import derive, memory
from symflops.errors import SymflopsError
from symflops.trace.configs import find

PAGE = Path(__file__).parent.parent / "docs" / "peak.md"
TYPES = (
    "llama", "gpt2", "mistral", "qwen2", "qwen3", "phi3", "opt", "olmo2", "starcoder2", "stablelm", "cohere2", "gemma2",
    "gemma3_text", "gpt_neo", "gptj", "gpt_neox", "bloom", "falcon", "mpt", "codegen", "phi", "mixtral",
    "smollm3", "glm4",
)  # fmt: skip
POINTS = ((2, 33, 0), (1, 1, 0), (2, 17, 9), (1, 1, 300), (3, 1, 9))  # sequences, tokens of each, tokens cached before
ATTENTION = ("fused", "eager")


def tracked(config: Any, attention: str, batch: int, length: int, past: int) -> int:
    """The most bytes that the tracker sees in one forward, weights and inputs included."""
    model_class = find(config).model_class
    with FakeTensorMode(), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.bfloat16)
        try:
            chosen = (
                None if attention == "fused" else "eager"
            )  # with None transformers takes the fused kernel if it can
            model = model_class._from_config(copy.deepcopy(config), attn_implementation=chosen)
        finally:
            torch.set_default_dtype(before)
        model.eval()
        model.tie_weights()
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
        ((_, categories),) = tracker.get_tracker_snapshot("peak").items()
        return int(next(size for name, size in categories.items() if "total" in str(name).lower()))


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
    parser.add_argument("--write", action="store_true", help="write docs/peak.md")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
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
included. Each config is one of two small ones; a point is sequences, tokens of each, and tokens cached before. Made by
`benchmarks/peak_memory.py --write`.

"""
    table = [
        "| type | config | attention | point | ours | tracked | error |",
        "|---|---:|---|---|---:|---:|---:|",
        *lines,
    ]
    return head + "\n".join([*(f"- {one}" for one in said), "", *table]) + "\n"


if __name__ == "__main__":
    main()
