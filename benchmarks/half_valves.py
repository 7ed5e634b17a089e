"""How many halves of valves are taken for valves, with and without the rule that drops parts of surer specimens.

A half is a detection that is not a specimen of the truth, lies in one by three quarters of its area, and has more than
0.55 of its length along the same axis.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from unittest import mock

import numpy as np
from command import run
from fields import SET_UP
from numpy.typing import NDArray

from diatom_training.metrics.detection_metrics import match
from diatom_training.synthesis import RenderedField, draw_options, render_field
from napari_diatom import engines
from napari_diatom.analysis import pipeline
from napari_diatom.core import geometry
from napari_diatom.core.detections import Detections
from napari_diatom.engines.protocols import AnyEngine, MapEngine
from napari_diatom.images.slide_image import from_array
from napari_diatom.models import library
from napari_diatom.tiling import scale_merging

INSIDE, LONG, ONE_AXIS, ROUND = 0.75, 0.55, np.deg2rad(12.0), 1.2
"""Of a half: least share of its area and length in a specimen, most angle; specimens rounder than that have no axis."""
SHOWN: Final[dict[str, dict[str, Any]]] = {
    "single valves": {"chain_share": 0.0, "needle_share": 0.0, "specimens": (3, 6)},
    "ribbons": {"chain_share": 1.0, "needle_share": 0.0, "specimens": (6, 12)},
}
"""What the fields of each kind show."""


@dataclass
class Tally:
    """Counts over fields."""

    specimens: int = 0
    found: int = 0
    right: int = 0
    halves: int = 0

    def add(self, truth: Detections, found: Detections) -> None:
        """Count what was found in a field at the threshold."""
        self.specimens += len(truth)
        self.found += len(found)
        self.right += len(match(truth, found)[0])
        self.halves += int(halves(truth, found).sum())

    def to_json(self) -> dict[str, float]:
        """Return the counts and what is computed of them."""
        return {
            "specimens": self.specimens,
            "found": self.found,
            "halves": self.halves,
            "halves per 100": 100 * self.halves / max(self.specimens, 1),
            "precision": self.right / max(self.found, 1),
            "recall": self.right / max(self.specimens, 1),
        }


def main() -> int:
    """Run a model over rendered fields and print its figures with and without the rule."""
    return run(_parser(), _run)


def _run(options: argparse.Namespace) -> int:
    model = library.resolve_model(options.model)
    engine = engines.load(model, options.device)
    if isinstance(engine, MapEngine):
        print(f"{model.card.name} gives maps; choose a model that finds specimens.", file=sys.stderr)
        return 2
    thresholds = options.threshold or [model.card.threshold()]
    rows: list[dict[str, float | str]] = []
    print(f"{model.card.name} {model.card.version}\n")
    print(
        f"{'fields':16}{'threshold':>10} {'rule':9}{'specimens':>10}{'found':>7}{'halves':>8}{'per 100':>9}"
        f"{'precision':>11}{'recall':>8}"
    )
    for kind in SHOWN:
        tallies = {(at, rule): Tally() for at in thresholds for rule in ("without", "with")}
        for number, field in enumerate(_fields(kind, options.fields, options.seed, options.side)):
            before, after = _found(field, engine, min(thresholds))
            for (at, rule), tally in tallies.items():
                tally.add(field.truth, (before if rule == "without" else after).above(at))
            if options.overlays:
                _draw(options.overlays / f"{kind.replace(' ', '-')}-{number:03d}.png", field, before, after)
        for (at, rule), tally in tallies.items():
            rows.append({"fields": kind, "threshold": at, "rule": rule} | tally.to_json())
            print(
                f"{kind:16}{at:10.2f} {rule:9}{tally.specimens:10d}{tally.found:7d}{tally.halves:8d}"
                f"{rows[-1]['halves per 100']:9.2f}{rows[-1]['precision']:11.3f}{rows[-1]['recall']:8.3f}"
            )
    if options.json:
        data = {"model": model.card.name, "version": model.card.version, "figures": rows}
        options.json.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="half_valves.py"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", default=library.DEFAULT, help="name, folder or file of a model (%(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (%(default)s)")
    parser.add_argument(
        "--threshold", type=float, nargs="+", help="scores from which detections count (the model's own)"
    )
    parser.add_argument("--fields", type=int, default=30, help="how many of each kind (%(default)s)")
    parser.add_argument("--seed", type=int, default=2026, help="another seed gives other fields (%(default)s)")
    parser.add_argument("--side", type=int, default=896, help="of a field, in pixels (%(default)s)")
    parser.add_argument("--overlays", type=Path, metavar="DIR", help="draw truth (green), what stays (orange) and goes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return parser


def _fields(kind: str, count: int, seed: int, side: int) -> Iterator[RenderedField]:
    """Yield rendered fields of a kind; the same seed gives the same fields."""
    for index in range(count):
        rng = np.random.default_rng((seed, index))
        drawn = draw_options(rng, side, side, needle_weight=0.0)
        lengths = (0.06 * side, 0.45 * side)
        options = replace(drawn, length_px=lengths, **SHOWN[kind])
        yield render_field(options, seed=int(rng.integers(2**31)))


def _found(field: RenderedField, engine: AnyEngine, threshold: float) -> tuple[Detections, Detections]:
    """Return the specimens before the rule and after it, down to the threshold or lower."""
    before: list[Detections] = []
    rule = scale_merging.without_parts

    def recorded(found: Detections, counts_from: float) -> Detections:
        before.append(found)
        return rule(found, counts_from)

    with mock.patch.object(scale_merging, "without_parts", recorded):
        image = from_array(field.image, f"field {field.seed}")
        analysis = pipeline.analyse(image, engine, pipeline.AnalysisOptions(threshold=threshold))
    return before[0] if before else analysis.detections, analysis.detections


def halves(truth: Detections, found: Detections) -> NDArray[np.bool_]:
    """Return which detections are halves of specimens, shape (N,)."""
    is_half = np.zeros(len(found), dtype=bool)
    unmatched = np.setdiff1d(np.arange(len(found)), match(truth, found)[0])
    if not len(unmatched) or not len(truth):
        return is_half
    piece, whole = (rows.ravel() for rows in np.meshgrid(unmatched, np.arange(len(truth)), indexing="ij"))
    part, valve = found.boxes[piece].astype(np.float64), truth.boxes[whole].astype(np.float64)
    turn = np.abs(np.mod(part[:, 4] - valve[:, 4] + np.pi / 2, np.pi) - np.pi / 2)
    along = (turn <= ONE_AXIS) | (valve[:, 2] < ROUND * valve[:, 3])
    inside = geometry.intersections(part, valve) >= INSIDE * geometry.box_areas(part)
    is_half[piece[inside & along & (part[:, 2] > LONG * valve[:, 2])]] = True
    return is_half


def _draw(path: Path, field: RenderedField, before: Detections, after: Detections) -> None:
    """Draw the truth (green), what stays (orange) and what goes (red) on a field."""
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = field.image if field.image.dtype == np.uint8 else (field.image >> 8).astype(np.uint8)
    picture = np.ascontiguousarray((pixels if pixels.ndim == 3 else np.stack([pixels] * 3, axis=-1))[..., ::-1])
    kept = {tuple(box) for box in after.boxes.tolist()}
    gone = np.array([tuple(box) not in kept for box in before.boxes.tolist()], dtype=bool)
    for boxes, colour in (
        (field.truth.boxes, (60, 200, 60)),
        (after.boxes, (0, 140, 255)),
        (before.boxes[gone], (0, 0, 255)),
    ):
        rings = [np.rint(ring).astype(np.int32) for ring in geometry.corners(boxes)]
        cv2.polylines(picture, rings, True, colour, 2 if colour[2] == 60 else 1, cv2.LINE_AA)
    cv2.imwrite(str(path), picture)


if __name__ == "__main__":
    raise SystemExit(main())
