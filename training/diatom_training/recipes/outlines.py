"""Train ``diatom-outline`` in cycles: ``python -m diatom_training.recipes.outlines --checkpoint FOLDER --minutes 90``.

Each cycle goes on from the checkpoint in the folder, or, where there is none, from the weights of the bundled model, or
of ``diatom-deeplab`` for another architecture. It renders what is missing of the training fields, trains, outlines
rendered fields of a seed of their own, which the network never learns from, and prints its figures as one line of JSON,
which ``figures.jsonl`` in the folder keeps.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from diatom_training.data.examples import Example, example_truth, from_coco, load_truth, reaches_edge
from diatom_training.data.rendered_examples import render_set
from diatom_training.evaluation.outlined_tests import GivenBoxes, detected_boxes, outline_images, upright_boxes
from diatom_training.evaluation.test_set import TestImage
from diatom_training.learning.fitting import Fitting, Trained
from diatom_training.learning.memory_allocator import keep_freed_memory
from diatom_training.learning.options import AugmentOptions, LearningOptions
from diatom_training.learning.train import train
from diatom_training.metrics.outline_figures import OutlineErrors, outline_figures_of
from diatom_training.recipes.masks import trainable_network
from diatom_training.recipes.training_material import OPTICS, TEST_STATION, TRAIN_STATIONS, weighted
from napari_diatom.core.detections import CUT_BY_EDGE
from napari_diatom.core.errors import DiatomError, InputError, Stopped
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.engines import outline_net
from napari_diatom.engines.backends import TorchBackend
from napari_diatom.engines.model_writer import write_model
from napari_diatom.engines.outline import BoxOutliner
from napari_diatom.engines.weights import read_weights
from napari_diatom.images.slide_image import open_images
from napari_diatom.models import library
from napari_diatom.models.card import ModelFacts
from napari_diatom.models.library import ModelFolder

NAME: Final = "diatom-outline"
VERSION: Final = "1.0"
FIRST_START: Final = "diatom-deeplab"
"""The model whose weights the first training started from."""
FIELDS_SEED: Final = 20261201
SELECTION_SEED: Final = 20261202
FIELD_SIDE: Final = 800
NEEDLES: Final = 0.4
"""Share of the fields that show needles and their chains."""
RENDERING_SHARE: Final = 0.4
"""Share of a cycle's minutes that may go into rendering; what is missing then is rendered in the next cycle."""
FEWEST_FIELDS: Final = 40
REAL_SHARE: Final = 0.12
"""Share of the specimens that come from real slides, where they are given."""
FIGURES_FILE: Final = "figures.jsonl"
KINDS: Final[Mapping[str, GivenBoxes]] = {"oriented": detected_boxes, "upright": upright_boxes}
"""Boxes that each cycle is measured in."""
OPTIONS: Final = LearningOptions(
    architecture=outline_net.ARCHITECTURE,
    batch=16,
    epochs=60,
    crops=1024,
    validation_crops=160,
    rate=1.5e-3,
    warmup=60,
    frozen_epochs=0,
    backbone_rate=0.5,
    augment=AugmentOptions(invert=0.03, blur=0.25, jpeg=0.25),
    workers=0,
    seed=31,
)


@dataclass(frozen=True)
class OutlineMaterial:
    """How much of what is trained on.

    Attributes
    ----------
    fields, selection_fields : int
        Rendered ones to learn from, and to measure each cycle on.
    side : int
        Of a field in pixels.
    real : Path or None
        A folder with ``annotations.coco.json`` and ``images/``.
    stations : tuple of str
        Of the real slides that are learnt from.
    """

    fields: int = 1600
    selection_fields: int = 32
    side: int = FIELD_SIDE
    real: Path | None = None
    stations: tuple[str, ...] = TRAIN_STATIONS

    def __post_init__(self) -> None:
        """Refuse the station that figures are taken on."""
        if TEST_STATION in self.stations:
            raise InputError(f"Station {TEST_STATION} is the test set; nothing is trained on it. Leave it out.")


def cycle(
    work: Path,
    minutes: float,
    options: LearningOptions = OPTIONS,
    material: OutlineMaterial | None = None,
    export: Path | None = None,
    monitor: ProgressMonitor = UNWATCHED,
) -> dict[str, Any]:
    """Go on with the training for some minutes, write the model into ``work`` and return the cycle's figures.

    Parameters
    ----------
    work : Path
        Folder of the rendered fields, of ``last.ckpt``, of ``figures.jsonl`` and of the model as it then is.
    minutes : float
        After which no further epoch is begun; at least one is finished.
    options : LearningOptions
        How to train; those of the cycles before.
    material : OutlineMaterial, optional
        What to train on.
    export : Path, optional
        Write the model into a folder there, too.
    monitor : ProgressMonitor
        The contract of long work.

    Raises
    ------
    InputError
        When the folder holds a training under other options, or the real slides cannot be read.
    Stopped
        When a stop was asked for before an epoch was finished.
    """
    material = material or OutlineMaterial()
    began = time.monotonic()
    examples = _examples(work, material, began + 60 * minutes * RENDERING_SHARE, monitor)
    selection = _rendered(work / "selection", material.selection_fields, SELECTION_SEED, material.side, None, monitor)
    rendering_s = time.monotonic() - began
    trained = _trained(work, examples, selection, options, began + 60 * minutes, monitor)
    figures: dict[str, Any] = {
        "epochs": len(trained.history),
        "of_epochs": options.epochs,
        "specimens_seen": len(trained.history) * options.crops,
        "images": len(examples),
        "rendering_s": round(rendering_s, 1),
        **{name: round(value, 4) for name, value in trained.history[-1].items()},
    }
    model = _write(work / NAME, trained, options, material, {})
    # In torch: what is measured between two cycles need not be prepared for the processor.
    engine = BoxOutliner(model, "cpu", backend=TorchBackend(model, "cpu"))
    tested = outline_images(engine, [_tested(field) for field in selection], tuple(KINDS.values()), SELECTION_SEED)
    for name, errors in zip(KINDS, tested.errors, strict=True):
        figures |= {f"{name}_{key}": round(value, 4) for key, value in _measured(errors).items()}
    figures["minutes"] = round((time.monotonic() - began) / 60, 2)
    with (work / FIGURES_FILE).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(figures) + "\n")
    if export is not None:
        chosen = ("oriented_mean_iou", "oriented_ap50", "oriented_ap75", "upright_mean_iou", "upright_ap50")
        _write(export / NAME, trained, options, material, {name: figures[name] for name in chosen})
    return figures


def _tested(field: Example) -> TestImage:
    """Return a rendered field as a test image; what its edge cuts has no length to compare with."""
    [image] = open_images(field.image)
    cut = [CUT_BY_EDGE * reaches_edge(outline, image.width, image.height) for outline in field.outlines]
    truth = replace(example_truth(field), cut=np.array(cut, dtype=np.uint8))
    return TestImage(image, field.group, truth, outlines=field.outlines)


def _measured(errors: OutlineErrors) -> dict[str, float]:
    """Return the figures of a cycle: those of a report, under the names that the card of the model has."""
    found = outline_figures_of(errors)
    return {
        "specimens": len(errors.iou),
        "mean_iou": found["outline_iou"],
        "median_iou": float(np.median(errors.iou)),
        "mean_dice": found["outline_dice"],
        "ap50": found["mask_ap50"],
        "ap75": found["mask_ap75"],
        **{name: found[name] for name in ("flagged", "length_error", "box_length_error")},
    }


def _examples(work: Path, material: OutlineMaterial, until: float, monitor: ProgressMonitor) -> list[Example]:
    """Return what to train on, weighted so that each source gets its share."""
    rendered = _rendered(work / "fields", material.fields, FIELDS_SEED, material.side, until, monitor)
    if material.real is None:
        return weighted(rendered, 1.0)
    slides = from_coco(
        material.real / "annotations.coco.json", material.real / "images", groups=sorted(material.stations)
    )
    if not slides:
        raise InputError(f"{material.real} has no images of the stations {', '.join(material.stations)}.")
    return weighted(rendered, 1 - REAL_SHARE) + weighted(slides, REAL_SHARE)


def _rendered(
    folder: Path, count: int, seed: int, side: int, until: float | None, monitor: ProgressMonitor
) -> list[Example]:
    """Return rendered fields, fewer than ``count`` where the time is up, but :data:`FEWEST_FIELDS` at least."""

    def late() -> bool:
        return monitor.should_stop() or (until is not None and time.monotonic() > until)

    paths = [folder / f"{index:06d}.jpg" for index in range(count)]
    render = partial(render_set, folder, seed=seed, size=side, needles=NEEDLES)
    fewest = min(count, FEWEST_FIELDS)
    if not all(path.exists() for path in paths[:fewest]):
        render(fewest, monitor=monitor)
    if not all(path.exists() for path in paths):
        with contextlib.suppress(Stopped):
            render(count, monitor=ProgressMonitor(monitor.report, late))
        monitor.check()
    return [load_truth(path) for path in paths if path.exists()]


def _trained(
    work: Path,
    examples: Sequence[Example],
    selection: Sequence[Example],
    options: LearningOptions,
    until: float,
    monitor: ProgressMonitor,
) -> Trained:
    """Train until the time is up, or to the end, and return what the last finished epoch left."""
    last: list[Trained] = []
    previous = time.monotonic()

    def look(history: Sequence[Mapping[str, float]], pictures: Sequence[NDArray[np.uint8]], trained: Any) -> None:
        nonlocal previous
        last[:] = [trained()]
        now = time.monotonic()
        # Pictures come with an epoch that this cycle has done: the next one takes as long.
        if len(pictures) and now + (now - previous) > until:
            raise Stopped("The minutes of this cycle are over.")
        previous = now

    try:
        start = _start(options).state_dict()
        return train(Fitting(examples, options, work, validation=selection, start=start), monitor, look=look)
    except Stopped:
        if not last:
            raise
        return last[0]


def _start(options: LearningOptions) -> torch.nn.Module:
    """Return the bundled network with its weights where its architecture is asked for, else the first start."""
    bundled = library.resolve_model(NAME)
    if bundled.card.architecture != options.architecture:
        return trainable_network(library.resolve_model(FIRST_START))
    network = outline_net.build(options.architecture)
    read_weights(network, bundled.weights)
    return network


def _write(
    folder: Path, trained: Trained, options: LearningOptions, material: OutlineMaterial, metrics: Mapping[str, float]
) -> ModelFolder:
    """Write the model as it is."""
    real = ", ".join(material.stations) if material.real else ""
    return write_model(
        folder,
        trained.network,
        ModelFacts(
            name=NAME,
            version=VERSION,
            task="outlines",
            engine="outline",
            architecture=options.architecture,
            classes=options.classes,
            tile_size=outline_net.TILE,
            summary=f"The outline of the diatom in a box, oriented or upright, from any detector or person; {OPTICS}.",
            licence="AGPL-3.0-or-later",
            metrics=metrics,
            training={
                "recipe": "python -m diatom_training.recipes.outlines",
                "options": options.model_dump(mode="json"),
                "epochs_done": len(trained.history),
                "rendered_fields": material.fields,
                "rendered_seed": FIELDS_SEED,
                "selection_seed": SELECTION_SEED,
                **({"real_slides": f"Marzidovsek et al. 2024 (MIT licence), stations {real}"} if real else {}),
                "held_out_station": TEST_STATION,
                "started_from": FIRST_START,
                "history": [{key: round(value, 5) for key, value in epoch.items()} for epoch in trained.history],
            },
        ),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one cycle."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder for rendered fields and checkpoints")
    parser.add_argument("--minutes", type=float, default=90.0, help="length of this cycle (%(default)s)")
    parser.add_argument("--real", type=Path, help="folder with annotations.coco.json and images/")
    parser.add_argument("--stations", nargs="+", default=list(TRAIN_STATIONS), help="of the real slides (%(default)s)")
    parser.add_argument("--fields", type=int, default=OutlineMaterial.fields, help="rendered fields (%(default)s)")
    parser.add_argument("--selection-fields", type=int, default=OutlineMaterial.selection_fields, help="(%(default)s)")
    parser.add_argument("--side", type=int, default=FIELD_SIDE, help="of a rendered field in pixels (%(default)s)")
    parser.add_argument("--epochs", type=int, default=OPTIONS.epochs, help="of the whole training (%(default)s)")
    parser.add_argument("--crops", type=int, default=OPTIONS.crops, help="specimens an epoch (%(default)s)")
    parser.add_argument("--batch", type=int, default=OPTIONS.batch, help="specimens a step (%(default)s)")
    parser.add_argument("--architecture", default=OPTIONS.architecture, help="(%(default)s)")
    parser.add_argument("--export", type=Path, help=f"write the model into the folder {NAME} there")
    chosen = parser.parse_args(arguments)
    cv2.setNumThreads(torch.get_num_threads())
    keep_freed_memory()

    def report(progress: Progress) -> None:
        if progress.stage in ("epoch", "memory") or progress.done % 50 == 0:
            numbers = " ".join(f"{key} {value:.4g}" for key, value in progress.values.items())
            print(f"{progress.stage} {progress.done}/{progress.total} {progress.message}{numbers}", flush=True)

    changed = {name: getattr(chosen, name) for name in ("epochs", "crops", "batch", "architecture")}
    try:
        material = OutlineMaterial(
            chosen.fields, chosen.selection_fields, chosen.side, chosen.real, tuple(chosen.stations)
        )
        options = OPTIONS.model_copy(update=changed)
        figures = cycle(chosen.checkpoint, chosen.minutes, options, material, chosen.export, ProgressMonitor(report))
    except DiatomError as error:
        parser.exit(2, f"{error}\n")
    print(json.dumps(figures), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
