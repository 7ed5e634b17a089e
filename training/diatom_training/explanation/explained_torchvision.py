"""What networks of torchvision have in common when they are looked into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self, cast

import torch

from diatom_training.explanation.explained_network import ExplainedNetwork, Standardized
from napari_diatom.engines.networks import network_of_card
from napari_diatom.engines.weights import loaded
from napari_diatom.models.library import ModelFolder


class ExplainedTorchvision(ExplainedNetwork):
    """A network of torchvision that finds boxes.

    Attributes
    ----------
    kind : type
        What wraps the network.
    """

    kind: ClassVar[type[Standardized]] = Standardized

    @classmethod
    def open(cls, model: ModelFolder, device: str, trained: bool) -> Self:
        """Open the network of a model; see :func:`~diatom_training.explanation.network_opening.open_network`."""
        build = network_of_card(model.card)
        network = loaded(build, model.weights) if trained else build()
        return cls(model.card, cls.kind(network, model.card), device)

    def levels(self, picture: torch.Tensor) -> Sequence[torch.Tensor]:
        """Return what the stages of the backbone give."""
        whole = cast(Any, self.network)
        with self.recorded(["network.backbone.body"]) as given, torch.no_grad():
            whole.network.backbone(whole.standardized(picture))
        (stages,) = given
        return list(stages.values()) if isinstance(stages, dict) else list(stages)
