"""What is said of two trainings whose settings differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from diatom_training.finetune.changed_settings import changed_settings, told_changes
from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.run_folder import RunFolder
from helpers.tiny import configured
from napari_diatom.core.errors import InputError

SLIDES = Path("slides.json")


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({}, ()),
        ({"device": "cuda", "devices": 2}, ()),
        ({"classes": ("a", "b")}, ("classes was not set, is a, b",)),
        ({"composed": {"count": 1000}}, ("composed was not set, is 1,000 slides",)),
        (
            {"split": {"seed": 2}, "pixel_size_um": 0.25},
            ("split.seed was 0, is 2", "pixel_size_um was not set, is 0.25"),
        ),
    ],
)
def test_each_changed_setting_is_named(entries: dict[str, object], said: tuple[str, ...]) -> None:
    run = configured(SLIDES)
    assert changed_settings(run, run.replace(**entries)) == said


def test_settings_that_follow_from_the_task_are_not_named() -> None:
    changes = changed_settings(configured(SLIDES), configured(SLIDES, "boxes"))
    assert changes[0] == "task was semantic, is boxes"
    assert not any(change.startswith("learning.") for change in changes)


def test_of_many_changes_the_first_are_named() -> None:
    assert told_changes("abcdefghij") == [*"abcdefgh", "and 2 more"]
    assert told_changes("ab") == ["a", "b"]


def test_a_run_names_what_has_changed_since_it_began(tmp_path: Path) -> None:
    config = configured(tmp_path / "slides.json")
    run = RunFolder.create(tmp_path / "run", config)
    run.check(TrainConfig.read(tmp_path / "run" / "config.yaml"))
    with pytest.raises(InputError, match=r"\(learning\.epochs was 2, is 9\), and a training can only continue"):
        run.check(config.replace(learning=config.to_plain()["learning"] | {"epochs": 9}))
