"""Two models of one config: are their metrics the same, at any point?"""

from __future__ import annotations

from coverage_checks import alone

from symflops import numeric
from symflops.algebra import free_symbols
from symflops.cost import METRICS
from symflops.errors import SymflopsError
from symflops.model import Model
from symflops.vocabulary.symbols import ENCODER, RUN

_OTHERS = (31, 23, 412, 7)  # of lengths and counts that a model is fed beside the usual ones
POINTS = tuple(
    {"batch_size": b, "seq_len": s, "past_len": p, "causal": c, "dtype_bytes": 3, "weight_bytes": 5, "cache_bytes": 7}
    for b, s in ((1, 16), (3, 40), (2, 7), (1, 1), (2, 129)) for p in (0, 5) for c in (0, 1)
)  # fmt: skip


def differs(here: Model, there: Model) -> str:
    """The first metric that is not the same in two models; "" where all are."""
    if [one.text() for one in here.inputs] != [one.text() for one in there.inputs]:
        return "they are fed otherwise"
    for metric in METRICS:
        one, other = (m.total().value(metric) for m in (here, there))
        if one == other:
            continue
        own = sorted((free_symbols(one) | free_symbols(other)) - set(RUN))
        for place, point in enumerate(POINTS):
            more = {name: _OTHERS[(place + i) % len(_OTHERS)] + i for i, name in enumerate(own)}
            more |= {ENCODER: place % 2} if ENCODER in own else {}
            values = [_at(model, metric, point | more) for model in (here, there)]
            if values[0] != values[1]:
                return f"{metric} is {values[0]}, derived {values[1]} at {point | more}"
    return ""


def _at(model: Model, metric: str, point: dict[str, int]) -> object:
    """A metric at a point, not rounded; None where it has no number there."""
    try:
        return numeric.evaluate(model.total().value(metric), numeric.with_defaults(alone(model) | point))
    except SymflopsError:
        return None
