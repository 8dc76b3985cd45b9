"""A formula with one number, operator, name or term changed must not pass the formula's own cases."""

from __future__ import annotations

import re
import tomllib

import pytest
from formula_mutants import EQUIVALENT, equivalent, mutants, number, survivors

from symflops.cost import METRICS
from symflops.formula import Formula, formula_names, load_formula
from symflops.tree import read, write

every_formula = pytest.mark.parametrize(
    "formula", [load_formula(name) for name in formula_names()], ids=lambda formula: formula.name
)


@pytest.mark.slow
@every_formula
def test_every_mutant_is_seen_by_a_case(formula: Formula) -> None:
    tried, left = survivors(formula)
    assert tried >= 10
    assert sorted(left) == sorted(equivalent(formula.name))


def test_only_formulas_that_exist_have_equivalent_mutants() -> None:
    assert tomllib.loads(EQUIVALENT.read_text())["formulas"].keys() <= set(formula_names())


def test_what_is_changed() -> None:
    found = {write(m) for m in mutants(read("2*a - min(b, 1)"), {"a", "b"})}
    assert found == {
        "2*a*(-min(b, 1))",
        "2*a", "-min(b, 1)",
        "-2*a - min(b, 1)", "2*a - -min(b, 1)", "2*a + min(b, 1)",
        "2 + a - min(b, 1)", "a - min(b, 1)", "2 - min(b, 1)", "2*b - min(b, 1)",
        "3*a - min(b, 1)", "1*a - min(b, 1)",
        "2*a - max(b, 1)", "2*a - b", "2*a - 1", "2*a - min(a, 1)", "2*a - min(b, 2)", "2*a - min(b, 0)",
    }  # fmt: skip


@every_formula
def test_the_arithmetic_of_a_case_gives_its_number(formula: Formula) -> None:
    """`from` says how a number comes about, such as `read_bytes = 2*(105 + 15)`; that is computed here."""
    for case in formula.cases:
        for key, text in re.findall(rf"\b({'|'.join(METRICS)}|state) = ([^;]+)", case["from"]):
            expected = case[key] if key in case else case["backward"][key]
            assert number(read(text), {}, {}) == expected, (case["from"], key)
