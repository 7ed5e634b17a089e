"""The pipeline: same numbers however the image is cut, scaled or filtered; stops when asked."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import tifffile

from helpers.fakes import BlobEngine, BrightOutliner, LooseEngine, ShadeEngine, card, map_card, slide
from napari_diatom.analysis.pipeline import Analysis, AnalysisOptions, analyse, plan_map_scales, plan_scales
from napari_diatom.core.errors import InputError, ModelError, Stopped
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.images.slide_image import from_array, open_images
from napari_diatom.tiling.instance_splitting import SplitOptions


def found(**options: float) -> Analysis:
    return analyse(from_array(slide(), "field", 0.1), BlobEngine(), AnalysisOptions(**options))


def test_finds_each_specimen_once():
    whole = analyse(from_array(slide(), "field"), BlobEngine(card(tile_size=640)))
    tiled = found()
    assert whole.scales == (1.0,)
    assert tiled.scales == (1.0, 0.5, 0.25, 0.125)
    assert len(whole.kept) == len(tiled.kept) == 5
    order, other = np.argsort(whole.kept.boxes[:, 0]), np.argsort(tiled.kept.boxes[:, 0])
    np.testing.assert_allclose(tiled.kept.boxes[other, :4], whole.kept.boxes[order, :4], atol=7)


def test_specks_at_coarse_scales_are_left_to_the_finer_ones():
    # At an eighth a bar is 6 x 2 pixels, and its box there is half as large again as the bar.
    assert len(analyse(from_array(slide(number=6, seed=9), "field"), BlobEngine()).kept) == 6


def test_same_input_same_result():
    first, second = found(), found()
    for name in ("boxes", "scores", "class_ids", "cut"):
        np.testing.assert_array_equal(getattr(first.detections, name), getattr(second.detections, name))


@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.7, 0.9])
def test_a_new_run_gives_what_the_slider_gives(threshold):
    moved = found().detections.above(threshold)
    again = found(threshold=threshold).kept
    np.testing.assert_array_equal(moved.boxes, again.boxes)


@pytest.mark.parametrize("threshold", [0.05, 0.7, 0.9])
def test_outlines_do_not_depend_on_the_threshold_and_no_specimen_comes_or_goes_by_them(threshold):
    def outlined(outliner, **options):
        options = AnalysisOptions(measure=True, **options)
        return analyse(from_array(slide(), "field", 0.1), LooseEngine(), options, outliner=outliner)

    moved = outlined(BrightOutliner())
    again = outlined(BrightOutliner(), threshold=threshold, kept_only=True)
    rows = np.flatnonzero(moved.detections.scores >= np.float32(threshold))
    assert len(again.detections) == len(rows) > 0
    np.testing.assert_array_equal(moved.detections.boxes[rows], again.detections.boxes)
    np.testing.assert_array_equal(moved.measured[rows].area_px, again.measured.area_px)
    assert moved.measured[rows].outlines == again.measured.outlines
    assert again.outliner == "diatom-outline 1.0"
    boxes = outlined(None, threshold=threshold)
    np.testing.assert_array_equal(boxes.kept.scores, again.kept.scores)
    assert boxes.outliner == ""


def test_outlining_heeds_a_stop_and_is_refused_for_maps():
    stop = threading.Event()

    def report(progress: Progress) -> None:
        if (progress.stage, progress.done) == ("outlines", 2):
            stop.set()

    outliner, field = BrightOutliner(), from_array(slide(), "field", 0.1)
    with pytest.raises(Stopped):
        analyse(field, LooseEngine(), monitor=ProgressMonitor(report, stop.is_set), outliner=outliner)
    assert outliner.outlined == 2
    with pytest.raises(ModelError, match="outlines of its own"):
        analyse(field, ShadeEngine(), outliner=outliner)


def test_facts():
    result = found(threshold=0.6, pixel_size_um=0.2)
    assert (result.image, result.height, result.width) == ("field", 300, 400)
    assert (result.pixel_size_um, result.pixel_size_source) == (0.2, "user")
    assert (result.threshold, result.origin) == (0.6, "blobs 1.0")
    assert found().threshold == 0.4
    assert found().pixel_size_source == "layer"


def test_scale_from_both_pixel_sizes():
    engine = BlobEngine(card(pixel_size_um=0.2))
    result = analyse(from_array(slide(), "field", 0.1), engine)
    assert result.scales == (0.5,)
    assert len(result.kept) == 5
    assert np.abs(result.kept.boxes[:, 2] - 43).max() < 12
    with pytest.raises(InputError, match="does not fit this model"):
        analyse(from_array(slide(), "field", 50), engine)


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (480, 480, (1.0,)),
        (640, 640, (1.0, 0.5)),
        (100, 641, (1.0, 0.5)),
        (1536, 1900, (1.0, 0.5, 0.25)),
        (90000, 90000, (1.0, 0.5, 0.25, 0.125)),
    ],
)
def test_pyramid(height, width, expected):
    assert plan_scales(height, width, 640, None, None) == expected
    assert plan_scales(height, width, 640, 0.1, None) == expected


def test_tiny_and_empty_images():
    assert len(analyse(from_array(np.zeros((1, 1), np.uint8), "dot"), BlobEngine()).kept) == 0
    thin = np.zeros((2, 3000), np.uint8)
    assert len(analyse(from_array(thin, "thin"), BlobEngine()).kept) == 0


def test_progress_and_stop():
    steps: list[Progress] = []
    engine = BlobEngine()
    analyse(from_array(slide(), "field"), engine, monitor=ProgressMonitor(steps.append))
    assert [step.done for step in steps] == list(range(engine.tiles + 1))
    assert {(step.stage, step.total) for step in steps} == {("tiles", engine.tiles)}

    engine = BlobEngine()
    seen: list[Progress] = []
    with pytest.raises(Stopped):
        analyse(from_array(slide(), "field"), engine, monitor=ProgressMonitor(seen.append, lambda: len(seen) > 3))
    assert engine.tiles == 3
    assert engine.closed
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("tiles")]


def test_nan_far_from_the_sample_is_found(tmp_path):
    field = np.zeros((3000, 3000), np.float32)
    field[::7] = 1
    field[2501, 1301] = np.nan
    tifffile.imwrite(tmp_path / "nan.tif", field, tile=(256, 256))
    (image,) = open_images(tmp_path / "nan.tif")
    with pytest.raises(InputError, match=r"nan\.tif has NaN .*x=1301, y=2501"):
        analyse(image, BlobEngine(card(tile_size=1024)))


@pytest.mark.parametrize(
    "options",
    [
        {"threshold": 0},
        {"threshold": 1.5},
        {"threshold": float("nan")},
        {"pixel_size_um": 0},
        {"map_scales": ()},
        {"map_scales": (1.0, 0.0)},
    ],
)
def test_bad_options(options):
    with pytest.raises(InputError):
        AnalysisOptions(**options)


def mapped(**options: object) -> Analysis:
    return analyse(from_array(slide(), "field"), ShadeEngine(), AnalysisOptions(**options))


def test_a_map_in_tiles_is_that_of_the_whole_image():
    fine = AnalysisOptions(map_scales=(1.0,))
    whole = analyse(from_array(slide(), "field"), ShadeEngine(map_card(tile_size=640), blind=0), fine)
    tiled = mapped(map_scales=(1.0,), keep_probability=True)
    assert (whole.scales, tiled.scales) == ((1.0,), (1.0,))
    np.testing.assert_array_equal(tiled.class_map, whole.class_map)
    assert whole.probability is None
    assert tiled.probability.shape == (300, 400)
    assert len(tiled.kept) == len(whole.kept) == 5
    for one, other in zip(tiled.kept.masks, whole.kept.masks, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
    assert set(np.unique(whole.class_map)) == {0, *(whole.detections.class_ids + 1)}
    inside = slide() > 60
    np.testing.assert_array_equal(tiled.class_map > 0, inside)
    assert (tiled.probability[inside] > 180).all()


def test_maps_of_several_scales_find_the_same_specimens():
    several = mapped(map_scales=(1.0, 0.5))
    assert several.scales == (1.0, 0.5)
    one = mapped(map_scales=(1.0,))
    assert len(several.kept) == len(one.kept) == 5
    np.testing.assert_allclose(several.kept.boxes[:, :2], one.kept.boxes[:, :2], atol=2)
    again = mapped(map_scales=(1.0, 0.5))
    np.testing.assert_array_equal(several.class_map, again.class_map)
    # Averaged pixels at the rim of what is bright are half-bright, and thin regions of their own.
    broad = AnalysisOptions(split=SplitOptions(min_area_px=200))
    scaled = analyse(from_array(slide(), "field", 0.1), ShadeEngine(map_card(pixel_size_um=0.2)), broad)
    assert scaled.scales == (0.5,)
    assert scaled.class_map.shape == (300, 400)
    np.testing.assert_allclose(scaled.kept.boxes[:, :2], one.kept.boxes[:, :2], atol=2)


def test_maps_heed_the_threshold_the_options_and_a_stop():
    assert mapped().threshold == 0.4
    assert len(mapped(threshold=0.99).kept) == 0
    assert len(mapped(split=SplitOptions(min_area_px=1e5)).kept) == 0
    engine, steps = ShadeEngine(), []
    with pytest.raises(Stopped):
        analyse(from_array(slide(), "field"), engine, monitor=ProgressMonitor(steps.append, lambda: len(steps) > 3))
    assert engine.closed
    tiny = analyse(from_array(np.zeros((1, 1), np.uint8), "dot"), ShadeEngine())
    assert tiny.class_map.tolist() == [[0]]
    with pytest.raises(InputError, match=r"overlap by a share from 0 to 0\.9"):
        mapped(overlap=0.95)


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [(300, 320, (1.0,)), (500, 640, (1.0, 0.5)), (1000, 1280, (1.0, 0.5, 0.25)), (90000, 9, (1.0, 0.5, 0.25))],
)
def test_pyramid_of_maps(height, width, expected):
    assert plan_map_scales(height, width, 640, None, 0.1) == expected
    assert plan_map_scales(height, width, 640, 0.1, 0.2) == (0.5,)
