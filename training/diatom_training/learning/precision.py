"""Half precision where a device is made for it."""

from __future__ import annotations

from typing import Any, Literal

import torch

from diatom_training.learning.options import LearningOptions

Precision = Literal["32-true", "16-mixed", "bf16-mixed"]


def precision(options: LearningOptions, device: str) -> Precision:
    """Return Lightning's name of the precision to compute in."""
    if options.precision == "single" or device == "mps":
        return "32-true"
    if device == "cuda":
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    if options.precision == "mixed" or torch.cpu._is_avx512_bf16_supported():
        return "bf16-mixed"
    return "32-true"


def keep_depthwise_single(network: torch.nn.Module) -> None:
    """Have depthwise convolutions compute in single precision on a CPU; in bfloat16 their gradients are slow."""
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d) and layer.groups == layer.in_channels > 1:
            # Another class rather than another method: a copy of the network has to be one of its own.
            kind = type(layer)
            layer.__class__ = _SINGLE.setdefault(kind, type(f"Single{kind.__name__}", (_Single, kind), {}))


class _Single:
    """Before a convolution class, makes it leave autocast on CPUs."""

    def forward(self, x: torch.Tensor) -> Any:
        if x.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return super().forward(x)  # type: ignore[misc]
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float())  # type: ignore[misc]


_SINGLE: dict[type[torch.nn.Module], type[Any]] = {}
