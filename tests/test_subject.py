"""What `verify` compares, and the parts that a diagnosis looks at: they add up to it."""

from __future__ import annotations

import random

import pytest

import symflops
from symflops.algebra import from_text
from symflops.cost import METRICS
from symflops.errors import SymflopsError
from symflops.numeric import evaluate
from symflops.polynomial import Value, add
from symflops.tree import write
from symflops.verification.subject import COMPARED, layer_of, places, repeat_conditions, subject

ZERO = dict.fromkeys(METRICS, "0")


def point_of(value: Value, model: symflops.Model, seed: int = 1) -> dict[str, int]:
    """The model's own numbers, and numbers for the rest."""
    draw = random.Random(seed)
    run = {name: draw.randint(1, 9) for name in sorted(subject(model, "flops").names | {"weight_bytes", "cache_bytes"})}
    return {**run, "dtype_bytes": 2, "seq_len": 7, "past_len": 3, "batch_size": 5, "causal": 1, **model.symbols}


@pytest.mark.parametrize("name", ["gpt2", "mixtral-8x7b", "mistral-7b", "qwen3-0.6b"])
@pytest.mark.parametrize("metric", COMPARED)
def test_the_layers_of_a_model_add_up_to_it(name: str, metric: str) -> None:
    model = symflops.load(name)
    whole = subject(model, metric)
    assert (whole.label, whole.model) == (name, model)
    parts = [value for _, value in whole.layers(metric)]
    point = point_of(whole.value, model)
    assert evaluate(add(0, *parts), point) == evaluate(whole.value, point)
    if metric in METRICS:
        assert whole.value == model.total(symbolic=True).value(metric)
    three = whole.scaled(3)
    assert evaluate(three.value, point) == 3 * evaluate(whole.value, point)
    assert sum(evaluate(v, point) for _, v in three.layers(metric)) == evaluate(three.value, point)
    assert from_text(write(three.tree)) == three.value
    for other in METRICS:  # a step of training has as many weights
        times = 1 if other == "parameters" else 3
        assert evaluate(three.metrics[other], point) == times * evaluate(whole.metrics[other], point)


def test_what_is_stored() -> None:
    """Of Llama 2: 6,738,415,616 weights; keys and values of 32 layers of 4096 for each token."""
    model = symflops.load("llama-2-7b-hf")
    point = {"batch_size": 3, "seq_len": 7, "past_len": 5, "weight_bytes": 2, "cache_bytes": 1, **model.symbols}
    assert evaluate(subject(model, "weights").value, point) == 2 * 6_738_415_616
    assert evaluate(subject(model, "cache").value, point) == 3 * 12 * 32 * 2 * 4096
    cost = model.total(symbolic=True)
    assert evaluate(subject(cost, "weights").value, point) == 2 * 6_738_415_616
    assert subject("S*h", "cache").value == from_text("S*h")  # a text is taken for what is compared
    for thing in (cost, symflops.load_formula("linear")):
        with pytest.raises(SymflopsError, match="says nothing of a cache"):
            subject(thing, "cache")
    with pytest.raises(SymflopsError, match="unknown metric 'flop'; did you mean 'flops'"):
        subject("s", "flop")


def test_labels_and_defaults() -> None:
    assert subject(symflops.load_formula("linear"), "flops").label == "linear"
    assert subject(symflops.load_formula("linear"), "flops").defaults == {"bias": 0}
    assert subject(symflops.load("gpt2").total(), "flops").label == "the cost"
    assert subject("a" * 60, "flops").label == "a" * 60
    assert subject("a + " + "b" * 57, "flops").label == "a + " + "b" * 53 + "..."
    assert subject("a", "flops").layers("flops") == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a + b - c", ["a", "b", "-c"]), ("-(a - b)", ["-a", "b"]), ("(a + b)/c", ["a/c", "b/c"]), ("a*b", ["a*b"]),
        ("2*(a + b)*c", ["2*a*c", "2*b*c"]), ("(a + b)*(c - d)", ["a*c", "-a*d", "b*c", "-b*d"]),
        ("min(a, b + c)", ["min(a, b + c)"]), ("a*(b + c*(d + e))", ["a*b", "a*c*d", "a*c*e"]), ("7", ["7"]),
        ("(a + b)**2", ["(a + b)**2"]), ("a + (b + c)", ["a", "b", "c"]),
    ],
)  # fmt: skip
def test_the_terms_of_a_text_as_it_was_written(text: str, wanted: list[str]) -> None:
    found = subject(text, "flops").summands
    assert found == [from_text(t) for t in wanted]
    assert add(0, *found) == from_text(text)


def model(**repeats: str) -> symflops.Model:
    layers = {name: {"repeat": repeat, "cost": ZERO | {"flops": f"h*seq_len + {i}"}}
              for i, (name, repeat) in enumerate(repeats.items())}  # fmt: skip
    return symflops.load({"name": "m", "symbols": {"h": 4, "L": 9, "k": 3}, "layers": layers})


def test_no_layer_runs_a_negative_number_of_times() -> None:
    assert repeat_conditions(model(a="L", b="2*k")) == ()
    assert set(repeat_conditions(model(a="L - k", b="k", c="2*L - k - 1"))) == {"L >= k", "2*L >= k + 1"}
    assert subject(model(a="L - k"), "flops").conditions[-1] == "L >= k"
    assert subject("a", "flops").conditions == ()


def test_one_layer_by_its_place() -> None:
    whole = model(first="L", last="2")
    one = layer_of(whole, "last")
    assert (one.name, one.total().at(seq_len=5).flops) == ("m:last", 4 * 5 + 1)
    assert [place.path for place in places(whole)] == ["first", "last"]
    llama = symflops.load("llama-2-7b-hf")
    assert layer_of(llama, "mlp.up_proj").total().at(batch_size=1, seq_len=1).matmul_flops == 2 * 4096 * 11008
    with pytest.raises(SymflopsError):
        layer_of(llama, "no_such_layer")
    norms = {"norm": {"cost": ZERO | {"flops": "h"}}, "b": {"sub_layers": {"norm": {"cost": ZERO | {"flops": "2*h"}}}}}
    outer = symflops.load({"name": "outer", "symbols": {"h": 4}, "layers": norms})
    assert layer_of(outer, "norm").total().at().flops == 4  # of places that end so the one that is just that
    with pytest.raises(SymflopsError, match="'norm' is ambiguous"):
        layer_of(symflops.load({"name": "two", "symbols": {"h": 4}, "layers": {
            "a": {"sub_layers": {"norm": {"cost": ZERO | {"flops": "h"}}}},
            "b": {"sub_layers": {"norm": {"cost": ZERO | {"flops": "2*h"}}}},
        }}), "norm")  # fmt: skip
