"""Closed forms as a JavaScript function without dependencies, exact in BigInt."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from textwrap import wrap

from symflops.cost import UNITS, Cost
from symflops.export.code import checked, defaults, divides, limited, unchecked, with_followed
from symflops.export.conventions import CONVENTIONS
from symflops.grouping import grouped
from symflops.tree import Tree
from symflops.vocabulary.metrics import MEANINGS
from symflops.vocabulary.symbols import BYTE_SYMBOLS, RunSymbols

PAGE = Path(__file__).parent / "page"
# A name of the language that means something else to JavaScript gets an underscore inside the function.
_WORDS = (
    "arguments await break case catch class const continue debugger default delete do else enum eval export extends "
    "false finally for function if implements import in instanceof interface let new null package private protected "
    "public return static super switch this throw true try typeof undefined var void while with yield BigInt Number "
    "RangeError String Infinity NaN Object others unknown broken"
)
_RESERVED = frozenset(_WORDS.split())


@limited
def javascript_function(cost: Cost, metrics: Sequence[str], name: str) -> str:
    """A JavaScript module with one function of the cost's free symbols; it returns BigInts, equal to `at` everywhere.

    Symbols are given by name, as safe integers or BigInts; bytes per element may be decimals such as 0.5. Whole parts
    of a formula are computed by BigInt's own operators, the others by a few functions on fractions that stand below.

    >>> source = javascript_function(Cost.of(flops="N*(h + 1)/2"), ["flops"], "half")
    >>> print(source.partition("*/")[2].partition("// ")[0])
    <BLANKLINE>
    export function half({ N, h, ...others }) {
      const unknown = Object.keys(others).find((name) => !["batch_size", "cache_bytes", "causal", "dtype_bytes", \
"past_len", "seq_len", "weight_bytes"].includes(name));
      if (unknown !== undefined) throw new RangeError(`unknown symbol ${unknown}`);
      N = count("N", N);
      h = count("h", h);
      return {
        flops: nearest("flops", quotient(N*(h + 1n), 2n)),
      };
    }
    <BLANKLINE>
    <BLANKLINE>
    """
    free = with_followed(cost)
    first = [n for n, row in cost.run.items() if n in free and row.default is None]
    symbols = [*first, *sorted(free - cost.run.keys()), *(n for n in cost.run if n in free and n not in first)]
    local = {n: n + "_" * (n in _RESERVED or n in _blocks()) for n in symbols}
    by_default = {n: text or str(cost.run[n].follows) for n, text in defaults(cost).items()}
    lines = [
        *_comment(name, metrics, symbols, by_default, unchecked(cost), cost.run),
        f"export function {_identifier(name)}({_parameters(symbols, local, by_default)}) {{",
    ]
    ignored = sorted(cost.run.keys() - free - cost.known.keys())  # as `at` does: it does not depend on them
    lines.append(f"  const unknown = Object.keys(others).find((name) => !{json.dumps(ignored)}.includes(name));")
    lines.append("  if (unknown !== undefined) throw new RangeError(`unknown symbol ${unknown}`);")
    lines += [f'  {local[n]} = {"bytes" if n in BYTE_SYMBOLS else "count"}("{n}", {local[n]});' for n in symbols]
    for condition in checked(cost):
        sides = (grouped(condition.left), grouped(condition.right))
        left, right = (_write(side, local)[0] for side in sides)
        broken, message = _BROKEN[condition.sign].format(left, right), json.dumps(f"assumption broken: {condition}")
        if any(map(divides, sides)):  # where a side has no number it is broken
            lines += ["  {", "    let broken = true;", "    try {", f"      broken = {broken};", "    } catch {}"]
            lines += [f"    if (broken) throw new RangeError({message});", "  }"]
        else:
            lines += [f"  if ({broken}) {{", f"    throw new RangeError({message});", "  }"]
    lines.append("  return {")
    for metric in metrics:
        text = _write(grouped(cost.value(metric)), local)[0]
        lines.append(f'    {metric}: nearest("{metric}", {text}),')
    lines += ["  };", "}"]
    body = "\n".join(lines)
    code = body.partition("*/")[2]
    title = (PAGE / "exact.js").read_text("utf-8").partition("\n")[0]
    return "\n\n".join([body, title, *_needed(code)])


def _identifier(name: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9_]", "_", name)
    plain = f"_{plain}" if not plain or plain[0].isdigit() else plain
    return plain + "_" * (plain in _RESERVED or plain in _blocks())


_BROKEN = {  # what a condition is not, by its sign
    "<": "!isLess({0}, {1})", ">": "!isLess({1}, {0})", "<=": "isLess({1}, {0})", ">=": "isLess({0}, {1})",
    "==": "isLess({0}, {1}) || isLess({1}, {0})", "!=": "!isLess({0}, {1}) && !isLess({1}, {0})",
}  # fmt: skip


def _parameters(symbols: Sequence[str], local: Mapping[str, str], by_default: Mapping[str, str]) -> str:
    named = [n if local[n] == n else f"{n}: {local[n]}" for n in symbols]
    given = [f"{text} = {by_default[n]}" if n in by_default else text for n, text in zip(symbols, named, strict=True)]
    given.append("...others")
    text = f"{{ {', '.join(given)} }}"
    if len(text) > 90:
        text = "{\n" + ",\n".join(f"  {part}" for part in given) + "\n}"
    return text + " = {}" * all(n in by_default for n in symbols)


def _comment(
    name: str,
    metrics: Sequence[str],
    symbols: Sequence[str],
    by_default: Mapping[str, str],
    further: Sequence[str],
    run: RunSymbols,
) -> list[str]:
    title = re.sub(r"[^A-Za-z0-9_ .-]", "?", name)  # no end of the comment
    lines = ["/**", f" * Cost of {title} as exact integers (BigInt).", " *"]
    lines += [
        f" * {line}" for text in CONVENTIONS for line in wrap(text, 110, initial_indent="- ", subsequent_indent="  ")
    ]
    lines += [f" * {line}".rstrip() for line in further]
    lines.append(" *")
    if symbols:
        lines.append(" * @param {object} symbols")
    for n in symbols:
        kind = "number|string" if n in BYTE_SYMBOLS else "number|bigint"
        shown = f"[symbols.{n}={by_default[n]}]" if n in by_default else f"symbols.{n}"
        meaning = run[n].meaning if n in run else "architecture symbol, an integer"
        lines.append(f" * @param {{{kind}}} {shown} {meaning}")
    lines.append(" * @returns {Object<string, bigint>} by metric:")
    lines += [f" *   {m} [{UNITS[m]}]: {MEANINGS[m]}" for m in metrics]
    lines.append(
        " * @throws {RangeError} for a missing, negative or fractional value, and where a formula does not hold"
    )
    return [*lines, " */"]


# ---------------------------------------------------------------------------------------------------------- expressions

_SUM, _PRODUCT, _UNARY, _POWER, _ATOM = range(5)  # how tightly a text binds
_FUNCTIONS = {"min": "least", "max": "greatest", "sqrt": "root"}


def _write(tree: Tree, names: Mapping[str, str]) -> tuple[str, int, bool]:
    """Text, how tightly it binds, and whether its value is a BigInt whatever the symbols are."""
    if isinstance(tree, str):
        return names[tree], _ATOM, tree not in BYTE_SYMBOLS
    if isinstance(tree, int):
        return f"{tree}n", _ATOM if tree >= 0 else _UNARY, True
    if isinstance(tree, Fraction):
        return f"fraction({tree.numerator}n, {tree.denominator}n)", _ATOM, False
    operation, *operands = tree
    if operation == "**":
        return _power(operands[0], operands[1], names)
    if operation == "-":
        text, strength, whole = _write(operands[0], names)
        if whole:
            return f"-{text if strength > _UNARY else f'({text})'}", _UNARY, True
        return f"negative({text})", _ATOM, False
    parts = [_write(operand, names) for operand in operands]
    if operation in "+*":
        return _chain(operation, operands, parts, names)
    if operation == "/":
        return f"quotient({parts[0][0]}, {parts[1][0]})", _ATOM, False
    whole = operation in ("floor", "ceil") or (operation in ("min", "max") and all(part[2] for part in parts))
    return f"{_FUNCTIONS.get(operation, operation)}({', '.join(part[0] for part in parts)})", _ATOM, whole


def _power(base: Tree, exponent: Tree, names: Mapping[str, str]) -> tuple[str, int, bool]:
    text, strength, whole = _write(base, names)
    if isinstance(exponent, int) and exponent >= 0:
        if whole:
            return f"{text if strength == _ATOM else f'({text})'}**{exponent}n", _POWER, True
        return f"raised({text}, {exponent}n)", _ATOM, False
    return f"power({text}, {_write(exponent, names)[0]})", _ATOM, False


def _chain(
    operation: str, operands: Sequence[Tree], parts: Sequence[tuple[str, int, bool]], names: Mapping[str, str]
) -> tuple[str, int, bool]:
    """A sum or product: what is whole by BigInt's operators, the rest by a function."""
    whole = [(operand, part) for operand, part in zip(operands, parts, strict=True) if part[2]]
    others = [part[0] for part in parts if not part[2]]
    text, strength = "", _ATOM
    for operand, (shown, binds, _) in whole:
        if len(whole) == 1:
            text, strength = shown, binds
        elif operation == "*":
            text += ("*" if text else "") + (shown if binds >= _PRODUCT else f"({shown})")
        elif text and isinstance(operand, tuple) and operand[0] == "-":
            inner, tight, _ = _write(operand[1], names)
            text += " - " + (inner if tight >= _PRODUCT else f"({inner})")
        else:
            text += (" + " if text else "") + shown
    if len(whole) > 1:
        strength = _PRODUCT if operation == "*" else _SUM
    if not others:
        return text, strength, True
    function = "times" if operation == "*" else "plus"
    return f"{function}({', '.join([*others, *([text] if text else [])])})", _ATOM, False


# --------------------------------------------------------------------------------------------------------- arithmetic


@cache
def _blocks() -> dict[str, str]:
    """The definitions in exact.js with the comments above them, by name, in order."""
    found = {}
    for block in (PAGE / "exact.js").read_text("utf-8").strip().split("\n\n"):
        defined = re.search(r"^(?:function|const) (\w+)", block, re.MULTILINE)
        if defined:
            found[defined[1]] = block
    return found


def _needed(code: str) -> list[str]:
    """The definitions that some code needs, and those that they need."""
    needed: set[str] = set()
    stack = [code]
    while stack:
        for name in _blocks().keys() & set(re.findall(r"\w+", stack.pop())) - needed:
            needed.add(name)
            stack.append(_blocks()[name])
    return [block for name, block in _blocks().items() if name in needed]
