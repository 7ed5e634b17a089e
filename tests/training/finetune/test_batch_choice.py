"""Runs whose batch size is chosen by memory: what they say, what they keep, and what goes on with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from diatom_training.finetune import fold_runs, resource_estimate
from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.remedies import change_of
from diatom_training.finetune.run_folder import RunFolder
from diatom_training.learning import batch_finder
from diatom_training.learning.batch_finder import ChosenBatch
from helpers.tiny import configured, draw_slides, train_here
from napari_diatom.cli import app as cli
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED
from napari_diatom.models import library

AUTO: dict[str, Any] = {"batch": "auto", "crops": 32, "epochs": 1}


@pytest.fixture
def slides(tmp_path: Path) -> Path:
    return draw_slides(tmp_path)


def test_the_number_is_printed_noted_and_kept(tmp_path: Path, slides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = tmp_path / "mine.yaml", tmp_path / "run"
    configured(slides, "classes", learning=AUTO).write(source)
    assert "batch: auto\n" in source.read_text()
    assert cli.main(["train", str(source), "-o", str(out)]) == 0
    assert (
        "Batch size 4, chosen by memory: with more, an epoch has fewer than 8 steps. A crop takes "
        in capsys.readouterr().out
    )
    folder = RunFolder(out)
    note = json.loads((folder / "run.json").read_text())["batch-size"]
    assert note["batch"] == folder.config().learning.batch == 4
    assert note["crop_bytes"] > 0
    card = library.resolve_model(str(folder / "model")).card
    assert (card.training["config"]["learning"]["batch"], card.training["epoch"]["steps"]) == (4, 8)
    # The file that it began with still asks for what the run does; another number is another training.
    folder.check(TrainConfig.read(source))
    with pytest.raises(InputError, match="settings have changed"):
        folder.check(TrainConfig.read(source).with_batch(2))


def test_a_run_goes_on_with_its_number_whatever_memory_there_is(
    tmp_path: Path, slides: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(slides, "classes", learning=AUTO | {"epochs": 2})
    monkeypatch.setattr(batch_finder, "chosen_batch", lambda *_: ChosenBatch(2, "memory"))
    folder = RunFolder.create(tmp_path / "run", config)
    assert train_here(folder).stage == "finished"
    (folder / "run.json").unlink()
    (folder / "checkpoints" / "last.ckpt").unlink()
    monkeypatch.setattr(batch_finder, "chosen_batch", lambda *_: ChosenBatch(8, "memory"))
    assert train_here(folder).stage == "finished"
    assert folder.config().learning.batch == 2


def test_folds_have_the_number_of_the_first_one(tmp_path: Path, slides: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = iter((2, 8))
    monkeypatch.setattr(batch_finder, "chosen_batch", lambda *_: ChosenBatch(next(found), "memory"))
    config = configured(slides, "classes", learning=AUTO | {"crops": 8})
    folders = fold_runs.create(tmp_path / "folds", config, 2)
    fold_runs.train_folds(tmp_path / "folds", folders, lambda folder, _: train_here(folder), UNWATCHED)
    assert [folder.config().learning.batch for folder in folders] == [2, 2]
    assert fold_runs.open_folds(tmp_path / "folds", 2, config)


def test_the_time_is_that_of_the_number_that_memory_allows(slides: Path) -> None:
    config = configured(slides, "classes", learning=AUTO | {"crops": 64})
    told = resource_estimate.measure_steps(config)
    assert told.batch == 8
    assert told.text(config).endswith("Batch size 8, chosen by memory.")
    assert told.parts(config)["steps"] == pytest.approx(8 * told.frozen_seconds)
    assert "chosen by memory" not in told.text(config.with_batch(2))
    assert change_of("larger-batch", config) is None


def test_wrong_words_are_refused_by_name(slides: Path) -> None:
    with pytest.raises(InputError, match="batch: 'most' is neither a whole number from 1 on nor 'all' or 'auto'"):
        configured(slides, learning={"batch": "most"})
