"""The scripts of the calculator make of a config what the command makes of it, for every type of the atlas: the same
numbers, the same notes, the same refusals. They are run by Node, and compared with the Python that they say they port.
"""

from __future__ import annotations

import json
import random
import re
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from browsed import IS_CI, NODE
from served_site import ROOT, answers, random_config

import symflops
from symflops import algebra
from symflops.analysis.memory import memory
from symflops.atlas import entries
from symflops.atlas.answer import answer_from
from symflops.cost import METRICS
from symflops.errors import SymflopsError
from symflops.files import json_of
from symflops.model import Model, model_names
from symflops.number_format import format_names
from symflops.numeric import evaluate, whole
from symflops.passes.formats import formats
from symflops.passes.training import training
from symflops.quantization import named
from symflops.site.build import real_configs
from symflops.storage import kept_for_next_call, weights
from symflops.vocabulary.symbols import ENCODER

pytestmark = [
    pytest.mark.skipif(NODE is None and not IS_CI, reason="needs Node (Debian's nodejs)"),
    pytest.mark.usefixtures("atlas"),
    pytest.mark.xdist_group("site answers"),
]
TYPES = sorted(path.name.removesuffix(entries.ENDING) for path in (ROOT / "atlas").glob(f"*{entries.ENDING}"))
BYTES = {"dtype_bytes": 2, "weight_bytes": 1, "cache_bytes": 2}
POINT = [{"batch_size": 1, "seq_len": 8, "past_len": 0, "causal": 0, **BYTES}]


def points(rng: random.Random, own: list[str]) -> list[dict[str, int]]:
    """Three points, with numbers for symbols of a call that are a type's `own`."""
    return [
        {"batch_size": rng.choice((1, 2, 7)), "seq_len": rng.choice((1, 5, 700, 10**17)),
         "past_len": rng.choice((0, 0, 1, 5000)), "causal": rng.choice((0, 1)), **BYTES,
         **{name: 1 if name == ENCODER else rng.choice((1, 4, 300)) for name in own}}
        for _ in range(3)
    ]  # fmt: skip


def own_lengths(entry: entries.Entry) -> list[str]:
    """The symbols of a call that the models of a type have beside the usual ones: those that no config states, and
    whether the encoder runs."""
    firsts = [first for first, *_ in entry.models.values()]
    stated_nowhere = {name for first in firsts for name, value in first["symbols"].items() if value is None}
    switched = any(re.search(r'"repeat": "[^"]*\bencoder\b', json.dumps(one["layers"])) for one in firsts)
    return sorted(stated_nowhere | ({ENCODER} if switched else set()))


def of_model(model: Model, point: dict[str, int]) -> dict[str, int]:
    """A point without the symbols that other classes of the type have, which the command refuses."""
    return {name: number for name, number in point.items() if name in model.run or name in model.definitions}


def expected(model: Model, at: list[dict[str, int]]) -> Any:
    """What Python says of an answer, in the words of the harness."""
    kept = kept_for_next_call(model)

    def number(value: Any, point: dict[str, int]) -> str:
        return str(whole(evaluate(value, {**model.symbols, **point})))

    found: list[Any] = []
    for point in (of_model(model, one) for one in at):
        try:
            cost = model.total().at(**point)
            found.append(
                {
                    "totals": [str(cost.value(metric)) for metric in METRICS],
                    "weights": number(weights(model), point),
                    "kept": None if kept is None else number(kept, point),
                    "worked": str(memory(model, **point).working_set),
                }
            )
        except SymflopsError as error:
            found.append(str(error).partition(": the formula or a repeat")[0])
    symbols = {name: str(value) for name, value in model.symbols.items()}
    return {"dtype": model.dtype, "notes": list(model.notes), "symbols": symbols, "at": found}


def asked(kind: str, config: dict[str, Any], name: str, at: list[dict[str, int]], **more: Any) -> dict[str, Any]:
    texts = [{symbol: str(value) for symbol, value in point.items()} for point in at]
    return {"type": kind, "text": json.dumps(config), "name": name, "points": texts, **more}


def without_forms(found: Any) -> Any:
    """What was found, without closed forms, which are compared as such."""
    if isinstance(found, dict):
        for one in found["at"]:
            if isinstance(one, dict):
                del one["forms"]
    return found


class Tried(NamedTuple):
    """A random config, and what the scripts and Python make of it."""

    text: str
    found: Any
    wanted: Any


@pytest.fixture(scope="module")
def tried(atlas: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Tried]]:
    """Random configs of every type, by type: Node is started once."""
    jobs, wanted = [], []
    for kind in TYPES:
        rng, entry = random.Random(zlib.crc32(kind.encode())), entries.entry(kind)
        for i in range(8):
            config = {"model_type": kind} if i == 0 else random_config(entry, rng)
            at = points(rng, own_lengths(entry))
            jobs.append(asked(kind, config, f"c{i}", at))
            wanted.append(answer_or_refusal(entry, json.loads(json.dumps(config)), f"c{i}", at))
    found = answers(jobs, [entries.entry(kind) for kind in TYPES], tmp_path_factory.mktemp("node"))
    by_type: dict[str, list[Tried]] = {}
    for job, one, other in zip(jobs, found, wanted, strict=True):
        by_type.setdefault(job["type"], []).append(Tried(job["text"], without_forms(one), other))
    return by_type


def answer_or_refusal(entry: entries.Entry, config: Any, name: str, at: list[dict[str, int]]) -> Any:
    try:
        return expected(answer_from(entry, config, name), at)
    except SymflopsError as error:
        return str(error)


@pytest.mark.slow
@pytest.mark.parametrize("kind", TYPES)
def test_random_configs_are_answered_and_refused_as_by_the_command(kind: str, tried: dict[str, list[Tried]]) -> None:
    for text, found, wanted in tried[kind]:
        assert found == wanted, text


@pytest.mark.slow
def test_random_configs_are_answered_often_enough(tried: dict[str, list[Tried]]) -> None:
    every = [one for several in tried.values() for one in several]
    assert sum(isinstance(one.wanted, dict) for one in every) > len(every) / 4
    assert sum(isinstance(one.wanted, str) for one in every) > 10


def test_real_configs_have_the_numbers_of_at(tmp_path: Path) -> None:
    real = real_configs()
    assert len(real) >= 40
    rng = random.Random(1)
    every = [(name, config, points(rng, [])) for name, config in real.items()]
    kinds = sorted({config["model_type"] for config in real.values()})
    jobs = [asked(config["model_type"], config, name, at) for name, config, at in every]
    found = answers(jobs, [entries.entry(kind) for kind in kinds], tmp_path)
    for (name, config, at), one in zip(every, found, strict=True):
        model = answer_from(entries.entry(config["model_type"]), config, name)
        forms = [p["forms"] for p in one["at"] if isinstance(p, dict)]
        assert without_forms(one) == expected(model, at)
        assert forms or any(isinstance(p, str) for p in one["at"])  # a table of positions may end before
        for metric, text in zip(METRICS, forms[0] if forms else (), strict=bool(forms)):
            form = algebra.from_text(text)  # the closed form that the page prints, with the config's numbers put in
            for point in at:
                assert evaluate(form, point) == evaluate(model.total().value(metric), point), (name, metric, text)


PARAMETERS = {  # of the makers' own checkpoints, as their model cards and safetensors indices state them
    "Llama-2-7b-hf": 6_738_415_616, "Llama-3.1-8B": 8_030_261_248, "Llama-3.1-70B": 70_553_706_496,
    "gpt2": 124_439_808, "Mixtral-8x7B-v0.1": 46_702_792_704, "Qwen3-0.6B": 596_049_920,
    "Mistral-7B-Instruct-v0.2": 7_241_732_096, "DeepSeek-V3": 671_026_404_352, "gpt-oss-20b": 20_914_757_184,
    "gemma-2-9b": 9_241_705_984, "bert-base-uncased": 109_514_298, "Qwen2.5-0.5B": 494_032_768,
}  # fmt: skip


def test_parameters_are_those_of_the_checkpoints(tmp_path: Path) -> None:
    real = real_configs()
    at = [{"batch_size": 1, "seq_len": 1, "past_len": 0, "causal": 0, **BYTES}]
    jobs = [asked(real[name]["model_type"], real[name], name, at) for name in PARAMETERS]
    found = answers(jobs, [entries.entry(kind) for kind in {job["type"] for job in jobs}], tmp_path)
    assert [int(one["at"][0]["totals"][-1]) for one in found] == [*PARAMETERS.values()]


@pytest.mark.slow
def test_a_chosen_format_is_that_of_formats(tmp_path: Path) -> None:
    real = real_configs()
    at = [{"batch_size": 3, "seq_len": 5, "past_len": 7, "causal": 1, **BYTES}]
    chosen = ("Qwen3-0.6B", "Qwen3-30B-A3B", "bert-base-uncased", "gpt2", "DeepSeek-V3")
    jobs = [
        asked(real[one]["model_type"], real[one], one, at, format=name) for one in chosen for name in format_names()
    ]
    found = answers(jobs, [entries.entry(job["type"]) for job in jobs], tmp_path)
    for job, one in zip(jobs, found, strict=True):
        model = answer_from(entries.entry(job["type"]), json.loads(job["text"]), job["name"])
        if isinstance(one, str):
            with pytest.raises(SymflopsError) as caught:
                formats(model, named(job["format"]))
            assert one == str(caught.value)
        else:
            assert without_forms(one) == expected(formats(model, named(job["format"])), at)


def step(model: Model, at: list[dict[str, int]]) -> Any:
    """What Python says of a step of training, in the words of the harness."""
    trained = training(model)
    found: list[Any] = []
    for point in (of_model(model, one) for one in at):
        cost, held = trained.total().at(**point), memory(trained, **point)
        kinds = ("weights", "gradients", "optimizer", "saved")
        numbers = {kind: str(getattr(held, kind)) for kind in kinds}
        totals = [str(cost.value(metric)) for metric in METRICS]
        found.append({"totals": totals, "worked": str(held.working_set), **numbers})
    symbols = {name: str(value) for name, value in model.symbols.items()}
    return {"dtype": model.dtype, "notes": list(trained.notes), "symbols": symbols, "at": found}


def test_a_step_of_training_is_that_of_training(tmp_path: Path) -> None:
    own = dict.fromkeys((name for kind in TYPES for name in own_lengths(entries.entry(kind))), 5) | {ENCODER: 1}
    at = [{**POINT[0], **own, "batch_size": 2, "seq_len": 16}, {**POINT[0], **own, "batch_size": 3, "dtype_bytes": 4}]
    texts = [{symbol: str(value) for symbol, value in point.items()} for point in at]
    jobs = [{"model": name, "points": texts, "trained": True} for name in model_names()]
    jobs += [asked(kind, {"model_type": kind}, "c", at, trained=True) for kind in TYPES]
    found = answers(jobs, [entries.entry(kind) for kind in TYPES], tmp_path)
    answered = 0
    for job, one in zip(jobs, found, strict=True):
        wanted: Any
        try:
            model = (
                symflops.load(job["model"])
                if "model" in job
                else answer_from(entries.entry(job["type"]), {"model_type": job["type"]}, "c")
            )
            wanted = step(model, at)
            answered += 1
        except SymflopsError as error:
            wanted = str(error)
        assert without_forms(one) == wanted, job
    assert answered >= 8


HOSTILE = {
    "half a config": '{"model_type": "llama", ',
    "no comma": '{"model_type": "llama" "hidden_size": 8}',
    "no text": '{"model_type": "llama", "a": "b}',
    "more than one": '{"model_type": "llama"} {}',
    "no word": '{"model_type": "llama",\n  "a": tru}',
    "a key twice": '{"model_type": "llama", "model_type": "llama"}',
    "deep": '{"model_type": "llama", "a": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "a number of many digits": '{"model_type": "llama", "hidden_size": ' + "9" * 5000 + "}",
    "a huge size": '{"model_type": "llama", "hidden_size": ' + "8" * 400 + "}",
    "a negative size": '{"model_type": "llama", "vocab_size": -5}',
    "a depth below 0": '{"model_type": "llama", "num_hidden_layers": -1}',
    "prototypes": '{"model_type": "llama", "__proto__": {"hidden_size": 64}, "constructor": 7, "toString": null}',
    "a rope of prototypes": '{"model_type": "llama", "rope_scaling": {"__proto__": 1, "rope_type": "constructor"}}',
    "HTML": '{"model_type": "llama", "hidden_act": "<img src=x onerror=alert(1)>"}',
    "lines": '{"model_type": "llama", "hidden_act": "a\\nb\\u0000c\\u2028d"}',
    "long": '{"model_type": "llama", "hidden_act": "' + "silu" * 5000 + '"}',
    "no number": '{"model_type": "llama", "hidden_size": NaN}',
    "many layers": '{"model_type": "llama", "num_hidden_layers": 1000000000}',
    "a whole number as a double": '{"model_type": "llama", "hidden_size": 4096.0}',
    "a small double": '{"model_type": "llama", "hidden_act": 1e-07}',
    "another class": '{"model_type": "llama", "architectures": ["LlamaForNobody"]}',
    "no class": '{"model_type": "llama", "architectures": [3]}',
}


@pytest.fixture(scope="module")
def hostile(atlas: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    jobs = [{**asked("llama", {}, "c", POINT), "text": text} for text in HOSTILE.values()]
    return dict(zip(HOSTILE, answers(jobs, [entries.entry("llama")], tmp_path_factory.mktemp("node")), strict=True))


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_config_is_one_line_or_an_answer(case: str, hostile: dict[str, Any]) -> None:
    wanted: Any
    try:
        config = json_of(HOSTILE[case], constants=True)
    except SymflopsError as error:
        wanted = str(error)
    else:
        wanted = answer_or_refusal(entries.entry("llama"), config, "c", POINT)
    assert isinstance(wanted, dict) or ("\n" not in wanted and len(wanted) < 500)
    assert without_forms(hostile[case]) == wanted


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model_type": "xlm-roberta", "architectures": ["XLMRobertaModel"], "max_position_embeddings": 2},
         "c: assumption broken: seq_len + 2 <= max_position_embeddings (with max_position_embeddings=2)"),
        ({"model_type": "gemma2", "num_hidden_layers": 2**70}, "c: "),
    ],
    ids=["no token fits", "more layers than anybody would look at"],
)  # fmt: skip
def test_what_no_call_can_have_is_refused_before_one(
    atlas: None, tmp_path: Path, config: dict[str, Any], said: str
) -> None:
    entry = entries.entry(config["model_type"])
    (found,) = answers([asked(entry.model_type, config, "c", POINT)], [entry], tmp_path)
    assert found == answer_or_refusal(entry, config, "c", POINT)
    assert found.startswith(said)


def test_the_shipped_model_is_the_same_numbers(tmp_path: Path) -> None:
    at = [{"batch_size": 1, "seq_len": 2048, "past_len": 0, "causal": 0, **BYTES}]
    (found,) = answers([asked("llama", real_configs()["Llama-2-7b-hf"], "a", at)], [entries.entry("llama")], tmp_path)
    whole_model = symflops.load("llama-2-7b-hf").total().at(**at[0])
    assert found["at"][0]["totals"] == [str(whole_model.value(metric)) for metric in METRICS]
