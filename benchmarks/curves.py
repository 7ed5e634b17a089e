"""Ten real histories made on purpose, each going as one of the readings of curves says; how they are read.

Small networks are trained for some minutes in all on rendered fields of 320 pixels. Each history goes to
``DEST/NAME.csv``; those in ``tests/data/curves`` were made by this script. A history that is there is not made again.
"""

from __future__ import annotations

import argparse
import csv
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from command import run

from diatom_training.data.examples import Example, fitted, load_truth, pixel_edge_outline, save_truth
from diatom_training.evaluation.curve_advice import Verdict
from diatom_training.evaluation.curve_diagnosis import read
from diatom_training.evaluation.training_curves import dress, plot_losses
from diatom_training.finetune.run_folder import HISTORY, RunFolder
from diatom_training.learning.augment_options import AUGMENTATIONS
from diatom_training.learning.fitting import Fitting
from diatom_training.learning.options import LearningOptions
from diatom_training.learning.train import train
from diatom_training.synthesis import FieldOptions, render_field
from napari_diatom.plots.style import INK, png, styled

DEST = Path(__file__).parents[1] / "tests" / "data" / "curves"
SIDE = 320
NEEDLE = 4.0
"""Length over width from which a specimen is of the class *needle*."""
MAPS: dict[str, Any] = {
    "architecture": "deeplabv3plus/tu-test_efficientnet/16",
    "size": 64,
    "batch": 8,
    "crops": 128,
    "validation_crops": 48,
    "warmup": 4,
    "frozen_epochs": 0,
    "average_decay": 0.9,
    "augment": {"aimed": 1.0},
    "workers": 0,
}
NAMES: dict[str, Any] = {
    **MAPS,
    "architecture": "classifier/tu-test_efficientnet/64",
    "validation_crops": 200,
    "augment": {},
}
FAINT = {"contrast": 0.3, "debris": 0.9, "defocus": 0.8}
"""Slides on which even a person would miss some."""
UNVARIED = {**AUGMENTATIONS["none"], "aimed": 1.0}


@dataclass(frozen=True)
class Purpose:
    """A training that is to go as a reading says.

    Attributes
    ----------
    name : str
        Of its file.
    verdict : Verdict
        The reading.
    options : mapping of str to object
        Of :class:`~diatom_training.learning.options.LearningOptions`.
    train, validation : sequence of int
        Seeds of the fields of each part.
    change : callable
        Changes the examples of the training part and of the validation part.
    optics : mapping of str to mapping
        How the fields of a part are rendered, where not as all others are.
    """

    name: str
    verdict: Verdict
    options: Mapping[str, Any]
    train: Sequence[int] = range(8)
    validation: Sequence[int] = range(100, 104)
    change: Callable[[list[Example], list[Example]], tuple[list[Example], list[Example]]] = lambda *parts: parts
    optics: Mapping[str, Mapping[str, Any]] | None = None


def _shuffled(trained: list[Example], validated: list[Example]) -> tuple[list[Example], list[Example]]:
    """Give the specimens of both parts names by chance, which nobody can learn."""
    rng = np.random.default_rng(3)
    both = [
        [replace(example, class_ids=tuple(rng.integers(0, 2, len(example.class_ids)).tolist())) for example in part]
        for part in (trained, validated)
    ]
    return both[0], both[1]


PURPOSES = (
    Purpose("nothing-learnt-rate", "nothing-learnt", {**MAPS, "epochs": 12, "rate": 1e-6, "schedule": "constant"}),
    Purpose(
        "nothing-learnt-names",
        "nothing-learnt",
        {**NAMES, "epochs": 12, "rate": 1e-4, "weight_decay": 0.5, "dropout": 0.5, "augment": AUGMENTATIONS["strong"]},
        range(24),
        change=_shuffled,
    ),
    Purpose("unfinished", "unfinished", {**MAPS, "epochs": 10, "rate": 3e-4, "schedule": "constant"}),
    Purpose(
        "overfitting-names",
        "overfitting",
        {**NAMES, "epochs": 20, "rate": 3e-3, "weight_decay": 0.0, "dropout": 0.0, "augment": UNVARIED, "crops": 96},
        range(2),
        change=_shuffled,
    ),
    Purpose(
        "overfitting-map",
        "overfitting",
        {**MAPS, "epochs": 24, "rate": 5e-3, "weight_decay": 0.0, "dropout": 0.0, "augment": UNVARIED, "crops": 64},
        range(1),
    ),
    Purpose(
        "underfitting",
        "underfitting",
        {**MAPS, "epochs": 30, "rate": 3e-3, "crops": 64},
        optics={"train": FAINT, "validation": FAINT},
    ),
    Purpose(
        "gap",
        "gap",
        {**MAPS, "epochs": 14, "rate": 2e-3},
        optics={"validation": {"modality": "dark-field", "contrast": 0.5}},
    ),
    Purpose(
        "below",
        "below",
        {**MAPS, "epochs": 14, "rate": 3e-3},
        optics={"train": FAINT, "validation": {"debris": 0.0}},
    ),
    Purpose(
        "unstable",
        "unstable",
        {**MAPS, "epochs": 14, "rate": 3e-2, "schedule": "constant", "average_decay": 0.0, "crops": 64},
    ),
    Purpose("good", "good", {**NAMES, "epochs": 40, "rate": 3e-3}, range(96), range(100, 132)),
)


def example_of(folder: Path, seed: int, optics: Mapping[str, Any]) -> Example:
    """Return a rendered field, with needles and other valves as classes; one that is there is not rendered again."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{seed:04d}.png"
    if not path.with_suffix(".npz").exists():
        wanted: dict[str, Any] = {"specimens": (6, 9), "length_px": (30.0, 90.0), "needle_share": 0.5, "debris": 0.2}
        field = render_field(FieldOptions(SIDE, SIDE, **(wanted | dict(optics))), seed=seed)
        pairs = zip(field.truth.masks or (), field.truth.boxes, strict=True)
        outlines = [fitted(pixel_edge_outline(mask), box) for mask, box in pairs]
        ids = [int(box[2] < NEEDLE * box[3]) for box in field.truth.boxes]
        cv2.imwrite(str(path), field.image if field.image.ndim == 2 else field.image[..., ::-1])
        save_truth(path.with_suffix(".npz"), outlines, field.truth.boxes[:, 4].tolist(), ids)
    return load_truth(path)


def make(purpose: Purpose, work: Path) -> list[dict[str, float]]:
    """Train as a purpose says, and return the history."""
    optics = purpose.optics or {}

    def part(name: str, seeds: Sequence[int]) -> list[Example]:
        named = "_".join(f"{key}-{value}" for key, value in optics.get(name, {}).items())
        folder = work / "fields" / (named or "usual")
        return [example_of(folder, seed, optics.get(name, {})) for seed in seeds]

    trained, validated = purpose.change(part("train", purpose.train), part("validation", purpose.validation))
    is_map = purpose.options["architecture"] == MAPS["architecture"]
    classes = ("diatom",) if is_map else ("needle", "other")
    if is_map:
        trained, validated = (
            [replace(example, class_ids=(0,) * len(example.class_ids)) for example in examples]
            for examples in (trained, validated)
        )
    options = LearningOptions(classes=classes, **purpose.options)
    folder = work / purpose.name
    shutil.rmtree(folder, ignore_errors=True)
    return [*train(Fitting(trained, options, folder, validation=validated)).history]


def _run(options: argparse.Namespace) -> int:
    """Make the histories that are not there, read all of them, and return how many are misread."""
    torch.set_num_threads(1)
    misread = 0
    for purpose in PURPOSES:
        if options.only and purpose.name not in options.only:
            continue
        path = options.dest / f"{purpose.name}.csv"
        if not path.exists():
            made = RunFolder(options.work / purpose.name)
            history = make(purpose, options.work)
            made.write_history(history)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(made / HISTORY, path)
        reading = read(history_of(path), 2)
        misread += reading.verdict != purpose.verdict
        print(f"{purpose.name}: {reading.verdict} (meant: {purpose.verdict})\n  {reading.text}", flush=True)
    if options.picture is not None:
        draw(options.dest, options.picture)
    return misread


def history_of(path: Path) -> list[dict[str, float]]:
    """Return the figures of a history."""
    names, *rows = csv.reader(path.read_text(encoding="utf-8").splitlines())
    return [
        {name: float(cell) for name, cell in zip(names, row, strict=True) if name != "epoch" and cell} for row in rows
    ]


def draw(folder: Path, path: Path) -> None:
    """Draw the losses of all histories into one picture, each with its reading."""
    there = [purpose for purpose in PURPOSES if (folder / f"{purpose.name}.csv").exists()]
    rows = -(-len(there) // 2)
    with styled(9, 2.6 * rows) as figure:
        grid = figure.subplots(rows, 2, squeeze=False).flat
        for axes in grid[len(there) :]:
            axes.set_axis_off()
        for axes, purpose in zip(grid, there, strict=False):
            history = history_of(folder / f"{purpose.name}.csv")
            plot_losses(history, axes)
            dress(axes, len(history), INK)
            axes.set(title=read(history, 2).text.partition(":")[0], xlabel="epoch", ylabel="loss")
        figure.axes[0].legend(frameon=False)
        path.write_bytes(png(figure))


def main() -> int:
    """Make the histories, and return an exit code: the number of those that are misread."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path, help="folder for fields and trainings")
    parser.add_argument("--dest", type=Path, default=DEST, help="folder of the histories (tests/data/curves)")
    parser.add_argument("--only", nargs="*", help="names of those that are wanted")
    parser.add_argument("--picture", type=Path, help="PNG file of all histories with their readings")
    return run(parser, _run)


if __name__ == "__main__":
    raise SystemExit(main())
