"""The models of an entry of the atlas: of which configs they are derived, and whether random configs get what deriving
gives."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator, Mapping
from typing import Any

from atlas_classes import plain, random_stated
from coverage_checks import exact
from small_configs import small_config
from transformers import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_MAPPING

from symflops import source
from symflops.assumption import Fact
from symflops.atlas.answer import answer_from
from symflops.atlas.entries import Entry
from symflops.cost import METRICS
from symflops.errors import SymflopsError
from symflops.model import Model
from symflops.trace import derive as derivation
from symflops.vocabulary.fields import means

ACTIVATIONS = ("silu", "gelu", "gelu_new", "gelu_pytorch_tanh", "relu")
ROPE: tuple[dict[str, Any], ...] = (
    {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
     "original_max_position_embeddings": 8192},
    {"rope_type": "linear", "factor": 2.0}, {"rope_type": "dynamic", "factor": 2.0},
    {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 4096},
)  # fmt: skip
POINTS = tuple(
    {"batch_size": b, "seq_len": s, "past_len": p, "causal": c, "dtype_bytes": 3, "weight_bytes": 5, "cache_bytes": 7}
    for b, s in ((1, 16), (3, 40), (2, 7), (1, 1), (2, 129)) for p in (0, 5) for c in (0, 1)
)  # fmt: skip

Data = dict[str, Any]


class Models:
    """Of one type."""

    def __init__(self, model_type: str, classes: Mapping[str, Data], most: int) -> None:
        self.model_type, self.classes, self.most = model_type, classes, most
        self.kind = CONFIG_MAPPING[model_type]
        mapping = MODEL_FOR_CAUSAL_LM_MAPPING if self.kind in MODEL_FOR_CAUSAL_LM_MAPPING else MODEL_MAPPING
        found: Any = mapping[self.kind]
        self.default: str = (found[0] if isinstance(found, tuple) else found).__name__
        self.tried: list[str] = []

    def derive(self) -> dict[str, list[Data]]:
        """The model files, by the class."""
        base = plain_dict(small_config(self.model_type, 0)) | {"architectures": [self.default]}
        base.pop("dtype", None)
        found: list[Data] = [derived(base)]
        known = [_facts(found[0])]
        for changes in self.choices(base, found[0]):
            if len(found) >= self.most:
                break
            stated = merged(base, changes)
            try:
                config = self.kind.from_dict(copy.deepcopy(stated))
                for name in changes:  # what the class does not keep is no choice
                    assert name == "rope_parameters" or plain(getattr(config, name, None)) == stated[name]
                model = derived(stated)
            except Exception:  # a choice that the class refuses, or of which nothing is derived, is none
                self.tried.append(json.dumps(changes))
                continue
            if _facts(model) not in known:
                known.append(_facts(model))
                found.append(model)
        return {self.default: found}

    def choices(self, base: Data, model: Data) -> Iterator[Data]:
        """What other configs may say of what the first model takes for granted, the likeliest first."""
        facts = {f.name: f.value for text in model["assumes"] if (f := Fact.of(text)) is not None}
        tied = {"tie_word_embeddings": not facts["tie_word_embeddings"]} if "tie_word_embeddings" in facts else {}
        if tied:
            yield tied
        singles: list[Data] = []
        for name, value in facts.items():
            if name in tied or name not in base:
                continue
            if isinstance(value, bool):
                singles.append({name: not value})
            elif isinstance(value, float):
                singles.append({name: None})
            elif value in ACTIVATIONS:
                singles += [{name: word} for word in ACTIVATIONS if word != value]
            elif value is None and name in self.classes[self.model_type]["defaults"]:
                singles += [{name: some} for some in (24, True, 30.0)]
        for name, number in model["symbols"].items():
            if name in base and type(number) is int and number > 1 and means(name, "shared_count"):
                singles.append({name: 1})
        if "rope_parameters" in facts and "rope_type" in (facts["rope_parameters"] or {}):
            singles += [{"rope_parameters": {"rope_theta": 1e4, **one}} for one in ROPE]
        for one in sorted(singles, key=lambda c: "hidden_act" in "".join(c)):
            yield one
            if tied:
                yield one | tied

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
        return {**stated, "model_type": self.model_type, "architectures": [self.default]}


def plain_dict(config: Any) -> Data:
    """A config as its file has it."""
    found: Data = {k: v for k, v in plain(json.loads(config.to_json_string(use_diff=False))).items() if k[0] != "_"}
    return {k: v for k, v in found.items() if k != "transformers_version"}


def merged(base: Data, changes: Data) -> Data:
    return {**base, **changes}


def derived(stated: Data) -> Data:
    """The model file of a config, with what of it is read beside its fields: properties of its class, which are to be
    the same in another config."""
    reads: set[tuple[str, str]] = set()
    config: list[Any] = []
    plain_model = derivation._model

    def model(work: Any, record: Any) -> Model:
        reads.update(record.run.build.reads)
        config.append(record.run.build.original)
        return plain_model(work, record)

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
