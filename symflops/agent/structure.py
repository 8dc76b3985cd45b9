"""What every formula of a cost has: enough to show that one is wrong, never that it is right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from symflops.algebra import free_symbols
from symflops.cost import Cost
from symflops.errors import SymflopsError
from symflops.formula import Formula
from symflops.numeric import BYTE_SYMBOLS, RUN_SYMBOLS, Evaluator, compiled
from symflops.polynomial import Number
from symflops.vocabulary.metrics import BYTES, METRICS, OWNED

_SIZES = (1, 2, 4, 12)
_LONG = 2**40


def misshapen(formula: Formula) -> list[str]:
    """What of a formula's structure is impossible: a negative or a broken count, bytes that do not grow with the bytes
    of an element, FLOPs or weights that do, a cost that grows faster than with the square of seq_len.

    It is looked at where the formula's own cases are, and where all arguments are equal.
    """
    cost = Cost(formula.canonical)
    wrong = dict.fromkeys(_dependences(cost), "")  # each with the first point at which it is seen
    evaluate = compiled([*cost.by_metric.values()])
    for point in _points(formula):
        place = " at " + ", ".join(f"{name}={value}" for name, value in point.items() if name in cost.free_symbols)
        for check in (_at, _in_bytes, _along_seq_len):
            try:
                wrong = dict.fromkeys(check(evaluate, point), place) | wrong
            except (SymflopsError, ZeroDivisionError):
                continue  # no point of this formula
    return [what + place for what, place in wrong.items()]


def _dependences(cost: Cost) -> Iterator[str]:
    for metric in (m for m in METRICS if m not in BYTES):
        for name in sorted(free_symbols(cost.value(metric)) & set(BYTE_SYMBOLS)):
            yield f"{metric} depends on {name}"
    for metric in OWNED:
        for name in sorted(free_symbols(cost.value(metric)) & set(RUN_SYMBOLS) - set(BYTE_SYMBOLS)):
            yield f"{metric} depends on {name}"
    for metric in BYTES:
        if cost.value(metric) != 0 and not free_symbols(cost.value(metric)) & set(BYTE_SYMBOLS):
            yield f"{metric} does not depend on the bytes of an element"


def _points(formula: Formula) -> Iterator[dict[str, Number]]:
    run: dict[str, Number] = {**dict.fromkeys(RUN_SYMBOLS, 2), "past_len": 0, "causal": 0}
    for case in formula.cases:
        given = case.get("args", {})
        assert isinstance(given, dict)
        numbers: dict[str, Number] = {**dict.fromkeys(formula.defaults, 0), **given}
        if formula.args.keys() <= numbers.keys():
            yield run | numbers
    for size in _SIZES:
        yield run | dict.fromkeys(formula.args, size)


def _by_metric(evaluate: Evaluator, point: Mapping[str, Number]) -> dict[str, Number]:
    return dict(zip(METRICS, evaluate(point), strict=True))


def _at(evaluate: Evaluator, point: Mapping[str, Number]) -> Iterator[str]:
    numbers = _by_metric(evaluate, point)
    for metric, number in numbers.items():
        if number < 0:
            yield f"{metric} is negative"
        elif type(number) is not int:
            yield f"{metric} is not whole"
    if numbers["matmul_flops"] > numbers["flops"]:
        yield "matmul_flops is more than flops"


def _in_bytes(evaluate: Evaluator, point: Mapping[str, Number]) -> Iterator[str]:
    """Bytes are linear in the bytes of an element; ids and the like, of 8 bytes each, are a constant part."""
    none, some, twice = (_by_metric(evaluate, {**point, **dict.fromkeys(BYTE_SYMBOLS, n)}) for n in (0, 2, 4))
    for metric in BYTES:
        if none[metric] + twice[metric] != 2 * some[metric]:
            yield f"{metric} is not proportional to the bytes of an element"


def _along_seq_len(evaluate: Evaluator, point: Mapping[str, Number]) -> Iterator[str]:
    """From one very long sequence to twice its length, nothing grows more than fourfold."""
    evaluate(point)
    try:
        once, twice = (_by_metric(evaluate, {**point, "seq_len": n}) for n in (_LONG, 2 * _LONG))
    except SymflopsError:  # of so many digits that they are not computed
        yield "the cost of a long sequence is too large to be computed"
        return
    for metric, a in once.items():
        if (b := twice[metric]) > 5 * a and b > 0:
            yield f"{metric} grows faster than with the square of seq_len"
