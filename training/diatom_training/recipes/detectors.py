"""Train ``diatom-obb`` or ``diatom-box`` in cycles.

``python -m diatom_training.recipes.detectors --checkpoint FOLDER --minutes 90 --model diatom-obb`` goes on from the
checkpoint in the folder, or from the bundled model where there is none. It renders what is missing of the training
fields, trains, finds the specimens of rendered fields of seeds of their own, which the network never learns from, and
prints its figures as one line of JSON, which ``figures.jsonl`` in the folder keeps. The learning rate falls to almost
nothing by the last epoch, so a training is planned by ``--epochs`` and ``--crops``; to go on after that, begin another
folder.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, Final

from diatom_training.learning.augment_options import AugmentOptions
from diatom_training.learning.options import LearningOptions
from diatom_training.recipes.cycles import run_cycle
from diatom_training.recipes.finder_cycles import FinderPlan, chosen_cycle, finder_parser
from napari_diatom.core.progress import ProgressMonitor

RECIPE: Final = "python -m diatom_training.recipes.detectors"
OBB: Final = LearningOptions(
    architecture="yolo11n-obb",
    size=640,
    batch=16,
    epochs=91,
    crops=1536,
    # The network has learnt to find: a higher rate would forget that first.
    rate=8e-4,
    warmup=40,
    weight_decay=5e-4,
    frozen_epochs=0,
    backbone_rate=1.0,
    augment=AugmentOptions(shear_deg=0.0),
    workers=0,
    seed=41,
)
BOX: Final = OBB.model_copy(update={"architecture": "yolo11n", "epochs": 39, "seed": 42})
AVERAGES: Final = (0.75, 0.5, 0.25)
PLANS: Final = {
    "diatom-obb": FinderPlan("diatom-obb", "2.0", "diatom-obb", OBB, RECIPE, AVERAGES),
    "diatom-box": FinderPlan("diatom-box", "2.0", "diatom-box", BOX, RECIPE, AVERAGES),
}
"""What is made, each from the bundled model of its name; upright boxes are those of the outlines."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one cycle."""
    parser = finder_parser(__doc__)
    parser.add_argument("--model", choices=list(PLANS), default="diatom-obb", help="(%(default)s)")
    return run_cycle(parser, _cycle, arguments)


def _cycle(chosen: argparse.Namespace, monitor: ProgressMonitor) -> dict[str, Any]:
    """Run the cycle of the chosen model."""
    return chosen_cycle(PLANS[chosen.model], chosen, monitor)


if __name__ == "__main__":
    raise SystemExit(main())
