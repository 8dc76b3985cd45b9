"""Points of the formulas' own symbols, completed by symbols that stand in conditions alone.

`n_group < n_routed_experts` says something about an n_group that no formula has. Such symbols are looked for only when
the others have numbers at which the formulas differ, each group of them that shares conditions by itself, and once for
all points that are alike for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor

from symflops import deadline
from symflops.polynomial import Number, flat
from symflops.tree import Tree, names, replaced
from symflops.verification.constraints import Constraint, Constraints
from symflops.verification.exact import Enclosure, UncomputedError, UndefinedError, number_at
from symflops.vocabulary.symbols import is_whole

_TRIED = 4000  # values that are put in to complete one point, at most
_ALL = 64  # a symbol with at most so many values has all of them tried
_SMALL = (0, 1, 2, 3, 4, 6, 8, 12, 16, 5, 7, 32, 64, 128, 9, 10)


@dataclass
class _Group:
    """Symbols that stand in conditions alone, connected by these, and what was found for them."""

    names: tuple[str, ...]
    checks: list[Constraint]
    given: tuple[str, ...] = ()  # names of the formulas that the conditions mention
    found: dict[tuple[Number, ...], dict[str, Number] | None] = field(default_factory=dict)


class Completion:
    """The points of a domain, given by the symbols of `own`."""

    def __init__(self, where: Constraints, own: Iterable[str]) -> None:
        self.where = where
        self.own = set(own)
        self.sure = True  # whether every point that was refused lies outside of the domain
        fixed: dict[str, Tree] = {n: flat(v) for n, v in where.fixed.items()}
        checks = [
            Constraint(c.text, replaced(c.left, fixed), c.sign, replaced(c.right, fixed)) for c in where.conditions
        ]
        self.fixed = fixed
        self.checks = [c for c in checks if c.names <= self.own]
        self.groups = self._groups([c for c in checks if not c.names <= self.own])

    def _groups(self, checks: list[Constraint]) -> list[_Group]:
        """Conditions that share symbols with each other, together; an equation that gives a symbol is one, too."""
        checks = checks + [
            Constraint(f"{n} >= 0", tree, ">=", 0)
            for n, tree in self.fixed.items()
            if not names(("", tree)) <= self.own
        ]
        groups: list[_Group] = []
        for check in checks:
            free, together = check.names - self.own, [check]
            for group in [g for g in groups if free & set(g.names)]:
                groups.remove(group)
                free |= set(group.names)
                together = [*group.checks, *together]
            groups.append(_Group(tuple(sorted(free)), together))
        for group in groups:
            group.given = tuple(sorted(set().union(*(c.names for c in group.checks)) & self.own))
        return groups

    def of(self, point: Mapping[str, Number]) -> dict[str, Number] | None:
        """A point of the domain with these numbers, all names given; None where there is or was found none."""
        if point.get("causal", 0) not in (0, 1):
            return None
        for check in self.checks:
            holds = check.holds(point)
            if not holds:
                self.sure = self.sure and holds is not None
                return None
        whole = dict(point)
        for group in self.groups:
            found = self._found(group, {n: point[n] for n in group.given})
            if found is None:
                return None
            whole.update(found)
        return whole if self._fix(whole) else None

    def least(self, name: str, low: int) -> int:
        """The smallest number of a symbol, from `low` on, at which what is said of it alone can hold; `low` where none
        is found among the next ones."""
        groups = [g for g in self.groups if g.given == (name,)]
        checks = [c for c in self.checks if c.names == {name}]
        for value in range(low, low + _ALL) if groups or checks else ():
            if all(c.holds({name: value}) is not False for c in checks) and all(
                self._found(g, {name: value}) is not None for g in groups
            ):
                return value
            if not self.sure:
                return value
        return low

    def _found(self, group: _Group, given: dict[str, Number]) -> dict[str, Number] | None:
        """What a group's symbols may be where the formulas' have these numbers, looked for once."""
        key = tuple(given[n] for n in group.given)
        if key not in group.found:
            group.found[key] = self._solved(group, given)
        return group.found[key]

    def _fix(self, point: dict[str, Number]) -> bool:
        """Give the names that equations define their numbers; false where a symbol does not stand for its number."""
        numbers: dict[str, Number] = {}
        for name, tree in self.fixed.items():
            try:
                number = number_at(tree, point)
            except UndefinedError as error:
                self.sure = self.sure and not isinstance(error, UncomputedError)
                return False
            self.sure = self.sure and not isinstance(number, Enclosure)
            if not isinstance(number, int | Fraction) or number < 0 or (is_whole(name) and type(number) is not int):
                return False
            numbers[name] = number
        point.update(numbers)
        return point.get("causal", 0) in (0, 1)

    # -------------------------------------------------------------------------------------------------------- search

    def _solved(self, group: _Group, given: dict[str, Number]) -> dict[str, Number] | None:
        """Numbers for a group's symbols: tried one symbol after the other, conditions asked as soon as they can be."""
        values: dict[str, list[Number]] = {}
        complete = True
        for name in group.names:
            values[name], every = self._candidates(name, group, given)
            complete = complete and every
        order = sorted(group.names, key=lambda n: (len(values[n]), n))
        ready: list[list[Constraint]] = []
        known = set(group.given)
        for name in order:
            known.add(name)
            ready.append([c for c in group.checks if name in c.names and c.names <= known])
        steps = 0

        def placed(i: int, point: dict[str, Number]) -> dict[str, Number] | None:
            nonlocal steps
            if i == len(order):
                return point if self._fits(group, point) else None
            for value in values[order[i]]:
                deadline.check()
                steps += 1
                if steps > _TRIED:
                    return None
                point[order[i]] = value
                if all(c.holds(point) for c in ready[i]):
                    found = placed(i + 1, point)
                    if found is not None:
                        return found
            point.pop(order[i], None)
            return None

        found = placed(0, dict(given))
        if found is None:
            self.sure = self.sure and complete and steps <= _TRIED
            return None
        return {n: found[n] for n in group.names}

    def _fits(self, group: _Group, point: Mapping[str, Number]) -> bool:
        """Whether the names that equations give from these symbols are numbers that they stand for."""
        mine = set(group.names)
        for name, tree in self.fixed.items():
            used = names(("", tree))
            if used & mine and used <= point.keys():
                try:
                    number = number_at(tree, point)
                except UndefinedError:
                    return False
                if not isinstance(number, int | Fraction) or (is_whole(name) and type(number) is not int):
                    return False
        return True

    def _candidates(self, name: str, group: _Group, given: Mapping[str, Number]) -> tuple[list[Number], bool]:
        """Numbers to try for a symbol, and whether they are all that there are."""
        low: Number = self.where.lower.get(name, 0)
        high: Number | None = self.where.upper.get(name)
        for c in group.checks:
            for side, other, sign in ((c.left, c.right, c.sign), (c.right, c.left, _TURNED.get(c.sign, c.sign))):
                if side != name or not names(("", other)) <= given.keys():
                    continue
                try:
                    number = number_at(other, given)
                except UndefinedError:
                    return [], True
                if not isinstance(number, int | Fraction):
                    continue
                if sign in ("<", "<=", "=="):
                    most = (ceil(number) - 1 if sign == "<" else floor(number)) if is_whole(name) else number
                    high = most if high is None else min(high, most)
                if sign in (">", ">=", "=="):
                    least = (floor(number) + 1 if sign == ">" else ceil(number)) if is_whole(name) else number
                    low = max(low, least)
        if is_whole(name) and high is not None and high - low < _ALL:
            return [*range(ceil(low), floor(high) + 1)], True
        marks = {x + d for c in group.checks for x in _constants((c.left, c.right)) for d in (-1, 0, 1)}
        near = {x + d for x in given.values() for d in (-1, 0, 1)} | {x / Fraction(2) for x in given.values()}
        wanted = [low, low + 1, low + 2, *_SMALL, *sorted(marks), *sorted(near)]
        wanted += [self.where.hint[name]] if name in self.where.hint else []
        wanted += [] if high is None else [high]
        wanted += [] if is_whole(name) else [Fraction(1, 2), Fraction(3, 2)]
        fit = [x for x in wanted if x >= low and (high is None or x <= high) and (not is_whole(name) or x == int(x))]
        return list(dict.fromkeys(int(x) if x == int(x) else x for x in fit)), False


_TURNED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


def _constants(trees: Iterable[Tree]) -> set[int]:
    """The whole numbers in trees, as far as they are not large."""
    found: set[int] = set()
    stack = list(trees)
    while stack:
        tree = stack.pop()
        if isinstance(tree, tuple):
            stack.extend(tree[1:])
        elif isinstance(tree, int) and abs(tree) < 2**40:
            found.add(tree)
    return found
