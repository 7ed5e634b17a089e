"""SegNet (Badrinarayanan et al. 2017, "SegNet: a deep convolutional encoder-decoder architecture").

The encoder is the convolutional part of VGG (Simonyan & Zisserman 2015) with batch normalization. Each halving keeps
where in its four pixels the largest value was, and the decoder, the encoder in reverse, puts the values back there.
"""

from __future__ import annotations

from typing import Any, Final

import torch

LEVELS: Final = 5
"""How often the encoder halves height and width."""


class SegNetEncoder(torch.nn.Module):
    """The convolutions of a VGG network with batch normalization.

    Its tensors are called as in torchvision's and timm's networks: ``features.0.weight``, and so on.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        import torchvision

        self.features = getattr(torchvision.models, name)(weights=None).features
        for layer in self.features:
            if isinstance(layer, torch.nn.MaxPool2d):
                layer.return_indices = True

    def forward(self, images: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Map images, shape (B, 3, H, W), to what each level gives, and where its largest values were.

        Returns
        -------
        stages : list of Tensor, shape (B, C, H / 2^k, W / 2^k)
            For k from 1 to 5.
        places : list of Tensor
            Of the same shapes: the place of each value in the level above, rows after rows.
        """
        stages, places, value = [], [], images
        for layer in self.features:
            value = layer(value)
            if isinstance(layer, torch.nn.MaxPool2d):
                value, place = value
                stages.append(value)
                places.append(place)
        return stages, places

    def channels(self) -> list[list[int]]:
        """Return what goes into each convolution, level by level."""
        levels: list[list[int]] = [[]]
        for layer in self.features:
            if isinstance(layer, torch.nn.Conv2d):
                levels[-1].append(layer.in_channels)
            elif isinstance(layer, torch.nn.MaxPool2d):
                levels.append([])
        return levels[:LEVELS]


class SegNet(torch.nn.Module):
    """SegNet with an encoder of VGG.

    Parameters
    ----------
    encoder : str
        One of :data:`~napari_diatom.models.architecture_names.SEGNET_ENCODERS`.
    channels : int
        Of the logits.
    dropout : float
        Before the last layer.
    """

    def __init__(self, encoder: str, channels: int, dropout: float) -> None:
        super().__init__()
        self.encoder = SegNetEncoder(encoder)
        inputs = self.encoder.channels()
        outputs = [*(level[0] for level in inputs[1:]), inputs[-1][-1]]
        self.decoder = torch.nn.ModuleList(_decoding(level, outputs[k], last=k == 0) for k, level in enumerate(inputs))
        self.dropout = torch.nn.Dropout2d(dropout)
        self.segmentation_head = torch.nn.Conv2d(outputs[0], channels, 3, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images, shape (B, 3, H, W), H and W multiples of 32, to logits, shape (B, channels, H, W)."""
        stages, places = self.encoder(images)
        value = stages[-1]
        for level in reversed(range(LEVELS)):
            value = self.decoder[level](unpooled(value, places[level]))
        logits: torch.Tensor = self.segmentation_head(self.dropout(value))
        return logits


def unpooled(values: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return maps of twice the height and width, zero but for the values, shape (B, C, H, W), at their places.

    By a scatter: torch's own layer for that has no counterpart in OpenVINO.
    """
    batch, channels, height, width = values.shape
    empty = values.new_zeros((batch, channels, 4 * height * width))
    filled = empty.scatter(2, places.flatten(2), values.flatten(2))
    return filled.view(batch, channels, 2 * height, 2 * width)


def _decoding(inputs: list[int], outputs: int, last: bool) -> torch.nn.Sequential:
    """Return the reverse of a level's convolutions; the finest level keeps its channels for the last layer."""
    wanted = [outputs if last else inputs[0], *inputs[1:]][::-1]
    layers: list[Any] = []
    before = outputs
    for after in wanted:
        layers += [torch.nn.Conv2d(before, after, 3, padding=1), torch.nn.BatchNorm2d(after), torch.nn.ReLU()]
        before = after
    return torch.nn.Sequential(*layers)
