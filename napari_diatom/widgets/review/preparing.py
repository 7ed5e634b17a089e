"""What is done in a thread before results are sent: images are saved, found and compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.counting.earlier_run import EarlierRun
from napari_diatom.images.planes import BEST
from napari_diatom.project.settings import PROJECT_FILE, Settings
from napari_diatom.review.counted_images import sent_images
from napari_diatom.review.image_saving import SAVED_IMAGES, save_image
from napari_diatom.review.send_report import NotSent
from napari_diatom.review.sending import SendPlan, plan_sending
from napari_diatom.review.sent_image import SentImage
from napari_diatom.widgets.review.send_form import SendForm


@dataclass(frozen=True, eq=False)
class Prepared:
    """The plan, and the name of the image that is shown afterwards."""

    plan: SendPlan
    shown: str


def prepare_sending(form: SendForm, monitor: ProgressMonitor) -> Prepared:
    """Plan what a form says. The project is not changed, except for images that are saved in it.

    Raises
    ------
    InputError
        When nothing can be sent.
    OutputError
        When an image cannot be saved.
    Stopped
        When a stop was asked for.
    """
    assert form.project is not None
    folder = form.project.absolute()
    images: Sequence[SentImage]
    left_out: list[NotSent] = []
    if form.what == "folder":
        assert form.count_folder is not None
        counted, left_out = sent_images(EarlierRun.read(form.count_folder), (), monitor)
        images = form.with_corrections(counted)
        if not images:
            raise InputError(f"Nothing was sent. {left_out[0].image}: {left_out[0].reason}")
    else:
        images = [_with_file(item.image, item.pixels, item.rgb, folder) for item in form.sent if item.specimens]
    plan = plan_sending(folder, _settings(folder, form.is_new), images, monitor)
    return Prepared(replace(plan, left_out=(*left_out, *plan.left_out)), plan.images[0].sent.name)


def _with_file(image: SentImage, pixels: object, rgb: bool, project: Path) -> SentImage:
    """Return an image with its file, which is saved in the project if there is none."""
    if image.file != Path():
        return image
    saved = save_image(project / SAVED_IMAGES, image.name, pixels, rgb, image.pixel_size_um)
    return replace(image, file=saved, page=None, z=BEST)


def _settings(folder: Path, is_new: bool) -> Settings:
    """Return the settings of a project as they are on disk."""
    if is_new:
        return Settings()
    path = folder / PROJECT_FILE
    try:
        return Settings.of_text(path.read_bytes(), str(path))
    except OSError as error:
        raise InputError(f"{folder} is not a project, or cannot be read: {error.strerror or error}.") from error
