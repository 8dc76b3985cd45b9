"""Formulas in LaTeX, read back; and where lines break."""

from __future__ import annotations

import random
import re
from fractions import Fraction

import pytest

from symflops.algebra import from_text, from_tree
from symflops.grouping import grouped
from symflops.notation import display, inline, least_width, pieces, symbols
from symflops.tree import Tree, names, read

NAMES = {n: n for n in "abcdehinpqswx"} | {"n_kv": r"n_{\mathrm{kv}}"}


def spoken(text: str) -> str:
    """The text in the language of what the writer may produce: an independent reader."""
    for latex, plain in (
        (r"\penalty300 ", ""), ("{,}", ""), (r"n_{\mathrm{kv}}", "n_kv"), (r"\cdot ", "*"), (r"\,", "*"),
        (r"\lfloor ", "floor("), (r"\rfloor ", ")"), (r"\lceil ", "ceil("), (r"\rceil ", ")"), (r",\;", ","),
        (r"\min(", "min("), (r"\max(", "max("), (r"\log_{2}(", "log2("), (r"\bmod ", "%"),
    ):  # fmt: skip
        text = text.replace(latex, plain)
    text = re.sub(r"\\operatorname\{(\w+)\}", r"\1", text)
    return text.replace("^{", "**(").replace("}", ")").replace("{", "(")


TEXTS = [
    "2*n*(h + 1) - p", "a/(b + c)", "(a + b)/2", "-(a - b)*3", "a - (b - c)", "2**n*3*2**p", "(-a)**3", "a*(-b)",
    "3/4*n + 1/3",
    "(1 - p/e)**(b*s)", "floor(a/3) + ceil(b/c)", "min(a, b + 1, 3*c)", "sqrt(a + 1)*max(a, b)", "log2(a + 1)**2", "0",
    "n_kv*d*h*2", "a/b/c", "a % (b + 1)", "(a + b) % 7 * 2", "a // 3", "n_kv**2", "(a*b)**2", "a**b**c", "(a**b)**c",
    "-7", "a - 7",
    "123456789*a", "1234567890123456789012345678*a", "2*3**n", "a*2*b*3", "a**-2", "-a**2", "(a + b)*(c - d)",
    "a*(b + c)/d",
    "a/(b*c)", "a/(b/c)", "-a/b", "(-a)*b", "a + -b", "min(max(a, b), c)", "a - b*(c - d*(e + 1))",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_a_formula_read_back_is_the_formula(text: str) -> None:
    for tree in (read(text), grouped(from_text(text))):
        for latex in (inline(tree, NAMES), inline(tree, NAMES, room=2), "".join(p.text for p in pieces(tree, NAMES))):
            assert from_tree(read(spoken(latex))) == from_tree(tree), latex


@pytest.mark.parametrize("exponent", ["b", "a + b", "a*b*c*d*e + h*i*p*q*s*w*x + a*b*c*d*h"])
def test_a_wide_exponent_is_an_argument(exponent: str) -> None:
    latex = inline(("**", "a", read(exponent)), NAMES)
    assert latex.startswith(r"\operatorname{pow}(a,\;" if len(exponent) > 12 else "a^{")


def some_tree(draw: random.Random, depth: int) -> Tree:
    if depth == 0:
        return draw.choice([*NAMES, 2, 7, 4096, 123_456_789, Fraction(3, 4)])
    one, two = (some_tree(draw, depth - draw.choice([1, 1, 2]) if depth > 1 else 0) for _ in range(2))
    kinds = ["+", "+", "-", "*", "*", "/", "**", "min", "floor", "ceil", "max", "%", "//"]
    kind = draw.choice(kinds)
    if kind in ("-", "floor", "ceil"):
        return (kind, one)
    return (kind, one, draw.choice([2, 3]) if kind == "**" else two)


def test_lines_hold_all_of_a_formula_and_no_more_than_they_have_room_for() -> None:
    draw, broken = random.Random(5), 0
    for _ in range(150):
        tree = ("+", *(some_tree(draw, 3) for _ in range(draw.randint(1, 4))), "a")
        all_of_it = "".join(p.text for p in pieces(tree, NAMES))
        for width in (12, 25):
            rows = display([("f", tree)], NAMES, width).split("\n")
            assert (rows[0], rows[-1]) == (r"\begin{aligned}", r"\end{aligned}")
            lines = [row.removesuffix(r" \\") for row in rows[1:-1]]
            assert lines[0].startswith("f &= ")
            assert all(line.startswith(r"&\quad {}") for line in lines[1:])
            texts = [line.removeprefix("f &= ").removeprefix(r"&\quad {}") for line in lines]
            assert "".join(texts) == all_of_it
            found = pieces(tree, NAMES)
            for text in texts:  # each line is some pieces, that fit, or one that cannot break
                count, used = 0, 0.0
                while text and text.startswith(found[0].text):
                    text = text.removeprefix(found[0].text)
                    used, count = used + found.pop(0).width, count + 1
                assert not text
                assert used <= width or count == 1 or all(p.width > 0 for p in found)
            broken += len(texts) > 1
            parts = [p.width for p in pieces(tree, NAMES)]
            assert max(parts) <= least_width(tree, NAMES) <= sum(parts) + 1e-9
    assert broken > 100


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("a*b*c + a*b*d", 6, [r"f &= a\,b\,c", r"&\quad {}+a\,b\,d"]),  # at the sign
        ("min(a, b*c, d)", 7, [r"f &= \min(a,\;b\,c,\;", r"&\quad {}d)"]),  # between arguments, a fuller line first
    ],
)
def test_where_a_line_breaks(text: str, width: float, lines: list[str]) -> None:
    rows = display([("f", read(text))], NAMES, width).split("\n")[1:-1]
    assert [row.removesuffix(r" \\") for row in rows] == lines


def test_a_row_of_equations() -> None:
    shown = display([("f", "a"), ("g", read("a + b"))], NAMES, environment="align*")
    assert shown == "\\begin{align*}\nf &= a \\\\\ng &= a+b\n\\end{align*}"


def test_symbols_are_told_apart() -> None:
    draw = random.Random(3)
    words = ["hidden", "size", "head", "dim", "num", "x", "layer", "h", "batch_size", "seq_len"]
    for _ in range(200):
        used = {"_".join(draw.sample(words, draw.randint(1, 3))) for _ in range(draw.randint(1, 8))}
        for short in (True, False):
            chosen = symbols(used, short=short)
            assert chosen.keys() == used
            assert len(set(chosen.values())) == len(used), chosen
    assert symbols({"batch_size", "hidden_size", "x", "abcdefg", "foo", "_x", "_foo_bar"}) == {
        "batch_size": "B", "hidden_size": "h", "x": "x", "abcdefg": "a", "foo": r"\mathrm{foo}", "_x": r"\mathrm{\_x}",
        "_foo_bar": r"f_{\mathrm{b}}",
    }  # fmt: skip
    assert symbols({"abc_one", "abc_other"}) == {"abc_one": r"a_{\mathrm{o}}", "abc_other": r"a_{\mathrm{o2}}"}
    assert names(read("a*n_kv")) == {"a", "n_kv"}
