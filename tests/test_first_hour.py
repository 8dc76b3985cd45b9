"""What somebody meets who tries symflops at a prompt: what things look like, and what is said of mistaken calls."""

from __future__ import annotations

import inspect
import pydoc
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import symflops
from symflops import SymflopsError

LLAMA = "llama-2-7b-hf"


@pytest.fixture(scope="module")
def model() -> symflops.Model:
    return symflops.load(LLAMA)


# -------------------------------------------------------------------------------------------------------------- prompts


@pytest.mark.parametrize("name", symflops.model_names())
def test_a_model_is_five_lines_that_fit(name: str) -> None:
    lines = repr(symflops.load(name)).splitlines()
    assert len(lines) == 5
    assert lines[0].startswith(f"{name}: ")
    assert max(map(len, lines)) <= 120


def test_what_the_lines_of_a_model_say(model: symflops.Model) -> None:
    first, about, parameters, flops, symbols = repr(model).splitlines()
    assert first == "llama-2-7b-hf: LlamaForCausalLM, 20 layers"
    assert about == "Llama 2 7B, a dense decoder with multi-head attention"
    assert parameters == "parameters = 6,738,415,616"  # as the model's card has them
    assert flops.startswith("flops = seq_len*(batch_size*(")
    assert symbols.startswith("symbols: batch_size, cache_bytes, causal, dtype_bytes, past_len, seq_len, weight")


def test_hostile_names_stay_on_their_line() -> None:
    zero = dict.fromkeys(symflops.METRICS, "0")
    model = symflops.load({"name": "a\nb", "about": "\x1b[2J", "layers": {"x\ty": {"cost": zero, "class": "\n"}}})
    assert repr(model).splitlines()[:2] == ["a\\nb: a model, 1 layers", "\\x1b[2J"]
    assert len(repr(model.rows()).splitlines()) == 3
    assert "\n" not in repr(model.rows()[0]) + repr(model.root.parts[0].layer)


def test_a_model_that_cannot_be_computed_says_so() -> None:
    cost = dict.fromkeys(symflops.METRICS, "0") | {"flops": "1/(n - 2)"}
    model = symflops.load({"name": "m", "symbols": {"n": 2}, "layers": {"a": {"cost": cost}}})
    assert repr(model).startswith("m: ")
    assert "zero" in repr(model)


def test_a_sweep_is_a_table_of_its_ends() -> None:
    sweep = symflops.Cost.of(flops="2*seq_len**2").sweep(seq_len=range(1, 101))
    header, *rows, count = repr(sweep).splitlines()
    assert header.split() == ["seq_len", *symflops.METRICS]
    assert [row.split()[:2] for row in rows] == [
        *([str(n), str(2 * n * n)] for n in range(1, 6)),
        ["⋮", "⋮"],
        *([str(n), f"{2 * n * n:,}"] for n in range(96, 101)),
    ]
    assert count == "100 points"
    assert len(repr(symflops.Cost.of(flops="seq_len").sweep(seq_len=[1, 2])).splitlines()) == 4


def test_rows_are_a_table(model: symflops.Model) -> None:
    header, first, *_, count = repr(model.rows()).splitlines()
    assert header.split() == ["path", "class", "repeat", "flops", "parameters"]
    assert first.split() == ["model.embed_tokens", "Embedding", "1", "0", "131072000"]  # 32,000 of width 4,096
    assert count == "20 layers"


def test_other_things_at_a_prompt(model: symflops.Model) -> None:
    assert repr(symflops.load_formula("linear")).startswith("Formula(linear(N, in_features, out_features, bias): y = ")
    assert repr(symflops.load_hardware("h100-sxm")).startswith("Hardware(h100-sxm: 1 × NVIDIA H100 SXM, 80 GB; FLOP/s ")
    assert repr(model.root.parts[0].layer) == "Layer(transformers.models.llama.modeling_llama.LlamaModel: 4 parts)"
    verdict = symflops.verify("B*S*h*V", "2*batch_size*seq_len*hidden_size*vocab_size")
    assert repr(verdict) == str(verdict)


# ---------------------------------------------------------------------------------------------------------- the package


def test_dir_has_what_users_need_and_nothing_else() -> None:
    assert dir(symflops) == sorted([*symflops.__all__, "__version__"])


def test_every_public_name_is_in_the_help_of_the_package() -> None:
    text = symflops.__doc__ or ""
    kinds = {"Answer", "Comparison", "Formula", "Hardware", "Layer", "Regimes", "Roofline", "Row", "Rows", "Solution"}
    kinds |= {"Sweep", "Verdict"}  # what the functions give
    assert [name for name in symflops.__all__ if name not in text and name not in kinds] == []
    shown = pydoc.render_doc(symflops, renderer=pydoc.plaintext)
    assert "import_module" not in shown
    assert "_HOMES" not in shown


SPECIAL = {"__init__", "__getitem__", "__add__", "__mul__", "__rmul__", "__len__", "__iter__", "_repr_html_"}


def written() -> Iterator[tuple[str, str]]:
    """The types of every parameter, result, property and field that is public, by where they stand."""
    for name in symflops.__all__:
        thing = getattr(symflops, name)
        members = vars(thing).items() if isinstance(thing, type) else [("", thing)]
        for member, value in members:
            function = inspect.unwrap(getattr(value, "fget", None) or getattr(value, "func", None) or value)
            if inspect.isfunction(function) and (not member.startswith("_") or member in SPECIAL):
                parameters = list(inspect.signature(function).parameters.values())
                for one in parameters[1:] if isinstance(thing, type) and "self" in str(parameters[:1]) else parameters:
                    yield f"{name}.{member}({one.name})", str(one.annotation)
                yield f"{name}.{member}", str(inspect.signature(function).return_annotation)
        for field, kind in vars(thing).get("__annotations__", {}).items() if isinstance(thing, type) else ():
            yield f"{name}.{field}", str(kind)


def test_what_is_taken_and_given_has_a_type() -> None:
    kinds = dict(written())
    assert len(kinds) > 200
    unknown = {name: kind for name, kind in kinds.items() if re.search(r"\bAny\b|inspect._empty", kind)}
    assert unknown == {}


# ----------------------------------------------------------------------------------------------------- mistaken calls

AT = "at(batch_size=1, seq_len=2048)"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda m: m.total("flops"),
            f"total('flops'): total takes no positional arguments; write total().flops or total().{AT}.flops",
        ),
        (
            lambda m: m.total("parameters"),
            "total('parameters'): total takes no positional arguments; write total().parameters or "
            f"total().{AT}.parameters",
        ),
        (
            lambda m: m.total(batch_size=1),
            f"total(batch_size=…): no such argument; valid: symbolic; write total().flops or total().{AT}.flops",
        ),
        (lambda m: m.total(symbolc=True), "total(symbolc=…): no such argument; did you mean 'symbolic'?"),
        (lambda m: m.total().at("flops"), f"at('flops'): at takes no positional arguments; write {AT}.flops"),
        (lambda m: m.total().at({"seq_len": 1}), f"at(a dict): at takes no positional arguments; write {AT}.flops"),
        (lambda m: m.total().at(seqlen=1), "unknown symbol 'seqlen'; did you mean 'seq_len'?"),
        (
            lambda m: m.total().sweep([1, 2]),
            "sweep(a list): sweep takes no positional arguments; write "
            'sweep(batch_size=[1, 8], seq_len=[1024, 2048])["flops"]',
        ),
        (
            lambda m: m.with_symbols(hidden_size=8),
            'with_symbols(hidden_size=…): no such argument; valid: values; write with_symbols({"hidden_size": 4096})',
        ),
        (
            lambda m: symflops.generation(m, "flops"),
            "generation(…, 'flops'): generation takes 1 positional argument; write "
            'generation("llama-2-7b-hf").at(batch_size=1, prompt_len=100, new_tokens=10).flops',
        ),
        (
            lambda m: symflops.roofline(m, "h100-sxm", 8),
            "roofline(…, 8): roofline takes 2 positional arguments; write "
            'roofline("llama-2-7b-hf", "h100-sxm", batch_size=8, seq_len=1, past_len=2048)',
        ),
        (lambda m: symflops.load(LLAMA, timeot=1), "load(timeot=…): no such argument; did you mean 'timeout'?"),
        (
            lambda m: symflops.verify("h", "h", metrics="flops"),
            "verify(metrics=…): no such argument; did you mean 'metric'?",
        ),
        (
            lambda m: symflops.regimes(m, "flops"),
            "by='flops': a metric, where a symbol is wanted; write metric='flops'",
        ),
        (
            lambda m: symflops.compare(m, "gpt2", by="flops"),
            "by='flops': a metric, where a symbol is wanted; write metric='flops'",
        ),
    ],
)
def test_mistaken_calls(model: symflops.Model, call: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(SymflopsError) as refused:
        call(model)
    assert str(refused.value) == message
