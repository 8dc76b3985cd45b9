"""What is to be said beside the numbers of a derived model: what they leave out, and what they take for granted."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from symflops.layer import Layer
from symflops.model import Model
from symflops.vocabulary.metrics import OWNED, RUNNING
from symflops.vocabulary.symbols import DTYPES

SHOWN = 8  # names in one note


def never_run(model: Model, handed_out: Collection[str] = ()) -> list[str]:
    """A note on the parts that own weights and that the call did not reach, such as a vision tower without an image;
    but for the weights, by their paths, that are `handed_out` to layers which read them."""
    read = {_without_places(path) for path in handed_out}
    paths = [path for path in _idle("", model.root) if _without_places(path) not in read]
    if not paths:
        return []
    return [f"the call did not run these parts, of which only the weights are counted: {listed(paths)}"]


def first_call_only(why: str) -> list[str]:
    """A note on a model that takes a cache, or would, and is derived without one."""
    return [f"these are the costs of a first call; after other tokens: {why}"] if why else []


def not_masked(classes: Collection[str]) -> list[str]:
    """A note on attention that a model's source writes out, or whose mask is none that is known to be causal."""
    return [f"causal = 1 changes nothing for the attention of {listed(list(classes))}"] if classes else []


def decomposed(modules: Collection[Any], is_trained: bool) -> list[str]:
    """A note on recurrent layers in training: symbolic sizes take them apart otherwise than PyTorch's kernels do."""
    from torch.nn import RNNBase  # the other notes are of configs, which need no PyTorch

    names = list(dict.fromkeys(type(m).__name__ for m in modules if isinstance(m, RNNBase))) if is_trained else []
    why = "as PyTorch decomposes it, of which a kernel computes and keeps some percent less"
    return [f"the backward of {listed(names)} is counted {why}"] if names else []


def of_complex_numbers(are_multiplied: bool) -> list[str]:
    """A note on matrix products of complex numbers, which PyTorch's counter takes for real ones."""
    said = "a product of complex numbers is four real ones, and PyTorch's FlopCounterMode counts one"
    return [said] if are_multiplied else []


def dtype(config: Any) -> str:
    """The data type that a config names, of the model or of its text part; nothing where it names none."""
    for part in (config, config.get_text_config(decoder=True)):
        stated = str(vars(part).get("dtype") or "").removeprefix("torch.")
        if stated in DTYPES:
            return stated
    return ""


def is_pair(config: Any, model: Any) -> bool:
    """Whether a model is an encoder and a decoder, which one call feeds as many tokens each."""
    return getattr(config, "is_encoder_decoder", None) is True and hasattr(model, "get_encoder")


def _idle(path: str, layer: Layer) -> Iterator[str]:
    """The outermost parts of a layer that cost nothing but weights; of one of which some weights are read, its path."""
    for part in layer.parts:
        inner = f"{path}.{part.name}" if path else part.name
        if _is_idle(part.layer):
            yield f"some weights of {path or 'the model'}" if part.name == "unused_weights" else inner
        else:
            yield from _idle(inner, part.layer)


def _without_places(path: str) -> str:
    return ".".join(word for word in path.split(".") if not word.isdigit())


def _is_idle(layer: Layer) -> bool:
    """Whether a layer has weights, and nothing in it computes, reads or writes."""
    if not layer.is_basic:
        return bool(layer.parts) and all(_is_idle(part.layer) for part in layer.parts)
    return any(map(layer.cost.value, OWNED)) and not any(map(layer.cost.value, RUNNING))


def listed(names: list[str]) -> str:
    """Names in a row, of many the first ones."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
