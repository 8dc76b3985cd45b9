"""What a derived closed form assumes of sizes and lengths: conditions, and relations between fields."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction

import sympy

from symflops.algebra import free_symbols, substitute
from symflops.assumption import comparison
from symflops.errors import SymflopsError
from symflops.grouping import grouped
from symflops.polynomial import (
    Call,
    Polynomial,
    Value,
    add,
    divide,
    factored,
    is_integer,
    is_nonnegative,
    multiply,
    negate,
    power,
    symbol,
    terms_of,
    value_of,
)
from symflops.trace.architecture import RUN_HINTS, Architecture
from symflops.trace.divisibility import divisibility, in_product
from symflops.trace.guards import Guard
from symflops.trace.internals import decide
from symflops.trace.needed import FLIPPED, least, needed
from symflops.trace.run import Run
from symflops.tree import write

_SIGNS = {sympy.Eq: ("==", "!="), sympy.Ne: ("!=", "=="), sympy.Le: ("<=", ">"), sympy.Lt: ("<", ">="),
          sympy.Ge: (">=", "<"), sympy.Gt: (">", "<=")}  # fmt: skip
_LONGEST = 1100  # tokens of a call with which a decision by the length is tried
SHORT = {"seq_len": 5, "past_len": 7}  # hints below those of most sizes


def conditions(
    run: Run, shape: Architecture, used: Iterable[str], shortest: int = 1, free: Collection[str] = ()
) -> list[str]:
    """Every condition under which the run holds for other values of the symbols, as text, simplest first. Sequences
    below the `shortest` have records of their own, and those that are `free` were found to change no cost."""
    names, numbers = set(used), shape.numbers
    found: dict[str, None] = {}
    for f in shape.fields:
        if f.solved is not None and f.name in names | _mentioned(run):
            found[f"{f.name} == {write(grouped(f.solved))}"] = None
    for text in divisibility(run.quantities.seen.values(), run.build.hints):
        found[text] = None
    for guard in run.asked:
        if _is_kept(guard):
            text = _text(run, guard)
            if text and text not in free and not (guard.is_written and _holds_from(text, shortest, numbers)):
                if not _is_true(text, numbers):
                    raise SymflopsError(
                        f"with the sizes of this config the source fails, or does something else than it was traced "
                        f"to do where {text}{_with(text, numbers)}"
                    )
                found[text] = None
    for text in _parts_left(run):
        found[text] = None
    for text in _limits(run):
        if not _is_true(text, numbers):
            raise SymflopsError(f"no call of this model works: it needs {text}{_with(text, numbers)}")
        found |= {} if text in free else {text: None}
    kept = [t for t in found if comparison(t).names and _is_true(t, numbers)]
    return sorted(needed(kept), key=lambda t: (len(t), t))


def _is_kept(guard: Guard) -> bool:
    """Whether a closed form may depend on a condition: what torch asks on the way is, but that sizes are equal, no
    choice."""
    return guard.by_model or (guard.outcome and isinstance(guard.condition, sympy.Eq))


def asked_of(run: Run, names: set[str]) -> list[str]:
    """What the run depends on of these symbols alone, each condition by itself, whatever the others imply."""
    texts = [_text(run, guard) for guard in run.asked if _is_kept(guard)]
    return [text for text in dict.fromkeys(texts) if text and {*comparison(text).names} <= names]


def lengths_excluded(run: Run) -> dict[str, list[int]]:
    """What the model's source decides by the length alone, as text, and up to three lengths at which it decides
    otherwise, short and long ones. The shortest of many is left out: one piece of anything may need no copy."""
    found: dict[str, list[int]] = {}
    for guard in run.asked:
        text = _text(run, guard) if guard.is_written else ""
        if text and text not in found and (condition := comparison(text)).names == {"seq_len"}:
            broken = [n for n in range(2, _LONGEST) if not condition.is_true({"seq_len": n})]
            some = broken if len(broken) < 4 else [broken[1], broken[len(broken) // 2], broken[-1]]
            found[text] = list(dict.fromkeys(some))
    return found


def compared_with(run: Run, length: int, along: str) -> set[str]:
    """What the model's source decided by sizes and a length that was this number, as texts in the length's name."""
    found: set[str] = set()
    for guard in run.asked:
        difference, sign = _sides(run, guard) if guard.is_written else (0, "")
        names = free_symbols(difference)
        number = terms_of(difference).get((), 0)
        if sign in ("<", "<=", ">", ">=") and abs(number) == length and names and not names & run.build.hints.keys():
            to_length = multiply(1 if number > 0 else -1, add(symbol(along), -length))
            found.add(_compared(add(difference, to_length), sign))
    return found


def decided_by_sizes(run: Run) -> Iterator[tuple[str, str, set[str]]]:
    """What the model's source decides by lengths and sizes, and for `SHORT` ones otherwise, such as whether there are
    more tokens than it chooses: each as text, the other outcome as text, and the limits that follow from it."""
    short = run.sizes.hints | {s: sympy.Integer(SHORT[n]) for s, n in run.sizes.names.items() if n in SHORT}
    for guard in run.asked:
        names = {run.sizes.names.get(s, "") for s in guard.condition.free_symbols}
        if guard.is_written and names & SHORT.keys() and names - {"seq_len"} and (text := _text(run, guard)):
            decided = decide(guard.condition, short)
            if decided in (True, False) and bool(decided) is not guard.outcome:
                gap = _gap(*_sides(run, guard))
                limits = [] if run.recorder is None else [_simplest(limit) for limit in run.recorder.limits.gaps]
                followed = {_compared(negate(d), "<=") for d in limits if _always(add(d, negate(gap)))}
                yield text, _text(run, replace(guard, outcome=not guard.outcome)), followed


def _holds_from(text: str, shortest: int, numbers: dict[str, int]) -> bool:
    """Whether a condition on the length decides between records, and this one is of those for which it holds."""
    if shortest == 1 or "seq_len" not in (condition := comparison(text)).names:
        return False
    lengths = (*range(shortest, shortest + 64), 10**6)
    try:
        return all(condition.is_true(numbers | {"seq_len": length}) for length in lengths)
    except SymflopsError:  # it is on more than the length
        return False


def _limits(run: Run) -> Iterable[str]:
    """What the run needed of sizes that torch does not ask about: positions that tables have, groups that divide heads,
    experts to choose from."""
    if run.recorder is None:
        return
    for gap in run.recorder.limits.gaps:
        difference = _simplest(gap)
        if free_symbols(difference) and not _always(difference):
            yield _compared(negate(difference), "<=")
    for number, divisor in run.recorder.limits.quotients:
        if divisor != 1 and not is_integer(divide(number, divisor)):
            yield f"{in_product(number)} % {in_product(divisor)} == 0"


def _with(text: str, numbers: dict[str, int]) -> str:
    said = [f"{name} = {number}" for name, number in sorted(numbers.items()) if name in comparison(text).names]
    return f" ({', '.join(said)})" if said else ""


def _mentioned(run: Run) -> set[str]:
    return {key for _, key in run.build.reads}


def _is_true(text: str, numbers: dict[str, int]) -> bool:
    """Whether a condition holds for the config itself; one on run symbols is kept for when they are known."""
    try:
        return comparison(text).is_true(numbers)
    except SymflopsError:
        return True


def _parts_left(run: Run) -> Iterable[str]:
    """That what is left of a size, as of a head beside the part that is rotated, is something: torch computes with
    tensors of no elements otherwise."""
    for value in map(run.quantities.read, run.quantities.dimensions):
        difference = _simplest(value)
        if not free_symbols(value) & run.build.hints.keys() and any(c < 0 for c in terms_of(difference).values()):
            yield _compared(difference, ">")


def _sides(run: Run, guard: Guard) -> tuple[Value, str]:
    """What a guard compares, as a difference, and how; no sign where it is no comparison of sizes."""
    signs = next((s for kind, s in _SIGNS.items() if isinstance(guard.condition, kind)), ("", ""))
    try:
        left, right = (run.quantities.compared(side) for side in guard.condition.args) if signs[0] else (0, 0)
    except SymflopsError:
        return 0, ""
    return _simplest(add(left, negate(right))), signs[not guard.outcome]


def _gap(difference: Value, sign: str) -> Value:
    """What is at least 0 where a difference is above, below, … 0."""
    gap = difference if sign in (">", ">=") else negate(difference)
    return add(gap, -1) if sign in ("<", ">") else gap


def _text(run: Run, guard: Guard) -> str:
    difference, sign = _sides(run, guard)
    if not sign:
        return ""
    names = free_symbols(difference)
    is_of_run = names <= run.build.hints.keys()
    is_asked = guard.is_written and names == {"seq_len"}
    if sign == "!=" and (not is_asked if is_of_run else _is_number(run, guard)):
        return ""  # a size is not some number: those that are 0 or 1 are numbers in the file, not symbols
    if sign == "!=" and not guard.is_written and names & run.build.hints.keys():
        return ""  # what torch asks of strides, which are equal for single tokens and cost the same
    if sign in ("<", "<=", ">", ">="):
        expected = is_of_run or _holds_for_long(run, guard)
        if _always(_gap(difference, sign)) or (expected and not guard.is_written and not _is_of_long_only(run, guard)):
            return ""
    return _compared(difference, sign)


def _is_number(run: Run, guard: Guard) -> bool:
    """Whether a size is compared with a number."""
    return any(isinstance(run.quantities.compared(side), int) for side in guard.condition.args)


def _always(gap: Value) -> bool:
    """Whether a value is at least 0 whatever the symbols, all at least 1, are."""
    return is_nonnegative(substitute(gap, {n: add(symbol(n), 1) for n in free_symbols(gap)}))


def _holds_for_long(run: Run, guard: Guard) -> bool:
    """Whether a condition bounds lengths from below only: short ones are checked by counting, see docs/coverage.md."""
    lengths = {s: sympy.Integer(10**12) for s, n in run.sizes.names.items() if n in ("seq_len", "past_len")}
    if not lengths.keys() & guard.condition.free_symbols:
        return False
    longer = guard.condition.xreplace(run.sizes.hints | lengths)
    return longer in (True, False) and bool(longer) is guard.outcome


def _is_of_long_only(run: Run, guard: Guard) -> bool:
    """Whether a condition holds only because a longer hint than usual was used for seq_len."""
    usual = {s: sympy.Integer(RUN_HINTS[n]) for s, n in run.sizes.names.items() if n == "seq_len"}
    shorter = guard.condition.xreplace(run.sizes.hints | usual)
    return shorter in (True, False) and bool(shorter) is not guard.outcome


def _without_quotients(difference: Value) -> Value:
    terms = terms_of(difference)
    below = {n: max(-e for m in terms for a, e in m if a == n) for m in terms for n, e in m if e < 0}
    whole = math.lcm(1, *(Fraction(c).denominator for c in terms.values()))
    return multiply(difference, whole, *(power(symbol(n), e) for n, e in below.items()))


def _simplest(difference: Value) -> Value:
    """A difference without quotients and without what all its terms share, which is positive: of the same sign."""
    whole = _without_quotients(difference)
    if not isinstance(whole, Polynomial):
        return whole
    content, common, rest = factored(whole)
    unsure = tuple((name, exponent) for name, exponent in common if not _is_positive(name))
    return multiply(1 if content > 0 else -1, value_of({unsure: 1}), rest)


def _is_positive(name: str) -> bool:
    if not isinstance(name, Call):
        return name != "past_len"
    return name.function == "ceil" and (least(name.arguments[0]) or 0) > 0


def _compared(difference: Value, sign: str) -> str:
    left = value_of({m: c for m, c in terms_of(difference).items() if c > 0})
    right = value_of({m: -c for m, c in terms_of(difference).items() if c < 0})
    if not free_symbols(left):
        left, right, sign = right, left, FLIPPED.get(sign, sign)
    return f"{write(grouped(left))} {sign} {write(grouped(right))}"
