"""torchvision's networks that find upright boxes, on timm's backbones, as torch modules.

One stage: SSD (Liu et al. 2016), SSDlite (Sandler et al. 2018), RetinaNet (Lin et al. 2017, "Focal loss for dense
object detection") and FCOS (Tian et al. 2019). Two stages: Faster R-CNN (Ren et al. 2015). Anchors have their sizes in
pixels and their places at fixed strides, so that crops and tiles of any size are looked at alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import torch

from napari_diatom.core.errors import ModelError
from napari_diatom.engines.pyramids import AsTheyAre, DensePyramid, GrowingLevels, TimmPyramid
from napari_diatom.engines.two_stages import MOST_PER_TILE, RATIOS, two_stage_parts
from napari_diatom.models.architecture_names import (
    FAMILIES,
    MOST_CHANNELS,
    TWO_STAGES,
    NameParts,
    close_names,
    name_parts,
)

STRIDES: Final = (8, 16, 32, 64, 128)
"""Pixels between the features of each level of networks of one stage."""
SCALES: Final = (4.0, 5.6)
"""Sides of anchors, in strides of their level."""
_STEP: Final = 64
"""What the channels of FCOS are a multiple of: it normalizes 32 groups of them, each of more than one channel, since a
small tile has one feature in its coarsest level."""


def build(architecture: str, n_classes: int, dropout: float = 0.0) -> torch.nn.Module:
    """Return an untrained network.

    In training mode it maps standardized float images (a list of shape (3, H, W)) and torchvision's targets (boxes,
    labels from 1) to a dict of losses; in evaluation mode it maps the images to a dict each of ``boxes`` (N, 4),
    ``labels`` (N,) from 1, and ``scores`` (N,). It neither resizes nor standardizes.

    Parameters
    ----------
    architecture : str
        ``FAMILY/BACKBONE/CHANNELS`` with a timm backbone, such as ``fasterrcnn/resnet34/256`` or ``ssd/vgg16``.
    n_classes : int
        Classes without the background.
    dropout : float
        Between the layers of the box head of Faster R-CNN, 0 to below 1; the others have none.

    Raises
    ------
    ModelError
        When the text is no such architecture, or there is no such backbone.
    """
    parts = name_parts(architecture)
    if parts is None or FAMILIES[parts.family].engine != "boxes" or parts.number > MOST_CHANNELS:
        raise ModelError(
            f"{architecture[:100]!r} is not a network of boxes of torchvision; {close_names(architecture[:100])}"
        )
    network = _MAKERS[parts.family](parts, n_classes, dropout)
    network.transform = AsTheyAre(64 if parts.family in TWO_STAGES else STRIDES[-1])
    built: torch.nn.Module = network
    return built


def _anchors() -> Any:
    """Return the anchors of SSD and RetinaNet."""
    from torchvision.models.detection.anchor_utils import AnchorGenerator

    sizes = tuple(tuple(scale * stride for scale in SCALES) for stride in STRIDES)
    return AnchorGenerator(sizes, (RATIOS,) * len(STRIDES))


def _ssd(parts: NameParts, n_classes: int, dropout: float, light: bool = False) -> Any:
    """Return SSD, or SSDlite."""
    from torchvision.models.detection.ssd import SSD, SSDHead
    from torchvision.models.detection.ssdlite import SSDLiteHead

    levels, anchors = GrowingLevels(parts.encoder, parts.number, light), _anchors()
    numbers = anchors.num_anchors_per_location()
    head = (
        SSDLiteHead(levels.out_channels, numbers, 1 + n_classes, partial(torch.nn.BatchNorm2d, eps=1e-3))
        if light
        else SSDHead(levels.out_channels, numbers, 1 + n_classes)
    )
    return SSD(levels, anchors, (STRIDES[-1],) * 2, 1 + n_classes, head=head, detections_per_img=MOST_PER_TILE)


def _retinanet(parts: NameParts, n_classes: int, dropout: float) -> Any:
    """Return RetinaNet, whose class 0 is never given."""
    from torchvision.models.detection.retinanet import RetinaNet

    from napari_diatom.engines.focal_heads import FocalRetinaNetHead

    pyramid, anchors = DensePyramid(parts.encoder, parts.number), _anchors()
    return RetinaNet(
        pyramid,
        1 + n_classes,
        anchor_generator=anchors,
        head=FocalRetinaNetHead(parts.number, anchors.num_anchors_per_location()[0], 1 + n_classes),
        detections_per_img=MOST_PER_TILE,
    )


def _fcos(parts: NameParts, n_classes: int, dropout: float) -> Any:
    """Return FCOS, whose class 0 is never given."""
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.fcos import FCOS

    from napari_diatom.engines.focal_heads import FocalFCOSHead

    if parts.number % _STEP:
        raise ModelError(f"FCOS has channels that are a multiple of {_STEP}; {parts.number} is not.")
    # One place for each feature, as large as its stride: the network's own ranges of sizes follow from that.
    anchors = AnchorGenerator(tuple((stride,) for stride in STRIDES), ((1.0,),) * len(STRIDES))
    pyramid = DensePyramid(parts.encoder, parts.number)
    return FCOS(
        pyramid,
        1 + n_classes,
        anchor_generator=anchors,
        head=FocalFCOSHead(parts.number, anchors.num_anchors_per_location()[0], 1 + n_classes),
        detections_per_img=MOST_PER_TILE,
    )


def _fasterrcnn(parts: NameParts, n_classes: int, dropout: float) -> Any:
    """Return Faster R-CNN."""
    from torchvision.models.detection import FasterRCNN

    return FasterRCNN(TimmPyramid(parts.encoder, parts.number), **two_stage_parts(parts.number, n_classes, dropout))


_MAKERS: Final[Mapping[str, Callable[[NameParts, int, float], Any]]] = MappingProxyType(
    {
        "ssd": _ssd,
        "ssdlite": partial(_ssd, light=True),
        "retinanet": _retinanet,
        "fcos": _fcos,
        "fasterrcnn": _fasterrcnn,
    }
)
