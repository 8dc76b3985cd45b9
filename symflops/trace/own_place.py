"""What a layer's source decides by the layer's own place: layers for which it comes out otherwise are not alike."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from functools import cache
from types import FunctionType
from typing import Any

from torch import nn

from symflops.trace.origin import is_model, is_torch, is_transformers
from symflops.vocabulary.fields import means


def by_place(module: nn.Module, index: int) -> tuple[int, ...]:
    """What a layer at this place of its list, and what it is made of, decide by it and by the places that they keep."""
    deciding = [(m, found) for m in module.modules() if (found := decisions(_class(m))) != frozenset()]
    kept = [v for m, _ in deciding for name, v in vars(m).items() if means(name, "layer_index") and type(v) is int]
    numbers = sorted({number for _, found in deciding for number in found or ()})
    if any(found is None for _, found in deciding):
        return (index, *kept)
    return tuple((place > number) - (place < number) for place in (index, *kept) for number in numbers)


def _class(module: nn.Module) -> Any:
    return type(module)


@cache
def decisions(kind: Any) -> frozenset[int] | None:
    """The numbers with which methods of a class of modules, except its constructor, compare the layer's own index; None
    where they use the index in another way: test it, compare it with something else, or index a list with it. Indexing
    a cache of keys and values does not count.

    >>> from transformers.models.llama.modeling_llama import LlamaAttention
    >>> from transformers.models.rwkv.modeling_rwkv import RwkvBlock
    >>> sorted(decisions(LlamaAttention)), sorted(decisions(RwkvBlock))
    ([], [0])
    """
    methods = (m for base in kind.__mro__ for name, m in vars(base).items() if not name.startswith("__"))
    own = (m for m in map(_plain, methods) if m is not None and _is_of_a_model(m.__code__.co_filename))
    deciding = [node for m in own for node in ast.walk(_parsed(m)) if _decides(node)]
    numbers = [_number(node) for node in deciding]
    return None if None in numbers else frozenset(n for n in numbers if n is not None)


def _number(node: ast.AST) -> int | None:
    """The number that a place itself is compared with, if that is all that a node does."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and not isinstance(node.ops[0], ast.In | ast.NotIn):
        sides = (node.left, node.comparators[0])
        numbers = [side.value for side in sides if isinstance(side, ast.Constant) and type(side.value) is int]
        if len(numbers) == 1 and any(isinstance(side, ast.Attribute | ast.Name) for side in sides):
            return numbers[0]
    return None


def _plain(method: Any) -> FunctionType | None:
    """The function that decorators are wrapped around."""
    found = inspect.unwrap(method) if callable(method) else None
    return found if isinstance(found, FunctionType) else None


def _is_of_a_model(file: str) -> bool:
    return is_model(file) or not (is_torch(file) or is_transformers(file))


def _parsed(method: FunctionType) -> ast.AST:
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(method)))
    except (OSError, SyntaxError):  # nothing that was written in a file
        return ast.Module([], [])


def _decides(node: ast.AST) -> bool:
    if isinstance(node, ast.Compare):
        return not all(isinstance(op, ast.Is | ast.IsNot) for op in node.ops) and _mentions(node)
    if isinstance(node, ast.If | ast.IfExp | ast.While):
        return isinstance(node.test, ast.BinOp | ast.UnaryOp | ast.Attribute | ast.Name) and _mentions(node.test)
    if isinstance(node, ast.Subscript):
        part = isinstance(node.slice, ast.Tuple)  # of a tensor: as large at every place
        return not part and _mentions(node.slice) and not re.search("past|cache", ast.unparse(node.value))
    return False


def _mentions(node: ast.AST) -> bool:
    return any(
        means(n.attr, "layer_index") and isinstance(n.value, ast.Name) and n.value.id == "self"
        if isinstance(n, ast.Attribute) else isinstance(n, ast.Name) and means(n.id, "layer_index_argument")
        for n in ast.walk(node)
    )  # fmt: skip
