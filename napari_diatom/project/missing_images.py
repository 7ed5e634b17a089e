"""Images of a project that are missing or leave it: which they are, and whether it is safe to remove them."""

from __future__ import annotations

from collections.abc import Collection

from napari_diatom.core.errors import InputError
from napari_diatom.images.image_content import image_exists
from napari_diatom.project import journal
from napari_diatom.project.project import Project
from napari_diatom.project.settings import ProjectImage


def missing_images(project: Project) -> tuple[ProjectImage, ...]:
    """Return the images whose files are not where the project expects them; no file is read."""
    return tuple(image for image in project.images if not image_exists(project.path(image.id)))


def require_removable(project: Project, ids: Collection[str]) -> None:
    """Check that images can be removed without losing edits of another window.

    Raises
    ------
    InputError
        When there is no such image, or another window has edits of it that are not in the files yet.
    """
    for id_ in ids:
        project.settings.image(id_)
    edited = {journal.journal_image(left.path) for left in project.journals.waiting()}
    if busy := [id_ for id_ in ids if id_ in edited]:
        raise InputError(
            f"Nothing was removed: another window has edits that are not in the files yet, of {', '.join(busy)}. "
            "Close that window first."
        )
