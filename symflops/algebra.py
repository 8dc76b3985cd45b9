"""Trees become canonical values here, and symbols in values are replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache

from symflops import budget, deadline
from symflops.function import ceil, divide_floor, floor, logarithm2, maximum, minimum, modulo
from symflops.polynomial import (
    Call,
    Monomial,
    Number,
    Polynomial,
    Value,
    accumulate,
    add,
    calls_in,
    check_bits,
    divide,
    multiply,
    negate,
    power,
    square_root,
    symbol,
    terms_of,
    value_of,
)
from symflops.polynomial import free_symbols as free_symbols
from symflops.tree import Tree, fold, read

ALGEBRA: Mapping[str, Callable[..., Value]] = {
    "+": add, "-": negate, "*": multiply, "/": divide, "//": divide_floor, "%": modulo, "**": power,
    "min": minimum, "max": maximum, "floor": floor, "ceil": ceil, "sqrt": square_root, "log2": logarithm2,
}  # fmt: skip


def from_tree(tree: Tree) -> Value:
    """The canonical value of a tree, within the budget of a text. Raises TooLargeError for one that takes more."""
    with budget.budget():
        value: Value = fold(tree, ALGEBRA, lambda leaf: symbol(leaf) if isinstance(leaf, str) else leaf)
        budget.charge(sum(2 + 2 * len(monomial) for monomial in terms_of(value)))  # for what prints it later
        for number in terms_of(value).values():
            check_bits(number)
    return value


@lru_cache(maxsize=4096)
def from_text(text: str) -> Value:
    """The canonical value of a formula's text.

    >>> from_text("(a + b)*(a - b)") == from_text("a**2 - b**2")
    True
    """
    return from_tree(read(text))


def calls_of(value: Value, name: str) -> Iterator[Call]:
    """The functions of `name` in a value, also those inside others, each once."""
    return (call for call in calls_in(value) if name in call.symbols)


def substitute(value: Value, bindings: Mapping[str, Value]) -> Value:
    """The value with symbols, or whole calls such as `min(a, b)`, replaced, all at once."""
    if not isinstance(value, Polynomial):
        return value
    touched = {n for m in value.terms for n, _ in m if n in bindings or (isinstance(n, Call) and _has(n, bindings))}
    if not touched:
        return value
    deadline.check()
    total: dict[Monomial, Number] = {}
    powers: dict[tuple[str, int], Value] = {}
    for monomial, coefficient in value.terms.items():
        product: Value = coefficient
        kept: list[tuple[str, int]] = []
        for pair in monomial:
            name, exponent = pair
            if name in touched:
                if pair not in powers:
                    powers[pair] = power(_replaced(name, bindings), exponent)
                product = multiply(product, powers[pair])
            else:
                kept.append(pair)
        accumulate(total, multiply(product, value_of({tuple(kept): 1})) if kept else product)
    return value_of(total)


def _has(call: Call, bindings: Mapping[str, Value]) -> bool:
    """Whether the text of a call has one of the names in it, or a longer name that has it in it."""
    return any(name in call for name in bindings)


def _replaced(name: str, bindings: Mapping[str, Value]) -> Value:
    if isinstance(name, Call) and name not in bindings:
        function = add if name.function == "+" else ALGEBRA[name.function]
        return function(*(substitute(a, bindings) for a in name.arguments))
    return bindings[name]


def template(values: Sequence[Value], names: set[str]) -> Callable[[Mapping[str, Value]], tuple[Value, ...]]:
    """A function that substitutes all of `names` in several values at once: how a formula is applied to many layers.

    A product of arguments is computed once per call, even when several of the values have it.
    """
    products: dict[Monomial, int] = {}
    sums: list[list[tuple[Number, Monomial, int]]] = []
    for value in values:
        row: list[tuple[Number, Monomial, int]] = []
        for monomial, coefficient in terms_of(value).items():
            replaced = tuple(pair for pair in monomial if pair[0] in names or isinstance(pair[0], Call))
            kept = tuple(pair for pair in monomial if pair not in replaced)
            row.append((coefficient, kept, products.setdefault(replaced, len(products))))
        sums.append(row)
    recipes = list(products)

    def apply(bindings: Mapping[str, Value]) -> tuple[Value, ...]:
        computed = [_product(recipe, bindings) for recipe in recipes]
        results = []
        for row in sums:
            total: dict[Monomial, Number] = {}
            for coefficient, kept, index in row:
                product = computed[index]
                if product != 0:
                    accumulate(total, product, coefficient, kept)
            results.append(value_of(total))
        return tuple(results)

    return apply


def _product(monomial: Monomial, bindings: Mapping[str, Value]) -> Value:
    number = 1
    others: list[Value] = []
    for name, exponent in monomial:
        factor = _replaced(name, bindings) if isinstance(name, Call) else bindings[name]
        if exponent != 1:
            factor = power(factor, exponent)
        if type(factor) is int:
            number *= factor
        else:
            others.append(factor)
    return multiply(number, *others) if others else number
