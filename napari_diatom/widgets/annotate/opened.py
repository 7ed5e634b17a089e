"""What is open in the dock *Annotate diatoms*."""

from __future__ import annotations

from dataclasses import dataclass

from napari_diatom.project.document import Document
from napari_diatom.project.project import Project
from napari_diatom.project.settings import ProjectImage


@dataclass
class Opened:
    """The project that is annotated, and its image that is shown; it outlives the dock's widgets.

    Attributes
    ----------
    project : Project or None
        The open project.
    image : ProjectImage or None
        The image of it that is shown.
    document : Document or None
        The annotations of that image.
    discarded : Project or None
        The project whose edits that are in memory alone a person has agreed to lose.
    """

    project: Project | None = None
    image: ProjectImage | None = None
    document: Document | None = None
    discarded: Project | None = None
