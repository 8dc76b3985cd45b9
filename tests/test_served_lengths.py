"""Sequences of unequal lengths in one batch, against one call for each and counts by hand."""

from __future__ import annotations

import json
import random

import pytest
from test_served import latent_model

import symflops
from symflops.algebra import from_text, substitute
from symflops.errors import SymflopsError
from symflops.numeric import evaluate
from symflops.ragged import of_sequences
from symflops.storage import cache

POINT = {"dtype_bytes": 3, "cache_bytes": 7}


def windowed() -> symflops.Model:
    """Two layers of which one sees 5 tokens, so that windows matter at small lengths."""
    return symflops.load("mistral-7b").with_symbols({"sliding_window": 5, "num_hidden_layers": 2})


MODELS = {"latent": latent_model, "windowed": windowed, "experts": lambda: symflops.load("mixtral-8x7b")}


def batches(seed: int) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Random lengths and cached tokens of a few sequences, some of them alike."""
    rng = random.Random(seed)
    counts = [rng.randint(1, 5) for _ in range(6)]
    return [(tuple(rng.choice((1, 2, 9, 30)) for _ in range(n)), tuple(rng.choice((0, 3, 17)) for _ in range(n)))
            for n in counts]  # fmt: skip


@pytest.mark.parametrize("kind", MODELS)
def test_the_work_is_that_of_each_sequence(kind):
    """All but the weights, which are none here: at no bytes an element."""
    model = MODELS[kind]()
    one = symflops.served(model).total()
    for lengths, before in batches(7):
        together = symflops.served(model, lengths=lengths, past_lengths=before).total()
        point = {**POINT, "weight_bytes": 0}
        found = together.at(batch_size=2, **point)
        for metric in ("flops", "matmul_flops", "read_bytes", "write_bytes", "intermediate_bytes"):
            each = [one.at(batch_size=2, seq_len=s, past_len=p, **point).number(metric)
                    for s, p in zip(lengths, before, strict=True)]  # fmt: skip
            positions = (len(lengths) - 1) * position_terms(one, metric, point)
            assert sum(each) - positions <= found.number(metric) <= sum(each), metric
            if metric in ("flops", "matmul_flops"):
                assert found.number(metric) == sum(each)


def position_terms(one: symflops.Cost, metric: str, point: dict[str, int]) -> int:
    """What a call of one token costs whatever the batch: the constant of the line through batches of 1 and 2."""
    first, second = (one.at(batch_size=n, seq_len=1, past_len=0, **point).number(metric) for n in (1, 2))
    return 2 * first - second


def test_weights_are_read_once():
    """Llama 2 7B by hand: 32 layers of 4*4096**2 + 3*4096*11008, two norms each and a last one, the head, and of the
    embedding one row for each token."""
    layers = 32 * (4 * 4096**2 + 3 * 4096 * 11008 + 2 * 4096) + 4096
    lengths = (5, 70, 1)
    found = symflops.served("llama-2-7b-hf", lengths=lengths).total()
    read = [found.at(batch_size=1, **POINT, weight_bytes=w).read_bytes for w in (0, 1)]
    assert read[1] - read[0] == layers + 4096 * 32000 + 4096 * sum(lengths)


def test_experts_are_reached_by_all_tokens_together():
    """Mixtral: of 8 experts 8*(1 - (3/4)**T) are expected to be reached by T tokens that choose 2 of 8."""
    lengths = (2, 1, 3)
    found = symflops.served("mixtral-8x7b", lengths=lengths).total()
    same = symflops.served("mixtral-8x7b").total()
    weights = [c.at(batch_size=b, **s, **POINT, weight_bytes=w).read_bytes
               for c, b, s in ((found, 1, {}), (same, 6, {"seq_len": 1})) for w in (0, 1)]  # fmt: skip
    assert weights[1] - weights[0] == weights[3] - weights[2]  # six tokens either way
    experts = [row for row in symflops.served("mixtral-8x7b", lengths=lengths).rows() if "experts" in row.path]
    one = 3 * 4096 * 14336
    read = [sum(r.total.at(batch_size=1, **POINT, weight_bytes=w).read_bytes for r in experts) for w in (0, 1)]
    assert read[1] - read[0] == pytest.approx(32 * one * 8 * (1 - 0.75**6), rel=1e-9)


def test_what_is_kept_of_each_sequence():
    model = symflops.served(windowed(), lengths=(2, 9), past_lengths=(0, 30), block=4)
    per_token = 2 * 2 * 8 * 128  # two layers, keys and values, 8 heads of 128
    # A window of 5 sees 4 tokens before: of 2 tokens one block of 4; of 39 the tokens 35 to 38, in blocks 8 and 9.
    kept = evaluate(substitute(cache(model), model.symbols), {"batch_size": 3, "past_len": 0, "cache_bytes": 1})
    assert kept == 3 * per_token * (4 + 8)


def test_steps_over_caches_of_unequal_lengths():
    step = symflops.served("llama-3.1-8b", past_lengths=(100, 4000)).total()
    one = symflops.served("llama-3.1-8b").total()
    for more in (0, 5):
        found = step.at(batch_size=1, seq_len=1, past_len=more).matmul_flops
        assert found == sum(one.at(batch_size=1, seq_len=1, past_len=p + more).matmul_flops for p in (100, 4000))


def test_roofline_counts_the_tokens_of_all_sequences():
    bound = symflops.roofline(symflops.served("llama-3.1-8b", lengths=(10, 30)), "h100-sxm", batch_size=2)
    assert (bound.tokens, bound.unit, bound.turnings) == (80, "tokens", ())
    steps = symflops.roofline(symflops.served("llama-3.1-8b", past_lengths=(10, 30)), "h100-sxm", seq_len=1)
    assert (steps.tokens, steps.turnings) == (2, ())


def test_a_file_keeps_the_lengths():
    model = symflops.served("gpt2", lengths=(10, 1000), past_lengths=(0, 7))  # of 1,024 positions
    again = symflops.load(json.loads(model.dumps()))
    assert again.serving == model.serving
    assert again.total() == model.total()
    assert "seq_len" not in again.run
    for one in (model, again):
        assert one.total().at(batch_size=1, past_len=17).flops > 0  # 1000 + 7 + 17
        with pytest.raises(SymflopsError, match="1024"):
            one.total().at(batch_size=1, past_len=18)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lengths": (5, 0)}, "lengths (5, 0): expected whole numbers of at least 1"),
        ({"lengths": (5, 1.5)}, "lengths (5, 1.5): expected whole numbers of at least 1"),
        ({"past_lengths": (-1,)}, "past_lengths (-1,): expected whole numbers of at least 0"),
        ({"lengths": (5, 2), "past_lengths": (7,)}, "2 lengths and 1 past_lengths: expected one of each for every"),
        ({"lengths": (5,), "chunk": 4}, "sequences of unequal lengths are not supported together with chunk"),
        ({"lengths": (5,), "cached_prefix": 4}, "unequal lengths are not supported together with cached_prefix"),
        ({"lengths": (1,) * 10_001}, "lengths: 10,001 sequences, more than 10,000"),
    ],
)  # fmt: skip
def test_what_is_refused(options, said):
    with pytest.raises(SymflopsError) as caught:
        symflops.served("llama-2-7b-hf", **options)
    assert said in str(caught.value)


def test_a_cost_of_batch_and_lengths_otherwise_is_refused():
    with pytest.raises(SymflopsError, match="a cost depends on batch and lengths, but not on their product"):
        of_sequences(from_text("batch_size**2*seq_len"), (1, 2), (0, 0))
    tokens = from_text("ceil(batch_size*seq_len/4)*h + 3")
    assert of_sequences(tokens, (1, 2, 2), (0, 5, 5)) == from_text("ceil(5*batch_size/4)*h + 3")


def test_other_questions_say_that_they_are_of_equal_lengths():
    model = symflops.served("llama-3.1-8b", lengths=(10, 30))
    for ask in (lambda: symflops.generation(model), lambda: symflops.fit(model, "h100-sxm")):
        with pytest.raises(SymflopsError, match="for sequences of equal lengths; one call of unequal ones has a total"):
            ask()


def test_the_command_takes_lists(run):
    _, out, err = run("total", "llama-2-7b-hf", "--served", "--lengths", "512,1Ki", "--metric", "matmul_flops", "-B1")
    cost = symflops.served("llama-2-7b-hf", lengths=(512, 1024)).total().at(batch_size=1)
    assert f"{cost.matmul_flops:,}" in out
    assert "as served: 2 sequences of 512, 1024 tokens" in err
    _, _, err = run("total", "llama-2-7b-hf", "--served", "--lengths", "512,1024", "-S", "5")
    assert "--lengths are seq_len of each sequence: leave --seq-len out" in err
