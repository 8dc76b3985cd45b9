"""Convolutions padded so that the result is as long as the input: `padding="same"`.

A window of an even size needs one element more at the end than at the beginning, for which torch copies the input
before it convolves. Torch asks below Python which it is, where nobody sees a question that decides something; here it
is asked as an equality, which a closed form keeps, and as a division, which a derivation can choose sizes for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import nn

_CONVOLUTIONS = {1: torch.conv1d, 2: torch.conv2d, 3: torch.conv3d}


@contextmanager
def same_padding() -> Iterator[None]:
    """Inside, torch's convolutions say by numbers how they pad, where a source says "same"."""
    with ExitStack() as stack:
        for dimensions, plain in _CONVOLUTIONS.items():
            for place in (torch, nn.functional):
                stack.enter_context(patch.object(place, f"conv{dimensions}d", _padded(plain, dimensions)))
        yield


def _padded(plain: Callable[..., Any], dimensions: int) -> Callable[..., Any]:
    def convolved(
        input: Any,  # noqa: A002 - torch's name
        weight: Any,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: Any = 1,
    ) -> Any:
        if padding != "same" or any(step != 1 for step in _several(stride, dimensions)):  # which torch refuses
            return plain(input, weight, bias, stride, padding, dilation, groups)
        before, more = [], []
        for size, step in zip(weight.shape[-dimensions:], _several(dilation, dimensions), strict=True):
            added = step * (size - 1)
            before.append(added // 2)
            more.append(_remainder(added))
        if any(more):
            given = [amount for one in reversed(more) for amount in (0, one)]
            input = nn.functional.pad(input, given)  # noqa: A001 - torch's name
        return plain(input, weight, bias, stride, before, dilation, groups)

    return convolved


def _remainder(added: Any) -> int:
    """Of a division by two. The answer that holds is the one that is noted, since each is asked as an equality."""
    return 0 if added % 2 == 0 else 1 if added % 2 == 1 else 0


def _several(given: Any, dimensions: int) -> list[Any]:
    return list(given) if isinstance(given, tuple | list) else [given] * dimensions
