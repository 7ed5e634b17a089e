"""What the window says of curves, and its buttons: each changes that one setting, or adds epochs to the run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton

from diatom_training.finetune import recent_runs, training_process
from diatom_training.finetune.run_folder import CHECKPOINTS, RunFolder
from helpers.tiny import configured, draw_slides
from helpers.window import child_of
from napari_diatom.core.progress import UNWATCHED
from napari_diatom.widgets.training.widget import FineTuneWidget


@pytest.fixture
def slides(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(tmp_path / "models"))
    return draw_slides(tmp_path)


def ended(slides: Path, task: str, train: object, validation: object, merit: str = "val_dice") -> RunFolder:
    """Return a run that has ended with such losses, the latest one."""
    run = RunFolder.create(slides.parent / "runs" / "ended", configured(slides, task))
    pairs = zip(np.asarray(train).tolist(), np.asarray(validation).tolist(), strict=True)
    run.write_history(
        [{"train_loss": a, "val_loss": b, merit: 0.8, "sample_loss": a, "constant_loss": 1.0} for a, b in pairs]
    )
    (run / CHECKPOINTS).mkdir()
    (run / CHECKPOINTS / "last.ckpt").write_bytes(b"")
    run.write_state("finished", pid=0)
    recent_runs.remember(run)
    return run


def shown(viewer) -> FineTuneWidget:
    widget = FineTuneWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Fine-tune a model")
    return widget


def remedies(widget: FineTuneWidget) -> dict[str, QPushButton]:
    return {
        button.text(): button
        for button in widget.progress.findChildren(QPushButton)
        if button.objectName().startswith("remedy_") and not button.isHidden()
    }


def overfitted(epochs: int = 16) -> tuple[np.ndarray, np.ndarray]:
    place = np.arange(epochs)
    return 0.9 * 0.8**place, np.where(place < 6, 0.9 - 0.06 * place, 0.54 + 0.05 * (place - 6))


@pytest.mark.parametrize(
    ("task", "merit", "decay", "more"),
    [("semantic", "val_dice", "0.01", "0.05"), ("boxes", "val_ap50", "0.0005", "0.0025")],
)
def test_a_remedy_changes_that_setting_alone(viewer, slides, qtbot, task, merit, decay, more):
    ended(slides, task, *overfitted(), merit)
    widget = shown(viewer)
    assert child_of(widget, "reading").text().startswith("Overfitting since epoch 7: ")
    box = child_of(widget, "task")
    box.setCurrentIndex(box.findData(task))
    before = widget.settings.entries()
    buttons = remedies(widget)
    title = f"Weight decay {more}"
    # YOLO has no dropout, so there is nothing to press.
    assert ("Dropout 0.3" in buttons) == (task == "semantic")
    assert f"learning.weight_decay: {decay} → {more}" in buttons[title].toolTip()
    qtbot.mouseClick(buttons[title], Qt.MouseButton.LeftButton)
    after = widget.settings.entries()
    assert after["learning"].pop("weight_decay") == float(more)
    assert "weight_decay" not in before["learning"]
    assert after == before
    assert f"{title} is set" in child_of(widget, "finetune_message").text()


def test_another_split_is_a_setting_of_the_slides(viewer, slides, qtbot):
    train = 0.2 + 0.7 * 0.7 ** np.arange(20)
    ended(slides, "semantic", train, train + 0.4)
    widget = shown(viewer)
    assert child_of(widget, "reading").text().startswith("Gap from the start: ")
    qtbot.mouseClick(remedies(widget)["Split with seed 1"], Qt.MouseButton.LeftButton)
    assert widget.slides.entries()["split"]["seed"] == 1
    assert child_of(widget, "pages").currentIndex() == 0


def test_more_epochs_are_trained_with_the_rate_that_is_shown(viewer, slides, qtbot):
    run = RunFolder.create(
        slides.parent / "runs" / "more",
        configured(slides, "classes", learning={"epochs": 4, "rate": 1e-4, "crops": 8}),
    )
    assert training_process.run(run, UNWATCHED).stage == "finished"
    before = (run / "history.csv").read_text(encoding="utf-8")
    falling = [epoch | {"val_loss": 0.8**k, "sample_loss": 0.7 * 0.8**k} for k, epoch in enumerate(run.history())]
    run.write_history(falling)
    recent_runs.remember(run)
    widget = shown(viewer)
    assert child_of(widget, "reading").text().startswith("Not finished: ")
    (run / "history.csv").write_text(before, encoding="utf-8")
    assert child_of(widget, "more_epochs_rate").text() == "3e-05"
    child_of(widget, "more_epochs_count").setValue(2)
    child_of(widget, "more_epochs_rate").setText("5e-05")
    button = child_of(widget, "more_epochs")
    assert button.text() == "Train 2 more epochs"
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    monitor = widget.progress.monitor
    assert monitor.is_running
    qtbot.waitUntil(lambda: not monitor.is_running, timeout=300_000)
    after = (run / "history.csv").read_text(encoding="utf-8")
    assert after.startswith(before)
    assert len(run.history()) == 6
    assert run.history()[4]["rate"] == pytest.approx(5e-5 * (0.02 + 0.98 / 2))
