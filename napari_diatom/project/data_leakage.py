"""Images that stand in two parts of a split: the same file twice, or nearly the same picture.

A picture is known by the signs of the lowest frequencies of its brightness (a perceptual hash, Zauner 2010), which
compression, size and brightness hardly change; two whose hashes are alike are compared as small pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.project.image_identity import page_of, place_of
from napari_diatom.project.settings import Division, ProjectImage, Split
from napari_diatom.project.splits import part_of

SIDE: Final = 64
"""Side of the small pictures in pixels."""
BITS: Final = 8
"""Frequencies in each direction whose signs are compared."""
NEAR: Final = 12
"""Signs, of 63, that may differ between two copies."""
LEAST_CONTRAST: Final = 0.5
"""Deviation of brightness, of 255, below which a picture shows nothing."""
ALIKE: Final = 0.9
"""Least correlation of two copies as small pictures."""


@dataclass(frozen=True)
class Leak:
    """Two images in different parts that show the same.

    Attributes
    ----------
    first, second : str
        Ids of the images.
    parts : tuple of str, length 2
        The parts that they are in.
    same_file : bool
        Whether the files are the same, byte by byte; else the pictures are nearly the same.
    """

    first: str
    second: str
    parts: tuple[str, str]
    same_file: bool


@dataclass(frozen=True, eq=False)
class Sketch:
    """What a picture is known by.

    Attributes
    ----------
    small : ndarray of float64, shape (SIDE, SIDE)
        Its brightness without the slow changes of the light, of mean 0 and deviation 1.
    signs : ndarray of bool, shape (BITS * BITS - 1,)
        The perceptual hash.
    """

    small: NDArray[np.float64]
    signs: NDArray[np.bool_]

    def is_like(self, other: Sketch) -> bool:
        """Return whether both are of nearly the same picture."""
        if np.count_nonzero(self.signs != other.signs) > NEAR:
            return False
        return float((self.small * other.small).mean()) >= ALIKE


def sketch(path: Path, page: int = 1, division: Division = "fields") -> Sketch | None:
    """Return what the picture in a file is known by, None for one that shows nothing.

    Raises
    ------
    InputError
        When the file cannot be read.
    """
    image = page_of(path, page, division)
    pixels = image.read(0, 0, image.width, image.height, 2 * SIDE / max(image.height, image.width, 2 * SIDE))
    image.release()
    return of_grey(pixels.mean(axis=2))


def of_grey(grey: NDArray[np.float64]) -> Sketch | None:
    """Return what a picture of some brightness, shape (H, W), is known by, None for one that shows nothing."""
    from PIL import Image
    from scipy.fft import dctn
    from scipy.ndimage import gaussian_filter

    scaled = Image.fromarray(grey.astype(np.float32)).resize((SIDE, SIDE), Image.Resampling.BOX)
    square = np.asarray(scaled, dtype=np.float64)
    # All fields of a microscope share its vignette; it must not make them alike.
    flat = square - gaussian_filter(square, SIDE / 8, mode="nearest")
    deviation = float(flat.std())
    if deviation < LEAST_CONTRAST:
        return None
    small = (flat - flat.mean()) / deviation
    low = dctn(small, norm="ortho")[:BITS, :BITS].ravel()[1:]
    return Sketch(small, low > np.median(low))


def find(
    project: Path,
    images: Sequence[ProjectImage],
    split: Split,
    monitor: ProgressMonitor = UNWATCHED,
) -> list[Leak]:
    """Return the pairs of images in different parts that show the same; files that cannot be read are skipped.

    Parameters
    ----------
    project : Path
        The project's folder.
    images : sequence of ProjectImage
        The images.
    split : Split
        The parts; images in none of them are skipped.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"pictures"``.
    """
    placed = [(image, part) for image in images if (part := part_of(split, image)) is not None]
    sketches: list[Sketch | None] = []
    for number, (image, _) in enumerate(placed):
        monitor.report(Progress("pictures", number, len(placed), image.id))
        monitor.check()
        try:
            sketches.append(sketch(place_of(project, image), image.page, image.division))
        except InputError:
            sketches.append(None)
    monitor.report(Progress("pictures", len(placed), len(placed)))
    found: list[Leak] = []
    for i, (first, part) in enumerate(placed):
        for j in range(i):
            second, other = placed[j]
            if part == other:
                continue
            mine, theirs = sketches[i], sketches[j]
            same = (first.sha256, first.page) == (second.sha256, second.page)
            if same or (mine is not None and theirs is not None and mine.is_like(theirs)):
                found.append(Leak(second.id, first.id, (other, part), same))
    return found
