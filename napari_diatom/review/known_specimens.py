"""The specimens and proposals of an image, with what names are learnt from: vectors, sizes, view and slide."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.detections import PERSON, cut_flags
from napari_diatom.measurement.shape_columns import box_columns
from napari_diatom.naming.vectors import unit_vectors
from napari_diatom.naming.views import group_of
from napari_diatom.project.project_taxa import ProjectTaxa
from napari_diatom.project.settings import ProjectImage
from napari_diatom.project.specimen import Specimen
from napari_diatom.review.vector_cache import VectorCache, specimen_digest


def specimen_key(image_id: str, specimen_id: str) -> str:
    """Return what a specimen is called among those of all images."""
    return f"{image_id}/{specimen_id}"


def specimen_place(key: str) -> tuple[str, str]:
    """Return the ids of image and specimen of a key."""
    image_id, _, specimen_id = key.partition("/")
    return image_id, specimen_id


@dataclass(frozen=True, eq=False)
class KnownSpecimen:
    """A specimen, or a proposal, of a project.

    Attributes
    ----------
    key : str
        See :func:`specimen_key`.
    specimen : Specimen
        As the project has it.
    is_proposal : bool
        Whether nobody has accepted it yet.
    digest : bytes
        By which its vectors are known.
    taxon : str
        The accepted name that a person gave it; empty where it has none.
    group : str
        What it may be compared with.
    """

    key: str
    specimen: Specimen
    is_proposal: bool
    digest: bytes
    taxon: str
    group: str


@dataclass(frozen=True, eq=False)
class SpecimenArrays:
    """What is known of N specimens, whatever they are called; the same object for as long as nothing of it changes.

    Attributes
    ----------
    keys : tuple of str
        The specimens.
    digests : tuple of bytes
        By which their vectors are known.
    is_proposal : ndarray of bool, shape (N,)
        Which of them nobody has accepted yet.
    sizes : ndarray, shape (N, 2)
        Logarithms of length (µm) and of length to width; NaN where they are not known.
    pairs : ndarray of float32, shape (N, 2, D)
        Vectors of the specimens and of their mirror images; NaN where they are not known.
    """

    keys: tuple[str, ...]
    digests: tuple[bytes, ...]
    is_proposal: NDArray[np.bool_]
    sizes: NDArray[np.float64]
    pairs: NDArray[np.float32]

    @cached_property
    def is_known(self) -> NDArray[np.bool_]:
        """Of which specimens the vectors are known, shape (N,)."""
        return np.asarray(np.isfinite(self.pairs).all(axis=(1, 2)))

    @cached_property
    def units(self) -> NDArray[np.float32]:
        """Vectors of length 1, the same for mirror images, shape (N, D); zeros where they are not known."""
        return unit_vectors(np.where(self.is_known[:, None], self.pairs.mean(axis=1), 0))

    def is_like(self, other: SpecimenArrays) -> bool:
        """Return whether another one says the same."""
        return (
            self.keys == other.keys
            and self.digests == other.digests
            and np.array_equal(self.is_proposal, other.is_proposal)
            and np.array_equal(self.sizes, other.sizes, equal_nan=True)
            and np.array_equal(self.pairs, other.pairs, equal_nan=True)
        )


@dataclass(frozen=True, eq=False)
class ImageSpecimens:
    """The N specimens and proposals of an image.

    Attributes
    ----------
    image : ProjectImage
        The image.
    listed : tuple of KnownSpecimen
        Specimens first, then proposals.
    arrays : SpecimenArrays
        Their vectors and sizes.
    """

    image: ProjectImage
    listed: tuple[KnownSpecimen, ...]
    arrays: SpecimenArrays

    @property
    def slide(self) -> str:
        """The slide; the image's own name where it has none."""
        return self.image.slide or self.image.id

    def with_vectors(self, cache: VectorCache) -> ImageSpecimens:
        """Return it with the vectors that are known by now; the same object where there are no more."""
        lacking = np.flatnonzero(~self.arrays.is_known).tolist()
        wanted = [k for k in lacking if self.arrays.digests[k] in cache]
        if not wanted:
            return self
        found = cache.vectors([self.arrays.digests[k] for k in wanted])
        if not np.isfinite(found).all(axis=(1, 2)).any():
            return self
        pairs = self.arrays.pairs.copy()
        pairs[wanted] = found
        return replace(self, arrays=replace(self.arrays, pairs=pairs))


def image_specimens(
    image: ProjectImage,
    specimens: Iterable[Specimen],
    proposals: Iterable[Specimen],
    taxa: ProjectTaxa,
    pixel_size_um: float | None,
    cache: VectorCache,
    earlier: ImageSpecimens | None = None,
) -> ImageSpecimens:
    """Return the specimens of an image; what was worked out for those that are as they were is taken over.

    A person has named a specimen whose class is a taxon, and that they drew, changed or looked at.

    Parameters
    ----------
    image : ProjectImage
        The image.
    specimens, proposals : iterable of Specimen
        What there is.
    taxa : ProjectTaxa
        What the classes mean.
    pixel_size_um : float or None
        Micrometres per pixel; None where it is not known.
    cache : VectorCache
        The vectors that are known.
    earlier : ImageSpecimens, optional
        What there was before, of the same image.
    """
    is_same_image = earlier is not None and earlier.image.sha256 == image.sha256
    before = {one.specimen.id: one for one in earlier.listed} if earlier is not None and is_same_image else {}
    listed = []
    for is_proposal, some in ((False, specimens), (True, proposals)):
        for item in some:
            is_named = not is_proposal and (item.reviewed or item.origin == PERSON) and taxa.is_taxon(item.name)
            taxon, known = taxa.taxon(item.name) if is_named else "", before.get(item.id)
            is_known = known is not None and (known.is_proposal, known.taxon) == (is_proposal, taxon)
            if known is not None and is_known and _is_same(known.specimen, item):
                # Of an image that was read again, most are as they were: what was kept stays, the others go.
                listed.append(known)
                continue
            digest = known.digest if known is not None and known.specimen is item else specimen_digest(image, item)
            group = group_of(item.status)
            listed.append(KnownSpecimen(specimen_key(image.id, item.id), item, is_proposal, digest, taxon, group))
    boxes = np.array([one.specimen.box for one in listed], dtype=np.float64).reshape(-1, 5)
    arrays = SpecimenArrays(
        tuple(one.key for one in listed),
        tuple(one.digest for one in listed),
        np.array([one.is_proposal for one in listed], dtype=np.bool_),
        box_columns(boxes, pixel_size_um, cut_flags(boxes, image.height, image.width)),
        cache.vectors([one.digest for one in listed]),
    )
    is_same = earlier is not None and earlier.arrays.is_like(arrays)
    return ImageSpecimens(image, tuple(listed), earlier.arrays if earlier is not None and is_same else arrays)


def _is_same(first: Specimen, second: Specimen) -> bool:
    """Return whether two specimens say the same, without a look at masks, which takes long."""
    if first is second:
        return True
    return first.pixels is None and second.pixels is None and first.box == second.box and first.is_like(second)
