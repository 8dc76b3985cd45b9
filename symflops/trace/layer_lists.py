"""What a config says of each layer of a list: `layer_types[i]`, `i in moe_layers`, `i < first_k_dense_replace`.

These tell the kinds of layers apart, give them names, and say which other configs have no kind of layer but those that
were seen. `said` reads them back for the config that a closed form is bound to.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any
from weakref import WeakKeyDictionary

from symflops.errors import SymflopsError, reason
from symflops.trace.architecture import parts
from symflops.vocabulary.fields import means, without

Kinds = list[list[int]]  # of layers that are equal, the places

_SAID = {str, int, bool, float, type(None)}
MOST_LAYERS = 100_000  # of which a config may say something
_MOST = 3  # statements that together tell kinds apart


@dataclass(frozen=True)
class Statement:
    """One thing that a config says of each layer: its text, the field it comes from, and what it is of each."""

    text: str
    key: str
    values: tuple[Any, ...]
    labels: tuple[str, ...]
    is_list: bool = True  # and not a number of layers, which is a size of its own
    is_order: bool = False  # which layer is the first of its kind: said only where that makes it another one

    def is_spoken(self, read: set[str]) -> bool:
        """Whether it is of one of the lists that were read, and part of what these say of each layer."""
        return self.key in read and self.is_list and not self.is_order


class LayerLists:
    """The fields of a config that speak of single layers."""

    def __init__(self, config: Any) -> None:
        self.lists: dict[str, list[Any]] = {}
        self.counts: dict[str, int] = {}
        self.depths: dict[str, set[int]] = {}  # the numbers of layers in each part of the config, by its prefix
        self.part: dict[str, str] = {}  # of the config, by its prefix, that a list or a count is in
        for prefix, part in parts(config):
            for key, value in layer_fields(part).items():
                if key.startswith("_") or means(key, "not_of_layers"):  # what no config states speaks of no layer
                    continue
                name = key if key not in self.part else f"{prefix}{key}"
                if type(value) is int and means(key, "depth"):
                    self.depths.setdefault(prefix, set()).add(value)
                if type(value) is int and value > 0 and means(key, "leading", "trailing"):
                    self.counts[name], self.part[name] = value, prefix
                elif isinstance(value, list | tuple) and value and {type(v) for v in value} <= _SAID:
                    self.lists[name], self.part[name] = list(value), prefix

    def statements(self, total: int) -> list[list[Statement]]:
        """What each part of the config says of each of so many layers: in words first, then by their places, then in
        numbers; [] of more layers than anybody would look at."""
        if total > MOST_LAYERS:
            return []
        worded = {self.part[k] for k, v in self.lists.items() if len(v) == total and isinstance(v[0], str)}
        known = [p for p in dict.fromkeys(self.part.values()) if p in worded or total in self.depths.get(p, {total})]
        return [self._of_part(prefix, total) for prefix in known]

    def _of_part(self, prefix: str, total: int) -> list[Statement]:
        found: dict[int, list[Statement]] = {0: [], 1: [], 2: [], 3: [], 4: []}
        for key, values in self.lists.items():
            if self.part[key] != prefix:
                continue
            stem = without(key, "layer_places_ending")
            if _are_places(key, values, total):
                among = tuple(i in values for i in range(total))
                found[1].append(Statement(f"i in {key}", key, among, tuple(stem if a else "other" for a in among)))
            elif len(values) == total:
                if _are_experts(key, values):  # how many there are is a size
                    some = tuple(v > 1 for v in values)
                    found[1].append(
                        Statement(f"{key}[i] > 1", key, some, tuple("experts" if v else "dense" for v in some))
                    )
                    continue
                words = all(isinstance(v, str | None) for v in values) and any(values)
                labels = [v or "other" for v in values] if words else [f"{stem}_{json.dumps(v)}" for v in values]
                found[0 if words else 2].append(Statement(f"{key}[i]", key, tuple(values), tuple(labels)))
                if words and len(set(values)) > 1:
                    found[4] += [_first_of(key, values, word) for word in dict.fromkeys(values) if word]
        for key, number in self.counts.items():
            if self.part[key] == prefix and number < total:
                first = number if means(key, "leading") else total - number
                text = f"i < {key}" if means(key, "leading") else f"i < n - {key}"
                found[3].append(_leading(text, key, first, total))
        found[3].append(_leading("i < 1", "", 1, total))
        return [s for group in found.values() for s in group]

    def labellings(self, total: int) -> Iterator[tuple[list[Statement], list[str]]]:
        """Names for so many layers, from one list's words or from several statements together."""
        for size in range(1, _MOST + 1):
            for statements in self.statements(total):
                for some in combinations([s for s in statements if len(set(s.values)) > 1], size):
                    names = ["_".join(filter(None, words)) for words in zip(*(s.labels for s in some), strict=True)]
                    if any(s.is_list for s in some) and all(names):
                        yield list(some), names

    def labels(self, kinds: Kinds, total: int) -> tuple[list[str], set[str]]:
        """A name for each kind of layer and the lists that it comes from; none if nothing tells the kinds apart."""
        for statements, labels in self.labellings(total):
            names = [{labels[i] for i in places} for places in kinds if all(i < total for i in places)]
            if len(names) == len(kinds) and all(len(n) == 1 for n in names) and len(set.union(*names)) == len(kinds):
                return [n.pop() for n in names], {s.key for s in statements if s.is_list}
        return [], set()

    def are_leading(self, kinds: Kinds) -> bool:
        """Whether there are two kinds, the first of one layer or as many as a field such as num_dense_layers says."""
        leading = list(range(len(kinds[0])))
        counts = [1, *(n for key, n in self.counts.items() if means(key, "leading"))]
        return len(kinds) == 2 and kinds[0] == leading and len(leading) in counts

    def seen(self, total: int, several: Sequence[Kinds], read: set[str], last: bool) -> tuple[str, set[str]]:
        """What is said of any of so many layers, as a choice `layer_types[i] in ["full_attention"]` that another config
        has to make for each of its own, and the lists that it speaks of.

        Layers of which the same is said are to be equal in each of `several` lists of layers: else ("", set()). The
        lists in `read` are part of it, and what else is needed to tell kinds apart; with `last` it is known that the
        last layer is another one.
        """
        if last:
            known = [s for part in self.statements(total) for s in part if s.is_spoken(read)]
            chosen = [*{s.text: s for s in known}.values(), _end(total)]
            return _choice(chosen, list(zip(*(s.values for s in chosen), strict=True))), {s.key for s in known}
        for statements in self.statements(total):
            spoken = [s for s in statements if s.is_spoken(read)]
            others = [s for s in statements if s not in spoken]
            needed = _MOST if any(len(kinds) > 1 for kinds in several) else 1  # sizes of combinations, from 0
            for more in (some for size in range(needed) for some in combinations(others, size)):
                chosen = [*spoken, *more]
                said = list(zip(*(s.values for s in chosen), strict=True)) or [()] * total
                lists = {s.key for s in chosen if s.is_list}
                if lists and all(_differ(kinds, said) for kinds in several):
                    return _choice(chosen, said), lists
        return "", set()

    def said(self, statements: Sequence[str], total: int) -> list[Any]:
        """What these statements are of each of so many layers, as the choices of `seen` are written; [] if the config
        does not make them, or says that it has more layers than anybody would look at."""
        if total > MOST_LAYERS:
            return []
        known = {s.text: s.values for s in [_end(total), *(s for part in self.statements(total) for s in part)]}
        if not known.keys() >= {*statements}:
            return []
        one = len(statements) == 1 and statements[0].endswith("[i]")
        return [s[0] if one else list(s) for s in zip(*(known[text] for text in statements), strict=True)]


def layer_fields(part: Any) -> dict[str, Any]:
    """The fields of a config, and what it computes from others of each of its layers, such as layers_block_type from a
    pattern: that comes first, since a pattern may be as long as there are layers by accident."""
    stated: dict[str, Any] = vars(part)
    try:
        computed = {n: getattr(part, n) for n in computed_lists(type(part)) if n not in stated}
    except Exception as error:  # whatever the config's own source raises, such as for a period of 0
        raise SymflopsError(
            f"the config computes no list of its layers: {type(error).__name__}: {reason(error)}"
        ) from None
    return {k: v for k, v in stated.items() if k == "layer_types"} | computed | stated


def computed_lists(kind: type) -> tuple[str, ...]:
    """The properties of a class of configs that say something of each layer, always in one order."""
    if kind not in _COMPUTED:
        names = (n for n in dir(kind) if means(n, "of_each_layer"))
        _COMPUTED[kind] = tuple(sorted(n for n in names if isinstance(getattr(kind, n, None), property)))
    return _COMPUTED[kind]


_COMPUTED: WeakKeyDictionary[type, tuple[str, ...]] = WeakKeyDictionary()


def _are_experts(key: str, values: list[Any]) -> bool:
    """Whether a list says how many experts each layer has, none, one or several."""
    return means(key, "experts") and all(type(v) is int for v in values)


def _differ(kinds: Kinds, said: list[tuple[Any, ...]]) -> bool:
    """Whether never the same is said of layers of two kinds. Nothing is said of places of which some do nothing, so
    that fewer layers cost anything than there are places."""
    if any(i >= len(said) for one in kinds for i in one):
        return False
    return all({said[i] for i in one}.isdisjoint(said[i] for i in other) for one, other in combinations(kinds, 2))


def _leading(text: str, key: str, first: int, total: int) -> Statement:
    values = tuple(i < first for i in range(total))
    return Statement(text, key, values, tuple("first" if v else "later" for v in values), is_list=False)


def _first_of(key: str, values: list[str], word: str) -> Statement:
    """Which layer is the first of which a list says a word."""
    are_first = tuple(i == values.index(word) for i in range(len(values)))
    labels = tuple(("first" if f else "later") if v == word else "" for v, f in zip(values, are_first, strict=True))
    return Statement(f'i == {key}.index("{word}")', key, are_first, labels, is_order=True)


def _end(total: int) -> Statement:
    """Which layers are not the last one."""
    return _leading("i < n - 1", "", total - 1, total)


def entry(key: str, values: Sequence[Any], index: int) -> Any:
    """What a list that is as long as there are layers says of one of them: its entry, or whether it is there."""
    return index in values if _are_places(key, list(values), len(values)) else values[index]


def _are_places(key: str, values: list[Any], total: int) -> bool:
    """Whether numbers are places among so many layers, and not a word for each: [0, 1] of two layers may be no and yes,
    [0, 1, 2] of three are places."""
    if not means(key, "layer_places") or not all(type(v) is int for v in values) or (len(values) == total <= 2):
        return False
    return values == sorted(set(values)) and values[0] >= 0 and values[-1] < total


def names_last(key: str, value: Any, depth: int) -> bool:
    """Whether a field such as moe_layer_end_index names the last of so many layers."""
    return type(value) is int and value == depth - 1 and means(key, "last_layer")


def _choice(statements: Sequence[Statement], said: list[tuple[Any, ...]]) -> str:
    different = list(dict.fromkeys(said))
    if len(statements) == 1 and statements[0].text.endswith("[i]"):
        return f"{statements[0].text} in {json.dumps([d[0] for d in different])}"
    return f"[{', '.join(s.text for s in statements)}] in {json.dumps([list(d) for d in different])}"
