"""What benchmarks/times.py writes: the table, the page docs/times.md, and efficiency.toml."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from times_rows import KINDS

if TYPE_CHECKING:
    from times import Judged


def _of(kind: str, engine: str = "") -> Callable[[Judged], bool]:
    return lambda one: kind in ("", one.row.kind) and engine in ("", one.row.engine[0])


# The bars: which rows, and the largest median and mean of the errors.
BARS: tuple[tuple[str, Callable[[Judged], bool], float, float | None], ...] = (
    ("time per output token, all rows", _of("decode"), 0.15, 0.22),
    ("the same, one sequence, llama.cpp and others alone", _of("decode", "llama.cpp"), 0.15, None),
    ("time to the first token, or of a prompt, alone", _of("prompt"), 0.20, None),
    ("time to the first token beside up to three requests", _of("loaded"), 0.20, None),
    ("time to the first token, all of these", lambda one: one.row.kind in ("prompt", "loaded"), 0.20, None),
    ("an engine filled with requests", _of("full"), 0.15, 0.22),
)
ABOUT = {
    "server": ("vLLM, SGLang and TensorRT-LLM on servers", 60),
    "llama.cpp": ("llama.cpp and its like, one sequence at a time", 0),
}
_DIGITS = 4
_FEW = 8  # rows that say nothing of an error


def table(judged: Sequence[Judged]) -> str:
    """Medians and means of errors, for the bars and by source, as Markdown."""
    from times import summary

    lines = ["| what | rows | bound | source left out | series left out | bar |", "|---|---|---|---|---|---|"]
    for name, chosen, median, mean in BARS:
        of_it = [one for one in judged if chosen(one)]
        bar = f"{median:.0%}" + (f" / {mean:.0%}" if mean is not None else "")
        lines.append(f"| {name} | {len(of_it)} | {_three(of_it, summary)} | {bar} |")
    lines += ["", "| source | what | rows | bound | source left out | series left out |", "|---|---|---|---|---|---|"]
    groups: dict[tuple[str, str, str], list[Judged]] = defaultdict(list)
    for one in judged:
        engine = one.row.engine[1] if one.row.engine[0] == "server" else one.row.engine[0]
        groups[one.row.source, one.row.kind, engine].append(one)
    for (source, kind, engine), of_it in sorted(groups.items()):
        lines.append(f"| {source} | {kind}, {engine} | {len(of_it)} | {_three(of_it, summary)} |")
    return "\n".join(lines)


def _three(of_it: Sequence[Judged], summary: Callable[[Sequence[Judged], str], tuple[int, float, float]]) -> str:
    cells = []
    for name in ("bound", "source", "series"):
        count, median, mean = summary(of_it, name)
        fewer = f" of {count}" if 0 < count < len(of_it) else ""
        cells.append(f"{median:.1%} / {mean:.1%}{fewer}" if count else "-")
    return " | ".join(cells)


def page(judged: Sequence[Judged], left: Sequence[tuple[str, str, str]]) -> str:
    """docs/times.md."""
    faster = [one for one in judged if one.row.seconds < one.row.bound]
    lines = [INTRODUCTION, table(judged), "", KINDS_TEXT]
    lines += [f"- `{kind}`: {about}" for kind, about in KINDS.items()]
    lines += ["", f"## Faster than the bound: {len(faster)} of {len(judged)} rows", "", FASTER]
    lines += ["| row | source | what | measured | bound |", "|---|---|---|---|---|"]
    for o in faster:
        cells = (o.row.id, o.row.series, f"{o.row.kind}: {o.row.what}", _ms(o.row.seconds), _ms(o.row.bound))
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", f"## Left out: {len(left):,} rows", "", "| source | why | rows |", "|---|---|---|"]
    reasons = Counter((source, reason) for _, source, reason in left)
    lines += [f"| {source} | {reason} | {count:,} |" for (source, reason), count in sorted(reasons.items())]
    lines += [
        "",
        "## Every row",
        "",
        "Milliseconds; estimates with the row's source, and with its series left out.",
        "",
    ]
    by_source: dict[str, list[Judged]] = defaultdict(list)
    for one in judged:
        by_source[one.row.source].append(one)
    for source, rows in sorted(by_source.items()):
        lines += [f'??? note "{source}: {len(rows):,} rows"', ""]
        lines += ["    | row | what | on | measured | bound | source out | error | series out | error |"]
        lines += ["    |---|---|---|---|---|---|---|---|---|"]
        for one in rows:
            cells = [one.row.id, f"{one.row.kind}: {one.row.what}", " ".join(one.row.series.split("/")[2:])]
            cells += [_ms(one.row.seconds), _ms(one.row.bound)]
            for name in ("source", "series"):
                found, error = one.estimates[name], one.error(name)
                cells += ["-", "-"] if found is None or error is None else [_ms(found), f"{error:.0%}"]
            lines.append(f"    | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _ms(number: float) -> str:
    return f"{number * 1e3:.{_DIGITS}g}"


def efficiencies(judged: Sequence[Judged], fits: Mapping[tuple[tuple[str, str], str], dict[str, float] | None]) -> str:
    """efficiency.toml: the coefficients fitted on all rows, and how wrong they were on series left out."""
    lines = [HEADER]
    for name in sorted({engine[0] for engine, _ in fits}, key=lambda n: -ABOUT[n][1]):
        about, peak = ABOUT[name]
        sources = sorted({one.row.source for one in judged if one.row.engine[0] == name})
        lines += [f'["{name}"]', f'about       = "{about}"', f"from_tflops = {peak}"]
        lines += [f'source      = "benchmarks/times.py on rows of {", ".join(sources)} (docs/times.md)"', ""]
        for kind in sorted({engine[1] for engine, _ in fits if engine[0] == name}):
            found = {
                key: value for what in ("steps", "prompts") for key, value in (fits[(name, kind), what] or {}).items()
            }
            lines += [f'["{name}".{kind}.coefficients]', *(f"{k} = {v:.4g}" for k, v in found.items() if v > 0), ""]
            for key, kinds in (("tpot", "decode"), ("ttft", "prompt"), ("loaded", "loaded")):
                lines += _errors(
                    f'"{name}".{kind}.{key}',
                    [o for o in judged if o.row.engine == (name, kind) and o.row.kind == kinds],
                )
    return "\n".join(lines).rstrip() + "\n"


def _errors(where: str, rows: Sequence[Judged]) -> list[str]:
    """How measured times lie around estimates; nothing where there are next to none."""
    if len(rows) < _FEW:
        return []
    ratios = [one.row.seconds / found for one in rows if (found := one.estimates["series"])]
    errors = [error for one in rows if (error := one.error("series")) is not None]
    low, high = np.quantile(ratios, (0.1, 0.9))
    return [
        f"[{where}]", f"median = {np.median(errors):.3f}", f"low    = {low:.3f}", f"high   = {high:.3f}",
        f"rows   = {len(errors)}", "",
    ]  # fmt: skip


HEADER = """\
# What estimated times are made with: for engines of a kind, what the terms of symflops/analysis/terms.py are multiplied
# by. Factors are of least times (1.2: a fifth longer than the memory or the matrix units need), others are seconds:
#
#   weights, cache, matmul, link    a step: reading weights and cache, matrix products, sending between devices
#   layer, sequence                 a step: seconds for each layer that keeps something of a token, for each sequence
#   beside_matmul, beside_link      prompts of other requests that are run beside steps
#   prompt_matmul, prompt_link, prompt_layer    a prompt that is run alone
#   request                         seconds of a request beside its pass, on a server with a few others
#
# tpot, ttft and loaded (the time to the first token beside up to three other requests): how wrong it was, of series of
# measurements (a model, an engine, a machine) that had no part in it: half were off by no more than `median`, 8 of 10
# took between `low` and `high` times the estimate.
# from_tflops: the least matrix peak (bfloat16 or float16) of machines that it is taken for unless another is named.
#
# Written by benchmarks/times.py, not by hand. `symflops generation --calibrate` and `--efficiency` put one's own here.
"""
INTRODUCTION = """\
# How wrong is it

`symflops generation MODEL --hardware H` gives a bound, which nothing is faster than, and an estimate. This page says
how far both are from published measurements. A script makes it (`benchmarks/times.py`), from the sources below; models
are built from their configs' sizes as engines serve them (`benchmarks/served_models.py`); symflops counts everything.

An estimate is a sum of a few terms with coefficients (`efficiency.toml`): 8 for steps, 4 for prompts, for each of three
kinds: engines of servers with dense models, the same with routed experts, and llama.cpp. Those of the first two are
pulled towards what both have together. How much, which terms there are, the three kinds and which rows are left out
were settled with this table in sight, so rows that nobody has seen may be further off. The
coefficients of this page's estimates were **never fitted on what they are judged by**, in two ways:

- **source left out**: fitted without anything of the row's source. What aiconfigurator collected (many runs of vLLM,
  SGLang and TensorRT-LLM) is one source here, 91 % of the rows of time per token, so that for them only TensorRT-LLM's
  own tables are left, of which none has a mixture of experts at a stated batch.
- **series left out**: fitted without the runs of the same architecture with the same engine on the same machine.

Cells are median / mean of |estimate/measured - 1|. The shipped coefficients are fitted on all rows.
"""
KINDS_TEXT = "The kinds of rows:\n"
FASTER = """\
No row can be faster than what its settings allow, so these ran otherwise than assumed. GeForce cards multiply twice as
fast when they add up in float16, as llama.cpp does. The format of what is no expert is not stated for gpt-oss-120b on
the DGX Spark: bfloat16 is assumed, as in its checkpoint. `full` rows have a batch that is assumed (what fits the
memory), not stated.
"""
