"""What the user wants to send to which project, and why it cannot be sent, without Qt."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from napari_diatom.core.errors import DiatomError
from napari_diatom.counting.earlier_run import is_count_folder
from napari_diatom.project.settings import PROJECT_FILE, Settings
from napari_diatom.review.sending import SendOptions, unknown_classes
from napari_diatom.review.sent_image import SentImage

What = Literal["shown", "all", "folder"]


@dataclass(frozen=True, eq=False)
class ResultToSend:
    """A result of the viewer.

    Attributes
    ----------
    image : SentImage
        Its image and specimens; the path of the file is empty if the image is only in memory.
    specimens : int
        How many it has.
    classes : tuple of str
        What its specimens will be called.
    pixels : array-like or None
        The upright plane of an image without a file; None if there is a file, or the image is closed.
    rgb : bool
        Whether the last axis of ``pixels`` holds colours.
    is_corrected : bool
        Whether a person has drawn, changed or deleted anything in the viewer.
    """

    image: SentImage
    specimens: int
    classes: tuple[str, ...]
    pixels: Any = None
    rgb: bool = False
    is_corrected: bool = False

    @property
    def has_file(self) -> bool:
        """Whether the image has a file."""
        return self.image.file != Path()

    def is_of(self, count_folder: Path | None) -> bool:
        """Return whether its specimens were read from a results folder of ``count``."""
        file = self.image.annotations
        if file is None or count_folder is None:
            return False
        return _real(count_folder) in _real(file).parents


@dataclass(frozen=True, eq=False)
class SendForm:
    """The settings of the dialog.

    Attributes
    ----------
    project : Path or None
        Folder of the project.
    is_new : bool
        Whether the project is to be made.
    what : {"shown", "all", "folder"}
        The shown result, all results of the viewer, or a results folder of ``count``.
    results : tuple of ResultToSend
        The results of the viewer, the shown one first.
    count_folder : Path or None
        The results folder of ``count``.
    save_images : bool
        Save images that have no file in the project.
    options : SendOptions
        What becomes of the specimens.
    """

    project: Path | None = None
    is_new: bool = False
    what: What = "shown"
    results: tuple[ResultToSend, ...] = ()
    count_folder: Path | None = None
    save_images: bool = True
    options: SendOptions = field(default_factory=SendOptions)

    @property
    def sent(self) -> tuple[ResultToSend, ...]:
        """The results of the viewer that are to be sent."""
        return {"shown": self.results[:1], "all": self.results, "folder": ()}[self.what]

    @property
    def corrections(self) -> tuple[ResultToSend, ...]:
        """The results of the viewer that are sent in place of what the results folder has of their images."""
        return tuple(item for item in self.results if item.is_corrected and item.is_of(self.count_folder))

    def with_corrections(self, images: Iterable[SentImage]) -> list[SentImage]:
        """Return the images of the results folder, the corrected ones as they are in the viewer."""
        corrected = {
            _real(item.image.annotations): item.image for item in self.corrections if item.image.annotations is not None
        }
        sent: list[SentImage] = []
        for image in images:
            own = None if image.annotations is None else corrected.get(_real(image.annotations))
            sent.append(image if own is None else replace(image, load=own.load, pixel_size_um=own.pixel_size_um))
        return sent

    def new_classes(self) -> list[str]:
        """Return the classes of the results that the project does not have, as far as that is known."""
        names = [name for item in self.sent or self.corrections for name in item.classes]
        if self.project is None or self.is_new:
            return list(dict.fromkeys(names))
        try:
            path = self.project / PROJECT_FILE
            return unknown_classes(Settings.of_text(path.read_bytes(), str(path)), names)
        except (DiatomError, OSError):
            return []

    def validation_error(self) -> str | None:
        """Return why nothing can be sent, in one line, or None if it can."""
        if self.project is None:
            return "Choose a project, or make a new one."
        if self.is_new and (self.project / PROJECT_FILE).exists():
            return f"{self.project} already contains a project: choose Open project, or another folder."
        if not self.is_new and not (self.project / PROJECT_FILE).exists():
            return f"{self.project} is not a project: choose New project, or another folder."
        if self.what == "folder":
            if self.count_folder is None or not is_count_folder(self.count_folder):
                return "Choose a folder of results."
            return None
        if not any(item.specimens for item in self.sent):
            return "There are no specimens to send."
        without = [item for item in self.sent if not item.has_file]
        if without and not self.save_images:
            return f"{without[0].image.name} has no file. Save it in the project, or send another result."
        closed = [item for item in without if item.pixels is None]
        if closed:
            return f"The image {closed[0].image.name} is not open. Open it first."
        return None


def _real(path: Path) -> Path:
    """Return a path without links, by which one file is known under several names."""
    return Path(os.path.realpath(path))
