"""A step of training of whatever names a model."""

from __future__ import annotations

from symflops.calling import such_as
from symflops.errors import SymflopsError
from symflops.model import Model
from symflops.passes import training as passes
from symflops.plan import ALL
from symflops.source import ModelLike, load


@such_as('training("llama-2-7b-hf")', 'training(model, optimizer="sgd", recompute="layers")')
def training(
    model: ModelLike,
    optimizer: str = "adamw",
    recompute: str = "none",
    trainable: str = ALL,
    mixed: bool = True,
    accumulate: int = 1,
    lora: int = 0,
    lora_on: str = "",
    foreach: bool = True,
) -> Model:
    """A training step of a model, as a model: parts `forward`, `recompute`, `backward` and `optimizer`.

    `model` is what `load` takes; a config is derived in training mode. `optimizer` is adamw, adam, sgd (with
    momentum), adamw_8bit, adafactor or muon. `recompute` is "none", "attention", "layers", or "layers:k" for groups of
    k layers. `trainable` are patterns of layers, by commas; the weights of the others are frozen. With `mixed`, a step
    is done on a copy of the weights in float32, beside its moments in float32; the weights themselves and gradients
    have `weight_bytes`, as moments have without it, activations `dtype_bytes`. Without `foreach` PyTorch's optimizer
    steps one weight after the other, which its peak in memory tells. With `accumulate` a step has so many forwards and
    backwards, of `batch_size` sequences each. With `lora`, a rank, the linear layers that `lora_on` has patterns for,
    or all but the last, get adapters, and these alone are trained. Where a model ends in a linear layer, the loss is
    the cross entropy of what that gives.

    >>> step = training("llama-2-7b-hf")
    >>> [part.name for part in step.root.parts]
    ['forward', 'backward', 'optimizer']
    >>> forward = load("llama-2-7b-hf").total().at(batch_size=1, seq_len=2048).matmul_flops
    >>> round(step.total().at(batch_size=1, seq_len=2048).matmul_flops / forward, 3)  # scores are made once more
    3.038

    Raises SymflopsError for a layer whose backward cost is not stated, and for a model that is a training step already.
    """
    for name, number in (("accumulate", accumulate), ("lora", lora)):
        if type(number) is not int:
            raise SymflopsError(f"expected {name} to be a whole number")
    named = load(model, training=True)
    return passes.training(named, optimizer, recompute, trainable, mixed, accumulate, lora, lora_on, foreach)
