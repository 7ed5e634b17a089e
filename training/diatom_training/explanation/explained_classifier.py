"""Classifiers, looked into: the probability of a name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Self, cast

import torch

from diatom_training.explanation.attention_rollout import attention_rollout, has_attention
from diatom_training.explanation.explained_network import ExplainedNetwork, Standardized, log_odds
from diatom_training.explanation.explanation import HeatMap
from diatom_training.explanation.grad_cam import Target
from diatom_training.explanation.specimen_views import ExplainedSpecimen, SpecimenView
from napari_diatom.core.errors import ModelError
from napari_diatom.engines.networks import network_of_card
from napari_diatom.engines.weights import loaded
from napari_diatom.models.card import NamingFacts
from napari_diatom.models.library import ModelFolder

_ENCODER: Final = "network.encoder"
_TOKEN_MAPS: Final = "network.encoder.blocks.{last}.maps"
_SWIN_MAPS: Final = "network.encoder.norm.maps"


class _TokensAsMaps(torch.nn.Module):
    """A block of a transformer that gives its patches, before it takes them, as feature maps to be looked at."""

    def __init__(self, block: torch.nn.Module, prefix: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.block = block
        self.maps = torch.nn.Identity()
        self._prefix = prefix
        self._grid = grid

    def forward(self, tokens: torch.Tensor, *more: Any, **options: Any) -> torch.Tensor:
        """Map tokens, shape (B, tokens, channels), as the block does."""
        patches = tokens[:, self._prefix :]
        maps = self.maps(patches.transpose(1, 2).reshape(len(patches), -1, *self._grid))
        again = torch.cat([tokens[:, : self._prefix], maps.flatten(2).transpose(1, 2)], dim=1)
        given: torch.Tensor = self.block(again, *more, **options)
        return given


class _ChannelsFirst(torch.nn.Module):
    """A part that takes maps with their channels last, as Swin's are, and shows them with their channels first."""

    def __init__(self, part: torch.nn.Module) -> None:
        super().__init__()
        self.part = part
        self.maps = torch.nn.Identity()

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Map values, shape (B, rows, columns, channels), as the part does."""
        given: torch.Tensor = self.part(self.maps(values.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))
        return given


class ExplainedClassifier(ExplainedNetwork):
    """A classifier on a backbone of timm.

    Grad-CAM looks at the last layer that gives maps; of a transformer, at the patches before its last block, after
    which only the class token counts.
    """

    @classmethod
    def open(cls, model: ModelFolder, device: str, trained: bool) -> Self:
        """Open the network of a model; see :func:`~diatom_training.explanation.network_opening.open_network`."""
        build = network_of_card(model.card)
        network: Any = loaded(build, model.weights) if trained else build()
        encoder = network.encoder
        if has_attention(encoder):
            prefix, grid = int(getattr(encoder, "num_prefix_tokens", 1)), tuple(encoder.patch_embed.grid_size)
            encoder.blocks[-1] = _TokensAsMaps(encoder.blocks[-1], prefix, grid)
        elif _has_channels_last(encoder):
            encoder.norm = _ChannelsFirst(encoder.norm)
        return cls(model.card, Standardized(network, model.card), device)

    @property
    def _encoder(self) -> Any:
        return self.network.get_submodule(_ENCODER)

    def target(self, picture: torch.Tensor, view: SpecimenView, specimen: ExplainedSpecimen) -> Target:
        """Return the probability of the specimen's name, or of the most likely one where the model does not know it.

        Raises
        ------
        ModelError
            When no layer of the network gives maps.
        """
        temperature = (self.card.naming or NamingFacts()).temperature
        sigmoid = self.card.activation == "sigmoid"
        with torch.no_grad():
            logits = self.network(picture)[0].float() / temperature
        probabilities = torch.sigmoid(logits) if sigmoid else torch.softmax(logits, dim=0)
        classes = self.card.classes
        known = specimen.name in classes
        channel = classes.index(specimen.name) if known else int(probabilities.argmax())
        return Target(
            f"probability of {classes[channel]}",
            float(probabilities[channel]),
            self._last_maps(picture),
            lambda network, images: (
                network(images)[:, channel] if sigmoid or len(classes) == 1 else log_odds(network(images), channel)
            ),
        )

    def _last_maps(self, picture: torch.Tensor) -> str:
        """Return the name of the last layer that gives maps."""
        encoder = self._encoder
        if has_attention(encoder):
            return _TOKEN_MAPS.format(last=len(encoder.blocks) - 1)
        if _has_channels_last(encoder):
            return _SWIN_MAPS
        names = [name for name, part in self.network.named_modules() if name.startswith(f"{_ENCODER}.")]
        last = ""

        def note(name: str, given: Any) -> None:
            nonlocal last
            if isinstance(given, torch.Tensor) and given.ndim == 4 and min(given.shape[-2:]) > 1:
                last = name

        hooks = [
            self.network.get_submodule(name).register_forward_hook(
                lambda module, inputs, given, name=name: note(name, given)
            )
            for name in names
        ]
        try:
            with torch.no_grad():
                self.network(picture)
        finally:
            for hook in hooks:
                hook.remove()
        if not last:
            raise ModelError(f"No layer of model {self.card.name} gives maps of the picture.")
        return last

    def levels(self, picture: torch.Tensor) -> Sequence[torch.Tensor]:
        """Return what the stages of the backbone give; of a transformer, the patches of each block."""
        encoder = self._encoder
        if not hasattr(encoder, "forward_intermediates"):
            raise ModelError(f"The layers of model {self.card.name} cannot be shown: timm gives no maps of them.")
        images = cast(Standardized, self.network).standardized(picture)
        with torch.no_grad():
            stages = encoder.forward_intermediates(images, intermediates_only=True, output_fmt="NCHW")
        return list(stages)

    def rollout(self, picture: torch.Tensor) -> HeatMap | None:
        """Return the attention roll-out of a vision transformer, None of other networks."""
        encoder = self._encoder
        return attention_rollout(self.network, encoder, picture) if has_attention(encoder) else None


def _has_channels_last(encoder: Any) -> bool:
    """Tell whether a network of timm gives maps with their channels last, as Swin does."""
    return str(getattr(encoder, "output_fmt", "")).endswith("NHWC") and hasattr(encoder, "norm")
