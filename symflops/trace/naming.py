"""Repeats under the config's own names: num_hidden_layers, first_k_dense_replace, the count of each layer type."""

from __future__ import annotations

import re
from typing import Any

from symflops.trace.architecture import parts

_DEPTH = re.compile(r"(^|_)(layers?|depth|blocks)$|^n_layers?$|_layers?_|cycles|loops")
_PREFIX = re.compile(r"first|dense|prefix|replace|leading|_layers$")


class Depths:
    """How often layers stand in a list, as names. `symbols` and `counted` collect what was named."""

    def __init__(self, config: Any) -> None:
        self.symbols: dict[str, int] = {}
        self.counted: dict[str, tuple[str, str]] = {}  # symbol -> (config field, what is counted in it)
        self.fields: dict[str, int] = {}
        self.lists: dict[str, list[str]] = {}
        for _, part in parts(config):
            for key, value in vars(part).items():
                if type(value) is int and value > 0:
                    self.fields.setdefault(key, value)
                elif isinstance(value, list | tuple) and value and all(isinstance(v, str) for v in value):
                    self.lists.setdefault(key, list(value))

    def repeat(self, path: str, indices: list[int], total: int, label: str) -> str | int:
        """What to write for a kind of layer at these places of a list of so many."""
        whole = self._field(total, _DEPTH, path)
        if len(indices) == total:
            return self._use(whole, total) if whole else total
        if not label:
            return len(indices)
        if whole and not any(labels.count(label) == len(indices) for labels in self.lists.values()):
            first = self._field(indices[0] if indices[-1] == total - 1 else len(indices), _PREFIX, path, other=whole)
            if first and indices == list(range(len(indices))):
                return self._use(first, len(indices))
            if first and indices == list(range(total - len(indices), total)):
                self._use(first, self.fields[first])
                return f"{self._use(whole, total)} - {first}"
        if re.match(r"\d", label):  # nothing in the config tells these apart; the others are what they leave
            if whole and len(indices) > total / 2:
                rest = total - len(indices)
                return f"{self._use(whole, total)} - {rest}"
            return len(indices)
        name = f"num_{re.sub(r'[^A-Za-z0-9_]', '_', label)}_layers"
        if self.symbols.get(name, len(indices)) != len(indices):
            return len(indices)
        self.symbols[name] = len(indices)
        for key, labels in self.lists.items():
            if labels.count(label) == len(indices):
                self.counted[name] = (key, label)
                break
        if whole:
            self._use(whole, total)
        return name

    @property
    def counted_fields(self) -> set[str]:
        """The config's lists whose entries are counted by symbols, so that the list itself may be another."""
        return {key for key, _ in self.counted.values()}

    def _use(self, name: str, number: int) -> str:
        self.symbols[name] = number
        return name

    def _field(self, number: int, pattern: re.Pattern[str], path: str, other: str = "") -> str:
        """The config's field with this number and such a name; the one that shares most words with the path."""
        words = set(re.split(r"\W|_", path))
        fitting = [k for k, v in self.fields.items() if v == number and pattern.search(k) and k != other]
        ranked = sorted(fitting, key=lambda k: (k not in ("num_hidden_layers", "n_layer", "num_layers", "n_layers"),
                                                -len(words & set(k.split("_"))), k))  # fmt: skip
        return ranked[0] if ranked else ""

    def labels(self, kinds: list[list[int]], total: int) -> list[str]:
        """A name for each kind of layer from the config's own lists, or [] if none tells the kinds apart."""
        lists = [labels for labels in self.lists.values() if len(labels) == total]
        joined = [["_".join(pair) for pair in zip(a, b, strict=True)] for a in lists for b in lists if a is not b]
        for labels in lists + joined:
            names = [{labels[i] for i in indices} for indices in kinds if all(i < total for i in indices)]
            if len(names) == len(kinds) and all(len(n) == 1 for n in names) and len(set.union(*names)) == len(kinds):
                return [n.pop() for n in names]
        return []
