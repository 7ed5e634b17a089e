"""Names of rendered specimens by a classifier that is trained on the examples, as a person would train it."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from named_taxa import Taxa, detections_of, figures_of

from diatom_training.data.rendered_taxa import TaxonExample
from diatom_training.finetune import training_run
from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.run_folder import RunFolder
from napari_diatom import engines


def named_by_training(taxa: Taxa, folder: Path, preset: str, number: int, seed: int, start: str = "") -> dict[str, Any]:
    """Return how right the names of a classifier are that was trained on examples.

    Parameters
    ----------
    taxa : Taxa
        The specimens.
    folder : Path
        Where slides and training go.
    preset : str
        Of the training.
    number, seed : int
        Examples of each taxon, and what they are drawn by.
    start : str
        What the training starts from; the usual by default.

    Returns
    -------
    dict
        As :func:`named_taxa.figures_of`, the last losses, and the seconds that training and naming took.
    """
    asked = taxa.to_name()
    parts = {"train": taxa.drawn(number, seed), "validation": taxa.for_validation()}
    written = {part: _written(taxa.examples, rows, folder / "slides") for part, rows in parts.items()}
    data = _annotated(taxa.examples, [row for rows in parts.values() for row in rows], folder / "slides")
    config = TrainConfig.of(
        task="classes",
        preset=preset,
        data=data,
        images=folder / "slides",
        device="cpu",
        start=start,
        split={"parts": written},
    )
    began, worked = time.perf_counter(), _processor_seconds()
    result = training_run.train(RunFolder.create(folder / "run", config))
    classifier = engines.load_classifier(result.model, "cpu")
    shares = np.concatenate(
        [
            classifier.name(one.image, detections_of(one), outlines=[one.outline]).probabilities
            for one in (taxa.examples[row] for row in asked)
        ]
    ).astype(np.float64)
    took = {"seconds": time.perf_counter() - began, "processor_seconds": _processor_seconds() - worked}
    found: dict[str, Any] = figures_of(result.model.card.classes, shares, taxa.names[asked], len(asked))
    last = result.history[-1]
    losses = {name: last[name] for name in ("train_loss", "val_loss", "constant_loss") if name in last}
    return found | took | {"epochs": len(result.history), **losses}


def _processor_seconds() -> float:
    """Return for how long processors have worked for this process and those that it started and that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def _written(examples: Sequence[TaxonExample], rows: Sequence[int], folder: Path) -> tuple[str, ...]:
    """Write the images of some specimens, and return their names."""
    folder.mkdir(parents=True, exist_ok=True)
    for row in rows:
        image = examples[row].image
        pixels = image.read(0, 0, image.width, image.height)
        cv2.imwrite(str(folder / _file(row)), pixels[..., ::-1])
    return tuple(_file(row) for row in rows)


def _annotated(examples: Sequence[TaxonExample], rows: Sequence[int], folder: Path) -> Path:
    """Write a COCO file of some specimens, an image each, and return it."""
    taxa = sorted({one.taxon for one in examples})
    data: dict[str, Any] = {
        "categories": [{"id": 1 + number, "name": taxon} for number, taxon in enumerate(taxa)],
        "images": [],
        "annotations": [],
    }
    for row in rows:
        one = examples[row]
        low, high = one.outline.min(axis=0), one.outline.max(axis=0)
        size = {"width": one.image.width, "height": one.image.height}
        data["images"].append({"id": row, "file_name": _file(row), **size})
        data["annotations"].append(
            {
                "id": row,
                "image_id": row,
                "category_id": 1 + taxa.index(one.taxon),
                "segmentation": [one.outline.ravel().tolist()],
                "bbox": [*low.tolist(), *(high - low).tolist()],
                "area": float(np.prod(high - low)),
                "iscrowd": 0,
            }
        )
    path = folder / "annotations.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def _file(row: int) -> str:
    return f"specimen-{row:04d}.png"
