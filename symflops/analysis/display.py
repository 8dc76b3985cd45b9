"""Answers as notebooks show them, in HTML and as columns of a DataFrame, in the words of the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from symflops import notebook
from symflops.algebra import free_symbols
from symflops.errors import SymflopsError
from symflops.grouping import grouped, short_names
from symflops.notebook import Cell, Column, Html
from symflops.numeric import evaluate, plain, whole
from symflops.polynomial import Number, Value
from symflops.rows import number_or_formula
from symflops.tree import Tree, write
from symflops.units import engineering, scaled, seconds

if TYPE_CHECKING:
    from symflops.analysis.comparison import Comparison, Pair
    from symflops.analysis.fit import Fit
    from symflops.analysis.memory import Memory
    from symflops.analysis.ratio import Ratio
    from symflops.analysis.regimes import Regimes
    from symflops.analysis.roofline import Bound, Roofline
    from symflops.analysis.solution import Answer, Solution

BOUNDS = ("layer", "runs", "FLOP/byte", "matmul", "vector", "memory", "unfused", "bound by")
_SHOWN = 12  # solutions that are listed
_FITS = {True: "fit into", False: "do not fit into", None: "not known to fit into"}


class _Formulas:
    """Formulas of one answer, with short names and what these stand for."""

    def __init__(self, values: Iterable[Value]) -> None:
        self.names = short_names(set[str]().union(*map(free_symbols, values)))

    def of(self, value: Value) -> Html:
        return self.tree(grouped(value))

    def tree(self, tree: Tree) -> Html:
        return notebook.formula(tree, self.names)

    def ratio(self, ratio: Ratio | None) -> Cell:
        return "" if ratio is None else self.tree(ratio.tree)

    def below(self, put_in: Mapping[str, Value]) -> str:
        """The legend, and what was put in for other symbols."""
        return notebook.paragraph("; ".join(filter(None, (notebook.legend(self.names), assumed(put_in)))))


def assumed(values: Mapping[str, Value]) -> str:
    """Values that were put in, in words."""
    return ", ".join(f"{name} = {write(grouped(value))}" for name, value in sorted(values.items()))


# ------------------------------------------------------------------------------------------------------------- roofline


def bound_cells(bound: Bound) -> tuple[str, ...]:
    """A line of the table of bounds, under `BOUNDS`."""
    times = "" if bound.repeat == 1 else f"×{bound.repeat}"
    intensity = "" if bound.intensity is None else f"{bound.intensity:,.4g}"
    columns = (bound.matmul, bound.vector, bound.memory, bound.memory_unfused)
    return (bound.path, times, intensity, *(seconds(c) for c in columns), bound.binds)


def machine(found: Roofline) -> str:
    """The machine and its peaks in words."""
    hardware = found.hardware
    count = f"{hardware.devices} x " if hardware.devices > 1 else ""
    peak = engineering(whole(hardware.peak[found.dtype]), "flops")
    bandwidth = engineering(whole(hardware.bandwidth), "read_bytes")
    return f"{count}{hardware.about}: {peak}/s in {found.dtype}, {bandwidth}/s, ridge at {found.ridge:,.4g} FLOP/byte"


def point(found: Roofline) -> str:
    """The call that was bounded, in words."""
    shown = ("batch_size", "seq_len", "past_len", "causal")
    return assumed({name: value for name, value in found.values.items() if name in shown})


def summary(found: Roofline) -> list[tuple[str, str]]:
    """What there is to say of the whole, in pairs of what and how much."""
    sizes = {kind: whole(evaluate(value, found.values)) for kind, value in found.moved.items()}
    moved = ", ".join(f"{kind} {engineering(number, 'read_bytes')}" for kind, number in sizes.items())
    memory = engineering(whole(found.hardware.memory * found.hardware.devices), "read_bytes")
    return [
        ("layer after layer", seconds(found.layer_by_layer)),
        ("read and written", moved),
        ("memory of a step" if found.plan is not None else "weights and cache", f"{_FITS[found.fits]} {memory}"),
    ]


def efficiency(found: Roofline) -> str:
    """The measured throughput against the bound, in words."""
    of_bound = found.of_bound or 0
    impossible = " (more than is possible at this point)" if of_bound > 1 else ""
    return "" if found.mfu is None else f"MFU {found.mfu:.2%}, {of_bound:.2%} of the bound{impossible}"


def roofline_html(found: Roofline) -> str:
    """The bounds of a machine: of each layer, of the whole, and where they turn."""
    formulas = _Formulas([*([] if found.ratio is None else (found.ratio.top, found.ratio.bottom))])
    facts: list[tuple[Cell, ...]] = [("machine", machine(found)), ("at", point(found)), *summary(found)]
    facts.append(("intensity", "nothing is moved" if found.ratio is None else formulas.ratio(found.ratio)))
    facts += [("" if i else "turns", turning.sentence) for i, turning in enumerate(found.turnings)]
    facts += [("measured", efficiency(found))] if found.mfu is not None else []
    layers = [bound_cells(bound) for bound in (*found.layers, found.total)]
    table = notebook.table(BOUNDS, layers, (False, *(True,) * 6, False))
    return notebook.heading(found.sentence) + notebook.facts(facts) + formulas.below({}) + table


def roofline_columns(found: Roofline) -> dict[str, Column]:
    """A line for each layer: times in seconds, with all repeats."""
    layers = found.layers
    return {
        "path": [b.path for b in layers],
        "repeat": [number_or_formula(b.repeat) for b in layers],
        "intensity": [b.intensity for b in layers],
        "matmul_seconds": [float(b.matmul) for b in layers],
        "vector_seconds": [None if b.vector is None else float(b.vector) for b in layers],
        "memory_seconds": [float(b.memory) for b in layers],
        "unfused_memory_seconds": [float(b.memory_unfused) for b in layers],
        "seconds": [float(b.seconds) for b in layers],
        "binds": [b.binds for b in layers],
    }


# -------------------------------------------------------------------------------------------------------------- regimes


def per_unit(found: Regimes) -> str:
    """How the cost of one unit behaves where it tends to nothing that can be written down."""
    if found.degree is None:
        return "grows without bound"
    return f"grows as {found.symbol}" + (f"**{found.degree - 1}" if found.degree > 2 else "")


def elasticity(found: Regimes) -> str:
    """The elasticity as text, or why there is none."""
    try:
        return str(found.elasticity)
    except SymflopsError as error:
        return error.message


def regimes_html(found: Regimes) -> str:
    """The growth of a cost, and who dominates."""
    values = {name: found.form(name) for name in ("cost", "leading", "marginal")}
    formulas, limit = _Formulas(values.values()), found.forms["limit"]
    labels = (found.metric, "leading term", f"one more {found.symbol}")
    rows: list[tuple[Cell, ...]] = [(n, formulas.of(v)) for n, v in zip(labels, values.values(), strict=True)]
    tends = Html(f"tends to {formulas.of(limit)} {found.unit}") if limit is not None else per_unit(found)
    rows += [(f"per {found.symbol}", tends), ("elasticity", elasticity(found)), ("most", found.sentence)]
    title = f"{found.model}: {found.metric} by {found.symbol}"
    return notebook.heading(title) + notebook.facts(rows) + formulas.below(found.values)


def regimes_columns(found: Regimes) -> dict[str, Column]:
    """A line for each stretch of the symbol, with the component that costs most in it."""
    stretches = found.dominant
    return {
        "model": [found.model for _ in stretches],
        "metric": [found.metric for _ in stretches],
        "symbol": [found.symbol for _ in stretches],
        "first": [s.first for s in stretches],
        "last": [s.last for s in stretches],
        "component": [s.component for s in stretches],
    }


# ----------------------------------------------------------------------------------------------------------- comparison


def parts(found: Comparison) -> Sequence[Pair]:
    """The components that either side has; of a rule of thumb, which has none, the total."""
    return [pair for pair in found.components if pair.a != 0 or pair.b != 0] or [found.total]


def comparison_html(found: Comparison) -> str:
    """Two sides by component: both, their difference and ratio."""
    pairs = [*parts(found), *([found.total] if found.components else [])]
    formulas = _Formulas([value for pair in pairs for value in (pair.a, pair.b)])
    rows = [
        (p.name, formulas.of(p.a), formulas.of(p.b), formulas.of(p.difference), formulas.ratio(p.ratio)) for p in pairs
    ]
    header = (found.metric, found.a, found.b, "difference", "ratio")
    said = [f"they cross between {a:,} and {b:,}" for a, b in found.crossings]
    lines = notebook.heading(found.sentence) + "".join(map(notebook.paragraph, said))
    return lines + notebook.table(header, rows, (False,) * len(header)) + formulas.below(found.values)


def comparison_columns(found: Comparison, values: Mapping[str, Number]) -> dict[str, Column]:
    """A line for each component: both sides, their difference and ratio, as SymPy expressions or, with values for all
    symbols, as numbers."""
    columns: dict[str, list[object]] = {"component": [], "a": [], "b": [], "difference": [], "ratio": []}
    for pair in parts(found):
        columns["component"].append(pair.name)
        for name, value in (("a", pair.a), ("b", pair.b), ("difference", pair.difference)):
            columns[name].append(plain(evaluate(value, values)) if values else number_or_formula(value))
        if pair.ratio is None:
            columns["ratio"].append(None)
        elif values:
            below = evaluate(pair.b, values)
            columns["ratio"].append(float(pair.ratio.at(values)) if below else None)
        else:
            columns["ratio"].append(pair.ratio.expression)
    return dict(columns)


# ----------------------------------------------------------------------------------------------------------- solutions


def listed(parts: list[str], separator: str) -> str:
    """The first solutions in words, and how many more there are."""
    return separator.join(parts[:_SHOWN]) + (f"{separator}{len(parts) - _SHOWN:,} more" if len(parts) > _SHOWN else "")


def stretch(solution: Solution) -> str:
    """The whole numbers of a solution in words."""
    first, last = solution.first, solution.last
    if last is None:
        return f">= {first:,}"
    repeated = f" and so on every {solution.every:,}" if solution.every else ""
    return (f"= {last:,}" if first == last else f"from {first:,} to {last:,}") + repeated


def solved_point(solution: Solution) -> str:
    """The number at which an equation holds, in words."""
    if solution.first is not None:
        return stretch(solution)
    if isinstance(solution.value, int):
        return f"= {solution.value:,}"
    exactly = f"= {solution.formula} " if solution.formula is not None else ""
    return f"{exactly}= {solution.value:,.6f}"


def edge(solution: Solution) -> str:
    """A curve, or an edge of bytes per element, in words."""
    number = "" if solution.value is None or isinstance(solution.value, int) else f" = {solution.value:,.6f}"
    formula = f"{solution.value:,.6f}" if solution.formula is None else solution.formula + number
    where = f" where {' and '.join(solution.where)}" if solution.where else ""
    return f"{solution.side.replace('==', '=')} {formula}{where}"


def answer_html(found: Answer) -> str:
    """The answer to a question, the formulas of its solutions, and what it was taken for."""
    trees = [(s, grouped(s.closed)) for s in found.solutions[:_SHOWN] if s.closed is not None]
    formulas = _Formulas([s.closed for s, _ in trees if s.closed is not None])
    sign = found.sign if found.sign != "==" else "="
    rows: list[tuple[Cell, ...]] = [
        (f"{found.symbol} {s.side.replace('==', sign)}", formulas.tree(tree)) for s, tree in trees
    ]
    notes = [f"{name} = {meaning}" for name, meaning in found.taken.items()]
    below = "".join(map(notebook.paragraph, (*([f"names taken: {', '.join(notes)}"] if notes else []), *found.notes)))
    title = notebook.heading(f"{found.model}: {found.question}") + notebook.paragraph(found.sentence)
    return title + (notebook.facts(rows) if rows else "") + formulas.below(found.values) + below


def answer_columns(found: Answer) -> dict[str, Column]:
    """A line for each solution."""
    solutions = found.solutions
    return {
        "symbol": [found.symbol for _ in solutions],
        "side": [s.side for s in solutions],
        "value": [s.value for s in solutions],
        "formula": [s.formula for s in solutions],
        "first": [s.first for s in solutions],
        "last": [s.last for s in solutions],
        "every": [s.every for s in solutions],
        "where": [" and ".join(s.where) for s in solutions],
    }


# --------------------------------------------------------------------------------------------------------------- memory


def fit_html(found: Fit) -> str:
    """The bytes of each kind, what is left, and how far batch and context may grow."""
    columns = fit_columns(found)
    sizes = [(kind, scaled(size, "read_bytes")) for kind, size in zip(*columns.values(), strict=True)]
    facts: list[tuple[Cell, ...]] = [*sizes, *((f"it fits by {n}", a.sentence) for n, a in found.answers.items())]
    facts.append(("smallest machine", found.smallest or "none of the catalogue"))
    below = "".join(map(notebook.paragraph, found.notes))
    return notebook.heading(found.sentence) + notebook.facts(facts) + below


def fit_columns(found: Fit) -> dict[str, Column]:
    """A line for each kind, in bytes; what is left is negative where it does not fit."""
    sizes = {**found.kinds, "reserve": found.reserved, "used": found.used, "left": found.left}
    return {"kind": list(sizes), "bytes": list(sizes.values())}


def memory_html(found: Memory) -> str:
    """The bytes of each kind that there is, in numbers or as closed forms, and which part holds the most."""
    kinds = {kind: value for kind, value in found.kinds.items() if value != 0}
    formulas = _Formulas([] if found.is_evaluated else kinds.values())
    rows = [(kind, found.text(kind) if found.is_evaluated else formulas.of(value)) for kind, value in kinds.items()]
    facts: list[tuple[Cell, ...]] = [*rows, ("place", found.place)]
    below = "".join(map(notebook.paragraph, found.notes))
    return notebook.heading(f"memory of {found.model}") + notebook.facts(facts) + formulas.below({}) + below


def memory_columns(found: Memory) -> dict[str, Column]:
    """A line for each kind: bytes, as ints or as SymPy expressions."""
    return {"kind": list(found.kinds), "bytes": [number_or_formula(value) for value in found.kinds.values()]}
