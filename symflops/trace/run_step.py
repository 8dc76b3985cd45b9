"""One step of training is run: the model's forward with its loss, and the backward."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from symflops.trace import repeats
from symflops.trace.lifetimes import Turned
from symflops.trace.nested import called
from symflops.trace.record import tensors_of
from symflops.trace.recorder import Recorder
from symflops.trace.watching import watching


def run_step(recorder: Recorder, inputs: dict[str, Any]) -> None:
    """A forward with its loss, where the model has one, and the backward, by autograd itself."""
    step, model = recorder.step, recorder.root.module
    assert step is not None
    if "labels" in inspect.signature(model.forward).parameters and "input_ids" in inputs:
        with recorder.pause():
            inputs["labels"] = recorder.note(torch.empty_like(inputs["input_ids"]), "input")
    try:
        with recorder, watching(recorder), repeats.skipped(recorder), step.watching():
            loss = tensors_of(called(model, inputs))[0]
        recorder.let_go()
        recorder.lifetimes.events.append(Turned())
        with recorder:
            step.backward(loss)
        with recorder.pause():
            step.done(model.parameters(), recorder.storages, recorder.unit)
    finally:
        for weight in model.parameters():
            weight.grad = None
        model.requires_grad_(False)
