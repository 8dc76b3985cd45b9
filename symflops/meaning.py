"""What the names mean that people write in formulas: papers write S or n for seq_len, code writes d_model.

One table for all commands. A word means one thing. A letter may mean several: the project's own short names and `N` and
`D` of `6*N*D`, parameters and tokens, are standard; another letter is taken where only one reading is left. What
stays ambiguous is asked back, and what is taken for what is part of every answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import islice

from symflops.errors import SymflopsError
from symflops.grouping import SHORT
from symflops.tree import Tree, read
from symflops.vocabulary.symbols import RUN


def _run(are_bytes: bool) -> dict[str, tuple[str, str]]:
    rows = [row for row in RUN.values() if row.is_bytes == are_bytes and row.quantity]
    return {row.quantity: (f"{row.name} {row.words}", row.letters) for row in rows}


# quantity: (names that mean nothing else, letters and abbreviations that may mean it)
_QUANTITIES = {
    **_run(are_bytes=False),
    "hidden": (
        "hidden_size n_embd d_model hidden hidden_dim embed_dim embedding_dim model_dim dim dmodel width",
        "h H d D E",
    ),
    "layers": ("num_hidden_layers n_layer n_layers num_layers layers depth nlayers num_blocks", "L l T N"),
    "dense layers": ("first_k_dense_replace n_dense_layers num_dense_layers", "f"),
    "inner": (
        "intermediate_size n_inner d_ff ffn_dim ffn ff dff ffn_hidden_size intermediate mlp_dim ffn_size hidden_ff",
        "i I f F m M",
    ),
    "vocabulary": ("vocab_size vocab n_vocab vocabulary vocabulary_size num_embeddings", "V v"),
    "positions": ("n_positions max_position_embeddings max_seq_len num_positions", "M"),
    "heads": ("num_attention_heads n_head n_heads num_heads heads nheads attention_heads", "n a H h A nh"),
    "kv heads": ("num_key_value_heads num_kv_heads n_kv_heads kv_heads n_kv n_kv_head nkv", "g G k kv"),
    "head width": ("head_dim d_head head_size dh d_k hd head_width", "d D k"),
    "experts": ("num_local_experts num_experts n_experts experts n_routed_experts", "E e X"),
    "experts of a token": ("num_experts_per_tok top_k topk experts_per_token n_experts_per_tok k_experts", "k K"),
    "expert inner": ("moe_intermediate_size expert_dim d_expert", "m f i"),
    **_run(are_bytes=True),
    "window": ("sliding_window window window_size", "W w"),
    "parameters": ("parameters params num_parameters num_params n_parameters n_params parameter_count", "N"),
    "active parameters": (
        "active_parameters active_params activated_parameters activated_params num_active_parameters n_active_params",
        "N_act N_active",
    ),
    "tokens": ("tokens num_tokens n_tokens ntokens", "D T N"),
    "rows": ("N rows num_rows", "n T M"),
    "input width": ("in_features d_in in_dim input_size fan_in", "K k d h"),
    "output width": ("out_features d_out out_dim output_size fan_out", "O o m f"),
}
_WORDS = {word: q for q, (words, _) in _QUANTITIES.items() for word in words.split()}
_LETTERS: dict[str, list[str]] = {}
for _quantity, (_, _letters) in _QUANTITIES.items():
    for _letter in _letters.split():
        _LETTERS.setdefault(_letter, []).append(_quantity)
# What a model has besides its symbols, and what it is called.
AMOUNTS = {"parameters": "parameters", "active parameters": "active_parameters", "tokens": "tokens"}
_WRITTEN = {"tokens": "tokens (batch_size*seq_len)", "active_parameters": "active parameters"}
_SLOT = {"tokens": "batch_size"}  # who has a name for all tokens has none for the sequences among them
_RULE = {"N": "parameters", "D": "tokens"}  # as in 6*N*D
LETTER = re.compile(r"[A-Za-z]\d*\Z")  # x, x0: a symbol wherever it stands
_STANDARD = 2  # ranks up to here are no question: a word, or a standard letter
_MOST = 48  # readings that are tried
_TRIED = 2000  # combinations that are looked at for them


def quantity(name: str) -> str:
    """What a name means, as far as it means one thing; letters as engineers most often use them."""
    if name in _WORDS:
        return _WORDS[name]
    for long, short in SHORT.items():
        if short == name and long in _WORDS:
            return _WORDS[long]
    return _LETTERS[name][0] if name in _LETTERS else ""


def with_quantity(names: set[str], wanted: str) -> str:
    """The name among these that means a quantity; "" where none does."""
    found = [n for n in names if quantity(n) == wanted]
    return min(found, key=lambda n: (n not in _WORDS, n)) if found else ""


def in_words(reading: Mapping[str, str]) -> str:
    """What was taken for what, on one line.

    >>> in_words({"N": "parameters", "D": "tokens"})
    'N = parameters, D = tokens (batch_size*seq_len)'
    """
    return ", ".join(f"{name} = {_WRITTEN.get(meaning, meaning)}" for name, meaning in reading.items())


def is_known(name: str) -> bool:
    """Whether a name is in the table at all."""
    return name in _WORDS or name in _LETTERS or name in SHORT.values()


@dataclass(frozen=True)
class Known:
    """The names that a text may mean: symbols that the formula beside it depends on, others that its model has, and
    which of the `AMOUNTS` it has."""

    symbols: frozenset[str]
    others: frozenset[str] = frozenset()
    amounts: frozenset[str] = frozenset()
    per_token: bool = False  # the text is about one token, so it needs no name for all of them


Choice = tuple[int, str]  # how unlikely, and the name that is meant; "" for a symbol of its own


def reading(written: set[str], known: Known, how: str = "write out the one that is meant") -> dict[str, str]:
    """What the names of a text mean that are not known as they stand; one that means nothing known is left out.

    >>> model = Known(frozenset({"batch_size", "seq_len", "num_hidden_layers"}), amounts=frozenset(AMOUNTS.values()))
    >>> reading({"N", "D"}, model), reading({"B", "S", "L"}, model)
    ({'D': 'tokens', 'N': 'parameters'}, {'B': 'batch_size', 'L': 'num_hidden_layers', 'S': 'seq_len'})
    >>> reading({"T"}, model)
    Traceback (most recent call last):
    symflops.errors.SymflopsError: 'T' may mean num_hidden_layers, seq_len or tokens: write out the one that is meant

    Raises SymflopsError for a name that stays ambiguous; `how` says what to do about it, with the name as `{name}` and
    its first reading as `{first}`.
    """
    choices = _all_choices(written, known)
    taken: dict[str, str] = {}
    for rank in range(_STANDARD + 1):
        for name, options in choices.items():
            best = [target for r, target in options if r == rank and target]
            if name not in taken and best and _free(best[0], taken.values()):
                taken[name] = best[0]
    open_names = {
        name: targets
        for name, options in choices.items()
        if name not in taken and (targets := [t for _, t in options if t and _free(t, taken.values())])
    }
    found = list(islice(_assignments(list(open_names.items()), taken), 2000))
    most = max((len(a) for a in found), default=0)
    best_ones = [a for a in found if len(a) == most]
    if len(best_ones) > 1:
        for name in sorted(open_names):
            meanings = {a.get(name, "") for a in best_ones} - {""}
            if len({a.get(name) for a in best_ones}) > 1:
                raise SymflopsError(_question(name, sorted(meanings), open_names, how))
    found_one = dict(sorted((best_ones[0] if best_ones else taken).items()))
    _check_synonyms(written, found_one, known, how)
    return found_one


def _check_synonyms(written: set[str], taken: Mapping[str, str], known: Known, how: str) -> None:
    """Raise SymflopsError for a name that is left over since another one of the text means the same, as d_model beside
    h: what it is meant to be nobody knows."""
    for name in sorted(written - taken.keys() - known.symbols - known.others - known.amounts):
        meant = _among(name, known.symbols | known.others)
        for target in sorted((n for n, rank in meant.items() if rank <= _STANDARD), key=lambda n: (meant[n], n)):
            rivals = [n for n, t in taken.items() if t == target] or ([target] if target in written else [])
            if rivals:
                choose = how.format(name=name, first=target)
                raise SymflopsError(f"{rivals[0]!r} and {name!r} may both mean {target}: {choose}")


def renames(rename: Mapping[str, str]) -> dict[str, Tree]:
    """What names are said to mean, as trees: `{"n": "seq_len"}`, `{"N": "active parameters"}`.

    >>> renames({"h": "n*d", "N": "active parameters"})
    {'h': ('*', 'n', 'd'), 'N': 'active_parameters'}
    """
    return {name: read("_".join(text.split())) for name, text in rename.items()}


def _question(name: str, meanings: list[str], open_names: Mapping[str, list[str]], how: str) -> str:
    choose = how.format(name=name, first=meanings[0])
    if len(meanings) == 1:
        rivals = " and ".join(repr(n) for n, targets in open_names.items() if meanings[0] in targets)
        return f"{rivals} may mean {meanings[0]}: {choose}"
    listed = " or ".join(filter(None, (", ".join(meanings[:-1]), meanings[-1])))
    return f"{name!r} may mean {listed}: {choose}"


def _assignments(names: list[tuple[str, list[str]]], taken: dict[str, str]) -> Iterator[dict[str, str]]:
    """Every way to give each name one of its meanings, or none, no meaning twice."""
    if not names:
        yield taken
        return
    (name, targets), rest = names[0], names[1:]
    for target in targets:
        if _free(target, taken.values()):
            yield from _assignments(rest, {**taken, name: target})
    yield from _assignments(rest, taken)


def _free(target: str, taken: Iterable[str]) -> bool:
    slots = {_SLOT.get(t, t) for t in taken}
    return _SLOT.get(target, target) not in slots


def readings(written: set[str], known: Known) -> Iterator[dict[str, str]]:
    """What the names of a text that are not known as they stand may mean, the most likely reading first.

    >>> known = Known(frozenset({"batch_size", "seq_len", "hidden_size"}))
    >>> next(readings({"B", "S", "d_model"}, known))
    {'B': 'batch_size', 'S': 'seq_len', 'd_model': 'hidden_size'}
    """
    table = _all_choices(written, known)
    unknown, choices = list(table), list(table.values())
    # The cheapest combination first: a heap of positions in the lists of choices.
    heap = [(sum(c[0][0] for c in choices), (0,) * len(choices))]
    seen = {heap[0][1]}
    yielded = 0
    for _ in range(_TRIED):
        if not heap or yielded == _MOST:
            break
        _, at = heappop(heap)
        chosen = [c[i] for c, i in zip(choices, at, strict=True)]
        targets = [_SLOT.get(target, target) for _, target in chosen if target]
        if len(set(targets)) == len(targets):
            yielded += 1
            yield {name: target for name, (_, target) in zip(unknown, chosen, strict=True) if target}
        for k, i in enumerate(at):
            after = (*at[:k], i + 1, *at[k + 1 :])
            if i + 1 < len(choices[k]) and after not in seen:
                seen.add(after)
                heappush(heap, (sum(c[j][0] for c, j in zip(choices, after, strict=True)), after))


def _all_choices(written: set[str], known: Known) -> dict[str, list[Choice]]:
    names = known.symbols | known.others
    unknown = sorted(written - names - (known.amounts & written))
    own = {name: [(0, name)] for name in sorted(known.amounts & written - names)}
    return own | {name: _choices(name, known, written) for name in unknown}


def _choices(name: str, known: Known, written: set[str]) -> list[Choice]:
    """What one name may mean, the likeliest first; to be a symbol of its own is the last."""
    found: dict[str, int] = {}
    for amount, target in AMOUNTS.items():
        if target in known.amounts and (amount in _LETTERS.get(name, ()) or _WORDS.get(name) == amount):
            found[target] = _rank_of_amount(name, amount, known, written)
    found |= _among(name, known.symbols - written)
    further = _among(name, known.others - written)
    found |= {n: rank for n, rank in further.items() if rank <= _STANDARD or not found}
    return [*sorted((rank, other) for other, rank in found.items()), (20, "")]


def _among(name: str, free: frozenset[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    meant = "" if name in _RULE else _WORDS.get(name, "")
    for other in sorted(free):
        means = _WORDS.get(other, "") or quantity(other)
        if other.replace("_", "").lower() == name.replace("_", "").lower() and len(name) > 1:
            found[other] = 0
        elif meant and meant == means:
            found[other] = 1
        elif SHORT.get(other) == name or SHORT.get(name) == other:
            found[other] = 2
        elif other in _WORDS and means in _LETTERS.get(name, ()):  # one letter does not mean another one
            found[other] = 3 + _LETTERS[name].index(means)
        elif means == "rows" and _WORDS.get(name) == "tokens":
            found[other] = 0
    return found


def _rank_of_amount(name: str, amount: str, known: Known, written: set[str]) -> int:
    """How unlikely it is that a name means parameters or tokens."""
    if name in _WORDS and name not in _RULE:
        return 0
    if amount == "active parameters":
        return _STANDARD
    if _RULE.get(name) != amount:
        return 3 + _LETTERS[name].index(amount)
    others = {quantity(n) for n in written - {name}}
    if name == "D":
        return 3 + _LETTERS[name].index(amount) if "batch" in others or "batch_size" in written else _STANDARD
    by_tokens = known.per_token or others & {"batch", "length", "tokens"} or "D" in written
    state = "D" not in written and any(SHORT.get(n) == name for n in known.symbols | known.others)
    return _STANDARD if (by_tokens or not others) and not state else 3
