"""Where attention costs more than the MLP: as a formula in the sizes of any model of this family, and as a number."""

import symflops

for name in ("llama-2-7b-hf", "llama-3.1-8b", "qwen3-0.6b"):
    (solution,) = symflops.solve(name, "flops(self_attn) == flops(mlp)", "seq_len")
    print(f"{name:14} {solution.expression} = {float(solution.expression):,.1f} tokens")

# Prints:
# llama-2-7b-hf  2130332/259 = 8,225.2 tokens
# llama-3.1-8b   4195144/259 = 16,197.5 tokens
# qwen3-0.6b     392733/518 = 758.2 tokens
