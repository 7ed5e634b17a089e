"""How well a model finds diatoms: average precision, counts, angles and lengths against the truth.

Boxes are compared as boxes, masks as masks; of a semantic model the class map is compared too. With ``--outlines`` a
second model outlines the specimens in the boxes, and masks and refined boxes are compared as well.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from command import run
from fields import SET_UP, Field, frozen, photographs, rendered
from numpy.typing import NDArray
from outlined_boxes import OutlinedField, outline_figures, print_outlines, to_json

from diatom_training.metrics.detection_metrics import (
    Metrics,
    angle_errors_deg,
    best_threshold,
    evaluate,
    length_errors,
    match,
)
from diatom_training.metrics.mask_metrics import MapMetrics, confusion, draw_class_map, map_metrics
from diatom_training.synthesis import SUBJECTS
from napari_diatom import engines
from napari_diatom.analysis.outlining import outline_specimens
from napari_diatom.analysis.pipeline import Analysis, AnalysisOptions, analyse
from napari_diatom.core import geometry
from napari_diatom.core.detections import Detections
from napari_diatom.core.mask_polygons import trace
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.models import library

ELONGATIONS = (("up to 1.5", 0.0, 1.5), ("1.5 to 5", 1.5, 5.0), ("5 to 15", 5.0, 15.0), ("above 15", 15.0, np.inf))
"""Groups of specimens by length/width."""


@dataclass(frozen=True)
class Outcome:
    """What is kept of a field once it is analysed."""

    truth: Detections
    found: Detections
    size: tuple[int, int]
    group: str
    table: NDArray[np.int64] | None = None
    """Pixels by true and found class, of a semantic model; which class is not asked for."""


def main() -> int:
    """Run a model over fields and print its figures."""
    return run(_parser(), _run)


def _run(options: argparse.Namespace) -> int:
    model = library.resolve_model(options.model)
    engine = engines.load(model, options.device)
    outliner = (
        engines.load_outliner(library.resolve_model(options.outlines), options.device) if options.outlines else None
    )
    outlined: list[OutlinedField] = []
    settings = AnalysisOptions(threshold=options.threshold)
    threshold = model.card.threshold() if options.threshold is None else options.threshold
    task = model.card.task
    masks = task in ("semantic", "instances")
    outcomes: list[Outcome] = []
    for number, field in enumerate(_fields(options), start=1):
        analysis = analyse(field.image, engine, settings, ProgressMonitor(_dots(number)))
        truth = field.upright if task == "boxes" else field.truth
        table = _table(truth, analysis) if task == "semantic" else None
        outcomes.append(Outcome(truth, analysis.detections, (analysis.height, analysis.width), field.group, table))
        if outliner is not None:
            found = outline_specimens(field.image, analysis.detections, outliner)
            name, size = f"{number}", (analysis.height, analysis.width)
            given = replace(analysis.detections, masks=None)
            outlined.append(OutlinedField(name, field.group, field.truth, truth, given, found, size))
        if options.overlays:
            _draw(options.overlays, field, truth, analysis)
    if sys.stderr.isatty():
        print(end="\r\033[K", file=sys.stderr)
    if not outcomes:
        print("There is no field to look at.", file=sys.stderr)
        return 2
    groups = {"all": outcomes} | {
        group: [outcome for outcome in outcomes if outcome.group == group]
        for group in sorted({outcome.group for outcome in outcomes})
    }
    figures = {name: _evaluate(some, threshold, masks) for name, some in groups.items()}
    maps = {
        name: map_metrics(np.sum([o.table for o in some], axis=0))
        for name, some in groups.items()
        if task == "semantic"
    }
    elongations = _by_elongation(outcomes, threshold, masks)
    print(f"{model.card.name} {model.card.version}, threshold {threshold:.2f}, {engine.device}\n")
    _print_figures(figures)
    print()
    if options.subjects is not None:
        found = {name: metrics.ap50 for name, metrics in figures.items() if name != "all"}
        least = min(found, key=found.__getitem__)
        print(f"AP50 over the subjects: mean {np.mean(list(found.values())):.3f}, least {found[least]:.3f} ({least})\n")
    if maps:
        _print_maps(maps)
        print()
    _print_elongations(elongations)
    best, f1 = best_threshold([o.truth for o in outcomes], [o.found for o in outcomes], masks)
    of_outlines = outline_figures(outlined, threshold, slides=bool(options.coco)) if outlined else {}
    if of_outlines:
        print()
        print_outlines(of_outlines)
    print(f"\nBest F1 on these fields: {f1:.3f} at a threshold of {best:.2f}")
    if options.json:
        data = {
            "model": model.card.name,
            "version": model.card.version,
            "sha256": model.card.sha256,
            "threshold": threshold,
            "best_threshold": best,
            "figures": {name: metrics.to_json() for name, metrics in figures.items()},
            "maps": {name: metrics.to_json() for name, metrics in maps.items()},
            "by_elongation": elongations,
            "outlines": to_json(of_outlines),
        }
        options.json.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="accuracy.py --fields 100"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", default=library.DEFAULT, help="name, folder or file of a model (%(default)s)")
    parser.add_argument("--outlines", metavar="MODEL", help="outline the specimens in the boxes with this model")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (%(default)s)")
    parser.add_argument("--threshold", type=float, help="score from which detections count (the model's own)")
    fresh = parser.add_argument_group("fresh rendered fields")
    fresh.add_argument("--fields", type=int, default=100, help="how many (%(default)s)")
    fresh.add_argument(
        "--subjects",
        nargs="*",
        metavar="NAME",
        help="as many fields of each of these families, colonies and lights, of all where none is named",
    )
    fresh.add_argument("--seed", type=int, default=2025, help="another seed gives other fields (%(default)s)")
    fresh.add_argument("--size", default="1536x2048", help="height x width in pixels (%(default)s)")
    fresh.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="to render with (%(default)s)")
    kept = parser.add_argument_group("or fields that were kept")
    kept.add_argument("--frozen", type=Path, metavar="DIR", help="a folder that frozen_fields.py wrote")
    real = parser.add_argument_group("or photographs outlined by hand")
    real.add_argument("--coco", type=Path, help="COCO file with polygons")
    real.add_argument("--images", type=Path, help="folder of its images (that of the COCO file)")
    real.add_argument("--station", help="only images with this part before the last in their names, such as 0035")
    parser.add_argument("--overlays", type=Path, metavar="DIR", help="draw truth (green) and detections (orange) there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return parser


def _fields(options: argparse.Namespace) -> Iterator[Field]:
    if options.coco:
        return photographs(options.coco, options.images or options.coco.parent, options.station)
    if options.frozen:
        return (field.to_field() for field in frozen(options.frozen))
    height, width = (int(side) for side in options.size.split("x"))
    if options.subjects is None:
        return rendered(options.fields, options.seed, height, width, options.processes)
    subjects = options.subjects or list(SUBJECTS)
    return rendered(options.fields * len(subjects), options.seed, height, width, options.processes, subjects)


def _dots(number: int) -> Callable[[Progress], None]:
    """Return a report that keeps one line of the terminal up to date."""

    def report(progress: Progress) -> None:
        if sys.stderr.isatty():
            line = f"field {number}: tile {progress.done} of {progress.total}"
            print(f"\r{line}\033[K", end="", file=sys.stderr, flush=True)

    return report


def _evaluate(outcomes: Sequence[Outcome], threshold: float, masks: bool) -> Metrics:
    truths, found = [o.truth for o in outcomes], [o.found for o in outcomes]
    return evaluate(truths, found, [o.size for o in outcomes], threshold, masks)


def _table(truth: Detections, analysis: Analysis) -> NDArray[np.int64]:
    """Count pixels by what they are and what they were found to be: background or diatom."""
    true = draw_class_map(truth, analysis.height, analysis.width) > 0
    return confusion(true.astype(np.uint8), (analysis.class_map > 0).astype(np.uint8), 1)


def _print_figures(figures: dict[str, Metrics]) -> None:
    print(
        f"{'fields':16}{'number':>8}{'specimens':>11}{'AP50':>8}{'AP50-95':>9}{'precision':>11}{'recall':>8}{'F1':>7}"
        f"{'count error':>20}{'angle error':>13}{'length error':>14}"
    )
    for name, m in figures.items():
        count = f"{m.count_error:.2f} ({100 * m.relative_count_error:.1f} %)"
        print(
            f"{name:16}{m.images:8d}{m.specimens:11d}{m.ap50:8.3f}{m.ap50_95:9.3f}{m.precision:11.3f}{m.recall:8.3f}"
            f"{m.f1:7.3f}{count:>20}{m.angle_error_deg:11.2f}°{100 * m.length_error:12.2f} %"
        )


def _print_maps(figures: dict[str, MapMetrics]) -> None:
    print(f"{'class maps':16}{'mIoU':>8}{'Dice':>8}{'IoU':>8}{'pixel accuracy':>16}")
    for name, m in figures.items():
        print(f"{name:16}{m.miou:8.3f}{m.dice:8.3f}{m.iou:8.3f}{m.pixel_accuracy:16.4f}")


def _by_elongation(outcomes: Sequence[Outcome], threshold: float, masks: bool) -> list[dict[str, float | str | None]]:
    """Return how many specimens of each elongation were found, and how well."""
    rows: list[dict[str, float | str | None]] = []
    for name, low, high in ELONGATIONS:
        specimens = matched = 0
        angles, lengths = [np.empty(0)], [np.empty(0)]
        for outcome in outcomes:
            found = outcome.found.above(threshold)
            which, whose = match(outcome.truth, found, masks=masks)
            ratio = outcome.truth.boxes[:, 2] / outcome.truth.boxes[:, 3]
            chosen = (ratio >= low) & (ratio < high)
            ours = chosen[whose]
            specimens, matched = specimens + int(chosen.sum()), matched + int(ours.sum())
            angles.append(angle_errors_deg(outcome.truth[whose[ours]], found[which[ours]]))
            lengths.append(length_errors(outcome.truth[whose[ours]], found[which[ours]]))
        angle, length = np.concatenate(angles), np.concatenate(lengths)
        rows.append(
            {
                "length_width_ratio": name,
                "specimens": specimens,
                "recall": matched / specimens if specimens else None,
                "angle_error_deg": float(np.median(angle)) if len(angle) else None,
                "length_error": float(np.median(length)) if len(length) else None,
            }
        )
    return rows


def _print_elongations(rows: Sequence[dict[str, float | str | None]]) -> None:
    def number(value: float | str | None, digits: int, factor: float = 1, unit: str = "") -> str:
        return f"{factor * value:.{digits}f}{unit}" if isinstance(value, float) else "-"

    print(f"{'length/width':16}{'specimens':>11}{'recall':>8}{'angle error':>13}{'length error':>14}")
    for row in rows:
        print(
            f"{row['length_width_ratio']:16}{row['specimens']:11d}{number(row['recall'], 3):>8}"
            f"{number(row['angle_error_deg'], 2, unit='°'):>13}{number(row['length_error'], 2, 100, ' %'):>14}"
        )


def _draw(folder: Path, field: Field, truth: Detections, analysis: Analysis) -> None:
    """Draw truth and detections on the field, as a JPEG of at most 1600 pixels."""
    import cv2

    folder.mkdir(parents=True, exist_ok=True)
    scale = min(1.0, 1600 / max(analysis.height, analysis.width))
    picture = field.image.read(0, 0, analysis.width, analysis.height, scale)[..., ::-1].copy()
    for detections, colour, thickness in ((truth, (60, 200, 60), 2), (analysis.kept, (0, 140, 255), 1)):
        if detections.masks is None:
            rings = list(geometry.corners(detections.boxes))
        else:
            rings = [ring for mask in detections.masks for polygon in trace(mask) for ring in polygon]
        drawn = [np.rint(ring * scale).astype(np.int32) for ring in rings]
        cv2.polylines(picture, drawn, True, colour, thickness, cv2.LINE_AA)
    for box, score in zip(analysis.kept.boxes, analysis.kept.scores, strict=True):
        at = (int(box[0] * scale), int(box[1] * scale))
        cv2.putText(picture, f"{score:.2f}", at, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 140, 255), 1, cv2.LINE_AA)
    cv2.imwrite(str(folder / f"{Path(analysis.image).stem}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 90])


if __name__ == "__main__":
    raise SystemExit(main())
