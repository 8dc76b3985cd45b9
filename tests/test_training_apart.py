"""Layers that look equal and have other gradients: products of a step against PyTorch's counter of a real one."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import symflops
from symflops.passes.training import training

pytestmark = pytest.mark.torch


class Looked(nn.Module):
    """What each layer is given was looked up, as its nodes' neighbours; those of the inputs have no gradient."""

    def __init__(self, dim=6, depth=3):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(dim, dim) for _ in range(depth))

    def forward(self, x, places):
        for layer in self.layers:
            x = layer(x[places])
        return x


class Neighbours(nn.Module):
    def __init__(self, dim=6, depth=4):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(2 * dim, dim) for _ in range(depth))

    def forward(self, x, places):
        for layer in self.layers:
            message = layer(torch.cat([x, x[places]], -1))
            x = x + torch.relu(torch.zeros_like(x).index_add(0, places, message))
        return x


class Streams(nn.Module):
    """Two streams that look at each other; what the last layer makes of the second one is of no use."""

    def __init__(self, dim=6, depth=3):
        super().__init__()
        self.layers = nn.ModuleList(Both(dim) for _ in range(depth))
        self.start = nn.Linear(dim, 2 * dim)

    def forward(self, x, places):
        first, second = self.start(x).chunk(2, -1)
        for layer in self.layers:
            first, second = layer(first, second)
        return first


class Both(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.own, self.other, self.back = (nn.Linear(dim, dim) for _ in range(3))

    def forward(self, first, second):
        return torch.relu(self.own(first) + self.other(second)), torch.relu(self.back(second) + second)


class Detached(nn.Module):
    """The first layer's input comes of weights, and is taken out of the graph."""

    def __init__(self, dim=6, depth=3):
        super().__init__()
        self.start = nn.Linear(dim, dim)
        self.layers = nn.ModuleList(nn.Linear(dim, dim) for _ in range(depth))

    def forward(self, x, places):
        x = self.start(x).detach()
        for layer in self.layers:
            x = torch.relu(layer(x))
        return x


class Queries(nn.Module):
    """The first layer is given weights, the others what the one before made."""

    def __init__(self, dim=6, depth=3, count=5):
        super().__init__()
        self.queries = nn.Parameter(torch.zeros(count, dim))
        self.layers = nn.ModuleList(nn.Linear(dim, dim) for _ in range(depth))

    def forward(self, x, places):
        found = self.queries.relu()
        for layer in self.layers:
            found = torch.relu(layer(found))
        return x @ found.T


def counted(kind, nodes, frozen):
    model = kind()
    for parameter in model.layers.parameters():
        parameter.requires_grad_(not frozen)
    x, places = torch.randn(nodes, 6), torch.arange(nodes)
    with FlopCounterMode(display=False) as counter:
        model(x, places).sum().backward()
    return counter.get_total_flops()


@pytest.mark.parametrize("kind", [Looked, Neighbours, Streams, Detached, Queries])
def test_a_step_is_what_pytorch_counts(kind):
    inputs = {"x": "float[nodes, 6]", "places": "int64[nodes]"}
    model = symflops.derive(kind(), inputs=inputs, training=True)
    total = training(model).total()
    for nodes in (4, 9):
        assert total.at(nodes=nodes).matmul_flops == counted(kind, nodes, frozen=False)


def test_a_step_of_what_stands_before_the_layers_alone():
    """With the layers' weights frozen their gradients are not computed, those of what they are given are."""
    inputs = {"x": "float[nodes, 6]", "places": "int64[nodes]"}
    model = symflops.derive(Streams(), inputs=inputs, training=True)
    total = training(model, trainable="start").total()
    for nodes in (4, 9):
        assert total.at(nodes=nodes).matmul_flops == counted(Streams, nodes, frozen=True)
