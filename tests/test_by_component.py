"""A total as a sum over components: the terms add up, and each says which layers it comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import symflops
from symflops.cost import METRICS
from symflops.model import model_names
from symflops.polynomial import add, symbol

DATA = Path(__file__).parent / "data"
DEEPSEEK, QWEN3_NEXT = str(DATA / "deepseek-v3.json"), str(DATA / "qwen3-next.json")


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("name", [*model_names(), DEEPSEEK, QWEN3_NEXT], ids=lambda name: Path(name).stem)
def test_the_terms_add_up_to_the_total(name: str, symbolic: bool) -> None:
    model = symflops.load(name)
    terms = symflops.by_component(model, symbolic=symbolic)
    total = model.total(symbolic=symbolic)
    for metric in METRICS:
        assert add(0, *(term.cost.value(metric) for term in terms)) == total.value(metric)
    assert len({term.name for term in terms}) == len(terms)
    # Each basic layer lies below exactly one of the places.
    places = [place.path for term in terms for place in term.places]
    for row in model.rows():
        assert len([path for path in places if f"{row.path}.".startswith(f"{path}.")]) == 1, row.path


def test_a_term_has_the_layers_that_it_comes_from() -> None:
    """DeepSeek-V3: 61 layers with one attention, 3 of them with a dense and 58 with a routed MLP."""
    terms = {term.name: term for term in symflops.by_component(DEEPSEEK)}
    found = {name: [(p.path, p.runs) for p in terms[name].places] for name in ("self_attn", "0_to_2.mlp", "lm_head")}
    assert found == {
        "self_attn": [("model.layers.0_to_2.self_attn", 3), ("model.layers.3_to_60.self_attn", 58)],
        "0_to_2.mlp": [("model.layers.0_to_2.mlp", 3)],
        "lm_head": [("lm_head", 1)],
    }
    # gate, up and down of the 3 dense layers: 2*7168*18432 FLOPs a token each
    assert terms["0_to_2.mlp"].cost.text("matmul_flops") == f"{3 * 3 * 2 * 7168 * 18432}*batch_size*seq_len"
    assert [term.name for term in symflops.by_component(DEEPSEEK) if term.name.endswith(".mlp")] == [
        "0_to_2.mlp",
        "3_to_60.mlp",
    ]
    (attention,) = [term for term in symflops.by_component(DEEPSEEK, symbolic=True) if term.name == "self_attn"]
    assert add(0, *(place.runs for place in attention.places)) == symbol("num_hidden_layers")


def test_formulas_by_component(say: Any) -> None:
    lines = say("total", "mixtral-8x7b", "--by", "component", "--metric", "matmul_flops").splitlines()
    assert lines[0].split() == ["component", "layers", "matmul_flops", "is", "the", "sum", "of"]
    # q and o are 4096*4096, k and v 4096*1024; scores and what they weigh 4*4096 a pair of tokens
    assert lines[1].split()[:3] == ["self_attn", "model.layers.self_attn", "×32"]
    # the router, and 2 of 8 experts of gate, up and down
    mlp = 32 * (2 * 4096 * 8 + 2 * 3 * 2 * 4096 * 14336)
    assert lines[2].split() == ["mlp", "model.layers.mlp", "×32", f"{mlp}*batch_size*seq_len"]
    assert lines[3].split() == ["lm_head", "lm_head", f"{2 * 4096 * 32000}*batch_size*seq_len"]
    assert "norm" not in "".join(lines)  # it multiplies no matrices


def test_short_names_are_one_for_the_whole_sum(say: Any) -> None:
    text = say("total", QWEN3_NEXT, "--by", "component", "--metric", "flops,parameters", "--symbolic", "--short")
    flops, parameters, legend = text.partition("\nwhere ")[0].split("\n\n")
    assert flops.splitlines()[0].endswith("flops is the sum of")
    assert parameters.splitlines()[0].endswith("parameters is the sum of")
    assert "h = hidden_size = 2048" in legend.splitlines()
    assert "hidden_size" not in flops + parameters


def test_numbers_by_component_add_up(say: Any) -> None:
    text = say("total", DEEPSEEK, "--by", "component", "-B", "1", "-S", "16", "--metric", "flops,read_bytes")
    rows = [line.split() for line in text.splitlines() if "%" in line]
    numbers = [[int(cell.replace(",", "")) for cell in row[-3:-1]] for row in rows]
    exact = symflops.load(DEEPSEEK).total().at(batch_size=1, seq_len=16)
    assert [sum(column) for column in zip(*numbers[:-1], strict=True)] == numbers[-1] == [exact.flops, exact.read_bytes]
    assert rows[-1][0] == "total"
    assert "model.layers.3_to_60.self_attn ×58" in text


def test_halves_are_rounded_so_that_they_add_up(say: Any, tmp_path: Path) -> None:
    """Three layers of 5/2 each: halves go up, and 7.5 is 8: the terms are 3, 2 and 3."""
    path = tmp_path / "m.json"
    layers = {name: {"cost": {"flops": "seq_len/2", "others": 0}} for name in ("a", "b", "c")}
    path.write_text(json.dumps({"name": "m", "layers": layers}))
    arguments = ("total", str(path), "-S", "5", "--metric", "flops", "--format", "json")
    data = json.loads(say(*arguments, "--by", "component"))
    assert (data["metrics"], [c["flops"] for c in data["components"]]) == ({"flops": 8}, [3, 2, 3])
    assert json.loads(say(*arguments))["metrics"] == {"flops": 8}


def test_json_by_component(say: Any) -> None:
    data = json.loads(say("total", "gpt2", "--by", "component", "--metric", "parameters", "--format", "json"))
    assert data["metrics"] == {"parameters": "124439808"}
    found = {c["component"]: (c["layers"], c["parameters"]) for c in data["components"]}
    assert found["wpe"] == ([{"path": "transformer.wpe", "runs": 1}], str(1024 * 768))
    assert found["ln_1"] == ([{"path": "transformer.h.ln_1", "runs": 12}], str(12 * 2 * 768))
    assert sum(int(parameters) for _, parameters in found.values()) == 124439808


def test_latex_by_component(say: Any) -> None:
    lines = say("total", "bert-base", "--by", "component", "--metric", "parameters", "--format", "latex").splitlines()
    names = [line.partition(" &= ")[0] for line in lines[1:-1]]
    assert lines[1].startswith(r"\mathrm{parameters} &= \mathrm{parameters}_{\text{")
    assert len(names) == len(set(names)) > 5
    # nothing is left out: every term of the sum has a line
    assert all(name in lines[1] + lines[2] + lines[3] for name in names[1:] if name.startswith(r"\mathrm"))


@pytest.mark.latex
def test_latex_by_component_compiles(say: Any, tmp_path: Path) -> None:
    from test_export_latex import compile_latex

    compile_latex(
        say("total", DEEPSEEK, "--by", "component", "--symbolic", "--format", "latex", "--standalone"), tmp_path
    )


def test_a_program_has_no_components(refuse: Any) -> None:
    expected = "--by component is for --format text, json, latex, not c"
    assert refuse("total", "gpt2", "--by", "component", "--format", "c") == expected


def test_a_long_formula_names_the_other_form(run: Any) -> None:
    status, out, err = run("total", DEEPSEEK, "--metric", "flops", "--symbolic")
    assert (status, max(map(len, out.splitlines())) > 300) == (0, True)
    assert err == "note: --by component gives a long formula as a sum, with the layers that each term comes from\n"
    assert run("total", DEEPSEEK, "--metric", "flops", "--symbolic", "--by", "component")[2] == ""
    assert run("total", "gpt2", "--metric", "parameters")[2] == ""
