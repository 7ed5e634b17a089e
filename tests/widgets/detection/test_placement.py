"""Specimens lie on the image that napari shows, whatever its place, its units and the orientation of its file."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image

from helpers.fakes import BlobEngine, card, loader, model_folder, slide
from helpers.turned_images import ORIENTATIONS, WRITERS, stored
from helpers.window import child_of
from napari_diatom import engines
from napari_diatom.cli import app as cli
from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import Detections
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.napari_layers import shapes_layer

HEIGHT, WIDTH = 300, 400


@pytest.fixture(scope="module")
def upright():
    grey = slide(HEIGHT, WIDTH, number=9, seed=3)
    return np.stack([grey, grey, grey], axis=-1)


@pytest.fixture
def counted(tmp_path, monkeypatch):
    """Count images by the command line and return the folder of their GeoJSON files."""
    monkeypatch.setattr(engines, "load", loader(BlobEngine(card(640))))

    def count(path):
        out = tmp_path / "out"
        command = ["count", path, "-o", out, "--model", model_folder(tmp_path / "model"), "--no-overlays"]
        assert cli.main([str(word) for word in command]) == 0
        return out / "annotations"

    return count


@pytest.fixture
def told(monkeypatch):
    """What napari is asked to warn of."""
    said = []
    monkeypatch.setattr("napari.utils.notifications.show_warning", said.append)
    return said


def opened(viewer, path):
    (layer,) = viewer.open(str(path), plugin="napari-diatom")
    return layer


def brightness(image, layer) -> list[float]:
    """Return how bright the shown image is at the centre of each shape, as they lie in the world."""
    values = image.data[0] if image.multiscale else image.data
    found = []
    for shape in layer.data:
        y, x = np.rint(image.world_to_data(layer.data_to_world(np.mean(shape, axis=0)))).astype(int)[-2:]
        found.append(float(np.max(values[y, x])) / np.iinfo(values.dtype).max)
    return found


def corners_in(image, layer, k: int = 0):
    """Return the corners of a shape in the pixels of the image that napari shows."""
    return np.array([image.world_to_data(layer.data_to_world(point)) for point in layer.data[k]])


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_specimens_lie_on_what_napari_shows_of_a_turned_image(viewer, tmp_path, upright, counted, told, orientation):
    (tmp_path / "slides").mkdir()
    for name in ("a.jpg", "plain.png", "raw.tif", "deep_rgb.png"):
        WRITERS[name](tmp_path / "slides" / name, stored(upright, orientation), orientation)
    folder = counted(tmp_path / "slides")
    for path in (tmp_path / "slides").iterdir():
        (image,) = viewer.open(str(path))
        assert image.data.shape[:2] == stored(upright, orientation).shape[:2]
        layer = opened(viewer, folder / f"{path.stem}.geojson")
        assert len(layer.data) >= 6
        assert min(brightness(image, layer)) > 0.4
    assert told == []


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_window_and_command_line_count_the_same_upright_image(
    viewer, widget, run, analysis, tmp_path, upright, orientation
):
    path = tmp_path / "a.tif"
    WRITERS["raw.tif"](path, stored(upright, orientation), orientation)
    found = Detections.of([[120, 60, 50, 12, 0.3], [300, 200, 40, 10, -1.0]], scores=[0.9, 0.8])
    analysis.found = found
    (image,) = viewer.open(str(path))
    run()
    (job,) = analysis.jobs
    np.testing.assert_array_equal(np.asarray(job.pixels), upright)
    result = widget.result()
    np.testing.assert_allclose(shapes_layer.to_boxes(result.layer.data), found.boxes, atol=0.01)
    at = [image.world_to_data(result.layer.data_to_world(np.mean(shape, axis=0))) for shape in result.layer.data]
    marks = np.zeros((HEIGHT, WIDTH))
    for x, y in found.boxes[:, :2].astype(int) - 1:
        marks[y : y + 2, x : x + 2] = 1
    shown = stored(marks.astype(np.uint8), orientation)
    assert all(shown[tuple(np.rint(point).astype(int))] for point in at)
    annotations = result.annotations()
    assert (annotations.height, annotations.width, annotations.orientation) == (HEIGHT, WIDTH, orientation)


def written(path, image="a.tif", height=HEIGHT, width=WIDTH, orientation=None, box=(120, 60, 50, 12, 0.3), **more):
    """Write annotations of one specimen, as this program or an earlier one does."""
    found = Detections.of([box])
    annotations = Annotations.of(found, image=image, height=height, width=width, **more)
    geojson.write(path, replace(annotations, orientation=orientation))
    return path


@pytest.mark.parametrize("place", ["scale", "affine", "turned", "in mm", "stack"])
def test_a_file_takes_the_whole_place_of_its_image(viewer, tmp_path, told, place):
    affine = np.array([[0, -0.25, 3], [0.25, 0, 5], [0, 0, 1.0]])
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
    kwargs = {
        "scale": {"scale": (0.25, 0.25), "translate": (5, 7), "units": ("µm", "µm")},
        "affine": {"affine": affine, "units": ("µm", "µm")},
        "turned": {"scale": (0.25, 0.25), "rotate": 30, "units": ("µm", "µm")},
        "in mm": {"scale": (0.00025, 0.00025), "units": ("mm", "mm")},
        "stack": {"scale": (2, 0.25, 0.25), "units": ("µm", "µm", "µm")},
    }[place]
    image = viewer.add_image(np.stack([pixels] * 3) if place == "stack" else pixels, name="a.tif", **kwargs)
    layer = opened(viewer, written(tmp_path / "a.geojson"))
    np.testing.assert_allclose(
        [layer.data_to_world(point) for point in layer.data[0]],
        np.array([image.data_to_world((0, *p) if place == "stack" else p) for p in layer.data[0]])[:, -2:],
    )
    assert layer.units == image.units[-2:]
    assert told == []


@pytest.mark.parametrize("rotate", [0, 30])
def test_annotations_of_a_page_lie_on_its_plane(viewer, tmp_path, rotate):
    kwargs = {"rotate": (0, 0, rotate)} if rotate else {}
    image = viewer.add_image(np.zeros((3, HEIGHT, WIDTH), np.uint8), name="a.tif", scale=(2, 0.25, 0.25), **kwargs)
    layer = opened(viewer, written(tmp_path / "a.geojson", image="a.tif#2"))
    assert layer.ndim == 3
    assert {point[0] for point in layer.data[0]} == {1.0}
    np.testing.assert_allclose(corners_in(image, layer)[:, 0], 1)


def test_a_file_of_another_size_is_not_drawn_over_an_image(viewer, tmp_path, told):
    viewer.add_image(np.zeros((150, 200), np.uint8), name="a.tif", scale=(0.5, 0.5), units=("µm", "µm"))
    layer = opened(viewer, written(tmp_path / "a.geojson"))
    assert not layer.visible
    (notice,) = told
    assert "400 x 300 px" in notice
    assert "200 x 150 px" in notice
    assert "a.geojson" in notice


def test_a_file_of_another_size_stays_hidden_where_a_dock_is_open(viewer, widget, tmp_path, told):
    viewer.add_image(np.zeros((150, 200), np.uint8), name="a.tif", scale=(0.5, 0.5), units=("µm", "µm"))
    layer = opened(viewer, written(tmp_path / "a.geojson"))
    assert not layer.visible
    np.testing.assert_allclose(layer.scale, 1)
    assert len(told) == 1


def test_a_file_of_another_image_says_so_over_the_only_one(viewer, tmp_path, told):
    image = viewer.add_image(np.zeros((HEIGHT, WIDTH), np.uint8), name="other", scale=(0.5, 0.5), units=("µm", "µm"))
    layer = opened(viewer, written(tmp_path / "a.geojson"))
    np.testing.assert_allclose(layer.scale, image.scale)
    assert ["a.tif is not open" in notice for notice in told] == [True]
    viewer.add_image(np.zeros((HEIGHT, WIDTH), np.uint8), name="third")
    assert opened(viewer, written(tmp_path / "b.geojson")).scale[0] == 1


def test_the_image_is_found_by_folder_and_name(viewer, tmp_path):
    for number, folder in enumerate(("north", "south"), start=1):
        (tmp_path / folder).mkdir()
        Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint8)).save(tmp_path / folder / "a.PNG")
        (image,) = viewer.open(str(tmp_path / folder / "a.PNG"))
        image.scale = (number, number)
    for number, folder in enumerate(("north", "south"), start=1):
        layer = opened(viewer, written(tmp_path / f"{folder}.geojson", image=f"{folder}/a.png"))
        assert layer.scale[0] == number
        layer = opened(viewer, written(tmp_path / folder / "x.geojson", image="a.png"))
        assert layer.scale[0] == number


@pytest.mark.parametrize("orientation", [6, 8, 5])
def test_files_of_earlier_versions_tell_stored_from_upright_by_their_size(viewer, tmp_path, upright, told, orientation):
    path = tmp_path / "a.tif"
    WRITERS["raw.tif"](path, stored(upright, orientation), orientation)
    (image,) = viewer.open(str(path))
    as_stored = opened(viewer, written(tmp_path / "a.geojson", height=WIDTH, width=HEIGHT))
    np.testing.assert_allclose(corners_in(image, as_stored), as_stored.data[0], atol=1e-6)
    turned = opened(viewer, written(tmp_path / "b.geojson"))
    assert np.abs(corners_in(image, turned) - turned.data[0]).max() > 20
    assert told == []


def test_files_of_earlier_versions_that_leave_it_open_are_told(viewer, tmp_path, upright, told):
    path = tmp_path / "a.tif"
    WRITERS["raw.tif"](path, stored(upright, 3), 3)
    viewer.open(str(path))
    opened(viewer, written(tmp_path / "a.geojson"))
    (notice,) = told
    assert "turned by 180°" in notice
    assert "check" in notice


def test_an_image_that_is_shown_upright_already_is_not_turned(viewer, tmp_path, upright, monkeypatch, told):
    from napari.layers import Image as ImageLayer
    from napari.layers._source import layer_source

    for orientation in (6, 3):
        path = tmp_path / f"{orientation}.tif"
        WRITERS["raw.tif"](path, stored(upright, orientation), orientation)
        with layer_source(path=str(path), reader_plugin="another"):
            image = ImageLayer(upright, name=path.name)
        viewer.add_layer(image)
        layer = opened(viewer, written(tmp_path / f"{orientation}.geojson", path.name, orientation=orientation))
        np.testing.assert_allclose(corners_in(image, layer), layer.data[0], atol=1e-6)
    assert told == []


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        ({"affine": [[0.25, 0, 0], [0, 0.25, 0], [0, 0, 1]], "units": ("µm", "µm")}, 0.25),
        ({"affine": [[0, -0.25, 3], [0.25, 0, 5], [0, 0, 1]], "units": ("µm", "µm")}, 0.25),
        ({"affine": [[0.5, 0, 0], [0, -0.5, 0], [0, 0, 1]], "scale": (0.5, 0.5), "units": ("µm", "µm")}, 0.25),
        ({"scale": (0.25, 0.25), "rotate": 33, "units": ("µm", "µm")}, 0.25),
        ({"scale": (-0.25, 0.25), "units": ("µm", "µm")}, 0.25),
        ({"scale": (250, 250), "units": ("nm", "nm")}, 0.25),
        ({"scale": (2.5e-4, 2.5e-4), "rotate": 90, "units": ("mm", "mm")}, 0.25),
        ({"scale": (0.25, 2.5e-4), "units": ("µm", "mm")}, 0.25),
        ({"scale": (0.25, 0.25), "units": ("pixel", "pixel")}, None),
        ({"scale": (0.25, 0.25)}, None),
    ],
)
def test_the_pixel_size_is_that_of_the_whole_transform(widget, viewer, kwargs, expected):
    viewer.add_image(np.zeros((10, 10)), name="a", **kwargs)
    size = widget.value().pixel_size_um
    assert size == (None if expected is None else pytest.approx(expected, rel=1e-3))


@pytest.mark.parametrize(
    ("kwargs", "said"),
    [
        ({"affine": [[0.25, 0, 0], [0, 0.5, 0], [0, 0, 1]], "units": ("µm", "µm")}, "0.5 x 0.25 µm"),
        ({"scale": (0.25, 0.25), "shear": [0.5], "units": ("µm", "µm")}, "sheared"),
        ({"scale": (84.67, 84.67), "units": ("µm", "µm")}, "84.67 µm"),
        ({"scale": (1, 1), "units": ("mm", "mm")}, "1000 µm"),
        ({"scale": (1, 1), "units": ("µm", "pixel")}, "pixel"),
    ],
)
def test_a_layer_whose_pixels_have_no_size_says_why(widget, viewer, kwargs, said):
    viewer.add_image(np.zeros((10, 10)), name="a", **kwargs)
    assert widget.value().pixel_size_um is None
    assert said in child_of(widget, "message").text()


def test_the_pixel_size_of_a_plane_of_a_stack_is_that_of_its_axes(widget, viewer):
    viewer.add_image(np.zeros((3, 10, 10)), name="a", scale=(2, 0.25, 0.25), units=("µm", "µm", "µm"))
    assert widget.value().pixel_size_um == pytest.approx(0.25)
    viewer.add_image(np.zeros((3, 10, 10)), name="t", scale=(2, 0.3, 0.3), units=("s", "µm", "µm"))
    assert widget.value().pixel_size_um == pytest.approx(0.3)


def test_print_resolution_in_a_file_is_told_in_the_window(widget, viewer, tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, slide(), imagej=True, resolution=(300, 300), metadata={"unit": "inch"})
    viewer.open(str(path))
    assert widget.value().pixel_size_um is None
    assert "300 dpi" in child_of(widget, "message").text()


@pytest.mark.parametrize(
    "kwargs",
    [
        {"affine": [[0, -0.25, 3], [0.25, 0, 5], [0, 0, 1]], "units": ("µm", "µm")},
        {"scale": (0.25, 0.25), "rotate": 33, "translate": (4, 5), "units": ("µm", "µm")},
        {"scale": (2.5e-4, 2.5e-4), "shear": [0.2], "units": ("mm", "mm")},
    ],
)
def test_results_lie_on_an_image_whatever_its_place(widget, viewer, run, kwargs):
    image = viewer.add_image(np.zeros((HEIGHT, WIDTH), np.uint8), name="a", **kwargs)
    run()
    layer = widget.result().layer
    for k in range(3):
        np.testing.assert_allclose(corners_in(image, layer, k), layer.data[k], atol=1e-6)


def test_the_recorded_orientation_comes_through_napari(viewer, tmp_path):
    layer = opened(viewer, written(tmp_path / "a.geojson", orientation=6))
    layer.save(str(tmp_path / "b.geojson"), plugin="napari-diatom")
    header = json.loads((tmp_path / "b.geojson").read_text(encoding="utf-8"))["napari_diatom"]
    assert header["orientation"] == 6


def test_what_was_found_in_a_layer_without_a_file_has_no_orientation(viewer, widget, run):
    viewer.add_image(np.zeros((HEIGHT, WIDTH), np.uint8), name="a")
    run()
    assert widget.result().annotations().orientation is None


@pytest.mark.parametrize("orientation", [6, 3])
@pytest.mark.parametrize("docked", [True, False])
def test_annotations_opened_before_their_image_lie_on_it_once_it_is_there(
    viewer, request, tmp_path, upright, counted, docked, orientation
):
    path = tmp_path / "a.jpg"
    WRITERS["a.jpg"](path, stored(upright, orientation), orientation)
    folder = counted(path)
    if docked:
        request.getfixturevalue("widget")
    layer = opened(viewer, folder / "a.geojson")
    (image,) = viewer.open(str(path))
    assert len(layer.data) >= 6
    again = opened(viewer, folder / "a.geojson")
    np.testing.assert_allclose(corners_in(image, layer), corners_in(image, again), atol=0.01)


@pytest.mark.parametrize("docked", [True, False])
@pytest.mark.parametrize("kind", ["png", "tif in µm", "turned"])
def test_a_file_of_another_size_is_shown_when_its_own_image_is_opened(viewer, request, tmp_path, told, docked, kind):
    if docked:
        request.getfixturevalue("widget")
    grey = slide(HEIGHT, WIDTH)
    for folder in ("other", "third", "own"):
        (tmp_path / folder).mkdir()
    name = "a.png" if kind == "png" else "a.tif"
    Image.fromarray(grey[:150, :200]).save(tmp_path / "other" / name)
    Image.fromarray(grey[:100, :100]).save(tmp_path / "third" / name)
    if kind == "turned":
        rgb = np.stack([grey] * 3, axis=-1)
        WRITERS["raw.tif"](tmp_path / "own" / name, stored(rgb, 6), 6)
    else:
        Image.fromarray(grey).save(tmp_path / "own" / name)
    viewer.open(str(tmp_path / "other" / name))
    orientation = 6 if kind == "turned" else None
    layer = opened(viewer, written(tmp_path / "a.geojson", name, orientation=orientation))
    assert not layer.visible
    viewer.open(str(tmp_path / "third" / name))
    assert not layer.visible
    np.testing.assert_allclose(layer.scale, 1)
    place = {"scale": (0.25, 0.25), "translate": (5, 7), "units": ("µm", "µm")} if kind == "tif in µm" else {}
    (image,) = viewer.open(str(tmp_path / "own" / name), **place)
    assert layer.visible
    again = opened(viewer, written(tmp_path / "own" / "a.geojson", name, orientation=orientation))
    np.testing.assert_allclose(corners_in(image, layer), corners_in(image, again), atol=0.01)
    # Whoever hides it from now on has a reason.
    layer.visible = False
    viewer.layers.remove(image)
    viewer.open(str(tmp_path / "own" / name), **place)
    assert not layer.visible
    assert len(told) == 1
