"""torchvision's networks of one stage, looked into: the score of the box that matches a specimen."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch

from diatom_training.explanation.explained_network import Standardized, log_odds
from diatom_training.explanation.explained_torchvision import ExplainedTorchvision
from diatom_training.explanation.grad_cam import Target
from diatom_training.explanation.matched_box import FAINTEST, matched_box
from diatom_training.explanation.specimen_views import ExplainedSpecimen, SpecimenView
from napari_diatom.core import geometry
from napari_diatom.engines.box_nets import STRIDES
from napari_diatom.models.card import ModelCard


class LevelScores(Standardized):
    """SSD, SSDlite, RetinaNet or FCOS, whose scores can be computed level by level.

    Their heads are the same layers for all levels, or lie behind layers that are. What the last convolution before the
    scores reads goes through a layer of its own for each level, ``levels.K``, which passes it on as it is.

    Parameters
    ----------
    network : torch.nn.Module
        The network.
    card : ModelCard
        Has mean and deviation.
    """

    def __init__(self, network: torch.nn.Module, card: ModelCard) -> None:
        super().__init__(network, card)
        self.levels = torch.nn.ModuleList(torch.nn.Identity() for _ in STRIDES)

    def features(self, images: torch.Tensor) -> tuple[Any, list[torch.Tensor]]:
        """Return float RGB in 0..1, shape (1, 3, h, w), as it is padded, and the features of each level."""
        inner: Any = self.network
        padded, _ = inner.transform(list(self.standardized(images)))
        return padded, list(inner.backbone(padded.tensors).values())

    def boxes(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
        """Return the boxes of all places, shape (P, 4), their scores, (P, C), and how many places each level has."""
        inner: Any = self.network
        padded, features = self.features(images)
        given = inner.head(features)
        (anchors,) = inner.anchor_generator(padded, features)
        decode = getattr(inner.box_coder, "decode_single", inner.box_coder.decode)
        logits = given["cls_logits"][0]
        scores = torch.softmax(logits, dim=1) if self._with_background() else torch.sigmoid(logits)
        if "bbox_ctrness" in given:
            scores = torch.sqrt(scores * torch.sigmoid(given["bbox_ctrness"][0]))
        cells = [value.shape[-2] * value.shape[-1] for value in features]
        each = len(anchors) // sum(cells)
        return decode(given["bbox_regression"][0], anchors), scores, [each * number for number in cells]

    def score(self, images: torch.Tensor, level: int, place: int, channel: int) -> torch.Tensor:
        """Return the logit of a class at a place of a level, shape (1,); where classes compete, that of its odds."""
        head = cast(Any, self.network).head.classification_head
        value = self.features(images)[1][level]
        if hasattr(head, "module_list"):
            maps, classes = head.module_list[level](self.levels[level](value)), head.num_columns
        else:
            maps, classes = head.cls_logits(self.levels[level](head.conv(value))), head.num_classes
        # Places are in torchvision's order: row by row, column by column, and the anchors of each cell.
        rows = maps.view(1, -1, classes, *maps.shape[-2:]).permute(0, 3, 4, 1, 2).reshape(1, -1, classes)
        logits: torch.Tensor = rows[:, place]
        return log_odds(logits, channel) if self._with_background() else logits[:, channel]

    def _with_background(self) -> bool:
        """Whether the first class is the background, and all add up to 1."""
        return hasattr(cast(Any, self.network).head.classification_head, "module_list")


class ExplainedOneStage(ExplainedTorchvision):
    """SSD, SSDlite, RetinaNet or FCOS.

    Grad-CAM looks at what the last convolution before the scores reads, at the level of the pyramid that the box is of.
    """

    kind = LevelScores

    def target(self, picture: torch.Tensor, view: SpecimenView, specimen: ExplainedSpecimen) -> Target:
        """Return the score of the box that matches a specimen.

        Raises
        ------
        InputError
            When no box overlaps it.
        """
        whole = cast(LevelScores, self.network)
        with torch.no_grad():
            corners, scores, places = whole.boxes(picture)
            padded, _ = whole.features(picture)
        # The first class is the background, or is never given.
        best, labels = scores[:, 1:].max(dim=1)
        kept = torch.nonzero(best >= FAINTEST)[:, 0]
        low, high = corners[kept].double().cpu().numpy().reshape(-1, 2, 2).transpose(1, 0, 2)
        placed = geometry.canonical(np.column_stack([(low + high) / 2, high - low, np.zeros(len(low))]))
        x0, y0 = view.offset.tolist()
        placed[:, :4] *= float(view.linear[0, 0])
        placed[:, :2] += (x0, y0)
        place = int(kept[matched_box(self.card, placed, best[kept].cpu().numpy(), specimen)])
        name = self.card.classes[int(labels[place])]
        channel = 1 + int(labels[place])
        level = int(np.searchsorted(np.cumsum(places), place, side="right"))
        within = place - sum(places[:level])
        height, width = padded.tensors.shape[-2:]
        return Target(
            "score of the box" if len(self.card.classes) == 1 else f"score of the box as {name}",
            float(best[place]),
            f"levels.{level}",
            lambda network, images: cast(LevelScores, network).score(images, level, within, channel),
            (0.0, 0.0, float(width), float(height)),
        )
