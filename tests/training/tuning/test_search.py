"""A search of settings, from the command line to its table: what trials see, and what a kill leaves."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import napari_diatom as nd
from diatom_training.finetune import dataset
from diatom_training.finetune.config import TrainConfig
from diatom_training.tuning import search_process, trial_runs
from diatom_training.tuning.ranges import Choices, Span
from diatom_training.tuning.sealed_data import SealedTestPart, inner_folds, sealed
from diatom_training.tuning.search_folder import SearchFolder
from diatom_training.tuning.search_run import run_search
from diatom_training.tuning.search_settings import SearchSettings
from diatom_training.tuning.trial_choice import Trials
from helpers.tiny import configured, draw_slides
from napari_diatom.cli import app as cli
from napari_diatom.core.errors import DiatomError, InputError, Stopped
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor

RANGES = {
    "rate": Span(low=1e-4, high=1e-1, log=True),
    "optimizer": Choices(values=("adamw", "sgd")),
    "momentum": Span(low=0.5, high=0.95),
}


@pytest.fixture
def slides(tmp_path: Path) -> Path:
    return draw_slides(tmp_path)


def searching(path: Path, slides: Path, **entries) -> SearchFolder:
    settings = {"training": configured(slides, name="mine"), "ranges": RANGES, "trials": 3} | entries
    return SearchFolder.create(path, SearchSettings.of(**settings))


@pytest.fixture
def here(monkeypatch):
    """Do in this process what is done in another one: its libraries are loaded already."""
    monkeypatch.setattr(search_process, "call_in_process", lambda target, monitor, path: run_search(path, monitor))


def test_a_search_that_was_killed_ends_as_one_that_was_not(tmp_path: Path, slides: Path):
    whole = searching(tmp_path / "whole", slides, trials=4)
    results = run_search(whole.path)
    assert [trial.number for trial in results.trials] == [1, 2, 3, 4]
    assert {trial.state for trial in results.trials} == {"finished"}
    assert len({trial.values["rate"] for trial in results.trials}) == 4
    assert all(("momentum" in trial.values) == (trial.values["optimizer"] == "sgd") for trial in results.trials)

    halves = searching(tmp_path / "halves", slides, trials=4)
    code = f"import sys; sys.path[:] = {sys.path!r}\nfrom napari_diatom.cli.app import main\nmain(sys.argv[1:])"
    command = [sys.executable, "-c", code, "tune", str(halves.path), "--resume"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        # In the middle of the second trial.
        while not (halves.trial(2) / "checkpoints" / "last.ckpt").exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            with halves.alone():
                break
        except InputError:
            # The process that trains ends a moment after the one that was killed.
            time.sleep(0.05)
    # Killed once more, between the end of a trial and the note of it.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trials, "add", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_search(halves.path)
    run_search(halves.path)
    for name in ("trials.csv", "best.yaml", "importances.csv"):
        assert (halves / name).read_bytes() == (whole / name).read_bytes(), name
    assert not list(halves.path.rglob("*.ckpt"))


def _interrupted(*_):
    raise KeyboardInterrupt


def test_a_trial_that_reads_the_test_part_ends_the_search(tmp_path: Path, slides: Path, monkeypatch):
    folder = searching(tmp_path / "search", slides)
    learn = trial_runs.learn

    def curious(run, config, data, *rest):
        data.count("test")
        return learn(run, config, data, *rest)

    monkeypatch.setattr(trial_runs, "learn", curious)
    with pytest.raises(SealedTestPart, match="must not see it"):
        run_search(folder.path)
    assert not (folder / "trials.csv").read_text().splitlines()[1:]
    data = sealed(dataset.read(configured(slides)))
    assert list(data.parts) == ["train", "validation"]
    with pytest.raises(SealedTestPart):
        data.to_json()


def test_folds_of_a_trial_lie_within_training_and_validation(slides: Path):
    config = configured(slides)
    data = dataset.read(config)
    test = {slide.key for slide in data.parts["test"]}
    rest = {slide.key for part in ("train", "validation") for slide in data.parts[part]}
    folds = inner_folds(sealed(data), config, 3)
    validated = []
    for fold in folds:
        train, validation = ({slide.group for slide in fold.parts[part]} for part in ("train", "validation"))
        assert not train & validation
        keys = {slide.key for part in fold.parts for slide in fold.parts[part]}
        assert keys == rest
        assert not keys & test
        validated += [slide.key for slide in fold.parts["validation"]]
    assert sorted(validated) == sorted(rest)
    with pytest.raises(InputError, match="4 folds"):
        inner_folds(sealed(data), config, 4)


@pytest.mark.usefixtures("here")
def test_a_search_on_the_command_line_and_its_best_training(tmp_path: Path, slides: Path, capsys):
    file = tmp_path / "mine.yaml"
    configured(slides, name="mine").write(file)
    searched = ["--search", "rate=0.0001:0.1", "--search", "loss=Dice,Jaccard"]
    assert cli.main(["tune", str(file), *searched, "--trials", "2", "--folds", "3", "--seed", "5"]) == 0
    said = capsys.readouterr().out
    out = tmp_path / "searches" / "mine"
    assert "trial 2/2" in said
    assert f"napari-diatom train {out / 'best.yaml'}" in said
    rows = (out / "trials.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "trial,state,figure,value,deviation,best_epoch,epochs,problem,rate,loss"
    assert len(rows) == 3
    assert sorted(path.name for path in (out / "trials" / "trial-001").iterdir()) == ["fold-1", "fold-2", "fold-3"]
    assert (out / "parallel.png").read_bytes().startswith(b"\x89PNG")
    best = TrainConfig.read(out / "best.yaml")
    assert best.name == "mine"
    assert best.split == configured(slides).split
    assert cli.main(["tune", str(file), *searched]) == 2
    assert "is not empty" in capsys.readouterr().err
    # More trials, by the folder and by Python.
    assert cli.main(["tune", str(out), "--resume", "--trials", "3"]) == 0
    assert (out / "trials.csv").read_text(encoding="utf-8").splitlines()[:3] == rows
    search = nd.tune(out, trials=4)
    table = search.trials()
    assert list(table["trial"].sort_values()) == [1, 2, 3, 4]
    assert table["value"].is_monotonic_decreasing
    assert set(search.importances()) <= {"rate", "loss"}
    assert search.best == out / "best.yaml"
    assert cli.main(["tune", str(out), "--resume", "--trials", "1"]) == 2
    assert "has 4 trials already" in capsys.readouterr().err
    assert cli.main(["tune", str(out), "--resume", "--folds", "2"]) == 2
    assert "leave --search, --folds and --seed out" in capsys.readouterr().err
    assert cli.main(["tune", str(file), "--list"]) == 0
    assert "rate" in capsys.readouterr().out


def test_a_trial_that_cannot_be_trained_has_failed_and_the_search_goes_on(tmp_path: Path, slides: Path):
    folder = searching(tmp_path / "search", slides, ranges={"rate": Choices(values=(0.001, 1e30))}, trials=4)
    results = run_search(folder.path)
    assert {trial.state for trial in results.trials if trial.values["rate"] > 1} == {"failed"}
    assert {trial.state for trial in results.trials if trial.values["rate"] < 1} == {"finished"}
    assert all("no longer a number" in trial.problem for trial in results.trials if trial.state == "failed")
    assert folder.results().to_csv() == results.to_csv()
    assert "rate 0.001" in results.sentence()


def test_a_search_stops_and_refuses_slides_that_have_changed(tmp_path: Path, slides: Path):
    folder = searching(tmp_path / "search", slides)
    reports = []
    with pytest.raises(Stopped):
        run_search(folder.path, ProgressMonitor(reports.append, lambda: any(one.stage == "trial" for one in reports)))
    with folder.alone(), pytest.raises(InputError, match="being worked on"):
        run_search(folder.path)
    image = slides.parent / "images" / "s0_0.png"
    shutil.copy(slides.parent / "images" / "s1_2.png", image)
    with pytest.raises(DiatomError, match="begin a new search"):
        run_search(folder.path)


def test_a_folder_of_something_else_is_no_search(tmp_path: Path, slides: Path):
    with pytest.raises(InputError, match="is not a search"):
        nd.tune(tmp_path)
    (tmp_path / "search.yaml").write_text("trials: many\n")
    with pytest.raises(InputError, match="trials"):
        SearchFolder.open(tmp_path).settings()
    folder = searching(tmp_path / "search", slides)
    (folder / "trials.db").write_text("nothing")
    with pytest.raises(InputError, match="not the database of a search"):
        run_search(folder.path, UNWATCHED)
