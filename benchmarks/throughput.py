"""Images a second over a folder of fields, against SAHI's sliced prediction with the same weights.

Both work from the files to the specimens, each in a separate process, in turn, block by block, while the other waits:
what else the machine does falls on both alike.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from fields import SET_UP, rendered

from diatom_training.metrics.detection_metrics import evaluate
from napari_diatom.analysis.pipeline import FLOOR
from napari_diatom.core.detections import Detections
from napari_diatom.models import library

OVERLAP = 0.25
"""Of neighbouring tiles, as a share of their side."""

Counter = Callable[[Path], Detections]
Answer = tuple[float, list[Detections]]


@dataclass(frozen=True)
class Job:
    """What both programs are given."""

    model: str
    weights: Path
    device: str
    postprocess: str


def main() -> int:
    """Time both programs in turn and print images a second and AP50 of each."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        model = library.resolve_model(options.model)
        from diatom_training.recipes.ultralytics_export import to_ultralytics

        weights = to_ultralytics(model, work / "weights.pt")
        paths, truths = _write_fields(work / "fields", options.fields, options.seed, options.processes)
        job = Job(options.model, weights, options.device, options.sahi_postprocess)
        with _worker(_ours, job) as ours, _worker(_sahi, job) as sahi:
            programs = {"napari-diatom": ours, "SAHI": sahi}
            for program in programs.values():
                _ask(program, paths[:1])
            seconds = dict.fromkeys(programs, 0.0)
            found: dict[str, list[Detections]] = {name: [] for name in programs}
            for turn, first in enumerate(range(0, len(paths), options.block)):
                names = list(programs)[:: 1 if turn % 2 == 0 else -1]
                for name in names:
                    took, detections = _ask(programs[name], paths[first : first + options.block])
                    seconds[name] += took
                    found[name] += detections
    sizes = [(1536, 2048)] * len(paths)
    figures = {
        name: {
            "images_per_second": len(paths) / seconds[name],
            "ap50": evaluate(truths, found[name], sizes, model.card.threshold()).ap50,
        }
        for name in programs
    }
    ratio = figures["napari-diatom"]["images_per_second"] / figures["SAHI"]["images_per_second"]
    gain = figures["napari-diatom"]["ap50"] - figures["SAHI"]["ap50"]
    print(f"{len(paths)} fields of 2048 x 1536, tiles of {model.card.tile_size} px, overlap {OVERLAP:.0%}\n")
    print(f"{'':16}{'images/s':>10}{'AP50':>8}")
    for name, figure in figures.items():
        print(f"{name:16}{figure['images_per_second']:10.3f}{figure['ap50']:8.3f}")
    print(f"{'':16}{f'x {ratio:.2f}':>10}{gain:+8.3f}")
    if options.json:
        data = {"programs": figures, "ratio": ratio, "ap50_gain": gain, "fields": len(paths)}
        options.json.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="throughput.py"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", default=library.DEFAULT, help="name, folder or file of a YOLO model (%(default)s)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps, for both (%(default)s)")
    parser.add_argument("--fields", type=int, default=24, help="how many to render (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="another seed gives other fields (%(default)s)")
    parser.add_argument("--block", type=int, default=4, help="fields in turn (%(default)s)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="to render with (%(default)s)")
    parser.add_argument(
        "--sahi-postprocess",
        choices=("GREEDYNMM", "NMM", "NMS"),
        default="GREEDYNMM",
        help="how SAHI merges tiles (%(default)s, its own default)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return parser


def _write_fields(folder: Path, count: int, seed: int, processes: int) -> tuple[list[Path], list[Detections]]:
    """Render fields into a folder of JPEG files; returns them with their truth."""
    import cv2

    folder.mkdir()
    paths, truths = [], []
    for field in rendered(count, seed, 1536, 2048, processes):
        path = folder / f"{field.image.name}.jpg"
        pixels = field.image.read(0, 0, field.image.width, field.image.height)
        cv2.imwrite(str(path), np.ascontiguousarray(pixels[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 95])
        paths.append(path)
        truths.append(field.truth)
    return paths, truths


@contextmanager
def _worker(program: Callable[[Job], Counter], job: Job) -> Iterator[Connection]:
    """Start a process that keeps one program loaded."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(program, job, there), daemon=True)
    process.start()
    there.close()
    try:
        yield here
    finally:
        here.close()
        process.join()


def _serve(program: Callable[[Job], Counter], job: Job, connection: Connection) -> None:
    """Answer lists of files with the seconds that they took, and what was found."""
    count = program(job)
    while True:
        try:
            paths = connection.recv()
        except EOFError:
            return
        began = time.perf_counter()
        found = [count(path) for path in paths]
        connection.send((time.perf_counter() - began, found))


def _ask(connection: Connection, paths: Sequence[Path]) -> Answer:
    connection.send(paths)
    answer: Answer = connection.recv()
    return answer


def _ours(job: Job) -> Counter:
    """Return napari-diatom's way from a file to detections."""
    from napari_diatom import engines
    from napari_diatom.analysis.pipeline import AnalysisOptions, analyse
    from napari_diatom.images.slide_image import open_images

    engine = engines.load(library.resolve_model(job.model), job.device)

    def count(path: Path) -> Detections:
        [image] = open_images(path)
        return analyse(image, engine, AnalysisOptions(overlap=OVERLAP)).detections

    return count


def _sahi(job: Job) -> Counter:
    """Return SAHI's way from a file to detections."""
    from sahi import AutoDetectionModel
    from sahi.predict import get_sliced_prediction

    tile = library.resolve_model(job.model).card.tile_size
    model = AutoDetectionModel.from_pretrained(
        model_type="ultralytics",
        model_path=str(job.weights),
        confidence_threshold=FLOOR,
        device=job.device,
        image_size=tile,
    )

    def count(path: Path) -> Detections:
        result = get_sliced_prediction(
            str(path),
            model,
            slice_height=tile,
            slice_width=tile,
            overlap_height_ratio=OVERLAP,
            overlap_width_ratio=OVERLAP,
            postprocess_type=job.postprocess,
            verbose=0,
        )
        return _from_sahi(result.object_prediction_list)

    return count


def _from_sahi(predictions: Sequence[Any]) -> Detections:
    """Return SAHI's predictions as boxes; its oriented boxes are polygons."""
    from napari_diatom.core import geometry

    boxes = []
    for prediction in predictions:
        if prediction.mask is not None:
            points = np.concatenate([np.reshape(part, (-1, 2)) for part in prediction.mask.segmentation])
            boxes.append(geometry.min_area_box(points))
        else:
            x0, y0, x1, y1 = prediction.bbox.to_xyxy()
            boxes.append(np.array([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, 0.0]))
    return Detections.of(np.array(boxes).reshape(-1, 5), scores=[prediction.score.value for prediction in predictions])


if __name__ == "__main__":
    raise SystemExit(main())
