"""What prompts and notebooks show: tables as text and in HTML, and pandas DataFrames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from symflops.errors import SymflopsError, one_line

if TYPE_CHECKING:
    from pandas import DataFrame as DataFrame


_ENDS = 5  # rows at each end of a long table


def ends(length: int) -> list[int | None]:
    """Which rows of a long table are shown: the first and the last ones, and None for those between.

    >>> ends(3), ends(100)
    ([0, 1, 2], [0, 1, 2, 3, 4, None, 95, 96, 97, 98, 99])
    """
    if length <= 2 * _ENDS:
        return [*range(length)]
    return [*range(_ENDS), None, *range(length - _ENDS, length)]


def text(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool]) -> str:
    """A table of texts in columns, each in one line whatever it contains.

    >>> print(text(["layer", "runs"], [["a", "10"], ["mlp", "2"]], [False, True]))
    layer  runs
    a        10
    mlp       2
    """
    lines = [[one_line(cell, 80) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = [
        [cell.rjust(width) if r else cell.ljust(width) for cell, width, r in zip(line, widths, right, strict=True)]
        for line in lines
    ]
    return "\n".join("  ".join(line).rstrip() for line in aligned)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool], caption: str = "") -> str:
    """An HTML table of texts; whatever they contain is shown as text.

    >>> "&lt;script&gt;</td>" in table(["layer"], [["<script>"]], [False])
    True
    """

    def cells(tag: str, texts: Sequence[str]) -> str:
        aligned = zip(texts, right, strict=True)
        return "".join(
            f'<{tag} style="text-align:{"right" if r else "left"}">{escape(text)}</{tag}>' for text, r in aligned
        )

    title = f'<caption style="text-align:left">{escape(caption)}</caption>' if caption else ""
    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table>{title}<thead><tr>{cells('th', header)}</tr></thead><tbody>{body}</tbody></table>"


def frame(columns: Mapping[str, Any]) -> DataFrame:
    """A DataFrame of columns by name. Raises SymflopsError where pandas is not installed."""
    try:
        import pandas
    except ImportError as error:
        raise SymflopsError(f"a DataFrame needs pandas ({error}): pip install 'symflops[pandas]'") from None
    return pandas.DataFrame({name: columns[name] for name in columns})
