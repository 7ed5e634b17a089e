"""Fields turned to one subject: they show it, and their truth is exact."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
import shapely

from diatom_training.synthesis import (
    CLASSIC_FAMILIES,
    COLONIES,
    FAMILIES,
    SUBJECTS,
    FieldOptions,
    contact_sheet,
    draw_options,
    render_field,
)
from diatom_training.synthesis.colonies import draw_colony
from diatom_training.synthesis.crusts import lay_dark_grains
from diatom_training.synthesis.distribution import CLASSIC_SHARE
from diatom_training.synthesis.eyepiece import FieldStop
from diatom_training.synthesis.options import Colony
from diatom_training.synthesis.scene import draw_scene
from diatom_training.synthesis.specimens import LaidSpecimen
from diatom_training.synthesis.truth import gather_truth
from diatom_training.synthesis.wave_optics import WaveField
from napari_diatom.core.errors import InputError

CLEAN = FieldOptions(height=320, width=320, specimens=(12, 12), length_px=(60, 120), debris=0.0, defocus=0.0)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_same_seed_same_pixels_and_truth(subject: str) -> None:
    options = draw_options(np.random.default_rng(3), 192, 224, subject=subject)
    assert options == draw_options(np.random.default_rng(3), 192, 224, subject=subject)
    first, again = render_field(options, 7), render_field(options, 7)
    assert first.image.shape[:2] == (192, 224)
    assert first.image.tobytes() == again.image.tobytes()
    np.testing.assert_array_equal(first.truth.boxes, again.truth.boxes)
    assert first.image.tobytes() != render_field(options, 8).image.tobytes()
    assert first.truth.classes == options.classes


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in CLASSIC_FAMILIES])
def test_family_subjects_show_the_family(family: str) -> None:
    found: Counter[str] = Counter()
    for seed in range(6):
        options = draw_options(np.random.default_rng(seed), 320, 320, subject=family, modality="bright-field")
        truth = render_field(replace(options, contrast=1.0), seed).truth
        found.update(truth.classes[i] for i in truth.class_ids)
    assert set(found) == {family}


def test_classic_is_the_largest_part_and_every_subject_occurs() -> None:
    classic = FieldOptions()
    rng = np.random.default_rng(0)
    drawn = [draw_options(rng, 640, 640) for _ in range(600)]
    plain = [
        o
        for o in drawn
        if (o.families, o.colonies, o.view, o.crusts, o.under_grains) == (classic.families, (), "camera", 0.0, 0.0)
        and o.modality not in ("dark-field", "fluorescence")
    ]
    assert abs(len(plain) / len(drawn) - CLASSIC_SHARE) < 0.06
    assert {c for o in drawn for c in o.colonies} == set(COLONIES)
    assert {f for o in drawn for f in o.families} == set(FAMILIES)
    assert {o.view for o in drawn} == {"camera", "eyepiece", "video"}
    assert {o.modality for o in drawn} >= {"dark-field", "fluorescence"}
    assert any(o.crusts > 0.2 for o in drawn)
    assert any(o.under_grains > 0 for o in drawn)


def test_unknown_subject_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="living-chain"):
        draw_options(np.random.default_rng(0), subject="seaweed")


def test_options_name_what_they_do_not_know() -> None:
    with pytest.raises(InputError) as caught:
        FieldOptions(families=("fern",), colony_share=0.5, view="mirror", crusts=2.0)  # type: ignore[arg-type]
    for word in ("'fern'", "colonies is empty", "'mirror'", "crusts"):
        assert word in str(caught.value)


def whole_truth(scene: list[LaidSpecimen], size: int) -> tuple[list[int], list[float]]:
    """Pixels of the masks of specimens, and areas of their polygons in the frame."""
    noisy = np.random.default_rng(0).uniform(0.2, 0.8, (size, size)).astype(np.float32)
    pixels, areas = [], []
    frame = shapely.box(-0.5, -0.5, size - 0.5, size - 0.5)
    for specimen in scene:
        truth = gather_truth([specimen], noisy, 0.0, FAMILIES)
        if len(truth):
            assert truth.masks is not None
            pixels.append(int(truth.masks[0].pixels.sum()))
            areas.append(shapely.make_valid(shapely.Polygon(specimen.polygon())).intersection(frame).area)
    return pixels, areas


@pytest.mark.parametrize("subject", [*FAMILIES, *COLONIES])
def test_masks_are_as_large_as_the_visible_polygons(subject: str) -> None:
    options = (
        replace(CLEAN, colonies=(subject,), colony_share=1.0)
        if subject in COLONIES
        else replace(CLEAN, families=(subject,), needle_share=0.0, chain_share=0.0)
    )
    scene = [s for seed in range(3) for s in draw_scene(np.random.default_rng(seed), options)]
    pixels, areas = whole_truth(scene, 320)
    assert len(pixels) > 12
    assert np.abs(np.array(pixels) / areas - 1).max() < 0.1
    assert abs(sum(pixels) / sum(areas) - 1) < 0.01


@pytest.mark.parametrize("kind", COLONIES)
def test_each_cell_of_a_colony_is_a_specimen_of_its_own(kind: Colony) -> None:
    most = 0
    for seed in range(8):
        cells = draw_colony(np.random.default_rng(seed), kind, 100.0, CLEAN, room=9)
        most = max(most, len(cells))
        assert 1 <= len(cells) <= 9
        polygons = [shapely.make_valid(shapely.Polygon(cell.polygon())) for cell in cells]
        # Cells hang together, and none lies on another but where two are meant to cross.
        assert shapely.union_all([p.buffer(8.0) for p in polygons]).geom_type == "Polygon"
        if kind != "crossed":
            for i, polygon in enumerate(polygons):
                for other in polygons[:i]:
                    assert polygon.intersection(other).area < 0.2 * min(polygon.area, other.area)
    assert most == {"crossed": 2, "living-chain": 7}.get(kind, 9)


def test_a_chain_of_living_needles_overlaps_at_its_tips_and_has_plastids_of_any_length() -> None:
    reaches, clear = [], []
    for seed in range(30):
        cells = draw_colony(np.random.default_rng(seed), "living-chain", 200.0, CLEAN, room=6)
        for cell in cells:
            assert cell.outline.length == pytest.approx(200.0)
            if cell.plastids is not None:
                assert cell.living
                reaches += list(cell.plastids.reaches)
                clear.append(cell.plastids.clear)
        for one, other in pairwise(cells):
            apart = np.hypot(one.x - other.x, one.y - other.y)
            assert 0.65 * 200 < apart < 0.99 * 200
    assert min(reaches) < 0.4
    assert max(reaches) > 0.9
    assert min(clear) > 0


def test_the_clear_middle_of_a_living_cell_lies_within_its_one_mask() -> None:
    options = replace(
        CLEAN,
        modality="fluorescence",
        background=(0.02, 0.02, 0.03),
        colonies=("living-chain",),
        colony_share=1.0,
        specimens=(1, 1),
        length_px=(180, 200),
        living_share=1.0,
        noise=0.002,
    )
    spans = []
    for seed in range(12):
        truth = render_field(options, seed).truth
        spans += [box[2] for box, cut in zip(truth.boxes, truth.cut, strict=True) if not cut]
    assert spans
    assert min(spans) > 175


@pytest.mark.parametrize("modality", ["dark-field", "fluorescence"])
@pytest.mark.parametrize("colour", [True, False])
def test_dark_lights_show_bright_specimens_on_black(modality: str, colour: bool) -> None:
    options = draw_options(np.random.default_rng(1), 320, 320, subject=modality)
    options = replace(
        options, colour=colour, specimens=(8, 8), length_px=(80, 160), debris=0.0, bit_depth=8, scale_bar=False,
        caption=False, background=(0.03, 0.03, 0.03), living_share=1.0, defocus=0.0, jpeg_quality=None,
    )  # fmt: skip
    field = render_field(options, 3)
    grey = field.image.mean(axis=-1) if colour else field.image.astype(np.float64)
    covered = np.zeros(grey.shape, bool)
    assert field.truth.masks is not None
    for mask in field.truth.masks:
        h, w = mask.pixels.shape
        covered[mask.y0 : mask.y0 + h, mask.x0 : mask.x0 + w] |= mask.pixels
    assert covered.any()
    assert np.median(grey[~covered]) < 40
    assert grey[covered].mean() > 2 * grey[~covered].mean()
    assert np.quantile(grey[covered], 0.99) > 90


def test_chloroplasts_glow_red_and_haze_is_blue() -> None:
    options = draw_options(np.random.default_rng(2), 320, 320, subject="fluorescence")
    options = replace(
        options, colour=True, specimens=(6, 6), living_share=1.0, debris=0.0, background=(0.02, 0.03, 0.09)
    )
    field = render_field(replace(options, scale_bar=False, caption=False, length_px=(80, 160)), 5)
    full = 255 if field.image.dtype == np.uint8 else 65535
    red, _, blue = np.moveaxis(field.image / full, -1, 0)
    assert field.truth.masks is not None
    brightest = max(
        red[m.y0 : m.y0 + m.pixels.shape[0], m.x0 : m.x0 + m.pixels.shape[1]].max() for m in field.truth.masks
    )
    assert brightest > 0.4
    assert np.median(blue) > np.median(red)


def test_a_scale_bar_on_black_is_white() -> None:
    options = draw_options(np.random.default_rng(1), 320, 320, subject="dark-field")
    options = replace(options, specimens=(0, 0), debris=0.0, bit_depth=8, jpeg_quality=None)
    options = replace(options, scale_bar=True, caption=True)
    for seed in range(4):
        assert render_field(options, seed).image.max() == 255


def test_nothing_is_seen_or_counted_beyond_the_edge_of_an_eyepiece() -> None:
    options = draw_options(np.random.default_rng(4), 320, 320, subject="eyepiece", modality="bright-field")
    options = replace(options, specimens=(20, 20), length_px=(40, 120), contrast=1.2, debris=0.0)
    dark = 0
    for seed in range(5):
        field = render_field(options, seed)
        grey = cv2.GaussianBlur(field.image.mean(axis=-1), (0, 0), 2.0)
        corner = np.concatenate([grey[:12, :12].ravel(), grey[-12:, -12:].ravel()])
        dark += corner.mean() < 0.5 * np.median(grey)
        assert field.truth.masks is not None
        for mask, cut in zip(field.truth.masks, field.truth.cut, strict=True):
            h, w = mask.pixels.shape
            window = grey[mask.y0 : mask.y0 + h, mask.x0 : mask.x0 + w]
            assert cut or np.median(window[mask.pixels]) > 0.25 * np.median(grey)
    assert dark >= 3


def test_a_specimen_cut_by_the_eyepiece_is_marked_and_its_mask_is_round_there() -> None:
    stop = FieldStop(100.0, 100.0, 80.0)
    scene = draw_scene(np.random.default_rng(1), CLEAN, stop)
    noisy = np.random.default_rng(0).uniform(0.2, 0.8, (320, 320)).astype(np.float32)
    truth = gather_truth(scene, noisy, 0.0, CLEAN.classes, stop)
    assert truth.masks is not None
    reaches = []
    for mask in truth.masks:
        y, x = np.nonzero(mask.pixels)
        reaches.append(np.hypot(x + mask.x0 - stop.x, y + mask.y0 - stop.y).max())
    assert max(reaches) <= 80.8
    np.testing.assert_array_equal(truth.cut > 0, np.array(reaches) > 78.5)
    box = np.array([[90.0, 90.0], [300.0, 90.0], [300.0, 110.0], [90.0, 110.0]])
    clipped = shapely.Polygon(stop.clipped(box))
    expected = shapely.Polygon(box).intersection(shapely.Point(100, 100).buffer(80, quad_segs=64))
    assert clipped.area == pytest.approx(expected.area, rel=0.01)
    assert len(stop.clipped(box + 500.0)) == 0
    inner = box * 0.1 + 90.0
    np.testing.assert_array_equal(stop.clipped(inner), inner)


def test_video_stills_have_less_detail_than_the_camera_shows() -> None:
    options = replace(CLEAN, debris=0.5, noise=0.0)
    camera, video = render_field(options, 3).image, render_field(replace(options, view="video"), 3).image
    assert camera.shape == video.shape
    detail = [np.abs(cv2.Laplacian(i.astype(np.float32)[..., 1], cv2.CV_32F)).mean() for i in (camera, video)]
    assert detail[1] < 0.8 * detail[0]
    with pytest.raises(InputError, match="16 bit"):
        replace(options, view="video", bit_depth=16)


def test_crusts_are_seen_but_are_not_in_the_truth() -> None:
    empty = replace(CLEAN, specimens=(0, 0), noise=0.0, uneven_light=0.0)
    plain, crusted = render_field(empty, 2), render_field(replace(empty, crusts=1.0), 2)
    assert len(crusted.truth) == 0
    changed = np.abs(crusted.image.astype(int) - plain.image).max(axis=-1) > 20
    assert 0.01 < changed.mean() < 0.6


def test_a_valve_under_a_dark_grain_stays_in_the_truth_and_is_partly_dark() -> None:
    options = replace(CLEAN, noise=0.0, families=("naviculoid",), needle_share=0.0, chain_share=0.0, living_share=0.0)
    plain, hidden = render_field(options, 4), render_field(replace(options, under_grains=1.0), 4)
    assert len(hidden.truth) == len(plain.truth) > 5
    darker = 0
    assert hidden.truth.masks is not None
    for mask in hidden.truth.masks:
        h, w = mask.pixels.shape
        window = np.s_[mask.y0 : mask.y0 + h, mask.x0 : mask.x0 + w]
        drop = plain.image[window].mean(axis=-1) - hidden.image[window].mean(axis=-1)
        darker += drop[mask.pixels].max() > 60
    assert darker >= 0.8 * len(hidden.truth)


def test_no_grain_is_laid_without_a_share() -> None:
    field = WaveField(64, 64, 1)
    lay_dark_grains(np.random.default_rng(0), field, draw_scene(np.random.default_rng(0), CLEAN), 0.0)
    assert np.abs(field.wave() - 1).max() < 1e-6


def test_diploneis_has_darker_walls_than_other_valves() -> None:
    darkest = {}
    for family in ("diploneioid", "naviculoid"):
        options = replace(CLEAN, families=(family,), needle_share=0.0, chain_share=0.0, living_share=0.0, contrast=0.6)
        found = []
        for seed in range(4):
            field = render_field(options, seed)
            grey = field.image.mean(axis=-1)
            assert field.truth.masks is not None
            for mask in field.truth.masks:
                h, w = mask.pixels.shape
                found.append(np.quantile(grey[mask.y0 : mask.y0 + h, mask.x0 : mask.x0 + w][mask.pixels], 0.1))
        darkest[family] = float(np.mean(found))
    assert darkest["diploneioid"] < 0.85 * darkest["naviculoid"]


def test_a_contact_sheet_has_a_row_for_each_subject(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = tmp_path / "sheet.png"
    command = [str(sheet), "--subjects", "sigmoid", "video", "--fields", "3", "--size", "96", "--scale", "0.5"]
    assert contact_sheet.main([*command, "--outlined", "--modality", "dic"]) == 0
    assert capsys.readouterr().out.strip() == str(sheet)
    assert cv2.imread(str(sheet)).shape == (2 * 48, 3 * 48, 3)
    first = sheet.read_bytes()
    assert contact_sheet.main([*command, "--outlined", "--modality", "dic"]) == 0
    assert sheet.read_bytes() == first


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["sheet.gif"], "neither a .png nor a .jpg"), (["sheet.png", "--subjects", "moss"], "no subject 'moss'")],
)
def test_a_contact_sheet_that_cannot_be_is_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert contact_sheet.main(arguments) == 2
    assert said in capsys.readouterr().err
