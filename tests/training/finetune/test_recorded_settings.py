"""Runs of an earlier version, which took options that could not act: they are resumed, to the same bytes."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from diatom_training.finetune import training_run
from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.recorded_settings import without_idle
from diatom_training.finetune.run_folder import CONFIG, RunFolder
from diatom_training.learning.options import LearningOptions
from helpers.tiny import configured, draw_slides
from napari_diatom.core.errors import InputError, Stopped
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.models import library

IDLE: dict[str, dict[str, Any]] = {
    "classes": {"step_factor": 0.5, "nesterov": False, "loss": {"focal_gamma": 1.0}, "proposals": 7},
    "oriented-boxes": {"dropout": 0.9, "cycles": 9, "loss": {"dice": 3.0}},
}


@pytest.mark.parametrize("task", IDLE)
def test_an_old_run_is_resumed_without_what_never_acted(tmp_path: Path, task: str) -> None:
    config = configured(draw_slides(tmp_path), task)
    whole, halves = (RunFolder.create(tmp_path / name, config) for name in ("whole", "halves"))
    training_run.train(whole)
    stop = threading.Event()

    def stop_after_the_first_epoch(progress: Progress) -> None:
        if progress.stage == "epoch":
            stop.set()

    with pytest.raises(Stopped):
        training_run.train(halves, ProgressMonitor(stop_after_the_first_epoch, stop.is_set))
    _make_old(halves, IDLE[task])
    said: list[str] = []
    training_run.train(halves, ProgressMonitor(lambda progress: said.append(progress.message)))
    for name in IDLE[task]:
        assert any(
            f"learning.{name}" in line and "is left out: " in line and "has no effect in" in line for line in said
        )
    assert weights_of(halves) == weights_of(whole)
    assert halves.config() == config.absolute()


def weights_of(folder: RunFolder) -> bytes:
    return library.resolve_model(str(folder / "model")).weights.read_bytes()


def _make_old(folder: RunFolder, idle: dict[str, Any]) -> None:
    """Write options into the settings and the checkpoint of a run, as a version did that refused none."""
    data = yaml.safe_load((folder / CONFIG).read_text())
    for name, value in idle.items():
        data["learning"][name] = data["learning"].get(name, {}) | value if isinstance(value, dict) else value
    (folder / CONFIG).write_text(yaml.safe_dump(data))
    path = folder / "checkpoints" / "last.ckpt"
    state = torch.load(path, weights_only=True)
    options = LearningOptions.model_validate_json(state["options"])
    loss = options.loss.model_copy(update=idle.get("loss", {}))
    plain = {name: value for name, value in idle.items() if name != "loss"}
    state["options"] = options.model_copy(update=plain | {"loss": loss}).model_dump_json()
    torch.save(state, path)


def test_what_acts_is_kept_and_still_is_another_training(tmp_path: Path) -> None:
    config = configured(draw_slides(tmp_path), learning={"schedule": "step", "step_factor": 0.5})
    folder = RunFolder.create(tmp_path / "run", config)
    assert folder.idle_settings() == {}
    assert folder.config().learning.step_factor == 0.5
    with pytest.raises(InputError, match="settings have changed"):
        folder.check(config.replace(learning={**config.to_plain()["learning"], "step_factor": 0.4}))


def test_every_idle_setting_is_named(tmp_path: Path) -> None:
    entries = {"task": "outlines", "pixel_size_um": 0.1, "learning": {"dropout": 0.2, "masked": False, "epochs": 3}}
    kept, left_out = without_idle(entries)
    assert kept == {"task": "outlines", "learning": {"dropout": 0.2, "epochs": 3}}
    assert list(left_out) == ["pixel_size_um", "learning.masked"]
    assert without_idle({"task": "names", "learning": {"dropout": 3}}) == (
        {"task": "names", "learning": {"dropout": 3}},
        {},
    )
    assert TrainConfig.of(data=tmp_path, **kept).learning.epochs == 3
