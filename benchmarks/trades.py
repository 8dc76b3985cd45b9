"""What each of five trades types, and how long it takes beside `symflops total llama-2-7b-hf`.

    python benchmarks/trades.py [ROUNDS]

Processor time of whole processes, interpreter and imports included. Every round runs each command and the yardstick,
in turns, so that a busy machine slows all of them; the table has medians over the rounds of the ratio within one. A
derivation is run without its cache, then with it. Prints the table of docs/explanation/speed.md.
"""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parent.parent
YARDSTICK = "symflops total llama-2-7b-hf"
BLOCK = (
    "symflops derive own_module.py:Block --input 'x: float[batch_size, seq_len, width]' "
    "--set width=512 --set heads=8 --set groups=2 -o block.json"
)
# What is typed, by trade; a line of Python is run as a program.
TRADES = {
    "inference engineer": (
        "symflops solve llama-3.1-8b 'weights + cache <= 80 GB' --for batch_size -S 8192",
        "symflops roofline llama-3.1-8b --hardware h100-sxm -B 64 -S 1 -P 100",
        "symflops generation llama-3.1-8b -B 1 -p 1000 -n 100",
    ),
    "author": (
        "symflops table llama-2-7b-hf -o table.tex",
        "symflops verify '6*N*D' --against llama-2-7b-hf --metric matmul_flops --training 3",
        "symflops compare llama-2-7b-hf '2*N per token' --within 5%",
    ),
    "PyTorch user": (
        f"{BLOCK} --no-cache",
        BLOCK,
        "symflops total block.json -B 2 -S 512 --metric matmul_flops",
        "symflops inspect mixtral",
    ),
    "notebook and page": (
        "import symflops; symflops.load('llama-2-7b-hf').rows()._repr_html_()",
        "symflops report llama-2-7b-hf mixtral-8x7b -o report.html",
    ),
    "scheduler": (
        "symflops total llama-2-7b-hf --metric flops -o flops.c",
        "symflops total llama-2-7b-hf -o cost.js",
        "import symflops; symflops.load('llama-2-7b-hf').total().at(batch_size=1, seq_len=1, past_len=4095)",
    ),
}


def seconds(typed: str) -> float:
    """Processor time of what is typed, as a process of its own."""
    program = ["-m", *shlex.split(typed)] if typed.startswith("symflops ") else ["-c", typed]
    before = os.times()
    done = subprocess.run([sys.executable, *program], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    after = os.times()
    if done.returncode > 1:  # 1: `verify` says that a formula is wrong
        sys.exit(f"{typed}: {done.stderr}")
    return after.children_user + after.children_system - before.children_user - before.children_system


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    ratios: dict[str, list[float]] = {typed: [] for lines in TRADES.values() for typed in lines}
    yardsticks = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"SYMFLOPS_CACHE": str(Path(folder, "cache")), "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
        Path(folder, "own_module.py").write_bytes((ROOT / "examples" / "own_module.py").read_bytes())
        os.chdir(folder)
        for typed in (YARDSTICK, BLOCK):  # bytecode is compiled, and what was derived is kept
            seconds(typed)
        for _ in range(rounds):
            yardsticks.append(seconds(YARDSTICK))
            for typed, found in ratios.items():
                found.append(seconds(typed) / yardsticks[-1])
        os.chdir(ROOT)
    cores = f"{len(os.sched_getaffinity(0))} {platform.machine()} cores"
    print(f"`{YARDSTICK}` took {median(yardsticks):.2f} s of processor time, the median of {rounds} rounds on {cores}")
    print(f"with Python {platform.python_version()}.\n\n| trade | what was typed | × `total` |\n|---|---|---:|")
    for trade, lines in TRADES.items():
        for i, typed in enumerate(lines):
            print(f"| {'' if i else trade} | `{typed}` | {median(ratios[typed]):.1f} |")


if __name__ == "__main__":
    main()
