"""The loss of semantic maps."""

from __future__ import annotations

from typing import Any

import segmentation_models_pytorch as smp
import torch

from diatom_training.learning.options import LearningOptions


class MapLoss(torch.nn.Module):
    """Cross-entropy, Dice and focal loss of segmentation-models-pytorch and torch, each part by its name."""

    def __init__(self, options: LearningOptions) -> None:
        super().__init__()
        loss = options.loss
        self.weights = {
            name: weight
            for name, weight in (("cross_entropy", loss.cross_entropy), ("dice", loss.dice), ("focal", loss.focal))
            if weight
        }
        class_weights = None if loss.class_weights is None else torch.tensor(loss.class_weights)
        parts: dict[str, Any] = {
            "cross_entropy": torch.nn.CrossEntropyLoss(weight=class_weights),
            "dice": smp.losses.DiceLoss("multiclass", classes=list(range(1, 1 + len(options.classes)))),
            "focal": smp.losses.FocalLoss("multiclass", gamma=loss.focal_gamma),
        }
        self.parts = torch.nn.ModuleDict({name: parts[name] for name in self.weights})

    def forward(self, logits: torch.Tensor, maps: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return each part times its weight, of logits (B, C, H, W) against maps (B, H, W)."""
        return {name: self.weights[name] * part(logits.float(), maps) for name, part in self.parts.items()}
