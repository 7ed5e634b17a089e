"""Tells all widgets when there is a new model."""

from __future__ import annotations

from functools import cache

from qtpy.QtCore import QObject, Signal


class ModelNews(QObject):
    """Signals about the user's models."""

    changed = Signal()
    """There is another one."""


@cache
def news() -> ModelNews:
    """Return the one that all widgets share."""
    return ModelNews()
