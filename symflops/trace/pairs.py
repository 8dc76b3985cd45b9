"""An encoder and its decoder: the call that runs both, and a step of the decoder after it, as one closed form.

A step has the keys and values of cross-attention in a cache that the first call filled, and the encoder's result as an
argument. What only the first call runs is switched by `encoder`, 1 or 0.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from symflops.grouping import grouped
from symflops.polynomial import Value, add, multiply, negate, symbol
from symflops.trace import combine
from symflops.trace.layer_data import Data, as_value
from symflops.trace.lengths import Record, any_length, records_in_agreement
from symflops.trace.settings import Settings
from symflops.trace.work import Work
from symflops.tree import write
from symflops.vocabulary.metrics import RUNNING
from symflops.vocabulary.symbols import ENCODER

Path = tuple[str, ...]
_MARK = "switched"  # of a layer, until equal ones are folded


def with_steps(work: Work, settings: Settings) -> Record:
    """A record in which past_len tokens are in the decoder's cache, and `encoder` says whether the encoder runs."""
    calls = {
        "the encoder and the decoder": replace(settings, past="symbol"),
        "the decoder after them": replace(settings, past="symbol", after_encoder=True),
    }
    first, later = records_in_agreement(work, partial(any_length, work), calls, {})
    first.run.guards += later.run.guards
    return replace(first, layers=_together(first.layers, later.layers))


def _together(first: Data, later: Data) -> Data:
    """later + encoder*(first - later) where both run; what runs in the first call alone is marked."""
    ours, steps = combine.leaves(first), combine.leaves(later)
    only = {path for path, data in ours.items() if _runs(data) and not _runs(steps.get(path))}
    idle = {path for path, data in steps.items() if not _runs(data)}

    def join(pair: list[Value]) -> Value:
        start, step = pair
        return add(step, multiply(symbol(ENCODER), add(start, negate(step))))

    joined = combine.combined([first, _without(later, idle)], join, combine.Calls.EITHER)
    for path in only:
        _put(joined, path, {**ours[path], _MARK: True})
    return joined


def _runs(data: Data | None) -> bool:
    """Whether a layer does more than own weights."""
    costs = combine.costs(data)
    return any(costs[metric] != 0 for metric in RUNNING)


def _without(layers: Data, idle: set[Path], path: Path = ()) -> Data:
    found: Data = {}
    for name, data in layers.items():
        if "sub_layers" not in data:
            found |= {} if (*path, name) in idle else {name: data}
        elif below := _without(data["sub_layers"], idle, (*path, name)):
            found[name] = {**data, "sub_layers": below}
    return found


def _put(layers: Data, path: Path, data: Data) -> None:
    for name in path[:-1]:
        layers = layers[name]["sub_layers"]
    layers[path[-1]] = data


def switched(layers: Data) -> Data:
    """Folded layers with `encoder` in the repeat of those that are marked."""
    found: Data = {}
    for name, data in layers.items():
        plain = {key: value for key, value in data.items() if key != _MARK}
        if "sub_layers" in data:
            plain["sub_layers"] = switched(data["sub_layers"])
        if _MARK in data:
            plain["repeat"] = write(grouped(multiply(as_value(data.get("repeat", 1)), symbol(ENCODER))))
        found[name] = plain
    return found
