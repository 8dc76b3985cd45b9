"""Programs of recorded calls: what they say fits together, and what they hold at their fullest is what a simulation of
every run, unrolled, holds."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from symflops.numeric import evaluate
from symflops.polynomial import multiply, symbol
from symflops.program.block import Again, Block, Freed, Item, Made, Program, Step, Tensor, View
from symflops.program.check import faults
from symflops.program.liveness import last_read, peaks
from symflops.program.text import text


def view(number: int) -> View:
    return View(number, 1)


class Drawn:
    """A random program: steps in blocks, some of which run again; tensors of random sizes are made and freed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.tensors: dict[int, Tensor] = {}

    def tensor(self, role: str = "temporary") -> int:
        number = len(self.tensors) + 1
        self.tensors[number] = Tensor(number, self.random.randrange(1, 50), self.random.choice((1, 2, 4)), role)
        return number

    def program(self) -> Program:
        given = self.tensor("input")
        items: list[Item] = []
        last = given
        for group in range(self.random.randrange(1, 3)):
            first, out = self.layer(f"list{group}.0", last, may_leave=True)
            items += [first, *([Freed(last)] if last != given else [])]
            last = out
            for i in range(1, self.random.randrange(2, 5)):
                copy = len(self.tensors) + 1
                self.tensors[copy] = replace(self.tensors[out], number=copy)
                items.append(Again(f"list{group}.{i}", first, (view(last),), (view(copy),), (Made(copy),)))
                items.append(Freed(last))
                last = copy
        return Program("drawn", self.tensors, (Made(given),), Block("", "Root", tuple(items), (), (view(last),)), ())

    def layer(self, path: str, given: int, may_leave: bool) -> tuple[Block, int]:
        items: list[Item] = []
        held: list[int] = []
        for _ in range(self.random.randrange(1, 6)):
            made = self.tensor("cache" if may_leave and self.random.random() < 0.2 else "temporary")
            items += [Made(made), Step("work", (view(given),), (view(made),))]
            if self.tensors[made].role == "cache":
                continue
            held.append(made)
            if self.random.random() < 0.5:
                items.append(Freed(gone := self.random.choice(held)))
                held.remove(gone)
        out = self.tensor()
        items += [Made(out), Step("work", tuple(map(view, held)), (view(out),))]
        items += [Freed(n) for n in held]
        return Block(path, "Layer", tuple(items), (view(given),), (view(out),)), out


def unrolled(program: Program) -> int:
    """The most bytes held, by running every item of every run in order."""
    held, most = 0, 0
    sizes = {n: int(evaluate(t.bytes, {})) for n, t in program.tensors.items()}

    def run(items: tuple[Item, ...], own_results: frozenset[int] = frozenset()) -> None:
        nonlocal held, most
        for item in items:
            if isinstance(item, Made) and item.tensor not in own_results:
                held += sizes[item.tensor]
            elif isinstance(item, Freed):
                held -= sizes[item.tensor]
            elif isinstance(item, Block):
                run(item.items)
            elif isinstance(item, Again):
                run(item.block.items)  # makes results of the same sizes as its own
            most = max(most, held)

    run((*program.given, *program.body.items))
    return most


@pytest.mark.parametrize("seed", range(300))
def test_a_peak_is_that_of_all_runs_one_after_the_other(seed: int) -> None:
    program = Drawn(seed).program()
    assert faults(program) == []
    found = peaks(program, {})
    assert max(int(evaluate(p.bytes, {})) for p in found) == unrolled(program)


@pytest.mark.parametrize("seed", range(60))
def test_what_is_freed_after_its_last_use_never_holds_more(seed: int) -> None:
    program = Drawn(seed).program()
    short = last_read(program)
    assert max(int(evaluate(p.bytes, {})) for p in peaks(short, {})) == unrolled(short) <= unrolled(program)


def layer_of_cache() -> Program:
    """Four layers that each keep 5*n elements and need 3*n of their own meanwhile; what goes between has n."""
    n = symbol("n")
    tensors = {
        1: Tensor(1, n, 1, "input"), 2: Tensor(2, multiply(5, n), 1, "cache"),
        3: Tensor(3, multiply(3, n), 1, "temporary"),
        **{i: Tensor(i, n, 1, "temporary") for i in (4, 5, 6, 7)},
    }  # fmt: skip
    items: tuple[Item, ...] = (Made(2), Made(3), Step("a", (view(1),), (view(2), view(3))), Made(4),
                               Step("b", (view(3),), (view(4),)), Freed(3))  # fmt: skip
    first = Block("layers.0", "Layer", items, (view(1),), (view(4),))
    again: list[Item] = []
    for i in (5, 6, 7):
        again += [Again(f"layers.{i - 4}", first, (view(i - 1),), (view(i),), (Made(i),)), Freed(i - 1)]
    return Program("kept", tensors, (Made(1),), Block("", "Root", (first, *again), (), (view(7),)), ())


def test_what_layers_keep_adds_up_to_the_last_of_them_at_any_depth() -> None:
    program = layer_of_cache()
    first = program.body.items[0]
    assert isinstance(first, Block)
    *_, numbers = peaks(program, {})
    # The input, what the first three keep, what goes into the last, and all that this one makes.
    assert evaluate(numbers.bytes, {"n": 1}) == 1 + 3 * 5 + 1 + (5 + 3 + 1)
    *_, deep = peaks(program, {first: symbol("L")})
    assert [evaluate(deep.bytes, {"n": 2, "L": depth}) for depth in (4, 100)] == [2 * 26, 2 * (26 + 96 * 5)]


def with_items(program: Program, items: tuple[Item, ...]) -> Program:
    return replace(program, body=replace(program.body, items=items))


LATE = Step("c", (view(3),), (view(7),))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda p: replace(p, given=()), "layers.0, a: %1 was never made"),
        (lambda p: replace(p, given=(Made(1), Made(1))), "kept: %1 is made twice"),
        (lambda p: replace(p, after=(Freed(3),)), "kept: %3 is freed and is not held"),
        (lambda p: with_items(p, (*p.body.items, LATE)), ", c: %3 was freed"),
        (lambda p: with_items(p, p.body.items[1:]), "layers.1: runs again what has not run, layers.0"),
    ],
)
def test_a_program_that_is_none_is_told(change: object, told: str) -> None:
    assert callable(change)
    assert told in faults(change(layer_of_cache()))


def test_a_program_reads_like_one() -> None:
    assert text(layer_of_cache()).splitlines() == [
        "kept(%1[n]x1 input)",
        "  model: Root",
        "    layers.0: Layer",
        "      %2[5*n]x1 cache, %3[3*n]x1 = a(%1)",
        "      %4[n]x1 = b(%3)",
        "      free %3",
        "    %5[n]x1 = layers.1(%4): as layers.0",
        "    free %4",
        "    %6[n]x1 = layers.2(%5): as layers.0",
        "    free %5",
        "    %7[n]x1 = layers.3(%6): as layers.0",
        "    free %6",
        "",
        "n = n",
    ]
