"""Names that a class of configs reads though they are no fields of it: older names of fields, patterns that lists of
layers are made of, fields of a part that are stated beside it.

Which names these are stands in the class's source; what becomes of them is observed. A name of which that is not known
is kept as one that the atlas refuses.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import random
import string
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from atlas_asking import Data, Stated, is_asked, observed, plain, shown, specs
from transformers import PreTrainedConfig

from symflops.atlas import rope
from symflops.atlas.rules import evaluate
from symflops.errors import SymflopsError

VALUES: dict[str, tuple[Any, ...]] = {
    "int": (2, 3, 4, 6, 8, 48, 96), "float": (0.25, 0.5, 1.5), "bool": (True, False), "null": (None,),
    "list": ([0], [0, 1], [1], [2, 3], ["stem"], ["stage1"], ["stage2", "stage4"]),
}  # fmt: skip
_ELSEWHERE = (  # what is held against a config in a way of its own
    "model_type", "torch_dtype", "dtype", "num_labels", "id2label", "label2id", "rope_theta", "rope_scaling",
    "rope_parameters", "partial_rotary_factor", "rope_type", "type", "factor", "per_layer_config", "architectures",
)  # fmt: skip
_READERS = ("get", "pop", "setdefault", "getattr", "hasattr")
_TRIED, _SWITCHED = 4, 12  # configs in which each name is stated, and those in which a switch is the other way


class Beside:
    """What a class reads beside its fields."""

    def __init__(self, kind: type[PreTrainedConfig], samples: Sequence[Stated], dropped: Iterable[str]) -> None:
        self.kind, self.samples = kind, [s for s in samples if observed(kind, s) is not None][:_TRIED]
        switched = ({f.name: not f.default} for f in dataclasses.fields(kind) if isinstance(f.default, bool))
        self.samples += [s for s in switched if is_asked(next(iter(s))) and observed(kind, s) is not None][:_SWITCHED]
        self.data: dict[str, Data] = {}
        self.values: dict[str, tuple[Any, ...]] = {}  # what may be stated under those names that rules are made of
        self.letters: dict[str, dict[str, str]] = {}  # the words of layers that the letters of a text stand for
        self.share: Data = {}
        parts = {f"{name}_dict" for name in specs(kind)}
        known = {*_ELSEWHERE, *dropped, *parts, *specs(kind)}
        for name in names_read(kind):
            if name not in known and is_asked(name):
                self._ask(name)

    def random(self, rng: random.Random) -> Stated:
        """Some of the names, with some value each."""
        names = [*self.values, *self.letters]
        some = rng.sample(names, min(len(names), rng.choice((0, 1, 1, 2))))
        return {name: self._some(name, rng) for name in some}

    def _some(self, name: str, rng: random.Random) -> Any:
        if name in self.values:
            return rng.choice(self.values[name])
        return "".join(rng.choice([*self.letters[name]]) for _ in range(rng.randint(2, 6)))

    def of(self, stated: Mapping[str, Any]) -> Stated:
        """What a config states under these names, or None."""
        return {name: stated.get(name) for name in self.data}

    def forget(self, names: Iterable[str]) -> None:
        """Of these nobody knows what becomes of what is stated."""
        for name in names:
            self.data[name]["of"] = []
            self.values.pop(name, None)
            self.letters.pop(name, None)

    def _ask(self, name: str) -> None:
        outcomes = {word: [*self._outcomes(name, values)] for word, values in VALUES.items()}
        every = [after for some in outcomes.values() for _, _, _, after in some]
        words, states = [], []
        for word, some in outcomes.items():
            changes = {key for _, _, before, after in some for key in _changed(shown(before), shown(after)) - {name}}
            if not some or (word == "list" and len(some) < 2 * _TRIED) or any("." in key for key in changes):
                continue
            if not changes:
                words.append(word)
            elif changes == {rope.FIELD}:
                words += [word] if self._is_share(name, some) else []
            elif (word == "int" or (word == "bool" and not states)) and rope.FIELD not in changes:
                words.append(word)
                states += VALUES[word]
        self.letters |= {name: letters} if (letters := self._letters(name)) else {}
        words += ["str"] if letters else []
        is_computed = name in vars(observed(self.kind, {}) or self.kind)
        is_popped = bool(every) and (is_computed or all(name not in vars(after) for after in every))
        self.data[name] = {"of": words, **({"popped": True} if is_popped or letters else {})}
        self.values |= {name: tuple(states)} if states else {}

    def _outcomes(self, name: str, values: Iterable[Any]) -> Iterator[tuple[Stated, Any, Any, Any]]:
        for stated in self.samples:
            before = observed(self.kind, stated)
            for value in values:
                after = observed(self.kind, {**stated, name: value})
                if before is not None and after is not None:
                    yield stated, value, before, after

    def _is_share(self, name: str, outcomes: list[tuple[Stated, Any, Any, Any]]) -> bool:
        """Whether it says which share of a head is rotated, as itself or as a quotient."""
        if self.share and self.share["by"] != name:
            return False
        numbers = [k for k, v in vars(outcomes[0][3]).items() if type(v) is int and is_asked(k) and k != name]
        for rule in (name, *(["/", name, other] for other in numbers)):
            if all(_has_share(rule, name, *one[1:]) for one in outcomes):
                self.share = {"by": name, "rule": rule}
                return True
        return False

    def _letters(self, name: str) -> dict[str, str]:
        """Which words of layers the letters of a text stand for, where a list is made of one."""
        found: dict[str, str] = {}
        for letter in (*string.ascii_uppercase, "-", "*", "+", "|"):
            for stated in self.samples[:1]:
                before, after = (observed(self.kind, s) for s in (stated, {**stated, name: 3 * letter}))
                if before is None or after is None:
                    continue
                lists = [plain(vars(after).get(k)) for k in _changed(shown(before), shown(after)) - {name}]
                words = {v[0] for v in lists if isinstance(v, list) and len(v) == 3 and len({*map(str, v)}) == 1}
                found |= {letter: words.pop()} if len(words) == 1 and len(lists) == 1 else {}
        return found if len({*found.values()}) > 1 else {}


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    return {key for key in {*before, *after} if before.get(key) != after.get(key)}


def _has_share(rule: Any, name: str, value: Any, before: Any, after: Any) -> bool:
    here, there = ({**(vars(one).get(rope.FIELD) or {})} for one in (before, after))
    try:
        share = evaluate(rule, {**vars(after), name: value})
    except SymflopsError:
        return False
    here.pop(rope.SHARE, None)
    return bool(there.pop(rope.SHARE, None) == share and {*here} <= {*there})


def names_read(kind: type[PreTrainedConfig]) -> list[str]:
    """The names that the functions of a class read of what they are given or of itself, and that are no fields."""
    known = {f.name for f in dataclasses.fields(kind)} | {*kind.attribute_map}
    found: dict[str, None] = {}
    for one in kind.__mro__:
        if one is PreTrainedConfig:
            break
        for member in vars(one).values():
            function = inspect.unwrap(getattr(member, "fget", None) or getattr(member, "__func__", member))
            if inspect.isfunction(function) and function.__code__.co_filename.endswith(".py"):
                found |= dict.fromkeys(_read_in(function))
    return [name for name in found if name not in known and name.isidentifier()]


def _read_in(function: Any) -> Iterator[str]:
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            yield from (_texts(node.args[:2]) if called in _READERS else ())
        elif isinstance(node, ast.Compare) and any(isinstance(sign, ast.In | ast.NotIn) for sign in node.ops):
            yield from _texts([node.left])
        elif isinstance(node, ast.Subscript):
            yield from _texts([node.slice])
        elif isinstance(node, ast.FunctionDef) and node.name in ("__post_init__", "convert_rope_params_to_dict"):
            yield from (a.arg for a in (*node.args.args[1:], *node.args.kwonlyargs))


def _texts(nodes: Iterable[ast.expr]) -> Iterator[str]:
    yield from (n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str))


# ------------------------------------------------------------------------------------- parts that are stated otherwise


def flat(kind: type[PreTrainedConfig], name: str, inner: type[PreTrainedConfig]) -> Any:
    """Whether a part is made of what is stated beside it: True, False, or "?" where some of it is."""
    own = {f.name for f in dataclasses.fields(kind)} | {*kind.attribute_map}
    fields = {f.name: f.default for f in dataclasses.fields(inner) if f.name not in own and is_asked(f.name)}
    usual, moved = observed(inner, {}), set()
    for key, value in fields.items():
        if type(value) is not int or value < 2:
            continue
        part, alone = (observed(one, {key: 2 * value}) for one in (kind, inner))
        part = None if part is None else vars(part).get(name)
        if isinstance(part, PreTrainedConfig) and alone and usual and shown(alone) != shown(usual):
            moved.add(shown(part) == shown(alone))
    return False if True not in moved else True if moved == {True} else "?"


def is_over(kind: type[PreTrainedConfig], name: str, inner: type[PreTrainedConfig]) -> bool:
    """Whether what is stated of a part under `…_dict` stands for all of it."""
    sizes = [f for f in dataclasses.fields(inner) if type(f.default) is int and f.default > 1 and is_asked(f.name)]
    if len(sizes) < 2:
        return False
    one, other = (f.name for f in sizes[:2])
    stated = {
        name: {one: 2 * sizes[0].default, other: 2 * sizes[1].default},
        f"{name}_dict": {one: 4 * sizes[0].default},
    }
    part = getattr(observed(kind, stated), name, None)
    return [getattr(part, n, None) for n in (one, other)] == [4 * sizes[0].default, sizes[1].default]


def is_filled(
    kind: type[PreTrainedConfig], name: str, inner: type[PreTrainedConfig], values: Mapping[str, Any]
) -> bool:
    """Whether what the class usually states of a part stands for what a config states otherwise and not of it."""
    usual = vars(observed(inner, {}) or inner)
    own = [k for k, v in values.items() if type(v) is int and v != usual.get(k)]
    part = getattr(observed(kind, {name: {"model_type": inner.model_type}}), name, None)
    return bool(own) and all(getattr(part, key, None) == values[key] for key in own)
