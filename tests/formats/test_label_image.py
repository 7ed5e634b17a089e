"""Label images: one number per specimen, small ones on top, and a word about what they cannot show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_diatom.core.detections import CroppedMask, Detections
from napari_diatom.core.errors import InputError, OutputError
from napari_diatom.formats.label_image import codec as label_tiff
from napari_diatom.formats.label_image import painting
from napari_diatom.formats.label_image.painting import LabelPainter
from napari_diatom.measurement.morphometry import oriented_box


def rectangle(x0: int, y0: int, width: int, height: int) -> CroppedMask:
    return CroppedMask(np.ones((height, width), dtype=bool), x0, y0)


def some(*masks: CroppedMask) -> Detections:
    return Detections.of([oriented_box(mask) for mask in masks], masks=masks)


NESTED = some(rectangle(10, 10, 5, 5), rectangle(0, 0, 40, 30), rectangle(35, 20, 20, 4))


def test_small_specimens_stay_on_top_and_the_report_counts_what_is_hidden() -> None:
    painter = LabelPainter.of(NESTED, None, 50, 60)
    labels = painter.rows(0, 50)
    assert labels.dtype == np.uint16
    assert np.bincount(labels.ravel()).tolist() == [3000 - 1260, 25, 1200 - 25 - 20, 80]
    report = painter.overlap()
    assert (report.pixels, report.specimens, report.hidden) == (45, 1, ())
    assert "leaves out 45" in str(report)
    np.testing.assert_array_equal(np.concatenate([painter.rows(k, k + 10) for k in range(0, 50, 10)]), labels)


def test_a_specimen_below_its_twin_is_named() -> None:
    report = LabelPainter.of(some(rectangle(3, 3, 9, 9), rectangle(3, 3, 9, 9)), [7, 4], 20, 20).overlap()
    assert report.hidden == (4,)
    assert "hidden completely: number 4" in str(report)
    assert "No specimens overlap" in str(LabelPainter.of(NESTED[:1], None, 50, 60).overlap())


def test_boxes_without_masks_are_painted_too() -> None:
    assert int((LabelPainter.of(Detections.of([[20, 20, 10, 4, 0]]), None, 40, 40).rows(0, 40) == 1).sum()) == 40


def test_masks_of_another_image_and_bad_numbers() -> None:
    with pytest.raises(InputError, match="specimen 3 reach beyond the image of 50 x 50"):
        LabelPainter.of(NESTED, None, 50, 50)
    for numbers in ([1, 2], [1, 1, 2], [0, 1, 2]):
        with pytest.raises(InputError, match="different numbers"):
            LabelPainter.of(NESTED, numbers, 50, 60)


@given(st.integers(0, 10**6), st.integers(1, 600), st.integers(1, 600))
@settings(max_examples=12)
def test_files_hold_every_visible_pixel(tmp_path_factory: pytest.TempPathFactory, seed: int, h: int, w: int) -> None:
    rng = np.random.default_rng(seed)
    masks = []
    for _ in range(rng.integers(0, 6)):
        x, y = int(rng.integers(w)), int(rng.integers(h))
        masks.append(rectangle(x, y, int(rng.integers(1, w - x + 1)), int(rng.integers(1, h - y + 1))))
    numbers = rng.permutation(90_000)[: len(masks)] + 1
    found = some(*masks) if masks else Detections.empty(with_masks=True)
    path = tmp_path_factory.mktemp("labels") / "a.tif"
    label_tiff.write(path, found, h, w, numbers, pixel_size_um=0.1)
    painter = LabelPainter.of(found, numbers, h, w)
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        assert page.is_tiled
        np.testing.assert_array_equal(page.asarray(), painter.rows(0, h))
        assert page.resolution == pytest.approx((1e5, 1e5))
    report = label_tiff.hidden_pixels(found, h, w, numbers)
    visible = sum(int((painter.rows(0, h) == number).sum()) for number in numbers)
    assert report.pixels == sum(mask.area for mask in masks) - visible
    again, read = label_tiff.read(path, h, w)
    assert set(again) == set(numbers) - set(report.hidden)
    assert sum(mask.area for mask in read.masks or ()) == visible


def test_holes_and_islands_belong_to_their_specimen(tmp_path: Path) -> None:
    labels = np.zeros((40, 50), dtype=np.uint8)
    labels[5:15, 5:25] = 2
    labels[8:10, 10:14] = 0
    labels[20:24, 30:34] = 2
    labels[30:35, 5:9] = 9
    tifffile.imwrite(tmp_path / "drawn.tif", labels)
    numbers, found = label_tiff.read(tmp_path / "drawn.tif")
    assert numbers.tolist() == [2, 9]
    assert [mask.area for mask in found.masks or ()] == [200 - 8 + 16, 20]
    np.testing.assert_array_equal(LabelPainter.of(found, numbers, 40, 50).rows(0, 40), labels)
    huge = labels.astype(np.uint32) * 400_000_000
    numbers, sparse = painting.detections_from_label_image(huge)
    assert numbers.tolist() == [800_000_000, 3_600_000_000]
    assert [mask.area for mask in sparse.masks or ()] == [208, 20]
    assert len(painting.detections_from_label_image(np.zeros((4, 4), dtype=bool))[1]) == 0
    assert painting.detections_from_label_image(labels > 0)[1].masks[0].area == 228  # type: ignore[index]


def test_files_that_are_no_label_images(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "float.tif", np.zeros((9, 9), dtype=np.float32))
    with pytest.raises(InputError, match="whole numbers"):
        label_tiff.read(tmp_path / "float.tif")
    tifffile.imwrite(tmp_path / "rgb.tif", np.zeros((9, 9, 3), dtype=np.uint8), photometric="rgb")
    with pytest.raises(InputError, match="3 dimensions"):
        label_tiff.read(tmp_path / "rgb.tif")
    tifffile.imwrite(tmp_path / "small.tif", np.zeros((9, 9), dtype=np.uint8))
    with pytest.raises(InputError, match=r"9 x 9 pixels, its image 20 x 10"):
        label_tiff.read(tmp_path / "small.tif", 10, 20)
    with pytest.raises(InputError, match="negative"):
        painting.detections_from_label_image(np.full((2, 2), -1))
    (tmp_path / "text.tif").write_text("no image")
    with pytest.raises(InputError, match="not a readable TIFF"):
        label_tiff.read(tmp_path / "text.tif")
    with pytest.raises(InputError, match="cannot be read"):
        label_tiff.read(tmp_path / "missing.tif")
    with pytest.raises(OutputError):
        label_tiff.write(tmp_path / "text.tif" / "a.tif", NESTED, 50, 60)
