"""The examples that stand below every `--help`; a test runs all of them."""

from __future__ import annotations

from collections.abc import Mapping

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "": (
        "symflops total llama-2-7b-hf",
        "symflops total llama-2-7b-hf -B 1 -S 2k",
        "symflops derive llama -o my.json",
        "symflops show my.json --depth 3",
    ),
    "total": (
        "symflops total llama-2-7b-hf",
        "symflops total llama-2-7b-hf -B 1,8 -S 2k --metric flops,read_bytes",
        "symflops total mixtral-8x7b -B 8 -S 1 -P 4k --weight-bytes 1",
        "symflops total mixtral-8x7b --by component --metric flops",
        "symflops total llama-2-7b-hf --set hidden_size=8192 -B 1 -S 1",
        "symflops total llama-2-7b-hf --metric flops -o flops.c",
        "symflops total Qwen3-8B/config.json -B 1 -S 2k",
    ),
    "memory": (
        "symflops memory llama-2-7b-hf",
        "symflops memory llama-2-7b-hf -B 1 -S 4k --reserve 2GiB",
        "symflops memory Qwen3-8B/config.json --training --recompute layers -B 1 -S 32",
    ),
    "fit": (
        "symflops fit llama-3.1-8b --hardware h100-sxm -B 32 -S 8k",
        "symflops fit llama-3.1-8b --hardware l40s --devices 2 --weight-bytes 1 -S 8k --reserve 2GiB",
        "symflops fit llama-2-7b-hf --hardware h100-sxm --training --lora 16 -B 1 -S 4k",
    ),
    "show": (
        "symflops show llama-2-7b-hf --depth 3",
        "symflops show llama-2-7b-hf -B 1 -S 2k --metric flops",
    ),
    "sweep": (
        "symflops sweep llama-2-7b-hf",
        "symflops sweep llama-2-7b-hf -S 128:4096:*2 -B 1,8 -o sweep.csv",
        "symflops sweep llama-2-7b-hf --chart per-token -o sweep.svg",
    ),
    "table": (
        "symflops table llama-2-7b-hf",
        "symflops table llama-2-7b-hf mixtral-8x7b -B 1 -S 2k",
        "symflops table llama-2-7b-hf --standalone -o table.tex",
    ),
    "report": (
        "symflops report llama-2-7b-hf -o llama.html",
        "symflops report llama-2-7b-hf mixtral-8x7b -B 1 -S 2k -o both.html",
    ),
    "solve": (
        "symflops solve llama-2-7b-hf 'flops(self_attn) == flops(mlp)' --for seq_len",
        "symflops solve llama-2-7b-hf 'weights + cache <= 80 GiB' --for batch_size -S 4k",
    ),
    "regimes": (
        "symflops regimes llama-2-7b-hf",
        "symflops regimes llama-2-7b-hf --by past_len --metric read_bytes",
    ),
    "generation": (
        "symflops generation llama-3.1-8b -B 1 -p 1000 -n 100",
        "symflops generation llama-3.1-8b --metric flops",
        "symflops generation llama-3.1-8b --hardware h100-sxm -B 8 -p 1000 -n 100 --metric flops",
    ),
    "compare": (
        "symflops compare llama-2-7b-hf llama-3.1-8b",
        "symflops compare llama-2-7b-hf '2*N per token' --within 5%",
    ),
    "roofline": (
        "symflops roofline llama-3.1-8b --hardware h100-sxm",
        "symflops roofline llama-3.1-8b --hardware h100-sxm -B 64 -S 1 -P 100 --measured 3120tok/s",
    ),
    "hardware": (
        "symflops hardware",
        "symflops hardware h100",
    ),
    "verify": (
        "symflops verify '6*B*S*h*i' --against llama-2-7b-hf:mlp --metric matmul_flops",
        "symflops verify 'ceil(s/128)' --against '(s + 127) // 128'",
    ),
    "derive": (
        "symflops derive llama -o my.json",
        "symflops derive Qwen3-8B/config.json -o qwen.json",
        "symflops derive torch.nn.Conv2d",
    ),
    "inspect": (
        "symflops inspect mixtral",
        "symflops inspect Qwen3-8B/config.json --format json",
    ),
    "formulas": (
        "symflops formulas",
        "symflops formulas sdpa",
    ),
    "models": (
        "symflops models",
        "symflops models llama-2-7b-hf -o my.json",
    ),
    "atlas": (
        "symflops atlas",
        "symflops atlas check Qwen3-8B/config.json",
    ),
    "site": ("symflops site -o site",),
    "cache": (
        "symflops cache",
        "symflops cache --clear",
    ),
    "agent": (
        "symflops agent formula torch.nn.GroupNorm",
        "symflops agent model Qwen3-8B/config.json -o qwen.json",
    ),
    "agent formula": ("symflops agent formula torch.nn.GroupNorm",),
    "agent model": ("symflops agent model Qwen3-8B/config.json -o qwen.json",),
}  # fmt: skip
