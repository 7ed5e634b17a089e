"""Informs all widgets about new models."""

from __future__ import annotations

from functools import cache

from qtpy.QtCore import QObject, Signal


class ModelNews(QObject):
    """Signals about the user's models."""

    changed = Signal()
    """A model was added."""


@cache
def news() -> ModelNews:
    """Return the one object that all widgets share."""
    return ModelNews()
