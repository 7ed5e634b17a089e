"""Batch sizes chosen by what memory allows."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch

from diatom_training.data.examples import Example
from diatom_training.learning import batch_finder
from diatom_training.learning.batch_finder import ChosenBatch, chosen_batch
from diatom_training.learning.epoch_plan import LARGEST_BATCH, EpochPlan, crops_at_once, largest_batch, power_of_two
from diatom_training.learning.fitting import Fitting
from diatom_training.learning.options import LearningOptions
from diatom_training.learning.range_test import range_test
from diatom_training.learning.semantic_module import SemanticModule
from diatom_training.learning.train import train
from helpers.drawn_fields import MAPS, draw, same
from helpers.tiny import NETWORKS
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor

AUTO = LearningOptions.model_validate(MAPS.model_dump(exclude_unset=True) | {"batch": "auto"})


@pytest.fixture
def examples(tmp_path: Path) -> list[Example]:
    return [draw(tmp_path / f"field{k}.png", 0.4 + k) for k in range(2)]


def of(**entries: Any) -> LearningOptions:
    return AUTO.model_copy(update=entries)


def full_above(limit: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let steps with more crops run out of memory; return the list of what is tried."""
    tried: list[int] = []
    losses = SemanticModule.losses

    def small_memory(self: SemanticModule, network: torch.nn.Module, batch: dict[str, torch.Tensor]) -> object:
        tried.append(len(batch["images"]))
        if tried[-1] > limit:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return losses(self, network, batch)

    monkeypatch.setattr(SemanticModule, "losses", small_memory)
    return tried


@pytest.mark.parametrize(
    ("crops", "accumulate", "most"), [(4, 1, 2), (160, 1, 16), (400, 1, 32), (400, 4, 8), (100_000, 1, LARGEST_BATCH)]
)
def test_an_epoch_keeps_its_steps(crops: int, accumulate: int, most: int) -> None:
    options = of(accumulate=accumulate)
    assert largest_batch(options, crops) == most
    assert [power_of_two(number) for number in (1, 2, 3.9, 4, 127)] == [1, 2, 2, 4, 64]
    # Where nobody has measured yet, a figure that is shown is that of the usual number.
    assert crops_at_once(options, "semantic") == EpochPlan.of(of(crops=80), "semantic", 0).batch == 8


@pytest.mark.parametrize(("limit", "found", "why"), [(5, 4, "memory"), (1, 1, "memory"), (99, 8, "steps")])
def test_the_number_is_doubled_until_memory_is_full(
    tmp_path: Path, examples: list[Example], monkeypatch: pytest.MonkeyPatch, limit: int, found: int, why: str
) -> None:
    tried = full_above(limit, monkeypatch)
    torch.manual_seed(3)
    state = torch.get_rng_state()
    trial = batch_finder._Trial(Fitting(examples, of(crops=80), tmp_path / "run"), UNWATCHED)
    chosen = trial.doubled(8)
    assert chosen.batch == found
    assert list(dict.fromkeys(tried)) == [number for number in (2, 4, 8) if number <= 2 * limit]
    monkeypatch.setattr(batch_finder._Trial, "measured", batch_finder._Trial.doubled)
    torch.set_rng_state(state)
    whole = chosen_batch(Fitting(examples, of(crops=80), tmp_path / "run"), UNWATCHED)
    assert (whole.batch, whole.limit) == (found, why)
    assert torch.equal(torch.get_rng_state(), state)
    assert not (tmp_path / "run").exists()


def test_on_a_processor_it_follows_from_what_a_crop_takes_and_what_is_free(
    tmp_path: Path, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    task = Fitting(examples, of(crops=2000, size=128), tmp_path / "run")
    plenty = chosen_batch(task, UNWATCHED)
    assert (plenty.batch, plenty.limit) == (LARGEST_BATCH, "largest")
    assert plenty.crop_bytes >= 4 * 3 * 128**2
    room = 2 * 11 * plenty.crop_bytes
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=room))
    monkeypatch.setattr(batch_finder, "_held", lambda: 0)
    monkeypatch.setattr(batch_finder._Trial, "_input_bytes", lambda self: plenty.crop_bytes)
    assert chosen_batch(task, UNWATCHED) == ChosenBatch(8, "memory", plenty.crop_bytes, room / 2)


@pytest.mark.parametrize("task", NETWORKS)
def test_every_task_is_measured(tmp_path: Path, examples: list[Example], task: str) -> None:
    options = of(architecture=NETWORKS[task], crops=32, loss=AUTO.loss)
    assert chosen_batch(Fitting(examples, options, tmp_path / "run"), UNWATCHED).batch == 4


def test_a_training_is_that_of_the_number_that_was_chosen_and_goes_on_with_it(
    tmp_path: Path, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = of(crops=16, epochs=2)
    heard: list[Progress] = []
    undisturbed = train(Fitting(examples, options, tmp_path / "auto"), ProgressMonitor(heard.append))
    (told,) = [progress for progress in heard if progress.stage == "batch-size"]
    assert told.message.startswith(
        "Batch size 2, chosen by memory: with more, an epoch has fewer than 8 steps. A crop "
    )
    assert told.values["batch"] == undisturbed.plan.batch == 2
    same(train(Fitting(examples, options.model_copy(update={"batch": 2}), tmp_path / "two")), undisturbed)
    train(Fitting(examples, options, tmp_path / "halves", until=1))
    monkeypatch.setattr(batch_finder, "chosen_batch", lambda *_: pytest.fail("it was chosen already"))
    same(train(Fitting(examples, options, tmp_path / "halves")), undisturbed)


def test_a_range_test_has_the_number_that_memory_allows(tmp_path: Path, examples: list[Example]) -> None:
    (tmp_path / "run").mkdir()
    assert len(range_test(Fitting(examples, of(crops=16), tmp_path / "run"), steps=4).rates) == 4
