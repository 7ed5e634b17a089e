"""The errors a user may meet; every message says what, where, and what to do about it."""

from __future__ import annotations

from napari_diatom.core.text import printable


class DiatomError(Exception):
    """Base of all errors that are shown to the user as one line."""

    def __str__(self) -> str:
        # What a file says, and its name, may hold line breaks and what moves the cursor of a terminal.
        return printable(super().__str__())


class InputError(DiatomError):
    """Something given to the program (an image, an option, an array) cannot be used."""


class ModelError(DiatomError):
    """A model is unknown, damaged, or does not fit its card."""


class OutputError(DiatomError):
    """A result could not be written; nothing half-written is left behind."""


class Stopped(DiatomError):
    """The user asked for a stop; work done until then is kept where it can be resumed."""
