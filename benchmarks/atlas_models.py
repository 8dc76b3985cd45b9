"""The models of an entry of the atlas: of which configs they are derived, which choices were seen to go together, and
whether random configs get what deriving gives."""

from __future__ import annotations

import copy
import json
import random
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import transformers
from atlas_asking import plain
from atlas_beside import VALUES
from atlas_choices import (
    OF_DTYPE,
    SPECIAL,
    USUAL,
    Choice,
    Choices,
    Data,
    Path,
    at,
    bases,
    floats,
    places,
    put,
    seen,
    seen_names,
)
from atlas_classes import random_stated
from atlas_compare import differs
from transformers import CONFIG_MAPPING
from transformers.models.auto import modeling_auto

from symflops import source
from symflops.algebra import substitute
from symflops.atlas.answer import answer_from
from symflops.atlas.choices import are_apart, combined, difference, is_said
from symflops.atlas.entries import Entry
from symflops.cost import METRICS
from symflops.errors import SymflopsError, one_line
from symflops.model import Model, load
from symflops.trace import derive as derivation
from symflops.trace.tasks import tasks
from symflops.vocabulary.fields import means

TRIED: dict[type, tuple[Any, ...]] = {  # numbers with which the same has to be derived
    float: (0.0013, 9.3, 1003.0),
    int: (512, 8192, 262144),
}
_TASKS = (
    "image-text-to-text", "multimodal-lm", "seq-to-seq-causal-lm", "speech-seq-2-seq", "masked-lm", "causal-lm",
    "pretraining", "ctc", "image-classification", "object-detection", "zero-shot-image-classification",
    "semantic-segmentation", "base", "sequence-classification", "token-classification", "question-answering",
)  # fmt: skip
_DIVIDED = re.compile(r"^(\w+) % (\w+) == 0$", re.MULTILINE)
DTYPES = ("float32", "float16", "bfloat16")
_UNREAD = ("needs", "ones", "free", "together", "dtypes")  # of a model in an entry, what is no part of a model file


def default_of(kind: Any) -> str:
    """The class of models of a config that names none, as deriving takes it."""
    mapping = modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING
    mapping = mapping if kind in mapping else modeling_auto.MODEL_MAPPING
    if kind not in mapping:
        return ""
    found: Any = mapping[kind]
    return str((found[0] if isinstance(found, tuple) else found).__name__)


def usual_names(model_type: str) -> list[str]:
    """The classes of models that configs of a type name, the likeliest first: of a decoder the causal one."""
    names = {task: getattr(modeling_auto, f"{table}_NAMES", {}).get(model_type) for task, table in tasks().items()}
    found = [names[task] for task in _TASKS if names.get(task)]
    found = [name[0] if isinstance(name, list | tuple) else name for name in found]
    several = any(names.get(task) for task in _TASKS[:5])
    if names.get("causal-lm") and not several:
        return [str(names["causal-lm"])]
    return list(dict.fromkeys(str(name) for name in found if name != names["causal-lm"] or not several))


class Models:
    """Of one type."""

    def __init__(
        self, model_type: str, classes: Mapping[str, Data], most: int, names: Sequence[str], brief: bool, seconds: float
    ) -> None:
        self.model_type, self.classes, self.most = model_type, classes, most
        self.kind = CONFIG_MAPPING[model_type]
        self.brief, self.seconds = brief, seconds
        usual = usual_names(model_type)
        real = [n for n in seen_names(model_type) if hasattr(transformers, n.partition(" ")[0])]
        if default_of(self.kind) and not all(row.get("architectures") for row in seen(model_type)):
            real.append(default_of(self.kind))  # of those that name none
        usual = [*real, *usual[:1]] if brief else [*real, *usual[:6]]
        usual += [default_of(self.kind)] if default_of(self.kind) else []  # of a config that names none
        self.names: tuple[str, ...] = tuple(names) or tuple(dict.fromkeys(usual))
        self.tried: list[str] = []
        self.bases: dict[str, Data] = {}

    def derive(self) -> dict[str, list[Data]]:
        """By the name of each class of models: the first model, then what choices change in it."""
        found: dict[str, list[Data]] = {}
        why: SymflopsError | None = None
        share = self.seconds if len(self.names) == 1 else 0.7 * self.seconds
        for name in self.names:
            try:
                found |= self.of_class(name, share)
            except SymflopsError as error:
                why = why or error
                self.tried.append(f"{name}: {error.message[:200]}")
            share = max(0.3 * self.seconds / (len(self.names) - 1), 4.0) if len(self.names) > 1 else 0.0
        if why is not None and not found:
            raise why
        self.names = tuple(found)
        return found

    def of_class(self, name: str, seconds: float) -> dict[str, list[Data]]:
        """The models of one class; where numbers of another format that it is fed with make others, those of these."""
        found = {name: OfClass(self, name, seconds).models()}
        first = found[name][0]
        if "dtypes" in first and not is_fed_text(name):
            for word in (word for word in DTYPES if word not in first["dtypes"]):
                of_dtype = f"{name} {OF_DTYPE}{word}"
                found[of_dtype] = OfClass(self, of_dtype, 0.3 * seconds).models()
                found[of_dtype][0]["dtypes"] = [word]
        return found

    def find_bases(self, entry: Entry) -> None:
        """A small config of each class that an entry answers; the first, where it answers none."""
        for name in self.names:
            several = list(bases(self.model_type, name))
            self.bases[name] = next((one for one in several if is_answered(entry, one)), several[0])

    def check(self, entry: Entry, number: int) -> Data:
        """How random configs come out: as many equal ones as asked for, those refused on the way, and wrong ones."""
        rng = random.Random(7)
        outcome: Data = {"equal": 0, "refused": 0, "wrong": [], "counted": 0, "why": []}
        tried = 0
        while outcome["equal"] < number and tried < 25 * number:
            tried += 1
            stated = self.random(rng)
            try:
                self.kind.from_dict(copy.deepcopy(stated))
                here = answer_from(entry, stated, "random")
            except SymflopsError as error:
                outcome["refused"] += 1
                outcome["why"] = [*outcome["why"], error.message[:160]][-4:]
                continue
            except Exception:  # a config that its class refuses
                continue
            try:
                there = source.derive(copy.deepcopy(stated))
            except Exception:  # or its model's source
                outcome["underived"] = outcome.get("underived", 0) + 1
                if outcome["underived"] > 2 * number:
                    break
                continue
            if difference := differs(here, there):
                outcome["wrong"].append(f"{difference}: {json.dumps(stated)}")
                break
            outcome["equal"] += 1
        return outcome

    def random(self, rng: random.Random) -> Data:
        """A config.json with random sizes, some of the fields unstated, and a choice now and then."""
        name = rng.choice(self.names)
        base = self.bases[name]
        defaults = self.classes[self.model_type]["defaults"]
        parts = [key for key, value in base.items() if isinstance(value, dict) and "model_type" in value]
        if not parts:
            stated = random_stated(self.kind, defaults, rng) | self.beside(rng)
            if rng.random() < 0.5:
                stated |= {k: v for k, v in base.items() if k not in stated or rng.random() < 0.7}
            return {
                **stated,
                "model_type": self.model_type,
                "architectures": [name.partition(" ")[0]],
                **_some_dtype(rng),
            }
        stated = copy.deepcopy(base) | _some_dtype(rng)
        toggled = rng.choice([0.0, 0.0, 0.1])
        for part in (stated, *(stated[key] for key in parts)):
            for key, value in list(part.items()):
                if means(key, "irrelevant"):
                    continue
                if isinstance(value, bool) and rng.random() < toggled:
                    part[key] = not value
                elif type(value) is int and means(key, "depth") and not _is_length(value, part):
                    part[key] = value + rng.choice([0, 0, 1, 3])
                elif type(value) is int and "size" in key and "head" not in key and "hidden" not in key:
                    part[key] = value * rng.choice([1, 1, 2, 3]) if "patch" not in key else value
        return stated

    def beside(self, rng: random.Random) -> Data:
        """Names that the class reads beside its fields, now and then."""
        known = self.classes[self.model_type].get("beside", {})
        values = {n: [v for w in one["of"] for v in VALUES.get(w, ())] for n, one in known.items()}
        return {name: rng.choice(some) for name, some in values.items() if some and rng.random() < 0.15}


def _some_dtype(rng: random.Random) -> Data:
    """The numbers' format, as most configs state one."""
    word = rng.choice([None, "float32", "float16", "bfloat16"])
    return {} if word is None else {"torch_dtype": word}


def _is_length(number: int, part: Mapping[str, Any]) -> bool:
    return any(isinstance(value, list) and len(value) == number for value in part.values())


def is_answered(entry: Entry, stated: Data) -> bool:
    """Whether an entry answers a config."""
    try:
        answer_from(entry, stated, "small")
    except SymflopsError:
        return False
    return True


def is_fed_text(name: str) -> bool:
    """Whether the first that a class of models is fed with is text."""
    fed = getattr(getattr(transformers, name.partition(" ")[0]), "main_input_name", "")
    return bool(fed == "input_ids")


class OfClass:
    """The models of one class, derived within so many seconds of processor time."""

    def __init__(self, models: Models, name: str, seconds: float) -> None:
        self.models_of, self.name, self.seconds = models, name, seconds
        self.kind = models.kind
        self.base, self.first = self.begin()
        self.end = time.process_time() + seconds
        self.config = self.kind.from_dict(copy.deepcopy(self.base))
        self.found: list[tuple[Choice, Data]] = []  # choices, and what they change

    def first_derived(self) -> tuple[Data, Data]:
        """A small config and its model: rather one of which all parts run, images' ones among them."""
        why: Exception | None = None
        in_part: list[tuple[Data, Data]] = []
        for base in bases(self.models_of.model_type, self.name):
            try:
                model = derived(base)
            except Exception as error:  # whatever the class and the model's source raise
                why = error
                continue
            if not runs_in_part(model):
                return base, model
            in_part.append((base, model))
            if len(in_part) == 2:
                break
        if in_part:
            return in_part[0]
        raise why if isinstance(why, SymflopsError) else SymflopsError(f"{self.name}: {why}"[:300])

    def begin(self) -> tuple[Data, Data]:
        """A config that is derived, and its model. Numbers with a fraction are none of the special ones, where there
        may be others."""
        base, first = self.first_derived()
        known = places(self.kind.from_dict(copy.deepcopy(base)))
        others = floats(first, known, special=True)
        for choice in ([dict.fromkeys(others, USUAL)], [{path: USUAL} for path in others]):
            for one in choice if others else ():
                changed = put(base, one)
                model = self.of(changed, one)
                if model is not None:
                    base, first = changed, model
                    others = [path for path in others if path not in one]
        for choice in self.not_divisible(base, first):
            changed = put(base, choice)
            model = self.of(changed, choice)
            if model is not None and len(model["assumes"]) <= len(first["assumes"]):
                base, first = changed, model
        config = self.kind.from_dict(copy.deepcopy(base))
        numbers = Choices(base, first, config, True).of_numbers()
        if numbers and (model := self.of(put(base, numbers), numbers)) is not None:
            base, first = put(base, numbers), model
        self.models_of.bases[self.name] = base
        return base, first

    def not_divisible(self, base: Data, first: Data) -> Iterator[Choice]:
        """Sizes of real configs that do not divide each other, as an image and its patches, where those of a small one
        do: what is derived of them holds for both."""
        config = self.kind.from_dict(copy.deepcopy(base))
        choices = Choices(base, first, config, True)
        rows = [choices.made_of({k: v for k, v in one.items() if k != "sizes"}, one.get("sizes", {}))
                for one in seen(self.models_of.model_type)]  # fmt: skip
        for one, other in _DIVIDED.findall("\n".join(first["assumes"])):
            here, by = (choices.of_size(n, first["symbols"].get(n)) for n in (one, other))
            if here is not None and by is not None:
                real = ((row.get(".".join(here), 0), row.get(".".join(by), 1)) for row in rows)
                yield from ({here: a, by: b} for a, b in [next((p for p in real if p[0] % p[1]), (0, 0))] if a)

    def models(self) -> list[Data]:
        """The first model, then what choices change in it."""
        known = [_facts(self.first)]
        choices = Choices(self.base, self.first, self.config, self.models_of.brief)
        free = self.free()
        for choice, sizes in choices.of_seen(self.name):
            model = self.new(choice, known, free) if choice else self.first
            real = {} if model is None else choices.as_real(choice, model, sizes)
            if real:
                self.new(real, known, free)
            for path in real.keys() - choice.keys():
                if not choices.is_wide(path):
                    self.new(choices.with_layers({path: real[path]}), known, free)
        ones, others = self.at_one(choices)
        for choice in (*others, *choices.of_usual_numbers(), *choices.all()):
            if len(self.found) >= self.models_of.most or self.is_late(0.65):
                break
            self.new(choice, known, free)
        together = list(self.together())
        if ones and not self.is_right(ones):
            some = (name for name in ones if len(ones) > 1 and not self.is_late())
            ones = [one for one in [next((name for name in some if self.is_right([name])), "")] if one]
        first = dict(self.first)
        first |= {"free": free} if free else {}
        first |= {"ones": ones} if ones else {}
        first["together"] = together
        if others := self.other_dtypes():
            first["dtypes"] = [word for word in (None, *DTYPES) if word not in others]
        return [first, *(change for _, change in self.found)]

    def new(self, choice: Choice, known: list[tuple[str, ...]], free: list[Data]) -> Data | None:
        """The model of a choice, which is kept where it is another one than those that are known."""
        model = self.of(put(self.base, choice), choice)
        if model is not None and self.first.get("inputs", {}).keys() - model.get("inputs", {}).keys():
            return None  # of a text alone, as where an image's size does not fit: no condition says that it does not
        if model is not None and _facts(model) not in known:
            known.append(_facts(model))
            self.found.append((choice, difference(self.first, model)))
            free += self.free_rotation(choice, model)
        return model

    def other_dtypes(self) -> list[str]:
        """The formats of numbers with which something else is derived, as where a source casts what it is fed."""
        if OF_DTYPE in self.name:
            return []  # it has one
        models = {word: self.of({**self.base, "torch_dtype": word}, {}) for word in DTYPES}
        changes = {word: None if m is None else difference(self.first, m) for word, m in models.items()}
        return [word for word, change in changes.items() if change is None or change["set"] or change["gone"]]

    def is_late(self, share: float = 1.0) -> bool:
        """Whether less than a share of the time is left."""
        return time.process_time() > self.end - (1 - share) * self.seconds

    def of(self, stated: Data, choice: Choice) -> Data | None:
        """The model of a config that makes some choices; None where its class refuses it or drops them, or nothing is
        derived of it."""
        try:
            config = self.kind.from_dict(copy.deepcopy(stated))
            for path, value in choice.items():
                owner = config
                for key in path[:-1]:
                    owner = getattr(owner, key)
                kept = plain(getattr(owner, path[-1], None))
                if path[-1] != "rope_parameters" and value is not None and kept != value:
                    return None  # of null a class may compute something
            return derived(stated)
        except Exception as error:  # whatever the class and the model's source raise
            said = one_line(str(error), 150)
            self.models_of.tried.append(f"{ {p[-1]: v for p, v in choice.items()} }"[:150] + f": {said}")
            return None

    def at_one(self, choices: Choices) -> tuple[list[str], list[Choice]]:
        """The sizes that may be 1 as any other number, and those for which something else is derived."""
        ones, others = [], []
        for choice, is_real in choices.at_one():
            if self.is_late(0.3) and not is_real:
                break
            ((path, _),) = choice.items()
            name = next(n for n, paths in choices.known.items() if path in paths and n in self.first["symbols"])
            model = self.of(put(self.base, choice), choice)
            if model is not None and are_equal(self.first, model, {name: 1}):
                ones.append(name)
            elif model is not None:
                others.append(choice)
        return ones, others

    # ---------------------------------------------------------------------------------------- numbers of any value

    def free(self) -> list[Data]:
        """The numbers that no cost depends on: with others, small and large, all at once or each alone, the same is
        derived."""
        found = floats(self.first, places(self.config), special=False)
        free = self.those_free(self.base, self.first, found, {})
        done = [one["path"] for one in free]
        return [*free, *self.whole([path for path in self.fractions() if list(_own(self.base, path)) not in done])]

    def fractions(self) -> list[Path]:
        """The places of numbers that are written as fractions and are none, as 6.0."""
        known = places(self.config)
        some = (path for special in (True, False) for path in floats(self.first, known, special))
        return [path for path in some if float(at(self.base, path) or 0.5).is_integer()]

    def whole(self, paths: list[Path]) -> list[Data]:
        """The same of fractions that may be written as whole numbers: with these the same is derived."""
        if not paths:
            return []
        choice = {path: int(at(self.base, path)) for path in paths}
        model = self.of(put(self.base, choice), {})
        if model is None or not are_equal(self.first, model, {path[-1]: number for path, number in choice.items()}):
            return [one for path in paths for one in self.whole([path])] if 1 < len(paths) < 4 else []
        values = ((_own(self.base, path), at(self.base, path)) for path in paths)
        return [{"path": list(own), "stands": v, "from": v, "to": v, "not": []} for own, v in values]

    def free_rotation(self, choice: Choice, model: Data) -> list[Data]:
        """The same of the numbers of a rotary type."""
        for path, value in choice.items():
            if path[-1] == "rope_parameters" and isinstance(value, dict) and "rope_type" in value:
                kind = value["rope_type"]
                inside = [(*path, n) for n, v in value.items() if type(v) in (int, float) and n != "rope_theta"]
                inside = [p for p in inside if p[-1] != "partial_rotary_factor"]
                lists = [(*path, n) for n, v in value.items() if isinstance(v, list)]
                return self.those_free(put(self.base, choice), model, [*inside, *lists], {"type": kind})
        return []

    def those_free(self, base: Data, model: Data, paths: list[Path], more: Data) -> list[Data]:
        rest = [path for path in paths if path[-1] != "original_max_position_embeddings"]  # which another may exceed
        if paths and self.is_same(base, model, paths):
            kept = paths
        elif 0 < len(rest) < len(paths) and self.is_same(base, model, rest):
            kept = rest
        else:
            kept = [path for path in paths if 1 < len(paths) < 4 and self.is_same(base, model, [path])]
        return [{**_tried(base, path), **more} for path in kept]

    def is_same(self, base: Data, model: Data, paths: list[Path]) -> bool:
        names = {p for path in paths for p in path}
        for place in (0, 2) if self.models_of.brief else (0, 1, 2):
            stated = copy.deepcopy(base)
            for shift, path in enumerate(paths):
                value = at(base, path)
                kind = type(value[0]) if isinstance(value, list) else type(value)
                other = TRIED[kind][(place + shift) % 3]
                stated = put(stated, {path: [other] * len(value) if isinstance(value, list) else other})
            other_model = self.of(stated, {})
            change = None if other_model is None else difference(model, other_model)
            if change is None or change["set"] or change["gone"]:
                return False
            lists = [t for key, both in change["lists"].items() for side in both for t in side]
            if any(t.partition(" == ")[0] not in names for t in lists):
                return False
        return True

    # ------------------------------------------------------------------------------------------- several choices

    def together(self) -> Iterator[list[int]]:
        """Sets of choices that were made together, by their places, of which the model was the one that they make each
        for itself. Two that make another one are a choice of their own from then on."""
        waiting = {p for p in combinations(range(len(self.found)), 2) if self.may_meet(*p)}
        rng = random.Random(len(self.found))  # halves that are others each time
        for _ in range(6 if self.models_of.brief else 16):
            if not waiting or self.is_late():
                return
            chosen: list[int] = []
            for place in sorted({p for pair in waiting for p in pair}, key=lambda p: -sum(p in q for q in waiting)):
                if all(self.may_meet(*sorted((place, other))) for other in chosen):
                    chosen.append(place)
            tested = list(self.tested(rng.sample(chosen, len(chosen))))
            yield from map(sorted, tested)
            done = {pair for group in tested for pair in combinations(sorted(group), 2)}
            waiting -= done or set(combinations(sorted(chosen), 2))

    def may_meet(self, one: int, other: int) -> bool:
        """Whether two choices are of different fields, and change different places."""
        (a, change_a), (b, change_b) = self.found[one], self.found[other]
        return bool(a and b) and not a.keys() & b.keys() and are_apart([change_a, change_b])

    def tested(self, chosen: list[int]) -> Iterator[list[int]]:
        """The largest of these choices' sets that are what they make each for itself."""
        if len(chosen) < 2 or self.is_late():
            return
        every: Choice = {k: v for place in chosen for k, v in self.found[place][0].items()}
        model = self.of(put(self.base, every), every)
        if model is not None and is_made_of(self.first, [self.found[p][1] for p in chosen], model):
            yield chosen
        elif len(chosen) == 2 and model is not None:
            self.found.append((every, difference(self.first, model)))
        elif len(chosen) > 2:
            half = len(chosen) // 2
            yield from self.tested(chosen[:half])
            yield from self.tested(chosen[half:])

    def is_right(self, ones: Iterable[str]) -> bool:
        """Whether with all of some sizes at 1, and with choices made together, the same is derived."""
        known = places(self.config)
        choice: Choice = {known[n][0]: 1 for n in ones}
        for one, change in self.found:
            if not one.keys() & choice.keys() and change["set"] and all(v is not None for v in one.values()):
                merged = {**choice, **one}
                if all(len(path) == 1 or path[0] in self.base for path in merged):
                    choice = merged
                break
        stated = put(self.base, choice)
        model = self.of(stated, choice)
        if model is None:
            return len(list(ones)) == 1
        changes = [change for one, change in self.found if all(choice.get(p, self) == v for p, v in one.items())]
        one, two = (load(_file(m)) for m in (combined(self.first, changes), model))
        numbers: dict[str, Any] = dict.fromkeys(ones, 1)
        for metric in METRICS:
            a, b = (substitute(m.total(symbolic=True).value(metric), numbers) for m in (one, two))
            if a != b:
                return False
        return True


def runs_in_part(model: Mapping[str, Any]) -> bool:
    """Whether some part of a model was not run, such as that for images."""
    return any("did not run these parts" in note for note in model.get("notes", ()))


def is_made_of(first: Data, changes: list[Data], model: Data) -> bool:
    """Whether a model is the first one with some changes, and takes no more for granted."""
    made = combined(first, changes)
    if not {*model["assumes"]} <= {*made["assumes"]}:
        return False
    change = difference(made, model)
    if not change["set"] and not change["gone"]:
        return True
    try:
        one, two = (load(_file(m)).total(symbolic=True) for m in (made, model))
    except SymflopsError:
        return False
    return all(one.value(metric) == two.value(metric) for metric in METRICS)


def _file(data: Mapping[str, Any]) -> Data:
    return {k: v for k, v in data.items() if k not in _UNREAD}


def _own(base: Data, path: Path) -> Path:
    """A place in the part of the config that it is in."""
    return path[1:] if len(path) > 1 and path[0].endswith("_config") else path


def _tried(base: Data, path: Path) -> Data:
    value = at(base, path)
    kind = type(value[0]) if isinstance(value, list) else type(value)
    tried = {"from": TRIED[kind][0], "to": TRIED[kind][-1], "not": list(SPECIAL)}
    return {"path": list(_own(base, path)), "stands": value, **tried}


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
        if key == "num_labels" and part is not None and "num_labels" not in data["symbols"]:
            needs.append([prefix, key, part.num_labels])
        value = vars(part).get(key) if part is not None else None
        if type(value) is int and value < 0 and not means(key, "irrelevant"):  # a place, counted from the end
            needs.append([prefix, key, value])
    return data | ({"needs": needs} if needs else {})


def derivation_parts(config: Any) -> list[tuple[str, Any]]:
    """The parts of a config with their prefixes."""
    from symflops.trace.architecture import parts

    return parts(config)


def _facts(model: Data) -> tuple[str, ...]:
    return tuple(sorted(filter(is_said, model["assumes"]))) + tuple(sorted(model["symbols"]))


def are_equal(first: Data, other: Data, numbers: Mapping[str, int]) -> bool:
    """Whether a model with these numbers is another one, which was derived where they are so, whatever all other sizes
    are."""
    one, two = (load(_file(d)) for d in (first, other))
    settled = [f"{n} == {number}" for n, number in numbers.items()]
    known = {t for t in other["assumes"] if t not in first["assumes"] and t not in settled}
    costs = ([substitute(m.total(symbolic=True).value(metric), numbers) for metric in METRICS] for m in (one, two))
    return not any("[i]" in t or '"' in t for t in known) and next(costs) == next(costs)
