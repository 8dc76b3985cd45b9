"""Process time of every question on Llama 3.1 405B, each in a process of its own, beyond importing SymPy.

python benchmarks/bench_answers.py
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import symflops

ROOT = Path(__file__).parent.parent
ROUNDS = 5
BAR = 2.0  # seconds
# https://huggingface.co/meta-llama/Llama-3.1-405B/blob/main/config.json; the same architecture as the 8B model.
SIZES = {
    "hidden_size": 16384, "intermediate_size": 53248, "num_hidden_layers": 126, "num_attention_heads": 128,
    "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 128256,
}  # fmt: skip
QUESTIONS = [
    ["solve", "MODEL", "flops(self_attn) == flops(mlp)", "--for", "seq_len"],
    ["solve", "MODEL", "flops(self_attn) == flops(mlp)", "--for", "seq_len", "--symbolic"],
    ["solve", "MODEL", "weights + cache <= 8*141 GB", "--for", "batch_size", "-S", "8192"],
    ["solve", "MODEL", "weights + cache <= 8*141 GB", "--for", "batch_size"],
    ["solve", "MODEL", "flops == 1e18 FLOP", "--for", "seq_len", "-B", "1"],
    ["solve", "MODEL", "flops/(read_bytes + write_bytes) >= 100", "--for", "batch_size", "-S", "1", "-P", "100"],
    ["regimes", "MODEL", "--at", "8192"],
    ["regimes", "MODEL", "--by", "past_len", "--metric", "read_bytes"],
    ["generation", "MODEL"],
    ["generation", "MODEL", "-B", "8", "-p", "8192", "-n", "1024"],
    ["compare", "MODEL", "llama-3.1-8b"],
    ["compare", "MODEL", "2*N per token", "--within", "10%"],
    ["roofline", "MODEL", "--hardware", "h200-sxm", "--devices", "8", "-B", "64", "-S", "1", "-P", "8192"],
]


def process_time(*arguments: str) -> float:
    """User and system time of a Python process, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    data = symflops.load("llama-3.1-8b").to_dict() | {"name": "Llama-3.1-405B"}
    data["symbols"] |= SIZES
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "llama-3.1-405b.json")
        path.write_text(json.dumps(data))
        times: dict[str, list[float]] = {}
        for _ in range(ROUNDS):  # questions take turns, so that a slow moment of the machine meets all of them
            sympy = process_time("-c", "import sympy")
            for question in QUESTIONS:
                shown = " ".join(["symflops", *(f"'{q}'" if " " in q else q for q in question)])
                real = [str(path) if q == "MODEL" else q for q in question]
                times.setdefault(shown, []).append(process_time("cli.py", *real, "--format", "json") - sympy)
    print(f"| question | at most {BAR:.0f} s beyond importing SymPy |\n|---|---|")
    for shown, measured in times.items():
        print(f"| `{shown}` | {statistics.median(measured):.2f} s |")
    worst = max(statistics.median(measured) for measured in times.values())
    print(f"\nslowest: {worst:.2f} s")


if __name__ == "__main__":
    main()
