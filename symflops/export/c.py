"""Closed forms as C source: exact fractions of 128-bit integers, every overflow seen.

C has no integers that grow. A function computes in fractions of `__int128` (GCC and Clang), each operation checks for
overflow, and a value that has overflowed says so to the end; so a number that comes out is the right one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from textwrap import wrap

from symflops.cost import Cost
from symflops.domain import Condition
from symflops.export.code import Parameter, checked, description, following, identifier, limited, parameters, switches
from symflops.grouping import grouped
from symflops.polynomial import add, negate
from symflops.tree import Tree, fold, write

_KEYWORDS = """auto break case char const continue default do double else enum extern float for goto if inline int
long register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while _Bool
_Complex _Imaginary asm typeof bool true false nullptr alignas alignof constexpr static_assert thread_local main cost
found status int64_t INT64_C"""
RESERVED = frozenset(_KEYWORDS.split())

RUNTIME = r"""
#ifndef SYMFLOPS_RUNTIME
#define SYMFLOPS_RUNTIME
#include <stdint.h>

__extension__ typedef __int128 symflops_int;
__extension__ typedef unsigned __int128 symflops_bits;
enum { SYMFLOPS_OK, SYMFLOPS_OVERFLOW, SYMFLOPS_DIVISION_BY_ZERO, SYMFLOPS_INVALID, SYMFLOPS_NEGATIVE,
       SYMFLOPS_OUTSIDE };

/* n/d in lowest terms with d > 0, or, with a status, no number at all. */
typedef struct { symflops_int n, d; int status; } symflops_ratio;

#if defined(__GNUC__)
#define SYMFLOPS_HELPER static __attribute__((unused))
#else
#define SYMFLOPS_HELPER static
#endif

SYMFLOPS_HELPER symflops_int symflops_gcd(symflops_int a, symflops_int b) {
    a = a < 0 ? -a : a;
    while (b) { symflops_int rest = a % b; a = b; b = rest; }
    return a;
}

SYMFLOPS_HELPER symflops_ratio symflops_make(symflops_int n, symflops_int d, int status) {
    symflops_ratio made = {n, d, status};
    /* The least integer has no opposite: it counts as overflow. */
    if (!status && n == -n && n) made.status = SYMFLOPS_OVERFLOW;
    return made;
}

SYMFLOPS_HELPER symflops_ratio symflops_of(symflops_int n) { return symflops_make(n, 1, SYMFLOPS_OK); }

SYMFLOPS_HELPER symflops_ratio symflops_times(symflops_ratio a, symflops_ratio b) {
    symflops_int n, d, g;
    if (a.status || b.status) return symflops_make(0, 1, a.status ? a.status : b.status);
    if (b.d != 1) { g = symflops_gcd(a.n, b.d); if (g) { a.n /= g; b.d /= g; } }
    if (a.d != 1) { g = symflops_gcd(b.n, a.d); if (g) { b.n /= g; a.d /= g; } }
    int over = __builtin_mul_overflow(a.n, b.n, &n) | __builtin_mul_overflow(a.d, b.d, &d);
    return symflops_make(n, d, over ? SYMFLOPS_OVERFLOW : SYMFLOPS_OK);
}

SYMFLOPS_HELPER symflops_ratio symflops_plus(symflops_ratio a, symflops_ratio b) {
    symflops_int n, d, g, left, right;
    if (a.status || b.status) return symflops_make(0, 1, a.status ? a.status : b.status);
    g = a.d == 1 || b.d == 1 ? 1 : symflops_gcd(a.d, b.d);
    int over = __builtin_mul_overflow(a.n, b.d / g, &left) | __builtin_mul_overflow(b.n, a.d / g, &right);
    over |= __builtin_add_overflow(left, right, &n) | __builtin_mul_overflow(a.d / g, b.d, &d);
    if (over) return symflops_make(0, 1, SYMFLOPS_OVERFLOW);
    g = d == 1 ? 1 : symflops_gcd(n, d);
    return symflops_make(n / g, d / g, SYMFLOPS_OK);
}

SYMFLOPS_HELPER symflops_ratio symflops_minus(symflops_ratio a) { a.n = -a.n; return a; }

SYMFLOPS_HELPER symflops_ratio symflops_over(symflops_ratio a, symflops_ratio b) {
    if (!b.status && !b.n) return symflops_make(0, 1, SYMFLOPS_DIVISION_BY_ZERO);
    symflops_ratio inverse = {b.n < 0 ? -b.d : b.d, b.n < 0 ? -b.n : b.n, b.status};
    return symflops_times(a, inverse);
}

SYMFLOPS_HELPER symflops_ratio symflops_floor(symflops_ratio a) {
    if (a.d != 1) a = symflops_make(a.n / a.d - (a.n < 0 && a.n % a.d), 1, a.status);
    return a;
}

SYMFLOPS_HELPER symflops_ratio symflops_ceil(symflops_ratio a) {
    return symflops_minus(symflops_floor(symflops_minus(a)));
}

SYMFLOPS_HELPER symflops_ratio symflops_max(symflops_ratio a, symflops_ratio b) {
    symflops_ratio difference = symflops_plus(a, symflops_minus(b));
    return difference.status ? difference : difference.n < 0 ? b : a;
}

SYMFLOPS_HELPER symflops_ratio symflops_min(symflops_ratio a, symflops_ratio b) {
    return symflops_minus(symflops_max(symflops_minus(a), symflops_minus(b)));
}

/* A decimal such as 0.5, 2 or 0.53125, as the decimal that it prints as. */
SYMFLOPS_HELPER symflops_ratio symflops_decimal(double x) {
    double scale = 1;
    if (!(x >= 0 && x < 1e9)) return symflops_make(0, 1, SYMFLOPS_INVALID);
    for (int places = 0; places <= 15 && x * scale < 9e15; places++, scale *= 10) {
        int64_t digits = (int64_t)(x * scale + 0.5);
        if ((double)digits / scale == x) {
            return symflops_over(symflops_of(digits), symflops_of((int64_t)scale));
        }
    }
    return symflops_make(0, 1, SYMFLOPS_INVALID);
}

/* The nearest integer, halves up. */
SYMFLOPS_HELPER int symflops_round(symflops_ratio a, symflops_int *to) {
    symflops_ratio half = {1, 2, SYMFLOPS_OK};
    a = symflops_floor(symflops_plus(a, half));
    *to = a.n;
    return a.status ? a.status : a.n < 0 ? SYMFLOPS_NEGATIVE : SYMFLOPS_OK;
}

/* Whether a difference has one of the signs: 1 for negative, 2 for zero, 4 for positive, or sums of these. */
SYMFLOPS_HELPER int symflops_holds(symflops_ratio difference, int signs) {
    if (difference.status) return difference.status;
    return signs & (difference.n < 0 ? 1 : difference.n ? 4 : 2) ? SYMFLOPS_OK : SYMFLOPS_OUTSIDE;
}

/* base**exponent. A fraction below 1 whose denominator outgrows 62 bits is rounded, with an error of about 2**-62. */
SYMFLOPS_HELPER symflops_ratio symflops_power(symflops_ratio base, symflops_ratio exponent) {
    const symflops_int one = (symflops_int)1 << 62;
    symflops_ratio result = {1, 1, SYMFLOPS_OK}, square = base;
    if (base.status || exponent.status) return base.status ? base : exponent;
    if (exponent.d != 1) return symflops_make(0, 1, SYMFLOPS_INVALID);
    if (exponent.n < 0) return symflops_over(result, symflops_power(base, symflops_minus(exponent)));
    for (symflops_int left = exponent.n; left; left /= 2) {
        if (left % 2) result = symflops_times(result, square);
        if (left > 1) square = symflops_times(square, square);
    }
    if ((!result.status && result.d <= one) || base.n < 0 || base.n >= base.d) return result;
    while (base.d >= one) { base.n /= 2; base.d /= 2; }
    symflops_int fixed = base.n * one / base.d, rounded = one;
    for (symflops_int left = exponent.n; left; left /= 2) {
        if (left % 2) rounded = (rounded * fixed + one / 2) / one;
        fixed = (fixed * fixed + one / 2) / one;
    }
    return symflops_over(symflops_of(rounded), symflops_of(one));
}

/* The square root: exact where it is rational and fits, else to about 60 binary digits. */
SYMFLOPS_HELPER symflops_ratio symflops_sqrt(symflops_ratio a) {
    symflops_int radicand, root = 0, scale = 1;
    if (a.status) return a;
    if (a.n < 0) return symflops_make(0, 1, SYMFLOPS_INVALID);
    if (__builtin_mul_overflow(a.n, a.d, &radicand)) return symflops_make(0, 1, SYMFLOPS_OVERFLOW);
    while (radicand && radicand < (symflops_int)1 << 122 && scale < (symflops_int)1 << 60) {
        radicand *= 4;
        scale *= 2;
    }
    for (symflops_int bit = (symflops_int)1 << 63; bit; bit /= 2) {
        if ((root + bit) <= radicand / (root + bit)) root += bit;
    }
    return symflops_over(symflops_over(symflops_of(root), symflops_of(scale)), symflops_of(a.d));
}

/* The binary logarithm: exact for a power of two, else to about 60 binary digits. */
SYMFLOPS_HELPER symflops_ratio symflops_log2(symflops_ratio a) {
    const symflops_int one = (symflops_int)1 << 62;
    symflops_int whole = 0, places = 0;
    if (a.status) return a;
    if (a.n <= 0) return symflops_make(0, 1, SYMFLOPS_INVALID);
    for (; a.n / 2 >= a.d; whole++) {
        if (a.n % 2 && a.d < one) a.d *= 2; else a.n /= 2;
    }
    for (; a.n < a.d; whole--) {
        if (a.d % 2) a.n *= 2; else a.d /= 2;
    }
    while (a.d > one) { a.n /= 2; a.d /= 2; }
    symflops_int x = (a.n - a.d) * one / a.d + one;
    for (int i = 0; i < 60; i++) {
        x = (symflops_int)((symflops_bits)x * (symflops_bits)x >> 62);
        places = 2 * places + (x >= 2 * one);
        if (x >= 2 * one) x /= 2;
    }
    symflops_ratio fraction = symflops_over(symflops_of(places), symflops_of((symflops_int)1 << 60));
    return symflops_plus(symflops_of(whole), fraction);
}
#endif
"""


@limited
def c_function(cost: Cost, metrics: Sequence[str], name: str, values: Mapping[str, int] | None = None) -> str:
    """A C function of the cost's free symbols that gives a struct of 128-bit integers, or says why there are none.

    It needs GCC or Clang on a 64-bit machine and no library. A result that is given is the one of `at`; the comment in
    the source says where numbers are rounded on the way.
    """
    cost = cost.only(metrics)
    called = identifier(name, RESERVED)
    given = parameters(cost, values or {}, RESERVED | {called, f"{called}_cost"})
    names = _locals(given)
    arguments = [f"{'double' if p.is_bytes else 'int64_t'} {p.name}" for p in given]
    trees = {metric: cost.tree(metric) for metric in metrics}
    about = description(cost, metrics, name, [replace(p, default=None) for p in given])
    about += ["", *wrap(_RETURNS, 110)]
    for followed in dict.fromkeys(following(given).values()):
        followers = " or ".join(name for name, row in cost.run.items() if row.follows == followed)
        about.append(f"A negative {followers} stands for {followed}.")
    if any(_rounds(tree) for tree in trees.values()):
        about += wrap(_ROUNDS, 110)
    lines = ["/*", *(f" * {line}".rstrip() for line in about), " */", RUNTIME.strip(), ""]
    lines += ["typedef struct {", *(f"    symflops_int {metric};" for metric in metrics), f"}} {called}_cost;", ""]
    lines += _wrapped(f"int {called}({', '.join([*arguments, f'{called}_cost *cost'])}) {{")
    body = [f"{called}_cost found;", "int status = SYMFLOPS_OK;", *_checks(given)]
    for p in given:
        make = "symflops_decimal" if p.is_bytes else "symflops_of"
        body.append(f"const symflops_ratio {names[p.symbol]} = {make}({p.name});")
    for condition in checked(cost):
        body += _condition(condition, names)
    for metric, tree in trees.items():
        text = fold(tree, _OPERATIONS, lambda leaf: _leaf(leaf, names))
        body += _wrapped(f"/* {metric} = {write(tree)} */")
        body += _wrapped(f"if (!status) status = symflops_round({text}, &found.{metric});")
    body += [f"(void){name};" for name in names.values()]
    body += ["if (!status) *cost = found;", "return status;"]
    return "\n".join([*lines, *(f"    {line}" for line in body), "}"])


_RETURNS = (
    "Returns SYMFLOPS_OK, which is 0, or why nothing was written: SYMFLOPS_OVERFLOW, when a number on the way exceeds "
    "128 bits; SYMFLOPS_DIVISION_BY_ZERO; SYMFLOPS_INVALID, for a negative size, a causal that is not 0 or 1, or bytes "
    "that are no decimal of up to 15 places; SYMFLOPS_NEGATIVE, where a formula does not hold; SYMFLOPS_OUTSIDE, where "
    "a condition of the model is broken."
)
_ROUNDS = (
    "Powers with a variable exponent, square roots and logarithms are rounded to about 60 binary places where they "
    "have more: when the exact result is very close to a half, the nearest integer may be the other one."
)


def _wrapped(text: str) -> list[str]:
    return wrap(text, 112, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


def _locals(given: Sequence[Parameter]) -> dict[str, str]:
    """For each symbol the variable that holds it as a fraction: a name that no parameter has."""
    prefix, taken = "q_", {p.name for p in given}
    while any(f"{prefix}{p.name}" in taken for p in given):
        prefix = f"q{prefix}"
    return {p.symbol: f"{prefix}{p.name}" for p in given}


def _checks(given: Sequence[Parameter]) -> list[str]:
    lines = [f"if ({name} < 0) {name} = {to};" for name, to in following(given).items()]
    wrong = [f"{p.name} < 0" for p in given if not p.is_bytes]
    wrong += [f"{name} > 1" for name in switches(given)]
    return [*lines, f"if ({' || '.join(wrong)}) return SYMFLOPS_INVALID;"] if wrong else lines


def _condition(condition: Condition, names: Mapping[str, str]) -> list[str]:
    """The lines that refuse numbers which break a condition."""
    difference = grouped(add(condition.left, negate(condition.right)))
    text = fold(difference, _OPERATIONS, lambda leaf: _leaf(leaf, names))
    words = re.sub(r"[^ -~]|/\*|\*/", "?", str(condition))
    return [
        *_wrapped(f"/* {words} */"),
        *_wrapped(f"if (!status) status = symflops_holds({text}, {_RELATIONS[condition.sign]});"),
    ]


# Which signs of left - right a condition allows: negative is bit 0, zero bit 1, positive bit 2.
_RELATIONS = {"<": 1, "==": 2, "<=": 3, ">": 4, "!=": 5, ">=": 6}


def _rounds(tree: Tree) -> bool:
    if not isinstance(tree, tuple):
        return False
    operation, *operands = tree
    power = operation == "**" and not isinstance(operands[1], int)
    return power or operation in ("sqrt", "log2") or any(_rounds(operand) for operand in operands)


def _leaf(value: int | Fraction | str, names: Mapping[str, str]) -> str:
    if isinstance(value, str):
        return names[value]
    if isinstance(value, Fraction):
        return f"symflops_over({_integer(value.numerator)}, {_integer(value.denominator)})"
    return _integer(value)


def _integer(number: int) -> str:
    if abs(number) < 2**63:
        return f"symflops_of({number})" if abs(number) < 2**31 else f"symflops_of(INT64_C({number}))"
    if abs(number) >= 2**127:
        return "symflops_make(0, 1, SYMFLOPS_OVERFLOW)"
    high, rest = divmod(abs(number), 2**66)
    middle, low = divmod(rest, 2**33)
    text = f"((symflops_int)INT64_C({high}) << 66) + ((symflops_int)INT64_C({middle}) << 33) + INT64_C({low})"
    return f"symflops_of({text})" if number > 0 else f"symflops_minus(symflops_of({text}))"


def _pairs(function: str) -> Callable[..., str]:
    """f(f(a, b), c), written in time linear in its length."""

    def apply(first: str, *others: str) -> str:
        return f"symflops_{function}(" * len(others) + first + "".join(f", {operand})" for operand in others)

    return apply


def _one(function: str) -> Callable[..., str]:
    return lambda operand: f"symflops_{function}({operand})"


_OPERATIONS = {
    "+": _pairs("plus"), "*": _pairs("times"), "/": _pairs("over"), "**": _pairs("power"), "min": _pairs("min"),
    "max": _pairs("max"), "-": _one("minus"), "floor": _one("floor"), "ceil": _one("ceil"), "sqrt": _one("sqrt"),
    "log2": _one("log2"),
}  # fmt: skip
