"""What torchvision's networks call the tensors of timm's, where both have the same network under other names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import torch

_Named = Callable[[re.Match[str]], str]


@dataclass(frozen=True)
class _Network:
    """A kind of network: a tensor that only it has, and how each name is written in timm's way."""

    mark: re.Pattern[str]
    rules: tuple[tuple[re.Pattern[str], str | _Named], ...]


def _stage(called: str) -> _Named:
    """Return what names a layer of a stage: torchvision counts stages and what lies between them as one list."""

    def name(match: re.Match[str]) -> str:
        place = int(match[1])
        return f"{called}.{place // 2}.{'blocks' if place % 2 else 'downsample'}."

    return name


def _rules(*rules: tuple[str, str | _Named]) -> tuple[tuple[re.Pattern[str], str | _Named], ...]:
    return tuple((re.compile(pattern), name) for pattern, name in rules)


_NETWORKS: Final = (
    _Network(
        re.compile(r"encoder\.layers\.encoder_layer_0\.self_attention\.in_proj_weight"),
        _rules(
            (r"^class_token$", "cls_token"),
            (r"^conv_proj\.", "patch_embed.proj."),
            (r"^encoder\.pos_embedding$", "pos_embed"),
            (r"^encoder\.ln\.", "norm."),
            (r"^encoder\.layers\.encoder_layer_(\d+)\.", r"blocks.\1."),
            (r"\.ln_(\d)\.", r".norm\1."),
            (r"\.self_attention\.in_proj_", ".attn.qkv."),
            (r"\.self_attention\.out_proj\.", ".attn.proj."),
            (r"\.mlp\.(?:0|linear_1)\.", ".mlp.fc1."),
            (r"\.mlp\.(?:3|linear_2)\.", ".mlp.fc2."),
        ),
    ),
    _Network(
        re.compile(r"features\.1\.0\.attn\.relative_position_bias_table"),
        _rules(
            (r"^features\.0\.0\.", "patch_embed.proj."),
            (r"^features\.0\.2\.", "patch_embed.norm."),
            (r"^features\.(\d+)\.", _stage("layers")),
            (r"\.mlp\.0\.", ".mlp.fc1."),
            (r"\.mlp\.3\.", ".mlp.fc2."),
        ),
    ),
    _Network(
        re.compile(r"features\.1\.0\.layer_scale"),
        _rules(
            (r"^features\.0\.", "stem."),
            (r"^features\.(\d+)\.", _stage("stages")),
            (r"\.block\.0\.", ".conv_dw."),
            (r"\.block\.2\.", ".norm."),
            (r"\.block\.3\.", ".mlp.fc1."),
            (r"\.block\.5\.", ".mlp.fc2."),
            (r"\.layer_scale$", ".gamma"),
            (r"^classifier\.0\.", "head.norm."),
        ),
    ),
)
"""ViT, Swin and ConvNeXt; the other networks that both libraries have are of the same names, or in the same order."""


def names_in_timm(state: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """Return the names in a state of torchvision's ViT, Swin or ConvNeXt by timm's; none of a state of another network.

    Parameters
    ----------
    state : mapping of str to Tensor
        By torchvision's names.
    """
    network = next((kind for kind in _NETWORKS if any(kind.mark.fullmatch(name) for name in state)), None)
    if network is None:
        return {}
    found = {}
    for name in state:
        called = name
        for pattern, written in network.rules:
            called = pattern.sub(written, called)
        found[called] = name
    return found
