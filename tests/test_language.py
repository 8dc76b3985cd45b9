"""The language: reading, canonical forms, rounding, SymPy and back, against Python's own exact arithmetic."""

import ast
import math
from fractions import Fraction

import pytest
import sympy
from hypothesis import example, given, settings
from hypothesis import strategies as st

import symflops
from symflops import SymflopsError, algebra, expr, grouping, numeric, polynomial, tree

NAMES = ("a", "b", "seq_len")
leaves = st.one_of(st.sampled_from(NAMES), st.integers(0, 9).map(str), st.sampled_from(["1/2", "0.25", "{b}"]))


def combined(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.tuples(parts, st.sampled_from(["+", "-", "*"]), parts).map(lambda p: f"({p[0]} {p[1]} {p[2]})")
    divided = st.tuples(parts, st.sampled_from(["/", "//", "%"]), st.integers(1, 9)).map(
        lambda p: f"({p[0]} {p[1]} {p[2]})"
    )
    called = st.tuples(st.sampled_from(["min", "max"]), parts, parts).map(lambda p: f"{p[0]}({p[1]}, {p[2]})")
    rounded = st.tuples(st.sampled_from(["floor", "ceil", "-"]), parts).map(lambda p: f"{p[0]}({p[1]})")
    powered = st.tuples(parts, st.integers(0, 3)).map(lambda p: f"({p[0]})**{p[1]}")
    return st.one_of(binary, divided, called, rounded, powered)


texts = st.recursive(leaves, combined, max_leaves=6)
points = st.fixed_dictionaries({name: st.integers(0, 40) for name in NAMES})


def python_value(text: str, numbers: dict[str, int]) -> Fraction:
    """The meaning of a text by Python's own syntax tree and fractions, independent of the package."""
    operations = {
        ast.Add: lambda a, b: a + b, ast.Sub: lambda a, b: a - b, ast.Mult: lambda a, b: a * b,
        ast.Div: lambda a, b: a / b, ast.FloorDiv: lambda a, b: Fraction(a // b), ast.Mod: lambda a, b: a % b,
        ast.Pow: lambda a, b: a ** int(b),
    }  # fmt: skip
    functions = {"min": min, "max": max, "floor": math.floor, "ceil": math.ceil}

    def value(node: ast.expr) -> Fraction:
        match node:
            case ast.Constant():
                return Fraction(str(node.value))
            case ast.Name():
                return Fraction(numbers[node.id])
            case ast.UnaryOp():
                return -value(node.operand)
            case ast.BinOp():
                return Fraction(operations[type(node.op)](value(node.left), value(node.right)))
            case ast.Call():
                return Fraction(functions[node.func.id](*(value(a) for a in node.args)))
            case ast.Set():  # {b}
                return value(node.elts[0])
        raise AssertionError(ast.dump(node))

    return value(ast.parse(text, mode="eval").body)


@given(texts, points)
@settings(max_examples=300, deadline=None)
def test_values_equal_python_s_exact_arithmetic(text: str, numbers: dict[str, int]) -> None:
    value = algebra.from_text(text)
    assert numeric.evaluate(value, numbers) == python_value(text, numbers)
    assert algebra.substitute(value, numbers) == python_value(text, numbers)


@given(texts)
@settings(max_examples=200, deadline=None)
def test_the_readable_and_the_flat_text_mean_the_same(text: str) -> None:
    value = algebra.from_text(text)
    assert algebra.from_text(tree.write(grouping.grouped(value))) == value
    assert algebra.from_text(tree.write(polynomial.flat(value))) == value


@given(texts, points)
@example("max(a, min(1, max(a, 1/2)))", {"a": 1, "b": 2, "seq_len": 3})
@example("min(a, (min(a, b))**1)", {"a": 1, "b": 2, "seq_len": 3})
@example("min(floor(min(27, a) / 1), 1/2)", {"a": 1, "b": 2, "seq_len": 3})
@example("max(max(a, b)*2/2, seq_len, 1/2)", {"a": 1, "b": 2, "seq_len": 3})
@example("min(a, 0 - -min(a, b))", {"a": 1, "b": 2, "seq_len": 3})
@example("min(4/3, (b + 2) % (b + 2), a)", {"a": 1, "b": 2, "seq_len": 3})
@settings(max_examples=150, deadline=None)
def test_unparse_is_canonical(text: str, numbers: dict[str, int]) -> None:
    expression = symflops.parse(text)
    again = symflops.parse(symflops.unparse(expression))
    assert again == expression
    # SymPy may simplify further (min(a, a//2) is a//2), so the values are compared, not the forms.
    assert numeric.evaluate(expr.from_sympy(expression), numbers) == python_value(text, numbers)


@given(texts, points)
@settings(max_examples=100, deadline=None)
def test_sympy_means_the_same(text: str, numbers: dict[str, int]) -> None:
    at = {symflops.symbol(name): number for name, number in numbers.items()}
    expected = python_value(text, numbers)
    assert symflops.parse(text).subs(at) == sympy.Rational(expected.numerator, expected.denominator)
    grouped = expr.to_sympy(algebra.from_text(text)).subs(at)
    assert grouped == sympy.Rational(expected.numerator, expected.denominator)


@given(texts, texts)
@settings(max_examples=100, deadline=None)
def test_the_algebra_is_a_commutative_ring(one: str, two: str) -> None:
    a, b = algebra.from_text(one), algebra.from_text(two)
    assert polynomial.add(a, b) == polynomial.add(b, a)
    assert polynomial.multiply(a, b) == polynomial.multiply(b, a)
    assert polynomial.add(a, polynomial.negate(a)) == 0
    assert polynomial.multiply(a, polynomial.add(b, 1)) == polynomial.add(polynomial.multiply(a, b), a)


@pytest.mark.parametrize(
    ("text", "readable"),
    [
        ("(a + b)*(a - b)", "a**2 - b**2"),
        ("S + (64 - S % 64) % 64", "64*ceil(S/64)"),
        ("floor((s + 127)/128)", "ceil(s/128)"),
        ("-(-s // 128)", "ceil(s/128)"),
        ("min(s, s + p)", "s"),
        ("max(0, a)", "a"),
        ("floor(x + 3*y/2)", "x + y + floor(y/2)"),
        ("(s % 4) // 2", "floor(s/2) - 2*floor(s/4)"),
        ("2*B*S*h*d + 2*B*S*h*k", "2*B*S*h*(d + k)"),
        ("sqrt(x)*sqrt(x)", "x"),
        ("log2(8)*n", "3*n"),
        ("0.1*a", "a/10"),
        ("E*(1 - (1 - k/E)**t)", "E*(1 - (1 - k/E)**t)"),
        ("a - a", "0"),
        ("{batch_size} * {seq_len}", "batch_size*seq_len"),
        ("S*{N}*I*Q*E", "E*I*N*Q*S"),
    ],
)
def test_readable_forms(text: str, readable: str) -> None:
    assert tree.write(grouping.grouped(algebra.from_text(text))) == readable


def test_parse_keeps_what_was_written() -> None:
    n, h = symflops.symbol("N"), symflops.symbol("h")
    assert symflops.parse("2*N*h") == 2 * n * h
    assert symflops.parse("N*(h + 1)") == n * (h + 1)
    assert symflops.parse("N*h + N") == n * h + n
    assert symflops.parse("h // 3") == sympy.floor(h / 3)
    assert symflops.unparse(sympy.Mod(h, 3)) == "h % 3"


REJECTED = {
    "9**9**9": "power of more than 4096 bits",
    "(2**64)**64": "power of more than 4096 bits",
    "__import__('os').system('1')": "column 1: \"__import__('os').system('1')\": only named functions can be called",
    "a.real": "column 1: 'a.real': attribute access is not part of the language",
    "a b": "column 3: 'b': not a formula",
    "1or 2": "column 1: '1or': not a number",  # Python only warns of a word right behind a number
    "2*0xfor": "column 3: '0xfor': not a number",
    "1 + ": "column 1: '1 + ': not a formula",
    "": "the formula is empty",
    "a[0]": "column 1: 'a[0]': Subscript is not part of the language",
    "(lambda: 1)()": "only named functions can be called",
    "2×N": "column 2: '×': write *",
    "a < b": "Compare is not part of the language",
    "mim(a, b)": "unknown function 'mim'; did you mean 'min'?",
    "floor(a, b)": "floor takes one argument",
    "min(*a)": "min takes plain arguments",
    "'text'": "not a number",
    "True": "not a number",
    "1e999": "number is out of range",
    "2j": "write 2*j",
    "1/0": "division by zero",
    "a/(b - b)": "division by zero",
    "(a+b+c+d+e+f+g+h+i+j)**900": "expanding the product needs more than 100,000 terms",
    "a**2000": "exponent 2000 is larger than the 1000 allowed",
    "(" * 150 + "a" + ")" * 150 + "." + "b": "attribute access is not part of the language",
    "-" * 50_000 + "1": "nested too deeply",
    "x" * 1_000_000: "formula of 1,000,000 characters is longer than the 100,000 allowed",
    "1" * 5000: "not a formula",
    "a\0b": "column 1: 'a\\x00b': not a formula",
}


@pytest.mark.parametrize("text", REJECTED, ids=lambda text: text[:30].replace("\0", "NUL"))
def test_what_is_not_a_formula_gets_one_clear_line(text: str) -> None:
    with pytest.raises(SymflopsError) as caught:
        symflops.parse(text)
    assert REJECTED[text] in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 450


def test_one_symbol_factory() -> None:
    assert symflops.parse("seq_len") is symflops.symbol("seq_len")
    with pytest.raises(SymflopsError, match="is not a name"):
        symflops.symbol("2x")


def test_a_long_sum_is_one_level_deep() -> None:
    text = " + ".join(f"x{i}*y" for i in range(900))
    value = algebra.from_text(text)
    assert numeric.evaluate(value, {f"x{i}": i for i in range(900)} | {"y": 2}) == 2 * sum(range(900))
