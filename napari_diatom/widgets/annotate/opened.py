"""What is open in the dock *Annotate diatoms*."""

from __future__ import annotations

from dataclasses import dataclass

from napari_diatom.project.document import Document
from napari_diatom.project.project import Project
from napari_diatom.project.settings import ProjectImage


@dataclass
class Opened:
    """The open project and its open image. This object outlives the widgets of the dock.

    Attributes
    ----------
    project : Project or None
        The open project.
    image : ProjectImage or None
        The open image of the project.
    document : Document or None
        The annotations of the open image.
    discarded : Project or None
        The project whose unsaved edits the user has agreed to lose.
    """

    project: Project | None = None
    image: ProjectImage | None = None
    document: Document | None = None
    discarded: Project | None = None
