"""What a value comes close to once a symbol is large: its leading terms and their degree."""

from __future__ import annotations

from symflops.algebra import ALGEBRA, calls_of, free_symbols, substitute
from symflops.analysis.feasible import is_at_least_zero, is_positive
from symflops.analysis.signs import pieces
from symflops.errors import SymflopsError
from symflops.polynomial import Call, Value, add, multiply, negate, power, symbol, terms_of, value_of
from symflops.summation import coefficients


def leading(value: Value, by: str) -> tuple[Value, int | None]:
    """The terms of highest degree once the symbol is large, and that degree; None where a power b**n outgrows all.

    >>> from symflops.algebra import from_text
    >>> leading(from_text("3*n**2*ceil(n/64) + max(0, w - n)*n**4"), "n")
    (3*n**3/64, 3)

    Raises SymflopsError where that cannot be told, or where rounding decides: n % 7 has no leading term.
    """
    far, rounded = _far_out(value, by)
    powers = {call for call in calls_of(far, by) if call.function == "**"}
    if any(call not in powers for call in calls_of(far, by)):
        raise SymflopsError(f"cannot tell how {str(value)[:100]} grows with {by}")
    if powers:
        return value_of({m: c for m, c in terms_of(far).items() if any(n in powers for n, _ in m)}), None
    by_degree = coefficients(far, by)
    degree = max(by_degree, default=0)
    if rounded is not None and degree <= rounded:
        raise SymflopsError(f"{str(value)[:100]} has no leading term in {by}: rounding decides")
    return multiply(by_degree.get(degree, 0), power(symbol(by), degree)), degree


def _far_out(value: Value, by: str) -> tuple[Value, int | None]:
    """A value with min and max decided, without rounding and without fading powers; and the degree of what rounding
    may have changed, None without any."""
    if free_symbols(value) <= {by}:
        last = pieces(value, by, 1)[-1].value
        value = value if last is None else last
    rounded: int | None = None
    while True:
        calls = sorted(set(calls_of(value, by)), key=lambda c: (len(c), c))
        for call in calls:
            replacement = _replacement(call, by)
            if replacement is None:
                continue
            if call.function in ("floor", "ceil"):
                rounded = max(rounded or 0, _degree_beside(value, call, by))
            value = substitute(value, {call: replacement})
            break
        else:
            return value, rounded


def _degree_beside(value: Value, call: Call, by: str) -> int:
    """The highest degree of what a call is multiplied with."""
    found = 0
    for monomial in terms_of(value):
        if any(call in (n, *calls_of(value_of({((n, 1),): 1}), by)) for n, _ in monomial):
            found = max(found, sum(e for n, e in monomial if n != call))
    return found


def _replacement(call: Call, by: str) -> Value | None:
    """What a call comes close to; None for what stays."""
    if call.function in ("floor", "ceil"):
        return call.arguments[0]
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
        raise SymflopsError(f"cannot tell which of {str(call)[:100]} is taken for large {by}")
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
    raise SymflopsError(f"cannot tell whether {str(value)[:100]} grows with {by}")
