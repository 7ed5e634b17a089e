"""A model's network, opened so that its layers and the gradients of its scores can be looked at."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from diatom_training.explanation.explanation import HeatMap
from diatom_training.explanation.grad_cam import Target
from diatom_training.explanation.specimen_views import ExplainedSpecimen, SpecimenView
from napari_diatom.models.card import ModelCard


class ExplainedNetwork(ABC):
    """A network of one engine.

    Parameters
    ----------
    card : ModelCard
        Of the model.
    network : torch.nn.Module
        Takes float RGB in 0..1, shape (1, 3, h, w); standardization is part of it.
    device : str
        ``"cpu"``, ``"cuda"`` or ``"mps"``.
    """

    def __init__(self, card: ModelCard, network: torch.nn.Module, device: str) -> None:
        self.card = card
        self.device = device
        self.network = network.to(device).eval().requires_grad_(True)

    def picture(self, view: SpecimenView) -> torch.Tensor:
        """Return a view as the network takes it, shape (1, 3, h, w)."""
        pixels = torch.from_numpy(np.array(view.pixels)).to(self.device)
        return pixels.permute(2, 0, 1)[None].float() / 255

    @abstractmethod
    def target(self, picture: torch.Tensor, view: SpecimenView, specimen: ExplainedSpecimen) -> Target:
        """Return the score that the network gives a specimen.

        Raises
        ------
        InputError
            When the network gives it none.
        """

    @abstractmethod
    def levels(self, picture: torch.Tensor) -> Sequence[torch.Tensor]:
        """Return the feature maps of the backbone, each of shape (1, channels, rows, columns), first layers first."""

    def rollout(self, picture: torch.Tensor) -> HeatMap | None:
        """Return the attention roll-out; None where the network is no transformer."""
        return None

    @contextmanager
    def recorded(self, names: Sequence[str]) -> Iterator[list[Any]]:
        """Record what some parts of the network give while it runs in the block."""
        given: list[Any] = []
        parts = [self.network.get_submodule(name) for name in names]
        hooks = [part.register_forward_hook(lambda module, inputs, output: given.append(output)) for part in parts]
        try:
            yield given
        finally:
            for hook in hooks:
                hook.remove()


class Standardized(torch.nn.Module):
    """A network that takes RGB in 0..1 and standardizes it as its card says.

    Parameters
    ----------
    network : torch.nn.Module
        Takes standardized images.
    card : ModelCard
        Has mean and deviation.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: torch.nn.Module, card: ModelCard) -> None:
        super().__init__()
        card.check_standardization()
        self.network = network
        self.register_buffer("mean", torch.tensor(card.mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(card.std).view(1, -1, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map float RGB in 0..1, shape (B, 3, h, w), to what the network gives."""
        given: torch.Tensor = self.network(self.standardized(images))
        return given

    def standardized(self, images: torch.Tensor) -> torch.Tensor:
        """Return standardized images."""
        return (images - self.mean) / self.std


def log_odds(logits: torch.Tensor, channel: int) -> torch.Tensor:
    """Return the logarithm of the odds of one of several classes, by the logits of all, shape (B, classes, ...)."""
    others = torch.cat([logits[:, :channel], logits[:, channel + 1 :]], dim=1)
    return logits[:, channel] - torch.logsumexp(others, dim=1)
