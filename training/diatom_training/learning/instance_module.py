"""The training of Mask R-CNN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from diatom_training.learning.lightning_module import mixed
from diatom_training.learning.options import LearningOptions
from diatom_training.learning.torchvision_module import TorchvisionModule, target_boxes
from napari_diatom.core.detections import CroppedMask, Detections
from napari_diatom.engines import maskrcnn_net
from napari_diatom.engines.maskrcnn import decode


class InstancesModule(TorchvisionModule):
    """Mask R-CNN."""

    def __init__(self, options: LearningOptions, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__(options, mean, std)
        for network in (self.network, self.averaged):
            heads: Any = network.get_submodule("roi_heads")
            # A head drawn at torchvision's scale is so sure of its first masks that its loss drowns all others.
            torch.manual_seed(mixed(options.seed))
            torch.nn.init.normal_(heads.mask_predictor.mask_fcn_logits.weight, std=1e-3)

    def build(self) -> torch.nn.Module:
        """Return the untrained network."""
        options = self.options
        return maskrcnn_net.build(options.architecture, len(options.classes), options.dropout)

    def decoded(self, output: dict[str, Any]) -> Detections:
        """Return what a network's output for a crop says."""
        return decode(output, self.options.classes)

    def truth(self, target: dict[str, torch.Tensor]) -> Detections:
        """Return a target's specimens, with their masks where they are drawn."""
        masks = [CroppedMask(mask, 0, 0) for mask in target["drawn"].cpu().numpy().astype(bool)]
        labels = target["labels"].cpu().numpy() - 1
        return Detections.of(target_boxes(target), labels, classes=self.options.classes, masks=masks)
