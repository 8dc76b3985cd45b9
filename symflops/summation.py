"""Sums over consecutive whole numbers as closed forms.

A sum is a difference of an antidifference F, the discrete antiderivative: F(n + 1) - F(n) = f(n). Polynomials have one
(Faulhaber), so has n^k * x^n; `min` and `max` split the range where their arguments meet, and floor and ceil of n/d
split it into whole blocks of d and a rest. Everything holds for symbolic bounds. What has no closed form is an error.
"""

from __future__ import annotations

from functools import lru_cache
from math import comb

from symflops.algebra import calls_of as calls_of
from symflops.algebra import free_symbols, substitute
from symflops.errors import SymflopsError
from symflops.function import ceil, floor, maximum, minimum
from symflops.polynomial import (
    Call,
    Monomial,
    Number,
    Polynomial,
    Value,
    add,
    atom,
    divide,
    is_integer,
    multiply,
    negate,
    power,
    symbol,
    terms_of,
    value_of,
)

_U, _Q = "_position", "_block"  # inside only; no text can clash with them, since a result contains neither


def summed(value: Value, name: str, first: Value, count: Value) -> Value:
    """The sum of a value over `name` = first, first + 1, …, first + count - 1, for all whole first and count >= 0.

    >>> from symflops.algebra import from_text
    >>> summed(from_text("2*n + 1"), "n", 0, symbol("k"))
    k**2
    >>> summed(from_text("min(n, 10)"), "n", 0, 100)
    945

    Raises SymflopsError naming the term that has no closed form.
    """
    return _between(value, name, first, add(first, count))


def _between(value: Value, name: str, first: Value, last: Value) -> Value:
    """The sum over first <= name < last."""
    groups: dict[frozenset[str], dict[Monomial, Number]] = {}
    for monomial, coefficient in terms_of(value).items():
        calls = frozenset(str(n) for n, _ in monomial if isinstance(n, Call) and name in _symbols(n))
        groups.setdefault(calls, {})[monomial] = coefficient
    return add(0, *(_group(value_of(terms), name, first, last) for terms in groups.values()))


def _group(value: Value, name: str, first: Value, last: Value) -> Value:
    """One group of terms, which share the functions of `name` that they contain."""
    calls = sorted(set(calls_of(value, name)), key=lambda c: (len(c), c))  # the innermost first
    extremes = [c for c in calls if c.function in ("min", "max")]
    if extremes:
        below, meeting, above = _arms(extremes[0], name)
        # The arms change places at `meeting`, which may lie outside of the range.
        middle = maximum(first, minimum(meeting, last))
        low, high = (substitute(value, {extremes[0]: arm}) for arm in (below, above))
        return add(_between(low, name, first, middle), _between(high, name, middle, last))
    if not calls:
        closed = _polynomial(value, name)
    elif len(calls) == 1 and calls[0].function in ("floor", "ceil"):
        return _blocks(value, name, calls[0], first, last)
    elif len(calls) == 1 and calls[0].function == "**":
        closed = _geometric(value, name, calls[0])
    else:
        raise _no_closed_form(value, name)
    return add(substitute(closed, {name: last}), negate(substitute(closed, {name: first})))


def _no_closed_form(value: Value, name: str) -> SymflopsError:
    return SymflopsError(f"no closed form for the sum of {str(value)[:120]} over {name}")


def _symbols(call: Call) -> set[str]:
    return set().union(*(free_symbols(a) for a in call.arguments))


def _arms(call: Call, name: str) -> tuple[Value, Value, Value]:
    """What a min or max is below and from the whole number at which two of its arguments meet, and that number."""
    choose = minimum if call.function == "min" else maximum
    moving = next(a for a in call.arguments if name in free_symbols(a))
    other = next(a for a in call.arguments if a is not moving)
    rest = [a for a in call.arguments if a is not moving and a is not other]
    slope, offset = linear(add(moving, negate(other)), name)
    if not isinstance(slope, int) or slope == 0:
        raise _no_closed_form(atom(call), name)
    meeting = divide(negate(offset), slope)
    rising = (slope > 0) == (call.function == "min")
    below, above = (moving, other) if rising else (other, moving)
    return choose(below, *rest), meeting if is_integer(meeting) else ceil(meeting), choose(above, *rest)


def linear(value: Value, name: str) -> tuple[Value, Value]:
    """Slope and offset of a value that is linear in `name`; an error for one that is not."""
    slope: dict[Monomial, Number] = {}
    offset: dict[Monomial, Number] = {}
    for monomial, coefficient in terms_of(value).items():
        if (name, 1) in monomial:
            slope[tuple(f for f in monomial if f != (name, 1))] = coefficient
        else:
            offset[monomial] = coefficient
    if name in free_symbols(value_of(slope)) | free_symbols(value_of(offset)):
        raise _no_closed_form(value, name)
    return value_of(slope), value_of(offset)


def _blocks(value: Value, name: str, call: Call, first: Value, last: Value) -> Value:
    """A sum with floor((n + c)/d), written with u = n + c and q = floor(u/d): whole blocks of d, then the rest."""
    slope, offset = linear(call.arguments[0], name)
    if slope == 0:
        raise _no_closed_form(value, name)
    d = power(slope, -1)
    shift = multiply(offset, d)
    if call.function == "ceil":  # ceil(x/d) = floor((x + d - 1)/d)
        shift = add(shift, d, -1)
    if not (is_integer(d) and is_integer(shift)):
        raise _no_closed_form(value, name)
    inside = substitute(value, {call: symbol(_Q), name: add(symbol(_U), negate(shift))})
    if any(calls_of(inside, _U)):
        raise _no_closed_form(value, name)
    within = _polynomial(inside, _U)  # of u, for one block
    q = symbol(_Q)
    block_start = multiply(d, q)
    block = add(*(
        multiply(sign, substitute(within, {_U: end})) for sign, end in ((1, add(block_start, d)), (-1, block_start))
    ))  # fmt: skip
    closed = add(
        _polynomial(block, _Q),  # all blocks before the q-th
        within,
        negate(substitute(within, {_U: block_start})),
    )

    def at(end: Value) -> Value:
        u = add(end, shift)
        return substitute(closed, {_U: u, _Q: floor(divide(u, d))})

    return add(at(last), negate(at(first)))


def _polynomial(value: Value, name: str) -> Value:
    """The antidifference of a polynomial in `name`."""
    parts: list[Value] = []
    for exponent, coefficient in coefficients(value, name).items():
        if exponent < 0 or any(calls_of(coefficient, name)):
            raise _no_closed_form(value, name)
        parts.append(multiply(coefficient, substitute(_powers(exponent), {_U: symbol(name)})))
    return add(0, *parts)


def coefficients(value: Value, name: str) -> dict[int, Value]:
    """The coefficient of each power of `name`, functions of it left in the coefficients."""
    found: dict[int, dict[Monomial, Number]] = {}
    for monomial, coefficient in terms_of(value).items():
        exponent = next((e for n, e in monomial if n == name), 0)
        rest = tuple(f for f in monomial if f[0] != name)
        found.setdefault(exponent, {})[rest] = coefficient
    return {exponent: value_of(terms) for exponent, terms in found.items()}


@lru_cache(maxsize=64)
def _powers(k: int) -> Value:
    """0^k + 1^k + … + (u - 1)^k, from the binomial expansion of u^(k + 1)."""
    lower = [multiply(-comb(k + 1, j), _powers(j)) for j in range(k)]
    return divide(add(power(symbol(_U), k + 1), *lower), k + 1)


def _geometric(value: Value, name: str, call: Call) -> Value:
    """The antidifference of sums of n^k * x^n: from that of smaller k, since the difference of n^k * x^n is
    (x - 1)*n^k*x^n + x*sum(comb(k, j)*n^j*x^n for j < k)."""
    base, exponent = call.arguments
    if name in free_symbols(base):
        raise _no_closed_form(value, name)
    slope, _ = linear(exponent, name)
    total: Value = 0
    for monomial, coefficient in terms_of(value).items():
        times = next(e for n, e in monomial if n == call)
        k = next((e for n, e in monomial if n == name), 0)
        if k < 0 or not isinstance(slope, int | Polynomial):
            raise _no_closed_form(value, name)
        rest = value_of({tuple(f for f in monomial if f[0] not in (name, call)): coefficient})
        x = power(power(base, slope), times)
        done: list[Value] = []
        for degree in range(k + 1):
            lower = [multiply(-comb(degree, j), x, done[j]) for j in range(degree)]
            here = multiply(power(symbol(name), degree), power(atom(call), times))
            done.append(divide(add(here, *lower), add(x, -1)))
        total = add(total, multiply(rest, done[k]))
    return total
