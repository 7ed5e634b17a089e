"""How many burned-in scale bars are found, how right their lengths are and whether their labels are read.

Bars of the kinds that microscopes' programs draw, in white, black and colours, plain, with ticks or in a box, with the
label above or below or none, are drawn onto rendered fields; the same fields without a bar, some with a caption, should
give none.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from fields import SET_UP
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from diatom_training.synthesis.distribution import draw_options
from diatom_training.synthesis.render import render_field
from napari_diatom.images.scale_bar import ScaleBar, find_scale_bar
from napari_diatom.images.slide_image import from_array

WITHIN_PX, LEAST_WITHIN = 1.0, 0.95
LABELS = ("1 µm", "2 µm", "5 µm", "10 µm", "20 µm", "25 µm", "50 µm", "100 µm", "200 µm", "0.5 µm", "2.5 µm", "500 nm",
          "10µm", "20µm", "50µm", "5um", "10 um", "20 um", "50 um", "100um", "0.1 mm", "1 mm")  # fmt: skip
FONTS = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif.ttf", "DejaVuSansMono-Bold.ttf", "STIXGeneralBol.ttf")
INKS = ((255, 255, 255), (255, 255, 255), (0, 0, 0), (0, 0, 0), (255, 0, 0), (255, 255, 0))


@dataclass(frozen=True, eq=False)
class Drawn:
    """A field with a bar.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (H, W, 3)
        RGB.
    length_px : float
        Of the bar.
    label : str
        Empty where none was written.
    kind : str
        How it was drawn.
    """

    pixels: NDArray[np.uint8]
    length_px: float
    label: str
    kind: str


def main() -> int:
    """Draw bars, find them, and print how right they are."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="scale_bar.py"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--bars", type=int, default=200, help="how many, and as many fields without (%(default)s)")
    parser.add_argument("--fields", type=int, default=200, help="rendered fields these are taken from (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn (%(default)s)")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the first twelve bars there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    fields = [_field(rng, options.seed * 100_000 + k) for k in range(min(options.fields, options.bars))]
    drawn = [_with_bar(rng, _variant(rng, fields[k % len(fields)])) for k in range(options.bars)]
    found = [find_scale_bar(from_array(item.pixels, "field")) for item in drawn]
    bare = [_variant(rng, fields[k % len(fields)]) for k in range(options.bars)]
    false = [bar for bar in (find_scale_bar(from_array(pixels, "field")) for pixels in bare) if bar is not None]
    figures = _figures(drawn, found, len(false), options.bars)
    for name, value in figures.items():
        print(f"{name:34}{value:10.4g}")
    for k, (item, bar) in enumerate(zip(drawn, found, strict=True)):
        read = "" if bar is None or bar.label is None else bar.label.text
        if bar is None or abs(bar.length_px - item.length_px) > WITHIN_PX:
            print(f"{k}: {item.kind}, {item.length_px:.1f} px, found {None if bar is None else bar.length_px}")
        elif item.label and read.replace(" ", "") != item.label.replace(" ", "").replace("um", "µm"):
            print(f"{k}: {item.kind}, {item.label!r} read as {read!r}")
    for bar in false:
        print(f"found where there is none: {bar}")
    if options.picture:
        tiles = [cv2.resize(item.pixels[..., ::-1], (420, 320), interpolation=cv2.INTER_AREA) for item in drawn[:12]]
        rows = [np.concatenate(tiles[at : at + 4], axis=1) for at in range(0, len(tiles) - 3, 4)]
        cv2.imwrite(str(options.picture), np.concatenate(rows))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    met = figures["within 1 px"] >= LEAST_WITHIN and not false
    print("targets: " + ("met" if met else "missed"))
    return 0 if met else 1


def _figures(drawn: list[Drawn], found: list[ScaleBar | None], false: int, bare: int) -> dict[str, float]:
    """Return the shares and errors."""
    errors = [abs(bar.length_px - item.length_px) for item, bar in zip(drawn, found, strict=True) if bar is not None]
    right = wrong = labelled = 0
    for item, bar in zip(drawn, found, strict=True):
        if item.label:
            labelled += 1
            read = "" if bar is None or bar.label is None else bar.label.text.replace(" ", "")
            right += read == item.label.replace(" ", "").replace("um", "µm")
            wrong += bool(read) and read != item.label.replace(" ", "").replace("um", "µm")
        else:
            wrong += bar is not None and bar.label is not None
    return {
        "bars": float(len(drawn)),
        "found": float(len(errors)),
        "within 1 px": sum(error <= WITHIN_PX for error in errors) / len(drawn),
        "median error in px": float(np.median(errors)) if errors else float("nan"),
        "with a label": float(labelled),
        "labels read right": right / max(labelled, 1),
        "labels read wrong": wrong / len(drawn),
        "fields without a bar": float(bare),
        "found there": float(false),
    }


def _field(rng: np.random.Generator, seed: int) -> NDArray[np.uint8]:
    """Render a field without a scale bar."""
    height, width = ((480, 640), (600, 800), (640, 640))[int(rng.integers(3))]
    options = draw_options(rng, height, width)
    most = min(options.specimens[1], 12)
    options = replace(options, scale_bar=False, bit_depth=8, specimens=(min(options.specimens[0], most), most))
    pixels = render_field(options, seed).image
    return np.asarray(pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2), dtype=np.uint8)


def _variant(rng: np.random.Generator, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a field as another slide might show it: larger or smaller."""
    scale = float(rng.choice((0.8, 1.0, 1.0, 1.5)))
    size = (round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def _with_bar(rng: np.random.Generator, pixels: NDArray[np.uint8]) -> Drawn:
    """Draw a bar, its label and what goes with them."""
    height, width = pixels.shape[:2]
    length, thick = int(rng.uniform(0.06, 0.4) * width), int(rng.integers(2, max(4, height // 60)))
    ink = INKS[int(rng.integers(len(INKS)))]
    kind = str(rng.choice(("plain", "ticks", "boxed")))
    label = str(rng.choice(LABELS)) if rng.random() < 0.85 else ""
    above = rng.random() < 0.5
    text = int(np.clip(rng.uniform(0.025, 0.06) * height, 12, 48))
    room = text + 12 if label else 8
    margin = 14
    x = int(rng.uniform(margin + 4, width - length - margin - 4))
    y = height - thick - room - margin if rng.random() < 0.7 else room + margin
    local = pixels[y - 3 : y + thick + 3, x : x + length].reshape(-1, 3)
    if kind != "boxed" and np.abs(local.mean(axis=0) - ink).max() < 90:
        # Nobody draws in a colour that cannot be seen.
        ink = (0, 0, 0) if local.mean() > 128 else (255, 255, 255)
    canvas = Image.fromarray(pixels)
    pen = ImageDraw.Draw(canvas)
    if kind == "boxed":
        paper = (255, 255, 255) if sum(ink) < 300 else (0, 0, 0)
        top, bottom = (y - room, y + thick + 8) if above else (y - 8, y + thick + room)
        pen.rectangle((x - 12, top, x + length + 11, bottom), fill=paper)
    pen.rectangle((x, y, x + length - 1, y + thick - 1), fill=ink)
    if kind == "ticks":
        tick = int(rng.integers(3, 7))
        for at in (x, x + length - max(2, thick // 2)):
            pen.rectangle((at, y - tick, at + max(2, thick // 2) - 1, y + thick - 1 + tick), fill=ink)
        room += tick
    if label:
        gap = 4 + (7 if kind == "ticks" else 0)
        canvas = _labelled(
            rng, canvas, label, ink, (x + length // 2, y - gap if above else y + thick + gap), above, text
        )
    stored = np.asarray(canvas, dtype=np.uint8)
    quality = int(rng.integers(75, 97)) if rng.random() < 0.5 else 0
    if quality:
        coded = cv2.imencode(".jpg", stored[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        stored = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1], dtype=np.uint8)
    return Drawn(stored, float(length), label, f"{kind} {ink} {thick} px, JPEG {quality}")


def _labelled(
    rng: np.random.Generator,
    canvas: Image.Image,
    label: str,
    ink: tuple[int, int, int],
    place: tuple[int, int],
    above: bool,
    size: int,
) -> Image.Image:
    """Write a label with its foot, or its head, at a place."""
    if rng.random() < 0.25:
        pixels = np.array(canvas)
        font = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX)[int(rng.integers(2))]
        text = label.replace("µ", "u")
        scale = size * 0.72 / cv2.getTextSize("0", font, 1.0, 1)[0][1]
        weight = max(1, round(size / 16))
        wide, high = cv2.getTextSize(text, font, scale, weight)[0]
        at = (place[0] - wide // 2, place[1] if above else place[1] + high)
        cv2.putText(pixels, text, at, font, scale, ink, weight, cv2.LINE_AA)
        return Image.fromarray(pixels)
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    name = str(rng.choice(FONTS)) if rng.random() < 0.8 else ""
    font_ = ImageFont.truetype(str(folder / name), size) if name else ImageFont.load_default(size)
    # Pillow's own font has no µ.
    label = label if name else label.replace("µ", "u")
    ImageDraw.Draw(canvas).text(place, label, fill=ink, font=font_, anchor="md" if above else "mt")
    return canvas


if __name__ == "__main__":
    raise SystemExit(main())
