"""Two small configs of any type of transformers, by a general rule: sizes by the names of fields, and less where the
type does not take that.

What `small_configs` knows of text models is done first, then images, patches, frames and pyramids of stages. A type
that ties its fields otherwise refuses, or its model cannot be built: then fewer fields are changed, at last none.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

from small_configs import _OVERRIDES, _RULES, HIDDEN, _sensible, _shrink, default_config, made_anew, stated
from transformers import PreTrainedConfig

SEEN: dict[str, tuple[Any, Any]] = {
    **dict.fromkeys(("image_size", "img_size"), (32, 48)),
    **dict.fromkeys(("num_frames",), (4, 6)),
    **dict.fromkeys(("window_size",), (4, 6)),
    **dict.fromkeys(("patch_size",), (8, 12)),
    **dict.fromkeys(("embed_dim", "vision_hidden_size", "encoder_hidden_size"), (48, 64)),
    **dict.fromkeys(("pool_size",), (2, 2)),
    **dict.fromkeys(("out_hidden_size",), HIDDEN),  # of a tower whose result is put among the text's
    **dict.fromkeys(("projection_dim", "projection_size"), (20, 28)),
    **dict.fromkeys(("num_queries",), (7, 9)),
    **dict.fromkeys(("mm_tokens_per_image",), (4, 4)),
    **dict.fromkeys(("num_mel_bins",), (16, 24)),
    **dict.fromkeys(("num_filters", "n_filters"), (4, 6)),
    **dict.fromkeys(("qformer_hidden_size",), (48, 64)),
}
_NEEDED = {"prediction_length": (6, 9), "num_time_features": (2, 3), "vocab_size": _RULES["vocab_size"]}
"""What users have to state, since its default is none: of time series, and how many words ESM knows."""
_FEW = ("num_hidden_layers", "encoder_layers", "decoder_layers", "num_layers", "n_layers", "n_layer", "depth")
_IS_PLACE = re.compile(r"(image|audio|video)_token_(id|index)")
LEVELS = ("sizes", "sizes alike", "text sizes", "layers and vocabulary", "layers", "as it is")


def small(model_type: str, variant: int) -> Iterator[tuple[str, PreTrainedConfig]]:
    """Configs of a type, the smallest first, with what of each was changed; `variant` 0 and 1 differ."""
    for level in LEVELS:
        try:
            yield level, _small(model_type, variant, level)
        except Exception:
            continue


def _small(model_type: str, variant: int, level: str) -> PreTrainedConfig:
    if level in ("sizes", "sizes alike", "text sizes"):
        default = default_config(model_type)
        rules = {name: pair for name, pair in _RULES.items() if name != "window_size"}  # which may be one of pixels
        with patch.dict(_RULES, rules, clear=True):
            found = _shrink(default, variant, _sensible(model_type))
        if level != "text sizes":
            found = _with_pinpoints(_changed(found, variant, SEEN), default)
        if level == "sizes alike":
            found = _alike(found, default, _widths(found, default))
        return _sections(found)
    config = default_config(model_type)
    fields = {} if level == "as it is" else dict.fromkeys(_FEW, (2, 3))
    if level == "layers and vocabulary":
        fields["vocab_size"] = _RULES["vocab_size"]
    return _changed(config, variant, fields)


def _changed(config: PreTrainedConfig, variant: int, rules: dict[str, tuple[Any, Any]]) -> PreTrainedConfig:
    """The config made anew with other values in the fields that the rules name, and in its parts."""
    if not rules:
        return copy.deepcopy(config)
    fields = stated(config)
    tied = _OVERRIDES.get(config.model_type, {})  # to other fields, and changed with these
    values: dict[str, Any] = {name: value for name, value in fields.items() if value is not None}
    for name, value in fields.items():
        if value is None and _IS_PLACE.fullmatch(name):
            values[name] = 7  # a token
        if name in _NEEDED and not value:
            values[name] = _NEEDED[name][variant]
        if isinstance(value, PreTrainedConfig) and "architecture" not in vars(value):  # which names the sizes of timm's
            values[name] = _changed(value, variant, rules)
        elif name in tied:
            continue
        elif name in rules and type(value) is int and value > 0 and not (name == "window_size" and value > 60):
            values[name] = min(rules[name][variant], value)
        elif name in rules and isinstance(value, list | tuple) and all(type(v) is int for v in value):
            values[name] = type(value)(min(rules[name][variant], v) for v in value)
    depths = {fields[n] for n in _FEW if type(fields.get(n)) is int}
    for name, value in fields.items():  # what is said of each layer
        if isinstance(value, list | tuple) and len(value) in depths and set(rules) & set(_FEW):
            short = next(values[n] for n in _FEW if fields.get(n) == len(value))
            values[name] = value[:short]
    return made_anew(config, values)


def _with_pinpoints(found: PreTrainedConfig, default: PreTrainedConfig) -> PreTrainedConfig:
    """The config with the sizes that large images are cut to in as many of its smaller images as before."""
    name = "image_grid_pinpoints"
    part = stated(found).get("vision_config")
    if not vars(found).get(name) or not isinstance(part, PreTrainedConfig) or type(part.image_size) is not int:
        return found
    was = stated(default)["vision_config"].image_size
    scaled = [[side * part.image_size // was for side in pair] for pair in stated(default)[name]]
    return made_anew(found, {**{k: v for k, v in stated(found).items() if v is not None}, name: scaled})


def _widths(found: PreTrainedConfig, default: PreTrainedConfig) -> dict[int, int]:
    """What the widths became that the rules changed, by what they were, where that is one number."""
    widths: dict[int, set[int]] = {}
    for name, old in stated(default).items():
        new = stated(found).get(name)
        if isinstance(old, PreTrainedConfig) and isinstance(new, PreTrainedConfig):
            for was, becomes in _widths(new, old).items():
                widths.setdefault(was, set()).add(becomes)
        elif _RULES.get(name) == HIDDEN and type(old) is int and type(new) is int and old != new:
            widths.setdefault(old, set()).add(new)
    return {was: becomes.pop() for was, becomes in widths.items() if len(becomes) == 1}


def _alike(found: PreTrainedConfig, default: PreTrainedConfig, widths: dict[int, int]) -> PreTrainedConfig:
    """The config with what has no rule and was as wide as something that has one, or half of it, still so."""
    halves = {was // 2: becomes // 2 for was, becomes in widths.items() if was // 2 not in widths}
    return _as_wide(found, default, halves | widths)


def _as_wide(found: PreTrainedConfig, default: PreTrainedConfig, widths: dict[int, int]) -> PreTrainedConfig:
    values = {name: value for name, value in stated(found).items() if value is not None}
    for name, old in stated(default).items():
        if isinstance(old, PreTrainedConfig) and isinstance(values.get(name), PreTrainedConfig):
            values[name] = _as_wide(values[name], old, widths)
        elif type(old) is int and values.get(name) == old:
            values[name] = widths.get(old, old)
        elif isinstance(old, list | tuple) and values.get(name) == old and all(type(v) is int for v in old):
            values[name] = type(old)(widths.get(v, v) for v in old)
    return made_anew(found, values)


def _sections(config: PreTrainedConfig) -> PreTrainedConfig:
    """The config with the sections of rotary positions of several axes, which those have that see images in patches to
    be merged, as wide as half of a head."""
    inside = [part for name in config.sub_configs if isinstance(part := vars(config).get(name), PreTrainedConfig)]
    merges = any("spatial_merge_size" in vars(part) for part in inside)
    for part in (config, *inside):
        if part is not config:
            _sections(part)
        rope = vars(part).get("rope_parameters")
        if isinstance(rope, dict) and (rope.get("mrope_section") or merges) and "num_attention_heads" in vars(part):
            width = getattr(part, "head_dim", None) or part.hidden_size // part.num_attention_heads
            half = int(width * rope.get("partial_rotary_factor", 1.0)) // 2
            rope["mrope_section"] = [half - 2 * (half // 3), half // 3, half // 3]
    return config
