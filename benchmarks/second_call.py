"""How long a total takes: of a shipped model, of a config for the first time, and of the same config again.

    python benchmarks/second_call.py [MODEL_TYPE] [RUNS]

Processor time of whole processes, the median of RUNS, all taken in turns so that a busy machine slows all of them; the
first call is made once.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from statistics import median


def seconds(*arguments: str) -> float:
    """Processor time of a `symflops` process."""
    before = os.times()
    subprocess.run([sys.executable, "-m", "symflops", *arguments], check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main() -> None:
    kind = sys.argv[1] if len(sys.argv) > 1 else "llama"
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 9
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SYMFLOPS_CACHE"] = folder
        first = seconds("total", kind)
        pairs = [(seconds("total", "llama-2-7b-hf"), seconds("total", kind)) for _ in range(runs)]
    shipped, again = (median(pair[i] for pair in pairs) for i in (0, 1))
    print(f"shipped model {shipped:.2f} s, {kind} first {first:.2f} s, again {again:.2f} s")
    print(f"again / shipped = {again / shipped:.2f}, again / first = {again / first:.3f}")


if __name__ == "__main__":
    main()
