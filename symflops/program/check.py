"""Whether a program is one: what it says of its tensors fits together."""

from __future__ import annotations

from symflops.program.block import Again, Block, Freed, Item, Made, Program, Step, View


def faults(program: Program) -> list[str]:
    """What is wrong with a program, one line each; none where each tensor is made before it is used and once, is freed
    once and not used after that, and a block that runs again is given and gives what it was first."""
    return _Check(program).found


class _Check:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.found: list[str] = []
        self.held = {number for number, tensor in program.tensors.items() if tensor.role == "weight"}
        self.freed: set[int] = set()
        self.ended: set[Block] = set()
        self.items(program.given, program.name)
        self.block(program.body)
        self.items(program.after, program.name)

    def block(self, block: Block) -> None:
        self.items(block.items, block.path)
        self.ended.add(block)

    def items(self, items: tuple[Item, ...], where: str) -> None:
        for item in items:
            if isinstance(item, Made):
                self.make(item.tensor, where)
            elif isinstance(item, Freed):
                self.free(item.tensor, where)
            elif isinstance(item, Step):
                self.use((*item.reads, *item.writes), f"{where}, {item.name}")
            elif isinstance(item, Block):
                self.block(item)
            else:
                self.again(item)

    def make(self, number: int, where: str) -> None:
        if number in self.held or number in self.freed:
            self.found.append(f"{where}: %{number} is made twice")
        self.held.add(number)

    def free(self, number: int, where: str) -> None:
        if number not in self.held:
            self.found.append(f"{where}: %{number} is freed and is not held")
        self.held.discard(number)
        self.freed.add(number)

    def use(self, views: tuple[View, ...], where: str) -> None:
        for view in views:
            if view.tensor not in self.held:
                state = "was freed" if view.tensor in self.freed else "was never made"
                self.found.append(f"{where}: %{view.tensor} {state}")

    def again(self, item: Again) -> None:
        if item.block not in self.ended:
            self.found.append(f"{item.path}: runs again what has not run, {item.block.path}")
        self.use(item.inputs, item.path)
        self.items(item.items, item.path)
        for what, own, first in (
            ("is given", item.inputs, item.block.inputs), ("gives", item.outputs, item.block.outputs),
        ):  # fmt: skip
            if [v.elements for v in own] != [v.elements for v in first]:
                self.found.append(f"{item.path}: {what} other sizes than {item.block.path}")
