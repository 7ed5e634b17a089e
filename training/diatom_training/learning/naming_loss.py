"""The losses of classifiers by name."""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F

from diatom_training.learning.options import LossOptions

PART_NAMES: Final = {
    "cross-entropy": "cross_entropy",
    "binary cross-entropy": "binary_cross_entropy",
    "focal": "focal",
    "mean squared error": "squared_error",
}
"""What the histories of trainings call the losses."""


class NamingLoss(torch.nn.Module):
    """The loss of names that the options ask for.

    ``cross-entropy`` is the negative logarithm of the true class's probability. ``binary cross-entropy`` is the mean of
    that over all classes, each of which says yes or no. ``focal`` is the cross-entropy times ``(1 - p) ** gamma`` with
    the true class's probability p (Lin et al. 2017). ``mean squared error`` is Brier's score (1950): the sum over the
    classes of the squared difference between probability and truth.

    Parameters
    ----------
    options : LossOptions
        Which loss, and its numbers.
    classes : int
        Classes to tell apart.

    Attributes
    ----------
    weight : torch.Tensor, shape (classes,), or None
        How much a specimen of each class counts; None counts all alike.
    """

    weight: torch.Tensor | None

    def __init__(self, options: LossOptions, classes: int) -> None:
        super().__init__()
        self.options, self.classes = options, classes
        given = options.class_weights
        weighs = given is not None or options.weighting != "none"
        self.register_buffer("weight", torch.tensor(given or (1.0,) * classes) if weighs else None)

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the mean over specimens, of logits (B, classes) against labels (B,), weighted by their classes."""
        options = self.options
        if options.names == "cross-entropy":
            return F.cross_entropy(logits, labels, weight=self.weight, label_smoothing=options.label_smoothing)
        each = self._of_each(logits, labels)
        if self.weight is None:
            return each.mean()
        weights = self.weight[labels]
        return (weights * each).sum() / weights.sum()

    def _of_each(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the loss of each specimen, shape (B,)."""
        if self.options.names == "focal":
            return focal_of_softmax(logits, labels, self.options.focal_gamma)
        truth = F.one_hot(labels, self.classes).to(logits.dtype)
        if self.options.names == "mean squared error":
            return (torch.softmax(logits, dim=1) - truth).square().sum(dim=1)
        soft = truth + self.options.label_smoothing * (0.5 - truth)
        return F.binary_cross_entropy_with_logits(logits, soft, reduction="none").mean(dim=1)


def focal_of_softmax(logits: torch.Tensor, labels: torch.Tensor, gamma: float) -> torch.Tensor:
    """Return the focal loss (Lin et al. 2017) of classes that add up to 1, of logits (B, C, ...), shape (B, ...)."""
    entropy = F.cross_entropy(logits, labels, reduction="none")
    return (-torch.expm1(-entropy)) ** gamma * entropy
