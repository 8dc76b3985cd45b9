"""Whether a layer's source decides something by the layer's own place: then no two layers of a list are alike."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from functools import cache
from types import FunctionType
from typing import Any

from symflops.trace.origin import is_model, is_torch, is_transformers

_OWN = re.compile(r"(^|_)(idx|index|layer_id|layer_number|layer_num|block_id)$")  # an attribute of a module
_TOLD = re.compile(r"^layer_(idx|index|id|number|num)$")  # an argument


@cache
def decides_by_place(kind: Any) -> bool:
    """Whether a method of a class of modules, but its constructor, compares the layer's place, tests it, or takes what
    stands there in a list. Keys and values in a cache are no such thing.

    >>> from transformers.models.llama.modeling_llama import LlamaAttention
    >>> from transformers.models.rwkv.modeling_rwkv import RwkvBlock
    >>> decides_by_place(LlamaAttention), decides_by_place(RwkvBlock)
    (False, True)
    """
    methods = (m for base in kind.__mro__ for name, m in vars(base).items() if not name.startswith("__"))
    own = (m for m in map(_plain, methods) if m is not None and _is_of_a_model(m.__code__.co_filename))
    return any(_decides(node) for m in own for node in ast.walk(_parsed(m)))


def _is_of_a_model(file: str) -> bool:
    return is_model(file) or not (is_torch(file) or is_transformers(file))


def _plain(method: Any) -> FunctionType | None:
    """The function that decorators are wrapped around."""
    found = inspect.unwrap(method) if callable(method) else None
    return found if isinstance(found, FunctionType) else None


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
        return _mentions(node.slice) and not re.search("past|cache", ast.unparse(node.value))
    return False


def _mentions(node: ast.AST) -> bool:
    return any(
        bool(_OWN.search(n.attr)) and isinstance(n.value, ast.Name) and n.value.id == "self"
        if isinstance(n, ast.Attribute) else isinstance(n, ast.Name) and bool(_TOLD.search(n.id))
        for n in ast.walk(node)
    )  # fmt: skip
