"""The loss on fixed crops of the training part, measured as that of the validation is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import pytorch_lightning as pl
import torch

from diatom_training.data.examples import Example
from diatom_training.learning.dataloaders import batches
from diatom_training.learning.lightning_module import LearningModule
from diatom_training.learning.options import LearningOptions

SAMPLE_LOSS: Final = "sample_loss"
"""Column of the loss on the fixed crops of the training part."""
CONSTANT_LOSS: Final = "constant_loss"
"""Column of the loss of the best answer that is the same for all pictures."""


START: Final = "start_"
"""What the columns of the validation's figures before the first step begin with."""


def start_figures(trainer: pl.Trainer, module: LearningModule, loader: Iterable[dict[str, Any]]) -> dict[str, float]:
    """Return the figures of merit of the validation part before the first step."""
    with torch.no_grad(), trainer.precision_plugin.val_step_context():
        module.averaged.eval()
        module.on_validation_epoch_start()
        for number, batch in enumerate(loader):
            module.validation_step(pl.utilities.move_data_to_device(batch, module.mean.device), number)
    figures = module.measured()
    return {name.replace("val_", START, 1): value for name, value in figures.items() if name != "val_loss"}


class FixedSample:
    """Crops, cut-outs or framed specimens of the training part as they are, always the same ones.

    Parameters
    ----------
    examples : sequence of Example
        The training part.
    options : LearningOptions
        How to train.
    crops : int
        How many there are: :meth:`~diatom_training.learning.options.LearningOptions.sample_crops` of an epoch.
    batch : int
        How many at a time.
    """

    def __init__(self, examples: Sequence[Example], options: LearningOptions, crops: int, batch: int) -> None:
        self._examples, self._batch = examples, batch
        self._options = options.model_copy(update={"validation_crops": crops})

    def measured(self, trainer: pl.Trainer, module: LearningModule) -> dict[str, float]:
        """Return the figures of an epoch: the loss of the averaged network here, and that of the constant answer.

        The latter is found once, and then taken from the history.
        """
        device = module.mean.device
        with torch.no_grad(), trainer.precision_plugin.val_step_context():
            measured = [(float(module.plain_loss(batch)), len(batch["images"])) for batch in self._batches(device)]
        losses, numbers = zip(*measured, strict=True)
        known = [epoch[CONSTANT_LOSS] for epoch in module.history if CONSTANT_LOSS in epoch]
        constant = known[0] if known else module.constant_loss(list(self._batches(device)))
        return {SAMPLE_LOSS: float(np.average(losses, weights=numbers)), CONSTANT_LOSS: constant}

    def _batches(self, device: torch.device) -> Iterator[dict[str, Any]]:
        """Yield the batches where the network is."""
        for batch in batches(self._examples, self._options, None, self._batch):
            yield pl.utilities.move_data_to_device(batch, device)
