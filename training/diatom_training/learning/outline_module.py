"""The training of networks that outline the specimen in a box."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F
from torchvision.ops import sigmoid_focal_loss

from diatom_training.data import drawing
from diatom_training.learning.constant_answer import map_loss
from diatom_training.learning.lightning_module import LearningModule, crops_of
from diatom_training.learning.options import LearningOptions, LossOptions
from diatom_training.learning.precision import keep_depthwise_single
from napari_diatom.engines import outline_net

_OUTSIDE: Final = 255
"""What stands for pixels that do not count."""


class OutlineModule(LearningModule):
    """DeepLabV3+ on pictures along boxes."""

    def __init__(self, options: LearningOptions, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__(options, mean, std)
        keep_depthwise_single(self.network)
        keep_depthwise_single(self.averaged)
        self._ious: list[float] = []
        self._losses: list[tuple[float, int]] = []

    def build(self) -> torch.nn.Module:
        """Return the untrained network."""
        options = self.options
        return outline_net.build(options.architecture, options.dropout, options.activation_function)

    def standardized(self, images: torch.Tensor) -> torch.Tensor:
        """Return images of bytes, shape (B, 3, H, W), each standardized by its own colours."""
        return outline_net.standardized(images.float() / 255).contiguous(memory_format=torch.channels_last)

    def losses(self, network: torch.nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        """Return the parts of the loss that the options ask for."""
        logits = network(self.standardized(batch["images"]))[:, 0].float()
        return outline_losses(logits, batch["masks"], batch["inside"], self.options.loss)

    def constant_loss(self, batches: Sequence[dict[str, Any]]) -> float:
        """Return the loss of the best answer that is the same for all pixels of all boxes."""

        def loss(logits: torch.Tensor, batch: dict[str, Any]) -> torch.Tensor:
            parts = outline_losses(logits[:, 0], batch["masks"], batch["inside"], self.options.loss)
            return torch.stack(list(parts.values())).sum()

        return map_loss(loss, batches, ("masks", "inside"), 1)

    def on_validation_epoch_start(self) -> None:
        """Reset the figures."""
        self._ious, self._losses = [], []

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Compare masks; shares of areas are the same in a stretched picture and in its image."""
        logits = self.averaged(self.standardized(batch["images"]))[:, 0].float()
        parts = outline_losses(logits, batch["masks"], batch["inside"], self.options.loss)
        total = torch.stack(list(parts.values())).sum()
        self._losses.append((float(total), len(logits)))
        found, truth = (logits > 0) * batch["inside"] > 0, batch["masks"] * batch["inside"] > 0
        shared, either = (found & truth).sum(dim=(1, 2)), (found | truth).sum(dim=(1, 2))
        self._ious += (shared / either.clamp(min=1)).tolist()
        if batch_idx == 0:
            tables = (masks.cpu().numpy().astype(np.int64) for masks in (truth, found))
            self.looks = tuple(drawing.maps(*look) for look in zip(crops_of(batch), *tables, strict=False))

    def measured(self) -> dict[str, float]:
        """Return the figures of the validation."""
        losses, numbers = zip(*self._losses, strict=True)
        ious = np.array(self._ious)
        return {
            "val_loss": float(np.average(losses, weights=numbers)),
            "val_iou": float(ious.mean()),
            "val_dice": float((2 * ious / (1 + ious)).mean()),
            "val_iou50": float((ious >= 0.5).mean()),
            "val_iou75": float((ious >= 0.75).mean()),
        }


def outline_losses(
    logits: torch.Tensor, masks: torch.Tensor, inside: torch.Tensor, options: LossOptions | None = None
) -> dict[str, torch.Tensor]:
    """Return the parts of the loss times their weights, without those of weight 0.

    Parameters
    ----------
    logits, masks, inside : torch.Tensor, each of shape (B, H, W)
        What the network says, what is there, and what lies in the image; the rest does not count.
    options : LossOptions, optional
        The weights of the parts; the cross-entropy of pixels is the binary one, as there is one class.
    """
    options = options or LossOptions()
    parts = {}
    counts = inside
    if options.class_weights is not None:
        ground, specimen = options.class_weights
        counts = inside * (ground + (specimen - ground) * masks)
    if options.cross_entropy:
        entropy = F.binary_cross_entropy_with_logits(logits, masks, weight=counts, reduction="sum") / counts.sum()
        parts["cross_entropy"] = options.cross_entropy * entropy
    found, truth = torch.sigmoid(logits) * inside, masks * inside
    # Of each specimen: a thin one in a slanting upright box counts as much as one that fills its box.
    shared, sizes = (found * truth).sum(dim=(1, 2)), found.sum(dim=(1, 2)) + truth.sum(dim=(1, 2))
    if options.dice:
        parts["dice"] = options.dice * (1 - (2 * shared + 1) / (sizes + 1)).mean()
    if options.jaccard:
        parts["jaccard"] = options.jaccard * (1 - (shared + 1) / (sizes - shared + 1)).mean()
    if options.tversky:
        invented, missed = found.sum(dim=(1, 2)) - shared, truth.sum(dim=(1, 2)) - shared
        cost = options.tversky_alpha * invented + (1 - options.tversky_alpha) * missed
        parts["tversky"] = options.tversky * (1 - (shared + 1) / (shared + cost + 1)).mean()
    if options.focal:
        focal = sigmoid_focal_loss(logits, masks, alpha=-1, gamma=options.focal_gamma)
        parts["focal"] = options.focal * (focal * inside).sum() / inside.sum()
    if options.lovasz:
        lovasz = smp.losses.LovaszLoss("binary", per_image=True, ignore_index=_OUTSIDE)
        parts["lovasz"] = options.lovasz * lovasz(logits, torch.where(inside > 0, masks, float(_OUTSIDE)))
    return parts
