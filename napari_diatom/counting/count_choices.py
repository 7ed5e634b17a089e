"""What a person may choose for a run over many images, in one flat list as a form shows it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field

from napari_diatom.analysis.pipeline import AnalysisOptions
from napari_diatom.counting.batch_options import Batch
from napari_diatom.images.planes import BEST, EACH, checked_z
from napari_diatom.images.slide_image import LARGEST_DECODE_MB, checked_decode_mb
from napari_diatom.measurement.counting_protocol import DEFAULT_COUNTED, Protocol

FOCUS_PLANES: Final = (("the sharpest", BEST), ("brightest values", "max"), ("each as an image", EACH))
"""Choices of ``z``, with their words."""


def _field(title: str, none: str = "", **bounds: Any) -> Any:
    """Return what a form says of a field: its title, its text for no value, and its bounds."""
    extra: dict[str, Any] = {"none": none} if none else {}
    return Field(title=title, json_schema_extra=extra, **bounds)


@dataclass(frozen=True)
class CountChoices:
    """The choices.

    Attributes
    ----------
    pixel_size_um : float or None
        Micrometres per pixel of all images; without a value, each image has its own.
    threshold : float or None
        Lowest score of a specimen, 0 to 1; without a value, the model's own.
    sample : str or None
        Name of the sample that all images belong to; without one, the name of each image's folder.
    z : str
        What is used of a focus series: the sharpest plane, the brightest value at each pixel, each plane as an image of
        its own, or the number of a plane from 1.
    counted : tuple of str
        Statuses of specimens that count.
    overlays : bool
        Write pictures of the images with their specimens.
    xlsx : bool
        Write the tables for Excel too.
    masks : bool
        Write masks as label images and COCO, where there are outlines.
    max_decode_mb : int
        Most memory to decode a tile, a strip, or a JPEG or PNG file, in megabytes.
    all_tiles : bool
        Also search tiles that show nothing but the camera's noise; it takes longer.
    """

    pixel_size_um: Annotated[float | None, _field("Pixel size", "each image's own", gt=0)] = None
    threshold: Annotated[float | None, _field("Threshold", "the model's own", gt=0, le=1)] = None
    sample: Annotated[str | None, _field("Sample", "each image's folder")] = None
    z: Annotated[str, _field("Focus planes")] = BEST
    counted: Annotated[tuple[str, ...], _field("Counted")] = DEFAULT_COUNTED
    overlays: Annotated[bool, _field("Overlays")] = True
    xlsx: Annotated[bool, _field("Tables for Excel")] = False
    masks: Annotated[bool, _field("Masks")] = False
    max_decode_mb: Annotated[int, _field("Memory for a tile", ge=1)] = LARGEST_DECODE_MB
    all_tiles: Annotated[bool, _field("Search empty tiles")] = False

    def __post_init__(self) -> None:
        checked_z(self.z)
        checked_decode_mb(self.max_decode_mb)
        Protocol.of(self.counted)
        AnalysisOptions(threshold=self.threshold, pixel_size_um=self.pixel_size_um)

    def batch(self, inputs: tuple[str, ...], out: Path, options: AnalysisOptions) -> Batch:
        """Return a batch with these choices.

        Parameters
        ----------
        inputs : tuple of str
            Files and folders.
        out : Path
            Folder of the results.
        options : AnalysisOptions
            Of the analysis, but for the threshold and the pixel size; empty tiles are searched if either says so.
        """
        return Batch(
            inputs,
            out,
            replace(
                options,
                threshold=self.threshold,
                pixel_size_um=self.pixel_size_um,
                all_tiles=self.all_tiles or options.all_tiles,
            ),
            Protocol.of(self.counted),
            sample=self.sample or None,
            overlays=self.overlays,
            masks=self.masks,
            xlsx=self.xlsx,
            z=checked_z(self.z),
            max_decode_mb=self.max_decode_mb,
        )
