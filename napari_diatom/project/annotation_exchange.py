"""Annotations of a whole project taken in from other programs' files, and given out for them."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.errors import DiatomError, InputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.core.text import many, printable
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.formats.shared.name_index import NameIndex
from napari_diatom.project.class_names import renamed_specimens
from napari_diatom.project.image_record import image_name, image_path
from napari_diatom.project.open_documents import OpenDocuments
from napari_diatom.project.settings import ProjectImage
from napari_diatom.project.settings_file import SettingsFile
from napari_diatom.project.specimen import Specimen, from_annotations, to_annotations
from napari_diatom.project.staged_edits import StagedEdits


@dataclass(frozen=True, eq=False)
class ImportPlan:
    """What an import would do.

    Attributes
    ----------
    specimens : dict of str to tuple of Specimen
        The new ones, by the ids of their images.
    known : int
        Specimens that the project has already.
    new_classes : tuple of str
        Classes that the project gets.
    renamed : dict of str to str
        Present names of classes that the annotations have under a former one.
    absent : tuple of str
        Names of images that the project does not have.
    problems : tuple of str
        What keeps it from being done, a line for each image; images that the project does not have are not among them.
    """

    specimens: dict[str, tuple[Specimen, ...]] = field(default_factory=dict)
    known: int = 0
    new_classes: tuple[str, ...] = ()
    renamed: dict[str, str] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def new(self) -> int:
        """Number of new specimens."""
        return sum(map(len, self.specimens.values()))


def _places(folder: Path, name: str) -> Iterator[Path]:
    """Yield places for a new folder, with a number where its name is taken."""
    yield folder / name
    yield from (folder / f"{name}-{number}" for number in itertools.count(2))


class _AbsentError(InputError):
    """The project has no image of a name."""


class AnnotationExchange:
    """Brings annotations into the documents of a project, and out of them.

    Parameters
    ----------
    settings : SettingsFile
        The project's settings: images and classes.
    documents : OpenDocuments
        The project's documents.
    staged : callable
        Gives edits that come into force all at once.
    """

    def __init__(self, settings: SettingsFile, documents: OpenDocuments, staged: Callable[[], StagedEdits]) -> None:
        self._settings = settings
        self._documents = documents
        self._staged = staged

    def plan(self, annotations: Sequence[Annotations], monitor: ProgressMonitor = UNWATCHED) -> ImportPlan:
        """Return what an import of annotations would do; nothing is changed.

        Parameters
        ----------
        annotations : sequence of Annotations
            An image each.
        monitor : ProgressMonitor
            See :mod:`napari_diatom.core.progress`; reports ``"images"``.
        """
        settings = self._settings.settings
        names = settings.former_names
        problems: list[str] = []
        absent: list[str] = []
        known = 0
        new: dict[str, list[Specimen]] = {}
        index = NameIndex((image_path(image), image) for image in settings.images)
        for number, item in enumerate(annotations):
            label = printable(item.image) or f"Number {number + 1} without a name"
            monitor.report(Progress("images", number, len(annotations), label))
            monitor.check()
            try:
                image = self._meant(item, index)
                coming = new.setdefault(image.id, [])
                missing = self._missing(image, item, coming, names)
                coming += missing
                known += len(item) - len(missing)
            except _AbsentError:
                absent.append(label)
            except InputError as error:
                problems.append(f"{label}: {error}")
        classes = list(dict.fromkeys(name for item in annotations if len(item) for name in item.detections.classes))
        there = {item.name for item in settings.classes}
        return ImportPlan(
            {id_: tuple(found) for id_, found in new.items() if found},
            known,
            tuple(name for name in classes if name not in there and name not in names),
            {name: names[name] for name in classes if name in names},
            tuple(absent),
            tuple(problems),
        )

    def carry_out(self, plan: ImportPlan, monitor: ProgressMonitor = UNWATCHED, skip_absent: bool = False) -> int:
        """Add the specimens of a plan, all of them or none; return how many were added.

        Parameters
        ----------
        plan : ImportPlan
            As :meth:`plan` returned it.
        monitor : ProgressMonitor
            See :mod:`napari_diatom.core.progress`; reports ``"images"`` and ``"writing"``. A stop leaves everything as
            it was, until ``"writing"`` is reported; from then on it is not asked for.
        skip_absent : bool
            Whether annotations of images that the project does not have are left out.

        Raises
        ------
        InputError
            With every problem found: names that no image or several have, other sizes, ids of other specimens.
        OutputError
            When they cannot be written.
        """
        absent = () if skip_absent else plan.absent
        problems = [*plan.problems, *(f"{name}: the project has no image of this name." for name in absent)]
        if problems:
            more = f" And {len(problems) - 5} more." if len(problems) > 5 else ""
            raise InputError(f"Nothing was imported. {' '.join(problems[:5])}{more}")
        self._apply(plan, monitor)
        return plan.new

    def give_out(self) -> list[Annotations]:
        """Return the annotations of all images, in their order.

        Raises
        ------
        InputError
            When the files of an image are damaged.
        """
        return self._given_out(self._settings.settings.images)

    def save_copies(self, folder: Path, ids: Sequence[str]) -> Path:
        """Write the annotations of images that are open as GeoJSON files to a new folder; the project stays as it is.

        Parameters
        ----------
        folder : Path
            Where the new folder is made.
        ids : sequence of str
            Of the images.

        Returns
        -------
        Path
            The new folder.

        Raises
        ------
        OutputError
            When it cannot be written.
        """
        name = f"{self._settings.folder.name}-unsaved"
        place = next(path for path in _places(folder, name) if not os.path.lexists(path))
        images = [self._settings.settings.image(id_) for id_ in ids]
        for image, given_out in zip(images, self._given_out(images), strict=True):
            geojson.write(place / f"{image.id}{geojson.SUFFIX}", given_out)
        return place

    def _given_out(self, images: Iterable[ProjectImage]) -> list[Annotations]:
        """Return the annotations of some images for other programs. Raises as :meth:`give_out`."""
        settings = self._settings.settings
        names = Counter(map(image_name, settings.images))
        return [
            to_annotations(
                self._documents.contents(image.id).specimens,
                name if names[name] == 1 else image_path(image),
                image.height,
                image.width,
                settings.pixel_sizes_um.get(image.slide),
                [item.name for item in settings.classes],
            )
            for image, name in ((image, image_name(image)) for image in images)
        ]

    def _apply(self, plan: ImportPlan, monitor: ProgressMonitor) -> None:
        """Add new specimens to all images, or to none."""
        staged = self._staged()
        with_news = self._settings.settings.with_classes(plan.new_classes)
        colours = {item.name: item.colour for item in with_news.classes}
        adopted: dict[str, tuple[Specimen, ...]] = {}
        try:
            for number, (id_, specimens) in enumerate(plan.specimens.items()):
                monitor.report(Progress("images", number, len(plan.specimens), f"Preparing {id_}"))
                monitor.check()
                image = self._settings.settings.image(id_)
                adopted[id_] = staged.add(image, self._documents.contents(id_), specimens, colours)
            # The last moment to stop.
            monitor.check()
            monitor.report(Progress("writing", 0, len(adopted), many(plan.new, "specimen")))
            if plan.new_classes:
                self._settings.change(lambda settings: settings.with_classes(plan.new_classes))
            for left in staged.commit():
                self._documents.journals.know(left)
        except BaseException:
            staged.discard()
            raise
        with self._documents.noting_states_at_the_end():
            for number, (id_, specimens) in enumerate(adopted.items()):
                monitor.report(Progress("writing", number, len(adopted), id_))
                if id_ in self._documents:
                    self._documents.document(id_).add(specimens, "import", stamped=True)
                    staged.done(id_)
                    self._documents.save([id_])
                else:
                    # From here on they are edits on disk: what cannot be written now is when the image is opened.
                    with suppress(DiatomError):
                        self._documents.contents(id_)
        monitor.report(Progress("writing", len(adopted), len(adopted), many(plan.new, "specimen")))

    def _meant(self, annotations: Annotations, index: NameIndex[ProjectImage]) -> ProjectImage:
        """Return the image that annotations belong to."""
        name = annotations.image
        found = index.find(name, any_suffix=True) if name else []
        found = found or [image for image in self._settings.settings.images if image.id == name]
        if not found:
            raise _AbsentError("the project has no image of this name.")
        if len(found) > 1:
            raise InputError(
                f"{len(found)} images of the project have this name ({', '.join(map(image_path, found[:3]))}): write "
                "the folder before the name in the annotations, or rename the images."
            )
        size = annotations.height, annotations.width
        if all(size) and size != (found[0].height, found[0].width):
            raise InputError(
                f"they belong to an image of {size[1]} x {size[0]} px, {found[0].id} has {found[0].width} x "
                f"{found[0].height} px."
            )
        return found[0]

    def _missing(
        self, image: ProjectImage, annotations: Annotations, coming: Sequence[Specimen], names: Mapping[str, str]
    ) -> list[Specimen]:
        """Return the specimens that an image has not yet, nor gets from what is imported besides."""
        contents = self._documents.contents(image.id)
        there = {item.id: item for item in (*contents.proposals, *contents.specimens, *coming)}
        new: list[Specimen] = []
        for item in renamed_specimens(from_annotations(annotations), names):
            if item.id not in there:
                new.append(item)
            elif not item.is_like(there[item.id]):
                raise InputError(f"the specimen {item.id} is already in the project, with different content.")
        return new
