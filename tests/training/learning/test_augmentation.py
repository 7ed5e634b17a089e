"""Every augmentation acts, is off when it is turned off, and takes outlines, masks and boxes with the picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from diatom_training.data.crop_geometry import CropGeometry, crop_matrix
from diatom_training.data.crops import FILL, random_crop, read_rgb, warp_to_crop
from diatom_training.data.examples import Example, box_along_axis
from diatom_training.learning import targets
from diatom_training.learning.augment import augmented_crop, recoloured, unvaried
from diatom_training.learning.augment_options import AUGMENTATIONS, EARLIER_NAMES, AugmentOptions
from diatom_training.learning.classifier_crops import Cutouts, mirrored_view, specimens_of, varied_cutout
from diatom_training.learning.options import LearningOptions
from diatom_training.learning.outline_crops import varied_frame
from napari_diatom.core import geometry
from napari_diatom.core.box_frame import BoxFrame
from napari_diatom.images.framed_cutouts import framed_cutout
from napari_diatom.images.slide_image import from_array

NONE = AugmentOptions.model_validate("none")
CROPPED = {*CropGeometry.__dataclass_fields__}
CUT_OUT = {"cutout_rotation_deg", "cutout_scale", "cutout_translation", "boxed"}
FRAMED = {"box_errors", "upright_boxes"}
ANYWHERE = {"flip_horizontal", "flip_vertical", "quarter_turns"}
SIZE = 96
AMOUNTS = {
    "rotation_deg": {"rotation": 1.0},
    "blur_px": {"blur": 1.0},
    "noise_std": {"noise": 1.0},
}
"""What has to be on for an amount to act."""


def blurred_noise(seed: int, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a coloured picture without symmetries."""
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.uniform(0, 255, (*shape, 3)), (0, 0), 3)
    low, high = noise.min(), noise.max()
    return np.asarray((noise - low) / (high - low) * 255, dtype=np.uint8)


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Example:
    """Return a slide with two specimens, seen at its own scale or half of it."""
    path = tmp_path_factory.mktemp("slides") / "slide.png"
    cv2.imwrite(str(path), blurred_noise(1, (200, 240)))
    ring = geometry.corners([[110, 90, 70, 26, 0.6], [190, 150, 40, 38, 0.0]]).astype(np.float32)
    # Neither of them looks the same when it is flipped or turned by half.
    outlines = tuple(np.vstack([one[:2], one[1:3].mean(axis=0) + 3, one[2:]]) for one in ring)
    return Example(path, outlines, (0.6, 0.0), (0, 1), (0.5, 1.0))


def shown(example: Example, seed: int, augment: AugmentOptions, kind: str) -> NDArray[np.uint8]:
    """Return the pixels that a network of a kind is shown."""
    rng = np.random.default_rng(seed)
    if kind == "crop":
        return augmented_crop(example, SIZE, rng, augment).pixels
    specimen = specimens_of([example])[0]
    if kind == "cut-out":
        return varied_cutout(specimen, SIZE, rng, augment).masked()
    return varied_frame(specimen, rng, augment).pixels


def kinds_of(name: str) -> list[str]:
    if name in ANYWHERE:
        return ["crop", "cut-out", "frame"]
    if name in CROPPED:
        return ["crop"]
    if name in CUT_OUT:
        return ["cut-out"]
    return ["frame"] if name in FRAMED else ["crop", "cut-out", "frame"]


@pytest.mark.parametrize("name", [name for name in AugmentOptions.model_fields if name != "aimed"])
def test_every_option_acts_and_is_off_when_it_is_turned_off(slide: Example, name: str) -> None:
    field = AugmentOptions.model_fields[name]
    (most,) = (getattr(item, name) for item in field.metadata for name in ("le", "lt") if hasattr(item, name))
    beside = NONE.model_copy(update=AMOUNTS.get(name, {}))
    on = beside.model_copy(update={name: 0.9 * most})
    for kind in kinds_of(name):
        differ = [not np.array_equal(shown(slide, k, on, kind), shown(slide, k, beside, kind)) for k in range(12)]
        assert any(differ), f"{name} does not act on a {kind}"
        others = AugmentOptions.model_validate("strong").model_copy(update={name: getattr(NONE, name)})
        without = others.model_copy(update={name: getattr(NONE, name)})
        assert np.array_equal(shown(slide, 3, others, kind), shown(slide, 3, without, kind))


def test_more_crops_are_placed_at_specimens_the_larger_their_share(slide: Example) -> None:
    everywhere, aimed = (NONE.model_copy(update={"aimed": share, "random_crop": 1.0}) for share in (0.0, 1.0))
    crops = [augmented_crop(slide, 64, np.random.default_rng(k), aimed) for k in range(12)]
    assert all(len(crop.polygons) + len(crop.remnants) for crop in crops)
    other = [augmented_crop(slide, 64, np.random.default_rng(k), everywhere) for k in range(12)]
    assert not all(len(crop.polygons) + len(crop.remnants) for crop in other)


def test_none_shows_bytes_of_the_slide(slide: Example) -> None:
    image = read_rgb(slide.image)
    padded = np.pad(image, ((200, 200), (200, 200), (0, 0)), constant_values=FILL)
    for size in (64, 224):
        for seed in range(8):
            pixels = augmented_crop(slide, size, np.random.default_rng(seed), NONE).pixels
            found = cv2.matchTemplate(padded, pixels, cv2.TM_SQDIFF)
            _, _, (x, y), _ = cv2.minMaxLoc(found)
            assert np.array_equal(padded[y : y + size, x : x + size], pixels)


def test_none_shows_cut_outs_and_frames_as_they_are_in_use(slide: Example) -> None:
    options = LearningOptions(architecture="classifier/tu-test_efficientnet/64", classes=("a", "b"), augment=NONE)
    specimen = specimens_of([slide])[0]
    plain = Cutouts([slide], options, None)[0].pixels
    assert np.array_equal(varied_cutout(specimen, 64, np.random.default_rng(5), NONE).masked(), plain)
    frame = framed_cutout(from_array(read_rgb(slide.image), "slide"), BoxFrame.of(specimen.box))
    assert np.array_equal(varied_frame(specimen, np.random.default_rng(5), NONE).pixels, frame)


def test_colours_that_are_turned_off_are_the_same_bytes(slide: Example) -> None:
    image = read_rgb(slide.image)
    for seed in range(20):
        assert np.array_equal(recoloured(image, np.random.default_rng(seed), NONE), image)


def outlines_of_valves() -> st.SearchStrategy[NDArray[np.float64]]:
    """Return outlines within a field of 160 x 160 pixels: oval, bent and tapered, and rounded as specimens are."""

    def ring(length: float, width: float, bent: float, tapered: float, angle: float) -> NDArray[np.float64]:
        t = np.linspace(0, 2 * np.pi, 72, endpoint=False)
        points = np.column_stack(
            [np.cos(t) * length, np.sin(t) * width * (1 + tapered * np.cos(t)) + bent * np.cos(2 * t)]
        )
        cos, sin = np.cos(angle), np.sin(angle)
        return np.asarray(80 + points @ [[cos, sin], [-sin, cos]])

    return st.builds(
        ring, st.floats(18, 45), st.floats(15, 18), st.floats(-3, 3), st.floats(0, 0.15), st.floats(0, 3.1)
    )


def coverage(polygon: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    """Return a grey picture of a light specimen, in which pixels at its edge are as light as they are covered."""
    fine = targets.rasterize_polygon(8 * polygon, 8 * size).reshape(size, 8, size, 8).mean(axis=(1, 3))
    return np.repeat(np.rint(255 * fine).astype(np.uint8)[..., None], 3, axis=2)


def strayed(mask: NDArray[np.bool_], other: NDArray[np.bool_]) -> bool:
    """Tell whether two masks differ by more than a pixel somewhere."""
    kernel = np.ones((3, 3), np.uint8)
    grown = [cv2.dilate(one.astype(np.uint8), kernel).astype(bool) for one in (mask, other)]
    return bool((mask & ~grown[1]).any() or (other & ~grown[0]).any())


@settings(deadline=None, max_examples=60)
@given(outlines_of_valves(), st.integers(0, 2**31), st.sampled_from(sorted(AUGMENTATIONS)))
def test_the_mask_of_the_moved_outline_is_the_moved_mask(polygon: NDArray[np.float64], seed: int, preset: str) -> None:
    angle = float(geometry.min_area_box(polygon)[4])
    example = Example(Path("field"), (polygon.astype(np.float32),), (angle,), (0,), (0.8, 1.25))
    augment = AugmentOptions.model_validate(preset)
    matrix = crop_matrix(example, (160, 160), 200, np.random.default_rng(seed), augment.geometry(), target=0)
    crop = warp_to_crop(coverage(polygon, 160), example, matrix, 200)
    seen = crop.pixels[..., 0] > 127
    rings = [*crop.polygons, *(ring for ring, _ in crop.remnants)]
    asked = np.any([targets.rasterize_polygon(ring, 200) for ring in rings], axis=0) if rings else np.zeros_like(seen)
    assert not strayed(asked, seen)
    for ring, box, (x0, y0, x1, y1) in zip(crop.polygons, crop.oriented, crop.upright, strict=True):
        # Boxes hold their outline, and touch it on all four sides.
        np.testing.assert_allclose([x0, y0, x1, y1], [*ring.min(axis=0), *ring.max(axis=0)], atol=1e-6)
        np.testing.assert_allclose(box_along_axis(ring, box[4]), box, atol=1e-4)
        corners = geometry.corners(box[None])[0]
        assert all(cv2.pointPolygonTest(corners.astype(np.float32), p.tolist(), True) > -1e-2 for p in ring)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.sampled_from(["usual", "strong", "handed", "none"]))
def test_the_masks_of_cut_outs_and_frames_lie_on_their_specimens(slide_of_one: Example, seed: int, preset: str) -> None:
    still = dict.fromkeys(("contrast", "brightness", "saturation", "hue", "grey", "invert", "blur"), 0.0)
    still |= {"defocus": 0.0, "noise": 0.0, "jpeg": 0.0, "boxed": 0.0}
    augment = AugmentOptions.model_validate({"preset": preset, **still})
    specimen = specimens_of([slide_of_one])[0]
    cutout = varied_cutout(specimen, 128, np.random.default_rng(seed), augment)
    frame = varied_frame(specimen, np.random.default_rng(seed), augment)
    for pixels, mask, known in (
        (cutout.pixels, cutout.distance == 0, cutout.inside),
        (frame.pixels, frame.mask > 0, frame.inside),
    ):
        dark = (pixels[..., 0] < 128) & known
        assert not strayed(mask & known, dark)


@pytest.fixture(scope="module")
def slide_of_one(tmp_path_factory: pytest.TempPathFactory) -> Example:
    """Return a slide with one dark specimen on white, which no turn and no flip leaves as it is."""
    t = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    # Rounded, as specimens are: drawing with margins takes in a pixel beyond a sharp corner.
    along, across = 210 * np.cos(t) + 20 * np.cos(2 * t), 80 * np.sin(t) + 15 * np.cos(t)
    ring = np.array([310.0, 290.0]) + np.column_stack([along, across]) @ [[0.95, 0.3], [-0.3, 0.95]]
    mask = targets.rasterize_polygon(ring, 640)
    path = tmp_path_factory.mktemp("one") / "slide.png"
    cv2.imwrite(str(path), np.repeat(np.where(mask, 0, 255).astype(np.uint8)[..., None], 3, axis=2))
    return Example(path, (ring.astype(np.float32),), (0.3,), (0,))


def test_dic_and_handed_never_flip_and_dic_never_turns(slide: Example) -> None:
    signs, axes = {}, {}
    for preset in ("usual", "dic", "handed"):
        shape = AugmentOptions.model_validate(preset).geometry()
        found = [crop_matrix(slide, (240, 200), 96, np.random.default_rng(k), shape)[:, :2] for k in range(60)]
        signs[preset] = {float(np.sign(np.linalg.det(linear))) for linear in found}
        axes[preset] = {round(float(np.arctan2(linear[1, 0], linear[0, 0])), 1) % 6.3 for linear in found}
    assert signs == {"usual": {-1.0, 1.0}, "dic": {1.0}, "handed": {1.0}}
    assert axes["dic"] == {0.0}
    assert len(axes["handed"]) > 4


def test_handed_cut_outs_stand_either_way_up_and_are_never_mirrored() -> None:
    handed = AugmentOptions.model_validate("handed")
    views = {mirrored_view(np.random.default_rng(k), handed) for k in range(30)}
    assert views == {(False, False), (True, True)}
    usual = {mirrored_view(np.random.default_rng(k), AugmentOptions()) for k in range(30)}
    assert len(usual) == 4
    assert {mirrored_view(np.random.default_rng(k), NONE) for k in range(30)} == {(False, False)}


def test_a_model_is_validated_on_crops_that_are_neither_turned_nor_flipped(slide: Example) -> None:
    shape = unvaried(AugmentOptions.model_validate("strong"))
    for seed in range(10):
        linear = crop_matrix(slide, (240, 200), 96, np.random.default_rng(seed), shape)[:, :2]
        np.testing.assert_allclose(linear, linear[0, 0] * np.eye(2), atol=1e-12)
        assert 0.5 <= linear[0, 0] <= 1.0


def test_without_scaling_an_image_is_shown_at_its_own_scale(slide: Example) -> None:
    known = Example(slide.image, slide.outlines, slide.angles, slide.class_ids, (0.5, 0.72), own_scale=0.6)
    for example, own in ((slide, 1.0), (known, 0.6)):
        assert example.scale_between(0.3, 0.0) == pytest.approx(own)
        assert example.scale_between(0.0, 1.0) == pytest.approx(example.scales[0])
        assert example.scale_between(1.0, 1.0) == pytest.approx(example.scales[1])
    assert random_crop(known, 64, np.random.default_rng(0), NONE.geometry()).pixels.shape == (64, 64, 3)


def test_a_preset_is_a_name_or_a_name_with_changes() -> None:
    assert AugmentOptions.model_validate("usual") == AugmentOptions()
    changed = AugmentOptions.model_validate({"preset": "strong", "blur": 0.9})
    assert changed == AugmentOptions.model_validate({**AUGMENTATIONS["strong"], "blur": 0.9})
    assert changed.model_fields_set == {"blur"}
    for wrong, words in (("stronger", "these are usual, none"), ({"preset": 3}, "3 is not an augmentation")):
        with pytest.raises(ValueError, match=words):
            AugmentOptions.model_validate(wrong)


@pytest.mark.parametrize("earlier", EARLIER_NAMES)
def test_saved_settings_keep_their_meaning_under_earlier_names(earlier: str) -> None:
    name = EARLIER_NAMES[earlier]
    assert AugmentOptions.model_validate({earlier: 0.1}) == AugmentOptions.model_validate({name: 0.1})
    with pytest.raises(ValueError, match=f"{earlier} is an earlier name of {name}"):
        AugmentOptions.model_validate({earlier: 0.1, name: 0.1})
