"""What a layer and its formula say of the backward: whose word counts, what is refused, and what a file keeps."""

from __future__ import annotations

from typing import Any

import pytest

import symflops
from symflops.errors import SymflopsError
from symflops.formula import formula_of, load_formula
from symflops.gradients import KEYS
from symflops.layer import Layer

OWN = dict(zip(KEYS, (70, 60, 50, 40, 30, 20), strict=True))
FROZEN = {key: value + 1 for key, value in OWN.items()}
COST = {
    "flops": "n", "matmul_flops": "0", "read_bytes": "2*n", "write_bytes": "2*n", "intermediate_bytes": "0",
    "parameters": "0",
}  # fmt: skip
TABLE = {
    "flops": "3*n", "matmul_flops": "0", "read_bytes": "n", "write_bytes": "n", "intermediate_bytes": "0",
    "saved_bytes": "dtype_bytes*n",
}  # fmt: skip


def formula(weights: str = "0", **tables: Any) -> Any:
    return {"args": {"n": "elements"}, "cost": {**COST, "parameters": weights}, **tables}


def layer(**data: Any) -> Layer:
    return symflops.load({"symbols": {"h": 4}, "layers": {"one": data}}).root.parts[0].layer


def linear(**more: Any) -> Layer:
    return layer(formula="linear", args={"N": 21, "in_features": 5, "out_features": 3, "bias": 1}, **more)


def test_a_formula_says_it() -> None:
    made = formula_of("made", formula(backward=TABLE))
    wanted = {**dict.fromkeys(KEYS, 0), "flops": 21, "read_bytes": 7, "write_bytes": 7}
    for frozen in (False, True):  # without weights there is no difference
        found = made.gradients({"n": 7}, frozen=frozen)
        assert found is not None
        assert {**found, "saved_bytes": 0} == wanted
        assert str(found["saved_bytes"]) == str(made.gradients({"n": 7})["saved_bytes"])


def test_of_frozen_weights_a_formula_that_owns_some_says_nothing_by_itself() -> None:
    owner = formula_of("made", formula("n", backward=TABLE))
    assert owner.gradients({"n": 7}) is not None
    assert owner.gradients({"n": 7}, frozen=True) is None
    both = formula_of("made", formula("n", backward=TABLE, backward_frozen={**TABLE, "flops": "2*n"}))
    assert [both.gradients({"n": 7}, frozen=frozen)["flops"] for frozen in (False, True)] == [21, 14]


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"backward": {**TABLE, "flop": "1"}}, "backward: unknown key 'flop'; did you mean 'flops'?"),
        ({"backward": {**TABLE, "parameters": "1"}}, "backward: unknown key 'parameters'"),
        ({"backward": {k: v for k, v in TABLE.items() if k != "saved_bytes"}}, "backward: saved_bytes is missing"),
        ({"backward_frozen": {}}, "backward_frozen: flops is missing"),
        ({"backward": {**TABLE, "flops": "m"}}, "backward.flops: undeclared name 'm'"),
        ({"backward_frozen": {**TABLE, "flops": 1}}, "backward_frozen.flops: expected a text, got int"),
        ({"backward": 1}, "backward: expected a table"),
    ],
)
def test_a_wrong_table(tables: dict[str, Any], message: str) -> None:
    with pytest.raises(SymflopsError) as refused:
        formula_of("made", formula(**tables))
    assert str(refused.value).startswith(message)


def test_a_layer_asks_its_formula() -> None:
    """Two products of 21 x 5 x 3 multiply-adds, and the sum of 21 rows of 3 for the bias; frozen one product."""
    assert linear().gradients()["flops"] == 2 * 2 * 21 * 5 * 3 + 21 * 3
    assert linear().gradients(frozen=True)["flops"] == 2 * 21 * 5 * 3


def test_a_layer_speaks_before_its_formula() -> None:
    assert linear(backward=OWN).gradients() == OWN
    assert linear(backward=OWN).gradients(frozen=True)["flops"] == 2 * 21 * 5 * 3  # of which only the formula speaks
    assert linear(backward_frozen=FROZEN).gradients(frozen=True) == FROZEN
    assert linear(backward_frozen=FROZEN).gradients()["flops"] == 2 * 2 * 21 * 5 * 3 + 21 * 3


def test_a_layer_with_a_cost_speaks_for_itself() -> None:
    free, owner = ({"cost": {"flops": 1, "parameters": weights, "others": 0}} for weights in (0, 9))
    assert layer(**free, backward=OWN).gradients(frozen=True) == OWN  # it owns nothing that could be frozen
    with pytest.raises(SymflopsError) as refused:
        layer(**owner, backward=OWN).gradients(frozen=True)
    wanted = "the cost of the backward of a layer with a cost with frozen weights is not stated; "
    assert str(refused.value) == wanted + 'give the layer "backward_frozen"'


def test_a_tied_layer_has_gradients_all_the_same() -> None:
    data = {"formula": "linear", "args": {"N": 21, "in_features": 5, "out_features": 3}}
    model = symflops.load({"symbols": {}, "layers": {"one": data, "two": {**data, "tied": "one", "backward": OWN}}})
    tied = model.root.parts[1].layer
    assert tied.cost.by_metric["parameters"] == 0
    assert tied.gradients() == OWN
    assert tied.gradients(frozen=True)["flops"] == 2 * 21 * 5 * 3


def test_nobody_says_it() -> None:
    with pytest.raises(SymflopsError) as refused:
        layer(**{"class": "my.Sort"}, cost={"flops": 7, "others": 0}).gradients()
    assert str(refused.value) == 'the cost of the backward of my.Sort is not stated; give the layer "backward"'
    made = Layer(formula=formula_of("made", formula()), args=(("n", 3),))
    with pytest.raises(SymflopsError) as refused:
        made.gradients()
    wanted = 'the cost of the backward of made is not stated; give the layer "backward", '
    assert str(refused.value) == wanted + "or its formula made a table [backward]"
    with pytest.raises(SymflopsError, match="a group of layers has no backward of its own"):
        Layer().gradients()


def test_files_keep_it_and_layers_are_told_apart_by_it() -> None:
    data = {"formula": "linear", "args": {"N": "seq_len", "in_features": "h", "out_features": "h"}}
    own = {**OWN, "flops": "6*seq_len*h**2", "saved_bytes": "dtype_bytes*seq_len*h"}
    layers = {
        "a": data, "b": {**data, "backward": own}, "c": {**data, "backward": own},
        "d": {**data, "backward": own, "backward_frozen": FROZEN}, "e": {**data, "backward": {**own, "flops": 1}},
    }  # fmt: skip
    model = symflops.load({"name": "x", "symbols": {"h": 4}, "layers": layers})
    a, b, c, d, e = (part.layer for part in model.root.parts)
    assert b is c
    assert len({id(one) for one in (a, b, d, e)}) == 4
    written = model.to_dict()["layers"]
    assert "backward" not in written["a"]
    assert written["d"]["backward_frozen"] == FROZEN
    again = symflops.load(model.to_dict())
    assert again.dumps() == model.dumps()
    assert again.root.parts[3].layer.gradients() == d.gradients()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"backward": 1}, "layers.one.backward: expected an object, got int"),
        ({"backward": {**OWN, "parameters": 1}}, "layers.one.backward: unknown key 'parameters'"),
        ({"backward": {"saved_bytes": 0}}, "layers.one.backward: flops is missing"),
        ({"backward_frozen": {**OWN, "flops": "2*x"}}, "layers.one.backward_frozen.flops: undeclared name 'x'"),
        ({"backward": {**OWN, "flops": None}}, "layers.one.backward.flops: expected a number or a formula"),
    ],
)
def test_a_layer_that_says_it_wrongly(more: dict[str, Any], message: str) -> None:
    with pytest.raises(SymflopsError) as refused:
        linear(**more)
    assert str(refused.value).startswith(message)


def test_a_group_cannot_say_it() -> None:
    with pytest.raises(SymflopsError, match="a layer with sub_layers cannot have 'backward'"):
        layer(sub_layers={"a": {"formula": "relu", "args": {"n": 1}}}, backward=OWN)


def test_the_library_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    from symflops.cli import main

    with pytest.raises(SystemExit):
        main(["formulas", "linear"])
    shown = capsys.readouterr().out
    assert f"saved_bytes = {load_formula('linear').backwards['backward']['saved_bytes']}" in shown
