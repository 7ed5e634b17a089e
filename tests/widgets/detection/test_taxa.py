"""Naming the taxa of a result."""

import csv
import threading
from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import Qt

from helpers.fakes import CALLED, FLORA, TurnNamer, namer_card
from helpers.window import child_of, detections, model
from napari_diatom.analysis import worker_process
from napari_diatom.core.annotations import Annotations
from napari_diatom.core.errors import Stopped
from napari_diatom.core.taxa import Name
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.models import library
from napari_diatom.models.library import ModelFolder
from napari_diatom.napari_layers import reader_writer, shapes_layer
from napari_diatom.widgets.common.model_events import news


class FakeNaming:
    """Stands for the naming in a child process; waits until it may go on."""

    def __init__(self):
        self.go_on = threading.Event()
        self.go_on.set()
        self.jobs, self.specimens = [], []

    def __call__(self, job, specimens, monitor):
        self.jobs.append(job)
        self.specimens.append(specimens)
        while not self.go_on.wait(0.01):
            if monitor.should_stop():
                raise Stopped("Stopped as asked.")
        return TurnNamer().name(None, specimens, monitor)


@pytest.fixture
def naming():
    return FakeNaming()


@pytest.fixture
def widget(quick, models, dock, analysis, naming, tmp_path, monkeypatch):
    """The dock widget with one detector and one model that names taxa."""
    models[:] = [model("diatom-obb", "oriented-boxes"), ModelFolder(namer_card(), tmp_path / "flora")]
    analysis.found = detections(20, classes=("diatom", FLORA[2]))
    monkeypatch.setattr(worker_process, "name", naming)
    return dock("Detect diatoms")


@pytest.fixture
def named(widget, image, run, qtbot):
    """Find specimens and name them; return the function that names again."""
    run()

    def go():
        widget.name_taxa()
        qtbot.waitUntil(lambda: not widget.value().running)
        widget.result().flush()

    go()
    return go


def taxa(layer):
    return dict(zip(layer.features["specimen"], layer.features["taxon"], strict=True))


def settle(widget, qtbot):
    qtbot.wait(100)
    widget.result().flush()


def test_named_specimens_are_shown_counted_and_exported(widget, named, viewer, naming, qtbot, tmp_path):
    layer, result = viewer.layers["slide diatoms"], widget.result()
    n = len(layer.data)
    assert naming.jobs[0].model == tmp_path / "flora"
    assert naming.jobs[0].pixels.shape == (300, 400)
    np.testing.assert_array_equal(naming.specimens[0].boxes, result.candidates.boxes[:n])
    assert taxa(layer) == {number: CALLED[(number - 1) % 4] for number in range(1, n + 1)}
    assert f"{n} specimens classified in" in child_of(widget, "message").text()
    assert layer.text.values[0].startswith(f"1 {FLORA[0]} ")
    table = child_of(widget, "specimen_table")
    qtbot.waitUntil(lambda: table.model().columnCount() == 16)
    counts = child_of(widget, "counts").text()
    assert [f"{taxon}&nbsp;4" in counts for taxon in CALLED] == [True] * 4

    assert widget.panel.exportTo(tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["taxon"] for row in rows] == list(taxa(layer).values())
    assert (rows[2]["taxon_confidence"], rows[2]["genus"], rows[2]["named_by"]) == ("0.9000", "Nitzschia", "flora 1.0")
    assert widget.panel.exportTo(tmp_path / "a.geojson")
    read = geojson.read(tmp_path / "a.geojson")
    assert [name.taxon for name in read.names] == [row["taxon"] for row in rows]

    # What the threshold hides keeps its name; a new run has none.
    result.set_threshold(0.8)
    result.set_threshold(0.25)
    result.flush()
    assert taxa(layer) == {number: CALLED[(number - 1) % 4] for number in range(1, n + 1)}
    widget.run()
    qtbot.waitUntil(lambda: not widget.value().running)
    assert "taxon" not in widget.result().layer.features
    widget.result().flush()
    assert len(layer.data) == n
    assert "taxon" not in layer.features


def test_a_run_that_finds_nothing_leaves_no_taxa_of_the_run_before(widget, named, viewer, analysis, qtbot):
    layer = viewer.layers["slide diatoms"]
    analysis.found = detections(0, classes=("diatom", FLORA[2]))
    widget.run()
    qtbot.waitUntil(lambda: not widget.value().running)
    widget.result().flush()
    assert len(layer.data) == 0
    assert not {"taxon", "named_by"} & set(layer.features)
    assert widget.result().names.offered() == ()


def test_names_stay_with_their_specimens(widget, named, viewer, naming, qtbot):
    layer, result = viewer.layers["slide diatoms"], widget.result()
    result.set_feature(1, shapes_layer.TAXON, FLORA[1])
    result.set_feature(2, shapes_layer.CLASS, FLORA[2])
    result.set_feature(3, shapes_layer.CLASS, "diatom")
    before = taxa(layer)
    assert (before[1], before[2], before[3]) == (FLORA[1], FLORA[2], CALLED[2])
    order = list(layer.features["specimen"])
    moved = [np.array(shape) for shape in layer.data]
    for number in (1, 5):
        moved[order.index(number)] += 7
    layer.data = moved
    settle(widget, qtbot)
    layer.remove([list(layer.features["specimen"]).index(6)])
    layer.selected_data = {0}
    layer.add(shapes_layer.to_quads([[200, 150, 80, 20, 0.4]]), shape_type="rectangle")
    settle(widget, qtbot)
    # Drawn and moved ones are not named; what a person has named, is.
    expected = {number: name for number, name in before.items() if number != 6} | {5: "", 21: ""}
    assert taxa(layer) == expected
    assert [name for name in result.annotations().names if name is None] == [None, None]
    qtbot.waitUntil(lambda: "unnamed&nbsp;2" in child_of(widget, "counts").text())

    naming.go_on.clear()
    widget.name_taxa()
    assert not child_of(widget, "name_taxa").isEnabled()
    assert "in progress" in child_of(widget, "name_taxa").toolTip()
    moved = [np.array(shape) for shape in layer.data]
    moved[list(layer.features["specimen"]).index(7)] += 3
    layer.data = moved
    settle(widget, qtbot)
    naming.go_on.set()
    qtbot.waitUntil(lambda: not widget.value().running)
    again = taxa(layer)
    at = sorted(again).index(5)
    np.testing.assert_allclose(naming.specimens[-1].boxes[at, :2], result.candidates.boxes[4, :2] + 7, atol=0.01)
    # What was moved meanwhile was not seen as it is; people's words are not overwritten.
    assert again[7] == ""
    assert (again[1], again[2]) == (FLORA[1], FLORA[2])
    assert again[5]
    assert again[21]
    assert set(layer.features["named_by"]) == {"flora 1.0", "person", ""}
    assert layer.features.set_index("specimen")["class"][2] == FLORA[2]


def test_taxa_and_classes_of_a_file_are_kept(widget, viewer, image, qtbot, tmp_path):
    found = detections(4, classes=("diatom", FLORA[2]))
    found = replace(found, class_ids=np.array([0, 1, 0, 1], np.int32))
    names = (Name.by_person(FLORA[1]), None, Name(FLORA[0], 0.75, "Cyclotella", by="flora 0.9"), None)
    origins = ["person", "person", "diatom-obb 1.0", "diatom-obb 1.0"]
    path = tmp_path / "slide.geojson"
    annotations = Annotations.of(found, origins, image="slide.tif", height=300, width=400)
    geojson.write(path, replace(annotations, names=names))
    ((data, kwargs, _),) = reader_writer.read_shapes(str(path))
    layer = viewer.add_shapes(data, **kwargs)
    assert taxa(layer) == {1: FLORA[1], 2: "", 3: FLORA[0], 4: ""}
    assert widget.result().annotations().names == names
    qtbot.waitUntil(child_of(widget, "name_taxa").isEnabled)
    widget.name_taxa()
    qtbot.waitUntil(lambda: not widget.value().running)
    # What people said, as a taxon or as a class that is one, and what the other model said, is not mixed up.
    assert taxa(layer) == {1: FLORA[1], 2: FLORA[2], 3: CALLED[2], 4: CALLED[3]}
    assert list(layer.features["named_by"]) == ["person", "person", "flora 1.0", "flora 1.0"]


def test_the_button_says_why_it_cannot_be_pressed(widget, viewer, image, run, naming, qtbot, tmp_path, monkeypatch):
    button, combo = child_of(widget, "name_taxa"), child_of(widget, "classifier")
    assert [combo.itemText(i) for i in range(combo.count())] == ["flora 1.0", "Choose a folder…"]
    assert "no specimens" in button.toolTip()
    run()
    qtbot.waitUntil(button.isEnabled)
    naming.go_on.clear()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    child_of(widget, "cancel").click()
    qtbot.waitUntil(lambda: not widget.value().running)
    assert "Cancelled" in child_of(widget, "message").text()
    assert "taxon" not in widget.result().layer.features
    viewer.layers.remove(image)
    assert not button.isEnabled()
    assert "Open slide first" in button.toolTip()

    shown = []
    monkeypatch.setattr("napari_diatom.widgets.detection.taxon_row.show_error", shown.append)
    row = widget.panel.taxa
    assert not row.choose(tmp_path)
    assert "is not a model" in shown[0]
    (tmp_path / "other").mkdir()
    namer_card(task="boxes", engine="yolo", architecture="yolo11n").write(tmp_path / "other")
    assert not row.choose(tmp_path / "other")
    assert "not for taxa" in shown[1]
    namer_card(name="own").write(tmp_path / "other")
    assert row.choose(tmp_path / "other")
    assert row.classifier().card.name == "own"
    monkeypatch.setattr(library, "available", lambda: [])
    bare = type(row)()
    qtbot.addWidget(bare)
    assert bare.classifier() is None
    assert child_of(bare, "classifier").currentIndex() == -1
    monkeypatch.setattr(library, "available", lambda: [ModelFolder(namer_card(name="trained"), tmp_path)])
    news().changed.emit()
    assert bare.classifier().card.name == "trained"
    assert row.classifier().card.name == "own"
