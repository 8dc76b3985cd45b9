"""How much memory a program holds at its fullest, in closed form: live ranges.

Each tensor is held from where it is made to where it is freed. A program says when eager PyTorch frees it; `last_read`
frees it where it is read for the last time, which is the least that any execution in this order can hold. What layers
leave behind, such as keys and values, adds up from layer to layer, so of layers that are equal the last one counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from symflops.algebra import free_symbols, substitute
from symflops.numeric import BYTE_SYMBOLS, evaluate
from symflops.polynomial import Number, Value, add, multiply, negate, symbol, terms_of
from symflops.program.block import Again, Block, Freed, Item, Made, Program, Step, blocks

__all__ = ["Peak", "fullest", "last_read", "never_less", "peaks", "repeated"]


class Peak(NamedTuple):
    """The bytes that are held in a module at its fullest, weights aside."""

    path: str
    bytes: Value


Counts = Mapping[Block, Value]  # how often each block that is repeated runs in all


def repeated(program: Program) -> dict[Block, list[str]]:
    """The blocks that run again, each with the paths of all that are as it is, itself the first; in order."""
    found: dict[Block, list[str]] = {}
    for block in blocks(program.body):
        for item in block.items:
            if isinstance(item, Again):
                found.setdefault(item.block, [item.block.path]).append(item.path)
    return found


def peaks(program: Program, counts: Counts) -> list[Peak]:
    """The places where the most may be held, with how much: of which it is the most depends on the sizes. Others hold
    less at all sizes. `counts` says in closed form how often each block of `repeated` runs."""
    return _Walk(program, counts).found()


def last_read(program: Program) -> Program:
    """The same program with each tensor freed after its last use. What is left in a cache is kept, and so are what the
    model returns and what it was given but for the cache before."""
    uses = _Uses(program)
    return replace(program, body=uses.shortened(program.body), after=())


class _Uses:
    """Where each tensor is used for the last time: the step, the repeated block or the place where it is made."""

    def __init__(self, program: Program) -> None:
        self.last: dict[int, Item] = {}
        self.repeated = repeated(program)
        self._collect(program.body)
        returned = {view.tensor for view in program.body.outputs}
        given = {made.tensor for made in program.given}
        self.stays = returned | {
            n for n, t in program.tensors.items()
            if t.role == "weight" or (t.role == "cache" and n not in given) or (n in given and t.role != "cache")
        }  # fmt: skip
        self.ends: dict[int, list[int]] = {}
        for number, item in self.last.items():
            if number not in self.stays:
                self.ends.setdefault(id(item), []).append(number)

    def _collect(self, block: Block) -> None:
        for item in block.items:
            if isinstance(item, Block):
                self._collect(item)
                if item in self.repeated:  # what it is given and gives are others each time, freed by who has them
                    self.last |= dict.fromkeys((view.tensor for view in (*item.inputs, *item.outputs)), item)
            elif isinstance(item, Made):
                self.last[item.tensor] = item
            elif isinstance(item, Step):
                self.last |= dict.fromkeys((v.tensor for v in (*item.reads, *item.writes)), item)
            elif isinstance(item, Again):
                self.last |= dict.fromkeys((v.tensor for v in (*item.inputs, *item.outputs)), item)

    def shortened(self, block: Block) -> Block:
        again: dict[Block, Block] = {}

        def short(block: Block) -> Block:
            items: list[Item] = []
            for item in block.items:
                if isinstance(item, Freed):
                    continue
                if isinstance(item, Block):
                    items.append(short(item))
                elif isinstance(item, Again):
                    items.append(replace(item, block=again[item.block]))
                else:
                    items.append(item)
                items += [Freed(number) for number in self.ends.get(id(item), ())]
            again[block] = replace(block, items=tuple(items))
            return again[block]

        return short(block)


@dataclass
class _Inside:
    """What one run of a block does to what is held: its fullest moments, beyond what was held when it began; what it
    leaves beside its results; what it frees that was there before. Bytes by tensor."""

    most: list[Peak]
    left: dict[int, Value]
    freed: dict[int, Value]


@dataclass
class _State:
    """What is held so far, but for what the outermost repeated blocks leave and free."""

    held: Value = 0
    made: dict[int, Value] = field(default_factory=dict)
    freed: dict[int, Value] = field(default_factory=dict)
    most: list[Peak] = field(default_factory=list)
    before: dict[Block, list[Value]] = field(default_factory=dict)  # what is held where each of their runs begins
    rises: bool = False  # since its last fullest moment was noted

    def make(self, number: int, size: Value) -> None:
        self.held = add(self.held, size)
        self.made[number] = add(self.made.get(number, 0), size)
        self.rises = True

    def free(self, number: int, size: Value) -> None:
        size = self.made.pop(number, size)
        self.held = add(self.held, negate(size))


class _Walk:
    def __init__(self, program: Program, counts: Counts) -> None:
        self.program = program
        self.runs = {block: len(paths) for block, paths in repeated(program).items()}
        self.counts: Counts = {**self.runs, **counts}
        inner = {other for block in self.runs for other in blocks(block) if other is not block}
        self.outermost = [block for block in self.runs if block not in inner]
        self.inside: dict[Block, _Inside] = {}
        self.ran: dict[Block, int] = dict.fromkeys(self.outermost, 0)

    def found(self) -> list[Peak]:
        for block in self.outermost:
            self._one_run(block)
        state = _State()
        for made in self.program.given:
            if not any(
                made.tensor in self.inside[block].freed for block in self.outermost
            ):  # or it is counted with them
                state.make(made.tensor, self._bytes(made.tensor))
        self._walk(self.program.body, state, self._left)
        return self._most_of(state)

    def _most_of(self, state: _State) -> list[Peak]:
        """The fullest moments, of repeated blocks those of the runs at whose beginning the most is held."""
        found = state.most
        for block, sizes in state.before.items():
            for _, before in fullest([Peak("", size) for size in sizes]):
                found += [Peak(path, add(before, size)) for path, size in self.inside[block].most]
        return fullest(found)

    def _one_run(self, block: Block) -> _Inside:
        if block not in self.inside:
            state = _State()
            self._walk(block, state, lambda: 0)
            results = {view.tensor for view in block.outputs}
            left = {number: size for number, size in state.made.items() if number not in results}
            self.inside[block] = _Inside(self._most_of(state), left, state.freed)
        return self.inside[block]

    def _walk(self, block: Block, state: _State, left: Callable[[], Value]) -> None:
        for item in block.items:
            if not isinstance(item, Made):
                self._note(state, block.path, left)
            if isinstance(item, Made):
                state.make(item.tensor, self._bytes(item.tensor))
            elif isinstance(item, Freed):
                if item.tensor not in state.made:
                    state.freed[item.tensor] = self._bytes(item.tensor)
                state.free(item.tensor, self._bytes(item.tensor))
            elif isinstance(item, Block | Again):
                first = item if isinstance(item, Block) else item.block
                if first in self.runs:
                    self._run(first, item, state, left)
                else:
                    assert isinstance(item, Block)
                    self._walk(item, state, left)
        self._note(state, block.path, left)

    def _note(self, state: _State, path: str, left: Callable[[], Value]) -> None:
        if state.rises:
            state.most.append(Peak(path, add(state.held, left())))
            state.rises = False

    def _run(self, block: Block, item: Block | Again, state: _State, left: Callable[[], Value]) -> None:
        """One run of a repeated block."""
        what = self._one_run(block)
        state.before.setdefault(block, []).append(add(state.held, left()))
        if block in self.ran:
            self.ran[block] += 1
        else:  # in another repeated block, so all of it is told with that one
            for number, size in what.left.items():
                state.make(number, size)
            for number, size in what.freed.items():
                state.freed[number] = add(state.freed.get(number, 0), size)
                state.held = add(state.held, negate(size))
        for number in self._results(item):
            state.make(number, self._bytes(number))

    def _results(self, item: Block | Again) -> set[int]:
        """The results of one run that it made itself."""
        if isinstance(item, Again):
            return {made.tensor for made in item.items}
        made = {one.tensor for block in blocks(item) for one in block.items if isinstance(one, Made)}
        made |= {
            one.tensor for block in blocks(item) for inner in block.items if isinstance(inner, Again)
            for one in inner.items
        }  # fmt: skip
        return made & {view.tensor for view in item.outputs}

    def _left(self) -> Value:
        """What the outermost repeated blocks have left so far, and what they have yet to free of what was there. The
        first runs are counted from the first, the last ones from the last, so that it holds at other depths."""
        parts: list[Value] = []
        for block, ran in self.ran.items():
            what, remaining = self.inside[block], self.runs[block] - ran
            so_far: Value = ran if ran <= remaining else add(self.counts[block], -remaining)
            later = add(self.counts[block], negate(so_far))
            parts += [multiply(so_far, size) for size in what.left.values()]
            parts += [multiply(later, size) for size in what.freed.values()]
        return add(0, *parts)

    def _bytes(self, number: int) -> Value:
        return self.program.tensors[number].bytes


def fullest(found: list[Peak]) -> list[Peak]:
    """Those of which no other is larger at all sizes, each amount once."""
    names = sorted({name for _, size in found for name in free_symbols(size)})
    points = [{name: 2 + (7 * i + 5 * k * k) % 97 for i, name in enumerate(names)} for k in range(_POINTS)]
    kept: list[tuple[Peak, list[Number]]] = []  # each with its size at some points, which settle most comparisons

    def exceeds(one: tuple[Peak, list[Number]], other: tuple[Peak, list[Number]]) -> bool:
        at_points = all(a >= b for a, b in zip(one[1], other[1], strict=True))
        return at_points and never_less(one[0].bytes, other[0].bytes)

    for peak in dict.fromkeys(found):
        this = (peak, [evaluate(peak.bytes, point) for point in points])
        if not any(exceeds(other, this) for other in kept):
            kept = [other for other in kept if not exceeds(this, other)]
            kept.append(this)
    return [peak for peak, _ in kept]


_POINTS = 6


def never_less(value: Value, other: Value) -> bool:
    """Whether a value is at least another one wherever sizes are at least 1, counts of tokens that are cached at least
    0 and bytes positive; False where that does not show in the signs of a polynomial."""
    difference = add(value, negate(other))
    sizes = free_symbols(difference) - {*BYTE_SYMBOLS, "past_len", "causal"}
    larger: dict[str, Value] = {name: add(symbol(name), 1) for name in sizes}
    shifted = terms_of(substitute(difference, larger))
    return all(c >= 0 and all(isinstance(atom, str) for atom, _ in monomial) for monomial, c in shifted.items())
