"""All FLOPs of any causal LM of transformers, counted operation by operation on real tensors, and the state it leaves.

A second count beside `independent_count.py`, which sees matrix multiplies alone. It shares no code with symflops: the
rules below are DESIGN.md's conventions written down once more, on numbers instead of symbols. The model is small, its
weights are random, attention is eager, and an operation that no rule knows is an error.

With `causal` = 1 what is computed for masked pairs is left out: what transformers' own masks forbid (masked_pairs.py)
and, where a source writes its attention out, the scores that are hugely negative when its softmax gets them.
PyTorch's counter of matrix products runs the same call once more, so that these are counted twice over.

What a real tensor shows, no rule has to guess: a mask is a constant of which every element is 0 or hugely negative, and
adding it is free; so is a product with a scalar 1. What is computed from sizes alone costs nothing.
"""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import independent_count
import torch
from masked_pairs import Forbidden, Pairs, watched
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import DynamicCache, PreTrainedConfig, PreTrainedModel


class UnknownOperationError(RuntimeError):
    """The forward ran an operation that no rule here knows."""


class Counts(NamedTuple):
    """What one forward cost, in FLOPs, and what its cache then holds, in elements."""

    flops: int
    matmul_flops: int
    state: int
    causal_flops: int  # without what is computed for masked pairs
    causal_matmul_flops: int
    torch_matmul_flops: int  # as FlopCounterMode counts them


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Floating-point operations for each element of the result.
PER_RESULT = {
    **dict.fromkeys(_names("""
        abs acos add asin atan atan2 cos cosh cumprod div erf erfc exp exp2 expm1 floor_divide fmod leaky_relu log
        log10 log1p log2 mul neg pow prelu _prelu_kernel reciprocal remainder rsqrt rsub sin sinh sqrt square sub tan
        tanh
    """), 1),
    "hardsigmoid": 2, "addcmul": 2, "addcdiv": 2, "elu": 3, "softplus": 3, "hardswish": 3, "lerp": 3, "polar": 4,
    "silu": 4, "sigmoid": 4, "mish": 5, "glu": 5, "log_sigmoid_forward": 5, "_softmax": 5, "_safe_softmax": 5,
}  # fmt: skip
# For each element that is read.
PER_READ = _names("amax amin aminmax max min mean sum cumsum logcumsumexp")
# For each element that is read, and for each element of the result.
PER_BOTH = {
    "var": (4, 0), "var_mean": (4, 0), "std": (4, 1), "linalg_vector_norm": (2, 1), "norm": (2, 1), "logsumexp": (4, 2),
}  # fmt: skip
# Comparisons, selections, copies, indices, random and whole numbers.
FREE = _names("""
    _local_scalar_dense _reshape_alias _to_copy _unsafe_view alias all any arange argmax argmin argsort as_strided
    bernoulli bincount bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor
    bucketize cat ceil clamp clamp_max clamp_min clone complex constant_pad_nd contiguous copy detach diagonal
    dropout embedding empty empty_like empty_strided eq equal expand eye fill flip floor full full_like gather ge gt
    histc index index_copy index_fill index_put index_select is_nonzero isfinite isin isinf isnan item le lift
    lift_fresh logical_and logical_not logical_or lt masked_fill masked_scatter masked_select maximum minimum
    multinomial narrow ne new_empty new_empty_strided new_full new_ones new_zeros nonzero one_hot ones ones_like
    permute rand rand_like randint randn randperm relu repeat repeat_interleave reshape resize roll round
    scalar_tensor scatter searchsorted select set sign slice slice_scatter sort split split_with_sizes squeeze stack
    t topk transpose tril triu unbind unfold unsafe_split unsqueeze view view_as_complex view_as_real where zero
    zeros zeros_like _assert_async
""")


@dataclass
class Operation:
    """One ATen operation that was run."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inputs: list[torch.Tensor]
    result: torch.Tensor


def _product(o: Operation) -> tuple[int, int]:
    matmul = 2 * o.result.numel() * o.inputs[0].shape[-1]
    return matmul, matmul


def _dot(o: Operation) -> tuple[int, int]:
    matmul = 2 * o.inputs[0].numel()
    return matmul, matmul


def _product_added(o: Operation) -> tuple[int, int]:
    """beta*c + alpha*(a @ b)"""
    beta, alpha = o.kwargs.get("beta", 1), o.kwargs.get("alpha", 1)
    matmul = 2 * o.result.numel() * o.inputs[1].shape[-1]
    steps = (beta != 0) + (beta not in (0, 1)) + (alpha != 1)
    return matmul + steps * o.result.numel(), matmul


def _convolution(o: Operation) -> tuple[int, int]:
    weight, bias, transposed = o.args[1], o.args[2], o.args[6]
    matmul = 2 * (o.inputs[0] if transposed else o.result).numel() * math.prod(weight.shape[1:])
    return matmul + (o.result.numel() if bias is not None else 0), matmul


def _attention(o: Operation) -> tuple[int, int]:
    """Scores of every pair and what they weigh, a scale that is not 1, and a softmax; masks are free."""
    query, key, value = o.args[:3]
    pairs = math.prod(query.shape[:-1]) * key.shape[-2]
    matmul = 2 * pairs * (query.shape[-1] + value.shape[-1])
    return matmul + (5 + (o.kwargs.get("scale") != 1)) * pairs, matmul


def _triangular(o: Operation) -> tuple[int, int]:
    return o.result.numel() * o.inputs[0].shape[-1], 0


def _gelu(o: Operation) -> tuple[int, int]:
    return (8 if o.kwargs.get("approximate", "none") == "tanh" else 5) * o.result.numel(), 0


def _layer_norm(o: Operation) -> tuple[int, int]:
    rows = o.result.numel() // math.prod(o.args[1])
    return (5 + (o.args[2] is not None) + (o.args[3] is not None)) * o.result.numel() + 2 * rows, 0


def _rms_norm(o: Operation) -> tuple[int, int]:
    rows = o.result.numel() // math.prod(o.args[1])
    return (3 + (o.args[2] is not None)) * o.result.numel() + 2 * rows, 0


def _group_norm(o: Operation) -> tuple[int, int]:
    affine = (o.args[1] is not None) + (o.args[2] is not None)
    return (5 + affine) * o.result.numel() + 2 * o.args[3] * o.args[6], 0


def _log_softmax(o: Operation) -> tuple[int, int]:
    return 5 * o.result.numel() + o.result.numel() // o.result.shape[o.args[1]], 0


def _added_at_places(o: Operation) -> tuple[int, int]:
    """One addition for each element that is added; nothing where the elements are put in place."""
    return (o.inputs[-1].numel(), 0) if o.inputs[-1].is_floating_point() else (0, 0)


def _transform(o: Operation) -> tuple[float, int]:
    """A fast Fourier transform of n points: 5*n*log2(n), which is rounded in the sum of all operations alone."""
    points = math.prod(o.inputs[0].shape[d] for d in o.args[1])
    return 5 * o.result.numel() * math.log2(points), 0


def _complex(name: str, o: Operation) -> int:
    """Real operations for each complex number: a product is four products, a difference and a sum."""
    both = len(o.inputs) == 2 and all(t.is_complex() for t in o.inputs)
    if name not in ("mul", "add", "sub"):
        raise UnknownOperationError(f"no rule for {name} of complex numbers")
    return (6 if both else 2) if name == "mul" else (2 if both else 1)


RULES: dict[str, Callable[[Operation], tuple[float, int]]] = {
    "mm": _product, "bmm": _product, "mv": _dot, "dot": _dot, "addmm": _product_added, "baddbmm": _product_added,
    "addmv": _product_added, "convolution": _convolution, "linalg_solve_triangular": _triangular, "gelu": _gelu,
    "native_layer_norm": _layer_norm, "_fused_rms_norm": _rms_norm, "native_group_norm": _group_norm,
    "_scaled_dot_product_flash_attention_for_cpu": _attention, "_log_softmax": _log_softmax,
    "index_add": _added_at_places,
    "scatter_add": _added_at_places,
    "scatter_reduce": _added_at_places, "_fft_c2c": _transform, "_fft_r2c": _transform, "_fft_c2r": _transform,
}  # fmt: skip
PRODUCTS = ("mm", "bmm", "addmm", "baddbmm")
LOW = -9e3  # and below: a score that is not to count
OF_SHAPE = _names("empty_like full_like new_empty new_full new_ones new_zeros ones_like zeros_like")  # not of values
NEUTRAL = {"mul": 1, "div": 1, "add": 0, "sub": 0, "pow": 1}  # x*1, x/1, x + 0, … are not computed


class Counter(TorchDispatchMode):
    """Adds up the FLOPs of every operation inside; `given` are the tensors whose values no size determines, `weights`
    those of them that the model owns."""

    def __init__(self, given: Iterable[torch.Tensor], weights: Iterable[torch.Tensor] = ()) -> None:
        super().__init__()
        self.flops = self.matmul_flops = self.masked_flops = self.masked_matmul_flops = 0
        self.pairs: Pairs | None = None  # of the attention that runs
        self.made: dict[int, list[tuple[str, Operation, int, int]]] = {}  # by memory: what was computed into it
        self.weighed: dict[int, tuple[int, int]] = {}  # probabilities: how many there are, and of how many masked pairs
        self.forbidden = Forbidden(self.is_constant)
        self.by_name: dict[str, int] = {}
        self.kept = list(given)  # so that an address is not given to another tensor
        self.data: set[int] = {_address(tensor) for tensor in self.kept}
        self.weights = {_address(tensor) for tensor in weights}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        inputs = _tensors((args, kwargs))
        of_shape = func.overloadpacket.__name__ in OF_SHAPE
        varies = not of_shape and any(_address(tensor) in self.data for tensor in inputs)
        adds_mask = func.overloadpacket.__name__.rstrip("_") == "add" and self._is_mask_added(inputs)
        result = func(*args, **kwargs)
        outputs = _tensors(result)
        self.kept += outputs
        if varies:
            self.data |= {_address(tensor) for tensor in outputs}
            self.data |= {_address(tensor) for tensor in inputs[:1] if func._schema.is_mutable}
            if outputs:
                self.forbidden.follow(func.overloadpacket.__name__, inputs, outputs[0])
            if outputs and adds_mask:
                step = ("add", Operation(args, kwargs, inputs, outputs[0]), 0, 0)
                self.made.setdefault(_address(outputs[0]), []).append(step)
            elif outputs:
                self._add(func.overloadpacket.__name__, Operation(args, kwargs, inputs, outputs[0]))
        return result

    def _is_mask_added(self, inputs: list[torch.Tensor]) -> bool:
        """Whether a term is a constant that forbids or does nothing, element by element; not one that forbids all."""
        constants = [t for t in inputs if self.is_constant(t) and t.is_floating_point()]
        return len(inputs) == 2 and any(bool(((t == 0) | (t < -1e8)).all() and (t == 0).any()) for t in constants)

    def _add(self, packet: str, o: Operation) -> None:
        name = packet if packet.startswith("_") and not packet.endswith("_") else packet.rstrip("_")
        flops, matmul = self._work(name, o)
        masked = masked_matmul = 0
        if self.pairs is not None:
            flops, masked = self.pairs.of(name, flops, matmul, (o.result, *o.inputs))
            masked_matmul = masked if matmul else 0
        else:
            self.made.setdefault(_address(o.result), []).append((name, o, flops, matmul))
            masked, masked_matmul = self._written_out(name, o, flops, matmul)
        self.by_name[name] = self.by_name.get(name, 0) + flops
        self.flops += flops
        self.matmul_flops += matmul
        self.masked_flops += masked
        self.masked_matmul_flops += masked_matmul

    def _written_out(self, name: str, o: Operation, flops: int, matmul: int) -> tuple[int, int]:
        """What is spent on masked pairs in attention that a source writes out: at its softmax what made the scores,
        too, and after it what is done with the probabilities, up to their product."""
        if name in ("_softmax", "_safe_softmax"):
            every, masked = o.result.numel(), int((o.inputs[0] <= LOW).sum())
            made = self._scores(_address(o.inputs[0]), every) if masked else []
            self.weighed[_address(o.result)] = (every, masked if made else 0)
            done = [(flops, matmul), *((f, m) for _, _, f, m in made)] if made else []
            return sum(f * masked // every for f, _ in done), sum(m * masked // every for _, m in done)
        every, masked = next((self.weighed[a] for a in map(_address, o.inputs) if a in self.weighed), (1, 0))
        if masked and name not in PRODUCTS and o.result.numel() == every:
            self.weighed[_address(o.result)] = (every, masked)
        if not masked or (name not in PRODUCTS and o.result.numel() != every):
            return 0, 0
        return flops * masked // every, matmul * masked // every

    def _scores(self, address: int, every: int) -> list[tuple[str, Operation, int, int]]:
        """What made some scores, back to the product of queries and keys; nothing where there is none, as where a
        router's scores are a product with a weight and only some of its experts may be chosen."""
        found = []
        for step in reversed(self.made.get(address, [])):
            name, o = step[:2]
            if o.result.numel() != every:
                return []
            found.append(step)
            if name in PRODUCTS:
                return [] if any(_address(tensor) in self.weights for tensor in o.inputs) else found
            for other in (t for t in o.inputs if _address(t) != address and t.numel() == every):
                if before := self._scores(_address(other), every):
                    return [*found, *before]
        return []

    def enter(self, pairs: Pairs | None) -> None:
        """The attention of these pairs begins; with None it is over."""
        self.pairs = pairs

    def is_constant(self, tensor: torch.Tensor) -> bool:
        """Whether sizes alone determine a tensor."""
        return _address(tensor) not in self.data

    def _work(self, name: str, o: Operation) -> tuple[float, int]:
        if name in FREE or name.startswith("sym_"):
            return 0, 0
        if name in RULES:
            return RULES[name](o)
        is_float = any(t.is_floating_point() or t.is_complex() for t in (*o.inputs, o.result))
        if name in PER_RESULT:
            if not is_float or not (o.result.is_floating_point() or o.result.is_complex()):
                return 0, 0
            if name in NEUTRAL and type(o.args[1]) in (int, float) and o.args[1] == NEUTRAL[name]:
                return 0, 0
            if o.result.is_complex() and name != "polar":
                return _complex(name, o) * o.result.numel(), 0
            scaled = name in ("add", "sub") and o.kwargs.get("alpha", 1) != 1
            return (PER_RESULT[name] + scaled) * o.result.numel(), 0
        if name in PER_READ:
            selects = name in ("max", "min") and len(o.inputs) > 1
            return (o.inputs[0].numel() if is_float and o.inputs[0].is_floating_point() and not selects else 0), 0
        if name in PER_BOTH:
            read, written = PER_BOTH[name]
            return read * o.inputs[0].numel() + written * o.result.numel(), 0
        raise UnknownOperationError(f"no rule for {name}")


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def _address(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage()._cdata


def count(config: PreTrainedConfig, batch: int, length: int, past: int = 0) -> Counts:
    """One forward of `length` tokens after `past` earlier ones, with what the model itself keeps of them."""
    return counted(independent_count.build(config, fake=False), batch, length, past)


def counted(model: PreTrainedModel, batch: int, length: int, past: int = 0, keeps: bool = True) -> Counts:
    """The same of a model that is built; it is called on a copy, since some keep states in their modules. Unless it
    `keeps` something it is asked to make no cache."""
    model = copy.deepcopy(model)
    made = {_address(t) for t in _attributes(model)}
    with torch.no_grad():
        carried = _own_cache(model) if keeps else {}
        carried |= _carried(model, _call(model, batch, past, carried)) if past else {}
        by_torch = independent_count.matmul_flops(_call, *copy.deepcopy((model, batch, length, carried, None, keeps)))
        given = [*model.parameters(), *model.buffers(), *tensors([carried, *_attributes(model)])]
        counter = Counter(given, weights=model.parameters())
        with watched(counter.enter, counter.forbidden.of), counter:
            returned = _call(model, batch, length, carried, counter, keeps)
    carried |= _carried(model, returned)
    left = {_address(t): t for t in tensors([carried, *_attributes(model)]) if _address(t) not in made}
    return Counts(
        round(counter.flops),
        counter.matmul_flops,
        sum(t.numel() for t in left.values()),
        round(counter.flops - counter.masked_flops),
        counter.matmul_flops - counter.masked_matmul_flops,
        by_torch,
    )


def _call(
    model: PreTrainedModel,
    batch: int,
    length: int,
    carried: dict[str, Any],
    counter: Counter | None = None,
    keeps: bool = True,
) -> Any:
    accepted = inspect.signature(model.forward).parameters
    streams = getattr(model, "num_codebooks", 1)  # of audio tokens, which the batch dimension holds one after another
    ids = 10 + torch.arange(batch * streams * length).reshape(batch * streams, length) % 50
    if counter is not None:
        counter.data.add(_address(ids))
    switch = {"use_cache": keeps} if "use_cache" in accepted else {}
    return model(input_ids=ids, **switch, **carried)


def _own_cache(model: PreTrainedModel) -> dict[str, Any]:
    """The cache for a first call of a decoder that makes none; {} where the model makes its own, or takes none."""
    accepted = inspect.signature(model.forward).parameters
    if "past_key_values" not in accepted or not getattr(model.config, "is_decoder", True):
        return {}
    if _carried(model, _call(copy.deepcopy(model), 1, 2, {})):
        return {}
    return {"past_key_values": DynamicCache(config=model.config.get_text_config(decoder=True))}


def _carried(model: PreTrainedModel, returned: Any) -> dict[str, Any]:
    """What the next call takes of what a call returned: whatever has the name of an argument."""
    accepted = inspect.signature(model.forward).parameters
    return {name: returned[name] for name in accepted if name in (returned or ()) and returned[name] is not None}


def _attributes(model: PreTrainedModel) -> list[torch.Tensor]:
    """The tensors that modules keep beside their weights, as those do whose state is their own."""
    return tensors([value for module in model.modules() for value in vars(module).values()])


def tensors(thing: Any) -> list[torch.Tensor]:
    """The floating-point tensors in lists, dictionaries and caches."""
    if isinstance(thing, torch.Tensor):
        return [thing] if thing.is_floating_point() else []
    if isinstance(thing, dict):
        return [tensor for value in thing.values() for tensor in tensors(value)]
    if isinstance(thing, list | tuple):
        return [tensor for value in thing for tensor in tensors(value)]
    return tensors(vars(thing)) if "Cache" in type(thing).__name__ or "CacheLayer" in str(type(thing).__mro__) else []
