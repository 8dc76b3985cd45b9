"""Every file of the formula library: complete, its cases hold, its classes exist and have one owner."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from torch import nn
from transformers.activations import ACT2CLS

from symflops.cost import METRICS
from symflops.formula import Formula, formula_for_class, formula_names, load_formula
from symflops.gradients import FROZEN, KEYS, TABLES
from symflops.numeric import evaluate, with_defaults

pytestmark = pytest.mark.torch

FORMULAS = [load_formula(name) for name in formula_names()]
every_formula = pytest.mark.parametrize("formula", FORMULAS, ids=lambda f: f.name)

NEEDED = """
linear embedding rms_norm layer_norm group_norm batch_norm silu gelu gelu_tanh relu softmax cross_entropy sdpa
sdpa_eager rotary_table rotary matmul elementwise add mul conv1d conv2d conv3d conv_transpose1d conv_transpose2d
conv_transpose3d avg_pool1d avg_pool2d max_pool1d max_pool2d interpolate_nearest interpolate_bilinear
kv_cache_append router moe_experts selective_scan causal_conv1d gather sort topk copy concatenate pad
"""


def run(formula: Formula, given: dict[str, int]) -> dict[str, int]:
    """The six numbers of a formula; what is no argument of it is a run symbol."""
    args = {name: value for name, value in given.items() if name in formula.args}
    symbols = {name: value for name, value in given.items() if name not in formula.args}
    cost = formula.cost(**args).at(**symbols)
    return {metric: getattr(cost, metric) for metric in METRICS}


def test_the_library_has_what_models_need() -> None:
    assert [name for name in NEEDED.split() if name not in formula_names()] == []


@every_formula
def test_is_explained(formula: Formula) -> None:
    assert len(formula.about) > 5
    assert len(formula.source) > 5
    assert formula.args
    assert all(len(meaning) > 3 for meaning in formula.args.values())
    assert all(case.get("from") for case in formula.cases)


@every_formula
def test_cases_hold(formula: Formula) -> None:
    assert len(formula.cases) >= 2
    for case in formula.cases:
        expected = {metric: case[metric] for metric in METRICS if metric in case}
        assert expected.keys() >= {"flops"} or case.keys() & set(TABLES)
        assert set(case) <= {"args", "from", "state", *METRICS, *TABLES}
        numbers = run(formula, case["args"])
        assert {metric: numbers[metric] for metric in expected} == expected, case


@pytest.mark.parametrize("formula", [f for f in FORMULAS if f.backwards], ids=lambda f: f.name)
def test_cases_of_the_backward_hold(formula: Formula) -> None:
    for table in formula.backwards:
        cases = [case for case in formula.cases if table in case]
        assert cases, table
        for case in cases:
            args = {name: value for name, value in case["args"].items() if name in formula.args}
            symbols = {name: value for name, value in case["args"].items() if name not in formula.args}
            values = formula.gradients(args, frozen=table == FROZEN)
            assert values is not None
            assert set(case[table]) <= set(KEYS)
            numbers = {key: evaluate(values[key], with_defaults({**symbols})) for key in case[table]}
            assert numbers == case[table], case


@pytest.mark.parametrize("name", [formula.name for formula in FORMULAS if formula.state != "0"])
def test_cases_say_what_is_kept_for_the_next_call(name: str) -> None:
    formula = load_formula(name)
    cases = [case for case in formula.cases if "state" in case]
    assert cases
    for case in cases:
        args = {name: value for name, value in case["args"].items() if name in formula.args}
        symbols = {name: value for name, value in case["args"].items() if name not in formula.args}
        assert evaluate(formula.state_bytes(args), with_defaults(symbols)) == case["state"], case


@every_formula
def test_cases_cover_every_metric(formula: Formula) -> None:
    assert set(METRICS) <= {key for case in formula.cases for key in case}


@every_formula
def test_every_argument_is_used(formula: Formula) -> None:
    backward = [text for table in formula.backwards.values() for text in table.values()]
    used = set(re.findall(r"\w+", " ".join([*formula.texts.values(), *formula.defaults.values(), *backward])))
    of_a_pass = {"chosen"} if formula.name in ("sdpa", "sdpa_eager") else set()  # as written it changes nothing
    assert formula.args.keys() - of_a_pass <= used or formula.name == "identity"


@every_formula
def test_matmul_flops_are_part_of_flops(formula: Formula) -> None:
    for case in formula.cases:
        numbers = run(formula, case["args"])
        assert 0 <= numbers["matmul_flops"] <= numbers["flops"]


# -------------------------------------------------------------------------------------------------------------- classes


def test_a_class_has_one_formula() -> None:
    owners = Counter(name for formula in FORMULAS for name in formula.classes)
    assert [name for name, count in owners.items() if count > 1] == []


@cache
def source_of(module: str) -> str:
    parent, _, leaf = module.rpartition(".")
    spec = importlib.util.find_spec(parent)
    assert spec is not None
    assert spec.submodule_search_locations
    return (Path(spec.submodule_search_locations[0]) / f"{leaf}.py").read_text("utf-8")


def class_source(full_name: str) -> str:
    """The text of a class, without importing its module."""
    module, _, name = full_name.rpartition(".")
    found = re.search(rf"^class {name}\b.*?(?=^[^\s#)]|\Z)", source_of(module), re.MULTILINE | re.DOTALL)
    assert found, f"no class {full_name}"
    return found[0]


@every_formula
def test_classes_exist(formula: Formula) -> None:
    for name in formula.classes:
        assert class_source(name)


def test_rms_norms_have_a_plain_weight() -> None:
    """The variants that scale by 1 + weight cost more and are not claimed."""
    for name in load_formula("rms_norm").classes:
        if name.startswith("transformers."):
            source = class_source(name)
            assert "rsqrt(" in source, name
            assert not re.search(r"1(\.0)? \+ self\.weight|gate", source), name
            assert "self.bias" not in source, name


def test_expert_classes_are_gated_mlps_of_stacked_weights() -> None:
    for name in load_formula("moe_experts").classes:
        source = class_source(name)
        assert "self.act_fn(gate) * up" in source, name
        assert "2 * self.intermediate_dim, self.hidden_dim" in source, name
        assert "_bias" not in source, name


@pytest.mark.parametrize("name", sorted(ACT2CLS))
def test_every_activation_of_transformers_has_a_formula(name: str) -> None:
    entry = ACT2CLS[name]
    cls = entry[0] if isinstance(entry, tuple) else entry
    formula = formula_for_class(f"{cls.__module__}.{cls.__qualname__}")
    assert formula.args.keys() - formula.defaults.keys() == {"n"}


def test_a_short_class_name_is_found() -> None:
    assert formula_for_class("Linear").name == "linear"
    assert formula_for_class("LlamaRMSNorm").name == "rms_norm"
    assert formula_for_class(f"{nn.SiLU.__module__}.SiLU").name == "silu"
