"""Small faults in Python source, one at a time: what a slip of the pen or of the mind would leave there."""

from __future__ import annotations

import ast
import builtins
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {  # off by one, and the opposite
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult,
}  # fmt: skip
_PAIRS = ("min", "max"), ("any", "all"), ("minimum", "maximum"), ("floor", "ceil"), ("__floor__", "__ceil__")
_SWAPS = {a: b for pair in _PAIRS for a, b in (pair, pair[::-1])}
_UNWRAPPED = ("abs", "negate", "sorted")  # calls that are replaced by what they are given


@dataclass(frozen=True)
class Mutant:
    """A changed source, and its name: the function, and the lines as they were and are."""

    name: str
    line: int
    source: str


def mutants(source: str) -> list[Mutant]:
    """All of them, in the order of the source."""
    text = source.encode()
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found, seen = [], Counter[str]()
    tree = ast.parse(source)
    words = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} | set(dir(builtins))
    for scope, node, new in _changes(tree, ""):
        if isinstance(node, ast.expr) and not _names(new) <= words:
            continue  # a name that the file does not have would fail everywhere
        first, last = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
        changed = text[:first] + new.encode() + text[last:]
        before, after = starts[node.lineno - 1], starts[node.end_lineno]
        old = " ".join(text[before:after].decode().split())
        now = " ".join(changed[before : after + len(changed) - len(text)].decode().split())
        name = f"{scope}: {old} -> {now}"
        seen[name] += 1
        name += f" ({seen[name]})" if seen[name] > 1 else ""
        found.append(Mutant(name, node.lineno, changed.decode()))
    return sorted(found, key=lambda mutant: mutant.line)


def _changes(node: ast.AST, scope: str) -> Iterator[tuple[str, ast.AST, str]]:
    """Places and what stands there instead; messages, annotations and docstrings are let be."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return  # read by type checkers only
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        scope = f"{scope}.{node.name}".lstrip(".")
    yield from ((scope, place, new) for place, new in _here(node))
    for name, field in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "format_spec"):
            continue
        for child in field if isinstance(field, list) else [field]:
            if isinstance(child, ast.Raise):
                yield scope, child, "pass"
            elif isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr | ast.ImportFrom | ast.Import):
                yield from _changes(child, scope)


def _here(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    if isinstance(node, ast.Expr | ast.AugAssign | ast.Continue | ast.Break):
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            yield node, "pass"
    elif isinstance(node, ast.Constant):
        yield from ((node, text) for text in _constants(node.value))
    elif isinstance(node, ast.Compare):
        for i, op in enumerate(node.ops):
            for other in _COMPARISONS[type(op)]:
                ops = [*node.ops[:i], other(), *node.ops[i + 1 :]]
                yield node, _text(ast.Compare(node.left, ops, node.comparators))
    elif isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        yield node, _text(ast.BinOp(node.left, _ARITHMETIC[type(node.op)](), node.right))
        if isinstance(node.op, ast.FloorDiv):
            yield node, f"(-(-{_text(node.left)} // {_text(node.right)}))"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not):
        yield node, _text(node.operand)
    elif isinstance(node, ast.BoolOp):
        yield node, _text(ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values))
        for i in range(len(node.values)):
            rest = [*node.values[:i], *node.values[i + 1 :]]
            yield node, _text(rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest))
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
        name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        if name in _SWAPS:
            yield node.func, ast.unparse(node.func).removesuffix(name) + _SWAPS[name]
        if name in _UNWRAPPED and len(node.args) == 1:
            yield node, _text(node.args[0])
    if isinstance(node, ast.If | ast.While | ast.IfExp) and not isinstance(node.test, ast.Compare):
        yield node.test, f"(not {_text(node.test)})"
    if isinstance(node, ast.comprehension):
        for condition in node.ifs:
            yield condition, "True"
    if isinstance(node, ast.FunctionDef):
        for inner in ast.walk(node):
            if isinstance(inner, ast.Return) and inner.value is not None:
                yield from ((inner.value, text) for text in _returned(inner.value, node))


def _constants(value: object) -> Iterator[str]:
    if isinstance(value, bool):
        yield str(not value)
    elif isinstance(value, int):
        yield from (str(value + 1), f"({value - 1})" if value < 1 else str(value - 1))
    elif isinstance(value, str) and value in _SWAPS:
        yield repr(_SWAPS[value])


def _returned(value: ast.expr, function: ast.FunctionDef) -> Iterator[str]:
    kind = ast.unparse(function.returns) if function.returns else ""
    if kind in ("int", "Number", "Fraction"):
        yield f"-{_text(value)}"
    elif kind == "Value":
        yield f"negate({ast.unparse(value)})"
    elif kind == "bool" and not isinstance(value, ast.Compare | ast.Constant):
        yield f"not {_text(value)}"


def _names(text: str) -> set[str]:
    return {n.id for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Name)}


def _text(node: ast.expr) -> str:
    text = ast.unparse(node)
    return text if isinstance(node, ast.Name | ast.Constant | ast.Call | ast.Attribute | ast.Subscript) else f"({text})"
