"""Models for outlines are fine-tuned on the user's own outlines, from the command line to the tested model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from diatom_training.cli import train as command
from diatom_training.evaluation import curve_diagnosis
from diatom_training.finetune import dataset, initial_weights, resource_estimate, training_process, training_run
from diatom_training.finetune.presets import named_losses
from diatom_training.finetune.run_folder import RunFolder
from diatom_training.learning import lr_schedule
from diatom_training.learning.options import LearningOptions, LossOptions
from diatom_training.learning.outline_module import outline_losses
from helpers.tiny import NETWORKS, configured, draw_slides, train_here
from napari_diatom.cli import app as cli
from napari_diatom.core.errors import InputError, ModelError, Stopped
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.engines import map_nets, outline_net
from napari_diatom.engines.model_writer import write_model
from napari_diatom.models import library
from napari_diatom.models.card import ModelFacts

TASK = "outlines"


@pytest.fixture
def slides(tmp_path: Path) -> Path:
    return draw_slides(tmp_path)


def with_boxes(slides: Path, images: range) -> Path:
    """Take the outlines of the squares of some images away, so that they are boxes."""
    data = json.loads(slides.read_text())
    for note in data["annotations"]:
        if note["image_id"] in images and note["category_id"] == 2:
            del note["segmentation"]
    slides.write_text(json.dumps(data))
    return slides


def test_the_command_line_trains_tests_and_says_how_to_use_a_model_for_outlines(
    tmp_path: Path, slides: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_process, "run", train_here)
    configured(slides, TASK, name="mine").write(tmp_path / "mine.yaml")
    assert cli.main(["train", str(tmp_path / "mine.yaml"), "-o", str(tmp_path / "run")]) == 0
    printed = capsys.readouterr().out
    assert "epoch 2/2" in printed
    assert "val_iou" in printed
    assert "threshold" not in printed
    assert "on the test images (4 specimens)" in printed
    assert "outline_dice" in printed
    model = library.resolve_model(str(tmp_path / "run" / "model"))
    assert f"--outlines {model.folder}" in printed
    model.verify()
    assert (model.card.task, model.card.engine, model.card.classes) == (TASK, "outline", ("diatom",))
    assert model.card.tile_size == outline_net.TILE
    assert model.card.thresholds == {}
    report = json.loads((tmp_path / "run" / "report" / "report.json").read_text(encoding="utf-8"))
    assert report["outlining"]["specimens"] == 4
    for name in ("outline_dice", "flagged", "true_box_outline_iou", "mask_ap75"):
        assert model.card.metrics[name] == round(report["intervals"][name]["value"], 4)
    page = (tmp_path / "run" / "report" / "report.html").read_text(encoding="utf-8")
    assert "Wrong outlines, the worst first" in page
    assert "data:image/jpeg" in page
    assert "average symmetric surface distance" in page


def test_a_run_that_was_stopped_comes_to_the_same_figures_and_weights(tmp_path: Path, slides: Path) -> None:
    config = configured(slides, TASK, learning={"epochs": 3})
    whole, parts = (RunFolder.create(tmp_path / name, config) for name in ("whole", "parts"))
    training_run.train(whole)
    done: list[int] = []

    def report(progress: Progress) -> None:
        if progress.stage == "epoch":
            done.append(progress.done)

    with pytest.raises(Stopped):
        training_run.train(parts, ProgressMonitor(report, lambda: bool(done)))
    assert library.resolve_model(str(parts / "model")).card.task == TASK
    training_run.train(parts)
    assert parts.history() == whole.history()
    one, other = (library.resolve_model(str(run / "model")) for run in (whole, parts))
    assert one.card.sha256 == other.card.sha256
    assert one.card.metrics == other.card.metrics


def test_specimens_without_outlines_are_left_out_and_told(
    tmp_path: Path, slides: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = resource_estimate.Estimate(2.0, 0.5, 0.5, 0.1, 10, 2, 1.0, 60.0, 1_500_000_000, "cpu")
    monkeypatch.setattr(command, "estimate", lambda config: told)
    configured(with_boxes(slides, range(8)), TASK).write(tmp_path / "mine.yaml")
    assert cli.main(["train", str(tmp_path / "mine.yaml"), "--check"]) == 0
    printed = capsys.readouterr().out
    assert "train: 4 images of 2 slides: 4 diatom" in printed
    assert "8 specimens are boxes without an outline, such as in s0_0.png, and are left out" in printed


def test_data_of_boxes_alone_are_refused(slides: Path) -> None:
    data = json.loads(slides.read_text())
    for note in data["annotations"]:
        del note["segmentation"]
    slides.write_text(json.dumps(data))
    with pytest.raises(InputError, match="has only boxes, and models for outlines need outlines"):
        dataset.read(configured(slides, TASK))


def test_specimens_too_small_to_outline_are_refused(slides: Path) -> None:
    data = json.loads(slides.read_text())
    for note in data["annotations"]:
        ring = np.reshape(note["segmentation"][0], (-1, 2))
        note["segmentation"] = [(ring.mean(axis=0) + 0.18 * (ring - ring.mean(axis=0))).ravel().tolist()]
    slides.write_text(json.dumps(data))
    with pytest.raises(InputError, match="12 or more pixels long, so there is no outline to learn"):
        resource_estimate.measure_steps(configured(slides, TASK))


def test_time_and_memory_of_outlines_are_told(slides: Path) -> None:
    told = resource_estimate.measure_steps(configured(slides, TASK))
    assert told.step_seconds > 0
    assert told.judging_seconds > 0


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ({"pixel_size_um": 0.2}, "pixel_size_um has no effect on outlines"),
        ({"learning": {"loss": {"cross_entropy": 0, "dice": 0}}}, "one of cross_entropy, .*dice, .* must be above 0"),
        ({"learning": {"epochs": 0}}, "learning.epochs"),
        ({"start": "a.pt"}, "a.pt"),
    ],
)
def test_settings_that_do_not_suit_outlines_are_named(slides: Path, entries: dict, problem: str) -> None:
    with pytest.raises((InputError, ModelError), match=problem):
        initial_weights.resolve(configured(slides, TASK, **entries))


@pytest.mark.parametrize("architecture", [NETWORKS["semantic"], "outline/no_such_encoder/32"])
def test_networks_that_draw_no_outlines_are_refused(slides: Path, architecture: str) -> None:
    with pytest.raises(InputError, match=r"outlines|encoder"):
        initial_weights.resolve(configured(slides, TASK, architecture=architecture))


def test_class_weights_of_outlines_are_those_of_ground_and_specimen(slides: Path) -> None:
    config = configured(slides, TASK, learning={"loss": {"class_weights": [1.0, 3.0]}})
    assert config.learning.loss.class_weights == (1.0, 3.0)
    with pytest.raises(ValueError, match="class_weights needs 2 numbers, the background's first, and has 4"):
        LearningOptions(
            architecture=NETWORKS[TASK], classes=("a", "b", "c"), loss=LossOptions(class_weights=(1.0, 1.0, 1.0, 1.0))
        )
    masks, inside = torch.zeros(1, 8, 8), torch.ones(1, 8, 8)
    masks[:, 2:6, 2:6] = 1

    def entropy(weights: tuple[float, float] | None, logits: torch.Tensor) -> float:
        return float(outline_losses(logits, masks, inside, LossOptions(dice=0, class_weights=weights))["cross_entropy"])

    missed, invented = torch.full((1, 8, 8), -4.0), torch.full((1, 8, 8), 4.0)
    assert entropy((1.0, 3.0), missed) > entropy(None, missed)
    assert entropy((1.0, 3.0), invented) < entropy(None, invented)


@pytest.mark.parametrize("name", named_losses("outlines"))
def test_every_loss_falls_with_the_overlap_and_asks_nothing_beyond_the_image(name: str) -> None:
    options = LossOptions.model_validate(named_losses("outlines")[name])
    masks, inside = torch.zeros(1, 16, 16), torch.ones(1, 16, 16)
    masks[:, 4:12, 4:12] = 1
    inside[:, :, 13:] = 0
    right = 6 * (2 * masks - 1)
    beyond = right.clone()
    beyond[:, :, 13:] = 6

    def total(logits: torch.Tensor) -> float:
        return float(sum(outline_losses(logits, masks, inside, options).values()))

    assert total(right) < total(torch.roll(right, 3, dims=1)) < total(-right)
    assert total(beyond) == pytest.approx(total(right))
    assert set(outline_losses(right, masks, inside, options)) == {
        part for part, weight in named_losses("outlines")[name].items() if weight
    }


def test_the_best_epoch_of_outlines_is_that_of_the_highest_overlap() -> None:
    history = [
        {"val_loss": loss, "val_iou": iou, "train_loss": 1.0} for loss, iou in ((0.3, 0.6), (0.4, 0.8), (0.2, 0.7))
    ]
    assert lr_schedule.epochs_since_best(history) == 1
    assert [lr_schedule.is_best(history[:k]) for k in (1, 2, 3)] == [True, True, False]
    assert curve_diagnosis.read(history).best_epoch == 2
    maps = [{"val_loss": epoch["val_loss"], "val_dice": epoch["val_iou"]} for epoch in history]
    assert lr_schedule.epochs_since_best(maps) == 0


def test_layers_of_a_model_for_class_maps_and_an_earlier_run_are_starts(tmp_path: Path, slides: Path) -> None:
    torch.manual_seed(0)
    write_model(
        tmp_path / "maps",
        map_nets.build(NETWORKS["semantic"], 2),
        ModelFacts(
            name="maps",
            version="1",
            task="semantic",
            engine="deeplab",
            architecture=NETWORKS["semantic"],
            classes=("a", "b"),
            tile_size=512,
        ),
    )
    config = configured(slides, TASK, start=str(tmp_path / "maps"), architecture=None, learning={"epochs": 1})
    begin = initial_weights.resolve(config)
    assert (begin.architecture, begin.tile_size) == (NETWORKS[TASK], outline_net.TILE)
    assert begin.text.startswith("the layers of maps 1")
    run = RunFolder.create(tmp_path / "run", config)
    model = training_run.train(run).model
    assert model.card.training["tensors_taken_over"] > 100
    again = initial_weights.resolve(configured(slides, TASK, start=str(run.path), architecture=None))
    weights = again.weights_for(("diatom",))
    assert weights is not None
    assert all(torch.equal(weights[name], value) for name, value in (again.weights or {}).items())
    with pytest.raises(InputError, match="cannot be the start of a model for semantic"):
        initial_weights.resolve(configured(slides, start=str(run.path), architecture=None))


def test_a_cross_validation_of_outlines_has_their_figures_and_no_threshold(
    tmp_path: Path, slides: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_process, "follow", lambda folder, report: training_run.train(folder))
    configured(slides, TASK, learning={"epochs": 1}).write(tmp_path / "mine.yaml")
    out = tmp_path / "folds"
    assert cli.main(["train", str(tmp_path / "mine.yaml"), "-o", str(out), "--folds", "2"]) == 0
    assert "Dice is " in capsys.readouterr().out
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Dice, true boxes" in page
    assert "threshold was tuned" not in page
    folds = json.loads((out / "report.json").read_text(encoding="utf-8"))["folds"]
    assert [fold["threshold"] for fold in folds] == [None, None]
    assert sum(fold["specimens"] for fold in folds) == 16


def test_outlines_are_learnt_from_composed_slides_first(tmp_path: Path, slides: Path) -> None:
    config = configured(
        slides,
        TASK,
        learning={"epochs": 1},
        composed={"count": 2, "epochs": 1, "specimens": [2, 3], "empty_share": 0.0},
    )
    run = RunFolder.create(tmp_path / "run", config)
    card = training_run.train(run).model.card
    assert card.training["composed"]
    assert card.metrics["specimens"] == 4
