"""Networks that tell of each pixel what it shows, as torch modules.

Most are those of segmentation-models-pytorch, FCN is torchvision's, and SegNet is this project's own. Where a library
stretches an enlarged map over its tile (corners aligned), it is made to grow evenly here: else a map would be up to
1.5 pixels off at the tile's edges, and to the other side in the tile next to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import torch

from napari_diatom.core.errors import ModelError
from napari_diatom.engines import activation_functions
from napari_diatom.engines.encoders import check_encoder
from napari_diatom.engines.even_enlarging import enlarge_evenly
from napari_diatom.models.architecture_names import FAMILIES, MOST_CHANNELS, NameParts, close_names, name_parts
from napari_diatom.models.card import ActivationFunction

MAP_ENGINES: Final = ("deeplab", "maps")
"""Engines of cards whose networks these are."""
REACH: Final = 144
"""Pixels to each side that the atrous pyramid pooling of DeepLab looks, where the paper looks three times as far."""
WINDOW: Final = 144
"""Side in pixels of the window whose mean stands where the paper pools over the whole image."""


def build(
    architecture: str, n_classes: int, dropout: float = 0.1, activation_function: ActivationFunction | None = None
) -> torch.nn.Module:
    """Return an untrained network.

    It maps standardized float images, shape (B, 3, H, W), H and W multiples of 32, to logits of shape
    (B, 1 + n_classes, H, W); channel 0 is the background.

    Other than in the papers nothing in DeepLabV3 and DeepLabV3+ sees the whole image: with atrous rates of up to 36
    cells, and a mean over all of the image, what a pixel is would depend on where its tile begins. What does so in
    other networks is in :data:`~napari_diatom.models.architecture_names.FAMILIES`.

    Parameters
    ----------
    architecture : str
        ``FAMILY/ENCODER/CHANNELS``, such as ``deeplabv3plus/resnet34/256`` or ``unet/tu-convnext_tiny``.
    n_classes : int
        Classes without the background.
    dropout : float
        In the decoder, or before its last layer, 0 to below 1; no matter when the network is used, only in training.
    activation_function : str, optional
        Of the decoder, in place of the ReLU.

    Raises
    ------
    ModelError
        When the text is no such architecture, there is no such encoder, or the two do not go together.
    """
    parts = name_parts(architecture)
    if parts is None or FAMILIES[parts.family].engine not in MAP_ENGINES or parts.number > MOST_CHANNELS:
        raise ModelError(f"{architecture[:100]!r} is not the architecture of a map; {close_names(architecture[:100])}")
    network: Any
    if parts.family == "fcn":
        from napari_diatom.engines import fcn_net

        network = fcn_net.build(parts.encoder, 1 + n_classes, dropout)
    elif parts.family == "segnet":
        from napari_diatom.engines.segnet import SegNet

        network = SegNet(parts.encoder, 1 + n_classes, dropout)
    else:
        network = _of_segmentation_models(parts, 1 + n_classes, dropout)
    if activation_function is not None:
        activation_functions.exchange(decoder_of(network), activation_function)
    built: torch.nn.Module = network
    return built


def decoder_of(network: torch.nn.Module) -> torch.nn.Module:
    """Return the part of a network behind its encoder: that of FCN is called a classifier."""
    return network.get_submodule("decoder" if hasattr(network, "decoder") else "classifier")


def _options(parts: NameParts, dropout: float) -> Mapping[str, Any]:
    """Return the options of segmentation-models' class."""
    channels = parts.number
    atrous = {"decoder_channels": channels, "decoder_aspp_dropout": dropout}
    kinds: Mapping[str, Callable[[], Mapping[str, Any]]] = {
        "unet": lambda: {"decoder_channels": [channels // 2**level for level in range(5)]},
        "unetplusplus": lambda: {"decoder_channels": [channels // 2**level for level in range(5)]},
        "fpn": lambda: {
            "decoder_pyramid_channels": channels,
            "decoder_segmentation_channels": channels // 2,
            "decoder_dropout": dropout,
        },
        "pspnet": lambda: {"psp_out_channels": channels, "psp_dropout": dropout},
        "linknet": dict,
        "deeplabv3": lambda: atrous | {"decoder_atrous_rates": _rates(8)},
        "deeplabv3plus": lambda: atrous | {"decoder_atrous_rates": _rates(16)},
        "segformer": lambda: {"decoder_segmentation_channels": channels},
    }
    return kinds[parts.family]()


def _rates(stride: int) -> tuple[int, ...]:
    """Return the atrous rates of the pyramid pooling, in cells of some pixels."""
    return tuple(REACH // stride * step // 3 for step in (1, 2, 3))


_CLASSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "unet": "Unet",
        "unetplusplus": "UnetPlusPlus",
        "fpn": "FPN",
        "pspnet": "PSPNet",
        "linknet": "Linknet",
        "deeplabv3": "DeepLabV3",
        "deeplabv3plus": "DeepLabV3Plus",
        "segformer": "Segformer",
    }
)
_STEPS: Final[Mapping[str, int]] = MappingProxyType({"unet": 16, "unetplusplus": 16, "fpn": 64})
"""What the channels of some families are multiples of: they are halved, or normalized in groups of 32."""
_DROPPING: Final = ("fpn", "pspnet", "deeplabv3", "deeplabv3plus")
"""Families whose decoder drops features by itself."""


def _of_segmentation_models(parts: NameParts, channels: int, dropout: float) -> Any:
    """Return a network of segmentation-models-pytorch."""
    title, step = FAMILIES[parts.family].title, _STEPS.get(parts.family, 1)
    if parts.number % step:
        raise ModelError(f"{title} has channels that are a multiple of {step}; {parts.number} is not.")
    encoder = check_encoder(parts.encoder)
    import segmentation_models_pytorch as smp

    try:
        network = getattr(smp, _CLASSES[parts.family])(
            encoder_name=encoder, encoder_weights=None, in_channels=3, classes=channels, **_options(parts, dropout)
        )
    except Exception as error:  # each encoder has its own way to say that it does not go with a decoder
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{title} cannot be built on {encoder}: {why}") from error
    if parts.family.startswith("deeplab"):
        _pool_within_reach(network, 8 if parts.family == "deeplabv3" else 16)
    enlarge_evenly(network)
    if parts.family not in _DROPPING:
        network.segmentation_head.register_forward_pre_hook(
            lambda head, features: (torch.nn.functional.dropout2d(features[0], dropout, head.training),)
        )
    return network


def _pool_within_reach(network: torch.nn.Module, stride: int) -> None:
    """Exchange the mean over the whole image by that over a window, in cells of some pixels."""
    from segmentation_models_pytorch.decoders.deeplabv3.decoder import ASPPPooling

    cells = WINDOW // stride // 2
    for module in network.modules():
        if isinstance(module, ASPPPooling):
            module[0] = torch.nn.AvgPool2d(2 * cells + 1, stride=1, padding=cells, count_include_pad=False)


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
