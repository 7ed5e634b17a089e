"""What belongs to whom: layers to the dock that made them, results and pixel sizes to the image that they are of."""

import csv

import cv2
import numpy as np
import pytest
from openpyxl import load_workbook
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication, QDoubleSpinBox, QFileDialog, QMessageBox

from helpers.window import child_of, detections, model
from napari_diatom.core.annotations import Annotations
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.models import library
from napari_diatom.napari_layers import shapes_layer

DETECT, SEGMENT, INSTANCES = "Detect diatoms", "Segment diatoms (DeepLabV3+)", "Diatom instances (Mask R-CNN)"
KEPT = 33
"""Of the forty specimens that are found, those at the threshold."""


@pytest.fixture
def every_model(monkeypatch, models):
    known = [model("diatom-obb", "oriented-boxes"), model("diatom-deeplab", "semantic"), model("m", "instances")]
    monkeypatch.setattr(library, "available", lambda: known)


@pytest.fixture
def find(qtbot):
    """Run a dock to its end."""

    def go(widget):
        widget.run()
        qtbot.waitUntil(lambda: not widget.value().running, timeout=60_000)
        qtbot.wait(100)
        widget.result().flush()
        return widget.result()

    return go


@pytest.fixture
def two_slides(viewer, tmp_path):
    """Open two images of one name, from two folders."""

    def go():
        opened = []
        for folder, size in (("slideA", (300, 400)), ("slideB", (300, 400))):
            path = tmp_path / folder / "Image_1.png"
            path.parent.mkdir()
            cv2.imwrite(str(path), np.full(size, 200, np.uint8))
            opened += viewer.open(path, plugin="napari")
        return opened

    return go


def answer(button):
    """Press a button of the question that is about to be asked."""

    def press():
        box = QApplication.activeModalWidget()
        if not isinstance(box, QMessageBox):
            QTimer.singleShot(20, press)
            return
        asked.append(box.text())
        box.button(button).click()

    asked = []
    QTimer.singleShot(20, press)
    return asked


def type_in(widget, text, qtbot):
    """Type a pixel size and press Enter."""
    spin = child_of(widget, "pixel_size_spin")
    assert isinstance(spin, QDoubleSpinBox)
    spin.selectAll()
    qtbot.keyClicks(spin, text)
    qtbot.keyClick(spin, Qt.Key.Key_Return)


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize(("maker", "other"), [(SEGMENT, DETECT), (DETECT, INSTANCES), (INSTANCES, SEGMENT)])
def test_a_layer_that_one_dock_makes_is_not_taken_by_another(
    viewer, quick, every_model, dock, find, qtbot, tmp_path, maker, other
):
    watching = dock(other)
    making = dock(maker)
    viewer.add_image(np.zeros((300, 400), np.uint8), name="slide")
    result = find(making)
    assert watching.result() is None
    assert set(result.layer.features["origin"]) == {"diatom-obb 1.0.0"}
    assert result.layer.features["score"].max() < 1
    result.set_threshold(0.5)
    result.set_threshold(0.25)
    result.flush()
    assert not result.touched()
    assert "by hand" not in child_of(making, "counts").text()
    assert making.panel.exportTo(tmp_path / "a.csv")
    rows = rows_of(tmp_path / "a.csv")
    assert len(rows) == KEPT
    assert {row["origin"] for row in rows} == {"diatom-obb 1.0.0"}
    assert {row["score"] for row in rows} != {"1.0000"}
    assert set(result.annotations().origins) == {"diatom-obb 1.0.0"}
    assert not any(result.annotations().reviewed)


def test_docks_share_a_layer_that_was_opened_and_take_no_change_of_one_for_a_persons(
    viewer, quick, every_model, dock, qtbot, tmp_path
):
    docks = [dock(DETECT), dock(SEGMENT)]
    path = tmp_path / "slide.geojson"
    geojson.write(path, Annotations.of(detections(5), ["flora 1.0"] * 5, image="slide.tif", height=300, width=400))
    viewer.open(path, plugin="napari-diatom")
    first, second = (widget.result() for widget in docks)
    assert first is second
    first.set_feature(2, shapes_layer.STATUS, "broken")
    first.set_pixel_size(0.5)
    qtbot.wait(50)
    second.flush()
    assert set(first.annotations().origins) == {"flora 1.0"}


def test_a_dock_that_is_opened_again_goes_on_with_what_the_closed_one_made(viewer, quick, every_model, dock, find):
    first = dock(DETECT)
    viewer.add_image(np.zeros((300, 400), np.uint8), name="slide")
    result = find(first)
    viewer.window.remove_dock_widget(first)
    second = dock(DETECT)
    assert second is not first
    assert second.result() is result
    second.result().set_threshold(0.9)
    assert not result.touched()
    assert len(result.layer.data) < KEPT


def test_images_of_one_name_keep_their_own_results_sizes_and_exports(
    viewer, widget, two_slides, find, qtbot, tmp_path, monkeypatch
):
    first_image, second_image = two_slides()
    viewer.layers.selection.active = first_image
    type_in(widget, "0.2", qtbot)
    first = find(widget)
    viewer.layers.selection.active = second_image
    assert widget.result() is None
    child_of(widget, "borrowed").linkActivated.emit("keep")
    second = find(widget)
    assert second is not first
    assert (len(first.layer.data), len(second.layer.data)) == (KEPT, KEPT)
    type_in(widget, "0.4", qtbot)
    assert first.facts.pixel_size_um == pytest.approx(0.2)
    assert second.facts.pixel_size_um == pytest.approx(0.4)
    assert first.layer.features["length_um"].iloc[0] == pytest.approx(first.layer.features["length_px"].iloc[0] * 0.2)

    names, offered = [], []
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda _, title, name, filters: (offered.append(name), ("", ""))[1]
    )
    for image, result in ((first_image, first), (second_image, second)):
        viewer.layers.selection.active = image
        assert widget.result() is result
        child_of(widget, "export").click()
        assert widget.panel.exportTo(tmp_path / "one.csv")
        names.append({row["image"] for row in rows_of(tmp_path / "one.csv")})
    assert names == [{"slideA/Image_1.png"}, {"slideB/Image_1.png"}]
    assert offered == ["slideA_Image_1.csv", "slideB_Image_1.csv"]
    again = find(widget)
    assert again is second


def test_images_of_one_name_are_told_apart_in_what_is_asked_of_a_borrowed_pixel_size(
    viewer, widget, find, qtbot, tmp_path
):
    for folder in ("slideA", "slideB"):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "Image_1.png"), np.full((300, 400), 200, np.uint8))
        viewer.open(tmp_path / folder / "Image_1.png", plugin="napari")
        if folder == "slideA":
            type_in(widget, "0.2", qtbot)
    assert "Typed for slideA/Image_1.png" in child_of(widget, "borrowed").text()
    asked = answer(QMessageBox.StandardButton.Yes)
    find(widget)
    assert "slideB/Image_1.png does not state its pixel size" in asked[0]
    assert "typed for slideA/Image_1.png" in asked[0]


def test_a_file_of_annotations_lies_on_the_image_that_it_is_beside(viewer, widget, two_slides, tmp_path):
    images = two_slides()
    for name, image in zip(("slideA", "slideB"), images, strict=True):
        image.translate = (0, 500) if name == "slideB" else (0, 0)
    for name, image in zip(("slideA", "slideB"), images, strict=True):
        path = tmp_path / name / "Image_1.geojson"
        geojson.write(path, Annotations.of(detections(5), image="Image_1.png", height=300, width=400))
        [layer] = viewer.open(path, plugin="napari-diatom")
        np.testing.assert_allclose(layer.translate, image.translate)
        assert widget.value().image.name == image.name


def test_what_is_shown_and_exported_is_of_the_chosen_image(viewer, widget, find, qtbot):
    first = viewer.add_image(np.zeros((300, 400), np.uint8), name="first")
    result = find(widget)
    second = viewer.add_image(np.zeros((300, 400), np.uint8), name="second")
    assert widget.result() is None
    assert not child_of(widget, "export").isVisible()
    viewer.layers.selection.active = first
    assert widget.result() is result
    viewer.layers.selection.active = second
    viewer.layers.selection.active = result.layer
    assert widget.result() is result
    assert widget.value().image.name == "first"
    viewer.layers.remove(result.layer)
    assert widget.result() is None


def test_a_pixel_size_of_another_image_is_shown_as_borrowed_and_asked_about_once(viewer, widget, find, qtbot, analysis):
    viewer.add_image(np.zeros((300, 400), np.uint8), name="first")
    type_in(widget, "0.2", qtbot)
    note = child_of(widget, "borrowed")
    assert note.isHidden()
    second = viewer.add_image(np.zeros((300, 400), np.uint8), name="second")
    assert not note.isHidden()
    assert "Typed for first" in note.text()
    answer(QMessageBox.StandardButton.Cancel)
    widget.run()
    assert not widget.value().running
    asked = answer(QMessageBox.StandardButton.No)
    result = find(widget)
    assert "second does not state its pixel size. Is it 0.2 µm" in asked[0]
    assert result.facts.pixel_size_um is None
    assert analysis.jobs[-1].pixel_size_um is None
    assert note.isHidden()
    find(widget)
    third = viewer.add_image(np.zeros((300, 400), np.uint8), name="third")
    answer(QMessageBox.StandardButton.Yes)
    assert find(widget).facts.pixel_size_um == pytest.approx(0.2)
    find(widget)
    viewer.layers.selection.active = second
    assert widget.value().pixel_size_um is None
    viewer.layers.selection.active = third
    assert widget.value().pixel_size_um == pytest.approx(0.2)


@pytest.mark.parametrize("typed", ["0.004", "25"])
def test_a_typed_pixel_size_that_no_microscope_has_is_asked_about(viewer, widget, image, qtbot, typed):
    type_in(widget, "0.25", qtbot)
    asked = answer(QMessageBox.StandardButton.No)
    type_in(widget, typed, qtbot)
    assert f"{float(typed):g} µm" in asked[0]
    assert widget.value().pixel_size_um == pytest.approx(0.25)
    answer(QMessageBox.StandardButton.Yes)
    type_in(widget, typed, qtbot)
    assert widget.value().pixel_size_um == pytest.approx(float(typed))


def test_a_pixel_size_typed_in_one_dock_is_known_in_the_others(viewer, quick, every_model, dock, qtbot):
    first, second = dock(DETECT), dock(SEGMENT)
    viewer.add_image(np.zeros((300, 400), np.uint8), name="slide")
    type_in(first, "0.2", qtbot)
    assert second.value().pixel_size_um == pytest.approx(0.2)
    assert child_of(second, "borrowed").isHidden()


def test_what_was_found_and_what_counts_are_both_told(viewer, widget, image, analysis, find, qtbot, tmp_path):
    analysis.found = detections(16).above(0.12)
    result = find(widget)
    n = len(result.layer.data)
    assert child_of(widget, "counts").text() == f"<b>{n}</b> specimens"
    for number in (1, 2):
        result.set_feature(number, shapes_layer.STATUS, "broken")
    text = f"<b>{n}</b> specimens found, <b>{n - 2}</b> counted"
    qtbot.waitUntil(lambda: text in child_of(widget, "counts").text())
    assert widget.panel.exportTo(tmp_path / "a.xlsx")
    assert f"{n} specimens written to a.xlsx, {n - 2} of them counted." in child_of(widget, "message").text()
    book = load_workbook(tmp_path / "a.xlsx")
    assert book["specimens"].max_row == n + 1
    assert [row[3] for row in book["counts"].iter_rows(min_row=2, values_only=True)] == [n - 2]


def test_of_one_specimen_the_words_are_in_the_singular(viewer, widget, image, analysis, find, tmp_path):
    analysis.found = detections(1)
    find(widget)
    assert child_of(widget, "message").text().startswith("1 specimen in ")
    assert child_of(widget, "counts").text() == "<b>1</b> specimen"
    assert widget.panel.exportTo(tmp_path / "a.csv")
    assert child_of(widget, "message").text() == "1 specimen written to a.csv."


@pytest.mark.parametrize("fault", ["no folder", "no format", "disk", "bug"])
def test_an_export_that_fails_leaves_no_word_of_success(viewer, widget, image, find, tmp_path, monkeypatch, fault):
    find(widget)
    assert widget.panel.exportTo(tmp_path / "before.csv")
    path = tmp_path / "after.csv"
    if fault == "no folder":
        (tmp_path / "file").write_text("")
        path = tmp_path / "file" / "after.csv"
    elif fault == "no format":
        path = tmp_path / "after.doc"
    elif fault == "disk":

        def full(_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("napari_diatom.core.atomic_files.os.fsync", full)
    else:

        def wrong(*_):
            raise RuntimeError("something odd")

        monkeypatch.setattr("napari_diatom.widgets.detection.results_panel.export", wrong)
    if fault == "bug":
        with pytest.raises(RuntimeError):
            widget.panel.exportTo(path)
    else:
        assert not widget.panel.exportTo(path)
    message = child_of(widget, "message").text()
    assert message.startswith("Nothing was exported")
    assert message.count(str(path)) == 1
    assert "written to" not in message
    assert child_of(widget, "message").property("tone") == "error"
    assert not path.exists()
