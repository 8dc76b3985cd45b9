"""A prompt and its decoding steps in closed form against the steps added one by one, and caches by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symflops
from symflops.analysis.generation import cache_after
from symflops.cost import METRICS, Cost
from symflops.numeric import evaluate, with_defaults

DATA = Path(__file__).parent / "data"
# Dense, grouped, windowed (4096), experts, recurrent; latent attention with experts; chunks of 64, two kinds of layers.
GENERATING = ["llama-2-7b-hf", "llama-3.1-8b", "gpt2", "qwen3-0.6b", "mistral-7b", "mixtral-8x7b", "mamba-130m"]
MODELS = [*GENERATING, str(DATA / "deepseek-v3.json"), str(DATA / "qwen3-next.json")]
POINTS = st.fixed_dictionaries({
    "prompt_len": st.one_of(st.integers(1, 200), st.integers(4080, 4110)), "new_tokens": st.integers(1, 40),
    "batch_size": st.integers(1, 3), "causal": st.integers(0, 1), "cache_bytes": st.sampled_from([1, 2]),
})  # fmt: skip


def exactly(cost: Cost, values: dict[str, int]) -> list[Any]:
    """The six metrics without rounding expectations to whole numbers."""
    numbers = with_defaults(values)
    return [evaluate(value, numbers) for value in cost.by_metric.values()]


@pytest.mark.parametrize("name", MODELS, ids=lambda name: Path(name).stem)
@settings(max_examples=12, deadline=None)
@given(point=POINTS)
def test_the_closed_form_is_the_sum_of_the_steps(name: str, point: dict[str, int]) -> None:
    model = symflops.load(name)
    run = {n: point[n] for n in ("batch_size", "causal", "cache_bytes")}
    prompt, steps = point["prompt_len"], range(point["new_tokens"] - 1)
    passes = [run | {"seq_len": prompt}] + [run | {"seq_len": 1, "past_len": prompt + t} for t in steps]
    one_by_one = [sum(metric) for metric in zip(*(exactly(model.total(), p) for p in passes), strict=True)]
    closed = exactly(symflops.generation(model), point)
    assert dict(zip(METRICS[:-1], closed[:-1], strict=True)) == dict(zip(METRICS[:-1], one_by_one[:-1], strict=True))
    assert closed[-1] == one_by_one[-1] / len(passes)  # weights are owned once


def test_one_new_token_costs_exactly_the_prompt() -> None:
    for name in GENERATING:
        model = symflops.load(name)
        alone = model.total().at(batch_size=2, seq_len=77)
        assert symflops.generation(model).at(batch_size=2, prompt_len=77, new_tokens=1) == alone


def test_symbols_of_the_architecture_stay() -> None:
    model = symflops.load("mistral-7b")
    values: dict[str, Any] = {"batch_size": 1, "prompt_len": 4000, "new_tokens": 500, "causal": 1}
    symbolic = symflops.generation(model, symbolic=True)
    assert "sliding_window" in symbolic.free_symbols
    assert symbolic.at(**values, **model.symbols) == symflops.generation(model).at(**values)


def test_attention_alone_by_hand() -> None:
    args = {
        "batch": 1,
        "q_len": "seq_len",
        "kv_len": "seq_len + past_len",
        "num_heads": 1,
        "num_kv_heads": 1,
        "head_dim": 1,
    }
    model = symflops.load(
        {"name": "attention", "symbols": {}, "layers": {"attention": {"formula": "sdpa", "args": args}}}
    )
    # A pair costs 2 for the score, 2 for the sum and 6 for scale and softmax. Three prompt tokens make 9 pairs, or 6
    # under a causal mask; the two steps after them see 4 and 5 keys.
    cost = symflops.generation(model)
    assert cost.at(prompt_len=3, new_tokens=3).flops == 10 * (9 + 4 + 5)
    assert cost.at(prompt_len=3, new_tokens=3, causal=1).flops == 10 * (6 + 4 + 5)
    # Two bytes for each of query and output, keys and values: 3 tokens, then 1 query and 4 keys, then 1 and 5.
    assert cost.at(prompt_len=3, new_tokens=3).read_bytes == 2 * (3 + 2 * 3 + 1 + 2 * 4 + 1 + 2 * 5)
    assert cost.at(prompt_len=3, new_tokens=3).write_bytes == 2 * (3 + 1 + 1)


@pytest.mark.parametrize(
    ("name", "per_token"),
    [
        ("llama-2-7b-hf", 2 * 32 * 32 * 128 * 2),  # keys and values, layers, heads, width, bytes: 512 KiB
        ("llama-3.1-8b", 2 * 32 * 8 * 128 * 2),  # grouped: 8 of 32 heads are kept
        ("gpt2", 2 * 12 * 768 * 2),
        (str(DATA / "deepseek-v3.json"), 61 * (512 + 64) * 2),  # latent: 70.272 KB, arXiv:2505.09343, table 1
    ],
)
def test_the_cache_of_a_token(name: str, per_token: int) -> None:
    size = symflops.kv_cache(name)
    values = {"batch_size": 3, "past_len": 99, "seq_len": 1, "cache_bytes": 2}
    assert size.subs({symflops.symbol(n): v for n, v in values.items()}) == 3 * 100 * per_token


def test_the_cache_of_one_shared_head_a_window_and_a_state() -> None:
    shared = symflops.load("llama-2-7b-hf").with_symbols({"num_key_value_heads": 1})
    assert symflops.unparse(symflops.kv_cache(shared)) == "8192*cache_bytes*batch_size*(past_len + seq_len)"  # 2*32*128
    window = symflops.kv_cache("mistral-7b")
    assert str(window) == "65536*batch_size*cache_bytes*Min(4095, past_len + seq_len)"  # 2*32*8*128
    # 24 layers of 1536 channels keep 16 states and the last 4 inputs of the convolution, however long the text.
    assert str(symflops.kv_cache("mamba-130m")) == "737280*batch_size*cache_bytes"
    assert str(cache_after("llama-3.1-8b")) == "65536*batch_size*cache_bytes*new_tokens + " + (
        "65536*batch_size*cache_bytes*prompt_len - 65536*batch_size*cache_bytes"
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bert-base", "bert-base: its attention has no KV cache: an encoder does not generate"),
        ("vit-base-16", "vit-base-16: its cost does not depend on seq_len: it does not generate"),
    ],
)
def test_an_encoder_does_not_generate(name: str, message: str) -> None:
    with pytest.raises(symflops.SymflopsError) as refused:
        symflops.generation(name)
    assert str(refused.value) == message


def test_what_has_no_sum_or_no_known_state_is_refused() -> None:
    cost = dict.fromkeys(METRICS, "0") | {"flops": "seq_len*sqrt(past_len)"}
    odd = symflops.load({"name": "odd", "symbols": {}, "layers": {"root": {"cost": cost}}})
    with pytest.raises(symflops.SymflopsError, match=r"odd: flops: no closed form for the sum of sqrt\(past_len\)"):
        symflops.generation(odd)
    with pytest.raises(symflops.SymflopsError, match="does not say how large its recurrent state is"):
        symflops.kv_cache(str(DATA / "qwen3-next.json"))


def test_the_command_line(say: Any, refuse: Any) -> None:
    asked = ("generation", "llama-3.1-8b", "-B", "1", "-p", "1000", "-n", "100", "--metric", "flops")
    shown = say(*asked, "--written")
    model = symflops.load("llama-3.1-8b")
    passes = [{"seq_len": 1000}] + [{"seq_len": 1, "past_len": 1000 + t} for t in range(99)]
    assert shown.split()[1] == f"{sum(model.total().at(batch_size=1, **p).flops for p in passes):,}"
    assert f"KV cache after the last step: {1099 * 131072:,} byte" in shown
    unmasked = sum(model.total().at(batch_size=1, causal=1, **p).flops for p in passes)
    assert say(*asked).split()[1] == f"{unmasked - 999 * 2 * 4096 * 128256:,}"  # the logits of one token of the prompt
    data = json.loads(say("generation", "llama-3.1-8b", "-p", "5", "--format", "json"))
    assert "new_tokens" in data["metrics"]["flops"]
    assert data["kv_cache"] == "65536*cache_bytes*batch_size*(new_tokens + 4)"
    assert r"\begin{aligned}" in say("generation", "llama-3.1-8b", "--metric", "flops", "--format", "latex")
    assert "def llama_3_1_8b(batch_size, new_tokens, prompt_len" in say(
        "generation", "llama-3.1-8b", "--format", "python"
    )
    assert refuse("generation", "llama-3.1-8b", "-n", "0").endswith(
        "new_tokens = 0: at least 1, the token that the prompt's own pass yields"
    )
    assert refuse("generation", "bert-base").endswith("an encoder does not generate")


def test_the_last_step_is_within_the_model(refuse: Any, say: Any) -> None:
    """A prompt of 1,000 tokens and n new ones end at position 1000 + n - 1; GPT-2 has 1,024."""
    cost = symflops.generation("gpt2")
    assert cost.at(batch_size=1, prompt_len=1000, new_tokens=25).flops > 0
    assert cost.at(batch_size=1, prompt_len=1024, new_tokens=1).flops > 0
    whole = {"prompt_len": [10, 1000], "new_tokens": [2, 25]}
    assert cost.sweep(batch_size=1, **whole)["flops"].size == 4
    for point in ({"prompt_len": 1000, "new_tokens": 26}, {"prompt_len": 1025, "new_tokens": 1}):
        with pytest.raises(symflops.SymflopsError, match=r"assumption broken: seq_len \+ past_len <= n_positions"):
            cost.at(batch_size=1, **point)
        with pytest.raises(symflops.SymflopsError, match="assumption broken"):
            cost.bind(prompt_len=point["prompt_len"]).at(batch_size=1, new_tokens=point["new_tokens"])
        with pytest.raises(symflops.SymflopsError, match="assumption broken"):
            cost.sweep(batch_size=1, **{name: [1, length] for name, length in point.items()})
    assert refuse("generation", "gpt2", "-B", "1", "-p", "1025", "-n", "1").startswith(
        "gpt2: assumption broken: seq_len + past_len <= n_positions (with n_positions=1024"
    )
    assert "where prompt_len <= 1024, new_tokens + prompt_len - 1 <= 1024" in say("generation", "gpt2")


@pytest.mark.parametrize(
    ("encoder", "decoder", "is_pair"),
    [
        ("seq_len", "seq_len + past_len", True),
        ("seq_len + past_len", "seq_len + past_len", False),  # its first part keeps what it has seen
        ("1", "seq_len + past_len", False),  # no pairs of tokens
        ("seq_len", "seq_len", False),  # nothing is kept, which is another reason
    ],
)
def test_an_encoder_beside_a_decoder_is_seen_without_a_word_in_the_file(
    encoder: str, decoder: str, is_pair: bool
) -> None:
    def side(keys: str) -> dict[str, Any]:
        return {"sub_layers": {"attention": {"cost": {**dict.fromkeys(METRICS, "0"), "flops": f"4*seq_len*({keys})"}}}}

    data = {"name": "two", "layers": {"text_encoder": side(encoder), "decoder": side(decoder)}}
    if is_pair:
        with pytest.raises(symflops.SymflopsError, match="it is an encoder and a decoder"):
            symflops.generation(data)
    else:
        symflops.generation(data)
    # A name that merely begins so is no encoder.
    data["layers"] = {"encoders": side(encoder), "decoder": side(decoder)}
    symflops.generation(data)


@pytest.mark.parametrize("given", [{"prompt_len": 0, "new_tokens": 3}, {"prompt_len": 3, "new_tokens": 0}])
def test_without_a_token_of_each_there_is_no_generation(given: dict[str, int]) -> None:
    cost = symflops.generation("llama-2-7b-hf")
    listed = {name: [number, number + 1] for name, number in given.items()}
    for use in (lambda: cost.at(batch_size=1, **given), lambda: cost.bind(**given), lambda: cost.sweep(**listed),
                lambda: cost.sweep(batch_size=1, **given)):  # fmt: skip
        with pytest.raises(symflops.SymflopsError, match=r"_(len|tokens) = 0: at least 1, the "):
            use()
