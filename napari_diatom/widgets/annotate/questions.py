"""What the dock *Annotate diatoms* asks of a person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_diatom.core.text import many
from napari_diatom.project import backups
from napari_diatom.project.edit_conflicts import Clash
from napari_diatom.project.edit_merging import Side
from napari_diatom.project.project import Project
from napari_diatom.project.summary import Tally
from napari_diatom.widgets.annotate import key_bindings
from napari_diatom.widgets.common.asking import ask

_LISTED: Final = 12
"""Specimens that a question about two versions names."""


class NewProject(NamedTuple):
    """What a new project is made of."""

    folder: Path
    images: list[Path]
    taxa: Path | None


def project_to_open(parent: QWidget) -> Path | None:
    """Ask for the folder of a project; None where there was no answer, as of all questions here."""
    folder = QFileDialog.getExistingDirectory(parent, "Open the folder of a project")
    return Path(folder) if folder else None


def new_project(parent: QWidget) -> NewProject | None:
    """Ask what a new project is made of."""
    folder = QFileDialog.getExistingDirectory(parent, "Folder of the new project")
    if not folder:
        return None
    names, _ = QFileDialog.getOpenFileNames(parent, "Images of the project", folder)
    if not names:
        return None
    taxa, _ = QFileDialog.getOpenFileName(parent, "Taxon list (cancel for none)", folder, "CSV (*.csv)")
    return NewProject(Path(folder), [Path(name) for name in names], Path(taxa) if taxa else None)


def folder_of_moved(parent: QWidget) -> Path | None:
    """Ask for the folder that missing images are in now."""
    folder = QFileDialog.getExistingDirectory(parent, "Folder that the missing images are in now")
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
    """Ask for files of images; empty where there was no answer."""
    names, _ = QFileDialog.getOpenFileNames(parent, "Images to add")
    return list(names)


def is_new_class(parent: QWidget, name: str) -> bool:
    """Ask whether a name that was typed is that of a new class."""
    kinds = QMessageBox.StandardButton
    question = f"This project has no class {name!r}. Add it?"
    return bool(kinds.Yes == QMessageBox.question(parent, "New class", question))


def version_to_keep(parent: QWidget, clashes: Sequence[Clash]) -> Side:
    """Ask whose version of specimens is kept that were changed here and in another window."""
    listed = "\n".join(f"- {item.words()}" for item in clashes[:_LISTED])
    more = len(clashes) - _LISTED
    answer = ask(
        parent,
        "Changed in another window",
        f"{many(len(clashes), 'specimen')} of this image, changed here and by somebody else:\n\n{listed}"
        f"{f'{chr(10)}And {more} more.' if more > 0 else ''}\n\nWhich version of these do you want to keep? "
        "All other changes are kept, yours and theirs.",
        "Keep mine",
        "Keep theirs",
    )
    return "theirs" if answer == 1 else "mine"


def may_be_lost(window: QWidget | None, project: Project) -> bool:
    """Ask whether a project is closed though its last edits are in memory alone."""
    names = ", ".join(project.unstored())
    answer = ask(
        window,
        "Edits are not saved",
        f"Your last edits of {names} in the project {project.folder.name} cannot be written. They are in "
        "memory alone, and closing the project loses them.\n\nKeep it open to make room on the disk, or to make "
        "the folder writable: saving is tried again every few seconds.",
        "Keep the project open",
        "Close and lose the edits",
    )
    return answer == 1


def show_keys(parent: QWidget) -> None:
    """Show the sheet of keys."""
    box = QMessageBox(QMessageBox.Icon.NoIcon, "Keys", key_bindings.sheet(), QMessageBox.StandardButton.Close, parent)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.open()
