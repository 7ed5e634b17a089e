"""DeepLabV3+ networks as torch modules.

Chen et al. 2018, "Encoder-decoder with atrous separable convolution for semantic image segmentation"; the network is
that of segmentation-models-pytorch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

import torch

from napari_diatom.core.errors import ModelError
from napari_diatom.engines import architectures
from napari_diatom.engines.encoders import check_encoder
from napari_diatom.models.architecture_names import DEEPLAB, MOST_CHANNELS

ARCHITECTURE: Final = architectures.DEEPLAB
"""Of the bundled model: encoder, and channels of the decoder."""
RATES: Final = (3, 6, 9)
"""Atrous rates of the pyramid pooling, in cells of 16 pixels: up to 144 pixels to each side."""
WINDOW: Final = 9
"""Cells to a side of the window whose mean stands where the paper pools over the whole image."""


def build(architecture: str, n_classes: int, dropout: float = 0.1) -> torch.nn.Module:
    """Return an untrained network.

    It maps standardized float images, shape (B, 3, H, W), H and W multiples of 32, to logits of shape
    (B, 1 + n_classes, H, W); channel 0 is the background.

    Other than in the paper nothing in it sees the whole image: with atrous rates of up to 36 cells, and a mean over all
    of the image, what a pixel is would depend on where its tile begins.

    Parameters
    ----------
    architecture : str
        ``deeplabv3plus/ENCODER/CHANNELS``, such as ``deeplabv3plus/resnet34/256``.
    n_classes : int
        Classes without the background.
    dropout : float
        In the decoder, 0 to below 1; no matter when the network is used, only in training.

    Raises
    ------
    ModelError
        When the text is no such architecture, or there is no such encoder.
    """
    parts = DEEPLAB.fullmatch(architecture)
    if parts is None or int(parts[2]) > MOST_CHANNELS:
        raise ModelError(f"{architecture[:100]!r} is not a DeepLabV3+ architecture, such as {ARCHITECTURE}.")
    encoder = check_encoder(parts[1])
    import segmentation_models_pytorch as smp
    from segmentation_models_pytorch.decoders.deeplabv3.decoder import ASPPPooling

    try:
        network = smp.DeepLabV3Plus(
            encoder_name=encoder,
            encoder_weights=None,
            decoder_channels=int(parts[2]),
            decoder_atrous_rates=RATES,
            decoder_aspp_dropout=dropout,
            in_channels=3,
            classes=1 + n_classes,
        )
    except (ValueError, RuntimeError, KeyError) as error:
        raise ModelError(f"DeepLabV3+ cannot be built on {encoder}: {str(error).splitlines()[0]}") from error
    for module in network.modules():
        if isinstance(module, ASPPPooling):
            module[0] = torch.nn.AvgPool2d(WINDOW, stride=1, padding=WINDOW // 2, count_include_pad=False)
        if isinstance(module, torch.nn.Upsample):
            # With corners aligned an enlarged map is stretched over its tile: up to 1.5 pixels off at the tile's edges,
            # and to the other side in the tile next to it.
            module.align_corners = False
    return cast(torch.nn.Module, network)


class Probabilities(torch.nn.Module):
    """A network with all that its card asks for round it, as it is used.

    Parameters
    ----------
    network : torch.nn.Module
        Of :func:`build`.
    mean, std : sequence of float
        Per channel, of values scaled to 0..1.
    sigmoid : bool
        Each channel says yes or no for itself; else all add up to 1 (softmax).
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self, network: torch.nn.Module, mean: Sequence[float], std: Sequence[float], sigmoid: bool = False
    ) -> None:
        super().__init__()
        self.sigmoid = sigmoid
        self.network = network.eval()
        self.register_buffer("mean", torch.tensor(mean).reshape(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).reshape(1, -1, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map float RGB in 0..1, shape (B, 3, H, W), to probabilities, shape (B, 1 + classes, H, W)."""
        logits = self.network((images - self.mean) / self.std)
        return torch.sigmoid(logits) if self.sigmoid else torch.softmax(logits, dim=1)
