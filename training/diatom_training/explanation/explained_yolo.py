"""YOLO networks, looked into: the score of the box that matches a specimen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self, cast

import numpy as np
import torch

from diatom_training.explanation.explained_network import ExplainedNetwork
from diatom_training.explanation.grad_cam import Target
from diatom_training.explanation.matched_box import FAINTEST, matched_box
from diatom_training.explanation.specimen_views import ExplainedSpecimen, SpecimenView
from napari_diatom.engines import yolo_net
from napari_diatom.engines.networks import network_of_card
from napari_diatom.engines.weights import read_weights
from napari_diatom.engines.yolo_decode import STRIDES, decode_with_anchors
from napari_diatom.models.library import ModelFolder


class ExplainedYolo(ExplainedNetwork):
    """A YOLO network.

    Grad-CAM looks at the last convolution before the scores, at the level of the pyramid that the box is of: there
    each cell still has its place, and all that the score is made of comes together.
    """

    @classmethod
    def open(cls, model: ModelFolder, device: str, trained: bool) -> Self:
        """Open the network of a model; see :func:`~diatom_training.explanation.network_opening.open_network`."""
        network = network_of_card(model.card)()
        if trained:
            read_weights(network, model.weights)
        return cls(model.card, yolo_net.RawOutput(network), device)

    def target(self, picture: torch.Tensor, view: SpecimenView, specimen: ExplainedSpecimen) -> Target:
        """Return the score of the box that matches a specimen.

        Raises
        ------
        InputError
            When no box overlaps it.
        """
        height, width = picture.shape[-2:]
        oriented = self.card.task == "oriented-boxes"
        with torch.no_grad():
            raw = self.network(picture)[0].float().cpu().numpy()
        classes = self.card.classes
        found, anchors = decode_with_anchors(raw, height, width, classes, oriented, FAINTEST)
        x0, y0 = view.offset.tolist()
        placed = found.moved(x0, y0, 1 / float(view.linear[0, 0])).boxes.astype(np.float64)
        best = matched_box(self.card, placed, found.scores, specimen)
        anchor, name = int(anchors[best]), classes[int(found.class_ids[best])]
        row = len(raw) - len(classes) - int(oriented) + int(found.class_ids[best])
        explained = "score of the box" if len(classes) == 1 else f"score of the box as {name}"
        return Target(
            explained,
            float(found.scores[best]),
            self._last_convolution(anchor, height, width),
            lambda network, images: network(images)[:, row, anchor],
        )

    def _last_convolution(self, anchor: int, height: int, width: int) -> str:
        """Return the name of the last convolution before the scores of an anchor's level."""
        ends = np.cumsum([(height // stride) * (width // stride) for stride in STRIDES])
        level = int(np.searchsorted(ends, anchor, side="right"))
        network = cast(Any, self.network)
        steps = len(network.head.cv3[level])
        return f"head.cv3.{level}.{steps - 2}"

    def levels(self, picture: torch.Tensor) -> Sequence[torch.Tensor]:
        """Return what the stages of the backbone give, the last layer of each."""
        layers = cast(Any, self.network).network.model
        depth = next(k for k, layer in enumerate(layers) if isinstance(layer, torch.nn.Upsample))
        names = [f"network.model.{k}" for k in range(depth)]
        with self.recorded(names) as given, torch.no_grad():
            self.network(picture)
        last = {level.shape[-1]: level for level in given}
        return list(last.values())
