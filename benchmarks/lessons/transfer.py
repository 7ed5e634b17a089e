"""Transfer against scratch over the number of slides."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final

from curves import example_of

from diatom_training.finetune.initial_weights import trainable_network
from diatom_training.learning.fitting import Fitting
from diatom_training.learning.options import LearningOptions
from diatom_training.learning.train import train
from lessons.drawing import picture
from lessons.material import one_class
from napari_diatom.models import library
from napari_diatom.plots.style import BLUE, ORANGE

SLIDES: Final = (1, 2, 4, 8)
VALIDATION: Final = range(200, 204)
LIGHT: Final[dict[str, Any]] = {"modality": "dark-field", "contrast": 0.8}
"""A light that the bundled model for maps has not learnt from."""
OPTIONS: Final[dict[str, Any]] = {
    "size": 128,
    "batch": 8,
    "crops": 96,
    "epochs": 5,
    "validation_crops": 32,
    "warmup": 4,
    "rate": 2e-3,
    "frozen_epochs": 0,
    "average_decay": 0.9,
    "workers": 0,
}


def teach(folder: Path, steps: int | None) -> dict[str, float]:
    """Draw the chapter's picture and return its figures."""
    model = library.resolve_model("diatom-deeplab")
    start = trainable_network(model).state_dict()
    options = LearningOptions(architecture=model.card.architecture, **OPTIONS)
    if steps:
        options = options.model_copy(
            update={"epochs": 1, "crops": 2 * 2, "batch": 2, "size": 64, "validation_crops": 2}
        )
    figures: dict[str, float] = {}
    reached: dict[str, list[float]] = {"from diatom-deeplab": [], "from scratch": []}
    counts = SLIDES[:1] if steps else SLIDES
    with tempfile.TemporaryDirectory() as work:
        fields = Path(work) / "fields"
        seeds = (range(max(counts)), VALIDATION[: 1 if steps else None])
        slides, others = ([one_class(example_of(fields, seed, LIGHT)) for seed in part] for part in seeds)
        for count in counts:
            for name, weights in (("from diatom-deeplab", start), ("from scratch", None)):
                run = Path(tempfile.mkdtemp(dir=work))
                result = train(Fitting(slides[:count], options, run, validation=others, start=weights))
                figures[f"Dice of {count} slides, {name}"] = result.history[-1]["val_dice"]
                reached[name].append(result.history[-1]["val_dice"])
                if weights is not None:
                    figures["Dice before the first step"] = result.history[0].get("start_dice", float("nan"))
    with picture(folder / "transfer.png", 4.2, 2.8) as figure:
        axes = figure.subplots()
        for (name, values), colour in zip(reached.items(), (BLUE, ORANGE), strict=True):
            axes.plot(counts, values, "o-", color=colour, label=name)
        axes.set(xlabel="slides learnt from", ylabel="Dice on other slides", ylim=(0, 1), xticks=counts)
        axes.grid(True)
        axes.legend(fontsize=7)
    return figures
