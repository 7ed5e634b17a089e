"""Runs as rows of a table, and runs that are renamed, deleted and exported, on run folders that no training made."""

import hashlib
import json
import os
from pathlib import Path

import pytest

import napari_diatom as nd
from diatom_training.finetune import recent_runs, run_changes, training_process
from diatom_training.finetune.run_folder import RunFolder
from diatom_training.finetune.run_summary import comparison_remarks, list_summaries, summarize_run
from helpers.fakes import card
from helpers.tiny import configured
from napari_diatom.cli import app as cli
from napari_diatom.core.errors import InputError, ModelError, OutputError
from napari_diatom.core.progress import Progress
from napari_diatom.models import library


@pytest.fixture(autouse=True)
def own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(tmp_path / "user" / "models"))


def made(tmp_path: Path, name: str, start: str = "scratch", tested: int = 3, images: str = "a") -> RunFolder:
    """Return a finished run of two epochs with a model, and with test figures of so many specimens."""
    run = RunFolder.create(
        tmp_path / "runs" / name, configured(tmp_path / "slides.json", "boxes", name=name, start=start)
    )
    run.say(Progress("images", 0, 1))
    run.write_history([{"val_loss": 1.0, "val_ap50": 0.2}, {"val_loss": 0.5, "val_ap50": 0.6}])
    known = [{"sha256": images * 64, "page": 1, "image": "x.png", "annotations": "", "specimens": 4}]
    run_parts = {"train": known, "validation": known, "test": known}
    (run / "split.json").write_text(json.dumps({"classes": ["diatom"], "parts": run_parts}))
    weights = name.encode()
    metrics = {"specimens": float(tested), "found": float(tested), "f1": 0.8, "precision": 0.8}
    facts = {"name": name, "sha256": hashlib.sha256(weights).hexdigest(), "metrics": metrics}
    (run / "model").mkdir()
    card().model_copy(update=facts).write(run / "model")
    (run / "model" / "weights.safetensors").write_bytes(weights)
    run.write_state("finished", "Learned.")
    recent_runs.remember(run)
    return run


def test_the_same_runs_are_listed_in_python_and_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["train", "--runs"]) == 0
    assert "no trainings yet" in capsys.readouterr().out
    assert nd.runs().empty
    made(tmp_path, "old")
    newer = made(tmp_path, "newer-version")
    with (newer / "config.yaml").open("a") as stream:
        stream.write("not_known_yet: 1\n")
    half = made(tmp_path, "half-deleted")
    for name in ("history.csv", "split.json"):
        (half / name).unlink()
    (half / "run.json").write_text("{")
    gone = made(tmp_path, "gone")
    (gone / "config.yaml").unlink()

    table = nd.runs().set_index("run")
    assert list(table.index) == ["half-deleted", "newer-version", "old"]
    assert dict(
        table.loc["old", ["state", "task", "images", "best_epoch", "validation", "test", "test_specimens"]]
    ) == {
        **{"state": "finished", "task": "boxes", "images": 3, "best_epoch": 2},
        **{"validation": 0.6, "test": 0.8, "test_specimens": 3},
    }
    assert table["problem"].map(bool).to_dict() == {"half-deleted": True, "newer-version": True, "old": False}
    assert cli.main(["train", "--runs"]) == 0
    printed = capsys.readouterr().out
    row = next(line for line in printed.splitlines() if line.startswith("old"))
    assert "AP50 0.60 (n = 4: too few to tell)" in row
    assert "F1 0.80 (n = 3: too few to tell)" in row
    assert printed.count("warning: ") == 2
    assert cli.main(["train"]) == 2


def test_a_renamed_run_keeps_its_place_its_model_and_its_figures(tmp_path: Path) -> None:
    run, other = made(tmp_path, "my-diatoms"), made(tmp_path, "other")
    before = summarize_run(run).cells()[1:]
    moved = run_changes.rename_run(run, "station-3")
    assert not run.path.exists()
    assert [known.name for known in list_summaries()] == ["other", "station-3"]
    assert summarize_run(moved).cells()[1:] == before
    assert moved.config().name == library.resolve_model(moved / "model").card.name == "station-3"
    assert moved.state().stage == "finished"
    for name, problem in (("other", "exists already"), ("no name!", "not a name"), ("../x", "not a name")):
        with pytest.raises(InputError, match=problem):
            run_changes.rename_run(moved, name)
    assert run_changes.rename_run(moved, "station-3").path == moved.path
    assert other.config().name == "other"


def test_a_run_that_is_needed_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = made(tmp_path, "first")
    run.write_state("running")
    for change in (run_changes.delete_run, lambda some: run_changes.rename_run(some, "x")):
        with pytest.raises(InputError, match="stop the training first"):
            change(run)
    run.write_state("finished")
    second = made(tmp_path, "second", start=str(run.path.absolute()))
    second.write_state("stopped")
    with pytest.raises(InputError, match=r"second starts from .* and is not finished"):
        run_changes.delete_run(run)

    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    state = (second / "run.json").read_bytes()
    monkeypatch.setattr(os, "rename", refused)
    with pytest.raises(OutputError, match="cannot be renamed: Permission denied"):
        run_changes.rename_run(second, "third")
    assert (second / "run.json").read_bytes() == state
    assert second.config().name == "second"
    fold = made(tmp_path, "fold-2")
    with pytest.raises(InputError, match="cross-validation"):
        run_changes.rename_run(fold, "x")


def test_a_deleted_run_leaves_what_is_not_its_own(tmp_path: Path) -> None:
    run, noted = made(tmp_path, "first"), made(tmp_path, "noted")
    (noted / "notes.txt").write_text("the one of May")
    (noted / "run.json").write_text("{")
    (run / "composed" / "fields").mkdir(parents=True)
    assert run_changes.delete_run(run) == ()
    assert not run.path.exists()
    with pytest.raises(InputError, match="does not exist any more"):
        run_changes.delete_run(run)
    assert run_changes.delete_run(noted) == ("notes.txt",)
    assert os.listdir(noted.path) == ["notes.txt"]
    assert list_summaries() == []
    # Another window has not seen it yet.
    with pytest.raises(InputError, match="not a training run"):
        training_process.TrainingProcess(run)
    assert not run.path.exists()


def test_an_exported_run_is_a_model_under_its_own_name(tmp_path: Path) -> None:
    run = made(tmp_path, "my-diatoms")
    again = RunFolder(run.path.with_name("my-diatoms-2"))
    run.path.rename(again.path)
    file = tmp_path / "mine.diatom-model"
    run_changes.export_run(again, file)
    assert library.resolve_model(file).card.name == "my-diatoms-2"
    file.write_text("of before")
    (again / "model" / "weights.safetensors").write_bytes(b"damaged")
    with pytest.raises(ModelError, match="damaged"):
        run_changes.export_run(again, file)
    assert file.read_text() == "of before"
    with pytest.raises(OutputError, match="a folder has this name"):
        run_changes.export_run(made(tmp_path, "other"), tmp_path)


def test_what_makes_two_runs_hard_to_compare_is_said(tmp_path: Path) -> None:
    one, same = (summarize_run(made(tmp_path, name, tested=30)) for name in ("one", "same"))
    other = summarize_run(made(tmp_path, "other", images="b", tested=30))
    assert not any("images are different" in line for line in comparison_remarks(one, same))
    assert any("validation and test images are different" in line for line in comparison_remarks(one, other))
