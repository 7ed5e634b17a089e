"""All specimens and proposals of a project with their vectors, as far as these are known."""

from __future__ import annotations

import copy
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.measurement.shape_columns import NAMING_COLUMNS
from napari_diatom.models.library import ModelFolder
from napari_diatom.project.edits import Contents
from napari_diatom.project.project import Project
from napari_diatom.project.project_taxa import ProjectTaxa
from napari_diatom.project.settings import ProjectImage
from napari_diatom.review.known_specimens import ImageSpecimens, KnownSpecimen, SpecimenArrays, image_specimens
from napari_diatom.review.vector_cache import VectorCache
from napari_diatom.review.vector_work import VectorWork


@dataclass(frozen=True, eq=False)
class Parts:
    """What N specimens teach with, or are ranked by.

    Attributes
    ----------
    pairs : ndarray of float32, shape (N, 2, D)
        Vectors of the specimens and of their mirror images.
    sizes : ndarray, shape (N, 2)
        NaN where they are not known.
    groups, slides : tuple of str
        What each may be compared with, and where it lies.
    """

    pairs: NDArray[np.float32]
    sizes: NDArray[np.float64]
    groups: tuple[str, ...]
    slides: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class JoinedArrays:
    """What is known of the N specimens of all images, whatever they are called.

    Attributes
    ----------
    parts : tuple of SpecimenArrays
        Of each image.
    dimensions : int
        D, columns of a vector.
    """

    parts: tuple[SpecimenArrays, ...]
    dimensions: int

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The specimens, image by image."""
        return tuple(chain.from_iterable(part.keys for part in self.parts))

    @cached_property
    def rows(self) -> Mapping[str, int]:
        """The place of each specimen by its key."""
        return {key: row for row, key in enumerate(self.keys)}

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """Of which the vectors are known, shape (N,)."""
        return np.concatenate([np.zeros(0, dtype=np.bool_), *(part.is_known for part in self.parts)])

    @cached_property
    def is_proposal(self) -> NDArray[np.bool_]:
        """Which of them nobody has accepted yet, shape (N,)."""
        return np.concatenate([np.zeros(0, dtype=np.bool_), *(part.is_proposal for part in self.parts)])

    @cached_property
    def units(self) -> NDArray[np.float32]:
        """Vectors of length 1, the same for mirror images, shape (N, D); zeros where they are not known."""
        return np.concatenate([np.zeros((0, self.dimensions), np.float32), *(part.units for part in self.parts)])

    @cached_property
    def starts(self) -> list[int]:
        """The row of the first specimen of each image."""
        return list(accumulate((len(part.keys) for part in self.parts), initial=0))

    def is_of(self, images: Sequence[ImageSpecimens]) -> bool:
        """Return whether it is that of these images."""
        return len(images) == len(self.parts) and all(
            image.arrays is part for image, part in zip(images, self.parts, strict=True)
        )


@dataclass(frozen=True, eq=False)
class VectorTable:
    """The N specimens of all images as they are at one time; nothing in it changes.

    Attributes
    ----------
    images : tuple of ImageSpecimens
        The images, in their order.
    arrays : JoinedArrays
        Vectors and sizes of all.
    """

    images: tuple[ImageSpecimens, ...]
    arrays: JoinedArrays

    @cached_property
    def listed(self) -> tuple[KnownSpecimen, ...]:
        """All specimens, image by image."""
        return tuple(chain.from_iterable(image.listed for image in self.images))

    @property
    def rows(self) -> Mapping[str, int]:
        """The place of each by its key."""
        return self.arrays.rows

    @property
    def known(self) -> NDArray[np.bool_]:
        """Of which the vectors are known, shape (N,)."""
        return self.arrays.known

    @property
    def units(self) -> NDArray[np.float32]:
        """Vectors of length 1, the same for mirror images, shape (N, D); zeros where they are not known."""
        return self.arrays.units

    def prepare(self) -> None:
        """Work out what searches need of each image, so that the first one need not."""
        for part in self.arrays.parts:
            _ = part.units

    def place(self, row: int) -> tuple[ImageSpecimens, int]:
        """Return the image of a specimen, and its place in it."""
        number = bisect_right(self.arrays.starts, row) - 1
        return self.images[number], row - self.arrays.starts[number]

    def specimen(self, key: str) -> KnownSpecimen:
        """Return a specimen. Raises InputError where it is not there (any more)."""
        image, k = self.place(self.row(key))
        return image.listed[k]

    def row(self, key: str) -> int:
        """Return the place of a specimen. Raises InputError where it is not there (any more)."""
        if key not in self.rows:
            raise InputError(f"The project has no specimen {key}.")
        return self.rows[key]

    def keys_of(self, rows: NDArray[np.intp]) -> list[str]:
        """Return the keys of specimens by their places."""
        keys = self.arrays.keys
        return [keys[row] for row in rows.tolist()]

    def searched(self, without: Iterable[str] = (), proposals: bool = False) -> NDArray[np.bool_]:
        """Return which specimens have known vectors, shape (N,), without some by their keys; proposals if wanted."""
        found = self.known.copy() if proposals else self.known & ~self.arrays.is_proposal
        found[[self.rows[key] for key in without]] = False
        return found

    def has_vector(self, key: str) -> bool:
        """Return whether the vector of a specimen is known."""
        row = self.rows.get(key)
        return row is not None and bool(self.known[row])

    def known_row(self, key: str) -> int:
        """Return the place of a specimen with a known vector. Raises InputError for others."""
        row = self.row(key)
        if not self.known[row]:
            raise InputError(f"The vector of specimen {key} is not known: it was not computed yet, or nothing is seen.")
        return row

    def units_of(self, keys: Sequence[str]) -> NDArray[np.float32]:
        """Return the rows of :attr:`units` of N specimens, shape (N, D). Raises KeyError where one is not there."""
        places = [self.place(self.rows[key]) for key in keys]
        return np.array([image.arrays.units[k] for image, k in places]).reshape(-1, self.arrays.dimensions)

    def cosines(self, keys: Sequence[str]) -> NDArray[np.float32]:
        """Return the mean cosines of all N specimens with some, at least one, shape (N,). As :meth:`units_of`."""
        wanted = self.units_of(keys).mean(axis=0)
        # Image by image: to join the vectors of all takes long after each edit.
        return np.concatenate([part.units @ wanted for part in self.arrays.parts])

    def parts(self, keys: Sequence[str]) -> Parts:
        """Return what specimens with known vectors teach with. Raises InputError for others."""
        places = [self.place(self.known_row(key)) for key in keys]
        dimensions = self.arrays.dimensions
        return Parts(
            np.array([image.arrays.pairs[k] for image, k in places], np.float32).reshape(-1, 2, dimensions),
            np.array([image.arrays.sizes[k] for image, k in places], np.float64).reshape(-1, len(NAMING_COLUMNS)),
            tuple(image.listed[k].group for image, k in places),
            tuple(image.slide for image, _ in places),
        )

    def lengths_um(self, keys: Sequence[str]) -> NDArray[np.float64]:
        """Return the lengths of specimens in µm, shape (N,); NaN where one is not known, or the edge cuts it."""
        places = [self.place(self.row(key)) for key in keys]
        return np.exp(np.array([image.arrays.sizes[k, 0] for image, k in places], dtype=np.float64))


class ProjectSpecimens:
    """The specimens of a project, image by image as they were taken over last.

    Parameters
    ----------
    project : Project
        The project.
    embedder : ModelFolder
        What makes the vectors; it is not loaded here.
    cache : VectorCache, optional
        The vectors that are known; by default those that are kept beside the project.
    """

    def __init__(self, project: Project, embedder: ModelFolder, cache: VectorCache | None = None) -> None:
        self.embedder = embedder
        self.cache = cache or VectorCache.of_project(project.folder, embedder.card)
        self.taxa = ProjectTaxa.of(project.settings)
        self._project = project
        self._images: dict[str, ImageSpecimens] = {}
        self._table: VectorTable | None = None
        self._arrays = JoinedArrays((), self.cache.dimensions)

    @property
    def table(self) -> VectorTable:
        """All specimens as they are now."""
        if self._table is None:
            images = tuple(self._images.values())
            if not self._arrays.is_of(images):
                self._arrays = JoinedArrays(tuple(image.arrays for image in images), self.cache.dimensions)
            self._table = VectorTable(images, self._arrays)
        return self._table

    def copy(self) -> ProjectSpecimens:
        """Return the specimens as they are now, whatever is taken over later."""
        twin = copy.copy(self)
        twin._images, twin._table = dict(self._images), self.table
        return twin

    def read(self, monitor: ProgressMonitor = UNWATCHED) -> None:
        """Read all images of the project, with its classes, slides and pixel sizes.

        Images whose files are damaged are passed over, as everywhere in a project.

        Parameters
        ----------
        monitor : ProgressMonitor
            See :mod:`napari_diatom.core.progress`; reports ``"images"``.
        """
        images = self._project.images
        self.taxa = ProjectTaxa.of(self._project.settings)
        found: dict[str, ImageSpecimens] = {}
        for number, image in enumerate(images):
            monitor.report(Progress("images", number, len(images), image.id))
            monitor.check()
            try:
                found[image.id] = self._of_image(image, self._project.contents(image.id))
            except InputError:
                continue
        monitor.report(Progress("images", len(images), len(images)))
        self._images, self._table = found, None

    def take(self, image: ProjectImage, contents: Contents) -> None:
        """Take over what an image holds now."""
        self._images[image.id] = self._of_image(image, contents)
        self._table = None

    def take_vectors(self) -> bool:
        """Take over the vectors that were computed since, by any process; return whether there were any."""
        self.cache.refresh()
        now = {image_id: image.with_vectors(self.cache) for image_id, image in self._images.items()}
        if all(now[image_id] is image for image_id, image in self._images.items()):
            return False
        self._images, self._table = now, None
        return True

    def work(self) -> Iterator[VectorWork]:
        """Yield the specimens whose vectors are to be computed, image by image.

        See :func:`~napari_diatom.review.vector_work.compute_vectors`.
        """
        for held in list(self._images.values()):
            if held.arrays.is_known.all():
                continue
            lacking = [one.specimen for one in held.listed if one.digest not in self.cache]
            if lacking:
                yield VectorWork.of(self._project.folder, held.image, lacking, self.embedder)

    def image(self, image_id: str) -> ImageSpecimens | None:
        """Return the specimens of an image; None where it was not read."""
        return self._images.get(image_id)

    def named_in(self, image_id: str) -> dict[str, str]:
        """Return the names that people gave the specimens of an image, by their keys."""
        image = self._images.get(image_id)
        return {one.key: one.taxon for one in image.listed if one.taxon} if image is not None else {}

    def changed_images(self, since: ProjectSpecimens) -> list[str]:
        """Return the ids of the images that are not as they were in a :meth:`copy`."""
        ids = dict.fromkeys((*self._images, *since._images))
        return [id_ for id_ in ids if self._images.get(id_) is not since._images.get(id_)]

    def _of_image(self, image: ProjectImage, contents: Contents) -> ImageSpecimens:
        size = self._project.settings.pixel_sizes_um.get(image.slide)
        earlier = self._images.get(image.id)
        return image_specimens(image, contents.specimens, contents.proposals, self.taxa, size, self.cache, earlier)
