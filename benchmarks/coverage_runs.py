"""A derived model against calls that were counted operation by operation: each check gives a cell and a reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from coverage_checks import alone, exact
from coverage_counts import FIRST, RUNS, SECOND, WHOLE, Row, continues, keeps_something

from symflops import storage
from symflops.algebra import substitute
from symflops.errors import SymflopsError
from symflops.model import Model
from symflops.numeric import evaluate, with_defaults

HALF = ("refused", "said", "as counted")
"""Cells between a no and a yes."""

SPLITS = ((1, 16, 1), (2, 9, 5), (3, 24, 9), (1, 30, 7), (1, 300, 1))
"""(batch, first part, second part) of prompts that are fed in two calls."""

NOT_SWITCHED = "causal = 1 changes nothing for the attention of "


def matmul(model: Model, counts: Row) -> tuple[str, str]:
    """Whether matmul_flops equal both counts, PyTorch's and the one by operation."""
    return _cell(model, counts, {"matmul_flops": "matmul_flops", "torch_matmul_flops": "matmul_flops"}, 0)


def everything(model: Model, counts: Row) -> tuple[str, str]:
    """Whether flops equal the count of every operation."""
    return _cell(model, counts, {"flops": "flops"}, 0)


def causal(model: Model, counts: Row) -> tuple[str, str]:
    """Whether with causal = 1 both are counted over exactly the pairs that no mask forbids."""
    if note := next((note for note in model.notes if note.startswith(NOT_SWITCHED)), ""):
        return "said", note
    cell, reason = _cell(model, counts, {"causal_matmul_flops": "matmul_flops", "causal_flops": "flops"}, 1)
    masked = any(run.get("causal_flops") != run.get("flops") for run in counts["runs"])
    return "-" if cell == "yes" and not masked else cell, reason


def state(model: Model, counts: Row) -> tuple[str, str]:
    """Whether the model keeps for the next call as many elements as the cache object then holds."""
    try:
        kept = substitute(storage.cache(model), model.symbols)
    except SymflopsError as error:
        if (keeps_something(counts) or storage.keeps_something(model)) and continues(counts):
            return "refused", error.message
        return "-", ""
    wrong = []
    for where, point, run in _runs(counts):
        found = evaluate(kept, with_defaults(alone(model) | point | {"cache_bytes": 1}))
        if "error" in run:
            wrong.append(f"no count at {where}: {run['error']}")
        elif found != run["state"]:
            wrong.append(f"{found} elements kept after {where}, counted {run['state']}")
    return ("no", _first_of(wrong, counts)) if wrong else ("yes", "")


def split(model: Model, counts: Row) -> tuple[str, str]:
    """Whether a prompt fed in two calls costs with causal = 1 what it costs in one; `as counted` where it does not, by
    as much as the counts of such calls differ."""
    if not keeps_something(counts) or not (continues(counts) or model.domain.allows(past_len=1)):
        return "-", ""
    differences = []
    for batch, first, second in SPLITS:
        for metric in ("flops", "matmul_flops"):
            try:
                whole, *both = (_number(model, metric, *run) for run in _two_calls(batch, first, second))
            except SymflopsError as error:
                return "refused", f"{first} and {second} tokens: {error.message}"
            if difference := whole - sum(both):
                differences.append(f"{metric} of {first} + {second} tokens are {difference:+} in one call")
    if not differences:
        return "yes", ""
    if "error" in str([run.keys() for run in counts["runs"]]):
        return "no", differences[0]
    by_run = dict(zip(RUNS, counts["runs"], strict=True))
    for metric in ("flops", "matmul_flops"):
        found = _number(model, metric, *WHOLE) - _number(model, metric, *FIRST) - _number(model, metric, *SECOND)
        expected = by_run[WHOLE][f"causal_{metric}"] - sum(by_run[run][f"causal_{metric}"] for run in (FIRST, SECOND))
        if found != expected:
            return "no", f"{differences[0]}; at 9 + 5 {found:+}, counted {expected:+}"
    return "as counted", differences[0]


def _two_calls(batch: int, first: int, second: int) -> tuple[tuple[int, int, int], ...]:
    return (batch, first + second, 0), (batch, first, 0), (batch, second, first)


def _number(model: Model, metric: str, batch: int, length: int, past: int) -> int:
    point = {"batch_size": batch, "seq_len": length, "past_len": past, "causal": 1}
    model.check_assumptions(point)
    return exact(model, metric, **point)


def _runs(counts: Row) -> Iterator[tuple[str, dict[str, int], Row]]:
    """The calls that a type takes: where, as text and as a point, and what was counted there."""
    keeps = keeps_something(counts)
    for (batch, length, past), run in zip(RUNS, counts["runs"], strict=True):
        if keeps or not past:
            point = {"batch_size": batch, "seq_len": length, "past_len": past}
            yield f"({batch}, {length}{f' after {past}' if past else ''})", point, run


def _cell(model: Model, counts: Row, names: Mapping[str, str], causal: int) -> tuple[str, str]:
    """Whether each metric is the count of the name before it: `refused` where no number is wrong and some is none."""
    found = [_compared(model, counts, name, metric, causal) for name, metric in names.items()]
    wrong, refused, impossible = next((f for f in found if f[0]), found[0])
    if wrong:
        return "no", _first_of(wrong, counts)
    return ("refused", _first_of(refused, counts)) if refused else ("yes", _first_of(impossible, counts))


def _compared(model: Model, counts: Row, name: str, metric: str, causal: int) -> tuple[list[str], list[str], list[str]]:
    """At which calls a metric is not the count of this name, which are ruled out, and which the source cannot make and
    the model rules out."""
    wrong, refused, impossible = [], [], []
    for where, point, run in _runs(counts):
        try:
            model.check_assumptions(point | {"causal": causal})
        except SymflopsError as error:
            if "error" in run:
                impossible.append(f"ruled out, as the source fails there: {where}: {run['error']}")
            else:
                refused.append(f"{where} is ruled out: {error.message}")
            continue
        if "error" in run:
            wrong.append(f"no count at {where}: {run['error']}")
        elif (found := exact(model, metric, **point, causal=causal)) != run[name]:
            given = ", causal = 1" if causal else ""
            by = " by PyTorch" if name.startswith("torch") else ""
            wrong.append(f"{found} {metric} at {where}{given}, counted{by} {run[name]}")
    return wrong, refused, impossible


def _first_of(wrong: list[str], counts: Row) -> str:
    """What is wrong at the first call at which something is, and at how many of them."""
    return f"{wrong[0]} ({len(wrong)} of {len(list(_runs(counts)))} calls)" if wrong else ""
