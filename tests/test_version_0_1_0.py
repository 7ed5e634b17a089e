"""What version 0.1.0 wrote is opened by this one: a count, a project, a stopped training, a packed model, its settings.

``data/version-0.1.0.zip`` was written by that version on drawn slides; ``FOLDER`` stands for the folder in paths,
and ``HOST`` for the computer.
"""

from __future__ import annotations

import csv
import json
import socket
import zipfile
from pathlib import Path

import pytest
import yaml

from helpers import TESTS
from napari_diatom.cli import main
from napari_diatom.models import library
from napari_diatom.project.project import Project


@pytest.fixture
def before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a person who worked with version 0.1.0."""
    with zipfile.ZipFile(TESTS / "data" / "version-0.1.0.zip") as packed:
        packed.extractall(tmp_path)
    for file in tmp_path.rglob("*"):
        if file.suffix in (".json", ".yaml"):
            text = file.read_text(encoding="utf-8").replace("FOLDER", tmp_path.as_posix())
            file.write_text(text.replace("HOST", socket.gethostname()), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(tmp_path / "models"))
    return tmp_path


def specimens(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as text:
        return list(csv.DictReader(text))


def test_a_count_is_resumed_with_the_same_model_alone(before: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counted = specimens(before / "count" / "specimens.csv")
    command = ["count", "images", "-o", "count", "--pixel-size", "0.2", "--xlsx", "--resume"]
    assert main(command) == 2
    present = library.resolve_model(library.DEFAULT).card
    assert f"model was diatom-obb 1.0, is {present.origin}" in capsys.readouterr().err
    assert specimens(before / "count" / "specimens.csv") == counted
    # As if the model of that version were the present one.
    record = before / "count" / ".napari-diatom" / "settings.json"
    settings = json.loads(record.read_text(encoding="utf-8"))
    settings |= {"model": present.origin, "weights": present.sha256, "threshold": present.threshold()}
    record.write_text(json.dumps(settings), encoding="utf-8")
    assert main(command) == 0
    again = specimens(before / "count" / "specimens.csv")
    assert {row["image"] for row in again} == {row["image"] for row in counted}
    # That version measured less: all images are counted again, into tables that have its columns, too.
    assert set(counted[0]) <= set(again[0])


def test_a_project_is_opened_with_the_edits_of_a_window_that_died(before: Path) -> None:
    assert main(["project", "check", "project"]) in (0, 3)
    with Project.open(Path("project"), "Ada") as project:
        drawn, orphaned = (project.document(image.id) for image in project.images)
        (needle,) = drawn.specimens.values()
        assert needle.status == "girdle"
        assert len(drawn.proposals) == 1
        assert "0123456789abcdef" in orphaned.specimens
    assert main(["project", "stats", "project"]) == 0


def test_a_stopped_training_is_finished_and_its_model_counts(before: Path) -> None:
    assert main(["train", "run", "--resume"]) == 0
    assert (before / "run" / "report" / "report.json").exists()
    assert main(["count", "images/s0_0.png", "-o", "out", "--model", "run/model", "--pixel-size", "0.2"]) == 0


def test_settings_of_a_training_are_read(before: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "config.yaml", "--check"]) == 0
    assert "needle" in capsys.readouterr().out


def test_a_packed_model_is_installed(before: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = yaml.safe_load((before / "run" / "model" / "model.yaml").read_text(encoding="utf-8"))
    assert main(["models", "import", "mine.diatom-model"]) == 0
    assert main(["models", "list"]) == 0
    assert card["name"] in capsys.readouterr().out
