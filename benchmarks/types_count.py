"""FLOPs and parameters of one call of any model of transformers, counted by PyTorch and operation by operation.

Nothing here knows how symflops counts: a real model is built from the config with attention as matrix products and
called on real tensors of the shapes that the derived model says it is fed. What those inputs *are* is symflops' own.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

import torch
from independent_count import DATA_DEPENDENT, MAX_REAL_PARAMETERS, _RefuseUncounted
from masked_pairs import watched
from operation_count import Counter, Operation, _address
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedConfig, PreTrainedModel, pytorch_utils
from transformers.initialization import no_init_weights

from symflops.inputs import Input
from symflops.numeric import evaluate

MAX_REAL = 350_000_000  # parameters of a model that is counted operation by operation


def built(model_class: type[PreTrainedModel], config: PreTrainedConfig, fake: bool = True) -> PreTrainedModel:
    """The model of a config in eval mode, with eager attention; on fake tensors unless `fake` is False."""
    if fake:
        try:
            return _made(model_class, config, True)
        except DATA_DEPENDENT:  # its constructor looks at values
            pass
    return _made(model_class, config, False)


def _made(model_class: type[PreTrainedModel], config: PreTrainedConfig, fake: bool) -> PreTrainedModel:
    config = copy.deepcopy(config)
    with FakeTensorMode(allow_non_fake_inputs=True) if fake else nullcontext(), no_init_weights():
        try:
            model = model_class._from_config(config, attn_implementation="eager", dtype=torch.float32)
        except ValueError:  # a type of a fixed implementation
            model = model_class._from_config(config, dtype=torch.float32)
        model.tie_weights()
    if model._can_set_experts_implementation():
        model.set_experts_implementation("batched_mm")
    if not fake:
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.uniform_(-0.1, 0.1, generator=generator)
    return model.eval().requires_grad_(False)


def parameters(model: PreTrainedModel) -> int:
    """How many weights there are, tied ones once."""
    return sum(p.numel() for p in model.parameters())


def feeds(inputs: tuple[Input, ...], values: Mapping[str, int]) -> dict[str, torch.Tensor]:
    """Real tensors of the inputs' shapes: small ids, random numbers between 0 and 1, and what is stated."""
    generator = torch.Generator().manual_seed(0)
    found: dict[str, torch.Tensor] = {}
    for one in inputs:
        shape = [int(evaluate(size, values)) for size in one.shape]
        dtype = torch.float32 if one.dtype == "float" else getattr(torch, one.dtype)
        if one.content is not None:
            row = one.content if isinstance(one.content, tuple) else (one.content,)
            found[one.name] = torch.tensor([int(evaluate(v, values)) for v in row]).to(dtype).expand(shape).clone()
        elif dtype.is_floating_point:
            found[one.name] = torch.rand(shape, generator=generator, dtype=dtype)
        elif one.name.endswith("input_ids"):
            found[one.name] = (3 + torch.arange(math.prod(shape)) % 50).reshape(shape).to(dtype)
        else:
            found[one.name] = torch.zeros(shape, dtype=dtype)
    return found


_ASKED = re.compile(r"(Image|Audio|Video) features and \w+ tokens do not match.* features:? ?(\d+)")


def with_places(model: PreTrainedModel, given: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same with as many ids that stand for images or sounds as the source says that it has features, at the
    beginning; unchanged where it asks for none, or where they do not fit."""
    names = {"image": ("image_token_id", "image_token_index"), "audio": ("audio_token_id", "audio_token_index"),
             "video": ("video_token_id", "video_token_index")}  # fmt: skip
    ids, placed = given.get("input_ids"), 0
    for _ in names if ids is not None else ():
        try:
            with _counting(None, checked=True):
                model(**given)
            return given
        except (ValueError, RuntimeError) as error:  # the source's own words, or another matter
            said = _ASKED.search(str(error))
        own = [getattr(model.config, name, None) for name in names[said[1].lower()]] if said else []
        token = next((number for number in own if type(number) is int), None)
        if said is None or token is None or placed + int(said[2]) > ids.numel():
            return given
        flat = ids.flatten().clone()
        flat[placed : placed + int(said[2])] = token
        ids, placed = flat.reshape(ids.shape), placed + int(said[2])
        given = {**given, "input_ids": ids}
    return given


def matmul_flops(model: PreTrainedModel, given: Mapping[str, Any]) -> int:
    """Matmul FLOPs of a call, as PyTorch counts them."""
    fake = getattr(next(model.parameters()), "fake_mode", None)
    more = {torch.ops.aten._euclidean_dist: _of_distances}  # a product of matrices that PyTorch's counter passes over
    with _counting(fake), _RefuseUncounted(), FlopCounterMode(display=False, custom_mapping=more) as counter:
        model(**given)
    return int(counter.get_total_flops())


def _batch_norm(o: Operation) -> tuple[int, int]:
    """Of running statistics: subtract, divide by a root, scale, shift; the root per channel. Of those of the tensor
    itself, as BiT standardises its weights, mean, difference, square and its mean before that."""
    each = 5 if o.args[5] is True and o.args[3] is None else 2
    return (each + sum(t is not None for t in o.args[1:3])) * o.result.numel() + 2 * o.args[0].shape[1], 0


def _weight_norm(o: Operation) -> tuple[int, int]:
    """A norm over each slice, 2 per element and a root; a division for each slice and a product per element."""
    v, g = o.args[:2]
    return 3 * v.numel() + 2 * g.numel(), 0


def _pool(o: Operation) -> tuple[int, int]:
    """A reduction over a window for each element of the result."""
    window, dims = o.args[1], 1 if "1d" in o.name else 3 if "3d" in o.name else 2
    return o.result.numel() * math.prod(window if len(window) == dims else list(window) * dims), 0


def _distances(o: Operation) -> tuple[int, int]:
    """Of pairs of rows: -2*x beside |x|^2 and 1, times y beside 1 and |y|^2, and a root."""
    x, y = o.args[:2]
    matmul = _of_distances(x.shape, y.shape, out_shape=o.result.shape)
    return matmul + o.result.numel() + 3 * x.numel() + 2 * y.numel(), matmul


def _of_distances(x: Any, y: Any, out_shape: Any = None, **_: Any) -> int:
    return 2 * math.prod(out_shape) * (x[-1] + 2)


def _few_distances(o: Operation) -> tuple[int, int]:
    assert o.args[2] == 2.0
    return o.result.numel() * (3 * o.args[0].shape[-1] + 1), 0


def _per_read(o: Operation) -> tuple[int, int]:
    return o.args[0].numel(), 0


def _per_result(number: int) -> Any:
    return lambda o: (number * o.result.numel(), 0)


def _sampled(o: Operation) -> tuple[int, int]:
    """Bilinear: three interpolations of two products and a sum; for each point of the grid two coordinates."""
    each = {0: 9, 1: 0, 2: 35}[o.args[2]]
    return each * o.result.numel() + (3 if o.args[4] else 4) * o.args[1].numel(), 0


RULES: dict[str, Any] = {
    **dict.fromkeys(("native_batch_norm", "_native_batch_norm_legit_no_training"), _batch_norm),
    "_weight_norm_interface": _weight_norm,
    **dict.fromkeys(("avg_pool1d", "avg_pool2d", "avg_pool3d"), _pool),
    **dict.fromkeys(("max_pool2d_with_indices", "max_pool3d_with_indices"), _pool),
    **dict.fromkeys(("_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "adaptive_max_pool2d"), _per_read),
    "_euclidean_dist": _distances, "_cdist_forward": _few_distances, "col2im": _per_read,
    # Of one dimension: two products and a sum, or of four neighbours four products and three sums.
    "upsample_linear1d": _per_result(3), "upsample_bilinear2d": _per_result(9), "upsample_trilinear3d": _per_result(21),
    "_upsample_bilinear2d_aa": _per_result(9), "_upsample_bicubic2d_aa": _per_result(35),  # as when they enlarge
    "upsample_bicubic2d": _per_result(35), "grid_sampler_2d": _sampled,
    **dict.fromkeys(
        ("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "_upsample_nearest_exact2d", "pixel_shuffle",
         "pixel_unshuffle", "im2col", "reflection_pad1d", "reflection_pad2d", "reflection_pad3d", "replication_pad1d",
         "replication_pad2d", "replication_pad3d", "hardtanh", "relu6", "isneginf", "logical_xor", "trunc", "linspace",
         "tile", "channel_shuffle", "diag_embed", "threshold", "sgn", "masked_fill", "randn_like", "normal"),
        _per_result(0)),
}  # fmt: skip


class _Counter(Counter):
    """The counter of operations with the rules for what sees and hears."""

    def _work(self, name: str, o: Operation) -> tuple[float, int]:
        if name not in RULES:
            return super()._work(name, o)
        o.name = name  # type: ignore[attr-defined]  # for the rules that several names share
        return RULES[name](o)


def all_flops(model: PreTrainedModel, given: Mapping[str, Any], known: set[str]) -> tuple[int, int]:
    """All FLOPs of a call on real tensors and those of matrix products, operation by operation; what is computed from
    the `known` inputs, from whose values no other tensor follows than from sizes, costs nothing."""
    data = [tensor for name, tensor in given.items() if name not in known]
    with _counting(None, fused=True):
        counter = _Counter([*model.parameters(), *model.buffers(), *data])
        with watched(counter.enter, counter.forbidden.of), counter:
            model(**given)
    assert all(_address(t) in counter.data for t in data)
    return round(counter.flops), counter.matmul_flops


def _counting(fake: Any, checked: bool = False, fused: bool = False) -> ExitStack:
    """What holds while a call is counted. PyTorch's counter sees attention that a source calls by name as products of
    matrices alone; the count by operations has a rule for the `fused` one, whose scale is a product for each score."""
    stack = ExitStack()
    stack.enter_context(torch.no_grad())
    stack.enter_context(patch.dict("os.environ", {"TRANSFORMERS_DISABLE_TORCH_CHECK": "0" if checked else "1"}))
    # What a method keeps of an earlier call by its arguments may be a fake tensor.
    stack.enter_context(patch.object(pytorch_utils, "is_torchdynamo_compiling", lambda: True))
    if not fused:
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
    stack.enter_context(_without_onednn())
    if fake is not None:
        stack.enter_context(fake)
    return stack


@contextmanager
def _without_onednn() -> Iterator[None]:
    before = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(before)


def is_small(model: PreTrainedModel) -> bool:
    """Whether a model is counted on real tensors."""
    return parameters(model) <= MAX_REAL


assert MAX_REAL < MAX_REAL_PARAMETERS
