"""Time bounds of one decoding step against the batch: what binds, and how many tokens a second are possible."""

import symflops

for batch_size in (1, 16, 256, 1024):
    bound = symflops.roofline("llama-3.1-8b", "h100-sxm", batch_size=batch_size, seq_len=1, past_len=1000)
    print(f"batch {batch_size:5}: {bound.sentence.splitlines()[0]}")

# Prints:
# batch     1: llama-3.1-8b on h100-sxm: memory-bound, at most 221.045 tokens/s
# batch    16: llama-3.1-8b on h100-sxm: memory-bound, at most 3,091.8 tokens/s
# batch   256: llama-3.1-8b on h100-sxm: memory-bound, at most 16,419.4 tokens/s
# batch  1024: llama-3.1-8b on h100-sxm: memory-bound, at most 20,930.7 tokens/s
