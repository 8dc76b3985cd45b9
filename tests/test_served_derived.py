"""What an engine runs of models of transformers, against their sources and counts from a config's own numbers."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from small_configs import small_config
from transformers import CONFIG_MAPPING
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3Attention
from transformers.models.llama4.modeling_llama4 import Llama4TextMoe

import symflops
from symflops import storage
from symflops.algebra import substitute
from symflops.numeric import evaluate
from symflops.trace.derive import derive

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("served")]

LATENT = (
    "axk1", "bailing_hybrid", "deepseek_v2", "deepseek_v3", "deepseek_v32", "glm4_moe_lite", "glm_moe_dsa",
    "kimi_linear", "longcat_flash", "minicpm3", "mistral4", "youtu",
)  # fmt: skip


def config_of(model_type: str) -> Any:
    """Without the layers of hybrids that scan, which have no latents and take longest to derive: scans are in
    test_states, test_recurrent.py and test_lengths.py."""
    config = small_config(model_type, 0)
    if model_type not in ("kimi_linear", "bailing_hybrid"):
        return config
    kinds = {"layer_types": ["full_attention"] * 2, "mlp_layer_types": ["dense", "sparse"], "num_hidden_layers": 2}
    return type(config)(**config.to_dict() | kinds)


@cache
def derived(model_type: str) -> symflops.Model:
    return derive(config_of(model_type))


@cache
def deepseek_v3() -> symflops.Model:
    return derive(CONFIG_MAPPING["deepseek_v3"](
        num_hidden_layers=61, hidden_size=7168, num_attention_heads=128, num_key_value_heads=128, q_lora_rank=1536,
        kv_lora_rank=512, qk_nope_head_dim=128, qk_rope_head_dim=64, v_head_dim=128, n_routed_experts=256,
        num_experts_per_tok=8, n_shared_experts=1, moe_intermediate_size=2048, intermediate_size=18432,
        first_k_dense_replace=3, vocab_size=129280,
    ))  # fmt: skip


def test_a_token_of_deepseek_v3():
    """One token with 4,096 in the cache when it is done: SemiAnalysisAI/InferenceX-app #849 counts 61 layers with
    278,528 FLOP per cached token beside 73,249,193,984 of all else."""
    served = symflops.served(deepseek_v3()).total()
    step = served.at(batch_size=1, seq_len=1, past_len=4095)
    assert step.matmul_flops == 142_841_085_952 == 73_249_193_984 + 61 * 278_528 * 4096
    assert (
        symflops.load(deepseek_v3()).total().at(batch_size=1, seq_len=1, past_len=4095).matmul_flops
        == 8_475_446_738_944
    )


def test_a_token_of_deepseek_v3_beside_inferences_own_count():
    """InferSim states 155.95 GFLOP at 4,990 tokens, which is what is left without logits and routers."""
    served = symflops.served(deepseek_v3())
    step = served.total().at(batch_size=1, seq_len=1, past_len=4989).matmul_flops
    logits, routers = 2 * 7168 * 129280, 58 * 2 * 7168 * 256
    assert step - logits - routers == pytest.approx(155.95e9, rel=2e-4)


def attended_flops(config, length: int, past: int) -> tuple[int, int]:
    """FLOPs of matrix multiplies of one layer and sequence beside the projections of new tokens, as written and as
    served: keys and values made of all latents, or queries and results taken to latents, and of the pairs those that
    an indexer chooses, if there is one."""
    heads, rank, rope = config.num_attention_heads, config.kv_lora_rank, config.qk_rope_head_dim
    made, keys = config.qk_nope_head_dim + config.v_head_dim, length + past
    seen = [past + i + 1 for i in range(length)]
    chosen = sum(min(n, getattr(config, "index_topk", n)) for n in seen)
    written, expanded = (
        2 * keys * heads * rank * made + 2 * heads * pairs * (made + rope) for pairs in (sum(seen), chosen)
    )
    absorbed = 2 * length * heads * rank * made + 2 * heads * chosen * (2 * rank + rope)
    return written, min(expanded, absorbed)


@pytest.mark.parametrize("model_type", LATENT)
def test_latent_attention_is_found_whatever_a_model_is_called(model_type):
    config, model = config_of(model_type), derived(model_type)
    served = symflops.served(model)
    layers = sum(
        place.runs if isinstance(place.runs, int) else int(evaluate(place.runs, model.symbols))
        for place in served.places()
        if place.path.endswith("latent_attention")
    )
    assert layers > 0
    point = {"causal": 1, "batch_size": 2}
    for length, past in ((1, 40), (3, 40), (24, 40), (30, 0)):
        written, as_served = attended_flops(config, length, past)
        head = 2 * 2 * (length - 1) * config.hidden_size * config.vocab_size
        head = 0 if "logits_len" not in served.total().free_symbols else head
        ways = [one.total().at(**point, seq_len=length, past_len=past).matmul_flops for one in (model, served)]
        assert ways[0] - ways[1] == 2 * layers * (written - as_served) + head
    assert served.total().value("parameters") == model.total().value("parameters")


def test_absorbed_projections_give_what_the_source_gives():
    """DeepseekV3Attention itself, in float64 but for its softmax, which is in float32; rotated by nothing."""
    torch.manual_seed(0)
    config = small_config("deepseek_v3", 0)
    config._attn_implementation = "eager"
    attention = DeepseekV3Attention(config, 0).double().eval()
    batch, length = 2, 7
    hidden = torch.randn(batch, length, config.hidden_size, dtype=torch.float64)
    ones = torch.ones(batch, length, config.qk_rope_head_dim, dtype=torch.float64)
    mask = torch.full((length, length), float("-inf"), dtype=torch.float64).triu(1)[None, None]
    with torch.no_grad():
        expected, _ = attention(hidden, (ones, 0 * ones), mask)
        heads, nope, rope, rank = (
            config.num_attention_heads, config.qk_nope_head_dim, config.qk_rope_head_dim, config.kv_lora_rank
        )  # fmt: skip
        queries = attention.q_b_proj(attention.q_a_layernorm(attention.q_a_proj(hidden)))
        queries = queries.view(batch, length, heads, nope + rope)
        latents, turned = attention.kv_a_proj_with_mqa(hidden).split([rank, rope], dim=-1)
        latents = attention.kv_a_layernorm(latents)
        both = attention.kv_b_proj.weight.view(heads, nope + config.v_head_dim, rank)
        if config.rope_interleave:  # the source sorts what it rotates: pairs become halves
            order = torch.arange(rope).view(-1, 2).T.flatten()
            turned, queries = turned[..., order], torch.cat((queries[..., :nope], queries[..., nope:][..., order]), -1)
        absorbed = torch.einsum("bshn,hnr->bshr", queries[..., :nope], both[:, :nope])
        scores = torch.einsum("bshr,btr->bhst", absorbed, latents)
        scores = (scores + torch.einsum("bshr,btr->bhst", queries[..., nope:], turned)) * attention.scaling
        mixed = torch.einsum("bhst,btr->bshr", (scores + mask).softmax(-1), latents)
        found = attention.o_proj(torch.einsum("bshr,hvr->bshv", mixed, both[:, nope:]).flatten(-2))
    assert torch.allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_routed_experts_give_what_all_experts_give():
    """Llama4TextMoe itself, which computes every token in every expert, and a loop over the chosen ones."""
    torch.manual_seed(0)
    config = small_config("llama4_text", 0)
    config.num_experts_per_tok = 2
    moe = Llama4TextMoe(config).double().eval()
    for parameter in moe.parameters():
        torch.nn.init.normal_(parameter)
    hidden = torch.randn(1, 5, config.hidden_size, dtype=torch.float64)
    multiplications = 0
    with torch.no_grad():
        expected = moe(hidden)[0].view(5, -1)
        logits = torch.nn.functional.linear(hidden[0], moe.router.weight)
        found = moe.shared_expert(hidden[0])
        for token, row in enumerate(logits):
            for expert in row.topk(2).indices.tolist():
                scaled = hidden[0, token] * row[expert].float().sigmoid().double()
                gate, up = (scaled @ moe.experts.gate_up_proj[expert]).chunk(2)
                found[token] += (up * torch.nn.functional.silu(gate)) @ moe.experts.down_proj[expert]
                multiplications += moe.experts.gate_up_proj[expert].numel() + moe.experts.down_proj[expert].numel()
    assert torch.allclose(found, expected, rtol=1e-11, atol=1e-11)
    model = derive(config)
    served = symflops.served(model)
    layers = len(config.moe_layers)

    def experts(one: symflops.Model) -> int:
        rows = [row for row in one.rows() if ".experts." in row.path]
        return sum(row.total.at(batch_size=1, seq_len=5).matmul_flops for row in rows)

    assert experts(served) == layers * 2 * multiplications
    assert experts(model) == layers * 2 * multiplications * config.num_local_experts // 2
    assert served.total().parameters == model.total().parameters


STATES = {
    "deepseek_v3": ({"num_hidden_layers": 61}, lambda t: 61 * (512 + 64) * t),
    # half of the layers see 128 tokens
    "gpt_oss": ({"num_hidden_layers": 24}, lambda t: 12 * 2 * 8 * 64 * (t + min(127, t))),
    # every sixth layer sees all tokens, the others 1,024
    "gemma3_text": (
        {
            "num_hidden_layers": 62, "hidden_size": 5376, "num_attention_heads": 32, "num_key_value_heads": 16,
            "head_dim": 128, "sliding_window": 1024, "intermediate_size": 21504,
        },
        lambda t: 2 * 16 * 128 * (10 * t + 52 * min(1023, t)),
    ),
    # 12 layers attend; 36 keep a convolution's 4 columns of 8,192 channels and 32 heads of 128 by 128
    "qwen3_next": ({"num_hidden_layers": 48}, lambda t: 12 * 2 * 2 * 256 * t + 36 * (4 * 8192 + 32 * 128 * 128)),
    # 6 layers attend; 23 keep 4 columns of 4,096 + 2*8*128 channels and 64 heads of 64 by 128
    "nemotron_h": (
        {
            "hybrid_override_pattern": "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME", "num_hidden_layers": 52,
            "hidden_size": 2688, "num_attention_heads": 32, "num_key_value_heads": 2, "head_dim": 128,
            "mamba_num_heads": 64,
            "mamba_head_dim": 64, "n_groups": 8, "ssm_state_size": 128, "conv_kernel": 4, "n_routed_experts": 128,
            "moe_intermediate_size": 1856, "num_experts_per_tok": 6, "n_group": 1, "topk_group": 1,
        },
        lambda t: 6 * 2 * 2 * 128 * t + 23 * (4 * (64 * 64 + 2 * 8 * 128) + 64 * 64 * 128),
    ),
}  # fmt: skip


@pytest.mark.parametrize("model_type", STATES)
def test_states(model_type):
    fields, elements = STATES[model_type]
    model = symflops.served(
        deepseek_v3() if model_type == "deepseek_v3" else derive(CONFIG_MAPPING[model_type](**fields))
    )
    kept = substitute(storage.cache(model), model.symbols)
    for tokens in (1, 100, 128, 1024, 8192):
        point = {"batch_size": 3, "seq_len": 1, "past_len": tokens - 1, "cache_bytes": 2, "dtype_bytes": 2}
        assert evaluate(kept, point) == 3 * 2 * elements(tokens)
