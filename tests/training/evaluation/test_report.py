"""Intervals, comparisons, mistakes and the report."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from diatom_training.evaluation.confusion import ConfusionMatrix
from diatom_training.evaluation.curve_drawing import drawn_curve_plot
from diatom_training.evaluation.curve_plots import CurvePlot, curve_plots
from diatom_training.evaluation.evaluation import EvaluatedModel, Evaluation, evaluate_cases, evaluate_names
from diatom_training.evaluation.mistakes import SIDE, picture, worst
from diatom_training.evaluation.plots import drawn_confusion
from diatom_training.evaluation.report import html, to_json, write_comparison, write_report
from diatom_training.evaluation.report_plots import read_plots
from diatom_training.evaluation.summary_text import summary
from diatom_training.metrics.bootstrap import Bootstrap, intervals, of_cases
from diatom_training.metrics.class_map_figures import figures_of_maps
from diatom_training.metrics.detection_figures import detection_figures
from diatom_training.metrics.matching import match_cases
from diatom_training.metrics.paired_test import Comparison, differences, holm, least_units, remarks_of_few, swaps
from diatom_training.metrics.resampled_figures import compare, figures_of, figures_of_two
from diatom_training.metrics.test_cases import Case, Units, units_of
from helpers.simulated_cases import CLASSES, HEIGHT, WIDTH, cases
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError
from napari_diatom.images.slide_image import from_array

ABOUT = EvaluatedModel(
    "diatom-test", "1.2", "ab" * 32, "oriented-boxes", "the model's own, tuned on its validation images"
)
QUICK = Bootstrap(resamples=60)


def names_evaluation(number: int = 5, specimens: int = 120) -> Evaluation:
    rng = np.random.default_rng(4)
    ids = np.concatenate([np.arange(number), rng.integers(0, number, specimens - number)])
    given = rng.dirichlet(np.ones(number), specimens)
    given[np.arange(specimens), ids] += 0.4
    given /= given.sum(axis=1, keepdims=True)
    slides = [f"slide-{k % 12}" for k in range(specimens)]
    return evaluate_names(ids, given, tuple(f"species {k}" for k in range(number)), slides, ABOUT, QUICK)


def test_an_interval_of_known_data() -> None:
    # The mean of 400 units with a standard deviation of 1: its standard error is 0.05.
    values = np.random.default_rng(1).normal(0, 1, 400)
    values = (values - values.mean()) / values.std() + 3
    names = [str(k) for k in range(400)]
    units = Units.by(names, names)
    found = intervals(lambda taken: {"mean": float(taken @ values / taken.sum())}, units, Bootstrap(2000))["mean"]
    assert found.value == pytest.approx(3)
    assert (found.low, found.high) == (pytest.approx(3 - 0.098, abs=0.008), pytest.approx(3 + 0.098, abs=0.008))


def test_slides_are_drawn_with_all_their_images() -> None:
    some = cases(images=6, slides=3)
    seen = []

    def metrics(drawn: list[Case]) -> dict[str, float]:
        seen.append([case.slide for case in drawn])
        return {"images": len(drawn)}

    units = units_of(some)
    found = intervals(of_cases(metrics, some, units), units, QUICK)["images"]
    assert (found.low, found.high) == (6, 6)
    assert all(slides.count(name) % 2 == 0 for slides in seen for name in set(slides))
    assert len({tuple(slides) for slides in seen}) > 3


def test_quick_intervals_are_those_of_lists_of_cases() -> None:
    some = cases(5, images=5, slides=5)
    rng = np.random.default_rng(0)
    some = [replace(c, found=replace(c.found, scores=rng.random(len(c.found)).astype(np.float32))) for c in some]
    matched = match_cases(some, "oriented-boxes")

    def metrics(drawn: list[Case]) -> dict[str, float]:
        again = match_cases([replace(c, image=f"{k}", slide=f"{k}") for k, c in enumerate(drawn)], "oriented-boxes")
        figures = detection_figures(again, 0.4)
        return {"f1": figures.overall.f1, "map50": figures.map50, "count_error": figures.count_error}

    few = Bootstrap(resamples=8)
    slow = intervals(of_cases(metrics, some, matched.units), matched.units, few)
    quick = intervals(figures_of(matched, 0.4), matched.units, few)
    for name, interval in slow.items():
        assert (quick[name].value, quick[name].low, quick[name].high) == pytest.approx(
            (interval.value, interval.low, interval.high)
        )


def test_one_image_has_no_interval() -> None:
    some = cases(images=1)
    evaluation = evaluate_cases(some, "boxes", 0.5, ABOUT, QUICK)
    assert np.isnan(evaluation.intervals["f1"].low)
    assert "the effect of chance is not known" in evaluation.remarks[0]


def test_one_slide_is_said_to_be_one() -> None:
    evaluation = evaluate_cases(cases(slides=1), "boxes", 0.5, ABOUT, QUICK)
    assert "other slides may differ more" in evaluation.remarks[0]
    assert "per image" in html(evaluation)


@pytest.mark.parametrize("options", [{"resamples": 0}, {"level": 1.0}])
def test_no_resamples(options: dict) -> None:
    with pytest.raises(InputError, match="no interval"):
        Bootstrap(**options)


def test_a_better_model_is_told_from_chance() -> None:
    good, bad = cases(images=24, slides=12, skill=0.95), cases(images=24, slides=12, skill=0.5)
    by_name = {
        row.figure: row
        for row in compare(bad, good[::-1], "oriented-boxes", (0.3, 0.3), ("old", "new"), Bootstrap(200))
    }
    assert by_name["f1"].real
    assert by_name["f1"].p == 1 / 2048
    assert "p < 0.001, corrected p = 0.004" in by_name["f1"].words
    assert by_name["f1"].words.startswith("F1: new is better, +0.")
    assert by_name["count_error"].difference.value < 0
    assert "count_error" not in by_name["count_error"].words
    other = compare(good, bad, "oriented-boxes", (0.3, 0.3), options=QUICK)
    assert other[2].words.startswith("F1: A is better, -0.")


def test_a_small_difference_is_chance() -> None:
    first = cases(images=12, slides=6, skill=0.8)
    second = [replace(case, found=case.found[1:] if case.image == "field-3" else case.found) for case in first]
    rows = compare(first, second, "boxes", (0.3, 0.3), options=QUICK)
    assert not any(row.real for row in rows)
    assert all("too few to rule out chance" in row.words or "no difference" in row.words for row in rows)
    same = compare(first, first, "boxes", (0.3, 0.3), options=QUICK)
    assert {row.p for row in same} == {1.0}
    assert same[0].words == "Precision: no difference."
    alone = compare(first[:1], second[:1], "boxes", (0.3, 0.3), options=QUICK)
    assert not any(row.real for row in alone)


def test_figures_without_any_meaning() -> None:
    units = Units.by(["a", "b"], ["a", "b"])
    [row] = differences(lambda taken: {"x": np.nan if taken[0] else 1.0}, units, ("A", "B"), options=QUICK)
    assert row.words == "x: there is nothing to compare."


def means(first: np.ndarray, second: np.ndarray) -> tuple[Callable, Units]:
    """Return the mean of a value a unit, of two models."""
    values = np.concatenate([first, second])
    names = [str(k) for k in range(len(first))]
    return lambda taken: {"mean": float(taken @ values / taken.sum())}, Units.by(names, names)


def test_few_slides_can_tell_nothing() -> None:
    for number, p in ((2, 0.5), (5, 2 / 32), (6, 2 / 64), (9, 2 / 512)):
        both, units = means(np.arange(number), np.arange(number) + 1.0 + 0.1 * np.arange(number))
        [row] = differences(both, units, ("A", "B"), options=QUICK)
        assert row.difference.low > 0
        assert (row.p, row.p_corrected, row.real) == (p, p, number >= 6)
        assert ("too few to rule out chance" in row.words) == (number < 6)
        remarks = remarks_of_few([row], units, QUICK)
        assert bool(remarks) == (number < 6)
    assert [least_units([row] * figures, QUICK) for figures in (1, 6, 8)] == [6, 8, 9]
    first, second = (cases(images=4, slides=2, skill=skill) for skill in (0.4, 0.95))
    rows = compare(first, second, "boxes", (0.3, 0.3), options=QUICK)
    assert any(row.difference.low > 0 for row in rows)
    assert not any(row.real for row in rows)
    [remark] = remarks_of_few(rows, units_of(first), QUICK)
    assert remark.startswith("With 2 slides no difference can be called real")
    assert remark.endswith("To compare 8 figures, at least 9 slides are needed.")


def test_swaps_are_the_exact_test_of_fisher() -> None:
    from scipy.stats import permutation_test

    rng = np.random.default_rng(3)
    first = rng.normal(0, 1, 8)
    second = first + rng.normal(0.5, 1, 8)
    both, units = means(first, second)
    [row] = differences(both, units, ("A", "B"), options=QUICK)
    exact = permutation_test(
        (second, first), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=np.inf
    )
    assert row.p == pytest.approx(exact.pvalue)
    assert len({tuple(swap) for swap in swaps(8, QUICK)}) == 127
    assert len(list(swaps(13, QUICK))) == QUICK.resamples
    both, units = means(np.tile(first, 3), np.tile(second, 3) + 1)
    [row] = differences(both, units, ("A", "B"), options=QUICK)
    assert row.p == 1 / 61


@pytest.mark.parametrize("slides", [7, 14])
def test_chance_alone_is_seldom_called_real(slides: int) -> None:
    rng = np.random.default_rng(0)
    few, found = Bootstrap(resamples=79), 0
    for _ in range(300):
        # Two equally good models on slides of which some are harder than others.
        both, units = means(*(rng.normal(0, 1, slides) + rng.exponential(2, slides) for _ in range(2)))
        found += differences(both, units, ("A", "B"), options=few)[0].real
    assert 4 <= found <= 26


def test_chances_are_corrected_for_their_number() -> None:
    # The example of R's p.adjust(c(0.01, 0.02, 0.03, 0.04), "holm"), in another order, and one that is not there.
    assert holm([0.04, 0.01, float("nan"), 0.03, 0.02]) == pytest.approx([0.06, 0.04, np.nan, 0.06, 0.06], nan_ok=True)
    assert holm([0.9, 0.6]) == [1.0, 1.0]
    first, second = (cases(images=24, slides=12, skill=skill) for skill in (0.7, 0.9))
    rows = compare(first, second, "boxes", (0.3, 0.3), options=QUICK)
    assert [row.p_corrected for row in rows] == holm([row.p for row in rows])
    assert all(row.real == (row.p_corrected <= 0.05) for row in rows)
    assert any(row.p < 0.05 < row.p_corrected for row in rows)


def test_swapped_slides_give_the_figures_of_the_model_that_is_put_together_so() -> None:
    first, second = cases(images=6, slides=3, skill=0.6), cases(images=6, slides=3, skill=0.9)
    both = figures_of_two(match_cases(first, "boxes"), match_cases(second, "boxes"), (0.4, 0.4))
    of = units_of(first).of
    for swap in np.array([[0, 0, 0], [1, 1, 1], [0, 1, 0], [1, 0, 1]]):
        mixed = [second[k] if swap[of[k]] else first[k] for k in range(6)]
        expected = figures_of(match_cases(mixed, "boxes"), 0.4)(np.ones(3, np.int64))
        assert both(np.concatenate([1 - swap, swap])) == pytest.approx(expected)


def test_means_over_classes_are_of_those_that_both_models_know() -> None:
    first = cases(images=4)
    narrow = [replace(case, found=case.found[case.found.class_ids < 2]) for case in first]
    narrow = [replace(case, found=replace(case.found, classes=CLASSES[:2])) for case in narrow]
    by_name = {row.figure: row for row in compare(first, narrow, "boxes", (0.3, 0.3), options=QUICK)}
    assert by_name["map50"].first == by_name["map50"].second
    assert by_name["recall"].first > by_name["recall"].second


def test_models_are_compared_on_the_same_images() -> None:
    some = cases(images=3)
    with pytest.raises(InputError, match="only one of them saw field-2"):
        compare(some, some[:2], "boxes", (0.5, 0.5))
    other = [replace(case, truth=case.truth[1:]) for case in some]
    with pytest.raises(InputError, match="annotations of field-0 differ"):
        compare(some, other, "boxes", (0.5, 0.5))


def test_the_worst_mistakes() -> None:
    boxes = [[50.0 + 70 * k, 60, 40, 20, 0] for k in range(4)]
    truth = Detections.of([*boxes, [60, 180, 80, 20, 0]], [0, 1, 0, 0, 2], classes=CLASSES)
    found = Detections.of(
        [boxes[0], boxes[1], [190, 60, 56, 20, 0], [250, 200, 30, 30, 0], [260, 60, 9, 9, 0]],
        [0, 0, 0, 1, 0],
        [0.9, 0.8, 0.7, 0.6, 0.2],
        CLASSES,
    )
    case = Case("a.png", "s", truth, found, HEIGHT, WIDTH, 0.5)
    matched = match_cases([case], "boxes")
    assert [(m.kind, m.truth, m.found, m.words) for m in worst(matched, 0.5)] == [
        ("missed", 4, None, "Cyclotella missed, 40.0 µm long"),
        ("missed", 3, None, "Navicula missed, 20.0 µm long"),
        ("false", None, 3, "Nitzschia with a score of 0.60, where nothing is annotated"),
        ("misnamed", 1, 1, "Nitzschia named Navicula with a score of 0.80"),
        ("size", 2, 2, "Navicula, 20.0 µm long, measured as 28.0 µm"),
    ]
    assert len(worst(matched, 0.5, 1)) == 4
    image = from_array(np.full((HEIGHT, WIDTH), 200, np.uint8), "a.png")
    data = [picture(mistake, matched.cases[0], image, 0.5) for mistake in worst(matched, 0.5)]
    import cv2

    for jpeg in data:
        assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape == (SIDE, SIDE, 3)


@pytest.mark.parametrize("shape", ["boxes", "oriented-boxes", "masks"])
def test_a_report_of_specimens(shape: str, tmp_path: Path) -> None:
    some = cases(2, tables=shape == "masks")
    some[0] = replace(some[0], pixel_size_um=None)
    image = from_array(np.full((HEIGHT, WIDTH), 200, np.uint8), "field")

    def made() -> Evaluation:
        return evaluate_cases(some, shape, 0.4, ABOUT, QUICK, lambda mistake, case: picture(mistake, case, image, 0.4))

    evaluation = made()
    page, data = write_report(evaluation, tmp_path)
    text = page.read_text(encoding="utf-8")
    if shape == "masks":
        assert html(made()) == text
    assert "How good is diatom-test 1.2?" in text
    assert "of 4 slides" in text
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "nan" not in re.sub(r'"data:[^"]*"', "", text)
    for heading in ("By class", "Confusion matrix", "Counts and sizes", "The worst mistakes"):
        assert heading in text
    assert ("mIoU" in text) == (shape == "masks")
    plain = json.loads(data.read_text(encoding="utf-8"))
    assert plain["detection"]["overall"]["ap50"] == evaluation.detection.overall.ap50
    assert plain["units"] == {"kind": "slides", "number": 4}
    assert (plain["maps"] is None) == (shape != "masks")
    assert any("only 4 slides" in remark for remark in plain["remarks"])
    assert any("known for 7 of the 8 images" in remark for remark in plain["remarks"])


def test_a_report_of_names(tmp_path: Path) -> None:
    evaluation = names_evaluation()
    page, data = write_report(evaluation, tmp_path)
    text = page.read_text(encoding="utf-8")
    assert "ROC curves" in text
    assert summary(evaluation)[0].startswith("diatom-test 1.2 named 120 specimens, ")
    assert "among the three most probable" in summary(evaluation)[0]
    plain = json.loads(data.read_text(encoding="utf-8"))
    assert plain["naming"]["accuracy"] == evaluation.naming.accuracy
    assert plain["intervals"]["f1"]["value"] == pytest.approx(evaluation.naming.f1)
    assert html(names_evaluation()) == text


def test_a_report_of_many_classes_and_of_one() -> None:
    assert "species 29" in html(names_evaluation(30))
    rows = evaluate_names([0, 0], [[1, 0], [0, 1]], ("a", "b"), ["s", "s"], ABOUT, QUICK)
    assert "no ROC curve" in html(rows)
    alone = cases(classes=("diatom",))
    assert "Confusion matrix" in html(evaluate_cases(alone, "boxes", 0.5, ABOUT, QUICK))


def test_a_report_of_nothing_found() -> None:
    some = [replace(case, found=case.found[:0]) for case in cases(images=3)]
    evaluation = evaluate_cases(some, "oriented-boxes", 0.5, ABOUT, QUICK)
    assert "The model found nothing at all at this threshold." in evaluation.remarks
    assert "there are no scores" in html(evaluation)
    assert json.dumps(to_json(evaluation), allow_nan=False)


def test_names_need_their_slides() -> None:
    with pytest.raises(InputError, match="1 slides do not match 2 specimens"):
        evaluate_names([0, 1], [[1, 0], [0, 1]], ("a", "b"), ["s"], ABOUT)


def test_a_report_of_a_comparison(tmp_path: Path) -> None:
    first, second = cases(images=6, skill=0.9), cases(images=6, skill=0.7)
    rows = compare(first, second, "boxes", (0.4, 0.4), ("old 1.0", "new <1.1>"), QUICK)
    comparison = Comparison(("old 1.0", "new <1.1>"), rows, units_of(first), QUICK, ("Mind this.",))
    page, data = write_comparison(comparison, tmp_path)
    text = page.read_text(encoding="utf-8")
    assert "old 1.0 and new &lt;1.1&gt; on the same 4 slides" in text
    for words in ("Mind this.", "in all 16 ways", "Holm", "at most 0.05", "p, corrected"):
        assert words in text
    assert len(json.loads(data.read_text(encoding="utf-8"))["differences"]) == len(rows) == 8


def test_maps_are_resampled_by_slide() -> None:
    some = cases(1, tables=True)
    units = units_of(some)
    figures = figures_of_maps(some, units)(np.array([2, 0, 1, 0]))
    chosen = [case for case in some for _ in range({"slide-0": 2, "slide-2": 1}.get(case.slide, 0))]
    again = figures_of_maps(chosen, units_of(chosen))(np.ones(2, np.int64))
    assert figures == pytest.approx(again)


@pytest.mark.parametrize("kind", ["detections", "names"])
def test_plots_read_from_a_report_are_those_that_it_shows(tmp_path: Path, kind: str) -> None:
    some = cases() if kind == "detections" else []
    evaluation = evaluate_cases(some, "oriented-boxes", 0.5, ABOUT, QUICK) if some else names_evaluation()
    page, data = write_report(evaluation, tmp_path)
    *plots, matrix = read_plots(data)
    drawn = [drawn_curve_plot(plot) for plot in plots if isinstance(plot, CurvePlot)]
    assert drawn == [drawn_curve_plot(plot) for plot in curve_plots(evaluation)]
    assert len(drawn) == len(plots) >= 3
    assert isinstance(matrix, ConfusionMatrix)
    text = page.read_text(encoding="utf-8")
    assert base64.b64encode(drawn_confusion(matrix)).decode() in text
    assert matrix.caption in text
