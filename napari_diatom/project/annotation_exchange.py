"""Annotations of a whole project taken in from other programs' files, and given out for them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.errors import DiatomError, InputError, OutputError
from napari_diatom.core.text import printable
from napari_diatom.formats.shared.name_index import NameIndex
from napari_diatom.project.document import Document
from napari_diatom.project.image_record import image_name, image_path
from napari_diatom.project.open_documents import OpenDocuments
from napari_diatom.project.settings import ProjectImage
from napari_diatom.project.settings_file import SettingsFile
from napari_diatom.project.specimen import Specimen, from_annotations, to_annotations


class AnnotationExchange:
    """Brings annotations into the documents of a project, and out of them.

    Parameters
    ----------
    settings : SettingsFile
        The project's settings: images and classes.
    documents : OpenDocuments
        The project's documents.
    """

    def __init__(self, settings: SettingsFile, documents: OpenDocuments) -> None:
        self._settings = settings
        self._documents = documents

    def take_in(self, annotations: Sequence[Annotations]) -> int:
        """Add annotations to the images that they name, all of them or none; return how many specimens were added.

        Raises
        ------
        InputError
            With every problem found: names that no image or several have, other sizes, ids of other specimens.
        OutputError
            When they cannot be written.
        """
        settings = self._settings.settings
        problems: list[str] = []
        new: dict[str, list[Specimen]] = {}
        index = NameIndex((image_path(image), image) for image in settings.images)
        for number, item in enumerate(annotations, start=1):
            label = printable(item.image) or f"Number {number} without a name"
            try:
                image = self._meant(item, index)
                coming = new.setdefault(image.id, [])
                coming += self._missing(image, item, coming)
            except InputError as error:
                problems.append(f"{label}: {error}")
        if problems:
            more = f" And {len(problems) - 5} more." if len(problems) > 5 else ""
            raise InputError(f"Nothing was imported. {' '.join(problems[:5])}{more}")
        names = [name for item in annotations if len(item) for name in item.detections.classes]
        if settings.with_classes(names) is not settings:
            self._settings.change(lambda settings: settings.with_classes(names))
        made: list[Document] = []
        try:
            for id_, specimens in new.items():
                if specimens:
                    made.append(self._documents.document(id_))
                    made[-1].add(specimens, "import", stamped=True)
            self._documents.save(list(new))
        except DiatomError:
            for document in made:
                with suppress(OutputError):
                    document.undo()
            raise
        return sum(map(len, new.values()))

    def give_out(self) -> list[Annotations]:
        """Return the annotations of all images, in their order.

        Raises
        ------
        InputError
            When the files of an image are damaged.
        """
        settings = self._settings.settings
        names = [image_name(image) for image in settings.images]
        exported: list[Annotations] = []
        for image, name in zip(settings.images, names, strict=True):
            exported.append(
                to_annotations(
                    self._documents.contents(image.id).specimens,
                    name if names.count(name) == 1 else image_path(image),
                    image.height,
                    image.width,
                    settings.pixel_sizes_um.get(image.slide),
                    [item.name for item in settings.classes],
                )
            )
        return exported

    def _meant(self, annotations: Annotations, index: NameIndex[ProjectImage]) -> ProjectImage:
        """Return the image that annotations belong to."""
        name = annotations.image
        found = index.find(name, any_suffix=True) if name else []
        found = found or [image for image in self._settings.settings.images if image.id == name]
        if not found:
            raise InputError("the project has no image of this name.")
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

    def _missing(self, image: ProjectImage, annotations: Annotations, coming: Sequence[Specimen]) -> list[Specimen]:
        """Return the specimens that an image has not yet, nor gets from what is imported besides."""
        document = self._documents.document(image.id)
        there = {**document.proposals, **document.specimens, **{item.id: item for item in coming}}
        new: list[Specimen] = []
        for item in from_annotations(annotations):
            if item.id not in there:
                new.append(item)
            elif not item.is_like(there[item.id]):
                raise InputError(f"the specimen {item.id} is already in the project, with different content.")
        return new
