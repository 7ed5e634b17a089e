"""The training of torchvision's detectors: upright boxes, with masks or without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, cast

import numpy as np
import torch

from diatom_training.data import drawing
from diatom_training.learning.constant_answer import one_stage_loss, two_stage_loss
from diatom_training.learning.lightning_module import LearningModule, crops_of, mixed
from diatom_training.learning.options import LearningOptions
from diatom_training.learning.precision import keep_depthwise_single
from diatom_training.metrics.detection_metrics import average_precision
from napari_diatom.core.detections import Detections
from napari_diatom.engines import box_nets
from napari_diatom.engines.torchvision_engine import decode_boxes
from napari_diatom.models.architecture_names import FOCAL

PART_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "loss_objectness": "objectness",
        "loss_rpn_box_reg": "proposals",
        "loss_classifier": "class",
        "loss_box_reg": "box",
        "loss_mask": "mask",
        "classification": "class",
        "bbox_regression": "box",
        "bbox_ctrness": "centre",
    }
)
"""What torchvision's parts of the losses are called in the history."""


class TorchvisionModule(LearningModule):
    """SSD, SSDlite, RetinaNet, FCOS or Faster R-CNN."""

    def __init__(self, options: LearningOptions, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__(options, mean, std)
        for network in (self.network, self.averaged):
            if hasattr(network, "roi_heads"):
                heads: Any = network.get_submodule("roi_heads")
                heads.fg_bg_sampler.batch_size_per_image = options.proposals
                heads.fg_bg_sampler.positive_fraction = options.positives
            elif options.architecture.partition("/")[0] in FOCAL:
                head: Any = network.get_submodule("head")
                head.gamma, head.alpha = options.loss.focal_gamma, options.loss.focal_alpha
            keep_depthwise_single(network)
        self._losses: list[float] = []
        self._truths: list[Detections] = []
        self._found: list[Detections] = []

    def build(self) -> torch.nn.Module:
        """Return the untrained network."""
        options = self.options
        return box_nets.build(options.architecture, len(options.classes), options.dropout)

    def losses(self, network: torch.nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        """Return the parts of the loss."""
        parts = cast(Any, network)(list(self.standardized(batch["images"])), batch["targets"])
        return {PART_NAMES[name]: value for name, value in parts.items()}

    def decoded(self, output: dict[str, Any]) -> Detections:
        """Return what a network's output for a crop says."""
        return decode_boxes(output, self.options.classes)

    def truth(self, target: dict[str, torch.Tensor]) -> Detections:
        """Return a target's specimens; their boxes are the upright ones."""
        return Detections.of(target_boxes(target), target["labels"].cpu().numpy() - 1, classes=self.options.classes)

    def _plain(self, network: torch.nn.Module, batch: dict[str, Any], number: int = 0) -> torch.Tensor:
        """Return the loss of a network on a batch as it is; boxes are sampled by chance, the same ones each time."""
        # torchvision tells losses in training mode only; layers that behave differently there are kept from it.
        network.train()
        for layer in network.modules():
            if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm | torch.nn.Dropout):
                layer.eval()
        torch.manual_seed(mixed(self.options.seed, number))
        parts = self.losses(network, batch)
        network.eval()
        return torch.stack(list(parts.values())).sum()

    def plain_loss(self, batch: dict[str, Any]) -> torch.Tensor:
        """Return the loss of the averaged network on a batch as it is."""
        return self._plain(self.averaged, batch)

    def constant_loss(self, batches: Sequence[dict[str, Any]]) -> float:
        """Return the loss of last layers that say the same for each anchor and proposal."""
        known = two_stage_loss if hasattr(self.averaged, "roi_heads") else one_stage_loss
        return known(self.averaged, self._plain, batches)

    def on_validation_epoch_start(self) -> None:
        """Reset the figures."""
        self._losses, self._truths, self._found = [], [], []

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Take the loss, and the specimens that are found."""
        network = self.averaged
        self._losses.append(float(self._plain(network, batch, batch_idx)))
        outputs = cast(Any, network)(list(self.standardized(batch["images"])))
        for target, output in zip(batch["targets"], outputs, strict=True):
            self._found.append(self.decoded({name: value.float().cpu().numpy() for name, value in output.items()}))
            self._truths.append(self.truth(target))
        if batch_idx == 0:
            looks = zip(crops_of(batch), self._truths, self._found, strict=False)
            self.looks = tuple(drawing.specimens(*look) for look in looks)

    def measured(self) -> dict[str, float]:
        """Return the figures of the validation: the loss, and the average precision at IoU 0.5."""
        size = (self.options.size, self.options.size)
        masks = self.options.task == "instances"
        ap50, _ = average_precision(self._truths, self._found, [size] * len(self._truths), masks=masks)
        return {"val_loss": float(np.mean(self._losses)), "val_ap50": ap50}


def target_boxes(target: Mapping[str, torch.Tensor]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the boxes of a target, shape (N, 5), at angle 0."""
    x0, y0, x1, y1 = target["boxes"].cpu().double().numpy().reshape(-1, 4).T
    return np.stack([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, np.zeros_like(x0)], axis=1)
