"""Mixtures of experts, caught at transformers' experts interface: the tokens that are routed are computed, by top-k."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from inspect import signature
from typing import Any
from unittest.mock import patch

from torch.nn import Parameter
from transformers.integrations.moe import ExpertsInterface, _default_apply_gate

from symflops.errors import SymflopsError
from symflops.polynomial import Value, add, divide, multiply, negate, power, symbol
from symflops.trace.architecture import parts
from symflops.trace.aten import Arithmetic
from symflops.trace.autograd import Gradient, sum_of
from symflops.trace.internals import FakeTensor
from symflops.trace.quantity import product
from symflops.trace.recorder import Recorder
from symflops.trace.serials import storage_key
from symflops.trace.whole_step import Caught
from symflops.vocabulary.fields import means

NAME = "symflops"


@contextmanager
def caught(recorder: Recorder) -> Iterator[None]:
    """Experts inside are two routed matrix multiplies with the model's own activation, gate and weighting between."""

    def product_of(x: Any, weight: Any, bias: Any, ids: Any, top_k: Any, transposed: bool) -> Any:
        width = weight.shape[-1] if transposed else weight.shape[-2]
        out = x.new_empty((*x.shape[:-1], width))
        recorder.note(out, "temporary")
        of = recorder.quantities.value
        rows, inner, outer = of(x.shape[0]), of(x.shape[-1]), of(width)
        matmul = multiply(2, rows, inner, outer)
        weights = [weight] if bias is None else [weight, bias]
        tensors = [x, *weights, ids]
        work = Arithmetic(matmul if bias is None else add(matmul, multiply(rows, outer)), matmul)
        step = recorder.record("routed_matmul", work, [recorder.view(t) for t in tensors], [recorder.view(out)])
        if recorder.tape is not None:
            product_ = Arithmetic(matmul, matmul)
            costs = {0: product_, 1: product_} | ({} if bias is None else {2: Arithmetic(multiply(rows, outer))})
            taped = recorder.tape.step("routed_matmul", None, tensors, {}, out, step, step.owner)
            taped.backward = partial(_backward, costs)
        share = expected_share(of(weight.shape[0]), of(top_k), divide(rows, of(top_k)))
        for t in weights:
            step.gathered[storage_key(t)] = multiply(product(recorder.quantities.shape(t.shape)), share)
        return out

    def routed(x: Any, weight: Any, bias: Any, ids: Any, top_k: Any, transposed: bool) -> Any:
        """Each of the N*k rows of x times the weight matrix of its own expert, which `ids` says."""
        tensors = [x, weight, ids] if bias is None else [x, weight, bias, ids]
        with recorder.pause():
            if recorder.step is None:
                return product_of(x, weight, bias, ids, top_k, transposed)
            run = partial(product_of, x, weight, bias, ids, top_k, transposed)
            return Caught.apply(recorder.step, lambda: (run(), ()), (0,), *tensors)

    def experts(module: Any, hidden_states: Any, top_k_index: Any, top_k_weights: Any) -> Any:
        # A class that transformers' decorator has not prepared has none of its attributes.
        has_gate = getattr(module, "has_gate", True)
        is_transposed = getattr(module, "is_transposed", False)
        tokens, top_k = hidden_states.size(0), top_k_index.size(-1)
        ids, weights = top_k_index.reshape(-1), top_k_weights.reshape(-1)
        x = hidden_states.repeat_interleave(top_k, dim=0)
        first = "gate_up_proj" if has_gate else "up_proj"
        has_bias = getattr(module, "has_bias", False)
        biases = [getattr(module, f"{n}_bias") if has_bias else None for n in (first, "down_proj")]
        y = routed(x, getattr(module, first), biases[0], ids, top_k, is_transposed)
        gate = getattr(type(module), "_apply_gate", _default_apply_gate)
        y = gate(module, y) if has_gate else module.act_fn(y)
        y = routed(y, module.down_proj, biases[1], ids, top_k, is_transposed)
        if getattr(module, "has_post_expert_norm", False):
            y = module.post_expert_norm(y)
        y = (y * weights.unsqueeze(-1)).view(tokens, top_k, hidden_states.size(-1)).sum(dim=1)
        return y.to(hidden_states.dtype)

    def sorted_rows(module: Any, inputs: Any, expert_size: Any) -> Any:
        """Rows in the order of their experts: how many each expert has are values, and what is computed is not."""
        beside = recorder.root.module.get_submodule(recorder.paths[module].rpartition(".")[0]).modules()
        top_k = next((m.top_k for m in beside if hasattr(m, "top_k")), None)
        if top_k is None:
            raise SymflopsError("nothing beside these experts says how many of them a token chooses")
        return routed(inputs, module.weight, None, expert_size, top_k, False)

    unprepared = {type(m) for m in recorder.paths if _is_unprepared(m)}
    by_size = {type(m) for m in recorder.paths if _takes_sizes(m)}
    with ExitStack() as stack:
        for kind in by_size:
            stack.enter_context(patch.object(kind, "forward", sorted_rows))
        if by_size:  # nothing looks at how many rows each expert has
            stack.enter_context(lists_left_tensors())
        stack.enter_context(patch.dict(ExpertsInterface._global_mapping, {NAME: experts}))
        for kind in unprepared:
            stack.enter_context(patch.object(kind, "forward", experts))
        yield


@contextmanager
def lists_left_tensors() -> Iterator[None]:
    """Inside, the list of a fake tensor's values, which it has none of, is the tensor itself."""
    with patch.object(FakeTensor, "tolist", lambda tensor: tensor):
        yield


def _backward(costs: Mapping[int, Arithmetic], needs: tuple[bool, ...]) -> Gradient:
    """A product like the forward's for the gradient of the rows, and one for that of the matrices, which keeps the
    rows; the sum of the gradient for biases."""
    given = tuple(need and place in costs for place, need in enumerate(needs))
    work = sum_of(*(costs[place] for place, is_given in enumerate(given) if is_given))
    return Gradient(work, frozenset({0} if given[1] else ()), given, (any(given),))


def _is_unprepared(module: Any) -> bool:
    """Whether a module is a mixture of experts in the usual form that does not go through the interface."""
    if hasattr(module, "has_gate") or not all(hasattr(module, n) for n in ("gate_up_proj", "down_proj", "act_fn")):
        return False
    stacked = all(isinstance(w, Parameter) and w.dim() == 3 for w in (module.gate_up_proj, module.down_proj))
    return stacked and list(signature(type(module).forward).parameters)[1:] == _ARGUMENTS


def _takes_sizes(module: Any) -> bool:
    """Whether a module is one matrix for each expert, called with rows in their order and how many each one has."""
    weight = getattr(module, "weight", None)
    arguments = list(signature(type(module).forward).parameters)[1:]
    return isinstance(weight, Parameter) and weight.dim() == 3 and arguments == ["inputs", "expert_size"]


_ARGUMENTS = ["hidden_states", "top_k_index", "top_k_weights"]


def unrouted(recorder: Recorder, config: Any) -> list[str]:
    """Notes on experts whose weights are all multiplied by every token, though the config says how many of them a
    token chooses, as their source has no routed way to compute them; and on those that take so many tokens at most."""
    numbers: set[Value] = set()
    chosen: dict[str, None] = {}
    for _, part in parts(config):
        fields = {key: value for key, value in vars(part).items() if type(value) is int}
        counts = {key: value for key, value in fields.items() if means(key, "experts")}
        most = max(counts.values(), default=0)
        if few := [key for key, value in fields.items() if means(key, "chosen_experts") and 0 < value < most]:
            numbers |= {*map(symbol, counts), *counts.values()}
            chosen |= dict.fromkeys(few)
    tokens = multiply(1, *(s.elements for s in recorder.storages.values() if s.role == "input"))
    found = {
        type(operation.owner.module).__name__
        for storage in recorder.storages.values()
        if storage.weight is not None and storage.weight.dim() == 3
        if recorder.quantities.value(storage.weight.shape[0]) in numbers
        for operation in storage.readers
        if operation.work.matmul_flops == multiply(2, storage.elements, tokens)
    }
    whatever = f"its source is written to do so, whatever {', '.join(chosen)} says"
    said = [f"{name} computes every expert on every token: {whatever}" for name in sorted(found)]
    capacity = (
        "experts compute every token that chooses them; that the source drops those beyond a capacity is left out"
    )
    return [*said, capacity] if recorder.known.has_capacity else said


def expected_share(experts: Value, top_k: Value, tokens: Value) -> Value:
    """The share of the experts that some of the tokens choose, under uniform routing: 1 - (1 - k/E)^tokens."""
    return add(1, negate(power(add(1, negate(divide(top_k, experts))), tokens)))


def set_implementation(config: Any, attention: str, experts: str) -> None:
    """Give a config and its parts these implementations, for as long as they are used to build one model."""
    config.__dict__["_attn_implementation_internal"] = attention
    config.__dict__["_experts_implementation_internal"] = experts
    for part in vars(config).values():
        if hasattr(part, "to_diff_dict"):
            set_implementation(part, attention, experts)
