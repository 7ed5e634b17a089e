"""The files of an image's results: where they lie below the folder of results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_diatom.counting.export import mask_files
from napari_diatom.counting.result_names import Source
from napari_diatom.counting.written_files import ANNOTATIONS, MASKS, OVERLAYS
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.images.slide_image import SlideImage


@dataclass(frozen=True)
class Outputs:
    """The files of an image's results, as paths below the folder of results with ``/`` on every system.

    Attributes
    ----------
    annotations : str
        GeoJSON.
    overlay : str or None
        JPEG, where overlays are asked for.
    masks : tuple of str
        The label image and COCO, where masks are asked for.
    """

    annotations: str
    overlay: str | None
    masks: tuple[str, ...]

    @classmethod
    def of(cls, source: Source, image: SlideImage, overlays: bool, masks: bool) -> Outputs:
        """Return the files of an image's results."""
        stem = result_stem(source, image)
        return cls(
            f"{ANNOTATIONS}/{stem}{geojson.SUFFIX}",
            f"{OVERLAYS}/{stem}.jpg" if overlays else None,
            tuple(path.as_posix() for path in mask_files(Path(MASKS), stem)) if masks else (),
        )

    @property
    def all(self) -> tuple[str, ...]:
        """All of them."""
        return (self.annotations, *((self.overlay,) if self.overlay else ()), *self.masks)

    def facts(self) -> dict[str, str | None]:
        """Return what ``run.json`` says of them."""
        return {
            "annotations": self.annotations,
            "overlay": self.overlay,
            "masks": self.masks[0] if self.masks else None,
        }


def result_stem(source: Source, image: SlideImage) -> str:
    """Return the name of an image in the folders of results, without ending."""
    return source.stem + image.name.removeprefix(source.name)
