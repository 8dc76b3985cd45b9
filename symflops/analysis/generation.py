"""Generation: what a prompt and the tokens generated after it cost together, and what the KV cache holds then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from symflops import deadline
from symflops.algebra import substitute
from symflops.analysis.parts import attends_without_cache, is_pair
from symflops.calling import such_as
from symflops.cost import Cost, Sweep
from symflops.domain import Domain
from symflops.errors import SymflopsError
from symflops.given import Axis, Numeric
from symflops.inputs import DECODER_IDS
from symflops.model import Model
from symflops.numeric import check
from symflops.passes.served import check_equal, decoding
from symflops.polynomial import Value, add, symbol
from symflops.source import ModelLike, load
from symflops.storage import cache, kept_beside_tokens
from symflops.summation import summed
from symflops.vocabulary.metrics import OWNED, of_each
from symflops.vocabulary.symbols import ENCODER

if TYPE_CHECKING:
    import sympy

PROMPT, NEW = "prompt_len", "new_tokens"
SOURCE = "source_len"  # of an encoder that reads tokens: they are the prompt


@dataclass(frozen=True, repr=False)
class Generation(Cost):
    """The cost of a prompt and the tokens generated after it; a Cost that asks for a token of each.

    Its domain is that the model can run the prompt and the last step.
    """

    @such_as("at(batch_size=1, prompt_len=100, new_tokens=10).flops")
    def at(self, **values: Numeric) -> Cost:
        """The exact Python ints at one point, as `Cost.at` gives them.

        Raises SymflopsError, besides, for fewer than one token and for lengths that the model cannot run.
        """
        _check_lengths(values)
        return super().at(**values)

    @such_as("bind(new_tokens=10)")
    def bind(self, **values: Numeric) -> Cost:
        """The same with numbers in place of some symbols, which have to be possible ones, too."""
        _check_lengths(values)
        return super().bind(**values)

    @such_as('sweep(batch_size=[1, 8], prompt_len=100, new_tokens=10)["flops"]')
    def sweep(self, **axes: Axis) -> Sweep:
        """The cost over a grid, as `Cost.sweep` gives it, of points that there are."""
        for name, axis in axes.items():
            for number in axis if hasattr(axis, "__iter__") else (axis,):
                _check_lengths({name: number})
        return super().sweep(**axes)


def _check_lengths(values: Mapping[str, Any]) -> None:
    reasons = {PROMPT: "the prompt", NEW: "the token that the prompt's own pass yields"}
    for name, reason in reasons.items():
        if name in values and check(name, values[name]) < 1:
            raise SymflopsError(f"{name} = {values[name]}: at least 1, {reason}")


@such_as('generation("llama-2-7b-hf").at(batch_size=1, prompt_len=100, new_tokens=10).flops')
def generation(model: ModelLike, *, symbolic: bool = False) -> Generation:
    """The cost of a prompt of `prompt_len` tokens and of `new_tokens` generated ones, as one closed form in both.

    The prompt's own pass yields the first new token, and each further one is a pass of one token over a cache that has
    grown by one: `new_tokens - 1` steps, summed symbolically, with what they read of the cache. So `new_tokens = 1`
    costs exactly the prompt. `parameters` are not summed. `new_tokens` must be at least 1. With `symbolic` the
    architecture symbols stay symbols.

    Of an encoder and a decoder, the encoder runs once, on `source_len = prompt_len` tokens (or on what else it reads,
    such as `num_frames` of audio, whose symbols stay), and the decoder starts with one token: `new_tokens` passes of
    one token, of which the first computes the keys and values of cross-attention.

    >>> generation("llama-3.1-8b").at(batch_size=1, prompt_len=100, new_tokens=3).flops
    1536790182732
    >>> one_pass = load("llama-3.1-8b").total()
    >>> sum(one_pass.at(batch_size=1, seq_len=s, past_len=p).flops for s, p in [(100, 0), (1, 100), (1, 101)])
    1536790182732

    Raises SymflopsError for a model that does not generate (no seq_len, or attention without a cache) and for steps
    whose sum has no closed form, naming metric and term.
    """
    named = load(model)
    with named.call("the sum over all steps"):
        return _generation(named, symbolic)


def _generation(named: Model, symbolic: bool) -> Generation:
    return together(*stages(named, symbolic))


def together(prompt: Cost, steps: Cost) -> Generation:
    """The cost of both stages."""
    both = prompt + steps  # what was put in for the two stages' lengths
    values = of_each(lambda metric: (prompt if metric in OWNED else both).value(metric))
    return Generation(values, prompt.evaluated, both.domain, prompt.dtype_bytes, prompt.run, both.known)


def stages(model: Model, symbolic: bool = False, of: Callable[[Model], Cost] | None = None) -> tuple[Cost, Cost]:
    """The prompt's pass, which yields the first new token, and all steps after it together, in closed form; the domain
    of the second is that the last step can be run. `of` gives what one pass costs: the model's total, or that of a
    part of it. Raises SymflopsError as `generation` does."""
    prompt, step = _passes(model, (lambda one: one.total(symbolic=symbolic)) if of is None else of)
    past, steps = _kept_first(model, symbolic), add(symbol(NEW), -1)

    def all_of(metric: str) -> Value:
        try:
            return 0 if metric in OWNED else summed(step.value(metric), "past_len", past, steps)
        except SymflopsError as error:
            raise error.within(f"{model.name}: {metric}") from None

    return prompt, replace(step, by_metric=of_each(all_of), domain=_last(step.domain, past))


def goes_on(model: Model) -> bool:
    """Whether it is an encoder and a decoder of which steps after the encoder's call are known."""
    return ENCODER in model.run and any(one.name == DECODER_IDS for one in model.inputs)


def _fed_first(model: Model) -> Value:
    """The tokens in the cache after the prompt's pass: a decoder starts with one."""
    return 1 if goes_on(model) else symbol(PROMPT)


def _kept_first(model: Model, symbolic: bool) -> Value:
    """The positions in the cache after the prompt's pass: those of its tokens, and of an image that it puts before."""
    if goes_on(model) or ENCODER not in model.run:
        return _fed_first(model)
    beside = substitute(kept_beside_tokens(model), {ENCODER: 1})
    return add(_fed_first(model), beside if symbolic else substitute(beside, model.symbols))


def _passes(model: Model, of: Callable[[Model], Cost]) -> tuple[Cost, Cost]:
    """The prompt's pass, and one step of one token after `past_len` others."""
    for name in (PROMPT, NEW):
        if name in model.definitions:
            raise SymflopsError(f"the model has a symbol {name!r} of its own", where=model.name)
    if model.plan is not None:
        raise SymflopsError("a step of training does not generate", where=model.name)
    check_equal(model, "the prompt's pass and all steps together")
    cost = of(model)
    if goes_on(model):
        source = {SOURCE: symbol(PROMPT)}
        first = cost.substitute({**source, model.length: 1, "past_len": 0, ENCODER: 1})
        return first, cost.substitute({**source, model.length: 1, ENCODER: 0})
    if is_pair(model):
        both = (
            "seq_len is the length of both" if "seq_len" in model.total().free_symbols else "its cache is not derived"
        )
        why = f"it is an encoder and a decoder, which generation is not supported for: {both}"
        raise SymflopsError(why, where=model.name)
    if "seq_len" not in model.total().free_symbols:
        raise SymflopsError("its cost does not depend on seq_len: it does not generate", where=model.name)
    if attends_without_cache(model):
        raise SymflopsError("its attention has no KV cache: an encoder does not generate", where=model.name)
    model.check_assumptions({"seq_len": 1})
    seen, unseen = ({ENCODER: n} if ENCODER in model.run else {} for n in (1, 0))  # images are in the prompt
    step = cost if decoding(model) is model else of(decoding(model))
    return (
        cost.substitute({"seq_len": symbol(PROMPT), "past_len": 0, **seen}),
        step.substitute({"seq_len": 1, **unseen}),
    )


def _last(domain: Domain, first: Value) -> Domain:
    """Where the last step can be run, after all tokens but the last two of prompt and generation; of one token only the
    prompt's own last one is fed, which this is then."""
    return domain.substitute({"past_len": add(first, symbol(NEW), -2)})


@such_as('kv_cache("llama-2-7b-hf")')
def kv_cache(model: ModelLike, *, symbolic: bool = False) -> sympy.Expr:
    """The bytes of the KV cache and of recurrent states once `past_len + seq_len` tokens have been fed, as a SymPy
    expression. Grouped, multi-query and latent caches are what the model appends; a window limits what is kept.

    >>> kv_cache("mistral-7b")
    65536*batch_size*cache_bytes*Min(4095, past_len + seq_len)

    Raises SymflopsError for a model that keeps nothing, and for a traced recurrent one that does not say how much.
    """
    with deadline.untimed():
        from symflops.expr import to_sympy

    named = load(model)
    with named.call("what is kept"):
        return to_sympy(_kept(named, symbolic))


def cache_after(model: Any, *, symbolic: bool = False) -> Value:
    """The same after generating, when prompt_len + new_tokens - 1 tokens have been fed, as a canonical value."""
    named = load(model)
    fed = add(_fed_first(named), symbol(NEW), -1)
    source: dict[str, Value] = {SOURCE: symbol(PROMPT)} if goes_on(named) else {}
    seen = {ENCODER: 1} if ENCODER in named.run else {}
    return substitute(_kept(named, symbolic), {**source, **seen, named.length: fed, "past_len": 0})


def _kept(model: Model, symbolic: bool) -> Value:
    return cache(model) if symbolic else substitute(cache(model), model.symbols)
