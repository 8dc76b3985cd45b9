"""Which edits together make a given difference: the fewest of them, and what is left over as terms."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from symflops import deadline
from symflops.polynomial import Monomial, Value, add, negate, terms_of
from symflops.verification.edits import Edit

TERM = 3.0  # what a term that no edit explains counts, where an edit counts 1
_NODES = 3000  # combinations that are looked at


@dataclass
class Cover:
    """The cheapest combination found so far: edits, and the rest of the difference that they leave."""

    edits: Sequence[Edit]
    cost: float = float("inf")
    chosen: tuple[Edit, ...] = ()
    rest: Value = 0
    nodes: int = 0
    having: dict[Monomial, list[Edit]] = field(default_factory=dict)

    def of(self, excess: Value) -> Cover:
        """Edits that add up to the difference as far as any do; stops early when time is over."""
        for edit in self.edits:
            for monomial in terms_of(edit.added):
                self.having.setdefault(monomial, []).append(edit)
        self.rest, self.cost = excess, TERM * len(terms_of(excess))
        with suppress(deadline.OutOfTimeError):  # what was found by then is an explanation, too
            self._search(excess, (), 0.0, 0)
        return self

    def _search(self, excess: Value, chosen: tuple[Edit, ...], cost: float, listed: int) -> None:
        """Every term is explained by some edit or stays; the one that the fewest edits have comes first."""
        terms = terms_of(excess)
        total = cost + TERM * len(terms)
        if total < self.cost:
            self.cost, self.chosen, self.rest = total, chosen, excess
        open_terms = [m for m in terms if self.having.get(m)]
        if not open_terms or cost + 1 + TERM * (len(terms) - len(open_terms)) >= self.cost or self.nodes >= _NODES:
            return
        self.nodes += 1
        deadline.check()
        pivot = min(open_terms, key=lambda m: (len(self.having[m]), m))
        tried: list[tuple[int, float, int, Value, Edit]] = []
        for i, edit in enumerate(self.having[pivot]):
            if edit in chosen:
                continue
            rest = add(excess, negate(edit.added))
            if len(terms_of(rest)) < len(terms):
                tried.append((len(terms_of(rest)), edit.weight, i, rest, edit))
        for _, _, _, rest, edit in sorted(tried, key=lambda t: t[:3]):
            self._search(rest, (*chosen, edit), cost + edit.weight, listed)
        if listed < 3:  # without this term: it stays in the rest
            kept = self.having.pop(pivot)
            self._search(excess, chosen, cost, listed + 1)
            self.having[pivot] = kept
