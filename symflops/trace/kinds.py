"""Kinds of inputs, and the forms in which models of transformers are fed each: what an argument's name tells of it.

A form is a set of inputs that go together, as in `Input`, with places for what the config says: `{image_size}` is the
field of that name in the part of the config that the kind is about, `{num_channels|3}` the first that there is, or a
number. A form with a place that nothing fills is none for this config. Which of the others a model takes, a call tells.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from symflops.trace.architecture import named_sizes, parts

Form = Mapping[str, str]


@dataclass(frozen=True)
class InputKind:
    """One kind of input: by which argument it is known, the words in the names of parts of a config that are about it,
    and its forms, the usual one first."""

    argument: str
    words: tuple[str, ...]
    forms: tuple[Form, ...]
    asked_by: tuple[str, ...] = ()  # fields of a config without any of which it is not fed at first


_SEEN = ("vision", "image", "visual", "backbone", "encoder")
_HEARD = ("audio", "speech", "encoder")
_IMAGE = "{num_channels|in_channels|in_chans|input_channels|3}, {image_height}, {image_width}"
_PATCH = "{num_channels|in_channels|in_chans|3}*{temporal_patch_size|patch_temporal|1}*{patch_size}*{patch_size}"
_MERGE = "{spatial_merge_size|merge_kernel_size|downsample_ratio|2}"
_GRID = f"[1, {_MERGE}*h, {_MERGE}*w]"
_FIXED = f"[1, 8*{_MERGE}, 8*{_MERGE}]"  # of windows, whose number a source has to know
_PATCHES = f"{_MERGE}*{_MERGE}*h*w"
_OF_GRID = f"float[{_PATCHES}, {_PATCH}]"

_SQUARES = f"float[{_PATCHES}, {{num_channels|3}}, {{patch_size}}, {{patch_size}}]"  # patches as small images
_ROW = f"float[1, {_PATCHES}, {_PATCH}]"
_FEW = f"float[64*{_MERGE}*{_MERGE}, {_PATCH}]"
_SIDE = f"{_MERGE}*{{patch_size}}"
_MERGED = f"float[h*w, {_SIDE}, {_SIDE}, {{num_channels|3}}]"  # patches that become one, channels last
_VIDEO = "float[batch_size, {num_frames|frames_per_clip|2}"
_MEL = "{num_mel_bins|input_feat_size|feature_size|input_dim|n_mels|mel_bins|128}"
_RATIO = {"aspect_ratio_ids": "int64[batch_size, 1]", "aspect_ratio_mask": "int64[batch_size, 1, {max_num_tiles}]"}
_WINDOWS = "2*{n_window}*num_blocks"  # frames, of which a source takes as many at once
_BLOCKS = "{subsampling_factor|8}*num_blocks"  # frames, of which a source merges so many
_HEARD_ALL = "int64[batch_size, num_frames] = 1"
_SIZE = "int64[1, 2] = [{image_height}, {image_width}]"
_DOUBLE = "int64[1, 2] = [2*{image_height}, 2*{image_width}]"
_STEPS = "{context_length} + {longest_lag}"

KINDS = (
    InputKind("input_ids", ("text",), ({"input_ids": "int64[batch_size, seq_len]"},)),
    InputKind("pixel_values", _SEEN, (
        {"pixel_values": f"float[batch_size, {_IMAGE}]"},
        {"pixel_values": "float[batch_size, {num_channels|in_channels|in_chans|3}, 32*h, 32*w]"},
        {"pixel_values": f"float[batch_size, {{num_frames|frames|num_images}}, {_IMAGE}]"},
        {"pixel_values": f"float[batch_size, 1, {_IMAGE}]"},
        {"pixel_values": f"float[batch_size, 1, {_IMAGE}] = 1"},
        {"pixel_values": f"float[1, {_IMAGE}]", "image_sizes": _SIZE},
        {"pixel_values": f"float[1, 3, {_IMAGE}]", "image_sizes": _SIZE},
        {"pixel_values": f"float[1, 5, {_IMAGE}]", "image_sizes": _DOUBLE},
        {"pixel_values": _OF_GRID, "image_grid_thw": f"int64[1, 3] = {_GRID}"},
        {"pixel_values": _OF_GRID, "grid_thw": f"int64[1, 3] = {_GRID}"},
        {"pixel_values": _ROW, "image_grid_thw": f"int64[1, 3] = {_GRID}"},
        {"pixel_values": _MERGED, "image_grid_thw": "int64[1, 3] = [1, h, w]"},
        {"pixel_values": _FEW, "image_grid_thw": f"int64[1, 3] = {_FIXED}"},
        {"pixel_values": _FEW, "grid_thw": f"int64[1, 3] = {_FIXED}"},
        {"pixel_values": _OF_GRID, "grid_thw": f"int64[1, 3] = {_GRID}", "merge_sizes": f"int64[1] = {_MERGE}"},
        {"pixel_values": _OF_GRID, "image_grid_thw": f"int64[1, 3] = {_GRID}",
         "image_merge_sizes": f"int64[1] = {_MERGE}"},
        {"pixel_values": _SQUARES, "image_grid_thw": f"int64[1, 3] = {_GRID}"},
        {"pixel_values": _SQUARES, "grid_thw": f"int64[1, 3] = {_GRID}"},
        {"pixel_values": _SQUARES, "image_grid_hws": f"int64[1, 2] = [{_MERGE}*h, {_MERGE}*w]"},
        {"pixel_values": _ROW, "spatial_shapes": f"int64[1, 2] = [{_MERGE}*h, {_MERGE}*w]",
         "pixel_attention_mask": f"int64[1, {_PATCHES}] = 1"},
        {"pixel_values": _ROW, "pixel_position_ids": f"int64[1, {_PATCHES}, 2]"},
        {"pixel_values": _ROW, "image_position_ids": f"int64[1, {_PATCHES}, 2]"},
        {"pixel_values": f"float[batch_size, 1, {{max_num_tiles}}, {_IMAGE}]", **_RATIO},
        {"pixel_values": "float[1, {num_channels|3}, {patch_size}, 16*h*w*{patch_size}]",  # patches side by side
         "target_sizes": "int64[1, 2] = [4*h, 4*w]"},  # which are merged twice
    )),
    InputKind("high_res_pixel_values", ("high_res", *_SEEN), (
        {"high_res_pixel_values": f"float[batch_size, {_IMAGE}]"},
    )),
    InputKind("pixel_values_videos", ("video", *_SEEN), (
        {"pixel_values_videos": f"{_VIDEO}, {_IMAGE}]"},
        {"pixel_values_videos": f"{_VIDEO}, {{num_channels|3}}, {{crop_size}}, {{crop_size}}]"},
        {"pixel_values_videos": "float[batch_size, 2, {num_channels|3}, 32*h, 32*w]"},
        {"pixel_values_videos": _OF_GRID, "video_grid_thw": f"int64[1, 3] = {_GRID}"},
    )),
    InputKind("input_features", _HEARD, (
        {"input_features": "float[batch_size, {num_mel_bins}, num_frames]"},
        {"input_features": "float[batch_size, {num_mel_bins}, 2*{max_source_positions}]"},  # of so many seconds
        {"input_features": "float[batch_size, num_frames, {input_feat_per_channel}]"},
        {"input_features": "float[batch_size, num_frames, {feature_projection_input_dim}]"},
        {"input_features": f"float[batch_size, num_frames, {_MEL}]"},
        {"input_features": f"float[batch_size, num_frames, {_MEL}]",
         "input_features_mask": "bool[batch_size, num_frames] = 1"},
        {"input_features": "float[batch_size, {num_mel_bins}, num_frames]", "input_features_mask": _HEARD_ALL},
        {"input_features": "float[batch_size, {num_mel_bins}, num_frames]", "feature_attention_mask": _HEARD_ALL},
        {"input_features": "float[batch_size, {num_mel_bins}, 2*{max_source_positions}]",
         "feature_attention_mask": "int64[batch_size, 2*{max_source_positions}] = 1"},
        {"input_features": "float[batch_size, {num_mel_bins}, 2*{max_source_positions}]",
         "input_features_mask": "int64[batch_size, 2*{max_source_positions}] = 1"},
        {"input_features": f"float[batch_size, {_MEL}, {_BLOCKS}]"},
        {"input_features": f"float[batch_size, {_BLOCKS}, {_MEL}]"},
        {"input_features": f"float[batch_size, {_MEL}, {_BLOCKS}]",
         "input_features_mask": f"int64[batch_size, {_BLOCKS}] = 1"},
        {"input_features": f"float[batch_size, {_BLOCKS}, {_MEL}]",
         "input_features_mask": f"bool[batch_size, {_BLOCKS}] = 1"},
        {"input_features": f"float[batch_size, {_BLOCKS}, 4*{{num_mel_bins}}]"},  # with their changes, two at once
        {"input_features": f"float[batch_size, {{num_mel_bins}}, {_WINDOWS}]",
         "input_features_mask": f"int64[batch_size, {_WINDOWS}] = 1"},
        {"input_features": "float[batch_size, {num_mel_bins}, {audio_length_per_tok}*seq_len]"},  # of each token
        {"input_features": "float[batch_size, num_frames, {num_mel_bins}*{num_stacked_frames}]",
         "input_features_mask": "bool[batch_size, num_frames] = 1"},
        {"input_features": "float[batch_size, 1, {spec_frames}, {num_mel_bins}]",
         "is_longer": "bool[batch_size, 1]"},
        {"input_features": "float[batch_size, 1, {spec_frames}, {num_mel_bins}]"},
    )),
    InputKind("audio_mel", _HEARD, (
        {"audio_mel": "float[batch_size, num_frames, {input_feat_size}]",
         "audio_mel_mask": "bool[batch_size, num_frames]"},
    )),
    InputKind("input_values", _HEARD, (
        {"input_values": "float[batch_size, num_samples]"},
        {"input_values": "float[batch_size, {audio_channels|1}, num_samples]"},
        {"input_values": "float[batch_size, {frame_samples}*num_frames]"},
        {"input_values": "float[batch_size, {max_length}, {num_mel_bins}]"},
        {"input_values": "float[batch_size, num_frames, {num_mel_bins}]"},
    )),
    InputKind("past_values", (), (
        {"past_values": "float[batch_size, {context_length}]"},
        {"past_values": "float[batch_size, {context_length}, {num_input_channels}]"},
        {"past_values": "float[batch_size, num_steps]"},
        {"past_values": f"float[batch_size, {_STEPS}]", "past_observed_mask": f"bool[batch_size, {_STEPS}]",
         "past_time_features": f"float[batch_size, {_STEPS}, {{num_time_features}}]",
         "future_values": "float[batch_size, {prediction_length}]",
         "future_time_features": "float[batch_size, {prediction_length}, {num_time_features}]"},
    )),
    InputKind("bbox", ("text",), (
        {"bbox": "int64[batch_size, seq_len, 4]"},
    )),
    InputKind("grid_thw", _SEEN, (
        {"hidden_states": _OF_GRID, "grid_thw": f"int64[1, 3] = {_GRID}"},
        {"hidden_states": _FEW, "grid_thw": f"int64[1, 3] = {_FIXED}"},
    )),
    InputKind("states", (), ({
        "states": "float[batch_size, seq_len, {state_dim}]", "actions": "float[batch_size, seq_len, {act_dim}]",
        "rewards": "float[batch_size, seq_len, 1]", "returns_to_go": "float[batch_size, seq_len, 1]",
        "timesteps": "int64[batch_size, seq_len]", "attention_mask": "int64[batch_size, seq_len] = 1"},
    )),
    InputKind("visual_feats", _SEEN, ({
        "visual_feats": "float[batch_size, num_regions, {visual_feat_dim}]",
        "visual_pos": "float[batch_size, num_regions, {visual_pos_dim}]"},
    )),
    InputKind("visual_embeds", _SEEN, ({"visual_embeds": "float[batch_size, num_regions, {visual_embedding_dim}]"},)),
    InputKind("qformer_input_ids", ("qformer",), ({"qformer_input_ids": "int64[batch_size, question_len]"},)),
    InputKind("inputs", (), (
        {"inputs": "int64[batch_size, seq_len]"},
        {"inputs": "float[batch_size, seq_len, {d_model}]"},
    )),
    InputKind("latents", (), ({"latents": "float[batch_size, {hidden_size}, num_frames]"},)),
    InputKind("query_embeds", (), ({"query_embeds": "float[batch_size, num_queries, {hidden_size}]"},)),
    InputKind("encoder_hidden_states", _SEEN, (
        {"encoder_hidden_states": "float[batch_size, num_patches, {encoder_hidden_size}]"},
    )),
    InputKind("flattened_patches", _SEEN, (
        {"flattened_patches": "float[batch_size, num_patches, {patch_embed_hidden_size}]"},
    )),
    InputKind("inputs_embeds", (), ({"inputs_embeds": "float[batch_size, seq_len, {hidden_size}]"},)),
    InputKind("token_type_ids", ("text",), ({"token_type_ids": "int64[batch_size, seq_len]"},)),
    InputKind("mm_token_type_ids", ("text",), (
        {"mm_token_type_ids": "int64[batch_size, seq_len]"},
        {"position_ids": "int64[3, batch_size, seq_len]"},  # which are computed of them
        {"position_ids": "int64[4, batch_size, seq_len]"},
    )),
    InputKind("attention_mask", ("text",), ({"attention_mask": "int64[batch_size, seq_len] = 1"},)),
    InputKind("pixel_mask", _SEEN, ({"pixel_mask": "int64[batch_size, {image_height}, {image_width}] = 1"},)),
)  # fmt: skip
_ENTRIES: Mapping[str, tuple[str, Callable[[Sequence[int]], int]]] = {
    "image_height": ("image_size", itemgetter(0)), "image_width": ("image_size", itemgetter(-1)),
    "longest_lag": ("lags_sequence", max),
    "patch_time": ("patch_size", itemgetter(0)), "patch_height": ("patch_size", itemgetter(-1)),
    "patch_width": ("patch_size", itemgetter(-1)), "axes": ("axes_dims_rope", len),
    "halvings": ("block_out_channels", lambda channels: 2 ** (len(channels) - 1)),  # of the sides, between stages
}  # fmt: skip
"""Names of places that a list of the config fills: with one of its entries, or what follows from it."""
_COMPUTED: Mapping[str, Callable[[Any], int]] = {
    # A video autoencoder keeps the first frame, and of the others one in so many.
    "latent_frames": lambda part: (part.sample_frames - 1) // part.temporal_compression_ratio + 1,
    "frame_samples": lambda part: math.prod(part.patch_sizes),  # that become one, some at a time
    # A spectrogram is laid out as a square image, the frequencies of a few stretches of time side by side.
    "spec_frames": lambda part: part.spec_size * (part.spec_size // part.num_mel_bins),
}
"""Names of places that follow from several fields of a config, where it has them."""
_SAME = {"image_size": ("image_size", "img_size", "input_size")}  # other names for it
_PLACE = re.compile(r"\{([\w|]+)\}")


def forms(kind: InputKind, config: Any) -> Iterator[Form]:
    """The forms of a kind for a config, each once."""
    seen: list[Form] = []
    for form in kind.forms:
        filled = {name: _filled(text, kind, config) for name, text in form.items()}
        if all(filled.values()) and filled not in seen:
            seen.append(filled)
            yield filled


def _filled(text: str, kind: InputKind, config: Any) -> str:
    """The text of an input with its places filled; "" if there is nothing for one."""
    found = [_place(match[1], kind, config) for match in _PLACE.finditer(text)]
    if not all(found):
        return ""
    values = iter(found)
    return _PLACE.sub(lambda _: next(values), text)


def _place(names: str, kind: InputKind, config: Any) -> str:
    ordered = sorted(parts(config), key=lambda part: _rank(part[0], kind))
    symbols = named_sizes(config)
    for name in names.split("|"):
        if name.isdigit():
            return name
        if name in _COMPUTED:
            for _, part in ordered:
                with suppress(AttributeError):
                    return str(_COMPUTED[name](part))
            return ""
        key, entry = _ENTRIES.get(name, (name, itemgetter(0)))
        for _, part in ordered:
            key = next((same for same in _SAME.get(key, ()) if same in vars(part)), key)
            value = vars(part).get(key)
            if isinstance(value, list | tuple) and value and all(type(n) is int for n in value):
                return str(entry(value))
            if type(value) is int and value > 0:
                own = symbols.get((id(part), key), "")
                return own or str(value)
            if isinstance(value, Mapping) and {"height", "width"} <= value.keys():
                return str(entry((value["height"], value["width"])))
    return ""


def _rank(prefix: str, kind: InputKind) -> int:
    """How far a part of a config is from what a kind is about: the part of its name, the whole, any other."""
    return next((i for i, word in enumerate(kind.words) if word in prefix), len(kind.words) + (prefix != ""))
