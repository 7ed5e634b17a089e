"""Figures come with what they are of and how sure they are, and few specimens are said to be few."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diatom_training.evaluation.card_figures import card_figures
from diatom_training.evaluation.chief_figures import chief_figures, few_figures
from diatom_training.evaluation.evaluation import EvaluatedModel, evaluate_cases, evaluate_names
from diatom_training.evaluation.report import html, to_json, write_report
from diatom_training.metrics.bootstrap import Bootstrap
from helpers.simulated_cases import cases
from napari_diatom.core.proportions import FEWEST, wilson

ABOUT = EvaluatedModel("diatom-test", "1.2")
QUICK = Bootstrap(resamples=60)


@given(st.integers(1, 10_000), st.floats(0, 1), st.sampled_from([0.8, 0.95, 0.99]))
def test_intervals_of_shares_hold_them_and_are_never_of_no_width(of: int, share: float, level: float) -> None:
    right = round(share * of)
    low, high = wilson(right, of, level)
    assert 0 <= low <= right / of <= high <= 1
    assert high - low > 0
    z = {0.8: 1.2816, 0.95: 1.96, 0.99: 2.5758}[level]
    for bound in (low, high):
        if 0 < bound < 1:
            # The bounds are the shares from which what was found is just z standard errors off.
            assert abs(bound - right / of) == pytest.approx(z * math.sqrt(bound * (1 - bound) / of), rel=1e-3)


def test_nothing_has_no_interval() -> None:
    assert all(math.isnan(bound) for bound in wilson(0, 0))


def test_two_finds_that_are_right_are_not_certain() -> None:
    some = [case for case in cases(images=12, slides=12, skill=1.0) if len(case.truth) == 1][:2]
    assert len(some) == 2
    sure = [case.__class__(**{**case.__dict__, "found": case.truth}) for case in some]
    evaluation = evaluate_cases(sure, "oriented-boxes", 0.5, ABOUT, QUICK)
    for name in ("precision", "recall"):
        interval = evaluation.intervals[name]
        assert (interval.value, interval.of) == (1.0, 2)
        assert (interval.low, interval.high) == (pytest.approx(0.342, abs=0.001), 1.0)
    assert "only 2 specimens annotated: too few to tell" in " ".join(evaluation.remarks)
    header, rows = chief_figures(evaluation)
    assert header[3] == "of"
    assert {row[0]: row[3] for row in rows}["Precision"] == "2"
    note = "Fewer than 20 specimens or detections are too few to tell."
    assert few_figures(evaluation) == [note]
    page = html(evaluation)
    assert "0.342 to 1.000" in page
    figures, more = page.split("<h2>Figures</h2>")[1].split("<h2>", 1)
    # Once for each table with such figures.
    assert (figures.count(note), more.count(note)) == (1, 1)
    assert to_json(evaluation)["intervals"]["recall"]["of"] == 2


def test_one_image_has_intervals_of_its_shares() -> None:
    evaluation = evaluate_cases(cases(images=1), "boxes", 0.5, ABOUT, QUICK)
    recall = evaluation.intervals["recall"]
    assert recall.low < recall.value <= recall.high
    assert math.isnan(evaluation.intervals["ap50"].low)


def test_names_of_few_specimens_are_too_few_to_tell() -> None:
    said = [[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]]
    evaluation = evaluate_names(
        [0, 1, 0], said, ("Navicula lata", "Nitzschia alta"), ["a", "b", "c"], ABOUT, QUICK, 0.5
    )
    accuracy = evaluation.intervals["accuracy"]
    assert (accuracy.value, accuracy.high, accuracy.of) == (1.0, 1.0, 3)
    assert accuracy.low == pytest.approx(wilson(3, 3)[0])
    rows = {row[0]: row for row in chief_figures(evaluation)[1]}
    for title in ("Accuracy", "Right genera", "Named", "Right when named"):
        assert rows[title][2] == "0.439 to 1.000"
        assert rows[title][3] == "3"
    assert len(few_figures(evaluation)) == 1


def test_many_specimens_are_not_called_few(tmp_path: Path) -> None:
    evaluation = evaluate_cases(cases(images=24, slides=12), "boxes", 0.3, ABOUT, QUICK)
    assert evaluation.detection is not None
    assert evaluation.detection.overall.specimens > FEWEST
    assert not any("too few" in line for line in evaluation.remarks)
    assert few_figures(evaluation) == []
    _, path = write_report(evaluation, tmp_path)
    figures = evaluation.figures()
    rows = {row.name: row for row in card_figures(figures, ("precision", "recall", "ap50", "none"), path)}
    assert list(rows) == ["precision", "recall", "ap50"]
    for name, row in rows.items():
        interval = evaluation.intervals[name]
        assert (row.low, row.high) == (pytest.approx(interval.low, abs=2e-4), pytest.approx(interval.high, abs=2e-4))
        assert row.of == interval.of
        assert f"n = {row.of:,}" in row.sure


@pytest.mark.parametrize(
    "content", ["", "[]", '{"intervals": {"recall": {"value": 1}}}', '{"intervals": 3}', "{", None]
)
def test_without_a_report_shares_have_their_intervals(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "report.json"
    if content is not None:
        path.write_text(content)
    figures = {"specimens": 2, "found": 4, "precision": 0.5, "recall": 1.0, "ap50": 0.7}
    precision, recall, ap50 = card_figures(figures, ("precision", "recall", "ap50"), path)
    assert precision.sure == "0.150 to 0.850, n = 4"
    assert recall.sure == "0.342 to 1.000, n = 2"
    assert ap50.sure == "n = 2"
    assert precision.few
    path.write_text(json.dumps({"intervals": {"recall": {"value": 0.2, "low": 0.1, "high": 0.3}}}))
    assert card_figures(figures, ("recall",), path)[0].sure == recall.sure
