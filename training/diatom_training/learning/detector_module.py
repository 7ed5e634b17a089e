"""The training of YOLO detectors, oriented or upright: Ultralytics' networks and losses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch

from diatom_training.data import drawing
from diatom_training.learning.constant_answer import grid_loss
from diatom_training.learning.lightning_module import LearningModule, crops_of
from diatom_training.learning.precision import keep_depthwise_single
from diatom_training.metrics.detection_metrics import average_precision
from napari_diatom.core.detections import Detections
from napari_diatom.engines import yolo_net
from napari_diatom.engines.yolo_decode import decode
from napari_diatom.tiling.stitching import stitch

LEAST_SCORE = 0.05
"""Lowest score used for average precision after an epoch."""


class BoxesModule(LearningModule):
    """YOLO. Its images are usually scaled to 0..1 alone, which is what its published weights expect."""

    def build(self) -> torch.nn.Module:
        """Return the untrained network, with the loss's gains."""
        options = self.options
        network = yolo_net.build(options.architecture, len(options.classes), options.activation_function)
        from ultralytics.cfg import get_cfg

        cast(Any, network).args = get_cfg(overrides=dict(options.loss_gains))
        keep_depthwise_single(network)
        return network

    def losses(self, network: torch.nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        """Return the parts of the loss, per image."""
        return self._parts(self._raw(network, batch), batch)

    def _raw(self, network: torch.nn.Module, batch: dict[str, Any]) -> dict[str, Any]:
        """Return the output that the loss and the decoder read, of a network in training mode.

        Some networks have a second head for use without suppression of copies. It is neither trained nor used here: the
        same specimen is also found in several tiles and at several scales, so copies have to be merged anyway.
        """
        raw: dict[str, Any] = network(self.standardized(batch["images"]))
        return cast(dict[str, Any], raw.get("one2many", raw))

    def _parts(self, raw: dict[str, Any], batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        """Return the parts of the loss of a network's output."""
        device = self.mean.device.type
        with torch.autocast(device, enabled=False):
            # The loss squares the sides of thin boxes and takes differences: it needs single precision.
            single = {name: value if name == "feats" else value.float() for name, value in raw.items()}
            network = cast(Any, self.network)
            if getattr(network, "criterion", None) is None:
                criterion = network.init_criterion()
                network.criterion = getattr(criterion, "one2many", criterion)
            losses, _ = network.loss(batch | {"img": batch["images"]}, single)
        return dict(zip(("box", "class", "dfl", "angle"), losses / len(batch["images"]), strict=False))

    def _total(self, raw: dict[str, Any], batch: dict[str, Any]) -> torch.Tensor:
        """Return the loss of a network's output."""
        return torch.stack(list(self._parts(raw, batch).values())).sum()

    def _plain_raw(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return the output of the averaged network, whose normalization stays as it is."""
        network = self.averaged
        # Only in training mode does the head give the inputs of the loss.
        network.train()
        for layer in network.modules():
            if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
                layer.eval()
        raw = self._raw(network, batch)
        network.eval()
        return raw

    def plain_loss(self, batch: dict[str, Any]) -> torch.Tensor:
        """Return the loss of the averaged network on a batch as it is."""
        return self._total(self._plain_raw(batch), batch)

    def constant_loss(self, batches: Sequence[dict[str, Any]]) -> float:
        """Return the loss of the best answer that is the same for each cell of a level."""
        with torch.no_grad():
            raws = [self._plain_raw(batch) for batch in batches]
        # As rare as Ultralytics' own first bias takes specimens to be.
        rare = math.log(5 / len(self.options.classes) / (self.options.size / 16) ** 2)
        return grid_loss(self._total, raws, batches, rare)

    def on_validation_epoch_start(self) -> None:
        """Reset the figures."""
        self._losses: list[float] = []
        self._truths: list[Detections] = []
        self._found: list[Detections] = []

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Take the loss, and the specimens that are found."""
        raw = self._plain_raw(batch)
        self._losses.append(float(self._total(raw, batch)))
        size, classes, oriented = self.options.size, self.options.classes, self.options.task == "oriented-boxes"
        rows = torch.cat([raw[name].float() for name in ("boxes", "scores", "angle") if name in raw], dim=1)
        self._found += [stitch(decode(row, size, size, classes, oriented, LEAST_SCORE)) for row in rows.cpu().numpy()]
        boxes = batch["bboxes"].cpu().double().numpy()
        boxes[:, :4] *= size
        if not oriented:
            boxes = np.column_stack([boxes, np.zeros(len(boxes))])
        ids, whose = batch["cls"][:, 0].cpu().numpy().astype(np.int32), batch["batch_idx"].cpu().numpy()
        for k in range(len(rows)):
            self._truths.append(Detections.of(boxes[whose == k], ids[whose == k], classes=classes))
        if batch_idx == 0:
            looks = zip(crops_of(batch), self._truths, self._found, strict=False)
            self.looks = tuple(drawing.specimens(*look) for look in looks)

    def measured(self) -> dict[str, float]:
        """Return the figures of the validation: the loss, and the boxes' average precision at IoU 0.5."""
        size = (self.options.size, self.options.size)
        ap50, _ = average_precision(self._truths, self._found, [size] * len(self._truths))
        return {"val_loss": float(np.mean(self._losses)), "val_ap50": ap50}
