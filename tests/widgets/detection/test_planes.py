"""What is shown and exported of a stack is of the plane that the viewer shows, and named by it."""

import csv

import numpy as np
import pytest
import tifffile
from qtpy.QtWidgets import QFileDialog

from helpers.window import child_of, detections
from napari_diatom.core.annotations import Annotations
from napari_diatom.formats.geojson import codec as geojson


@pytest.fixture
def stack(viewer, widget, tmp_path):
    """Open a file of five pages."""
    path = tmp_path / "stack.tif"
    pages = np.random.default_rng(0).integers(0, 255, (5, 300, 400), np.uint8)
    tifffile.imwrite(path, pages, photometric="minisblack")
    (image,) = viewer.open(path, plugin="napari")
    return image


def images_in(widget, tmp_path):
    assert widget.panel.exportTo(tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as stream:
        return {row["image"] for row in csv.DictReader(stream)}


def test_the_panel_table_and_export_follow_the_plane_of_a_stack(viewer, widget, run, stack, tmp_path, monkeypatch):
    offered = []
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda _, title, name, filters: (offered.append(name), ("", ""))[1]
    )
    viewer.dims.set_current_step(0, 2)
    run()
    third = widget.result()
    assert third.layer.name == "stack.tif#3 diatoms"
    viewer.dims.set_current_step(0, 0)
    assert widget.result() is None
    assert not child_of(widget, "export").isVisibleTo(widget)
    assert child_of(widget, "message").text() == "No run on this plane yet. There are results for stack.tif#3."
    assert viewer.layers.selection.active == stack
    run()
    first = widget.result()
    assert first is not third
    assert images_in(widget, tmp_path) == {"stack.tif#1"}
    for plane, result, name in ((2, third, "stack.tif#3"), (0, first, "stack.tif#1")):
        viewer.dims.set_current_step(0, plane)
        assert widget.result() is result
        assert child_of(widget, "result_name").text() == f"{name} diatoms"
        assert images_in(widget, tmp_path) == {name}
        child_of(widget, "export").click()
    assert offered == ["stack#3.csv", "stack#1.csv"]
    assert viewer.layers.selection.active == first.layer
    viewer.dims.set_current_step(0, 4)
    assert widget.result() is None


def test_a_result_that_is_chosen_brings_its_plane(viewer, widget, run, stack):
    viewer.dims.set_current_step(0, 2)
    run()
    third = widget.result()
    viewer.dims.set_current_step(0, 1)
    assert widget.result() is None
    viewer.layers.selection.active = third.layer
    assert viewer.dims.current_step[0] == 2
    assert widget.result() is third


def test_a_run_that_ends_on_another_plane_shows_its_own(viewer, widget, stack, qtbot, analysis):
    viewer.dims.set_current_step(0, 2)
    widget.run()
    viewer.dims.set_current_step(0, 0)
    qtbot.waitUntil(lambda: not widget.value().running, timeout=60_000)
    assert analysis.jobs[-1].plane == (2,)
    assert widget.result().facts.plane == (2,)
    assert viewer.dims.current_step[0] == 2


def test_planes_of_two_axes_are_counted_through(viewer, widget, run):
    viewer.add_image(np.zeros((2, 3, 300, 400), np.uint8), name="series")
    viewer.dims.set_current_step((0, 1), (1, 1))
    run()
    assert widget.result().facts.image == "series#5"
    viewer.dims.set_current_step((0, 1), (0, 1))
    assert widget.result() is None
    viewer.dims.set_current_step((0, 1), (1, 1))
    assert widget.result().facts.image == "series#5"


def test_annotations_of_a_page_are_shown_with_their_plane(viewer, widget, stack, tmp_path):
    path = tmp_path / "a.geojson"
    geojson.write(path, Annotations.of(detections(5), image="stack.tif#2", height=300, width=400))
    (layer,) = viewer.open(path, plugin="napari-diatom")
    assert widget.result().layer == layer
    assert viewer.dims.current_step[0] == 1
    viewer.dims.set_current_step(0, 3)
    assert widget.result() is None
    viewer.dims.set_current_step(0, 1)
    assert widget.result().layer == layer


def test_what_is_exported_of_a_plane_opens_on_it_again(viewer, widget, run, stack, tmp_path):
    viewer.dims.set_current_step(0, 3)
    run()
    assert widget.panel.exportTo(tmp_path / "out.geojson")
    (layer,) = viewer.open(tmp_path / "out.geojson", plugin="napari-diatom")
    assert {float(point[0]) for shape in layer.data for point in shape} == {3.0}
