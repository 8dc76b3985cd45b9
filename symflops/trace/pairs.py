"""An encoder and its decoder: the call that runs both, and a step of the decoder after it, as one closed form.

A step has the keys and values of cross-attention in a cache that the first call filled, and the encoder's result as an
argument. What only the first call runs is switched by `encoder`, 1 or 0.

A model that is fed images beside its tokens goes on with these alone. Where its cache keeps recurrent states, a step
is recorded without and with those of an earlier call, and of one token, as without images.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from symflops.grouping import grouped
from symflops.polynomial import Value, add, multiply, negate, symbol
from symflops.trace import combine
from symflops.trace.layer_data import Data, as_value
from symflops.trace.lengths import Record, any_length, one_or_many, records_in_agreement
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


def with_states(work: Work, settings: Settings) -> Record:
    """The same of a model whose cache keeps recurrent states, and that is fed images beside its tokens: what the images
    add is the same whatever states there are."""
    images = replace(settings, past="symbol")
    text = replace(images, after_encoder=True)
    calls = {
        "with its images": images,
        "the tokens after them": text,
        "with an empty cache": replace(text, past="empty"),
        "with the states of an earlier call": replace(text, continued=True),
    }

    def make(call: Settings) -> Record:
        return one_or_many(work, call) if call.continued or call.past == "empty" else any_length(work, call)

    first, plain, fresh, later = records_in_agreement(work, make, calls, {})
    for record in (plain, fresh, later):
        first.run.guards += record.run.guards
    steps = combine.switched(fresh.layers, later.layers)
    layers = _together(first.layers, plain.layers, steps)
    return replace(first, layers=layers, limit=later.limit, shortest=later.shortest)


def _together(first: Data, later: Data, recorded: Data | None = None) -> Data:
    """later + encoder*(first - later) where both run; what runs in the first call alone is marked. Of later calls that
    were recorded otherwise than the first one, `recorded` + encoder*(first - later)."""
    ours, steps = combine.leaves(first), combine.leaves(later)
    only = {path for path, data in ours.items() if _runs(data) and not _runs(steps.get(path))}
    idle = {path for path, data in steps.items() if not _runs(data)}

    def join(pair: list[Value]) -> Value:
        start, step = pair[:2]
        return add(pair[-1], multiply(symbol(ENCODER), add(start, negate(step))))

    others = [later] if recorded is None else [later, recorded]
    joined = combine.combined([first, *(_without(one, idle) for one in others)], join, combine.Calls.EITHER)
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
