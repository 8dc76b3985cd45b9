"""The verifier against Python's fractions: random pairs of formulas, judged at a box of points.

Prints what is wrong as it is found, what stays unproven with -v, and a Markdown table at the end. Times are of the
verifying thread's computing, as the budget is.

With `leading`, pairs are compared up to lower-order terms and judged along random directions in which the symbols grow.

python benchmarks/fuzz_verify.py [-v] [leading] [pairs [seed]]
"""

from __future__ import annotations

import statistics
import sys
from collections import Counter
from pathlib import Path
from time import thread_time

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from verification_pairs import Maker, brute, judged, judged_leading, reads

import symflops


def main() -> None:
    numbers = [int(a) for a in sys.argv[1:] if a.isdigit()]
    wanted, seed = (numbers + [20_000, 1][len(numbers) :])[:2]
    maker, count, wrong = Maker(seed), 0, 0
    tolerance = "leading" if "leading" in sys.argv else "exact"
    found: Counter[str] = Counter()
    times: list[float] = []
    while count < wanted:
        pair = maker.leading_pair() if tolerance == "leading" else maker.pair()
        if not (reads(pair.a) and reads(pair.b)):  # a division by zero that the language refuses
            continue
        count += 1
        start = thread_time()
        try:
            verdict = symflops.verify(pair.a, pair.b, assume=pair.conditions, tolerance=tolerance)
        except symflops.SymflopsError as error:  # such as a division by zero under the conditions
            verdict = symflops.Verdict("unproven", "flops", pair.a, pair.b, str(error))
            if any(brute(pair.a, p) is not None and brute(pair.b, p) is not None for p in pair.points()):
                wrong += 1
                print(f"REFUSED: {pair}: {error}")
        times.append(thread_time() - start)
        status = "empty" if "exclude every point" in verdict.proof else verdict.status
        found[status] += 1
        fault = judged(pair, verdict) if tolerance == "exact" else judged_leading(pair, verdict, maker.random)
        if fault:
            wrong += 1
            print(
                f"WRONG {verdict.status}: {pair.a!r}, {pair.b!r}, {pair.conditions} ({pair.kind}): {fault}", flush=True
            )
        if "-v" in sys.argv and (status == "unproven" or times[-1] > 0.5):
            shown = f"{pair.a!r}, {pair.b!r}, {pair.conditions} ({pair.kind})"
            print(f"{status} {times[-1]:.2f} s: {shown}: {verdict.proof[:200]}")
    print("| what | bar | measured |\n|---|---|---|")
    for what, bar, measured in (
        ("wrong verdicts", "0", f"{wrong} of {count}"),
        ("unproven", "1 %", f"{found['unproven'] / count:.2%}"),
        ("equal, different, no point", "", f"{found['equal']}, {found['different']}, {found['empty']}"),
        ("median time", "10 ms", f"{statistics.median(times) * 1e3:.1f} ms"),
        ("longest", "1.1 s", f"{max(times):.2f} s"),
    ):
        print(f"| {what} | {bar} | {measured} |")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
