"""Networks that outline the specimen in a box, as torch modules: DeepLabV3+ on a picture along that box."""

from __future__ import annotations

from typing import Final

import torch

from napari_diatom.core.box_frame import WIDTH
from napari_diatom.core.errors import ModelError
from napari_diatom.engines import architectures, map_nets
from napari_diatom.engines.architectures import OUTLINE_PREFIX
from napari_diatom.models.architecture_names import MOST_CHANNELS, name_parts
from napari_diatom.models.card import ActivationFunction

ARCHITECTURE: Final = architectures.OUTLINE
"""Of the bundled model: encoder, and channels of the decoder."""
TILE: Final = WIDTH
"""Length in pixels of the pictures that the network sees, for its card."""
LEAST_DEVIATION: Final = 2 / 255
"""Standard deviation, of values in 0..1, below which a picture is empty: its noise is not stretched any further."""


def build(
    architecture: str, dropout: float = 0.1, activation_function: ActivationFunction | None = None
) -> torch.nn.Module:
    """Return an untrained network.

    It maps pictures standardized by :func:`standardized`, shape (B, 3, H, W), H and W multiples of 32, to logits of the
    specimen in the box, shape (B, 1, H, W).

    Parameters
    ----------
    architecture : str
        ``outline/ENCODER/CHANNELS``, such as ``outline/tu-tf_efficientnet_lite0/128``.
    dropout : float
        In the decoder, 0 to below 1; no matter when the network is used, only in training.
    activation_function : str, optional
        Of the decoder, in place of the ReLU.

    Raises
    ------
    ModelError
        When the text is no such architecture, or there is no such encoder.
    """
    parts = name_parts(architecture)
    if parts is None or parts.family != OUTLINE_PREFIX or parts.number > MOST_CHANNELS:
        raise ModelError(f"{architecture[:100]!r} is not the architecture of outlines, such as {ARCHITECTURE}.")
    return map_nets.build(f"deeplabv3plus/{parts.encoder}/{parts.number}", 0, dropout, activation_function)


def standardized(images: torch.Tensor) -> torch.Tensor:
    """Return float RGB in 0..1, shape (B, 3, H, W), with mean 0 and deviation 1 in each channel of each picture."""
    mean = images.mean(dim=(2, 3), keepdim=True)
    centred = images - mean
    deviation = (centred * centred).mean(dim=(2, 3), keepdim=True).sqrt()
    return centred / deviation.clamp(min=LEAST_DEVIATION)


class OutlineProbabilities(torch.nn.Module):
    """A network with standardization and sigmoid round it, as it is used."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network.eval()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map float RGB in 0..1, shape (B, 3, H, W), to probabilities, shape (B, 1, H, W)."""
        return torch.sigmoid(self.network(standardized(images)))
