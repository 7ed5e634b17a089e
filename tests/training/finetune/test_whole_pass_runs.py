"""Trainings whose epochs are passes over the training part, from a file of settings to a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from diatom_training.finetune import resource_estimate
from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.remedies import change_of
from diatom_training.finetune.run_folder import RunFolder
from helpers.tiny import NETWORKS, configured, draw_slides, train_here
from napari_diatom.cli import app as cli
from napari_diatom.models import library

ALL = {"crops": "all", "batch": "all", "epochs": 1}
# Of four images of 120 by 96 pixels, crops of 64; two specimens lie on each.
CROPS = {task: 8 if task in ("classes", "outlines") else 16 for task in NETWORKS}
AT_ONCE = {"classes": 8, "outlines": 8, "instances": 4}


@pytest.fixture
def slides(tmp_path: Path) -> Path:
    return draw_slides(tmp_path)


@pytest.mark.parametrize("task", NETWORKS)
def test_a_file_of_settings_asks_for_it_and_the_run_says_what_it_came_to(
    tmp_path: Path, slides: Path, task: str
) -> None:
    configured(slides, task, learning=ALL).write(tmp_path / "mine.yaml")
    assert "crops: all\n" in (tmp_path / "mine.yaml").read_text()
    folder = RunFolder.create(tmp_path / "run", TrainConfig.read(tmp_path / "mine.yaml"))
    assert train_here(folder).stage == "finished"
    expected = {"crops": CROPS[task], "steps": 1, "at_once": AT_ONCE.get(task, 8)}
    assert json.loads((folder / "run.json").read_text())["epoch-plan"] == expected
    assert library.resolve_model(str(folder / "model")).card.training["epoch"] == expected
    said = [event["message"] for event in folder.events()[0] if event["stage"] == "epoch-plan"]
    assert said == [f"An epoch has {CROPS[task]} crops and 1 step."]
    steps = [event for event in folder.events()[0] if event["stage"] == "step"]
    assert {event["total"] for event in steps} == {len(steps)} == {-(-CROPS[task] // expected["at_once"])}


def test_the_command_line_trains_on_a_pass(tmp_path: Path, slides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configured(slides, "classes", learning={"crops": "all", "batch": 4, "epochs": 1}).write(tmp_path / "mine.yaml")
    assert cli.main(["train", str(tmp_path / "mine.yaml"), "-o", str(tmp_path / "run")]) == 0
    assert "An epoch has 8 crops and 2 steps.\n" in capsys.readouterr().out


def test_wrong_words_are_refused_by_name(tmp_path: Path, slides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configured(slides, learning={"crops": "all"}).write(tmp_path / "mine.yaml")
    text = (tmp_path / "mine.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(text.replace("crops: all", "crops: every"))
    assert cli.main(["train", str(tmp_path / "mine.yaml"), "--check"]) == 2
    assert "learning.crops: 'every' is neither a whole number from 1 on nor 'all'" in capsys.readouterr().err


def test_the_time_of_a_pass_is_that_of_its_crops(slides: Path) -> None:
    config = configured(slides, learning=ALL | {"epochs": 10})
    told = resource_estimate.measure_steps(config)
    assert told.whole_pass == 16
    parts = told.parts(config)
    assert parts["steps"] == pytest.approx(2 * (2 * told.frozen_seconds + 8 * told.step_seconds))
    assert parts["crops"] == pytest.approx(10 * 10 * told.crop_seconds)


def test_a_batch_of_all_is_not_made_larger(slides: Path) -> None:
    assert change_of("larger-batch", configured(slides, learning=ALL)) is None
    assert change_of("larger-batch", configured(slides)) is not None
