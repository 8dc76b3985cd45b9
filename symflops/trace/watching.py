"""Calls of modules while a model runs: each becomes an Execution of the record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import torch

from symflops import progress
from symflops.errors import SymflopsError
from symflops.trace.lifetimes import Enter, Leave
from symflops.trace.record import Execution, tensors_of

if TYPE_CHECKING:
    from symflops.trace.recorder import Recorder


@contextmanager
def watching(recorder: Recorder) -> Iterator[None]:
    """Every call of a module inside becomes an Execution."""
    call = torch.nn.Module.__call__

    def noted(module: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        return recorder.execute(call, module, args, kwargs)

    steps = (
        nullcontext()
        if recorder.tape is None
        else recorder.tape.own_backwards(recorder.pause, lambda: recorder.written)
    )
    with patch.object(torch.nn.Module, "__call__", noted), steps:
        yield


def executed(recorder: Recorder, call: Any, module: torch.nn.Module, args: Any, kwargs: Any) -> Any:
    """The result of a call of a module, which is written down."""
    if recorder.paused:
        return call(module, *args, **kwargs)
    execution = recorder.root
    if module is not recorder.root.module:
        execution = Execution(module, recorder.paths.get(module, type(module).__name__))
        recorder.stack[-1].parts.append(execution)
    recorder.ran.add(module)
    progress.at(execution.path, len(recorder.ran), len(recorder.paths))
    tensors = tensors_of((args, kwargs))
    with recorder.pause():
        execution.inputs = [recorder.view(t) for t in tensors]
        execution.input_shapes = [recorder.quantities.shape(t.shape) for t in tensors]
        if recorder.tape is not None:
            execution.input_tensors = [recorder.tape.serial(t) for t in tensors]
    recorder.stack.append(execution)
    recorder.lifetimes.events.append(Enter(execution))
    try:
        result = call(module, *args, **kwargs)
    except SymflopsError as error:  # told with the innermost module that it happened in
        if error.where or type(error) is not SymflopsError or not execution.path:  # the model is named anyway
            raise
        raise error.within(execution.path) from None
    finally:
        recorder.stack.pop()
    recorder.let_go()
    recorder.lifetimes.events.append(Leave(execution))
    with recorder.pause():
        tensors = tensors_of(result)
        execution.outputs = [recorder.view(t) for t in tensors]
        execution.output_shapes = [recorder.quantities.shape(t.shape) for t in tensors]
        if recorder.tape is not None:
            execution.output_tensors = [recorder.tape.serial(t) for t in tensors]
            execution.steps_before_end = len(recorder.tape.steps)
            if execution is recorder.root:
                recorder.tape.returned = tensors
    return result
