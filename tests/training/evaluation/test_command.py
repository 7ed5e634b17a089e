"""Judging models from the command line: on a run's own data, on projects and on annotations; cross-validation."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from diatom_training.evaluation.training_curves import curves_of, drawn_curves
from diatom_training.finetune import dataset, training_process
from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.run_folder import RunFolder
from diatom_training.finetune.threshold_tuning import tune_and_test
from diatom_training.finetune.training_run import work
from diatom_training.metrics.test_cases import renamed
from helpers.fakes import BlobEngine, card
from helpers.tiny import NETWORKS, configured, draw_slides, train_here
from napari_diatom import engines
from napari_diatom.cli import app as cli
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError, Stopped
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.engines import classifier_net
from napari_diatom.engines.model_writer import write_model
from napari_diatom.formats.coco import codec as coco
from napari_diatom.models.card import WEIGHTS_FILE, ModelCard, ModelFacts, NamingFacts
from napari_diatom.models.library import ModelFolder
from napari_diatom.project.project import Project
from napari_diatom.project.settings import Split

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command and return its code and what it wrote."""

    def run(*arguments: object) -> tuple[int, str, str]:
        code = cli.main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_slides(tmp_path_factory.mktemp("slides"))


@pytest.fixture(scope="module")
def run(slides: Path) -> Path:
    """A finished training of class maps."""
    config = configured(slides, "semantic", name="maps", learning={"epochs": 1})
    folder = RunFolder.create(slides.parent / "run", config)
    assert train_here(folder).stage == "finished"
    return folder.path


@pytest.fixture(scope="module")
def namer(slides: Path) -> Path:
    """A classifier that has learnt nothing."""
    torch.manual_seed(0)
    folder = slides.parent / "namer"
    write_model(
        folder,
        classifier_net.build(NETWORKS["classes"], 2),
        ModelFacts(
            name="namer",
            version="1.0",
            task="classes",
            engine="classifier",
            architecture=NETWORKS["classes"],
            classes=("needle", "square"),
            tile_size=64,
            mean=(0.5,) * 3,
            std=(0.2,) * 3,
            thresholds={"needle": 0.4, "square": 0.4},
            naming=NamingFacts(),
        ),
    )
    return folder


def written(out: Path) -> dict:
    return json.loads((out / "report.json").read_text(encoding="utf-8"))


def figures_of_card(run: Path) -> dict[str, float]:
    return ModelCard.read(run / "model").metrics


def test_a_run_is_judged_again_on_its_own_test_part(tmp_path: Path, run: Path, command: Command) -> None:
    code, printed, _ = command("evaluate", run, run, "-o", tmp_path, "--device", "cpu")
    assert code == 0
    assert "on the test part of the run run: 2 images of 1 slide, 4 specimens" in printed
    assert "warning" not in printed
    assert re.search(r"^maps 1\.0 +value +95 % interval", printed, re.MULTILINE)
    assert f"report: {tmp_path / 'report.html'}" in printed
    ours, theirs = written(tmp_path), written(run / "report")
    assert ours["intervals"] == theirs["intervals"]
    assert ours["maps"]["dice"] is not None
    for name in ("recall", "dice"):
        assert figures_of_card(run)[name] == round(ours["intervals"][name]["value"], 4)


class DarkEngine(BlobEngine):
    """Finds what is dark, needles and squares, and calls by its first name what it does not know."""

    def blobs(self, pixels: np.ndarray) -> Detections:
        both = BlobEngine(self.card.model_copy(update={"classes": ("needle", "square")}))
        return renamed(both.blobs(np.where(pixels < 120, 255, 0).astype(np.uint8)), self.card.classes)


@pytest.mark.parametrize(
    ("entries", "specimens"),
    [({}, 4), ({"without": ["square"]}, 2), ({"classes": ["needle"]}, 2), ({"one_class": "thing"}, 4)],
)
def test_a_run_has_the_same_figures_in_its_own_report_and_when_it_is_judged_again(
    tmp_path: Path,
    slides: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    entries: dict[str, Any],
    specimens: int,
) -> None:
    config = configured(slides, "oriented-boxes", name="mine", **entries)
    folder = RunFolder.create(tmp_path / "run", config)
    data = dataset.read(config)
    (folder / "split.json").write_text(json.dumps(data.to_json()))
    update = {"name": "mine", "classes": data.classes, "thresholds": {}}
    model = ModelFolder(card(pixel_size_um=0.25).model_copy(update=update), folder / "model")
    model.card.write(model.folder)
    (model.folder / WEIGHTS_FILE).touch()
    monkeypatch.setattr(engines, "load", lambda model, device: DarkEngine(model.card))
    tune_and_test(model, data, folder / "report", "cpu", UNWATCHED)
    assert command("evaluate", folder.path, folder.path, "-o", tmp_path / "out")[0] == 0
    ours, theirs = written(tmp_path / "out"), written(folder / "report")
    assert (ours["intervals"], ours["detection"]) == (theirs["intervals"], theirs["detection"])
    assert ours["detection"]["overall"]["specimens"] == ours["detection"]["overall"]["right"] == specimens
    assert ours["detection"]["overall"]["found"] == 4
    assert command("evaluate", folder.path, folder.path, "-o", tmp_path / "one", "--one-class", "all")[0] == 0
    assert written(tmp_path / "one")["detection"]["overall"]["specimens"] == specimens


def test_the_report_of_a_trained_model_shows_its_curves_and_what_they_say(
    tmp_path: Path, run: Path, slides: Path, command: Command
) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(run / "model", copied)
    for number, (model, data) in enumerate([(run, run), (copied, slides)]):
        assert command("evaluate", model, data, "-o", tmp_path / f"out-{number}")[0] == 0
    with Image.open(run / "curves.png") as picture:
        of_run = np.asarray(picture.convert("L"), dtype=float)
    said = RunFolder(run).reading(RunFolder(run).history())
    for report in (run / "report", tmp_path / "out-0", tmp_path / "out-1"):
        page = (report / "report.html").read_text(encoding="utf-8")
        section = page.partition("How the training went")[2].partition("</section>")[0]
        assert said.text in section
        found = re.findall(r"data:image/png;base64,([^\"]+)", section)
        with Image.open(io.BytesIO(base64.b64decode(found[0]))) as picture:
            shown = np.asarray(picture.convert("L"), dtype=float)
        # The card has the figures to five decimals.
        assert shown.shape == of_run.shape
        assert np.abs(shown - of_run).mean() < 0.1
        told = written(report)["training"]
        assert told["reading"]["text"] == said.text
        assert len(told["history"]) == 1


NAN = float("nan")


@pytest.mark.parametrize(
    ("training", "epochs"),
    [
        ({}, 0),
        ({"history": []}, 0),
        ({"history": "falling"}, 0),
        ({"history": [1.0, 2.0]}, 0),
        ({"history": [{"val_loss": "low"}]}, 0),
        ({"history": [{"val_loss": [1.0]}]}, 0),
        ({"history": [{"rate": 0.1}]}, 0),
        ({"history": [{"val_loss": 10**400}]}, 0),
        ({"history": [{"val_loss": 1e300}]}, 0),
        ({"history": [{"val_loss": 1.0, "val_$\\frac{$": 1.0}]}, 0),
        ({"history": [{"val_loss": 1.0, 7: 1.0}]}, 0),
        ({"history": [{"val_loss": 1.0} | {f"val_{k}": 1.0 for k in range(1000)}]}, 0),
        ({"history": [{"val_loss": float("inf"), "train_loss": 0.5}] * 5}, 5),
        ({"history": [{"val_loss": 1}], "specimens": {"validation": {"diatom": "many"}}}, 1),
        ({"history": [{"val_loss": NAN, "train_loss": 0.5}] * 5, "specimens": "none"}, 5),
        ({"history": [{"val_loss": 0.5, "train_loss": 0.5}] * 5, "specimens": {"validation": {"diatom": 30}}}, 5),
    ],
)
def test_a_card_shows_only_curves_that_are_numbers(training: dict[str, Any], epochs: int) -> None:
    found = curves_of(card().model_copy(update={"training": training}))
    assert (0 if found is None else len(found.history)) == epochs
    if found is not None:
        assert drawn_curves(found.history, found.reading).startswith(b"\x89PNG")


def test_what_a_model_has_seen_is_told(tmp_path: Path, run: Path, slides: Path, command: Command) -> None:
    code, printed, _ = command("evaluate", run / "model", slides, "-o", tmp_path, "--group", r"^(s\d)_")
    assert code == 0
    assert "all annotated images of slides.json (there is no split): 8 images of 4 slides, 16 specimens" in printed
    assert "warning: maps has been trained on 4 of these 8 images, such as s" in printed
    assert "warning: maps has been tuned on 2 of these 8 images" in printed
    assert "treated as a slide of its own" not in printed
    assert any("has been trained on 4" in remark for remark in written(tmp_path)["remarks"])
    assert "has been trained on 4" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_project_is_judged_by_its_split(tmp_path: Path, slides: Path, namer: Path, command: Command) -> None:
    pictures = sorted((slides.parent / "images").glob("*.png"))
    folder = tmp_path / "project"
    with Project.create(folder, pictures, ["needle", "square"]) as project:
        project.import_annotations(coco.read(slides))
        for image in project.images:
            project.update(project.settings.with_image(image.id, slide=image.id[:2]))
    assert command("project", "split", folder, "--shares", "50-25-25")[0] == 0
    code, printed, _ = command("evaluate", namer, folder, "-o", tmp_path / "out")
    assert code == 0
    assert "on the test part of project: 2 images of 1 slide, 4 specimens" in printed
    for title in ("Accuracy", "F1", "AUC-ROC", "Named"):
        assert title in printed
    figures = written(tmp_path / "out")["naming"]
    assert np.sum(figures["confusion"]) == figures["specimens"] == 4
    assert figures["threshold"] == 0.4
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "ROC curves" in page
    assert " named " in page
    assert "on all annotated images" in command("evaluate", namer, folder, "-o", tmp_path / "all", "--part", "all")[1]


def test_two_models_are_compared(tmp_path: Path, run: Path, slides: Path, namer: Path, command: Command) -> None:
    code, printed, _ = command(
        "evaluate", run, run, "-o", tmp_path, "--compare", run / "model", "--one-class", "diatom"
    )
    assert code == 0
    assert "Precision: " in printed
    assert written(tmp_path)["models"] == ["maps 1.0", "maps 1.0"]
    assert command("evaluate", namer, run, "-o", tmp_path, "--compare", namer)[1].count(": no difference.") == 4
    for arguments, says in (
        (["--compare", namer], "names specimens, and the other model finds them"),
        (["--compare", run, "--threshold", 0.3], "at its own threshold"),
    ):
        code, _, wrong = command("evaluate", run, slides, "-o", tmp_path, *arguments)
        assert (code, says in wrong) == (2, True)


def test_what_cannot_be_judged_is_told(tmp_path: Path, run: Path, slides: Path, namer: Path, command: Command) -> None:
    data = json.loads(slides.read_text())
    others = slides.parent / "others.json"
    others.write_text(json.dumps(data | {"categories": [{"id": k, "name": f"taxon {k}"} for k in (1, 2)]}))
    bare = slides.parent / "bare.json"
    bare.write_text(json.dumps(data | {"annotations": []}))
    (tmp_path / "empty").mkdir()
    moved = tmp_path / "moved"
    shutil.copytree(run, moved)
    for arguments, says in (
        ((namer, others), "knows none of the annotated classes (taxon 1, taxon 2)"),
        ((namer, slides, "--one-class", "diatom"), "there is nothing to name"),
        ((run, bare), "no annotated specimen in all annotated images of bare.json"),
        ((run, slides, "--images", tmp_path / "empty"), "no image"),
        ((run, slides, "--part", "test"), "has no part test: it has no split"),
        ((run, slides, "--group", "("), "not a regular expression"),
        ((run, slides, "--threshold", 2), "threshold of 2"),
        ((run, tmp_path / "nowhere"), "does not exist"),
        (("no-such-model", slides), "There is no model 'no-such-model'"),
        ((run, slides.parent / "maps.yaml"), "maps.yaml"),
    ):
        code, _, wrong = command("evaluate", *arguments, "-o", tmp_path / "out")
        assert (code, says in wrong) == (2, True), wrong
    assert not (tmp_path / "out").exists()
    code, printed, _ = command("evaluate", run, others, "-o", tmp_path / "out")
    assert code == 0
    assert "knows none of the annotated classes, so only its detections are tested" in printed
    assert "warning: each image is treated as a slide of its own; if several images show the same slide" in printed
    assert any(line.startswith("Each image is treated as a slide") for line in written(tmp_path / "out")["remarks"])
    split = json.loads((moved / "split.json").read_text())
    split["parts"]["test"] = [image | {"sha256": "0" * 64} for image in split["parts"]["test"]]
    (moved / "split.json").write_text(json.dumps(split))
    code, _, wrong = command("evaluate", run, moved, "-o", tmp_path / "gone")
    assert (code, "moved or changed" in wrong) == (2, True)
    (moved / "split.json").unlink()
    assert "has not split its data yet" in command("evaluate", run, moved, "-o", tmp_path / "gone")[2]


def test_folds(tmp_path: Path, slides: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_process, "run", train_here)
    file, out = tmp_path / "names.yaml", tmp_path / "folds"
    configured(slides, "classes", name="names", learning={"epochs": 1}).write(file)
    code, printed, _ = command("train", file, "-o", out, "--folds", 2)
    assert code == 0
    assert "fold 1 of 2: " in printed
    assert "fold 2 of 2: " in printed
    assert f"report: {out / 'report.html'}" in printed
    parts = [json.loads((out / f"fold-{k}" / "split.json").read_text())["parts"] for k in (1, 2)]
    tests = [{image["slide"] for image in part["test"]} for part in parts]
    assert tests[0] | tests[1] == {"s0", "s1", "s2", "s3"}
    assert not tests[0] & tests[1]
    for part, test in zip(parts, tests, strict=True):
        assert not test & {image["slide"] for name in ("train", "validation") for image in part[name]}
    spread = written(out)["spreads"]["accuracy"]
    each = [written(out / f"fold-{k}" / "report")["naming"]["accuracy"] for k in (1, 2)]
    assert spread["values"] == each
    assert spread["mean"] == pytest.approx(np.mean(each))
    code, printed, _ = command("train", file, "-o", out, "--folds", 2, "--resume")
    assert code == 0
    assert printed.count("already finished") == 2
    assert "holds 2 folds and not 3" in command("train", file, "-o", out, "--folds", 3, "--resume")[2]
    assert "is not empty" in command("train", file, "-o", out, "--folds", 2)[2]
    TrainConfig.read(file).replace(pixel_size_um=0.5).write(file)
    assert "can only continue with its own settings" in command("train", file, "-o", out, "--folds", 2, "--resume")[2]
    assert "folds need at least 2" in command("train", file, "-o", tmp_path / "one", "--folds", 1)[2]


class StopsInTheTest(RunFolder):
    """A run that is asked to stop as soon as its test begins."""

    asked = False

    def say(self, progress: Progress) -> None:
        super().say(progress)
        self.asked |= progress.stage == "test"

    def wants_stop(self) -> bool:
        return self.asked


def test_a_stop_during_the_test_keeps_the_model_and_its_threshold(tmp_path: Path, run: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    shutil.rmtree(folder / "report")
    before = figures_of_card(run)
    assert work(StopsInTheTest(folder)) == 0
    assert RunFolder(folder).state().stage == "stopped"
    left = ModelCard.read(folder / "model")
    assert (left.metrics, left.thresholds) == ({}, ModelCard.read(run / "model").thresholds)
    assert not (folder / "report").exists()
    assert work(RunFolder(folder)) == 0
    assert figures_of_card(folder) == before
    assert written(folder / "report") == written(run / "report")


def test_folds_and_parts_that_are_given(tmp_path: Path, slides: Path) -> None:
    config = configured(slides)
    folds = dataset.folds(config, 4)
    assert sorted(fold["test"] for fold in folds) == [("s0",), ("s1",), ("s2",), ("s3",)]
    assert folds == dataset.folds(config, 4)
    divided = dataset.read(config.replace(split={"parts": folds[0]}))
    assert {slide.group for slide in divided.parts["test"]} == set(folds[0]["test"])
    with pytest.raises(InputError, match=r"there is no slide or image s9\. The slides are s0, s1, s2, s3\."):
        dataset.read(config.replace(split={"parts": folds[0] | {"test": ["s9"]}}))
    with pytest.raises(InputError, match="s1 is in two parts"):
        config.replace(split={"parts": {"train": ["s1"], "test": ["s1"]}})
    two = config.replace(group=r"^s\d_(\d)", classes=["square"])
    with pytest.raises(InputError, match="at most as many as there are"):
        dataset.folds(two, 9)
    pictures = sorted((slides.parent / "images").glob("*.png"))
    with Project.create(tmp_path / "project", pictures, ["needle", "square"]) as project:
        project.import_annotations(coco.read(slides))
        for image in project.images:
            number = int(image.id[1])
            project.update(project.settings.with_image(image.id, slide=image.id, sample=f"lake {number}"))
        own = {f"fold {k}": (f"lake {k}", f"lake {k + 1}") for k in (0, 2)}
        project.update(project.settings.replace(split=Split(by="sample", parts=own)))
        tests = [fold["test"] for fold in dataset.folds(config.replace(data=project.folder), 2)]
        assert [{name[:2] for name in test} for test in tests] == [{"s0", "s1"}, {"s2", "s3"}]
        parts = {"train": ("lake 0", "lake 1"), "validation": ("lake 2",), "test": ("lake 3",)}
        project.update(project.settings.replace(split=Split(by="sample", parts=parts)))
        divided = dataset.read(config.replace(data=project.folder))
    assert {slide.group[:2] for slide in divided.parts["test"]} == {"s3"}


def test_folds_that_were_interrupted_go_on(
    tmp_path: Path, slides: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, out = tmp_path / "names.yaml", tmp_path / "folds"
    configured(slides, "classes").write(file)
    trained: list[str] = []

    def train(folder: RunFolder, monitor: ProgressMonitor) -> None:
        if folder.path.name == "fold-2" and "fold-2" not in trained:
            trained.append("fold-2")
            raise Stopped("Stopped as asked.")
        trained.append(folder.path.name)
        folder.write_state("finished")

    monkeypatch.setattr(training_process, "run", train)
    code, printed, _ = command("train", file, "-o", out, "--folds", 3)
    assert code == 130
    assert "Stopped in fold 2 of 3, 1 already finished. Run the same command with --resume to continue." in printed
    assert all((out / f"fold-{k}" / "config.yaml").is_file() for k in (1, 2, 3))
    code, printed, wrong = command("train", out, "--folds", 3, "--resume")
    assert "fold 1 of 3: already finished" in printed
    assert trained == ["fold-1", "fold-2", "fold-2", "fold-3"]
    # The stand-in wrote no reports.
    assert (code, "report.json is missing" in wrong) == (2, True)
