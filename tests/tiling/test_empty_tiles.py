"""Empty tiles: noise of every kind is told from the faintest specimens, and what is doubtful is computed."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from napari_diatom.images.slide_image import from_array
from napari_diatom.tiling.camera_noise import CameraNoise, grey_levels, noise_of
from napari_diatom.tiling.empty_tiles import EmptyTiles
from napari_diatom.tiling.flatness import line_sums

SIDE = 384


def noise_like(kind: str, rng: np.random.Generator, side: int = SIDE) -> np.ndarray:
    """Return noise of unit deviation, shape (side, side, 3)."""
    grain = rng.standard_normal((side, side, 3), dtype=np.float32)
    if kind == "grey":
        grain = np.repeat(grain[..., :1], 3, axis=2)
    elif kind == "soft":
        grain = cv2.GaussianBlur(grain, (0, 0), 0.7)
    elif kind == "mosaic":
        mosaic = np.clip(grain[..., 0] * 2500 + 32768, 0, 65535).astype(np.uint16)
        grain = cv2.cvtColor(mosaic, cv2.COLOR_BayerRG2RGB).astype(np.float32) - 32768
    return grain / grain.std()


def field(kind: str, rng: np.random.Generator, change: np.ndarray | float = 0.0, quality: int | None = None):
    """Return a tile: vignetted light, noise of a random deviation, and a change in such deviations."""
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    light = 170 * (1 - 0.08 * (x**2 + (y - 0.2) ** 2) + 0.02 * x)
    deviation = rng.uniform(1.0, 6.0)
    change = np.asarray(change)
    shown = light[..., None] + deviation * (noise_like(kind, rng) + (change[..., None] if change.ndim else change))
    pixels = np.clip(np.rint(shown), 0, 255).astype(np.uint8)
    if quality is not None:
        pixels = cv2.imdecode(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
    return np.ascontiguousarray(pixels)


def specimen(shape: str, rng: np.random.Generator) -> np.ndarray:
    """Return what a specimen changes, of root mean square 1 within its outline: a rim and, in some, an inside."""
    length = rng.uniform(60, 200)
    width = {"needle": rng.uniform(4, 8), "valve": length / 4, "round": length / 2}[shape]
    axes = (length / 2, width / 2) if shape != "round" else (width / 2, width / 2)
    centre = rng.uniform(0.3 * SIDE, 0.7 * SIDE, 2)
    outline = cv2.ellipse2Poly(
        tuple(centre.astype(int).tolist()), tuple(max(round(a), 2) for a in axes), int(rng.uniform(0, 180)), 0, 360, 3
    )
    mask = cv2.fillPoly(np.zeros((SIDE, SIDE), np.uint8), [outline], 1)
    drawn = rng.uniform(0, 1) * mask.astype(np.float32)
    drawn = cv2.GaussianBlur(cv2.polylines(drawn, [outline], True, -1.5, 2), (0, 0), 0.8)
    return drawn / np.sqrt(np.mean(drawn[mask > 0] ** 2))


def is_empty(pixels: np.ndarray, scale: float = 1.0) -> bool:
    return EmptyTiles(from_array(pixels, "tile")).is_empty(pixels, scale)


@pytest.mark.parametrize("kind", ["white", "grey", "soft", "mosaic"])
@pytest.mark.parametrize("shape", ["needle", "valve", "round"])
def test_no_faint_specimen_is_lost(kind, shape):
    rng = np.random.default_rng(["needle", "valve", "round"].index(shape))
    lost = [
        contrast
        for contrast in np.linspace(1, 3, 20)
        if is_empty(field(kind, rng, contrast * specimen(shape, rng), 90 if rng.random() < 0.4 else None))
    ]
    assert lost == []


@pytest.mark.parametrize(
    ("kind", "quality", "least"),
    [("white", None, 9), ("grey", None, 9), ("soft", None, 6), ("mosaic", None, 7), ("grey", 90, 8)],
)
def test_noise_alone_is_mostly_empty(kind, quality, least):
    rng = np.random.default_rng(1)
    assert sum(is_empty(field(kind, rng, quality=quality)) for _ in range(10)) >= least


def test_a_painted_background_is_empty_and_a_level_on_it_is_not():
    flat = np.full((SIDE, SIDE, 3), 200, np.uint8)
    assert is_empty(flat)
    flat[100:130, 100:130] = 199
    assert not is_empty(flat)
    white = np.full((SIDE, SIDE, 3), 255, np.uint8)
    assert is_empty(white)
    white[-12:, -12:] = 240
    assert not is_empty(white)


def test_what_lies_at_the_edge_is_seen():
    rng = np.random.default_rng(2)
    for place in (np.s_[:, :12], np.s_[:, -12:], np.s_[:12], np.s_[-12:]):
        change = np.zeros((SIDE, SIDE), np.float32)
        change[place] = -1.5
        assert not is_empty(field("white", rng, change))


def test_a_colour_alone_is_seen():
    rng = np.random.default_rng(3)
    pixels = field("white", rng).astype(np.int16)
    pixels[150:200, 150:200] += np.array([12, 0, -12])
    assert not is_empty(np.clip(pixels, 0, 255).astype(np.uint8))


def test_an_even_texture_is_not_the_noise_of_the_image():
    rng = np.random.default_rng(4)
    wide = np.clip(np.rint(180 + 2 * noise_like("grey", rng, 1200)), 0, 255).astype(np.uint8)
    inside = np.clip(np.rint(180 + 6 * noise_like("grey", rng)), 0, 255).astype(np.uint8)
    assert is_empty(inside)
    wide[400 : 400 + SIDE, 400 : 400 + SIDE] = inside
    judge = EmptyTiles(from_array(wide, "slide"))
    assert not judge.is_empty(inside, 1.0)
    assert judge.is_empty(np.ascontiguousarray(wide[-SIDE:, -SIDE:]), 1.0)


def test_small_tiles_are_computed():
    assert not is_empty(np.full((255, 600, 3), 200, np.uint8))


def test_a_tile_is_judged_alike_at_any_time():
    rng = np.random.default_rng(5)
    pixels = field("soft", rng, quality=92)
    assert len({is_empty(pixels.copy()) for _ in range(3)}) == 1
    found = noise_of(grey_levels(pixels))
    np.testing.assert_array_equal(found, noise_of(grey_levels(np.asfortranarray(pixels))))


def test_noise_is_measured_and_follows_the_scale():
    rng = np.random.default_rng(6)
    pixels = np.clip(np.rint(150 + 6 * noise_like("grey", rng, 1024)), 0, 255).astype(np.uint8)
    # Half of the slide is full of specimens.
    pixels[:500] = rng.integers(0, 255, (500, 1024, 1))
    image = from_array(pixels, "slide")
    noise = CameraNoise.of(image)
    np.testing.assert_allclose(noise.deviations, (3, 1.5, 0.75), rtol=0.15)
    for scale in (1.0, 0.5, 0.25):
        tile = image.read(0, 520, 1024, 1024, scale)
        np.testing.assert_allclose(noise.at(scale), noise_of(grey_levels(tile, 3)), rtol=0.2)
    assert CameraNoise.of(from_array(np.full((300, 300), 9, np.uint8), "flat")).at(0.5).max() == 0


def test_lines_are_summed_in_all_slopes():
    plane = np.random.default_rng(7).random((16, 21)).astype(np.float32)
    *_, sums = line_sums(plane, 3)
    assert sums.shape == (2, 8, 21)
    straight = plane[8:16].sum(axis=0)
    np.testing.assert_allclose(sums[1, 0], straight, rtol=1e-6)
    steep = sum(plane[k, k : k + 10] for k in range(8))
    np.testing.assert_allclose(sums[0, 7, :10], steep, rtol=1e-6)
    assert sums[0, 7, 17:].max() == 0
