"""The symbols that a call of a model sets: one row each, in a table that every surface reads.

A new run symbol is one more row here and what the trace makes of it. A model may have further ones of its own, with
defaults of their own: `RUN.extended(...)` is then its table, and whoever asks whether a name is a run symbol, what it
means or what it is by default asks the table of the model or the cost at hand.

Every symbol is a nonnegative integer, but for the bytes of an element, which may be 0.5 and the like: those are
nonnegative rational numbers, and no rounding over them is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

BATCH, LENGTH, PAST, CAUSAL = "batch_size", "seq_len", "past_len", "causal"
ELEMENT, WEIGHT, CACHE = "dtype_bytes", "weight_bytes", "cache_bytes"  # bytes of an element: of a tensor, …


@dataclass(frozen=True)
class RunSymbol:
    """One symbol of a call.

    `default` is a number, the name of another symbol that it follows, or None where it has to be given; `lowest` and
    `highest` are what numbers it may be. `letter` stands for it in short formulas; `words` and `letters` are how others
    call it, `quantity` what all these mean. `hint` is the number that torch sees for it in a trace: the lengths are
    together 2*569, a multiple of few sizes of pieces. `options` are its flags on the command line, with `help`.
    `opens_at` is the number at which a page opens, where there is no default.
    """

    name: str
    meaning: str
    letter: str = ""
    default: int | str | None = None
    lowest: int = 0
    highest: int | None = None
    is_bytes: bool = False
    hint: int | None = None
    quantity: str = ""
    words: str = ""
    letters: str = ""
    options: tuple[str, ...] = ()
    help: str = ""
    opens_at: int | None = None

    @property
    def follows(self) -> str | None:
        """The symbol whose number it has unless it is given."""
        return self.default if isinstance(self.default, str) else None

    @property
    def is_switch(self) -> bool:
        """Whether it is 0 or 1."""
        return self.highest == 1


class RunSymbols(Mapping[str, RunSymbol]):
    """A table of run symbols by name, in the order in which they are shown."""

    def __init__(self, rows: Iterable[RunSymbol]) -> None:
        self._rows = {row.name: row for row in rows}

    def __getitem__(self, name: str) -> RunSymbol:
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __hash__(self) -> int:
        return hash(tuple(self._rows.values()))

    def extended(self, rows: Iterable[RunSymbol]) -> RunSymbols:
        """The table with further symbols, or with other rows for some.

        >>> RUN.extended([RunSymbol("height", "rows of an image", default=224)])["height"].default
        224
        """
        more = tuple(rows)
        return RunSymbols({**self._rows, **{row.name: row for row in more}}.values()) if more else self

    def __or__(self, other: RunSymbols) -> RunSymbols:
        return self if other is self or other == self else self.extended(other.values())

    def completed(self, numbers: Mapping[str, Any], own: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
        """Numbers for symbols, with the defaults of those that have none; `own` are defaults that go before the
        table's. What follows another symbol has its number.

        >>> RUN.completed({"seq_len": 5}, {"dtype_bytes": 4})
        {'seq_len': 5, 'past_len': 0, 'causal': 0, 'dtype_bytes': 4, 'weight_bytes': 4, 'cache_bytes': 4}
        """
        found = dict(numbers)
        for name, row in self._rows.items():
            if name not in found and row.default is not None:
                default = own.get(name, row.default)
                found[name] = found[default] if isinstance(default, str) else default
        return found


RUN = RunSymbols(
    (
        RunSymbol(
            BATCH, "sequences in the batch", "B", lowest=1, hint=3, opens_at=1, options=("-B", "--batch-size"),
            quantity="batch", words="batch bs bsz batchsize n_batch num_sequences", letters="B b N",
        ),
        RunSymbol(
            LENGTH, "tokens fed in this call", "S", lowest=1, hint=677, options=("-S", "--seq-len"),
            quantity="length", letters="S s T n L t",
            words="seqlen seq_length sequence_length sequence_len seq context_len context_length ctx n_ctx q_len",
        ),
        RunSymbol(
            PAST, "tokens already in the KV cache", "P", default=0, hint=461, options=("-P", "--past-len"),
            help="tokens already in the KV cache (default 0)",
            quantity="past", words="past past_length cache_len kv_len_past prefix_len n_past", letters="P p",
        ),
        RunSymbol(
            CAUSAL, "1 counts only the (query, key) pairs that a causal mask keeps", "c", default=0, highest=1,
            options=("--causal",), help="count only the (query, key) pairs that a causal mask keeps",
            quantity="causal", words="is_causal", letters="c",
        ),
        RunSymbol(
            ELEMENT, "bytes per element; 0.5 and the like are possible", "b", default=2, is_bytes=True,
            options=("--dtype-bytes",), help="bytes per element (default: the config's, or 2)",
            quantity="bytes", letters="b e",
            words="bytes_per_element bytes_per_elem elem_bytes element_size dtype_size itemsize nbytes",
        ),
        RunSymbol(
            WEIGHT, "bytes per element of the weights; dtype_bytes where not given", "b_w", default=ELEMENT,
            is_bytes=True, options=("--weight-bytes",), help="of weights (default: --dtype-bytes)",
            quantity="weight bytes", letters="b_w w",
            words="w_bytes weight_dtype_bytes bytes_per_weight bytes_per_param",
        ),
        RunSymbol(
            CACHE, "bytes per element of the KV cache; dtype_bytes where not given", "b_kv", default=ELEMENT,
            is_bytes=True, options=("--cache-bytes",), help="of the KV cache (default: --dtype-bytes)",
            quantity="cache bytes", words="kv_bytes kv_cache_bytes cache_dtype_bytes", letters="b_kv",
        ),
    )
)  # fmt: skip

RUN_SYMBOLS = tuple(RUN)
BYTE_SYMBOLS = tuple(name for name, row in RUN.items() if row.is_bytes)
FOLLOWING = tuple(name for name, row in RUN.items() if row.follows)
POSITIVE = tuple(name for name, row in RUN.items() if row.lowest > 0)  # no model runs with no sequence or no token
DTYPES = {  # bytes per element of the data types that configs name
    "float64": 8, "float32": 4, "bfloat16": 2, "float16": 2, "float8_e4m3fn": 1, "float8_e5m2": 1, "int8": 1,
}  # fmt: skip
FRACTION_MARK = "~"  # ends the name of a symbol that a proof introduces for a number that need not be whole
ENCODER, LOGITS = "encoder", "logits_len"
OWN = {  # symbols that some models have beside those: a model whose file uses such a name has the row
    ENCODER: RunSymbol(
        ENCODER, "1 runs the encoder and then the decoder, 0 only the decoder, in a step after such a call",
        default=1, highest=1,
    ),
    LOGITS: RunSymbol(
        LOGITS, "rows of logits of a sequence, of its last tokens", default=1, lowest=1, quantity="rows of logits",
        words="num_logits_to_keep logits_to_keep",
    ),
}  # fmt: skip


def is_whole(name: str) -> bool:
    """Whether a symbol stands for whole numbers alone.

    >>> is_whole("seq_len"), is_whole("dtype_bytes")
    (True, False)
    """
    return name not in BYTE_SYMBOLS and not name.endswith(FRACTION_MARK)
