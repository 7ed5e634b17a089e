"""Figures of curves, overlaps and unequal classes, against scikit-learn, torchmetrics and pycocotools."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from diatom_training.metrics.bootstrap import Bootstrap
from diatom_training.metrics.class_map_figures import map_figures
from diatom_training.metrics.definitions import FOUND, FOUND_SIZES, NAMES, PIXELS
from diatom_training.metrics.froc import RATES, froc, read_froc
from diatom_training.metrics.matched_overlaps import figures_of_overlaps, matched_overlaps
from diatom_training.metrics.matching import match_cases
from diatom_training.metrics.naming_figures import figures_of_names, naming_figures
from diatom_training.metrics.one_against_rest import figures_of_ranking, one_against_rest
from diatom_training.metrics.test_cases import Units
from diatom_training.metrics.threshold_curve import threshold_curve
from helpers.simulated_cases import CLASSES, HEIGHT, WIDTH, cases

SEEDS = range(3)
QUICK = Bootstrap(resamples=40)


def names_drawn(seed: int, number: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Return true classes, very unequal, and probabilities with many ties; class 4 does not occur."""
    rng = np.random.default_rng(seed)
    ids = rng.choice(5, number, p=[0.6, 0.2, 0.15, 0.05, 0])
    given_names = np.round(rng.dirichlet(np.ones(5), number), 1)
    given_names[np.arange(number), ids] += 0.3
    return ids, given_names / given_names.max()


@pytest.mark.parametrize("shape", ["boxes", "masks"])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_mean_overlap_is_that_of_pycocotools(seed: int, shape: str) -> None:
    from pycocotools import mask as coco_mask

    from diatom_training.metrics.mask_metrics import encode_run_lengths
    from napari_diatom.core import geometry

    matched = match_cases(cases(seed), shape)
    overlaps = matched_overlaps(matched, 0.5)
    expected = []
    for k, case in enumerate(matched.cases):
        which, whose = matched.kept(k, 0.5)
        if shape == "boxes":
            ours, theirs = (geometry.bounds(part.boxes) for part in (case.found[which], case.truth[whose]))
            for part in (ours, theirs):
                part[:, 2:] -= part[:, :2]
            pair = ours.astype(float), theirs.astype(float)
        else:
            pair = tuple(
                encode_run_lengths(part.masks, HEIGHT, WIDTH) for part in (case.found[which], case.truth[whose])
            )
        table = coco_mask.iou(*pair, [0] * len(whose)) if len(which) else np.empty((0, 0))
        np.testing.assert_allclose(overlaps[k], np.diag(table), atol=1e-6)
        expected += np.diag(table).tolist()
    value = figures_of_overlaps(matched, 0.5)(np.ones(len(matched.units), dtype=np.int64))["matched_iou"]
    assert value == pytest.approx(np.mean(expected), abs=1e-6)
    assert 0.5 <= value <= 1


@pytest.mark.parametrize("seed", SEEDS)
def test_figures_over_the_threshold_are_those_of_scikit_learn(seed: int) -> None:
    matches = match_cases(cases(seed), "oriented-boxes").overall
    curve = threshold_curve(matches)
    missed = int(matches.truths.sum() - matches.hits[0].sum())
    # A specimen that no detection is of is a positive that nothing ever finds.
    true = np.concatenate([matches.hits[0], np.ones(missed, dtype=bool)])
    scores = np.concatenate([matches.scores, np.full(missed, -1.0)])
    for k, threshold in enumerate(curve.thresholds):
        kept = scores >= np.float32(threshold)
        ours = (curve.precision[k], curve.recall[k], curve.f1[k])
        theirs = metrics.precision_recall_fscore_support(true, kept, average="binary", zero_division=np.nan)[:3]
        if kept.any():
            assert ours == pytest.approx(theirs, abs=1e-6)
        else:
            assert np.isnan(ours[0])
            assert ours[1:] == (0, 0)


@pytest.mark.parametrize("seed", SEEDS)
def test_froc_is_the_roc_curve_of_scikit_learn_by_field(seed: int) -> None:
    matched = match_cases(cases(seed), "oriented-boxes")
    matches = matched.overall
    curve = froc(matches, matched.units, QUICK)
    hits = matches.hits[0]
    alarms, found, scores = metrics.roc_curve(hits, matches.scores, drop_intermediate=False)
    np.testing.assert_allclose(curve.false_finds, alarms * (~hits).sum() / len(matches.truths), atol=1e-6)
    np.testing.assert_allclose(curve.found, found * hits.sum() / matches.truths.sum(), atol=1e-6)
    np.testing.assert_array_equal(curve.scores, scores)
    assert curve.score.value == pytest.approx(np.mean([part.value for part in curve.at]))
    read = read_froc(curve.false_finds, curve.found, curve.places)
    assert (curve.low <= read + 1e-9).mean() > 0.9
    assert (curve.high >= read - 1e-9).mean() > 0.9
    assert len(curve.at) == len(RATES)


def test_froc_of_nothing_found_and_of_one_field() -> None:
    nothing = [replace(case, found=case.found[:0]) for case in cases(images=3)]
    matched = match_cases(nothing, "boxes")
    curve = froc(matched.overall, matched.units, QUICK)
    assert (curve.false_finds.tolist(), curve.found.tolist(), curve.score.value) == ([0], [0], 0)
    alone = match_cases(cases(images=1), "boxes")
    assert np.isnan(froc(alone.overall, alone.units, QUICK).low).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_unequal_classes_are_weighed_as_scikit_learn_does(seed: int) -> None:
    ids, probabilities = names_drawn(seed)
    named = probabilities.argmax(axis=1)
    figures = naming_figures(ids, probabilities, tuple("abcde"))
    balanced = np.mean(metrics.recall_score(ids, named, labels=np.unique(ids), average=None))
    assert figures.balanced_accuracy == pytest.approx(balanced, abs=1e-6)
    weighted = metrics.precision_recall_fscore_support(ids, named, average="weighted", zero_division=0)[:3]
    ours = (figures.weighted_precision, figures.weighted_recall, figures.weighted_f1)
    assert ours == pytest.approx(weighted, abs=1e-6)
    assert figures.weighted_recall == pytest.approx(figures.accuracy)
    resampled = figures_of_names(ids, named, 5, Units.by(["s"] * len(ids), [str(k) for k in ids], "specimens"))
    every = resampled(np.ones(len(np.unique(ids)), dtype=np.int64))
    assert every["balanced_accuracy"] == pytest.approx(balanced, abs=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_precision_recall_curves_are_those_of_scikit_learn(seed: int) -> None:
    ids, probabilities = names_drawn(seed)
    for k in range(4):
        ranking = one_against_rest(probabilities[:, k], ids == k)
        precisions, recalls, _ = metrics.precision_recall_curve(ids == k, probabilities[:, k])
        np.testing.assert_allclose(ranking.precisions, precisions, atol=1e-6)
        np.testing.assert_allclose(ranking.recalls, recalls, atol=1e-6)
        expected = metrics.average_precision_score(ids == k, probabilities[:, k])
        assert ranking.average_precision == pytest.approx(expected, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 30), st.integers(1, 4))
def test_resampled_areas_are_those_of_the_listed_specimens(seed: int, number: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, 3, number)
    probabilities = rng.integers(0, levels + 1, (number, 3)) / levels
    units = Units.by(["s"] * number, [str(k) for k in range(number)], "specimens")
    times = rng.integers(0, 3, number)
    listed = np.repeat(np.arange(number), times)
    areas = [one_against_rest(probabilities[listed, k], ids[listed] == k) for k in range(3)] if len(listed) else []
    ours = figures_of_ranking(ids, probabilities, units)(times)
    for name in ("auc", "average_precision"):
        values = [getattr(area, name) for area in areas if len(area.hits)]
        expected = np.mean(values) if values else np.nan
        assert ours[name] == pytest.approx(expected, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("seed", SEEDS)
def test_pixel_accuracy_of_classes_is_that_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, 3000)
    found = np.where(rng.random(3000) < 0.7, truth, rng.integers(0, 4, 3000))
    figures = map_figures(metrics.confusion_matrix(truth, found).astype(np.int64), CLASSES)
    expected = metrics.recall_score(truth, found, average=None)
    np.testing.assert_allclose([part.accuracy for part in figures.classes], expected, atol=1e-6)
    assert figures.mean_accuracy == pytest.approx(metrics.balanced_accuracy_score(truth, found), abs=1e-6)


def test_the_docs_say_of_each_figure_what_the_code_says() -> None:
    text = (Path(__file__).parents[3] / "docs" / "understand" / "figures.md").read_text(encoding="utf-8")
    for one in (*FOUND.values(), *FOUND_SIZES.values(), *PIXELS.values(), *NAMES.values()):
        formula = one.formula.replace("|", "\\|").replace("*", "\\*")
        assert f"| {one.title} | {formula} | {one.misleads} |" in text
