"""A field of a stack that is opened from the list of a run is that field of that file, wherever it goes from there."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from qtpy.QtWidgets import QFileDialog

from helpers.counting import save
from helpers.fakes import slide
from helpers.window import child_of, dock_of
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.project.project import Project
from napari_diatom.widgets.review.send_dialog import SendDialog

PLANES = 3


@pytest.fixture
def river(tmp_path):
    """A folder with an image and a stack of fields."""
    save(tmp_path / "river" / "field.png", 4)
    pixels = np.stack([slide(number=k + 2, seed=k) for k in range(PLANES)])
    tifffile.imwrite(tmp_path / "river" / "stack.tif", pixels, metadata={"axes": "TYX"}, photometric="minisblack")
    return tmp_path / "river"


def test_it_is_sent_to_a_project_as_that_field(river, search, show, widget, viewer, qtbot, tmp_path, monkeypatch):
    search(river)
    result = show("stack.tif#2")
    result.set_feature(1, "status", "broken")
    number = len(result.layer.data)

    def exec_(dialog):
        dialog.show()
        monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *args: str(tmp_path / "project"))
        child_of(dialog, "send_new").click()
        child_of(dialog, "send_shown").click()
        child_of(dialog, "send_as_all").click()
        assert child_of(dialog, "send_send").isEnabled(), child_of(dialog, "send_problem").text()
        dialog.hide()
        return True

    monkeypatch.setattr(SendDialog, "exec", exec_)
    child_of(widget, "send").click()
    qtbot.waitUntil(lambda: child_of(widget, "send").isEnabled(), timeout=20_000)
    annotate = dock_of(viewer, "Annotate diatoms")
    [image] = annotate.project().images
    assert (annotate.project().path(image.id), image.page) == (river / "stack.tif", 2)
    assert not (tmp_path / "project" / "images").exists()
    assert len(annotate.document().specimens) == number
    annotate.close_project()
    with Project.open(tmp_path / "project") as project:
        assert len(project.contents(image.id).specimens) == number


def test_closed_and_opened_again_it_has_its_corrected_result(river, search, show, widget, viewer):
    search(river)
    result = show("stack.tif#2")
    number = len(result.layer.data)
    result.add_box((200, 250, 60, 20, 0.0))
    viewer.layers.remove(widget.shared.image_of(result))
    assert show("stack.tif#1") is not result
    again = show("stack.tif#2")
    assert again is result
    assert len(again.layer.data) == number + 1
    names = [layer.name for layer in viewer.layers]
    assert len(names) == len(set(names))


def test_an_image_of_a_file_of_its_own_has_its_corrected_result_too(river, search, show, widget, viewer):
    search(river)
    result = show("field.png")
    result.add_box((200, 250, 60, 20, 0.0))
    viewer.layers.remove(widget.shared.image_of(result))
    show("stack.tif#1")
    assert show("field.png") is result


def test_what_is_saved_of_it_opens_on_that_field_and_on_no_other(river, search, show, widget, viewer, qtbot, tmp_path):
    search(river)
    result = show("stack.tif#2")
    number = len(result.layer.data)
    assert widget.panel.exportTo(tmp_path / "field.geojson")
    assert geojson.read(tmp_path / "field.geojson").image == "stack.tif#2"
    viewer.layers.remove(result.layer)
    [layer] = viewer.open(tmp_path / "field.geojson", plugin="napari-diatom")
    [image] = [other for other in viewer.layers if other.name == "stack.tif#2"]
    assert widget.shared.image_of(widget.shared.get(layer)) is image
    assert len(layer.data) == number
    viewer.layers.clear()
    show("stack.tif#3")
    [layer] = viewer.open(tmp_path / "field.geojson", plugin="napari-diatom")
    assert widget.shared.image_of(widget.shared.get(layer)) is None


def test_the_model_is_run_again_on_it_under_its_name_and_all_its_fields_are_offered(
    river, search, show, widget, viewer, run, analysis, monkeypatch
):
    from napari_diatom.widgets.batch_run.batch_form import Scope

    search(river)
    show("stack.tif#2")
    form = widget.batch.value()
    assert form.chosen.path == river / "stack.tif"
    widget.batch.scope.setValue(Scope.IMAGE)
    run()
    assert analysis.jobs[-1].name == "stack.tif#2"
    assert widget.result().facts.page == 2
    widget.batch.scope.setValue(Scope.FIELDS)
    assert widget.batch.value().inputs == (river / "stack.tif",)
