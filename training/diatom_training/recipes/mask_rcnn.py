"""Train ``diatom-maskrcnn`` in cycles.

``python -m diatom_training.recipes.mask_rcnn --checkpoint FOLDER --minutes 90`` goes on from the checkpoint in the
folder, or from the bundled model where there is none, as ``recipes.detectors`` does. Masks are made of the finest level
of the pyramid, and the heads learn from many more boxes without a specimen than with one. With other channels
(``--architecture maskrcnn/tu-tf_efficientnet_lite0/96/fine``) only the backbone's weights fit, and the rest is learnt
from the start: ask for more epochs then.
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
from napari_diatom.engines import maskrcnn_net

OPTIONS: Final = LearningOptions(
    architecture=f"{maskrcnn_net.ARCHITECTURE}/fine",
    size=448,
    batch=4,
    epochs=40,
    crops=1000,
    validation_crops=48,
    rate=8e-4,
    warmup=60,
    dropout=0.0,
    frozen_epochs=0,
    backbone_rate=0.3,
    proposals=128,
    positives=1 / 16,
    augment=AugmentOptions(rotation=0.3, aimed=0.25),
    workers=0,
    seed=43,
)
PLAN: Final = FinderPlan(
    "diatom-maskrcnn", "2.0", "diatom-maskrcnn", OPTIONS, "python -m diatom_training.recipes.mask_rcnn"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one cycle."""
    return run_cycle(finder_parser(__doc__), _cycle, arguments)


def _cycle(chosen: argparse.Namespace, monitor: ProgressMonitor) -> dict[str, Any]:
    """Run the cycle that the command line asks for."""
    return chosen_cycle(PLAN, chosen, monitor)


if __name__ == "__main__":
    raise SystemExit(main())
