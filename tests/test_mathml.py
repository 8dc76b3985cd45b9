"""MathML: well-formed, and read back it is the formula that was written."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

import symflops
from symflops.algebra import from_text, from_tree
from symflops.grouping import grouped
from symflops.mathml import formula
from symflops.tree import Tree, read

FENCED = {"⌊": "floor(", "⌋": ")", "⌈": "ceil(", "⌉": ")"}
OPERATORS = {"\u2062": "*", "⋅": "*", "\u2061": "", "\u2212": "-"} | FENCED


def spoken(element: ElementTree.Element) -> str:
    """The text in the language of one element: an independent reader of what the writer may produce."""
    inside = [spoken(child) for child in element]
    text = element.text or ""
    match element.tag:
        case "mi" | "mn":
            return text
        case "mo":
            return OPERATORS.get(text, text)
        case "math" | "mrow" | "row":
            return "".join(inside)
        case "msub":
            return "log2" if inside == ["log", "2"] else "_".join(inside)
        case "msup":
            return f"({inside[0]})**({inside[1]})"
        case "mfrac":
            return f"(({inside[0]})/({inside[1]}))"
        case "msqrt":
            return f"sqrt({''.join(inside)})"
    raise AssertionError(element.tag)


def read_back(html: str) -> Tree:
    return read(spoken(ElementTree.fromstring(f"<row>{html}</row>")))


def is_same(tree: Tree) -> bool:
    return from_tree(read_back(formula(tree))) == from_tree(tree)


@pytest.mark.parametrize(
    "text",
    [
        "2*N*(h + 1) - k", "a/(b + c)", "(a + b)/2", "-(a - b)*3", "a - (b - c)", "2**N*3*2**k", "(-a)**3", "a*(-b)",
        "(1 - k/E)**(B*S)", "floor(a/3) + ceil(b/c)", "min(a, b + 1, 3*c)", "sqrt(a + 1)*max(a, b)", "log2(a + 1)**2",
        "n_kv*d*hidden_size*2", "a/b/c", "a*b*c*d*e*f*g*h*i*j*k*l*m/(2*p)", "3/4*N + 1/3", "0", "a**-2",
        "(a*b*c*d*e*f*g + h*i*j*k*l*m)/7", "min(n_kv, 2)**2/3",
    ],
)  # fmt: skip
def test_a_formula_read_back_is_the_formula(text: str) -> None:
    assert from_tree(read_back(formula(grouped(from_text(text))))) == from_text(text)
    assert is_same(read(text))


@pytest.mark.parametrize("name", symflops.model_names())
def test_the_formulas_of_models_read_back(name: str) -> None:
    for cost in (row.total for row in symflops.load(name).rows(symbolic=True, groups=True)):
        for value in cost.by_metric.values():
            assert from_tree(read_back(formula(grouped(value)))) == value


trees = st.recursive(
    st.integers(0, 99) | st.sampled_from(["a", "n_kv", "hidden_size"]),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from("+*"), inner, inner),
        st.tuples(st.just("-"), inner),
        st.tuples(st.just("/"), inner, st.integers(1, 9) | st.just("b")),
        st.tuples(st.just("**"), inner, st.integers(1, 3)),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner),
        st.tuples(st.sampled_from(["floor", "ceil"]), inner),
    ),
    max_leaves=12,
)


@given(trees)
def test_any_tree_reads_back(tree: Tree) -> None:
    assert is_same(tree)


def test_short_names_are_shown_and_long_ones_are_words() -> None:
    shown = formula(("*", 2, "hidden_size", "kv_lora_rank"), {"hidden_size": "h"})
    assert "<mi>h</mi>" in shown
    assert "<mi>kv_lora_rank</mi>" in shown
    assert "hidden_size" not in shown


def test_long_sums_break_between_their_terms_and_fractions_do_not() -> None:
    assert formula(("+", "a", "b", "c")).count("<math>") == 3
    assert formula(("/", ("+", "a", "b"), "c")).count("<math>") == 1
