"""What a class of configs computes of what is stated, as data: expressions over its fields.

`["//", "hidden_size", "num_attention_heads"]` is a quotient of two fields, `{"is": 4}` the number 4,
`["if", ["true", "use_sliding_window"], "sliding_window", {"is": null}]` a field or nothing. A list of layers is
`["all", "n", {"is": "full_attention"}]`, `["every", "n", 6, 1, other, first]` where each sixth, counted from 1, is
another one, `["from", "n", "m", before, after]`, `["among", "n", "places", other, chosen]`, or `["spelled", "pattern",
{"M": "mamba", "*": "attention"}]` where a letter stands for each, or
`["last", list, other]` where the last one is another one. `["words", "act", {"gated-silu": "silu"}]` is what a
word stands for, `["each", "flags", {"1": "local"}]` what each entry of a list does, `["range", first, "n", step]` the
places from one on. `"?"` is what nobody knows.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping
from typing import Any

from symflops.errors import SymflopsError
from symflops.trace.layer_lists import MOST_LAYERS

Fields = Mapping[str, Any]

ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "//": operator.floordiv, "/": operator.truediv,
}  # fmt: skip


class UnknownError(SymflopsError):
    """A rule cannot be computed of these fields."""


def evaluate(rule: Any, fields: Fields) -> Any:
    """What a rule gives for these fields.

    >>> evaluate(["//", "width", ["*", {"is": 2}, "heads"]], {"width": 24, "heads": 3})
    4
    >>> evaluate(["every", "n", 3, 1, {"is": "local"}, {"is": "global"}], {"n": 6})
    ['local', 'local', 'global', 'local', 'local', 'global']
    >>> evaluate(["from", "n", "m", {"is": 0}, {"is": 1}], {"n": 4, "m": 3})
    [0, 0, 0, 1]
    >>> evaluate(["among", "n", "full", {"is": "conv"}, {"is": "attention"}], {"n": 3, "full": [1]})
    ['conv', 'attention', 'conv']
    >>> evaluate(["spelled", "pattern", {"M": "mamba", "*": "attention"}], {"pattern": "MM*"})
    ['mamba', 'mamba', 'attention']
    >>> evaluate(["words", "act", {"relu": False, "gated-silu": True}], {"act": "gated-silu"})
    True
    >>> evaluate(["each", "flags", {"1": "local", "0": "global"}], {"flags": [1, 0]})
    ['local', 'global']
    >>> evaluate(["range", {"is": 1}, "n", {"is": 2}], {"n": 6})
    [1, 3, 5]
    >>> evaluate(["last", ["all", "n", {"is": "local"}], {"is": "global"}], {"n": 3})
    ['local', 'local', 'global']
    >>> evaluate("width", {})
    Traceback (most recent call last):
    symflops.atlas.rules.UnknownError: width is not stated
    """
    if isinstance(rule, str):
        if rule not in fields:
            raise UnknownError(f"{rule} is not stated")
        return fields[rule]
    if isinstance(rule, int):
        return rule
    if isinstance(rule, dict):
        return rule["is"]
    sign, *operands = rule
    if sign in ARITHMETIC:
        a, b = (_number(evaluate(o, fields), o) for o in operands)
        if sign in ("/", "//") and b == 0:
            raise UnknownError(f"{operands[1]} is 0")
        return ARITHMETIC[sign](a, b)
    if sign == "ceil":
        a, b = (_number(evaluate(o, fields), o) for o in operands)
        if b == 0:
            raise UnknownError(f"{operands[1]} is 0")
        return int(-(-a // b))
    if sign == "int":
        return int(_number(evaluate(operands[0], fields), operands[0]))
    if sign == "if":
        condition, yes, no = operands
        return evaluate(yes if holds_for(condition, fields) else no, fields)
    if sign == "spelled":
        return _spelled(evaluate(operands[0], fields), operands[1])
    if sign == "last":
        values = evaluate(operands[0], fields)
        if not isinstance(values, list) or not 1 <= len(values) <= MOST_LAYERS:
            raise UnknownError(f"{operands[0]} is no list of layers")
        return [*values[:-1], evaluate(operands[1], fields)]
    if sign == "words":
        word = evaluate(operands[0], fields)
        if not isinstance(word, str) or word not in operands[1]:
            raise UnknownError(f"{operands[0]} is a word of which nothing is known")
        return operands[1][word]
    if sign == "each":
        return _each(evaluate(operands[0], fields), operands[1])
    if sign == "range":
        first, end, step = (_whole(operand, fields) for operand in operands)
        if not 1 <= step <= MOST_LAYERS or not 0 <= first <= MOST_LAYERS or end > MOST_LAYERS:
            raise UnknownError(f"{operands[2]} is {step}")
        return [*range(first, end, step)]
    return _layers(sign, operands, fields)


def _spelled(text: Any, letters: Mapping[str, Any]) -> list[Any]:
    if not isinstance(text, str) or len(text) > MOST_LAYERS or not {*text} <= {*letters}:
        raise UnknownError("a letter of the pattern stands for nothing that is known")
    return [letters[letter] for letter in text]


def _each(values: Any, table: Mapping[str, Any]) -> list[Any]:
    known = isinstance(values, list) and len(values) <= MOST_LAYERS
    if not known or not all(type(v) in (int, str, bool) and json.dumps(v) in table for v in values):
        raise UnknownError("an entry of the list stands for nothing that is known")
    return [table[json.dumps(value)] for value in values]


def holds_for(condition: Any, fields: Fields) -> bool:
    """Whether a field is given, is true, or is a word.

    >>> holds_for(["given", "a"], {"a": 0}), holds_for(["true", "a"], {"a": 0})
    (True, False)
    >>> holds_for(["equals", ["a", "auto"]], {"a": "auto"})
    True
    """
    kind, operand = condition
    if kind == "equals":
        name, word = operand
        return bool(fields.get(name) == word)
    value = fields.get(operand)
    return value is not None if kind == "given" else bool(value)


def _layers(sign: str, operands: list[Any], fields: Fields) -> list[Any]:
    total = _whole(operands[0], fields)
    if not 0 <= total <= MOST_LAYERS:
        raise UnknownError(f"{operands[0]} is {total}")
    if sign == "all":
        return [evaluate(operands[1], fields)] * total
    if sign == "head":
        some = list(evaluate(operands[1], fields))
        if len(some) < total:
            raise UnknownError(f"{operands[0]} is more than {len(some)}")
        return some[:total]
    if sign == "every":
        period, first = _whole(operands[1], fields), _whole(operands[2], fields)
        if period < 1:
            raise UnknownError(f"{operands[1]} is {period}")
        other, chosen = (evaluate(o, fields) for o in operands[3:])
        return [chosen if (i + first) % period == 0 else other for i in range(total)]
    if sign == "among":
        places = evaluate(operands[1], fields)
        if not isinstance(places, list) or not all(type(place) is int for place in places):
            raise UnknownError(f"{operands[1]} is no list of places")
        other, chosen = (evaluate(o, fields) for o in operands[2:])
        return [chosen if i in places else other for i in range(total)]
    if sign == "from":
        limit = _whole(operands[1], fields)
        before, after = (evaluate(o, fields) for o in operands[2:])
        return [after if i >= limit else before for i in range(total)]
    raise UnknownError(f"unknown rule {sign[:40]!r}")


def _whole(operand: Any, fields: Fields) -> int:
    value = evaluate(operand, fields)
    if type(value) is not int:
        raise UnknownError(f"{operand} is no integer")
    return value


def _number(value: Any, operand: Any) -> Any:
    if type(value) not in (int, float):
        raise UnknownError(f"{operand if isinstance(operand, str) else 'a part of it'} is no number")
    return value
