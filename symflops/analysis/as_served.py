"""`served` and `written` of whatever names a model."""

from __future__ import annotations

from symflops.calling import such_as
from symflops.model import Model
from symflops.passes import served as passes
from symflops.serving import Serving
from symflops.source import ModelLike, load


@such_as('served("llama-2-7b-hf")')
def served(
    model: ModelLike,
    *,
    block: int = 1,
    cached_prefix: int = 0,
    chunk: int = 0,
    draft: int = 0,
    lengths: list[int] | tuple[int, ...] = (),
    past_lengths: list[int] | tuple[int, ...] = (),
) -> Model:
    """What an inference engine runs of a model, as a model; `model` is what `load` takes, and stays what it is.

    - Kernels skip the pairs that a causal mask hides: `causal` is 1 unless it is given.
    - The last token of each sequence has logits: `logits_len` rows of a sequence, 1 unless it is given.
    - Cached latents are attended to as they are, with the projections that make keys and values of them absorbed into
      queries and results, wherever that is fewer multiplications; a note says where.
    - Experts compute the tokens that are routed to them, where the source computes all tokens in all of them.

    >>> one = served("llama-3.1-8b").total()
    >>> written = load("llama-3.1-8b").total()
    >>> cost, head = (one.at(batch_size=1, seq_len=2048).matmul_flops, 2 * 4096 * 128256)
    >>> pairs = 2 * 32 * 32 * (128 + 128)  # FLOPs of a pair in all layers and heads
    >>> written.at(batch_size=1, seq_len=2048).matmul_flops - cost == 2047 * head + pairs * (2048 * 2047 // 2)
    True

    `lengths` and `past_lengths` are the tokens that each sequence of a batch is fed and has in the cache, where these
    are unequal: `batch_size` is then how many such batches there are.

    >>> two, alone = served("llama-3.1-8b", lengths=(512, 1024)).total(), served("llama-3.1-8b").total()
    >>> each = [alone.at(batch_size=1, seq_len=n).flops for n in (512, 1024)]
    >>> two.at(batch_size=1).flops == sum(each)
    True

    Raises SymflopsError for a step of training and for a model that is as served already.
    """
    return passes.served(load(model), Serving(block, cached_prefix, chunk, draft, _each(lengths), _each(past_lengths)))


def _each(numbers: list[int] | tuple[int, ...]) -> tuple[int, ...]:
    return tuple(numbers) if isinstance(numbers, list) else numbers
