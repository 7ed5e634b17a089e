"""Informs all widgets when the user's models change."""

from __future__ import annotations

from functools import cache

from qtpy.QtCore import QObject, Signal


class ModelNews(QObject):
    """Signals about the user's models."""

    changed = Signal()
    """A model was added, renamed or removed."""


@cache
def news() -> ModelNews:
    """Return the one object that all widgets share."""
    return ModelNews()
