"""Every option, on every task: what is said of it is seen after two steps. What could not act is refused elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from diatom_training.data.examples import Example, Outline
from diatom_training.learning.dataloaders import batches
from diatom_training.learning.effect_kinds import TASKS
from diatom_training.learning.fitting import Fitting, Trained
from diatom_training.learning.option_effects import OPTION_EFFECTS
from diatom_training.learning.options import LearningOptions
from diatom_training.learning.train import train
from helpers.tiny import NETWORKS
from napari_diatom.models.card import Task

BASE: dict[str, Any] = {
    "size": 64,
    "batch": 2,
    "crops": 4,
    "epochs": 1,
    "validation_crops": 2,
    "warmup": 2,
    "frozen_epochs": 0,
    "average_decay": 0.0,
    "workers": 0,
}
"""Two steps, whose weights are kept as they are."""
COLOURED: dict[str, Any] = {"grey": 0.0, "invert": 0.0}
OTHERS: dict[str, Any] = {
    "architecture": None,
    "classes": ("one", "two", "three"),
    "size": 96,
    "standardize": "imagenet",
    "batch": 4,
    "optimizer": "adam",
    "nesterov": False,
    "activation_function": "tanh",
    "initialization": "he",
    "rate": 0.01,
    "final_rate": 0.9,
    "schedule": "constant",
    "step_epochs": 5,
    "cycles": 4,
    "clip": 0.001,
    "frozen_epochs": 1,
    "backbone_rate": 0.1,
    "loss.names": "focal",
    "loss.weighting": "frequency",
    "loss.class_weights": (1.0, 3.0),
    "masked": False,
    "patience": 1,
    "precision": "mixed",
    "weight_decay": 0.9,
    "l1": 0.1,
}
"""Values other than the usual ones, where another number would not do."""
_EPOCHS: dict[str, Any] = {"epochs": 8, "crops": 2, "rate": 0.05}
BESIDE: dict[str, dict[str, Any]] = {
    "momentum": {"optimizer": "sgd"},
    "nesterov": {"optimizer": "sgd"},
    "step_epochs": {"schedule": "step"},
    "step_factor": {"schedule": "step"},
    # Of so many epochs of a single step, one is worse than that before.
    "plateau_patience": {**_EPOCHS, "schedule": "plateau", "plateau_patience": 1, "warmup": 0},
    "cycles": {"schedule": "cyclic"},
    "patience": _EPOCHS,
    "precision": {"precision": "single"},
    "augment.translation": {"augment": {"aimed": 1.0}},
    "dropout": {"dropout": 0.1},
    "loss.tversky_alpha": {"loss": {"tversky": 1.0}},
    "loss.binary_cross_entropy": {"loss": {"cross_entropy": 0.0, "dice": 1.0}},
    "loss.weighting_beta": {"loss": {"weighting": "effective number"}, "balance": 0.0},
    "loss.weighting": {"balance": 0.0},
    "loss.class_weights": {"balance": 0.0},
    "augment.rotation_deg": {"augment": {"rotation": 1.0, "quarter_turns": 0.0}},
    "augment.blur_px": {"augment": {"blur": 1.0}},
    "augment.noise_std": {"augment": {"noise": 1.0}},
    "augment.saturation": {"augment": COLOURED},
    "augment.hue": {"augment": COLOURED},
    "augment.grey": {"augment": {"grey": 0.0}},
}
"""What an option needs beside it, in both trainings."""
FOCAL: dict[Task, dict[str, Any]] = {"classes": {"loss": {"names": "focal"}}}


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> list[Example]:
    """Three coloured fields, each with two long valves and a round one."""
    folder = tmp_path_factory.mktemp("fields")
    found = []
    for number in range(3):
        rng = np.random.default_rng(number)
        image = np.full((140, 150, 3), (150, 170, 190), np.uint8)
        boxes = [[70, 40, 80, 14, 0.3 + number], [100, 100, 50, 12, 1.2 - number], [35, 105, 31, 29, 0.0]]
        rings = [_oval(*box) for box in boxes]
        cv2.fillPoly(image, [np.rint(ring).astype(np.int32) for ring in rings], (40, 60, 90))
        image = np.clip(image + rng.integers(-20, 20, image.shape), 0, 255).astype(np.uint8)
        path = folder / f"{number}.png"
        cv2.imwrite(str(path), image)
        found.append(
            Example(path, tuple(rings), tuple(box[4] for box in boxes), (0, 0, 1), (0.5, 1.0), group=str(number))
        )
    return found


def _oval(x: float, y: float, length: float, width: float, angle: float) -> Outline:
    """Return an outline that does not fill its box."""
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    along, across = length / 2 * np.cos(turn), width / 2 * np.sin(turn)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.column_stack([x + along * cos - across * sin, y + along * sin + across * cos]).astype(np.float32)


class Trainings:
    """Trainings of two steps; one that was made is not made again."""

    def __init__(self, examples: list[Example], folder: Path) -> None:
        self._examples, self._folder = examples, folder
        self._made: dict[str, tuple[str, tuple[Any, ...]]] = {}

    def of(self, options: LearningOptions) -> tuple[str, tuple[Any, ...]]:
        """Return a hash of the weights, and the figures."""
        key = options.model_dump_json()
        if key not in self._made:
            examples = self._of(options)
            folder = self._folder / str(len(self._made))
            trained = train(Fitting(examples[:2], options, folder, validation=examples[2:]))
            self._made[key] = _weights(trained), (trained.history, trained.mean, trained.std)
        return self._made[key]

    def learnt_from(self, options: LearningOptions) -> str:
        """Return a hash of the crops or cut-outs of both steps, with what is asked of them."""
        digest = hashlib.sha256()
        for batch in batches(self._of(options)[:2], options, 0, options.batch):
            for value in _tensors(batch):
                digest.update(value.contiguous().numpy().tobytes())
        return digest.hexdigest()

    def _of(self, options: LearningOptions) -> list[Example]:
        if options.task == "outlines":
            return [_of_one_class(example) for example in self._examples]
        return self._examples


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _tensors(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)


@pytest.fixture(scope="module")
def trainings(examples: list[Example], tmp_path_factory: pytest.TempPathFactory) -> Trainings:
    return Trainings(examples, tmp_path_factory.mktemp("trainings"))


def _of_one_class(example: Example) -> Example:
    return Example(example.image, example.outlines, example.angles, (0,) * len(example.class_ids), example.scales)


def _weights(trained: Trained) -> str:
    digest = hashlib.sha256()
    for name, value in trained.network.state_dict().items():
        if "num_batches" not in name:
            digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _options(task: Task, entries: Mapping[str, Any]) -> LearningOptions:
    classes = ("diatom",) if task == "outlines" else ("needle", "square")
    usual = {**BASE, "architecture": NETWORKS[task], "classes": classes}
    if task == "instances":
        usual["proposals"] = 16
    return LearningOptions(**_joined(usual, entries))


def _joined(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(one)
    for name, value in other.items():
        within = found.get(name)
        found[name] = _joined(within, value) if isinstance(value, dict) and isinstance(within, dict) else value
    return found


def _nested(name: str, value: object) -> dict[str, Any]:
    head, _, tail = name.partition(".")
    return {head: _nested(tail, value) if tail else value}


def _beside(name: str, task: Task) -> dict[str, Any]:
    if name == "loss.focal_gamma":
        return FOCAL.get(task, {"loss": {"focal": 1.0}})
    beside = BESIDE.get(name, {})
    if task != "classes":
        beside = {key: value for key, value in beside.items() if key != "balance"}
    return beside


def _other(name: str, task: Task, usual: LearningOptions) -> object:
    """Return a value that is not the usual one."""
    if name == "architecture":
        network = NETWORKS[task]
        return network.replace("yolo11n", "yolo26n") if "yolo" in network else f"{network.rpartition('/')[0]}/32"
    if name == "loss.class_weights" and task == "semantic":
        return (1.0, 3.0, 0.5)
    if name in OTHERS:
        return OTHERS[name]
    if name.startswith("loss_gains."):
        return 2.5
    value: Any = usual
    for part in name.split("."):
        value = getattr(value, part)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    # Shares grow, all other numbers shrink.
    grows = name.startswith("augment.") and value < 0.5 and not name.endswith(("_deg", "_px", "_std", "translation"))
    return 0.49 if name == "augment.hue" else 0.9 if grows else value / 3 if value else 0.5


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", [name for name in OPTION_EFFECTS if name != "classes"])
def test_what_is_said_of_an_option_is_seen_after_two_steps(name: str, task: Task, trainings: Trainings) -> None:
    effect = OPTION_EFFECTS[name]
    before = _options(task, _beside(name, task))
    if task in effect.idle:
        pytest.skip("refused by its name, as test_option_effects has it")
    after = _options(task, _joined(_beside(name, task), _nested(name, _other(name, task, before))))
    unmet = [need for need in effect.needs if not need.met(after, task, NETWORKS[task])]
    if any(need.of_network for need in unmet):
        pytest.skip("this network has none, as test_option_effects has it")
    assert not unmet
    if name.startswith("augment."):
        # What the two steps are taken on is all that an augmentation can change.
        assert trainings.learnt_from(before) != trainings.learnt_from(after)
        return
    (weights, figures), (other_weights, other_figures) = trainings.of(before), trainings.of(after)
    if effect.acts_on == "weights":
        assert weights != other_weights
    elif effect.acts_on == "run":
        assert figures != other_figures
    else:
        assert (weights, figures) == (other_weights, other_figures)


@pytest.mark.parametrize("network", ["retinanet/test_efficientnet/16", "fcos/test_efficientnet/64"])
@pytest.mark.parametrize(("name", "value"), [("focal_gamma", 0.5), ("focal_alpha", 0.75)])
def test_what_is_said_of_the_focal_loss_of_boxes_is_seen_after_two_steps(
    network: str, name: str, value: float, trainings: Trainings
) -> None:
    usual: dict[str, Any] = {"architecture": network, "loss": {"focal_gamma": 2.0, "focal_alpha": 0.25}}
    before, after = _options("boxes", usual), _options("boxes", _joined(usual, {"loss": {name: value}}))
    assert all(need.met(after, "boxes", network) for need in OPTION_EFFECTS[f"loss.{name}"].needs)
    (weights, (history, *_)), (other_weights, (other_history, *_)) = trainings.of(before), trainings.of(after)
    assert weights != other_weights
    assert history[0]["train_class"] != other_history[0]["train_class"]
