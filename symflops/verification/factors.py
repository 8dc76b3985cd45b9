"""A value as a product of primes, nonnegative factors and one sum: what powers, roots and logarithms take apart."""

from __future__ import annotations

from fractions import Fraction

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
    power,
    terms_of,
    value_of,
)
from symflops.verification.fraction import leading

_SMALL_PRIMES = tuple(p for p in range(2, 1000) if all(p % q for q in range(2, int(p**0.5) + 1)))
_ROOT_TERMS = 8  # of a sum whose power is looked for
_POWER_TERMS = 30  # of such a power


def parts_of(value: Value) -> list[tuple[Value, int]] | None:
    """Primes, nonnegative factors and one sum, with exponents, whose product is the value; None for an unknown sign."""
    content, common, rest = factored(value) if isinstance(value, Polynomial) else (value, (), 1)
    if isinstance(rest, Polynomial) and len(rest.terms) == 1:
        ((monomial, coefficient),) = rest.terms.items()
        content, common, rest = content * coefficient, (*common, *monomial), 1
    if content <= 0:
        return None
    inside = multiply(rest, value_of({tuple((n, e) for n, e in common if not is_sure(n)): 1}))
    found: list[tuple[Value, int]] = [_as_power(inside)] if inside != 1 else []
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
    """The square root of one factor."""
    return 1 if part == 1 else atom(Call.of("sqrt", part))


def _as_power(value: Value) -> tuple[Value, int]:
    """A sum as a power of a shorter one: a**2 + 2*a*b + b**2 is (a + b)**2."""
    for exponent in (2, 3):
        if isinstance(value, Polynomial) and exponent < len(value.terms) <= _POWER_TERMS:
            root = _root(value, exponent)
            if root is not None and is_nonnegative(root):
                base, more = _as_power(root)
                return base, exponent * more
    return value, 1


def _root(value: Polynomial, exponent: int) -> Value | None:
    """The sum whose power this is, leading term first; None where there is none, or none that is short."""
    lead = leading(value)
    if any(e % exponent for _, e in lead):
        return None
    c = Fraction(value.terms[lead])
    first = [round(abs(x) ** (1 / exponent)) if abs(x) < 2**50 else 0 for x in (c.numerator, c.denominator)]
    if c <= 0 or 0 in first or Fraction(*first) ** exponent != c:
        return None
    root = multiply(Fraction(*first), value_of({tuple((n, e // exponent) for n, e in lead): 1}))
    slope = multiply(exponent, power(root, exponent - 1))
    for _ in range(_ROOT_TERMS):
        rest = add(value, negate(power(root, exponent)))
        if not isinstance(rest, Polynomial):
            return root if rest == 0 else None
        root = add(root, divide(value_of({(m := leading(rest)): rest.terms[m]}), slope))
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
