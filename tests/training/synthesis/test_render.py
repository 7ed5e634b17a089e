"""The synthetic fields: reproducible, in every modality, with truth that fits the picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diatom_training.synthesis import (
    CLASSIC_FAMILIES,
    FAMILIES,
    MODALITIES,
    FieldOptions,
    Modality,
    draw_options,
    render_field,
)
from diatom_training.synthesis.families import draw_valve_outline, draw_width
from diatom_training.synthesis.noise_maps import smooth_noise
from diatom_training.synthesis.outlines import broken
from napari_diatom.core import geometry
from napari_diatom.core.detections import CUT_BY_EDGE, STATUSES
from napari_diatom.core.errors import InputError

CROWDED = FieldOptions(height=320, width=400, specimens=(12, 12), length_px=(40, 200), debris=0.2)


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("colour", [True, False])
def test_same_seed_same_bytes(modality: Modality, colour: bool) -> None:
    options = replace(CROWDED, modality=modality, colour=colour, jpeg_quality=80, caption=True)
    first, again = render_field(options, 5), render_field(options, 5)
    assert first.image.tobytes() == again.image.tobytes()
    assert first.image.shape == ((320, 400, 3) if colour else (320, 400))
    np.testing.assert_array_equal(first.truth.boxes, again.truth.boxes)
    assert first.image.tobytes() != render_field(options, 6).image.tobytes()


def test_sixteen_bit_uses_its_range() -> None:
    image = render_field(replace(CROWDED, bit_depth=16, scale_bar=True, caption=True), 1).image
    assert image.dtype == np.uint16
    assert image.max() > 2**14


def test_empty_field_has_no_truth_and_no_objects() -> None:
    options = replace(CROWDED, specimens=(0, 0), debris=0.0, noise=0.0, uneven_light=0.0)
    rendered = render_field(options, 0)
    assert len(rendered.truth) == 0
    assert rendered.truth.classes == options.classes == CLASSIC_FAMILIES
    assert np.ptp(rendered.image[..., 1].astype(int)) <= 1


@pytest.mark.parametrize("seed", range(6))
def test_boxes_are_tight_around_masks(seed: int) -> None:
    truth = render_field(CROWDED, seed).truth
    assert truth.masks is not None
    assert len(truth) > 4
    for box, mask in zip(truth.boxes, truth.masks, strict=True):
        y, x = np.nonzero(mask.pixels)
        # Boxes are counted from the first pixel's outer edge, so a pixel's centre lies half a pixel further.
        points = np.column_stack([x + mask.x0, y + mask.y0]) + 0.5 - box[:2]
        turn = np.array([np.cos(box[4]), np.sin(box[4])])
        along, across = points @ turn, points @ (-turn[1], turn[0])
        # Pixel centres reach to about a pixel of the outline; pointed apices are thinner than one.
        for extent, size in ((along, box[2]), (across, box[3])):
            assert np.abs(extent).max() <= size / 2 + 1.0
            assert np.ptp(extent) >= 0.9 * size - 4.0
        assert 0 <= mask.x0 <= 400 - mask.pixels.shape[1]
        assert 0 <= mask.y0 <= 320 - mask.pixels.shape[0]


def test_masks_are_as_large_as_the_outlines_that_they_were_made_of() -> None:
    excess = []
    for seed in range(16):
        truth = render_field(CROWDED, seed).truth
        assert truth.masks is not None
        for box, mask in zip(truth.boxes, truth.masks, strict=True):
            y, x = np.nonzero(mask.pixels)
            across = (np.column_stack([x, y]) + 0.5) @ [-np.sin(box[4]), np.cos(box[4])]
            excess.append(np.ptp(across) - box[3])
    # The outermost pixels' centres lie inside the outline, by half a pixel a side at most.
    assert -1 <= np.median(excess) <= -0.2


def test_boxes_and_masks_share_their_origin() -> None:
    offsets = []
    for seed in range(16):
        truth = render_field(CROWDED, seed).truth
        assert truth.masks is not None
        for box, mask in zip(truth.boxes, truth.masks, strict=True):
            y, x = np.nonzero(mask.pixels)
            turn = np.array([[np.cos(box[4]), -np.sin(box[4])], [np.sin(box[4]), np.cos(box[4])]])
            within = (np.column_stack([x + mask.x0, y + mask.y0]) + 0.5 - box[:2]) @ turn
            offsets.append(turn @ (within.min(axis=0) + within.max(axis=0)) / 2)
    assert len(offsets) > 100
    assert np.abs(np.mean(offsets, axis=0)).max() < 0.1


@pytest.mark.parametrize("seed", range(4))
def test_cut_flags_mark_masks_at_the_frame(seed: int) -> None:
    truth = render_field(CROWDED, seed).truth
    assert truth.masks is not None
    for box, cut, mask in zip(truth.boxes, truth.cut, truth.masks, strict=True):
        h, w = mask.pixels.shape
        at_edge = mask.x0 == 0 or mask.y0 == 0 or mask.x0 + w == 400 or mask.y0 + h == 320
        assert cut in (0, CUT_BY_EDGE)
        if not at_edge:
            assert cut == 0
        if cut:
            # What is left of it reaches the frame's outer edge itself, and no box of a part stops short of it.
            low, high = geometry.corners(box)[0].min(axis=0), geometry.corners(box)[0].max(axis=0)
            assert at_edge
            assert min(low[0], low[1], 400 - high[0], 320 - high[1]) <= 1e-3


def test_long_needles_are_cut() -> None:
    options = replace(
        CROWDED,
        modality="phase-contrast",
        needle_share=1.0,
        chain_share=0.0,
        specimens=(2, 2),
        length_px=(900, 901),
    )
    truth = render_field(options, 3).truth
    assert len(truth)
    assert (truth.cut == CUT_BY_EDGE).all()
    assert {truth.classes[i] for i in truth.class_ids} == {"needle"}


def test_all_families_and_most_states_occur() -> None:
    options = replace(CROWDED, specimens=(40, 40), length_px=(30, 90), chain_share=0.0, families=FAMILIES)
    truths = [render_field(options, seed).truth for seed in range(10)]
    assert {t.classes[i] for t in truths for i in t.class_ids} == set(FAMILIES)
    states = {STATUSES[i] for t in truths for i in t.status}
    assert states >= {"valve", "girdle", "frustule", "broken", "teratological"}


def test_step_chains_hold_one_specimen_per_cell() -> None:
    options = replace(
        CROWDED,
        modality="phase-contrast",
        needle_share=1.0,
        chain_share=1.0,
        specimens=(4, 4),
        length_px=(80, 90),
        defocus=0.0,
        debris=0.0,
    )
    counts = [len(render_field(options, seed).truth) for seed in range(6)]
    assert max(counts) >= 3


def test_nearly_invisible_specimens_are_left_out() -> None:
    faint = replace(CROWDED, contrast=0.02, living_share=0.0, debris=0.0, defocus=0.0)
    assert len(render_field(faint, 2).truth) < len(render_field(CROWDED, 2).truth) / 2


def test_options_report_every_problem_at_once() -> None:
    with pytest.raises(InputError) as caught:
        FieldOptions(height=3, specimens=(5, 1), bit_depth=12, contrast=float("nan"))
    for name in ("height", "specimens", "bit_depth", "contrast"):
        assert name in str(caught.value)


def test_jpeg_needs_eight_bit() -> None:
    with pytest.raises(InputError, match="8 bit"):
        FieldOptions(bit_depth=16, jpeg_quality=90)


def test_unknown_modality_lists_the_choices() -> None:
    with pytest.raises(InputError, match="phase-contrast"):
        FieldOptions(modality="darkfield")  # type: ignore[arg-type]


@given(st.integers(0, 2**32 - 1), st.integers(32, 3000), st.integers(32, 3000))
@settings(max_examples=60, deadline=None)
def test_drawn_options_are_valid(seed: int, height: int, width: int) -> None:
    options = draw_options(np.random.default_rng(seed), height, width, needle_weight=0.5)
    assert (options.height, options.width) == (height, width)
    assert options == draw_options(np.random.default_rng(seed), height, width, needle_weight=0.5)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=12, deadline=None)
def test_any_drawn_field_renders(seed: int) -> None:
    options = draw_options(np.random.default_rng(seed), 96, 160, needle_weight=0.3)
    rendered = render_field(options, seed)
    assert rendered.image.shape[:2] == (96, 160)
    corners = geometry.corners(rendered.truth.boxes)
    assert np.isfinite(corners).all()


@given(st.integers(0, 2**32 - 1), st.sampled_from(FAMILIES), st.floats(20, 900))
@settings(max_examples=60, deadline=None)
def test_valve_outlines_have_the_length_asked_for(seed: int, family: str, length: float) -> None:
    rng = np.random.default_rng(seed)
    outline = draw_valve_outline(rng, family, length, draw_width(rng, family, length))
    assert outline.length == pytest.approx(length)
    assert (outline.top >= outline.bottom).all()
    assert np.isfinite(outline.polygon()).all()
    piece = broken(rng, outline, 0.7)
    assert piece.length == pytest.approx(0.7 * length, rel=0.05)


@given(st.floats(-50, 50), st.floats(-50, 50), st.floats(5, 90), st.floats(5, 90), st.floats(0, 3.2))
def test_clipping_keeps_what_is_in_the_frame(x: float, y: float, length: float, width: float, angle: float) -> None:
    box = geometry.corners([[x, y, length, width, angle]])[0]
    inside = geometry.clip_polygon(box, -0.5, -0.5, 59.5, 39.5)
    if len(inside):
        assert inside.min() >= -0.5 - 1e-6
        assert inside[:, 0].max() <= 59.5 + 1e-6
        assert inside[:, 1].max() <= 39.5 + 1e-6
        assert geometry.polygon_area(inside) <= geometry.polygon_area(box) + 1e-6


def test_smooth_noise_has_about_unit_variance() -> None:
    noise = smooth_noise(np.random.default_rng(0), 300, 300, 6.0)
    assert noise.shape == (300, 300)
    assert 0.4 < noise.std() < 1.3
