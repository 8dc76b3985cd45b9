"""The integers of a config as symbols, and the hints that torch sees for them while the model is traced.

A hint answers wherever Python or torch insists on a number. It must be generic, so that no two sizes are equal by
accident (32 heads and 32 key-value heads), and it must keep what models rely on: heads divide the width, key-value
heads divide heads, half of a head is whole. So each symbol is written as a product of coarser ones: hidden_size as
num_attention_heads times a new symbol, head_dim as 2^k times one, whenever the config's own number allows it. Quotients
such as hidden_size // num_attention_heads are then exact, and no floor is left in a formula.

Where a trace shows that the model relies on more (qk_head_dim is the sum of two others), the relation is added by
`solve` and the model traced again.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from symflops.algebra import free_symbols, substitute
from symflops.numeric import RUN_SYMBOLS, evaluate
from symflops.polynomial import Polynomial, Value, add, divide, multiply, negate, symbol, terms_of, value_of
from symflops.trace.overrides import is_heterogeneous, overrides, statement
from symflops.tree import NAME
from symflops.vocabulary.fields import means, without
from symflops.vocabulary.symbols import RUN

_PRIMES = tuple(n for n in range(3, 1300, 2) if all(n % k for k in range(3, int(n**0.5) + 1, 2)))
LABELS = "num_labels"  # which a class of configs computes from the names of the labels
RUN_HINTS = {name: row.hint for name, row in RUN.items() if row.hint is not None}


@dataclass
class Field:
    """One integer of a config: where it is, its name as a symbol, its number, and how it is written as a product.

    A list that says the same number of each layer is one integer, too, and so is what is said of a type of layers.
    """

    holder: Any
    key: str
    name: str
    number: int
    divisors: tuple[str, ...] = ()  # other symbols, each of which divides it
    power: int = 1  # a power of two that divides what is left
    place: int = 0  # in the config; those of inner configs come later
    entries: int = 0  # of the list, if it is one
    kind: str = ""  # of the layers that it is of, if not of all
    is_depth: bool = False  # how many layers there are: the number itself, wherever it decides anything
    solved: Value | None = None  # or what it is equal to, in other symbols

    @property
    def rest(self) -> str:
        """The name of the free factor: what remains of the field after divisors and power."""
        return self.name if not self.divisors and self.power == 1 else f"{self.name}__rest"


@dataclass
class Architecture:
    """The fields that are symbols, each after those that it is written in."""

    fields: list[Field] = field(default_factory=list)
    raised: dict[str, int] = field(default_factory=dict)  # hints that had to be larger, by free factor

    def field(self, name: str) -> Field | None:
        return next((f for f in self.fields if f.name == name), None)

    @property
    def numbers(self) -> dict[str, int]:
        return {f.name: f.number for f in self.fields}

    def factors(self, f: Field) -> Value:
        """A field as a product of free factors: hidden_size is num_attention_heads * 16 * hidden_size__rest."""
        if f.solved is not None:
            return substitute(f.solved, {n: self._factors_of(n) for n in free_symbols(f.solved)})
        return multiply(f.power, symbol(f.rest), *(self._factors_of(d) for d in f.divisors))

    def _factors_of(self, name: str) -> Value:
        found = self.field(name)
        return symbol(name) if found is None else self.factors(found)

    def free_factors(self) -> dict[str, Value]:
        """The free factor of each field, by name: hidden_size = num_attention_heads * 16 * hidden_size__rest."""
        free = [f for f in self.fields if f.solved is None]
        return {f.rest: divide(symbol(f.name), multiply(f.power, *(self._symbol(d) for d in f.divisors))) for f in free}

    def own_numbers(self) -> dict[str, int]:
        """What the free factors are in the config itself, where they are whole there."""
        found = {rest: substitute(value, self.numbers) for rest, value in self.free_factors().items()}
        return {rest: number for rest, number in found.items() if isinstance(number, int)}

    def _symbol(self, name: str) -> Value:
        found = self.field(name)
        return found.solved if found is not None and found.solved is not None else symbol(name)

    def hints(self) -> dict[str, int]:
        """A distinct prime for each free factor, larger for larger numbers: no two products agree by accident."""
        depths = {f.rest: f.number for f in self.fields if f.is_depth}
        free = [f for f in self.fields if f.solved is None and not f.is_depth]
        free = [f for f in free if not _is_longest(f.holder, f.key)]
        small = [f for f in free if not means(f.key, "width") or means(f.key, "small_width")]
        counts = sorted(small, key=lambda f: (f.number, f.name))
        widths = sorted((f for f in free if f not in counts), key=lambda f: (f.number, f.name))
        order = [f for f in counts if not means(f.key, "limit") and f.key != LABELS] + widths
        order += [f for f in counts if f.key == LABELS]
        chosen = {f.rest: prime for f, prime in zip(order, _PRIMES, strict=False)}
        limits = [f for f in self.fields if f.solved is None and not f.is_depth and f.rest not in chosen]
        chosen |= {f.rest: 100003 + 34 * i for i, f in enumerate(limits)}
        return chosen | {rest: hint for rest, hint in self.raised.items() if rest in chosen} | depths

    def solve(self, left: Value, right: Value) -> bool:
        """Make two sizes equal by writing one of the fields in terms of the others; False if none can be."""
        for f in sorted(self.fields, key=lambda f: (len(f.divisors), -f.place)):
            if (
                f.solved is None
                and not f.is_depth
                and all(f.name not in (*o.divisors, *_names(o.solved)) for o in self.fields)
            ):
                found = _solution(f.name, left, right)
                if found is not None and f.name not in free_symbols(found) and self._is_so(f, found):
                    f.solved = found
                    if _is_whole(self.factors(f)):
                        f.divisors, f.power = (), 1
                        self.fields = in_order(self.fields)
                        return True
                    f.solved = None
        return False

    def _is_so(self, f: Field, found: Value) -> bool:
        """Whether the config's own numbers say that a field is what was found of it."""
        numbers = self.numbers
        return free_symbols(found) <= numbers.keys() and evaluate(found, numbers) == f.number


def _names(value: Value | None) -> set[str]:
    return set() if value is None else free_symbols(value)


def _is_whole(value: Value) -> bool:
    """Whether a value is a polynomial with whole coefficients in symbols alone: it can be computed from their hints."""
    return all(type(c) is int and all(e > 0 and type(n) is str for n, e in m) for m, c in terms_of(value).items())


def _solution(name: str, left: Value, right: Value) -> Value | None:
    """The value of a symbol in `left == right` when both are polynomials in which it stands once and linearly."""
    difference = add(left, negate(right))
    if not isinstance(difference, Polynomial):
        return None
    with_it = {m: c for m, c in difference.terms.items() if any(n == name for n, _ in m)}
    if len(with_it) != 1:
        return None
    ((monomial, coefficient),) = with_it.items()
    if dict(monomial)[name] != 1:
        return None
    others = value_of({tuple(p for p in monomial if p[0] != name): coefficient})
    rest = value_of({m: c for m, c in difference.terms.items() if m not in with_it})
    return divide(negate(rest), others)


def parts(config: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """The config and those inside it, with the prefix of each: "", "text_", …"""
    found = [(prefix, config)]
    for key, value in vars(config).items():
        if hasattr(value, "to_diff_dict"):
            found += parts(value, f"{prefix}{key.removesuffix('config')}")
    return found


def copied(config: Any) -> tuple[Any, dict[int, Any]]:
    """A copy of a config, and the copy of each of its parts by the part's identity."""
    memo: dict[int, Any] = {}
    made = copy.deepcopy(config, memo)
    return made, memo


def named_sizes(config: Any) -> dict[tuple[int, str], str]:
    """The name of each integer of a config: its own, or where an outer part has one of that name with the prefix of its
    part; by the identity of its part and its own name."""
    found: dict[tuple[int, str], str] = {}
    taken: set[str] = set(RUN_SYMBOLS)
    for prefix, part in parts(config):
        for key, value in vars(part).items():
            if type(value) is int and NAME.match(key) and (is_size(key) or _is_longest(part, key)):
                found[id(part), key] = key if key not in taken else f"{prefix}{key}"
                taken |= {found[id(part), key]} if value > 1 else set()
    return found


def sizes_by_name(config: Any, copied: Any = None) -> dict[str, Any]:
    """The integers of a config and of its parts by their names; or what stands for them in a copy of it."""
    own = {id(part): other for (_, part), (_, other) in zip(parts(config), parts(copied or config), strict=True)}
    found = {name: vars(own[owner])[key] for (owner, key), name in named_sizes(config).items()}
    return {**{k: v for k, v in vars(copied or config).items() if k not in found}, **found}


def fields_of(part: Any) -> dict[str, Any]:
    """The fields of a config, and how many labels it names, which models that classify have an output for each of."""
    labels = vars(part).get("id2label")
    return {**vars(part), LABELS: len(labels)} if isinstance(labels, dict) and labels else dict(vars(part))


def stated(part: Any) -> dict[str, Any]:
    """The fields of a config, and what it says of single layers, which transformers keeps in a place of its own."""
    return {**vars(part), "per_layer_config": statement(part)} if is_heterogeneous(part) else dict(vars(part))


def architecture(config: Any, numeric: set[str], sized: Collection[tuple[str, str]] = ()) -> Architecture:
    """The symbols of a config; fields named in `numeric` stay numbers. `sized` are the depths that sizes depend on, as
    (part of the config, field)."""
    fields: list[Field] = []
    taken: set[str] = set(RUN_SYMBOLS)
    for prefix, part in parts(config):
        depths = {v for k, v in vars(part).items() if type(v) is int and means(k, "depth")}
        for key, value in fields_of(part).items():
            is_list = isinstance(value, list | tuple) and len(value) in depths and len(set(map(repr, value))) == 1
            number = value[0] if is_list else value
            if type(number) is not int or number < 2 or not NAME.match(key):
                continue
            is_depth = (prefix, key) in sized
            if not is_size(key) and not is_depth and not _is_longest(part, key):
                continue
            name = key if key not in taken else f"{prefix}{key}"
            if name not in taken and name not in numeric:
                entries = len(value) if is_list else 0
                fields.append(Field(part, key, name, number, place=len(fields), entries=entries, is_depth=is_depth))
            taken.add(name)
        for o in overrides(part):
            name = o.name if o.name not in taken else f"{prefix}{o.name}"
            if name not in taken and name not in numeric and is_size(o.key):
                fields.append(Field(part, o.key, name, o.number, place=len(fields), kind=o.kind))
            taken.add(name)
    _factor(fields)
    return Architecture(in_order(fields))


def windowed(config: Any) -> set[str]:
    """The sides of images and windows, by their names, in parts of a config that are pyramids of stages, as Swin's: as
    symbols they would be compared with each other in every stage."""
    pyramids = {id(part) for _, part in parts(config) if {"window_size", "depths"} <= vars(part).keys()}
    return {name for (owner, key), name in named_sizes(config).items() if owner in pyramids and means(key, "windowed")}


def _is_longest(part: Any, key: str) -> bool:
    """Whether a field is the longest sequence that tables are made for, and can be a symbol."""
    return getattr(part, "lengths_are_sizes", False) and means(key, "longest")


def is_size(key: str) -> bool:
    """Whether an integer of this name can be a symbol."""
    key = without(key, "per_layer")  # hidden_size_per_layer_input is a width
    return not means(key, "chunk") and (not means(key, "no_size") or means(key, "size"))


def _factor(fields: list[Field]) -> None:
    """Find for each field the counts that divide it, of each kind the largest, then a power of two.

    The counts need not divide it together: a quotient by one of them is exact, and that is all that is used.
    """
    counts = [f for f in fields if means(f.key, "count") and not means(f.key, "width")]
    for f in (f for f in fields if not f.is_depth):
        near = [c for c in counts if c is not f and c.holder is f.holder and f.number % c.number == 0]
        if f in counts:
            # n and n_kv: the smaller divides the larger; of two equal ones the key-value heads, or the groups.
            near = [c for c in near if _order(c) < _order(f) and _kind(c) == _kind(f)]
        elif f.key.endswith("image_size"):
            near = [c for c in fields if c.key.endswith("patch_size") and c.holder is f.holder]
            near = [c for c in near if f.number % c.number == 0]
        elif "experts" in f.key and "per_tok" not in f.key:
            near = [c for c in near if "group" in c.key and "topk" not in c.key]
        elif means(f.key, "width") and not means(f.key, "own_width"):
            near = [c for c in near if f.number > c.number]
        else:
            near = []
        largest = {_kind(c): c for c in sorted(near, key=_order)}
        f.divisors = tuple(c.name for c in largest.values())
        if means(f.key, "width") and not means(f.key, "piece"):
            rest = f.number // math.lcm(1, *(c.number for c in largest.values()))
            f.power = min(rest & -rest, 16)


def _order(f: Field) -> tuple[int, bool, str]:
    return (f.number, not means(f.key, "shared_count"), f.name)


def _kind(f: Field) -> str:
    """What a count is of, without its role: linear_num_key_heads goes with linear_num_value_heads."""
    return without(f.key, "role_of_count")


def in_order(fields: list[Field]) -> list[Field]:
    """The fields, each after those that it is written in."""
    ordered: list[Field] = []
    waiting = list(fields)
    names = {f.name for f in fields}
    while waiting:
        done = {o.name for o in ordered}
        ready = [f for f in waiting if ({*f.divisors} | (_names(f.solved) & names)) <= done]
        ordered += ready
        waiting = [f for f in waiting if f not in ready]
    return ordered
