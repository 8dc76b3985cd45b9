"""Values made simpler by new symbols: what is 0 for all numbers that these stand for is 0 for what they replace."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import combinations

from symflops.algebra import ALGEBRA, free_symbols, substitute
from symflops.polynomial import Call, Value, add, calls_in, multiply, negate, power, symbol, terms_of, value_of
from symflops.vocabulary.symbols import FRACTION_MARK, is_whole

_FUNCTIONS = frozenset(ALGEBRA) - {"+"}
_GENERALISED = 8  # names of a value in which sums are looked for, at most


def generalised(value: Value) -> Value:
    """A value with new symbols for products of symbols inside its calls, and for sums that alone occur. What is 0 for
    all values of these is 0 for the products: ceil(b*s/128) is looked at as ceil(z/128)."""
    products = {tuple(n for n, _ in m) for call in innermost(value) for a in call.arguments for m in terms_of(a)}
    for product in sorted((p for p in products if len(p) > 1), key=lambda p: (-len(p), p)):
        if not any(isinstance(n, Call) for n in product):
            value = _abstracted(value, dict.fromkeys(product, 1), _name("*", product))
    names = sorted(free_symbols(value))
    for x, y in combinations(names, 2) if len(names) <= _GENERALISED else ():
        both = substitute(value, {x: add(symbol(_name("+", (x, y))), negate(symbol(y)))})
        if y not in free_symbols(both):  # only their sum occurs
            return generalised(both)
    return value


def _name(sign: str, parts: tuple[str, ...]) -> str:
    """The name of a product or sum; a whole number only where all its parts are."""
    return sign.join(n.rstrip(FRACTION_MARK) for n in parts) + "'" + FRACTION_MARK * (not all(map(is_whole, parts)))


def _abstracted(value: Value, product: Mapping[str, int], name: str) -> Value:
    total: Value = 0
    for m, c in terms_of(value).items():
        exponents = dict(m)
        times = min(exponents.get(n, 0) for n in product)
        factors: list[Value] = [c]
        if times > 0:
            factors.append(power(symbol(name), times))
            exponents = {n: e - times * product.get(n, 0) for n, e in exponents.items()}
        for n, e in exponents.items():
            if isinstance(n, Call):
                arguments = [_abstracted(a, product, name) for a in n.arguments]
                factors.append(power(add(*arguments) if n.function == "+" else ALGEBRA[n.function](*arguments), e))
            elif e:
                factors.append(value_of({((n, e),): 1}))
        total = add(total, multiply(*factors))
    return total


def innermost(value: Value, functions: Collection[str] = _FUNCTIONS) -> set[Call]:
    """The calls of functions in a value inside of which there are no others; a sum that is divided by is none."""

    def some(value: Value) -> Iterator[Call]:
        return (call for call in calls_in(value) if call.function in functions)

    return {call for call in some(value) if not any(True for a in call.arguments for _ in some(a))}


def outer(value: Value, function: str) -> set[Call]:
    """The calls of a function in a value, wherever they are."""
    return {call for call in calls_in(value) if call.function == function}
