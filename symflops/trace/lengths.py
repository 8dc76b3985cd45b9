"""Records of a model that hold for every seq_len: made directly, tried both ways, or through several lengths."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from symflops import progress
from symflops.errors import SymflopsError
from symflops.gradients import BACKWARD, FROZEN
from symflops.numeric import evaluate
from symflops.polynomial import Value
from symflops.trace import combine, interpolation, written_attention
from symflops.trace.architecture import Architecture
from symflops.trace.assembly import Assembly
from symflops.trace.backward import Backward
from symflops.trace.conditions import SHORT, compared_with, conditions, decided_by_sizes, lengths_excluded
from symflops.trace.constructor import Arguments
from symflops.trace.fixed import SizeFixedError
from symflops.trace.layer_data import Data
from symflops.trace.refine import length_limit
from symflops.trace.run import Run, environment
from symflops.trace.settings import Settings
from symflops.trace.work import Work


@dataclass
class Record:
    """What refined runs gave: the layers, unfolded, and the run that stands for them."""

    layers: Data
    run: Run
    shape: Architecture
    state: tuple[object, ...]  # what was known when it was made
    notes: tuple[str, ...] = ()  # what the file says about how it was derived
    without_past: bool = False
    asked: tuple[str, ...] = ()  # what the source asked of every length that was recorded
    why: str = ""  # what stopped a derivation with a cache, where the model takes one
    merged: bool = False  # the steps of a loop are one layer
    limit: Value = 0  # the length below which the source does something else, if it is more than 2
    shortest: int = 1  # shorter sequences have records of their own
    free: frozenset[str] = frozenset()  # what the source decides by the length, and no cost depends on


def one_or_many(work: Work, settings: Settings) -> Record:
    """A record for every seq_len of a recurrent model, whose source may step by one token otherwise than by many."""
    usual = {"many tokens": settings, "one token": replace(settings, lengths={"seq_len": 1})}
    made: dict[str, Record] = {}

    def make(call: Settings) -> Record:
        return record_of(work, call, made["many tokens"].merged) if call.lengths else any_length(work, call)

    many, one = records_in_agreement(work, make, usual, made)
    if many.limit == 0:
        return replace(many, layers=combine.with_short(many.layers, one.layers), shortest=2)
    calls = usual | {"two tokens": replace(settings, lengths={"seq_len": 2})}
    many, one, two = records_in_agreement(work, make, calls, made)
    layers = combine.with_short(many.layers, one.layers, two.layers, many.limit)
    return replace(many, layers=layers, shortest=max(2, int(evaluate(many.limit, many.shape.numbers))))


def any_length(work: Work, settings: Settings, is_tried: bool = True) -> Record:
    """A record for every seq_len: directly, or where the source loops over time from records at several lengths. What
    is decided by the length alone is tried at others, unless the caller does that."""
    try:
        return _either_way(work, settings, is_tried)
    except SizeFixedError as fixed:
        if fixed.symbol not in ("seq_len", "batch_size") and isinstance(work.named.config, Arguments):
            return _interpolated(work, settings, fixed.chunks, fixed.symbol)  # a length by a name of the user's
        if fixed.symbol != "seq_len":
            raise
        pieces = fixed.symbolic_chunks & work.known.architecture(work.named.config).numbers.keys()
        if pieces:
            work.known.numeric |= pieces
            return any_length(work, settings, is_tried)
        if fixed.long_enough:  # a length may decide which way the source takes, such as one of top-k tokens, or a loop
            progress.tell(f"for long sequences: seq_len = {fixed.long_enough}")
            try:
                return _either_way(work, replace(settings, hints={"seq_len": fixed.long_enough}), is_tried)
            except SymflopsError as again:  # or the model refuses such a length
                progress.tell(again.message)
        chunks, limit = fixed.chunks, length_limit(fixed.run)
    return replace(_interpolated(work, settings, chunks), limit=limit)


def _either_way(work: Work, settings: Settings, is_tried: bool) -> Record:
    """A record for every seq_len. What its source decides by the length alone (`if padding > 0`) is tried at lengths at
    which it decides otherwise; where what is recorded there is what the closed form gives, nothing is assumed."""
    made = {"any length": record_of(work, settings)}
    if not is_tried:
        return made["any length"]
    calls = {"any length": settings}
    while True:
        (record,) = records_in_agreement(work, partial(record_of, work), calls, made)
        free: set[str] = set()
        for text, lengths in lengths_excluded(record.run).items():
            others = {f"as for any length: seq_len = {n}": replace(settings, lengths={"seq_len": n}) for n in lengths}
            try:
                usual, *tried = records_in_agreement(work, partial(record_of, work), calls | others, made)
            except SymflopsError as error:  # the model refuses such a length
                progress.tell(error.message)
                continue
            records = dict(zip(lengths, (other.layers for other in tried), strict=True))
            if lengths and combine.agrees(usual.layers, records):
                free.add(text)
        short = {"short sequences": replace(settings, hints=SHORT)}
        for text, otherwise, followed in decided_by_sizes(record.run):
            try:
                usual, other = records_in_agreement(work, partial(record_of, work), calls | short, made)
            except SymflopsError as error:  # as above, and so it is for whatever else is decided
                progress.tell(error.message)
                break
            ours, theirs = (set(conditions(r.run, r.shape, ())) for r in (usual, other))
            if theirs <= ours | {otherwise} and combine.equal(usual.layers, other.layers):
                free |= {text, *followed}
        if made["any length"].state == work.state:
            return replace(made["any length"], free=frozenset(free))


def _interpolated(work: Work, settings: Settings, chunks: list[int], along: str = "seq_len") -> Record:
    """Records at several lengths, as few as the simplest closed form through them needs, and two more to check."""
    of_batch = along == "batch_size"
    over, first = ("the sequences", 2) if of_batch else ("time", 12)  # 12 fill any convolution
    make = partial(_of_this_batch if of_batch else record_of, merge=True)
    made: dict[str, Record] = {}
    for chunk in chunks or [0]:
        for degree in (1, 2, 3):
            points, tried = interpolation.lengths(chunk, degree, first), set[int]()
            while True:
                calls = {
                    f"the source loops over {over}: {along} = {point}": replace(
                        settings, lengths=settings.lengths | {along: point}
                    )
                    for point in points
                }
                records = records_in_agreement(work, partial(make, work), calls, made)
                through = partial(interpolation.interpolate, tuple(points), chunk=chunk, degree=degree, along=along)
                try:
                    layers = combine.combined([record.layers for record in records], through, combine.Calls.ARGUMENTS)
                except interpolation.NoPolynomialError as error:
                    if error.left is None or error.left in tried:
                        break
                    tried.add(error.left)
                    points += interpolation.more_lengths(chunk, degree, error.left)
                    points = list(dict.fromkeys(points))
                    continue
                said = [compared_with(record.run, n, along) for record, n in zip(records, points, strict=True)]
                asked = () if of_batch else tuple(sorted(set.intersection(*said)))
                note = f"in {along} the closed form goes through records at {', '.join(map(str, points))}"
                return replace(records[-1], layers=layers, notes=(note,), asked=asked)
    raise SymflopsError(f"the source loops over {over}, and its cost is not a polynomial of {along}")


def record_of(work: Work, settings: Settings, merge: bool = False) -> Record:
    """A record for every batch_size: directly, or where the source loops over the sequences of a batch, as over time
    where it takes them for steps, from records at several of them."""
    try:
        return _of_this_batch(work, settings, merge)
    except SizeFixedError as fixed:
        if fixed.symbol != "batch_size":
            raise
    return _interpolated(work, settings, [], "batch_size")


def _of_this_batch(work: Work, settings: Settings, merge: bool = False) -> Record:
    result, shape = work.run(settings)
    assert result.recorder is not None
    written_attention.rewrite(result.recorder, settings.eager, settings.lengths.get("seq_len", 0))
    backward = _backward(result) if settings.training else {}
    if backward and work.known.tells_apart(backward[BACKWARD].unequal()):
        return _of_this_batch(work, settings, merge)
    layers = Assembly(result.recorder, merge, backward).layers()
    return Record(layers, result, shape, work.state, merged=merge, limit=length_limit(result))


def _backward(run: Run) -> dict[str, Backward]:
    """The backward of a run in training mode, with all weights trained and with all of them frozen."""
    assert run.recorder is not None
    progress.tell("the backward of each operation")
    with environment(run.build, [], training=True):
        whole = Backward(run.recorder)
        return {BACKWARD: whole, FROZEN: Backward(run.recorder, whole)}


def records_in_agreement(
    work: Work, make: Callable[[Settings], Record], calls: Mapping[str, Settings], made: dict[str, Record]
) -> list[Record]:
    """Record every call. If one adds to what is known, the earlier records are stale and are made again. `made` caches
    them; the names of the calls double as progress messages."""
    while stale := [name for name in calls if name not in made or made[name].state != work.state]:
        progress.tell(stale[0])
        made[stale[0]] = make(calls[stale[0]])
    return [made[name] for name in calls]
