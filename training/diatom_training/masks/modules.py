"""The trainings as Lightning modules: what a step does, and what is measured after an epoch."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import pytorch_lightning as pl
import torch
from torch.optim.swa_utils import AveragedModel

from diatom_training.evaluate import average_precision
from diatom_training.evaluate_masks import confusion, map_metrics
from diatom_training.masks.backbones import backbone_of, freeze
from diatom_training.masks.losses import MapLoss
from diatom_training.masks.options import MaskOptions
from diatom_training.masks.precision import keep_depthwise_single
from diatom_training.masks.schedules import rate
from napari_diatom.detections import CroppedMask, Detections
from napari_diatom.engines import deeplab_net, maskrcnn_net
from napari_diatom.engines.maskrcnn import decode
from napari_diatom.engines.weights import transfer
from napari_diatom.errors import DiatomError


class MaskModule(pl.LightningModule):
    """What both trainings share: standardization, the averaged weights, frozen backbones, rates, the history."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, options: MaskOptions, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.options = options
        torch.manual_seed(options.seed)
        build = maskrcnn_net.build if options.task == "instances" else deeplab_net.build
        self.network = build(options.architecture, len(options.classes), options.dropout)
        self.average = AveragedModel(self.network, multi_avg_fn=_Average(options.average_decay), use_buffers=True)
        self.register_buffer("mean", torch.tensor(tuple(mean)).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(tuple(std)).view(3, 1, 1))
        self.history: list[dict[str, float]] = []
        self.best: dict[str, torch.Tensor] | None = None
        self.accumulate = 1
        self._sums: dict[str, float] = {}
        self._seen = 0

    def begin(self, weights: Mapping[str, torch.Tensor] | None, backbone: Mapping[str, torch.Tensor] | None) -> None:
        """Start from the weights of a network, or from those of a backbone, whose names and shapes fit."""
        for module, tensors in ((backbone_of(self.network), backbone), (self.network, weights)):
            if tensors is not None:
                copied, _ = transfer(module, tensors)
                if not copied:
                    raise DiatomError("None of the weights to start from fits the network; check their architecture.")
        self.average.module.load_state_dict(self.network.state_dict())

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

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer: convolution weights decay, the others do not; the backbone has its own rate."""
        options = self.options
        groups: list[dict[str, Any]] = []
        own = {id(parameter) for parameter in backbone_of(self.network).parameters()}
        for in_backbone in (True, False):
            for decays in (True, False):
                chosen = [
                    parameter
                    for parameter in self.network.parameters()
                    if (id(parameter) in own) == in_backbone and (parameter.ndim > 1) == decays
                ]
                groups.append(
                    {
                        "params": chosen,
                        "weight_decay": options.weight_decay if decays else 0.0,
                        "share": options.backbone_rate if in_backbone else 1.0,
                    }
                )
        if options.optimizer == "sgd":
            return torch.optim.SGD(groups, lr=options.rate, momentum=0.9, nesterov=True)
        return torch.optim.AdamW(groups, lr=options.rate)

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
        """Return the learning rate of the step."""
        steps = math.ceil(self.options.crops / self.options.batch)
        return rate(self.options, self.global_step, steps * self.options.epochs, self.history)

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> torch.Tensor:
        """Return the loss of a batch."""
        # Seeded step by step, what is drawn by chance does not depend on where a training was resumed.
        torch.manual_seed((self.options.seed * 1_000_003 + self.current_epoch) * 1_000_003 + batch_idx)
        parts = self.losses(self.network, batch)
        if self.options.l1:
            weights = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
            parts["l1"] = self.options.l1 * torch.stack([w.abs().sum() for w in weights if w.ndim > 1]).sum()
        total = torch.stack(list(parts.values())).sum()
        if not torch.isfinite(total):
            raise DiatomError(
                "The loss is no longer a number. Start again with a lower learning rate (a third of "
                f"{self.options.rate:g}) and check the outlines for wrong sizes."
            )
        self._seen += 1
        for name, value in {**parts, "loss": total}.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value.detach())
        return total

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Take the weights into the average after each step of the optimizer."""
        if (batch_idx + 1) % self.accumulate == 0 or batch_idx + 1 == self.trainer.num_training_batches:
            self.average.update_parameters(self.network)

    def means(self) -> dict[str, float]:
        """Return the mean of each part of the loss over the epoch so far."""
        return {f"train_{name}": value / self._seen for name, value in self._sums.items()}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the history and the options with the weights."""
        checkpoint["history"] = self.history
        checkpoint["best"] = self.best
        checkpoint["options"] = self.options.model_dump_json()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the history back."""
        self.history = checkpoint["history"]
        self.best = checkpoint["best"]

    def remember(self, measured: Mapping[str, float]) -> dict[str, float]:
        """Close an epoch: add its figures to the history, and keep its weights if they are the best ones."""
        self.history.append(self.means() | dict(measured) | {"rate": self.rate()})
        losses = [epoch["val_loss"] for epoch in self.history]
        if self.options.patience is not None and losses[-1] == min(losses):
            self.best = copy.deepcopy(self.averaged.state_dict())
        return self.history[-1]


class SemanticModule(MaskModule):
    """DeepLabV3+."""

    def __init__(self, options: MaskOptions, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__(options, mean, std)
        self.map_loss = MapLoss(options)
        keep_depthwise_single(self.network)
        keep_depthwise_single(self.averaged)
        self._table = np.zeros((1 + len(options.classes),) * 2, dtype=np.int64)
        self._losses: list[float] = []

    def losses(self, network: torch.nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        """Return the parts of the loss."""
        return cast(dict[str, torch.Tensor], self.map_loss(network(self.standardized(batch["images"])), batch["maps"]))

    def on_validation_epoch_start(self) -> None:
        """Start the figures anew."""
        self._table[:] = 0
        self._losses = []

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Count pixels by true and found class."""
        logits = self.averaged(self.standardized(batch["images"]))
        self._losses.append(float(torch.stack(list(self.map_loss(logits, batch["maps"]).values())).sum()))
        found, truth = logits.argmax(dim=1).cpu().numpy(), batch["maps"].cpu().numpy()
        self._table += confusion(truth, found, len(self.options.classes))

    def measured(self) -> dict[str, float]:
        """Return the figures of the validation."""
        metrics = map_metrics(self._table)
        return {"val_loss": float(np.mean(self._losses)), "val_miou": metrics.miou, "val_dice": metrics.dice}


class InstancesModule(MaskModule):
    """Mask R-CNN."""

    def __init__(self, options: MaskOptions, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__(options, mean, std)
        for network in (self.network, self.averaged):
            heads: Any = network.get_submodule("roi_heads")
            heads.fg_bg_sampler.batch_size_per_image = options.proposals
            heads.fg_bg_sampler.positive_fraction = options.positives
            # A head drawn at torchvision's scale is so sure of its first masks that its loss drowns all others.
            torch.manual_seed(options.seed)
            torch.nn.init.normal_(heads.mask_predictor.mask_fcn_logits.weight, std=1e-3)
            keep_depthwise_single(network)
        self._losses: list[float] = []
        self._truths: list[Detections] = []
        self._found: list[Detections] = []

    def losses(self, network: torch.nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        """Return the parts of the loss: of the proposals, the boxes, the classes and the masks."""
        parts = cast(Any, network)(list(self.standardized(batch["images"])), batch["targets"])
        return {_PART_NAMES[name]: value for name, value in parts.items()}

    def on_validation_epoch_start(self) -> None:
        """Start the figures anew."""
        self._losses, self._truths, self._found = [], [], []

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Take the loss, and the specimens that are found."""
        network = self.averaged
        # torchvision tells losses in training mode only; layers that behave differently there are kept from it.
        network.train()
        for layer in network.modules():
            if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm | torch.nn.Dropout):
                layer.eval()
        torch.manual_seed(self.options.seed * 1_000_003 + batch_idx)
        parts = self.losses(network, batch)
        network.eval()
        self._losses.append(float(torch.stack(list(parts.values())).sum()))
        outputs = cast(Any, network)(list(self.standardized(batch["images"])))
        for target, output in zip(batch["targets"], outputs, strict=True):
            arrays = {name: value.float().cpu().numpy() for name, value in output.items()}
            self._found.append(decode(arrays, self.options.classes))
            self._truths.append(_truth(target, self.options.classes))

    def measured(self) -> dict[str, float]:
        """Return the figures of the validation: the loss, and the masks' average precision at IoU 0.5."""
        size = (self.options.size, self.options.size)
        ap50, _ = average_precision(self._truths, self._found, [size] * len(self._truths), masks=True)
        return {"val_loss": float(np.mean(self._losses)), "val_ap50": ap50}


def _truth(target: dict[str, torch.Tensor], classes: tuple[str, ...]) -> Detections:
    """Return a target's specimens; their boxes are the upright ones."""
    x0, y0, x1, y1 = target["boxes"].cpu().double().numpy().reshape(-1, 4).T
    boxes = np.stack([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, np.zeros_like(x0)], axis=1)
    masks = [CroppedMask(mask, 0, 0) for mask in target["drawn"].cpu().numpy().astype(bool)]
    return Detections.of(boxes, target["labels"].cpu().numpy() - 1, classes=classes, masks=masks)


_PART_NAMES = {
    "loss_objectness": "objectness",
    "loss_rpn_box_reg": "proposals",
    "loss_classifier": "class",
    "loss_box_reg": "box",
    "loss_mask": "mask",
}


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


def module_for(options: MaskOptions, mean: Sequence[float], std: Sequence[float]) -> SemanticModule | InstancesModule:
    """Return the training that the options' architecture asks for."""
    return (InstancesModule if options.task == "instances" else SemanticModule)(options, mean, std)
