"""Mutants of formulas/*.toml, tried on the formula's own cases: wrong numbers in the file that its cases would not see.

Every number, operator, name and term is changed, one at a time, and all of these are tried: a mutant is a tree, and it
is computed at the cases in plain fractions. What is the same polynomial as the formula is no mutant. The few that
differ nowhere in the domain are named in equivalent_mutants.toml.

python benchmarks/formula_mutants.py [NAME…]
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import cache
from math import ceil, floor, prod
from pathlib import Path
from typing import Any

from symflops.algebra import from_tree
from symflops.errors import SymflopsError
from symflops.formula import Formula, formula_names, load_formula
from symflops.gradients import TABLES
from symflops.tree import Tree, fold, names, read, write

EQUIVALENT = Path(__file__).parent / "equivalent_mutants.toml"
_BYTES = {"dtype_bytes": 2, "weight_bytes": "dtype_bytes", "cache_bytes": "dtype_bytes"}
_RUN: Mapping[str, Tree] = {"causal": 0, "past_len": 0, **_BYTES}
_SWAPS = {
    "+": "*", "*": "+", "/": "*", "//": "/", "**": "*", "min": "max", "max": "min", "floor": "ceil", "ceil": "floor",
}  # fmt: skip
_ARITHMETIC: Mapping[str, Callable[..., Any]] = {
    "+": lambda *terms: sum(terms), "*": lambda *factors: prod(factors), "-": lambda a: -a,
    "/": lambda a, b: Fraction(a) / b, "//": lambda a, b: a // b, "**": lambda a, b: Fraction(a) ** b,
    "min": min, "max": max, "floor": floor, "ceil": ceil,
}  # fmt: skip


def mutants(tree: Tree, words: set[str]) -> Iterator[Tree]:
    """The tree with one thing changed: a number by one, an operator, a name, a term's sign, or an operand left out."""
    if isinstance(tree, int | Fraction):
        yield from (tree + 1, tree - 1)
    elif isinstance(tree, str):
        yield from sorted(words - {tree})
    elif tree[0] == "-":
        yield tree[1]
        yield from (("-", changed) for changed in mutants(tree[1], words))
    else:
        operation, *operands = tree
        yield (_SWAPS[operation], *operands)
        for i, operand in enumerate(operands):
            before, after = operands[:i], operands[i + 1 :]
            others = (*before, *after) or (operand,)  # of a rounding what is rounded is left
            yield (operation, *others) if len(operands) > 2 else others[0]
            if operation == "+":
                yield (operation, *before, ("-", operand), *after)
            for changed in mutants(operand, words):
                yield (operation, *before, changed, *after)


def number(tree: Tree, given: Mapping[str, Any], defaults: Mapping[str, Tree]) -> int:
    """The nearest whole number at a point, halves up; what is not given has its default."""

    def leaf(leaf: int | Fraction | str) -> Any:
        if not isinstance(leaf, str):
            return leaf
        return Fraction(str(given[leaf])) if leaf in given else fold(defaults[leaf], _ARITHMETIC, leaf_of)

    leaf_of = cache(leaf)
    return floor(fold(tree, _ARITHMETIC, leaf_of) + Fraction(1, 2))


def survivors(formula: Formula) -> tuple[int, list[str]]:
    """How many mutants a formula has, and those that its cases do not tell from it, as `key: text`."""
    texts = {**formula.texts, "state": formula.state} if formula.state != "0" else dict(formula.texts)
    texts |= {f"{table}.{key}": text for table, of in formula.backwards.items() for key, text in of.items()}
    cases = [_flat(case) for case in formula.cases]
    costs = {key: read(text) for key, text in texts.items()}
    defaults = {**_RUN, **{name: read(text) for name, text in formula.defaults.items()}}
    # What no cost asks for is for passes: its default changes nothing, and nobody would write it.
    asked = set().union(*map(names, (*costs.values(), *defaults.values())))
    words = {*(formula.args.keys() & asked), *_BYTES}
    tried, left = 0, []
    for name in (*costs, *(name for name in formula.defaults if name in asked)):
        tree = costs[name] if name in costs else defaults[name]
        for mutated in {write(m): m for m in mutants(tree, words - {name})}.values():
            if _is_same(mutated, tree):
                continue
            tried += 1
            changed = {**defaults, name: mutated} if name in formula.defaults else defaults
            try:
                seen = any(
                    number(mutated if key == name else costs[key], case["args"], changed) != case[key]
                    for case in cases
                    for key in (costs if name in formula.defaults else (name,))
                    if key in case
                )
            except (ZeroDivisionError, RecursionError):  # it has no value, or a default that needs itself
                seen = True
            if not seen:
                left.append(f"{name}: {write(mutated)}")
    return tried, left


def _flat(case: Mapping[str, Any]) -> dict[str, Any]:
    """A case whose tables are numbers of their own, such as `backward.flops`."""
    tables = {f"{table}.{key}": number for table in TABLES for key, number in case.get(table, {}).items()}
    return {**{key: value for key, value in case.items() if key not in TABLES}, **tables}


def _is_same(a: Tree, b: Tree) -> bool:
    try:
        return bool(from_tree(a) == from_tree(b))
    except SymflopsError:  # no value anywhere, such as x/0
        return False


def equivalent(name: str) -> Mapping[str, str]:
    """The survivors of a formula that are known to change no answer, each with the reason."""
    known: Mapping[str, str] = tomllib.loads(EQUIVALENT.read_text())["formulas"].get(name, {})
    return known


def main() -> None:
    tried, left = 0, 0
    for name in sys.argv[1:] or formula_names():
        count, found = survivors(load_formula(name))
        tried, left = tried + count, left + len(found)
        for text in found:
            print(f"{name}: {text}: {equivalent(name).get(text, 'SURVIVES')}")
    print(f"{tried:,} mutants, {left} survivors")


if __name__ == "__main__":
    main()
