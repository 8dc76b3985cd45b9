"""What notebooks show: HTML tables and pandas DataFrames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from symflops.errors import SymflopsError

if TYPE_CHECKING:
    from pandas import DataFrame as DataFrame


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
