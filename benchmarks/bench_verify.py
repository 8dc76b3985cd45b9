"""How the verifier does on its benchmark set: verdicts, planted faults named first, and time; prints a Markdown table.

Times are of the verifying thread's computing, as the budget is. With -v, what is not as planted is listed first.

python benchmarks/bench_verify.py [-v]
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from time import thread_time

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from verification_set import Case, right, wrong

import symflops

BUDGET = 1.0


def judged(cases: list[Case]) -> list[tuple[Case, symflops.Verdict, float]]:
    found = []
    for case in cases:
        candidate, reference = case.sides()
        start = thread_time()
        verdict = symflops.verify(candidate, reference, case.metric, budget=BUDGET)
        found.append((case, verdict, thread_time() - start))
    return found


def main() -> None:
    verbose = "-v" in sys.argv
    rights, wrongs = judged(right()), judged(wrong())
    equal = [v for _, v, _ in rights if v.status == "equal"]
    different = [v for _, v, _ in wrongs if v.status == "different"]
    named = [v for case, v, _ in wrongs if v.findings and v.findings[0].kind in case.kinds]
    smallest = [v for v in different if v.smallest]
    if verbose:
        for case, v, seconds in rights:
            if v.status != "equal":
                print(f"{v.status} ({seconds * 1e3:.0f} ms): {case.name}: {v.proof} {v.counterexample}")
        for case, v, _ in wrongs:
            first = v.findings[0].kind if v.findings else "nothing"
            if v.status != "different" or first not in case.kinds:
                print(f"{v.status}: {case.name}: planted {case.kinds}, named {first}: {v.diagnosis[:150]}")
    times = sorted(seconds for _, _, seconds in (*rights, *wrongs))
    late = times[-len(times) // 20]
    rows = [
        ("right rewrites that are proved equal", "all", f"{len(equal)} of {len(rights)}"),
        ("wrong ones that are shown to be different", "all", f"{len(different)} of {len(wrongs)}"),
        ("planted fault named first", "90 %", f"{len(named) / len(wrongs):.1%}"),
        ("counterexample known to be the smallest", "", f"{len(smallest) / len(wrongs):.1%}"),
        ("median time", "10 ms", f"{statistics.median(times) * 1e3:.1f} ms"),
        ("95th percentile, longest", f"{BUDGET:g} s", f"{late * 1e3:.0f} ms, {times[-1]:.2f} s"),
    ]
    print("| what | bar | measured |\n|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
