"""Make ``diatom-obb`` and ``diatom-box``: ``python -m diatom_training.recipes.detectors --help``.

Rendered fields and the training stations of the real slides are mixed in every epoch. The oriented network starts from
a nucleus detector in phase contrast; the upright one starts from the oriented one. Interrupted, the same command goes
on where it was.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch

from diatom_training.examples import Example, from_coco
from diatom_training.recipes.material import (
    FIELDS_SEED,
    LARGE_SEED,
    TEST_STATION,
    TRAIN_STATIONS,
    large_fields,
    rendered_fields,
    weighted,
)
from diatom_training.yolo import YoloOptions, train
from napari_diatom.engines import yolo_net
from napari_diatom.engines.yolo_files import write_model
from napari_diatom.models.library import BUNDLED, ModelFolder
from napari_diatom.progress import Progress, Report

TILE = 1024
FIELDS = 6400
LARGE_FIELDS = 600

OBB = YoloOptions(
    architecture="yolo11n-obb", size=640, batch=16, epochs=11, crops=1536, rate=1.5e-3, warmup=150, seed=1
)
BOX = YoloOptions(architecture="yolo11n", size=640, batch=16, epochs=3, crops=1536, rate=8e-4, warmup=60, seed=2)

NEEDLES = OBB.model_copy(update={"epochs": 2, "rate": 4e-4, "warmup": 20, "turn_share": 0.4, "seed": 3})
AGAIN = OBB.model_copy(update={"epochs": 6, "rate": 7e-4, "warmup": 30, "turn_share": 0.3, "seed": 4})
LAST = OBB.model_copy(update={"epochs": 4, "crops": 1280, "rate": 5e-4, "warmup": 30, "turn_share": 0.3, "seed": 5})
WIDE = OBB.model_copy(update={"epochs": 28, "rate": 1e-3, "warmup": 50, "seed": 6})
FINISH = OBB.model_copy(update={"epochs": 10, "rate": 6e-4, "warmup": 30, "seed": 8})
BOX_WIDE = BOX.model_copy(update={"epochs": 12, "rate": 1e-3, "warmup": 50, "seed": 7})
BOX_FINISH = BOX.model_copy(update={"epochs": 4, "rate": 6e-4, "warmup": 30, "seed": 9})


@dataclass(frozen=True)
class Cycle:
    """A training from a high learning rate to a low one.

    Attributes
    ----------
    folder : str
        Where its checkpoint is kept, within the work folder.
    options : YoloOptions
        How it trains.
    share : float
        Share of the crops that come from real slides.
    largest : float
        Largest scale at which real slides are shown.
    fields : int
        How many of the rendered fields are used.
    wide : float
        Share of the rendered crops that come from large fields, which are also shown much reduced.
    until : int or None
        Epoch after which the average of the weights goes on to the next cycle, where that is not the last one.
    """

    folder: str
    options: YoloOptions
    share: float
    largest: float
    fields: int = 3200
    wide: float = 0.0
    until: int | None = None


CYCLES = {
    "diatom-obb": (
        Cycle("diatom-obb", OBB, 0.25, 1.0),
        Cycle("diatom-obb-needles", NEEDLES, 0.5, 0.7),
        Cycle("diatom-obb-again", AGAIN, 0.35, 0.7),
        Cycle("diatom-obb-last", LAST, 0.4, 0.6),
        Cycle("diatom-obb-wide", WIDE, 0.25, 0.7, fields=FIELDS, wide=0.35, until=13),
        Cycle("diatom-obb-finish", FINISH, 0.3, 0.7, fields=FIELDS, wide=0.35),
    ),
    "diatom-box": (
        Cycle("diatom-box", BOX, 0.25, 1.0),
        Cycle("diatom-box-wide", BOX_WIDE, 0.25, 0.7, fields=FIELDS, wide=0.35, until=3),
        Cycle("diatom-box-finish", BOX_FINISH, 0.3, 0.7, fields=FIELDS, wide=0.35),
    ),
}
"""What each model goes through, each cycle from the weights of the one before."""

OPTICS = "bright field, DIC, phase contrast"
SUMMARY = {
    "diatom-obb": f"Rotated boxes around diatom valves, girdle views and needle cells; {OPTICS}.",
    "diatom-box": f"Upright boxes around diatom valves, girdle views and needle cells; {OPTICS}.",
}


def examples(work: Path, real: Path, cycle: Cycle, report: Report) -> list[Example]:
    """Return rendered fields and the real training stations, weighted so that each gets its share of the crops."""
    rendered = rendered_fields(work, cycle.fields, report)
    large = large_fields(work, LARGE_FIELDS, report) if cycle.wide else []
    slides = from_coco(
        real / "annotations.coco.json", real / "images", groups=TRAIN_STATIONS, scales=(0.22, cycle.largest)
    )
    return (
        weighted(rendered, (1 - cycle.share) * (1 - cycle.wide))
        + weighted(large, (1 - cycle.share) * cycle.wide)
        + weighted(slides, cycle.share)
    )


def make(name: str, work: Path, real: Path, start: Path, out: Path, report: Report) -> ModelFolder:
    """Train one model and write its folder."""
    if name == "diatom-box":
        weights = torch.load(work / "diatom-obb" / "last.pt", map_location="cpu", weights_only=True)["average"]
    else:
        weights = yolo_net.read_checkpoint(start).tensors
    history: list[dict[str, float]] = []
    for cycle in CYCLES[name]:
        mixed = examples(work, real, cycle, report)
        trained = train(mixed, cycle.options, work / cycle.folder, start=weights, until=cycle.until, report=report)
        weights = trained.network.state_dict()
        history += trained.history
    return write_model(
        out / name,
        trained.network,
        name=name,
        version="1.0",
        architecture=CYCLES[name][0].options.architecture,
        classes=CYCLES[name][0].options.classes,
        tile_size=TILE,
        summary=SUMMARY[name],
        licence="AGPL-3.0-or-later",
        training={
            "recipe": "python -m diatom_training.recipes.detectors",
            "cycles": [
                cycle.options.model_dump(mode="json")
                | {
                    "real_share": cycle.share,
                    "largest_real_scale": cycle.largest,
                    "rendered_fields": cycle.fields,
                    "share_of_large_fields": cycle.wide,
                    "until_epoch": cycle.until or cycle.options.epochs,
                }
                for cycle in CYCLES[name]
            ],
            "rendered_seeds": [FIELDS_SEED, LARGE_SEED],
            "large_rendered_fields": LARGE_FIELDS,
            "real_slides": "Marzidovsek et al. 2024 (MIT licence), stations " + ", ".join(TRAIN_STATIONS),
            "held_out_station": TEST_STATION,
            "started_from": "ND_v11n.pt of napari-nuclephaser 0.5.0 (AGPL-3.0), diatom-box by way of diatom-obb",
            "history": [{key: round(value, 5) for key, value in epoch.items()} for epoch in history],
        },
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
            make(name, arguments.work, arguments.real, arguments.start, arguments.out, report)


if __name__ == "__main__":
    main()
