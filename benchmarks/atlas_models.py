"""The models of an entry of the atlas: of which configs they are derived, and whether random configs get what deriving
gives."""

from __future__ import annotations

import copy
import dataclasses
import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from atlas_classes import plain, random_stated
from coverage_checks import exact
from small_configs import small_config
from transformers import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_MAPPING

from symflops import source
from symflops.algebra import substitute
from symflops.assumption import Fact
from symflops.atlas.answer import answer_from
from symflops.atlas.choices import difference
from symflops.atlas.entries import Entry
from symflops.cost import METRICS
from symflops.errors import SymflopsError
from symflops.model import Model, load
from symflops.trace import derive as derivation
from symflops.trace.architecture import is_size

_COUNT = re.compile(r"(kv|key_value).*heads?$|group|experts?(_per_tok(en)?)?$|topk|top_k|shared")
ACTIVATIONS = ("silu", "gelu", "gelu_new", "gelu_pytorch_tanh", "relu")
ROPE: tuple[dict[str, Any], ...] = (
    {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
     "original_max_position_embeddings": 8192},
    {"rope_type": "linear", "factor": 2.0}, {"rope_type": "dynamic", "factor": 2.0},
    {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768},
    {"rope_type": "yarn", "factor": 40, "original_max_position_embeddings": 4096, "beta_fast": 32, "beta_slow": 1,
     "mscale": 1.0, "mscale_all_dim": 1.0},
)  # fmt: skip
POINTS = tuple(
    {"batch_size": b, "seq_len": s, "past_len": p, "causal": c, "dtype_bytes": 3, "weight_bytes": 5, "cache_bytes": 7}
    for b, s in ((1, 16), (3, 40), (2, 7), (1, 1), (2, 129)) for p in (0, 5) for c in (0, 1)
)  # fmt: skip

SLIDING = ("sliding_attention", "full_attention")
SHARES = (0.25, 0.4, 0.5, 0.75, 1.0)  # of a head that is rotated
SPECIAL = (0.0, 1.0, -1.0)  # where a product is none, or no number at all
USUAL = 2.5  # a number that is none of these
TRIED: dict[type, tuple[Any, ...]] = {  # numbers with which the same has to be derived
    float: (0.077, 9.3, 1003.0),
    int: (512, 8192, 262144),
}
Data = dict[str, Any]


class Models:
    """Of one type."""

    def __init__(
        self, model_type: str, classes: Mapping[str, Data], most: int, names: Sequence[str] = (), brief: bool = False
    ) -> None:
        self.model_type, self.classes, self.most = model_type, classes, most
        self.kind = CONFIG_MAPPING[model_type]
        mapping = MODEL_FOR_CAUSAL_LM_MAPPING if self.kind in MODEL_FOR_CAUSAL_LM_MAPPING else MODEL_MAPPING
        found: Any = mapping[self.kind]
        self.default: str = (found[0] if isinstance(found, tuple) else found).__name__
        self.rope, self.activations = ((), ACTIVATIONS[:2]) if brief else (ROPE, ACTIVATIONS)
        self.names = tuple(names) or (self.default,)
        self.tried: list[str] = []

    def derive(self) -> dict[str, list[Data]]:
        """By the name of each class of models: the first model, then what choices change in it."""
        return {name: self.derive_of(name) for name in self.names}

    def derive_of(self, name: str) -> list[Data]:
        """The same of one class."""
        base = plain_dict(small_config(self.model_type, 0)) | {"architectures": [name]}
        base.pop("dtype", None)
        first = derived(base)
        found: list[Data] = [first]
        known = [_facts(first)]
        for changes in self.choices(base, first):
            if len(found) >= self.most:
                break
            model = self.of_choice(base, changes)
            if model is not None and _facts(model) not in known:
                known.append(_facts(model))
                found.append(model)
        free = self.free(base, first) + [f for one in self.rope for f in self.free_rope(base, first, one)]
        first |= {"free": free} if free else {}
        ones = []
        for size in self.counts(base, first):
            model = self.of_choice(base, {size: 1})
            if model is not None and are_equal(first, model, {size: 1}):
                ones.append(size)
            elif model is not None:
                found.append(model)
        first |= {"ones": ones} if ones else {}
        return [first, *(difference(first, other) for other in found[1:])]

    def free(self, base: Data, model: Data) -> list[Data]:
        """The numbers that no cost depends on: with others, from small to large and on both sides of 1, all at once and
        then each alone, the same is derived."""
        facts = {f.name: f.value for text in model["assumes"] if (f := Fact.of(text)) is not None}
        names = [n for n, v in facts.items() if type(v) is float and n in base and v not in SPECIAL]
        found = self.those_free(base, model, [[n] for n in names], {})
        for name in (n for n, v in facts.items() if type(v) is float and n in base and v in SPECIAL):
            other = self.of_choice(base, {name: USUAL})
            if other is not None and f"{name} == {USUAL}" in other["assumes"]:
                found += self.those_free({**base, name: USUAL}, other, [[name]], {})
        return found

    def free_rope(self, base: Data, model: Data, one: Data) -> list[Data]:
        """The same of the numbers of a rotary type."""
        facts = {f.name: f.value for text in model["assumes"] if (f := Fact.of(text)) is not None}
        known = facts.get("rope_parameters")
        if not isinstance(known, dict) or "rope_type" not in known:
            return []
        stated = {**base, "rope_parameters": {"rope_theta": 1e4, **known, **one}}
        other = self.of_choice(base, {"rope_parameters": stated["rope_parameters"]})
        if other is None or not any("rope_type" in t and one["rope_type"] in t for t in other["assumes"]):
            return []
        paths = [["rope_parameters", n] for n, v in one.items() if type(v) in (int, float)]
        return self.those_free(stated, other, paths, {"type": one["rope_type"]})

    def those_free(self, base: Data, model: Data, paths: list[list[str]], more: Data) -> list[Data]:
        if paths and self.is_same(base, model, paths):
            kept = paths
        else:
            kept = [path for path in paths if 1 < len(paths) < 4 and self.is_same(base, model, [path])]
        return [
            {"path": p, "stands": at(base, p), "from": TRIED[type(at(base, p))][0], "to": TRIED[type(at(base, p))][-1],
             "not": list(SPECIAL), **more}
            for p in kept
        ]  # fmt: skip

    def is_same(self, base: Data, model: Data, paths: list[list[str]]) -> bool:
        names = {p[0] for p in paths}
        for place in range(len(TRIED[float])):
            stated = copy.deepcopy(base)
            for shift, path in enumerate(paths):
                values = TRIED[type(at(base, path))]
                inner = stated
                for key in path[:-1]:
                    inner = inner[key]
                inner[path[-1]] = values[(place + shift) % len(values)]
            other = self.of_choice(stated, {})
            change = None if other is None else difference(model, other)
            if change is None or change["set"] or change["gone"]:
                return False
            lists = [t for key, both in change["lists"].items() for side in both for t in side]
            if any(t.partition(" == ")[0] not in names for t in lists):
                return False
        return True

    def of_choice(self, base: Data, changes: Data) -> Data | None:
        """The model of a config that makes some choices otherwise; None where its class refuses it or drops them, or
        nothing is derived of it."""
        stated = {**base, **changes}
        try:
            config = self.kind.from_dict(copy.deepcopy(stated))
            own = self.kind.attribute_map
            kept = {n: plain(getattr(config, own.get(n, n), None)) for n in changes if n != "rope_parameters"}
            if any(value != changes[name] for name, value in kept.items()):
                return None
            return derived(stated)
        except Exception:  # whatever the class and the model's source raise
            self.tried.append(json.dumps(changes))
            return None

    def counts(self, base: Data, model: Data) -> Iterator[str]:
        """The sizes that may be 1, where something else may be computed."""
        for name, number in model["symbols"].items():
            if name in base and type(number) is int and number > 1 and _COUNT.search(name) and "layers" not in name:
                yield name

    def choices(self, base: Data, model: Data) -> Iterator[Data]:
        """What other configs may say of what the first model takes for granted, the likeliest first."""
        facts = {f.name: f.value for text in model["assumes"] if (f := Fact.of(text)) is not None}
        acts: list[Data] = []
        if isinstance(base.get("layer_types"), list):
            kinds = [*SLIDING, *base["layer_types"]][: len(base["layer_types"])]
            switch = {"use_sliding_window": True} if "use_sliding_window" in base else {}
            window = {"sliding_window": 24} if "sliding_window" in base else {}
            yield {"layer_types": kinds, **switch, **window}
        for name, value in facts.items():
            if value is None and name not in base:  # the source asks for it, and takes a default of its own
                yield {name: 16 if is_size(name) and not name.startswith("is_") else False}
            if name not in base:
                continue
            if isinstance(value, bool):
                yield {name: not value}
            elif isinstance(value, float):
                others = (None, 1.0, USUAL) if value in SPECIAL else (None, 1.0)
                yield from ({name: other} for other in others if other != value)
            elif value in ACTIVATIONS:
                acts += [{name: word} for word in self.activations if word != value]
            elif value is None and name in self.classes[self.model_type]["defaults"]:
                yield from ({name: some} for some in (24, True, 30.0))
        for name, number in model["symbols"].items():
            if name in base and type(number) is int and "layers" not in name and self.may_be_none(name):
                yield {name: None}
        if isinstance(facts.get("rope_parameters"), dict) and "rope_type" in facts["rope_parameters"]:
            yield from (
                {"rope_parameters": {"rope_theta": 1e4, **facts["rope_parameters"], **one}} for one in self.rope
            )
        yield from acts

    def may_be_none(self, name: str) -> bool:
        """Whether the class of configs takes null for a size."""
        found = next((f for f in dataclasses.fields(self.kind) if f.name == name), None)
        return found is not None and "None" in str(found.type)

    def check(self, entry: Entry, number: int) -> Data:
        """How random configs come out: equal, refused and wrong; how many models have as many parameters as counted."""
        rng = random.Random(7)
        outcome: Data = {"equal": 0, "refused": 0, "wrong": [], "counted": 0, "why": []}
        tried = 0
        while outcome["equal"] + outcome["refused"] < number and tried < 8 * number:
            tried += 1
            stated = self.random(rng)
            try:
                there = source.derive(copy.deepcopy(stated))
            except Exception:  # a config that its class or its model's source refuses
                continue
            try:
                here = answer_from(entry, stated, there.name)
            except SymflopsError as error:
                outcome["refused"] += 1
                outcome["why"].append(error.message[:160])
                continue
            if difference := differs(here, there):
                outcome["wrong"].append(f"{difference}: {json.dumps(stated)}"[:600])
                break
            outcome["equal"] += 1
        return outcome

    def random(self, rng: random.Random) -> Data:
        """A config.json with random sizes, some of the fields unstated, and a choice now and then."""
        stated = random_stated(self.kind, self.classes[self.model_type]["defaults"], rng)
        if rng.random() < 0.5:
            small = plain_dict(small_config(self.model_type, rng.randint(0, 1)))
            small = {k: v for k, v in small.items() if k not in stated or rng.random() < 0.7}
            stated = {**stated, **small}
        return {**stated, "model_type": self.model_type, "architectures": [rng.choice(self.names)]}


def plain_dict(config: Any) -> Data:
    """A config as its file has it."""
    found: Data = {k: v for k, v in plain(json.loads(config.to_json_string(use_diff=False))).items() if k[0] != "_"}
    return {k: v for k, v in found.items() if k != "transformers_version"}


def derived(stated: Data) -> Data:
    """The model file of a config, with what of it is read beside its fields: properties of its class, which are to be
    the same in another config."""
    reads: set[tuple[str, str]] = set()
    config: list[Any] = []
    plain_model = derivation._model

    def model(work: Any, record: Any, of_peak: Any) -> Model:
        reads.update(record.run.build.reads)
        config.append(record.run.build.original)
        return plain_model(work, record, of_peak)

    derivation._model = model
    try:
        found = source.derive(copy.deepcopy(stated))
    finally:
        derivation._model = plain_model
    data: Data = found.to_dict()
    data.pop("dtype", None)
    needs = []
    parts = dict(derivation_parts(config[-1]))
    for prefix, key in sorted(reads):
        part = parts.get(prefix)
        if key == "num_labels" and part is not None:
            needs.append([prefix, key, part.num_labels])
    return data | ({"needs": needs} if needs else {})


def derivation_parts(config: Any) -> list[tuple[str, Any]]:
    """The parts of a config with their prefixes."""
    from symflops.trace.architecture import parts

    return parts(config)


def _facts(model: Data) -> tuple[str, ...]:
    return tuple(sorted(t for t in model["assumes"] if Fact.of(t) is not None or "[i]" in t)) + tuple(
        sorted(model["symbols"])
    )


def are_equal(first: Data, other: Data, numbers: Mapping[str, int]) -> bool:
    """Whether a model with these numbers is another one, which was derived where they are so, whatever all other sizes
    are."""
    one, two = (load({k: v for k, v in d.items() if k not in ("needs", "ones", "free")}) for d in (first, other))
    known = {t for t in other["assumes"] if t not in first["assumes"] and t not in [f"{n} == 1" for n in numbers]}
    costs = ([substitute(m.total(symbolic=True).value(metric), numbers) for metric in METRICS] for m in (one, two))
    return not any("[i]" in t or '"' in t for t in known) and next(costs) == next(costs)


def differs(here: Model, there: Model) -> str:
    """The first metric that is not the same in two models; "" where all are."""
    different = [m for m in METRICS if here.total().value(m) != there.total().value(m)]
    for metric in different:
        for point in POINTS:
            values = []
            for model in (here, there):
                try:
                    values.append(exact(model, metric, **point))
                except SymflopsError:
                    values.append(None)
            if values[0] != values[1]:
                return f"{metric} is {values[0]}, derived {values[1]} at {point}"
    return ""


def at(data: Data, path: list[str]) -> Any:
    """What stands at a path."""
    for key in path:
        data = data[key]
    return data
