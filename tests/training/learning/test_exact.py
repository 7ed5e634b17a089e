"""What a network sees, and comes to, does not depend on processes, threads, or where a training was resumed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from diatom_training.data.examples import Example
from diatom_training.learning import augment, dataloaders, lr_schedule
from diatom_training.learning.augment_options import AugmentOptions
from diatom_training.learning.fitting import Fitting
from diatom_training.learning.options import LearningOptions
from diatom_training.learning.train import train
from helpers.drawn_fields import draw, same
from helpers.tiny import NETWORKS

VARIED = AugmentOptions(rotation=0.5, grey=0.5, invert=0.5, blur=0.5, defocus=0.5, noise=0.7, jpeg=0.7)


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> list[Example]:
    folder = tmp_path_factory.mktemp("fields")
    return [draw(folder / f"{k}.png", 0.3 + k) for k in range(3)]


def options_for(task: str, **changes: object) -> LearningOptions:
    usual = {"size": 64, "batch": 2, "crops": 6, "epochs": 2, "validation_crops": 4, "warmup": 2, "augment": VARIED}
    return LearningOptions.model_validate({"architecture": NETWORKS[task]} | usual | changes)


def tensors(batch: object) -> list[torch.Tensor]:
    if isinstance(batch, torch.Tensor):
        return [batch]
    parts = batch.values() if isinstance(batch, dict) else batch
    return [tensor for part in parts for tensor in tensors(part)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("task", NETWORKS)
def test_crops_are_the_same_bytes_with_any_number_of_workers(fields: list[Example], task: str) -> None:
    options = options_for(task)
    for epoch in (0, 1, None):
        seen: list[list[torch.Tensor]] = []
        for workers in (0, 1, 2, 1):
            # What was drawn before, in this process or by whoever was killed, is of no account.
            torch.manual_seed(len(seen))
            loader = dataloaders.batches(fields, options.model_copy(update={"workers": workers}), epoch, 2)
            seen.append(tensors(list(loader)))
        for other in seen[1:]:
            assert len(other) == len(seen[0]) > 0
            assert all(torch.equal(one, two) for one, two in zip(seen[0], other, strict=True))


def test_a_worker_s_seed_changes_no_colours(fields: list[Example], monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    pixels = dataloaders.Crops(fields, options_for("semantic"), None)[0].pixels
    alone = augment.recoloured(pixels, np.random.default_rng(3), VARIED)
    for seed in (1, 2):
        monkeypatch.setattr(torch.utils.data, "get_worker_info", lambda: object())
        torch.manual_seed(seed)
        assert np.array_equal(augment.recoloured(pixels, np.random.default_rng(3), VARIED), alone)


@pytest.mark.parametrize("task", NETWORKS)
def test_a_training_with_the_usual_workers_goes_on_to_the_same_weights(
    tmp_path: Path, fields: list[Example], task: str
) -> None:
    options = options_for(task, crops=4)
    assert options.workers == LearningOptions().workers == 1
    whole = train(Fitting(fields, options, tmp_path / "whole", validation=fields[:1]))
    train(Fitting(fields, options, tmp_path / "halves", validation=fields[:1], until=1))
    torch.manual_seed(17)
    same(train(Fitting(fields, options, tmp_path / "halves", validation=fields[:1])), whole)


def test_a_resumed_training_computes_on_as_many_threads_as_before(tmp_path: Path, fields: list[Example]) -> None:
    options, before = options_for("semantic", crops=2, workers=0), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        train(Fitting(fields, options, tmp_path, validation=fields[:1], until=1))
        torch.set_num_threads(2)
        train(Fitting(fields, options, tmp_path, validation=fields[:1]))
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_an_epoch_without_a_figure_is_never_the_best() -> None:
    history = [{"val_loss": value} for value in (float("nan"), 2.0, float("inf"), 2.0, 3.0)]
    assert [lr_schedule.is_best(history[:k]) for k in range(6)] == [False, True, True, False, True, False]
    assert lr_schedule.epochs_since_best(history) == 3
