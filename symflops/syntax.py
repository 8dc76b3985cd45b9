"""The text of a formula becomes a syntax tree; nothing is executed.

A reader by operator precedence that needs no recursion, so a text of any shape is read in time linear in its length.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from symflops.errors import SymflopsError, nearest

Tree = Any  # int | Fraction | str | tuple[str, Tree, ...]; recursive aliases cost more than they explain

FUNCTIONS = ("min", "max", "ceil", "floor", "sqrt", "log2")
MAX_LENGTH = 100_000  # characters of one formula
MAX_DEPTH = 100  # of nested operations; a sum or product of many terms is one level
MAX_BITS = 4096  # of an integer that a formula may contain or compute
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}\Z")
_TEMPLATE = re.compile(r"\{(\s*[A-Za-z_][A-Za-z0-9_]*\s*)\}")
_VALID = "valid are integers, decimals, names, + - * / // % **, parentheses and " + " ".join(FUNCTIONS)
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d|\.\d)(?:[eE][+-](?=\d)|[\w.])*)|(?P<call>[A-Za-z_]\w*)\s*\(|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<sign>\*\*|//|[-+*/%(),])|(?P<end>\Z)|(?P<other>.))",
    re.ASCII | re.DOTALL,
)
_NUMBER = re.compile(r"(?:0+|[1-9]\d*|\d*\.\d+(?:e[+-]?\d+)?|\d+\.(?:e[+-]?\d+)?|\d+e[+-]?\d+)")
_WORDS = ("and", "or", "not", "if", "else", "in", "is", "lambda", "for", "True", "False", "None", "await", "async")
# What people write instead of what the language has.
_MEANT = {
    "^": "write ** for powers", "×": "write *", "·": "write *", "⋅": "write *", "÷": "write /", "−": "write -",
    "²": "write **2", "³": "write **3", "√": "write sqrt()",
}  # fmt: skip
_STRENGTH = {"+": 1, "-": 1, "*": 2, "/": 2, "//": 2, "%": 2, "unary -": 3, "unary +": 3, "**": 4}
_GROWING = ("+", "*")
_OPERATORS = ("Add", "Sub", "Mult", "Div", "FloorDiv", "Mod", "Pow", "USub", "UAdd")


def exact(value: Fraction) -> int | Fraction:
    """A rational number in its simplest type."""
    return value.numerator if value.denominator == 1 else value


def read(text: str) -> Tree:
    """Parse the text of a formula.

    >>> read("2*N*{h} - 1")
    ('+', ('*', 2, 'N', 'h'), ('-', 1))

    Raises SymflopsError naming column and culprit for anything outside the language.
    """
    if not isinstance(text, str):
        raise SymflopsError(f"expected the text of a formula, got {type(text).__name__}")
    if len(text) > MAX_LENGTH:
        raise SymflopsError(f"formula of {len(text):,} characters is longer than the {MAX_LENGTH:,} allowed")
    if not text.isascii():
        culprit = next(c for c in text if not c.isascii())
        raise SymflopsError(f"column {text.index(culprit) + 1}: {culprit!r}: {_MEANT.get(culprit, _VALID)}")
    source = re.sub(r"[\r\n\t]", " ", _TEMPLATE.sub(r" \1 ", text))
    if not source.strip():
        raise SymflopsError("the formula is empty")
    return _Reader(source).read()


class _Operand:
    """A part of the text that has been read. A sum or a product can still grow: `a + b - c` is one level deep."""

    __slots__ = ("column", "depth", "operands", "operation")

    def __init__(self, operation: str, operands: list[Tree], depth: int, column: int) -> None:
        self.operation = operation
        self.operands = operands
        self.depth = depth
        self.column = column

    @property
    def tree(self) -> Tree:
        return (self.operation, *self.operands) if self.operation else self.operands[0]


class _Reader:
    """One text being read by operator precedence, without recursion: a sum may have any number of terms."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.operands: list[_Operand] = []
        self.pending: list[tuple[str, int, int]] = []  # open operations and brackets: what, where, since

    def read(self) -> Tree:
        wanted = True  # an operand is
        column = 0
        for found in _TOKEN.finditer(self.source):
            column = found.start(found.lastgroup or 0)
            kind, token = found.lastgroup, found[found.lastgroup or 0]
            if kind == "end":
                break
            if wanted and kind == "number":
                self.push(self.number(token, column), column)
                wanted = False
            elif wanted and kind == "name" and token not in _WORDS:
                self.name(token, column)
                wanted = False
            elif wanted and kind == "call" and token not in _WORDS:
                self.call(token, column, found.end())
            elif wanted and token in ("(", "-", "+"):
                self.open(f"unary {token}" if token != "(" else token, column)
            elif not wanted and token in _STRENGTH:
                self.reduce(_STRENGTH[token] + (token == "**"))
                self.open(token, column)
                wanted = True
            elif not wanted and token == "," and self.innermost() not in ("(", ""):
                wanted = True
            elif not wanted and token == ")" and self.innermost():
                self.close()
            elif not wanted and token in _MEANT:
                raise self.error(column, _MEANT[token], token)
            else:
                raise self.fail(column)
        if wanted or self.innermost():
            raise self.fail(column)
        return self.operands[0].tree

    def open(self, what: str, column: int) -> None:
        if len(self.pending) > 10 * MAX_DEPTH:
            raise self.error(column, "formula is nested too deeply")
        self.pending.append((what, column, len(self.operands)))

    def innermost(self) -> str:
        """The bracket or the function that the text is inside of, all operations in it done; nothing outside of any."""
        self.reduce(0)
        return self.pending[-1][0] if self.pending else ""

    def name(self, token: str, column: int) -> None:
        if not NAME.match(token):
            raise self.error(column, "a name has at most 100 characters", token)
        self.push(token, column)

    def call(self, token: str, column: int, inside: int) -> None:
        """The beginning of a call."""
        if token not in FUNCTIONS:
            raise self.fail(column, _unknown(token))
        first = self.source[inside:].lstrip()[:1]
        if first in ("*", ")"):
            raise self.error(column, f"{token} {'takes plain arguments' if first == '*' else _arguments(token)}")
        self.open(token, column)

    def error(self, column: int, message: str, culprit: str = "") -> SymflopsError:
        """A mistake that begins at a column, with the whole bracket as the culprit where nothing else is named."""
        return SymflopsError(f"column {column + 1}: {_shortened(culprit or self.balanced(column))!r}: {message}")

    def balanced(self, column: int) -> str:
        """The text from a column to the end of the first bracket that it opens."""
        depth = 0
        for i in range(column, min(len(self.source), column + 200)):
            depth += (self.source[i] == "(") - (self.source[i] == ")")
            if self.source[i] == ")" and depth == 0:
                return self.source[column : i + 1]
        return self.source[column : column + 200].rstrip()

    def push(self, leaf: Tree, column: int) -> None:
        self.operands.append(_Operand("", [leaf], 0, column))

    def combine(self, operation: str, operands: list[_Operand], column: int) -> None:
        first = operands[0]
        if operation in _GROWING and first.operation == operation and len(operands) == 2:
            combined, depth = first, max(first.depth, operands[1].depth + 1)
            first.operands.append(operands[1].tree)
        else:
            depth = 1 + max(o.depth for o in operands)
            combined = _Operand(operation, [o.tree for o in operands], depth, column)
        combined.depth = depth
        if depth > MAX_DEPTH:
            raise self.error(column, f"nested deeper than {MAX_DEPTH} levels")
        self.operands.append(combined)

    def reduce(self, least: int) -> None:
        """Do the open operations that bind at least so tightly, back to the innermost bracket."""
        while self.pending and _STRENGTH.get(self.pending[-1][0], -1) >= least:
            operation = self.pending.pop()[0]
            right = self.operands.pop()
            if operation.startswith("unary"):
                if operation == "unary +":
                    self.operands.append(right)
                else:
                    self.combine("-", [right], right.column)
                continue
            left = self.operands.pop()
            if operation == "-":
                self.combine("-", [right], right.column)
                right = self.operands.pop()
            self.combine("+" if operation == "-" else operation, [left, right], left.column)

    def close(self) -> None:
        """The end of a bracket or a call."""
        what, column, since = self.pending.pop()
        if what == "(":
            return
        arguments = self.operands[since:]
        del self.operands[since:]
        if len(arguments) != 1 and what not in ("min", "max"):
            raise self.error(column, f"{what} {_arguments(what)}")
        if len(arguments) == 1 and what in ("min", "max"):  # the smallest of one is that one
            self.operands.append(arguments[0])
        else:
            self.combine(what, arguments, column)

    def number(self, text: str, column: int) -> int | Fraction:
        plain = text.replace("_", "").lower()
        if not _NUMBER.fullmatch(plain) or re.search(r"_(?!\d)|\D_", text):
            said = f"not a number; {_VALID}"
            times = re.fullmatch(r"([1-9]\d*)([A-Za-z]\w*)", text)
            if times is not None and times[2] not in _WORDS:
                said = f"write {times[1]}*{times[2]}"
            raise self.error(column, said, text)
        if plain.isdigit():
            if len(plain) > MAX_BITS // 3 or int(plain).bit_length() > MAX_BITS:
                raise self.error(column, f"not a formula: an integer of more than {MAX_BITS} bits", text)
            return int(plain)
        exponent = plain.partition("e")[2]
        if len(plain) > 600 or abs(int(exponent or 0)) > 300:
            raise self.error(column, "number is out of range", text)
        return exact(Fraction(plain))  # from the digits, not from the float: 0.1 is one tenth

    def fail(self, column: int, message: str = f"not a formula; {_VALID}") -> SymflopsError:
        """What is wrong, told as Python's own parser sees it: it knows much more that one may mean by a text."""
        import ast

        at = column
        culprit = self.source[column:][:20] or self.source[:20]
        if len(self.source) <= 1000 and not re.search(r"\d[A-Za-z]|\\", self.source):  # of `1or 2` Python warns
            offset = len(self.source) - len(self.source.lstrip())
            try:
                body = ast.parse(self.source.lstrip(), mode="eval").body
            except SyntaxError as error:
                at = offset + (error.offset or 1) - 1
                culprit = self.source[at:][:20]
            except (RecursionError, MemoryError, ValueError):
                pass
            else:
                node, message = _foreign(body)
                at = offset + node.col_offset
                culprit = _shortened(self.source[at : offset + (node.end_col_offset or 0)])
        return SymflopsError(f"column {at + 1}: {culprit!r}: {message}")


def _foreign(body: Any) -> tuple[Any, str]:
    """The first part of Python's syntax tree that the language does not have, and what to say of it."""
    import ast

    for node in ast.walk(body):
        if isinstance(node, ast.Call):
            if not isinstance(node.func, ast.Name):
                return node, f"only named functions can be called; {_VALID}"
            if node.func.id not in FUNCTIONS:
                return node, _unknown(node.func.id)
            if node.keywords or any(isinstance(a, ast.Starred) for a in node.args):
                return node, f"{node.func.id} takes plain arguments"
        elif isinstance(node, ast.Constant):
            if type(node.value) not in (int, float):
                return node, f"not a number; {_VALID}"
        elif isinstance(node, ast.expr) and not isinstance(node, ast.Name | ast.BinOp | ast.UnaryOp):
            kind = "attribute access" if isinstance(node, ast.Attribute) else type(node).__name__
            return node, f"{kind} is not part of the language; {_VALID}"
        elif isinstance(node, ast.BinOp | ast.UnaryOp) and type(node.op).__name__ not in _OPERATORS:
            return node, f"{type(node.op).__name__} is not part of the language; {_VALID}"
    return body, f"not a formula; {_VALID}"


def _unknown(function: str) -> str:
    return f"unknown function {_shortened(function)!r}{nearest(function, FUNCTIONS)}"


def _arguments(function: str) -> str:
    return "takes one argument or more" if function in ("min", "max") else "takes one argument"


def _shortened(culprit: str) -> str:
    return culprit if len(culprit) <= 60 else culprit[:57] + "..."
