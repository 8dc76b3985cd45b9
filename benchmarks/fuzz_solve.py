"""Random questions to solve, regimes, compare, generation and roofline, judged by asking Python's own fractions.

    python benchmarks/fuzz_solve.py [--count 10000] [--seed 1] [--kind solve]

Prints how many of each kind were tried, failed and refused, what was refused and why, and every failure.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import questions_asked

from symflops.errors import SymflopsError

# Of a hundred questions; the kinds that take longest are asked least.
SHARES = {
    "symbols": 32, "conditions": 16, "layers": 12, "curves": 16, "bytes": 4, "architecture": 4, "multiples": 2,
    "experts": 4, "regimes": 3, "compare": 2, "generation": 4, "roofline": 1,
}  # fmt: skip


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--kind", choices=sorted(questions_asked.KINDS))
    options.add_argument("--refusals", action="store_true", help="print every question that was refused")
    options.add_argument("--slow", type=float, default=2.0, help="seconds of processor time from which on one is named")
    given = options.parse_args()
    kinds = [given.kind] if given.kind else list(SHARES)
    order = [kind for kind in kinds for _ in range(1 if given.kind else SHARES[kind])]
    random.Random(0).shuffle(order)
    tried, failed, refused, reasons = Counter(), Counter(), Counter(), Counter()
    try:
        for i in range(given.count):
            kind = order[i % len(order)]
            tried[kind] += 1
            began = time.process_time()
            asked: list[str] = []
            try:
                questions_asked.KINDS[kind](random.Random(f"{given.seed} {i}"), asked)
            except SymflopsError as error:
                refused[kind] += 1
                reasons[kind, re.sub(r"[\d,.]+|'.*?'", "#", str(error))[:70]] += 1
                if given.refusals:
                    print(f"REFUSED {kind} {given.seed} {i}: {asked}: {error}", flush=True)
            except Exception as error:
                failed[kind] += 1
                print(f"FAILED {kind} {given.seed} {i}: {asked}: {type(error).__name__}: {error}", flush=True)
                if not isinstance(error, AssertionError):
                    traceback.print_exc()
            if (seconds := time.process_time() - began) > given.slow:
                print(f"SLOW {seconds:.1f} s {kind} {given.seed} {i}: {asked}", flush=True)
    except KeyboardInterrupt:
        print("stopped before the end", flush=True)
    for (kind, reason), count in reasons.most_common(25):
        print(f"{count:6} refused  {kind:12} {reason}")
    for kind in kinds:
        print(f"{kind:14} tried {tried[kind]:6}  failed {failed[kind]:4}  refused {refused[kind]:5}")
    print(f"{'all':14} tried {tried.total():6}  failed {failed.total():4}  refused {refused.total():5}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
