"""Write a model's threshold and figures into its card: ``python -m diatom_training.recipes.figures --help``.

The figures come from the files that ``benchmarks/accuracy.py --json`` writes. The threshold is tuned on fields of their
own, never on those of the figures.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from napari_diatom.core.errors import DiatomError, InputError
from napari_diatom.core.text_files import read_json
from napari_diatom.models import library
from napari_diatom.models.library import ModelFolder

FIGURES = ("ap50", "ap50_95", "precision", "recall", "f1", "relative_count_error", "angle_error_deg", "length_error")
MAP_FIGURES = ("miou", "dice", "iou", "pixel_accuracy")
"""Of the class maps of a semantic model, on top of those of its specimens."""


def read_figures(path: Path, model: ModelFolder) -> dict[str, float]:
    """Return the figures over all fields in a file of ``accuracy.py``, and the best threshold.

    Raises
    ------
    InputError
        When the file is damaged, or was measured with other weights.
    """
    try:
        data = read_json(path, "a file of accuracy.py")
        figures = {name: data["figures"]["all"][name] for name in FIGURES} | {"best_threshold": data["best_threshold"]}
        if model.card.task == "semantic":
            figures |= {name: data["maps"]["all"][name] for name in MAP_FIGURES}
        weights = data["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} does not hold figures of accuracy.py: {error!r}") from error
    if weights != model.card.sha256:
        raise InputError(f"{path} was measured with other weights than those of {model.card.name}.")
    return {name: round(float(value), 4) for name, value in figures.items() if value is not None}


def write_threshold(model: ModelFolder, tuning: Path) -> ModelFolder:
    """Set the threshold of all classes to the best one of the fields in ``tuning``."""
    best = read_figures(tuning, model)["best_threshold"]
    card = model.card.model_copy(update={"thresholds": dict.fromkeys(model.card.classes, best)})
    card.write(model.folder)
    return ModelFolder(card, model.folder)


def write_metrics(model: ModelFolder, rendered: Path | None, real: Path | None) -> ModelFolder:
    """Set the metrics: ``rendered_*`` of fresh fields, ``real_*`` of the real station held out."""
    metrics: dict[str, float] = {}
    for name, path in (("rendered", rendered), ("real", real)):
        if path is not None:
            figures = read_figures(path, model)
            metrics |= {f"{name}_{figure}": figures[figure] for figure in (*MAP_FIGURES, *FIGURES) if figure in figures}
    card = model.card.model_copy(update={"metrics": metrics})
    card.write(model.folder)
    return ModelFolder(card, model.folder)


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="name or folder of the model")
    parser.add_argument("--tuning", type=Path, help="figures of the fields that the threshold is tuned on")
    parser.add_argument("--rendered", type=Path, help="figures of fresh rendered fields")
    parser.add_argument("--real", type=Path, help="figures of the real station held out")
    arguments = parser.parse_args()
    try:
        model = library.resolve_model(arguments.model)
        if arguments.tuning:
            model = write_threshold(model, arguments.tuning)
        if arguments.rendered or arguments.real:
            write_metrics(model, arguments.rendered, arguments.real)
    except DiatomError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
