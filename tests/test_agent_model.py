"""`agent model` over real HTTP: layers from the module tree of a config, compared with the derivation.

The right answer is the shipped Llama 2 7B, written by hand from the source; its config is the default of the type.
"""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from messages_api import Played, message, use

import symflops
from symflops.agent import model as agent_model
from symflops.errors import SymflopsError
from symflops.formula import data_folder
from symflops.source import derive

pytestmark = pytest.mark.torch

SHIPPED = json.loads((data_folder("models") / "llama-2-7b-hf.json").read_text())
RIGHT = {"symbols": SHIPPED["symbols"], "layers": SHIPPED["layers"]}
FLOPS = 29_295_586_971_648  # of the shipped model, batch 1, 2048 tokens: see test_models.py


@pytest.fixture(autouse=True, scope="module")
def derived_once() -> Iterator[None]:
    derived = functools.cache(derive)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agent_model, "derive", lambda config: derived(config))
        yield


def answer(**changes: Any) -> Any:
    return message(use(copy.deepcopy(RIGHT) | changes, name="write_model"))


def without(*path: str) -> dict[str, Any]:
    """The right layers but for one."""
    layers: dict[str, Any] = copy.deepcopy(RIGHT["layers"])
    place = layers
    for name in path[:-1]:
        place = place[name]["sub_layers"]
    del place[path[-1]]
    return layers


def test_a_right_model_is_written(api: Played, run: Any, tmp_path: Path) -> None:
    api.replies = [answer()]
    target = tmp_path / "llama.json"
    status, out, err = run("agent", "model", "llama", "-o", str(target))
    assert (status, out) == (0, "")
    assert "equal to the derivation of transformers.models.llama.modeling_llama.LlamaForCausalLM" in err
    model = symflops.load(str(target))
    assert model.total().at(batch_size=1, seq_len=2048).flops == FLOPS
    assert model.doubts == ()
    question = api.requests[0]["messages"][0]["content"]
    assert '"class": "torch.nn.modules.linear.Linear"' in question
    assert '"num_hidden_layers": 32' in question
    assert "sdpa(" in question


def test_a_forgotten_layer_comes_back_by_name(api: Played, run: Any) -> None:
    api.replies = [answer(layers=without("model", "layers", "mlp", "act_fn")), answer()]
    status, out, _ = run("agent", "model", "llama")
    assert status == 0
    assert json.loads(out)["name"] == "llama"
    said = api.requests[1]["messages"][2]["content"][0]["content"]
    assert "missing 4*batch_size*seq_len*intermediate_size*num_hidden_layers: model.layers.mlp.act_fn" in said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"layers": without("model", "layers", "mlp", "up_proj")}, "parameters, and the modules have 6,738,415,616"),
        ({"layers": without("model", "layers", "input_layernorm")}, "parameters, and the modules have 6,738,415,616"),
        ({"layers": {}}, "0 parameters, and the modules have 6,738,415,616"),
        ({"layers": {"a": {"formula": "linaer"}}}, "layers.a: unknown formula 'linaer'; did you mean 'linear'?"),
        ({"layers": {"a": {"formula": "/etc/passwd.toml"}}}, "layers.a: unknown formula"),
        ({"layers": {"a": {"cost": {"flops": "open('x')"}}}}, "layers.a.cost: matmul_flops is missing"),
        ({"name": "another"}, "unknown key 'name'"),
        ({"symbols": {"hidden": 1}}, "symbols: 'hidden' is none of"),
    ],
)
def test_a_wrong_model_is_not_written(
    api: Played,
    run: Any,
    tmp_path: Path,
    changes: dict[str, Any],
    said: str,
) -> None:
    api.replies = [answer(**changes)]
    target = tmp_path / "llama.json"
    status, out, err = run("agent", "model", "llama", "-o", str(target), "--rounds", "1", "--accept-unproven")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert said in err
    assert not target.exists()


def test_conditions_of_an_answer_do_not_make_it_right(api: Played, run: Any) -> None:
    """Where seq_len is 0 no layer costs anything, and where a symbol is what another one is, wrong names are right."""
    layers = without("model", "layers", "mlp", "act_fn")
    symbols = SHIPPED["symbols"] | {"hidden_size": 1}
    api.replies = [answer(layers=layers, assumes=["seq_len == 0"], symbols=symbols)]
    status, _, err = run("agent", "model", "llama", "--rounds", "1")
    assert status == 1
    assert "model.layers.mlp.act_fn" in err


def test_without_a_derivation_nothing_is_proved(
    api: Played,
    run: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def refuses(*_: Any, **__: Any) -> None:
        raise SymflopsError("the control flow depends on the values of tensors")

    monkeypatch.setattr(agent_model, "derive", refuses)
    api.replies = [answer()]
    target = tmp_path / "llama.json"
    status, _, err = run("agent", "model", "llama", "-o", str(target))
    assert status == 2
    assert "not compared with a derivation" in err
    assert not target.exists()
    assert run("agent", "model", "llama", "-o", str(target), "--accept-unproven")[0] == 0
    assert symflops.load(str(target)).unproven.startswith("loaded, with as many weights")
    assert "unproven: llama: loaded, with as many weights" in run("total", str(target), "-B", "1", "-S", "1")[1]
    assert json.loads(target.read_text())["unproven"]


def test_what_is_no_config_is_one_line(api: Played, run: Any) -> None:
    status, out, err = run("agent", "model", "lama")
    assert (status, out) == (3, "")
    assert err == "symflops: error: lama: no such file, directory or model type; did you mean 'llama'?\n"
    assert api.requests == []
