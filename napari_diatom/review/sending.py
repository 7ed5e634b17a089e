"""What was found in images is sent to a project, each specimen once, and nothing that the project has is changed.

:func:`plan_sending` reads and compares files and changes nothing, so it can run in a thread. :func:`sending` then makes
one undoable edit in each image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from napari_diatom.core.errors import DiatomError, InputError, OutputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.project import image_identity
from napari_diatom.project.edit_conflicts import ConflictError
from napari_diatom.project.project import Project
from napari_diatom.project.settings import ProjectImage, Settings
from napari_diatom.review.send_report import NotSent, SendReport, SentCounts
from napari_diatom.review.sent_image import AsSpecimens, SentImage, arrive, classes_sent, specimens_sent


class SendOptions(BaseModel):
    """How finds become part of a project."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    as_specimens: AsSpecimens = Field(
        default="reviewed",
        description="What becomes specimens: those that a person has drawn, changed or looked at, or all. The others "
        "become proposals, to accept or reject",
    )
    add_classes: bool = Field(
        default=True,
        description="Add classes that the project does not have. Otherwise specimens of such a class stay proposals",
    )
    skip_rejected: bool = Field(
        default=True,
        description="Leave out what a model found and people have rejected or deleted in the project",
    )
    only_untouched: bool = Field(
        default=False, description="Leave out images on which people have already worked in the project"
    )


@dataclass(frozen=True, eq=False)
class PlannedImage:
    """An image that will be sent, as the project has or will have it."""

    sent: SentImage
    image: ProjectImage
    is_new: bool
    orientation: int


@dataclass(frozen=True, eq=False)
class SendPlan:
    """What will be sent.

    Attributes
    ----------
    images : tuple of PlannedImage
        In their order.
    pixel_sizes_um : dict of str to float
        Micrometres per pixel of slides that are new in the project.
    left_out : tuple of NotSent
        What cannot be sent.
    remarks : tuple of str
        What the user should know, a sentence each.
    """

    images: tuple[PlannedImage, ...]
    pixel_sizes_um: dict[str, float]
    left_out: tuple[NotSent, ...] = ()
    remarks: tuple[str, ...] = ()


def plan_sending(
    folder: Path, settings: Settings, images: Sequence[SentImage], monitor: ProgressMonitor = UNWATCHED
) -> SendPlan:
    """Find the images of results in a project, and describe those that it does not have.

    Parameters
    ----------
    folder : Path
        The project's folder.
    settings : Settings
        Its settings.
    images : sequence of SentImage
        The results.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"images"``.

    Raises
    ------
    InputError
        When not one image can be sent.
    Stopped
        When a stop was asked for.
    """
    planner = _Planner(folder, settings)
    left_out: list[NotSent] = []
    for number, sent in enumerate(images):
        monitor.report(Progress("images", number, len(images), sent.name))
        monitor.check()
        try:
            planner.plan(sent)
        except InputError as error:
            left_out.append(NotSent(sent.name, str(error)))
    monitor.report(Progress("images", len(images), len(images)))
    if not planner.planned:
        first = left_out[0].reason if left_out else "There are no results."
        more = f" None of the other {len(left_out) - 1:,} images can be sent either." if len(left_out) > 1 else ""
        raise InputError(f"Nothing was sent. {first}{more}")
    return SendPlan(tuple(planner.planned), planner.sizes, tuple(left_out), tuple(planner.remarks))


def sending(project: Project, plan: SendPlan, options: SendOptions, keep: str = "") -> Iterator[SendReport]:
    """Send planned images one by one; yield the growing report after each.

    Each image is one edit of its document, so one undo takes it back. What was sent stays where a later image fails,
    and is not sent again the next time.

    Parameters
    ----------
    project : Project
        Where to.
    plan : SendPlan
        What :func:`plan_sending` gave for it.
    options : SendOptions
        What becomes of the specimens.
    keep : str
        Name, in the results, of an image whose document stays in memory, so that its edit can be undone.

    Raises
    ------
    InputError
        When not one image could be sent.
    OutputError
        When the project cannot be written.
    """
    # A project that cannot be written is found out before the first edit.
    project.update(project.settings)
    report = SendReport(project.folder, left_out=list(plan.left_out), remarks=list(plan.remarks))
    described = [item.image for item in plan.images]
    there = project.linked_images.add_described(described, plan.pixel_sizes_um)
    report.images_added = sum(item.is_new for item in plan.images)
    for item, image in zip(plan.images, there, strict=True):
        try:
            _send_one(project, item, image, options, report, keeps=item.sent.name == keep)
        except (InputError, ConflictError) as error:
            report.left_out.append(NotSent(item.sent.name, str(error)))
        yield report
    if not report.images:
        raise InputError(f"Nothing was sent. {report.left_out[0].reason}")


def send(
    project: Project,
    images: Sequence[SentImage],
    options: SendOptions | None = None,
    monitor: ProgressMonitor = UNWATCHED,
) -> SendReport:
    """Send results to a project. See :func:`plan_sending` and :func:`sending`, whose errors it raises."""
    plan = plan_sending(project.folder, project.refresh(), images, monitor)
    return finish_sending(project, plan, options or SendOptions(), monitor)


def finish_sending(
    project: Project, plan: SendPlan, options: SendOptions, monitor: ProgressMonitor = UNWATCHED
) -> SendReport:
    """Send all planned images without a pause. Raises as :func:`sending`, and Stopped when a stop was asked for."""
    report = SendReport(project.folder)
    for number, report in enumerate(sending(project, plan, options), start=1):  # noqa: B007
        monitor.report(Progress("images", number, len(plan.images)))
        monitor.check()
    return report


def unknown_classes(settings: Settings, names: Sequence[str]) -> list[str]:
    """Return the names that are not classes of a project, and were not names of them, each once."""
    known = {item.name for item in settings.classes} | settings.former_names.keys()
    return [name for name in dict.fromkeys(names) if name not in known]


def _send_one(
    project: Project,
    item: PlannedImage,
    image: ProjectImage,
    options: SendOptions,
    report: SendReport,
    keeps: bool,
) -> None:
    """Send one image, and note it in the report."""
    if options.only_untouched and image.state not in ("untouched", "machine"):
        report.images.append(SentCounts(image.id, is_kept=True))
        return
    annotations = item.sent.load()
    size = annotations.height, annotations.width
    if all(size) and size != (image.height, image.width):
        raise InputError(
            f"The results belong to an image of {size[1]} x {size[0]} px, and {image.id} has {image.width} x "
            f"{image.height} px."
        )
    found = specimens_sent(annotations, f"{image.sha256} {image.page} {image.division}", item.orientation)
    coming = project.classes.present(found)
    names = classes_sent(annotations)
    if options.add_classes and (new := unknown_classes(project.settings, names)):
        project.update(project.settings.with_classes(new))
        report.classes_added += new
    classes = {entry.name for entry in project.settings.classes}
    was_open = project.is_open(image.id)
    document = project.document(image.id)
    arrived = arrive(
        coming,
        (*document.specimens.values(), *document.proposals.values()),
        options.as_specimens,
        classes.__contains__,
        document.rejected.values() if options.skip_rejected else (),
    )
    if arrived.specimens or arrived.proposals:
        try:
            document.add(arrived.specimens, "send", stamped=True, proposals=arrived.proposals)
        except OutputError:
            with suppress(DiatomError):
                document.undo()
            raise
    if not keeps and not was_open:
        project.release(image.id)
    report.images.append(
        SentCounts(image.id, len(arrived.specimens), len(arrived.proposals), arrived.known, arrived.rejected)
    )


class _Planner:
    """Finds images in a project one by one, and describes new ones."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder = folder
        self._settings = settings
        self._taken = [image.id for image in settings.images]
        self._by_place = {(item.path, item.page, item.division): item for item in settings.images}
        self._by_content = {(item.sha256, item.page, item.division): item for item in settings.images}
        self.planned: list[PlannedImage] = []
        self.sizes: dict[str, float] = {}
        self.remarks: list[str] = []
        self._slides: dict[str, float | None] = {
            image.slide: settings.pixel_sizes_um.get(image.slide) for image in settings.images
        }

    def plan(self, sent: SentImage) -> None:
        """Plan an image. Raises InputError when it cannot be sent."""
        found = image_identity.describe_page(self._folder, sent.file, sent.page, sent.z, self._taken)
        (image,) = found.images
        if sent.sha256 and image.sha256 != sent.sha256:
            raise InputError(f"{sent.file} was changed since the specimens were found.")
        opened = image_identity.open_image_page(sent.file, image.page, image.division)
        known = self._known(image)
        if known is not None:
            self._remark_size(sent, known)
            self.planned.append(PlannedImage(sent, known, False, opened.orientation))
            return
        self._taken.append(image.id)
        slide = self._slide(image.slide, sent.pixel_size_um)
        image = image.replace(slide=slide, sample=sent.sample or image.sample)
        self._by_place[image.path, image.page, image.division] = image
        self._by_content[image.sha256, image.page, image.division] = image
        self.planned.append(PlannedImage(sent, image, True, opened.orientation))

    def _known(self, image: ProjectImage) -> ProjectImage | None:
        """Return the image as the project has it, under its name or another one."""
        known = self._by_place.get((image.path, image.page, image.division))
        if known is not None and known.sha256 != image.sha256:
            raise InputError(
                f"The project has an image {known.id} at the same place, and its file was changed since then. Accept "
                "the change, or remove the image from the project."
            )
        return known or self._by_content.get((image.sha256, image.page, image.division))

    def _slide(self, name: str, size: float | None) -> str:
        """Return the slide of a new image: all images of one slide have one pixel size."""
        candidates = (name, f"{name}, {'pixel size unknown' if size is None else f'{size:g} µm'}")
        slide = next((item for item in candidates if self._slides.get(item, size) == size), candidates[-1])
        self._slides[slide] = size
        if size is not None:
            self.sizes[slide] = size
        return slide

    def _remark_size(self, sent: SentImage, image: ProjectImage) -> None:
        """Note an image that has another pixel size in the project."""
        own = self._settings.pixel_sizes_um.get(image.slide)
        if sent.pixel_size_um is not None and own != sent.pixel_size_um:
            shown = "no pixel size" if own is None else f"{own:g} µm per pixel"
            self.remarks.append(
                f"{image.id} has {shown} in the project and {sent.pixel_size_um:g} µm in the results; the project's "
                "stays."
            )
