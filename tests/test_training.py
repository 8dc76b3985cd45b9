"""A step of training as a model: its parts, what it costs, what memory it takes. Expected values are counted by hand
beside each test, on a model so small that this is possible, or by PyTorch's own optimizers."""

from __future__ import annotations

import json
from typing import Any

import pytest

import symflops
from symflops.analysis import trained
from symflops.errors import SymflopsError
from symflops.numeric import evaluate
from symflops.passes.recompute import Recompute
from symflops.polynomial import symbol

Run = Any
TABLE = {"flops": "0", "matmul_flops": "0", "read_bytes": "0", "write_bytes": "0", "intermediate_bytes": "0"}


def linear(rows: str, inputs: str, outputs: str, **more: Any) -> dict[str, Any]:
    return {"formula": "linear", "args": {"N": rows, "in_features": inputs, "out_features": outputs}, **more}


def network(**more: Any) -> symflops.Model:
    """An embedding without a gradient of its own formula, L layers of two linear ones, and logits over V words."""
    embedding = {
        "cost": {"flops": 0, "matmul_flops": 0, "read_bytes": "weight_bytes*batch_size*h", "write_bytes":
                 "dtype_bytes*batch_size*h", "intermediate_bytes": 0, "parameters": "V*h"},
        "backward": {
            **TABLE, "flops": "batch_size*h", "write_bytes": "weight_bytes*V*h", "saved_bytes": "8*batch_size",
        },
        "backward_frozen": {**TABLE, "saved_bytes": "0"},
    }  # fmt: skip
    up, down = linear("batch_size", "h", "i"), linear("batch_size", "i", "h")
    layer = {"repeat": "L", "sub_layers": {"up": up, "down": down}, "output_bytes": "dtype_bytes*batch_size*h"}
    layers = {"embed": embedding, "layers": layer, "head": linear("batch_size", "h", "V")}
    return symflops.load({"name": "net", "symbols": {"h": 6, "i": 10, "L": 3, "V": 20}, "layers": layers, **more})


H, I, L, V, B = 6, 10, 3, 20, 7  # noqa: E741 - as in formulas
WEIGHTS = V * H + L * 2 * H * I + H * V


def test_a_step_is_forward_backward_and_the_optimizer_s() -> None:
    """Each matrix multiply is 2*B*h*i forward and twice that backward."""
    model = network()
    step = symflops.training(model)
    assert [part.name for part in step.root.parts] == ["forward", "backward", "optimizer"]
    matmul = 2 * B * (L * 2 * H * I + H * V)
    cost = step.total().at(batch_size=B)
    assert (cost.matmul_flops, cost.parameters) == (3 * matmul, WEIGHTS)
    loss = (5 * B * V + 3 * B) + (4 * B * V + 2 * B)  # log-softmax, negation, mean; and backward
    embedding, adamw = B * H, 14 * WEIGHTS
    assert cost.flops == 3 * matmul + loss + embedding + adamw
    paths = [place.path for place in step.places() if place.layer.is_basic]
    assert paths == [
        *(f"forward.{p}" for p in ("embed", "layers.up", "layers.down", "head", "loss")),
        *(f"backward.{p}" for p in ("embed", "layers.up", "layers.down", "head", "loss")), "optimizer",
    ]  # fmt: skip
    assert step.notes == ("a step of training: adamw in mixed precision", "the loss is cross entropy of head")


def test_what_is_not_a_model_yet_is_derived_in_training_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, bool]] = []

    def load(named: object, training: bool = False) -> symflops.Model:
        asked.append((named, training))
        return network()

    monkeypatch.setattr(trained, "load", load)
    assert trained.training("config.json").total() == symflops.training(network()).total()
    assert asked[0] == ("config.json", True)


def test_frozen_weights_have_no_gradient_and_what_comes_before_the_first_trained_one_no_backward() -> None:
    step = symflops.training(network(), trainable="layers.down, head")
    costs = {p.path: p.layer.cost for p in step.places() if p.layer.is_basic and p.path.startswith("backward")}
    assert list(costs) == ["backward.layers.up", "backward.layers.down", "backward.head", "backward.loss"]
    at = {"batch_size": B, "h": H, "i": I, "V": V}
    flops = [evaluate(cost.value("matmul_flops"), at) for cost in costs.values()]
    assert flops == [2 * B * H * I, 4 * B * H * I, 4 * B * H * V, 0]
    assert step.notes[2] == "the whole first layer of layers is counted with a backward, like the others"
    memory = symflops.memory(step, batch_size=B)
    trained = L * H * I + H * V
    assert (memory.gradients, memory.optimizer) == (2 * trained, 12 * trained)


def test_a_tied_head_is_one_weight() -> None:
    data = network().to_dict()
    data["layers"]["head"]["tied"] = "embed"
    step = symflops.training(symflops.load(data))
    assert step.total().at(batch_size=B).parameters == WEIGHTS - H * V
    assert symflops.memory(step, batch_size=B).optimizer == 12 * (WEIGHTS - H * V)
    for patterns in ("embed", "head"):  # a weight that both use is trained for both
        one = symflops.training(symflops.load(data), trainable=patterns)
        assert symflops.memory(one, batch_size=B).optimizer == 12 * V * H
        backward = {p.path: p.layer.cost.value("matmul_flops") for p in one.places() if p.path.startswith("backward.h")}
        assert evaluate(backward["backward.head"], {"batch_size": B, "h": H, "V": V}) == 4 * B * H * V
    again = symflops.load(json.loads(step.dumps()))
    assert (again.dumps(), again.plan) == (step.dumps(), step.plan)


def test_nothing_is_cached_in_training() -> None:
    """A model for inference keeps keys and values: a step of training writes none, and takes none of earlier tokens."""
    step = symflops.training("llama-2-7b-hf")
    assert not any("kv_cache" in place.path for place in step.places())
    assert "past_len" not in step.total().free_symbols
    with pytest.raises(SymflopsError, match=r"assumption broken: past_len == 0 \(with past_len=100\)"):
        step.total().at(batch_size=1, seq_len=8, past_len=100)
    forward = next(part.layer for part in step.root.parts if part.name == "forward")
    attention = next(p for p in symflops.load("llama-2-7b-hf").places() if p.path.endswith("attention"))
    assert any(p.layer.args != attention.layer.args for p in step.places() if p.path.endswith("self_attn.attention"))
    assert forward.parts[-1].name == "loss"


def test_memory_of_a_step() -> None:
    """Kept: ids; what goes into up, down and the head; of the loss log-probabilities, ids, and a sum in float32."""
    memory = symflops.memory(symflops.training(network()), batch_size=B)
    saved = 8 * B + L * (2 * B * H + 2 * B * I) + 2 * B * H + (4 * B * V + 8 * B + 4)
    assert (memory.weights, memory.gradients, memory.optimizer) == (2 * WEIGHTS, 2 * WEIGHTS, 12 * WEIGHTS)
    assert (memory.saved, memory.state) == (saved, 0)
    assert memory.peak == 14 * WEIGHTS + max(saved, 2 * WEIGHTS)
    assert memory.peak_eager == 16 * WEIGHTS + saved + memory.working_set
    for optimizer, mixed, each in (("adam", True, 12), ("adam", False, 4), ("sgd", True, 8), ("AdamW", False, 4)):
        step = symflops.training(network(), mixed=mixed, optimizer=optimizer)
        assert symflops.memory(step, batch_size=B).optimizer == each * WEIGHTS
    one = symflops.memory(symflops.training(network(), mixed=False, optimizer="sgd"), batch_size=B)
    assert one.optimizer == 2 * WEIGHTS


def test_what_a_layer_works_on_is_named() -> None:
    """Of a model for inference: the largest of what layers read and write beside weights."""
    memory = symflops.memory(network(), batch_size=B)
    assert (memory.working_set, memory.where) == (2 * B * (H + V), "head")
    assert memory.peak == 2 * WEIGHTS + 2 * B * (H + V)
    either = symflops.memory(network(), symbolic=True)
    assert either.where == "layers.up, or head"  # i or V may be larger
    for i, words in ((50, 9), (9, 50)):
        at = {"batch_size": B, "dtype_bytes": 2, "h": H, "i": i, "V": words}
        assert evaluate(either.kinds["working_set"], at) == 2 * B * (H + 50)


def test_the_largest_layer_is_that_of_the_point_that_is_asked_about() -> None:
    """Bytes of an element may be less than 1, and nothing cached yet: another layer is the largest one then."""
    sizes = {"ids": "8*batch_size", "halves": "9*dtype_bytes*batch_size", "earlier": "10*past_len*batch_size"}
    layers = {name: {"cost": {**TABLE, "parameters": "0", "read_bytes": size}} for name, size in sizes.items()}
    model = symflops.load({"name": "three", "symbols": {}, "layers": layers})
    for width in (0.25, 0.5, 0.75, 1, 2):
        for past in (0, 1, 3):
            found = symflops.memory(model, batch_size=B, past_len=past, dtype_bytes=width)
            each = {"ids": 8 * B, "halves": 9 * width * B, "earlier": 10 * past * B}
            assert found.working_set == round(max(each.values())), (width, past)
            assert found.where == max(each, key=lambda name: each[name])


def test_what_is_kept_for_the_next_call_is_no_part_of_what_a_layer_works_on() -> None:
    """Attention reads queries and writes as much, 2 bytes * B * S * heads * width each. Keys and values are state."""
    heads = {"num_kv_heads": "h", "head_dim": "i"}
    args = {**heads, "batch": "batch_size", "q_len": "seq_len", "kv_len": "seq_len + past_len", "num_heads": "4*h"}
    cache = {"formula": "kv_cache_append", "args": {**heads, "N": "batch_size*seq_len"}}
    layers = {"cache": cache, "attention": {"formula": "sdpa", "args": args}}
    model = symflops.load({"name": "attention", "symbols": {"h": H, "i": I}, "layers": layers})
    memory = symflops.memory(model, batch_size=B, seq_len=30, past_len=2, cache_bytes=1)
    assert (memory.working_set, memory.where) == (2 * 2 * B * 30 * 4 * H * I, "attention")
    assert memory.state == 2 * B * 32 * H * I


def test_layers_that_are_recomputed_keep_what_they_pass_on() -> None:
    model = network()
    step = symflops.training(model, recompute="layers")
    matmul, head = 2 * B * L * 2 * H * I, 2 * B * H * V
    assert step.total().at(batch_size=B).matmul_flops == 4 * matmul + 3 * head
    memory = symflops.memory(step, batch_size=B)
    outside = 8 * B + 2 * B * H + (4 * B * V + 8 * B + 4)
    assert memory.saved == outside + L * 2 * B * H
    inside = 2 * B * (H + I)
    assert memory.working_set >= inside
    assert step.notes[2] == "run once more: layers"
    two = symflops.memory(symflops.training(model, recompute="layers:2"), batch_size=B)
    assert two.saved == outside + 2 * 2 * B * H  # three layers are two groups
    groups = symflops.memory(symflops.training(model, recompute="layers:3"), batch_size=B)
    assert groups.saved == outside + 2 * B * H
    assert groups.working_set == max(memory.working_set, 3 * inside)
    more = symflops.memory(symflops.training(model, recompute="layers:50"), batch_size=B)
    assert (more.saved, more.working_set) == (groups.saved, groups.working_set)  # there are but three


def test_attention_that_is_recomputed_keeps_what_it_says_that_it_passes_on() -> None:
    for passed in ({}, {"saved_outputs": "10*batch_size"}):
        data = network().to_dict()
        table = {**TABLE, "saved_bytes": "100*batch_size", **passed}
        attention = {"cost": {**TABLE, "parameters": "0", "flops": "batch_size"}, "backward": table}
        data["layers"]["layers"]["sub_layers"]["eager_attention_forward"] = attention
        kept = symflops.memory(symflops.training(symflops.load(data)), batch_size=B).saved
        again = symflops.memory(symflops.training(symflops.load(data), recompute="attention"), batch_size=B)
        assert kept - again.saved == L * (100 - (10 if passed else 0)) * B


def test_a_group_around_the_layers_is_no_layer() -> None:
    data = network().to_dict()
    layers = data["layers"]
    layers["layers"] = {"class": "Body", "sub_layers": {"block": {"class": "Block", **layers["layers"]}}}
    step = symflops.training(symflops.load(data), recompute="layers")
    assert step.notes[2] == "run once more: layers.block"


def test_a_layer_that_stands_once_beside_repeated_ones_of_its_class_is_recomputed() -> None:
    data = network().to_dict()
    layer = data["layers"]["layers"]
    first = {"class": "Block", "sub_layers": layer["sub_layers"], "output_bytes": layer["output_bytes"]}
    data["layers"]["layers"] = {"sub_layers": {"first": first, "later": {**first, "repeat": "L - 1"}}}
    step = symflops.training(symflops.load(data), recompute="layers")
    assert step.total().at(batch_size=B).matmul_flops == 4 * (2 * B * L * 2 * H * I) + 3 * (2 * B * H * V)
    assert step.notes[2] == "run once more: layers.first, layers.later"
    outside = 8 * B + 2 * B * H + (4 * B * V + 8 * B + 4)
    assert symflops.memory(step, batch_size=B).saved == outside + L * 2 * B * H
    groups = symflops.training(symflops.load(data), recompute="layers:2")
    assert symflops.memory(groups, batch_size=B).saved == outside + 2 * 2 * B * H


def test_kinds_of_memory_as_texts() -> None:
    memory = symflops.memory(network(), batch_size=B)
    assert memory.text("weights") == f"{2 * WEIGHTS:,} byte, 1.200 kB"
    assert symflops.memory(network()).text("weights") == f"{WEIGHTS}*weight_bytes"
    for kind in ("weight", 3):
        with pytest.raises(SymflopsError, match=r"^no kind of memory '(weight|3)'"):
            memory.text(kind)  # type: ignore[arg-type]  # as somebody may write


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": "lion"}, "net: no such optimizer 'lion'; valid: adafactor, adam, adamw, adamw_8bit, muon, sgd"),
        ({"recompute": "half"}, "net: recompute 'half': valid are none, attention, layers and layers:k"),
        ({"recompute": "attention:2"}, "net: recompute 'attention:2': valid are none, attention, layers and layers:k"),
        ({"recompute": "layers:"}, "net: recompute 'layers:': valid are none, attention, layers and layers:k"),
        ({"recompute": "layers:0"}, "net: recompute 'layers:0': a group has at least one layer"),
        ({"recompute": "attention"}, "net: there is nothing to recompute: no layer is recognised as attention"),
        ({"trainable": "*.q_proj"}, "net: trainable '*.q_proj': no layer with weights has such a path"),
        ({"trainable": ""}, "net: no layer is trained"),
    ],
)
def test_what_cannot_be_trained_so(options: dict[str, str], message: str) -> None:
    with pytest.raises(SymflopsError) as refused:
        symflops.training(network(), **options)
    assert str(refused.value) == message


def test_a_layer_that_says_nothing_of_its_backward_is_named() -> None:
    data = network().to_dict()
    del data["layers"]["embed"]["backward"]
    with pytest.raises(
        SymflopsError, match=r"^net: embed: the cost of the backward of a layer with a cost is not stated"
    ):
        symflops.training(symflops.load(data))
    with pytest.raises(SymflopsError, match=r"^net training: it is a step of training already$"):
        symflops.training(symflops.training(network()))
    with pytest.raises(SymflopsError, match="a step of training does not generate"):
        symflops.generation(symflops.training(network()))


@pytest.mark.parametrize("name", ["optimizer", "recompute", "trainable"])
def test_what_is_no_text_is_refused(name: str) -> None:
    with pytest.raises(SymflopsError, match=f"expected {name} to be a text"):
        symflops.training("gpt2", **{name: 3})
    with pytest.raises(SymflopsError, match="expected mixed to be True or False"):
        symflops.training("gpt2", mixed=1)  # type: ignore[arg-type]  # as somebody may write


def test_groups_of_layers_may_be_a_symbol() -> None:
    assert Recompute.of("layers:k").group == symbol("k")


@pytest.mark.torch
@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_an_optimizer_s_step_does_as_many_operations(name: str) -> None:
    """PyTorch's own, one tensor at a time: of each operation what it does with an element is written beside it."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    each = {"mul_": 1, "add_": 1, "lerp_": 3, "addcmul_": 3, "sqrt": 1, "div": 1, "addcdiv_": 3}

    class Counter(TorchDispatchMode):
        flops = 0

        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            operation = function._schema.name.partition("::")[2]
            scaled = operation == "add_" and (kwargs or {}).get("alpha", 1) != 1
            if args and isinstance(args[0], torch.Tensor) and args[0].numel() > 1:
                self.flops += (each.get(operation, 0) + scaled) * args[0].numel()
            return function(*args, **(kwargs or {}))

    weight = torch.nn.Parameter(torch.ones(21))
    kinds = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "sgd": torch.optim.SGD}
    more = {"momentum": 0.9} if name == "sgd" else {}
    optimizer = kinds[name]([weight], lr=0.1, foreach=False, **more)
    weight.grad = torch.ones(21)
    optimizer.step()  # the first one makes the states
    with Counter() as counter:
        optimizer.step()
    assert symflops.load_formula(name).cost(n=21).flops == counter.flops


def test_on_the_command_line(tmp_path: Any, run: Run, refuse: Run) -> None:
    path = tmp_path / "net.json"
    path.write_text(network().dumps())
    cost = symflops.training(network()).total().at(batch_size=B)
    status, text, notes = run("total", str(path), "--training", "-B", "7", "--metric", "flops")
    said = ["a step of training: adamw in mixed precision", "the loss is cross entropy of head"]
    assert (status, notes.splitlines()) == (0, [f"note: net training: {text}" for text in said])
    assert f"{cost.flops:,}" in text
    asked = ("memory", str(path), "--training", "-B", "7", "--format", "json", "--reserve", "1k")
    data = json.loads(run(*asked)[1])
    found = symflops.memory(symflops.training(network()), batch_size=B)
    assert (data["saved"], data["peak"], data["reserved"]) == (found.saved, found.peak + 1000, 1000)
    assert refuse("total", str(path), "--recompute", "layers").startswith("--recompute says how a model is trained")
    assert "recompute" in run("show", str(path), "--training", "--recompute", "layers", "-B", "7")[1]
