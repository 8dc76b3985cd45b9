"""The atlas: a config.json is answered without PyTorch and transformers, exactly, or it is said why not."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from counted_llama import LLAMA, matmul_flops_of_a_llama, parameters_of_a_llama

import symflops
from symflops.atlas import choices, entries
from symflops.atlas.answer import _check_first, _drop_unknown, _is_count, answer, answer_from
from symflops.atlas.plain import ConfigClass, PlainConfig, config_of, stand_in
from symflops.errors import SymflopsError
from symflops.trace.config_values import ConfigValues

HIDDEN = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hidden())
import importlib.util
plain = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: (
    None if name.partition(".")[0] in ("torch", "transformers") else plain(name, package))
from symflops.cli import main
main(sys.argv[1:])
"""
ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The entries that come with the package, which other tests do without."""
    monkeypatch.delenv(entries.ATLAS, raising=False)


@pytest.fixture
def alone(tmp_path: Path) -> Any:
    """Run a command on a config where there is neither torch nor transformers; gives status, stdout and stderr."""

    def run(command: str, config: dict[str, Any], *options: str) -> tuple[int, str, str]:
        path = tmp_path / "config.json"
        path.write_text(json.dumps(config))
        words = [sys.executable, "-c", HIDDEN, *command.split(), str(path), *options]
        environment = {k: v for k, v in os.environ.items() if k != entries.ATLAS}
        done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
        return done.returncode, done.stdout, done.stderr

    return run


def test_a_total_without_pytorch_is_what_is_counted_by_hand(alone: Any) -> None:
    status, out, err = alone("total", LLAMA, "-B", "1", "-S", "7", "--format", "json")
    found = json.loads(out)
    assert (status, found["metrics"]["parameters"]) == (0, parameters_of_a_llama(LLAMA))
    assert found["metrics"]["matmul_flops"] == matmul_flops_of_a_llama(LLAMA, 7)
    assert [n for n in found["notes"] if "from the atlas, as derived by symflops" in n]
    assert "note: " in err
    assert "from the atlas" in err


@pytest.mark.parametrize("command", ["show", "table", "sweep", "memory"])
def test_every_command_answers_without_pytorch(alone: Any, command: str) -> None:
    status, out, err = alone(command, LLAMA)
    assert (status, bool(out)) == (0, True), err


def test_choices_are_made_together() -> None:
    both = {**LLAMA, "tie_word_embeddings": True, "attention_bias": True, "num_key_value_heads": 1}
    assert answer(both, "both").total().parameters == parameters_of_a_llama(both, tied=True, biases=True)
    assert (
        answer({**both, "hidden_act": "relu"}, "x").total().at(batch_size=1, seq_len=3).flops
        < answer({**both, "hidden_act": "gelu"}, "x").total().at(batch_size=1, seq_len=3).flops
    )


def test_what_is_computed_from_other_fields_and_called_otherwise() -> None:
    unstated = {k: v for k, v in LLAMA.items() if k != "num_key_value_heads"}
    every_head = {**LLAMA, "num_key_value_heads": 4}
    assert answer({**unstated, "num_key_value_heads": None}, "x").total().parameters == parameters_of_a_llama(
        every_head
    )
    wide = {**LLAMA, "head_dim": 40}
    assert answer(wide, "x").total().parameters == parameters_of_a_llama(wide)


def test_a_broken_condition_is_named_and_what_to_install(alone: Any) -> None:
    status, out, err = alone("total", {**LLAMA, "hidden_act": "quick_gelu"})
    assert (status, out) == (3, "")
    assert 'assumption broken: hidden_act == "silu" (with hidden_act="quick_gelu")' in err
    assert err.endswith("; deriving it needs PyTorch and transformers: pip install 'symflops[hf]'\n")
    assert err.count("\n") == 1


def test_a_type_that_the_atlas_has_not(alone: Any) -> None:
    status, _, err = alone("total", {"model_type": "of_nobody"})
    assert status == 3
    assert "the atlas has no type 'of_nobody'; deriving it needs PyTorch and transformers" in err


def test_to_derive_can_be_forced(alone: Any) -> None:
    status, _, err = alone("total", LLAMA, "--derive")
    assert status == 3
    assert "deriving a model needs PyTorch and transformers" in err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"architectures": ["LlamaForSequenceClassification"]}, "the atlas has no LlamaForSequenceClassification"),
        ({"architectures": 7}, "architectures: expected a list of names of classes"),
        ({"per_layer_config": {"0": {"head_dim": 3}}}, "per_layer_config is stated, of which the atlas knows nothing"),
        ({"rope_scaling": [1]}, "rope_parameters is no object"),
        ({"hidden_size": "64", "head_dim": 16}, 'hidden_size is "64" there, not a number'),
        ({"num_key_value_heads": 3}, "num_attention_heads % num_key_value_heads == 0"),
        ({"head_dim": 7}, "head_dim % 2 == 0"),
        ({"hidden_size": None}, "head_dim is unknown there, not a number"),
    ],
)
def test_what_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(SymflopsError) as refused:
        answer({**LLAMA, **change}, "x").total()
    assert said in str(refused.value)


def test_a_number_that_no_cost_depends_on_may_be_another_within_what_was_tried() -> None:
    scaling = {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 8192}  # fmt: skip
    assert answer({**LLAMA, "rope_scaling": scaling}, "x").total().flops == answer(LLAMA, "x").total().flops
    with pytest.raises(SymflopsError, match="rope_parameters"):
        answer({**LLAMA, "rope_scaling": {**scaling, "factor": 1e9}}, "x")


def test_two_choices_that_change_one_place_are_no_answer() -> None:
    def change(value: int, less: str, more: str) -> dict[str, Any]:
        return {"set": [[["layers", "a"], value]], "gone": [], "lists": {"assumes": [[less], [more]]}}

    base = {"layers": {"a": 0}, "assumes": ["x == true", "y == true"], "together": [[0, 1]]}
    changes = [change(1, "x == true", "x == false"), change(2, "y == true", "y == false")]
    made = choices.fitting(base, changes, lambda text: text in ("x == false", "y == true"))
    assert made is not None
    assert (made["layers"], made["assumes"]) == ({"a": 1}, ["y == true", "x == false"])
    assert choices.fitting(base, changes, lambda text: text.endswith("false")) is None


def test_choices_that_were_not_derived_together_are_no_answer() -> None:
    """A model of which two choices interact, as a bias that only one of two activations has: alone each is known."""

    def change(place: str, less: str, more: str) -> dict[str, Any]:
        return {"set": [[["layers", place], 2]], "gone": [], "lists": {"assumes": [[less], [more]]}}

    base = {"layers": {"a": 1, "b": 1}, "assumes": ["x == true", "y == true"], "together": []}
    changes = [change("a", "x == true", "x == false"), change("b", "y == true", "y == false")]
    assert choices.fitting(base, changes, lambda text: text.endswith("false")) is None
    both = {
        "set": [[["layers", "a"], 7]],
        "gone": [],
        "lists": {"assumes": [base["assumes"], ["x == false", "y == false"]]},
    }
    derived = choices.fitting(base, [*changes, both], lambda text: text.endswith("false"))
    assert derived is not None
    assert derived["layers"] == {"a": 7, "b": 1}


def test_sizes_that_are_equal_are_a_choice() -> None:
    base = {"symbols": {"wide": 40, "hidden": 48}, "assumes": ["wide != hidden"], "layers": {"projection": {}}}
    equal = {"set": [], "gone": [["layers", "projection"]], "lists": {"assumes": [["wide != hidden"], []]}}
    without = choices.fitting(base, [equal], lambda text: text != "wide != hidden")
    assert without is not None
    assert without["layers"] == {}
    assert choices.fitting(base, [equal], lambda _: True) == base


def test_a_field_that_is_stated_twice() -> None:
    known = ConfigClass("t", {"n": 4}, {"width": "n"})
    assert vars(config_of({"width": 5, "n": 5}, "t", {"t": known})) == {"n": 5}
    with pytest.raises(SymflopsError, match="n is stated twice, as width, too, and is not the same"):
        config_of({"width": 5, "n": 6}, "t", {"t": known})


def test_a_list_of_numbers_that_no_cost_depends_on() -> None:
    tried = {"path": ["factors"], "stands": [2.5, 2.5], "from": 0.5, "to": 9.0, "not": []}
    for given, stands in (([1.0, 3], [2.5, 2.5]), ([1.0], [1.0]), ([1.0, 99.0], [1.0, 99.0]), (["a", 1], ["a", 1])):
        made = PlainConfig()
        vars(made).update(factors=given)
        stand_in(made, [tried])
        assert vars(made) == {"factors": stands}


def test_a_condition_with_a_number_for_a_size_is_a_choice() -> None:
    base = {"symbols": {"window": 8, "heads": 4}, "assumes": [], "layers": {}, "together": [[1, 0]]}
    none = {"set": [], "gone": [["symbols", "window"]], "lists": {"assumes": [[], ["window == null"]]}}
    one = {"set": [], "gone": [], "lists": {"assumes": [[], ["heads == 1"]]}}
    says = {"window == null", "heads == 1"}
    assert choices.fitting(base, [none, one], says.__contains__) == {
        "symbols": {"heads": 4}, "layers": {}, "assumes": ["heads == 1", "window == null"], "together": [[1, 0]],
    }  # fmt: skip
    assert choices.fitting(base, [none, one], lambda _: False) == base


def test_a_kind_of_which_the_first_layer_alone_was_derived() -> None:
    """A first layer without a norm, as ModernBERT's, which is of the kind that later ones are of, too."""
    kinds = 'kinds[i] in ["full", "sliding"]'
    model = symflops.load({
        "name": "derived", "assumes": [kinds], "symbols": {"num_full_layers": 1, "num_sliding_layers": 2},
        "layers": {"a": {"formula": "linear", "args": {"N": "seq_len", "in_features": 2, "out_features": 2}}},
    })  # fmt: skip
    config = PlainConfig()
    vars(config).update(kinds=["full", "sliding", "full"])
    values = ConfigValues(model, config)
    _check_first(values, {"num_full_layers": 1, "num_sliding_layers": 9})
    with pytest.raises(SymflopsError, match="of its 2 layers of the type 'full' the first alone was derived"):
        _check_first(values, {"num_full_layers": 2, "num_sliding_layers": 1})


def test_an_unknown_field_is_equal_to_nothing() -> None:
    known = ConfigClass("t", {"n": 4, "kinds": None}, rules=({"field": "kinds", "rule": "?"},))
    made = config_of({}, "t", {"t": known})
    assert repr(vars(made)["kinds"]) == "unknown"
    assert vars(config_of({"kinds": ["a"]}, "t", {"t": known}))["kinds"] == ["a"]


def test_a_stand_in_is_put_for_numbers_alone() -> None:
    made = PlainConfig()
    vars(made).update(scale=True, other="2.0")
    stand_in(made, [{"path": [name], "stands": 9.0, "from": 0, "to": 5, "not": []} for name in ("scale", "other")])
    assert vars(made) == {"scale": True, "other": "2.0"}


def test_every_entry_says_how_it_was_made_and_is_packed_as_it_lies() -> None:
    assert "llama" in entries.types()
    size = 0
    for name in entries.types():
        found = entries.entry(name)
        assert {"symflops", "commit", "date", "transformers", "torch"} <= found.provenance.keys()
        assert found.checked["derived"] > 0
        assert found.models
        assert found.default
        content = (ROOT / "atlas" / f"{name}{entries.ENDING}").read_bytes()
        assert entries.packed(found.data) == content
        size += len(content)
    assert size < 2 * 2**20


def test_the_page_of_coverage_says_of_each_type_whether_the_atlas_has_it() -> None:
    text = (ROOT / "docs" / "coverage-atlas.md").read_text("utf-8")
    here, _, others = text.partition("## Not in the atlas")
    listed = [line.split(" | ")[0].removeprefix("| ") for line in here.splitlines() if line.startswith("| ")][2:]
    assert listed == [*entries.types()]
    missing = [line.split(" | ")[0].removeprefix("| ") for line in others.splitlines() if line.startswith("| ")][2:]
    assert missing
    assert not {*missing} & {*listed}


def test_the_types_are_listed(run: Any) -> None:
    status, out, _ = run("atlas")
    assert status == 0
    assert any(line.startswith("llama ") and "LlamaForCausalLM" in line for line in out.splitlines())
    status, out, _ = run("atlas", "list", "--format", "json")
    assert [row["type"] for row in json.loads(out)] == list(entries.types())


def test_checks_that_are_none(refuse: Any) -> None:
    assert refuse("atlas", "check") == "CONFIG is missing: which config is to be checked?"
    assert "takes no config" in refuse("atlas", "list", "x.json")


@pytest.mark.torch
def test_a_check_derives_and_compares(run: Any, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    status, out, _ = run("atlas", "check", str(tmp_path))
    assert status == 0
    assert "all 6 metrics are equal, from the atlas" in out


@pytest.mark.torch
@pytest.mark.parametrize("seed", range(2))
def test_entries_are_what_is_derived_of_random_configs(seed: int) -> None:
    """Of a few types in every run; `benchmarks/atlas.py` does it for each when it makes it."""
    rng = random.Random(seed)
    kind = rng.choice([t for t in entries.types() if len(entries.entry(t).classes) == 1])
    found = entries.entry(kind)
    defaults = found.classes[kind].defaults
    stated: dict[str, Any] = {"model_type": kind, "architectures": [found.default]}
    stated |= {n: v * 2 for n, v in defaults.items() if n in ("vocab_size", "intermediate_size", "hidden_size") and v}
    try:
        here = answer(stated, kind)
    except SymflopsError:
        return  # refused, which is no wrong answer
    there = symflops.derive(stated)
    for metric in symflops.cost.METRICS:
        point = {"batch_size": 2, "seq_len": 9, "past_len": 0}
        assert here.total().at(**point).value(metric) == there.total().at(**point).value(metric)


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3"])
def test_the_class_of_configs_makes_the_same_of_random_ones(kind: str) -> None:
    transformers = pytest.importorskip("transformers")
    from symflops.trace.config_values import literal

    found, rng = entries.entry(kind), random.Random(3)
    compared = 0
    for _ in range(60):
        heads = rng.choice([2, 4, 8])
        stated: dict[str, Any] = {"num_attention_heads": heads, "hidden_size": heads * rng.choice([8, 16])}
        stated |= {"num_hidden_layers": rng.randint(1, 6), "num_key_value_heads": rng.choice([None, 1, 2])}
        stated |= rng.choice([{}, {"rope_theta": 1e6}, {"rope_scaling": {"type": "linear", "factor": 2.0}}])
        stated |= rng.choice([{}, {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 2}])
        config = transformers.CONFIG_MAPPING[kind].from_dict(json.loads(json.dumps(stated)))
        made = vars(config_of(stated, kind, found.classes))
        for name in ("head_dim", "num_key_value_heads", "layer_types", "sliding_window", "rope_parameters"):
            if name in vars(config):
                assert literal(made[name]) == literal(vars(config)[name]), (name, stated)
                compared += 1
    assert compared > 100


# ------------------------------------------------------------------------- what classes read beside their fields


def tiny(**more: Any) -> dict[str, ConfigClass]:
    return {"tiny": ConfigClass("tiny", {"n": 4, "width": 8, "kinds": None}, **more)}


def test_a_name_that_is_no_field_and_that_the_class_reads() -> None:
    """As `sliding_window_pattern`: without it every fourth layer is a full one, with it every so-manieth."""
    every = ["every", "n", "pattern", 1, {"is": "sliding"}, {"is": "full"}]
    usual = ["every", "n", {"is": 4}, 1, {"is": "sliding"}, {"is": "full"}]
    rule = {"field": "kinds", "rule": ["if", ["given", "pattern"], every, usual]}
    known = tiny(rules=(rule,), beside={"pattern": {"of": ["int"], "popped": True}})
    assert vars(config_of({}, "tiny", known))["kinds"] == ["sliding"] * 3 + ["full"]
    made = vars(config_of({"pattern": 2}, "tiny", known))
    assert made == {"n": 4, "width": 8, "kinds": ["sliding", "full"] * 2}
    for value in ("2", 2.0, True, None, [2], {}):
        with pytest.raises(SymflopsError, match="pattern is stated, which the type tiny reads in a way of its own"):
            config_of({"pattern": value}, "tiny", known)


def test_the_share_of_a_head_that_is_rotated_as_a_number_of_it() -> None:
    share = {"by": "rotated", "rule": ["/", "rotated", "width"]}
    known = tiny(rope={"type": "default", "unsure": [], "share": share}, beside={"rotated": {"of": ["int"]}})
    made = vars(config_of({"rotated": 2}, "tiny", known))
    assert made["rope_parameters"] == {"rope_type": "default", "partial_rotary_factor": 0.25}
    assert vars(config_of({}, "tiny", known))["rope_parameters"] == {"rope_type": "default"}
    with pytest.raises(SymflopsError, match="a way of its own to read rope_parameters"):
        config_of({"rotated": 2, "partial_rotary_factor": 0.5}, "tiny", known)


def test_layers_that_a_text_spells() -> None:
    rule = {"field": "kinds", "rule": ["spelled", "pattern", {"M": "mamba", "*": "attention"}]}
    known = tiny(rules=(rule,), beside={"pattern": {"of": ["str"], "popped": True}})
    assert vars(config_of({"pattern": "M*M"}, "tiny", known))["kinds"] == ["mamba", "attention", "mamba"]
    assert repr(vars(config_of({"pattern": "M?"}, "tiny", known))["kinds"]) == "unknown"


@pytest.mark.parametrize(
    ("part", "stated", "inside"),
    [
        ({"flat": True}, {"width": 2}, {"n": 4, "width": 2, "kinds": None}),
        ({"flat": True}, {"width": 2, "text": {"n": 3}}, {"n": 3, "width": 8, "kinds": None}),
        ({"values": {"n": 6}}, {"text": {"width": 2}}, {"n": 4, "width": 2, "kinds": None}),
        ({"values": {"n": 6}, "filled": True}, {"text": {"width": 2}}, {"n": 6, "width": 2, "kinds": None}),
        ({"over": True}, {"text": {"n": 3, "else": 1}, "text_dict": {"width": 2}},
         {"n": 4, "width": 2, "kinds": None, "else": 1}),
    ],
)  # fmt: skip
def test_a_part_that_is_stated_otherwise(part: dict[str, Any], stated: dict[str, Any], inside: dict[str, Any]) -> None:
    whole = ConfigClass("whole", {"text": None}, parts={"text": {"class": "tiny", **part}})
    made = config_of(stated, "whole", tiny() | {"whole": whole})
    assert vars(vars(made)["text"]) == inside


def test_a_part_that_is_stated_beside_it_where_nobody_knows_what_becomes_of_that() -> None:
    whole = ConfigClass("whole", {"text": None}, parts={"text": {"class": "tiny", "flat": "?"}})
    with pytest.raises(
        SymflopsError, match="width is stated without text, which the type may read in a way of its own"
    ):
        config_of({"width": 2}, "whole", tiny() | {"whole": whole})


def test_a_rule_over_what_a_part_says() -> None:
    tied = {"field": "n", "rule": "text.n", "always": True}
    whole = ConfigClass("whole", {"text": None, "n": 1}, parts={"text": {"class": "tiny"}}, rules=(tied,))
    assert vars(config_of({"text": {"n": 3}}, "whole", tiny() | {"whole": whole}))["n"] == 3


@pytest.mark.torch
@pytest.mark.parametrize(
    ("kind", "stated"),
    [
        ("cohere2", {"sliding_window_pattern": 2, "num_hidden_layers": 4}),
        ("gemma3_text", {"sliding_window_pattern": 3, "num_hidden_layers": 7}),
        ("falcon", {"n_embed": 142}),
        ("lfm2", {"block_ff_dim": 96}),
        ("modernbert", {"global_attn_every_n_layers": 2}),
        ("gpt_neox", {"rotary_pct": 1}),
        ("glm_moe_dsa", {"num_experts": 12}),
    ],
)
def test_what_a_class_reads_beside_its_fields_is_read_or_refused(kind: str, stated: dict[str, Any]) -> None:
    transformers = pytest.importorskip("transformers")
    from symflops.trace.config_values import literal

    config = transformers.CONFIG_MAPPING[kind].from_dict(dict(stated))
    classes = entries.entry(kind).classes
    refused = [name for name in stated if "int" not in classes[kind].beside.get(name, {"of": ["int"]})["of"]]
    if refused:
        with pytest.raises(SymflopsError, match=f"{refused[0]} is stated, which the type .* reads in a way of its own"):
            config_of(stated, kind, classes)
        return
    made = vars(config_of(stated, kind, classes))
    for name in ("layer_types", "hidden_size", "intermediate_size", "rope_parameters", "n_routed_experts"):
        if name in vars(config):
            assert literal(made[name]) == literal(json.loads(json.dumps(vars(config)[name]))), name


def test_a_size_that_a_part_states_and_its_class_does_not_know() -> None:
    """As Voxtral's sound part with key-value heads: which part's they are would depend on the order of the parts."""
    parts = {"sound_config": {"class": "sound"}, "text_config": {"class": "tiny"}}
    known = tiny() | {
        "sound": ConfigClass("sound", {"depth": 2}),
        "whole": ConfigClass("whole", dict.fromkeys(parts), parts=parts),
    }
    made = config_of({"sound_config": {"width": 8}}, "whole", known)
    _drop_unknown(made, {"width"})
    assert vars(vars(made)["sound_config"]) == {"depth": 2, "width": 8}
    made = config_of({"sound_config": {"width": 16}}, "whole", known)
    for asked in ({"width"}, {"sound_width"}):
        with pytest.raises(SymflopsError, match="sound_config states width = 16, which its class does not know"):
            _drop_unknown(made, asked)
    _drop_unknown(made, {"depth"})
    assert vars(vars(made)["sound_config"]) == {"depth": 2}


def test_another_format_of_numbers_than_those_that_were_derived() -> None:
    """A source that casts images to the format of its weights: with another one there is a cast more."""
    found = entries.entry("llama")
    (base, *changes) = found.models["LlamaForCausalLM"]
    models = {"LlamaForCausalLM": [{**base, "dtypes": [None, "float32"]}, *changes]}
    other = entries.Entry("llama", {**found.data, "models": models})
    assert answer_from(other, {**LLAMA, "torch_dtype": "float32"}, "x").symbols
    with pytest.raises(SymflopsError, match=r'dtype == "float32" \(with dtype="float16"'):
        answer_from(other, {**LLAMA, "torch_dtype": "float16"}, "x")


def test_a_class_in_other_letters() -> None:
    found = entries.entry("llama")
    other = entries.Entry("llama", {**found.data, "other_letters": ["LlamaForCausalLM"]})
    named = {**LLAMA, "architectures": ["LLaMAForCausalLM"]}
    made = answer_from(other, named, "x")
    said = "architectures names LLaMAForCausalLM, which transformers does not have: LlamaForCausalLM is used for it"
    assert said in made.notes
    assert made.total().parameters == answer(LLAMA, "x").total().parameters
    with pytest.raises(SymflopsError, match="the atlas has no LLaMAForCausalLM"):
        answer_from(entries.Entry("llama", {**found.data, "other_letters": []}), named, "x")


def test_a_depth_that_nobody_could_list_is_answered_or_refused_at_once() -> None:
    """A list of 2^70 layers fits into no memory: where layers are told apart by their places it was to be made."""
    refusals = []
    for kind in entries.types():
        for field in ("num_hidden_layers", "num_layers", "encoder_layers", "depth", "n_layer"):
            try:
                answer({"model_type": kind, field: 2**70}, "deep")
            except SymflopsError as error:
                refusals.append(str(error))
    assert refusals
    assert all(said.startswith("deep: ") and "\n" not in said for said in refusals)


@pytest.mark.parametrize(("symbol", "is_count"), [("num_layers", False), ("num_num_heads_3_layers", True)])
def test_how_many_layers_there_are_in_all_is_no_count_of_a_kind(symbol: str, is_count: bool) -> None:
    """Swin v2's `num_layers` is a depth; taken for a count, the command and the page named different conditions."""
    assert _is_count(symbol) is is_count
