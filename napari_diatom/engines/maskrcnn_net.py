"""Mask R-CNN networks as torch modules.

He et al. 2017, "Mask R-CNN"; the network is torchvision's, on a timm backbone with a feature pyramid (Lin et al. 2017).
"""

from __future__ import annotations

from typing import Any, Final, cast

import torch

from napari_diatom.core.errors import ModelError
from napari_diatom.engines import architectures
from napari_diatom.engines.pyramids import AsTheyAre, TimmPyramid
from napari_diatom.engines.two_stages import MOST_PER_TILE, two_stage_parts
from napari_diatom.models.architecture_names import LARGE_MASK_RCNN, MOST_CHANNELS, NameParts, name_parts

ARCHITECTURE: Final = architectures.MASK_RCNN
"""Of the bundled model: backbone, and channels of the feature pyramid and the heads."""

MASK_POOL: Final = 28
"""Side of the features that a mask is made of; the mask is twice as fine. A needle that lies askew in its upright box
is lost in the usual 14."""
_MULTIPLE: Final = 32


def build(architecture: str, n_classes: int, dropout: float = 0.0) -> torch.nn.Module:
    """Return an untrained network.

    In training mode it maps standardized float images (a list of shape (3, H, W)) and torchvision's targets (boxes,
    labels from 1, masks) to a dict of losses; in evaluation mode it maps the images to a dict each of ``boxes``
    (N, 4), ``labels`` (N,) from 1, ``scores`` (N,) and ``masks`` (N, 1, M, M), probabilities over each box. It neither
    resizes nor standardizes.

    Parameters
    ----------
    architecture : str
        ``maskrcnn/BACKBONE/CHANNELS`` with a timm backbone, such as ``maskrcnn/resnet34/256``;
        ``maskrcnn/BACKBONE/CHANNELS/fine``, the same weights, but every mask is made of the pyramid's finest level; or
        ``maskrcnn_resnet50_fpn_v2``.
    n_classes : int
        Classes without the background.
    dropout : float
        Between the layers of the box head, 0 to below 1.

    Raises
    ------
    ModelError
        When the text is no such architecture, or there is no such backbone.
    """
    parts = name_parts(architecture)
    if architecture == LARGE_MASK_RCNN:
        network = _large(n_classes)
    elif parts is not None and parts.family == "maskrcnn" and parts.number <= MOST_CHANNELS:
        network = _small(parts, n_classes, dropout)
    else:
        raise ModelError(
            f"{architecture[:100]!r} is not a Mask R-CNN architecture, such as {ARCHITECTURE} or {LARGE_MASK_RCNN}."
        )
    network.transform = AsTheyAre(_MULTIPLE)
    return cast(torch.nn.Module, network)


def _large(n_classes: int) -> Any:
    """Return torchvision's network on a ResNet-50."""
    from torchvision.models.detection import maskrcnn_resnet50_fpn_v2

    return maskrcnn_resnet50_fpn_v2(
        weights=None, weights_backbone=None, num_classes=1 + n_classes, box_detections_per_img=MOST_PER_TILE
    )


def _small(parts: NameParts, n_classes: int, dropout: float) -> Any:
    """Return the network on a timm backbone."""
    from torchvision.models.detection import MaskRCNN
    from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
    from torchvision.ops import MultiScaleRoIAlign

    channels, levels = parts.number, [str(level) for level in range(4)]
    return MaskRCNN(
        TimmPyramid(parts.encoder, channels),
        # A needle askew fills a large box, and the level that fits the box is too coarse to show the needle's width.
        mask_roi_pool=MultiScaleRoIAlign(levels[:1] if parts.fine else levels, MASK_POOL, 2),
        mask_head=MaskRCNNHeads(channels, (channels,) * 4, 1),
        mask_predictor=MaskRCNNPredictor(channels, channels, 1 + n_classes),
        **two_stage_parts(channels, n_classes, dropout),
    )
