"""Assumptions: what has to hold for a closed form to be one, as data.

A comparison of formulas, such as `hidden_size % num_attention_heads == 0`; a fact about the config that a model was
derived from and that is no number: `hidden_act == "silu"`, `tie_word_embeddings == false`; or a choice, what the config
says of any of its layers: `layer_types[i] in ["full_attention", "sliding_attention"]`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from symflops import algebra, numeric
from symflops.errors import SymflopsError
from symflops.polynomial import Number, Value
from symflops.tree import NAME, Tree, names, read

_COMPARISONS: dict[str, Callable[[Number, Number], bool]] = {
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b, ">": lambda a, b: a > b,
}  # fmt: skip


# A text, a list, an object, a word of JSON, or a number that is no integer: an integer is compared as a formula.
_LITERAL = re.compile(r'["\[{]|(true|false|null|-\d+)$|-?\d+(\.\d+|e|\.\d+e)[-+\d]*$')
_STATEMENT = re.compile(r'\w+\[i\]( > 1)?|i in \w+|i < (n - )?\w+|i == \w+\.index\("[^",]+"\)')


@dataclass(frozen=True)
class Relation:
    """Two formulas and how they compare."""

    text: str
    left: Tree
    sign: str
    right: Tree

    @cached_property
    def names(self) -> set[str]:
        return names(("", self.left, self.right))

    @cached_property
    def sides(self) -> tuple[Value, Value]:
        return algebra.from_tree(self.left), algebra.from_tree(self.right)

    def is_true(self, numbers: Mapping[str, Number]) -> bool:
        """Whether it is true for these numbers; SymflopsError where a side has no number."""
        a, b = (numeric.evaluate(side, numbers) for side in self.sides)
        return bool(_COMPARISONS[self.sign](a, b))


@dataclass(frozen=True)
class Fact:
    """What a field of the config is, as JSON."""

    name: str
    literal: str

    @property
    def text(self) -> str:
        return f"{self.name} == {self.literal}"

    @property
    def value(self) -> Any:
        return json.loads(self.literal)

    @staticmethod
    def of(text: str) -> Fact | None:
        """The fact that a text states; None for any other assumption.

        >>> Fact.of('hidden_act == "silu"'), Fact.of("residual_multiplier == 0.5").value
        (Fact(name='hidden_act', literal='"silu"'), 0.5)
        >>> Fact.of("vision_feature_layer == -2")  # a size is never negative
        Fact(name='vision_feature_layer', literal='-2')
        >>> Fact.of("heads % groups == 0"), Fact.of("first_k_dense_replace == 3")
        (None, None)
        """
        name, found, literal = text.partition(" == ")
        if not found or not NAME.match(name) or not _LITERAL.match(literal):
            return None
        return None if _json(literal) is None and literal != "null" else Fact(name, literal)


@dataclass(frozen=True)
class Choice:
    """What the config says of each layer i, and what was seen of all that it may say, as a list in JSON."""

    text: str
    statements: tuple[str, ...]
    literal: str

    @property
    def seen(self) -> list[Any]:
        found: list[Any] = json.loads(self.literal)
        return found

    @staticmethod
    def of(text: str) -> Choice | None:
        """The choice that a text states; None for any other assumption.

        >>> Choice.of('layer_types[i] in ["full_attention"]').statements
        ('layer_types[i]',)
        >>> one = Choice.of('[kinds[i], i == kinds.index("slow")] in [["slow", true], ["slow", false]]')
        >>> one.statements, one.seen
        (('kinds[i]', 'i == kinds.index("slow")'), [['slow', True], ['slow', False]])
        >>> Choice.of("[layers_num_experts[i] > 1] in [[true], [false]]").seen
        [[True], [False]]
        """
        said, found, literal = text.partition("] in [")
        if not found or _json(f"[{literal}") is None:
            return None
        statements = said[1:].split(", ") if said.startswith("[") else [f"{said}]"]
        return Choice(text, tuple(statements), f"[{literal}") if all(map(_STATEMENT.fullmatch, statements)) else None


Assumption = Relation | Fact | Choice


def assumption(text: str) -> Assumption:
    """What a text assumes. Raises SymflopsError where it is none of the three."""
    return Fact.of(text) or Choice.of(text) or comparison(text)


def comparison(text: str) -> Relation:
    """The comparison of formulas that a text is, or SymflopsError.

    >>> one = comparison("heads % groups == 0")
    >>> one.sign, sorted(one.names), one.is_true({"heads": 6, "groups": 4})
    ('==', ['groups', 'heads'], False)
    """
    for sign in _COMPARISONS:
        left, found, right = text.partition(sign)
        if found:
            return Relation(text, read(left), sign, read(right))
    raise SymflopsError(f"{text[:100]!r}: expected two formulas compared by {' '.join(_COMPARISONS)}")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
