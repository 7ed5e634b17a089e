"""Epochs that are one pass over the training part, and steps that follow all of it."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diatom_training.data.crop_cells import cell_centres
from diatom_training.data.examples import Example
from diatom_training.learning.classifier_crops import Cutouts
from diatom_training.learning.dataloaders import batches, epoch_plan, seen
from diatom_training.learning.epoch_plan import EpochPlan
from diatom_training.learning.fitting import Fitting, fit, trained_of, unseen
from diatom_training.learning.options import LearningOptions
from diatom_training.learning.outline_crops import FramedSpecimens
from diatom_training.learning.train import train
from helpers.drawn_fields import MAPS, draw, same
from helpers.tiny import NETWORKS
from napari_diatom.core.errors import Stopped
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor

ONCE = {"crops": "all", "epochs": 2}
SIZE = 64


@pytest.fixture
def examples(tmp_path: Path) -> list[Example]:
    """Three fields, each with a dark needle and a square on grey."""
    return [draw(tmp_path / f"field{k}.png", 0.4 + k) for k in range(3)]


def options_of(task: str, **entries: object) -> LearningOptions:
    return LearningOptions.model_validate(
        MAPS.model_dump(exclude_unset=True) | ONCE | {"architecture": NETWORKS[task]} | entries
    )


def drawn(path: Path, width: int, height: int) -> Example:
    """Return an image in which every pixel tells where it is, and is never the grey beside an image."""
    y, x = np.mgrid[:height, :width]
    cv2.imwrite(str(path), np.dstack([x, y, np.full_like(x, 255)]).astype(np.uint8))
    return Example(path, (), (), ())


def shown(crops: list[np.ndarray], width: int, height: int) -> np.ndarray:
    """Return how often crops show each pixel of such an image."""
    count = np.zeros((height, width), int)
    for crop in crops:
        inside = crop[..., 0] == 255
        np.add.at(count, (crop[inside][:, 1], crop[inside][:, 2]), 1)
    return count


@pytest.mark.parametrize("varied", [0.0, 1.0])
@pytest.mark.parametrize(("width", "height"), [(64, 64), (40, 250), (65, 130), (200, 130)])
def test_a_pass_shows_every_pixel_of_every_image(tmp_path: Path, width: int, height: int, varied: float) -> None:
    images = [drawn(tmp_path / f"{k}.png", width, height) for k in range(2)]
    augment = {"preset": "none", "random_crop": varied, "flip_horizontal": 0.5, "quarter_turns": varied}
    options = options_of("semantic", augment=augment)
    needed = 2 * -(-width // SIZE) * -(-height // SIZE)
    for epoch in range(3):
        every = seen(images, options, epoch)
        crops = [every[index].pixels for index in range(needed)]
        assert len(every) == needed == epoch_plan(images, options).crops
        assert (shown(crops, width, height) >= 2).all()
    assert epoch_plan(images, options).steps == -(-needed // 2)


def test_the_grid_of_an_image_moves_from_epoch_to_epoch_unless_crops_are_not_placed_at_random(tmp_path: Path) -> None:
    images = [drawn(tmp_path / "0.png", 200, 130)]
    for share, moved in ((0.0, False), (1.0, True)):
        augment = {"preset": "none", "random_crop": share}
        options = options_of("semantic", augment=augment)
        first, second = ({crop.pixels.tobytes() for crop in _all(images, options, epoch)} for epoch in (0, 1))
        assert (first != second) == moved
        again = [crop.pixels.tobytes() for crop in _all(images, options, 1)]
        assert again == [crop.pixels.tobytes() for crop in _all(images, options, 1)]


def _all(images: list[Example], options: LearningOptions, epoch: int) -> list:
    every = seen(images, options, epoch)
    return [every[index] for index in range(len(every))]


@given(st.integers(1, 3000), st.integers(1, 3000), st.floats(0.2, 3.0), st.integers(0, 9), st.sampled_from([0.0, 1.0]))
def test_a_grid_covers_images_of_any_size_and_scale(
    width: int, height: int, scale: float, seed: int, shifted: float
) -> None:
    example = Example(Path("none.png"), (), (), (), (scale, scale))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("diatom_training.data.crop_cells._extent", lambda example: (width, height))
        centres = cell_centres(example, SIZE, np.random.default_rng(seed), shifted)
    reach = SIZE / scale
    assert len(centres) == np.prod([max(np.ceil(extent / reach - 1e-9), 1) for extent in (width, height)])
    for axis, extent in enumerate((width, height)):
        along = np.unique(centres[:, axis])
        assert along[0] - reach / 2 <= 1e-6
        assert along[-1] + reach / 2 >= extent - 1e-6
        assert (np.diff(along) <= reach + 1e-6).all()


@pytest.mark.parametrize("task", ["classes", "outlines"])
def test_a_pass_shows_every_specimen_once_in_an_order_of_its_own(examples: list[Example], task: str) -> None:
    options = options_of(task)
    kind = Cutouts if task == "classes" else FramedSpecimens
    orders = [kind(examples, options, epoch).order.tolist() for epoch in (0, 1, 1)]
    assert [sorted(order) for order in orders] == [list(range(6))] * 3
    assert orders[0] != orders[1] == orders[2]
    assert sum(len(batch["images"]) for batch in batches(examples, options, 0, 4)) == 6
    left_out = [*examples[:2], Example(**(vars(examples[2]) | {"weight": 0.0}))]
    assert epoch_plan(left_out, options) == EpochPlan(4, 2, 1)


@pytest.mark.parametrize("task", NETWORKS)
@pytest.mark.parametrize("entries", [{}, {"batch": "all"}], ids=["steps", "one step"])
def test_a_stopped_training_goes_on_to_the_same_weights(
    tmp_path: Path, examples: list[Example], task: str, entries: dict[str, object]
) -> None:
    options = options_of(task, **entries)
    validation = examples[2:]
    undisturbed = train(Fitting(examples, options, tmp_path / "whole", validation=validation))
    plan, stop = epoch_plan(examples, options), threading.Event()
    assert undisturbed.plan == plan
    assert (plan.steps == 1) == bool(entries)

    def stop_in_the_second_epoch(progress: Progress) -> None:
        if progress.stage == "epoch":
            stop.set()

    halves = Fitting(examples, options, tmp_path / "halves", validation=validation)
    with pytest.raises(Stopped):
        train(halves, ProgressMonitor(stop_in_the_second_epoch, stop.is_set))
    same(train(halves), undisturbed)


def test_a_step_of_all_follows_the_mean_gradient_whatever_goes_through_at_once(
    tmp_path: Path, examples: list[Example]
) -> None:
    # Of a frozen backbone without dropout, batches do not see each other.
    entries = {"batch": "all", "optimizer": "sgd", "momentum": 0.0, "warmup": 0, "frozen_epochs": 2, "dropout": 0.0}
    options = options_of("classes", classes=("diatom", "other"), **entries)
    found = []
    for at_once in (6, 4, 1):
        task = Fitting(examples, options, tmp_path / str(at_once), validation=examples[:1])
        task.folder.mkdir()
        module = fit(task, at_once, UNWATCHED, unseen)
        assert int(module.trainer.global_step) == 2
        found.append(trained_of(module).network.state_dict())
    for other in found[1:]:
        for name, value in found[0].items():
            torch.testing.assert_close(value, other[name], rtol=1e-4, atol=1e-6)
