"""The words that go with every published number: what is counted, and how."""

from __future__ import annotations

CONVENTIONS = (
    "A multiply-add is 2 FLOPs. Each elementwise arithmetic or transcendental operation is 1 per element, a reduction "
    "over n elements is n. Gather, copy, view, cast, comparison and indexing are 0.",
    "matmul_flops are those of matrix multiplies and convolutions: what PyTorch's FlopCounterMode counts.",
    "Bytes are algorithmic, not measurements of DRAM traffic: each layer reads its inputs and weights once and writes "
    "its outputs once. A fused execution moves read_bytes + write_bytes; an unfused one also writes and reads back the "
    "intermediate_bytes, each counted once, when written.",
    "Attention counts every (query, key) pair of the call; with causal = 1 exactly the unmasked ones. A sliding window "
    "keeps the last window - 1 tokens.",
    "seq_len tokens are fed in this call, past_len are already in the KV cache: prefill is past_len = 0, decoding is "
    "seq_len = 1.",
    "A mixture of experts reads the expected number of distinct experts under uniform routing. Numbers are exact; "
    "where a closed form is not whole, the nearest integer is given.",
)

# The same in the few words that a caption or a comment has room for.
CAPTION = (
    "A multiply-add is 2 FLOPs, an elementwise operation 1 per element, a reduction over n elements n; gathers, "
    "copies, casts and comparisons are 0. Bytes are algorithmic, not measured: each layer reads its inputs and "
    "weights once and writes its outputs once; intermediates are temporaries that are materialised inside a layer, "
    "counted when written."
)
