"""How fast symflops is, as ratios to yardsticks measured in the same run; prints a Markdown table.

python benchmarks/bench.py
"""

from __future__ import annotations

import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import symflops

ROOT = Path(__file__).parent.parent
MODEL = "llama-2-7b-hf"


def seconds(action: Callable[[], Any]) -> float:
    gc.collect()
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def medians(*actions: Callable[[], Any], rounds: int) -> list[float]:
    """The median time of each action. They take turns, so that a slow moment of the machine meets all of them."""
    times = [[seconds(action) for action in actions] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def process(*arguments: str) -> Callable[[], Any]:
    return lambda: subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, capture_output=True)


def distinct_layers(count: int) -> dict[str, Any]:
    """A model of `count` basic layers of which no two are alike."""
    layers = {
        f"layer{i}": {"formula": "linear", "args": {"N": "batch_size*seq_len", "in_features": "h", "out_features": i}}
        for i in range(1, count + 1)
    }
    return {"name": f"{count} layers", "symbols": {"h": 64}, "layers": layers}


def nested_repeats(levels: int, repeat: int) -> dict[str, Any]:
    """One linear layer inside `levels` groups, each repeated: `repeat ** levels` layers when unrolled."""
    args = {"N": "batch_size*seq_len", "in_features": "h", "out_features": "h"}
    layer: dict[str, Any] = {"formula": "linear", "args": args}
    for _ in range(levels):
        layer = {"repeat": repeat, "sub_layers": {"inside": layer}}
    return {"name": "nested", "symbols": {"h": 64}, "layers": {"outside": layer}}


def whole_process() -> list[str]:
    total, sympy = medians(process("cli.py", "total", MODEL), process("-c", "import sympy"), rounds=15)
    measured = f"{total / sympy:.2f} × ({total:.2f} s / {sympy:.2f} s)"
    return [f"`symflops total {MODEL}`, whole process", "0.6 × `python -c 'import sympy'`", measured]


def sweep() -> list[str]:
    cost = symflops.load(MODEL).total()
    batches, lengths = range(1, 1001), range(1, 1001)
    a, b = np.arange(10**6, dtype=np.int64), np.arange(10**6, dtype=np.int64)
    swept, multiplied = medians(
        lambda: cost.sweep(batch_size=batches, seq_len=lengths)["flops"],
        lambda: np.multiply(a, b),
        rounds=51,
    )
    what = "sweep of 10^6 (batch, length) points of Llama-2-7b FLOPs"
    measured = f"{swept / multiplied:.1f} × ({swept * 1e3:.1f} ms / {multiplied * 1e3:.1f} ms)"
    return [what, "12 × one `numpy.multiply` of two arrays of that size", measured]


def evaluation() -> list[str]:
    cost = symflops.load(MODEL).total()
    cost.at(batch_size=1, seq_len=2048)
    many = 1000
    (time_of_many,) = medians(
        lambda: [cost.at(batch_size=1, seq_len=length) for length in range(many)],
        rounds=7,
    )
    return ["one exact evaluation after the total is known", "100 µs", f"{time_of_many / many * 1e6:.0f} µs"]


def large_model() -> list[list[str]]:
    """Each round reads the file and adds up its layers: a second total of the same model would be remembered."""
    loading: dict[int, list[float]] = {}
    adding: dict[int, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(5):
            for count in (100_000, 200_000):
                path = Path(folder, f"{count}.json")
                if not path.exists():
                    path.write_text(json.dumps(distinct_layers(count)))
                gc.collect()
                start = time.perf_counter()
                model = symflops.load(path)
                loaded = time.perf_counter()
                model.total()
                adding.setdefault(count, []).append(time.perf_counter() - loaded)
                loading.setdefault(count, []).append(loaded - start)
                del model
    both = {n: statistics.median(a + b for a, b in zip(loading[n], adding[n], strict=True)) for n in loading}
    only = {n: statistics.median(adding[n]) for n in adding}
    n, twice = sorted(both)
    what = f"total of a model with {n:,} distinct basic layers"
    growth = f"{both[twice] / both[n]:.2f} (total only: {only[twice] / only[n]:.2f})"
    return [
        [what, "5 s", f"{both[n]:.2f} s with reading the file, {only[n]:.2f} s without"],
        [f"the same: time({twice:,}) / time({n:,})", "2.3", growth],
    ]


def nested() -> list[str]:
    def total(data: dict[str, Any]) -> Callable[[], Any]:
        return lambda: symflops.load(data).total()

    repeated, once = medians(total(nested_repeats(6, 1000)), total(nested_repeats(6, 1)), rounds=101)
    measured = f"{repeated / once:.2f} × ({repeated * 1e6:.0f} µs)"
    return ["total of nested repeats that unroll to 10^18 layers", "the same as unrepeated", measured]


def main() -> None:
    rows = [whole_process(), sweep(), evaluation(), *large_model(), nested()]
    print("| what | at most | measured |\n|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
