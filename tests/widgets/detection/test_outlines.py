"""Outlines in the boxes of *Detect diatoms*: from the tick to the layer, the table and the files."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from qtpy.QtCore import Qt

from helpers.fakes import BrightOutliner, LooseEngine, slide
from helpers.window import child_of, model
from napari_diatom.analysis import worker_process
from napari_diatom.analysis.pipeline import analyse as analyse_here
from napari_diatom.formats.coco import codec as coco
from napari_diatom.images.slide_image import from_array
from napari_diatom.models import library
from napari_diatom.widgets.common.model_events import news
from napari_diatom.widgets.detection.specimen_table import SpecimenTable

NUMBER = 5


class HereWithOutlines:
    """The pipeline in this process, with a network for boxes and one for outlines."""

    def __init__(self, **doubts: object) -> None:
        self.jobs: list[worker_process.Job] = []
        self.doubts = doubts

    def __call__(self, job, monitor):
        self.jobs.append(job)
        image = from_array(job.pixels, job.name, job.pixel_size_um, rgb=job.rgb)
        outliner = None if job.outliner is None else BrightOutliner(**self.doubts)
        return analyse_here(image, LooseEngine(), job.options, monitor, outliner)


@pytest.fixture
def outlining(monkeypatch, models):
    """Two models that find boxes, and one that outlines them."""
    models.append(model("diatom-outline", "outlines"))
    return models


@pytest.fixture
def make(viewer, quick, outlining, dock, qtbot, monkeypatch):
    """Open the dock over a slide; return it, and what runs it."""

    def go(**doubts):
        analysis = HereWithOutlines(**doubts)
        monkeypatch.setattr(worker_process, "analyse", analysis)
        viewer.add_image(slide(number=NUMBER), name="slide")
        widget = dock("Detect diatoms")

        def run(outlines=True):
            child_of(widget, "outlines").setChecked(outlines)
            widget.run()
            qtbot.waitUntil(lambda: not widget.value().running, timeout=60_000)
            widget.result().flush()
            return widget.result().layer

        return widget, run

    return go


def shown(widget, title):
    """Return a column of the table by its title, None where it has none of that title."""
    rows = widget.findChild(SpecimenTable, "specimen_table").specimens
    titles = [rows.headerData(k, Qt.Orientation.Horizontal) for k in range(rows.columnCount())]
    if title not in titles:
        return None
    return [rows.data(rows.index(row, titles.index(title))) for row in range(rows.rowCount())]


def table(widget, path):
    assert widget.panel.exportTo(path)
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def test_without_a_model_for_outlines_the_tick_says_what_is_missing(widget, models):
    tick = child_of(widget, "outlines")
    assert not tick.isEnabled()
    assert "models import" in tick.toolTip()
    models.append(model("mine", "outlines"))
    news().changed.emit()
    assert tick.isEnabled()
    assert not tick.isChecked()
    assert "area" in tick.toolTip()


def test_of_several_models_one_is_chosen_the_bundled_one_first(make, outlining):
    widget, run = make()
    choice = child_of(widget, "outline_model")
    assert choice.isHidden()
    outlining.insert(0, model("mine", "outlines"))
    news().changed.emit()
    assert not choice.isHidden()
    assert choice.currentData() == "diatom-outline"
    choice.setCurrentIndex(choice.findData("mine"))
    run()
    assert worker_process.analyse.jobs[-1].outliner == library.outliners()[1].folder
    assert library.outliners()[1].card.name == "mine"


def test_without_the_tick_boxes_stay_boxes(make):
    widget, run = make()
    layer = run(outlines=False)
    assert worker_process.analyse.jobs[-1].outliner is None
    assert set(layer.shape_type) == {"rectangle"}
    assert "outline" not in layer.features
    assert shown(widget, "Outline") is None


def test_with_it_specimens_are_polygons_with_areas_in_table_and_files(make, tmp_path):
    widget, run = make()
    layer = run()
    assert set(layer.shape_type) == {"polygon"}
    assert (layer.features["perimeter_px"] > 0).all()
    assert layer.features["length_px"].to_numpy() == pytest.approx(41, abs=1.5)
    rows = table(widget, tmp_path / "specimens.csv")
    assert [row["outline"] for row in rows] == ["agrees"] * NUMBER
    assert sum(float(row["area_px"]) for row in rows) == (slide(number=NUMBER) > 20).sum()
    assert all(row["intensity_mean"] and row["symmetry_apical"] for row in rows)
    assert widget.panel.exportTo(tmp_path / "masks.json")
    (written,) = coco.read(tmp_path / "masks.json")
    assert sum(mask.area for mask in written.detections.masks) == (slide(number=NUMBER) > 20).sum()


def test_a_moved_threshold_shows_outlines_without_another_run(make):
    widget, run = make()
    run()
    jobs = len(worker_process.analyse.jobs)
    result = widget.result()
    result.set_threshold(0.95)
    few = len(result.layer.data)
    result.set_threshold(0.1)
    assert few < len(result.layer.data) == NUMBER
    assert set(result.layer.shape_type) == {"polygon"}
    assert result.layer.features["outline"].tolist() == ["agrees"] * NUMBER
    assert len(worker_process.analyse.jobs) == jobs


def test_doubtful_outlines_are_told_and_keep_the_boxes_of_the_detector(make, tmp_path, qtbot):
    widget, run = make(doubtful=(1,), unseen=(3,))
    boxes = run(outlines=False).features.set_index("specimen")
    layer = run()
    assert "2 outlines do not fit the box" in child_of(widget, "message").text()
    found = layer.features.set_index("specimen")
    verdicts = ["agrees", "contradicts box", "agrees", "not found", "agrees"]
    assert found["outline"].sort_index().tolist() == verdicts
    for name in ("length_px", "width_px"):
        np.testing.assert_allclose(found.loc[[2, 4], name], boxes.loc[[2, 4], name])
    assert np.isnan(found.loc[4, "perimeter_px"])
    qtbot.waitUntil(lambda: shown(widget, "Outline") == verdicts, timeout=2000)
    rows = table(widget, tmp_path / "specimens.csv")
    assert [row["outline"] for row in rows] == verdicts
    assert float(rows[3]["area_px"]) == pytest.approx(found.loc[4, "area_px"], abs=0.1)


def test_what_a_person_changes_has_no_verdict_and_the_others_keep_theirs(make, tmp_path):
    widget, run = make(doubtful=(1,))
    layer = run()
    moved = [np.array(shape) for shape in layer.data]
    number = int(layer.features["specimen"].iloc[0])
    moved[0] = moved[0] + 3
    layer.data = moved
    widget.result().flush()
    expected = ["agrees", "contradicts box", "agrees", "agrees", "agrees"]
    expected[number - 1] = ""
    assert layer.features.set_index("specimen")["outline"].sort_index().tolist() == expected
    assert [row["outline"] for row in table(widget, tmp_path / "specimens.csv")] == expected


def test_a_run_without_outlines_over_one_with_them_shows_boxes_again(make):
    widget, run = make()
    layer = run()
    assert run(outlines=False) is layer
    assert set(layer.shape_type) == {"rectangle"}
    assert shown(widget, "Outline") is None or not any(shown(widget, "Outline"))
    assert run() is layer
    assert set(layer.shape_type) == {"polygon"}
