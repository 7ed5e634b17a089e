"""Networks that name the specimen in a picture, as torch modules: a backbone of timm and one linear layer."""

from __future__ import annotations

from typing import Any, Final

import torch

from napari_diatom.core.errors import ModelError
from napari_diatom.engines import architectures
from napari_diatom.engines.encoders import DEFAULT, TIMM, check_encoder
from napari_diatom.models.architecture_names import CLASSIFIER

ARCHITECTURE: Final = architectures.CLASSIFIER
"""The usual one: backbone, and side of its pictures in pixels."""

PREFIX: Final = architectures.CLASSIFIER_PREFIX


class ClassifierNet(torch.nn.Module):
    """A backbone with its features averaged over the picture, dropout, and a linear layer.

    Parameters
    ----------
    encoder : torch.nn.Module
        timm's network without its last layer; maps (B, 3, side, side) to (B, features).
    features : int
        Length of what the encoder gives.
    n_classes : int
        Taxa to tell apart.
    dropout : float
        Before the linear layer.
    """

    def __init__(self, encoder: torch.nn.Module, features: int, n_classes: int, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = torch.nn.Dropout(dropout)
        self.head = torch.nn.Linear(features, n_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map standardized images, shape (B, 3, side, side), to logits, shape (B, n_classes)."""
        logits: torch.Tensor = self.head(self.dropout(self.encoder(images)))
        return logits


def build(architecture: str, n_classes: int, dropout: float = 0.2) -> torch.nn.Module:
    """Return an untrained network.

    It maps standardized float images, shape (B, 3, side, side), to logits of shape (B, n_classes).

    Parameters
    ----------
    architecture : str
        ``classifier/BACKBONE/SIDE``, such as ``classifier/tu-resnet18/192`` or
        ``classifier/tu-vit_tiny_patch16_224/192``; the backbones are timm's.
    n_classes : int
        Taxa to tell apart.
    dropout : float
        Before the last layer, 0 to below 1; no matter when the network is used, only in training.

    Raises
    ------
    ModelError
        When the text is no such architecture, there is no such backbone, or it takes no pictures of that side.
    """
    backbone, side = _parts(architecture)
    import timm

    name = backbone.removeprefix(TIMM)
    config = timm.get_pretrained_cfg(name)
    # Transformers are built for one size of picture, convolutions are not.
    fixed: dict[str, Any] = {"img_size": side} if config is not None and config.fixed_input_size else {}
    try:
        encoder: Any = timm.create_model(name, pretrained=False, num_classes=0, **fixed)
        features = int(getattr(encoder, "head_hidden_size", None) or encoder.num_features)
    except (ValueError, RuntimeError, TypeError, AssertionError) as error:
        reason = (str(error).splitlines() or ["it does not say why"])[0]
        raise ModelError(
            f"A classifier for pictures of {side} pixels cannot be built on {backbone}: {reason}"
        ) from error
    return ClassifierNet(encoder, features, n_classes, dropout)


def side_of(architecture: str) -> int:
    """Return the side in pixels of the pictures that a network takes. Raises ModelError as :func:`build`."""
    return _parts(architecture)[1]


def _parts(architecture: str) -> tuple[str, int]:
    """Return backbone and side."""
    parts = CLASSIFIER.fullmatch(architecture)
    if parts is None or not 32 <= int(parts[2]) <= 1024:
        raise ModelError(
            f"{architecture[:100]!r} is not an architecture of a classifier, such as {ARCHITECTURE}; the "
            "pictures have sides of 32 to 1024 pixels."
        )
    if not parts[1].startswith(TIMM):
        raise ModelError(f"A classifier is built on a backbone of timm, such as {DEFAULT}; {parts[1]} is not.")
    return check_encoder(parts[1]), int(parts[2])
