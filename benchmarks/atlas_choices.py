"""Which configs of a type are derived for its entry of the atlas: a small one of typical choices, and others that make
one choice otherwise, the likeliest first.

A choice is what is put at places of a config, by their paths: {("text_config", "hidden_act"): "relu"}.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path as FilePath
from types import SimpleNamespace
from typing import Any

from atlas_asking import plain
from small_configs import _RULES, default_config, small_config
from small_configs import DEPTH as _DEPTH
from small_configs import HEADS as _HEADS
from small_configs import HIDDEN as _WIDE
from small_types import small
from transformers import CONFIG_MAPPING, AutoConfig
from transformers.configuration_utils import _LEGACY_LAYER_TYPE_REMAP

from symflops.assumption import Fact
from symflops.trace.architecture import is_size
from symflops.trace.config_values import WHOLE, literal
from symflops.trace.naming import places_name
from symflops.vocabulary.fields import means

ACTIVATIONS = ("silu", "gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "quick_gelu")
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 8192}  # fmt: skip
ROPE: tuple[dict[str, Any], ...] = (
    YARN, LLAMA3, {"rope_type": "linear", "factor": 2.0}, {"rope_type": "dynamic", "factor": 2.0},
    {"rope_type": "yarn", "factor": 40, "original_max_position_embeddings": 4096, "beta_fast": 32, "beta_slow": 1,
     "mscale": 1.0, "mscale_all_dim": 1.0},
)  # fmt: skip
SHARES = (0.25, 0.4, 0.5, 0.75, 1.0)  # of a head that is rotated
SPECIAL = (0.0, 1.0, -1.0)  # where a product is none, or no number at all
USUAL = 2.5  # a number that is none of these
WIDTHS = ((768, 12), (1024, 16), (512, 8), (1280, 16), (384, 6), (1920, 16))  # of models, with their heads
HEADS = (16, 32, 12, 8, 64, 112, 20, 24, 40)  # of models in which the number of heads stays a number
DEPTHS = (12, 24, 28, 22, 32)
OF_DTYPE = "dtype="  # before a format of numbers, in the name of a class of models that is another one in it
MERGED, HEAD = [16, 24, 24], 128  # sections of positions of three axes, and the heads that they are halves of

_SLIDING = ("sliding_attention", "full_attention")
_SHARE = re.compile(r"partial_rotary_factor|rotary_pct|rope_pct|rotary_percentage")
_SAID = ("tie_word_embeddings",)  # what configs state of parts whose classes do not know it
_COUNT = re.compile(r"(kv|key_value).*heads?$|group|experts?(_per_tok(en)?)?$|topk|top_k|shared")
_MAY_BE_NONE_AT_ALL = re.compile(r"shared|first_k_dense|num_dense_layers|q_lora_rank")

SEEN = FilePath(__file__).parent / "atlas_seen.json"  # what real configs of each type choose, and their sizes

Data = dict[str, Any]
Path = tuple[str, ...]
Choice = dict[Path, Any]
Sizes = Mapping[str, int]  # of a real config, by their places: "text_config.hidden_size"


def bases(model_type: str, name: str) -> Iterator[Data]:
    """Small configs of a type, as their files have them, the likeliest to be derived first; of a name with types of
    parts those with such parts, which choose what a real one does."""
    name, *others = name.split(" ")
    if others and others[-1].startswith(OF_DTYPE):
        word = others.pop().removeprefix(OF_DTYPE)
        yield from ({**base, "torch_dtype": word} for base in bases(model_type, " ".join([name, *others])))
        return
    if others:
        types = dict(one.split("=") for one in others)
        chosen = next(row for row in seen(model_type) if named_with_parts(row) == " ".join([name, *others]))
        own = {k: v for k, v in chosen.items() if type(v) in (str, int, float, bool) and k not in ("sizes", "dtype")}
        for base in bases(model_type, name):
            for variant in (1, 0):
                parts = {k: [plain_dict(config) for _, config in small(kind, variant)] for k, kind in types.items()}
                for level in range(max(map(len, parts.values()))):
                    yield {**base, **own, **{k: some[min(level, len(some) - 1)] for k, some in parts.items()}}
        return
    if any(is_of_stages(f) for f in dataclasses.fields(CONFIG_MAPPING[model_type])):  # which no other depth has
        yield _typical(plain_dict(default_config(model_type)), name)
    for variant in (1, 0) if CONFIG_MAPPING[model_type].sub_configs_defaults else (0,):
        # Of several parts the deeper one: lists of three modules are many, and none of them is one of layers.
        with suppress(Exception):  # whatever the class says of sizes that do not go together: the next ones may
            yield _typical(plain_dict(small_config(model_type, variant)), name)
        for _, config in small(model_type, variant):
            yield _typical(plain_dict(config), name)


def is_of_stages(found: dataclasses.Field[Any]) -> bool:
    """Whether a field of a class of configs says how deep or wide each of some stages is."""
    return found.name in ("depths", "hidden_sizes", "depth_multiplier", "conv_dim")


def seen(model_type: str) -> list[Data]:
    """What real configs of a type choose."""
    rows: list[Data] = json.loads(SEEN.read_text("utf-8")).get(model_type, [])
    return rows


def seen_names(model_type: str) -> list[str]:
    """The classes of models that real configs of a type name, with the types of parts that are none of the usual."""
    return list(dict.fromkeys(named_with_parts(row) for row in seen(model_type) if row.get("architectures")))


def named_with_parts(row: Data) -> str:
    """The class of models of a real config and the types of its parts that are none of the usual ones."""
    specs = CONFIG_MAPPING[row["model_type"]].sub_configs_defaults
    types = {k: row[k]["model_type"] for k in specs if isinstance(row.get(k), dict) and "model_type" in row[k]}
    others = (f"{k}={v}" for k, v in types.items() if specs[k].config_class is AutoConfig and v != specs[k].model_type)
    return " ".join([row.get("architectures", [""])[0], *sorted(others)])


def other_parts(model_type: str) -> list[str]:
    """The types of parts of real configs that are none of the usual ones."""
    named = (word.partition("=")[2] for name in seen_names(model_type) for word in name.split(" ")[1:])
    return list(dict.fromkeys(named))


def plain_dict(config: Any) -> Data:
    """A config as its file has it."""
    found: Data = {k: v for k, v in plain(json.loads(config.to_json_string(use_diff=False))).items() if k[0] != "_"}
    dropped = ("transformers_version", "dtype")
    for part in (found, *(v for v in found.values() if isinstance(v, dict))):  # computed where it is not stated
        part.pop("per_layer_config", None)
    return {k: v for k, v in found.items() if k not in dropped and "__float__" not in json.dumps(v)}  # which is inf


def _typical(stated: Data, name: str) -> Data:
    """With positions of three axes as all that have them state them: half of a head that is 128 wide."""
    found = {**stated, "architectures": [name]}
    for holder in (found, *(v for v in found.values() if isinstance(v, dict))):
        _with_first_again(holder)
        given = holder.get("rope_parameters")
        if isinstance(given, dict) and given.get("mrope_section") and "num_attention_heads" in holder:
            share = given.get("partial_rotary_factor") or 1
            given["mrope_section"] = MERGED if share == 1 else [int(v * share) for v in MERGED]
            holder["hidden_size"] = HEAD * holder["num_attention_heads"]
            if holder.get("head_dim") is not None or share != 1:
                holder["head_dim"] = HEAD
    text, vision = found.get("text_config"), found.get("vision_config")
    if isinstance(vision, dict) and found.get("mm_tokens_per_image"):  # others see no image, as of fewer patches
        vision |= {"image_size": 896, "patch_size": 14}
        found["mm_tokens_per_image"] = 256
    if isinstance(vision, dict) and type(found.get("scale_factor")) is int and vision.get("image_size"):
        vision["image_size"] = 4 * found["scale_factor"] * vision["patch_size"]  # whole pieces of patches
    if isinstance(text, dict) and isinstance(vision, dict) and vision.get("spatial_merge_size"):
        wide = ("hidden_size", "out_hidden_size") if vision.get("embed_dim") is not None else ("out_hidden_size",)
        for key in (key for key in wide if key in vision):
            vision[key] = text["hidden_size"]  # what the text model is fed with
    return found


def _with_first_again(holder: Data) -> None:
    """With the layers twice and the first of them once more, where that alone is of its kind: a first layer may be
    another one for its place or for its kind."""
    kinds = holder.get("layer_types")
    if not isinstance(kinds, list) or len(set(map(str, kinds))) < 2 or kinds.count(kinds[0]) > 1:
        return
    depth = len(kinds)
    for key, value in holder.items():
        if value == depth and type(value) is int and means(key, "depth"):
            holder[key] = 2 * depth + 1
        elif isinstance(value, list) and len(value) == depth and isinstance(value[0], str):
            holder[key] = [*value, *value, value[0]]


def places(config: Any, path: Path = (), prefix: str = "") -> dict[str, list[Path]]:
    """Where the fields of a config and of those inside it are, by their names, with and without a prefix."""
    found: dict[str, list[Path]] = {}
    for key, value in vars(config).items():
        if hasattr(value, "to_diff_dict"):
            for name, paths in places(value, (*path, key), f"{prefix}{key.removesuffix('config')}").items():
                found.setdefault(name, []).extend(paths)
        else:
            for name in dict.fromkeys((key, f"{prefix}{key}" if prefix else f"{WHOLE}{key}")):
                found.setdefault(name, []).append((*path, key))
    return found


def at(data: Any, path: Path) -> Any:
    """What stands at a path."""
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def put(stated: Data, choice: Choice) -> Data:
    """A config with a choice made otherwise."""
    made = copy.deepcopy(stated)
    for path, value in choice.items():
        inner = made
        for key in path[:-1]:
            inner = inner.setdefault(key, {})
        inner[path[-1]] = copy.deepcopy(value)
    return made


def facts(model: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a model by name; of one of which several are known the first."""
    found: dict[str, Any] = {}
    for text in model["assumes"]:
        if (fact := Fact.of(text)) is not None:
            found.setdefault(fact.name, fact.value)
    return found


def floats(model: Mapping[str, Any], known: Mapping[str, list[Path]], special: bool) -> list[Path]:
    """The places of numbers with a fraction that a model took for granted: those that are 0, 1 or -1, or the others."""
    names = [n for n, v in facts(model).items() if type(v) is float and n in known and not _SHARE.search(n)]
    return [p for n in names if (facts(model)[n] in SPECIAL) is special for p in known[n]]


def _at(sizes: Sizes, path: Path) -> int | None:
    """A size of a real config, which may state those of a part beside it."""
    return sizes.get(".".join(path), sizes.get(path[-1]))


def _instead_of_none(field: str) -> int:
    """A size for a field that is nothing: groups divide a number of experts, of which half may be chosen."""
    if "group" in field:
        return 2 if "topk" in field else 4
    return int(_RULES.get(field, (24,))[0])


MISSING = object()


def _as_stated(one: Data) -> Any:
    """A config with nothing but what is stated, and rotary embeddings and kinds of layers under their newer names."""
    lists = {k: v for k, v in one.items() if isinstance(v, list) and all(isinstance(word, str) for word in v)}
    one = {**one, **{k: [_LEGACY_LAYER_TYPE_REMAP.get(word, word) for word in v] for k, v in lists.items()}}
    given = dict(one.get("rope_scaling") or one.get("rope_parameters") or {})
    if given:
        given = {"rope_type": given.pop("type", None), **given}
        if "partial_rotary_factor" in one:
            given["partial_rotary_factor"] = one["partial_rotary_factor"]
    return SimpleNamespace(**{**one, **({"rope_parameters": given} if given else {})})


def _of(config: Any, path: Path) -> Any:
    """What a config has at a path; MISSING where it has nothing there."""
    for key in path:
        inner = config if isinstance(config, dict) else getattr(config, "__dict__", {})
        config = inner.get(key, MISSING)
    return config


class Choices:
    """The choices of a type, as its first model shows them."""

    def __init__(self, base: Data, model: Mapping[str, Any], config: Any, brief: bool) -> None:
        self.base, self.model, self.config, self.brief = base, model, config, brief
        self.known, self.facts = places(config), facts(model)
        self.activations = ("gelu_pytorch_tanh", "gelu", "silu") if brief else ACTIVATIONS
        self.main: Path = ("text_config",) if isinstance(base.get("text_config"), dict) else ()

    def at_one(self) -> Iterator[tuple[Choice, bool]]:
        """Counts of which there may be one, and whether real configs have one: those first."""
        real = json.dumps(seen(self.base.get("model_type", "")))
        have_one = {name: f'"{name.rpartition("text_")[2]}": 1,' in real for name in self.model["symbols"]}
        for name, number in sorted(self.model["symbols"].items(), key=lambda one: not have_one[one[0]]):
            is_count = type(number) is int and number > 1 and _COUNT.search(name) and "layers" not in name
            if is_count and (path := self.of_size(name, number)):
                yield {path: 1}, have_one[name]

    def of_size(self, name: str, number: int) -> Path | None:
        """Where a size of the model is in the config."""
        return next((p for p in self.known.get(name, ()) if at(self.base, p) == number), None)

    def numbers(self, model: Mapping[str, Any]) -> dict[Path, int]:
        """The sizes that stay numbers in a model, by their places in the config."""
        found: dict[Path, int] = {}
        for text in model["assumes"]:
            name, _, number = text.partition(" == ")
            if number.isdigit() and name in model["symbols"]:
                paths = [p for p in self.known.get(name, ()) if at(self.base, p) == int(number)]
                found |= dict.fromkeys(paths[:1], int(number))
        return found

    def of_numbers(self) -> Choice:
        """The sizes that stay numbers in the model, as their class has them: what they are compared with may be others
        for small ones."""
        found: Choice = {}
        for path, number in self.numbers(self.model).items():
            owner = self.config
            for key in path[:-1]:
                owner = getattr(owner, key)
            usual = {f.name: f.default for f in dataclasses.fields(owner)}.get(path[-1])
            if type(usual) is int and usual > number:
                found[path] = usual
        return found

    def of_usual_numbers(self) -> Iterator[Choice]:
        """The same as models that are known have them."""
        numbers = self.numbers(self.model)
        fields = {part: {p[-1]: p for p in numbers if p[:-1] == part} for part in {p[:-1] for p in numbers}}
        for part, own in fields.items():
            holder = at(self.base, part) if part else self.base
            heads, wide = (next((k for k in holder if _RULES.get(k) == rule), "") for rule in (_HEADS, _WIDE))
            if wide in own:
                for width, count in WIDTHS:
                    yield {own[wide]: width, (*part, heads): count}
            elif heads in own and wide:
                each = holder[wide] // holder[heads]
                for count in HEADS:
                    yield {own[heads]: count, (*part, wide): each * count}
            for name in (n for n in own if _RULES.get(n) == _DEPTH):
                yield from (self.with_layers({own[name]: depth}) for depth in DEPTHS)

    def with_layers(self, choice: Choice) -> Choice:
        """A choice of a depth with what the class says of so many layers."""
        lists = [k for k, v in self.base.items() if k == "layer_types" and isinstance(v, list)]
        if not lists or all(len(path) > 1 or _RULES.get(path[0]) != _DEPTH for path in choice):
            return choice
        with suppress(Exception):  # whatever the class says of what does not go together
            made = type(self.config).from_dict(put(self.base, {**choice, **{(k,): None for k in lists}}))
            return {**choice, **{(k,): plain(getattr(made, k)) for k in lists}}
        return choice

    def is_wide(self, path: Path) -> bool:
        """Whether a size goes with others: a width, or a number of heads."""
        return _RULES.get(path[-1]) in (_HEADS, _WIDE)

    def as_real(self, choice: Choice, model: Mapping[str, Any], sizes: Sizes) -> Choice:
        """A choice with those sizes that stay numbers in its model as a real config has them; none where it has none of
        them. Widths that are no numbers go with the number of heads."""
        found: Choice = {}
        for path, number in self.numbers(model).items():
            real = _at(sizes, path)
            if real not in (None, number) and path not in choice:
                found[path] = real
        for path in [p for p in found if _RULES.get(p[-1]) == _HEADS]:
            holder = at(self.base, path[:-1]) if path[:-1] else self.base
            wide = next((k for k in holder if _RULES.get(k) == _WIDE), "")
            if wide and (*path[:-1], wide) not in {**found, **choice}:
                found[(*path[:-1], wide)] = holder[wide] // holder[path[-1]] * found[path]
        return self.with_layers({**choice, **found}) if found else {}

    def all(self) -> Iterator[Choice]:
        """All of them, the likeliest first."""
        yield from self.of_layers()
        yield from self.of_facts()
        yield from self.of_sizes()
        yield from self.of_rotation()
        for name, value in self.facts.items():
            if value in ACTIVATIONS and isinstance(value, str):
                for word in self.activations:
                    if word != value and self.known.get(name):
                        yield dict.fromkeys(self.known[name], word)

    def of_seen(self, name: str) -> Iterator[tuple[Choice, Sizes]]:
        """What real configs choose otherwise, of each all at once, and their sizes."""
        for one in seen(self.base.get("model_type", "")):
            named = named_with_parts(one).lower()  # which some name in other letters
            if one.get("architectures") and named != name.partition(f" {OF_DTYPE}")[0].lower():
                continue
            own = type(self.config).attribute_map
            sizes = {own.get(place, place): number for place, number in one.pop("sizes", {}).items()}
            try:
                config = type(self.config).from_dict(copy.deepcopy(one))
            except Exception:  # without its sizes it may be none of the class's
                config = _as_stated(one)
            choice = self.seen_in(config, sizes)  # but for a default in the place of a size
            names = {place.rpartition(".")[2] for place in sizes}
            choice = {path: v for path, v in choice.items() if path[-1] not in names or v not in (None, 0, 1)}
            for field, value in self.facts.items():
                if value is None and field in names and field != "head_dim":
                    choice |= {path: _instead_of_none(field) for path in self.known.get(field, ())}
            yield choice, {**self.made_of(one, sizes), **sizes}

    def made_of(self, one: Data, sizes: Sizes) -> Sizes:
        """The sizes that the class makes of a real config, by their places; none where it refuses it."""
        try:
            config = type(self.config).from_dict(put(one, {tuple(k.split(".")): v for k, v in sizes.items()}))
        except Exception:  # whatever the class says of what is left of a real config
            return {}
        found = ((path, _of(config, path)) for paths in places(config).values() for path in paths)
        return {".".join(path): value for path, value in found if type(value) is int and value > 1}

    def seen_in(self, config: Any, sizes: Sizes) -> Choice:
        """Where a config is another one than the first model takes for granted, in what a small one may be, too."""
        found: Choice = {}
        layers = [name for t in self.model["assumes"] for name in re.findall(r"(\w+)\[i\]", t)]
        layers += [name for t in self.model["assumes"] for name in re.findall(r"\bi in (\w+)", t)]
        for name in (*self.facts, *layers, *self.model["symbols"]):
            paths = self.known.get(name, [(*self.main, name)] if name in self.facts else [])
            parts = [(k, name) for k, v in self.base.items() if isinstance(v, dict) and name in self.facts]
            paths = [*paths, *(p for p in parts if p not in paths and _of(config, p) is not MISSING and name in _SAID)]
            for path in paths:
                here, there = at(self.base, path), _of(config, path)
                if isinstance(there, dict | list):
                    there = self.as_small(path, here, plain(there))
                if name == "head_dim" and here is None and type(there) is int:
                    there = HEAD // 8  # no quotient of the others
                elif name == "head_dim" or there is MISSING or literal(here) == literal(there):
                    continue
                is_size_of_its_own = name in self.model["symbols"] and not isinstance(there, str)
                if is_size_of_its_own and name != "head_dim" and there not in (0, 1, None):
                    continue
                if type(here) is float and type(there) is float and there not in SPECIAL and not _SHARE.search(name):
                    continue
                found[path] = there
                if isinstance(there, dict) and there.get("rope_type") == "longrope":
                    found |= self.as_wide(path, there, sizes)
                    share = (*path[:-1], "partial_rotary_factor")
                    found |= {share: _of(config, share)} if _of(config, share) not in (MISSING, None) else {}
        return found

    def as_wide(self, path: Path, rotation: Data, sizes: Sizes) -> Choice:
        """Heads as wide as LongRoPE has factors for, in a model for texts as long as a real one's."""
        holder = at(self.base, path[:-1]) if path[:-1] else self.base
        width = int(2 * len(rotation["long_factor"]) / rotation.get("partial_rotary_factor", 1.0))
        longest = (*path[:-1], "max_position_embeddings")
        found: Choice = {longest: _at(sizes, longest) or 131072}
        if holder.get("qk_rope_head_dim"):
            return found | {(*path[:-1], "qk_rope_head_dim"): width}
        if holder.get("head_dim"):
            return found | {(*path[:-1], "head_dim"): width}
        return found | {(*path[:-1], "hidden_size"): width * holder["num_attention_heads"]}

    def as_small(self, path: Path, here: Any, there: Any) -> Any:
        """A list or an object of a real config, as a small one has it."""
        if isinstance(there, list) and isinstance(here, list) and here and there:
            if means(path[-1], "layer_places") and all(type(v) is int for v in (*here, *there)):
                holder = at(self.base, path[:-1]) if path[:-1] else self.base
                depth = next((v for k, v in holder.items() if type(v) is int and _RULES.get(k) == _DEPTH), 0)
                if there == [*range(len(there))] and len(there) > 3:  # all of them
                    return [*range(depth)]
                is_number = f"{places_name(path[-1])} == {len(here)}" in self.model["assumes"]
                return [*range(len(there))] if is_number and len(here) != len(there) else here
            if not any(isinstance(word, str) for word in here):
                return there
            kinds = list(dict.fromkeys(map(str, there)))
            words = [next(w for w in there if str(w) == kind) for kind in kinds]
            return here if {*kinds} == {*map(str, here)} else [words[i % len(words)] for i in range(len(here))]
        if isinstance(there, dict) and there.get("rope_type") == "longrope":
            factors = [2.5] * len(there["long_factor"])
            others = ("partial_rotary_factor", "short_mscale", "long_mscale")
            more = {k: v for k, v in there.items() if k in others and v != 1.0}
            trained = there.get("original_max_position_embeddings", 4096)
            return {"rope_theta": 1e4, "rope_type": "longrope", "original_max_position_embeddings": trained,
                    "short_factor": factors, "long_factor": factors, **more}  # fmt: skip
        if isinstance(there, dict) and isinstance(here, dict) and "mrope_section" in there:
            return here
        if isinstance(there, dict) and "rope_type" in there:
            return {k: v for k, v in there.items() if k != "type"}  # its older name
        return there

    def of_layers(self) -> Iterator[Choice]:
        """A window in some of the layers, where there are kinds of them."""
        for path in self.known.get("layer_types", ()):
            value, holder = at(self.base, path), at(self.base, path[:-1]) if path[:-1] else self.base
            if isinstance(value, list) and set(value) <= {*_SLIDING}:
                kinds = [*_SLIDING, *value][: len(value)]
                switch: Choice = {(*path[:-1], "use_sliding_window"): True} if "use_sliding_window" in holder else {}
                window: Choice = {(*path[:-1], "sliding_window"): 24} if "sliding_window" in holder else {}
                yield {path: kinds, **switch, **window}
                if set(value) != {"full_attention"}:
                    yield {path: ["full_attention"] * len(value)}
                if set(value) != {"sliding_attention"}:
                    yield {path: ["sliding_attention"] * len(value), **switch, **window}

    def of_facts(self) -> Iterator[Choice]:
        """What the source took for granted, otherwise."""
        for name, value in sorted(self.facts.items(), key=lambda one: not one[0].endswith("tie_word_embeddings")):
            paths = self.known.get(name, [])
            if value is None and not paths:  # the source asks for it, and takes a default of its own
                if not (is_size(name) and not name.startswith("is_")):
                    yield {(*self.main, name): False}
                continue
            for path in paths[:2]:
                if isinstance(value, bool) and at(self.base, path) is value:
                    yield {path: not value}
                elif isinstance(value, float) and _SHARE.search(name):
                    yield from ({path: other} for other in SHARES if other != value)
                elif isinstance(value, float):
                    yield from ({path: other} for other in (None, 1.0) if other != value)
                elif value is None and at(self.base, path) is None and name != "head_dim":
                    yield from ({path: some} for some in self.instead_of_none(path))

    def instead_of_none(self, path: Path) -> tuple[Any, ...]:
        """What a field may be that is nothing, by what its class says of it."""
        owner = self.config
        for key in path[:-1]:
            owner = getattr(owner, key)
        kind = next((str(f.type) for f in dataclasses.fields(owner) if f.name == path[-1]), "")
        some = [v for word, v in (("bool", True), ("int", 24), ("float", 30.0)) if word in kind]
        return tuple(some or (24, True, 30.0))

    def of_sizes(self) -> Iterator[Choice]:
        """Sizes that may be nothing, or as large as others."""
        for name, number in self.model["symbols"].items():
            path = self.of_size(name, number) if type(number) is int else None
            if path is None or ("layers" in name and "dense" not in name):
                continue
            if self.may_be_none(path):
                yield {path: None}
            elif _MAY_BE_NONE_AT_ALL.search(name):
                yield {path: 0}
        for text in self.model["assumes"]:
            one, unequal, other = text.partition(" != ")
            symbols = self.model["symbols"]
            is_known = unequal and one in symbols and (other in symbols or other.isdigit())
            if is_known and (path := self.of_size(one, symbols[one])):
                yield {path: symbols[other] if other in symbols else int(other)}

    def may_be_none(self, path: Path) -> bool:
        """Whether the class of configs takes null for a size."""
        owner = self.config
        for key in path[:-1]:
            owner = getattr(owner, key)
        found = next((f for f in dataclasses.fields(owner) if f.name == path[-1]), None)
        return found is not None and "None" in str(found.type)

    def of_rotation(self) -> Iterator[Choice]:
        """Other kinds of rotary embeddings, and other shares of a head."""
        paths = (self.known.get(name, []) for name in ("rope_parameters", "text_rope_parameters"))
        for path in dict.fromkeys(path for some in paths for path in some[:1]):
            given = at(self.base, path)
            if not isinstance(given, dict) or given.get("rope_type") not in ("default", "yarn", "llama3", "linear"):
                continue
            plain_one = {k: v for k, v in given.items() if k in ("rope_theta", "partial_rotary_factor")}
            if given["rope_type"] != "default":
                yield {path: {**plain_one, "rope_type": "default"}}
            share = given.get("partial_rotary_factor")
            if share is not None and given["rope_type"] == "default":
                yield from ({path: {**given, "partial_rotary_factor": s}} for s in SHARES if s != share)
            if not given.get("mrope_section"):
                ropes = ROPE[:3] if self.brief else ROPE
                yield from ({path: {"rope_theta": 1e4, **plain_one, **one}} for one in ropes)
