"""Epochs that are added on the command line: the part before stays as it is, and a stop changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from diatom_training.finetune import training_process
from diatom_training.finetune.added_epochs import add_epochs, segments_of
from diatom_training.finetune.run_folder import RunFolder
from diatom_training.finetune.training_run import train
from helpers.tiny import configured, draw_slides, train_here
from napari_diatom import cli
from napari_diatom.core.errors import InputError, Stopped
from napari_diatom.core.progress import Progress, ProgressMonitor


@pytest.fixture
def slides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(training_process, "run", train_here)
    return draw_slides(tmp_path)


def finished(slides: Path, name: str) -> RunFolder:
    run = RunFolder.create(slides.parent / name, configured(slides, "classes", learning={"epochs": 3}))
    assert train_here(run).stage == "finished"
    return run


def test_epochs_are_added_and_those_before_stay_byte_for_byte(slides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = finished(slides, "one")
    before, settings = ((run / name).read_bytes() for name in ("history.csv", "config.yaml"))
    capsys.readouterr()
    assert cli.main(["train", str(run.path), "--more", "2", "--rate", "1e-4"]) == 0
    told = capsys.readouterr().out
    assert "epochs 4 to 5, with a learning rate of 0.0001" in told
    assert "Goes on from its last epoch" in told
    assert "Starts from" not in told
    assert "begin by chance" not in told
    assert (run / "history.csv").read_bytes().startswith(before)
    assert (run / "config.yaml").read_bytes() == settings
    assert len(run.history()) == 5
    assert [segment.model_dump() for segment in segments_of(run)] == [{"first": 3, "epochs": 2, "rate": 1e-4}]

    other = finished(slides, "two")
    add_epochs(other, 2, 1e-4)
    ended = []

    def note(progress: Progress) -> None:
        ended.extend([progress.done] if progress.stage == "epoch" else [])

    with pytest.raises(Stopped):
        train(other, ProgressMonitor(note, lambda: bool(ended)))
    assert len(other.history()) == 4
    other.write_state("stopped")
    assert cli.main(["train", str(other.path), "--resume"]) == 0
    for name in ("history.csv", "model/weights.safetensors"):
        assert (other / name).read_bytes() == (run / name).read_bytes()


def test_what_cannot_be_added_is_said(slides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = RunFolder.create(slides.parent / "new", configured(slides, "classes"))
    with pytest.raises(InputError, match="no finished epoch"):
        add_epochs(run, 2)
    run.write_history([{"train_loss": 1.0, "val_loss": 1.0}])
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "last.ckpt").write_bytes(b"")
    run.write_state("stopped")
    with pytest.raises(InputError, match="has done 1 of 2 epochs: resume it before adding more"):
        add_epochs(run, 2)
    run.write_state("finished")
    with pytest.raises(InputError, match=r"epochs: .*greater than or equal to 1"):
        add_epochs(run, 0)
    for arguments in (
        [str(slides), "--more", "2"],
        [str(run.path), "--more", "2", "--folds", "3"],
        [str(run.path), "--resume", "--rate", "0.1"],
    ):
        assert cli.main(["train", *arguments]) == 2
    said = capsys.readouterr().err
    assert "--more takes the folder of a finished run" in said
    assert "leave --folds out" in said
    assert "--rate is that of the epochs of --more" in said


def test_epochs_that_have_not_begun_are_replaced(slides: Path) -> None:
    run = finished(slides, "one")
    assert add_epochs(run, 20).rate == pytest.approx(2.4e-4)
    assert "20 epochs added" in run.state().message
    add_epochs(run, 5, 1e-3)
    assert [(segment.first, segment.epochs) for segment in segments_of(run)] == [(3, 5)]
