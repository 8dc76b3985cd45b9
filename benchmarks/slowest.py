"""How long the types that take longest to derive take in full size, for docs/explanation/speed.md.

    python benchmarks/slowest.py [ROUNDS]

Processor time of `derive` alone, in a process of its own that has PyTorch and the type's source imported. The median of
the rounds is printed for each, with the load of the machine when the round began: a busy machine takes longer.
"""

from __future__ import annotations

import os
import subprocess
import sys
from statistics import median

# The defaults of each config class are of full size.
CONFIGS = (
    "DeepseekV4Config",
    "KimiLinearConfig",
    "Qwen3NextConfig",
    "OlmoHybridConfig",
    "Qwen3_5Config",
    "Qwen3_5MoeConfig",
    "JambaConfig",
    "SwinConfig",
    "Gemma3nTextConfig",
)
ONE = """
import sys, time
import transformers
from symflops import derive
config = getattr(transformers, sys.argv[1])()
begin = time.process_time()
derive(config)
print(time.process_time() - begin)
"""


def seconds(config: str) -> float:
    """Processor seconds of deriving the config's defaults."""
    done = subprocess.run([sys.executable, "-c", ONE, config], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{config}: {done.stderr.strip().splitlines()[-1]}")
    return float(done.stdout.split()[-1])


def main(rounds: int) -> None:
    print("| config, its defaults | processor seconds, median | each round, at the load |\n|---|---:|---|")
    for config in CONFIGS:
        taken = [(os.getloadavg()[0], seconds(config)) for _ in range(rounds)]
        each = ", ".join(f"{time:.1f} at {load:.1f}" for load, time in taken)
        print(f"| {config} | {median(time for _, time in taken):.1f} | {each} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
