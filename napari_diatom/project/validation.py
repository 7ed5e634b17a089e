"""What is wrong with a project: images, annotations, classes, split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from napari_diatom.core import geometry
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.core.text import either, many
from napari_diatom.project import clock, data_leakage, journal, splits
from napari_diatom.project.edit_conflicts import clashes_in_words
from napari_diatom.project.project import Project
from napari_diatom.project.settings import ProjectImage
from napari_diatom.project.specimen import Specimen

SLACK: Final = 1.0
"""Pixels that the centre of a box may lie outside of its image, as after dragging at the edge."""
NAMED: Final = 20
"""Damaged lines of a journal that are named."""


@dataclass(frozen=True)
class Finding:
    """Something that is wrong.

    Attributes
    ----------
    kind : str
        What, in a word or two.
    image : str
        Id of the image, empty where it is about the project.
    text : str
        A line for a person.
    is_error : bool
        Whether it has to be put right; else it is a warning.
    """

    kind: str
    image: str
    text: str
    is_error: bool = True


def find_problems(project: Project, monitor: ProgressMonitor = UNWATCHED) -> list[Finding]:
    """Look for what is wrong; every image is read once.

    Parameters
    ----------
    project : Project
        An open project; nothing is changed, but edits of a killed window are made again.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"images"`` and ``"pictures"``.
    """
    found: list[Finding] = []
    for number, image in enumerate(project.images):
        monitor.report(Progress("images", number, len(project.images), image.id))
        monitor.check()
        found += _of_file(project, image)
        try:
            specimens = project.contents(image.id).specimens
        except InputError as error:
            found.append(Finding("damaged", image.id, str(error)))
            continue
        found += _of_specimens(project, image, specimens)
    monitor.report(Progress("images", len(project.images), len(project.images)))
    found += _of_journals(project)
    return found + list(_of_split(project, monitor))


def _of_file(project: Project, image: ProjectImage) -> Iterator[Finding]:
    """Look at the file of an image."""
    path = project.path(image.id)
    try:
        condition = project.linked_images.condition(image.id)
    except InputError as error:
        yield Finding("unreadable", image.id, str(error))
        return
    if condition == "missing":
        yield Finding("missing", image.id, f"{path} is missing: find it where it was moved to.")
    elif condition == "changed":
        yield Finding(
            "changed",
            image.id,
            f"{path} is not the file that was annotated: put the old file back, or accept the new one.",
        )


def _of_specimens(project: Project, image: ProjectImage, specimens: Sequence[Specimen]) -> Iterator[Finding]:
    """Look at the annotations of an image."""
    boxes = np.array([item.box for item in specimens]).reshape(-1, 5)
    inside = (
        (boxes[:, 0] >= -SLACK)
        & (boxes[:, 1] >= -SLACK)
        & (boxes[:, 0] <= image.width + SLACK)
        & (boxes[:, 1] <= image.height + SLACK)
    )
    bounds = geometry.bounds(boxes)
    far = bounds[:, 2:] - bounds[:, :2] > 2 * np.array([image.width, image.height])
    outside = [item for item, is_out in zip(specimens, ~inside | far.any(axis=1), strict=True) if is_out]
    if outside:
        lie = either(len(outside), "lies", "lie")
        first = f"{either(len(outside), 'it', 'the first')} is {outside[0].id}"
        yield Finding("outside", image.id, f"{many(len(outside), 'specimen')} {lie} outside the image, {first}.")
    known = {item.name for item in project.settings.classes}
    unknown = sorted({item.name for item in specimens} - known)
    if unknown:
        yield Finding("unknown class", image.id, f"Classes that the project does not have: {', '.join(unknown)}.")


def _of_journals(project: Project) -> Iterator[Finding]:
    """Look at what dead windows left, and at what is not in the files yet."""
    for left in project.journals.leftovers():
        what = "others changed the same specimens."
        if left.damaged:
            more = ", ..." if len(left.damaged) > NAMED else ""
            lines, are = either(len(left.damaged), "line", "lines"), either(len(left.damaged), "is", "are")
            what = f"{lines} {', '.join(map(str, left.damaged[:NAMED]))}{more} {are} damaged."
        elif left.clashes:
            what = clashes_in_words(left.clashes, left.annotator or "the one who made them")
        text = left.problem or f"{left.path} holds edits by {_whose(left)} that could not be restored: {what}"
        yield Finding("unsaved edits", "", f"{text} Remove the file when they are no longer needed.")
    for left in project.journals.waiting():
        yield Finding(
            "unsaved edits",
            journal.journal_image(left.path),
            left.problem
            or f"Edits by {_whose(left)} are not in the files yet, and not counted here: close that window, or, "
            "where its computer is off, open this project in a window and leave it open for a few minutes.",
            is_error=False,
        )


def _whose(left: journal.LeftoverJournal) -> str:
    """Return who made the edits of a journal, where and when."""
    host = f" on {left.host}" if left.host else ""
    return f"{left.annotator or 'somebody'}{host} of {clock.in_words(left.begun) or 'some time'}"


def _of_split(project: Project, monitor: ProgressMonitor) -> Iterator[Finding]:
    """Look at the split."""
    split = project.settings.split
    if split is None:
        return
    for line in splits.warnings_of(split, project.summary()):
        yield Finding("split", "", line, is_error=False)
    for leak in data_leakage.find_leaks(project.folder, project.images, split, monitor):
        what = "the same file" if leak.same_file else "nearly the same picture"
        yield Finding(
            "leak", leak.second, f"{leak.first} ({leak.parts[0]}) and {leak.second} ({leak.parts[1]}) are {what}."
        )
