"""Models of diffusers: a config of one, the class that it names, and what such models are fed.

A model that removes noise is fed latents, images or videos of them, the step that it is at, and what a text or a class
is embedded to. Which of these, its forward's signature and its config say; what sizes they have, the config does.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from torch import nn

from symflops import strangers
from symflops.config_file import NoConfigError, config_data
from symflops.errors import SymflopsError, one_line, reason
from symflops.trace.configs import Named
from symflops.trace.constructor import Arguments, arguments_of
from symflops.trace.kinds import InputKind

_TEXT = "{caption_channels|text_dim|text_embed_dim|joint_attention_dim|cross_attention_dim}"
_VIDEO = "{patch_height}*h, {patch_width}*w]"
_ROWS = "float[batch_size, num_patches, {in_channels}]"

KINDS = (
    InputKind("sample", (), (
        {"sample": "float[batch_size, {in_channels}, {halvings}*h, {halvings}*w]"},
        {"sample": "float[batch_size, {in_channels}, {sample_size}, {sample_size}]"},
    )),
    InputKind("hidden_states", (), (
        {"hidden_states": _ROWS, "img_ids": "float[num_patches, {axes}]",
         "encoder_hidden_states": f"float[batch_size, text_len, {_TEXT}]", "txt_ids": "float[text_len, {axes}]"},
        {"hidden_states": "float[batch_size, {in_channels}, {patch_height}*h, {patch_width}*w]"},
        {"hidden_states": "float[batch_size, {in_channels}, {sample_size}, {sample_size}]"},
        {"hidden_states": f"float[batch_size, {{in_channels}}, {{patch_time}}*num_frames, {_VIDEO}"},
        {"hidden_states": "float[batch_size, {latent_frames}, {in_channels}, {sample_height}, {sample_width}]"},
        {"hidden_states": f"float[batch_size, num_frames, {{in_channels}}, {_VIDEO}"},
    )),
    InputKind("timestep", (), ({"timestep": "float[batch_size]"}, {"timestep": "int64[batch_size]"})),
    InputKind("encoder_hidden_states", (), (
        {"encoder_hidden_states": "float[batch_size, {text_len}, {cross_attention_dim}]",
         "text_embedding_mask": "int64[batch_size, {text_len}] = 1",
         "encoder_hidden_states_t5": "float[batch_size, {text_len_t5}, {cross_attention_dim_t5}]",
         "text_embedding_mask_t5": "int64[batch_size, {text_len_t5}] = 1"},
        {"encoder_hidden_states": f"float[batch_size, text_len, {_TEXT}]"},
        {"encoder_hidden_states": f"float[batch_size, {{max_text_seq_length}}, {_TEXT}]"},
    )),
    InputKind("pooled_projections", (), ({"pooled_projections": "float[batch_size, {pooled_projection_dim}]"},)),
    InputKind("class_labels", (), ({"class_labels": "int64[batch_size]"},),
              ("num_class_embeds", "num_embeds_ada_norm")),
    InputKind("guidance", (), ({"guidance": "float[batch_size]"},), ("guidance_embeds",)),
    InputKind("image_meta_size", (), ({"image_meta_size": "float[batch_size, 6]", "style": "int64[batch_size]"},),
              ("use_style_cond_and_image_meta_size",)),
    InputKind("added_cond_kwargs", (), (
        {"added_cond_kwargs.text_embeds":
         "float[batch_size, {projection_class_embeddings_input_dim} - 6*{addition_time_embed_dim}]",
         "added_cond_kwargs.time_ids": "float[batch_size, 6]"},
        {"added_cond_kwargs.resolution": "float[batch_size, 2]",
         "added_cond_kwargs.aspect_ratio": "float[batch_size, 1]"},
    ), ("addition_embed_type",)),
)  # fmt: skip
"""Kinds of inputs of diffusers' models; the last entry of one names fields of the config that ask for it."""


def find(what: Any) -> Named | None:
    """The class that a config of diffusers names, with the arguments that it states; None for any other config.

    Raises SymflopsError for a class that is no model, such as a pipeline's, and without diffusers.
    """
    try:
        data, name = config_data(what)
    except NoConfigError:
        return None
    except SymflopsError as error:
        raise error.within(str(what)) from None
    return _named(data, name) if "_class_name" in data else None


def _named(data: Mapping[str, Any], name: str) -> Named:
    wanted = one_line(str(data["_class_name"]), 80)
    try:
        diffusers = importlib.import_module("diffusers")
    except ImportError:
        strangers.check_data(data)
        raise
    found = getattr(diffusers, wanted, None) if wanted.isidentifier() else None
    if wanted.endswith("Pipeline"):
        raise SymflopsError(f"a diffusers config of a pipeline, {wanted}; name that of a part, as unet/config.json")
    if not (isinstance(found, type) and issubclass(found, nn.Module) and hasattr(found, "extract_init_dict")):
        raise SymflopsError(f"a diffusers config of {wanted}, which is no model of diffusers {diffusers.__version__}")
    try:
        stated, *_ = found.extract_init_dict(dict(data))
    except Exception as error:  # as a config of transformers, it may be refused in any way
        raise SymflopsError(f"the config refuses these values: {reason(error, 2)}") from None
    arguments, make = arguments_of(found, stated, ())
    return Named(arguments, make, name, packages=frozenset({"diffusers"}))


def first(config: Arguments, accepted: Mapping[str, bool]) -> list[str]:
    """The arguments that a model is fed, as far as its signature and config say: all that have a kind."""
    kinds = [kind for kind in KINDS if kind.argument in accepted]
    return [k.argument for k in kinds if not k.asked_by or any(vars(config).get(field) for field in k.asked_by)]
