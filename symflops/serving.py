"""How an engine serves a model, as a model file has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from symflops.algebra import free_symbols, substitute
from symflops.errors import SymflopsError, nearest
from symflops.function import ceil, floor, maximum, minimum
from symflops.polynomial import Value, add, divide, multiply, negate, symbol
from symflops.summation import summed
from symflops.vocabulary.metrics import OWNED
from symflops.vocabulary.symbols import BATCH, CAUSAL, LENGTH, LOGITS, OWN, PAST, RUN

# A kernel skips what a causal mask hides, and one token of each sequence has logits, unless somebody says otherwise.
SERVED = (replace(RUN[CAUSAL], default=1), OWN[LOGITS])
_PIECE = "piece~"  # no name that a text can have
_LOWEST = {"block": 1, "cached_prefix": 0, "chunk": 0, "draft": 0}


@dataclass(frozen=True)
class Serving:
    """Tokens of a block of the cache (`block`), tokens that all sequences begin with and that are in the cache already
    (`cached_prefix`), tokens of a piece in which a prompt is fed (`chunk`, 0: at once), and tokens that a draft
    proposes for each step (`draft`)."""

    block: int = 1
    cached_prefix: int = 0
    chunk: int = 0
    draft: int = 0

    def __post_init__(self) -> None:
        for name, lowest in _LOWEST.items():
            value = getattr(self, name)
            if type(value) is not int or value < lowest:
                raise SymflopsError(f"{name} {str(value)[:60]}: expected a whole number of at least {lowest}")

        if self.cached_prefix % self.block:
            blocks = f"a whole number of blocks of {self.block} tokens"
            raise SymflopsError(f"cached_prefix {self.cached_prefix}: what is cached is {blocks}")

    @staticmethod
    def of(data: Mapping[str, Any], where: str) -> Serving:
        """What a model file says."""
        for key in data:
            if key not in _LOWEST:
                raise SymflopsError(f"{where}: unknown key {str(key)[:100]!r}{nearest(str(key), tuple(_LOWEST))}")
        try:
            return Serving(**data)
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
        }
        parts += [text for name, text in said.items() if getattr(self, name) != plain[name]]
        return ", ".join(parts)

    @property
    def is_plain(self) -> bool:
        """Whether a call is fed as it stands: its tokens at once, and no others."""
        return not (self.cached_prefix or self.chunk or self.draft)

    def cost(self, values: Mapping[str, Value]) -> Mapping[str, Value]:
        """What a layer costs in a call, by metric, from what it costs where all tokens of a call are fed at once."""
        if self.is_plain or not set().union(*map(free_symbols, values.values())) & {LENGTH, PAST, LOGITS}:
            return values
        is_once = LOGITS in set().union(*map(free_symbols, values.values()))  # of the last piece
        in_pieces = {m: v if m in OWNED or is_once else self._sum(v) for m, v in values.items()}
        return {m: v if m in OWNED else self._fed(v) for m, v in in_pieces.items()}

    def largest(self, values: Mapping[str, Value]) -> Mapping[str, Value]:
        """The same of the last whole piece that is fed at once, which works on the most."""
        if self.is_plain:
            return values
        length, past = symbol(LENGTH), symbol(PAST)
        piece = minimum(self.chunk, length) if self.chunk else length
        last = {LENGTH: piece, PAST: add(past, length, negate(piece))}
        return {metric: self._fed(substitute(value, last)) for metric, value in values.items()}

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
