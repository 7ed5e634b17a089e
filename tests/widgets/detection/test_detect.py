"""The dock widget from the image to the result."""

import numpy as np
import pytest
from napari.layers import Shapes
from qtpy.QtCore import Qt

from helpers.window import FakeAnalysis, child_of, detections
from napari_diatom.core.errors import ModelError
from napari_diatom.napari_layers import shapes_layer
from napari_diatom.napari_layers.result_facts import ResultFacts


def test_without_an_image_run_is_disabled_and_says_why(widget):
    button = child_of(widget, "run")
    assert not button.isEnabled()
    assert "Open an image" in button.toolTip()


def test_the_image_combo_follows_the_viewer(widget, viewer, image):
    combo = child_of(widget, "image")
    assert [combo.itemText(i) for i in range(combo.count())] == ["slide"]
    other = viewer.add_image(np.zeros((10, 10, 3), np.uint8), name="other")
    assert combo.currentText() == "other"
    viewer.layers.selection.active = image
    assert combo.currentText() == "slide"
    image.name = "renamed"
    assert combo.currentText() == "renamed"
    viewer.layers.remove(image)
    assert combo.currentText() == "other"
    viewer.layers.remove(other)
    assert combo.count() == 0
    assert widget.value().image is None


def test_oriented_or_upright_picks_the_model_and_the_reverse(widget):
    upright, oriented = child_of(widget, "task_boxes"), child_of(widget, "task_oriented-boxes")
    assert oriented.isChecked()
    upright.click()
    assert widget.value().model == "diatom-box"
    child_of(widget, "model").setCurrentIndex(0)
    assert oriented.isChecked()
    assert widget.value().model == "diatom-obb"


def test_pixel_size_comes_from_the_layers_scale_in_length_units(widget, viewer):
    viewer.add_image(np.zeros((10, 10)), name="nm", scale=(65, 65), units=("nm", "nm"))
    assert widget.value().pixel_size_um == pytest.approx(0.065)
    viewer.add_image(np.zeros((10, 10)), name="px", scale=(2, 2))
    assert widget.value().pixel_size_um is None
    viewer.add_image(np.zeros((10, 10)), name="oblong", scale=(1, 2), units=("µm", "µm"))
    assert widget.value().pixel_size_um is None


def test_a_typed_pixel_size_stays_with_its_image_and_serves_the_next_unknown_one(widget, viewer, image):
    child_of(widget, "pixel_size").setValue(0.2)
    known = viewer.add_image(np.zeros((10, 10)), name="known", scale=(0.1, 0.1), units=("µm", "µm"))
    assert widget.value().pixel_size_um == pytest.approx(0.1)
    viewer.layers.selection.active = image
    assert widget.value().pixel_size_um == pytest.approx(0.2)
    viewer.layers.selection.active = known
    assert widget.value().pixel_size_um == pytest.approx(0.1)


def test_a_run_gives_a_layer_of_rotated_rectangles_with_features(widget, viewer, run):
    image = viewer.add_image(
        np.zeros((300, 400), np.uint8), name="slide", scale=(0.1, 0.1), translate=(5, 7), units=("µm", "µm")
    )
    run()
    layer = viewer.layers["slide diatoms"]
    found = detections()
    kept = found.above(0.25)
    assert isinstance(layer, Shapes)
    assert len(layer.data) == len(kept)
    assert set(layer.shape_type) == {"rectangle"}
    np.testing.assert_allclose(shapes_layer.to_boxes(layer.data)[:, :2], kept.boxes[:, :2], atol=0.01)
    np.testing.assert_allclose(layer.scale, image.scale)
    np.testing.assert_allclose(layer.translate, image.translate)
    assert layer.units == image.units
    assert tuple(layer.features) == shapes_layer.FEATURES
    np.testing.assert_allclose(layer.features["length_um"], kept.boxes[:, 2] * 0.1, rtol=1e-5)
    assert set(layer.features["origin"]) == {"diatom-obb 1.0.0"}
    assert ResultFacts.from_metadata(layer.metadata).pixel_size_um == pytest.approx(0.1)
    assert [text.split()[0] for text in layer.text.values] == [str(i + 1) for i in range(len(kept))]
    assert f"{len(kept)} specimens" in child_of(widget, "message").text()


def test_unknown_pixel_size_leaves_lengths_in_px_until_it_is_given(widget, viewer, image, run):
    run()
    layer = viewer.layers["slide diatoms"]
    assert layer.features["length_um"].isna().all()
    assert layer.text.values[0].endswith("px")
    child_of(widget, "pixel_size").setValue(0.5)
    widget.result().flush()
    np.testing.assert_allclose(layer.features["length_um"], layer.features["length_px"] / 2)
    assert layer.text.values[0].endswith("µm")


def test_the_job_holds_the_image_the_model_and_the_form(widget, viewer, run, analysis):
    stack = viewer.add_image(np.arange(4 * 30 * 40, dtype=np.uint16).reshape(4, 30, 40), name="stack")
    viewer.dims.set_point(0, 2)
    child_of(widget, "device").setCurrentIndex(1)
    run()
    (job,) = analysis.jobs
    assert (job.name, job.plane, job.rgb, job.device) == ("stack#3", (2,), False, "cpu")
    assert job.model.name == "diatom-obb"
    assert viewer.layers["stack#3 diatoms"].ndim == stack.ndim
    assert {float(quad[0, 0]) for quad in viewer.layers["stack#3 diatoms"].data} == {2.0}


def test_buttons_while_running_and_cancel(widget, image, analysis, qtbot, viewer):
    analysis.tiles, analysis.seconds = 500, 0.01
    child_of(widget, "run").click()
    assert not child_of(widget, "run").isEnabled()
    assert "in progress" in child_of(widget, "run").toolTip()
    assert child_of(widget, "cancel").isEnabled()
    qtbot.waitUntil(lambda: child_of(widget, "message").text().startswith("Tile"))
    assert child_of(widget, "progress").maximum() == 500
    qtbot.mouseClick(child_of(widget, "cancel"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not widget.value().running, timeout=2000)
    assert child_of(widget, "run").isEnabled()
    assert "Cancelled" in child_of(widget, "message").text()
    assert len(viewer.layers) == 1


@pytest.mark.parametrize("error", [ModelError("The weights of model x are damaged."), ValueError("something\nodd")])
def test_errors_are_notified_and_said_in_one_line(widget, image, analysis, run, error, monkeypatch):
    from napari.utils.notifications import notification_manager

    shown = []
    monkeypatch.setattr(notification_manager, "receive_error", lambda *args: shown.append(str(args[1])))
    monkeypatch.setattr("napari_diatom.widgets.detection.run_progress.show_error", shown.append)
    analysis.error = error
    run()
    assert shown == [str(error)]
    assert child_of(widget, "message").text() == " ".join(str(error).split())
    assert child_of(widget, "run").isEnabled()
    assert widget.result() is None


def test_a_second_run_fills_an_untouched_layer_anew_and_keeps_a_touched_one(widget, viewer, image, analysis, run):
    run()
    layer = viewer.layers["slide diatoms"]
    analysis.found = detections(3)
    run()
    assert list(viewer.layers) == [image, layer]
    assert sorted(layer.features["specimen"]) == [1, 2]
    assert len(layer.data) == len(widget.result().annotations().detections) == 2
    layer.remove([0])
    run()
    assert len(viewer.layers) == 3


def test_a_deletion_while_specimens_are_still_being_added_is_kept(widget, viewer, image, analysis, qtbot):
    analysis.found = detections(3000)
    widget.run()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2 and len(viewer.layers[1].data) > 0)
    layer, result = viewer.layers[1], widget.result()
    expected = int((analysis.found.scores >= result.threshold).sum())
    assert len(layer.data) < expected
    gone = int(layer.features["specimen"][0])
    layer.remove([0])
    qtbot.waitUntil(lambda: len(layer.data) == expected - 1)
    assert result.touched()
    result.set_threshold(0.0)
    result.flush()
    assert len(layer.data) == 2999
    assert gone not in layer.features["specimen"].tolist()


def test_what_a_higher_threshold_hides_is_not_deleted_by_the_next_edit(widget, viewer, image, analysis, run):
    run()
    layer, result = viewer.layers[1], widget.result()
    result.set_threshold(0.0)
    result.set_threshold(0.9, at_once=False)
    layer.remove([0])
    assert result.touched()
    result.set_threshold(0.0)
    result.flush()
    assert len(layer.data) == 39


def test_a_result_whose_image_is_gone_is_dropped_with_a_word(widget, viewer, image, analysis, qtbot):
    analysis.tiles = 20
    widget.run()
    viewer.layers.remove(image)
    qtbot.waitUntil(lambda: not widget.value().running, timeout=5000)
    assert "was closed" in child_of(widget, "message").text()
    assert len(viewer.layers) == 0


def test_nothing_found_is_a_result(widget, viewer, image, analysis, run):
    analysis.found = detections(0)
    run()
    assert len(viewer.layers["slide diatoms"].data) == 0
    assert child_of(widget, "message").text().startswith("0 specimens")


def test_closing_the_viewer_in_the_middle_of_a_run_stops_it(make_napari_viewer, models, presets, qtbot):
    from napari_diatom.widgets.detection.detect import DetectWidget

    viewer = make_napari_viewer(show=False)
    slow = FakeAnalysis(tiles=1000, seconds=0.01)
    widget = DetectWidget(viewer, slow, lambda: ("auto",), presets)
    viewer.window.add_dock_widget(widget)
    viewer.add_image(np.zeros((30, 40), np.uint8))
    widget.run()
    worker = widget.progress.workers[0]
    qtbot.waitUntil(lambda: worker.is_running)
    viewer.close()
    qtbot.waitUntil(lambda: not worker.is_running, timeout=2000)


def test_presets_fill_in_the_pixel_size_and_are_remembered(widget, image, presets):
    from napari_diatom.images.optics_presets import Optics

    edit = child_of(widget, "pixel_size")
    edit.addPreset(Optics("Axio 100x", 100, 3.45, 0.5))
    assert widget.value().pixel_size_um == pytest.approx(0.069)
    assert presets.load()[-1].name == "Axio 100x"
    assert any(name.startswith("Axio 100x") for name in edit.presetNames())


def test_the_optics_dialog_edits_one_preset(qtbot):
    from napari_diatom.images.optics_presets import Optics
    from napari_diatom.widgets.common.pixel_size_edit import OpticsDialog

    dialog = OpticsDialog()
    qtbot.addWidget(dialog)
    preset = Optics("Axio", 63, 6.5, 0.63, 2)
    dialog.setValue(preset)
    assert dialog.value() == preset
    assert "0.3275" in child_of(dialog, "optics_result").text()


def test_a_layer_of_ours_is_watched_once(widget, viewer, image, run):
    run()
    layer = viewer.layers["slide diatoms"]
    assert widget.shared.get(layer) is widget.result()
    assert widget.shared.results(None) == []
    assert not widget.result().touched()
