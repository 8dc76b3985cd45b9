"""The graph: distinct layer definitions as nodes, repeat multipliers on the edges.

A subtree that occurs twice is one node, so a total is one pass in topological order and takes time linear in the
distinct definitions, however many layers the unrolled model has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from symflops import deadline
from symflops.cost import Cost
from symflops.errors import SymflopsError
from symflops.layer import Layer
from symflops.polynomial import Monomial, Number, Polynomial, Value, accumulate, add, multiply, value_of
from symflops.vocabulary.metrics import of_each

if TYPE_CHECKING:
    from networkx import DiGraph


Edges = Mapping[Layer, Mapping[Layer, Value]]  # of each layer those directly below, and how often it runs each


def edges(root: Layer) -> Edges:
    """The distinct layers below a layer, itself first and each after all that run it.

    >>> from symflops.layer import Part
    >>> from symflops.polynomial import symbol
    >>> leaf = Layer(inline=Cost.of(flops=7).by_metric)
    >>> above, below = edges(Layer(parts=(Part("a", leaf, symbol("L")), Part("b", leaf)))).values()
    >>> [str(times) for times in above.values()], below
    (['L + 1'], {})
    """
    last_first: dict[Layer, Mapping[Layer, Value]] = {}
    below: dict[Layer, dict[Layer, Value]] = {}
    stack = [root]
    while stack:
        layer = stack[-1]
        if layer not in below:
            deadline.check()
            repeats = below[layer] = {}
            for part in layer.parts:
                repeats[part.layer] = add(repeats[part.layer], part.repeat) if part.layer in repeats else part.repeat
            stack.extend(other for other in reversed(repeats) if other not in below)
        else:
            stack.pop()
            last_first.setdefault(layer, below[layer])
    return dict(reversed(last_first.items()))


def graph(root: Layer) -> DiGraph[Layer]:
    """The same as a `networkx.DiGraph`; the edge attribute `repeat` is how often the head runs per run of the tail.

    >>> from symflops.layer import Part
    >>> from symflops.polynomial import symbol
    >>> leaf = Layer(inline=Cost.of(flops=7).by_metric)
    >>> g = graph(Layer(parts=(Part("a", leaf, symbol("L")), Part("b", leaf))))
    >>> len(g), [str(times) for _, _, times in g.edges(data="repeat")]
    (2, ['L + 1'])
    """
    with deadline.untimed():  # only for who asks for it: importing it takes as long as a total in the terminal
        import networkx

    result: DiGraph[Layer] = networkx.DiGraph()
    result.add_node(root)
    for layer, repeats in edges(root).items():
        result.add_edges_from((layer, below, {"repeat": times}) for below, times in repeats.items())
    return result


def multiplicities(root: Layer) -> dict[Layer, Value]:
    """How often each distinct layer runs in one run of the root."""
    times: dict[Layer, Value] = {root: 1}
    for layer, repeats in edges(root).items():
        deadline.check()
        runs = times[layer]
        for below, repeat in repeats.items():
            product = repeat if runs == 1 else multiply(runs, repeat)
            times[below] = add(times[below], product) if below in times else product
    return times


def total(root: Layer) -> Cost:
    """The cost of one run of the root: each distinct basic layer once, times how often it runs."""
    sums: dict[str, dict[Monomial, Number]] = of_each(lambda _: {})
    for layer, runs in multiplicities(root).items():
        deadline.check()
        if layer.is_basic:
            try:
                values = layer.cost.by_metric
            except SymflopsError as error:
                raise error.within(path_to(layer, root)) from None
            for metric, value in values.items():
                if isinstance(runs, Polynomial):
                    accumulate(sums[metric], multiply(value, runs))
                elif value:
                    accumulate(sums[metric], value, runs)
    return Cost({metric: value_of(terms) for metric, terms in sums.items()})


def path_to(wanted: Layer, root: Layer) -> str:
    """The first place of a layer below the root, for messages."""
    stack = [(part.name, part.layer) for part in reversed(root.parts)]
    while stack:
        path, layer = stack.pop()
        if layer is wanted:
            return path
        stack.extend((f"{path}.{part.name}", part.layer) for part in reversed(layer.parts))
    return ""
