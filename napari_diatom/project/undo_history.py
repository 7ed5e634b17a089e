"""What a person can undo and do again in an image."""

from __future__ import annotations

from napari_diatom.project.edit_merging import after_last
from napari_diatom.project.edits import Edit


class UndoHistory:
    """The edits that were made and those that were undone, the last of each at hand."""

    def __init__(self) -> None:
        self.done: list[Edit] = []
        self.undone: list[Edit] = []

    @property
    def undo_label(self) -> str | None:
        """What undoing would undo, None where there is nothing."""
        return self.done[-1].label if self.done else None

    @property
    def redo_label(self) -> str | None:
        """What would be done again, None where there is nothing."""
        return self.undone[-1].label if self.undone else None

    def add(self, edit: Edit) -> None:
        """Note an edit of a person: what was undone before cannot be done again."""
        self.done.append(edit)
        self.undone.clear()

    def forget(self, touched: set[str]) -> None:
        """Forget edits up to the last one that has to do with specimens that somebody else changed."""
        self.done, self.undone = after_last(self.done, touched), after_last(self.undone, touched)
