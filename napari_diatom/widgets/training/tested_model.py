"""The model of a run, and its test results."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from napari_diatom.core.errors import DiatomError
from napari_diatom.core.proportions import few_note
from napari_diatom.core.text import many
from napari_diatom.models import library

if TYPE_CHECKING:
    from diatom_training.finetune.run_folder import RunFolder
    from napari_diatom.models.library import ModelFolder

_FIGURES: Final = {
    "ap50": "Average precision, overlap of 0.5 or more",
    "ap50_95": "Average precision, mean over overlaps of 0.5 to 0.95",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "matched_iou": "Mean IoU of the matched",
    "froc": "FROC score",
    "dice": "Dice",
    "miou": "mIoU",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Mean F1 of the classes",
    "weighted_f1": "F1, weighted by specimens",
    "auc": "AUC-ROC",
    "average_precision": "Average precision of the names",
    "relative_count_error": "Count error",
    "outline_dice": "Dice of the outlines",
    "outline_iou": "IoU of the outlines",
    "mask_ap50": "Average precision of the masks, overlap of 0.5 or more",
    "mask_ap75": "Average precision of the masks, overlap of 0.75 or more",
    "boundary_error_px": "Error of the edges in pixels",
    "flagged": "Share of outlines that contradict their boxes",
}
"""Figures of the test that the window shows; the report has all."""


def trained_model(folder: RunFolder) -> ModelFolder | None:
    """Return the model of a run, None if it does not exist or cannot be read."""
    if not (folder / "model" / "model.yaml").is_file():
        return None
    try:
        return library.resolve_model(folder / "model")
    except DiatomError:
        return None


def figures_text(folder: RunFolder, model: ModelFolder) -> str:
    """Return the test figures with their intervals, one per line in HTML, empty if the model was not tested."""
    from diatom_training.evaluation.card_figures import card_figures

    rows = card_figures(model.card.metrics, tuple(_FIGURES), folder / "report" / "report.json")
    if not rows:
        return ""
    number = int(model.card.metrics.get("specimens", 0))
    lines = [f"On the test slides: {many(number, 'specimen')} (95 % intervals in brackets)"]
    if note := few_note(row.of for row in rows):
        lines.append(f"<b>{note}</b>")
    lines += [f"{_FIGURES[row.name]}: <b>{row.value:.3f}</b>" + (f" ({row.sure})" if row.sure else "") for row in rows]
    return "<br>".join(lines)


def figures_help(model: ModelFolder) -> str:
    """Return what the test figures mean, how they are computed and when they mislead, as HTML for a tooltip."""
    from diatom_training.metrics.definitions import DEFINITIONS, work_of

    meanings = DEFINITIONS[work_of(model.card.task)]
    shown = [name for name in _FIGURES if name in model.card.metrics and name in meanings]
    return "".join(f"<p><b>{escape(_FIGURES[name])}</b>: {escape(meanings[name].text)}</p>" for name in shown)
