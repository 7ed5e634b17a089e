"""What a layer of specimens remembers of their image and of the model that found them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Self

from napari_diatom.images.planes import BEST

METADATA_KEY: Final = "napari_diatom"
"""Entry of ``layer.metadata`` that makes a Shapes layer one of ours; see :class:`ResultFacts`."""


@dataclass(frozen=True)
class ResultFacts:
    """What a layer of specimens must remember besides its shapes; kept as plain data in its metadata.

    Attributes
    ----------
    image : str
        Name of the image.
    height, width : int or None
        Of the image, in pixels; None where unknown.
    classes : tuple of str
        Class names, in the order of their colours.
    pixel_size_um : float or None
        Micrometres per pixel.
    model : str
        Name and version of the model, empty where people drew everything.
    plane : tuple of int
        Position on the axes before y and x, for images of more than two dimensions.
    orientation : int or None
        How the image's file stores it, while coordinates are those of the upright image; None where that is unknown.
    path : str
        Whole path of the image's file, empty where it was not opened from one, or is shown as a stack.
    page : int or None
        Number of the image in a file of several, from 1; None where the file has only one.
    z : str
        How the images of the file are counted, as for :func:`napari_diatom.images.slide_image.open_images`.
    """

    image: str
    height: int | None = None
    width: int | None = None
    classes: tuple[str, ...] = ("diatom",)
    pixel_size_um: float | None = None
    model: str = ""
    plane: tuple[int, ...] = ()
    orientation: int | None = None
    path: str = ""
    page: int | None = None
    z: str = BEST

    def to_metadata(self) -> dict[str, Any]:
        """Return the layer's metadata."""
        return {METADATA_KEY: asdict(self)}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> Self | None:
        """Return the facts of a layer, None where it is not one of ours."""
        entry = metadata.get(METADATA_KEY)
        if not isinstance(entry, Mapping) or not {field.name for field in fields(cls)} >= set(entry):
            return None
        try:
            return cls(**{**entry, "classes": tuple(entry["classes"]), "plane": tuple(entry["plane"])})
        except (KeyError, TypeError):
            return None
