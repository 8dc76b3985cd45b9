"""The point at which something was computed and the conventions that were used, in words and as data: whoever reads a
number sees what was taken for `2k`, and which (query, key) pairs were counted."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from symflops.cost import Cost
from symflops.model import Model
from symflops.numeric import BYTE_SYMBOLS, plain

_PAIRS = {0: "every pair", 1: "unmasked pairs only"}


@dataclass(frozen=True)
class Convention:
    """What symbols were put in, the pairs that were counted, and the conditions that the other symbols have to meet."""

    at: Mapping[str, int | float]
    causal: int | None = None
    where: tuple[str, ...] = ()
    dtype: str = ""  # where the bytes per element are the config's
    is_served: bool = False  # whether it is about what an engine runs

    @staticmethod
    def of(
        model: Model, cost: Cost, given: Mapping[str, Any], metrics: Collection[str], changed: Collection[str] = ()
    ) -> Convention:
        """Of a model's cost, evaluated at a point or in part; `changed` are its symbols that were set otherwise."""
        asked = cost.only(metrics)
        complete = cost.is_complete(given)
        numbers: Mapping[str, Any] = cost.with_defaults(given) if complete else given
        shown: dict[str, int | float] = {name: model.symbols[name] for name in changed if name in model.symbols}
        order = (*(name for name in given if name not in model.run), *model.run)
        for name in order:
            if name in numbers and (name in given or name in asked.free_symbols) and name not in BYTE_SYMBOLS:
                shown[name] = plain(numbers[name])
        used = asked.free_symbols.intersection(BYTE_SYMBOLS) if complete else set()
        different = len({numbers[name] for name in used} | {numbers[n] for n in ("dtype_bytes",) if complete}) > 1
        for name in BYTE_SYMBOLS:
            if name in given or (used and (name == "dtype_bytes" or (name in used and different))):
                shown[name] = plain(numbers[name])
        causal = shown.pop("causal", None)
        follows = complete and asked.has_bytes and "dtype_bytes" not in given
        where = () if complete else tuple(str(c) for c in cost.bind(**given).domain.said)
        dtype = model.dtype if follows and model.dtype else ""
        is_served = model.serving is not None
        return Convention(shown, None if causal is None else int(causal), where, dtype, is_served)

    @property
    def sentence(self) -> str:
        """In words: `with batch_size = 1, seq_len = 2048, past_len = 0; every pair (causal = 0)`; nothing where there
        is nothing to say."""
        numbers = [f"{name} = {value}" for name, value in self.at.items()]
        if self.dtype and "dtype_bytes" in self.at:
            numbers = [f"{n} (the config's {self.dtype})" if n.startswith("dtype_bytes ") else n for n in numbers]
        parts = [f"with {', '.join(numbers)}"] if numbers else []
        if self.causal is not None:
            parts.append(f"{'' if numbers else 'with '}{_PAIRS[self.causal]} (causal = {self.causal})")
        if self.where:
            parts.append(f"where {', '.join(self.where)}")
        if self.is_served or self.causal is not None:
            parts.append("as served" if self.is_served else "as written")
        return "; ".join(parts)

    @property
    def data(self) -> dict[str, Any]:
        """As JSON has it."""
        causal = {} if self.causal is None else {"causal": self.causal}
        found: dict[str, Any] = {"at": {**self.at, **causal}}
        if self.causal is not None:
            found["pairs"] = f"{_PAIRS[self.causal]} (causal = {self.causal})"
        if self.where:
            found["where"] = list(self.where)
        if self.dtype:
            found["dtype"] = self.dtype
        return found

    def added_to(self, text: str) -> str:
        """The text of a JSON object with this as keys of it."""
        return json.dumps({**json.loads(text), **self.data}, indent=2, ensure_ascii=False)
