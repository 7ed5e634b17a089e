"""The training of classifiers, which name specimens that are cut out of their slides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch

from diatom_training.data import drawing
from diatom_training.learning.constant_answer import label_loss
from diatom_training.learning.lightning_module import LearningModule, crops_of
from diatom_training.learning.naming_loss import PART_NAMES, NamingLoss
from diatom_training.learning.options import LearningOptions
from diatom_training.learning.precision import keep_depthwise_single
from diatom_training.metrics.name_confidence import macro_f1
from napari_diatom.engines import classifier_net


class NamingModule(LearningModule):
    """A backbone of timm and one linear layer."""

    def __init__(self, options: LearningOptions, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__(options, mean, std)
        for network in (self.network, self.averaged):
            keep_depthwise_single(network)
        n_classes = len(options.classes)
        self.naming_loss = NamingLoss(options.loss, n_classes)
        self._table = np.zeros((n_classes, n_classes), dtype=np.int64)
        self._losses: list[tuple[float, int]] = []

    def build(self) -> torch.nn.Module:
        """Return the untrained network."""
        options = self.options
        return classifier_net.build(
            options.architecture, len(options.classes), options.dropout, options.activation_function
        )

    def losses(self, network: torch.nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        """Return the loss that the options name."""
        logits = network(self.standardized(batch["images"])).float()
        return {PART_NAMES[self.options.loss.names]: self.naming_loss(logits, batch["labels"])}

    def weigh(self, weights: torch.Tensor) -> None:
        """Let specimens of each class count as much as its weight."""
        cast(torch.Tensor, self.naming_loss.weight).copy_(weights)

    def constant_loss(self, batches: Sequence[dict[str, Any]]) -> float:
        """Return the loss of the best answer that is the same for all specimens."""
        return label_loss(self.naming_loss, batches, len(self.options.classes))

    def on_validation_epoch_start(self) -> None:
        """Reset the figures."""
        self._table[:] = 0
        self._losses = []

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Count specimens by true and found class."""
        logits = self.averaged(self.standardized(batch["images"])).float()
        self._losses.append((float(self.naming_loss(logits, batch["labels"])), len(logits)))
        truth, said = batch["labels"].cpu().numpy(), logits.argmax(dim=1).cpu().numpy()
        np.add.at(self._table, (truth, said), 1)
        if batch_idx == 0:
            looks, names = zip(crops_of(batch), truth, said, strict=False), self.options.classes
            self.looks = tuple(
                drawing.draw_names_below(pixels, names[true], names[given]) for pixels, true, given in looks
            )

    def measured(self) -> dict[str, float]:
        """Return the figures of the validation: the loss, the share of right names, and the mean F1 of the classes."""
        losses, numbers = zip(*self._losses, strict=True)
        return {
            "val_loss": float(np.average(losses, weights=numbers)),
            "val_accuracy": float(np.trace(self._table) / self._table.sum()),
            "val_f1": macro_f1(self._table),
        }
