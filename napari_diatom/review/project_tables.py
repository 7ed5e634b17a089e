"""The tables of a project, with the columns of those that ``count`` writes, so that numbers can be compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

from napari_diatom.core.detections import PERSON
from napari_diatom.core.errors import DiatomError, InputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.core.text import many
from napari_diatom.counting import table_columns, tables
from napari_diatom.counting.image_result import ImageResult
from napari_diatom.counting.result_names import plan_sources
from napari_diatom.images.image_files import RESULTS_MARK
from napari_diatom.images.slide_image import SlideImage
from napari_diatom.measurement.counting_protocol import Protocol
from napari_diatom.measurement.measurements import measure_annotations
from napari_diatom.project.image_identity import open_image_page
from napari_diatom.project.project import Project
from napari_diatom.project.settings import ProjectImage, Settings
from napari_diatom.project.specimen import Specimen, to_annotations

_FILES: Final = (tables.SPECIMENS_CSV, tables.COUNTS_CSV, tables.IMAGES_CSV, tables.TABLES_XLSX)


@dataclass(frozen=True)
class TablesOptions:
    """Which tables of a project are written.

    Attributes
    ----------
    project : Path
        Folder of the project.
    out : Path
        Folder for the tables, which is made. It is not a folder that count has written.
    proposals : bool
        Proposals that nobody has accepted or rejected are specimens too.
    xlsx : bool
        Write all tables to one Excel file too.
    overwrite : bool
        Replace tables that are there.
    """

    project: Annotated[Path, Field(title="Project", json_schema_extra={"path": "folder"})]
    out: Annotated[Path, Field(title="Write to", json_schema_extra={"path": "folder"})]
    proposals: Annotated[bool, Field(title="With proposals")] = False
    xlsx: Annotated[bool, Field(title="For Excel too")] = False
    overwrite: Annotated[bool, Field(title="Replace tables that are there")] = False


@dataclass(frozen=True)
class ProjectTables:
    """What was written.

    Attributes
    ----------
    folder : Path
        Where to.
    images, specimens, counted : int
        How many images, specimens, and specimens that count.
    proposals : int
        Proposals that nobody has accepted or rejected, and that are not in the tables.
    unread : tuple of str
        Images whose files cannot be read: the brightness of their specimens is unknown.
    """

    folder: Path
    images: int
    specimens: int
    counted: int
    proposals: int
    unread: tuple[str, ...]

    def summary(self) -> str:
        """Return what was written, and where."""
        numbers = f"{many(self.images, 'image')}, {many(self.specimens, 'specimen')}, {self.counted:,} counted"
        return f"{self.folder}: {numbers}"

    def warnings(self) -> list[str]:
        """Return what is unknown in the tables, a line for each image."""
        return [f"the file of {id_} cannot be read: the brightness of its specimens is unknown" for id_ in self.unread]


def write_project_tables(options: TablesOptions, monitor: ProgressMonitor = UNWATCHED) -> ProjectTables:
    """Write ``specimens.csv``, ``counts.csv`` and ``images.csv`` of a project.

    Sizes are measured again. What was found by ``count`` and accepted as it was has the same numbers as there.

    Parameters
    ----------
    options : TablesOptions
        The project, where the tables go, and what they hold.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"images"``.

    Raises
    ------
    InputError
        When there is no project, there are tables already, or annotations are damaged.
    OutputError
        When a file cannot be written.
    Stopped
        When a stop was asked for; nothing is written then.
    """
    _check_place(options.out, options.overwrite)
    with Project.open(options.project) as project:
        return _written(project, options, monitor)


def _written(project: Project, options: TablesOptions, monitor: ProgressMonitor) -> ProjectTables:
    """Measure all specimens of an open project, and write the tables."""
    names = _image_names(project)
    results: list[ImageResult] = []
    unread: list[str] = []
    proposals = 0
    for number, image in enumerate(project.images):
        monitor.report(Progress("images", number, len(project.images), image.id))
        monitor.check()
        contents = project.contents(image.id)
        specimens = (*contents.specimens, *(contents.proposals if options.proposals else ()))
        proposals += 0 if options.proposals else len(contents.proposals)
        pixels = _opened(project, image)
        if pixels is None:
            unread.append(image.id)
        results.append(_result(project.settings, image, names[image.id], specimens, pixels))
        if pixels is not None:
            pixels.release()
    monitor.report(Progress("images", len(project.images), len(project.images)))

    def rows() -> Iterator[table_columns.Row]:
        for result in results:
            yield from result.specimens

    tables.write_tables(options.out, rows, results, options.xlsx)
    tables.write_images(options.out / tables.IMAGES_CSV, results)
    return ProjectTables(
        options.out,
        len(results),
        sum(len(result.specimens) for result in results),
        sum(sum(result.counts.values()) for result in results),
        proposals,
        tuple(unread),
    )


def _check_place(out: Path, overwrite: bool) -> None:
    """Refuse to write over other tables."""
    if (out / RESULTS_MARK).exists() or (out / tables.RUN_JSON).exists():
        raise InputError(
            f"{out} holds the results of count: name another folder, to keep the numbers before the review."
        )
    there = [name for name in _FILES if (out / name).exists()]
    if there and not overwrite:
        raise InputError(f"{out} already holds {there[0]}: have it replaced (--overwrite), or name another folder.")


def _image_names(project: Project) -> dict[str, str]:
    """Return what the images are called in the tables, by their ids: as ``count`` calls them."""
    images = project.images
    paths = list(dict.fromkeys(project.path(image.id) for image in images))
    names = {source.path: source.name for source in plan_sources(paths)} if paths else {}
    pages = Counter(project.path(image.id) for image in images)
    found: dict[str, str] = {}
    for image in images:
        path = project.path(image.id)
        is_one = pages[path] == 1 and image.page == 1
        found[image.id] = names[path] if is_one else f"{names[path]}#{image.page}"
    return found


def _opened(project: Project, image: ProjectImage) -> SlideImage | None:
    """Return an image for the brightness of its specimens, None where it cannot be read or is another one now."""
    try:
        opened = open_image_page(project.path(image.id), image.page, image.division)
    except DiatomError:
        return None
    return opened if (opened.height, opened.width) == (image.height, image.width) else None


def _result(
    settings: Settings, image: ProjectImage, name: str, specimens: Sequence[Specimen], pixels: SlideImage | None
) -> ImageResult:
    """Measure and count the specimens of one image."""
    pixel_size = settings.pixel_sizes_um.get(image.slide)
    classes = [item.name for item in settings.classes]
    annotations = to_annotations(specimens, name, image.height, image.width, pixel_size, classes)
    models = ["" if origin == PERSON else origin for origin in annotations.origins]
    try:
        measured = measure_annotations(annotations, pixels)
    except InputError:
        # A file that breaks off: all but the brightness is known.
        measured = measure_annotations(annotations)
    rows = tuple(table_columns.specimen_rows(name, measured, annotations.origins, models))
    facts = {
        "height": image.height,
        "width": image.width,
        "pixel_size_um": pixel_size,
        "pixel_size_source": "" if pixel_size is None else "project",
        "specimens": len(specimens),
    }
    counts = Protocol.of(settings.counting.counted).counts(annotations.detections)
    return ImageResult(name, image.sample, rows, counts, facts)
