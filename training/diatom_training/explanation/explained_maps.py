"""Networks that give maps, looked into: the probability of a class, or of the outline, over a specimen's pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch

from diatom_training.explanation.explained_network import ExplainedNetwork, Standardized, log_odds
from diatom_training.explanation.grad_cam import Target
from diatom_training.explanation.specimen_views import ExplainedSpecimen, SpecimenView
from napari_diatom.core.errors import InputError
from napari_diatom.engines import outline_net
from napari_diatom.engines.networks import network_of_card
from napari_diatom.engines.weights import loaded
from napari_diatom.models.library import ModelFolder


class _StandardizedPicture(torch.nn.Module):
    """A network of outlines, which standardizes each picture by itself."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map float RGB in 0..1, shape (B, 3, h, w), to logits, shape (B, 1, h, w)."""
        logits: torch.Tensor = self.network(outline_net.standardized(images))
        return logits


class ExplainedMaps(ExplainedNetwork):
    """A network of maps of classes, or one that outlines the specimen in a box.

    The score is the mean probability over the pixels that the network gives the specimen; what is explained is the
    mean logarithm of its odds (Vinogradova et al. 2020, "Towards interpretable semantic segmentation via
    gradient-weighted class activation mapping"). Grad-CAM looks at what the decoder gives, which in DeepLabV3+ is 1/4
    as fine as the picture.
    """

    @classmethod
    def open(cls, model: ModelFolder, device: str, trained: bool) -> Self:
        """Open the network of a model; see :func:`~diatom_training.explanation.network_opening.open_network`."""
        card, build = model.card, network_of_card(model.card)
        network = loaded(build, model.weights) if trained else build()
        outlines = card.engine == "outline"
        return cls(card, _StandardizedPicture(network) if outlines else Standardized(network, card), device)

    def target(self, picture: torch.Tensor, view: SpecimenView, specimen: ExplainedSpecimen) -> Target:
        """Return the mean probability over what the network gives a specimen.

        Raises
        ------
        InputError
            When it sees nothing in the specimen's outline or box.
        """
        with torch.no_grad():
            logits = self.network(picture)
        inside = torch.from_numpy(view.mask_of(specimen.ring)).to(self.device)
        outlines = self.card.engine == "outline"
        alone = outlines or self.card.activation == "sigmoid"
        channel = 0 if outlines else self._channel(logits, inside, specimen)
        odds = logits[:, channel] if alone else log_odds(logits, channel)
        own = inside & (odds[0] >= 0)
        if not bool(own.any()):
            raise InputError(
                f"Model {self.card.name} sees nothing where specimen {specimen.number} is, so there is no score to "
                "explain."
            )

        def output(network: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
            given = network(images)
            return (given[:, channel] if alone else log_odds(given, channel))[:, own].mean(dim=1)

        what = "of the outline" if outlines else f"of {self.card.classes[channel - 1]}"
        score = float(torch.sigmoid(odds[0][own]).mean())
        return Target(f"mean probability {what} over its pixels", score, self._decoder(), output)

    def _channel(self, logits: torch.Tensor, inside: torch.Tensor, specimen: ExplainedSpecimen) -> int:
        """Return the channel of the specimen's class, or of the most likely one where it names none."""
        if specimen.name in self.card.classes:
            return 1 + self.card.classes.index(specimen.name)
        return 1 + int(logits[0, 1:][:, inside].mean(dim=1).argmax())

    def _decoder(self) -> str:
        """Return the name of the part that gives the last features before the scores."""
        network = self.network.get_submodule("network")
        if not hasattr(network, "decoder"):
            return "network.classifier.2"
        # SegNet's levels are decoded one by one, the finest, which is the first, at the end.
        return "network.decoder.0" if isinstance(network.decoder, torch.nn.ModuleList) else "network.decoder"

    def levels(self, picture: torch.Tensor) -> Sequence[torch.Tensor]:
        """Return what the stages of the encoder give."""
        inner = self.network.get_submodule("network")
        name = "network.encoder" if hasattr(inner, "encoder") else "network.backbone"
        with self.recorded([name]) as given, torch.no_grad():
            self.network(picture)
        (stages,) = given
        if isinstance(stages, dict):
            return list(stages.values())
        # SegNet's encoder gives its stages, and where their values were.
        found = stages[0] if isinstance(stages[0], list) else stages[1:]
        return [stage for stage in found if stage.shape[1]]
