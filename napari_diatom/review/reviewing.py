"""A folder of results of ``count`` as a project, to be looked through in *Annotate diatoms*."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from napari_diatom.core.errors import InputError, OutputError
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.counting.earlier_run import EarlierRun
from napari_diatom.project.project import Project
from napari_diatom.project.settings import PROJECT_FILE, Counting, Settings
from napari_diatom.review.counted_images import sent_images
from napari_diatom.review.send_report import SendReport
from napari_diatom.review.sending import SendOptions, finish_sending, plan_sending, send
from napari_diatom.review.sent_image import SentImage

REVIEW: Final = "review"
"""Folder of the project in a folder of results, where none is named."""
_OPTIONS: Final = SendOptions(only_untouched=True)


class MissingImagesError(InputError):
    """No image that a run has counted was found."""


def review_folder(folder: Path) -> Path:
    """Return where the project of a folder of results is, where no other place is named."""
    return folder.absolute() / REVIEW


def review(
    folder: Path,
    project: Path | None = None,
    places: Sequence[Path] = (),
    monitor: ProgressMonitor = UNWATCHED,
) -> SendReport:
    """Make a project of a folder of results, or bring it up to date.

    All specimens become proposals. Images that the project has already keep what people have done there; those that
    ``count`` has added since are added.

    Parameters
    ----------
    folder : Path
        The folder of results.
    project : Path, optional
        Folder of the project; by default ``review`` in the folder of results.
    places : sequence of Path
        Folders to look for moved images in, with their subfolders; by default the folder that the results are in.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"files"`` and ``"images"``.

    Returns
    -------
    SendReport
        What the project got.

    Raises
    ------
    InputError
        When the folder holds no results, or not one image can be reviewed: a MissingImagesError where their files were
        not found.
    OutputError
        When the project cannot be written.
    Stopped
        When a stop was asked for; the images until then stay in the project.
    """
    run = EarlierRun.read(folder)
    images, left_out = sent_images(run, places, monitor)
    if not images:
        why = f"Nothing in {folder} can be reviewed. {left_out[0].image}: {left_out[0].reason}"
        raise MissingImagesError(why) if any(item.is_missing for item in left_out) else InputError(why)
    home = (review_folder(folder) if project is None else project).absolute()
    home = home.parent if home.name == PROJECT_FILE else home
    try:
        report = _sent(run, images, home, monitor)
    except OutputError as error:
        if project is not None:
            raise
        raise OutputError(f"{error} Name another folder for the project.") from error
    report.left_out[:0] = left_out
    return report


def _sent(run: EarlierRun, images: Sequence[SentImage], home: Path, monitor: ProgressMonitor) -> SendReport:
    """Send counted images to the project of a folder, which is made where there is none."""
    if (home / PROJECT_FILE).exists():
        with Project.open(home) as opened:
            return send(opened, images, _OPTIONS, monitor)
    # Nothing is made where nothing can be sent.
    plan = plan_sending(home, Settings(), images, monitor)
    with Project.create(home) as opened:
        counting = Counting(counted=run.counted, target=opened.settings.counting.target)
        opened.update(opened.settings.replace(counting=counting))
        return finish_sending(opened, plan, _OPTIONS, monitor)
