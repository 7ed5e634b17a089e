"""What torchvision's detectors stand on: timm's backbones with levels of features, and pictures as they are."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final, cast

import torch

from napari_diatom.core.errors import ModelError
from napari_diatom.engines.encoders import timm_name

FINEST: Final = 4
"""Pixels between the features of the finest level of a network of two stages."""


class Levels(torch.nn.Module):
    """Features of a timm backbone at some strides.

    Parameters
    ----------
    encoder : str
        timm's name.
    strides : sequence of int
        Pixels between the features of each level.

    Attributes
    ----------
    body : torch.nn.Module
        The backbone.
    channels : list of int
        Of each level.

    Raises
    ------
    ModelError
        When there is no such backbone, or it has no features at these strides.
    """

    def __init__(self, encoder: str, strides: Sequence[int]) -> None:
        super().__init__()
        import timm

        name = timm_name(encoder)
        try:
            body: Any = timm.create_model(name, features_only=True, pretrained=False)
        except (RuntimeError, AttributeError, TypeError, ValueError) as error:
            raise ModelError(f"{encoder} gives no pyramid of features: {str(error).splitlines()[0]}") from error
        there = body.feature_info.reduction()
        self.levels = [index for index, stride in enumerate(there) if stride in strides]
        if [there[index] for index in self.levels] != list(strides):
            raise ModelError(
                f"{encoder} has features at 1/{', 1/'.join(map(str, there))}; 1/{strides[0]} to 1/{strides[-1]} are "
                "needed."
            )
        found = body.feature_info.channels()
        self.channels = [int(found[index]) for index in self.levels]
        self.channels_last = getattr(body, "output_fmt", "NCHW") == "NHWC"
        self.body = body

    def features(self, images: torch.Tensor) -> OrderedDict[str, torch.Tensor]:
        """Map images, shape (B, 3, H, W), to the levels "0", "1" and so on, the finest first."""
        features = self.body(images)
        chosen = [features[index] for index in self.levels]
        if self.channels_last:
            chosen = [value.permute(0, 3, 1, 2).contiguous() for value in chosen]
        return OrderedDict((str(n), value) for n, value in enumerate(chosen))


class TimmPyramid(Levels):
    """A timm backbone with a feature pyramid (Lin et al. 2017) of five levels, from 1/4 to 1/64."""

    def __init__(self, encoder: str, channels: int) -> None:
        super().__init__(encoder, (4, 8, 16, 32))
        from torchvision.ops import FeaturePyramidNetwork
        from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

        self.fpn = FeaturePyramidNetwork(self.channels, channels, LastLevelMaxPool())
        self.out_channels = channels

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Map images, shape (B, 3, H, W), to the levels "0" to "3" and "pool"."""
        return cast(dict[str, torch.Tensor], self.fpn(self.features(images)))


class DensePyramid(Levels):
    """A timm backbone with a feature pyramid of five levels, from 1/8 to 1/128, for networks of one stage."""

    def __init__(self, encoder: str, channels: int) -> None:
        super().__init__(encoder, (8, 16, 32))
        from torchvision.ops import FeaturePyramidNetwork
        from torchvision.ops.feature_pyramid_network import LastLevelP6P7

        self.fpn = FeaturePyramidNetwork(self.channels, channels, LastLevelP6P7(channels, channels))
        self.out_channels = channels

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Map images, shape (B, 3, H, W), to the levels "0" to "2", "p6" and "p7"."""
        return cast(dict[str, torch.Tensor], self.fpn(self.features(images)))


class GrowingLevels(Levels):
    """A timm backbone at 1/8 to 1/32 with two added levels, 1/64 and 1/128, as SSD has them (Liu et al. 2016).

    Parameters
    ----------
    encoder : str
        timm's name.
    channels : int
        Of the added levels.
    light : bool
        Whether their convolutions are separable, as those of SSDlite (Sandler et al. 2018).
    """

    def __init__(self, encoder: str, channels: int, light: bool) -> None:
        super().__init__(encoder, (8, 16, 32))
        self.extra = torch.nn.ModuleList(_halving(before, channels, light) for before in (self.channels[-1], channels))
        self.out_channels = [*self.channels, channels, channels]

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Map images, shape (B, 3, H, W), to the levels "0" to "4"."""
        found = self.features(images)
        value = found[str(len(self.channels) - 1)]
        for layer in self.extra:
            value = layer(value)
            found[str(len(found))] = value
        return found


def _halving(before: int, after: int, light: bool) -> torch.nn.Sequential:
    """Return layers that halve height and width."""
    inner = max(after // 2, 1)
    groups = inner if light else 1
    return torch.nn.Sequential(
        torch.nn.Conv2d(before, inner, 1, bias=False),
        torch.nn.BatchNorm2d(inner),
        torch.nn.ReLU(),
        torch.nn.Conv2d(inner, inner, 3, stride=2, padding=1, groups=groups, bias=False),
        torch.nn.BatchNorm2d(inner),
        torch.nn.ReLU(),
        torch.nn.Conv2d(inner, after, 1, bias=False),
        torch.nn.BatchNorm2d(after),
        torch.nn.ReLU(),
    )


class AsTheyAre(torch.nn.Module):
    """Stands for torchvision's transform: images come standardized and in their final size.

    Parameters
    ----------
    multiple : int
        Images are padded to a multiple of so many pixels: with that of the coarsest level the places of its features
        are the same in tiles of all sizes.
    """

    def __init__(self, multiple: int) -> None:
        super().__init__()
        self.multiple = multiple

    def forward(self, images: list[torch.Tensor], targets: Any = None) -> tuple[Any, Any]:
        """Pad images to one size."""
        from torchvision.models.detection.image_list import ImageList

        sizes = [(int(image.shape[-2]), int(image.shape[-1])) for image in images]
        height, width = (-(-max(side) // self.multiple) * self.multiple for side in zip(*sizes, strict=True))
        batch = images[0].new_zeros((len(images), images[0].shape[0], height, width))
        for row, image in zip(batch, images, strict=True):
            row[:, : image.shape[-2], : image.shape[-1]].copy_(image)
        return ImageList(batch, sizes), targets

    def postprocess(self, result: list[dict[str, Any]], *_: Any) -> list[dict[str, Any]]:
        """Leave the masks as small as they are, each to be pasted into its own box."""
        return result
