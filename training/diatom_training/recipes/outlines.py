"""Train ``diatom-outline`` in cycles: ``python -m diatom_training.recipes.outlines --checkpoint FOLDER --minutes 90``.

Each cycle goes on from the checkpoint in the folder, or, where there is none, from the weights of the bundled model, or
of ``diatom-deeplab`` for another architecture. It renders what is missing of the training fields, trains, outlines
rendered fields of a seed of their own, which the network never learns from, and prints its figures as one line of JSON,
which ``figures.jsonl`` in the folder keeps.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from diatom_training.data.examples import Example, example_truth, from_coco, reaches_edge
from diatom_training.data.rendered_examples import render_set
from diatom_training.evaluation.outlined_tests import GivenBoxes, detected_boxes, outline_images, upright_boxes
from diatom_training.evaluation.test_set import TestImage
from diatom_training.finetune.initial_weights import trainable_network
from diatom_training.learning.augment_options import AugmentOptions
from diatom_training.learning.fitting import Fitting, Trained
from diatom_training.learning.options import LearningOptions
from diatom_training.metrics.outline_figures import OutlineErrors, outline_figures_of
from diatom_training.recipes.cycles import (
    RENDERING_SHARE,
    check_stations,
    chosen_options,
    cycle_parser,
    keep_figures,
    progress_figures,
    rendered_until,
    rounded_history,
    run_cycle,
    train_until,
)
from diatom_training.recipes.training_material import OPTICS, TEST_STATION, TRAIN_STATIONS, weighted
from napari_diatom.core.detections import CUT_BY_EDGE
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.engines import outline_net
from napari_diatom.engines.backends import TorchBackend
from napari_diatom.engines.model_writer import write_model
from napari_diatom.engines.outline import BoxOutliner
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
REAL_SHARE: Final = 0.12
"""Share of the specimens that come from real slides, where they are given."""
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
    start : str
        Name or folder of the model that the training starts from; empty takes the bundled one.
    """

    fields: int = 1600
    selection_fields: int = 32
    side: int = FIELD_SIDE
    real: Path | None = None
    stations: tuple[str, ...] = TRAIN_STATIONS
    start: str = ""

    def __post_init__(self) -> None:
        """Refuse the station that figures are taken on."""
        check_stations(self.stations)


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
    selection = render_set(
        work / "selection", material.selection_fields, SELECTION_SEED, material.side, NEEDLES, monitor=monitor
    )
    rendering_s = time.monotonic() - began
    start = _start(material.start, options)
    weights = trainable_network(start).state_dict()
    fitting = Fitting(examples, options, work, validation=selection, start=weights)
    trained = train_until(fitting, began + 60 * minutes, monitor)
    figures = progress_figures(trained, options)
    figures |= {"images": len(examples), "rendering_s": round(rendering_s, 1)}
    model = _write(work / NAME, trained, options, material, start, {})
    # In torch: what is measured between two cycles need not be prepared for the processor.
    engine = BoxOutliner(model, "cpu", backend=TorchBackend(model, "cpu"))
    tested = outline_images(engine, [_tested(field) for field in selection], tuple(KINDS.values()), SELECTION_SEED)
    for name, errors in zip(KINDS, tested.errors, strict=True):
        figures |= {f"{name}_{key}": round(value, 4) for key, value in _measured(errors).items()}
    figures["minutes"] = round((time.monotonic() - began) / 60, 2)
    keep_figures(work, figures)
    if export is not None:
        chosen = ("oriented_mean_iou", "oriented_ap50", "oriented_ap75", "upright_mean_iou", "upright_ap50")
        _write(export / NAME, trained, options, material, start, {name: figures[name] for name in chosen})
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
    render = partial(render_set, seed=FIELDS_SEED, size=material.side, needles=NEEDLES)
    rendered = rendered_until(render, work / "fields", material.fields, until, monitor)
    if material.real is None:
        return weighted(rendered, 1.0)
    slides = from_coco(
        material.real / "annotations.coco.json", material.real / "images", groups=sorted(material.stations)
    )
    if not slides:
        raise InputError(f"{material.real} has no images of the stations {', '.join(material.stations)}.")
    return weighted(rendered, 1 - REAL_SHARE) + weighted(slides, REAL_SHARE)


def _start(named: str, options: LearningOptions) -> ModelFolder:
    """Return the named model, else the bundled one where its architecture is asked for, else the first start."""
    model = library.resolve_model(named or NAME)
    if not named and model.card.architecture != options.architecture:
        return library.resolve_model(FIRST_START)
    return model


def _write(
    folder: Path,
    trained: Trained,
    options: LearningOptions,
    material: OutlineMaterial,
    start: ModelFolder,
    metrics: Mapping[str, float],
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
                "started_from": f"{start.card.name} {start.card.version} (SHA-256 {start.card.sha256})",
                "before": dict(start.card.training),
                "history": rounded_history(trained),
            },
        ),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one cycle."""
    parser = cycle_parser(__doc__)
    add = parser.add_argument
    add("--fields", type=int, default=OutlineMaterial.fields, help="rendered fields (%(default)s)")
    add("--selection-fields", type=int, default=OutlineMaterial.selection_fields, help="(%(default)s)")
    add("--side", type=int, default=FIELD_SIDE, help="of a rendered field in pixels (%(default)s)")
    return run_cycle(parser, _chosen_cycle, arguments)


def _chosen_cycle(chosen: argparse.Namespace, monitor: ProgressMonitor) -> dict[str, Any]:
    """Run the cycle that the command line asks for."""
    material = OutlineMaterial(chosen.fields, chosen.selection_fields, chosen.side, chosen.real, tuple(chosen.stations))
    options = chosen_options(OPTIONS, chosen)
    return cycle(chosen.checkpoint, chosen.minutes, options, material, chosen.export, monitor)


if __name__ == "__main__":
    raise SystemExit(main())
