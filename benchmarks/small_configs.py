"""Two small, generic configs of every causal-LM model type of transformers.

A formula that is right at a "nice" config may be right by accident: with `hidden_size = heads · head_dim`, or as many
experts as heads, two different formulas agree. So variant 1 differs from variant 0 in every size that the type leaves
free (but the chunk length of a recurrence, which stays a number), and two sizes of different meaning differ from each
other in at least one of the two. The values follow from the *names* of the fields; `_OVERRIDES` holds the few that a
type constrains further. Every config goes through its class's
constructor, so its own validation runs: a user could have written it.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from transformers import CONFIG_MAPPING, PreTrainedConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

SENSIBLE = Path(__file__).parent.parent / "symflops" / "trace" / "sensible.toml"

Pair = tuple[Any, Any]
"""The value of a field in variant 0 and in variant 1."""

HIDDEN, HEADS, KV_HEADS, VOCAB, DEPTH = (48, 64), (6, 4), (3, 2), (307, 419), (3, 4)

_RULES: dict[str, Pair] = {
    name: pair
    for names, pair in {
        "vocab_size decoder_vocab_size": VOCAB,
        "vocab_size_per_layer_input": (290, 390),
        "unpadded_vocab_size": (300, 400),
        "hidden_size d_model n_embd emb_dim embedding_dim adapter_in_dim adapter_input_size": HIDDEN,
        "adapter_out_dim": HIDDEN,
        "embedding_size input_embedding_size word_embed_proj_dim": (40, 56),
        "output_embedding_size": (44, 68),
        "num_attention_heads n_head n_heads num_heads attention_heads decoder_attention_heads": HEADS,
        "num_decoder_attention_heads num_encoder_attention_heads encoder_attention_heads": HEADS,
        "swa_num_attention_heads": (8, 6),
        "num_key_value_heads num_kv_heads kv_n_heads": KV_HEADS,
        "swa_num_key_value_heads": (4, 2),
        "head_dim kv_channels dim_head d_head attention_head_size d_kv": (16, 24),
        "swa_head_dim": (32, 48),
        "num_hidden_layers n_layer n_layers num_layers decoder_layers num_decoder_layers num_blocks depth": DEPTH,
        "encoder_layers num_encoder_layers": DEPTH,  # caches of decoders alone are sized by it
        "intermediate_size ffn_dim d_inner dim_ff dff d_ff ffn_hidden_size feed_forward_size": (104, 136),
        "decoder_ffn_dim encoder_ffn_dim mlp_dim": (104, 136),
        "moe_intermediate_size expert_ffn_hidden_size": (36, 52),
        "shared_expert_intermediate_size shared_intermediate_size moe_shared_expert_intermediate_size": (76, 92),
        "shared_experts_intermediate_size": (76, 92),
        "dense_intermediate_size prefix_dense_intermediate_size intermediate_size_mlp": (116, 148),
        "num_experts n_routed_experts num_local_experts moe_num_experts": (8, 9),
        "num_experts_per_tok num_experts_per_token moe_topk moe_top_k moe_k top_k_experts": (2, 3),
        "n_shared_experts num_shared_experts moe_num_shared_experts": (2, 3),
        "zero_expert_num": (4, 3),
        "q_lora_rank": (28, 44),
        "kv_lora_rank": (20, 32),
        "o_lora_rank": (14, 22),
        "qk_nope_head_dim": (18, 26),
        "qk_rope_head_dim": (8, 12),
        "v_head_dim": (10, 14),
        "index_n_heads indexer_n_heads": (5, 7),
        "index_head_dim indexer_head_dim": (20, 28),
        "index_topk": (10, 12),
        "mamba_d_state state_size ssm_state_size": (10, 14),
        "mamba_d_conv conv_kernel conv1d_width conv_kernel_size": (4, 3),
        "linear_conv_kernel_dim short_conv_kernel_size conv_L_cache": (4, 3),
        "mamba_dt_rank time_step_rank": (5, 7),
        "mamba_n_heads mamba_num_heads": (12, 8),
        "mamba_d_head mamba_head_dim mamba_headdim": (8, 16),
        "mamba_n_groups mamba_ngroups n_groups": (4, 2),
        "mamba_chunk_size chunk_size": (8, 8),  # a recurrence's pieces stay a number
        "block_size": (8, 12),
        "linear_num_key_heads": (5, 2),
        "linear_num_value_heads": (10, 6),
        "linear_num_heads": (5, 3),
        "linear_key_head_dim linear_head_dim": (12, 20),
        "linear_value_head_dim": (14, 22),
        "max_position_embeddings n_positions n_ctx max_seq_len max_target_positions context_length": (384, 448),
        "model_max_length max_source_positions": (384, 448),
        "sliding_window window_size attention_window_size local_attention_window_len sliding_window_size": (24, 28),
        "attention_chunk_size": (24, 28),
        "hidden_size_per_layer_input": (12, 20),
        "laurel_rank gated_norm_rank": (6, 10),
        "lru_width": (60, 72),
        "type_vocab_size": (2, 3),
        "first_k_dense_replace num_dense_layers": (1, 1),
        "router_hidden_size": (28, 38),
        "altup_num_inputs expansion_ratio intermediate_multiple_size": (4, 3),
        "ngram cross_attn_k": (2, 3),
        "num_buckets": (8, 12),
        "d_rel": (6, 10),
        "rel_extent keep_window_size": (22, 26),
        "n_layers_per_attn_res_block": (2, 3),
        "num_codebooks": (4, 3),
        "position_bias_num_buckets": (18, 22),
        "prompt_types": (5, 7),
        "prompt_length": (6, 9),
        "segment_types": (4, 5),
        "pronunciation_embed_dim": (30, 34),
        "pronunciation_vocab_size": (70, 90),
        "shape_embed_dim": (26, 38),
        "shape_vocab_size": (80, 110),
        "hidden_size_global": (72, 80),
        "hc_mult hc_count": (4, 2),
        "hc_lowrank": (22, 30),
        "indexer_budget": (8, 12),
        "indexer_compress_ratio": (2, 4),
    }.items()
    for name in names.split()
}

_GROUPED_EXPERTS: dict[str, Pair] = {
    "n_group": (4, 3),
    "num_expert_group": (4, 3),
    "topk_group": (3, 2),
}
"""Group-limited routing, applied where a type has it on (more than one group by default)."""

_LINEAR, _HYBRID = "linear_attention", "hybrid"
_SLIDING_AND_FULL = ["sliding_attention", "full_attention"]
_FULL_AND_SLIDING = ["full_attention", "sliding_attention"] * 2

_OVERRIDES: dict[str, dict[str, Pair]] = {
    "blt": {"encoder_hash_byte_group_vocab": (501, 601)},
    "blt_global_transformer": {"hidden_size": (72, 80)},  # hidden_size_global of the two local models
    "codegen": {"n_head": (8, 12), "n_embd": (80, 96), "rotary_dim": (6, 4)},  # four shards; a part of each head
    "deepseek_v2": {"first_k_dense_replace": (1, 1)},
    "deepseek_v4": {
        "num_key_value_heads": (1, 1),
        "head_dim": (32, 48),
        "o_groups": (3, 2),
        "compress_rates": tuple(
            {"compressed_sparse_attention": sparse, "heavily_compressed_attention": heavy}
            for sparse, heavy in ((2, 4), (3, 6))
        ),
    },
    "diffllama": {"num_attention_heads": (8, 4), "num_key_value_heads": (4, 2)},  # key-value heads come in pairs
    "dots3_note_text": {
        "swa_num_attention_heads": (4, 2),
        "swa_num_key_value_heads": (4, 2),
        "swa_q_lora_rank": (24, 36),
        "swa_kv_lora_rank": (22, 30),
        "swa_head_dim": (32, 48),  # the sum of the next two, whose ratio is a number of the config: the rotary share
        "swa_qk_nope_head_dim": (28, 42),
        "swa_qk_rope_head_dim": (4, 6),
        "swa_v_head_dim": (16, 12),
    },
    "falcon_h1": {"mamba_d_ssm": (96, 128)},
    "gemma3n_text": {  # in both, of each type a layer that keeps its keys and values, one that shares, one that reuses
        "num_hidden_layers": (6, 8),
        "num_kv_shared_layers": (2, 3),
        "layer_types": (_SLIDING_AND_FULL * 3, [*_SLIDING_AND_FULL, "full_attention", *_SLIDING_AND_FULL * 3][:8]),
        "intermediate_size": ([104] * 6, [136] * 8),
        "activation_sparsity_pattern": ([0.95] * 2 + [0.0] * 4, [0.95] * 3 + [0.0] * 5),
    },
    "gemma4_text": {"global_head_dim": (32, 40)},
    "gemma4_unified_text": {"global_head_dim": (32, 40)},
    "gpt_neo": {"attention_types": ([[["global", "local"], 1], [["global"], 1]], [[["global", "local"], 2]])},
    "gpt_neox": {"hidden_size": (96, 128)},  # a quarter of a head is rotated, and half of that is more than 1
    "gptj": {"rotary_dim": (4, 8)},
    "falcon_mamba": {"expand": (2, 3)},
    "helium": {"head_dim": (8, 16)},  # the output projection is square
    "hrm_text": {"H_cycles": (2, 3), "L_cycles": (3, 2)},
    "inkling_text": {"mlp_layer_types": (["dense", "sparse", "sparse"], ["dense", "sparse", "sparse", "sparse"])},
    **{name: {"projection_dim": HIDDEN} for name in ("janus_vision_model",)},  # of its result among the text's
    "jamba": {  # attention and Mamba, each with and without experts
        "num_hidden_layers": (4, 5),
        "attn_layer_period": (3, 4),
        "attn_layer_offset": (1, 2),
        "expert_layer_period": (2, 2),
        "expert_layer_offset": (0, 1),
        "mamba_expand": (3, 2),
    },
    "jetmoe": {"num_key_value_heads": (4, 3)},  # times top-k they are the heads
    "lfm2": {
        "layer_types": (None, None),  # follows from the next
        "full_attn_idxs": ([1], [2]),
        "block_multiple_of": (8, 12),
    },
    "laguna": {"layer_types": (_FULL_AND_SLIDING[:3], _FULL_AND_SLIDING)},
    **{  # four coordinates and two sizes side by side are as wide as a token
        name: {"coordinate_size": (8, 10), "shape_size": (8, 12)} for name in ("layoutlmv2", "layoutlmv3")
    },
    "llama4_text": {"moe_layers": ([1], [0, 2])},
    "llama4_vision_model": {  # four neighbouring places side by side, then a projector whose second half is square
        "intermediate_size": (4 * HIDDEN[0], 4 * HIDDEN[1]),
        "projector_input_dim": (40, 56),
        "projector_output_dim": (40, 56),
        "vision_output_dim": (40, 56),
    },
    "mamba": {"expand": (2, 3)},
    "mamba2": {"num_heads": (12, 8), "head_dim": (8, 16)},  # expand · hidden_size together
    "mellum": {"layer_types": (_FULL_AND_SLIDING[:3], _FULL_AND_SLIDING)},
    "minimax_m3_vl_text": {
        "layer_types": tuple(["full_attention"] + ["minimax_m3_sparse"] * sparse for sparse in (2, 3)),
        "mlp_layer_types": tuple(["dense"] + ["sparse"] * sparse for sparse in (2, 3)),
        "index_n_heads": KV_HEADS,
        "index_block_size": (4, 6),
        "index_topk_blocks": (2, 4),
    },
    "mllama_vision_model": {  # its output is that of the last layer and of these, side by side
        "num_hidden_layers": (6, 7),
        "intermediate_layers_indices": ([0, 1, 2, 3, 4], [0, 2, 3, 4, 5]),  # five, as all that are published
        "vision_output_dim": (6 * HIDDEN[0], 6 * HIDDEN[1]),
    },
    "modernbert-decoder": {"num_hidden_layers": (4, 5), "local_attention": (48, 56)},  # every third layer is global
    "mpt": {"d_model": (48, 72)},  # a multiple of 6 heads in both: their number stays one
    "nemotron_h": {
        "layers_block_type": tuple([_LINEAR, "moe", "full_attention", "mlp", *more] for more in ([], [_LINEAR]))
    },
    "qwen4_exp_text": {
        "indexer_kv_heads": (1, 1),
        "ple_layer_ids": ([1], [1]),
        "ple_embed_dim": (40, 60),
        "heads_per_ngram": (1, 2),
        "ngram_vocab_size_base": (50, 70),
        "make_ngram_vocab_size_divisible_by": (8, 8),
        "eos_token_id": (2, 2),
    },
    "reformer": {
        "attn_layers": (["local", "lsh", "local"], ["lsh", "local", "local", "lsh"]),
        "local_attn_chunk_length": (8, 12),
        "lsh_attn_chunk_length": (8, 12),
        "axial_pos_shape": ((26, 32), (28, 32)),
        "axial_pos_embds_dim": ((20, 28), (24, 40)),
    },
    **{name: {"window_size": (4, 2)} for name in ("sam_vision_model", "sam_hq_vision_model")},  # of four patches a side
    "stablelm": {"hidden_size": (96, 128)},  # as gpt_neox
    "xlstm": {  # its cache rounds the width of queries, half of this, up to a multiple of 64, and the model does not
        "hidden_size": (128, 256),
        "embedding_dim": (128, 256),
        "num_heads": (4, 8),
        "ffn_round_up_to_multiple_of": (8, 12),
    },
    "vipllava": {"vision_feature_layers": ([-2, -3, -4, -5, 2], [-2, -3, -5, -6, 3])},  # five of fewer layers
    "xlnet": {"d_head": (8, 16)},
    "zamba": {
        "num_hidden_layers": (4, 5),
        "layers_block_type": ([_LINEAR, _HYBRID] * 2, [_LINEAR, _LINEAR, _HYBRID, _LINEAR, _HYBRID]),
        "n_mamba_heads": (2, 4),
    },
    "zamba2": {
        "num_hidden_layers": (4, 5),
        "layers_block_type": ([_LINEAR, _HYBRID] * 2, [_LINEAR, _LINEAR, _HYBRID, _LINEAR, _HYBRID]),
        "n_mamba_heads": (6, 8),
        "mamba_ngroups": (3, 4),
    },
    "zaya": {"num_experts_per_tok": (1, 1)},  # the only value that its class accepts
}
"""Values of types, by the config's own `model_type`, that a constraint ties to other fields."""


def model_types() -> tuple[str, ...]:
    """The model types that transformers has a causal language model for."""
    return tuple(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)


def default_config(model_type: str) -> PreTrainedConfig:
    """The type's config with its defaults, made consistent by `sensible.toml` where they are not."""
    return CONFIG_MAPPING[model_type](**_sensible(model_type))


def small_config(model_type: str, variant: int) -> PreTrainedConfig:
    """A small config of the type that has every kind of layer; `variant` 0 and 1 differ in every size."""
    if variant not in (0, 1):
        raise ValueError(f"variant is 0 or 1, not {variant!r}")
    return _shrink(default_config(model_type), variant, _sensible(model_type))


def _sensible(model_type: str) -> dict[str, Any]:
    table: dict[str, dict[str, Any]] = tomllib.loads(SENSIBLE.read_text())
    return table.get(model_type, {})


def _shrink(config: PreTrainedConfig, variant: int, given: Mapping[str, Any], deeper: int = 0) -> PreTrainedConfig:
    """The config's class constructed anew with small values; `given` is what the default was constructed with.

    Fields that no rule names keep their default, and those that the class computes from others are computed anew.
    """
    fields = stated(config)
    overrides = {name: pair[variant] for name, pair in _OVERRIDES.get(config.model_type, {}).items()}
    values = {name: value for name, value in given.items() if name not in config.sub_configs}
    values |= {
        name: _RULES[name][variant] + deeper * (_RULES[name] == DEPTH)
        for name, value in fields.items()
        if name in _RULES and _is_positive_int(value)
    }
    if any(_is_positive_int(fields.get(name)) and fields[name] > 1 for name in ("n_group", "num_expert_group")):
        values |= {name: pair[variant] for name, pair in _GROUPED_EXPERTS.items() if name in fields}
    if "kv_lora_rank" in fields:  # latent attention: a head has its own key and value, of sizes not called head_dim
        values |= {"num_key_value_heads": HEADS[variant]} if "num_key_value_heads" in fields else {}
        if fields.get("head_dim") == fields["qk_rope_head_dim"]:
            values["head_dim"] = values["qk_rope_head_dim"]
    values |= _token_ids(fields, variant)
    values |= _per_layer_lists(fields, values | overrides, variant)
    for name in config.sub_configs:
        if isinstance(sub := fields.get(name), PreTrainedConfig) and "architecture" in vars(sub):
            values[name] = sub  # a model of timm, whose name says its sizes
        elif isinstance(sub, PreTrainedConfig):
            other = "text" not in name and name not in ("decoder", "thinker_config")  # as deep as no other part
            values[name] = _shrink(sub, variant, _switched(sub) | given.get(name, {}), deeper + 2 * other)
    return made_anew(config, values | overrides)


def _switched(config: PreTrainedConfig) -> dict[str, Any]:
    """The switches of a part that are others than its class has them."""
    fields = {f.name: f.default for f in dataclasses.fields(config) if f.init and not f.name.startswith("_")}
    kept = {name: vars(config).get(name) for name, default in fields.items() if type(default) in (bool, str)}
    return {name: value for name, value in kept.items() if type(value) in (bool, str) and value != fields[name]}


def made_anew(config: PreTrainedConfig, values: Mapping[str, Any]) -> PreTrainedConfig:
    """The config's class constructed with values; a backbone hands on as many stages as it did, the same if they are
    there."""
    features = vars(config).get("_out_features")
    if features is None:
        return type(config)(**values)
    values = {name: value for name, value in values.items() if name not in ("_out_features", "_out_indices")}
    names = type(config)(**values).stage_names
    there = all(name in names for name in features)
    return type(config)(**values, out_features=list(features) if there else names[-len(features) :])


def stated(config: PreTrainedConfig) -> dict[str, Any]:
    """What a config holds for each argument of its constructor."""
    names = {
        field.name: config.attribute_map.get(field.name, field.name)
        for field in dataclasses.fields(config)
        if field.init
    }
    return {name: vars(config).get(kept) for name, kept in names.items()}


def _is_positive_int(value: object) -> bool:
    """Whether a field holds a size. None and 0 mean that the feature is off, and it stays off."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _token_ids(fields: Mapping[str, Any], variant: int) -> dict[str, Any]:
    """Special tokens beyond the small vocabulary, moved to its end (embeddings check that `pad_token_id` exists)."""
    free = iter(range(VOCAB[variant] - 1, 0, -1))

    def moved(value: Any) -> Any:
        if isinstance(value, list):
            return [moved(v) for v in value]
        return next(free) if _is_positive_int(value) and value >= VOCAB[variant] else value

    return {name: moved(fields[name]) for name in fields if name.endswith(("_token_id", "_token_index"))}


def _per_layer_lists(fields: Mapping[str, Any], values: Mapping[str, Any], variant: int) -> dict[str, Any]:
    """Every list that speaks of layers, cut down to the same few layers, among them one of every kind.

    A list has an entry a layer (`layer_types`) or the indices of some layers (`cross_attention_layers`). A layer's kind
    is what all the lists together say of it: attention type, MLP type, rotary or not, ...
    """
    depth_name = next((name for name in fields if _RULES.get(name) == DEPTH and _is_positive_int(fields[name])), None)
    if depth_name is None:
        return {}
    depth: int = fields[depth_name]
    lists = {k: list(v) for k, v in fields.items() if isinstance(v, list | tuple) and v and not k.startswith("mtp_")}
    some = {name: entries for name, entries in lists.items() if _are_indices(entries, depth)}
    every = {name: entries for name, entries in lists.items() if len(entries) == depth and name not in some}
    if not some and not every:
        return {}
    kinds = [repr([e[i] for e in every.values()] + [i in e for e in some.values()]) for i in range(depth)]
    handed_on = {i for name, entries in some.items() if name.endswith("out_indices") for i in entries}
    layers = sorted({*_one_of_each(kinds), *handed_on})
    spare = [i for i in range(depth) if i not in layers]
    layers = sorted(layers + spare[: max(0, values[depth_name] - len(layers), variant)])
    cut: dict[str, Any] = {depth_name: len(layers)}
    cut |= {name: [_scaled(name, entries[i], variant) for i in layers] for name, entries in every.items()}
    cut |= {name: [new for new, i in enumerate(layers) if i in entries] for name, entries in some.items()}
    return cut


def _are_indices(entries: list[Any], depth: int) -> bool:
    """Whether a list holds layer indices: distinct, ascending and below the depth."""
    return all(type(i) is int and i < depth for i in entries) and sorted(set(entries)) == entries


def _one_of_each(kinds: Iterable[str]) -> list[int]:
    """The position of the first of every kind."""
    first: dict[str, int] = {}
    for i, kind in enumerate(kinds):
        first.setdefault(kind, i)
    return list(first.values())


def _scaled(name: str, entry: Any, variant: int) -> Any:
    """An entry of a per-layer list: a size follows the field's rule, anything else stays."""
    rule = _RULES.get(name.removesuffix("_per_layer"))
    return rule[variant] if rule and _is_positive_int(entry) else entry
