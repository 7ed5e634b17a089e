"""From what range the weights of a network are drawn before it has learnt anything."""

from __future__ import annotations

from typing import Final, Literal

import torch

DRAWN: Final = (torch.nn.Conv2d, torch.nn.ConvTranspose2d, torch.nn.Linear)
"""Layers whose weights are drawn; biases, scales of normalization and fixed weights stay as they are."""


def initialize(network: torch.nn.Module, kind: Literal["he", "xavier"]) -> None:
    """Draw the weights of convolutions and linear layers anew.

    He's are normal with a variance of 2 over the inputs of a unit (He et al. 2015, "Delving deep into rectifiers",
    equation 10); Xavier's are uniform with a variance of 2 over the sum of its inputs and outputs (Glorot & Bengio
    2010, "Understanding the difficulty of training deep feedforward neural networks", equation 16).
    """
    for layer in network.modules():
        if isinstance(layer, DRAWN) and layer.weight.requires_grad:
            if kind == "he":
                torch.nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
            else:
                torch.nn.init.xavier_uniform_(layer.weight)
