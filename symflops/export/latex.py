"""LaTeX: closed forms as equations, texts of unknown origin escaped, a document around either."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

from symflops import notation
from symflops.cost import Cost
from symflops.errors import one_line
from symflops.tree import Tree

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\char34{}", "`": r"\`{}", "'": r"'{}", "-": "-{}", ",": ",{}", " ": r"\ ",
}  # fmt: skip
# Combining characters that TeX's own fonts have as accents.
_ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u", "\u0307": ".",
    "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0327": "c",
}  # fmt: skip
_RUN = 15  # letters of one word that stay together
_BREAK = r"\allowbreak{}"

PACKAGES = ("amsmath", "array", "booktabs", "longtable")


def escaped(text: str) -> str:
    r"""A text of unknown origin as LaTeX that shows it, in ASCII; what TeX's own fonts lack is shown as `<U+4E2D>`.

    >>> escaped("50% of q_proj & é")
    "50\\%\\ of\\ q\\_proj\\ \\&\\ \\'{e}"
    """
    return "".join(_characters(text))


def name(text: str) -> str:
    r"""A layer's or a model's name in typewriter type, broken after a dot, a dash or so where the line ends.

    >>> name("a.q_proj")
    '\\texttt{a.\\allowbreak{}q\\_\\allowbreak{}proj}'
    """
    characters = _characters(text)
    shown, run = "", 0
    for i, character in enumerate(characters):
        run = run + 1 if character.isalnum() else 0
        long = run > 0 and run % _RUN == 0 and len(characters) > i + 1 and _word(characters, i) > _RUN
        between = run == 0 and character != r"\ " and characters[i + 1 : i + 2] != [_SPECIAL[","]]
        shown += character + (_BREAK if long or between else "")
    return rf"\texttt{{{shown.removesuffix(_BREAK)}}}"


def _word(characters: Sequence[str], i: int) -> int:
    """How long the word is in which a character stands."""
    start, end = i, i
    while start > 0 and characters[start - 1].isalnum():
        start -= 1
    while end < len(characters) and characters[end].isalnum():
        end += 1
    return end - start


def _characters(text: str) -> list[str]:
    found: list[str] = []
    for character in one_line(text, 1000):
        apart = unicodedata.normalize("NFD", character)
        base, marks = apart[0], apart[1:]
        if character.isascii():
            found.append(_SPECIAL.get(character, character))
        elif base.isascii() and base.isalpha() and marks in _ACCENTS:
            found.append(rf"\{_ACCENTS[marks]}{{{base}}}")
        else:
            found.append(rf"\textless{{}}U+{ord(character):04X}\textgreater{{}}")
    return found


def equations(cost: Cost, metrics: Sequence[str], *, short: bool = False, standalone: bool = False) -> str:
    r"""An `aligned` block with one equation per metric, for display mathematics; needs amsmath. Long ones are broken.

    With `standalone` a document, in which they may go over pages.

    >>> print(equations(Cost.of(flops="2*N*h"), ["flops"]))
    \begin{aligned}
    \mathrm{flops} &= 2\,\mathrm{N}\,\mathrm{h}
    \end{aligned}
    """
    lines = [(notation.upright(metric), cost.tree(metric)) for metric in metrics]
    return _equations(lines, notation.symbols(cost.free_symbols, short=short), standalone)


def equations_by_part(
    parts: Mapping[str, Cost], metrics: Sequence[str], *, short: bool = False, standalone: bool = False
) -> str:
    r"""The same of a sum: an equation that names its terms for each metric, then one for each term that is not 0.

    >>> print(equations_by_part({"q_proj": Cost.of(flops="2*N*h"), "norm": Cost.of(flops="N")}, ["flops"]))
    \begin{aligned}
    \mathrm{flops} &= \mathrm{flops}_{\text{q\_proj}}+\mathrm{flops}_{\text{norm}} \\
    \mathrm{flops}_{\text{q\_proj}} &= 2\,\mathrm{N}\,\mathrm{h} \\
    \mathrm{flops}_{\text{norm}} &= \mathrm{N}
    \end{aligned}
    """
    names = notation.symbols(set[str]().union(*(cost.free_symbols for cost in parts.values())), short=short)
    lines: list[tuple[str, Tree]] = []
    for metric in metrics:
        left = notation.upright(metric)
        terms = {
            rf"{left}_{{\text{{{escaped(part)}}}}}": cost.tree(metric)
            for part, cost in parts.items()
            if cost.value(metric) != 0
        }
        names |= {term: term for term in terms}
        lines += [(left, ("+", *terms) if len(terms) > 1 else next(iter(terms), 0)), *terms.items()]
    return _equations(lines, names, standalone)


def _equations(lines: Sequence[tuple[str, Tree]], names: Mapping[str, str], standalone: bool) -> str:
    if standalone:
        return document("\\allowdisplaybreaks\n" + notation.display(lines, names, 34, "align*"))
    return notation.display(lines, names)


def legend(cost: Cost, metrics: Sequence[str], values: Mapping[str, int]) -> str:
    """Comments below equations with short names: which symbol each is, and its value in the config."""
    used = Cost.of(**{metric: cost.value(metric) for metric in metrics}).free_symbols
    lines = []
    for symbol, shown in sorted(notation.symbols(cost.free_symbols).items()):
        if symbol in used:
            lines.append(f"\n% ${shown}$: {symbol}" + (f" = {values[symbol]}" if symbol in values else ""))
    return "".join(lines)


def document(body: str, *, width: float = 483) -> str:
    """A document that compiles as it is, with text of this width in pt: A4 upright or lengthwise, or wider."""
    paper = (
        "a4paper"
        if width <= 483
        else "a4paper,landscape"
        if width <= 730
        else f"papersize={{{width + 115:.0f}pt,598pt}}"
    )
    packages = "\n".join(rf"\usepackage{{{package}}}" for package in PACKAGES)
    head = [
        r"\documentclass{article}",
        rf"\usepackage[{paper},textwidth={width:.0f}pt,vmargin=2cm]{{geometry}}",
        packages,
    ]
    return "\n".join([*head, r"\begin{document}", body, r"\end{document}"])
