"""A Mask R-CNN network as one graph: from a tile's pixels to boxes, labels, scores and masks.

It computes what torchvision's network does in evaluation mode (Ren et al. 2015; He et al. 2017), of one tile and in
operations that OpenVINO has too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import torch

from napari_diatom.engines.two_stages import BOX_NMS

Levels = list[torch.Tensor]

FINEST: Final = 2
"""The finest level has its features ``2 ** FINEST`` pixels apart."""
LEAST_SIDE: Final = 0.01
"""Of a specimen's box in pixels."""


class MaskRcnnGraph(torch.nn.Module):
    """A Mask R-CNN network with standardization, for one tile at a time.

    Parameters
    ----------
    network : torch.nn.Module
        As :func:`napari_diatom.engines.maskrcnn_net.build` returns it, trained.
    mean, std : sequence of float
        By which its images are standardized, per channel.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: Any, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(tuple(mean)).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(tuple(std)).view(1, -1, 1, 1))
        self.network = network.eval()
        for k, cells in enumerate(network.rpn.anchor_generator.cell_anchors):
            self.register_buffer(f"cells_{k}", cells.clone())

    def forward(
        self, images: torch.Tensor, size: torch.Tensor, threshold: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Find the specimens of a tile.

        Parameters
        ----------
        images : Tensor, shape (1, 3, H, W)
            RGB in 0..1, H and W multiples of 32; what lies beyond ``size`` does not matter.
        size : Tensor of float, shape (2,)
            Height and width of the tile without its padding.
        threshold : Tensor of float, shape (1,)
            Score above which specimens are given.

        Returns
        -------
        boxes : Tensor, shape (N, 4)
            x0, y0, x1, y1 in pixels, the best first.
        labels : Tensor, shape (N,)
            From 1.
        scores : Tensor, shape (N,)
        masks : Tensor, shape (N, 1, M, M)
            Probabilities over each box.
        """
        rows = torch.arange(images.shape[2], dtype=torch.float32).view(1, 1, -1, 1) < size[0]
        columns = torch.arange(images.shape[3], dtype=torch.float32).view(1, 1, 1, -1) < size[1]
        standardized = (images - self.mean) / self.std * (rows & columns).float()
        levels = list(self.network.backbone(standardized).values())
        heads = self.network.roi_heads
        proposals = self._proposals(levels, images, size)
        features = heads.box_head(_pooled(heads.box_roi_pool, levels, proposals))
        class_logits, deltas = heads.box_predictor(features)
        boxes, labels, scores = self._detections(class_logits, deltas, proposals, size, threshold)
        logits = heads.mask_predictor(heads.mask_head(_pooled(heads.mask_roi_pool, levels, boxes)))
        side = logits.shape[-1]
        chosen = labels.view(-1, 1, 1, 1).expand(-1, 1, side, side)
        return boxes, labels, scores, torch.sigmoid(logits.gather(1, chosen))

    def _proposals(self, levels: Levels, images: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
        """Return the boxes that may hold specimens, shape (P, 4), the best first."""
        rpn = self.network.rpn
        found_boxes, found_scores = [], []
        for k, level in enumerate(levels):
            (objectness,), (deltas,) = rpn.head([level])
            # From (1, anchors * values, h, w) to one row for each anchor.
            objectness = objectness.permute(0, 2, 3, 1).reshape(-1)
            deltas = deltas.permute(0, 2, 3, 1).reshape(-1, 4)
            most = _at_most(rpn.pre_nms_top_n(), objectness)
            scores, best = objectness.topk(most)
            anchors = _anchors_at(best, getattr(self, f"cells_{k}"), level, images)
            boxes = _clipped(_decoded(deltas[best], anchors, rpn.box_coder), size)
            scores = torch.sigmoid(scores)
            sound = _are_larger(boxes, rpn.min_size)
            boxes, scores = boxes[sound], scores[sound]
            kept = torch.ops.torchvision.nms(boxes, scores, rpn.nms_thresh)
            found_boxes.append(boxes[kept])
            found_scores.append(scores[kept])
        every, scores = torch.cat(found_boxes), torch.cat(found_scores)
        return every[scores.topk(_at_most(rpn.post_nms_top_n(), scores))[1]]

    def _detections(
        self,
        logits: torch.Tensor,
        deltas: torch.Tensor,
        proposals: torch.Tensor,
        size: torch.Tensor,
        threshold: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the boxes, labels and scores of the specimens, the best first."""
        heads = self.network.roi_heads
        probabilities = torch.softmax(logits, -1)
        found_boxes, found_labels, found_scores = [], [], []
        for label in range(1, logits.shape[1]):
            scores = probabilities[:, label]
            boxes = _clipped(_decoded(deltas[:, 4 * label : 4 * label + 4], proposals, heads.box_coder), size)
            sound = (scores > threshold) & _are_larger(boxes, LEAST_SIDE)
            boxes, scores = boxes[sound], scores[sound]
            kept = torch.ops.torchvision.nms(boxes, scores, BOX_NMS)
            found_boxes.append(boxes[kept])
            found_scores.append(scores[kept])
            found_labels.append(torch.full_like(kept, label))
        boxes, labels, scores = torch.cat(found_boxes), torch.cat(found_labels), torch.cat(found_scores)
        best_scores, best = scores.topk(_at_most(heads.detections_per_img, scores))
        return boxes[best], labels[best], best_scores


def _at_most(number: int, values: torch.Tensor) -> Any:
    """Return the lower of a number and how many values there are, as a tensor that a graph computes."""
    return torch.minimum(torch.tensor(number), torch.tensor(values.shape[0]))


def _anchors_at(indices: torch.Tensor, cells: torch.Tensor, level: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Return some of a level's anchors, which go place by place, row after row."""
    height, width = level.shape[2], level.shape[3]
    places = torch.div(indices, cells.shape[0], rounding_mode="floor")
    rows = torch.div(places, width, rounding_mode="floor")
    columns = places - rows * width
    y = (rows * (images.shape[2] // height)).float()
    x = (columns * (images.shape[3] // width)).float()
    return torch.stack((x, y, x, y), dim=1) + cells[indices - places * cells.shape[0]]


def _decoded(deltas: torch.Tensor, references: torch.Tensor, coder: Any) -> torch.Tensor:
    """Return the boxes, shape (N, 4), that a network has put down by their differences from others."""
    x0, y0, x1, y1 = references.unbind(1)
    wide, high = x1 - x0, y1 - y0
    weight_x, weight_y, weight_width, weight_height = coder.weights
    centre_x = deltas[:, 0] / weight_x * wide + (x0 + 0.5 * wide)
    centre_y = deltas[:, 1] / weight_y * high + (y0 + 0.5 * high)
    half_width = 0.5 * torch.exp((deltas[:, 2] / weight_width).clamp(max=coder.bbox_xform_clip)) * wide
    half_height = 0.5 * torch.exp((deltas[:, 3] / weight_height).clamp(max=coder.bbox_xform_clip)) * high
    return torch.stack(
        (centre_x - half_width, centre_y - half_height, centre_x + half_width, centre_y + half_height), dim=1
    )


def _clipped(boxes: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
    """Return boxes within a tile of a height and width."""
    most = torch.stack((size[1], size[0], size[1], size[0]))
    return torch.minimum(boxes.clamp(min=0.0), most)


def _are_larger(boxes: torch.Tensor, side: float) -> torch.Tensor:
    """Tell which boxes have sides of at least so many pixels."""
    return (boxes[:, 2] - boxes[:, 0] >= side) & (boxes[:, 3] - boxes[:, 1] >= side)


def _pooled(pool: Any, levels: Levels, boxes: torch.Tensor) -> torch.Tensor:
    """Return the features of boxes, shape (N, C, s, s), each of the level that fits its size (Lin et al. 2017)."""
    rois = torch.cat((torch.zeros_like(boxes[:, :1]), boxes), dim=1)
    if len(pool.featmap_names) == 1:
        return _aligned(pool, levels[0], rois, 0)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    fitting = torch.floor(pool.canonical_level + torch.log2(torch.sqrt(area) / pool.canonical_scale) + 1e-6)
    fitting = fitting.clamp(FINEST, FINEST + len(pool.featmap_names) - 1).long() - FINEST
    chosen = [torch.where(fitting == k)[0] for k in range(len(pool.featmap_names))]
    parts = torch.cat([_aligned(pool, levels[k], rois[some], k) for k, some in enumerate(chosen)])
    # Back into the order of the boxes.
    return parts[torch.argsort(torch.cat(chosen))]


def _aligned(pool: Any, level: torch.Tensor, rois: torch.Tensor, k: int) -> torch.Tensor:
    """Return the features of boxes in the ``k``-th level."""
    aligned: torch.Tensor = torch.ops.torchvision.roi_align(
        level, rois, 2.0 ** -(FINEST + k), *pool.output_size, pool.sampling_ratio, False
    )
    return aligned
