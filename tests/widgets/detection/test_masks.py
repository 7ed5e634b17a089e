"""The dock widgets for maps and for instances, from the image to masks that follow the user's changes."""

from dataclasses import replace

import numpy as np
import pytest
from napari.layers import Image, Labels, Shapes

from helpers.window import FakeAnalysis, child_of, model
from napari_diatom.analysis import worker_process
from napari_diatom.core.detections import CroppedMask, Detections
from napari_diatom.formats.coco import codec as coco
from napari_diatom.measurement.measurements import measure
from napari_diatom.measurement.morphometry import oriented_box
from napari_diatom.models import library
from napari_diatom.napari_layers import labels_layer

HEIGHT, WIDTH = 120, 160
SEGMENT, INSTANCES = "Segment diatoms (DeepLabV3+)", "Diatom instances (Mask R-CNN)"


def ellipse(x, y, long, short):
    """Return an ellipse's mask with a hole."""
    rows, columns = np.mgrid[: 2 * short + 1, : 2 * long + 1]
    inside = ((columns - long) / long) ** 2 + ((rows - short) / short) ** 2 <= 1
    inside[short, long] = False
    return CroppedMask(inside, x - long, y - short)


def found():
    """Return three ellipses, the third upon the second."""
    masks = [ellipse(40, 30, 20, 8), ellipse(100, 80, 30, 12), ellipse(110, 85, 10, 6)]
    return Detections.of([oriented_box(mask) for mask in masks], scores=[0.9, 0.8, 0.3], masks=masks)


class FakeMasks(FakeAnalysis):
    """Stands for the analysis by a model that gives masks."""

    def __call__(self, job, monitor):
        analysis = super().__call__(job, monitor)
        options = job.options
        class_map = np.zeros((analysis.height, analysis.width), np.uint8)
        class_map[20:40, 20:60] = 1
        return replace(
            analysis,
            class_map=class_map if job.model.name == "diatom-deeplab" else None,
            probability=class_map * 255 if options.keep_probability else None,
            measured=measure(analysis.detections, analysis.pixel_size_um) if options.measure else None,
        )


@pytest.fixture
def mask_models(monkeypatch):
    known = [model("diatom-obb", "oriented-boxes"), model("diatom-deeplab", "semantic"), model("m", "instances")]
    monkeypatch.setattr(library, "available", lambda: known)


@pytest.fixture
def make(viewer, quick, mask_models, dock, qtbot, monkeypatch):
    """Open a dock over an image, and run it."""

    def go(title, image, analysis):
        monkeypatch.setattr(worker_process, "analyse", analysis)
        widget = dock(title)
        viewer.layers.selection.active = image

        def run():
            widget.run()
            qtbot.waitUntil(lambda: not widget.value().running, timeout=60_000)
            widget.result().flush()
            return widget.result()

        return widget, run

    return go


@pytest.fixture
def image(viewer):
    return viewer.add_image(np.zeros((HEIGHT, WIDTH), np.uint8), name="slide")


@pytest.fixture
def instances(make, image):
    return make(INSTANCES, image, FakeMasks(found()))


@pytest.fixture
def segment(make, image):
    return make(SEGMENT, image, FakeMasks(found()[:2]))


def masks_layer(viewer, qtbot, numbers):
    """Return the layer of masks once it shows these specimens."""
    layer = viewer.layers["slide masks"]
    qtbot.waitUntil(lambda: sorted(set(np.unique(layer.data)) - {0}) == numbers, timeout=5000)
    return layer


def test_each_widget_offers_the_models_of_its_task(instances, segment):
    assert [widget.value().model for widget, _ in (instances, segment)] == ["m", "diatom-deeplab"]


def test_instances_are_outlines_with_sizes_and_labels_that_agree(instances, viewer, qtbot):
    _, run = instances
    result = run()
    shapes, truth = viewer.layers["slide diatoms"], found()
    assert isinstance(shapes, Shapes)
    assert set(shapes.shape_type) == {"polygon"}
    assert shapes.features["area_px"].tolist() == [mask.area for mask in truth.masks]
    assert (shapes.features["circularity"] > 0).all()
    labels = masks_layer(viewer, qtbot, [1, 2, 3])
    assert isinstance(labels, Labels)
    assert not labels.editable
    np.testing.assert_array_equal(labels.data, labels_layer.to_labels(truth, HEIGHT, WIDTH))
    table = labels.features.set_index("index")
    assert table.loc[2, "specimen"] == 2
    np.testing.assert_allclose(table.loc[2, "length_px"], result.layer.features["length_px"][1])


def test_the_threshold_hides_masks_and_brings_them_back(instances, viewer, qtbot):
    _, run = instances
    result = run()
    result.set_threshold(0.5)
    masks_layer(viewer, qtbot, [1, 2])
    result.set_threshold(0.2)
    masks_layer(viewer, qtbot, [1, 2, 3])


def test_a_second_run_goes_on_with_the_same_layers(instances, viewer, qtbot):
    _, run = instances
    run()
    before = list(viewer.layers)
    run()
    assert list(viewer.layers) == before
    masks_layer(viewer, qtbot, [1, 2, 3])


def test_an_export_keeps_whole_masks_and_takes_in_what_was_moved(instances, viewer, qtbot, tmp_path):
    widget, run = instances
    result = run()
    shapes = result.layer
    moved = [np.array(shape) for shape in shapes.data]
    moved[0] = moved[0] + 5
    shapes.data = moved
    assert widget.panel.exportTo(tmp_path / "masks.json")
    (written,) = coco.read(tmp_path / "masks.json")
    ours, truth = written.detections.masks, found().masks
    np.testing.assert_array_equal(ours[1].pixels, truth[1].pixels)
    assert (ours[1].x0, ours[1].y0) == (truth[1].x0, truth[1].y0)
    assert abs(ours[0].area - truth[0].area) < 0.05 * truth[0].area
    assert ours[0].x0 - truth[0].x0 in (4, 5, 6)


def test_tables_hold_the_measurements_of_masks_at_the_present_pixel_size(instances, viewer, tmp_path):
    widget, run = instances
    run()
    child_of(widget, "pixel_size").setValue(0.5)
    assert widget.panel.exportTo(tmp_path / "table.csv")
    header, first, *_ = (tmp_path / "table.csv").read_text(encoding="utf-8-sig").splitlines()
    row = dict(zip(header.split(","), first.split(","), strict=True))
    assert float(row["perimeter_um"]) == pytest.approx(float(row["perimeter_px"]) / 2, abs=0.01)
    assert float(row["area_um2"]) == pytest.approx(found().masks[0].area / 4, abs=0.01)


def test_a_label_image_says_what_it_cannot_show(instances, tmp_path):
    widget, run = instances
    run()
    assert widget.panel.exportTo(tmp_path / "labels.tif")
    assert "partly covered by others" in child_of(widget, "message").text()


def test_a_map_is_shown_with_its_specimens_and_its_probability(segment, viewer, image):
    widget, run = segment
    child_of(widget, "keep_probability").setChecked(True)
    child_of(widget, "split.min_area_px").setValue(25)
    child_of(widget, "split.neck").setValue(0)
    child_of(widget, "map_scales").setText("1, 100")
    child_of(widget, "run").click()
    assert "from 1/64 to 16" in child_of(widget, "message").text()
    child_of(widget, "map_scales").setText("1, 0.5")
    run()
    job = worker_process.analyse.jobs[-1]
    assert (job.options.split.min_area_px, job.options.split.neck) == (25, 0)
    assert job.options.map_scales == (1, 0.5)
    assert job.options.measure
    classes, probability = viewer.layers["slide class map"], viewer.layers["slide probability"]
    assert isinstance(classes, Labels)
    assert isinstance(probability, Image)
    assert classes.data[30, 30] == 1
    assert list(classes.features["class"]) == ["background", "diatom"]
    assert viewer.layers.index(image) < viewer.layers.index(classes) < viewer.layers.index("slide diatoms")
    before = list(viewer.layers)
    run()
    assert list(viewer.layers) == before


def test_a_map_of_a_plane_lies_at_its_plane(make, viewer):
    stack = viewer.add_image(np.zeros((4, HEIGHT, WIDTH), np.uint8), name="slide", scale=(2, 0.5, 0.5))
    viewer.dims.set_point(0, 4)
    _, run = make(SEGMENT, stack, FakeMasks(found()[:2]))
    run()
    classes = viewer.layers["slide#3 class map"]
    assert classes.data.shape == (1, HEIGHT, WIDTH)
    np.testing.assert_allclose(classes.translate, (4, 0, 0))
    np.testing.assert_allclose(classes.scale, stack.scale)
