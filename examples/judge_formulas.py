"""Formulas as people write them, judged: equal is a proof, different comes with what is wrong."""

import symflops

for formula in ("6*B*S*h*i", "4*B*S*h*i", "2*B*S*(3*h*i + h)"):
    verdict = symflops.verify(formula, "llama-2-7b-hf:mlp", metric="matmul_flops")
    print(f"{formula:20} {verdict.status}")
    if verdict.diagnosis:
        print("   ", verdict.diagnosis)

# Prints:
# 6*B*S*h*i            equal
# 4*B*S*h*i            different
#     off by a constant factor: the candidate is 2/3 times the reference
# 2*B*S*(3*h*i + h)    different
#     2*batch_size*seq_len*hidden_size is not in the reference
