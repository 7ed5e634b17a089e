"""Who works, and has worked, in a project."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass

from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.project.project import Project


@dataclass(frozen=True)
class Person:
    """Somebody who has changed specimens.

    Attributes
    ----------
    name : str
        As the specimens have it; empty where it is not known.
    specimens : int
        Specimens that they changed last.
    images : int
        Images that these are in.
    latest : str
        When they last changed one, ISO 8601 in UTC; empty where it is not known.
    """

    name: str
    specimens: int
    images: int
    latest: str


def people_of(project: Project, monitor: ProgressMonitor = UNWATCHED) -> list[Person]:
    """Return who changed the specimens of a project, those with most of them first.

    Images that cannot be read are left out.

    Parameters
    ----------
    project : Project
        An open project.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"images"``.
    """
    specimens: Counter[str] = Counter()
    images: Counter[str] = Counter()
    latest: dict[str, str] = {}
    for number, image in enumerate(project.images):
        monitor.report(Progress("images", number, len(project.images), image.id))
        monitor.check()
        found: Counter[str] = Counter()
        with suppress(InputError):
            for item in project.contents(image.id).specimens:
                found[item.annotator] += 1
                latest[item.annotator] = max(latest.get(item.annotator, ""), item.changed)
        specimens.update(found)
        images.update(found.keys())
    monitor.report(Progress("images", len(project.images), len(project.images)))
    return [Person(name, number, images[name], latest[name]) for name, number in specimens.most_common()]
