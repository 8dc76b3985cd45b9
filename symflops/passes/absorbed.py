"""Latent attention with its up-projections absorbed: found where cached latents are projected up and attended to.

As written, the latents c of all earlier tokens become keys W_UK c and values W_UV c in each call. Since q·(W_UK c) is
(W_UK^T q)·c and sum(p W_UV c) is W_UV sum(p c), a query can be multiplied by W_UK^T instead and attend to latents
themselves (DeepSeek-AI 2024, arXiv:2405.04434, section 2.1.2). Which of both is less work depends on the lengths.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from symflops.algebra import free_symbols, substitute
from symflops.formula import load_formula
from symflops.function import maximum, minimum
from symflops.grouping import grouped
from symflops.layer import Layer, Part
from symflops.passes.chosen import of_chosen
from symflops.polynomial import Polynomial, Value, add, divide, factored, multiply, negate, symbol, value_of
from symflops.storage import ATTENTION
from symflops.tree import write
from symflops.vocabulary.metrics import METRICS
from symflops.vocabulary.symbols import BATCH, CACHE, ELEMENT, LENGTH, PAST, RUN_SYMBOLS, WEIGHT

KERNEL = "sdpa_latent"
QUERY, ATTEND, RESULT = "absorb_query", "latent_attention", "expand_result"
_ONE_TOKEN: Mapping[str, Value] = {BATCH: 1, LENGTH: 1, PAST: 0}


class Leaf(NamedTuple):
    """A basic layer below a group, by its path there."""

    path: tuple[str, ...]
    layer: Layer


@dataclass(frozen=True)
class Absorbed:
    """A group of layers with another way to attend, and where that is taken: where `gain` is positive, a whole number
    with the sign of the multiplications that it saves."""

    parts: tuple[Part, ...]
    gain: Value

    @property
    def sentence(self) -> str:
        return f"where {write(grouped(self.gain))} > 0"


def absorbed(parts: tuple[Part, ...], path: str) -> Absorbed | None:
    """The parts of a group in which cached latents are projected up and attended to, with absorbed projections where
    these are less work; None for any other group. `path` is the group's place."""
    for i, part in enumerate(parts):
        if part.layer.formula is None or part.layer.formula.name not in ATTENTION or part.repeat != 1:
            continue
        leaves = list(_leaves(parts[:i], ()))
        found = _Latent.of(part.layer, leaves)
        if found is not None:
            where = f"{path}.{part.name}" if path else part.name
            return found.rewritten(parts, i, where)
    return None


def _leaves(parts: tuple[Part, ...], above: tuple[str, ...]) -> Iterator[Leaf]:
    for part in parts:
        if part.repeat == 1 and part.layer.is_basic:
            yield Leaf((*above, part.name), part.layer)
        elif part.repeat == 1:
            yield from _leaves(part.layer.parts, (*above, part.name))


@dataclass(frozen=True)
class _Latent:
    """An attention to what up-projections make of cached latents."""

    args: Mapping[str, Value]  # of the attention, all of them
    every: Value  # keys of a sequence, of which the projections make keys and values
    rank: Value
    rope: Value  # the width of the key that is cached beside a latent
    ups: frozenset[tuple[str, ...]]
    copies: frozenset[tuple[str, ...]]
    element: Value  # bytes of an element of the up-projections, in their format

    @staticmethod
    def of(attention: Layer, leaves: list[Leaf]) -> _Latent | None:
        """What it attends to, where that is so: each condition says what has to hold for the rewriting to be exact."""
        assert attention.formula is not None
        args = attention.formula.completed(dict(attention.args))
        every = args["kv_read"]
        rows = multiply(args["batch"], every)
        widths = [_width(leaf.layer) for leaf in leaves if _is_append(leaf.layer)]
        ups = [leaf for leaf in leaves if _rank(leaf.layer, rows) is not None]
        if PAST not in free_symbols(rows) or not widths or not ups or len(ups) > 2:
            return None
        ranks = {_rank(leaf.layer, rows) for leaf in ups}
        rank = next(iter(ranks))
        if len(ranks) > 1 or rank is None:
            return None
        # One row of the cache is a latent and perhaps a key that all heads share, which no projection makes. An
        # indexer keeps keys of its own beside them.
        heads, keys, values = args["num_kv_heads"], args["head_dim"], args["value_dim"]
        made = add(*(leaf.layer.cost.value("parameters") for leaf in ups))
        for width in widths:
            rope = add(width, negate(rank))
            own = add(keys, negate(rope))
            if made != multiply(rank, heads, add(own, values)):
                continue
            sizes = [multiply(heads, size) for size in (own, keys, values, add(own, values), add(keys, values))]
            if any(_changes(leaf.layer, rows, sizes) for leaf in leaves if leaf not in ups):
                return None  # a norm of the keys, say, stands between a projection and the products
            element = divide(add(0, *(leaf.layer.weight_bytes for leaf in ups)), made)
            attended = of_chosen(attention) or attention
            pairs = attention.formula.completed(dict(attended.args))
            return _Latent(
                pairs, every, rank, rope, frozenset(leaf.path for leaf in ups),
                frozenset(leaf.path for leaf in leaves if _copies(leaf.layer, rows, sizes)),
                element,
            )  # fmt: skip
        return None

    @property
    def own(self) -> Value:
        """The width of a head's key that is made of the latent."""
        return add(self.args["head_dim"], negate(self.rope))

    @property
    def gain(self) -> Value:
        """Multiplications of a sequence as written, less those with absorbed projections."""
        heads, made = self.args["num_heads"], add(self.own, self.args["value_dim"])
        written = add(
            multiply(self.every, self.args["num_kv_heads"], self.rank, made),
            multiply(heads, self.args["pairs"], add(self.args["head_dim"], self.args["value_dim"])),
        )
        other = add(
            multiply(self.args["q_len"], heads, self.rank, made),
            multiply(heads, self.args["pairs"], add(self.rank, self.rank, self.rope)),
        )
        return add(written, negate(other))

    def rewritten(self, parts: tuple[Part, ...], at: int, attention: str) -> Absorbed:
        gain = _sign(self.gain)
        one = minimum(1, maximum(0, gain))  # whole numbers: 1 where it is positive
        other = add(1, negate(one))
        expanding = self.ups | self.copies
        before = tuple(_only_when(parts[:at], (), expanding, other))
        expanded = of_chosen(parts[at].layer) or parts[at].layer
        written = replace(parts[at], layer=replace(expanded, when=multiply(expanded.when, other)))
        taken = {part.name for part in parts}
        added = [
            replace(part, name=_free(part.name, taken), layer=replace(part.layer, when=one))
            for part in self._parts(attention)
        ]
        return Absorbed((*before, written, *added, *parts[at + 1 :]), gain)

    def _parts(self, attention: str) -> Iterator[Part]:
        args, rank = self.args, self.rank
        batch, queries, heads, groups = (args[name] for name in ("batch", "q_len", "num_heads", "num_kv_heads"))
        rows = multiply(batch, queries, heads)
        yield Part(QUERY, _product(rows, self.own, rank, multiply(self.element, groups)))
        names = ("batch", "q_len", "num_heads", "pairs", "kv_bytes", "scaled", "pair_ops", "sinks")
        kernel = {
            **{name: args[name] for name in names},
            "latent_dim": rank, "rope_dim": self.rope, "keys": args["kv_read"],
        }  # fmt: skip
        formula = load_formula(KERNEL)
        ordered = tuple(
            (name, kernel[name]) for name in formula.args if formula.defaults.get(name) != str(kernel[name])
        )
        tied = attention if args["sinks"] != 0 else ""  # the logits of its sinks are the written attention's
        yield Part(ATTEND, Layer(formula=formula, args=ordered, tied=tied))
        yield Part(RESULT, _product(rows, rank, args["value_dim"], multiply(self.element, groups)))


def _sign(value: Value) -> Value:
    """A whole number that is positive where this one is: without its factors that are sizes of the architecture."""
    if not isinstance(value, Polynomial):
        return value
    content, monomial, rest = factored(value)
    kept = tuple(
        (atom, power) for atom, power in monomial if free_symbols(value_of({((atom, 1),): 1})) & {*RUN_SYMBOLS}
    )
    return multiply(1 if content > 0 else -1, value_of({kept: 1}), rest)


def _product(rows: Value, wide: Value, out: Value, weights: Value) -> Layer:
    """Rows of each head times that head's slice of a projection, which is counted where it stands; `weights` are the
    bytes of an element in all groups of heads."""
    flops, element = multiply(2, rows, wide, out), symbol(ELEMENT)
    values = {
        **dict.fromkeys(METRICS, 0), "flops": flops, "matmul_flops": flops,
        "read_bytes": add(multiply(element, rows, wide), multiply(weights, wide, out)),
        "write_bytes": multiply(element, rows, out),
    }  # fmt: skip
    return Layer(inline=values)


def _is_append(layer: Layer) -> bool:
    return layer.formula is not None and layer.formula.name == "kv_cache_append"


def _width(layer: Layer) -> Value:
    """The elements that an append keeps of one token."""
    assert layer.formula is not None
    args = layer.formula.completed(dict(layer.args))
    return multiply(args["num_kv_heads"], add(args["head_dim"], args["value_dim"]))


def _rank(layer: Layer, rows: Value) -> Value | None:
    """The width of what a layer multiplies by all of its weights, where it does so with so many rows and no more."""
    cost = replace(layer, stored=None).cost  # in a format of their own, weights are not counted by elements
    owned, products = cost.value("parameters"), cost.value("matmul_flops")
    if owned == 0 or products != multiply(2, owned, rows):
        return None
    read = add(cost.value("read_bytes"), negate(multiply(symbol(WEIGHT), owned)))
    one = {**_ONE_TOKEN, CACHE: 1, ELEMENT: 1}
    here, of_one = substitute(read, one), substitute(rows, one)
    rank = divide(here, of_one) if of_one != 0 else 0
    said = (multiply(symbol(name), rows, rank) for name in (CACHE, ELEMENT))
    return rank if rank != 0 and read in said and not free_symbols(rank) & {*RUN_SYMBOLS} else None


def _written(layer: Layer, rows: Value, sizes: list[Value]) -> bool:
    """Whether a layer writes so many rows of one of these sizes."""
    written = layer.cost.value("write_bytes")
    return any(written == multiply(symbol(ELEMENT), rows, size) for size in sizes)


def _changes(layer: Layer, rows: Value, sizes: list[Value]) -> bool:
    return layer.cost.value("flops") != 0 and _written(layer, rows, sizes)


def _copies(layer: Layer, rows: Value, sizes: list[Value]) -> bool:
    cost = layer.cost
    return cost.value("flops") == 0 and cost.value("parameters") == 0 and _written(layer, rows, sizes)


def _only_when(
    parts: tuple[Part, ...], above: tuple[str, ...], wanted: frozenset[tuple[str, ...]], when: Value
) -> Iterator[Part]:
    for part in parts:
        path = (*above, part.name)
        if path in wanted:
            yield replace(part, layer=replace(part.layer, when=multiply(part.layer.when, when)))
        elif any(other[: len(path)] == path for other in wanted):
            below = tuple(_only_when(part.layer.parts, path, wanted, when))
            yield replace(part, layer=replace(part.layer, parts=below))
        else:
            yield part


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name
