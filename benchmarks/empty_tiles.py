"""Tiles that are not computed because they are provably empty: faint specimens lost, and the share that is spared.

Each specimen is rendered alone and without noise. Its contrast, the root mean square of what it changes within its
outline, is set to 1 to 3 standard deviations of the noise that it is then laid into: white in three channels, the same
in all of them, in soft lumps, of a Bayer mosaic, or brighter where the light is; on an uneven background, mostly as
it is, else through JPEG. A specimen is lost when its tile is called empty.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from fields import SET_UP
from numpy.typing import NDArray

from diatom_training.synthesis import FieldOptions, Modality, draw_options, render_field
from napari_diatom import engines
from napari_diatom.analysis.pipeline import AnalysisOptions, analyse, plan_scales
from napari_diatom.core.errors import InputError
from napari_diatom.images.slide_image import SlideImage, find_images, from_array, open_images
from napari_diatom.models import library
from napari_diatom.tiling.empty_tiles import EmptyTiles
from napari_diatom.tiling.tiles import plan_tiles, prefetch

NOISES = ("white", "grey", "soft", "mosaic", "shot")
LIGHTS: tuple[Modality, ...] = ("bright-field", "dic", "phase-contrast")
MARGIN = 40
"""Pixels round a specimen that go into the tile with it."""
SIDES = (640, 640, 640, 1024)
"""Of the tiles, one drawn for each."""
POOL = 1280
"""Pixels a side of the noise that tiles are cut from, turned and with its channels exchanged."""
JPEG_SHARE, JPEG_QUALITY = 0.35, (75, 98)
LENGTHS = (40.0, 500.0)
OVERLAP = 0.25
DEBRIS = (0.0, 0.002, 0.005, 0.01)
"""Of the sparse fields; the usual fields have 0.4 on average."""
SPARSE_LENGTHS = (40.0, 300.0)
"""Of the specimens in sparse fields."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Row:
    """A tile: what is in it, and whether it was called empty."""

    noise: str
    jpeg: bool
    contrast: float
    area: int
    length: float
    width: float
    family: str
    light: str
    empty: bool
    seconds: float


def main() -> int:
    """Print what is lost and spared."""
    options = _parser().parse_args()
    began = time.perf_counter()
    figures: dict[str, Any] = {}
    each = -(-options.tiles // options.specimens)
    if options.tiles:
        work = partial(_rows, each=each, seed=options.seed, contrasts=tuple(options.contrast))
        with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
            rows: list[Row] = []
            for made in pool.imap(work, range(options.specimens)):
                rows += made
                if len(rows) % 1000 <= each:
                    lost = sum(row.empty for row in rows if row.family)
                    seconds = time.perf_counter() - began
                    print(f"  {len(rows):,} tiles, {lost} specimens lost, {seconds:.0f} s", flush=True)
        figures["faint"] = _told([row for row in rows if row.family], "tiles with a faint specimen", "lost")
        figures["noise"] = _told([row for row in rows if not row.family], "tiles of noise alone", "spared")
    if options.fields:
        figures["sparse"] = _sparse(options)
    for folder in options.images:
        figures.setdefault("images", {})[folder.name] = _share(_opened(folder), options.model, folder.name)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="empty_tiles.py"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--tiles", type=int, default=10_000, help="with a faint specimen each (%(default)s)")
    parser.add_argument("--specimens", type=int, default=400, help="rendered for them (%(default)s)")
    parser.add_argument("--contrast", type=float, nargs=2, default=(1.0, 3.0), help="in deviations (%(default)s)")
    parser.add_argument("--fields", type=int, default=12, help="sparse ones for each amount of debris (%(default)s)")
    parser.add_argument("--compare", action="store_true", help="count the sparse fields with all tiles, too")
    parser.add_argument("--quality", type=int, metavar="Q", help="of JPEG, for the sparse fields; without, no JPEG")
    parser.add_argument("--images", type=Path, nargs="*", default=[], help="folders of photographs to look at besides")
    parser.add_argument("--model", default=library.DEFAULT, help="whose tiles are taken (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="another seed gives others (%(default)s)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="(%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return parser


def _rows(index: int, each: int, seed: int, contrasts: tuple[float, float]) -> list[Row]:
    """Render a specimen, lay it into tiles, and look at them, and at one tile without it."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng((seed, index))
    rendered = None
    while rendered is None:
        rendered = _specimen(rng)
    changes, facts = rendered
    return [_row(rng, changes, facts, contrasts) for _ in range(each)] + [_row(rng, None, {}, contrasts)]


def _specimen(rng: np.random.Generator) -> tuple[Floats, dict[str, Any]] | None:
    """Return what a specimen changes in an image, of root mean square 1 within its outline; None where none is seen."""
    light = LIGHTS[int(rng.integers(3))]
    length = float(np.exp(rng.uniform(*np.log(LENGTHS))))
    side = min(round(1.2 * length) + 3 * MARGIN, min(SIDES))
    options = FieldOptions(
        height=side,
        width=side,
        pixel_size_um=float(np.exp(rng.uniform(math.log(0.06), math.log(0.4)))),
        modality=light,
        specimens=(1, 1),
        length_px=(length, length),
        debris=0.0,
        needle_share=0.4,
        chain_share=0.0,
        bit_depth=16,
        contrast=float(rng.uniform(0.3, 1)),
        defocus=float(rng.uniform(0, 0.6)),
        blur_px=float(rng.uniform(0.6, 1.9)),
        noise=0.0,
        uneven_light=0.0,
    )
    field = render_field(options, int(rng.integers(2**31)))
    if len(field.truth) != 1 or not field.truth.masks:
        return None
    image = field.image.astype(np.float32) / 65535
    changes = image - np.median(image, axis=(0, 1))
    [mask] = field.truth.masks
    height, width = mask.pixels.shape
    within = changes.mean(axis=-1)[mask.y0 : mask.y0 + height, mask.x0 : mask.x0 + width][mask.pixels]
    contrast = float(np.sqrt(np.mean(np.square(within)))) if within.size else 0.0
    if contrast < 1e-4 or field.truth.boxes[0, 2] < LENGTHS[0] / 2:
        return None
    top, left = max(mask.y0 - MARGIN, 0), max(mask.x0 - MARGIN, 0)
    cut = changes[top : mask.y0 + height + MARGIN, left : mask.x0 + width + MARGIN] / contrast
    _, _, length, breadth, _ = field.truth.boxes[0].tolist()
    family = field.truth.classes[int(field.truth.class_ids[0])]
    return np.asarray(cut, dtype=np.float32), {
        "area": int(mask.pixels.sum()),
        "length": length,
        "width": breadth,
        "family": family,
        "light": light,
    }


def _row(
    rng: np.random.Generator, changes: Floats | None, facts: dict[str, Any], contrasts: tuple[float, float]
) -> Row:
    """Make a tile, and look whether it is empty."""
    kind, side = NOISES[int(rng.integers(len(NOISES)))], SIDES[int(rng.integers(len(SIDES)))]
    contrast = float(rng.uniform(*contrasts))
    deviation = float(np.exp(rng.uniform(math.log(0.8), math.log(8))))
    quality = int(rng.integers(*JPEG_QUALITY)) if rng.random() < JPEG_SHARE else None
    y = np.linspace(-1, 1, side, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, side, dtype=np.float32)[None, :]
    light = 1 - np.float32(rng.uniform(0, 0.1)) * ((x - rng.normal(0, 0.3)) ** 2 + (y - rng.normal(0, 0.3)) ** 2)
    light = np.asarray(light + np.float32(rng.normal(0, 0.03)) * x, dtype=np.float32)[..., None]
    colour = np.float32(rng.uniform(60, 200)) * (1 + 0.05 * rng.standard_normal(3)).astype(np.float32)
    noise = _noise(rng, kind, side)
    shown = light * (np.full(3, colour[0]) if kind == "grey" else colour)
    shown = shown + np.float32(deviation) * (noise * np.sqrt(light) if kind == "shot" else noise)
    if changes is not None:
        turned = np.rot90(changes, int(rng.integers(4)))
        turned = np.repeat(turned.mean(axis=-1, keepdims=True), 3, axis=2) if kind == "grey" else turned
        height, width = turned.shape[:2]
        top, left = int(rng.integers(side - height + 1)), int(rng.integers(side - width + 1))
        shown[top : top + height, left : left + width] += np.float32(contrast * deviation) * turned
    pixels = np.clip(np.rint(shown), 0, 255).astype(np.uint8)
    if quality is not None:
        written = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        pixels = np.asarray(cv2.imdecode(written, cv2.IMREAD_COLOR), dtype=np.uint8)
    judge = EmptyTiles(from_array(pixels, "tile"))
    judge.noise  # noqa: B018 - measured once for an image, and not part of the time of a tile
    started = time.process_time()
    empty = judge.is_empty(pixels, 1.0)
    seconds = time.process_time() - started
    nothing: dict[str, Any] = {"area": 0, "length": 0.0, "width": 0.0, "family": "", "light": ""}
    return Row(kind, quality is not None, contrast, empty=empty, seconds=seconds, **(nothing | facts))


def _noise(rng: np.random.Generator, kind: str, side: int) -> Floats:
    """Return noise of unit deviation, shape (side, side, 3)."""
    pool = _pool(kind, int(rng.integers(2)))
    y, x = rng.integers(0, POOL - side + 1, 2)
    cut = np.rot90(pool[y : y + side, x : x + side], int(rng.integers(4)))
    return np.asarray(cut[..., rng.permutation(3)], dtype=np.float32)


@lru_cache(maxsize=2 * len(NOISES))
def _pool(kind: str, number: int) -> NDArray[np.float16]:
    """Return a field of noise."""
    rng = np.random.default_rng((NOISES.index(kind), number))
    grain = rng.standard_normal((POOL, POOL, 3), dtype=np.float32)
    if kind == "grey":
        grain = np.repeat(grain[..., :1], 3, axis=2)
    elif kind == "soft":
        grain = np.asarray(cv2.GaussianBlur(grain, (0, 0), (0.5, 0.9)[number]), dtype=np.float32)
    elif kind == "mosaic":
        mosaic = np.clip(grain[..., 0] * 2500 + 32768, 0, 65535).astype(np.uint16)
        grain = cv2.cvtColor(mosaic, cv2.COLOR_BayerRG2RGB).astype(np.float32) - 32768
    return np.asarray(grain / grain.std(), dtype=np.float16)


def _told(rows: Sequence[Row], title: str, verdict: str) -> dict[str, Any]:
    """Print how many of some tiles were called empty, and return it."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[f"{row.noise}{', JPEG' if row.jpeg else ''}"].append(row)
    empty = [row for row in rows if row.empty]
    milliseconds = 1000 * float(np.median([row.seconds for row in rows]))
    print(f"\n{len(rows):,} {title}: {len(empty):,} {verdict}, {milliseconds:.1f} ms each (median, processor time)")
    for name, group in sorted(groups.items()):
        print(f"  {name:16}{len(group):7,}{sum(row.empty for row in group):7,} {verdict}")
    if verdict == "lost":
        for row in empty:
            print(f"  lost: {asdict(row)}")
    return {
        "tiles": len(rows),
        verdict: len(empty),
        "milliseconds": milliseconds,
        "by noise": {name: [len(group), sum(row.empty for row in group)] for name, group in groups.items()},
    }


def _sparse(options: argparse.Namespace) -> dict[str, Any]:
    """Look at rendered fields with at most three specimens and hardly any debris."""
    found = {}
    engine = engines.load(library.resolve_model(options.model), "cpu", options.processes) if options.compare else None
    for debris in DEBRIS:
        fields = []
        for index in range(options.fields):
            rng = np.random.default_rng((options.seed, 7, index))
            drawn = draw_options(rng, 1536, 2048, subject="classic")
            drawn = replace(drawn, specimens=(0, 3), debris=debris, chain_share=0.0, scale_bar=False, caption=False)
            quality = options.quality if drawn.bit_depth == 8 else None
            drawn = replace(drawn, length_px=SPARSE_LENGTHS, jpeg_quality=quality)
            fields.append(from_array(render_field(drawn, index).image, f"field {index}"))
        found[f"{debris:g}"] = _share(fields, options.model, f"sparse fields, debris {debris:g}")
        if engine is not None:
            counts = [
                [len(analyse(field, engine, AnalysisOptions(all_tiles=every)).kept) for field in fields]
                for every in (True, False)
            ]
            print(f"    specimens of each field with all tiles {counts[0]}, without empty ones {counts[1]}")
            found[f"{debris:g}"]["specimens"] = counts
    return found


def _share(images: Sequence[SlideImage], model: str, title: str) -> dict[str, Any]:
    """Print the share of empty tiles at each scale, and return it."""
    tile = library.resolve_model(model).card.tile_size
    tiles: dict[str, list[bool]] = defaultdict(list)
    for image in images:
        judge = EmptyTiles(image)
        for scale in plan_scales(image.height, image.width, tile, None, None):
            size = max(round(image.height * scale), 1), max(round(image.width * scale), 1)
            windows = plan_tiles(*size, tile, OVERLAP)
            is_empty = partial(judge.is_empty, scale=scale)
            tiles[f"{scale:g}"] += [made.empty for made in prefetch(image, windows, scale, is_empty=is_empty)]
        image.release()
    every = [empty for found in tiles.values() for empty in found]
    scales = ", ".join(f"{sum(found)}/{len(found)} at {scale}" for scale, found in tiles.items())
    print(f"{title}: {len(images)} images, {sum(every)} of {len(every)} tiles are empty ({scales})", flush=True)
    return {"images": len(images), "tiles": len(every), "empty": sum(every), "share": sum(every) / max(len(every), 1)}


def _opened(folder: Path) -> list[SlideImage]:
    """Return the photographs of a folder."""
    paths = find_images([str(folder)])
    if not paths:
        raise InputError(f"{folder} holds no images.")
    return [image for path in paths for image in open_images(path)]


if __name__ == "__main__":
    raise SystemExit(main())
