"""The training of networks that give maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch

from diatom_training.data import drawing
from diatom_training.learning.constant_answer import map_loss
from diatom_training.learning.lightning_module import LearningModule, crops_of
from diatom_training.learning.options import LearningOptions
from diatom_training.learning.precision import keep_depthwise_single
from diatom_training.learning.segmentation_loss import MapLoss
from diatom_training.metrics.mask_metrics import confusion, map_metrics
from napari_diatom.engines import map_nets


class SemanticModule(LearningModule):
    """DeepLabV3+, U-Net and the other networks of maps."""

    def __init__(self, options: LearningOptions, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__(options, mean, std)
        self.map_loss = MapLoss(options)
        keep_depthwise_single(self.network)
        keep_depthwise_single(self.averaged)
        self._table = np.zeros((1 + len(options.classes),) * 2, dtype=np.int64)
        self._losses: list[float] = []

    def build(self) -> torch.nn.Module:
        """Return the untrained network."""
        options = self.options
        return map_nets.build(options.architecture, len(options.classes), options.dropout, options.activation_function)

    def losses(self, network: torch.nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        """Return the parts of the loss."""
        return cast(dict[str, torch.Tensor], self.map_loss(network(self.standardized(batch["images"])), batch["maps"]))

    def weigh(self, weights: torch.Tensor) -> None:
        """Let pixels of each class, the background first, count as much as its weight."""
        self.map_loss.weigh(weights)

    def constant_loss(self, batches: Sequence[dict[str, Any]]) -> float:
        """Return the loss of the best answer that is the same for all pixels."""

        def loss(logits: torch.Tensor, batch: dict[str, Any]) -> torch.Tensor:
            return torch.stack(list(self.map_loss(logits, batch["maps"]).values())).sum()

        return map_loss(loss, batches, ("maps",), 1 + len(self.options.classes))

    def on_validation_epoch_start(self) -> None:
        """Reset the figures."""
        self._table[:] = 0
        self._losses = []

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Count pixels by true and found class."""
        logits = self.averaged(self.standardized(batch["images"]))
        self._losses.append(float(torch.stack(list(self.map_loss(logits, batch["maps"]).values())).sum()))
        found, truth = logits.argmax(dim=1).cpu().numpy(), batch["maps"].cpu().numpy()
        self._table += confusion(truth, found, len(self.options.classes))
        if batch_idx == 0:
            self.looks = tuple(drawing.maps(*look) for look in zip(crops_of(batch), truth, found, strict=False))

    def measured(self) -> dict[str, float]:
        """Return the figures of the validation."""
        metrics = map_metrics(self._table)
        return {"val_loss": float(np.mean(self._losses)), "val_miou": metrics.miou, "val_dice": metrics.dice}
