"""What torchvision's networks of two stages share: the proposals' anchors in pixels, and the head of the boxes."""

from __future__ import annotations

from typing import Any, Final

import torch

SIZES: Final = (24, 48, 96, 192, 384)
"""Sides in pixels of the anchors of each level, whatever the size of the tile."""
RATIOS: Final = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Heights of the anchors over their widths."""
MOST_PER_TILE: Final = 300
BOX_NMS: Final = 0.7
"""Upright intersection over union up to which two boxes are both kept: those of crossed needles share much, and their
masks, where they have some, tell them apart afterwards."""


def two_stage_parts(channels: int, n_classes: int, dropout: float) -> dict[str, Any]:
    """Return what Faster R-CNN and Mask R-CNN are made of beside their backbone.

    Parameters
    ----------
    channels : int
        Of the feature pyramid.
    n_classes : int
        Classes without the background.
    dropout : float
        Between the layers of the box head, 0 to below 1.
    """
    from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
    from torchvision.models.detection.rpn import AnchorGenerator
    from torchvision.ops import MultiScaleRoIAlign

    hidden = 4 * channels
    box_head = TwoMLPHead(channels * 7 * 7, hidden)
    box_head.register_load_state_dict_pre_hook(_take_earlier_names)
    # No layer of its own: the weights are called the same, whatever the dropout they were trained with.
    box_head.register_forward_hook(
        lambda head, _, features: torch.nn.functional.dropout(features, dropout, head.training)
    )
    return {
        "rpn_anchor_generator": AnchorGenerator(
            sizes=tuple((size,) for size in SIZES), aspect_ratios=(RATIOS,) * len(SIZES)
        ),
        "box_roi_pool": MultiScaleRoIAlign([str(level) for level in range(4)], 7, 2),
        "box_head": box_head,
        "box_predictor": FastRCNNPredictor(hidden, 1 + n_classes),
        "box_detections_per_img": MOST_PER_TILE,
    }


def _take_earlier_names(head: torch.nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Rename the weights of a box head that an earlier version trained with dropout."""
    for name in [name for name in state if name.startswith(f"{prefix}0.")]:
        state[prefix + name.removeprefix(f"{prefix}0.")] = state.pop(name)
