"""The readable form of a value: common factors taken out the way an engineer would write it.

Several ways of factoring are tried, Horner's rule with different symbols first, and the shortest text wins. The
result depends on the value alone, so equal costs print equally.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import lru_cache

from symflops import deadline
from symflops.budget import is_open
from symflops.factoring import Effort, divided, factors
from symflops.polynomial import Call, Monomial, Number, Polynomial, Value, factored, flat, terms_of, value_of
from symflops.tree import MAX_DEPTH, Known, Tree, depth, write
from symflops.vocabulary.symbols import BYTE_SYMBOLS, RUN

# Factors are written in this order, then by name: bytes per element, batch, length, architecture, past, causal.
_FIRST = (*BYTE_SYMBOLS, *(name for name, row in RUN.items() if row.default is None))
_LAST = tuple(name for name in RUN if name not in _FIRST)
_SEARCH = 24  # up to so many terms, more than one factoring is tried at each level
_EFFORT = 400_000  # characters written to compare factorings; what remains then is left as a plain sum
_READ = (
    1000  # numbers below are read as numbers of things; 2*(131117593*S + 497664) tells nobody more than without its 2
)
_NESTED = 40  # factorings inside of one another

# What engineers write by hand. A name that is not here, or taken, keeps its full length.
SHORT = {name: row.letter for name, row in RUN.items() if row.letter} | {
    "num_hidden_layers": "L", "n_layer": "L", "hidden_size": "h", "n_embd": "h",
    "intermediate_size": "i", "vocab_size": "V", "num_attention_heads": "n", "n_head": "n",
    "num_key_value_heads": "n_kv", "head_dim": "d", "num_local_experts": "E", "num_experts": "E",
    "num_experts_per_tok": "k", "moe_intermediate_size": "i_e", "sliding_window": "W", "state_size": "N",
    "conv_kernel": "K", "time_step_rank": "R", "max_position_embeddings": "M", "image_size": "I", "patch_size": "p",
    "num_labels": "C", "num_channels": "c_in",
}  # fmt: skip


def grouped(value: Value) -> Tree:
    """The readable tree of a value.

    >>> from symflops.algebra import from_text
    >>> write(grouped(from_text("2*B*S*h*d + 2*B*S*h*k + 6*B*S*S")))
    '2*B*S*(h*(d + k) + 3*S)'
    """
    if not isinstance(value, Polynomial):
        return value
    # A budget is charged for every text alike, whatever was read before it.
    return _searched(value) if is_open() else _known(value)


def _searched(value: Polynomial) -> Tree:
    tree = _Search().tree(value)
    return tree if depth(tree) <= MAX_DEPTH else flat(value)


# A page, a table and a tree show the same costs several times, and models have layers in common.
_known = lru_cache(maxsize=512)(_searched)


def short_names(names: set[str]) -> dict[str, str]:
    """A short name for each of these symbols, no two alike: `{"hidden_size": "h", ...}`."""
    chosen: dict[str, str] = {}
    taken: set[str] = set()
    for name in sorted(names, key=lambda n: (n not in SHORT, n)):
        wanted = SHORT.get(name, name)
        chosen[name] = name if wanted in taken or (wanted != name and wanted in names) else wanted
        taken.add(chosen[name])
    return chosen


def renamed(tree: Tree, names: Mapping[str, str]) -> Tree:
    """The tree with other names for its symbols."""
    if isinstance(tree, tuple):
        return (tree[0], *(renamed(operand, names) for operand in tree[1:]))
    return names.get(tree, tree) if isinstance(tree, str) else tree


class _Search:
    """One value being grouped; remembers the sub-sums that it has already seen."""

    def __init__(self) -> None:
        self.seen: dict[frozenset[tuple[Monomial, Number]], tuple[int, Tree]] = {}
        self.split: dict[Polynomial, list[Polynomial]] = {}
        self.factoring = Effort()
        self.texts: Known = {}
        self.effort = 0  # characters written to find the shortest
        self.nested = 0  # factorings inside of one another

    def tree(self, value: Value) -> Tree:
        return self.best(value)[1]

    def best(self, value: Value) -> tuple[int, Tree]:
        """(length of the text, tree)"""
        deadline.check()
        key = frozenset(terms_of(value).items())
        if key not in self.seen:
            self.nested += 1
            tree = self.factor(value)
            self.nested -= 1
            self.seen[key] = (self.length(tree), tree)
        return self.seen[key]

    def length(self, tree: Tree) -> int:
        length = len(write(tree, self.texts))
        self.effort += length
        return length

    def factor(self, value: Value) -> Tree:
        if not isinstance(value, Polynomial):
            return value
        content, common, rest = factored(value)
        if not isinstance(rest, Polynomial):
            return self.product(content * rest, common, [])
        if len(rest.terms) == 1:
            ((monomial, coefficient),) = rest.terms.items()
            merged = Counter(dict(common))
            merged.update(dict(monomial))
            return self.product(content * coefficient, tuple(sorted((n, e) for n, e in merged.items() if e)), [])
        return min(self.products(content, common, rest), key=self.length)  # of equal ones the first

    def products(self, content: Number, common: Monomial, rest: Polynomial) -> Iterator[Tree]:
        """A sum times what all its terms share: as a sum of parts, and as a product of sums."""
        inner = self.sum(rest)
        yield inner if not common and content == 1 else self.product(content, common, [inner])
        if self.is_spent():
            return
        if type(content) is int and content > 1 and max(abs(Fraction(c)) for c in rest.terms.values()) >= _READ:
            inner = self.sum(Polynomial({m: c * content for m, c in rest.terms.items()}))
            yield self.product(1, common, [inner]) if common else inner
        parts = self.factors(rest)
        if len(parts) > 1:
            yield self.product(content, common, [self.tree(part) for part in parts])

    def factors(self, value: Polynomial) -> list[Polynomial]:
        if value not in self.split:
            self.effort += 30 * len(value.terms)
            self.split[value] = factors(value, self.factoring)
        return self.split[value]

    def sum(self, value: Polynomial) -> Tree:
        """A sum without a common factor: split into what one symbol divides and what it does not."""
        counts: Counter[str] = Counter(n for m in value.terms for n, e in m if e > 0)
        shared = [n for n in sorted(counts, key=lambda n: (-counts[n], _order(n))) if counts[n] > 1]
        tries = 3 if len(value.terms) <= 8 else 2 if len(value.terms) <= _SEARCH else 1
        if self.is_spent():
            tries = 0
        found: list[tuple[int, Tree]] = []
        for name in shared[:tries]:
            self.effort += 30 * len(value.terms)
            inside = {m: c for m, c in value.terms.items() if dict(m).get(name, 0) > 0}
            outside = {m: c for m, c in value.terms.items() if m not in inside}
            trees = [self.plus(self.tree(value_of(inside)), value_of(outside))]
            for divisor in self.divisors(value_of(inside), value_of(outside)):
                quotient, rest = divided(value, divisor)
                if isinstance(quotient, Polynomial) and len(quotient.terms) > 1:
                    trees.append(self.plus(self.times(quotient, divisor), rest))
            found.extend((self.length(tree), tree) for tree in trees)
        if found:
            return min(found, key=lambda f: (f[0], write(f[1], self.texts)))[1]
        ordered = sorted(value.terms.items(), key=lambda t: (t[1] < 0, not t[0], [_order(n) for n, _ in t[0]]))
        return ("+", *(self.product(c, m, []) for m, c in ordered))

    def plus(self, first: Tree, rest: Value) -> Tree:
        if not rest:
            return first
        parts = [first]
        tree = self.tree(rest)
        parts.extend(tree[1:] if isinstance(tree, tuple) and tree[0] == "+" else [tree])
        return ("+", *sorted(parts, key=_negative))

    def times(self, quotient: Polynomial, divisor: Polynomial) -> Tree:
        content, common, rest = factored(quotient)
        return self.product(content, common, [self.tree(rest), self.tree(divisor)])

    def divisors(self, *parts: Value) -> Iterator[Polynomial]:
        """Sums that the parts of a sum are multiples of: what the whole may hold more than once."""
        for part in parts:
            rest = factored(part)[2] if isinstance(part, Polynomial) else 1
            if isinstance(rest, Polynomial) and len(rest.terms) > 1:
                yield from self.factors(rest)

    def is_spent(self) -> bool:
        return self.effort > _EFFORT or self.nested > _NESTED

    def product(self, coefficient: Number, monomial: Monomial, sums: list[Tree]) -> Tree:
        size = abs(Fraction(coefficient))
        ordered = sorted(monomial, key=lambda f: _order(f[0]))
        top = [self.power(n, e) for n, e in ordered if e > 0] + self.powers(sums)
        bottom = [self.power(n, -e) for n, e in ordered if e < 0]
        if size.numerator != 1 or not top:
            top.insert(0, size.numerator)
        if size.denominator != 1:
            bottom.insert(0, size.denominator)
        tree: Tree = top[0] if len(top) == 1 else ("*", *top)
        if bottom:
            tree = ("/", tree, bottom[0] if len(bottom) == 1 else ("*", *bottom))
        return ("-", tree) if coefficient < 0 else tree

    def powers(self, sums: list[Tree]) -> list[Tree]:
        """The factors of a product, those that are equal as a power, the shorter ones first."""
        written = [write(tree, self.texts) for tree in sums]
        texts, counts = dict(zip(written, sums, strict=True)), Counter(written)
        ordered = sorted(counts, key=lambda text: (len(text), text))
        return [texts[text] if counts[text] == 1 else ("**", texts[text], counts[text]) for text in ordered]

    def power(self, name: str, exponent: int) -> Tree:
        base: Tree = name
        if isinstance(name, Call):
            arguments = tuple(self.tree(a) for a in name.arguments)
            base = arguments[0] if name.function == "+" else (name.function, *arguments)
        return base if exponent == 1 else ("**", base, exponent)


def _order(name: str) -> tuple[int, str]:
    if name in _FIRST:
        return (_FIRST.index(name), name)
    return (len(_FIRST) + (2 if name in _LAST else isinstance(name, Call)), name)


def _negative(tree: Tree) -> bool:
    return isinstance(tree, tuple) and tree[0] == "-"
