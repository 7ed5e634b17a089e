"""Networks of two stages, looked into: the score that the second stage gives a specimen's box."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch

from diatom_training.explanation.explained_network import log_odds
from diatom_training.explanation.explained_torchvision import ExplainedTorchvision
from diatom_training.explanation.grad_cam import Target
from diatom_training.explanation.specimen_views import ExplainedSpecimen, SpecimenView

_POOLED: Final = "network.roi_heads.box_roi_pool"
"""The last layer before the score whose maps have places."""


class ExplainedMaskRcnn(ExplainedTorchvision):
    """A Mask R-CNN or Faster R-CNN network.

    The box is handed to the second stage as if the first had proposed it, so that each specimen has a score. Grad-CAM
    looks at the features that this stage reads from the box, 7 by 7 cells: the score is made of them alone, and by a
    layer that knows their places, so that a whole level of the pyramid would tell little.
    """

    def target(self, picture: torch.Tensor, view: SpecimenView, specimen: ExplainedSpecimen) -> Target:
        """Return the score of the specimen's upright box, as its own class or as the most likely one."""
        ring = view.to_picture(specimen.ring)
        height, width = picture.shape[-2:]
        low, high = ring.min(axis=0).clip(0), np.minimum(ring.max(axis=0), (width, height))
        box = torch.tensor([[*low.tolist(), *high.tolist()]], dtype=torch.float32, device=self.device)
        with torch.no_grad():
            logits = _scored(self.network, picture, box)
            probabilities = torch.softmax(logits[0], dim=0)
        classes = self.card.classes
        named = specimen.name in classes
        channel = 1 + (classes.index(specimen.name) if named else int(probabilities[1:].argmax()))
        explained = "score of the box" if len(classes) == 1 else f"score of the box as {classes[channel - 1]}"
        return Target(
            explained,
            float(probabilities[channel]),
            _POOLED,
            lambda network, images: log_odds(_scored(network, images, box), channel),
            (*low.tolist(), *high.tolist()),
        )


def _scored(network: torch.nn.Module, images: torch.Tensor, box: torch.Tensor) -> torch.Tensor:
    """Return the logits that the second stage gives a box, shape (1, 1 + classes)."""
    whole: Any = network
    inner = whole.network
    features = inner.backbone(whole.standardized(images))
    heads = inner.roi_heads
    pooled = heads.box_roi_pool(features, [box], [tuple(images.shape[-2:])])
    logits: torch.Tensor = heads.box_predictor(heads.box_head(pooled))[0]
    return logits
