"""What a model of transformers is fed where the user does not say it: an encoder and a decoder, and images of any size.

Encoder and decoder have a length each, `source_len` or `num_frames` and `target_len`. Which dimensions the features of
audio have, a signature does not say: the first of some that a call at plain numbers takes.
"""

from __future__ import annotations

import inspect

from symflops.algebra import free_symbols
from symflops.inputs import DECODER_IDS, Input, read_inputs
from symflops.trace.architecture import Architecture
from symflops.trace.configs import Named
from symflops.trace.run import build, call
from symflops.trace.settings import Settings

_ENCODER = {
    "input_ids": ("int64[batch_size, source_len]",),
    "input_features": (
        "float[batch_size, num_mel_bins, num_frames]",
        "float[batch_size, num_mel_bins, 2*max_source_positions]",  # of a fixed number of seconds
        "float[batch_size, num_frames, input_feat_per_channel]",
        "float[batch_size, num_frames, feature_projection_input_dim]",
    ),
    "input_values": ("float[batch_size, num_samples]",),
}
_LENGTHS = {"source_len", "num_frames", "num_samples"}


def usual_inputs(named: Named) -> tuple[Input, ...]:
    """The inputs of an encoder and a decoder, of which one call runs both, and of images of any size; () of any other
    model, and where none of the usual ones fits."""
    config, model_class = named.config, named.model_class
    accepted = inspect.signature(model_class.forward).parameters
    main = getattr(model_class, "main_input_name", "")
    if main == "pixel_values" and "num_channels" in vars(config) and getattr(config, "image_size", None) is None:
        return read_inputs({main: "float[batch_size, num_channels, 32*h, 32*w]"})
    is_pair = getattr(config, "is_encoder_decoder", None) is True and DECODER_IDS in accepted and main in accepted
    forms = _ENCODER.get(main, ()) if is_pair else ()
    tried = [read_inputs({main: form, DECODER_IDS: "int64[batch_size, target_len]"}) for form in forms]
    known = {"batch_size", *_LENGTHS, *vars(config)}
    fitting = [inputs for inputs in tried if all(free_symbols(size) <= known for size in inputs[0].shape)]
    return next((inputs for inputs in fitting if len(fitting) == 1 or _is_taken(named._replace(inputs=inputs))), ())


def _is_taken(named: Named) -> bool:
    built = build(named, Architecture())
    return call(built, Settings(past="none", lengths=built.hints)).error is None
