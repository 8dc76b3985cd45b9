"""The largest batch that fits beside the weights, for several lengths and caches of 2 and of 1 byte per element."""

import symflops

for length in (2048, 8192, 32768):
    for cache_bytes in (2, 1):
        answer = symflops.solve(
            "llama-3.1-8b", "weights + cache <= 80 GiB", "batch_size", seq_len=length, cache_bytes=cache_bytes
        )
        print(f"{length:6} tokens, {cache_bytes} B: {answer.sentence}")

# Prints:
#   2048 tokens, 2 B: batch_size from 1 to 260
#   2048 tokens, 1 B: batch_size from 1 to 520
#   8192 tokens, 2 B: batch_size from 1 to 65
#   8192 tokens, 1 B: batch_size from 1 to 130
#  32768 tokens, 2 B: batch_size from 1 to 16
#  32768 tokens, 1 B: batch_size from 1 to 32
