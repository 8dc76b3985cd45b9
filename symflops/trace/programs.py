"""The record of a call as a program, which no longer knows of PyTorch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from symflops.program.block import Again, Block, Freed, Item, Made, Program, Step, Tensor, View, numbered
from symflops.trace import record
from symflops.trace.lifetimes import Enter, Event, Leave
from symflops.trace.recorder import Recorder
from symflops.trace.serials import storage_key


def program_of(recorder: Recorder, name: str, conditions: Iterable[str] = ()) -> Program:
    """The program of the call that was recorded last."""
    blocks: dict[record.Execution, Block] = {}
    events = iter(recorder.lifetimes.events)
    given: list[Made] = []
    for event in events:
        if isinstance(event, Enter):
            break
        if isinstance(event, Made):
            given.append(event)
    body = _block(recorder.root, events, blocks)
    assert isinstance(body, Block)
    after = tuple(event for event in events if isinstance(event, Freed))
    model = recorder.root.module
    names = {storage_key(tensor): path for path, tensor in (*model.named_buffers(), *model.named_parameters())}
    tensors = {n: Tensor(n, s.elements, s.unit, s.role, names.get(n, "")) for n, s in recorder.storages.items()}
    program = Program(name, tensors, tuple(given), body, after, tuple(conditions))
    first = [n for n, t in tensors.items() if not t.name] + [n for n, t in tensors.items() if t.name]
    return numbered(program, {n: i for i, n in enumerate(first, 1)})


def _block(
    execution: record.Execution, events: Iterator[Event], blocks: dict[record.Execution, Block]
) -> Block | Again:
    items: list[Item] = []
    for event in events:
        if isinstance(event, Leave):
            break
        if isinstance(event, Enter):
            items.append(_block(event.execution, events, blocks))
        else:
            items.append(_item(event))
    inputs, outputs = _views(execution.inputs), _views(execution.outputs)
    if execution.repeated is not None:
        made = tuple(item for item in items if isinstance(item, Made))
        return Again(execution.path, blocks[execution.repeated], inputs, outputs, made)
    blocks[execution] = Block(execution.path, type(execution.module).__name__, tuple(items), inputs, outputs)
    return blocks[execution]


def _item(event: Event) -> Item:
    if isinstance(event, Made | Freed):
        return event
    assert isinstance(event, record.Operation)
    arguments = tuple(event.args.items())
    return Step(event.name, _views(event.reads), _views(event.writes), event.function, event.formula, arguments)


def _views(of: Iterable[record.Slice]) -> tuple[View, ...]:
    return tuple(View(view.storage, view.elements) for view in of)
