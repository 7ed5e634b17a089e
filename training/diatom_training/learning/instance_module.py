"""The training of Mask R-CNN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch

from diatom_training.data import drawing
from diatom_training.learning.constant_answer import two_stage_loss
from diatom_training.learning.lightning_module import LearningModule, crops_of, mixed
from diatom_training.learning.options import LearningOptions
from diatom_training.learning.precision import keep_depthwise_single
from diatom_training.metrics.detection_metrics import average_precision
from napari_diatom.core.detections import CroppedMask, Detections
from napari_diatom.engines import maskrcnn_net
from napari_diatom.engines.maskrcnn import decode


class InstancesModule(LearningModule):
    """Mask R-CNN."""

    def __init__(self, options: LearningOptions, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__(options, mean, std)
        for network in (self.network, self.averaged):
            heads: Any = network.get_submodule("roi_heads")
            heads.fg_bg_sampler.batch_size_per_image = options.proposals
            heads.fg_bg_sampler.positive_fraction = options.positives
            # A head drawn at torchvision's scale is so sure of its first masks that its loss drowns all others.
            torch.manual_seed(mixed(options.seed))
            torch.nn.init.normal_(heads.mask_predictor.mask_fcn_logits.weight, std=1e-3)
            keep_depthwise_single(network)
        self._losses: list[float] = []
        self._truths: list[Detections] = []
        self._found: list[Detections] = []

    def build(self) -> torch.nn.Module:
        """Return the untrained network."""
        options = self.options
        return maskrcnn_net.build(options.architecture, len(options.classes), options.dropout)

    def losses(self, network: torch.nn.Module, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
        """Return the parts of the loss: of the proposals, the boxes, the classes and the masks."""
        parts = cast(Any, network)(list(self.standardized(batch["images"])), batch["targets"])
        return {_PART_NAMES[name]: value for name, value in parts.items()}

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
        return two_stage_loss(self.averaged, self._plain, batches)

    def on_validation_epoch_start(self) -> None:
        """Reset the figures."""
        self._losses, self._truths, self._found = [], [], []

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Take the loss, and the specimens that are found."""
        network = self.averaged
        self._losses.append(float(self._plain(network, batch, batch_idx)))
        outputs = cast(Any, network)(list(self.standardized(batch["images"])))
        for target, output in zip(batch["targets"], outputs, strict=True):
            arrays = {name: value.float().cpu().numpy() for name, value in output.items()}
            self._found.append(decode(arrays, self.options.classes))
            self._truths.append(_truth(target, self.options.classes))
        if batch_idx == 0:
            looks = zip(crops_of(batch), self._truths, self._found, strict=False)
            self.looks = tuple(drawing.specimens(*look) for look in looks)

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
