"""Where decoding turns compute-bound: compute time against memory time along batch size or cache length, solved."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from symflops.algebra import substitute
from symflops.analysis.curves import curves
from symflops.analysis.feasible import Feasible, lowest
from symflops.analysis.growth import leading
from symflops.analysis.roots import roots
from symflops.analysis.signs import pattern
from symflops.cost import Cost
from symflops.errors import SymflopsError
from symflops.function import maximum
from symflops.hardware import Hardware
from symflops.polynomial import Value, add, divide, multiply, negate, power, symbol

if TYPE_CHECKING:
    import sympy


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
    within: str = ""  # the conditions of the model, in words

    @property
    def expression(self) -> sympy.Expr | None:
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
            return f"at {self.at}, decoding is memory-bound for every {self.symbol}{self.within}"
        parts = [f"{a:,} to {b:,}" if b is not None else f"{a:,} on" for a, b in self.ranges]
        return f"at {self.at}, decoding is compute-bound for {self.symbol} from {' and from '.join(parts)}{self.within}"


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


def turning(balances: tuple[Value, Value], asked: Feasible, values: Mapping[str, Value], fixed: str) -> Turning:
    """Where one of two balances is not negative along a symbol; `fixed` is the symbol that the answer is told with."""
    symbol = asked.name
    products, others = (substitute(value, values) for value in balances)
    curve = None
    if symbol == "batch_size":
        with suppress(SymflopsError):  # where there is no closed form
            _, found = curves(substitute(balances[0], {n: v for n, v in values.items() if n != fixed}), symbol)
            curve = found[0].closed if len(found) == 1 else None
    return _turning(maximum(products, others), products, asked, f"{fixed} = {values[fixed]}", curve)


def turning_for_large_batches(balances: tuple[Value, Value], asked: Feasible, values: Mapping[str, Value]) -> Turning:
    """Up to which cache length decoding can be compute-bound at all: what grows fastest with the batch decides."""
    slopes: list[Value] = []
    for value in balances:
        first, degree = leading(substitute(value, values), "batch_size")
        if degree not in (0, 1):
            raise SymflopsError("time does not grow in proportion to the batch")
        slopes.append(divide(first, power(symbol("batch_size"), degree)))
    return _turning(maximum(*slopes), slopes[0], asked, "large batches", None, (1,))


def _turning(
    balance: Value, products: Value, asked: Feasible, at: str, curve: Value | None, wanted: tuple[int, ...] = (0, 1)
) -> Turning:
    first = lowest(asked.name)
    found = asked.narrowed(pattern(balance, asked.name, first, asked.last).where(wanted))
    if found.cycle:
        raise SymflopsError(f"compute-bound and memory-bound alternate without end, every {found.period:,}")
    edge = None
    if found:
        start, end = found.ranges[0]
        limit = start - 1 if start > asked.first else end
        near = [r for r in roots(products, asked.name, first) if limit is not None and limit <= r.low <= limit + 1]
        edge = near[0].closed if near else None
    return Turning(asked.name, at, found.ranges, edge, curve, asked.within)
