"""Atlas images: valves told from scale bars and lettering, and what is left out with the reason."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from diatom_training.composing.atlas import from_atlas, marks_of
from diatom_training.data.crops import read_rgb
from helpers.composed import atlas_image, painted
from helpers.shapes import ellipse, placed
from napari_diatom.core import geometry
from napari_diatom.core.errors import InputError


@pytest.mark.parametrize("upright", [False, True])
def test_scale_bars_and_their_labels_are_found_and_valves_are_not(tmp_path: Path, upright: bool) -> None:
    atlas_image(tmp_path / "a.png")
    pixels = read_rgb(tmp_path / "a.png")
    if upright:
        pixels = np.ascontiguousarray(np.rot90(pixels))
    marks = marks_of(pixels)
    marks = np.rot90(marks, -1) if upright else marks
    assert marks[223:226, 222:298].all()
    # Of the letters all that is black.
    assert marks[204:218, 228:285].mean() > 0.15
    assert not marks[:190].any()


def test_a_white_bar_with_caps_is_found(tmp_path: Path) -> None:
    image = np.full((240, 320, 3), 110, np.uint8)
    painted(image, placed(ellipse(180, 60), 0.3, 150, 105), 60)
    image[222:226, 200:300] = 255
    image[216:232, 200:203] = image[216:232, 297:300] = 255
    marks = marks_of(image)
    assert marks[217:231, 201].all()
    assert marks[223, 201:299].all()
    assert not marks[:200].any()


def test_the_bar_is_gone_from_the_cut_out_and_the_outline_is_the_valve_s(tmp_path: Path) -> None:
    expected = geometry.min_area_box(atlas_image(tmp_path / "atlas" / "Navicula" / "a.png"))
    material = from_atlas(tmp_path / "atlas", pixel_size_um=0.1)
    (cut,) = material.specimens
    assert material.classes == ("Navicula",)
    assert (cut.group, cut.pixel_size_um) == ("a.png", 0.1)
    box = geometry.min_area_box(cut.specimens[0].outline)
    np.testing.assert_allclose(box[2:4], expected[2:4], atol=3)
    assert cut.specimens[0].angle == pytest.approx(0.3, abs=0.03)
    assert cut.pixels.min() > 90
    assert material.debris == material.backgrounds == ()


def test_folders_name_the_classes(tmp_path: Path) -> None:
    atlas_image(tmp_path / "atlas" / "b.png")
    atlas_image(tmp_path / "atlas" / "Nitzschia" / "deep" / "a.png", bar=False)
    material = from_atlas(tmp_path / "atlas")
    assert material.classes == ("Nitzschia", "atlas")
    assert material.left_out == ()


def test_what_is_not_told_for_sure_is_left_out_with_the_reason(tmp_path: Path) -> None:
    atlas_image(tmp_path / "good.png")
    atlas_image(tmp_path / "only_a_bar.png", valve=False)
    (tmp_path / "text.png").write_bytes(b"no image")
    cv2.imwrite(str(tmp_path / "tiny.png"), np.full((9, 9, 3), 200, np.uint8))
    two = np.full((240, 320, 3), 205, np.uint8)
    painted(two, placed(ellipse(120, 50), 0.3, 90, 105), 120)
    painted(two, placed(ellipse(120, 50), 0.3, 230, 105), 120)
    cv2.imwrite(str(tmp_path / "two.png"), two)
    cut = np.full((240, 320, 3), 205, np.uint8)
    painted(cut, placed(ellipse(180, 60), 0.3, 20, 105), 120)
    cv2.imwrite(str(tmp_path / "cut.png"), cut)
    material = from_atlas(tmp_path)
    assert [one.source for one in material.specimens] == ["good.png"]
    reasons = {entry.source: entry.reason for entry in material.left_out}
    assert set(reasons) == {"only_a_bar.png", "text.png", "tiny.png", "two.png", "cut.png"}
    assert "no valve" in reasons["only_a_bar.png"]
    assert "9 x 9 px" in reasons["tiny.png"]
    assert "more than one" in reasons["two.png"]
    assert "edge" in reasons["cut.png"]


def test_folders_without_a_usable_image_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a folder of atlas images"):
        from_atlas(tmp_path / "absent")
    with pytest.raises(InputError, match="holds no images"):
        from_atlas(tmp_path)
    atlas_image(tmp_path / "a.png", valve=False)
    with pytest.raises(InputError, match=r"no cut-outs of specimens .*a\.png: no valve"):
        from_atlas(tmp_path)
