"""Where decoding turns compute-bound: compute time against memory time along batch size or cache length, solved."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from symflops.algebra import substitute
from symflops.analysis.hardware import Hardware
from symflops.analysis.question import lowest
from symflops.analysis.roots import curves, roots
from symflops.analysis.signs import ranges, signs
from symflops.analysis.summation import coefficients
from symflops.cost import Cost
from symflops.errors import SymflopsError
from symflops.function import maximum
from symflops.polynomial import Value, add, multiply, negate


@dataclass(frozen=True)
class Turning:
    """Where decoding (one token per sequence and step) is compute-bound along one symbol.

    `at` says what is held fixed. `ranges` are whole numbers, None without end; `closed` is the closed form of the first
    edge, where there is one, and `curve` that edge with the cache's length as a symbol, where it is positive.
    """

    symbol: str
    at: str
    ranges: tuple[tuple[int, int | None], ...]
    closed: Value | None
    curve: Value | None

    @property
    def expression(self) -> Any:
        """The first edge as a SymPy expression; None where it has no closed form."""
        from symflops.expr import to_sympy

        return None if self.closed is None else to_sympy(self.closed)

    @property
    def first(self) -> int | None:
        """From which number on it is compute-bound; None if it never is."""
        return self.ranges[0][0] if self.ranges else None

    @property
    def sentence(self) -> str:
        """The ranges in words."""
        if not self.ranges:
            return f"at {self.at}, decoding is memory-bound for every {self.symbol}"
        parts = [f"{a:,} to {b:,}" if b is not None else f"{a:,} on" for a, b in self.ranges]
        return f"at {self.at}, decoding is compute-bound for {self.symbol} from {' and from '.join(parts)}"


def balance(cost: Cost, machine: Hardware, dtype: str, unfused: bool) -> tuple[Value, Value]:
    """Compute time minus memory time, both times the bandwidth: of matrix products alone, and of vectors too."""
    matmul = cost.value("matmul_flops")
    moved = add(cost.value("read_bytes"), cost.value("write_bytes"))
    if unfused:
        moved = add(moved, multiply(2, cost.value("intermediate_bytes")))
    products = multiply(matmul, machine.bandwidth / machine.peak[dtype])
    peak = machine.vector_peak(dtype)
    others = 0 if peak is None else multiply(add(cost.value("flops"), negate(matmul)), machine.bandwidth / peak)
    return add(products, negate(moved)), add(others, negate(moved))


def turning(balances: tuple[Value, Value], symbol: str, values: Mapping[str, Value], fixed: str) -> Turning:
    """Where one of two balances is not negative along a symbol; `fixed` is the symbol that the answer is told with."""
    products, others = (substitute(value, values) for value in balances)
    curve = None
    if symbol == "batch_size":
        with suppress(SymflopsError):  # where there is no closed form
            curves_found = curves(substitute(balances[0], {n: v for n, v in values.items() if n != fixed}), symbol)
            curve = curves_found[0] if len(curves_found) == 1 else None
    return _turning(maximum(products, others), products, symbol, f"{fixed} = {values[fixed]}", curve)


def turning_for_large_batches(balances: tuple[Value, Value], values: Mapping[str, Value]) -> Turning:
    """Up to which cache length decoding can be compute-bound at all: what grows fastest with the batch decides."""
    leading = []
    for value in balances:
        by_degree = coefficients(substitute(value, values), "batch_size")
        leading.append(by_degree.get(max(by_degree, default=0), 0))
    return _turning(maximum(*leading), leading[0], "past_len", "large batches", None)


def _turning(balance: Value, products: Value, symbol: str, at: str, curve: Value | None) -> Turning:
    found = ranges(signs(balance, symbol, lowest(symbol)), (0, 1))
    edge = None
    if found:
        start, end = found[0]
        limit = start - 1 if start > lowest(symbol) else end
        near = [r for r in roots(products, symbol, lowest(symbol)) if limit is not None and limit <= r.low <= limit + 1]
        edge = near[0].closed if near else None
    return Turning(symbol, at, tuple(found), edge, curve)
