"""How long deriving takes, and how much memory: a 126-layer Llama (the 405B config) against a 2-layer one and against
one FlopCounterMode forward of the same full-depth model. The three take turns; medians of several rounds."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable

import independent_count
from transformers import LlamaConfig

from symflops.trace.derive import derive

ROUNDS = 5


def llama(depth: int) -> LlamaConfig:
    """Llama 3.1 405B, or as many of its layers."""
    return LlamaConfig(
        vocab_size=128256,
        hidden_size=16384,
        intermediate_size=53248,
        num_hidden_layers=depth,
        num_attention_heads=128,
        num_key_value_heads=8,
        head_dim=128,
    )


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    derive(llama(2))  # imports and caches
    peak = 0
    times: dict[str, list[float]] = {"2 layers": [], "126 layers": [], "forward": []}
    for _ in range(ROUNDS):
        times["2 layers"].append(seconds(lambda: derive(llama(2))))
        times["126 layers"].append(seconds(lambda: derive(llama(126))))
        peak = peak or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # before a full-depth model is built
        model = independent_count.build(llama(126))
        times["forward"].append(seconds(lambda m=model: independent_count._count(m, 1, 1024, 0)))
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, value in medians.items():
        print(f"{name:12} {value:6.2f} s   {value / medians['2 layers']:5.2f} x 2 layers")
    print(f"126 layers / forward: {medians['126 layers'] / medians['forward']:.2f}")
    print(f"peak memory of the process: {peak:,} MiB")


if __name__ == "__main__":
    main()
