"""A config.json becomes the config that its class would make of it, without that class."""

from __future__ import annotations

import copy
from collections import ChainMap
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from symflops.atlas import rope
from symflops.atlas.rules import evaluate
from symflops.errors import SymflopsError

_DECODERS = ("decoder", "generator", "text_config")
_LABELS = "num_labels"  # which classes that classify compute from id2label
_OF_EACH_LAYER = "per_layer_config"
_ROPE_STATED = ("rope_theta", "rope_scaling", "partial_rotary_factor")
_WORDS = {type(None): "null", bool: "bool", int: "int", float: "float", str: "str", list: "list", dict: "dict"}


class Unknown:
    """What stands where nobody knows what a class computes: no fact and no number is equal to it."""

    def __deepcopy__(self, memo: object) -> Unknown:
        return self

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN = Unknown()


@dataclass(frozen=True)
class ConfigClass:
    """What a class of configs does, as data that was found by asking it."""

    model_type: str
    defaults: Mapping[str, Any]  # of its fields, as they are before anything is computed
    aliases: Mapping[str, str] = field(default_factory=dict)  # other names of fields
    parts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # configs inside it: class, values, optional
    rules: tuple[Mapping[str, Any], ...] = ()  # fields that it computes, in order
    dropped: tuple[str, ...] = ()  # what may be stated and is not kept
    renamed: Mapping[str, str] = field(default_factory=dict)  # words in lists of layers
    rope: Mapping[str, Any] | None = None  # its rotary embeddings: the usual type, and the ways that it has of its own
    # Names that it reads though they are no fields of it: of which types of values it is known what becomes of them.
    beside: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @staticmethod
    def of(data: Mapping[str, Any]) -> ConfigClass:
        """The class as an entry of the atlas has it."""
        return ConfigClass(**{**data, **{k: tuple(data.get(k, ())) for k in ("rules", "dropped")}})


class PlainConfig:
    """A config with the fields that an object of the class of transformers would have, and nothing else."""

    attribute_map: Mapping[str, str] = {}
    of_class: ConfigClass

    def to_diff_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    def get_text_config(self, decoder: bool | None = None, encoder: bool | None = None) -> PlainConfig:
        """The part of it that describes the decoder."""
        names = [n for n in _DECODERS if isinstance(vars(self).get(n), PlainConfig)]
        found: PlainConfig = vars(self)[names[0]] if names else self
        return found

    def __getattr__(self, name: str) -> Any:
        target = type(self).attribute_map.get(name)
        if target is None or target not in vars(self):
            raise AttributeError(name)
        return vars(self)[target]


def config_of(stated: Mapping[str, Any], key: str, classes: Mapping[str, ConfigClass]) -> PlainConfig:
    """What the class under a key makes of what is stated.

    Raises SymflopsError where nobody knows what it would make of that.

    >>> head = {"field": "head_dim", "rule": ["//", "hidden_size", "heads"]}
    >>> defaults = {"hidden_size": 8, "heads": 2, "head_dim": None}
    >>> known = ConfigClass("tiny", defaults, {"width": "hidden_size"}, {}, (head,))
    >>> vars(config_of({"heads": 4}, "tiny", {"tiny": known}))
    {'hidden_size': 8, 'heads': 4, 'head_dim': 2}
    >>> vars(config_of({"width": 16, "head_dim": 3}, "tiny", {"tiny": known}))
    {'hidden_size': 16, 'heads': 2, 'head_dim': 3}
    """
    kind = classes[key]
    if stated.get(_OF_EACH_LAYER):
        raise SymflopsError(f"{_OF_EACH_LAYER} is stated, of which the atlas knows nothing")
    fields: dict[str, Any] = copy.deepcopy(dict(kind.defaults))
    more: dict[str, Any] = {}
    for name, value in stated.items():
        if name.startswith("_") or name in kind.dropped or name in ("model_type", "torch_dtype"):
            continue
        own = kind.aliases.get(name, name)
        if own != name and stated.get(own, value) != value:
            raise SymflopsError(f"{own} is stated twice, as {name}, too, and is not the same")
        (fields if own in kind.defaults else more)[own] = copy.deepcopy(value)
    for rule in kind.rules:
        if rule.get("of_layers") and rule["field"] in stated:
            raise SymflopsError(f"{rule['field']} is stated, which the type {kind.model_type} computes")
    beside = _read_beside(more, kind)
    extra = {name: value for name, value in more.items() if not _is_rope(name, kind)}
    if stated.get("torch_dtype") is not None and fields.get("dtype") is None:
        fields["dtype"] = stated["torch_dtype"]
    if "id2label" in fields:
        labels = fields["id2label"]
        fields[_LABELS] = len(labels) if isinstance(labels, dict) else extra.pop(_LABELS, None) or 2
    _make_parts(fields, kind, classes, extra)
    # What its rules are about: its fields, what it reads beside them, what the configs inside it say, and fields that
    # are stated under another name, which some classes read after they computed others.
    others = {name: stated.get(name) for name in kind.aliases if name not in fields}
    about = ChainMap(beside, fields, _of_parts(fields, kind), others)
    nulled = {own for name, own in kind.aliases.items() if name in stated and stated[name] is None}
    _compute(fields, kind, about, nulled)
    if kind.rope is not None:
        share = kind.rope.get("share", {})
        is_shared = beside.get(share.get("by", "")) is not None
        if not {*rope.ways(stated)}.isdisjoint(kind.rope["unsure"]) or (is_shared and rope.SHARE in stated):
            raise SymflopsError(f"the type {kind.model_type} has a way of its own to read {rope.FIELD}")
        more = {rope.SHARE: evaluate(share["rule"], about)} if is_shared else {}
        fields[rope.FIELD] = rope.parameters({**stated, **more}, fields, kind.rope)
    for name, value in extra.items():
        fields[name] = value
    for name in ("layer_types", "mtp_layer_types"):
        if isinstance(fields.get(name), list):
            fields[name] = [kind.renamed.get(word, word) for word in fields[name] if isinstance(word, str)]
    return _made(kind, fields)


def _is_rope(name: str, kind: ConfigClass) -> bool:
    return kind.rope is not None and name in _ROPE_STATED and name not in kind.rope.get("kept", ())


def _read_beside(more: dict[str, Any], kind: ConfigClass) -> dict[str, Any]:
    """What is stated under names that a class reads though they are no fields of it, which it may not keep."""
    found = {}
    for name, one in kind.beside.items():
        if name in more and _WORDS[type(more[name])] not in one["of"]:
            raise SymflopsError(f"{name} is stated, which the type {kind.model_type} reads in a way of its own")
        found[name] = more.pop(name, None) if one.get("popped") else more.get(name)
    return found


def _of_parts(fields: Mapping[str, Any], kind: ConfigClass) -> dict[str, Any]:
    """What the configs inside one say, by names such as `text_config.hidden_size`."""
    made = ((name, fields[name]) for name in kind.parts if isinstance(fields.get(name), PlainConfig))
    return {f"{name}.{key}": value for name, part in made for key, value in vars(part).items()}


def _made(kind: ConfigClass, fields: dict[str, Any]) -> PlainConfig:
    lists = {rule["field"]: fields.pop(rule["field"]) for rule in kind.rules if rule.get("of_layers")}
    computed = {name: _computed(value) for name, value in lists.items() if value is not UNKNOWN}
    own = type("PlainConfig", (PlainConfig,), {**computed, "attribute_map": kind.aliases, "of_class": kind})
    made: PlainConfig = own()
    vars(made).update(fields)
    return made


def _computed(value: Any) -> property:
    """A list that the class computes of its layers, which is none of its fields."""
    return property(lambda config: copy.deepcopy(value))


def _make_parts(
    fields: dict[str, Any], kind: ConfigClass, classes: Mapping[str, ConfigClass], extra: dict[str, Any]
) -> None:
    for name, part in kind.parts.items():
        given = fields.get(name)
        key = part["class"]
        over = extra.pop(f"{name}_dict", None) if part.get("over") else None
        if given is None and over is None and part.get("flat"):
            given = _flat(name, part, classes[key], extra)
        if given is None and over is None and part.get("optional"):
            continue
        if not isinstance(given, dict | None) or not isinstance(over, dict | None):
            raise SymflopsError(f"{name} is no object")
        usual = dict(part.get("values", {}))
        values = usual if given is None else usual | given if part.get("filled") else given
        if over is not None:  # all that the class knows is then as stated there, or a default
            values = {k: v for k, v in values.items() if not _is_known(k, classes[key])} | over
        if part.get("by_type") and values.get("model_type", key) != key:
            key = str(values["model_type"])
            if key not in classes:
                raise SymflopsError(f"{name} is of the type {key[:60]!r}, which it has no part of in the atlas")
        try:
            fields[name] = config_of(values, key, classes)
        except SymflopsError as error:
            raise error.within(name) from None


def _is_known(name: str, kind: ConfigClass) -> bool:
    return name in kind.defaults or name in kind.aliases or name in _ROPE_STATED


def _flat(name: str, part: Mapping[str, Any], inner: ConfigClass, extra: dict[str, Any]) -> dict[str, Any] | None:
    """A part whose fields are stated beside it; None where none of them is."""
    found = [key for key in extra if key in inner.defaults or key in _ROPE_STATED]
    if found and part["flat"] == "?":
        raise SymflopsError(f"{found[0]} is stated without {name}, which the type may read in a way of its own")
    return {key: extra.pop(key) for key in found} or None


def _compute(fields: dict[str, Any], kind: ConfigClass, about: Mapping[str, Any], nulled: Container[str]) -> None:
    """Let the class compute its fields: those that are not given, and those that it computes whatever is given. What is
    `nulled`, stated as null under another name, is so after it computed."""
    for rule in kind.rules:
        name = rule["field"]
        if (fields.get(name) is not None or name in nulled) and not rule.get("always"):
            continue
        try:
            fields[name] = UNKNOWN if rule["rule"] == "?" else evaluate(rule["rule"], about)
        except SymflopsError:
            fields[name] = UNKNOWN  # what depends on it is refused, and nothing else


def stand_in(config: PlainConfig, free: Iterable[Mapping[str, Any]]) -> None:
    """Put for numbers that no cost depends on those with which a model was derived: between the least and the most that
    were tried, and none at which something else is computed.

    >>> made = PlainConfig()
    >>> vars(made).update(scale=3, rope={"rope_type": "linear", "factor": 1.0})
    >>> tried = {"stands": 2.0, "from": 0.5, "to": 64.0, "not": [1.0]}
    >>> stand_in(made, [{"path": ["scale"], **tried}, {"path": ["rope", "factor"], "type": "linear", **tried}])
    >>> vars(made)
    {'scale': 2.0, 'rope': {'rope_type': 'linear', 'factor': 1.0}}
    """
    every = [config, *(part for part in vars(config).values() if isinstance(part, PlainConfig))]
    for one in free:
        *outer, key = one["path"]
        for part in every:
            holder: Any = vars(part)
            for name in outer:
                holder = holder.get(name) if isinstance(holder, dict) else None
            if not isinstance(holder, dict) or ("type" in one and holder.get("rope_type") != one["type"]):
                continue
            value: Any = holder.get(key)
            if isinstance(one["stands"], list):  # of as many numbers, each of which may be another
                if (
                    isinstance(value, list)
                    and len(value) == len(one["stands"])
                    and all(type(v) in (int, float) and one["from"] <= v <= one["to"] for v in value)
                ):
                    holder[key] = one["stands"]
                continue
            if type(value) not in (int, float):
                continue
            if one["from"] <= value <= one["to"] and value not in one["not"]:
                holder[key] = one["stands"]
            elif type(one["stands"]) is float:
                holder[key] = float(value)
