"""The errors a user may meet; every message says what, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_diatom.project.edit_conflicts import Clash


class DiatomError(Exception):
    """Base of all errors that are shown to the user as one line."""


class InputError(DiatomError):
    """Something given to the program (an image, an option, an array) cannot be used."""


class ModelError(DiatomError):
    """A model is unknown, damaged, or does not fit its card."""


class OutputError(DiatomError):
    """A result could not be written; nothing half-written is left behind."""


class ConflictError(DiatomError):
    """Somebody else changed a file of the project since it was read; nothing is overwritten.

    Attributes
    ----------
    clashes : tuple of Clash
        The specimens that both changed, with who changed what; empty where that is not known yet.
    """

    def __init__(self, message: str, clashes: Sequence[Clash] = ()) -> None:
        super().__init__(message)
        self.clashes = tuple(clashes)


class Stopped(DiatomError):
    """The user asked for a stop; work done until then is kept where it can be resumed."""
