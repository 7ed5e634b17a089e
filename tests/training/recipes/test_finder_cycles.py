"""Trainings in cycles of what finds specimens: what they learn from, what they leave, and that they continue."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diatom_training.data.examples import Example, save_truth
from diatom_training.data.rendered_examples import field_path, render_example, render_set
from diatom_training.evaluation.evaluate_detector import evaluate_detector, truth_for
from diatom_training.recipes import detectors, finder_cycles, mask_rcnn
from diatom_training.recipes.cycles import FEWEST_FIELDS, cycle_parser, rendered_until
from diatom_training.recipes.finder_cycles import FinderMaterial, FinderPlan, finder_cycle
from napari_diatom.core import geometry
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import Stopped
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.engines import maskrcnn_net
from napari_diatom.engines.model_writer import write_model
from napari_diatom.models import library
from napari_diatom.models.card import ModelFacts
from napari_diatom.tiling.tiles import Tile

SUBJECTS = ("fragilaria", "living-chain")
MATERIAL = FinderMaterial(2, 1, 1, 1, side=96, large_side=160, selection_side=96)
TINY = {"size": 64, "batch": 2, "crops": 4, "epochs": 2, "validation_crops": 2, "warmup": 1}
NEEDLE = geometry.corners(np.array([[60.0, 50.0, 80.0, 8.0, 0.7]]))[0].astype(np.float32)


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fields of all sets, rendered in this process."""
    work = tmp_path_factory.mktemp("rendered")
    for name, count, seed, size, subjects in (
        ("fields", 2, finder_cycles.FIELDS_SEED, 96, ()),
        ("fields-large", 1, finder_cycles.LARGE_SEED, 160, ()),
        ("selection", 2, finder_cycles.SELECTION_SEED, 96, SUBJECTS),
        ("selection-classic", 1, finder_cycles.CLASSIC_SELECTION_SEED, 96, ("classic",)),
    ):
        (work / name).mkdir()
        for index in range(count):
            render_example(index, work / name, seed, size, finder_cycles.NEEDLES, subjects)
    # Whatever chance drew: there is something to learn.
    save_truth(field_path(work / "fields", 0).with_suffix(".npz"), [NEEDLE], [0.7], [0])
    return work


def test_cycles_continue_and_leave_a_model_with_its_whole_history(
    fields: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "diatom-obb"
    monkeypatch.setattr(finder_cycles, "SUBJECTS", SUBJECTS)
    plan = detectors.PLANS[name]
    plan = replace(plan, options=plan.options.model_copy(update=TINY))
    work, material = tmp_path / "work", replace(MATERIAL, rendered=fields)
    first = finder_cycle(plan, work, 0, material)
    second = finder_cycle(plan, work, 0, material, export=tmp_path)
    assert (first["epochs"], second["epochs"], second["crops_seen"]) == (1, 2, 8)
    start, *cycles = [json.loads(line) for line in (work / "figures.jsonl").read_text().splitlines()]
    # What it starts from is measured once, on the same fields.
    assert start["started_from"].startswith(f"{name} ")
    assert [cycles[0], cycles[-1]] == [first, second]
    # At the end, what lies between the weights before and after is measured too, and the best is taken.
    tried = {line["share"]: line for line in cycles[1:-1]}
    assert list(tried) == [1.0, *detectors.AVERAGES]
    assert second["ap50"] == tried[second["share"]]["ap50"]
    assert set(start["group_ap50"]) == {"classic", *SUBJECTS}
    model = library.resolve_model(tmp_path / name)
    training = model.card.training
    assert model.card.task == plan.options.task
    assert model.card.thresholds == {"diatom": second["threshold"]}
    assert training["epochs_done"] == len(training["history"]) == 2
    assert training["share_of_trained_weights"] == second["share"]
    # From a short climb the rate falls to almost nothing.
    assert training["history"][-1]["rate"] <= 0.3 * plan.options.rate
    assert training["before"]["recipe"].startswith("python -m")
    assert not {*training["rendered_seeds"]} & {*training["selection_seeds"]}


def test_masks_are_trained_alike(fields: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finder_cycles, "SUBJECTS", SUBJECTS)
    tiny = {"architecture": "maskrcnn/tu-test_efficientnet/8/fine", "proposals": 8}
    options = mask_rcnn.OPTIONS.model_copy(update=TINY | tiny | {"epochs": 1})
    network: Any = maskrcnn_net.build(options.architecture, 1)
    # A network of chance is sure of hundreds of specimens, which take long to compare.
    network.roi_heads.box_predictor.cls_score.bias.data[0] = 9.0
    facts = {"name": "tiny", "version": "0", "task": "instances", "engine": "maskrcnn", "classes": ("diatom",)}
    start = write_model(
        tmp_path / "tiny", network, ModelFacts(**facts, architecture=options.architecture, tile_size=64)
    )
    plan = FinderPlan("diatom-maskrcnn", "2.0", str(start.folder), options, "a test")
    figures = finder_cycle(plan, tmp_path / "work", 0, replace(MATERIAL, rendered=fields), export=tmp_path)
    assert "train_mask" in figures
    lines = [json.loads(line) for line in (tmp_path / "work" / "figures.jsonl").read_text().splitlines()]
    assert [line["epochs"] for line in lines] == [0, 1]
    assert lines[1] == figures
    model = library.resolve_model(tmp_path / plan.name)
    assert (model.card.task, model.card.architecture) == ("instances", options.architecture)


def test_the_test_station_is_never_learnt_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        detectors.main(["--checkpoint", str(tmp_path), "--real", str(tmp_path), "--stations", "0035"])
    assert ended.value.code == 2
    assert "0035 is the test set" in capsys.readouterr().err


def test_only_named_options_replace_those_of_the_model() -> None:
    chosen = cycle_parser(None).parse_args(["--checkpoint", "folder", "--epochs", "3", "--rate", "0.01"])
    found = finder_cycles.chosen_options(detectors.BOX, chosen)
    assert found == detectors.BOX.model_copy(update={"epochs": 3, "rate": 0.01})


def test_rendering_ends_with_the_time_but_not_before_there_is_something_to_learn_from(tmp_path: Path) -> None:
    def render(folder: Path, count: int, monitor: ProgressMonitor = UNWATCHED) -> list[Example]:
        for index in range(count):
            path = field_path(folder, index)
            if not path.exists():
                path.touch()
                if index >= FEWEST_FIELDS + 3:
                    monitor.check()
        return [Example(field_path(folder, index), (), (), ()) for index in range(count)]

    late = rendered_until(render, tmp_path, 200, time.monotonic() - 1, UNWATCHED)
    assert FEWEST_FIELDS <= len(late) < 60
    assert len(rendered_until(render, tmp_path, 200, time.monotonic() + 60, UNWATCHED)) == 200
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.raises(Stopped):
        rendered_until(render, tmp_path, 200, time.monotonic() + 60, ProgressMonitor(should_stop=lambda: True))


def test_fields_show_their_subjects_in_turn_and_are_not_rendered_again(tmp_path: Path) -> None:
    for index in range(3):
        render_example(index, tmp_path, 5, 64, 0.3, SUBJECTS)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    examples = render_set(tmp_path, 3, 5, 64, subjects=SUBJECTS)
    assert [example.group for example in examples] == ["fragilaria", "living-chain", "fragilaria"]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == written


class Knowing:
    """Stands for an engine: finds the first specimens of each image that it is told of."""

    def __init__(self, task: str, truths: list[Detections], skipped: int) -> None:
        self.card = library.resolve_model({"boxes": "diatom-box"}.get(task, "diatom-obb")).card
        self.device, self.precision = "cpu", "single"
        self.truths = iter(truths)
        self.skipped = skipped

    def predict(self, tiles: Iterable[Tile], threshold: float) -> Iterator[tuple[int, Detections]]:
        for tile in tiles:
            truth = next(self.truths)
            boxes = truth.boxes[self.skipped :]
            yield tile.index, Detections.of(boxes, scores=np.full(len(boxes), 0.7), classes=("diatom",))


@pytest.mark.parametrize("task", ["oriented-boxes", "boxes"])
def test_figures_are_those_of_each_group(task: str, fields: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = field_path(fields / "fields", 0)
    rings = [NEEDLE, geometry.corners(np.array([[20.0, 70.0, 30.0, 12.0, 0.2]]))[0].astype(np.float32)]
    examples = [Example(image, tuple(rings), (0.7, 0.2), (0, 0), group=group) for group in ("classic", "crossed")]
    truths = [truth_for(task, example) for example in examples]  # type: ignore[arg-type]
    perfect = evaluate_detector(Knowing(task, truths, 0), examples)
    assert perfect.specimens == 4
    assert perfect.group_ap50 == pytest.approx({"classic": 1, "crossed": 1})
    assert perfect.f1 == 1
    half = evaluate_detector(Knowing(task, truths, 1), examples).to_json()
    assert half["recall"] == 0.5
    assert half["subjects_ap50"] == half["least_ap50"] < 0.6
    assert half["least_subject"] == "crossed"


def test_the_upright_box_of_a_specimen_is_that_of_its_outline() -> None:
    example = Example(Path("none"), (NEEDLE,), (0.7,), (0,))
    x, y, w, h, angle = truth_for("boxes", example).boxes[0].tolist()
    low, high = NEEDLE.min(axis=0), NEEDLE.max(axis=0)
    assert [x - w / 2, y - h / 2, x + w / 2, y + h / 2] == pytest.approx([*low, *high], abs=1e-3)
    assert angle == 0
    masked = truth_for("instances", example)
    assert masked.masks is not None
    assert masked.masks[0].area == pytest.approx(640, abs=20)
