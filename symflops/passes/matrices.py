"""The matrices of weights that a layer has: what formats are for."""

from __future__ import annotations

from dataclasses import dataclass

from symflops.algebra import free_symbols
from symflops.layer import Layer
from symflops.meaning import with_quantity
from symflops.polynomial import Polynomial, Value, add, divide, multiply, negate, symbol


@dataclass(frozen=True)
class Matrices:
    """The matrices of one layer: how many of which sizes, and how many other weights it has."""

    kind: str
    sizes: tuple[tuple[Value, Value, Value], ...]  # count, rows, columns
    others: Value


def matrices(layer: Layer) -> Matrices | None:
    """The matrices of a basic layer that formats are for; None for a layer that has none.

    Linear layers and the library's experts say their sizes. Of experts with a cost of their own each product of three
    sizes in the number of parameters is a matrix for each expert: of a width and an inner width, three where there is
    a gate, else two, and those of one orientation are rows of the other.
    """
    if layer.formula is not None and layer.formula.name == "linear":
        args = {"bias": 0, **dict(layer.args)}
        rows, columns = args["out_features"], args["in_features"]
        return Matrices("linear", ((1, rows, columns),), multiply(args["bias"], rows))
    if layer.formula is not None and layer.formula.name == "moe_experts":
        args = dict(layer.args)
        count, inner, width = args["num_experts"], args["intermediate_size"], args["hidden_size"]
        return Matrices("experts", ((multiply(2, count), inner, width), (count, width, inner)), 0)
    return None if layer.inline is None else _experts(layer.cost.value("parameters"), layer)


def _experts(parameters: Value, layer: Layer) -> Matrices | None:
    used = free_symbols(layer.cost.value("matmul_flops"))
    experts = with_quantity(free_symbols(parameters), "experts")
    chosen = with_quantity(used, "experts of a token")
    if not experts or not chosen or experts in used:  # a router multiplies by all of its weights
        return None
    return of_experts(parameters, experts)


def of_experts(parameters: Value, experts: str) -> Matrices | None:
    """The matrices of so many parameters of so many experts, by their form; None where there are none."""
    if not isinstance(parameters, Polynomial):
        return None
    each = divide(parameters, symbol(experts))
    if not isinstance(each, Polynomial):
        return None
    sizes: list[tuple[Value, Value, Value]] = []
    others: Value = parameters
    for monomial, number in each.terms.items():
        if len(monomial) == 2 and all(power == 1 for _, power in monomial) and number in (2, 3):
            names = sorted((name for name, _ in monomial), key=lambda name: with_quantity({name}, "hidden") != name)
            width, inner = (symbol(name) for name in names)
            wide = multiply(number - 1, symbol(experts))
            sizes += [(wide, inner, width), (symbol(experts), width, inner)]
            others = add(others, negate(multiply(number, width, inner, symbol(experts))))
    return Matrices("experts", tuple(sizes), others) if sizes else None
