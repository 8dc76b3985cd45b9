"""What prompts and notebooks show: tables as text and in HTML, and pandas DataFrames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from symflops import mathml
from symflops.errors import SymflopsError, one_line
from symflops.tree import Tree

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


class Html(str):
    """A text that is HTML already; every other text is shown as it is, whatever it contains."""

    __slots__ = ()


Cell = str | Html
Column = Sequence[object]


def markup(cell: Cell) -> str:
    return cell if isinstance(cell, Html) else escape(cell)


def formula(tree: Tree, names: Mapping[str, str] | None = None) -> Html:
    """A formula in MathML; `names` gives symbols the short names that are shown."""
    return Html(mathml.formula(tree, names))


def legend(names: Mapping[str, str]) -> str:
    """What short names stand for.

    >>> legend({"seq_len": "S", "x": "x"})
    'S = seq_len'
    """
    return ", ".join(f"{new} = {name}" for name, new in sorted(names.items(), key=lambda pair: pair[1]) if new != name)


def heading(text: str) -> str:
    return f"<p><b>{escape(text)}</b></p>"


def paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>" if text else ""


def facts(rows: Sequence[Sequence[Cell]]) -> str:
    """An HTML table without a header: what, and how much."""
    body = "".join(_line("td", row, (False,) * len(row)) for row in rows)
    return f"<table><tbody>{body}</tbody></table>"


def table(header: Sequence[str], rows: Sequence[Sequence[Cell]], right: Sequence[bool], caption: str = "") -> str:
    """An HTML table; whatever its texts contain is shown as text.

    >>> "&lt;script&gt;</td>" in table(["layer"], [["<script>"]], [False])
    True
    """
    title = f'<caption style="text-align:left">{escape(caption)}</caption>' if caption else ""
    body = "".join(_line("td", row, right) for row in rows)
    return f"<table>{title}<thead>{_line('th', header, right)}</thead><tbody>{body}</tbody></table>"


def _line(tag: str, cells: Sequence[Cell], right: Sequence[bool]) -> str:
    aligned = zip(cells, right, strict=True)
    inside = "".join(
        f'<{tag} style="text-align:{"right" if r else "left"}">{markup(cell)}</{tag}>' for cell, r in aligned
    )
    return f"<tr>{inside}</tr>"


def frame(columns: Mapping[str, Any]) -> DataFrame:
    """A DataFrame of columns by name; whole numbers of which some are missing stay whole. Raises SymflopsError where
    pandas is not installed."""
    try:
        import pandas
    except ImportError as error:
        raise SymflopsError(f"a DataFrame needs pandas ({error}): pip install 'symflops[pandas]'") from None
    made = pandas.DataFrame({name: columns[name] for name in columns})
    for name, column in columns.items():
        if isinstance(column, list) and None in column:
            there = [n for n in column if n is not None]
            if there and all(type(n) is int and abs(n) < 2**63 for n in there):
                made[name] = pandas.array(column, dtype="Int64")
    return made
