"""The network of any architecture, untrained, by its name alone or as a model's card says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

import torch

from napari_diatom.core.errors import ModelError
from napari_diatom.models.architecture_names import OF_ENGINES, Engine, close_names, engine_of
from napari_diatom.models.card import ActivationFunction, ModelCard

USUAL_DROPOUT: Final[Mapping[Engine, float]] = MappingProxyType(
    {"deeplab": 0.1, "maps": 0.1, "outline": 0.1, "classifier": 0.2}
)
"""Of the engines whose networks have some everywhere; no matter when a network is used."""


def build(
    architecture: str,
    n_classes: int,
    dropout: float | None = None,
    activation_function: ActivationFunction | None = None,
) -> torch.nn.Module:
    """Return an untrained network of any task.

    Parameters
    ----------
    architecture : str
        See :mod:`napari_diatom.models.architecture_names`.
    n_classes : int
        Classes without the background; of outlines and embedders that does not matter.
    dropout : float, optional
        0 to below 1; the usual one of the task by default. Networks without it leave it aside.
    activation_function : str, optional
        In place of the network's own, where its library lets one choose.

    Raises
    ------
    ModelError
        When the architecture is unknown, with names close to it, or cannot be built.
    """
    check_known(architecture)
    engine = engine_of(architecture)
    drops = USUAL_DROPOUT.get(engine, 0.0) if dropout is None else dropout
    if engine == "yolo":
        from napari_diatom.engines import yolo_net

        return yolo_net.build(architecture, n_classes, activation_function)
    if engine == "maskrcnn":
        from napari_diatom.engines import maskrcnn_net

        return maskrcnn_net.build(architecture, n_classes, drops)
    if engine == "boxes":
        from napari_diatom.engines import box_nets

        return box_nets.build(architecture, n_classes, drops)
    if engine == "classifier":
        from napari_diatom.engines import classifier_net

        return classifier_net.build(architecture, n_classes, drops, activation_function)
    if engine == "outline":
        from napari_diatom.engines import outline_net

        return outline_net.build(architecture, drops, activation_function)
    if engine == "embedder":
        from napari_diatom.engines import embedder_net

        return embedder_net.build(architecture)
    from napari_diatom.engines import map_nets

    return map_nets.build(architecture, n_classes, drops, activation_function)


def check_known(architecture: str) -> None:
    """Check that a name is that of an architecture, whatever its encoder.

    Raises
    ------
    ModelError
        When it is not; names close to it are suggested.
    """
    if not OF_ENGINES[engine_of(architecture)].fullmatch(architecture):
        raise ModelError(f"Unknown architecture {architecture[:100]!r}: {close_names(architecture[:100])}")


def network_of_card(card: ModelCard) -> Callable[[], torch.nn.Module]:
    """Return what builds the network of a model, without its weights."""
    if card.engine == "embedder":
        from napari_diatom.engines import embedder_net

        return partial(embedder_net.build, card.architecture, card.embedding)
    return partial(build, card.architecture, len(card.classes), activation_function=card.activation_function)
