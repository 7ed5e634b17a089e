"""Models on a test set, from images to the report; and cross-validation."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from diatom_training.data.annotated_slides import PARTS, Slide
from diatom_training.evaluation import evaluate as run
from diatom_training.evaluation.cross_validation import Fold, cross_validation, summarize, write_cross_validation
from diatom_training.evaluation.evaluate_classifier import ClassifiedSpecimens
from diatom_training.evaluation.evaluation import EvaluatedModel, evaluate_cases
from diatom_training.evaluation.report import to_json
from diatom_training.finetune import threshold_tuning
from diatom_training.finetune.dataset import Dataset
from diatom_training.metrics.bootstrap import Bootstrap
from diatom_training.metrics.matching import match_cases
from diatom_training.metrics.resampled_figures import figures_of
from helpers.fakes import BlobEngine, ShadeEngine, card, loader, map_card, slide
from helpers.simulated_cases import cases
from napari_diatom import engines
from napari_diatom.analysis.pipeline import AnalysisOptions, analyse
from napari_diatom.core.annotations import Annotations
from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError, OutputError, Stopped
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.images.slide_image import from_array
from napari_diatom.models.card import ModelCard
from napari_diatom.models.library import ModelFolder

QUICK = Bootstrap(resamples=50)
KNOWN = AnalysisOptions(pixel_size_um=0.25)


def truth_of(pixels: np.ndarray, engine: BlobEngine | ShadeEngine) -> Detections:
    """Return what an engine finds itself, less the last specimen, as a person would give it."""
    found = analyse(from_array(pixels, "truth"), engine, KNOWN).detections
    return replace(found, scores=np.ones_like(found.scores))[:-1]


def images(engine: BlobEngine | ShadeEngine, number: int = 3) -> list[run.TestImage]:
    made = []
    for k in range(number):
        pixels = slide(seed=k)
        made.append(run.TestImage(from_array(pixels, f"field-{k}"), f"slide-{k}", truth_of(pixels, engine), 0.25))
    return made


def test_a_model_that_finds_boxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = BlobEngine(card(pixel_size_um=0.25))
    some = images(engine)
    file = tmp_path / "one.png"
    cv2.imwrite(str(file), slide(seed=0))
    some[0] = replace(some[0], image=file)
    monkeypatch.setattr(engines, "load", loader(engine))
    seen: list[Progress] = []
    evaluation = run.evaluate_model(
        ModelFolder(engine.card, tmp_path), some, tmp_path / "out", monitor=ProgressMonitor(seen.append), options=QUICK
    )
    figures = evaluation.detection
    specimens = sum(len(item.truth) for item in some)
    assert (figures.overall.specimens, figures.overall.right, figures.overall.recall) == (specimens, specimens, 1)
    assert figures.overall.found == specimens + 3
    assert [count.found - count.truth for count in figures.counts] == [1, 1, 1]
    assert figures.sizes[0].unit == "µm"
    assert figures.sizes[0].median_error == 0
    assert {shown.mistake.kind for shown in evaluation.mistakes} == {"false"}
    assert all(shown.jpeg for shown in evaluation.mistakes)
    assert [p.message for p in seen if p.stage == "images"] == ["one.png", "field-1", "field-2", ""]
    assert evaluation.about.threshold_from.startswith("the model's own")
    written = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert written["detection"]["threshold"] == 0.4
    assert (tmp_path / "out" / "report.html").stat().st_size > 50_000


def test_a_model_that_gives_maps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = ShadeEngine(map_card(pixel_size_um=0.25))
    some = images(engine)
    monkeypatch.setattr(engines, "load", loader(engine))
    model = ModelFolder(engine.card, tmp_path)
    evaluation = run.evaluate_model(model, some, tmp_path, options=QUICK)
    assert evaluation.detection.shape == "masks"
    assert 0.8 < evaluation.maps.iou < 1
    assert [part.name for part in evaluation.maps.classes] == ["background", "diatom", "centric"]
    assert "iou" in evaluation.intervals
    boxes = [replace(item, truth=replace(item.truth, masks=None)) for item in some]
    by_boxes = run.evaluate_model(model, boxes, tmp_path, 0.3, options=QUICK)
    assert by_boxes.detection.shape == "oriented-boxes"
    assert by_boxes.maps is None
    assert "tested by its oriented boxes" in by_boxes.remarks[-1]
    assert by_boxes.about.threshold_from == "given by the user"


def test_upright_boxes_go_round_the_masks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maps = ShadeEngine(map_card(pixel_size_um=0.25))
    some = images(maps, 2)
    upright = BlobEngine(card(pixel_size_um=0.25).model_copy(update={"task": "boxes"}))
    by_task = {"semantic": maps, "boxes": upright}
    monkeypatch.setattr(engines, "load", lambda model, device: by_task[model.card.task])
    # The engine's boxes are oriented ones whatever its task, and are compared by what is upright round them.
    comparison = run.compare_models(
        ModelFolder(maps.card, tmp_path), ModelFolder(upright.card, tmp_path), some, tmp_path, options=QUICK
    )
    by_name = {row.figure: row for row in comparison.differences}
    assert by_name["recall"].first == 1
    assert by_name["recall"].second > 0.8
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "shades 1.0 and blobs 1.0 on the same 2 slides" in page
    assert any("only 2 slides, so the intervals are rough" in remark for remark in comparison.remarks)
    assert any(remark.startswith("With 2 slides no difference can be called real") for remark in comparison.remarks)
    assert all(remark in page for remark in comparison.remarks)


def test_what_cannot_be_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = BlobEngine()
    monkeypatch.setattr(engines, "load", loader(engine))
    model = ModelFolder(engine.card, tmp_path)
    with pytest.raises(InputError, match="no images"):
        run.evaluate_model(model, [], tmp_path)
    picture = from_array(slide(), "field")
    with pytest.raises(InputError, match="has no specimens"):
        run.evaluate_model(model, [run.TestImage(picture, "s", Detections.empty())], tmp_path)
    naming = ModelFolder(engine.card.model_copy(update={"task": "classes"}), tmp_path)
    with pytest.raises(InputError, match="names specimens, and the other model finds them"):
        run.compare_models(model, naming, images(engine, 1), tmp_path)
    with pytest.raises(InputError, match="with only one class there is nothing to name"):
        run.evaluate_model(naming, images(engine, 1), tmp_path, one_class="diatom")
    with pytest.raises(Stopped):
        run.evaluate_model(model, images(engine, 1), tmp_path, monitor=ProgressMonitor(should_stop=lambda: True))
    pages = tmp_path / "pages.tif"
    cv2.imwritemulti(str(pages), [slide(), slide()])
    with pytest.raises(InputError, match="holds 2 images"):
        run.evaluate_model(model, [run.TestImage(pages, "s", Detections.empty())], tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_all_as_one_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = ShadeEngine(map_card(pixel_size_um=0.25))
    monkeypatch.setattr(engines, "load", loader(engine))
    model, some = ModelFolder(engine.card, tmp_path), images(engine)
    evaluation = run.evaluate_model(model, some, tmp_path, options=QUICK, one_class="centric", remarks=["Mind this."])
    assert evaluation.detection.names.every == ("centric",)
    assert [part.name for part in evaluation.maps.classes] == ["background", "centric"]
    assert evaluation.remarks[0] == "Mind this."
    assert evaluation.remarks[-1] == "All specimens are treated as centric, whatever their names."
    figures = evaluation.figures()
    assert figures["recall"] == round(evaluation.detection.overall.recall, 4)
    assert {"specimens", "dice", "length_error", "relative_count_error"} <= set(figures)


def test_a_threshold_is_tuned_only_where_something_right_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = card(pixel_size_um=0.25).model_copy(update={"thresholds": {}})
    engine = BlobEngine(bare)
    monkeypatch.setattr(engines, "load", loader(engine))
    slides = []
    for number, pixels in enumerate(slide(seed=k) for k in range(2)):
        path = tmp_path / f"field-{number}.png"
        cv2.imwrite(str(path), pixels)
        height, width = pixels.shape[:2]
        annotations = Annotations.of(truth_of(pixels, engine), image=path.name, height=height, width=width)
        slides.append(Slide(path.name, path, 1, f"{number}", f"slide-{number}", annotations, 0.25))
    away = replace(slides[0].truth[:1], boxes=np.array([[5, 5, 9, 4, 0]], np.float32))
    hopeless = replace(slides[0], annotations=Annotations.of(away, image=slides[0].name, height=height, width=width))
    for validation, tuned in ((slides[0], True), (hopeless, False)):
        data = Dataset(bare.classes, {"train": (), "validation": (validation,), "test": (slides[1],)}, ())
        told: list[Progress] = []
        untuned = ModelFolder(bare, tmp_path)
        model, evaluation = threshold_tuning.tune_and_test(
            untuned, data, tmp_path / "out", "cpu", ProgressMonitor(told.append)
        )
        assert model.card == ModelCard.read(tmp_path)
        assert set(model.card.thresholds) == (set(bare.classes) if tuned else set())
        warnings = [progress.message for progress in told if progress.stage == "warning"]
        assert (not warnings) == tuned
        assert all("could not be tuned; the default of 0.25 is used" in line for line in warnings)
        assert ("tuned on its validation" in evaluation.about.threshold_from) == tuned
        assert any("the default of 0.25 is used" in remark for remark in evaluation.remarks) != tuned
        assert evaluation.detection.threshold == model.card.threshold()


@pytest.mark.parametrize("right", [True, False])
def test_a_threshold_of_names_is_tuned_only_where_some_are_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, right: bool
) -> None:
    classes = ("needle", "square")
    truth = np.array([0, 0, 0]) if right else np.array([1, 1, 1])
    sure = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]], np.float32)
    said = ClassifiedSpecimens(classes, np.zeros(3, np.intp), np.arange(3), truth, sure, {})
    monkeypatch.setattr(threshold_tuning, "name_specimens", lambda *arguments: said)
    update = {"task": "classes", "engine": "classifier", "classes": classes, "thresholds": {}}
    namer = ModelFolder(card().model_copy(update=update), tmp_path)
    told: list[Progress] = []
    data = Dataset(classes, dict.fromkeys(PARTS, ()), ())
    model, _ = threshold_tuning.tune_and_test(namer, data, tmp_path / "out", "cpu", ProgressMonitor(told.append))
    assert bool(model.card.thresholds) == right
    assert any("could not be tuned" in progress.message for progress in told) != right


def test_the_folder_of_the_report_is_tried_before_the_analysis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = BlobEngine(card(pixel_size_um=0.25))
    model, some = ModelFolder(engine.card, tmp_path), images(engine, 2)

    def loaded(model: ModelFolder, device: str) -> BlobEngine:
        raise AssertionError("An analysis was begun.")

    monkeypatch.setattr(engines, "load", loaded)
    (tmp_path / "file").touch()
    (tmp_path / "taken" / "report.json").mkdir(parents=True)
    for out, says in (("file", " to "), ("file/below", " to "), ("taken", "report.json is a folder")):
        with pytest.raises(OutputError, match=f"report cannot be written.*{says}"):
            run.evaluate_model(model, some, tmp_path / out)
        with pytest.raises(OutputError, match=f"report cannot be written.*{says}"):
            run.compare_models(model, model, some, tmp_path / out)
    (tmp_path / "old").mkdir()
    for out in ("new/deep", "old"):
        with pytest.raises(AssertionError, match="An analysis was begun"):
            run.evaluate_model(model, some, tmp_path / out)
    assert not (tmp_path / "new").exists()
    assert (tmp_path / "old").is_dir()


def test_what_a_fold_cannot_tell_is_said() -> None:
    nan = float("nan")
    folds = [
        Fold(f"fold-{k}", (f"s{k}",), 2, 90, 0.25, {"precision": precision, "f1": 0.5, "recall": 0.5})
        for k, precision in enumerate((0.8, nan, 0.6), start=1)
    ]
    few = cross_validation("toy", [folds[0], replace(folds[2], specimens=3)])
    assert "too few to tell (fold-3 with 3)" in few.remarks[0]
    result = cross_validation("toy", folds)
    assert str(result.spreads["precision"]) == "0.700 ± 0.141 (of 2 of 3 folds)"
    assert str(result.spreads["f1"]) == "0.500 ± 0.000"
    remark = (
        "Precision has no value in fold-2, because the model found nothing: mean and deviation are over the other 2 "
        "of 3 "
        "folds."
    )
    assert result.remarks == (remark,)
    assert summarize(result).endswith(remark)
    everywhere = cross_validation("toy", [replace(fold, figures=fold.figures | {"recall": nan}) for fold in folds])
    assert everywhere.remarks[-1] == "Recall has no value in fold-1 and fold-2 and fold-3: no mean."


def test_folds_and_their_spread(tmp_path: Path) -> None:
    every = cases(images=9, slides=9)
    folds = []
    for k in range(3):
        out = tmp_path / f"fold-{k + 1}" / "report"
        evaluation = evaluate_cases(every[k::3], "oriented-boxes", 0.3 + 0.1 * k, EvaluatedModel("toy"), QUICK)
        write_atomically(out / "report.html", "")
        write_atomically(out / "report.json", json.dumps(to_json(evaluation)))
        folds.append(Fold.read(f"fold-{k + 1}", [case.slide for case in every[k::3]], out / "report.json"))
        assert folds[k].figures["f1"] == evaluation.detection.overall.f1
    result = cross_validation("toy", folds)
    assert [fold.threshold for fold in result.folds] == pytest.approx([0.3, 0.4, 0.5])
    f1 = [fold.figures["f1"] for fold in folds]
    assert result.spreads["f1"].values == pytest.approx(f1)
    assert result.spreads["f1"].mean == pytest.approx(np.mean(f1))
    assert result.spreads["f1"].deviation == pytest.approx(np.std(f1, ddof=1))
    of_matches = figures_of(match_cases(every, "boxes"), 0.5)(np.ones(9, np.int64))
    assert set(result.spreads) == {*of_matches, "matched_iou"}
    page, data = write_cross_validation(result, tmp_path)
    text = page.read_text(encoding="utf-8")
    assert "3 models were trained" in text
    for link in re.findall(r'href="([^"]*)"', text):
        assert (tmp_path / link).is_file()
    assert json.loads(data.read_text(encoding="utf-8"))["spreads"]["f1"]["mean"] == pytest.approx(np.mean(f1))
    with pytest.raises(InputError, match="slide-0 is in two folds"):
        cross_validation("toy", [*folds, folds[0]])
    with pytest.raises(InputError, match="at least 2 folds, not 1"):
        cross_validation("toy", folds[:1])
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(InputError, match="not the report of a fold"):
        Fold.read("fold-1", [], tmp_path / "broken.json")
