"""Which images a run takes, where its results go, and why it cannot start; without Qt."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from napari_diatom.core.text import many
from napari_diatom.counting.image_states import CountState, ImageState

_SUFFIX: Final = "-diatoms"


class Scope(Enum):
    """Which images a run takes."""

    IMAGE = "This image"
    OPEN = "All open images"
    FIELDS = "All fields of this file"
    FOLDER = "A folder"

    @property
    def hint(self) -> str:
        """What it stands for, as a sentence."""
        return _HINTS[self]


_HINTS: Final = {
    Scope.IMAGE: "The image and the plane that the viewer shows.",
    Scope.OPEN: "The files of all images that are open in the viewer.",
    Scope.FIELDS: "All positions, times, pages and scenes of the file, each as a field of its own.",
    Scope.FOLDER: "All images in a folder and its subfolders. They are not opened in the viewer.",
}


@dataclass(frozen=True)
class OpenImage:
    """An image layer: its name, and its file if it has one."""

    name: str
    path: Path | None


@dataclass(frozen=True)
class BatchForm:
    """The choice of images for a run.

    Attributes
    ----------
    scope : Scope
        Which images.
    chosen : OpenImage or None
        The chosen image layer.
    opened : tuple of OpenImage
        All open image layers.
    folder : Path or None
        The typed folder.
    out : Path or None
        The typed folder of results, None to take :meth:`default_out`.
    model : str or None
        Name of the chosen model.
    running : bool
        Whether a run is in progress.
    """

    scope: Scope = Scope.IMAGE
    chosen: OpenImage | None = None
    opened: tuple[OpenImage, ...] = ()
    folder: Path | None = None
    out: Path | None = None
    model: str | None = None
    running: bool = False

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The files and folders of the run, each once."""
        if self.scope is Scope.FOLDER:
            return () if self.folder is None else (self.folder,)
        taken = self.opened if self.scope is Scope.OPEN else (self.chosen,)
        return tuple(dict.fromkeys(image.path for image in taken if image is not None and image.path is not None))

    def default_out(self) -> Path | None:
        """Return the folder of results beside the inputs, None while there are none."""
        paths = self.inputs
        if not paths:
            return None
        if self.scope is Scope.OPEN:
            shared = _shared_folder(paths)
            return shared.parent / f"{shared.name or 'images'}-open-images{_SUFFIX}"
        path = paths[0]
        return path.parent / f"{(path.name if path.is_dir() else path.stem) or 'images'}{_SUFFIX}"

    def results(self) -> Path | None:
        """Return the folder of results, None while it is not known."""
        return self.out or self.default_out()

    def without_file(self) -> tuple[ImageState, ...]:
        """Return the open images that have no file, as images that are skipped."""
        if self.scope is not Scope.OPEN:
            return ()
        return tuple(
            ImageState(image.name, image.name, "", "", CountState.SKIPPED, reason=_no_file(image.name))
            for image in self.opened
            if image.path is None
        )

    def validation_error(self) -> str | None:
        """Return why a run cannot start, in one line, or None if it can."""
        if self.running:
            return "A run is in progress; cancel it first."
        if self.scope is Scope.FOLDER:
            if self.folder is None:
                return "Choose the folder of your images first."
            if not self.folder.is_dir():
                return f"{self.folder} is not a folder."
        elif not self.opened or (self.scope is Scope.FIELDS and self.chosen is None):
            return "Open an image first: drop a micrograph onto the viewer."
        elif not self.inputs:
            names = [image.name for image in self.opened] if self.scope is Scope.OPEN else [self.chosen_name]
            others = f" (and {many(len(names) - 1, 'other')})" if len(names) > 1 else ""
            return f"{_no_file(names[0])}{others}"
        if self.model is None:
            return "No model for this task is installed."
        out = self.results()
        if out is not None and out.exists() and not out.is_dir():
            return f"{out} is not a folder; choose another folder for the results."
        return None

    @property
    def chosen_name(self) -> str:
        """Name of the chosen image, empty without one."""
        return "" if self.chosen is None else self.chosen.name


def _no_file(name: str) -> str:
    return f"{name} is not saved as a file: save it as TIFF (File > Save Selected Layers), and open that file."


def _shared_folder(paths: Sequence[Path]) -> Path:
    """Return the folder that files share; that of the first where they are on several drives."""
    try:
        return Path(os.path.commonpath([path.parent for path in paths]))
    except ValueError:
        return paths[0].parent
