"""A value as a product of primes, nonnegative factors and one sum: what powers, roots and logarithms take apart."""

from __future__ import annotations

from symflops.polynomial import (
    Call,
    Number,
    Polynomial,
    Value,
    add,
    atom,
    divide,
    factored,
    is_nonnegative,
    is_sure,
    multiply,
    negate,
    square_root,
    terms_of,
    value_of,
)
from symflops.verification.fraction import leading

_SMALL_PRIMES = tuple(p for p in range(2, 1000) if all(p % q for q in range(2, int(p**0.5) + 1)))
_ROOT_TERMS = 8  # of a sum whose square is looked for


def parts_of(value: Value) -> list[tuple[Value, int]] | None:
    """Primes, nonnegative factors and one sum, with exponents, whose product is the value; None for an unknown sign."""
    content, common, rest = factored(value) if isinstance(value, Polynomial) else (value, (), 1)
    if isinstance(rest, Polynomial) and len(rest.terms) == 1:
        ((monomial, coefficient),) = rest.terms.items()
        content, common, rest = content * coefficient, (*common, *monomial), 1
    if content <= 0:
        return None
    inside = multiply(rest, value_of({tuple((n, e) for n, e in common if not is_sure(n)): 1}))
    found: list[tuple[Value, int]] = [(inside, 1)] if inside != 1 else []
    found += [(value_of({((n, 1),): 1}), e) for n, e in common if is_sure(n)]
    return found + _primes(content)


def _primes(content: Number) -> list[tuple[Value, int]]:
    found: list[tuple[Value, int]] = []
    for number, sign in ((content.numerator, 1), (content.denominator, -1)):
        for p in _SMALL_PRIMES:
            times = 0
            while number % p == 0:
                number, times = number // p, times + 1
            if times:
                found.append((p, sign * times))
        if number != 1:
            found.append((number, sign))  # its own prime, as far as we look
    return found


def root_of(part: Value) -> Value:
    """The square root of one factor; that of (a + b)**2 is a + b."""
    root = _root_of_square(part) if isinstance(part, Polynomial) and len(part.terms) > 2 else None
    if root is not None and is_nonnegative(root):
        return root
    return 1 if part == 1 else atom(Call.of("sqrt", part))


def _root_of_square(square: Polynomial) -> Value | None:
    """The sum whose square this is, leading term first; None where there is none, or none that is short."""
    rest: Value = square
    root: Value = 0
    for _ in range(_ROOT_TERMS):
        if not isinstance(rest, Polynomial):
            break
        lead = value_of({(m := leading(rest)): rest.terms[m]})
        if root == 0:
            if rest.terms[m] <= 0:
                return None
            first = square_root(lead)
            root, double = first, multiply(2, first)
        else:
            root = add(root, divide(lead, double))
        rest = add(square, negate(multiply(root, root)))
        if rest == 0:
            return root
    return None


def logarithm_of(part: Value) -> Value:
    if part in (1, 2):
        return int(part) - 1  # type: ignore[arg-type]  # a number here
    ((monomial, _), *others) = terms_of(part).items()
    if not others and len(monomial) == 1 and isinstance(call := monomial[0][0], Call):
        if call.function == "**":  # log2(b**n) = n*log2(b)
            base = call.arguments[0]
            return multiply(call.arguments[1], logarithm_of(base))
        if call.function == "sqrt":
            return divide(logarithm_of(call.arguments[0]), 2)
    return atom(Call.of("log2", part))
