"""Networks that name the specimen in a picture, as torch modules: a backbone and one linear layer.

The backbones are timm's, and AlexNet is torchvision's.
"""

from __future__ import annotations

from typing import Any, Final

import torch

from napari_diatom.core.errors import ModelError
from napari_diatom.engines import architectures
from napari_diatom.engines.activation_functions import MAKERS
from napari_diatom.engines.encoders import timm_name
from napari_diatom.models.architecture_names import ALEXNET, NameParts, name_parts
from napari_diatom.models.card import ActivationFunction

ARCHITECTURE: Final = architectures.CLASSIFIER
"""The usual one: backbone, and side of its pictures in pixels."""

PREFIX: Final = architectures.CLASSIFIER_PREFIX


class ClassifierNet(torch.nn.Module):
    """A backbone with its features averaged over the picture, dropout, and a linear layer.

    Parameters
    ----------
    encoder : torch.nn.Module
        A network without its last layer; maps (B, 3, side, side) to (B, features).
    features : int
        Length of what the encoder gives.
    n_classes : int
        Taxa to tell apart.
    dropout : float
        Before the linear layer.
    activation_function : str, optional
        Of a hidden layer in the head, as wide as the features; without one there is no such layer.
    """

    def __init__(
        self,
        encoder: torch.nn.Module,
        features: int,
        n_classes: int,
        dropout: float,
        activation_function: ActivationFunction | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.hidden = (
            torch.nn.Identity()
            if activation_function is None
            else torch.nn.Sequential(torch.nn.Linear(features, features), MAKERS[activation_function]())
        )
        self.dropout = torch.nn.Dropout(dropout)
        self.head = torch.nn.Linear(features, n_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map standardized images, shape (B, 3, side, side), to logits, shape (B, n_classes)."""
        logits: torch.Tensor = self.head(self.dropout(self.hidden(self.encoder(images))))
        return logits


class AlexNetFeatures(torch.nn.Module):
    """torchvision's AlexNet (Krizhevsky et al. 2012) without its last layer, whose tensors have the same names here."""

    FEATURES: Final = 4096

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models import alexnet

        whole = alexnet(weights=None)
        self.features = whole.features
        self.avgpool = whole.avgpool
        self.classifier = whole.classifier[:-1]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map standardized images, shape (B, 3, side, side), to features, shape (B, 4096)."""
        found: torch.Tensor = self.classifier(torch.flatten(self.avgpool(self.features(images)), 1))
        return found


def build(
    architecture: str, n_classes: int, dropout: float = 0.2, activation_function: ActivationFunction | None = None
) -> torch.nn.Module:
    """Return an untrained network.

    It maps standardized float images, shape (B, 3, side, side), to logits of shape (B, n_classes).

    Parameters
    ----------
    architecture : str
        ``classifier/BACKBONE/SIDE``, such as ``classifier/resnet18/192`` or ``classifier/vit_tiny_patch16_224``;
        the backbones are timm's, and torchvision's ``alexnet``.
    n_classes : int
        Taxa to tell apart.
    dropout : float
        Before the last layer, 0 to below 1; no matter when the network is used, only in training.
    activation_function : str, optional
        Of a hidden layer in the head; without one there is no such layer.

    Raises
    ------
    ModelError
        When the text is no such architecture, there is no such backbone, or it takes no pictures of that side.
    """
    parts = _parts(architecture)
    encoder, features = _encoder(parts.encoder, parts.number)
    return ClassifierNet(encoder, features, n_classes, dropout, activation_function)


def _encoder(backbone: str, side: int) -> tuple[torch.nn.Module, int]:
    """Return a backbone without its last layer, and the length of what it gives."""
    reason = ""
    if backbone == ALEXNET:
        if side >= _LEAST_ALEXNET:
            return AlexNetFeatures(), AlexNetFeatures.FEATURES
        reason = f"it needs sides of {_LEAST_ALEXNET} pixels"
    else:
        import timm

        name = timm_name(backbone)
        config = timm.get_pretrained_cfg(name)
        # Transformers are built for one size of picture, convolutions are not.
        fixed: dict[str, Any] = {"img_size": side} if config is not None and config.fixed_input_size else {}
        try:
            encoder: Any = timm.create_model(name, pretrained=False, num_classes=0, **fixed)
            return encoder, int(getattr(encoder, "head_hidden_size", None) or encoder.num_features)
        except (ValueError, RuntimeError, TypeError, AssertionError) as error:
            reason = (str(error).splitlines() or ["it does not say why"])[0]
    raise ModelError(f"A classifier for pictures of {side} pixels cannot be built on {backbone}: {reason}")


_LEAST_ALEXNET: Final = 63
"""Pixels to a side below which AlexNet's poolings leave nothing."""


def side_of(architecture: str) -> int:
    """Return the side in pixels of the pictures that a network takes. Raises ModelError as :func:`build`."""
    return _parts(architecture).number


def _parts(architecture: str) -> NameParts:
    """Return backbone and side."""
    parts = name_parts(architecture)
    if parts is None or parts.family != PREFIX or not 32 <= parts.number <= 1024:
        raise ModelError(
            f"{architecture[:100]!r} is not an architecture of a classifier, such as {ARCHITECTURE}; the "
            "pictures have sides of 32 to 1024 pixels."
        )
    return parts
