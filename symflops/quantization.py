"""Quantization: which layers of a model keep their weights in which format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from symflops.module_names import Patterns
from symflops.number_format import KINDS, NumberFormat, load_format
from symflops.polynomial import Value
from symflops.units import number


@dataclass(frozen=True)
class Rule:
    """One format with its arguments, for the matrices of these `kinds` of layers in the modules that `targets` names,
    of all modules where it names none."""

    format: NumberFormat
    args: Mapping[str, Value] = field(default_factory=dict)
    targets: Patterns | None = None
    kinds: tuple[str, ...] = KINDS

    def is_for(self, kind: str, name: str, class_name: str) -> bool:
        """Whether a module of this kind is kept in the format."""
        return kind in self.kinds and (self.targets is None or self.targets.is_named(name, class_name))


@dataclass(frozen=True)
class Quantization:
    """The first of the `rules` that is for a module is its format, unless `ignored` names it. `said` is what it is, in
    the words of who said it; `cache` the data type of the KV cache, where that is said, too; `doubts` what of it was
    not understood."""

    said: str
    rules: tuple[Rule, ...]
    ignored: Patterns
    cache: str = ""
    doubts: tuple[str, ...] = ()

    def rule(self, kind: str, name: str, class_name: str) -> Rule | None:
        """The format of one module; None for one that is left out."""
        if self.ignored.match(name, class_name):
            return None
        return next((rule for rule in self.rules if rule.is_for(kind, name, class_name)), None)


def named(text: str) -> Quantization:
    """What a name says, with arguments after a colon.

    >>> named("gptq:group_size=64").rules[0].args
    {'group_size': 64}

    Raises SymflopsError for a name that is none, and for an argument that is no number.
    """
    name, _, rest = text.partition(":")
    found = load_format(name)
    args: dict[str, Value] = {}
    for setting in filter(None, rest.split(",")):
        key, _, value = setting.partition("=")
        args[key] = number(value, f"{name}: {key[:60]}")
    found.bytes(rows=1, columns=1, args=args)  # a mistake is said before anything is computed
    return Quantization(text, (Rule(found, args),), Patterns.of(found.skips))
