"""Attention roll-out of vision transformers: which patches the last layer draws on, through all layers.

Abnar and Zuidema 2020, "Quantifying attention flow in transformers".
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np
import torch

from diatom_training.explanation.explanation import HeatMap


def has_attention(encoder: torch.nn.Module) -> bool:
    """Tell whether a network of timm is a transformer whose patches all attend to each other."""
    blocks = getattr(encoder, "blocks", None)
    grid = getattr(getattr(encoder, "patch_embed", None), "grid_size", None)
    return blocks is not None and grid is not None and bool(_layers(encoder))


def attention_rollout(network: torch.nn.Module, encoder: torch.nn.Module, picture: torch.Tensor) -> HeatMap:
    """Return how much of what the network says stems from each patch of the picture.

    In each layer the attention is averaged over the heads, half of it replaced by the identity for the connection that
    skips the layer, and the layers are multiplied. Of the product, the row of the class token is shown, or the mean of
    all rows where the network averages its patches.

    Parameters
    ----------
    network : torch.nn.Module
        Is given the picture.
    encoder : torch.nn.Module
        The transformer of timm in it, see :func:`has_attention`.
    picture : Tensor, shape (1, 3, h, w)
        RGB in 0..1.
    """
    layers, seen = _layers(encoder), []
    with ExitStack() as stack, torch.no_grad():
        for layer in layers:
            # A fused kernel computes attention without ever holding it as a whole.
            stack.callback(setattr, layer, "fused_attn", layer.fused_attn)
            layer.fused_attn = False
            hook = layer.attn_drop.register_forward_hook(lambda module, inputs, output: seen.append(output[0]))
            stack.callback(hook.remove)
        network(picture)
    tokens = seen[0].shape[-1]
    rolled = torch.eye(tokens)
    for attention in seen:
        mixed = (attention.mean(dim=0).cpu() + torch.eye(tokens)) / 2
        rolled = mixed / mixed.sum(dim=-1, keepdim=True) @ rolled
    known: Any = encoder
    prefix = int(getattr(known, "num_prefix_tokens", 1))
    row = rolled[0] if getattr(known, "cls_token", None) is not None else rolled[prefix:].mean(dim=0)
    values = row[prefix:].reshape(tuple(known.patch_embed.grid_size)).numpy().astype(np.float32)
    return HeatMap("attention roll-out", "all blocks", values / max(float(values.max()), 1e-12))


def _layers(encoder: torch.nn.Module) -> list[Any]:
    """Return the layers of attention in their order."""
    return [part for part in encoder.modules() if hasattr(part, "fused_attn") and hasattr(part, "attn_drop")]
