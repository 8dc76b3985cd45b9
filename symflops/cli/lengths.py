"""What is said of the lengths that a model has, where another one was given."""

from __future__ import annotations

from symflops.inputs import symbols_of
from symflops.model import Model
from symflops.vocabulary.symbols import BATCH, ENCODER, LENGTH


def unused(model: Model) -> str:
    """What is said of a `seq_len` that no cost of a model depends on, with the lengths that costs do depend on."""
    free = model.total().free_symbols
    own = [name for name in symbols_of(model.inputs) if name in free and name not in (BATCH, LENGTH)]
    lengths = f"; its lengths are {', '.join(own)} (--set {own[0]}=…)" if own else ""
    step = ", and encoder = 0 is a step after the call of both" if ENCODER in model.run and own else ""
    return f"seq_len changes nothing: no cost of this model depends on it{lengths}{step}"
