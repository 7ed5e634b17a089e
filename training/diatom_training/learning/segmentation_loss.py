"""The losses of maps of classes, by name."""

from __future__ import annotations

from typing import Any

import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F

from diatom_training.learning.naming_loss import focal_of_softmax
from diatom_training.learning.options import LearningOptions


class MapLoss(torch.nn.Module):
    """A weighted sum of losses of segmentation-models-pytorch and torch, each part by its name.

    With a binary cross-entropy each channel says yes or no for itself, in all parts; else the channels add up to 1.
    Dice, Jaccard and Tversky are of the classes without the background, over all pixels of a batch.
    """

    def __init__(self, options: LearningOptions) -> None:
        super().__init__()
        loss = options.loss
        self.weights = loss.parts()
        self.sigmoid = loss.binary_cross_entropy > 0
        mode, specimens = ("multilabel" if self.sigmoid else "multiclass"), list(range(1, 1 + len(options.classes)))
        class_weights = None if loss.class_weights is None else torch.tensor(loss.class_weights)
        if loss.weighting != "none":
            class_weights = torch.ones(1 + len(options.classes))
        parts: dict[str, Any] = {
            "cross_entropy": lambda: torch.nn.CrossEntropyLoss(weight=class_weights),
            "binary_cross_entropy": lambda: _BinaryCrossEntropy(class_weights),
            "dice": lambda: smp.losses.DiceLoss(mode, classes=specimens),
            "jaccard": lambda: smp.losses.JaccardLoss(mode, classes=specimens),
            "tversky": lambda: smp.losses.TverskyLoss(
                mode, classes=specimens, alpha=loss.tversky_alpha, beta=1 - loss.tversky_alpha
            ),
            "focal": lambda: (
                smp.losses.FocalLoss(mode, gamma=loss.focal_gamma) if self.sigmoid else _SoftmaxFocal(loss.focal_gamma)
            ),
            "lovasz": lambda: smp.losses.LovaszLoss(mode),
        }
        self.parts = torch.nn.ModuleDict({name: parts[name]() for name in self.weights})

    def forward(self, logits: torch.Tensor, maps: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return each part times its weight, of logits (B, C, H, W) against maps (B, H, W)."""
        logits = logits.float()
        channels = F.one_hot(maps, logits.shape[1]).movedim(-1, 1) if self.sigmoid else maps
        return {
            name: self.weights[name] * part(logits, maps if name == "cross_entropy" else channels)
            for name, part in self.parts.items()
        }

    def weigh(self, weights: torch.Tensor) -> None:
        """Let the pixels of each class count as much as its weight, shape (C,), in the cross-entropies."""
        for name in ("cross_entropy", "binary_cross_entropy"):
            if name in self.parts:
                weight: Any = self.parts[name].weight
                weight.copy_(weights)


class _BinaryCrossEntropy(torch.nn.Module):
    """The mean over channels of the binary cross-entropy, of which a pixel counts as its class weighs."""

    weight: torch.Tensor | None

    def __init__(self, weight: torch.Tensor | None) -> None:
        super().__init__()
        self.register_buffer("weight", weight)

    def forward(self, logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        """Return the mean, of logits (B, C, H, W) against channels of 0 and 1 of the same shape."""
        each = F.binary_cross_entropy_with_logits(logits, truth.to(logits.dtype), reduction="none").mean(dim=1)
        if self.weight is None:
            return each.mean()
        weights = self.weight[truth.argmax(dim=1)]
        return (weights * each).sum() / weights.sum()


class _SoftmaxFocal(torch.nn.Module):
    """The mean over pixels of the focal loss of channels that add up to 1."""

    def __init__(self, gamma: float) -> None:
        super().__init__()
        self.gamma = gamma

    def forward(self, logits: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
        """Return the mean, of logits (B, C, H, W) against maps (B, H, W)."""
        return focal_of_softmax(logits, maps, self.gamma).mean()
