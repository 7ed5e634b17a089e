"""What the trainings of all tasks share, as a Lightning module: what a step does, and what is kept after an epoch."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch.optim.swa_utils import AveragedModel

from diatom_training.learning.backbones import backbone_of, freeze
from diatom_training.learning.epoch_plan import EpochPlan
from diatom_training.learning.initialization import initialize
from diatom_training.learning.lr_schedule import is_best
from diatom_training.learning.optimizers import decaying, optimizer_for
from diatom_training.learning.options import LearningOptions
from diatom_training.learning.segments import Segment, segment_rate
from napari_diatom.core.errors import DiatomError
from napari_diatom.engines.weights import transfer

LOOKS: Final = 4
"""Validation crops that are drawn after an epoch."""


class LearningModule(pl.LightningModule):
    """What the trainings share: standardization, the averaged weights, frozen backbones, rates, the history.

    Parameters
    ----------
    options : LearningOptions
        How to train.
    mean, std : sequence of float
        By which images are standardized, per channel of values scaled to 0..1.
    """

    mean: torch.Tensor
    std: torch.Tensor
    plan: EpochPlan
    """The crops and steps of an epoch; set before a training begins."""
    looks: tuple[NDArray[np.uint8], ...] = ()
    """The first crops of the last validation, with what is there and what was found, each of shape (H, W, 3)."""

    def __init__(self, options: LearningOptions, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.options = options
        torch.manual_seed(mixed(options.seed))
        self.network = self.build()
        if options.initialization is not None:
            initialize(self.network, options.initialization)
        self.average = AveragedModel(self.network, multi_avg_fn=_Average(options.average_decay), use_buffers=True)
        self.register_buffer("mean", torch.tensor(tuple(mean)).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(tuple(std)).view(3, 1, 1))
        self.history: list[dict[str, float]] = []
        self.best: dict[str, torch.Tensor] | None = None
        self.accumulate = 1
        self.segments: tuple[Segment, ...] = ()
        self.transferred: tuple[str, ...] = ()
        self.range_losses: list[float] | None = None
        """The losses of a range test, in which Lightning's tuner sets the rate; None in a training."""
        self._sums: dict[str, float] = {}
        self._seen = 0

    def build(self) -> torch.nn.Module:
        """Return the untrained network."""
        raise NotImplementedError

    def begin(self, weights: Mapping[str, torch.Tensor] | None, backbone: Mapping[str, torch.Tensor] | None) -> None:
        """Start from those weights of a network, or of a backbone, that fit; ``transferred`` names them.

        Raises
        ------
        DiatomError
            When not one of them fits.
        """
        for module, tensors in ((backbone_of(self.network), backbone), (self.network, weights)):
            if tensors is not None:
                copied = transfer(module, tensors)
                self.transferred += copied
                if not copied:
                    raise DiatomError("None of the weights to start from fits the network; check their architecture.")
        self.average.module.load_state_dict(self.network.state_dict())

    def weigh(self, weights: torch.Tensor) -> None:
        """Let classes count as much in the loss as their weights, shape (C,), where the options ask for it."""
        raise NotImplementedError

    @property
    def averaged(self) -> torch.nn.Module:
        """The network of averaged weights."""
        return self.average.module

    def standardized(self, images: torch.Tensor) -> torch.Tensor:
        """Return images of bytes, shape (B, 3, H, W), as the network takes them."""
        scaled = (images.float() / 255 - self.mean) / self.std
        return scaled.contiguous(memory_format=torch.channels_last)

    def losses(self, network: torch.nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        """Return the parts of the loss."""
        raise NotImplementedError

    def plain_loss(self, batch: dict[str, Any]) -> torch.Tensor:
        """Return the loss of the averaged network on a batch as it is: without dropout, and without penalties."""
        return torch.stack(list(self.losses(self.averaged.eval(), batch).values())).sum()

    def measured(self) -> dict[str, float]:
        """Return the figures of the validation."""
        raise NotImplementedError

    def constant_loss(self, batches: Sequence[dict[str, Any]]) -> float:
        """Return the loss of the best answer that is the same for all pictures, not a number where it is not known."""
        return math.nan

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer: convolution weights decay, the others do not; the backbone has its own rate."""
        return optimizer_for(self.network, self.options, is_single=self.trainer.precision == "32-true")

    def on_train_epoch_start(self) -> None:
        """Freeze or thaw the backbone."""
        self.network.train()
        freeze(self.network, self.current_epoch < self.options.frozen_epochs)
        self._sums, self._seen = {}, 0

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Set the rate, which depends on the step and the history alone."""
        now = self.rate()
        for group in cast(torch.optim.Optimizer, self.optimizers()).param_groups:
            group["lr"] = now * group["share"]

    def rate(self) -> float:
        """Return the learning rate of the step; in a range test that of Lightning's tuner."""
        if self.range_losses is not None:
            scheduler = cast(torch.optim.lr_scheduler.LRScheduler, self.lr_schedulers())
            return float(scheduler.get_last_lr()[0])
        return segment_rate(self.options, self.segments, self.global_step, self.history, self.plan.steps)

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> torch.Tensor | None:
        """Return the loss of a batch; None where a range test has come to a rate at which it is no number."""
        # Seeded step by step, what is drawn by chance does not depend on where a training was resumed.
        torch.manual_seed(mixed(self.options.seed, self.current_epoch, batch_idx))
        parts = self.losses(self.network, batch)
        if self.options.l1:
            weights = [weight for weight in decaying(self.network) if weight.requires_grad]
            parts["l1"] = self.options.l1 * torch.stack([weight.abs().sum() for weight in weights]).sum()
        total = torch.stack(list(parts.values())).sum()
        if self.range_losses is not None:
            self.range_losses.append(float(total.detach()))
            if not torch.isfinite(total):
                self.trainer.should_stop = True
                return None
        if not torch.isfinite(total):
            raise DiatomError(
                "The loss is no longer a number. Start again with a lower learning rate (a third of "
                f"{self.options.rate:g}) and check the outlines for wrong sizes."
            )
        self._seen += 1
        for name, value in {**parts, "loss": total}.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value.detach())
        return total * self._share(batch) if self.plan.whole else total

    def _share(self, batch: Mapping[str, Any]) -> float:
        """Return how much a batch counts beside the others of its step: the last one may have fewer crops."""
        return len(batch["images"]) * self.accumulate / (self.plan.crops // self.trainer.world_size)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Take the weights into the average after each step of the optimizer."""
        if (batch_idx + 1) % self.accumulate == 0 or batch_idx + 1 == self.trainer.num_training_batches:
            self.average.update_parameters(self.network)

    def means(self) -> dict[str, float]:
        """Return the mean of each part of the loss over the epoch so far."""
        return {f"train_{name}": value / self._seen for name, value in self._sums.items()}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the history and the options with the weights, and on how many threads they were computed."""
        checkpoint["history"] = self.history
        checkpoint["threads"] = torch.get_num_threads()
        checkpoint["best"] = self.best
        checkpoint["options"] = self.options.model_dump_json()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the history back."""
        self.history = checkpoint["history"]
        self.best = checkpoint["best"]

    def remember(self, measured: Mapping[str, float]) -> dict[str, float]:
        """Close an epoch: add its figures to the history, and keep its weights if they are the best ones."""
        self.history.append(self.means() | dict(measured) | {"rate": self.rate()})
        if self.options.patience is not None and is_best(self.history):
            self.best = copy.deepcopy(self.averaged.state_dict())
        return self.history[-1]


def mixed(*numbers: int) -> int:
    """Return one seed of several numbers, such as torch takes."""
    seed = 0
    for number in numbers:
        seed = (seed * 1_000_003 + number) % 2**63
    return seed


def crops_of(batch: Mapping[str, Any]) -> list[NDArray[np.uint8]]:
    """Return the first crops of a batch as pictures, each of shape (H, W, 3)."""
    return list(np.ascontiguousarray(batch["images"][:LOOKS].cpu().numpy().transpose(0, 2, 3, 1)))


_Tensors = tuple[torch.Tensor, ...] | list[torch.Tensor]


class _Average:
    """An exponential moving average that follows closely at first; a class, so that it can be copied."""

    def __init__(self, decay: float) -> None:
        self.decay = decay

    def __call__(self, averages: _Tensors, values: _Tensors, count: torch.Tensor | int) -> None:
        decay = min(self.decay, (1 + int(count)) / (10 + int(count)))
        if torch.is_floating_point(averages[0]):
            torch._foreach_lerp_(list(averages), list(values), 1 - decay)
        else:
            for average, value in zip(averages, values, strict=True):
                average.copy_(value)
