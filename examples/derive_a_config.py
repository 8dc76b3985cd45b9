"""A model from its config, without weights: a formula in every size. Needs symflops[hf]."""

from transformers import Qwen3Config

import symflops

sizes = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 4, "head_dim": 64}
model = symflops.derive(Qwen3Config(num_attention_heads=4, num_key_value_heads=2, **sizes))
print(model.total(symbolic=True).text("parameters"))
print(model.total().at(batch_size=1, seq_len=128).matmul_flops)

# Prints:
# num_hidden_layers*(hidden_size*(2*head_dim*(num_attention_heads + num_key_value_heads) + 3*intermediate_size + 2) + 2*head_dim) + hidden_size*(2*vocab_size + 1)
# 10628366336
