"""Whose source a file is, whatever the folders above the packages are called."""

from __future__ import annotations

import contextlib
import inspect
import sys

import pytest
import torch
from torch.fx.experimental import sym_node
from transformers.models.llama import modeling_llama

import symflops
from symflops.trace import origin

pytestmark = pytest.mark.torch


def test_each_package_is_itself() -> None:
    linear, llama = inspect.getfile(torch.nn.Linear), inspect.getfile(modeling_llama)
    assert (origin.is_torch(linear), origin.is_between(linear), origin.is_model(linear)) == (True, False, False)
    assert (origin.is_torch(llama), origin.is_between(llama), origin.is_model(llama)) == (False, False, True)
    for between in (inspect.getfile(sym_node), inspect.getfile(symflops), inspect.getfile(contextlib)):
        assert origin.is_between(between)


@pytest.mark.parametrize("folder", ["torch", "symflops", "transformers/models", "contextlib", "mock", "site-packages"])
def test_a_folder_of_the_name_is_not_the_package(folder: str) -> None:
    """As where somebody clones into a folder called symflops and has the virtual environment in it."""
    for file in (f"/home/me/{folder}/layers.py", f"{sys.prefix}/../{folder}/x/modeling.py"):
        assert not any((origin.is_torch(file), origin.is_ours(file), origin.is_model(file), origin.is_between(file)))
