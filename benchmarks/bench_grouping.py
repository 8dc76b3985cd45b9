"""How long formulas are, against SymPy's `factor`, `horner` and `collect`: totals of shipped and of derived models.

python benchmarks/bench_grouping.py                  # the shipped models
python benchmarks/bench_grouping.py gemma2 bloom     # small configs of these types, derived first
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator

import sympy

import symflops
from symflops.cost import METRICS
from symflops.model import model_names


def totals(types: list[str]) -> Iterator[tuple[str, symflops.Cost]]:
    """Each model's total, as formulas in its sizes."""
    if not types:
        yield from ((name, symflops.load(name).total(symbolic=True)) for name in model_names())
        return
    from small_configs import small_config

    for name in types:
        yield name, symflops.derive(small_config(name, 0)).total(symbolic=True)


def sympy_forms(text: str) -> Iterator[tuple[str, int]]:
    """Each way in which SymPy writes a formula shorter than expanded, and how long it then is."""
    expanded = sympy.expand(symflops.parse(text))
    symbols = sorted(expanded.free_symbols, key=str)
    yield "factor", len(str(sympy.factor(expanded)))
    yield "collect", len(str(sympy.collect(expanded, symbols)))
    for symbol in symbols:
        yield f"collect by {symbol}", len(str(sympy.collect(expanded, symbol)))
    if symbols and expanded.is_polynomial(*symbols):
        yield "horner", len(str(sympy.horner(expanded)))


def main() -> None:
    longer, shares, ours_s, sympy_s = 0, [], 0.0, 0.0
    print("| model | metric | characters | SymPy's shortest | by |\n|---|---|---:|---:|---|")
    for name, total in totals(sys.argv[1:]):
        for metric in METRICS:
            start = time.process_time()
            text = total.text(metric)
            middle = time.process_time()
            way, length = min(sympy_forms(text), key=lambda form: form[1])
            ours_s, sympy_s = ours_s + middle - start, sympy_s + time.process_time() - middle
            longer += len(text) > length
            shares.append(len(text) / length)
            print(f"| {name} | {metric} | {len(text)} | {length} | {way} |", flush=True)
    share = statistics.median(shares)
    print(f"\n{longer} of {len(shares)} longer than SymPy's shortest; median {share:.2f} of its length")
    print(f"processor time: {ours_s:.2f} s, SymPy's ways together {sympy_s:.2f} s")


if __name__ == "__main__":
    main()
