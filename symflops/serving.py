"""How an engine serves a model, as a model file has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from symflops.errors import SymflopsError, nearest
from symflops.vocabulary.symbols import CAUSAL, LOGITS, OWN, RUN

# A kernel skips what a causal mask hides, and one token of each sequence has logits, unless somebody says otherwise.
SERVED = (replace(RUN[CAUSAL], default=1), OWN[LOGITS])
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
