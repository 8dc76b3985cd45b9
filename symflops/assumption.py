"""Assumptions: conditions under which a closed form holds.

A comparison of formulas, such as `hidden_size % num_attention_heads == 0`; a fact about the config that a model was
derived from and that is no number: `hidden_act == "silu"`, `tie_word_embeddings == false`; or what the config says of
any of its layers: `layer_types[i] in ["full_attention", "sliding_attention"]`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from symflops import algebra, numeric
from symflops.errors import SymflopsError
from symflops.polynomial import Number
from symflops.tree import NAME, read

_COMPARISONS: dict[str, Callable[[Number, Number], bool]] = {
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b, ">": lambda a, b: a > b,
}  # fmt: skip


# A text, a list, an object, a word of JSON, or a number that is no integer: an integer is compared as a formula.
_LITERAL = re.compile(r'["\[{]|(true|false|null)$|-?\d+(\.\d+|e|\.\d+e)[-+\d]*$')


def fact(text: str) -> tuple[str, Any] | None:
    """The name and the value of a fact; None for a comparison of formulas.

    >>> fact('hidden_act == "silu"'), fact("residual_multiplier == 0.5")
    (('hidden_act', 'silu'), ('residual_multiplier', 0.5))
    >>> fact("heads % groups == 0"), fact("first_k_dense_replace == 3")
    (None, None)
    """
    name, found, literal = text.partition(" == ")
    if not found or not NAME.match(name) or not _LITERAL.match(literal):
        return None
    try:
        return name, json.loads(literal)
    except ValueError:
        return None


def choice(text: str) -> tuple[list[str], list[Any]] | None:
    """What an assumption says of each layer i, and the choices that were seen; None for any other assumption.

    >>> choice('layer_types[i] in ["full_attention"]')
    (['layer_types[i]'], ['full_attention'])
    >>> choice('[layer_types[i], i in moe_layers] in [["full_attention", true], ["sliding_attention", false]]')
    (['layer_types[i]', 'i in moe_layers'], [['full_attention', True], ['sliding_attention', False]])
    >>> choice('[kinds[i], i == kinds.index("slow")] in [["slow", true], ["slow", false]]')
    (['kinds[i]', 'i == kinds.index("slow")'], [['slow', True], ['slow', False]])
    >>> choice("[layers_num_experts[i] > 1] in [[true], [false]]")
    (['layers_num_experts[i] > 1'], [[True], [False]])
    """
    said, found, literal = text.partition("] in [")
    if not found:
        return None
    try:
        choices = json.loads(f"[{literal}")
    except ValueError:
        return None
    statements = said[1:].split(", ") if said.startswith("[") else [f"{said}]"]
    return (statements, choices) if all(_STATEMENT.fullmatch(s) for s in statements) else None


_STATEMENT = re.compile(r'\w+\[i\]( > 1)?|i in \w+|i < (n - )?\w+|i == \w+\.index\("[^",]+"\)')


def is_of_config(text: str) -> bool:
    """Whether an assumption is about the config that a model was derived from, and no comparison of numbers."""
    return fact(text) is not None or choice(text) is not None


def sides(text: str) -> tuple[Any, str, Any]:
    for sign in _COMPARISONS:
        left, found, right = text.partition(sign)
        if found:
            return read(left), sign, read(right)
    raise SymflopsError(f"{text[:100]!r}: expected two formulas compared by {' '.join(_COMPARISONS)}")


def holds(text: str, numbers: Mapping[str, Number]) -> bool:
    """Whether an assumption, `formula == formula` or another comparison, is true for these numbers."""
    left, sign, right = sides(text)
    a, b = (numeric.evaluate(algebra.from_tree(side), numbers) for side in (left, right))
    return bool(_COMPARISONS[sign](a, b))
