"""What the names mean that people write: one table for all commands, and what is ambiguous is asked back."""

from __future__ import annotations

from typing import Any

import pytest

import symflops
from symflops.meaning import Known, in_words, reading

RUN = ("batch_size", "seq_len", "past_len", "causal", "dtype_bytes", "weight_bytes", "cache_bytes")
LLAMA = Known(
    frozenset({*RUN, "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim"}
              | {"intermediate_size", "vocab_size"}),
    amounts=frozenset({"parameters", "active_parameters", "tokens"}),
)  # fmt: skip
MOE = Known(
    LLAMA.symbols | {"moe_intermediate_size", "first_k_dense_replace", "n_routed_experts", "num_experts_per_tok"},
    amounts=LLAMA.amounts,
)
SHORT = {
    "B": "batch_size", "S": "seq_len", "P": "past_len", "L": "num_hidden_layers", "h": "hidden_size", "V": "vocab_size",
    "i": "intermediate_size", "n": "num_attention_heads", "n_kv": "num_key_value_heads", "d": "head_dim",
}  # fmt: skip


@pytest.mark.parametrize(
    ("written", "known", "meant"),
    [
        ("B S L h n n_kv d i V P", LLAMA, SHORT),
        ("N D", LLAMA, {"N": "parameters", "D": "tokens"}),
        ("N", LLAMA, {"N": "parameters"}),
        ("N B S", LLAMA, {"N": "parameters", "B": "batch_size", "S": "seq_len"}),
        ("n_params tokens", LLAMA, {"n_params": "parameters", "tokens": "tokens"}),
        ("N_act batch_size seq_len", LLAMA, {"N_act": "active_parameters"}),
        ("d_model n_layers d_ff bsz", LLAMA, {"d_model": "hidden_size", "n_layers": "num_hidden_layers",
                                              "d_ff": "intermediate_size", "bsz": "batch_size"}),
        # one letter is left with one meaning once the others have theirs
        ("i m f h L", MOE, {"i": "intermediate_size", "m": "moe_intermediate_size", "f": "first_k_dense_replace",
                            "h": "hidden_size", "L": "num_hidden_layers"}),
        ("B S L T", LLAMA, {"B": "batch_size", "S": "seq_len", "L": "num_hidden_layers"}),  # T has none left
        ("h d_model", LLAMA, {"d_model": "hidden_size", "h": "num_attention_heads"}),  # as in Vaswani et al.
        ("foo B", LLAMA, {"B": "batch_size"}),
        ("hidden_size seq_len", LLAMA, {}),
    ],
)  # fmt: skip
def test_what_is_clear_is_taken(written: str, known: Known, meant: dict[str, str]) -> None:
    assert reading(set(written.split()), known) == dict(sorted(meant.items()))


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("T", "'T' may mean num_hidden_layers, seq_len or tokens: write out the one that is meant"),
        ("N h", "'N' may mean batch_size, num_hidden_layers, parameters or tokens: write out the one that is meant"),
        ("B S D", "'D' may mean head_dim or hidden_size: write out the one that is meant"),
        ("m f", "'f' may mean intermediate_size or moe_intermediate_size"),
        # two words for the same, and one beside the name itself
        ("B S n_embd d_model", "'d_model' and 'n_embd' may both mean hidden_size: write out the one that is meant"),
        ("hidden_size d_model", "'hidden_size' and 'd_model' may both mean hidden_size"),
    ],
)
def test_what_is_ambiguous_is_asked_back(written: str, message: str) -> None:
    known = Known(LLAMA.symbols | ({"moe_intermediate_size"} if "f" in written else set()), amounts=LLAMA.amounts)
    with pytest.raises(symflops.SymflopsError) as asked:
        reading(set(written.split()), known)
    assert str(asked.value).startswith(message)


def test_a_letter_of_the_model_itself_comes_first() -> None:
    """N is also the short name of state_size: as in 6*N*D it means parameters, alone it is asked."""
    mamba = Known(frozenset({*RUN, "hidden_size", "state_size"}), amounts=LLAMA.amounts)
    assert reading({"N", "D"}, mamba) == {"D": "tokens", "N": "parameters"}
    assert reading({"N", "B", "S", "h"}, mamba)["N"] == "state_size"
    assert reading({"N"}, Known(frozenset({"N", "h"}))) == {}


def test_solve_reads_the_same_names(say: Any) -> None:
    """6*6738415616*B*4096 <= 1e21: B at most 1e21/(6*6738415616*4096) = 6,038,526.8."""
    assert 10**21 // (6 * 6738415616 * 4096) == 6_038_526
    said = say("solve", "llama-2-7b-hf", "6*N*D <= 1e21", "--for", "batch_size", "-S", "4096")
    assert said.splitlines()[0] == "batch_size from 1 to 6,038,526"
    assert said.splitlines()[-1] == "names taken: D = tokens (batch_size*seq_len), N = parameters"


def test_words() -> None:
    assert in_words({"N": "active_parameters", "T": "seq_len"}) == "N = active parameters, T = seq_len"


def test_two_names_for_one_size_are_asked_back_by_verify() -> None:
    with pytest.raises(symflops.SymflopsError) as refused:  # lm_head has no heads that h could mean
        symflops.verify("B*S*h*d_model", "llama-2-7b-hf:lm_head")
    assert str(refused.value) == "'d_model' and 'h' may both mean hidden_size: choose with --rename h=hidden_size"
