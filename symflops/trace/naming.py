"""Repeats under the config's own names: num_hidden_layers, first_k_dense_replace, the count of each layer type."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any

from symflops.trace.architecture import parts
from symflops.trace.layer_lists import Kinds, LayerLists, names_last
from symflops.vocabulary.fields import means

if TYPE_CHECKING:
    from symflops.trace.skeleton import Skeleton

BETWEEN = "steps"  # the last part of the path of what a model does itself in the turns of its layers
_USUAL = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")


def count_name(label: str) -> str:
    """The symbol for how many layers of a type there are."""
    return f"num_{re.sub(r'[^A-Za-z0-9_]', '_', label)}_layers"


def places_name(key: str) -> str:
    """The symbol for how many places of layers a list of a config names."""
    return f"num_{key}"


OtherDepth = Callable[[str, str, int], "Skeleton | None"]


class RepeatNames:
    """Names the repeat count of each list of layers after a field of the config. `symbols` collects these names.

    `other_depth(prefix, key, number)` gives the model when a field of a part of the config is another number, if there
    is such a model: two numbers that are equal by accident are told apart by it.
    """

    def __init__(self, config: Any, other_depth: OtherDepth = lambda *_: None) -> None:
        self.other_depth = other_depth
        self.symbols: dict[str, int] = {}
        self.lists = LayerLists(config)
        self.kinds: dict[int, list[Kinds]] = {}  # the lists of layers that were folded, by their length
        self.counted: set[str] = set()  # the lists of the config whose entries symbols count
        self.sums: dict[str, list[str]] = {}  # counts by kind, by what they add up to
        self.fields: dict[str, int] = {}
        self.places: dict[str, tuple[str, str]] = {}  # of fields: the part of the config, as "vision_", and the key
        self.last_differs: set[str] = set()  # the fields of lists whose last layer is another one at any depth
        self.ends: set[int] = set()  # the lengths of such lists
        self.irregular: set[str] = set()  # the fields of lists where not the first layer alone differs at another depth
        self.governed: dict[str, dict[str, bool]] = {}  # whether a field says how long the lists at these paths are
        for prefix, part in parts(config):
            for key, value in vars(part).items():
                if type(value) is int and value >= 0:
                    name = key if key not in self.fields else f"{prefix}{key}"  # as in `architecture`
                    self.fields.setdefault(name, value)
                    self.places.setdefault(name, (prefix, key))

    def repeat(self, path: str, indices: list[int], total: int, label: str) -> str | int:
        """What to write for a kind of layer at these places of a list of so many."""
        whole = self._field(total, "depth", path)
        if len(indices) == total:
            self.kinds.setdefault(total, []).append([indices])
            if whole:
                return self._use(whole, total)
            # What is done between layers, but not before the first or after the last of them.
            # Inside of a layer it is done between parts of that, however many layers there are.
            inside = any(word.isdigit() for word in path.split("."))
            listed = any(len(v) == total and means(k, "layer_places") for k, v in self.lists.lists.items())
            is_between = path.endswith(BETWEEN) and total > 1 and not inside and not listed  # or after as many layers
            between = self._field(total + 1, "depth", path) if is_between else ""
            return f"{self._use(between, total + 1)} - 1" if between else total
        if not label:
            return len(indices)
        if whole and not self._is_listed(label, total):
            first = self._field(indices[0] if indices[-1] == total - 1 else len(indices), "leading", path, other=whole)
            if first and indices == list(range(len(indices))):
                return self._use(first, len(indices))
            if first and indices == list(range(total - len(indices), total)):
                self._use(first, self.fields[first])
                return f"{self._use(whole, total)} - {first}"
        if not self._is_listed(label, total):  # nothing in the config tells these apart
            if whole and indices == list(range(1, total)) and total > 2 and whole not in self.irregular:
                # The first differs, as where its input has another number format.
                return f"{self._use(whole, total)} - 1"
            if whole and indices == list(range(total - 1)) and total > 2 and whole in self.last_differs:
                self.ends.add(total)
                return f"{self._use(whole, total)} - 1"
            return len(indices)  # a rhythm that another depth may go on with or not: the depth stays a number
        name = count_name(label)
        if self.symbols.get(name, len(indices)) != len(indices) or self.fields.get(name, len(indices)) != len(indices):
            return len(indices)
        self.symbols[name] = len(indices)
        if whole:
            counts = self.sums.setdefault(self._use(whole, total), [])
            if name not in counts:
                counts.append(name)
        return name

    def labels(self, kinds: Kinds, total: int) -> list[str]:
        """A name for each kind of layer from the config's own lists, or [] if none tells the kinds apart."""
        self.kinds.setdefault(total, []).append(kinds)
        labels, lists = self.lists.labels(kinds, total)
        self.counted |= lists
        return labels

    def length(self, path: str, total: int) -> str:
        """The field that says how long a list of so many layers is, where it is a symbol; "" if it stays a number."""
        whole = self._field(total, "depth", path)
        return whole if whole in self.symbols else ""

    def adding_up(self) -> list[str]:
        """`num_full_attention_layers + num_sliding_attention_layers == num_hidden_layers`, where it is so."""
        return [
            f"{' + '.join(counts)} == {whole}"
            for whole, counts in self.sums.items()
            if sum(self.symbols[name] for name in counts) == self.symbols[whole]
        ]

    def choices(self, read: set[str]) -> tuple[list[str], set[str]]:
        """What the config says of any of its layers (`LayerLists.seen`), and the lists that these texts speak of."""
        texts: list[str] = []
        covered: set[str] = set()
        for total, several in self.kinds.items():
            text, keys = self.lists.seen(total, several, read | self.counted, total in self.ends)
            texts += [text] if text and text not in texts else []
            covered |= keys
        return texts, covered

    def places_kept(self, read: set[str]) -> dict[str, int]:
        """How many places each list of these has that the texts of `choices` speak of and whose entries no symbol
        counts."""
        texts, covered = self.choices(read)
        lists = {key for key in covered - self.counted if any(f"i in {key}" in text for text in texts)}
        lists -= {key for key in lists if self._are_all(key)}
        return {places_name(key): len(self.lists.lists[key]) for key in sorted(lists)}

    def _are_all(self, key: str) -> bool:
        """Whether a list of places names all layers of its part of the config, however many there are."""
        places = self.lists.lists[key]
        depths = self.lists.depths.get(self.lists.part[key], set())
        return places == list(range(len(places))) and len(places) in depths

    def stays(self, name: str, number: int) -> str:
        """What a field that is no symbol has to be, as an assumption: its number, or for one that names the last layer
        `moe_layer_end_index == num_hidden_layers - 1`."""
        for depth in (d for d in self.symbols if name in self.places and d in self.places):
            if self.places[depth][0] == self.places[name][0] and names_last(name, number, self.symbols[depth]):
                return f"{name} == {depth} - 1"
        return f"{name} == {number}"

    def _is_listed(self, label: str, total: int) -> bool:
        return any(label in labels for _, labels in self.lists.labellings(total))

    def _use(self, name: str, number: int) -> str:
        self.symbols[name] = number
        return name

    def _field(self, number: int, role: str, path: str, other: str = "") -> str:
        """The config's field with this number and such a name: of the part of the config that the path is in, the one
        that shares most words with the path."""
        words = set(re.split(r"\W|_", path))

        def rank(name: str) -> tuple[bool, bool, int, str]:
            prefix, key = self.places[name]
            elsewhere = not words & set(prefix.split("_"))
            return elsewhere, key not in _USUAL, -len(words & set(key.split("_"))), name

        fitting = [k for k, v in self.fields.items() if v == number and means(k, role) and k != other]
        ranked = sorted(fitting, key=rank)
        return next((name for name in ranked if role != "depth" or self._governs(name, path)), "")

    def _governs(self, name: str, path: str) -> bool:
        """Whether the list at a path has as many modules as a field says, as far as can be seen."""
        if name not in self.governed:
            other = next(n for n in count(4) if n not in self.fields.values())
            skeleton = self.other_depth(*self.places[name], other)
            lengths = {} if skeleton is None else skeleton.lengths()
            self.governed[name] = {_plain(p): n == other for p, n in lengths.items()}
            for first in skeleton.equal_layers().values() if skeleton else ():
                if first == [0] * (other - 1) + [other - 1]:
                    self.last_differs.add(name)
                if len(first) == other and set(first[1:]) not in ({0}, {1}):
                    self.irregular.add(name)
        return self.governed[name].get(_plain(path), True)


def _plain(path: str) -> str:
    """A path without the numbers of layers, and without those by which calls of one module are told apart."""
    return ".".join(re.sub(r"_\d+$", "", word) for word in path.split(".") if not word.isdigit())
