"""Programs of recorded calls: what they say fits together, and what they hold at their fullest is what a simulation of
every run, unrolled, holds."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from symflops.grouping import grouped
from symflops.numeric import evaluate
from symflops.polynomial import add, multiply, symbol
from symflops.program.block import Again, Block, Freed, Item, Made, Program, Step, Tensor, View, blocks
from symflops.program.check import faults
from symflops.program.liveness import last_read, peaks
from symflops.program.text import text
from symflops.tree import write


def view(number: int) -> View:
    return View(number, 1)


class Drawn:
    """A random program: steps in blocks, some of which run again, blocks inside of blocks among them; tensors of random
    sizes in `n`, `m` and `past_len` are made and freed, some are kept, and some that were there are freed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.tensors: dict[int, Tensor] = {}
        self.given: list[int] = []

    def tensor(self, role: str = "temporary") -> int:
        number = len(self.tensors) + 1
        draw = self.random.randrange
        size = add(draw(1, 20), *(multiply(draw(0, 9), symbol(name)) for name in ("n", "m", "past_len")))
        self.tensors[number] = Tensor(number, size, self.random.choice((1, 2, 4)), role)
        return number

    def copy(self, number: int) -> int:
        other = len(self.tensors) + 1
        self.tensors[other] = replace(self.tensors[number], number=other)
        return other

    def program(self) -> Program:
        self.given.append(given := self.tensor("input"))
        items: list[Item] = []
        last = given
        for group in range(self.random.randrange(1, 3)):
            runs, last = self.runs(f"list{group}", last, 0)
            items += runs
        made = tuple(map(Made, self.given))
        return Program("drawn", self.tensors, made, Block("", "Root", tuple(items), (), (view(last),)), ())

    def runs(self, path: str, given: int, depth: int) -> tuple[list[Item], int]:
        """A list of equal layers; each is given what the one before gives, which is freed then."""
        first, last = self.layer(f"{path}.0", given, depth)
        items: list[Item] = [first]
        for i in range(1, self.random.randrange(2, 5)):
            copy = self.copy(last)
            items += [Again(f"{path}.{i}", first, (view(given),), (view(copy),), (Made(copy),)), Freed(last)]
            last = copy
        return items, last

    def layer(self, path: str, given: int, depth: int) -> tuple[Block, int]:
        items: list[Item] = []
        held: list[int] = []
        if self.random.random() < 0.5:
            self.given.append(old := self.tensor("cache"))
            items += [Made(kept := self.tensor("cache")), Step("append", (view(old),), (view(kept),)), Freed(old)]
        for _ in range(self.random.randrange(1, 5)):
            made = self.tensor("cache" if self.random.random() < 0.2 else "temporary")
            items += [Made(made), Step("work", (view(given),), (view(made),))]
            if self.tensors[made].role == "cache":
                continue
            held.append(made)
            if self.random.random() < 0.5:
                items.append(Freed(gone := self.random.choice(held)))
                held.remove(gone)
        if depth == 0 and self.random.random() < 0.4:
            inner, made = self.runs(f"{path}.inner", given, 1)
            items += inner
            held.append(made)
        out = self.tensor()
        items += [Made(out), Step("work", tuple(map(view, held)), (view(out),))]
        items += [Freed(n) for n in held]
        return Block(path, "Layer", tuple(items), (view(given),), (view(out),)), out


def unrolled(program: Program, point: dict[str, int]) -> int:
    """The most bytes held, by running every item of every run in order. What a run frees that was there before is there
    once for each run."""
    sizes = {n: int(evaluate(t.bytes, point)) for n, t in program.tensors.items()}
    held = 0
    trace: list[int] = []

    def run(items: tuple[Item, ...]) -> None:
        nonlocal held
        for item in items:
            if isinstance(item, Made):
                held += sizes[item.tensor]
            elif isinstance(item, Freed):
                held -= sizes[item.tensor]
            elif isinstance(item, Block):
                run(item.items)
            elif isinstance(item, Again):
                run(item.block.items)  # makes results of the same sizes as its own
            trace.append(held)

    given = {m.tensor for m in program.given}
    run(tuple(Made(n) for n in sorted(given)))
    begun = len(trace)
    run(program.body.items)

    def frees(items: tuple[Item, ...]) -> int:
        """What was given and is freed, once for each run."""
        total = 0
        for item in items:
            if isinstance(item, Freed) and item.tensor in given:
                total += sizes[item.tensor]
            elif isinstance(item, Block):
                total += frees(item.items)
            elif isinstance(item, Again):
                total += frees(item.block.items)
        return total

    said = [i.tensor for block in blocks(program.body) for i in block.items if isinstance(i, Freed)]
    once = sum(sizes[number] for number in said if number in given)
    return max(trace[begun - 1 :]) + frees(program.body.items) - once


POINTS: tuple[dict[str, int], ...] = (
    {"n": 1, "m": 1, "past_len": 0}, {"n": 50, "m": 1, "past_len": 0}, {"n": 1, "m": 50, "past_len": 3},
    {"n": 2, "m": 3, "past_len": 90}, {"n": 7, "m": 1, "past_len": 1},
)  # fmt: skip


@pytest.mark.parametrize("seed", range(250))
def test_a_peak_is_that_of_all_runs_one_after_the_other(seed: int) -> None:
    program = Drawn(seed).program()
    assert faults(program) == []
    found = peaks(program, {})
    for point in POINTS:
        assert max(int(evaluate(p.bytes, point)) for p in found) == unrolled(program, point)


@pytest.mark.parametrize("seed", range(60))
def test_what_is_freed_after_its_last_use_never_holds_more(seed: int) -> None:
    program = Drawn(seed).program()
    short = last_read(program)
    for point in POINTS:
        least = max(int(evaluate(p.bytes, point)) for p in peaks(short, {}))
        assert least == unrolled(short, point) <= unrolled(program, point)


def test_few_moments_are_left_where_one_exceeds_the_others() -> None:
    n, m = symbol("n"), symbol("m")
    sizes = (n, multiply(2, n), m, add(m, n), multiply(n, m), add(multiply(n, m), -1))
    tensors = {i: Tensor(i, size, 1, "temporary") for i, size in enumerate(sizes, 1)}
    items = tuple(item for i in tensors for item in (Made(i), Step("a", (), (view(i),)), Freed(i)))
    found = peaks(Program("six", tensors, (), Block("", "Root", items), ()), {})
    # n and m are below m + n, n*m - 1 is below n*m; 2*n, m + n and n*m each exceed the others somewhere.
    assert sorted(write(grouped(p.bytes)) for p in found) == ["2*n", "m + n", "m*n"]


def test_a_cache_is_kept_and_the_one_before_it_is_freed_after_its_last_use() -> None:
    sizes = {1: (1, "input"), 2: (100, "cache"), 3: (110, "cache"), 4: (7, ""), 5: (2, ""), 6: (2, "")}
    tensors = {number: Tensor(number, size, 1, role or "temporary") for number, (size, role) in sizes.items()}
    layer = Block("layers.0", "Layer", (
        Made(3), Step("append", (view(2), view(1)), (view(3),)), Made(4), Step("attend", (view(3),), (view(4),)),
        Made(5), Step("out", (view(4),), (view(5),)),
    ), (view(1),), (view(5),))  # fmt: skip
    again = Again("layers.1", layer, (view(5),), (view(6),), (Made(6),))
    program = Program("two", tensors, (Made(1), Made(2)), Block("", "Root", (layer, again), (), (view(6),)), ())
    least = max(evaluate(p.bytes, {}) for p in peaks(last_read(program), {}))
    # In the second layer: the input, the first's cache of 110, what it gave, the cache before and after it.
    assert least == 1 + 110 + 2 + 100 + 110


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
        (lambda p: with_items(p, (*p.body.items, Made(4))), ": %4 is made twice"),
        (lambda p: with_items(p, (p.body.items[0], Freed(4), *p.body.items[1:])), "layers.1: %4 was freed"),
        (
            lambda p: with_items(p, (p.body.items[0], replace(p.body.items[1], inputs=(View(4, 2),)))),
            "layers.1: is given other sizes than layers.0",
        ),
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
