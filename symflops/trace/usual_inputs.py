"""What a model of transformers is fed where the user does not say it: pairs of an encoder and a decoder.

Both have a length of their own, `source_len` or `num_frames` and `target_len`. Which dimensions the features of audio
have, a signature does not say: the first of some that a call at plain numbers takes.
"""

from __future__ import annotations

import inspect

from symflops.algebra import free_symbols
from symflops.inputs import Input, read_inputs
from symflops.trace.architecture import Architecture
from symflops.trace.configs import Named
from symflops.trace.run import Settings, build, call

_DECODER = "decoder_input_ids"
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
    """The inputs of an encoder and a decoder, of which one call runs both; () of any other model, and where none of the
    usual ones fits."""
    accepted = inspect.signature(named.model_class.forward).parameters
    main = getattr(named.model_class, "main_input_name", "")
    if (
        getattr(named.config, "is_encoder_decoder", None) is not True
        or _DECODER not in accepted
        or main not in accepted
    ):
        return ()
    tried = [read_inputs({main: form, _DECODER: "int64[batch_size, target_len]"}) for form in _ENCODER.get(main, ())]
    known = {"batch_size", *_LENGTHS, *vars(named.config)}
    fitting = [inputs for inputs in tried if all(free_symbols(size) <= known for size in inputs[0].shape)]
    return next((inputs for inputs in fitting if len(fitting) == 1 or _is_taken(named._replace(inputs=inputs))), ())


def _is_taken(named: Named) -> bool:
    built = build(named, Architecture())
    return call(built, Settings(past="none", lengths=built.hints)).error is None
