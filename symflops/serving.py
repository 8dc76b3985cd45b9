"""How an engine serves a model, as a model file has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import reduce
from operator import and_
from typing import Any

from symflops.algebra import free_symbols, substitute
from symflops.domain import Domain
from symflops.errors import SymflopsError, nearest
from symflops.function import ceil, floor, maximum, minimum
from symflops.polynomial import Number, Polynomial, Value, add, divide, multiply, negate, symbol
from symflops.ragged import of_sequences
from symflops.summation import summed
from symflops.vocabulary.metrics import OWNED
from symflops.vocabulary.symbols import BATCH, CAUSAL, LENGTH, LOGITS, OWN, PAST, RUN, RunSymbols

# A kernel skips what a causal mask hides, and one token of each sequence has logits, unless somebody says otherwise.
SERVED = (replace(RUN[CAUSAL], default=1), OWN[LOGITS])
_PIECE = "piece~"  # no name that a text can have
_LOWEST = {"block": 1, "cached_prefix": 0, "chunk": 0, "draft": 0}
OF_EACH = {"lengths": 1, "past_lengths": 0}  # numbers of each sequence, and how low they may be
_MOST = 10_000  # sequences of a batch
_SHOWN = 8  # lengths in a sentence


@dataclass(frozen=True)
class Serving:
    """Tokens of a block of the cache (`block`), tokens that all sequences begin with and that are in the cache already
    (`cached_prefix`), tokens of a piece in which a prompt is fed (`chunk`, 0: at once), and tokens that a draft
    proposes for each step (`draft`); of a batch of unequal sequences, the tokens of each that are fed (`lengths`, in
    place of seq_len) and those that each has in the cache beyond past_len (`past_lengths`): batch_size is then how
    many such batches are fed."""

    block: int = 1
    cached_prefix: int = 0
    chunk: int = 0
    draft: int = 0
    lengths: tuple[int, ...] = ()
    past_lengths: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name, lowest in OF_EACH.items():
            _check_each(name, getattr(self, name), lowest)
        for name, lowest in _LOWEST.items():
            value = getattr(self, name)
            if type(value) is not int or value < lowest:
                raise SymflopsError(f"{name} {str(value)[:60]}: expected a whole number of at least {lowest}")

        if self.cached_prefix % self.block:
            blocks = f"a whole number of blocks of {self.block} tokens"
            raise SymflopsError(f"cached_prefix {self.cached_prefix}: what is cached is {blocks}")
        if self.lengths and self.past_lengths and len(self.lengths) != len(self.past_lengths):
            counts = f"{len(self.lengths)} lengths and {len(self.past_lengths)} past_lengths"
            raise SymflopsError(f"{counts}: expected one of each for every sequence")
        if self.is_ragged and (self.chunk or self.cached_prefix):
            other = "chunk" if self.chunk else "cached_prefix"
            raise SymflopsError(f"sequences of unequal lengths are not supported together with {other}")

    @staticmethod
    def of(data: Mapping[str, Any], where: str) -> Serving:
        """What a model file says."""
        known = (*_LOWEST, *OF_EACH)
        for key in data:
            if key not in known:
                raise SymflopsError(f"{where}: unknown key {str(key)[:100]!r}{nearest(str(key), known)}")
        settings: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        try:
            return Serving(**settings)
        except SymflopsError as error:
            raise error.within(where) from None

    def sentence(self) -> str:
        """In words.

        >>> Serving(block=16, draft=3).sentence()
        'a cache in blocks of 16 tokens, 3 drafted tokens in each step'
        """
        plain, parts = asdict(Serving()), []
        said = {
            "block": f"a cache in blocks of {self.block} tokens",
            "cached_prefix": f"the first {self.cached_prefix} tokens cached and shared",
            "chunk": f"prompts in pieces of {self.chunk} tokens",
            "draft": f"{self.draft} drafted tokens in each step",
            "lengths": f"{len(self.lengths)} sequences of {_listed(self.lengths)} tokens",
            "past_lengths": f"{len(self.past_lengths)} sequences after {_listed(self.past_lengths)} cached tokens",
        }
        parts += [text for name, text in said.items() if getattr(self, name) != plain[name]]
        return ", ".join(parts)

    @property
    def is_plain(self) -> bool:
        """Whether a call is fed as it stands: its tokens at once, and no others."""
        return not (self.cached_prefix or self.chunk or self.draft or self.is_ragged)

    @property
    def is_ragged(self) -> bool:
        """Whether the sequences of a batch have lengths of their own."""
        return bool(self.lengths or self.past_lengths)

    @property
    def fed_and_cached(self) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
        """The tokens of each sequence that are fed, and those that it has in the cache before."""
        count = len(self.lengths or self.past_lengths)
        past = tuple(add(symbol(PAST), n) for n in self.past_lengths or (0,) * count)
        return self.lengths or (symbol(LENGTH),) * count, past

    def pairs_at(self, point: Mapping[str, Value]) -> Iterator[tuple[Number, Number]]:
        """The same as numbers, of sequences that differ, where the run symbols that they depend on are given."""
        for pair in dict.fromkeys(zip(*self.fed_and_cached, strict=True)):
            tokens, before = (substitute(value, {PAST: 0, **point}) for value in pair)
            if not isinstance(tokens, Polynomial) and not isinstance(before, Polynomial):
                yield tokens, before

    def run(self, rows: RunSymbols) -> RunSymbols:
        """The run symbols of a model that is served so."""
        left = [row for name, row in rows.items() if not (self.lengths and name == LENGTH)]
        return RunSymbols(left).extended(SERVED)

    def domain(self, of_equal: Domain) -> Domain:
        """Where each of the sequences of a batch can be fed, by where equal ones can."""
        if not self.is_ragged:
            return of_equal
        pairs = dict.fromkeys(zip(*self.fed_and_cached, strict=True))
        return reduce(and_, (of_equal.substitute({LENGTH: s, PAST: p}) for s, p in pairs))

    def together(self, value: Value) -> Value:
        """What all sequences of a batch cost or keep, from what equal ones do."""
        return of_sequences(value, *self.fed_and_cached) if self.is_ragged else value

    def cost(self, values: Mapping[str, Value]) -> Mapping[str, Value]:
        """What a layer costs in a call, by metric, from what it costs where all tokens of a call are fed at once."""
        names = set().union(*map(free_symbols, values.values()))
        if self.is_plain or not names & {LENGTH, PAST, LOGITS, *((BATCH,) if self.is_ragged else ())}:
            return values
        is_once = LOGITS in names  # of the last piece
        in_pieces = {m: v if m in OWNED or is_once else self._sum(v) for m, v in values.items()}
        return {m: v if m in OWNED else self.together(self._fed(v)) for m, v in in_pieces.items()}

    def largest(self, values: Mapping[str, Value]) -> Mapping[str, Value]:
        """The same of the last whole piece that is fed at once, which works on the most."""
        if self.is_plain:
            return values
        length, past = symbol(LENGTH), symbol(PAST)
        piece = minimum(self.chunk, length) if self.chunk else length
        last = {LENGTH: piece, PAST: add(past, length, negate(piece))}
        return {metric: self.together(self._fed(substitute(value, last))) for metric, value in values.items()}

    def _sum(self, value: Value) -> Value:
        """All pieces of a call: whole ones, and what is left, at least one token."""
        if not self.chunk:
            return value
        length, past, piece = symbol(LENGTH), symbol(PAST), symbol(_PIECE)
        whole = add(ceil(divide(length, self.chunk)), -1)
        before = add(past, multiply(self.chunk, piece))
        each = substitute(value, {LENGTH: self.chunk, PAST: before})
        fed = multiply(self.chunk, whole)
        last = substitute(value, {LENGTH: add(length, negate(fed)), PAST: add(past, fed)})
        return add(summed(each, _PIECE, 0, whole), last)

    def _fed(self, value: Value) -> Value:
        """With the tokens that are fed: those of the call that the cached prefix has not, but for the last one, and in
        a decoding step, of one token after others, those that a draft proposes."""
        length, past = symbol(LENGTH), symbol(PAST)
        cached = (
            maximum(0, minimum(add(self.cached_prefix, negate(past)), add(length, -1))) if self.cached_prefix else 0
        )
        step = multiply(self.draft, minimum(1, past), maximum(0, add(2, negate(length)))) if self.draft else 0
        fed = {LENGTH: add(length, negate(cached), step), PAST: add(past, cached), LOGITS: add(symbol(LOGITS), step)}
        return substitute(value, fed)

    def kept(self, per_token: Value, window: Value | None) -> Value:
        """The bytes of a cache of `past_len + seq_len` tokens of each sequence, or of those that a window keeps, of so
        many bytes for a token of all sequences: whole blocks, those of the cached prefix once."""
        tokens = add(symbol(PAST), symbol(LENGTH))
        first = 0 if window is None else maximum(0, add(tokens, 1, negate(window)))
        begun = floor(divide(first, self.block))
        blocks = add(ceil(divide(tokens, self.block)), negate(begun))
        if not self.cached_prefix:
            return multiply(per_token, self.block, blocks)
        shared = minimum(blocks, maximum(0, add(self.cached_prefix // self.block, negate(begun))))
        once = substitute(per_token, {BATCH: 1})
        return multiply(self.block, add(multiply(per_token, add(blocks, negate(shared))), multiply(once, shared)))


def _check_each(name: str, values: Any, lowest: int) -> None:
    if not isinstance(values, tuple) or any(type(n) is not int or n < lowest for n in values):
        raise SymflopsError(f"{name} {str(values)[:60]}: expected whole numbers of at least {lowest}")
    if len(values) > _MOST:
        raise SymflopsError(f"{name}: {len(values):,} sequences, more than {_MOST:,}")


def _listed(numbers: Sequence[int]) -> str:
    shown = [str(n) for n in numbers[:_SHOWN]]
    return ", ".join([*shown, "…"] if len(numbers) > _SHOWN else shown)
