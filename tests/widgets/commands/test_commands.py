"""Export, conversion and example slides from the menu."""

import json

import numpy as np
import pytest

from diatom_training.synthesis import sample_slides
from helpers.annotated import boxes
from helpers.composed import two_slides
from helpers.window import child_of
from napari_diatom.core.progress import Progress
from napari_diatom.formats.registry import by_name
from napari_diatom.project.project import Project


@pytest.fixture
def export(viewer, quick, qtbot):
    """Open *Export and convert annotations*, and write."""
    _, widget = viewer.window.add_plugin_dock_widget("napari-diatom", "Export and convert annotations")

    def go(out, format, source=None):
        if source is not None:
            child_of(widget, "source.path").setText(str(source))
        child_of(widget, "out.path").setText(str(out))
        box = child_of(widget, "format")
        box.setCurrentIndex(box.findData(format))
        child_of(widget, "run").click()
        qtbot.waitUntil(lambda: child_of(widget, "run").isEnabled(), timeout=10_000)
        return child_of(widget, "message").text()

    return go


def test_a_file_is_converted_with_a_report_of_what_is_lost(export, tmp_path):
    by_name("coco").write(tmp_path / "a.json", [boxes()])
    said = export(tmp_path / "b.xml", "cvat", tmp_path / "a.json")
    assert "CVAT XML keeps everything." in said
    [back] = by_name("cvat").read(tmp_path / "b.xml")
    np.testing.assert_allclose(back.detections.boxes, boxes().detections.boxes, atol=1e-3)
    assert "is not there" in export(tmp_path / "c.xml", "cvat", tmp_path / "gone.json")
    assert not (tmp_path / "c.xml").exists()


def test_the_selected_layer_is_written_in_any_format(export, viewer, tmp_path):
    assert "select a layer" in export(tmp_path / "b.xml", "cvat")
    by_name("geojson").write(tmp_path / "a.geojson", [boxes()])
    viewer.open(tmp_path / "a.geojson", plugin="napari-diatom")
    assert "1 image" in export(tmp_path / "b.xml", "cvat")
    [back] = by_name("cvat").read(tmp_path / "b.xml")
    assert len(back) == len(boxes())


def test_what_is_missing_is_named(export, tmp_path):
    assert export("", "cvat", tmp_path) == "Write to: this is empty. Fill it in first."


def test_example_slides_are_rendered_from_the_menu(viewer, quick, qtbot, tmp_path, monkeypatch):
    def write(folder, monitor):
        monitor.report(Progress("slides", 1, 1, "river"))
        return [folder / "slides" / "river.jpg", folder / "truth" / "river.geojson"]

    monkeypatch.setattr(sample_slides, "write_samples", write)
    _, widget = viewer.window.add_plugin_dock_widget("napari-diatom", "Render example slides")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    for folder, words in (("full", "not empty"), ("new", "1 slide and their specimens are in")):
        child_of(widget, "folder.path").setText(str(tmp_path / folder))
        child_of(widget, "run").click()
        qtbot.waitUntil(lambda: child_of(widget, "run").isEnabled(), timeout=10_000)
        assert words in child_of(widget, "message").text()


def test_slides_are_composed_from_the_menu(viewer, quick, qtbot, tmp_path):
    notes = {"images": [], "annotations": []}
    for number, slide in enumerate(two_slides(tmp_path)):
        notes["images"].append({"id": number, "file_name": slide.image.name})
        notes["annotations"] += [
            {"image_id": number, "segmentation": [outline.ravel().tolist()]} for outline in slide.outlines
        ]
    (tmp_path / "coco.json").write_text(json.dumps(notes))
    _, widget = viewer.window.add_plugin_dock_widget("napari-diatom", "Compose slides")

    def compose():
        child_of(widget, "run").click()
        qtbot.waitUntil(lambda: child_of(widget, "run").isEnabled(), timeout=20_000)
        return child_of(widget, "message").text()

    assert compose() == "Write to: must be the path of a file or folder."
    child_of(widget, "out.path").setText(str(tmp_path / "out"))
    child_of(widget, "coco.path").setText(str(tmp_path / "coco.json"))
    assert "need both" in compose()
    child_of(widget, "images.path").setText(str(tmp_path))
    child_of(widget, "count").setValue(1)
    child_of(widget, "fields.size").setValue(128)
    assert f"1 slide in {tmp_path / 'out'}." in compose()
    assert len(list((tmp_path / "out").glob("*.png"))) == 1


def test_tables_of_a_project_are_written_from_the_menu(viewer, quick, qtbot, tmp_path):
    slides = [slide.image for slide in two_slides(tmp_path)]
    Project.create(tmp_path / "project", slides, ["diatom"], "Ada").close()
    _, widget = viewer.window.add_plugin_dock_widget("napari-diatom", "Write tables of a project")

    def write():
        child_of(widget, "run").click()
        qtbot.waitUntil(lambda: child_of(widget, "run").isEnabled(), timeout=20_000)
        return child_of(widget, "message").text()

    child_of(widget, "project.path").setText(str(tmp_path))
    child_of(widget, "out.path").setText(str(tmp_path / "tables"))
    assert "project" in write()
    assert not (tmp_path / "tables").exists()
    child_of(widget, "project.path").setText(str(tmp_path / "project"))
    assert "2 images, 0 specimens, 0 counted." in write()
    assert "already holds specimens.csv" in write()
    child_of(widget, "overwrite").click()
    assert "2 images" in write()
