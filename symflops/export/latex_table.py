"""A table in LaTeX: booktabs rules, columns as wide as what stands in them, formulas that break or move below.

TeX does not tell us how wide things are, so widths are estimated in em, on the safe side. A column is at least as wide
as its widest piece that cannot break; what is left of the line is shared out by need. A formula that would still take
too many lines in its cell is given below the table, where it has the whole width.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor

from symflops import notation
from symflops.errors import SymflopsError
from symflops.export import latex
from symflops.export.conventions import CAPTION
from symflops.export.plain import how, values
from symflops.export.table import Cell, Table
from symflops.grouping import grouped
from symflops.tree import Tree
from symflops.units import exact_number, scaled, unit
from symflops.vocabulary import metrics

ENVIRONMENTS = ("longtable", "table", "table*")
CM = 72.27 / 2.54  # pt
PORTRAIT, LANDSCAPE, COLUMN = 483.0, 730.0, 345.0  # pt: of the standalone page, either way up, and of an article's text
_SIZES = (("footnotesize", 8.6), ("scriptsize", 8.1), ("tiny", 7.0))  # name, pt per em: small type is wider by design
_SEPARATION = 6.0  # pt between two columns
# A formula in a narrow column breaks after any sign.
_SETTING = r"\renewcommand{\arraystretch}{1.15}\emergencystretch=3em\binoppenalty=0 "
_SHORT = 6.0  # em; a formula like 2L + 1 stays on one line
_ONCE = 12.0  # em; a formula that is wider and stands in several cells goes below, once
_LINES = 7  # of a formula in a cell; a longer one goes below
_HEADINGS = {**{metric.name: metric.title for metric in metrics.TABLE}, "path": "layer", "count": "runs"}


@dataclass(frozen=True)
class _Cell:
    """LaTeX or a formula, its width on one line, and that of its widest part that cannot break, in em."""

    text: str = ""
    width: float = 0
    least: float = 0
    tree: Tree | None = None

    def shown(self, names: Mapping[str, str], room: float) -> str:
        return self.text if self.tree is None else f"${notation.inline(self.tree, names, 0.8 * room)}$"


def latex_table(
    table: Table,
    *,
    scale: str = "engineering",
    digits: int = 4,
    standalone: bool = False,
    environment: str = "longtable",
    width: float | None = None,
    caption: str = "",
    reference: str = "",
) -> str:
    """The table with caption, legend and, where needed, formulas below it.

    `standalone` makes a document of it. `environment` is "longtable", which goes over pages, or "table" or "table*", a
    float on one page. `width` is that of the text it goes into, in pt (default: an article's 345; of the page where it
    is standalone). A `caption` stands instead of ours, which then goes below; `reference` is for `\\ref`.
    """
    names = notation.symbols(table.free_symbols)
    moved: dict[Tree, str] = {}  # formulas below the table, each with its mark
    rows = [_row(table, line.texts, line.entries, names, scale, digits) for line in table.lines]
    for row, line in zip(rows, table.lines, strict=True):
        if line.name and "path" in table.places:
            row[table.places.index("path")] = _words(line.name)
    rows.append(_row(table, {"path": ""}, table.sums, names, scale, digits))
    if table.places:
        rows[-1][0] = _Cell(r"\textbf{total}", 3, 3)
    heads = _heads(table, scale)
    available = width or (_page(rows, heads) if standalone else COLUMN)
    least = _least(rows, heads)
    size, em = next((s for s in _SIZES if least * s[1] + _gaps(heads) <= available), _SIZES[-1])
    needed = least * em + _gaps(heads)
    if needed > available:
        raise SymflopsError(
            f"the table does not fit into {available / CM:.1f} cm: it needs {needed / CM:.1f} cm in the smallest type; "
            "take fewer columns or models, more --width, or --standalone"
        )
    usable = (available - _gaps(heads)) / em
    widths = _shared([*rows, heads], usable)
    often = Counter(cell.tree for row in rows for cell in row if cell.tree is not None)
    for row in rows:
        for i, cell in enumerate(row):
            if cell.tree is None:
                continue
            again = often[cell.tree] > 1 and cell.width > _ONCE
            if again or ceil(1.25 * cell.width / widths[i]) > _LINES:
                mark = moved.setdefault(cell.tree, rf"F_{{{len(moved) + 1}}}")
                row[i] = _Cell(f"${mark}$", 2, 2)
    if moved:  # the columns are needed for less now
        widths = _shared([*rows, heads], usable)
    above = (_prose(caption) if caption else _caption(table)) + (rf"\label{{{reference}}}" if reference else "")
    parts = [_begin(table, heads, widths, environment, size, usable * em, above)]
    lines = [" & ".join(c.shown(names, w) for c, w in zip(row, widths, strict=True)) + r" \\" for row in rows]
    parts += [*lines[:-1], r"\midrule", lines[-1], _end(environment)]
    below = [_caption(table)] if caption else []
    below += [_legend(names, table)] if names else []
    below += [rf"${mark} = {{}}{notation.inline(tree, names, 0.8 * usable)}$" for tree, mark in moved.items()]
    if below:
        paragraphs = "\n\n".join(rf"\noindent {text}\par" for text in below)
        parts.append(rf"{{\{size}{_SETTING}\raggedright" + f"\n{paragraphs}}}")
    if environment != "longtable":
        parts.append(rf"\end{{{environment}}}")
    text = "\n".join(parts)
    if standalone:
        return latex.document(text, width=available)
    return f"% needs {', '.join(latex.PACKAGES)}\n{text}"


def _page(rows: Sequence[Sequence[_Cell]], heads: Sequence[_Cell]) -> float:
    """The text width of a page of its own: A4 upright, else lengthwise, else as wide as it takes."""
    if _need(rows, heads) * _SIZES[0][1] + _gaps(heads) <= PORTRAIT:
        return PORTRAIT
    return max(LANDSCAPE, _least(rows, heads) * _SIZES[1][1] + _gaps(heads))


# ---------------------------------------------------------------------------------------------------------------- cells


def _row(
    table: Table,
    texts: Mapping[str, str],
    entries: Sequence[Cell | None],
    names: Mapping[str, str],
    scale: str,
    digits: int,
) -> list[_Cell]:
    cells = [_name(texts.get(column, "")) for column in table.places]
    for entry, column in table.cells(entries):
        cells.append(_quantity(entry, column, names, scale, digits) if entry else _Cell())
    return cells


def _name(text: str) -> _Cell:
    shown = latex.name(text) if text else ""
    pieces = [_plain_length(piece) for piece in shown.removeprefix(r"\texttt{").split(r"\allowbreak{}")]
    return _Cell(shown, 0.54 * sum(pieces), 0.54 * max(pieces))


def _words(text: str) -> _Cell:
    """A name that somebody gave, in roman type; it breaks between words."""
    return _Cell(_prose(text), _width(text), max(map(_width, text.split())))


def _plain_length(text: str) -> int:
    """About how many characters some escaped text shows."""
    length, i = 0, 0
    while i < len(text):
        if text[i] == "\\":
            i += 1
            while i + 1 < len(text) and text[i].isalpha() and text[i + 1].isalpha():
                i += 1
        length += text[i] not in "{}" or text[i - 1] == "\\"
        i += 1
    return length


def _quantity(entry: Cell, column: str, names: Mapping[str, str], scale: str, digits: int) -> _Cell:
    if column == "share":
        return _number(rf"{100 * (entry.share or 0):.1f}\%")
    value = entry.count if column == "count" else entry.cost.value(column)
    if value is None:
        return _Cell()
    if isinstance(value, int) and column == "count":
        return _number(exact_number(value))
    if isinstance(value, int) and entry.cost.evaluated:
        return _number(scaled(value, column, scale, digits))
    tree = grouped(value)
    width = sum(piece.width for piece in notation.pieces(tree, names))
    if width <= _SHORT:
        return _Cell(f"${{{notation.inline(tree, names)}}}$", width, width)
    return _Cell("", width, notation.least_width(tree, names), tree)


def _number(text: str) -> _Cell:
    """A number with its unit; a very long one may break after a group of digits."""
    groups = text.split(",")
    shown = (r",\allowbreak{}" if len(groups) > 8 else ",").join(groups).replace(" ", "~")
    shown = f"$-${shown[1:]}" if shown.startswith("-") else shown
    width = _width(text)
    return _Cell(shown, width, 2.2 if len(groups) > 8 else width)


def _width(text: str) -> float:
    """The width of roman type, in em."""
    return sum(0.95 if c in "MWmw%" else 0.75 if c.isupper() else 0.35 if c in " .,[]" else 0.53 for c in text)


def _heads(table: Table, scale: str) -> list[_Cell]:
    heads = []
    for column in [*table.places, *(column for _, columns in table.groups for column in columns)]:
        noun = unit(column, scale) if column in table.metrics and table.point is not None else ""
        text = table.headings.get(column, _HEADINGS.get(column, column)) + (f" [{noun}]" if noun else "")
        heads.append(
            _Cell(latex.escaped(text).replace(r"\ ", " "), 0.55 * len(text), 0.6 * max(map(len, text.split())))
        )
    return heads


# --------------------------------------------------------------------------------------------------------------- widths


def _gaps(heads: Sequence[_Cell]) -> float:
    return _SEPARATION * (len(heads) - 1)


def _columns(rows: Sequence[Sequence[_Cell]]) -> list[tuple[float, float]]:
    """(least, wanted) of each column, in em. A total does not decide: it is wider than all else, and may take lines."""
    return [
        (max(c.least for c in column) + 0.3, sorted(c.width for c in column)[-2] + 0.6)
        for column in zip(*rows, strict=True)
    ]


def _least(rows: Sequence[Sequence[_Cell]], heads: Sequence[_Cell]) -> float:
    return sum(least for least, _ in _columns([*rows, heads]))


def _need(rows: Sequence[Sequence[_Cell]], heads: Sequence[_Cell]) -> float:
    """The width, in em, at which most cells take few lines."""
    return sum(max(least, min(wanted, 16.0)) for least, wanted in _columns([*rows, heads]))


def _shared(rows: Sequence[Sequence[_Cell]], usable: float) -> list[float]:
    """The width of each column: what it needs at least, and else the same share of what it could use in all of them,
    so that their cells take about as many lines."""
    columns = [(least, min(wanted, 60.0)) for least, wanted in _columns(rows)]

    def widths(share: float) -> list[float]:
        return [max(least, share * wanted) for least, wanted in columns]

    low, high = 0.0, 1.0
    if sum(widths(high)) <= usable:
        return widths(high)
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(widths(middle)) <= usable else (low, middle)
    return widths(low)


# ------------------------------------------------------------------------------------------------------------ the frame


def _begin(
    table: Table,
    heads: Sequence[_Cell],
    widths: Sequence[float],
    environment: str,
    size: str,
    usable: float,
    above: str,
) -> str:
    per_em = dict(_SIZES)[size]
    numbers = table.point is not None
    specification = []
    for i, em in enumerate(widths):
        aligned = r"\raggedleft" if i >= len(table.places) and numbers else r"\raggedright"
        share = floor(1e4 * em * per_em / usable) / 1e4
        length = rf"{share:.4f}\dimexpr\linewidth-{_gaps(heads):.0f}pt\relax"
        specification.append(rf">{{{aligned}\arraybackslash}}p{{{length}}}")
    columns = "@{}\n" + "\n".join(specification) + "\n@{}"
    head = _head(table, heads)
    caption = rf"\caption{{{above}}}"
    setup = rf"\setlength{{\tabcolsep}}{{{_SEPARATION / 2:g}pt}}"
    if environment == "longtable":
        again = rf"\multicolumn{{{len(heads)}}}{{@{{}}l@{{}}}}{{\tablename\ \thetable, continued}}\\"
        return "\n".join(
            [
                rf"\begingroup\{size}{setup}\setlength{{\LTcapwidth}}{{\linewidth}}{_SETTING}",
                rf"\begin{{longtable}}{{{columns}}}",
                rf"{caption}\\",
                head,
                r"\endfirsthead",
                again,
                head,
                r"\endhead",
                r"\bottomrule",
                r"\endlastfoot",
            ]
        )
    start = rf"\begin{{{environment}}}" + "\n" + rf"\{size}{setup}{_SETTING}"
    return "\n".join([start, caption, rf"\begin{{tabular}}{{{columns}}}", head])


def _end(environment: str) -> str:
    return r"\end{longtable}" + "\n" + r"\endgroup" if environment == "longtable" else "\\bottomrule\n\\end{tabular}\n"


def _head(table: Table, heads: Sequence[_Cell]) -> str:
    lines = [r"\toprule"]
    if len(table.models) > 1:
        over, rules, last = [], [], len(table.places)
        for i, (name, columns) in enumerate(table.groups):
            shown = latex.name(name) if i < len(table.models) else name
            over.append(rf"\multicolumn{{{len(columns)}}}{{@{{}}c@{{}}}}{{{shown}}}")
            rules.append(rf"\cmidrule(lr){{{last + 1}-{last + len(columns)}}}")
            last += len(columns)
        lines.append(" & ".join([*("" for _ in table.places), *over]) + r" \\")
        lines.append("".join(rules))
    lines.append(" & ".join(cell.text for cell in heads) + r" \\")
    return "\n".join([*lines, r"\midrule"])


def _caption(table: Table) -> str:
    named = ", ".join(latex.name(model.name) for model in table.models)
    return rf"Cost of {named}: {_prose(f'{how(table)}. {CAPTION}')}"


def _prose(text: str) -> str:
    return latex.escaped(text).replace("\\ ", " ").replace("-{}", "-").replace(",{}", ",")


def _legend(names: Mapping[str, str], table: Table) -> str:
    """Each symbol with its name and the value that the configs give it."""
    meanings = []
    for name, shown in sorted(names.items(), key=lambda pair: (pair[1].lower(), pair[1])):
        numbers = " or ".join(rf"${value:,}$".replace(",", "{,}") for value in values(name, table))
        meanings.append(rf"${shown}$: {latex.name(name)}" + (f"~=~{numbers}" if numbers else ""))
    return r"\textbf{Symbols.} " + "; ".join(meanings) + "."
