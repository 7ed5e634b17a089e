"""Mask R-CNN networks as torch modules.

He et al. 2017, "Mask R-CNN"; the network is torchvision's, on a timm backbone with a feature pyramid (Lin et al. 2017).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final, cast

import torch

from napari_diatom.core.errors import ModelError
from napari_diatom.engines import architectures
from napari_diatom.engines.encoders import TIMM, check_encoder
from napari_diatom.models.architecture_names import MASK_RCNN, MOST_CHANNELS

ARCHITECTURE: Final = architectures.MASK_RCNN
"""Of the bundled model: backbone, and channels of the feature pyramid and the heads."""
LARGE: Final = "maskrcnn_resnet50_fpn_v2"
"""torchvision's own large network."""

MASK_POOL: Final = 28
"""Side of the features that a mask is made of; the mask is twice as fine. A needle that lies askew in its upright box
is lost in the usual 14."""
MOST_PER_TILE: Final = 300


def build(architecture: str, n_classes: int, dropout: float = 0.0) -> torch.nn.Module:
    """Return an untrained network.

    In training mode it maps standardized float images (a list of shape (3, H, W)) and torchvision's targets (boxes,
    labels from 1, masks) to a dict of losses; in evaluation mode it maps the images to a dict each of ``boxes``
    (N, 4), ``labels`` (N,) from 1, ``scores`` (N,) and ``masks`` (N, 1, M, M), probabilities over each box. It neither
    resizes nor standardizes.

    Parameters
    ----------
    architecture : str
        ``maskrcnn/BACKBONE/CHANNELS`` with a timm backbone, such as ``maskrcnn/tu-resnet34/256``;
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
    parts = MASK_RCNN.fullmatch(architecture)
    if architecture == LARGE:
        network = _large(n_classes)
    elif parts is not None and int(parts[2]) <= MOST_CHANNELS:
        network = _small(parts[1], int(parts[2]), n_classes, dropout, fine=parts[3] is not None)
    else:
        raise ModelError(f"{architecture[:100]!r} is not a Mask R-CNN architecture, such as {ARCHITECTURE} or {LARGE}.")
    network.transform = _AsTheyAre()
    return cast(torch.nn.Module, network)


def _large(n_classes: int) -> Any:
    """Return torchvision's network on a ResNet-50."""
    from torchvision.models.detection import maskrcnn_resnet50_fpn_v2

    return maskrcnn_resnet50_fpn_v2(
        weights=None, weights_backbone=None, num_classes=1 + n_classes, box_detections_per_img=MOST_PER_TILE
    )


def _small(encoder: str, channels: int, n_classes: int, dropout: float, fine: bool) -> Any:
    """Return the network on a timm backbone."""
    from torchvision.models.detection import MaskRCNN
    from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
    from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
    from torchvision.models.detection.rpn import AnchorGenerator
    from torchvision.ops import MultiScaleRoIAlign

    levels = [str(level) for level in range(4)]
    hidden = 4 * channels
    box_head = TwoMLPHead(channels * 7 * 7, hidden)
    box_head.register_load_state_dict_pre_hook(_take_earlier_names)
    # No layer of its own: the weights are called the same, whatever the dropout they were trained with.
    box_head.register_forward_hook(
        lambda head, _, features: torch.nn.functional.dropout(features, dropout, head.training)
    )
    return MaskRCNN(
        TimmPyramid(encoder, channels),
        rpn_anchor_generator=AnchorGenerator(
            sizes=((24,), (48,), (96,), (192,), (384,)), aspect_ratios=((0.25, 0.5, 1.0, 2.0, 4.0),) * 5
        ),
        box_roi_pool=MultiScaleRoIAlign(levels, 7, 2),
        box_head=box_head,
        box_predictor=FastRCNNPredictor(hidden, 1 + n_classes),
        # A needle askew fills a large box, and the level that fits the box is too coarse to show the needle's width.
        mask_roi_pool=MultiScaleRoIAlign(levels[:1] if fine else levels, MASK_POOL, 2),
        mask_head=MaskRCNNHeads(channels, (channels,) * 4, 1),
        mask_predictor=MaskRCNNPredictor(channels, channels, 1 + n_classes),
        box_detections_per_img=MOST_PER_TILE,
    )


def _take_earlier_names(head: torch.nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Rename the weights of a box head that an earlier version trained with dropout."""
    for name in [name for name in state if name.startswith(f"{prefix}0.")]:
        state[prefix + name.removeprefix(f"{prefix}0.")] = state.pop(name)


class TimmPyramid(torch.nn.Module):
    """A timm backbone with a feature pyramid of five levels, from 1/4 to 1/64."""

    def __init__(self, encoder: str, channels: int) -> None:
        super().__init__()
        check_encoder(encoder)
        if not encoder.startswith(TIMM):
            raise ModelError(f"Mask R-CNN is built on timm's backbones: {TIMM}resnet34, not {encoder}.")
        import timm
        from torchvision.ops import FeaturePyramidNetwork
        from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

        try:
            body: Any = timm.create_model(encoder.removeprefix(TIMM), features_only=True, pretrained=False)
        except (RuntimeError, AttributeError) as error:
            raise ModelError(f"{encoder} gives no pyramid of features: {str(error).splitlines()[0]}") from error
        strides = body.feature_info.reduction()
        self.levels = [index for index, stride in enumerate(strides) if stride in (4, 8, 16, 32)]
        if len(self.levels) != 4:
            raise ModelError(f"{encoder} has features at 1/{', 1/'.join(map(str, strides))}; 1/4 to 1/32 are needed.")
        found = body.feature_info.channels()
        self.body = body
        self.fpn = FeaturePyramidNetwork([found[index] for index in self.levels], channels, LastLevelMaxPool())
        self.out_channels = channels

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Map images, shape (B, 3, H, W), to the levels "0" to "3" and "pool"."""
        features = self.body(images)
        chosen = OrderedDict((str(n), features[index]) for n, index in enumerate(self.levels))
        return cast(dict[str, torch.Tensor], self.fpn(chosen))


class _AsTheyAre(torch.nn.Module):
    """Stands for torchvision's transform: images come standardized and in their final size."""

    def forward(self, images: list[torch.Tensor], targets: Any = None) -> tuple[Any, Any]:
        """Pad images to one size, a multiple of 32."""
        from torchvision.models.detection.image_list import ImageList

        sizes = [(int(image.shape[-2]), int(image.shape[-1])) for image in images]
        height, width = (-(-max(side) // 32) * 32 for side in zip(*sizes, strict=True))
        batch = images[0].new_zeros((len(images), images[0].shape[0], height, width))
        for row, image in zip(batch, images, strict=True):
            row[:, : image.shape[-2], : image.shape[-1]].copy_(image)
        return ImageList(batch, sizes), targets

    def postprocess(self, result: list[dict[str, Any]], *_: Any) -> list[dict[str, Any]]:
        """Leave the masks as small as they are, each to be pasted into its own box."""
        return result
