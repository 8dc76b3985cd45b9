"""Numbers and tables as people read them in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from symflops.units import engineering as engineering
from symflops.units import exact_number as exact_number
from symflops.units import printable as printable


def aligned(rows: Sequence[Sequence[str]], right: Sequence[bool]) -> str:
    """Rows as columns, numbers to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(right))]
    lines = []
    for row in rows:
        cells = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
