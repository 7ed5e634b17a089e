"""FCN networks (Long et al. 2015, "Fully convolutional networks for semantic segmentation"): torchvision's."""

from __future__ import annotations

from typing import Any

import torch

from napari_diatom.core.errors import ModelError
from napari_diatom.models.architecture_names import FCN_ENCODERS


class FullyConvolutional(torch.nn.Module):
    """torchvision's FCN, whose tensors have the same names here, giving logits alone.

    Parameters
    ----------
    encoder : str
        One of :data:`~napari_diatom.models.architecture_names.FCN_ENCODERS`.
    channels : int
        Of the logits.
    dropout : float
        Before the last layer.
    """

    def __init__(self, encoder: str, channels: int, dropout: float) -> None:
        super().__init__()
        import torchvision
        from torchvision.models._utils import IntermediateLayerGetter
        from torchvision.models.segmentation.fcn import FCNHead

        body: Any = getattr(torchvision.models, encoder)(weights=None, replace_stride_with_dilation=[False, True, True])
        features = body.fc.in_features
        self.backbone = IntermediateLayerGetter(body, {f"layer{k}": f"layer{k}" for k in range(1, 5)})
        self.classifier = FCNHead(features, channels)
        self.classifier[3] = torch.nn.Dropout(dropout)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map standardized images, shape (B, 3, H, W), to logits, shape (B, channels, H, W)."""
        logits = self.classifier(self.backbone(images)["layer4"])
        return torch.nn.functional.interpolate(logits, images.shape[-2:], mode="bilinear", align_corners=False)


def build(encoder: str, channels: int, dropout: float) -> torch.nn.Module:
    """Return an untrained network.

    Raises
    ------
    ModelError
        When torchvision's FCN is not built on that encoder.
    """
    if encoder not in FCN_ENCODERS:
        raise ModelError(f"FCN cannot be built on {encoder}; its encoders are {', '.join(FCN_ENCODERS)}.")
    return FullyConvolutional(encoder, channels, dropout)
