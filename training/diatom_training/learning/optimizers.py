"""Optimizers by name, and which weights each of them lets shrink."""

from __future__ import annotations

from typing import Any

import torch

from diatom_training.learning.backbones import backbone_of
from diatom_training.learning.options import LearningOptions


def decaying(network: torch.nn.Module) -> list[torch.nn.Parameter]:
    """Return the weights that regularization shrinks: those of convolutions and linear layers.

    Biases and the scales of normalization do not decay, nor what a network of timm names in its ``no_weight_decay``,
    such as the class token and the position embedding of a ViT (Dosovitskiy et al. 2021).
    """
    spared = {
        f"{prefix}.{name}" if prefix else name
        for prefix, part in network.named_modules()
        if callable(listed := getattr(part, "no_weight_decay", None))
        for name in listed()
    }
    return [weight for name, weight in network.named_parameters() if weight.ndim > 1 and name not in spared]


def parameter_groups(network: torch.nn.Module, options: LearningOptions) -> list[dict[str, Any]]:
    """Return a network's weights in four groups: of the backbone or not, decaying or not.

    ``share`` of a group is its part of the learning rate.
    """
    own = {id(parameter) for parameter in backbone_of(network).parameters()}
    shrinking = {id(parameter) for parameter in decaying(network)}
    return [
        {
            "params": [
                parameter
                for parameter in network.parameters()
                if (id(parameter) in own) == in_backbone and (id(parameter) in shrinking) == decays
            ],
            "weight_decay": options.weight_decay if decays else 0.0,
            "share": options.backbone_rate if in_backbone else 1.0,
        }
        for in_backbone in (True, False)
        for decays in (True, False)
    ]


def optimizer_for(network: torch.nn.Module, options: LearningOptions, is_single: bool = False) -> torch.optim.Optimizer:
    """Return torch's optimizer of the options' name for all weights of a network.

    Weight decay is decoupled from the gradient in AdamW (Loshchilov & Hutter 2019), and is added to it in the others,
    which is L2 regularization.

    Parameters
    ----------
    network : torch.nn.Module
        The network.
    options : LearningOptions
        Of its training.
    is_single : bool
        Whether all is computed in single precision. A step is then made in one pass over the weights, which on a CPU
        is several times as fast; in mixed precision, Lightning could not clip the gradients of such an optimizer.
    """
    groups, momentum = parameter_groups(network, options), options.momentum
    fused = True if is_single else None
    if options.optimizer == "sgd":
        nesterov = options.nesterov and momentum > 0
        return torch.optim.SGD(groups, lr=options.rate, momentum=momentum, nesterov=nesterov, fused=fused)
    if options.optimizer == "rmsprop":
        return torch.optim.RMSprop(groups, lr=options.rate, momentum=momentum)
    kind = torch.optim.Adam if options.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=options.rate, fused=fused)
