"""A batch of sequences of unequal lengths, fed together without padding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from symflops.algebra import free_symbols, substitute
from symflops.errors import SymflopsError
from symflops.polynomial import Value, add, divide, multiply, symbol, terms_of, value_of
from symflops.vocabulary.symbols import BATCH, LENGTH, PAST

_TOKENS = "tokens~"  # no name that a text can have


def of_sequences(value: Value, fed: Sequence[Value], cached: Sequence[Value]) -> Value:
    """What a batch of `len(fed)` sequences costs, each with so many tokens fed after so many cached ones, from what a
    batch of equal ones costs: `batch_size` is then how many such batches there are.

    Term by term: what no length and no batch changes is there once (weights); what is proportional to the batch, such
    as pairs of queries and keys, is added up over the sequences; what depends on the tokens of all sequences alone,
    such as the experts that are reached, has their sum; and what a source computes once for all sequences by their
    positions is computed for each sequence.

    >>> from symflops.algebra import from_text
    >>> pairs = from_text("w + 2*batch_size*seq_len*(seq_len + past_len)")
    >>> of_sequences(pairs, (3, 5), (0, 10)) == from_text("w + batch_size*(2*3*3 + 2*5*15)")
    True

    Raises SymflopsError for a term that is none of these.
    """
    pairs = Counter(zip(fed, cached, strict=True))
    found: list[Value] = []
    for monomial, coefficient in terms_of(value).items():
        term = value_of({monomial: coefficient})
        names = free_symbols(term)
        if not names & {BATCH, LENGTH, PAST}:
            found.append(term)
        elif BATCH not in names or _is_proportional(term):
            found += [multiply(n, substitute(term, {LENGTH: s, PAST: p})) for (s, p), n in pairs.items()]
        else:
            found.append(_of_all_tokens(term, multiply(symbol(BATCH), add(0, *fed))))
    return add(0, *found)


def _is_proportional(term: Value) -> bool:
    """Whether a term is proportional to the batch."""
    of_one = substitute(term, {BATCH: 1})
    return term == multiply(symbol(BATCH), of_one)


def _of_all_tokens(term: Value, tokens: Value) -> Value:
    of_tokens = substitute(term, {LENGTH: divide(symbol(_TOKENS), symbol(BATCH))})
    if free_symbols(of_tokens) & {BATCH, LENGTH, PAST}:
        raise SymflopsError(
            "sequences of unequal lengths: a cost depends on batch and lengths, but not on their product"
        )
    return substitute(of_tokens, {_TOKENS: tokens})
