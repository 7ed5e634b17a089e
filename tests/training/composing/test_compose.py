"""Composed fields: truth that fits the pixels, limits that hold, the same bytes again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from diatom_training.composing.alpha_blending import FieldCanvas, PlacedCutout, blend, tone_curve, with_tone
from diatom_training.composing.background import ground_of
from diatom_training.composing.compose import ComposedField, compose_field
from diatom_training.composing.material import Material, joined
from diatom_training.composing.options import ComposeOptions
from diatom_training.composing.preview import layers_of
from diatom_training.composing.specimen_cutouts import from_examples
from diatom_training.data.crops import read_rgb
from diatom_training.data.examples import Example
from helpers.composed import LIGHT, cut_out, even_material, slide, two_slides
from helpers.shapes import ellipse, mask_of, placed
from napari_diatom.core import geometry
from napari_diatom.core.errors import InputError

EVEN = ComposeOptions(
    size=256, specimens=(2, 5), empty_share=0, scale=(0.8, 1.0), defocus_px=0, matching="light", blending="feather"
)


def covered(field: ComposedField) -> np.ndarray:
    """Return the pixels that the outlines of a field enclose."""
    size = len(field.image)
    out = np.zeros((size, size), dtype=bool)
    for outline in field.outlines:
        mask = mask_of(outline.astype(np.float64)).within(0, 0, size, size)
        h, w = mask.pixels.shape
        out[mask.y0 : mask.y0 + h, mask.x0 : mask.x0 + w] |= mask.pixels
    return out


@pytest.mark.parametrize("blending", ["poisson", "feather"])
@pytest.mark.parametrize("rotation", [(0.0, 360.0), (30.0, 30.0)])
def test_the_truth_is_where_pixels_changed(blending: str, rotation: tuple[float, float]) -> None:
    options = EVEN.model_copy(update={"blending": blending, "rotation_deg": rotation, "cut_share": 0.4})
    for seed in range(4):
        field = compose_field(even_material(), options, seed)
        # Halfway between valve and light lies the edge.
        dark = field.image.max(axis=2) < (LIGHT + 90) / 2
        inside = covered(field)
        assert inside.sum() > 500
        assert (dark & ~inside).sum() < 0.04 * inside.sum()
        assert (inside & ~dark).sum() < 0.04 * inside.sum()


def test_nothing_changes_away_from_what_is_composed() -> None:
    for blending in ("poisson", "feather"):
        options = EVEN.model_copy(update={"blending": blending})
        field = compose_field(even_material(), options, 3)
        near = shapely.union_all([shapely.Polygon(one) for one in field.outlines]).buffer(9)
        y, x = np.nonzero((field.image != LIGHT).any(axis=2))
        assert len(x)
        assert shapely.contains_xy(near, x + 0.5, y + 0.5).all()


def test_angles_and_classes_go_with_the_outlines() -> None:
    options = EVEN.model_copy(update={"cut_share": 0.0, "overlap": 0.0})
    seen = set()
    for seed in range(6):
        field = compose_field(even_material(), options, seed)
        for outline, angle, class_id in zip(field.outlines, field.angles, field.class_ids, strict=True):
            box = geometry.min_area_box(outline)
            assert abs((angle - box[4] + np.pi / 2) % np.pi - np.pi / 2) < 0.05
            assert class_id == (0 if box[2] / box[3] < 5 else 1)
            assert -np.pi / 2 <= angle < np.pi / 2
            seen.add(class_id)
    assert seen == {0, 1}


def test_round_specimens_have_no_direction() -> None:
    material = replace(even_material(), classes=("round",), specimens=(cut_out(ellipse(60, 60), class_name="round"),))
    assert set(compose_field(material, EVEN, 0).angles) == {0.0}


@pytest.mark.parametrize("limit", [0.0, 0.25])
def test_no_specimen_shares_more_than_the_limit(limit: float) -> None:
    options = EVEN.model_copy(update={"specimens": (12, 12), "overlap": limit, "cut_share": 0.3})
    most = 0.0
    for seed in range(5):
        shapes = [shapely.Polygon(one) for one in compose_field(even_material(), options, seed).outlines]
        for i, one in enumerate(shapes):
            others = shapely.union_all([other for j, other in enumerate(shapes) if j != i])
            most = max(most, one.intersection(others).area / one.area)
    assert most <= limit + 1e-3
    assert limit == 0 or most > 0.05


def test_the_edge_cuts_the_share_that_was_asked_for_and_leaves_enough() -> None:
    for share in (0.0, 1.0):
        options = EVEN.model_copy(update={"cut_share": share, "overlap": 1.0, "scale_spread": 0.0, "scale": (1.0, 1.0)})
        areas = []
        for seed in range(6):
            field = compose_field(even_material(), options, seed)
            whole = [np.pi / 4 * 80 * 24, np.pi / 4 * 120 * 14]
            areas += [
                geometry.polygon_area(one) / whole[number]
                for one, number in zip(field.outlines, field.class_ids, strict=True)
            ]
            assert all(one.min() >= 0 and one.max() <= 256 for one in field.outlines)
        assert min(areas) > (0.98 if share == 0 else 0.24)
        assert share == 0 or min(areas) < 0.9


@pytest.mark.parametrize("blending", ["poisson", "feather"])
def test_same_seed_same_bytes(blending: str) -> None:
    options = EVEN.model_copy(update={"blending": blending, "defocus_px": 1.0})
    material = even_material(debris=True)
    first, again = compose_field(material, options, 5), compose_field(material, options, 5)
    assert first.image.tobytes() == again.image.tobytes()
    assert all(np.array_equal(a, b) for a, b in zip(first.outlines, again.outlines, strict=True))
    assert first.image.tobytes() != compose_field(material, options, 6).image.tobytes()


def test_debris_is_in_the_image_and_not_in_the_truth() -> None:
    options = EVEN.model_copy(update={"empty_share": 1.0, "debris_ratio": (2.0, 2.0)})
    field = compose_field(even_material(debris=True), options, 0)
    assert field.outlines == ()
    assert field.image.min() < 80


def test_lengths_are_brought_into_their_range() -> None:
    options = EVEN.model_copy(update={"length_px": (40.0, 60.0), "cut_share": 0.0})
    for seed in range(3):
        lengths = [geometry.min_area_box(one)[2] for one in compose_field(even_material(), options, seed).outlines]
        assert lengths
        assert min(lengths) > 39
        assert max(lengths) < 61


def test_pixel_sizes_bring_cut_outs_to_the_scale_of_the_background() -> None:
    material = even_material()
    coarse = replace(
        material,
        specimens=(replace(material.specimens[0], pixel_size_um=0.1),),
        backgrounds=(replace(material.backgrounds[0], pixel_size_um=0.2),),
    )
    options = EVEN.model_copy(update={"scale": (1.0, 1.0), "scale_spread": 0.0, "cut_share": 0.0})
    (length, *_) = [geometry.min_area_box(one)[2] for one in compose_field(coarse, options, 0).outlines]
    assert length == pytest.approx(40, abs=0.5)


@pytest.mark.parametrize("matching", ["light", "histogram"])
@pytest.mark.parametrize("blending", ["poisson", "feather"])
def test_cut_outs_take_the_light_of_a_darker_slide(matching: str, blending: str) -> None:
    options = EVEN.model_copy(update={"matching": matching, "blending": blending, "cut_share": 0.0})
    field = compose_field(even_material(light=100), options, 1)
    inside = covered(field)
    changed = field.image.max(axis=2)
    # No brighter halo around any of them.
    assert changed[~inside].max() <= 103
    assert changed[inside].min() < 60


def test_without_backgrounds_one_is_made_of_the_cut_outs_light() -> None:
    field = compose_field(replace(even_material(), backgrounds=()), EVEN, 0)
    assert 150 < np.median(field.image) < 230
    assert field.image.std() > 0.5


def test_objects_upon_each_other_are_both_seen() -> None:
    canvas = FieldCanvas.of(np.full((60, 60, 3), 200, np.uint8))
    opacity = np.zeros((60, 60), np.uint8)
    opacity[10:50, 20:30] = 255
    half = np.full((60, 60, 3), 0.5, np.float32)
    rng = np.random.default_rng(0)
    blend(canvas, PlacedCutout(half, opacity, 0, 0), "feather", rng)
    blend(canvas, PlacedCutout(half, np.ascontiguousarray(opacity.T), 0, 0), "feather", rng)
    assert canvas.pixels[25, 25, 0] == pytest.approx(50, abs=2)
    assert canvas.pixels[25, 15, 0] == pytest.approx(100, abs=2)
    assert canvas.pixels[15, 25, 0] == pytest.approx(100, abs=2)
    assert canvas.pixels[5, 5, 0] == 200


def test_a_tone_curve_keeps_the_light_and_matches_contrast() -> None:
    rng = np.random.default_rng(0)
    ours = 1 - np.abs(rng.normal(0, 0.1, 4000))
    theirs = 1 - np.abs(rng.normal(0, 0.15, 3000))
    curve = tone_curve(ours, theirs)
    out = with_tone(np.array([1.0, 0.9, 0.8], np.float32), curve)
    assert out[0] == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_allclose(out[1:], [0.85, 0.7], atol=0.02)
    assert with_tone(np.array([1.4], np.float32), curve)[0] == pytest.approx(1.4)


def test_slides_give_specimens_debris_and_empty_backgrounds(tmp_path: Path) -> None:
    material = from_examples(two_slides(tmp_path), ("diatom",))
    assert (len(material.specimens), len(material.debris), len(material.backgrounds)) == (4, 4, 2)
    assert material.groups == ("A", "B")
    cut = material.specimens[0]
    box = geometry.min_area_box(cut.specimens[0].outline)
    np.testing.assert_allclose(box[2:4], [120, 40], atol=0.5)
    assert cut.pixels.shape[:2] == cut.opacity.shape
    inside = mask_of(cut.specimens[0].outline.astype(np.float64))
    h, w = inside.pixels.shape
    assert (cut.opacity[inside.y0 : inside.y0 + h, inside.x0 : inside.x0 + w][inside.pixels] == 255).all()
    assert max(cut.opacity[[0, -1]].max(), cut.opacity[:, [0, -1]].max()) == 0
    # Around the specimen is nothing but even light.
    assert abs(np.median(cut.pixels[cut.opacity == 0].mean(axis=1)) - np.mean(cut.light)) < 2
    for ground in material.backgrounds:
        assert ground.pixels.min() > 165
    for speck in material.debris:
        assert 14 <= np.ptp(speck.outline, axis=0).max() <= 34


def test_debris_is_never_cut_out_of_an_annotation(tmp_path: Path) -> None:
    valve = placed(ellipse(120, 40), 0.4, 200, 150)
    upon = placed(ellipse(14, 14), 0.0, 200, 150)
    beside = placed(ellipse(14, 14), 0.0, 200, 185)
    away = placed(ellipse(14, 14), 0.0, 400, 300)
    material = from_examples([slide(tmp_path / "a.png", [valve], [upon, beside, away])], ("diatom",))
    assert len(material.debris) == 1
    assert material.groups == ("a",)


def test_chains_stay_together_unless_asked_otherwise(tmp_path: Path) -> None:
    cells = [placed(ellipse(120, 20), 0.0, 130, 150), placed(ellipse(120, 20), 0.0, 246, 155)]
    example = slide(tmp_path / "a.png", cells, [])
    (chain,) = from_examples([example], ("diatom",)).specimens
    assert len(chain.specimens) == 2
    single = from_examples([example], ("diatom",), chains=False).specimens
    assert [len(cut.specimens) for cut in single] == [1, 1]
    # The other cell is gone from the halo.
    assert single[0].pixels[single[0].opacity < 100].min() > 150


def test_specimens_that_the_edge_cuts_are_left_out_with_the_reason(tmp_path: Path) -> None:
    outlines = [placed(ellipse(120, 40), 0.4, 10, 100), placed(ellipse(120, 40), 0.4, 250, 200)]
    material = from_examples([slide(tmp_path / "a.png", outlines, [])], ("diatom",))
    assert len(material.specimens) == 1
    assert [entry.reason for entry in material.left_out] == ["specimen 1 is cut by the image's edge"]


def test_what_is_emptied_keeps_its_light_and_its_grain(tmp_path: Path) -> None:
    example = two_slides(tmp_path)[0]
    image = read_rgb(example.image)
    ground = ground_of(image)
    expected = LIGHT * np.linspace(1.0, 0.9, image.shape[1])[None, :]
    assert np.abs(ground.light[..., 0] - expected).max() < 3
    grain = ground.empty.astype(float) - ground.light
    assert grain[80:120, 90:130].std() == pytest.approx(grain[300:340, 400:440].std(), rel=0.25)


def test_a_test_group_is_never_used(tmp_path: Path) -> None:
    slides = two_slides(tmp_path)
    material = from_examples(slides, ("diatom",))
    with pytest.raises(InputError, match="kept for testing, from B"):
        material.check_apart(slides[1:])
    apart = material.without(["B"])
    apart.check_apart(slides[1:])
    assert apart.groups == ("A",)
    assert {cut.group for cut in (*apart.specimens, *apart.debris)} == {"A"}
    assert len(apart.specimens) == 2


def test_previews_have_a_plane_per_field() -> None:
    fields = [compose_field(even_material(), EVEN, seed) for seed in range(2)]
    (stack, _, kind), (shapes, look, _) = layers_of(fields, even_material().classes)
    assert (stack.shape, kind) == ((2, 256, 256, 3), "image")
    assert {one[0, 0] for one in shapes} == {0, 1}
    np.testing.assert_allclose(shapes[0][:, 1:], fields[0].outlines[0][:, ::-1] - 0.5)
    assert len(look["features"]["class"]) == len(shapes)


def test_materials_are_joined_by_the_names_of_their_classes() -> None:
    material = even_material()
    both = joined([material, replace(material, classes=("rod", "other"))])
    assert both.classes == ("ellipse", "rod", "other")
    assert len(both.specimens) == 4
    assert both.of_one_class("diatom").classes == ("diatom",)
    assert set(compose_field(both.of_one_class("diatom"), EVEN, 0).class_ids) == {0}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: from_examples([], ("diatom",)), "no annotated specimen"),
        (lambda folder: from_examples([Example(folder / "a.png", (), (), ())], ("diatom",)), "no annotated specimen"),
        (lambda folder: joined([]), "no cut-outs of specimens"),
        (lambda folder: compose_field(Material(("diatom",), ()), EVEN, 0), "no cut-outs of specimens"),
    ],
)
def test_without_a_specimen_there_is_nothing_to_compose(tmp_path: Path, make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(tmp_path)


def test_annotations_outside_the_image_are_named(tmp_path: Path) -> None:
    outlines = [placed(ellipse(120, 40), 0.4, 200, 100), placed(ellipse(120, 40), 0.4, 900, 100)]
    example = slide(tmp_path / "a.png", outlines, [])
    with pytest.raises(InputError, match=r"a\.png: of 2 annotations number 2 lies outside the image, .* 480 x 360"):
        from_examples([example], ("diatom",))


def test_files_that_are_no_images_and_unknown_classes_are_named(tmp_path: Path) -> None:
    example = two_slides(tmp_path)[0]
    with pytest.raises(InputError, match=r"A\.png has specimens of class 3, of 1 class"):
        from_examples([replace(example, class_ids=(0, 3))], ("diatom",))
    example.image.write_bytes(b"no image")
    with pytest.raises(InputError, match=r"A\.png"):
        from_examples([example], ("diatom",))


def test_options_name_every_problem_at_once() -> None:
    with pytest.raises(InputError) as caught:
        ComposeOptions.of({"size": 3, "scale": (2.0, 1.0), "overlap": float("nan"), "blending": "magic", "sise": 1})
    for name in ("size", "scale", "overlap", "blending", "sise"):
        assert name in str(caught.value)
