"""What a value comes close to once a symbol is large: its leading terms and their degree."""

from __future__ import annotations

from itertools import count
from math import inf

from symflops.algebra import ALGEBRA, calls_of, free_symbols, substitute
from symflops.analysis.feasible import is_at_least_zero, is_positive
from symflops.analysis.signs import pieces
from symflops.errors import SymflopsError
from symflops.polynomial import (
    Call,
    Monomial,
    Number,
    Value,
    add,
    atom,
    multiply,
    negate,
    power,
    symbol,
    terms_of,
    value_of,
)
from symflops.summation import coefficients

_REST = "rest'"  # of a rounding, a number from 0 on that is bounded: no text has such a name


def leading(value: Value, by: str) -> tuple[Value, int | None]:
    """The terms of highest degree once the symbol is large, and that degree; None where a power b**n outgrows all.

    >>> from symflops.algebra import from_text
    >>> leading(from_text("3*n**2*ceil(n/64) + max(0, w - n)*n**4"), "n")
    (3*n**3/64, 3)

    Raises SymflopsError where that cannot be told, or where rounding decides: n % 7 has no leading term.
    """
    far = _far_out(value, by)
    powers = {call for call in calls_of(far, by) if call.function == "**"}
    if any(call not in powers for call in calls_of(far, by)):
        raise SymflopsError(f"cannot tell how {_shown(value)} grows with {by}")
    by_power: dict[Monomial, dict[Monomial, Number]] = {}
    for monomial, c in terms_of(far).items():
        by_power.setdefault(tuple(f for f in monomial if f[0] in powers), {})[monomial] = c
    if powers:
        return add(*(_sure(value_of(t), value, by)[0] for factors, t in by_power.items() if factors)), None
    sure, degree = _sure(far, value, by)
    return multiply(coefficients(sure, by).get(degree, 0), power(symbol(by), degree)), degree


def _sure(far: Value, value: Value, by: str) -> tuple[Value, int]:
    """The terms that no rounding is in, and their degree, which has to be above that of all others."""
    terms = terms_of(far)
    rounded = {m: c for m, c in terms.items() if any(map(_is_rest, free_symbols(value_of({m: 1}))))}
    sure = coefficients(value_of({m: c for m, c in terms.items() if m not in rounded}), by)
    if rounded and max(coefficients(value_of(rounded), by)) >= max(sure, default=-inf):
        raise SymflopsError(f"{_shown(value)} has no leading term in {by}: rounding decides")
    return value_of({m: c for m, c in terms.items() if m not in rounded}), max(sure, default=0)


def _is_rest(name: str) -> bool:
    return name.startswith(_REST)


def _shown(value: Value) -> str:
    return str(substitute(value, dict.fromkeys(filter(_is_rest, free_symbols(value)), 0)))[:100]


def _far_out(value: Value, by: str) -> Value:
    """A value with min and max decided, without fading powers, and with what roundings add as symbols."""
    if free_symbols(value) <= {by}:
        last = pieces(value, by, 1)[-1].value
        value = value if last is None else last
    while True:
        for call in sorted(set(calls_of(value, by)), key=lambda c: (len(c), c)):
            if call.function in ("floor", "ceil"):
                value = _unrounded(value, call)
                break
            replacement = _replacement(call, by)
            if replacement is not None:
                value = substitute(value, {call: replacement})
                break
        else:
            return value


def _unrounded(value: Value, call: Call) -> Value:
    """A value with a rounding as its argument and a bounded number. Below a line, 1/ceil(x) is 1/x less a bounded
    multiple of 1/x**2."""
    used, near = free_symbols(value), call.arguments[0]
    name = next(n for n in map(f"{_REST}{{}}".format, count()) if n not in used)
    rest = symbol(name) if call.function == "ceil" else negate(symbol(name))
    terms = []
    for monomial, c in terms_of(value).items():
        exponent = min(dict(monomial).get(call, 0), 0)
        other = value_of({tuple(f for f in monomial if f != (call, exponent)): c})
        below = add(power(near, exponent), negate(multiply(rest, power(near, exponent - 1)))) if exponent else 1
        terms.append(multiply(substitute(other, {call: add(near, rest)}), below))
    return add(*terms)


def _replacement(call: Call, by: str) -> Value | None:
    """What a call that is no rounding comes close to; None for what stays."""
    if call.function == "**" and by not in free_symbols(call.arguments[0]):
        base = call.arguments[0]
        fades = base != 1 and is_at_least_zero(add(1, negate(base))) and _direction(call.arguments[1], by) > 0
        return 0 if fades else None
    if call.function not in ("min", "max"):
        return None
    towards = {a: _direction(a, by) for a in call.arguments}
    sign = -1 if call.function == "min" else 1
    extreme = max(sign * d for d in towards.values())
    chosen = [a for a, d in towards.items() if sign * d == extreme]
    if len(chosen) > 1 and extreme:
        raise SymflopsError(f"cannot tell which of {_shown(atom(call))} is taken for large {by}")
    return ALGEBRA[call.function](*chosen)


def _direction(value: Value, by: str) -> int:
    """1 for what grows without bound, -1 for what falls, 0 for what does not depend on the symbol."""
    if by not in free_symbols(value):
        return 0
    first, degree = leading(value, by)
    if degree is None or degree > 0:  # what falls to 0, as 1/n does, does not grow
        if is_positive(first):
            return 1
        if is_positive(negate(first)):
            return -1
    raise SymflopsError(f"cannot tell whether {_shown(value)} grows with {by}")
