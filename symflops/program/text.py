"""A program as text, one line for each step, in the manner of a jaxpr."""

from __future__ import annotations

from collections.abc import Iterator

from symflops.algebra import free_symbols
from symflops.grouping import grouped, renamed, short_names
from symflops.polynomial import Value
from symflops.program.block import Again, Block, Freed, Item, Made, Program, Step, Tensor, View
from symflops.tree import write


def text(program: Program) -> str:
    """The whole program: what is given, each step with what it reads and writes, when memory is freed; below it what
    the short names mean.

    A tensor is a number, `%7[B*S*h]`, with its elements where it is made; a weight is the name of its parameter.
    """
    used = dict.fromkeys(n for t in program.tensors.values() if t.role != "weight" for n in free_symbols(t.elements))
    writer = _Writer(program, short_names(set(used)))
    given = ", ".join(writer.made(made.tensor) for made in program.given)
    legend = [f"{short} = {name}" for name, short in sorted(writer.names.items(), key=lambda pair: pair[1])]
    freed = [writer.freed(program.after)] if program.after else []
    return "\n".join([f"{program.name}({given})", *writer.block(program.body, 1), *freed, "", *legend])


class _Writer:
    def __init__(self, program: Program, names: dict[str, str]) -> None:
        self.program, self.names = program, names

    def block(self, block: Block, depth: int) -> list[str]:
        head = f"{'  ' * depth}{block.path or 'model'}: {block.class_name}"
        return [head, *self.items(block.items, depth + 1)]

    def items(self, items: tuple[Item, ...], depth: int) -> Iterator[str]:
        pad = "  " * depth
        made: list[int] = []  # and shown with the step that writes it
        freed: list[Freed] = []
        for item in items:
            if isinstance(item, Freed):
                freed.append(item)
                continue
            if freed:
                yield pad + self.freed(freed)
                freed = []
            if isinstance(item, Made):
                made.append(item.tensor)
                continue
            written = {v.tensor for v in item.writes} if isinstance(item, Step) else set[int]()
            if others := [n for n in made if n not in written]:
                yield f"{pad}{', '.join(map(self.made, others))}: made"
            if isinstance(item, Step):
                yield pad + self.step(item, frozenset(made))
            elif isinstance(item, Again):
                results = ", ".join(self.made(m.tensor) for m in item.items)
                yield f"{pad}{results} = {item.path}({self.views(item.inputs)}): as {item.block.path}"
            else:
                yield from self.block(item, depth)
            made = []
        if made:
            yield f"{pad}{', '.join(map(self.made, made))}: made"
        if freed:
            yield pad + self.freed(freed)

    def step(self, step: Step, made: frozenset[int]) -> str:
        results = ", ".join(self.made(v.tensor) if v.tensor in made else self.name(v.tensor) for v in step.writes)
        arguments = "".join(f", {name}={self.size(value)}" for name, value in step.arguments)
        called = step.formula and step.formula != step.name and f" [{step.formula}]"
        source = f"    # {step.source}" if step.source not in ("", "forward") else ""
        return f"{results} = {step.name}{called or ''}({self.views(step.reads)}{arguments}){source}"

    def views(self, views: tuple[View, ...]) -> str:
        return ", ".join(self.name(v.tensor) for v in views)

    def made(self, number: int) -> str:
        tensor = self.program.tensors[number]
        return f"{self.name(number)}[{self.size(tensor.elements)}]{self.kind(tensor)}"

    def kind(self, tensor: Tensor) -> str:
        element = self.size(tensor.element)
        role = "" if tensor.role == "temporary" else f" {tensor.role}"
        return role if element in ("dtype_bytes", "cache_bytes") else f"x{element}{role}"

    def name(self, number: int) -> str:
        return self.program.tensors[number].name or f"%{number}"

    def size(self, value: Value) -> str:
        return write(renamed(grouped(value), self.names))

    def freed(self, items: list[Freed] | tuple[Freed, ...]) -> str:
        return f"free {', '.join(self.name(item.tensor) for item in items)}"
