"""What a training starts from: a model, an earlier run, ImageNet, a file of a library, or chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from diatom_training.data.pixel_statistics import Standard
from diatom_training.finetune import head_transfer
from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.presets import ARCHITECTURES, IMAGENET, SCRATCH
from diatom_training.finetune.run_folder import find_model
from diatom_training.learning.backbones import backbone_of
from diatom_training.learning.library_states import SUFFIXES, fit_state, read_state
from diatom_training.learning.published_weights import published_state
from napari_diatom.core.errors import InputError, ModelError
from napari_diatom.engines import outline_net, yolo_net
from napari_diatom.engines.architectures import CLASSIFIER_PREFIX, OUTLINE_PREFIX
from napari_diatom.engines.networks import build, check_known, network_of_card
from napari_diatom.engines.weights import loaded
from napari_diatom.models.architecture_names import engine_of
from napari_diatom.models.card import EMBEDDING_TASK, MASK_TASKS, NAMING_TASK, OUTLINING_TASK, ModelCard, Task
from napari_diatom.models.library import ModelFolder

TILE: Final = 1024
"""Side in pixels of the tiles that a network is given later, where its start names none."""


@dataclass(frozen=True, eq=False)
class InitialWeights:
    """Where the weights come from.

    Attributes
    ----------
    architecture : str
        Of the network to train.
    weights, backbone : mapping of str to Tensor, or None
        Of a whole network, and of a backbone alone.
    tile_size : int
        Side in pixels of the tiles that the network will get later.
    text : str
        For the card and the report.
    licence : str
        Of the weights, as far as it is known.
    classes : tuple of str
        What the whole network knows, as far as it is known.
    composed : mapping, or None
        The composed slides that the weights were trained on, as listed in the card.
    seen : frozenset of str
        Keys of the images that they were trained or tuned on, as far as the card lists them.
    unused : tuple of str
        Names of tensors of a library's file that have no place in the network.
    standard : Standard or None
        By which images are standardized where the options name nothing: as the backbone was trained; None is the usual
        of the task.
    """

    architecture: str
    weights: Mapping[str, torch.Tensor] | None
    backbone: Mapping[str, torch.Tensor] | None
    tile_size: int
    text: str
    licence: str = ""
    classes: tuple[str, ...] = ()
    composed: Mapping[str, Any] | None = None
    seen: frozenset[str] = frozenset()
    unused: tuple[str, ...] = ()
    standard: Standard | None = None

    def weights_for(self, classes: tuple[str, ...]) -> Mapping[str, torch.Tensor] | None:
        """Return the weights of a whole network with heads for other classes; see :func:`heads.for_classes`."""
        if self.weights is None:
            return None
        network = build(self.architecture, len(classes)).state_dict()
        return head_transfer.for_classes(self.weights, network, self.classes, classes)


def resolve(config: TrainConfig) -> InitialWeights:
    """Find what a training starts from, and check that it goes with the task.

    Raises
    ------
    InputError
        When the start is of another task.
    ModelError
        When it does not exist, or its weights cannot be had or read.
    """
    start = config.start
    usual = config.architecture or ARCHITECTURES[config.task]
    tile = outline_net.TILE if config.task == OUTLINING_TASK else TILE
    if start == SCRATCH:
        _check_task(usual, config)
        return InitialWeights(usual, None, None, tile, "random weights")
    if start == IMAGENET:
        _check_task(usual, config)
        text = f"the backbone {usual.split('/')[1]}, trained on ImageNet"
        return _of_library(published_state(usual), usual, tile, text)
    if start.endswith(SUFFIXES) and engine_of(usual) != "yolo":
        _check_task(usual, config)
        state = read_state(Path(start))
        try:
            return _of_library(state, usual, tile, f"{Path(start).name}, a file of weights")
        except InputError as error:
            raise InputError(f"{start} cannot be used as the start: {error}") from None
    if start.endswith(".pt"):
        found = yolo_net.read_checkpoint(Path(start))
        try:
            architecture = config.architecture or _turned(found.known_architecture(), config.task)
        except ModelError as error:
            raise ModelError(f"{start} cannot be used as the start: {error}") from None
        _check_task(architecture, config)
        text = f"{Path(start).name}, an Ultralytics file"
        return InitialWeights(architecture, found.tensors, None, TILE, text, classes=found.classes)
    model = find_model(start)
    card = model.card
    text = f"{card.name} {card.version} ({card.sha256[:12]})"
    if config.task == NAMING_TASK and card.task == EMBEDDING_TASK:
        # Its backbone is as it was published: for pictures of that size, standardized like that.
        architecture = config.architecture or f"{CLASSIFIER_PREFIX}/{card.architecture.partition('/')[2]}"
        _check_task(architecture, config)
        backbone = backbone_of(trainable_network(model)).state_dict()
        usual_standard = Standard(card.mean, card.std, f"the backbone of {card.origin}")
        text = f"the backbone of {text}"
        return InitialWeights(architecture, None, backbone, TILE, text, card.licence, standard=usual_standard)
    if config.task == NAMING_TASK and card.task in MASK_TASKS:
        _check_task(usual, config)
        backbone = backbone_of(trainable_network(model)).state_dict()
        return InitialWeights(usual, None, backbone, TILE, f"the backbone of {text}", card.licence, seen=seen_by(card))
    if config.task == OUTLINING_TASK and card.task == "semantic":
        # The same network, but for its last layer: what tells diatoms from the ground is of use to both.
        architecture = config.architecture or f"{OUTLINE_PREFIX}/{card.architecture.partition('/')[2]}"
        _check_task(architecture, config)
        weights = trainable_network(model).state_dict()
        return InitialWeights(
            architecture, weights, None, tile, f"the layers of {text}", card.licence, seen=seen_by(card)
        )
    related = {card.task, config.task} <= {"boxes", "oriented-boxes"}
    if card.task != config.task and not related:
        raise InputError(
            f"{card.name} is a model for {card.task} and cannot be the start of a model for {config.task}; choose "
            f"another "
            "start, or that model's task."
        )
    architecture = config.architecture or card.architecture
    if related and config.architecture is None:
        architecture = _turned(architecture, config.task)
    _check_task(architecture, config)
    weights, seen = trainable_network(model).state_dict(), seen_by(card)
    # What is outlined has no classes, so there is no head that would have to know them.
    classes = () if config.task == OUTLINING_TASK else card.classes
    return InitialWeights(architecture, weights, None, card.tile_size, text, card.licence, classes, seen=seen)


def _of_library(state: Mapping[str, torch.Tensor], architecture: str, tile: int, text: str) -> InitialWeights:
    """Return what of a library's state goes into a network."""
    found = fit_state(state, build(architecture, 1), architecture)
    return InitialWeights(architecture, found.tensors, None, tile, text, unused=found.unused)


def seen_by(card: ModelCard) -> frozenset[str]:
    """Return the keys of the images that a model, or what it started from, was trained or tuned on."""
    listed: Mapping[str, list[str]] = card.training.get("images_seen") or {}
    return frozenset(key for keys in listed.values() for key in keys)


def _turned(architecture: str, task: Task) -> str:
    """Return the YOLO for oriented boxes of one for upright boxes, or the other way round, as the task asks for."""
    return architecture.removesuffix("-obb") + "-obb" * (task == "oriented-boxes")


def trainable_network(model: ModelFolder) -> torch.nn.Module:
    """Return the network of a model, with its weights."""
    model.verify()
    return loaded(network_of_card(model.card), model.weights)


def _check_task(architecture: str, config: TrainConfig) -> None:
    """Refuse an architecture that is for something else."""
    try:
        check_known(architecture)
    except ModelError as error:
        raise InputError(str(error)) from None
    options: Any = config.options(architecture, ("diatom",))
    task: Task = options.task
    if task != config.task:
        raise InputError(
            f"{architecture} is a network for {task}, and the task is {config.task}; "
            f"{ARCHITECTURES[config.task]} is one for that."
        )
    try:
        build(architecture, 1)
    except ModelError as error:
        raise InputError(str(error)) from None
    idle = config.idle(architecture)
    if idle:
        raise InputError("; ".join(f"learning.{name}: {text}" for name, text in idle.items()) + ".")
