"""Overfitting and underfitting made on purpose, and what helps."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from curves import MAPS, UNVARIED, example_of

from diatom_training.evaluation.curve_diagnosis import read
from diatom_training.evaluation.training_curves import dress, plot_losses
from diatom_training.learning.fitting import Fitting, Trained
from diatom_training.learning.options import LearningOptions
from diatom_training.learning.train import train
from lessons.drawing import picture
from lessons.material import one_class
from napari_diatom.plots.style import INK

OVERFITTED: Final[dict[str, Any]] = {
    **MAPS,
    "crops": 64,
    "epochs": 24,
    "rate": 5e-3,
    "weight_decay": 0.0,
    "dropout": 0.0,
    "augment": UNVARIED,
}
REMEDIES: Final[dict[str, tuple[int, Mapping[str, Any]]]] = {
    "one slide, nothing against it": (1, {}),
    "augmentation": (1, {"augment": {"aimed": 1.0}}),
    "weight decay": (1, {"weight_decay": 0.3}),
    "dropout": (1, {"dropout": 0.5}),
    "early stopping": (1, {"patience": 4}),
    "eight slides": (8, {}),
    "all of these": (8, {"augment": {"aimed": 1.0}, "weight_decay": 0.05, "dropout": 0.2, "patience": 8}),
}
"""How many slides are learnt from, and what is changed."""
UNDERFITTED: Final[dict[str, Any]] = {**OVERFITTED, "rate": 2e-4, "epochs": 24, "schedule": "constant"}
VALIDATION: Final = range(100, 104)


def trained(work: Path, slides: int, options: Mapping[str, Any], short: int | None) -> Trained:
    """Train a small network for maps on rendered slides, for two steps where it is only to be seen that it works."""
    few = {"epochs": 1, "crops": 2 * 8, "validation_crops": 8} if short else {}
    parts = [[example_of(work / "fields", seed, {}) for seed in seeds] for seeds in (range(slides), VALIDATION)]
    parts = [[one_class(example) for example in part] for part in parts]
    folder = Path(tempfile.mkdtemp(dir=work))
    return train(Fitting(parts[0], LearningOptions(**(dict(options) | few)), folder, validation=parts[1]))


def teach(folder: Path, steps: int | None) -> dict[str, float]:
    """Draw the chapter's pictures and return its figures."""
    figures: dict[str, float] = {}
    chosen = dict(list(REMEDIES.items())[: 2 if steps else None])
    with tempfile.TemporaryDirectory() as work:
        plans = {name: (slides, OVERFITTED | dict(changed)) for name, (slides, changed) in chosen.items()}
        plans["a rate of 0.0002"] = (8, UNDERFITTED)
        results = {name: trained(Path(work), *plan, steps) for name, plan in plans.items()}
    with picture(folder / "remedies.png", 8, 1.9 * -(-len(results) // 4) + 0.4) as figure:
        grid = figure.subplots(-(-len(results) // 4), 4, sharey=True, squeeze=False).flat
        for axes in grid:
            axes.set_axis_off()
        for axes, (name, result) in zip(figure.axes, results.items(), strict=False):
            axes.set_axis_on()
            history = list(result.history)
            plot_losses(history, axes)
            dress(axes, len(history), INK)
            axes.set_title(name, fontsize=8)
            axes.set(xlabel="epoch")
            figures[f"validation loss, {name}"] = history[-1]["val_loss"]
            figures[f"training loss, {name}"] = history[-1]["sample_loss"]
            figures[f"validation Dice, {name}"] = history[-1]["val_dice"]
            if not steps:
                figures[f"best validation loss, {name}"] = min(epoch["val_loss"] for epoch in history)
        figure.axes[0].legend(fontsize=6)
    if not steps:
        for name, result in results.items():
            print(name, "->", read(list(result.history), 2).verdict, flush=True)
    return figures
