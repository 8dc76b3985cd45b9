"""What a model stores: its parameters and those that a token uses, the bytes of its weights, the KV cache."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

from symflops import algebra, polynomial
from symflops.algebra import calls_of, free_symbols, substitute
from symflops.cost import UNITS
from symflops.errors import SymflopsError
from symflops.function import maximum, minimum
from symflops.layer import Layer
from symflops.meaning import with_quantity
from symflops.model import Model, Place
from symflops.place import places
from symflops.polynomial import Value

QUANTITIES = {**UNITS, "weights": "byte", "cache": "byte"}  # what can be asked of a model or a part, and its unit
ATTENTION = ("sdpa", "sdpa_eager")
_STORED = {"weight_bytes": 0, "cache_bytes": 0}


def weights_of(place: Place) -> Value:
    """The bytes of a layer's weights in their format, all its runs together."""
    return polynomial.multiply(place.layer.weight_bytes, place.runs)


def has_formats(model: Model) -> bool:
    """Whether some layer has weights in a format of their own."""
    return any(layer.stored is not None for layer in model.layers)


def weights(model: Model, pattern: str = "") -> Value:
    """The bytes of the weights of a model, or of the layers that a pattern names, in all symbols.

    >>> from symflops.model import load
    >>> gpt2 = load("gpt2")
    >>> substitute(weights(gpt2), {**gpt2.symbols, "weight_bytes": 2}) == 2 * gpt2.total().parameters
    True
    """
    return weights_below(model.matching(pattern) if pattern else [Place("", model.root, 1)])


def weights_below(above: Iterable[Place]) -> Value:
    """The bytes of the weights in these layers and in all below them."""
    each = (p._replace(runs=polynomial.multiply(top.runs, p.runs)) for top in above for p in _leaves(top.layer))
    return polynomial.add(0, *map(weights_of, each))


def _leaves(layer: Layer) -> Iterator[Place]:
    if layer.is_basic:
        yield Place("", layer, 1)
    yield from (place for place in places(layer) if place.layer.is_basic)


def read_in_formats(layers: Iterable[Place]) -> Value:
    """The bytes of weights in formats of their own that a call of these layers reads, in all symbols, but for what of
    them weight_bytes counts, such as biases."""
    found: Value = 0
    for _, layer, runs in layers:
        if layer.is_basic and layer.stored is not None:
            bare = replace(layer, stored=0).cost
            for metric in ("read_bytes", "write_bytes"):
                less = polynomial.negate(bare.value(metric))
                found = polynomial.add(found, polynomial.multiply(runs, polynomial.add(layer.cost.value(metric), less)))
    return substitute(found, {"weight_bytes": 0})


def without_weights_read(layer: Layer) -> Mapping[str, Value]:
    """The costs of a basic layer, in the largest piece in which a call is fed, but for what it reads of weights and of
    the cache."""
    bare = layer if layer.stored is None else replace(layer, stored=0)
    return {metric: substitute(value, _STORED) for metric, value in bare.largest_piece.items()}


@lru_cache(maxsize=32)
def amount(model: Model, name: str) -> Value:
    """One of the amounts that people write a letter for: parameters, active_parameters, or the tokens of a call."""
    if name == "tokens":
        batches = 1 if model.plan is None else model.plan.accumulate
        return polynomial.multiply(batches, polynomial.symbol("batch_size"), polynomial.symbol("seq_len"))
    return model.total(symbolic=True).value("parameters") if name == "parameters" else active_parameters(model)


def routed(layer: Layer) -> tuple[str, str] | None:
    """The symbols of the experts, and of those that a token is routed to, of a layer whose weights are experts'."""
    if not layer.is_basic:
        return None
    own, used = (free_symbols(layer.cost.value(metric)) for metric in ("parameters", "matmul_flops"))
    experts, chosen = with_quantity(own, "experts"), with_quantity(used, "experts of a token")
    # a router multiplies by all of its weights
    return (experts, chosen) if experts and chosen and experts not in used else None


def active_parameters(model: Model) -> Value:
    """The parameters that one token uses: of a mixture of experts those of the experts that it is routed to.

    >>> from symflops.model import load
    >>> load("gpt2").total(symbolic=True).value("parameters") == active_parameters(load("gpt2"))
    True

    Raises SymflopsError where a model has experts and no layer whose weights are theirs.
    """
    found = model.total(symbolic=True).value("parameters")
    seen = False
    for place in model.places():
        if (names := routed(place.layer)) is not None:
            seen = True
            own = place.layer.cost.value("parameters")
            less = polynomial.add(substitute(own, {names[0]: polynomial.symbol(names[1])}), polynomial.negate(own))
            found = polynomial.add(found, polynomial.multiply(less, place.runs))
    if not seen and with_quantity(set(model.definitions), "experts of a token"):
        raise SymflopsError("its layers do not show which parameters a token uses", where=model.name)
    return found


def cache(model: Model, pattern: str = "") -> Value:
    """The bytes that are kept for the next call once `past_len + seq_len` tokens have been fed, in all symbols.

    What is appended to a KV cache, for grouped, multi-query and latent attention as the model file says, is kept for
    every token of a sequence (of the decoder's, and of the source that cross-attention reads), or for the last
    `window - 1` where the attention beside it sees no more. Recurrent states, which do not grow, are added. Raises
    SymflopsError when no layer says what it keeps, or not all that keep something do.
    """
    wanted = [path for path, _, _ in model.matching(pattern)] if pattern else [""]
    kept = kept_by_layers(model, lambda path: any(not w or path == w or path.startswith(f"{w}.") for w in wanted))
    if not kept:
        said = "no layer keeps a KV cache or a state"
        if not model.domain.allows(past_len=1):
            said = "it was derived for a first call alone (past_len == 0), and no layer states what it keeps"
        raise SymflopsError(said, where=f"{model.name}{pattern and f': {pattern}'}")
    return polynomial.add(0, *(value for _, value in kept))


def kept_by_layers(model: Model, wanted: Callable[[str], bool] = lambda _: True) -> list[tuple[Place, Value]]:
    """The layers that keep something for the next call, and the bytes that all runs of each keep."""
    length = model.length
    tokens = polynomial.add(polynomial.symbol("past_len"), polynomial.symbol(length))
    groups: dict[str, Layer] = {"": model.root}
    kept: list[tuple[Place, Value]] = []
    untold = all(layer.state == 0 for layer in model.layers)
    for place in model.places():
        path, layer, runs = place
        groups[path] = layer
        if not wanted(path):
            continue
        if layer.state != 0:
            kept.append((place, polynomial.multiply(runs, layer.state)))
        if layer.formula is None or layer.formula.state == "0":
            if untold and layer.is_basic and _asks_for_state(layer):
                message = "the file does not say how large its recurrent state is; derive it anew"
                raise SymflopsError(message, where=f"{model.name}: {path}")
            continue
        state = layer.formula.state_bytes(dict(layer.args))
        if length in algebra.free_symbols(state):
            beside, per_token = _beside(state, length)
            window = _window(groups[path.rpartition(".")[0]])
            in_blocks = model.serving is not None and (model.serving.block > 1 or model.serving.cached_prefix)
            if length in free_symbols(per_token) or (beside != 0 and (window is not None or in_blocks)):
                raise SymflopsError(f"what it keeps is not proportional to {length}", where=f"{model.name}: {path}")
            seen = tokens if window is None else minimum(polynomial.add(window, -1), tokens)
            state = polynomial.add(beside, polynomial.multiply(per_token, seen))
            if model.serving is not None and in_blocks:
                state = model.serving.kept(per_token, window)
        kept.append((place, polynomial.multiply(runs, state)))
    serving = model.serving
    return kept if serving is None else [(place, serving.together(value)) for place, value in kept]


def _beside(state: Value, length: str) -> tuple[Value, Value]:
    """Of what a call of so many tokens adds to a cache, what is kept beside its tokens, such as an image before them,
    and what each of them adds; which depends on the length where it is not proportional."""
    beside = substitute(state, {length: 0})
    return beside, polynomial.divide(polynomial.add(state, polynomial.negate(beside)), polynomial.symbol(length))


def kept_beside_tokens(model: Model) -> Value:
    """The positions of a sequence that a first call leaves in the caches of keys and values beside its tokens: those of
    an image before them. Raises SymflopsError where they differ from cache to cache."""
    found: set[Value] = set()
    for layer in model.layers:
        state = 0 if layer.formula is None else layer.formula.state_bytes(dict(layer.args))
        if model.length in free_symbols(state):
            beside, per_token = _beside(state, model.length)
            found.add(beside if beside == 0 else polynomial.divide(beside, per_token))
    if len(found) > 1 or any(free_symbols(positions) & {"batch_size", model.length} for positions in found):
        raise SymflopsError("its caches do not all keep the same beside the tokens of a call", where=model.name)
    return found.pop() if found else 0


def _window(group: Layer) -> Value | None:
    """How far back the attention of a group sees, if that is limited and no more is kept."""
    attention = [p.layer for p in group.parts if p.layer.formula is not None and p.layer.formula.name in ATTENTION]
    windows = [
        None if args.get("kv_read") == args["kv_len"] else args.get("window", _kept(args))
        for layer in attention
        if (args := dict(layer.args))
    ]
    limited = [w for w in windows if w is not None]
    return maximum(*limited) if limited and len(limited) == len(windows) else None


def _kept(args: Mapping[str, Value]) -> Value | None:
    """The window of a cache that a mask says nothing of: of `seq_len + min(past_len, window - 1)` keys."""
    cached = polynomial.add(args["kv_len"], polynomial.negate(args["q_len"]))
    limits = [
        other
        for call in calls_of(cached, "past_len")
        if call.function == "min" and cached == minimum(*call.arguments)
        for other in call.arguments
        if "past_len" not in free_symbols(other)
    ]
    return polynomial.add(limits[0], 1) if len(limits) == 1 else None


def _asks_for_state(layer: Layer) -> bool:
    """Whether a cost asks if there was a call before, `min(past_len, 1)`, as layers with a recurrent state do."""
    calls = (call for value in layer.at_once.values() for call in calls_of(value, "past_len"))
    asked = {1, polynomial.symbol("past_len")}
    return any(call.function == "min" and set(call.arguments) == asked for call in calls)


def keeps_something(model: Model) -> bool:
    """Whether some layer leaves something for the next call, said or not."""
    said = (layer.state != 0 or (layer.formula is not None and layer.formula.state != "0") for layer in model.layers)
    return any(said) or any(layer.is_basic and _asks_for_state(layer) for layer in model.layers)


def kept_for_next_call(model: Model) -> Value | None:
    """The bytes of `cache`; 0 where nothing is kept, None where a layer keeps something and does not say how much."""
    if not keeps_something(model):
        return 0
    try:
        return cache(model)
    except SymflopsError:
        return None
