"""What whole requests cost, a prompt and every decoding step, in closed form: no loop over tokens."""

import symflops

cost = symflops.generation("llama-3.1-8b")
for prompt_len, new_tokens in ((1000, 100), (8000, 1000), (100, 4000)):
    flops = cost.at(batch_size=1, prompt_len=prompt_len, new_tokens=new_tokens).flops
    print(f"{prompt_len:5} + {new_tokens:4} tokens: {flops:,} FLOP")
print("KV cache:", symflops.kv_cache("llama-3.1-8b"))

# Prints:
#  1000 +  100 tokens: 17,085,419,674,582 FLOP
#  8000 + 1000 tokens: 173,558,402,378,382 FLOP
#   100 + 4000 tokens: 66,000,203,334,982 FLOP
# KV cache: 65536*batch_size*cache_bytes*(past_len + seq_len)
