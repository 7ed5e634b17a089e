"""The questions that the dock *Annotate diatoms* asks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_diatom.core.text import either, many
from napari_diatom.project import backups
from napari_diatom.project.edit_conflicts import Clash
from napari_diatom.project.edit_merging import Side
from napari_diatom.project.project import Project
from napari_diatom.project.summary import Tally
from napari_diatom.widgets.common.asking import ask

UnsavedEdits = Literal["keep", "copy", "lose"]
"""What becomes of edits that cannot be written: the project stays open, copies are saved, or they are lost."""
_UNSAVED: Final[dict[UnsavedEdits, str]] = {
    "keep": "Keep the project open",
    "copy": "Save copies elsewhere and close...",
    "lose": "Close and lose the edits",
}
_LISTED: Final = 12
"""Specimens that are listed in a question about two versions."""


def project_to_open(parent: QWidget) -> Path | None:
    """Ask for the folder of a project. Like all questions here, returns None if the user cancels."""
    folder = QFileDialog.getExistingDirectory(parent, "Open a project folder")
    return Path(folder) if folder else None


def folder_of_counted(parent: QWidget, count: int, what: str) -> Path | None:
    """Ask for the folder of images that were counted and are not found; None to go on without them."""
    answer = ask(
        parent,
        "Images not found",
        f"{many(count, 'image')} of these results {either(count, 'was', 'were')} not found, such as {what}\n\n"
        "If the images were moved, choose the folder that they are in now.",
        "Go on without them",
        "Choose the folder...",
    )
    return folder_of_moved(parent) if answer == 1 else None


def folder_of_review(parent: QWidget, why: str) -> Path | None:
    """Ask for the folder of the project of a review, which cannot be in the folder of results."""
    answer = ask(parent, "Project of the review", why, "Cancel", "Choose a folder...")
    if answer == 0:
        return None
    folder = QFileDialog.getExistingDirectory(parent, "Choose a folder for the project of the review")
    return Path(folder) if folder else None


def folder_of_moved(parent: QWidget) -> Path | None:
    """Ask for the folder that missing images are in now."""
    folder = QFileDialog.getExistingDirectory(parent, "Choose the folder that the missing images are in now")
    return Path(folder) if folder else None


def may_be_removed(parent: QWidget, project: Project, tally: Tally) -> bool:
    """Ask whether an image is removed from the project."""
    has = " and ".join(
        many(number, what) for number, what in ((tally.total, "specimen"), (tally.proposals, "proposal")) if number
    )
    loses = f"The project loses its {has}, and they are not counted or trained on any more. " if has else ""
    answer = ask(
        parent,
        "Remove image",
        f"Remove {tally.image.id} from the project {project.folder.name}?\n\n{loses}A copy of its annotations stays in "
        f"{project.folder / backups.HISTORY}. The image file is not deleted.",
        "Keep the image",
        "Remove the image",
    )
    return answer == 1


def images_to_add(parent: QWidget) -> list[str]:
    """Ask for image files. Empty if the user cancels."""
    names, _ = QFileDialog.getOpenFileNames(parent, "Choose the images to add")
    return list(names)


def is_new_class(parent: QWidget, name: str) -> bool:
    """Ask whether a name that was typed is a new class."""
    kinds = QMessageBox.StandardButton
    question = f"This project does not have the class {name!r}. Add it?"
    return bool(kinds.Yes == QMessageBox.question(parent, "New class", question))


def version_to_keep(parent: QWidget, clashes: Sequence[Clash]) -> Side:
    """Ask which version to keep of specimens that were changed both here and in another window."""
    listed = "\n".join(f"- {item.words()}" for item in clashes[:_LISTED])
    more = len(clashes) - _LISTED
    answer = ask(
        parent,
        "Changed in another window",
        f"You and somebody else have changed {many(len(clashes), 'specimen')} of this image:\n\n{listed}"
        f"{f'{chr(10)}And {more} more.' if more > 0 else ''}\n\nWhich version of these do you want to keep? "
        "All other changes are kept, yours and theirs.",
        "Keep mine",
        "Keep theirs",
    )
    return "theirs" if answer == 1 else "mine"


def way_of_unsaved(window: QWidget | None, project: Project) -> UnsavedEdits:
    """Ask what to do with a project whose last edits are only in memory."""
    names = ", ".join(project.unstored())
    answer = ask(
        window,
        "Edits are not saved",
        f"Your last edits of {names} in the project {project.folder.name} cannot be written. They are only in memory, "
        "and are lost if you close the project.\n\nTo save them, keep the project open and free some disk space, make "
        "the project folder writable, or put it back if it is gone. Saving is tried again every few seconds. Or save "
        "copies of these annotations elsewhere.",
        *_UNSAVED.values(),
    )
    return tuple(_UNSAVED)[answer]


def folder_of_copies(window: QWidget | None) -> Path | None:
    """Ask where copies of annotations are saved."""
    folder = QFileDialog.getExistingDirectory(window, "Choose a folder for copies of the annotations")
    return Path(folder) if folder else None


def show_copies(window: QWidget | None, place: Path) -> None:
    """Show where copies of annotations are, and what they are for."""
    ask(
        window,
        "Copies are saved",
        f"The annotations are in {place}. When the project can be written again, take them in there: Project settings, "
        "page Import.",
        "Close the project",
    )
