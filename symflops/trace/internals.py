"""PyTorch's private interfaces, all of them, behind a few functions. Tested with torch 2.13.

Sizes are symbols of a `ShapeEnv`; tensors are fake, so nothing is allocated. Elsewhere only public torch is used.
"""

from __future__ import annotations

import logging
import numbers
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import sympy
import torch
import torch.nn.modules.normalization
from torch._decomp import decompositions
from torch._dispatch.python import enable_python_dispatcher
from torch._dynamo.source import ConstantSource
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, in_kernel_invocation_manager
from torch.fx.experimental.sym_node import SymNode
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv
from torch.nn.modules.conv import _ConvNd as AnyConvolution
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map, tree_map_only, tree_unflatten

from symflops.errors import SymflopsError
from symflops.trace.fixed import FieldFixedError, SizeFixedError
from symflops.trace.origin import is_asserted, is_told

__all__ = [
    "AnyConvolution", "FakeTensor", "Sizes", "TorchDispatchMode", "cheap_parameters",
    "check_versions", "decide", "device", "expression", "fake", "fake_view", "has_known_value", "like", "no_dispatch",
    "quiet", "size_key", "tree_flatten", "tree_map", "tree_map_only", "tree_unflatten", "without_onednn",
]  # fmt: skip

TESTED_TORCH = "2.13"


def check_versions() -> None:
    """Raise SymflopsError when torch is not of the tested version: the interfaces below are private."""
    if not torch.__version__.startswith(TESTED_TORCH + "."):
        raise SymflopsError(
            f"deriving needs torch {TESTED_TORCH}, found {torch.__version__}: pip install 'symflops[hf]'"
        )


_BINARY = (
    "_add", "_sub", "_mul", "_int_floordiv", "_mod", "_eq", "_ne", "_ge", "_gt", "_le", "_lt", "_sym_max", "_sym_min",
)  # fmt: skip


class Sizes:
    """Symbolic sizes and the fake tensors that have them."""

    def __init__(self) -> None:
        self.environment = ShapeEnv(duck_shape=False, specialize_zero_one=True)
        self.mode = FakeTensorMode(shape_env=self.environment, allow_non_fake_inputs=True)
        # Its memory of operations holds for the very same sizes alone, which come again too seldom to be kept.
        self.mode.cache_enabled = False
        self.names: dict[sympy.Symbol, str] = {}
        self.hints: dict[sympy.Symbol, sympy.Integer] = {}
        self.own: dict[sympy.Symbol, sympy.Integer] = {}  # what they are in the config itself
        self.run_symbols: set[str] = set()  # those that must not become numbers
        self.fields: frozenset[str] = frozenset()  # of the config, which may stay numbers
        self.depths: set[sympy.Symbol] = set()
        self.lengths: set[sympy.Symbol] = set()  # how many tokens there are, which any model can be asked for
        self._results: dict[str, dict[Any, Any]] = {}  # of arithmetic on two sizes, by its name
        self._of_runs: dict[tuple[str, int], Any] = {}
        self.operations: dict[Any, Any] = {}  # what operations on these sizes give; see results.py

    def symbol(self, name: str, hint: int, is_depth: bool = False, own: int | None = None) -> Any:
        """A new `SymInt`, at least 2, that behaves as `hint` wherever Python or torch insists on an answer. A depth may
        be asked for: the answer tells how many layers there are, and what is repeated tells that by itself."""
        source = ConstantSource(name)
        made = self.environment.create_symbol(hint, source, dynamic_dim=DimDynamic.DYNAMIC)
        self.names[made] = name
        if is_depth:
            self.depths.add(made)
        self.hints[made], self.own[made] = sympy.Integer(hint), sympy.Integer(hint if own is None else own)
        return self.environment.create_symintnode(made, hint=hint, source=source)

    def run_symbol(self, name: str, hint: int) -> Any:
        """The symbol of this name and hint in every call: what was computed of it is known in the next one."""
        if (name, hint) not in self._of_runs:
            self._of_runs[name, hint] = self.symbol(name, hint)
        return self._of_runs[name, hint]

    def size(self, expression: sympy.Expr) -> Any:
        """A size that is computed of others."""
        return self.environment.create_symintnode(expression, hint=int(decide(expression, self.hints)))

    def number(self, size: Any) -> int:
        """A size where every symbol is its hint."""
        return int(decide(sympy.sympify(expression(size), strict=True), self.hints))

    @contextmanager
    def active(self) -> Iterator[None]:
        """Tensors made inside are fake; every operation has a shape rule that understands symbols."""
        with ExitStack() as stack:
            stack.enter_context(self.mode)
            stack.enter_context(enable_python_dispatcher())
            stack.enter_context(self._remembered())
            stack.enter_context(sizes_formatted())
            integral = SimpleNamespace(Integral=(numbers.Integral, torch.SymInt))
            # nn.LayerNorm asks isinstance(width, numbers.Integral) and takes anything else for a tuple.
            stack.enter_context(patch.object(torch.nn.modules.normalization, "numbers", integral))
            yield

    @contextmanager
    def _remembered(self) -> Iterator[None]:
        """Inside, the sum, product, comparison, … of the same two sizes is computed once: torch asks for each of them
        again at every operation, to tell how its result lies in memory."""

        def once(compute: Callable[[Any, Any], Any], known: dict[Any, Any]) -> Callable[[Any, Any], Any]:
            def result(left: Any, right: Any) -> Any:
                key = (left._expr, left.pytype, right._expr, right.pytype) if isinstance(right, SymNode) else None
                if key is None or left.shape_env is not self.environment:
                    return compute(left, right)
                if key not in known:
                    known[key] = compute(left, right)
                return known[key]

            return result

        plain = vars(SymNode)["expr"].fget

        def as_made(node: Any) -> Any:
            env = node.shape_env  # torch looks through the expression first whether there is a symbol in it
            return node._expr if env is None or env._replacements_version_counter == 0 else plain(node)

        with ExitStack() as stack:
            stack.enter_context(patch.object(SymNode, "expr", property(as_made)))
            for name in _BINARY:
                known = self._results.setdefault(name, {})
                stack.enter_context(patch.object(SymNode, name, once(getattr(SymNode, name), known)))
            yield

    def _is_constant(self, size: Any, value: Any) -> bool:
        """Whether a size is this number whatever the symbols are: small or large ones, and the config's own."""
        others = [{s: h * k + i * (k - 1) for i, (s, h) in enumerate(self.hints.items())} for k in (2, 3, 7, 10, 10**4)]
        twos = dict.fromkeys(self.hints, sympy.Integer(2))  # as for the lesser of a size and a number
        return all(decide(size, other) == value for other in (*others, twos, self.own))

    @contextmanager
    def watching_guards(self, note: Callable[[Any, bool, bool], None]) -> Iterator[None]:
        """Call `note(condition, outcome, fixes)` for every condition on sizes that is decided inside; `fixes` tells
        that the size has become a number."""
        decide = self.environment.evaluate_expr
        outcomes: dict[Any, tuple[Any, set[Any]]] = {}

        def noted(condition: Any, *args: Any, **kwargs: Any) -> Any:
            # Torch would first try to prove it from all earlier conditions, which takes most of the time of a run and
            # replaces symbols by one another; a hint for every symbol answers at once, and leaves them alone.
            if isinstance(condition, bool):
                return decide(condition, *args, **kwargs)
            if condition not in outcomes:
                symbols = condition.free_symbols
                if not symbols:
                    return decide(condition, *args, **kwargs)
                if symbols - self.hints.keys():  # on the values of tensors
                    return True if is_asserted(sys._getframe(1)) else decide(condition, *args, **kwargs)
                outcomes[condition] = condition.xreplace(self.hints), symbols
            outcome, symbols = outcomes[condition]
            decided = outcome is sympy.true or outcome is sympy.false
            if not decided and not outcome.is_number:
                return decide(condition, *args, **kwargs)
            if self.depths and symbols <= self.depths:
                return outcome
            if decided:
                note(condition, bool(outcome), False)
            elif outcome.is_Integer and not self._is_constant(
                condition, outcome
            ):  # it has to be a number, as in range(size)
                if is_told(sys._getframe(1)):
                    return outcome
                note(sympy.Eq(condition, outcome, evaluate=False), True, True)
                fixed = {self.names[s] for s in symbols} & self.run_symbols
                if fixed:
                    raise SizeFixedError(min(fixed), condition, self.names)
                if fields := {self.names[s].removesuffix("__rest") for s in symbols} & self.fields:
                    raise FieldFixedError(fields)
            return outcome

        with patch.object(self.environment, "evaluate_expr", noted):
            yield


@contextmanager
def quiet() -> Iterator[None]:
    """Torch's own log of shapes that do not fit, and warnings; what matters of them becomes one line for the user."""
    loggers = [logging.getLogger(name) for name in ("torch._subclasses.fake_tensor", "torch.fx", "transformers")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def without_onednn() -> Iterator[None]:
    """Inside, recurrent layers are not one operation of a library. The public switch warns of other hardware."""
    before = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(before)


@contextmanager
def trained_matrices_folded(has_gradient: Callable[[torch.Tensor], bool]) -> Iterator[None]:
    """Inside, many matrices times one that `has_gradient` are a product of two, as eager PyTorch has it where the one
    requires a gradient: of rows that are copied if they are not contiguous, and of a copy if it stands on the left."""
    plain = decompositions.should_fold

    def should_fold(left: torch.Tensor, right: torch.Tensor, is_out: bool) -> bool:
        many, one = (left, right) if left.ndim >= right.ndim else (right, left)
        is_asked = many.ndim >= 3 and one.ndim <= 2 and not is_out
        return (is_asked and has_gradient(one)) or bool(plain(left, right, is_out))

    with patch.object(decompositions, "should_fold", should_fold):
        yield


@contextmanager
def sizes_formatted() -> Iterator[None]:
    """Inside, a size in a text with a format, as in f"{size / 1e6:.2f}M", is its hint."""

    def formatted(size: Any, form: str) -> str:
        return format(size.node.hint, form) if form else str(size)

    with (
        patch.object(torch.SymInt, "__format__", formatted, create=True),
        patch.object(torch.SymFloat, "__format__", formatted, create=True),
    ):
        yield


@contextmanager
def cheap_parameters() -> Iterator[None]:
    """Inside, `nn.Parameter` marks a fake tensor that nothing else holds as a parameter instead of detaching a copy
    of it, which takes longer than all else in building a deep model."""
    plain = torch.nn.Parameter.__new__

    def marked(cls: Any, data: Any = None, requires_grad: bool = True) -> Any:
        if isinstance(data, FakeTensor) and data._base is None and not getattr(data, "_is_param", False):
            data._is_param = True
            return data
        return plain(cls, data, requires_grad)

    def copied(tensor: Any, memo: dict[int, Any]) -> Any:
        if id(tensor) not in memo:
            made = like(tensor)
            memo[id(tensor)] = torch.nn.Parameter(made) if isinstance(tensor, torch.nn.Parameter) else made
        return memo[id(tensor)]

    with (
        patch.object(torch.nn.Parameter, "__new__", marked),
        patch.object(FakeTensor, "__deepcopy__", copied, create=True),  # torch's own counts elements in C++
    ):
        yield


def like(tensor: torch.Tensor) -> torch.Tensor:
    """A new fake tensor of the same sizes in the same order in memory, without asking any rule for shapes."""
    if not isinstance(tensor, FakeTensor):
        return torch.empty_like(tensor)
    return fake(tensor.fake_mode, tensor.shape, tensor.stride(), tensor.dtype, tensor.fake_device)


def fake(mode: Any, shape: Any, stride: Any, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """A new fake tensor, without asking any rule for shapes; with no strides it is contiguous, and torch knows it."""
    with no_dispatch(), mode.shape_env.suppress_guards() if mode.shape_env else nullcontext():
        if stride is None:
            return FakeTensor(mode, torch.empty(shape, dtype=dtype, device="meta"), device)
        # A view of another size than its storage, since nobody asks how much memory a fake tensor takes.
        empty = torch.empty(0, dtype=dtype, device="meta").as_strided(shape, stride, 0)
        return FakeTensor(mode, empty, device)


def fake_view(tensor: Any, shape: Any, stride: Any, offset: Any) -> torch.Tensor:
    """A fake tensor in the memory of another one, without asking any rule for shapes."""
    mode = tensor.fake_mode
    with in_kernel_invocation_manager(mode), mode.shape_env.suppress_guards():
        view = torch.as_strided(tensor, shape, stride, offset)
    with no_dispatch():
        return FakeTensor(mode, view, tensor.fake_device)


def device(tensor: Any) -> torch.device:
    """Where a tensor is; torch asks every mode for it, which takes long."""
    found: torch.device = tensor.fake_device if isinstance(tensor, FakeTensor) else tensor.device
    return found


def has_known_value(tensor: Any) -> bool:
    """Whether a fake tensor has a value all the same, as one made from a number in the source does."""
    return tensor.constant is not None


def size_key(size: Any) -> Any:
    """What tells two sizes apart: the number, or the expression as it was made."""
    node = getattr(size, "node", None)
    return size if node is None else node._expr


def expression(size: Any) -> sympy.Expr | int | float:
    """The SymPy expression of a size, an `int` or a `SymInt` (or `SymFloat`)."""
    node = getattr(size, "node", None)
    return size if node is None else node.expr


def decide(condition: Any, numbers: Mapping[sympy.Symbol, Any]) -> Any:
    """A condition or a size where symbols are these numbers; None where it divides by 0, and where these are no whole
    numbers, of which torch's own functions know no smaller one."""
    try:
        return condition.xreplace(dict(numbers))
    except (ZeroDivisionError, ValueError):
        return None
