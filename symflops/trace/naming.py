"""Repeats under the config's own names: num_hidden_layers, first_k_dense_replace, the count of each layer type."""

from __future__ import annotations

import re
from typing import Any

from symflops.trace.architecture import parts

_DEPTH = re.compile(r"(^|_)(layers?|depth|blocks)$|^n_layers?$|_layers?_|cycles|loops")
_PREFIX = re.compile(r"first|dense|prefix|replace|leading")


def count_name(label: str) -> str:
    """The symbol for how many layers of a type there are."""
    return f"num_{re.sub(r'[^A-Za-z0-9_]', '_', label)}_layers"


class Depths:
    """How often layers stand in a list, as names. `symbols` collects what was named."""

    def __init__(self, config: Any) -> None:
        self.symbols: dict[str, int] = {}
        self.counted_fields: set[str] = set()  # lists whose entries symbols count, so that the list may be another
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
        if whole and not any(label in words for words in self.type_lists(total)):
            first = self._field(indices[0] if indices[-1] == total - 1 else len(indices), _PREFIX, path, other=whole)
            if first and indices == list(range(len(indices))):
                return self._use(first, len(indices))
            if first and indices == list(range(total - len(indices), total)):
                self._use(first, self.fields[first])
                return f"{self._use(whole, total)} - {first}"
        if re.match(r"\d", label):  # nothing in the config tells these apart
            if whole and indices == list(range(1, total)) and total > 2:
                # The first differs, as where its input has another number format.
                return f"{self._use(whole, total)} - 1"
            return len(indices)  # a rhythm that another depth may go on with or not: the depth stays a number
        name = count_name(label)
        if self.symbols.get(name, len(indices)) != len(indices):
            return len(indices)
        self.symbols[name] = len(indices)
        if whole:
            self._use(whole, total)
        return name

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

    def type_lists(self, total: int) -> list[list[str]]:
        """What the config says of each of so many layers: one list's words, then those of two together."""
        return [words for _, words in self._type_lists(total)]

    def _type_lists(self, total: int) -> list[tuple[set[str], list[str]]]:
        """The same, with the lists that each comes from. A field such as num_dense_layers says which come first."""
        lists = [({key}, words) for key, words in self.lists.items() if len(words) == total]
        first: list[tuple[set[str], list[str]]] = [
            (set(), ["first" if i < n else "later" for i in range(total)])
            for key, n in self.fields.items()
            if _PREFIX.search(key) and 0 < n < total
        ]
        pairs = [(a, b) for a in lists for b in [*lists, *first] if a is not b]
        joined = [(a[0] | b[0], ["_".join(pair) for pair in zip(a[1], b[1], strict=True)]) for a, b in pairs]
        return lists + joined

    def are_leading(self, kinds: list[list[int]]) -> bool:
        """Whether there are two kinds, the first of one layer or as many as a field such as num_dense_layers says."""
        leading = list(range(len(kinds[0])))
        counts = [1, *(n for key, n in self.fields.items() if _PREFIX.search(key))]
        return len(kinds) == 2 and kinds[0] == leading and len(leading) in counts

    def labels(self, kinds: list[list[int]], total: int) -> list[str]:
        """A name for each kind of layer from the config's own lists, or [] if none tells the kinds apart."""
        for keys, labels in self._type_lists(total):
            names = [{labels[i] for i in indices} for indices in kinds if all(i < total for i in indices)]
            if len(names) == len(kinds) and all(len(n) == 1 for n in names) and len(set.union(*names)) == len(kinds):
                self.counted_fields |= keys
                return [n.pop() for n in names]
        return []
