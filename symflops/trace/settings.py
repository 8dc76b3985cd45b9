"""How a model is called in one run of a derivation."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Settings:
    """How a model is called."""

    eager: bool = False
    allow_unknown: bool = False
    past: str = "symbol"  # "symbol": past_len tokens are cached; "empty": an empty cache; "none": no cache
    after_encoder: bool = False  # of an encoder and a decoder only the decoder is called, in a step after both
    continued: bool = False  # the cache comes from an earlier call, so recurrent states are filled
    grows: bool = False  # what that call leaves is as long as it was: it had past_len tokens
    as_eager: bool = False  # with the source's own attention and a cache as it is in memory
    training: bool = False  # in training mode: dropout is real, and steps are written down for their backward
    whole_step: bool = False  # the backward is run by autograd itself, to see what a step of training holds
    streams: int = 1  # rows of ids for each sequence: some audio models take one for each of their codebooks
    lengths: dict[str, int] = field(default_factory=dict)  # run symbols that are numbers in this run
    hints: dict[str, int] = field(default_factory=dict)  # of run symbols that are not as short as usual
