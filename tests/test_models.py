"""The shipped models against the transformers models built from the same numbers, and against public facts.

FLOPs are counted by PyTorch's FlopCounterMode on fake tensors in full depth (eager attention, batched experts, which it
counts completely); parameters by adding up the sizes of the model's own tensors.
"""

import json
from collections.abc import Callable

import pytest
import torch
import transformers
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode
from transformers.initialization import no_init_weights

import symflops
from symflops.formula import data_folder

pytestmark = pytest.mark.torch

POINTS = [(1, 16), (3, 40), (2, 7)]
PARAMETERS = {  # as published, or counted on the published checkpoint
    "llama-2-7b-hf": 6_738_415_616,
    "llama-3.1-8b": 8_030_261_248,
    "mixtral-8x7b": 46_702_792_704,
    "gpt2": 124_439_808,
    "vit-base-16": 86_567_656,
    "qwen3-0.6b": 596_049_920,
    "mistral-7b": 7_241_732_096,
    "mamba-130m": 129_135_360,
    "bert-base": 109_482_240,
}
CONFIGS: dict[str, Callable[[dict[str, int]], transformers.PreTrainedConfig]] = {
    "llama-2-7b-hf": lambda s: transformers.LlamaConfig(**s),
    "llama-3.1-8b": lambda s: transformers.LlamaConfig(**s),
    "qwen3-0.6b": lambda s: transformers.Qwen3Config(**s, tie_word_embeddings=True),
    "mixtral-8x7b": lambda s: transformers.MixtralConfig(**s),
    "mistral-7b": lambda s: transformers.MistralConfig(**s),
    "gpt2": lambda s: transformers.GPT2Config(**s),
    "bert-base": lambda s: transformers.BertConfig(**s),
    "vit-base-16": lambda s: transformers.ViTConfig(**{k: v for k, v in s.items() if k != "num_patches"}),
    "mamba-130m": lambda s: transformers.MambaConfig(**s),
}


def transformers_class(name: str) -> type[transformers.PreTrainedModel]:
    return getattr(transformers, symflops.load(name).class_name.rpartition(".")[2])


def fake_model(name: str) -> transformers.PreTrainedModel:
    """The transformers model of a shipped file's numbers, in full depth, without memory. Call it under a fake mode."""
    config = CONFIGS[name](symflops.load(name).symbols)
    config._attn_implementation = "eager"
    with no_init_weights():
        model = transformers_class(name)(config).eval()
    model.tie_weights()  # skipped together with the initialisation
    if name == "mixtral-8x7b":
        model.set_experts_implementation("batched_mm")
    return model


def counted_flops(model: transformers.PreTrainedModel, batch: int, length: int) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        if isinstance(model, transformers.ViTForImageClassification):
            model(pixel_values=torch.zeros(batch, 3, model.config.image_size, model.config.image_size))
        else:
            model(input_ids=torch.zeros(batch, length, dtype=torch.long))
    return counter.get_total_flops()


def test_every_shipped_model_is_tested() -> None:
    assert set(symflops.model_names()) == set(PARAMETERS) == set(CONFIGS)


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_matmul_flops_and_parameters_equal_an_independent_count(name: str) -> None:
    cost = symflops.load(name).total()
    assert cost.parameters == PARAMETERS[name]
    with FakeTensorMode(allow_non_fake_inputs=True):
        model = fake_model(name)
        assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name]
        for batch, length in POINTS:
            expected = counted_flops(model, batch, length)
            assert cost.at(batch_size=batch, seq_len=length).matmul_flops == expected, (batch, length)


def test_llama_2_at_the_published_point() -> None:
    # 27,062,588,932,096 in the Linear layers and 4*S^2*h*L = 2,199,023,255,552 in the attention.
    cost = symflops.load("llama-2-7b-hf").total().at(batch_size=1, seq_len=2048)
    assert cost.matmul_flops == 29_261_612_187_648 == 27_062_588_932_096 + 2_199_023_255_552
    rows = {row.path: row for row in symflops.load("llama-2-7b-hf").rows()}
    norms = [row.total.at(batch_size=1, seq_len=2048).flops for path, row in rows.items() if path.endswith("norm")]
    assert sum(norms) == 2_181_304_320
    assert rows["model.layers.mlp.act_fn"].total.at(batch_size=1, seq_len=2048).flops == 2_885_681_152


def test_decoding_reads_the_cache_and_adds_one_token_of_linear_work() -> None:
    # By hand: one token through 6,607,077,376 matmul weights (all but embeddings and norms), and 4*n*d*(past + 1) per
    # layer of attention; the cache of 1,000 tokens plus the new one is 2 * 1,001 * 32 * 128 elements per layer.
    cost = symflops.load("llama-2-7b-hf").total().at(batch_size=1, seq_len=1, past_len=1000)
    weights = 32 * (4 * 4096**2 + 3 * 4096 * 11008) + 4096 * 32000
    assert cost.matmul_flops == 2 * weights + 4 * 4096 * 1001 * 32
    cheap = symflops.load("llama-2-7b-hf").total().at(batch_size=1, seq_len=1, past_len=1000, cache_bytes=1)
    assert cost.read_bytes - cheap.read_bytes == 32 * 2 * 1001 * 4096


def test_mixtral_reads_two_experts_for_one_token_and_nearly_all_for_many() -> None:
    expert = 3 * 4096 * 14336
    cost = symflops.load("mixtral-8x7b").total()
    only_weights = {"dtype_bytes": 0, "weight_bytes": 1, "cache_bytes": 0}
    one = cost.at(batch_size=1, seq_len=1, **only_weights).read_bytes
    two = cost.at(batch_size=2, seq_len=1, **only_weights).read_bytes
    many = cost.at(batch_size=64, seq_len=64, **only_weights).read_bytes
    # 2 experts for one token and 8*(1 - (6/8)^2) = 3.5 for two; a second embedding row; 8-byte ids of one more token
    # and of its two experts in 32 layers, with their routing weights, which are in float32 whatever the model is in.
    assert two - one == 32 * 3 * expert // 2 + 4096 + 8 + 32 * 2 * (8 + 4)
    assert many - one == pytest.approx(32 * 6 * expert, rel=1e-3)


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_the_symbolic_total_has_no_number_of_the_config(name: str) -> None:
    model = symflops.load(name)
    numbers = {str(n) for n in model.symbols.values() if n > 16}
    for metric in symflops.METRICS:
        text = model.total(symbolic=True).text(metric)
        words = set(text.replace("(", " ").replace(")", " ").replace("*", " ").split())
        assert not words & numbers, (metric, text)


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_files_are_canonical_and_name_real_classes(name: str) -> None:
    text = (data_folder("models") / f"{name}.json").read_text()
    assert symflops.load(name).dumps() == text

    def classes(layers: dict[str, dict]) -> set[str]:
        found = {layer["class"] for layer in layers.values() if "class" in layer}
        return found.union(*(classes(layer.get("sub_layers", {})) for layer in layers.values()))

    for full in sorted(classes(json.loads(text)["layers"])):
        module, _, short = full.rpartition(".")
        assert hasattr(__import__(module, fromlist=[short]), short), full


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_rows_add_up_to_the_total(name: str) -> None:
    model = symflops.load(name)
    past_len = 0 if name in ("bert-base", "vit-base-16") else 3  # encoders have no cache
    point = {"batch_size": 2, "seq_len": 12, "past_len": past_len, "causal": 1}
    rows = [row.total.at(**point) for row in model.rows()]
    for metric in ("flops", "matmul_flops", "write_bytes", "intermediate_bytes", "parameters"):
        assert sum(row.number(metric) for row in rows) == model.total().at(**point).number(metric)


def test_llama_2_keeps_the_basic_layers_of_the_prior_system() -> None:
    names = [row.path.rpartition(".")[2] for row in symflops.load("llama-2-7b-hf").rows()]
    added = {"rotary", "kv_cache", "attention", "attention_residual", "gate_product", "mlp_residual"}
    prior = [n for n in names if n not in added]
    assert prior == [
        "embed_tokens", "rotary_emb", "input_layernorm", "q_proj", "k_proj", "v_proj", "o_proj",
        "post_attention_layernorm", "gate_proj", "up_proj", "act_fn", "down_proj", "norm", "lm_head",
    ]  # fmt: skip
