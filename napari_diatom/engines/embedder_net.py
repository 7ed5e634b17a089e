"""Networks that turn the picture of a specimen into vectors, as torch modules: a backbone of timm and a projection.

The features are the mean of the last stage over the picture, and the mean and the deviation of an earlier stage, whose
cells are smaller: ornament is texture. Their signed square roots (Perronnin et al. 2010, "Improving the Fisher kernel
for large-scale image classification") are standardized, brought to unit length and projected.
"""

from __future__ import annotations

from typing import Any, Final

import torch

from napari_diatom.core.errors import ModelError
from napari_diatom.engines import architectures
from napari_diatom.engines.encoders import timm_name
from napari_diatom.engines.quantized_convolutions import quantize, settle
from napari_diatom.models.architecture_names import EMBEDDER_FAMILY, NameParts, name_parts
from napari_diatom.models.card import EmbeddingFacts

ARCHITECTURE: Final = architectures.EMBEDDER
"""Of the bundled model: backbone, and side of its pictures in pixels."""
LEAST_SIDE: Final = 32
MOST_SIDE: Final = 1024


class EmbedderNet(torch.nn.Module):
    """A backbone, how its features are standardized, and their projection.

    Parameters
    ----------
    encoder : torch.nn.Module
        Of timm, without its last layer.
    stage : int
        Which of the encoder's stages stands beside the last one.
    features : int
        How many there are: of the last stage once, of the other one twice.
    dimensions : int
        Rows of the projection.
    """

    feature_mean: torch.Tensor
    feature_deviation: torch.Tensor
    projection: torch.Tensor

    def __init__(self, encoder: torch.nn.Module, stage: int, features: int, dimensions: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.stage = stage
        self.register_buffer("feature_mean", torch.zeros(features))
        self.register_buffer("feature_deviation", torch.ones(features))
        self.register_buffer("projection", torch.eye(dimensions, features))

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Map standardized images, shape (B, 3, side, side), to what their pixels are averaged to, shape (B, F)."""
        encoder: Any = self.encoder
        last, [inner] = encoder.forward_intermediates(images, indices=[self.stage])
        deviation, mean = torch.std_mean(inner, dim=(2, 3), correction=0)
        return torch.cat([encoder.forward_head(last, pre_logits=True), mean, deviation], dim=1)

    def turned_features(self, images: torch.Tensor) -> torch.Tensor:
        """Map standardized images, shape (B, 3, side, side), to features, shape (B, 2, F).

        The first are the mean of the image and its half turn, the second that of its two mirror images.
        """
        views = torch.cat([images, images.flip(2, 3), images.flip(3), images.flip(2)])
        found = self.features(views)
        return found.view(2, 2, -1, found.shape[-1]).mean(dim=1).transpose(0, 1)

    def rooted(self, features: torch.Tensor) -> torch.Tensor:
        """Map features, shape (..., F), to standardized signed square roots of unit length, of the same shape."""
        roots = torch.sign(features) * torch.sqrt(torch.abs(features))
        standardized = (roots - self.feature_mean) / self.feature_deviation
        return torch.nn.functional.normalize(standardized, dim=-1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map standardized images, shape (B, 3, side, side), to vectors, shape (B, 2, dimensions)."""
        return self.rooted(self.turned_features(images)) @ self.projection.T


class SpecimenEmbedding(torch.nn.Module):
    """A network with the standardization of its images before it, as it is used."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: torch.nn.Module, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.network = network.eval()
        settle(self.network)
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map float RGB in 0..1, shape (B, 3, side, side), to vectors, shape (B, 2, dimensions)."""
        vectors: torch.Tensor = self.network((images - self.mean) / self.std)
        return vectors


def build(architecture: str, facts: EmbeddingFacts | None = None) -> EmbedderNet:
    """Return an untrained network that projects nothing yet: its vectors are the first of the features.

    Parameters
    ----------
    architecture : str
        ``embedder/BACKBONE/SIDE``, such as ``embedder/tf_efficientnet_lite0/224``; the backbones are timm's.
    facts : EmbeddingFacts, optional
        What the model's card says of its vectors; the usual by default.

    Raises
    ------
    ModelError
        When the text is no such architecture, there is no such backbone, it takes no pictures of that side, or it has
        no stage with cells of that size.
    """
    facts = facts or EmbeddingFacts()
    parts = _parts(architecture)
    encoder = _encoder(parts.encoder, parts.number)
    stages: list[dict[str, Any]] = list(getattr(encoder, "feature_info", None) or [])
    fitting = [number for number, stage in enumerate(stages) if stage["reduction"] == facts.cell]
    if not fitting or not hasattr(encoder, "forward_intermediates"):
        raise ModelError(
            f"{parts.encoder} cannot be used as an embedder: it has no stage with {facts.cell} pixels to a cell."
        )
    if facts.quantized:
        quantize(encoder)
    last = int(getattr(encoder, "head_hidden_size", None) or encoder.num_features)
    features = last + 2 * int(stages[fitting[-1]]["num_chs"])
    return EmbedderNet(encoder, fitting[-1], features, facts.dimensions)


def picture_side(architecture: str) -> int:
    """Return the side in pixels of the pictures that a network takes. Raises ModelError as :func:`build`."""
    return _parts(architecture).number


def _encoder(backbone: str, side: int) -> Any:
    """Return a backbone of timm without its last layer."""
    import timm

    name = timm_name(backbone)
    config = timm.get_pretrained_cfg(name)
    # Transformers are built for one size of picture, convolutions are not.
    fixed: dict[str, Any] = {"img_size": side} if config is not None and config.fixed_input_size else {}
    try:
        return timm.create_model(name, pretrained=False, num_classes=0, **fixed)
    except (ValueError, RuntimeError, TypeError, AssertionError) as error:
        reason = (str(error).splitlines() or ["it does not say why"])[0]
    raise ModelError(f"An embedder of pictures of {side} pixels cannot be built on {backbone}: {reason}")


def _parts(architecture: str) -> NameParts:
    """Return backbone and side."""
    parts = name_parts(architecture)
    if parts is None or parts.family != EMBEDDER_FAMILY or not LEAST_SIDE <= parts.number <= MOST_SIDE:
        raise ModelError(
            f"{architecture[:100]!r} is not an architecture of an embedder, such as {ARCHITECTURE}; the pictures have "
            f"sides of {LEAST_SIDE} to {MOST_SIDE} pixels."
        )
    return parts
