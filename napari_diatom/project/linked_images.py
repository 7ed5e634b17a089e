"""The images of a project, which stay where they are: added, looked at again, and found where they were moved to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.project import image_identity
from napari_diatom.project.image_identity import Condition
from napari_diatom.project.settings import ProjectImage, Settings, free_id
from napari_diatom.project.settings_file import SettingsFile


class LinkedImages:
    """The image files that a project's settings name.

    Parameters
    ----------
    settings : SettingsFile
        The project's settings.
    """

    def __init__(self, settings: SettingsFile) -> None:
        self._settings = settings
        self._folder = settings.folder
        self._checked: dict[str, tuple[int, int]] = {}

    def path(self, image_id: str) -> Path:
        """Return where the file of an image is, or should be."""
        return image_identity.image_file(self._folder, self._settings.settings.image(image_id))

    def condition(self, image_id: str) -> Condition:
        """Return whether the file of an image is still the one that was annotated.

        A file whose time and length are as when this window looked last is not read again.

        Raises
        ------
        InputError
            When the file cannot be read.
        """
        image = self._settings.settings.image(image_id)
        try:
            facts = self.path(image_id).stat()
        except OSError:
            return "missing"
        stamp = facts.st_mtime_ns, facts.st_size
        if self._checked.get(image_id) == stamp:
            return "as it was"
        found = image_identity.condition(self._folder, image)
        if found == "as it was":
            self._checked[image_id] = stamp
        return found

    def find_moved(self, folders: Iterable[Path]) -> dict[str, Path]:
        """Look for missing and changed images in folders, by length and hash; note where they are, and return it.

        Raises
        ------
        InputError
            When a folder cannot be looked into.
        OutputError
            When the settings cannot be written.
        """
        gone = [image for image in self._settings.settings.images if self.condition(image.id) != "as it was"]
        found = image_identity.find_moved(gone, folders)
        if found:
            self._settings.change(lambda settings: image_identity.with_moved(settings, self._folder, found))
        return found

    def accept_changed(self, image_id: str) -> None:
        """Say that the annotations of an image belong to the file as it is now.

        Raises
        ------
        InputError
            When the file cannot be read, or has another size in pixels.
        OutputError
            When the settings cannot be written.
        """
        image = self._settings.settings.image(image_id)
        pages = image_identity.describe(self._folder, [self.path(image_id)]).images
        now = next((page for page in pages if page.page == image.page), None)
        if now is None or (now.height, now.width) != (image.height, image.width):
            raise InputError(
                f"{self.path(image_id)} is another image now: it was {image.width} x {image.height} px. Put the old "
                f"file back, or add this one as a new image."
            )
        self._settings.change(lambda settings: settings.with_image(image_id, sha256=now.sha256, size=now.size))

    def add(self, paths: Iterable[Path], monitor: ProgressMonitor = UNWATCHED) -> tuple[ProjectImage, ...]:
        """Add image files, all of them or none, and return those that are new.

        Raises
        ------
        InputError
            When a file cannot be read or is not an image.
        OutputError
            When the settings cannot be written.
        """
        there = self._settings.refresh().images
        new = image_identity.describe(self._folder, paths, there, monitor)

        def change(settings: Settings) -> Settings:
            sizes = new.pixel_sizes_um | settings.pixel_sizes_um
            return settings.replace(images=(*settings.images, *new.images), pixel_sizes_um=sizes)

        if new.images:
            self._settings.change(change)
        return new.images

    def add_described(
        self, images: Sequence[ProjectImage], pixel_sizes_um: Mapping[str, float]
    ) -> tuple[ProjectImage, ...]:
        """Add images that are described already, and return them as the project has them now.

        An image that another window has added in the meantime stays as it is there. An id that is taken by now gets a
        number.

        Parameters
        ----------
        images : sequence of ProjectImage
            As :func:`napari_diatom.project.image_identity.describe_page` gives them.
        pixel_sizes_um : mapping of str to float
            Micrometres per pixel by slide; those that the project has stay.

        Raises
        ------
        OutputError
            When the settings cannot be written.
        """
        added: list[ProjectImage] = []

        def change(settings: Settings) -> Settings:
            there = {(item.path, item.page, item.division): item for item in settings.images}
            taken = [item.id for item in settings.images]
            new: list[ProjectImage] = []
            added.clear()
            for image in images:
                place = image.path, image.page, image.division
                if place not in there:
                    there[place] = image.replace(id=free_id(image.id, taken))
                    new.append(there[place])
                    taken.append(there[place].id)
                added.append(there[place])
            sizes = dict(pixel_sizes_um) | settings.pixel_sizes_um
            return settings.replace(images=(*settings.images, *new), pixel_sizes_um=sizes)

        self._settings.change(change)
        return tuple(added)

    def drop(self, image_id: str) -> None:
        """Take an image out of the settings. Raises OutputError when they cannot be written."""
        self._settings.change(
            lambda settings: settings.replace(images=tuple(item for item in settings.images if item.id != image_id))
        )
