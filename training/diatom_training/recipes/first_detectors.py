"""The first edition of ``diatom-obb`` and ``diatom-box``: ``python -m diatom_training.recipes.first_detectors --help``.

Rendered fields and the training stations of the real slides are mixed in every epoch. The oriented network starts from
a nucleus detector in phase contrast; the upright one starts from the oriented one. Interrupted, the same command goes
on where it was.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from diatom_training.learning.augment_options import AugmentOptions
from diatom_training.learning.fitting import Fitting, Trained
from diatom_training.learning.options import LearningOptions
from diatom_training.learning.train import train
from diatom_training.recipes.training_material import (
    FIELDS_SEED,
    LARGE_SEED,
    OPTICS,
    TEST_STATION,
    TRAIN_STATIONS,
    Cycle,
    Mix,
    examples,
)
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.engines import yolo_net
from napari_diatom.engines.model_writer import write_model
from napari_diatom.models.card import ModelFacts, task_of
from napari_diatom.models.library import BUNDLED, ModelFolder

TILE = 1024
FIELDS = 6400
LARGE_FIELDS = 600

OBB = LearningOptions(
    architecture="yolo11n-obb",
    size=640,
    batch=16,
    epochs=11,
    crops=1536,
    rate=1.5e-3,
    warmup=150,
    weight_decay=5e-4,
    frozen_epochs=0,
    backbone_rate=1.0,
    augment=AugmentOptions(shear_deg=0.0),
    seed=1,
)
BOX = OBB.model_copy(update={"architecture": "yolo11n", "epochs": 3, "rate": 8e-4, "warmup": 60, "seed": 2})

TURNED = AugmentOptions(shear_deg=0.0, rotation=0.3)
NEEDLES = OBB.model_copy(
    update={
        "epochs": 2,
        "rate": 4e-4,
        "warmup": 20,
        "augment": TURNED.model_copy(update={"rotation": 0.4}),
        "seed": 3,
    }
)
AGAIN = OBB.model_copy(update={"epochs": 6, "rate": 7e-4, "warmup": 30, "augment": TURNED, "seed": 4})
LAST = OBB.model_copy(update={"epochs": 4, "crops": 1280, "rate": 5e-4, "warmup": 30, "augment": TURNED, "seed": 5})
WIDE = OBB.model_copy(update={"epochs": 28, "rate": 1e-3, "warmup": 50, "seed": 6})
FINISH = OBB.model_copy(update={"epochs": 10, "rate": 6e-4, "warmup": 30, "seed": 8})
BOX_WIDE = BOX.model_copy(update={"epochs": 12, "rate": 1e-3, "warmup": 50, "seed": 7})
BOX_FINISH = BOX.model_copy(update={"epochs": 4, "rate": 6e-4, "warmup": 30, "seed": 9})


@dataclass(frozen=True)
class DetectorCycle(Cycle):
    """A cycle that says what it sees; attributes as in :class:`~diatom_training.recipes.training_material.Mix`."""

    share: float
    largest: float
    fields: int = 3200
    wide: float = 0.0
    large_fields: int = LARGE_FIELDS

    @property
    def mix(self) -> Mix:
        """What it sees."""
        return Mix(self.share, self.largest, self.fields, self.wide, self.large_fields)


CYCLES = {
    "diatom-obb": (
        DetectorCycle("diatom-obb", OBB, 0.25, 1.0),
        DetectorCycle("diatom-obb-needles", NEEDLES, 0.5, 0.7),
        DetectorCycle("diatom-obb-again", AGAIN, 0.35, 0.7),
        DetectorCycle("diatom-obb-last", LAST, 0.4, 0.6),
        DetectorCycle("diatom-obb-wide", WIDE, 0.25, 0.7, fields=FIELDS, wide=0.35, until=13),
        DetectorCycle("diatom-obb-finish", FINISH, 0.3, 0.7, fields=FIELDS, wide=0.35),
    ),
    "diatom-box": (
        DetectorCycle("diatom-box", BOX, 0.25, 1.0),
        DetectorCycle("diatom-box-wide", BOX_WIDE, 0.25, 0.7, fields=FIELDS, wide=0.35, until=3),
        DetectorCycle("diatom-box-finish", BOX_FINISH, 0.3, 0.7, fields=FIELDS, wide=0.35),
    ),
}
"""What each model goes through, each cycle from the weights of the one before."""

SUMMARY = {
    "diatom-obb": f"Rotated boxes around diatom valves, girdle views and needle cells; {OPTICS}.",
    "diatom-box": f"Upright boxes around diatom valves, girdle views and needle cells; {OPTICS}.",
}


@dataclass(frozen=True)
class DetectorRecipe:
    """How one model is made.

    Attributes
    ----------
    name : str
        Of the model.
    cycles : tuple of DetectorCycle
        What it goes through, each from the weights of the one before.
    before : tuple of DetectorCycle
        Cycles of another model, whose weights the first of its own starts from.
    """

    name: str
    cycles: tuple[DetectorCycle, ...]
    before: tuple[DetectorCycle, ...] = ()


RECIPES: Final = {
    "diatom-obb": DetectorRecipe("diatom-obb", CYCLES["diatom-obb"]),
    "diatom-box": DetectorRecipe("diatom-box", CYCLES["diatom-box"], CYCLES["diatom-obb"][:1]),
}


def trained_cycle(
    cycle: DetectorCycle, work: Path, real: Path, weights: Mapping[str, torch.Tensor], monitor: ProgressMonitor
) -> Trained:
    """Go through a cycle, or take it from its folder where it is done."""
    train_on, validate_on = examples(work, real, cycle.mix, monitor)
    return train(
        Fitting(train_on, cycle.options, work / cycle.folder, validation=validate_on, start=weights, until=cycle.until),
        monitor,
    )


def make(
    recipe: DetectorRecipe, work: Path, real: Path, start: Path, out: Path, monitor: ProgressMonitor
) -> ModelFolder:
    """Train one model and write its folder."""
    name = recipe.name
    weights: Mapping[str, torch.Tensor] = yolo_net.read_checkpoint(start).tensors
    for cycle in recipe.before:
        weights = trained_cycle(cycle, work, real, weights, monitor).network.state_dict()
    history: list[dict[str, float]] = []
    for cycle in recipe.cycles:
        trained = trained_cycle(cycle, work, real, weights, monitor)
        weights = trained.network.state_dict()
        history += trained.history
    options = recipe.cycles[0].options
    return write_model(
        out / name,
        trained.network,
        ModelFacts(
            name=name,
            version="1.0",
            task=task_of("yolo", options.architecture),
            engine="yolo",
            architecture=options.architecture,
            classes=options.classes,
            tile_size=TILE,
            summary=SUMMARY[name],
            licence="AGPL-3.0-or-later",
            training={
                "recipe": "python -m diatom_training.recipes.first_detectors",
                "cycles": [
                    cycle.options.model_dump(mode="json")
                    | {
                        "real_share": cycle.share,
                        "largest_real_scale": cycle.largest,
                        "rendered_fields": cycle.fields,
                        "share_of_large_fields": cycle.wide,
                        "until_epoch": cycle.until or cycle.options.epochs,
                    }
                    for cycle in recipe.cycles
                ],
                "rendered_seeds": [FIELDS_SEED, LARGE_SEED],
                "large_rendered_fields": recipe.cycles[-1].large_fields,
                "real_slides": "Marzidovsek et al. 2024 (MIT licence), stations " + ", ".join(TRAIN_STATIONS),
                "held_out_station": TEST_STATION,
                "started_from": "ND_v11n.pt of napari-nuclephaser 0.5.0 (AGPL-3.0), diatom-box by way of diatom-obb",
                "history": [{key: round(value, 5) for key, value in epoch.items()} for epoch in history],
            },
        ),
    )


def main() -> None:
    """Run the recipe."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for rendered fields and checkpoints")
    parser.add_argument("--real", type=Path, required=True, help="folder with annotations.coco.json and images/")
    parser.add_argument("--start", type=Path, required=True, help="ND_v11n.pt of napari-nuclephaser 0.5.0")
    parser.add_argument("--out", type=Path, default=BUNDLED, help="where the model folders go (default: the package)")
    parser.add_argument("--only", choices=("diatom-obb", "diatom-box"), help="make one of the two")
    arguments = parser.parse_args()

    def report(progress: Progress) -> None:
        if progress.stage == "epoch" or progress.done % 10 == 0:
            numbers = " ".join(f"{key} {value:.4g}" for key, value in progress.values.items())
            print(f"{progress.stage} {progress.done}/{progress.total} {numbers}", flush=True)

    for name in ("diatom-obb", "diatom-box"):
        if arguments.only in (None, name):
            make(RECIPES[name], arguments.work, arguments.real, arguments.start, arguments.out, ProgressMonitor(report))


if __name__ == "__main__":
    main()
