"""Which name of a candidate means which name of a reference: papers write S or n for seq_len, code writes d_model.

A name that both sides have means the same on both. For the others there is a table of words, each of one quantity, and
of letters, each of several. What is taken for what is always part of the verdict.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush

from symflops.grouping import SHORT

# quantity: (names that mean nothing else, letters and abbreviations that may mean it)
_QUANTITIES: dict[str, tuple[str, str]] = {
    "batch": ("batch_size batch bs bsz batchsize n_batch num_sequences", "B b N"),
    "length": (
        "seq_len seqlen seq_length sequence_length sequence_len seq context_len context_length ctx n_ctx q_len",
        "S s T n L t",
    ),
    "past": ("past_len past past_length cache_len kv_len_past prefix_len n_past", "P p"),
    "hidden": (
        "hidden_size n_embd d_model hidden hidden_dim embed_dim embedding_dim model_dim dim dmodel width",
        "h H d D E",
    ),
    "layers": ("num_hidden_layers n_layer n_layers num_layers layers depth nlayers num_blocks", "L l T N"),
    "inner": (
        "intermediate_size n_inner d_ff ffn_dim ffn ff dff ffn_hidden_size intermediate mlp_dim ffn_size hidden_ff",
        "i I f F m M",
    ),
    "vocabulary": ("vocab_size vocab n_vocab vocabulary vocabulary_size num_embeddings", "V v"),
    "heads": ("num_attention_heads n_head n_heads num_heads heads nheads attention_heads", "n a H h A nh"),
    "kv heads": ("num_key_value_heads num_kv_heads n_kv_heads kv_heads n_kv n_kv_head nkv", "g G k kv"),
    "head width": ("head_dim d_head head_size dh d_k hd head_width", "d D k"),
    "experts": ("num_local_experts num_experts n_experts experts n_routed_experts", "E e X"),
    "experts of a token": ("num_experts_per_tok top_k topk experts_per_token n_experts_per_tok k_experts", "k K"),
    "expert inner": ("moe_intermediate_size expert_dim d_expert", "m f i"),
    "causal": ("causal is_causal", "c"),
    "bytes": ("dtype_bytes bytes_per_element bytes_per_elem elem_bytes element_size dtype_size itemsize nbytes", "b e"),
    "weight bytes": ("weight_bytes w_bytes weight_dtype_bytes bytes_per_weight bytes_per_param", "b_w w"),
    "cache bytes": ("cache_bytes kv_bytes kv_cache_bytes cache_dtype_bytes", "b_kv"),
    "window": ("sliding_window window window_size", "W w"),
    "rows": ("N rows tokens num_tokens n_tokens ntokens num_rows", "n T M"),
    "input width": ("in_features d_in in_dim input_size fan_in", "K k d h"),
    "output width": ("out_features d_out out_dim output_size fan_out", "O o m f"),
}
_WORDS = {word: q for q, (words, _) in _QUANTITIES.items() for word in words.split()}
_LETTERS: dict[str, list[str]] = {}
for _quantity, (_, _letters) in _QUANTITIES.items():
    for _letter in _letters.split():
        _LETTERS.setdefault(_letter, []).append(_quantity)
_TOKENS = ("tokens", "num_tokens", "n_tokens", "ntokens")
_MOST = 48  # readings that are given
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


def readings(candidate: set[str], reference: set[str]) -> Iterator[dict[str, str]]:
    """What the candidate's own names may mean in the reference, the most likely reading first.

    >>> next(readings({"B", "S", "d_model"}, {"batch_size", "seq_len", "hidden_size"}))
    {'B': 'batch_size', 'S': 'seq_len', 'd_model': 'hidden_size'}
    """
    unknown = sorted(candidate - reference)
    free = reference - candidate
    choices = [_choices(name, free) for name in unknown]
    # The cheapest combination first: a heap of positions in the lists of choices.
    heap = [(sum(c[0][0] for c in choices), (0,) * len(choices))]
    seen = {heap[0][1]}
    yielded = 0
    for _ in range(_TRIED):
        if not heap or yielded == _MOST:
            break
        _, at = heappop(heap)
        chosen = [c[i] for c, i in zip(choices, at, strict=True)]
        targets = [target for _, target in chosen if target]
        if len(set(targets)) == len(targets):
            yielded += 1
            yield {name: target for name, (_, target) in zip(unknown, chosen, strict=True) if target}
        for k, i in enumerate(at):
            after = (*at[:k], i + 1, *at[k + 1 :])
            if i + 1 < len(choices[k]) and after not in seen:
                seen.add(after)
                heappush(heap, (sum(c[j][0] for c, j in zip(choices, after, strict=True)), after))
    if not yielded:  # too many names that may mean the same: each takes the best that is left
        taken: dict[str, str] = {}
        for name, options in zip(unknown, choices, strict=True):
            target = next(t for _, t in options if t not in taken.values())
            if target:
                taken[name] = target
        yield taken


def _choices(name: str, free: set[str]) -> list[tuple[int, str]]:
    """(how unlikely, name of the reference or, for tokens, batch_size*seq_len); to mean none of them is the last."""
    found: dict[str, int] = {}
    if name in _TOKENS and {"batch_size", "seq_len"} <= free:
        return [(0, "batch_size*seq_len"), (20, "")]
    for other in sorted(free):
        if other.replace("_", "").lower() == name.replace("_", "").lower() and len(name) > 1:
            found[other] = 0
        elif SHORT.get(other) == name or SHORT.get(name) == other:
            found[other] = 1
        elif (meant := _WORDS.get(name)) and meant == _meaning(other):
            found[other] = 2
        elif _meaning(other) in _LETTERS.get(name, ()):
            found[other] = 3 + _LETTERS[name].index(_meaning(other))
    return [*sorted((rank, other) for other, rank in found.items()), (20, "")]


def _meaning(other: str) -> str:
    return _WORDS.get(other, "") or quantity(other)
