"""The crops or cut-outs that a training sees, epoch by epoch."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Subset

from diatom_training.data.crops import Crop, random_crop
from diatom_training.data.examples import Example
from diatom_training.learning.augment import augmented_crop, unvaried
from diatom_training.learning.classifier_crops import Cutouts, naming_batch
from diatom_training.learning.epoch_plan import EpochPlan
from diatom_training.learning.options import ALL, LearningOptions
from diatom_training.learning.outline_crops import FramedSpecimens, outline_batch
from diatom_training.learning.targets import (
    box_batch,
    instance_batch,
    semantic_batch,
    upright_batch,
    validation_batch,
)
from diatom_training.learning.whole_pass import cells_of_pass
from napari_diatom.core.errors import InputError
from napari_diatom.core.text import many


class Crops(Dataset[Crop]):
    """Crop ``i`` of an epoch depends on the seed, the epoch and ``i`` alone, one of the validation on ``i`` alone.

    With ``options.crops`` of ``"all"`` those of an epoch cover each example once at its own scale.
    """

    def __init__(self, examples: Sequence[Example], options: LearningOptions, epoch: int | None) -> None:
        """``epoch`` is None for validation: always the same crops, as they are."""
        self.examples = examples
        self.options = options
        self.epoch = epoch
        weights = np.array([example.weight for example in examples], dtype=np.float64)
        self.chances = weights / weights.sum()
        self.cells = cells_of_pass(examples, options, epoch) if epoch is not None and options.crops == ALL else None

    def __len__(self) -> int:
        if self.epoch is None:
            return self.options.validation_crops
        return self.options.crops if self.options.crops != ALL else len(self.cells or ())

    def __getitem__(self, index: int) -> Crop:
        options = self.options
        rng = np.random.default_rng((index,) if self.epoch is None else (options.seed, self.epoch, index))
        if self.cells is not None:
            example, middle = self.cells[index]
            return augmented_crop(example, options.size, rng, options.augment, middle=middle)
        example = self.examples[rng.choice(len(self.examples), p=self.chances)]
        if self.epoch is None:
            return random_crop(example, options.size, rng, unvaried(options.augment))
        return augmented_crop(example, options.size, rng, options.augment)


def seen(examples: Sequence[Example], options: LearningOptions, epoch: int | None) -> Crops | Cutouts | FramedSpecimens:
    """Return what a network sees in an epoch, or in the validation where ``epoch`` is None: crops, or cut-outs."""
    if options.task == "outlines":
        return FramedSpecimens(examples, options, epoch)
    return (Cutouts if options.task == "classes" else Crops)(examples, options, epoch)


def epoch_plan(examples: Sequence[Example], options: LearningOptions) -> EpochPlan:
    """Return how many crops and steps an epoch on examples has.

    Raises
    ------
    InputError
        When an image cannot be read, or there is nothing to learn from.
    """
    return EpochPlan.of(options, options.task, whole_pass(examples, options) if options.crops == ALL else 0)


def whole_pass(examples: Sequence[Example], options: LearningOptions) -> int:
    """Return how many crops, cut-outs or framed specimens one pass over examples has; raises as :func:`epoch_plan`."""
    every: Any = seen(examples, options.model_copy(update={"crops": ALL}), 0)
    return len(every)


def batches(
    examples: Sequence[Example],
    options: LearningOptions,
    epoch: int | None,
    batch: int,
    rank: int = 0,
    ranks: int = 1,
) -> DataLoader[dict[str, Any]]:
    """Return the batches of an epoch, or those of the validation where ``epoch`` is None.

    Of several processes that train together each has its share of an epoch's crops, as many as any other, so that a
    few may be left out, and all of the validation's.
    """
    collate: Callable[[Any], dict[str, Any]] = semantic_batch
    if options.engine == "boxes":
        collate = upright_batch
    elif options.engine == "yolo":
        collate = partial(box_batch, oriented=options.task == "oriented-boxes")
    elif options.task == "instances":
        collate = validation_batch if epoch is None else instance_batch
    elif options.task == "classes":
        collate = naming_batch
    elif options.task == "outlines":
        collate = outline_batch
    crops: Any = seen(examples, options, epoch)
    if epoch is not None and ranks > 1:
        crops = Subset(crops, range(rank, len(crops) - len(crops) % ranks, ranks))
    return DataLoader(
        crops,
        batch_size=batch,
        num_workers=min(options.workers, os.cpu_count() or 1),
        collate_fn=collate,
        worker_init_fn=_one_thread,
        # Its own source of chance: the loader would draw from the one that the network draws from.
        generator=torch.Generator().manual_seed(0),
    )


def _one_thread(worker: int) -> None:
    """Keep a worker process from taking the cores that the network computes on."""
    import cv2

    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def check_examples(examples: Sequence[Example], classes: Sequence[str]) -> None:
    """Refuse examples that cannot be used for training.

    Raises
    ------
    InputError
        With every problem found: no image, no outline, a class without any, a class that is not among ``classes``.
    """
    if not examples:
        raise InputError("There are no training images.")
    found = {class_id for example in examples for class_id in example.class_ids}
    problems = [
        f"class {name!r} has no specimens; outline some, or leave the class out"
        for class_id, name in enumerate(classes)
        if class_id not in found
    ]
    if any(not 0 <= class_id < len(classes) for class_id in found):
        problems.append(f"there are specimens of class {max(found)}, and only {many(len(classes), 'class', 'classes')}")
    if not any(example.weight > 0 for example in examples):
        problems.append("all images have the weight 0")
    if problems:
        raise InputError(f"The {len(examples)} training images cannot be used: {'; '.join(problems)}.")


def held_out(examples: Sequence[Example], share: float = 0.1) -> tuple[list[Example], list[Example]]:
    """Split examples into those to train on and those to validate on, whole groups (slides, stations) together.

    Images without a group are groups of their own. With one group alone, the same images are in both.
    """
    groups: dict[str, list[Example]] = {}
    for number, example in enumerate(examples):
        groups.setdefault(example.group or f"#{number}", []).append(example)
    if len(groups) < 2:
        return list(examples), list(examples)
    order = np.random.default_rng(0).permutation(sorted(groups)).tolist()
    count = min(max(1, round(share * len(order))), len(order) - 1)
    apart = set(order[:count])
    return (
        [example for name, some in groups.items() if name not in apart for example in some],
        [example for name, some in groups.items() if name in apart for example in some],
    )
