"""YOLO networks, looked into: the score of the box that matches a specimen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray

from diatom_training.explanation.explained_network import ExplainedNetwork
from diatom_training.explanation.grad_cam import Target
from diatom_training.explanation.specimen_views import ExplainedSpecimen, SpecimenView
from napari_diatom.core import geometry
from napari_diatom.core.errors import InputError
from napari_diatom.engines import yolo_net
from napari_diatom.engines.networks import network_of_card
from napari_diatom.engines.weights import read_weights
from napari_diatom.engines.yolo_decode import STRIDES, decode_with_anchors
from napari_diatom.models.library import ModelFolder

_FAINTEST: Final = 1e-4
"""Score down to which a box may be that of the specimen: what is missed can be looked at, too."""
_SAME: Final = 0.5
"""Intersection over union from which a box is the specimen's."""
_NEAR: Final = 0.1
"""The same for want of a better one."""


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

        Of the boxes that overlap the specimen's by half or more, the one with the highest score; else the nearest.

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
        found, anchors = decode_with_anchors(raw, height, width, classes, oriented, _FAINTEST)
        x0, y0 = view.offset.tolist()
        placed = found.moved(x0, y0, 1 / float(view.linear[0, 0])).boxes.astype(np.float64)
        own = specimen.box[None] if oriented else _upright(specimen.box)
        ious = geometry.box_ious(np.repeat(own, len(placed), axis=0), placed) if len(placed) else np.zeros(0)
        same = np.flatnonzero(ious >= _SAME)
        if len(same):
            best = int(same[np.argmax(found.scores[same])])
        elif len(ious) and ious.max() >= _NEAR:
            best = int(np.argmax(ious))
        else:
            raise InputError(
                f"Model {self.card.name} gives no box where specimen {specimen.number} is, so there is no score to "
                "explain."
            )
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


def _upright(box: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the upright box round an oriented one, shape (1, 5)."""
    x0, y0, x1, y1 = geometry.bounds(box[None])[0]
    return geometry.canonical([[(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, 0.0]])
