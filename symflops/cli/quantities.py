"""Numbers and tables as people read them."""

from __future__ import annotations

from collections.abc import Sequence

from symflops.cost import UNITS
from symflops.errors import SymflopsError

_PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z", "Y", "R", "Q")
_NOUNS = {"FLOP": "FLOP", "byte": "B", "count": ""}


def printable(number: int) -> int:
    """The number itself; an error when it exceeds Python's own limit on the digits of an integer."""
    try:
        str(number)
    except ValueError:
        raise SymflopsError(f"a number of {number.bit_length():,} bits is too long to print") from None
    return number


def exact_number(number: int) -> str:
    """Every digit, in groups of three."""
    return f"{printable(number):,}"


def engineering(number: int, metric: str) -> str:
    """Four significant digits with a decimal prefix: 29.26 TFLOP."""
    scale = (len(str(abs(number))) - 1) // 3
    noun = _NOUNS[UNITS[metric]]
    if scale == 0:
        return f"{number} {noun}".rstrip()
    if scale >= len(_PREFIXES):  # also beyond what a float holds
        from decimal import Decimal

        return f"{Decimal(number):.3e} {noun}".rstrip()
    mantissa = f"{number / 10 ** (3 * scale):.4g}"
    return f"{mantissa} {_PREFIXES[scale]}{noun}"


def aligned(rows: Sequence[Sequence[str]], right: Sequence[bool]) -> str:
    """Rows as columns, numbers to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(right))]
    lines = []
    for row in rows:
        cells = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
