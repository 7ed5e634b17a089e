"""Activation functions by name, and their place in a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import torch

from napari_diatom.models.card import ActivationFunction

LEAK: Final = 0.01
"""Slope of the leaky ReLU below zero."""
MAKERS: Final[Mapping[ActivationFunction, Callable[[], torch.nn.Module]]] = MappingProxyType(
    {
        "relu": torch.nn.ReLU,
        "leaky relu": lambda: torch.nn.LeakyReLU(LEAK),
        "prelu": torch.nn.PReLU,
        "elu": torch.nn.ELU,
        "selu": torch.nn.SELU,
        "silu": torch.nn.SiLU,
        "tanh": torch.nn.Tanh,
        "sigmoid": torch.nn.Sigmoid,
    }
)
"""What makes each of them."""
_EXCHANGED: Final = (torch.nn.ReLU, torch.nn.SiLU)
"""What the libraries' decoders and YOLO have; gates of attention, which are sigmoids, stay."""


def exchange(network: torch.nn.Module, name: ActivationFunction) -> int:
    """Put another activation function in the place of each one within a network, and return how many they were.

    Each place has one of its own, because a PReLU learns its slope.
    """
    places = [
        (parent, child)
        for parent in network.modules()
        for child, layer in parent.named_children()
        if isinstance(layer, _EXCHANGED)
    ]
    for parent, child in places:
        setattr(parent, child, MAKERS[name]())
    return len(places)
