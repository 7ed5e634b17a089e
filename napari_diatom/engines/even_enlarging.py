"""Maps that grow evenly: segmentation-models' layers with corners that are not aligned."""

from __future__ import annotations

from typing import Any

import torch
from segmentation_models_pytorch.decoders.fpn.decoder import Conv3x3GNReLU
from segmentation_models_pytorch.decoders.pspnet.decoder import PSPBlock


def enlarge_evenly(network: torch.nn.Module) -> None:
    """Let all layers of a network enlarge maps without aligned corners."""
    for module in network.modules():
        if isinstance(module, torch.nn.Upsample) and module.align_corners:
            module.align_corners = False
        # Another class rather than another method: a copy of the network has to be one of its own.
        if type(module) is Conv3x3GNReLU:
            module.__class__ = _EvenConvolution
        elif type(module) is PSPBlock:
            module.__class__ = _EvenPooling


class _EvenConvolution(Conv3x3GNReLU):  # type: ignore[misc]
    """FPN's convolution, which enlarges what it gives."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map features, shape (B, C, H, W), to twice the size where this layer enlarges."""
        given: torch.Tensor = self.block(features)
        return _enlarged(given, [2 * side for side in given.shape[-2:]]) if self.upsample else given


class _EvenPooling(PSPBlock):  # type: ignore[misc]
    """PSPNet's mean over parts of the tile, enlarged to the tile."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map features, shape (B, C, H, W), to their means, of the same height and width."""
        return _enlarged(self.pool(features), features.shape[-2:])


def _enlarged(features: torch.Tensor, size: Any) -> torch.Tensor:
    """Return features of another height and width, by bilinear interpolation."""
    return torch.nn.functional.interpolate(features, size=size, mode="bilinear", align_corners=False)
