"""The heads of RetinaNet and FCOS, with a focal loss of any strength.

torchvision takes both of its numbers from the publication (Lin et al. 2017, "Focal loss for dense object detection")
and leaves no choice.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torchvision.models.detection._utils import Matcher
from torchvision.models.detection.fcos import FCOSHead
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.ops import sigmoid_focal_loss

USUAL_GAMMA: Final = 2.0
USUAL_ALPHA: Final = 0.25
"""Those of the publication."""

_Targets = list[dict[str, torch.Tensor]]


class _Focal:
    """What both heads share.

    Attributes
    ----------
    gamma : float
        How much less a place counts whose class is easy; 0 lets all count alike.
    alpha : float
        Weight of the class that is there; classes that are not there have 1 less that.
    """

    gamma = USUAL_GAMMA
    alpha = USUAL_ALPHA

    def class_losses(
        self, targets: _Targets, head_outputs: dict[str, torch.Tensor], matched_idxs: list[torch.Tensor]
    ) -> list[tuple[torch.Tensor, int]]:
        """Return of each image the focal loss, summed over places and classes, and its number of places of specimens.

        Parameters
        ----------
        targets : list of dict
            ``labels``, shape (N,), of each image.
        head_outputs : dict
            ``cls_logits``, shape (B, P, C).
        matched_idxs : list of Tensor
            Shape (P,): the specimen at each place; below 0 is none, and torchvision's ``BETWEEN_THRESHOLDS`` does not
            count.
        """
        found = []
        for target, logits, matched in zip(targets, head_outputs["cls_logits"], matched_idxs, strict=True):
            there, counts = matched >= 0, matched != Matcher.BETWEEN_THRESHOLDS
            truth = torch.zeros_like(logits)
            truth[there, target["labels"][matched[there]]] = 1.0
            loss = sigmoid_focal_loss(logits[counts], truth[counts], self.alpha, self.gamma, reduction="sum")
            found.append((loss, int(there.sum())))
        return found


class FocalRetinaNetHead(_Focal, RetinaNetHead):  # type: ignore[misc]
    """RetinaNet's: the loss is the mean over images of that of a place of a specimen."""

    def compute_loss(
        self,
        targets: _Targets,
        head_outputs: dict[str, torch.Tensor],
        anchors: list[torch.Tensor],
        matched_idxs: list[torch.Tensor],
    ) -> dict[str, Any]:
        """Return the parts of the loss by torchvision's names."""
        losses = [loss / max(1, places) for loss, places in self.class_losses(targets, head_outputs, matched_idxs)]
        return {
            "classification": torch.stack(losses).mean(),
            "bbox_regression": self.regression_head.compute_loss(targets, head_outputs, anchors, matched_idxs),
        }


class FocalFCOSHead(_Focal, FCOSHead):  # type: ignore[misc]
    """FCOS's: the loss is that of a place of a specimen, over all images of a batch."""

    def compute_loss(
        self,
        targets: _Targets,
        head_outputs: dict[str, torch.Tensor],
        anchors: list[torch.Tensor],
        matched_idxs: list[torch.Tensor],
    ) -> dict[str, Any]:
        """Return the parts of the loss by torchvision's names."""
        parts: dict[str, Any] = super().compute_loss(targets, head_outputs, anchors, matched_idxs)
        losses, places = zip(*self.class_losses(targets, head_outputs, matched_idxs), strict=True)
        return parts | {"classification": torch.stack(losses).sum() / max(1, sum(places))}
