"""The figures of an evaluation, against those of pycocotools, Ultralytics, scikit-learn and torchmetrics."""

from __future__ import annotations

import contextlib
import io
from dataclasses import replace

import numpy as np
import pytest

from diatom_training.metrics.class_map_figures import map_figures, tables_of
from diatom_training.metrics.coco_evaluator import OVERLAPS
from diatom_training.metrics.detection_figures import confusion_of, detection_figures
from diatom_training.metrics.detection_metrics import average_precision, evaluate
from diatom_training.metrics.mask_metrics import encode_run_lengths
from diatom_training.metrics.matching import Matches, average_precisions, match_cases
from diatom_training.metrics.naming_figures import naming_figures
from diatom_training.metrics.reliability import calibration
from diatom_training.metrics.test_cases import Case, ClassNames
from helpers.simulated_cases import CLASSES, HEIGHT, WIDTH, cases
from napari_diatom.core import geometry
from napari_diatom.core.detections import CUT_BY_EDGE, CroppedMask, Detections
from napari_diatom.core.errors import InputError
from napari_diatom.engines.third_party import silence_ultralytics

SEEDS = range(4)


def coco_precision(some: list[Case], shape: str) -> tuple[np.ndarray, np.ndarray]:
    """Return what pycocotools says of these cases by class: precision (T, R, K), and counts of specimens (K,)."""
    from pycocotools import mask as coco_mask
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, notes = [], []
    for k, case in enumerate(some):
        for detections, into in ((case.truth, truth), (case.found, notes)):
            for i in range(len(detections)):
                note = {"image_id": k, "category_id": int(detections.class_ids[i]) + 1}
                if shape == "boxes":
                    x0, y0, x1, y1 = geometry.bounds(detections.boxes[i : i + 1])[0].tolist()
                    note["bbox"] = [x0, y0, x1 - x0, y1 - y0]
                elif shape == "oriented-boxes":
                    polygon = geometry.corners(detections.boxes[i : i + 1]).ravel().tolist()
                    [note["segmentation"]] = coco_mask.frPyObjects([polygon], HEIGHT, WIDTH)
                else:
                    mask = detections.masks[i]
                    canvas = np.zeros((HEIGHT, WIDTH), np.uint8, order="F")
                    height, width = mask.pixels.shape
                    canvas[mask.y0 : mask.y0 + height, mask.x0 : mask.x0 + width] = mask.pixels
                    note["segmentation"] = coco_mask.encode(canvas)
                if into is truth:
                    note |= {"id": len(truth) + 1, "iscrowd": 0, "area": 100.0}
                else:
                    note["score"] = float(detections.scores[i])
                into.append(note)
    with contextlib.redirect_stdout(io.StringIO()):
        table = COCO()
        table.dataset = {
            "images": [{"id": k, "height": HEIGHT, "width": WIDTH} for k in range(len(some))],
            "categories": [{"id": k + 1, "name": name} for k, name in enumerate(CLASSES)],
            "annotations": truth,
        }
        table.createIndex()
        judge = COCOeval(table, table.loadRes(notes), "bbox" if shape == "boxes" else "segm")
        judge.evaluate()
        judge.accumulate()
    return judge.eval["precision"][:, :, :, 0, -1], np.bincount([note["category_id"] - 1 for note in truth])


@pytest.mark.parametrize("shape", ["boxes", "oriented-boxes", "masks"])
@pytest.mark.parametrize("seed", SEEDS)
def test_average_precision_is_that_of_pycocotools(seed: int, shape: str) -> None:
    some = cases(seed)
    matched = match_cases(some, shape)
    precision, _ = coco_precision(some, shape)
    for k, matches in enumerate(matched.classes):
        np.testing.assert_allclose(average_precisions(matches), precision[:, :, k].mean(axis=1), atol=1e-12)
    figures = detection_figures(matched, 0.5)
    assert figures.map50 == pytest.approx(precision[0].mean(), abs=1e-12)
    assert figures.map50_95 == pytest.approx(precision.mean(), abs=1e-12)
    np.testing.assert_allclose(figures.classes[0].curve, precision[0, :, 0], atol=1e-12)


@pytest.mark.parametrize("shape", ["oriented-boxes", "masks"])
def test_figures_whatever_the_class_are_those_of_the_card(shape: str) -> None:
    some = cases(3)
    truths, found = [case.truth for case in some], [case.found for case in some]
    sizes = [(HEIGHT, WIDTH)] * len(some)
    figures = detection_figures(match_cases(some, shape), 0.5)
    ap = average_precision(truths, found, sizes, shape == "masks")
    assert (figures.overall.ap50, figures.overall.ap50_95) == pytest.approx(ap, abs=1e-12)
    metrics = evaluate(truths, found, sizes, 0.5, shape == "masks")
    assert figures.overall.precision == pytest.approx(metrics.precision)
    assert figures.overall.recall == pytest.approx(metrics.recall)
    assert figures.overall.f1 == pytest.approx(metrics.f1)
    assert figures.angle_error_deg == pytest.approx(metrics.angle_error_deg, abs=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_resample_counts_as_the_list_of_its_images(seed: int) -> None:
    some = cases(seed)
    # Scores that no two detections share: COCO leaves the order of equal ones to the order of the images.
    rng = np.random.default_rng(seed)
    some = [replace(c, found=replace(c.found, scores=rng.random(len(c.found)).astype(np.float32))) for c in some]
    times = rng.integers(0, 3, len(some))
    listed = [
        replace(case, image=f"{case.image}-{k}")
        for case, number in zip(some, times, strict=True)
        for k in range(number)
    ]
    once, again = match_cases(some, "oriented-boxes"), match_cases(listed, "oriented-boxes")
    for one, other in zip((once.overall, *once.classes), (again.overall, *again.classes), strict=True):
        np.testing.assert_allclose(average_precisions(one, times), average_precisions(other), atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_precision_and_recall_are_those_of_ultralytics(seed: int) -> None:
    silence_ultralytics()
    from ultralytics.utils.metrics import ap_per_class, compute_ap

    # Ultralytics reads its curves at thousandths and interpolates between scores; at scores that are among them it need
    # not. Its average precision interpolates between recalls where COCO takes the next one, so it is another figure.
    rng = np.random.default_rng(seed)
    some = cases(seed)
    grid = np.linspace(0, 1, 1000)
    free = rng.permutation(np.arange(200, 900))
    taken = 0
    rescored = []
    for case in some:
        steps = free[taken : taken + len(case.found)]
        taken += len(steps)
        rescored.append(replace(case, found=replace(case.found, scores=grid[steps].astype(np.float32))))
    matched = match_cases(rescored, "oriented-boxes")
    scores = np.concatenate([part.scores for part in matched.classes])
    hits = np.concatenate([part.hits.T for part in matched.classes])
    named = np.concatenate([np.full(len(part.scores), k) for k, part in enumerate(matched.classes)])
    true = np.concatenate([case.truth.class_ids for case in rescored])
    steps = np.rint(scores * 999).astype(int)
    result = ap_per_class(hits, grid[steps], named, true)
    assert result[6].tolist() == [0, 1, 2]
    ap, precision, recall = result[5], result[7], result[8]
    for k, part in enumerate(matched.classes):
        specimens = part.truths.sum()
        tallies = [tuple(map(sum, part.tallies(score))) for score in part.scores]
        at = np.rint(part.scores * 999).astype(int)
        np.testing.assert_allclose(precision[k, at], [right / found for found, right in tallies], atol=1e-6)
        np.testing.assert_allclose(recall[k, at], [right / specimens for _, right in tallies], atol=1e-6)
        # The same points, interpolated in its way, give its average precision.
        for t in (0, 5, 9):
            rights = np.cumsum(part.hits[t])
            ours, _, _ = compute_ap(rights / specimens, rights / np.arange(1, len(rights) + 1))
            assert ours == pytest.approx(ap[k, t], abs=1e-6)


def test_confusion_is_that_of_ultralytics() -> None:
    import torch

    silence_ultralytics()
    from ultralytics.utils.metrics import ConfusionMatrix

    # Upright specimens far apart: whom a detection belongs to is then no question of the order of matching.
    boxes = [[40.0 + 60 * k, 50.0, 40.0, 20.0, 0.0] for k in range(5)]
    truth = Detections.of(boxes, [0, 1, 2, 0, 1], classes=CLASSES)
    found = Detections.of([*boxes[:4], [40, 150, 40, 20, 0]], [0, 1, 1, 2, 2], [0.9, 0.8, 0.7, 0.3, 0.6], CLASSES)
    matched = match_cases([Case("a", "s", truth, found, HEIGHT, WIDTH)], "boxes")
    theirs = ConfusionMatrix(names=dict(enumerate(CLASSES)))
    theirs.process_batch(
        {
            "bboxes": torch.from_numpy(geometry.bounds(found.boxes).astype(np.float32)),
            "conf": torch.from_numpy(found.scores),
            "cls": torch.from_numpy(found.class_ids),
        },
        {
            "bboxes": torch.from_numpy(geometry.bounds(truth.boxes).astype(np.float32)),
            "cls": torch.from_numpy(truth.class_ids),
        },
        conf=0.5,
        iou_thres=0.5,
    )
    # Found classes are its rows, and the background comes last.
    assert np.array_equal(np.roll(theirs.matrix, 1, axis=(0, 1)).T, confusion_of(matched, 0.5))


def test_names_that_the_model_does_not_know() -> None:
    boxes = [[40.0, 50, 40, 20, 0], [140.0, 50, 40, 20, 0]]
    truth = Detections.of(boxes, [0, 2], classes=("Navicula", "Nitzschia", "Amphora"))
    found = Detections.of(boxes, [1, 1], [0.9, 0.8], ("Nitzschia", "Navicula"))
    figures = detection_figures(match_cases([Case("a", "s", truth, found, HEIGHT, WIDTH)], "boxes"), 0.5)
    assert figures.names == ClassNames(("Nitzschia", "Navicula"), ("Amphora",))
    assert (figures.overall.f1, figures.overall.ap50) == (1, pytest.approx(1))
    assert [(part.name, part.specimens, part.found) for part in figures.classes] == [
        ("Nitzschia", 0, 0),
        ("Navicula", 1, 2),
    ]
    assert figures.map50 == pytest.approx(1)
    assert np.isnan(figures.classes[0].ap50)
    assert figures.confusion.tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0]]


def test_a_model_that_knows_no_class_of_the_truth_is_judged_by_what_it_finds() -> None:
    some = [
        replace(case, found=replace(case.found, classes=("diatom",), class_ids=case.found.class_ids * 0))
        for case in cases(4)
    ]
    figures = detection_figures(match_cases(some, "boxes"), 0.3)
    assert figures.names.nameless
    assert figures.confusion.shape == (2, 2)
    assert figures.classes[0].ap50 == figures.overall.ap50 == figures.map50 > 0.5


def test_counts_by_slide_and_sizes_in_their_units() -> None:
    truth = Detections.of([[60, 60, 100, 20, 0], [200, 60, 50, 10, 0], [60, 160, 80, 20, 0]], cut=[0, 0, CUT_BY_EDGE])
    found = Detections.of(
        [[60, 60, 110, 20, 0], [200, 60, 49, 10, 0], [60, 160, 60, 20, 0], [250, 200, 9, 9, 0]],
        scores=[0.9, 0.8, 0.7, 0.6],
    )
    some = [
        Case("a", "one", truth, found, HEIGHT, WIDTH, 0.5),
        Case("b", "one", truth, found[:2], HEIGHT, WIDTH),
        Case("c", "two", truth, found[:0], HEIGHT, WIDTH),
    ]
    figures = detection_figures(match_cases(some, "oriented-boxes"), 0.5)
    assert [(c.name, c.images, c.truth, c.found) for c in figures.counts] == [("one", 2, 6, 6), ("two", 1, 3, 0)]
    assert (figures.count_error, figures.count_bias, figures.relative_count_error) == (1.5, -1.5, pytest.approx(1 / 3))
    assert [(s.side, s.unit) for s in figures.sizes] == [
        ("length", "µm"),
        ("width", "µm"),
        ("length", "px"),
        ("width", "px"),
    ]
    length = figures.sizes[0]
    assert (length.truth.tolist(), length.found.tolist()) == ([50, 25], [55, 24.5])
    assert (length.bias, length.median_error, length.relative_error) == (2.25, 2.75, pytest.approx(0.06))


def test_a_slide_of_its_own_is_resampled_by_images() -> None:
    units = match_cases(cases(slides=1), "boxes").units
    assert (units.kind, len(units)) == ("images", 8)


def test_more_detections_than_coco_looks_at() -> None:
    rubbish = np.tile([300.0, 200, 20, 20, 0], (400, 1))
    truth = Detections.of([[60, 60, 100, 20, 0]])
    found = Detections.of([*rubbish, *truth.boxes], scores=[0.9] * 400 + [0.5])
    figures = detection_figures(match_cases([Case("a", "s", truth, found, HEIGHT, WIDTH)], "boxes"), 0.1)
    assert figures.overall.right == 1


def test_masks_beyond_the_image_as_runs() -> None:
    from pycocotools import mask as coco_mask

    codes = encode_run_lengths(
        [CroppedMask(np.ones((4, 6), bool), -3, -1), CroppedMask(np.ones((2, 2), bool), 50, 50)], 10, 20
    )
    assert coco_mask.area(codes).tolist() == [9, 0]
    assert coco_mask.toBbox(codes[0]).tolist() == [0, 0, 3, 3]


@pytest.mark.parametrize(
    ("some", "says"),
    [
        ([], "no images"),
        ([replace(case, truth=case.truth[:0]) for case in cases(images=2)], "has no specimens"),
        ([cases(images=1)[0]] * 2, "called field-0"),
    ],
)
def test_nothing_to_judge(some: list[Case], says: str) -> None:
    with pytest.raises(InputError, match=says):
        match_cases(some, "boxes")


def test_masks_where_there_are_none() -> None:
    [case] = cases(images=1)
    with pytest.raises(InputError, match="without masks"):
        match_cases([replace(case, found=replace(case.found, masks=None))], "masks")


def test_nothing_found() -> None:
    some = [replace(case, found=case.found[:0]) for case in cases(images=3)]
    figures = detection_figures(match_cases(some, "masks"), 0.5)
    assert (figures.overall.ap50, figures.overall.recall, figures.overall.f1) == (0, 0, 0)
    assert np.isnan(figures.overall.precision)
    assert np.isnan(figures.calibration.error)


@pytest.mark.parametrize("seed", SEEDS)
def test_calibration_is_the_error_of_its_bins(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = np.concatenate([rng.random(300), [0.0, 1.0, 0.5, np.float32(0.3)]])
    result = calibration(scores, rng.random(len(scores)) < scores**2)
    assert result.number.sum() == len(scores)
    gaps = np.abs(result.score - result.right) * result.number
    assert np.nansum(gaps) / len(scores) == pytest.approx(result.error, abs=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_maps_are_those_of_torchmetrics(seed: int) -> None:
    import torch
    from torchmetrics.functional.classification import (
        multiclass_accuracy,
        multiclass_f1_score,
        multiclass_jaccard_index,
    )

    rng = np.random.default_rng(seed)
    truth, found = (torch.from_numpy(rng.integers(0, 4, 5000)) for _ in range(2))
    found = torch.where(torch.from_numpy(rng.random(5000)) < 0.7, truth, found)
    table = np.zeros((4, 4), dtype=np.int64)
    np.add.at(table, (truth.numpy(), found.numpy()), 1)
    figures = map_figures(table, CLASSES)
    iou = multiclass_jaccard_index(found, truth, 4, average="none")
    np.testing.assert_allclose([part.iou for part in figures.classes], iou, atol=1e-6)
    # Dice's coefficient of pixels is their F1.
    dice = multiclass_f1_score(found, truth, 4, average="none")
    np.testing.assert_allclose([part.dice for part in figures.classes], dice, atol=1e-6)
    assert figures.miou == pytest.approx(float(iou.mean()), abs=1e-6)
    assert figures.pixel_accuracy == pytest.approx(float(multiclass_accuracy(found, truth, 4, average="micro")))


def test_maps_need_tables_of_their_classes() -> None:
    with pytest.raises(InputError, match="every image has its table"):
        tables_of(cases(images=2))
    with pytest.raises(InputError, match="does not go with 1 classes"):
        map_figures(np.zeros((3, 3), dtype=np.int64), ("a",))


@pytest.mark.parametrize("seed", SEEDS)
def test_names_are_judged_as_scikit_learn_does(seed: int) -> None:
    from sklearn import metrics

    rng = np.random.default_rng(seed)
    ids = np.concatenate([np.arange(5), rng.integers(0, 5, 195)])
    given = rng.dirichlet(np.ones(5), 200)
    given[np.arange(200), ids] += rng.uniform(0, 0.8, 200)
    given /= given.sum(axis=1, keepdims=True)
    named = given.argmax(axis=1)
    figures = naming_figures(ids, given, tuple("abcde"))
    assert figures.accuracy == pytest.approx(metrics.accuracy_score(ids, named), abs=1e-6)
    assert figures.top3 == pytest.approx(metrics.top_k_accuracy_score(ids, given, k=3), abs=1e-6)
    assert np.array_equal(figures.confusion, metrics.confusion_matrix(ids, named))
    each = metrics.precision_recall_fscore_support(ids, named, zero_division=0)
    macro = metrics.precision_recall_fscore_support(ids, named, average="macro", zero_division=0)
    for name, values, value in zip(("precision", "recall", "f1"), each, macro, strict=False):
        np.testing.assert_allclose([getattr(part, name) for part in figures.classes], values, atol=1e-6)
        assert getattr(figures, name) == pytest.approx(value, abs=1e-6)
    assert figures.auc == pytest.approx(metrics.roc_auc_score(ids, given, multi_class="ovr"), abs=1e-6)
    for k, part in enumerate(figures.classes):
        assert part.ranking.auc == pytest.approx(metrics.roc_auc_score(ids == k, given[:, k]), abs=1e-6)
        alarms, hits, _ = metrics.roc_curve(ids == k, given[:, k], drop_intermediate=False)
        np.testing.assert_allclose(part.ranking.false_alarms, alarms, atol=1e-6)
        np.testing.assert_allclose(part.ranking.hits, hits, atol=1e-6)
    assert not figures.remarks


def test_one_class_has_no_roc_curve() -> None:
    figures = naming_figures([0, 0], [[0.9, 0.1], [0.4, 0.6]], ("a", "b"))
    assert np.isnan(figures.auc)
    assert np.isnan(figures.top3)
    assert figures.accuracy == 0.5
    assert "All specimens are of one class" in figures.remarks[0]
    alone = naming_figures([0, 0], [[0.9], [0.4]], ("a",))
    assert (alone.accuracy, alone.f1, alone.confusion.tolist()) == (1, 1, [[2]])


def test_a_class_that_does_not_occur_is_named() -> None:
    figures = naming_figures([0, 1], [[0.9, 0.1, 0], [0.4, 0.6, 0]], ("a", "b", "c"))
    assert figures.remarks == ("Classes without specimens have no ROC curve: c.",)
    assert (figures.auc, figures.f1) == (1, 1)
    assert np.isnan(figures.classes[2].f1)


@pytest.mark.parametrize(
    ("ids", "given", "says"),
    [
        ([], [], "no specimens"),
        ([0], [[0.5]], "do not match 2 classes"),
        ([2], [[0.5, 0.5]], "index the 2 classes"),
        ([0.5], [[0.5, np.nan]], "within 0 and 1; ids must be whole"),
    ],
)
def test_bad_names(ids: list, given: list, says: str) -> None:
    with pytest.raises(InputError, match=says):
        naming_figures(ids, given, ("a", "b"))


def test_no_matches_of_a_class_that_does_not_occur() -> None:
    nothing = Matches(np.empty(0), np.empty(0, np.intp), np.empty((len(OVERLAPS), 0), bool), np.zeros(3, np.int64))
    assert np.isnan(average_precisions(nothing)).all()
