"""Find a learning rate for a training, on the command line and in Python; nothing of the training changes."""

from pathlib import Path

import pytest

import napari_diatom as nd
from diatom_training.finetune import recent_runs, resource_estimate
from diatom_training.finetune.rate_finding import find_rate
from diatom_training.learning import range_test
from helpers.tiny import configured, draw_slides
from napari_diatom.cli import app as cli
from napari_diatom.core.errors import InputError, Stopped
from napari_diatom.core.progress import ProgressMonitor


@pytest.fixture
def file(tmp_path: Path) -> Path:
    # With a process that prepares crops, as usual.
    configured(draw_slides(tmp_path), name="mine", learning={"workers": 1}).write(tmp_path / "mine.yaml")
    return tmp_path / "mine.yaml"


@pytest.fixture
def here(monkeypatch):
    """Do in this process what is done aside: its libraries are loaded already."""
    monkeypatch.setattr(
        resource_estimate, "call_in_process", lambda target, monitor, **given: find_rate(given["config"], monitor)
    )


def test_the_command_line_writes_a_curve_and_names_a_rate(file: Path, capsys):
    before, there = file.read_bytes(), sorted(file.parent.rglob("*"))
    runs = [run.path for run in recent_runs.list_runs()]
    assert cli.main(["train", str(file), "--find-rate"]) == 0
    said = capsys.readouterr().out
    assert "rate" in said
    picture = file.parent / "mine-rate.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert sorted(file.parent.rglob("*")) == sorted([*there, picture])
    assert file.read_bytes() == before
    assert [run.path for run in recent_runs.list_runs()] == runs


@pytest.mark.usefixtures("here")
def test_every_way_gives_the_same_curve_and_a_file_is_never_replaced(file: Path, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setattr(range_test, "STEPS", 16)
    found = nd.find_rate(file, tmp_path / "curve.png")
    assert nd.find_rate(nd.api.training.training_settings(file)[0]) == found
    assert cli.main(["train", str(file), "--find-rate", "-o", str(tmp_path / "other.png")]) == 0
    assert found.sentence() in capsys.readouterr().out
    assert (tmp_path / "other.png").read_bytes() == (tmp_path / "curve.png").read_bytes()
    with pytest.raises(InputError, match="there already"):
        nd.find_rate(file, tmp_path / "curve.png")
    for arguments, words in (
        (["-o", str(tmp_path / "curve.jpg")], "not a .png file"),
        (["--folds", "3"], "leave --folds out"),
    ):
        assert cli.main(["train", str(file), "--find-rate", *arguments]) == 2
        assert words in capsys.readouterr().err


def test_a_range_test_of_the_user_s_slides_can_be_stopped(file: Path):
    config = nd.api.training.training_settings(file)[0]
    reports = []
    with pytest.raises(Stopped):
        find_rate(config, ProgressMonitor(reports.append, lambda: any(one.stage == "rate" for one in reports)))
