"""A model from its config, without weights: a formula in every size. Needs symflops[hf]."""

from transformers import Qwen3Config

import symflops

sizes = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 4, "head_dim": 64}
model = symflops.derive(Qwen3Config(num_attention_heads=4, num_key_value_heads=2, **sizes))
print(model.total(symbolic=True).text("parameters", short=True))
print(model.total().at(batch_size=1, seq_len=128).matmul_flops)

# Prints:
# L*(h*(2*d*(n + n_kv) + 3*i + 2) + 2*d) + h*(2*V + 1)
# 10628366336
