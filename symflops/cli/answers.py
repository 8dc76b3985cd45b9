"""What the commands that answer questions share: formats, LaTeX, numbers in JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from fractions import Fraction
from typing import Annotated, Any

import typer

from symflops.analysis.display import assumed as assumed
from symflops.numeric import plain
from symflops.polynomial import Polynomial, Value


class Format(StrEnum):
    text = "text"
    json = "json"
    latex = "latex"


Output = Annotated[Format, typer.Option("--format", help="how to print")]
By = Annotated[str, typer.Option("--by", metavar="SYMBOL", help="the symbol that varies")]


def given(values: Mapping[str, Value]) -> dict[str, Any]:
    """Values that were put in, as JSON takes them."""
    return {name: jsonable(value) for name, value in sorted(values.items())}


def jsonable(value: Any) -> Any:
    """A value as JSON takes it: a plain number, or the text of a formula."""
    if isinstance(value, Polynomial):
        return text(value)
    return plain(value) if isinstance(value, int | Fraction) and not isinstance(value, bool) else value


def text(value: Value) -> str:
    """The readable text of a formula."""
    from symflops.grouping import grouped
    from symflops.tree import write

    return write(grouped(value))


def together(answers: Sequence[str], as_json: bool) -> str:
    """Several answers: below each other, or a JSON array of them."""
    if len(answers) == 1:
        return answers[0]
    return f"[{', '.join(answers)}]" if as_json else "\n\n".join(answers)


def dump(data: Any) -> str:
    import json

    return json.dumps(data, indent=2, ensure_ascii=False)


def latex(expression: Any) -> str:
    """LaTeX of a SymPy expression or a value, names upright."""
    import sympy

    from symflops.expr import to_sympy

    if not isinstance(expression, sympy.Basic):
        expression = to_sympy(expression)
    names = {s: s.name if len(s.name) == 1 else rf"\mathrm{{{escaped(s.name)}}}" for s in expression.free_symbols}
    return str(sympy.latex(expression, symbol_names=names))


_ESCAPES = {c: rf"\{c}" for c in "_%&#${}"} | {"\\": r"\textbackslash{}", "^": r"\^{}", "~": r"\~{}"}


def escaped(name: str) -> str:
    """A name of unknown origin as LaTeX text."""
    return "".join(_ESCAPES.get(c, c if c.isprintable() else "?") for c in name)


def named(words: str) -> str:
    """Words inside of mathematics."""
    return rf"\text{{{escaped(words)}}}"


def aligned(lines: Sequence[str]) -> str:
    """Equations below each other; needs amsmath."""
    return "\n".join([r"\begin{aligned}", " \\\\\n".join(lines), r"\end{aligned}"])
