"""Normal forms beyond polynomials: what `polynomial` leaves as opaque factors is rewritten, so that equals look equal.

- every rounding is a floor of a proper fraction: ceil(p/q) = floor((p + q - 1)/q) for whole p and q, whole parts are
  taken out, nested floors are one, common factors cancel;
- every minimum and maximum of two is m + c*min(0, d) with d in lowest terms and its leading coefficient positive;
- powers with symbols in the exponent, roots and logarithms are taken apart into prime numbers, symbols and sums.

A `Form` knows upper bounds of some symbols and settles what these decide. All rules hold wherever both sides have a
value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf

from symflops import deadline
from symflops.polynomial import (
    Call,
    Monomial,
    Number,
    Polynomial,
    Value,
    accumulate,
    add,
    atom,
    divide,
    factored,
    is_integer,
    is_nonnegative,
    is_sure,
    multiply,
    negate,
    power,
    terms_of,
    value_of,
)
from symflops.verification.factors import logarithm_of, parts_of, root_of
from symflops.verification.fraction import divided, leading, lowest_terms, quotient, unfolded
from symflops.verification.interval import Interval, floor_of, interval
from symflops.verification.sign import Signs


class Form:
    """The normal form of values whose symbols lie between 0 and `upper`, where that is given, and where the values in
    `known` are at least 0."""

    def __init__(self, upper: Mapping[str, Number] | None = None, known: Sequence[Value] = ()) -> None:
        self.upper = upper or {}
        self.signs = Signs(self.upper, known)
        self.seen: dict[tuple[str, int], Value] = {}

    def of(self, value: Value) -> Value:
        """The normal form; what is 0 in it is 0 wherever it is defined."""
        if not isinstance(value, Polynomial):
            return value
        total: dict[Monomial, Number] = {}
        for monomial, coefficient in value.terms.items():
            calls = [(n, e) for n, e in monomial if isinstance(n, Call)]
            if not calls:
                accumulate(total, Polynomial({monomial: coefficient}))
                continue
            rest = value_of({tuple((n, e) for n, e in monomial if not isinstance(n, Call)): coefficient})
            accumulate(total, multiply(rest, *(self.factor(n, e) for n, e in calls)))
        return value_of(total)

    def range(self, value: Value) -> Interval:
        return interval(value, self.upper)

    def is_nonnegative(self, value: Value) -> bool:
        """Whether a value is shown to be at least 0."""
        return self.signs.is_nonnegative(value)

    def factor(self, call: Call, exponent: int) -> Value:
        deadline.check()
        key = (call, exponent)
        if key not in self.seen:
            if call.function == "sqrt":  # 1/sqrt(x) is sqrt(x)/x
                whole, half = divmod(exponent, 2)
                argument = self.of(call.arguments[0])
                self.seen[key] = multiply(power(argument, whole), self.root(argument) if half else 1)
            else:
                self.seen[key] = power(self.rewritten(call), exponent)
        return self.seen[key]

    def rewritten(self, call: Call) -> Value:
        arguments = tuple(self.of(a) for a in call.arguments)
        if call.function == "+":
            return arguments[0]
        if call.function in ("floor", "ceil"):
            return self.rounded(arguments[0], call.function == "ceil")
        if call.function == "min":
            return self.minimum(arguments)
        if call.function == "max":
            return negate(self.minimum(tuple(negate(a) for a in arguments)))
        if call.function == "**":
            return self.raised(*arguments)
        return self.logarithm(arguments[0])

    # ----------------------------------------------------------------------------------------------------- rounding

    def rounded(self, value: Value, up: bool) -> Value:
        top, bottom = quotient(value)
        if not is_integer(top):
            return self.rounded_fraction(value, up)
        if not (is_integer(bottom) and is_nonnegative(bottom)):
            bottom, top = negate(bottom), negate(top)
            if not (is_integer(bottom) and is_nonnegative(bottom)):
                return self.rounded_fraction(value, up)
        return self.floor(add(top, bottom, -1) if up else top, bottom)

    def rounded_fraction(self, value: Value, up: bool) -> Value:
        """Of what is not a quotient of whole numbers, such as a root."""
        if up:
            return negate(self.rounded_fraction(negate(value), False))
        if not isinstance(value, Polynomial):
            return value.__floor__()
        low, high = self.range(value)
        if -inf < low and high < inf and floor_of(low) == floor_of(high):
            return int(floor_of(low))
        whole = {m: w for m, c in value.terms.items() if is_integer(Polynomial({m: 1})) and (w := c.__floor__())}
        inside = add(value, negate(value_of(dict(whole))))
        return add(value_of(dict(whole)), atom(Call.of("floor", inside)) if isinstance(inside, Polynomial) else 0)

    def floor(self, top: Value, bottom: Value) -> Value:
        """floor(top/bottom) of whole values, bottom positive."""
        one = unfolded(top, bottom)
        if one is not None:
            return self.floor(*one)
        whole, rest = divided(top, bottom)
        if terms_of(rest) and terms_of(rest)[leading(rest)] < 0:  # floor(-p/q) = -floor((p + q - 1)/q)
            return add(whole, negate(self.floor(add(negate(rest), bottom, -1), bottom)))
        lowest, least = lowest_terms(rest, bottom)
        if least == 1 or (lowest, least) != (rest, bottom):
            return add(whole, lowest if least == 1 else self.floor(lowest, least))
        nested = self.nested(rest, bottom)
        return add(whole, nested if nested is not None else self.proper(rest, bottom))

    def nested(self, top: Value, bottom: Value) -> Value | None:
        """floor(p/(f*q)) is floor(floor(p/f)/q): of use where the inner floor is settled."""
        content, common, rest = factored(bottom) if isinstance(bottom, Polynomial) else (bottom, (), 1)
        factors: list[Value] = [int(content)] if content != 1 else []
        factors += [value_of({((n, 1),): 1}) for n, e in common for _ in range(e)]
        if len(factors) + (rest != 1) < 2:
            return None
        for f in factors:
            inner = self.floor(top, f)
            if not any(isinstance(n, Call) and n.function == "floor" for m in terms_of(inner) for n, _ in m):
                return self.floor(inner, divide(bottom, f))
        return None

    def proper(self, top: Value, bottom: Value) -> Value:
        if isinstance(bottom, Polynomial):
            if self.is_nonnegative(top) and self.is_nonnegative(add(bottom, negate(top), -1)):
                return 0
        else:
            low, high = self.range(top)
            if -inf < low and high < inf and low // bottom == high // bottom:
                return int(low // bottom)
        return atom(Call.of("floor", divide(top, bottom)))

    # ------------------------------------------------------------------------------------------------------ extremes

    def minimum(self, values: tuple[Value, ...]) -> Value:
        kept: list[Value] = []
        for i, value in enumerate(values):
            others = [*kept, *values[i + 1 :]]
            if not any(self.is_nonnegative(add(value, negate(other))) for other in others):
                kept.append(value)
        if len(kept) == 1:
            return kept[0]
        if len(kept) > 2:
            shared = kept[0] if len(terms_of(kept[0])) == 1 else 0
            moved = sorted((add(v, negate(shared)) for v in kept), key=repr)
            return add(shared, atom(Call.of("min", *moved)))
        first, second = kept
        difference = add(second, negate(first))
        assert isinstance(difference, Polynomial)
        content, common, rest = factored(difference)
        if content < 0:
            content, rest = -content, negate(rest)
        kept_inside = tuple((n, e) for n, e in common if not is_sure(n))
        outside = value_of({tuple((n, e) for n, e in common if is_sure(n)): content})
        inside = multiply(value_of({kept_inside: 1}), rest)
        if not isinstance(inside, Polynomial):
            return add(first, multiply(outside, min(0, inside)))
        if inside.terms[leading(inside)] < 0:  # min(0, -d) = -d + min(0, d)
            first, inside = second, negate(inside)
        return add(first, multiply(outside, atom(Call.of("min", 0, inside))))

    # ------------------------------------------------------------------------------- powers, roots and logarithms

    def raised(self, base: Value, exponent: Value) -> Value:
        if not isinstance(exponent, Polynomial):
            return power(base, exponent)
        if base == 0 and self.range(exponent)[0] > 0:
            return 0
        if not isinstance(base, Polynomial) and base < 0 and is_integer(exponent):
            return multiply(self.sign(exponent), self.raised(-base, exponent))
        whole = all(type(c) is int for c in exponent.terms.values())
        nonzero = self.range(base)[0] > 0
        if not whole or not (nonzero or is_nonnegative(exponent)):  # 0**(n - m) is not 0**n/0**m
            return atom(Call.of("**", base, exponent))
        parts = parts_of(base)
        if parts is None:
            return atom(Call.of("**", base, exponent))
        result: Value = 1
        for monomial, coefficient in exponent.terms.items():
            for part, times in parts:
                result = multiply(result, power(self.power(part, monomial), int(coefficient) * times))
        return result

    def sign(self, exponent: Value) -> Value:
        """(-1)**exponent, of which only the odd terms of the exponent matter."""
        odd: dict[Monomial, Number] = {m: 1 for m, c in terms_of(exponent).items() if c % 2}
        rest = value_of({m: c for m, c in odd.items() if m})
        sign: Value = atom(Call.of("**", -1, rest)) if isinstance(rest, Polynomial) else 1
        return negate(sign) if () in odd else sign

    def power(self, part: Value, monomial: Monomial) -> Value:
        if not monomial:
            return part
        ((name, exponent), *others) = monomial
        if part == 2 and not others and exponent == 1 and isinstance(name, Call) and name.function == "log2":
            return name.arguments[0]
        return 1 if part == 1 else atom(Call.of("**", part, value_of({monomial: 1})))

    def root(self, value: Value) -> Value:
        parts = parts_of(value)
        if parts is None:
            return atom(Call.of("sqrt", value)) if isinstance(value, Polynomial) or value else 0
        result: Value = 1
        for part, times in parts:
            whole, half = divmod(times, 2)
            result = multiply(result, power(part, whole), root_of(part) if half else 1)
        return result

    def logarithm(self, value: Value) -> Value:
        parts = parts_of(value)
        if parts is None:
            return atom(Call.of("log2", value))
        return add(0, *(multiply(times, logarithm_of(part)) for part, times in parts))
