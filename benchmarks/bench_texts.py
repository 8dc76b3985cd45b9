"""The longest texts that the language allows, of the kinds in tests/test_budget.py: processor seconds of each use.

    python benchmarks/bench_texts.py

A use that takes more than a second, or an expression that is not read back the same, makes the exit status 1.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from fuzz_language import WRITERS

import symflops
from symflops import SymflopsError, algebra

SECONDS = 1.0


def names(count: int, letter: str = "n") -> list[str]:
    return [f"{letter}{i}" for i in range(count)]


def pairs(count: int) -> list[tuple[str, str]]:
    return list(zip(names(count), names(count, "m"), strict=True))


PLAIN_SUM = "+".join(names(14_000))
TEXTS = {
    "(a+b+c)**200": "(a+b+c)**200",
    "60 times 60": "(a+b+c+d)**60*(a+b+c+d)**60",
    "sum of powers": "+".join(f"(a+b)**{k}" for k in range(900, 999)),
    "one power of 301 terms": "(a+b)**300",
    "more minima": f"min({','.join(names(14_000))})",
    "plain sum": PLAIN_SUM,
    "sum of products": "+".join(f"{n}*{m}" for n, m in pairs(7000)),
    "sum of floors": "+".join(f"floor({n}/3)" for n in names(5000)),
    "sum of quotients": "+".join(f"({n} + 1) // {m}" for n, m in pairs(3000)),
    "sum of minima": "+".join(f"min({n},{m})" for n, m in pairs(5000)),
    "product of names": "*".join(names(5000)),
    "factors in pairs": "+".join(f"a{i}*b{i}+a{i}*c{i}" for i in range(2000)),
    "one over a sum": f"1/({PLAIN_SUM})",
    "roots": f"({'+'.join(f'sqrt({i})' for i in range(2, 60))})**2",
    "product of sums": f"({'+'.join(names(300))})*({'+'.join(names(300, 'm'))})",
    "product of many sums": "*".join(f"({n}+1)" for n in names(15)),
    "fewer powers of two": "*".join(f"2**({n}+1)" for n in names(1000)),
    "fewer quotients": "+".join(f"({n} + 1) // {m}" for n, m in pairs(1000)),
    "powers of two": "*".join(f"2**({n}+1)" for n in names(3000)),
    "power of 18 terms": "(" + "+".join(names(18)) + ")**3",
    "nested powers": "2**(" * 40 + "a" + ")" * 40 + "+(a+b+c)**60",
    "seq_len": "(seq_len+b)**200",
}


def main() -> int:
    slow = wrong = 0
    for name, text in TEXTS.items():
        spent: dict[str, float] = {}

        def timed(use: str, of: Callable[[], Any], spent: dict[str, float] = spent) -> Any:
            begun = time.process_time()
            try:
                return of()
            except SymflopsError as error:
                print(f"  {name} ({use}): {str(error)[:100]}")  # noqa: B023  # used within its own turn
                return None
            finally:
                spent[use] = time.process_time() - begun

        value = timed("value", lambda text=text: algebra.from_text(text))
        if value is not None:
            cost = symflops.Cost.of(flops=value)
            timed("flops", lambda cost=cost: cost.flops)
            timed("text", lambda cost=cost: cost.text("flops"))
            for use, write in WRITERS.items():
                timed(use, lambda write=write, cost=cost: write(cost))
            point = dict.fromkeys(cost.free_symbols, 3)
            timed("at", lambda cost=cost, point=point: cost.at(**point))
            timed("solve", lambda text=text: symflops.solve("gpt2", f"{text} <= 7", "seq_len", batch_size=2))
        expression = timed("parse", lambda text=text: symflops.parse(text))
        written = None if expression is None else timed("unparse", lambda e=expression: symflops.unparse(e))
        if written is not None and timed("parse again", lambda w=written: symflops.parse(w)) != expression:
            wrong += 1
            print(f"  {name}: not read back the same")
        slow += sum(seconds > SECONDS for seconds in spent.values())
        print(f"{name:24} {'  '.join(f'{use} {seconds:.2f}' for use, seconds in spent.items())}", flush=True)
    print(f"{len(TEXTS)} texts: {slow} uses took more than {SECONDS:g} s, {wrong} were not read back the same")
    return int(bool(slow or wrong))


if __name__ == "__main__":
    sys.exit(main())
