"""How an engine feeds a call, against loops: pieces, a cached prefix, drafted tokens, blocks of the cache."""

from __future__ import annotations

import json
from itertools import product

import pytest
from test_served import latent_model

import symflops
from symflops.algebra import substitute
from symflops.errors import SymflopsError
from symflops.numeric import evaluate
from symflops.storage import cache

METRICS = ("flops", "matmul_flops", "read_bytes", "write_bytes", "intermediate_bytes")
MODELS = {"llama": "llama-3.1-8b", "window": "mistral-7b", "experts": "mixtral-8x7b"}


def windowed() -> symflops.Model:
    """Two layers of which one sees 5 tokens, so that windows matter at small lengths."""
    return symflops.load("mistral-7b").with_symbols({"sliding_window": 5, "num_hidden_layers": 2})


@pytest.fixture(params=["latent", "windowed", "experts"])
def model(request: pytest.FixtureRequest) -> symflops.Model:
    made = {"latent": latent_model, "windowed": windowed, "experts": lambda: symflops.load("mixtral-8x7b")}
    return made[request.param]()


def test_pieces_are_calls_one_after_another(model):
    plain, in_pieces = symflops.served(model).total(), symflops.served(model, chunk=4).total()
    with_head = "logits_len" in plain.free_symbols
    for length, past in product((1, 3, 4, 5, 8, 13), (0, 1, 6)):
        point = {"batch_size": 2, "dtype_bytes": 3, "weight_bytes": 5, "cache_bytes": 7}
        pieces = [(min(4, length - done), past + done) for done in range(0, length, 4)]
        found = in_pieces.at(**point, seq_len=length, past_len=past)
        for metric in METRICS:
            each = [plain.at(**point, seq_len=s, past_len=p).number(metric) for s, p in pieces]
            heads = (len(pieces) - 1) * head_of(model, metric, point) if with_head else 0
            assert found.number(metric) == pytest.approx(sum(each) - heads, abs=len(pieces))
        assert found.parameters == plain.parameters


def head_of(model: symflops.Model, metric: str, point: dict[str, int]) -> int:
    """What the logits of one row of each sequence cost: they are computed of the last piece alone."""
    (head,) = [row for row in symflops.served(model).rows() if row.path == "lm_head"]
    return head.total.at(**point, seq_len=1).number(metric)


def test_what_is_cached_is_not_fed_again(model):
    plain, shared = symflops.served(model).total(), symflops.served(model, cached_prefix=6).total()
    for length, past in product((1, 2, 6, 7, 15), (0, 2, 6, 9)):
        cached = min(max(0, 6 - past), length - 1)
        point = {"batch_size": 2, "dtype_bytes": 3, "weight_bytes": 5, "cache_bytes": 7}
        expected = plain.at(**point, seq_len=length - cached, past_len=past + cached)
        assert shared.at(**point, seq_len=length, past_len=past) == expected


def test_drafted_tokens_are_fed_in_decoding_steps(model):
    plain, drafted = symflops.served(model).total(), symflops.served(model, draft=3).total()
    for length, past in product((1, 2, 7), (0, 1, 9)):
        more = 3 if length == 1 and past > 0 else 0
        logits = {"logits_len": 1 + more} if "logits_len" in plain.free_symbols else {}
        expected = plain.at(batch_size=2, seq_len=length + more, past_len=past, **logits)
        assert drafted.at(batch_size=2, seq_len=length, past_len=past) == expected


def test_generation_in_pieces_after_a_prefix_with_drafts_is_the_sum_of_its_calls():
    model = symflops.served(windowed(), chunk=4, cached_prefix=2, draft=2)
    total = model.total()
    calls = [(11, 0), *((1, past) for past in range(11, 16))]
    whole = symflops.generation(model).at(batch_size=2, prompt_len=11, new_tokens=6)
    for metric in METRICS:
        assert whole.number(metric) == sum(
            total.at(batch_size=2, seq_len=s, past_len=p).number(metric) for s, p in calls
        )  # fmt: skip


@pytest.mark.parametrize(("block", "prefix"), [(1, 0), (1, 3), (4, 0), (4, 8), (3, 6), (16, 0)])
def test_blocks_of_the_cache_that_hold_a_token_somebody_sees(block, prefix):
    for model, window in ((windowed(), 5), (symflops.load("llama-3.1-8b"), None)):
        sizes = {"layers": model.symbols["num_hidden_layers"], "width": 2 * 8 * 128}
        served = symflops.served(model, block=block, cached_prefix=prefix)
        kept = substitute(cache(served), served.symbols)
        for tokens in range(max(prefix, 1), 30):
            first = 0 if window is None else max(0, tokens - (window - 1))
            held = {position // block for position in range(first, tokens)}
            own = sum(index * block >= prefix for index in held)
            once = len(held) - own
            expected = block * sizes["layers"] * sizes["width"] * (3 * own + once)
            assert evaluate(kept, {"batch_size": 3, "seq_len": tokens, "past_len": 0, "cache_bytes": 1}) == expected


def test_the_working_set_is_that_of_a_piece():
    point = {"batch_size": 1, "seq_len": 2048, "past_len": 0}
    pieces = symflops.memory(symflops.served("llama-3.1-8b", chunk=256), **point)
    once = symflops.memory(symflops.served("llama-3.1-8b"), **point)
    mlp = (4096 + 14336) * 2  # what gate_proj reads and writes of a token
    assert once.working_set >= 2048 * mlp
    assert pieces.working_set < once.working_set // 2
    assert pieces.state == once.state


def test_files_keep_how_they_are_served():
    served = symflops.served(windowed(), chunk=4, draft=1, block=2)
    again = symflops.load(json.loads(served.dumps()))
    point = {"batch_size": 2, "seq_len": 9, "past_len": 3}
    assert again.total().at(**point) == served.total().at(**point)
    assert symflops.memory(again, **point).state == symflops.memory(served, **point).state


def test_what_cannot_be_served_so():
    with pytest.raises(SymflopsError, match=r"^cached_prefix 10: what is cached is a whole number of blocks of 16"):
        symflops.served("gpt2", cached_prefix=10, block=16)
    with pytest.raises(SymflopsError, match=r"^bert-base: prompts in pieces of 8 tokens: for models that feed seq_len"):
        symflops.served("bert-base", chunk=8)
    with pytest.raises(SymflopsError, match=r"^chunk -1: expected a whole number of at least 0$"):
        symflops.served("gpt2", chunk=-1)
