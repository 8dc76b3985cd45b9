"""LaTeX of closed forms."""

from __future__ import annotations

from collections.abc import Sequence

from symflops.cost import Cost


def equations(cost: Cost, metrics: Sequence[str], *, short: bool = False) -> str:
    r"""An `aligned` block with one line per metric, for display mathematics; needs amsmath.

    >>> print(equations(Cost.of(flops="2*N*h"), ["flops"]))
    \begin{aligned}
    \mathrm{flops} &= 2 N h
    \end{aligned}
    """
    import sympy

    from symflops.expr import symbol, to_sympy

    names = {}
    for name in cost.free_symbols:
        shown = cost.legend[name] if short else name
        head, _, tail = shown.partition("_") if short else (shown, "", "")
        upright = head if len(head) == 1 else rf"\mathrm{{{_escaped(head)}}}"
        names[symbol(name)] = upright + (rf"_{{\mathrm{{{_escaped(tail)}}}}}" if tail else "")
    lines = [
        rf"\mathrm{{{_escaped(metric)}}} &= {sympy.latex(to_sympy(cost.value(metric)), symbol_names=names)}"
        for metric in metrics
    ]
    return "\n".join([r"\begin{aligned}", " \\\\\n".join(lines), r"\end{aligned}"])


def _escaped(text: str) -> str:
    return text.replace("_", r"\_")
