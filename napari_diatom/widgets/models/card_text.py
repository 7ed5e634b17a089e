"""The card of a model as a text that a biologist reads, without Qt."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any, Final

from napari_diatom.core.proportions import few_note
from napari_diatom.core.text import first_few, many, shortened
from napari_diatom.models.card import ModelCard, Task
from napari_diatom.models.library import ModelFolder
from napari_diatom.models.own_models import is_own

TASKS: Final[Mapping[Task, str]] = {
    "oriented-boxes": "rotated boxes",
    "boxes": "upright boxes",
    "semantic": "maps",
    "instances": "masks",
    "classes": "names of taxa",
    "outlines": "outlines for boxes",
    "embedding": "vectors of specimens",
}
"""What models of a task give."""
_CLASSES_SHOWN: Final = 40
_LONGEST: Final = 300
_HIDDEN: Final = ("images_seen",)
"""Entries of a card that are lists of thousands."""


def card_html(model: ModelFolder, report: Path | None = None) -> str:
    """Return what the card says, as HTML; all that comes from the card is escaped.

    Parameters
    ----------
    model : ModelFolder
        The model.
    report : Path, optional
        The report (JSON) of its test, for the intervals of its figures.
    """
    card = model.card
    size = "not stated: images are searched at several scales"
    if card.pixel_size_um is not None:
        size = f"{card.pixel_size_um:g} µm; images are resampled to it"
    rows = {
        "Gives": f"{TASKS[card.task]} ({card.architecture})",
        "Classes": f"{len(card.classes):,}: {first_few(card.classes, _CLASSES_SHOWN)}",
        "Pixel size": size,
        "Licence": card.licence or "not stated",
        "Learnt from": _training(card),
    }
    lines = "".join(
        f"<tr><td><b>{name}</b>&nbsp;&nbsp;</td><td>{escape(text)}</td></tr>" for name, text in rows.items()
    )
    summary = f"<p>{escape(card.summary)}</p>" if card.summary else ""
    return f"<h3>{escape(card.origin)}</h3>{summary}<table>{lines}</table>{_figures(card, report)}"


def origin_text(model: ModelFolder) -> str:
    """Return where a model comes from, in a word or two."""
    return "your own" if is_own(model) else "bundled"


def _training(card: ModelCard) -> str:
    """Return what a model learnt from, as its card says it."""
    seen = card.training.get("images_seen")
    images = sum(len(keys) for keys in seen.values()) if isinstance(seen, dict) else 0
    parts = [many(images, "image")] if images else []
    parts += [f"{key}: {_plain(value)}" for key, value in card.training.items() if key not in _HIDDEN and _plain(value)]
    return shortened("; ".join(parts), _LONGEST) or "not stated"


def _plain(value: Any) -> str:
    """Return a value of a card as text, empty for lists and tables."""
    return shortened(" ".join(str(value).split()), 120) if isinstance(value, str | int | float) else ""


def _figures(card: ModelCard, report: Path | None) -> str:
    """Return the figures of the test with their intervals."""
    from diatom_training.evaluation.card_figures import card_figures

    numbers = [name for name, value in card.metrics.items() if not float(value).is_integer() or value in (0, 1)]
    figures = card_figures(card.metrics, numbers, report or Path())
    if not figures:
        return "<p>Its card has no figures of a test.</p>"
    rows = "".join(
        f"<tr><td>{escape(item.name.replace('_', ' '))}&nbsp;&nbsp;</td><td>{item.value:.3f}</td>"
        f"<td>&nbsp;&nbsp;{escape(item.sure)}</td></tr>"
        for item in figures
    )
    of = int(card.metrics.get("specimens", 0))
    number = f" ({many(of, 'specimen')})" if of else ""
    note = few_note(item.of for item in figures)
    few = f"<p>{note}</p>" if note else ""
    title = f"<p><b>Figures of its test{number}</b>, with 95 % intervals where they are known</p>"
    return f"{title}<table>{rows}</table>{few}"
