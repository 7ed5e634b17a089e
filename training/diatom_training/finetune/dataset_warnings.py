"""Warnings about the data of a training: of what there is too little, and what makes the test too good."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import numpy as np

from diatom_training.data.annotated_slides import PARTS, Part, Slide
from diatom_training.finetune.config import TrainConfig
from napari_diatom.core.annotations import SHAPES
from napari_diatom.core.text import either, many
from napari_diatom.models.card import OUTLINING_TASK, Task

FEW: Final = 20
"""Specimens of a class in the training part below which it is hardly learned."""
IMBALANCE: Final = 20
"""How many times as many specimens the most frequent class may have as the rarest one."""
BOX: Final = SHAPES[0]
_DIRECTED: Final = 1.05
"""Length/width under which a box has no direction."""
_UPRIGHT: Final = 1e-3
"""Sine of twice the angle below which a box is upright."""
OUTLINED: Final[Mapping[Task, str]] = {"semantic": "class maps", "instances": "masks"}
"""What can be trained only on outlines, and takes the boxes among them for such."""


def leak_warnings(parts: Mapping[Part, Sequence[Slide]], seen: Collection[str]) -> list[str]:
    """List the validation and test images that the start was trained on; ``seen`` are the keys of the latter."""
    lines = []
    for part in PARTS[1:]:
        known = [slide.name for slide in parts[part] if slide.key in seen]
        if known:
            lines.append(
                f"the starting model was trained on {many(len(known), 'image')} of the {part} part, such as "
                f"{known[0]}: expect worse results on new slides"
            )
    return lines


def left_out_warnings(slides: Sequence[Slide], parts: Mapping[Part, Sequence[Slide]]) -> list[str]:
    """Say which images are in no part, and where slides are not known."""
    lines = []
    chosen = {slide.name for some in parts.values() for slide in some}
    out = [slide.name for slide in slides if slide.name not in chosen and len(slide.truth)]
    if out:
        lines.append(
            f"{many(len(out), 'annotated image')} {either(len(out), 'is', 'are')} in no part of the split, "
            f"such as {out[0]}"
        )
    groups = {slide.group for slide in slides}
    if len(groups) == len(slides) > 1 and all(slide.group == slide.name for slide in slides):
        lines.append(
            "each image is treated as a slide of its own; if several images show the same slide, give the pattern of "
            "the slide in their names (group)"
        )
    return lines


def box_warnings(config: TrainConfig, slides: Sequence[Slide]) -> list[str]:
    """Say how many specimens a model for outlines does not learn from, because they are known by their boxes alone."""
    boxes = [(slide.outlined.count(False), slide.name) for slide in slides if not all(slide.outlined)]
    if config.task != OUTLINING_TASK or not boxes:
        return []
    count = sum(number for number, _ in boxes)
    return [
        f"{many(count, 'specimen')} {either(count, 'is a box', 'are boxes')} without an outline, such as in "
        f"{boxes[0][1]}, and {either(count, 'is', 'are')} left out"
    ]


def data_warnings(config: TrainConfig, classes: Sequence[str], parts: Mapping[Part, Sequence[Slide]]) -> list[str]:
    """Return warnings about the data."""
    lines = [*_of_sizes(config, parts), *_of_boxes(config, parts)]
    counts = {
        part: Counter(classes[k] for slide in parts[part] for k in slide.truth.class_ids.tolist()) for part in PARTS
    }
    few = [f"{name} {counts['train'][name]}" for name in classes if counts["train"][name] < FEW]
    if few:
        lines.append(f"fewer than {FEW} training specimens (100 or more are recommended): {', '.join(few)}")
    for part in PARTS[1:]:
        untold = [name for name in classes if not counts[part][name]]
        if untold and counts[part]:
            lines.append(f"not in the {part} part, so they have no figures there: {', '.join(untold)}")
    numbers = [counts["train"][name] for name in classes if counts["train"][name]]
    if len(numbers) > 1 and max(numbers) > IMBALANCE * min(numbers):
        lines.append(
            f"the rarest class has {min(numbers)} training specimens, the most frequent {max(numbers)}: expect it "
            "to be missed often"
        )
    if not any(len(slide.truth) for slide in parts["test"]):
        lines.append("the test part has no specimens: the model will not be tested")
    whose: dict[str, set[Part]] = {}
    homes: dict[str, set[Part]] = {}
    for part in PARTS:
        for slide in parts[part]:
            whose.setdefault(slide.sha256, set()).add(part)
            homes.setdefault(slide.group, set()).add(part)
            outside = _outside(slide)
            if outside:
                lines.append(
                    f"{many(outside, 'specimen')} outside of {slide.name} {either(outside, 'is', 'are')} ignored"
                )
    leaks = sum(len(places) > 1 for places in whose.values())
    if leaks:
        lines.append(
            f"{many(leaks, 'image')} {either(leaks, 'is', 'are')} in two parts under two names: the test "
            "will look better than the model is"
        )
    torn = [group for group, places in homes.items() if len(places) > 1]
    if torn:
        lines.append(
            f"{many(len(torn), 'slide')} {either(len(torn), 'has', 'have')} images in several parts, such "
            f"as {torn[0]}: the test will look better than the model is"
        )
    return lines


def _of_sizes(config: TrainConfig, parts: Mapping[Part, Sequence[Slide]]) -> list[str]:
    """Say where the scale to learn at cannot be kept."""
    slides = [slide for part in PARTS for slide in parts[part]]
    unknown = [slide.name for slide in slides if slide.pixel_size_um is None]
    if config.pixel_size_um is None or not unknown:
        return []
    if len(unknown) == len(slides):
        return ["no image has a pixel size, so pixel_size_um has no effect: the images are shown at all scales"]
    return [
        f"{len(unknown)} of {many(len(slides), 'image')} {either(len(unknown), 'has', 'have')} no pixel "
        f"size, such as {unknown[0]}: pixel_size_um has no effect "
        "on these, which are shown at all scales"
    ]


def _of_boxes(config: TrainConfig, parts: Mapping[Part, Sequence[Slide]]) -> list[str]:
    """Return warnings about boxes that say too little for the task."""
    if config.task == "oriented-boxes":
        slides = [slide for slide in parts["train"] if len(slide.truth)]
        boxes = np.concatenate([slide.truth.boxes for slide in slides])
        long = boxes[:, 2] >= _DIRECTED * boxes[:, 3]
        outlined = any(shape != BOX for slide in slides for shape in slide.annotations.shapes)
        if not outlined and long.any() and np.abs(np.sin(2 * boxes[long, 4])).max() < _UPRIGHT:
            return [
                "all training boxes are upright, so the model cannot learn how specimens are rotated or how "
                "long they are: draw boxes along the specimens, or train on upright boxes (task: boxes)"
            ]
    if config.task in OUTLINED:
        mixed = [slide for part in PARTS for slide in parts[part] if BOX in slide.annotations.shapes]
        if mixed:
            count = sum(slide.annotations.shapes.count(BOX) for slide in mixed)
            return [
                f"{many(count, 'specimen')} {either(count, 'is a box', 'are boxes')} without an outline, such as in "
                f"{mixed[0].name}: treated as {either(count, 'a rectangle', 'rectangles')}"
            ]
    return []


def _outside(slide: Slide) -> int:
    """Return how many specimens have their middle outside of the image."""
    height, width = slide.size
    x, y = slide.truth.boxes[:, :2].T
    return int(((x < 0) | (y < 0) | (x > width) | (y > height)).sum())
