"""What slides are composed of: cut-outs of specimens and of debris, and emptied backgrounds."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from diatom_training.composing.background import Rgb
from diatom_training.data.examples import Example, Outline
from napari_diatom.core.errors import InputError


@dataclass(frozen=True, eq=False)
class CutoutSpecimen:
    """One specimen of a cut-out.

    Attributes
    ----------
    outline : ndarray of float32, shape (K, 2)
        x and y in pixels of the cut-out.
    angle : float
        Direction of the apical axis in radians from +x towards +y.
    class_name : str
    """

    outline: Outline
    angle: float
    class_name: str


@dataclass(frozen=True, eq=False)
class CutOut:
    """A piece of an image, flattened: around the object is nothing but even light and grain.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (h, w, 3)
    opacity : ndarray of uint8, shape (h, w)
        How much of each pixel is the object's: 255 on it, falling to 0 over its halo.
    light : tuple of 3 floats
        Grey levels of the light around the object.
    outline : ndarray of float32, shape (K, 2)
        Of the whole object, x and y in pixels of the cut-out.
    specimens : tuple of CutoutSpecimen
        One, or several that lie upon or at each other as cells of a chain do; none in debris.
    pixel_size_um : float or None
        Micrometres per pixel.
    source : str
        Name of the image.
    group : str
        The slide or station, which a split keeps together.
    """

    pixels: Rgb
    opacity: NDArray[np.uint8]
    light: tuple[float, float, float]
    outline: Outline
    specimens: tuple[CutoutSpecimen, ...]
    pixel_size_um: float | None
    source: str
    group: str

    @property
    def length(self) -> float:
        """Largest extent in pixels of any of its specimens along its axis, or of debris."""
        parts = [(part.outline, part.angle) for part in self.specimens] or [(self.outline, 0.0)]
        return max(float(np.ptp(points @ [np.cos(angle), np.sin(angle)])) for points, angle in parts)


@dataclass(frozen=True, eq=False)
class Background:
    """An image without objects.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (h, w, 3)
    pixel_size_um : float or None
        Micrometres per pixel.
    source, group : str
        As in :class:`CutOut`.
    """

    pixels: Rgb
    pixel_size_um: float | None
    source: str
    group: str


@dataclass(frozen=True)
class LeftOut:
    """An image or a specimen that is not used, and why."""

    source: str
    reason: str


@dataclass(frozen=True, eq=False)
class Material:
    """What fields are composed of.

    Attributes
    ----------
    classes : tuple of str
        Names that the specimens' classes are counted by.
    specimens, debris : tuple of CutOut
    backgrounds : tuple of Background
        Without any, backgrounds are made of the light and the grain around the cut-outs.
    left_out : tuple of LeftOut
    """

    classes: tuple[str, ...]
    specimens: tuple[CutOut, ...]
    debris: tuple[CutOut, ...] = ()
    backgrounds: tuple[Background, ...] = ()
    left_out: tuple[LeftOut, ...] = field(default=(), repr=False)

    @property
    def groups(self) -> tuple[str, ...]:
        """The slides or stations that anything in the material comes from, sorted."""
        parts: Iterable[CutOut | Background] = (*self.specimens, *self.debris, *self.backgrounds)
        return tuple(sorted({part.group for part in parts}))

    def without(self, groups: Collection[str]) -> Material:
        """Return the material without anything from some groups, such as those kept for testing."""
        return replace(
            self,
            specimens=tuple(part for part in self.specimens if part.group not in groups),
            debris=tuple(part for part in self.debris if part.group not in groups),
            backgrounds=tuple(part for part in self.backgrounds if part.group not in groups),
        )

    def of_one_class(self, name: str) -> Material:
        """Return the material with one class for all specimens, as a detector learns it that names nothing."""
        return replace(
            self,
            classes=(name,),
            specimens=tuple(
                replace(cut, specimens=tuple(replace(one, class_name=name) for one in cut.specimens))
                for cut in self.specimens
            ),
        )

    def check_apart(self, examples: Sequence[Example]) -> None:
        """Refuse material from the slides of examples that are kept for testing or validation.

        Raises
        ------
        InputError
            With every group that is in both.
        """
        shared = sorted({example_group(example) for example in examples} & set(self.groups))
        if shared:
            raise InputError(
                f"Composed slides would show specimens kept for testing, from {', '.join(shared)}; "
                "leave these slides out of the material."
            )

    def digest(self) -> str:
        """Return a hash in hexadecimal of all that a composed field can show."""
        total = hashlib.sha256(repr(self.classes).encode())
        for part in (*self.specimens, *self.debris):
            arrays: list[NDArray[Any]] = [part.pixels, part.opacity, part.outline]
            for array in arrays + [one.outline for one in part.specimens]:
                total.update(repr(array.shape).encode())
                total.update(np.ascontiguousarray(array).tobytes())
            labels = [(one.class_name, one.angle) for one in part.specimens]
            total.update(repr((labels, part.light, part.pixel_size_um, part.source, part.group)).encode())
        for ground in self.backgrounds:
            total.update(repr((ground.pixels.shape, ground.pixel_size_um, ground.source, ground.group)).encode())
            total.update(np.ascontiguousarray(ground.pixels).tobytes())
        return total.hexdigest()


NO_SPECIMEN: Final = "There are no cut-outs of specimens to compose slides from"


def joined(parts: Sequence[Material]) -> Material:
    """Return several materials as one; classes are matched by their names.

    Raises
    ------
    InputError
        When there is none.
    """
    if not parts:
        raise InputError(f"{NO_SPECIMEN}: name annotated slides or a folder of atlas images.")
    return Material(
        classes=tuple(dict.fromkeys(name for part in parts for name in part.classes)),
        specimens=tuple(cut for part in parts for cut in part.specimens),
        debris=tuple(cut for part in parts for cut in part.debris),
        backgrounds=tuple(ground for part in parts for ground in part.backgrounds),
        left_out=tuple(entry for part in parts for entry in part.left_out),
    )


def example_group(example: Example) -> str:
    """Return an example's group; an image without one is a group of its own."""
    return example.group or example.image.stem
